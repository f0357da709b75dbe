//! Changes of tables, each within a savepoint: what is refused leaves the transaction as it was.

use ctk_db::{
    DbError,
    postgres::{self, Connection, Kind, Trouble, sqlstate, trouble},
    quote, text_of,
};

use super::{
    change_type::change_type,
    create::{is_there, schema_sql},
    declare, quoted, shown,
    unique::unique_sql,
};
use crate::{
    SinkError,
    cdc::store::{Alteration, Fate, Layout, TargetTable},
};

/// How long to wait for the table, in seconds, before others are let through.
const LOCK: u32 = 5;

/// Changes a table.
pub(super) async fn alter(
    connection: &mut Connection,
    table: &TargetTable,
    layout: Layout,
    alteration: &Alteration,
) -> Result<Fate, SinkError> {
    let found = postgres::table(connection, &table.schema, &table.table).await?;
    let Some(found) = found else { return Ok(None) };
    if !found.kind.takes_rows() {
        return Ok(Some(format!("{} is no table", shown(table))));
    }
    let is_foreign = found.kind == Kind::Foreign;
    let (of, name) = (if is_foreign { "FOREIGN TABLE" } else { "TABLE" }, quoted(table));
    let has = |name: &str| found.columns.iter().any(|column| column.name == name);
    let is_universal = layout == Layout::Universal;
    let sql = match alteration {
        Alteration::AddColumns(_) | Alteration::ChangeColumn(_) if is_universal => return Ok(None),
        Alteration::DropColumn(name) if is_universal => {
            return drop_member(connection, table, name).await;
        }
        Alteration::RenameColumn { from, to } if is_universal => {
            return rename_member(connection, table, from, to).await;
        }
        Alteration::AddColumns(columns) => {
            let add: Vec<_> = columns
                .iter()
                .filter(|column| !has(&column.name))
                .map(|column| format!("ADD COLUMN IF NOT EXISTS {}", declare::column(column)))
                .collect();
            if add.is_empty() {
                return Ok(None);
            }
            format!("ALTER {of} {name} {}", add.join(", "))
        }
        Alteration::DropColumn(column) if !has(column) => return Ok(None),
        Alteration::DropColumn(column) => {
            let key = postgres::key(connection, &table.schema, &table.table).await?;
            if key.contains(column) {
                return Ok(Some(of_key(column)));
            }
            format!("ALTER {of} {name} DROP COLUMN {}", quote(column))
        }
        Alteration::RenameColumn { from, to } if !has(from) || from == to => return Ok(None),
        Alteration::RenameColumn { from, to } => {
            format!("ALTER {of} {name} RENAME COLUMN {} TO {}", quote(from), quote(to))
        }
        Alteration::ChangeColumn(column) => {
            return change_type(connection, table, &found, column).await;
        }
        Alteration::Drop => format!("DROP {of} {name}"),
        Alteration::Truncate => return truncate(connection, table).await,
        Alteration::Rename(to) if to == table => return Ok(None),
        Alteration::Rename(to) => match rename_sql(connection, table, to, of).await? {
            Ok(sql) => sql,
            Err(why) => return Ok(Some(why)),
        },
        Alteration::MakeUnique(columns) => {
            let columns = if is_universal { &vec!["pk".to_owned()] } else { columns };
            match unique_sql(connection, table, columns).await? {
                Some(sql) => sql,
                None => return Ok(None),
            }
        }
    };
    refusal(run(connection, &sql).await, format!("change table {}", shown(table)))
}

fn of_key(column: &str) -> String {
    format!("the column {column} belongs to the key of the table")
}

/// Empties a table. Where it is referred to by others, it is not truncated, which the server refuses even when these are empty.
async fn truncate(connection: &mut Connection, table: &TargetTable) -> Result<Fate, SinkError> {
    let name = quoted(table);
    let mut done = run(connection, &format!("TRUNCATE {name}")).await;
    let code = done.as_ref().err().and_then(sqlstate);
    if matches!(code.as_deref(), Some("0A000" | "42809" | "42501")) {
        done = run(connection, &format!("DELETE FROM {name}")).await;
    }
    refusal(done, format!("empty table {}", shown(table)))
}

/// Returns what gives a table another name and schema, or why it cannot get it.
async fn rename_sql(
    connection: &mut Connection,
    table: &TargetTable,
    to: &TargetTable,
    of: &str,
) -> Result<Result<String, String>, SinkError> {
    if is_there(connection, &to.schema, &to.table).await? {
        return Ok(Err(format!("{} is there already", shown(to))));
    }
    let (from, name, schema) = (quoted(table), quote(&to.table), quote(&to.schema));
    if table.schema == to.schema {
        return Ok(Ok(format!("ALTER {of} {from} RENAME TO {name}")));
    }
    let sql = schema_sql(connection, &to.schema).await?;
    if table.table == to.table {
        return Ok(Ok(format!("{sql}ALTER {of} {from} SET SCHEMA {schema}")));
    }
    // By a name that neither schema has: the old one may be taken there, and the new one here.
    let between = crate::names::apart(&format!("ctk_{:.20}", to.table));
    let between = quote(&crate::postgres::fit_name(between));
    Ok(Ok(format!(
        "{sql}ALTER {of} {from} RENAME TO {between}; ALTER {of} {}.{between} SET SCHEMA {schema}; \
         ALTER {of} {schema}.{between} RENAME TO {name}",
        quote(&table.schema)
    )))
}

