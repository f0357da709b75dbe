//! The decoder: takes records one after the other, as long as there is room, and says how far it came.

mod record;

use std::{collections::VecDeque, sync::Arc};

use ctk_flow::{Allowance, Decode, Decoded, Part, Record, ShardId};

use crate::recipe::Recipe;
use record::{Taken, Work};

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
    /// Messages of a CloudWatch Logs subscription: a row for each log event.
    CloudWatchLogs,
    /// Change events of AWS DMS.
    Dms,
    /// Change events of DynamoDB.
    DynamoDb,
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
    /// They are recognised by their first bytes and their checksum, and unpacked: each of their records is one.
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
    /// What a compressed record may grow to, 1 GiB at most. One that comes larger than that is taken: it is in memory already.
    pub max_record_bytes: usize,
    /// What a JSON value becomes.
    pub layout: Layout,
    /// An update of AWS DMS brings the whole row: what it lacks is NULL.
    pub whole_updates: bool,
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            format: Format::default(),
            compression: Compression::default(),
            aggregation: Aggregation::default(),
            max_record_bytes: 64 * 1024 * 1024,
            layout: Layout::default(),
            whole_updates: false,
        }
    }
}

/// Turns records into changes, as the options say.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    options: DecodeOptions,
    recipe: Arc<Recipe>,
}

impl Decoder {
    /// Returns a decoder.
    pub fn new(options: DecodeOptions) -> Self {
        Self { options, recipe: Arc::default() }
    }

    /// Returns a decoder of change data that goes by a recipe.
    pub fn with_recipe(options: DecodeOptions, recipe: Recipe) -> Self {
        Self { options, recipe: Arc::new(recipe) }
    }
}

impl Decode for Decoder {
    fn form(&self) -> u8 {
        let DecodeOptions { format, compression, aggregation, .. } = self.options;
        // Stored with positions: a new format gets a new number.
        let format = match format {
            Format::Json => 0,
            Format::Ndjson => 1,
            Format::Raw => 2,
            Format::CloudWatchLogs => 3,
            Format::Dms => 4,
            Format::DynamoDb => 5,
        };
        let is_left = |left: bool, bit: u8| if left { bit } else { 0 };
        format
            + is_left(compression == Compression::None, 64)
            + is_left(aggregation == Aggregation::None, 128)
    }

    fn decode(
        &self,
        shard: &ShardId,
        records: &mut VecDeque<Record>,
        allowance: Allowance,
    ) -> Decoded {
        let bytes: usize = records.iter().map(|record| record.data.len()).sum();
        let options = (self.options, Arc::clone(&self.recipe));
        let mut work = Work::new(options, shard, records.len(), bytes, allowance);
        while work.has_room()
            && let Some(record) = records.pop_front()
        {
            if let Taken::InPart(record) = work.take(record) {
                records.push_front(record);
                break;
            }
        }
        let begun = records.front().filter(|record| record.done > 0);
        let part = begun.map(|record| {
            let sequence = record.sequence.clone();
            Part { sequence, units: record.done, form: self.form() }
        });
        let (changes, upto) = work.finish();
        Decoded { changes, upto, part }
    }
}

#[cfg(test)]
mod tests;
