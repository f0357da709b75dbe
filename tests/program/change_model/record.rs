//! Records as AWS DMS writes them.

use serde_json::Value as Json;

use super::{Name, Settings, Source, Table, value::Value};

/// A record, and of which table.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) table: Name,
    /// Whether it changes the table rather than a row.
    pub(crate) is_control: bool,
    pub(crate) record: String,
}

impl Event {
    /// Returns the record, without what is the same in all.
    pub(crate) fn shown(&self) -> String {
        let lines = self.record.replace(['\n', '\t'], "");
        let mut words: Vec<_> = lines.split(", ").collect();
        let common = [r#""metadata": {"timestamp""#, r#""record-type""#, r#""partition-key-type""#];
        words.retain(|word| !common.iter().any(|start| word.starts_with(start)));
        words.join(", ").replace(r#", "nullable": true"#, "")
    }

    /// Returns the key by which DMS spreads records over shards: another one for changes of tables.
    pub(crate) fn partition_key(&self) -> String {
        let (schema, table) = &self.table;
        let task = if self.is_control { "TVMPDC6P3UX2MTJ5Y6JVN3XMDQ5DVUI2MLWJTQI." } else { "" };
        format!("{task}{schema}.{table}")
    }
}

/// Returns an object with the columns at these places; what is NULL is there or not, as the endpoint is set.
pub(crate) fn image(
    table: &Table,
    row: &[Value],
    places: impl IntoIterator<Item = usize>,
    settings: &Settings,
) -> String {
    let shown = places.into_iter().filter(|place| settings.nulls || !row[*place].is_null());
    let members = shown.map(|place| {
        let column = &table.columns[place];
        format!("{}: {}", text(&column.name), row[place].in_record(column, settings))
    });
    object(members, settings)
}

/// Returns the definition of a table.
pub(crate) fn table_def(table: &Table, settings: &Settings) -> String {
    let columns = table
        .columns
        .iter()
        .map(|column| format!("{}: {}", text(&column.name), column.kind.definition(column.form)));
    let key = table.key.iter().map(|name| text(name)).collect::<Vec<_>>().join(", ");
    let members = [
        format!(r#""columns": {}"#, object(columns, settings)),
        format!(r#""primary-key": [{key}]"#),
    ];
    format!(r#""table-def": {}"#, object(members, settings))
}

pub(crate) fn text(text: &str) -> String {
    Json::from(text).to_string()
}

fn object(members: impl IntoIterator<Item = String>, settings: &Settings) -> String {
    let members: Vec<_> = members.into_iter().collect();
    let (space, comma) = if settings.pretty { ("\n\t", ", \n\t") } else { ("", ", ") };
    format!("{{{space}{}{space}}}", members.join(comma))
}

impl Source {
    /// Returns the record of a row: `members` are its data, and what it was before.
    pub(crate) fn data_record(&mut self, of: &Name, operation: &str, members: &[String]) -> Event {
        self.record(of, "data", operation, members)
    }

    /// Returns the record of a table.
    pub(crate) fn control_record(
        &mut self,
        of: &Name,
        operation: &str,
        control: &[String],
    ) -> Event {
        let control = object(control.iter().cloned(), &self.settings);
        self.record(of, "control", operation, &[format!(r#""control": {control}"#)])
    }

    fn record(&mut self, of: &Name, kind: &str, operation: &str, members: &[String]) -> Event {
        self.records += 1;
        let (schema, table) = (text(&of.0), text(&of.1));
        let metadata = [
            r#""timestamp": "2025-06-10T11:28:47.195247Z""#.to_owned(),
            format!(r#""record-type": "{kind}""#),
            format!(r#""operation": "{operation}""#),
            r#""partition-key-type": "schema-table""#.to_owned(),
            format!(r#""schema-name": {schema}"#),
            format!(r#""table-name": {table}"#),
            format!(r#""transaction-id": {}"#, self.records),
        ];
        let metadata = format!(r#""metadata": {}"#, object(metadata, &self.settings));
        let members = members.iter().cloned().chain([metadata]);
        Event {
            table: of.clone(),
            is_control: kind == "control",
            record: object(members, &self.settings),
        }
    }
}
