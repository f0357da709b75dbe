//! Changes of tables in SQLite.

use ctk_db::{DbError, quote, sqlite};
use sqlx::{AssertSqlSafe, Row as _};

use super::{SqliteStore, declare};
use crate::{
    SinkError,
    cdc::{
        open::DATA,
        store::{Alteration, Fate, Layout, NewColumn, TargetTable},
    },
    names::with_digest,
};

/// A column that only exists while its values are on their way into one of another type.
const CHANGED: &str = "ctk_changed";

pub(super) async fn alter(
    store: &mut SqliteStore<'_>,
    table: &TargetTable,
    layout: Layout,
    alteration: &Alteration,
) -> Result<Fate, SinkError> {
    let (name, shown) = (quote(&table.table), table.table.as_str());
    let columns = sqlite::columns(store.connection, shown).await?;
    if columns.is_empty() {
        return Ok(None);
    }
    let column = |name: &str| columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
    match alteration {
        Alteration::Drop => {
            store.ddl(format!("DROP TABLE {name}"), &format!("drop table {shown}")).await
        }
        Alteration::Truncate => {
            store.ddl(format!("DELETE FROM {name}"), &format!("empty table {shown}")).await
        }
        Alteration::Rename(to) => {
            let sql = format!("ALTER TABLE {name} RENAME TO {}", quote(&to.table));
            store.ddl(sql, &format!("rename table {shown}")).await
        }
        Alteration::MakeUnique(key) => {
            if is_unique(store, shown, key).await? {
                return Ok(None);
            }
            let names: Vec<_> = key.iter().map(|name| quote(name)).collect();
            let index = quote(&index_name(store, shown, key).await?);
            let sql = format!("CREATE UNIQUE INDEX {index} ON {name} ({})", names.join(", "));
            store.ddl(sql, &format!("make table {shown} unique")).await
        }
        Alteration::AddColumns(_) | Alteration::ChangeColumn(_) if layout == Layout::Universal => {
            Ok(None)
        }
        Alteration::DropColumn(member) if layout == Layout::Universal => {
            members(store, shown, |data| {
                data.retain(|(name, _)| name != member);
            })
            .await
        }
        Alteration::RenameColumn { from, to } if layout == Layout::Universal => {
            members(store, shown, |data| {
                if data.iter().any(|(name, _)| name == from) {
                    data.retain(|(name, _)| name != to);
                }
                for (name, _) in data {
                    if name == from {
                        name.clone_from(to);
                    }
                }
            })
            .await
        }
        Alteration::AddColumns(new) => {
            for NewColumn { name: added, kind } in new {
                if column(added).is_some() {
                    continue;
                }
                let sql =
                    format!("ALTER TABLE {name} ADD COLUMN {} {}", quote(added), declare(*kind));
                let fate = store.ddl(sql, &format!("add a column to table {shown}")).await?;
                if fate.is_some() {
                    return Ok(fate);
                }
            }
            Ok(None)
        }
        Alteration::DropColumn(dropped) => match column(dropped) {
            None => Ok(None),
            Some(column) => {
                let sql = format!("ALTER TABLE {name} DROP COLUMN {}", quote(&column.name));
                store.ddl(sql, &format!("drop a column of table {shown}")).await
            }
        },
        Alteration::RenameColumn { from, to } => match (column(from), column(to)) {
            (None, _) => Ok(None),
            (Some(_), Some(there)) if !there.name.eq_ignore_ascii_case(from) => {
                Ok(Some(format!("the table has a column {to} already")))
            }
            _ => {
                let sql =
                    format!("ALTER TABLE {name} RENAME COLUMN {} TO {}", quote(from), quote(to));
                store.ddl(sql, &format!("rename a column of table {shown}")).await
            }
        },
        Alteration::ChangeColumn(new) => match column(&new.name) {
            None => Ok(None),
            Some(column) if column.declared == declare(new.kind) => Ok(None),
            Some(column) if column.key > 0 => {
                Ok(Some("SQLite does not change the type of a key".to_owned()))
            }
            Some(_) => change(store, shown, new).await,
        },
    }
}

