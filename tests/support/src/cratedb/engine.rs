//! All tables, and what a statement does with them.

use std::collections::BTreeMap;

use super::{
    change::{self, Change, change},
    ddl,
    error::Error,
    evaluate::Scope,
    insert::insert,
    json::{self, Writer},
    parse::parse,
    select::{select, select_nothing},
    syntax::{Expression, Name, Path, Select, Statement},
    system,
    table::Table,
    time,
    value::Value,
};

/// Only so many failed rows of an answer say why.
const EXPLAINED: usize = 10;

/// The schema of names that have none.
pub(super) const DEFAULT_SCHEMA: &str = "doc";

/// What a client asks for.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) statement: String,
    pub(super) args: Vec<Value>,
    /// Lists of arguments, for each of which the statement runs.
    pub(super) bulk: Option<Vec<Vec<Value>>>,
    pub(super) schema: String,
}

impl Request {
    /// Reads the body of a request. What is no such body is repeated in the error, whole.
    pub(super) fn parse(body: &str, schema: &str) -> Result<Self, Error> {
        let refuse = || Error::sql(format!("Failed to parse source [{body}]"));
        let Some(Value::Object(members)) = json::parse(body) else { return Err(refuse()) };
        let mut request = Self {
            statement: String::new(),
            args: Vec::new(),
            bulk: None,
            schema: schema.to_owned(),
        };
        for (name, value) in members {
            match (&*name, value) {
                ("stmt", Value::Text(statement)) => request.statement = statement.into(),
                ("args", Value::Array(args)) => request.args = args,
                ("args" | "bulk_args", Value::Null) => {}
                ("bulk_args", Value::Array(rows)) => {
                    let row =
                        |row| if let Value::Array(row) = row { Ok(row) } else { Err(refuse()) };
                    request.bulk = Some(rows.into_iter().map(row).collect::<Result<_, _>>()?);
                }
                _ => return Err(refuse()),
            }
        }
        if request.statement.is_empty() {
            return Err(Error::sql(format!("Field [stmt] was not defined in [{body}]")));
        }
        Ok(request)
    }
}

/// What CrateDB says.
#[derive(Debug)]
pub(super) enum Answer {
    Rows { columns: Vec<String>, rows: Vec<Vec<Value>> },
    Count(i64),
    Bulk(Vec<Result<i64, Error>>),
}

impl Answer {
    pub(super) fn to_json(&self) -> String {
        let mut out = String::new();
        match self {
            Self::Rows { columns, rows } => {
                out.push_str("{\"cols\":");
                out.value(&Value::Array(columns.iter().map(|name| Value::text(name)).collect()));
                out.push_str(",\"rows\":[");
                for (index, row) in rows.iter().enumerate() {
                    out.push_str(if index > 0 { ",[" } else { "[" });
                    for (index, value) in row.iter().enumerate() {
                        if index > 0 {
                            out.push(',');
                        }
                        out.value(value);
                    }
                    out.push(']');
                }
                out.push_str("],\"rowcount\":");
                out.integer(i64::try_from(rows.len()).unwrap_or(i64::MAX));
                out.push_str(",\"duration\":0.1}");
            }
            Self::Count(rows) => {
                out.push_str("{\"cols\":[],\"rows\":[[]],\"rowcount\":");
                out.integer(*rows);
                out.push_str(",\"duration\":0.1}");
            }
            Self::Bulk(results) => {
                let mut explained = 0;
                out.push_str("{\"cols\":[],\"duration\":0.1,\"results\":[");
                for (index, result) in results.iter().enumerate() {
                    out.push_str(if index > 0 { ",{\"rowcount\":" } else { "{\"rowcount\":" });
                    out.integer(*result.as_ref().unwrap_or(&-2));
                    if let Err(error) = result
                        && explained < EXPLAINED
                    {
                        explained += 1;
                        out.push_str(",\"error\":");
                        error.write(&mut out);
                    }
                    out.push('}');
                }
                out.push_str("]}");
            }
        }
        out
    }
}

/// What a node knows of its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Started,
    /// It takes requests already, but has not read its state yet.
    Starting,
}

