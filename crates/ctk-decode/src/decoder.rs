//! The decoder: takes records apart into units, and sees that each of them ends somewhere.

use ctk_flow::{Changes, DeadLetter, Decode, Origin, Reason, Record, ShardId, Value};

use crate::{
    compression::{ExpandError, Kind},
    json::{DATA, Json, NotJson},
};

/// What [`Changes`] may hold: its spans are 32 bits wide. Only compressed records come anywhere near.
const MAX_BATCH_BYTES: usize = 2 * 1024 * 1024 * 1024;

/// How an aggregate of the Kinesis Producer Library begins
/// (<https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md>).
const KPL_MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// What a record holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON value.
    #[default]
    Json,
    /// Lines, each a JSON value; blank lines are none.
    Ndjson,
    /// Bytes that are stored as they are.
    Raw,
}

/// Whether records are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// gzip, zlib and zstd are recognised by their first bytes.
    ///
    /// No JSON text begins with them. In the format [`Format::Raw`] a payload could by chance, as a text with `x^`.
    #[default]
    Auto,
    /// Bytes are left alone.
    None,
}

/// Whether aggregates of the Kinesis Producer Library are looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aggregation {
    /// They are recognised by their first bytes. They cannot be unpacked yet, so they end as dead letters that say so.
    #[default]
    Auto,
    /// Bytes are left alone.
    None,
}

/// What a JSON value becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// The members of an object are columns; what is no object is the column `data`.
    #[default]
    Columns,
    /// The value as a whole, as written, is the column `data`.
    Document,
}

/// How records are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// What a record holds.
    pub format: Format,
    /// Whether it is compressed.
    pub compression: Compression,
    /// Whether it may be an aggregate.
    pub aggregation: Aggregation,
    /// What a compressed record may grow to. A record that comes larger than that is taken: it is in memory already.
    pub max_record_bytes: usize,
    /// What a JSON value becomes.
    pub layout: Layout,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            format: Format::default(),
            compression: Compression::default(),
            aggregation: Aggregation::default(),
            max_record_bytes: 64 * 1024 * 1024,
            layout: Layout::default(),
        }
    }
}

/// Turns records into changes, as the options say.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    options: DecodeOptions,
}

impl Decoder {
    /// Returns a decoder.
    pub fn new(options: DecodeOptions) -> Self {
        Self { options }
    }

    fn read_value(
        &self,
        bytes: &[u8],
        changes: &mut Changes,
        json: &mut Json,
    ) -> Result<(), NotJson> {
        let read = match self.options.layout {
            Layout::Columns => json.read_members(bytes, changes),
            Layout::Document => json.read_document(bytes, changes),
        };
        if read.is_err() {
            changes.abandon_row();
        }
        read
    }

    /// Returns what the record holds, decompressed into `expanded` where it has to be.
    fn payload<'a>(
        &self,
        data: &'a [u8],
        held: usize,
        expanded: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], (Reason, String)> {
        if self.options.aggregation == Aggregation::Auto && data.starts_with(&KPL_MAGIC) {
            let error = "this is a KPL aggregate, which cannot be unpacked yet";
            return Err((Reason::Aggregate, error.to_owned()));
        }
        let room = MAX_BATCH_BYTES.saturating_sub(held);
        let kind = match self.options.compression {
            Compression::Auto => Kind::of(data),
            Compression::None => None,
        };
        let Some(kind) = kind else {
            if data.len() > room {
                let error = "the records that came with it are too large together";
                return Err((Reason::TooLarge, error.to_owned()));
            }
            return Ok(data);
        };
        match kind.expand(data, self.options.max_record_bytes.min(room), expanded) {
            Ok(()) => Ok(expanded),
            Err(error @ ExpandError::TooLarge { .. }) => Err((Reason::TooLarge, error.to_string())),
            Err(error @ ExpandError::Broken { .. }) => {
                Err((Reason::BadCompression, error.to_string()))
            }
        }
    }

    fn lines(&self, payload: &[u8], origin: &Origin, changes: &mut Changes, json: &mut Json) {
        changes.push_origin(origin.clone());
        let lines = payload.split(|byte| *byte == b'\n').filter(|line| !is_blank(line));
        let mut count = 0;
        for (line, sub_sequence) in lines.zip(0_u32..) {
            count += 1;
            changes.unit();
            match self.read_value(line, changes, json) {
                Ok(()) => changes.end_row(sub_sequence),
                Err(error) => changes.dead_letter(DeadLetter {
                    origin: origin.clone(),
                    sub_sequence,
                    reason: Reason::NotJson,
                    error: error.to_string(),
                    payload: line.to_vec(),
                }),
            }
        }
        if count == 0 {
            changes.unit();
            changes.filter();
        }
    }
}

impl Decode for Decoder {
    fn decode(&self, shard: &ShardId, records: Vec<Record>) -> Changes {
        let bytes = records.iter().map(|record| record.data.len()).sum();
        let mut changes = Changes::new(shard.clone(), records.len(), bytes);
        let mut json = Json::default();
        let mut expanded = Vec::new();
        for Record { data, sequence, partition_key, arrived_at } in records {
            let origin = Origin { sequence, partition_key, arrived_at };
            let read = match self.payload(&data, changes.size(), &mut expanded) {
                Ok(payload) => match self.options.format {
                    Format::Json => self
                        .read_value(payload, &mut changes, &mut json)
                        .map_err(|error| (Reason::NotJson, error.to_string())),
                    Format::Raw => {
                        let column = changes.column(DATA);
                        changes.cell(column, Value::Bytes(payload));
                        Ok(())
                    }
                    Format::Ndjson => {
                        self.lines(payload, &origin, &mut changes, &mut json);
                        continue;
                    }
                },
                Err(refused) => Err(refused),
            };
            changes.unit();
            match read {
                Ok(()) => {
                    // Only now, so that neither a row nor a dead letter needs a copy of it.
                    changes.push_origin(origin);
                    changes.end_row(0);
                }
                Err((reason, error)) => {
                    changes.dead_letter(DeadLetter {
                        origin,
                        sub_sequence: 0,
                        reason,
                        error,
                        payload: data,
                    });
                }
            }
        }
        changes
    }
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests;
