//! What CrateDB refuses, with its codes
//! (<https://cratedb.com/docs/crate/reference/en/latest/interfaces/http.html#error-codes>).

use super::{json::Writer, value::Value};

/// A refusal, of a whole request or of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    pub(super) code: u32,
    pub(super) message: String,
}

impl Error {
    /// What most refusals are.
    pub(super) fn sql(what: impl AsRef<str>) -> Self {
        Self { code: 4000, message: format!("SQLParseException[{}]", what.as_ref()) }
    }

    pub(super) fn column_name(name: &str) -> Self {
        let message = format!(
            "InvalidColumnNameException[\"{name}\" conflicts with system column pattern or contains \
             characters that are not allowed]"
        );
        Self { code: 4008, message }
    }

    pub(super) fn unknown_relation(schema: &str, table: &str) -> Self {
        let message = format!("RelationUnknown[Relation '{schema}.{table}' unknown]");
        Self { code: 4041, message }
    }

    pub(super) fn unknown_column(column: &str) -> Self {
        Self { code: 4043, message: format!("ColumnUnknownException[Column {column} unknown]") }
    }

    pub(super) fn table_exists(schema: &str, table: &str) -> Self {
        let message = format!("RelationAlreadyExists[Relation '{schema}.{table}' already exists.]");
        Self { code: 4093, message }
    }

    pub(super) fn duplicate_key() -> Self {
        let message =
            "DuplicateKeyException[A document with the same primary key exists already]".to_owned();
        Self { code: 4091, message }
    }

    pub(super) fn version_conflict() -> Self {
        let message = "VersionConflictEngineException[version conflict, required seqNo and primary term do not \
                       match those of the current document]";
        Self { code: 4092, message: message.to_owned() }
    }

    pub(super) fn missing_document() -> Self {
        Self { code: 40411, message: "DocumentMissingException[document missing]".to_owned() }
    }

    /// The value is named, the row is not.
    pub(super) fn cast(value: &Value, kind: &str) -> Self {
        let text = value.to_json();
        let text = text.trim_matches('"');
        Self::sql(format!("Cannot cast value `{text}` to type `{kind}`"))
    }

    /// Elements of one array are of different classes.
    pub(super) fn class_cast() -> Self {
        let message =
            "ClassCastException[class java.lang.String cannot be cast to class java.lang.Long]";
        Self { code: 5000, message: message.to_owned() }
    }

    /// What a fault of the script says.
    pub(super) fn scripted(code: u32) -> Self {
        let message = match code {
            4031 | 4037 => {
                "OperationOnInaccessibleRelationException[The relation doesn't support or allow INSERT \
                 operations, as it is read-only]"
            }
            4032 => "IndexShardClosedException[CurrentState[CLOSED] Closed]",
            4041 => "RelationUnknown[Relation unknown]",
            5002 => "UnavailableShardsException[the primary shard is not active]",
            _ => "Exception[by the script of the test]",
        };
        Self { code, message: message.to_owned() }
    }

    /// The HTTP status of a request that is refused as a whole.
    pub(super) fn status(&self) -> u16 {
        match self.code {
            4010 => 401,
            4011 | 4031 => 403,
            4032..=4039 | 5002 => 503,
            4040..=4049 | 40400..=40499 => 404,
            4090..=4099 | 40900..=40999 => 409,
            5000.. => 500,
            _ => 400,
        }
    }

    /// Writes `{"code": …, "message": …}`.
    pub(super) fn write(&self, out: &mut String) {
        out.push_str("{\"message\":");
        out.text(&self.message);
        out.push_str(",\"code\":");
        out.integer(self.code.into());
        out.push('}');
    }
}