#[derive(Debug)]
pub(super) struct Engine {
    tables: BTreeMap<(String, String), Table>,
    version: String,
    stores_rows: bool,
}

impl Engine {
    pub(super) fn new(version: &str, stores_rows: bool) -> Self {
        let version =
            format!("CrateDB {version} (built 0000000/NA, Linux, OpenJDK 64-Bit Server VM)");
        Self { tables: BTreeMap::new(), version, stores_rows }
    }

    pub(super) fn run(&mut self, request: Request, state: State) -> Result<Answer, Error> {
        let Request { statement, args, bulk, schema } = request;
        let parsed = parse(&statement)?;
        let version = self.version.clone();
        let scope = Scope {
            table: None,
            row: None,
            excluded: None,
            args: &args,
            now: time::now(),
            version: &version,
        };
        if bulk.is_some()
            && !matches!(
                parsed,
                Statement::Insert(_) | Statement::Update(_) | Statement::Delete(..)
            )
        {
            return Err(Error::sql(
                "Bulk operations for statements that return result set is not supported",
            ));
        }
        if let Statement::Select(select) = &parsed {
            return self.select(select, &schema, scope, state);
        }
        if state == State::Starting {
            return Err(self.unknown(parsed.table(), &schema, state));
        }
        match parsed {
            Statement::Select(_) => Ok(Answer::Count(0)),
            Statement::Create(create) => {
                let (schema, name) = full(&create.table, &schema);
                if is_system(&schema) {
                    let message = format!(
                        "OperationOnInaccessibleRelationException[The schema {schema} is read-only]"
                    );
                    return Err(Error { code: 4007, message });
                }
                let key = (schema, name);
                if self.tables.contains_key(&key) {
                    let exists = Error::table_exists(&key.0, &key.1);
                    return if create.if_not_exists { Ok(Answer::Count(0)) } else { Err(exists) };
                }
                let mut table = ddl::create(&key.0, &create)?;
                table.stores_rows = self.stores_rows;
                self.tables.insert(key, table);
                Ok(Answer::Count(1))
            }
            Statement::AddColumns(name, columns) => {
                ddl::add_columns(self.table(&name, &schema)?, &columns)?;
                Ok(Answer::Count(-1))
            }
            Statement::DropColumns(name, columns) => {
                ddl::drop_columns(self.table(&name, &schema)?, &columns)?;
                Ok(Answer::Count(-1))
            }
            Statement::RenameColumn { table, from, to } => {
                ddl::rename_column(self.table(&table, &schema)?, &from, &to)?;
                Ok(Answer::Count(-1))
            }
            Statement::Rename { table, to } => {
                let from = full(&table, &schema);
                let key = (from.0.clone(), to);
                if !self.tables.contains_key(&from) {
                    return Err(self.unknown(&table, &schema, state));
                }
                ddl::check_name(&key.1)?;
                if self.tables.contains_key(&key) {
                    return Err(Error::table_exists(&key.0, &key.1));
                }
                if let Some(mut renamed) = self.tables.remove(&from) {
                    renamed.name.clone_from(&key.1);
                    self.tables.insert(key, renamed);
                }
                Ok(Answer::Count(-1))
            }
            Statement::Drop { table, if_exists } => {
                let removed = self.tables.remove(&full(&table, &schema));
                match removed {
                    None if !if_exists => Err(self.unknown(&table, &schema, state)),
                    removed => Ok(Answer::Count(i64::from(removed.is_some()))),
                }
            }
            Statement::Refresh(name) => {
                self.table(&name, &schema)?.refresh();
                Ok(Answer::Count(1))
            }
            Statement::ShowCreate(name) => {
                let table = self.table(&name, &schema)?;
                Ok(Answer::Rows {
                    columns: vec![format!("SHOW CREATE TABLE {}.{}", table.schema, table.name)],
                    rows: vec![vec![Value::text(&system::create_statement(table))]],
                })
            }
            Statement::Insert(statement) => {
                let table = self.table(&statement.table, &schema)?;
                let Some(rows) = bulk else {
                    let mut results = insert(table, &statement, vec![args.clone()], scope)?;
                    if let [Err(_)] = results.as_slice() {
                        return results.remove(0).map(Answer::Count);
                    }
                    // Of several rows in one statement, those that fail are passed over in silence.
                    return Ok(Answer::Count(results.into_iter().flatten().sum()));
                };
                let [one] = statement.rows.as_slice() else {
                    return Err(Error::sql("bulk_args want one list of VALUES"));
                };
                check_lengths(&rows, one.iter().map(Expression::parameters).max())?;
                insert(table, &statement, rows, scope).map(Answer::Bulk)
            }
            Statement::Update(update) => {
                let table = self.table(&update.table, &schema)?;
                let assignments: &[(Path, Expression)] = &update.assignments;
                for args in bulk.iter().flatten().chain(bulk.is_none().then_some(&args)) {
                    change::check(table, &update, Scope { args, ..scope })?;
                }
                run_change(table, Change::Update(assignments), update.filter.as_ref(), bulk, scope)
            }
            Statement::Delete(name, filter) => {
                let table = self.table(&name, &schema)?;
                run_change(table, Change::Delete, filter.as_ref(), bulk, scope)
            }
        }
    }

