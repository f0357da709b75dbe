//! The sink: posts rows, and keeps those that the API refuses.

use std::time::Duration;

use ctk_flow::{Changes, Committed, DeadLetter, Failure, Reason, Row, ShardId, Value};
use ctk_sink::{dead_letters::LetterFile, envelope::MessageId, write_then_save::Sink};
use reqwest::{Client, StatusCode, Url, header, redirect::Policy};
use serde_json::json;

/// Rows in one request, at most.
const BATCH: usize = 500;
/// A request is tried so often, with pauses from 0.1 s on, each twice the one before: 25 s in all. Then the run ends,
/// and the next one goes on from there.
const ATTEMPTS: u32 = 9;

/// An API that takes arrays of records.
pub(crate) struct Api {
    client: Client,
    url: Url,
    stream: String,
    rejected: LetterFile,
}

/// What the API says to a batch.
enum Answer {
    Taken,
    /// There is something wrong with a record in it.
    Refused(String),
}

impl Api {
    pub(crate) fn new(url: Url, stream: &str, rejected: LetterFile) -> reqwest::Result<Self> {
        // A POST that is redirected may become a GET, which succeeds and takes nothing: so that is an answer like others.
        let client =
            Client::builder().timeout(Duration::from_secs(30)).redirect(Policy::none()).build()?;
        Ok(Self { client, url, stream: stream.to_owned(), rejected })
    }

    /// Posts some rows, again as long as the reason of a failure may go away.
    async fn post(&self, shard: &ShardId, rows: &[Row<'_>]) -> Result<Answer, Failure> {
        let body = format!(
            "[{}]",
            rows.iter().map(|row| element(shard, row)).collect::<Vec<_>>().join(",")
        );
        let (mut attempt, mut pause) = (1, Duration::from_millis(100));
        loop {
            let request = self.client.post(self.url.clone()).body(body.clone());
            let sent = request.header(header::CONTENT_TYPE, "application/json").send().await;
            let error = match sent {
                Ok(answer) if answer.status().is_success() => return Ok(Answer::Taken),
                Ok(answer) => {
                    let status = answer.status();
                    let text = answer.text().await.unwrap_or_default();
                    let error = format!("the API answers {status}: {text}");
                    match status {
                        StatusCode::BAD_REQUEST
                        | StatusCode::PAYLOAD_TOO_LARGE
                        | StatusCode::UNPROCESSABLE_ENTITY => return Ok(Answer::Refused(error)),
                        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => error,
                        status if status.is_server_error() => error,
                        // A wrong address, a key that is missing: no record is at fault, and no patience helps.
                        _ => return Err(error.into()),
                    }
                }
                // The address may hold a password.
                Err(error) => format!(
                    "the API does not answer: {:#}",
                    anyhow::Error::from(error.without_url())
                ),
            };
            if attempt == ATTEMPTS {
                return Err(error.into());
            }
            tracing::warn!(attempt, error, "trying again");
            tokio::time::sleep(pause).await;
            (attempt, pause) = (attempt + 1, pause * 2);
        }
    }

    /// Keeps what cannot be sent. When this returns, it is on the disk.
    fn reject(&self, shard: &ShardId, letters: &[DeadLetter]) -> Result<u64, Failure> {
        self.rejected.write(letters, &self.stream, shard, self.url.path())?;
        Ok(letters.len() as u64)
    }
}

impl Sink for Api {
    async fn write(&self, changes: Changes) -> Result<Committed, Failure> {
        let shard = changes.shard();
        let rows: Vec<_> = changes.rows().collect();
        let mut done = Committed::default();
        done.dead_lettered += self.reject(shard, changes.dead_letters())?;
        // The next one last. A batch that is refused is halved until the record at fault is alone, so order is kept.
        let mut waiting: Vec<_> = rows.chunks(BATCH).rev().collect();
        while let Some(batch) = waiting.pop() {
            match (self.post(shard, batch).await?, batch) {
                (Answer::Taken, _) => done.written += batch.len() as u64,
                (Answer::Refused(error), [row]) => {
                    let letter = DeadLetter {
                        origin: row.origin().clone(),
                        sub_sequence: row.sub_sequence(),
                        reason: Reason::Refused,
                        error,
                        payload: record(row).into(),
                    };
                    done.dead_lettered += self.reject(shard, &[letter])?;
                }
                (Answer::Refused(_), _) => {
                    let (first, second) = batch.split_at(batch.len() / 2);
                    waiting.extend([second, first]);
                }
            }
        }
        Ok(done)
    }

    async fn close(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// Returns a row as an element of a batch.
fn element(shard: &ShardId, row: &Row<'_>) -> String {
    let mut id = String::new();
    MessageId::new(shard, row.origin(), row.sub_sequence()).write(&mut id);
    let (shard, sequence) = (json!(shard.as_str()), row.origin().sequence.as_str());
    format!(r#"{{"id":"{id}","shard":{shard},"sequence":"{sequence}","record":{}}}"#, record(row))
}

/// Returns the record of a row, as JSON: with the layout `Document` it is the only cell.
fn record<'a>(row: &Row<'a>) -> &'a str {
    match row.cells().next() {
        Some((_, Value::Json(text))) => text,
        _ => "null",
    }
}