/// Gives a column another type. SQLite has no statement for that, so there is a new one, and the old one goes. Nothing is
/// changed when a value would be another one then.
async fn change(
    store: &mut SqliteStore<'_>,
    table: &str,
    new: &NewColumn,
) -> Result<Fate, SinkError> {
    let (name, column, changed) = (quote(table), quote(&new.name), quote(CHANGED));
    let what = format!("change a column of table {table}");
    let steps = [
        format!("ALTER TABLE {name} ADD COLUMN {changed} {}", declare(new.kind)),
        format!("UPDATE {name} SET {changed} = {column}"),
    ];
    for sql in steps {
        let fate = store.ddl(sql, &what).await?;
        if fate.is_some() {
            return Ok(fate);
        }
    }
    // The affinity of the column converts what can be converted without a loss, as 5 to '5', and nothing else
    // (<https://www.sqlite.org/datatype3.html#type_affinity>); of two numbers with one value both are right.
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM {name} WHERE CAST({changed} AS TEXT) IS NOT CAST({column} AS TEXT) AND {changed} IS NOT {column})"
    );
    let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut *store.connection).await;
    let loses: bool = row.map_err(DbError::statement(what.clone()))?.get(0);
    let (gone, fate) = if loses {
        (&changed, Some(format!("values of the column {} would change", new.name)))
    } else {
        (&column, None)
    };
    if let Some(why) = store.ddl(format!("ALTER TABLE {name} DROP COLUMN {gone}"), &what).await? {
        // An index needs it, as a rule: then the new one goes.
        let sql = format!("ALTER TABLE {name} DROP COLUMN {changed}");
        return Ok(store.ddl(sql, &what).await?.or(Some(why)));
    }
    if fate.is_none() {
        let sql = format!("ALTER TABLE {name} RENAME COLUMN {changed} TO {column}");
        return store.ddl(sql, &what).await;
    }
    Ok(fate)
}

/// Returns true when a unique index, or the primary key, is over exactly these columns.
async fn is_unique(
    store: &mut SqliteStore<'_>,
    table: &str,
    key: &[String],
) -> Result<bool, SinkError> {
    let sql = "SELECT (SELECT group_concat(name, char(0)) FROM (SELECT name FROM pragma_index_info(list.name) ORDER BY lower(name))) \
               FROM pragma_index_list(?1) AS list WHERE list.\"unique\" = 1 AND list.partial = 0";
    let found: Vec<Option<String>> = sqlx::query_scalar(sql)
        .bind(table)
        .fetch_all(&mut *store.connection)
        .await
        .map_err(DbError::statement(format!("read the indexes of table {table}")))?;
    let mut names: Vec<_> = key.iter().map(|name| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    let wanted = names.join("\0");
    Ok(found.into_iter().flatten().any(|names| names.to_ascii_lowercase() == wanted))
}

/// Returns a name for an index, which bears one among the tables, and keeps it when its table or a column gets another one.
async fn index_name(
    store: &mut SqliteStore<'_>,
    table: &str,
    key: &[String],
) -> Result<String, SinkError> {
    let mut exact = format!("{table}\0{}", key.join("\0"));
    loop {
        let name = with_digest(&format!("ctk_unique_{table}_{}", key.join("_")), &exact);
        let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = ? COLLATE NOCASE)";
        let is_taken = sqlx::query_scalar(sql).bind(&name).fetch_one(&mut *store.connection).await;
        let is_taken: bool =
            is_taken.map_err(DbError::statement("look for the name of an index"))?;
        if !is_taken {
            return Ok(name);
        }
        exact.push('\0');
    }
}

/// A member of an object, its value as it is written.
type Member = (String, Box<serde_json::value::RawValue>);

/// Changes the members of `data` in all rows. Names of members may be such that no path of SQLite's JSON functions names them.
async fn members(
    store: &mut SqliteStore<'_>,
    table: &str,
    change: impl Fn(&mut Vec<Member>),
) -> Result<Fate, SinkError> {
    let name = quote(table);
    let failed = || DbError::statement(format!("change the rows of table {table}"));
    let mut after = i64::MIN;
    loop {
        let sql =
            format!("SELECT rowid, {DATA} FROM {name} WHERE rowid > ? ORDER BY rowid LIMIT 1000");
        let rows: Vec<(i64, String)> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(after)
            .fetch_all(&mut *store.connection)
            .await
            .map_err(failed())?;
        let Some((last, _)) = rows.last() else { return Ok(None) };
        after = *last;
        for (row, data) in rows {
            let Some(mut all) = super::members::members(&data) else { continue };
            change(&mut all);
            let sql = format!("UPDATE {name} SET {DATA} = ? WHERE rowid = ?");
            let query =
                sqlx::query(AssertSqlSafe(sql)).bind(super::members::object(&all)).bind(row);
            query.execute(&mut *store.connection).await.map_err(failed())?;
        }
    }
}