    fn select(
        &self,
        statement: &Select,
        schema: &str,
        scope: Scope<'_>,
        state: State,
    ) -> Result<Answer, Error> {
        let Some(name) = &statement.from else { return select_nothing(statement, scope) };
        let key = full(name, schema);
        if key.0 == "information_schema" {
            let tables = self.tables.values().filter(|_| state == State::Started);
            return match system::table(&key.1, tables) {
                Some(table) => select(&table, statement, scope),
                None => Err(Error::unknown_relation(&key.0, &key.1)),
            };
        }
        match self.tables.get(&key) {
            Some(table) if state == State::Started => select(table, statement, scope),
            _ => Err(self.unknown(name, schema, state)),
        }
    }

    fn table(&mut self, name: &Name, schema: &str) -> Result<&mut Table, Error> {
        let unknown = self.unknown(name, schema, State::Started);
        self.tables.get_mut(&full(name, schema)).ok_or(unknown)
    }

    /// A schema is known while it has tables.
    fn unknown(&self, name: &Name, schema: &str, state: State) -> Error {
        let (schema, table) = full(name, schema);
        let is_known = schema == DEFAULT_SCHEMA
            || is_system(&schema)
            || self.tables.keys().any(|(other, _)| *other == schema);
        if is_known || state == State::Starting {
            return Error::unknown_relation(&schema, &table);
        }
        let message = format!("SchemaUnknownException[Schema '{schema}' unknown]");
        Error { code: 4045, message }
    }
}

fn run_change(
    table: &mut Table,
    what: Change<'_>,
    filter: Option<&Expression>,
    bulk: Option<Vec<Vec<Value>>>,
    scope: Scope<'_>,
) -> Result<Answer, Error> {
    let Some(rows) = bulk else {
        return change(table, what, filter, scope).map(|done| Answer::Count(done.unwrap_or(0)));
    };
    if let Some(filter) = filter {
        for args in &rows {
            Scope { table: Some(table), args, ..scope }.check(filter)?;
        }
    }
    let mut results = Vec::with_capacity(rows.len());
    for args in &rows {
        let result = change(table, what, filter, Scope { args, ..scope });
        results.push(result.unwrap_or_else(Err));
    }
    Ok(Answer::Bulk(results))
}

fn check_lengths(rows: &[Vec<Value>], needed: Option<usize>) -> Result<(), Error> {
    let first = rows.first().map_or(0, Vec::len);
    if rows.iter().any(|row| row.len() != first) {
        return Err(Error::sql("mixed number of arguments inside bulk arguments"));
    }
    if !rows.is_empty() && first < needed.unwrap_or(0) {
        return Err(super::evaluate::missing_argument());
    }
    Ok(())
}

fn full(name: &Name, schema: &str) -> (String, String) {
    (name.schema.clone().unwrap_or_else(|| schema.to_owned()), name.table.clone())
}

fn is_system(schema: &str) -> bool {
    ["information_schema", "sys", "pg_catalog", "blob"].contains(&schema)
}
