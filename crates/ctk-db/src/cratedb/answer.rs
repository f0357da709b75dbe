//! What CrateDB answers, as values.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{Blame, CrateDbError};

/// The answer to one statement.
#[derive(Debug, Default, Deserialize)]
pub struct Answer {
    /// Rows, as lists of values in the order of the statement.
    #[serde(default)]
    pub rows: Vec<Vec<Value>>,
    /// How many rows were found or changed; -1 where that is not known.
    #[serde(default)]
    pub rowcount: i64,
}

/// What became of one row of a bulk request.
#[derive(Debug, Deserialize)]
pub struct RowResult {
    /// 1: done; 0: left alone; -2: failed.
    pub rowcount: i64,
    /// Why it failed. Only the first ten failures of a shard say it.
    pub error: Option<Box<RowError>>,
}

/// Why a row failed.
#[derive(Clone, Debug, Deserialize)]
pub struct RowError {
    /// The code of CrateDB.
    pub code: u32,
    /// The same for a human.
    pub message: String,
}

impl RowError {
    /// Returns whose fault it is.
    pub fn blame(&self) -> Blame {
        super::error::blame(self.code, &self.message)
    }
}

impl std::fmt::Display for RowError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (code {})", self.message, self.code)
    }
}

impl From<RowError> for CrateDbError {
    fn from(error: RowError) -> Self {
        Self::Sql { code: error.code, message: error.message }
    }
}

pub(super) fn parse(body: &[u8]) -> Result<Answer, CrateDbError> {
    serde_json::from_slice(body).map_err(CrateDbError::Answer)
}

pub(super) fn parse_rows(body: &[u8]) -> Result<Vec<Vec<Box<RawValue>>>, CrateDbError> {
    #[derive(Deserialize)]
    struct Rows {
        rows: Vec<Vec<Box<RawValue>>>,
    }
    let rows: Rows = serde_json::from_slice(body).map_err(CrateDbError::Answer)?;
    Ok(rows.rows)
}

pub(super) fn parse_bulk(body: &[u8]) -> Result<Vec<RowResult>, CrateDbError> {
    #[derive(Deserialize)]
    struct Bulk {
        results: Vec<RowResult>,
    }
    let bulk: Bulk = serde_json::from_slice(body).map_err(CrateDbError::Answer)?;
    Ok(bulk.results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let answer =
            parse(br#"{"cols":["a"],"rows":[[1],[null]],"rowcount":2,"duration":0.5}"#).unwrap();
        assert_eq!((answer.rows.len(), answer.rowcount), (2, 2));
        let body = br#"{"cols":["a","b"],"rows":[[0.10,{"n":18446744073709551616}]],"rowcount":1}"#;
        let rows = parse_rows(body).unwrap();
        let texts: Vec<_> = rows[0].iter().map(|value| value.get()).collect();
        assert_eq!(texts, ["0.10", r#"{"n":18446744073709551616}"#]);
        let results = parse_bulk(
            br#"{"cols":[],"duration":1.5,"results":[{"rowcount":1},{"rowcount":-2,"error":{"code":4091,"message":"m"}},{"rowcount":-2}]}"#,
        )
        .unwrap();
        let shown: Vec<_> = results
            .iter()
            .map(|result| (result.rowcount, result.error.as_ref().map(|error| error.code)))
            .collect();
        assert_eq!(shown, [(1, None), (-2, Some(4091)), (-2, None)]);
        assert!(parse(b"<html>").is_err());
    }
}