async fn drop_member(
    connection: &mut Connection,
    table: &TargetTable,
    name: &str,
) -> Result<Fate, SinkError> {
    let of = quoted(table);
    let in_key =
        format!("SELECT EXISTS (SELECT 1 FROM {of} WHERE pg_catalog.jsonb_exists(pk, $1))");
    if is_so(connection, &in_key, &[name]).await? {
        return Ok(Some(of_key(name)));
    }
    let sql = format!(
        "UPDATE {of} SET data = data - $1::text WHERE pg_catalog.jsonb_exists(data, $1::text)"
    );
    run_bound(connection, table, &sql, &[name]).await
}

async fn rename_member(
    connection: &mut Connection,
    table: &TargetTable,
    from: &str,
    to: &str,
) -> Result<Fate, SinkError> {
    if from == to {
        return Ok(None);
    }
    let of = quoted(table);
    for object in ["pk", "data"] {
        let has = |place: &str| format!("pg_catalog.jsonb_exists({object}, {place}::text)");
        let both =
            format!("SELECT EXISTS (SELECT 1 FROM {of} WHERE {} AND {})", has("$1"), has("$2"));
        if is_so(connection, &both, &[from, to]).await? {
            return Ok(Some(format!("there are rows with {from} that have {to} already")));
        }
        let sql = format!(
            "UPDATE {of} SET {object} = ({object} - $1::text) || pg_catalog.jsonb_build_object($2::text, {object} -> $1::text) \
             WHERE {}",
            has("$1")
        );
        let fate = run_bound(connection, table, &sql, &[from, to]).await?;
        if fate.is_some() {
            return Ok(fate);
        }
    }
    Ok(None)
}

/// Asks something of a table.
async fn is_so(connection: &mut Connection, sql: &str, values: &[&str]) -> Result<bool, SinkError> {
    let mut query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).persistent(false);
    for value in values {
        query = query.bind(*value);
    }
    Ok(query.fetch_one(connection).await.map_err(DbError::statement("look at the rows"))?)
}

/// Runs a statement with values, within a savepoint.
async fn run_bound(
    connection: &mut Connection,
    table: &TargetTable,
    sql: &str,
    values: &[&str],
) -> Result<Fate, SinkError> {
    let what = format!("change table {}", shown(table));
    let begun = raw(connection, BEGIN).await;
    begun.map_err(DbError::statement(what.clone()))?;
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).persistent(false);
    for value in values {
        query = query.bind(*value);
    }
    let done = match query.execute(&mut *connection).await {
        Ok(_) => raw(connection, END).await,
        Err(error) => back(connection).await.and(Err(error)),
    };
    refusal(done, what)
}

const BEGIN: &str = "SAVEPOINT ctk_alter";
const END: &str = "RELEASE SAVEPOINT ctk_alter";

/// Goes back to how it was.
pub(super) async fn back(connection: &mut Connection) -> Result<(), sqlx::Error> {
    raw(connection, "ROLLBACK TO SAVEPOINT ctk_alter; RELEASE SAVEPOINT ctk_alter").await
}

/// Runs statements within a savepoint, to which this goes back when they fail.
pub(super) async fn run(connection: &mut Connection, sql: &str) -> Result<(), sqlx::Error> {
    let sql = format!(
        "{BEGIN}; SET LOCAL lock_timeout = '{LOCK}s'; {sql}; SET LOCAL lock_timeout TO DEFAULT; {END}"
    );
    for is_again in [false, true] {
        let Err(error) = raw(connection, &sql).await else { return Ok(()) };
        back(connection).await?;
        // Constraints that are to be checked at the end forbid it after rows were written.
        if is_again || sqlstate(&error).as_deref() != Some("55006") {
            return Err(error);
        }
        raw(connection, "SET CONSTRAINTS ALL IMMEDIATE").await?;
    }
    Ok(())
}

pub(super) async fn raw(connection: &mut Connection, sql: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(connection).await.map(drop)
}

/// Tells what is wrong with the table from what is wrong with the server, or with the rights of the user.
pub(super) fn refusal(done: Result<(), sqlx::Error>, what: String) -> Result<Fate, SinkError> {
    match done {
        Ok(()) => Ok(None),
        Err(error) if is_of_table(&error) => Ok(Some(text_of(&error))),
        Err(source) => Err(DbError::Statement { what, source }.into()),
    }
}

fn is_of_table(error: &sqlx::Error) -> bool {
    match trouble(error) {
        Trouble::Rows | Trouble::Table => true,
        Trouble::Connection | Trouble::Retry | Trouble::ReadOnly => false,
        Trouble::Other => sqlstate(error).is_some_and(|code| {
            let class = code.get(..2).unwrap_or_default();
            code != "42501" && matches!(class, "0A" | "2B" | "42" | "54" | "55")
        }),
    }
}
