//! `bare-copy`: the least that writing rows into PostgreSQL costs: `COPY … (FORMAT binary)` over one connection.
//!
//! It reads no stream. Rows are made from the records transaction by transaction, and that is not measured. Measured is
//! what follows: encoding them, sending them, and waiting for the commit. It is what the benchmark compares `ctk` with.

use anyhow::{Context as _, Result, ensure};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::arguments::Arguments;
use crate::meter::{Meter, Spent};
use crate::rows::{self, COLUMNS, Row, TABLE, TRANSACTION};

/// Bytes that are sent at once: the server works on them while the next ones are encoded.
const MESSAGE: usize = 64 << 10;

/// The beginning and the end of binary data
/// (<https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format"): a signature, flags, no extension; -1.
const HEAD: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TAIL: [u8; 2] = (-1_i16).to_be_bytes();

/// The first byte of a JSONB value.
const JSONB_VERSION: &[u8] = &[1];

/// Creates the table, writes all rows into it, and prints what that took.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let (url, records) =
        (arguments.require::<String>("--url")?, arguments.require::<u64>("--records")?);
    arguments.finish()?;
    // One thread, as a script would have.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(write(&url, records))?.print()
}

async fn write(url: &str, records: u64) -> Result<Spent> {
    let mut connection = PgConnection::connect(url).await.context("cannot connect")?;
    let sql = rows::create_table(|column| column.postgres);
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    let sql = format!("COPY \"{TABLE}\" ({}) FROM STDIN (FORMAT binary)", rows::names());
    let (mut spent, mut begin) = (Spent::default(), 0);
    while begin < records {
        let end = (begin + TRANSACTION).min(records);
        let rows = rows::rows(begin..end)?;
        let meter = Meter::start()?;
        let written = copy(&mut connection, &sql, &rows).await.context("cannot copy")?;
        meter.add_to(&mut spent)?;
        ensure!(written == end - begin, "{written} rows were written of {}", end - begin);
        begin = end;
    }
    connection.close().await?;
    Ok(spent)
}

/// Writes these rows in a transaction of their own.
async fn copy(connection: &mut PgConnection, sql: &str, rows: &[Row]) -> sqlx::Result<u64> {
    let mut copy = connection.copy_in_raw(sql).await?;
    let mut message = Vec::with_capacity(MESSAGE + 4096);
    message.extend_from_slice(HEAD);
    for row in rows {
        encode(row, &mut message);
        if message.len() >= MESSAGE {
            copy.send(message.as_slice()).await?;
            message.clear();
        }
    }
    message.extend_from_slice(&TAIL);
    copy.send(message.as_slice()).await?;
    copy.finish().await
}

/// Appends a row; the fields are in the order of the columns.
fn encode(row: &Row, out: &mut Vec<u8>) {
    let count = i16::try_from(COLUMNS.len()).unwrap_or_default();
    out.extend_from_slice(&count.to_be_bytes());
    field(&[row.message_id.as_bytes()], out);
    field(&[JSONB_VERSION, row.envelope.as_bytes()], out);
    field(&[&row.id.to_be_bytes()], out);
    field(&[row.device.as_bytes()], out);
    field(&[row.ts.as_bytes()], out);
    field(&[&row.temperature.to_be_bytes()], out);
    field(&[&row.humidity.to_be_bytes()], out);
    field(&[&row.reading.to_be_bytes()], out);
    field(&[row.status.as_bytes()], out);
    field(&[JSONB_VERSION, row.location.as_bytes()], out);
    field(&[row.firmware.as_bytes()], out);
    field(&[row.note.as_bytes()], out);
}

/// Appends a value with its length before it.
fn field(pieces: &[&[u8]], out: &mut Vec<u8>) {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    // Values are some hundred bytes long.
    out.extend_from_slice(&i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes());
    for piece in pieces {
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use ctk_test_support::postgres::Postgres;
    use ctk_test_support::records;

    use super::*;

    #[tokio::test]
    async fn rows_land_as_they_are() {
        let server = Postgres::start().await.unwrap();
        let spent = write(&server.url(), 10_123).await.unwrap();
        assert!(spent.wall > 0.0 && spent.cpu > 0.0, "{spent:?}");
        let expected = records::expected(10_123);
        assert_eq!(
            server.sql(
                "SELECT count(*), sum(id), sum(reading), count(DISTINCT _kinesis_msg_id) FROM bench"
            ),
            format!("{}|{}|{}|10123", expected.count, expected.id, expected.reading)
        );
        assert_eq!(
            server.sql(
                "SELECT device, ts, temperature, humidity, reading, status, location ->> 'lat', firmware, note, \
                 _kinesis ->> 'partition' FROM bench WHERE id = 7"
            ),
            "dev-01143|2026-01-01T00:00:00.259Z|-18.857|0.3363|81143|fault|47.4562|v2.3.10|\
             routine sample 7 within limits|key-7"
        );
    }
}
