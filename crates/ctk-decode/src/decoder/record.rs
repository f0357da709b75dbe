//! One record: from its bytes to units, each of which becomes a row, a dead letter, or is filtered.
//!
//! ```text
//! record ─► aggregate? ─► payloads ─► compressed? ─► units
//! ```
//!
//! Units are numbered through the whole record, whatever they came out of; that number is their sub-sequence, and how many of
//! them are done says where a record is to be gone on with.

mod payload;

use std::{borrow::Cow, sync::Arc};

use ctk_flow::{Allowance, Changes, Origin, Record, Sequence, ShardId};

use super::{Aggregation, DecodeOptions, Format};
use crate::{json::Json, kpl::Aggregate, recipe::Recipe};

/// What [`Changes`] may hold, and what a record may grow to: their spans are 32 bits wide.
const MOST: usize = 1024 * 1024 * 1024;

/// What became of a record.
pub(super) enum Taken {
    Whole,
    /// No more room: it is to be gone on with later.
    InPart(Record),
}

/// Whether a payload is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Done,
    Full,
}

/// The units of one record.
struct Units {
    /// How many are done, from here or from before.
    seen: u32,
    /// How many were done before.
    before: u32,
}

impl Units {
    /// Returns true, and passes the unit, when it was done before.
    fn skip(&mut self) -> bool {
        let skip = self.seen < self.before;
        self.seen += u32::from(skip);
        skip
    }

    /// Returns the number of a unit that is done now.
    fn next(&mut self) -> u32 {
        self.seen += 1;
        self.seen - 1
    }
}

/// The trace that the last record left which is done as a whole.
enum Last {
    Nothing,
    Origin(usize),
    Letter(usize),
}

/// What is being made of some records.
pub(super) struct Work {
    options: DecodeOptions,
    recipe: Arc<Recipe>,
    allowance: Allowance,
    changes: Changes,
    json: Json,
    expanded: Vec<u8>,
    last: Last,
}

impl Work {
    pub(super) fn new(
        (options, recipe): (DecodeOptions, Arc<Recipe>),
        shard: &ShardId,
        records: usize,
        bytes: usize,
        allowance: Allowance,
    ) -> Self {
        let bytes = bytes.min(allowance.bytes);
        Self {
            options,
            recipe,
            allowance: Allowance { bytes: allowance.bytes.min(MOST), ..allowance },
            changes: Changes::new(shard.clone(), records, bytes),
            json: Json::default(),
            expanded: Vec::new(),
            last: Last::Nothing,
        }
    }

    /// Returns what was made, and the last record that is done as a whole.
    pub(super) fn finish(self) -> (Changes, Option<Sequence>) {
        let origin = match self.last {
            Last::Nothing => None,
            Last::Origin(index) => self.changes.origins().get(index),
            Last::Letter(index) => {
                self.changes.dead_letters().get(index).map(|letter| &letter.origin)
            }
        };
        let upto = origin.map(|origin| origin.sequence.clone());
        (self.changes, upto)
    }

    /// Returns true when another unit may be made. One may be in any case, as long as units are allowed at all.
    pub(super) fn has_room(&self) -> bool {
        self.changes.units() < self.allowance.units
            && (self.changes.units() == 0 || self.changes.held() < self.allowance.bytes)
    }

    /// Takes a record, as far as there is room.
    pub(super) fn take(&mut self, record: Record) -> Taken {
        let has_many = matches!(self.options.format, Format::Ndjson | Format::CloudWatchLogs);
        let aggregate = match self.options.aggregation {
            Aggregation::Auto => Aggregate::parse(&record.data),
            Aggregation::None => None,
        };
        let mut units = Units { seen: 0, before: record.done };
        let flow = match aggregate {
            Some(aggregate) => self.aggregate(&aggregate, &record, &mut units),
            None if has_many => {
                let Record { sequence, partition_key, arrived_at, .. } = &record;
                let origin = Origin {
                    sequence: sequence.clone(),
                    partition_key: partition_key.clone(),
                    arrived_at: *arrived_at,
                };
                self.payload(Cow::Borrowed(&record.data), origin, &mut units)
            }
            None => return self.single(record),
        };
        if flow == Flow::Full {
            return Taken::InPart(Record { done: units.seen.max(record.done), ..record });
        }
        let Record { sequence, arrived_at, .. } = record;
        if self.changes.origins().last().is_none_or(|origin| origin.sequence != sequence) {
            // Nothing of it is a row; it leaves a trace all the same, so that the position moves on.
            self.changes.push_origin(Origin { sequence, partition_key: None, arrived_at });
        }
        self.last = Last::Origin(self.changes.origins().len() - 1);
        Taken::Whole
    }

    /// Takes a record that is one unit, without a copy of anything but values.
    fn single(&mut self, record: Record) -> Taken {
        let Record { data, sequence, partition_key, arrived_at, done } = record;
        let origin = Origin { sequence, partition_key, arrived_at };
        let mut units = Units { seen: 0, before: done };
        let letters = self.changes.dead_letters().len();
        if units.skip() {
            self.changes.push_origin(origin);
        } else if let Err((data, origin)) = self.unit(Cow::Owned(data), origin, &mut units) {
            let Origin { sequence, partition_key, arrived_at } = origin;
            let data = data.into_owned();
            return Taken::InPart(Record { data, sequence, partition_key, arrived_at, done });
        }
        self.last = match self.changes.dead_letters().len() {
            now if now > letters => Last::Letter(letters),
            _ => Last::Origin(self.changes.origins().len().saturating_sub(1)),
        };
        Taken::Whole
    }

    /// Takes the records of an aggregate. None is left out, whatever its hash key.
    fn aggregate(&mut self, aggregate: &Aggregate<'_>, record: &Record, units: &mut Units) -> Flow {
        let origin = |partition_key: Option<&str>| Origin {
            sequence: record.sequence.clone(),
            partition_key: partition_key.map(str::to_owned),
            arrived_at: record.arrived_at,
        };
        if aggregate.len() == 0 {
            return self.nothing(origin(None), units);
        }
        for inner in aggregate.records() {
            let flow = self.payload(Cow::Borrowed(inner.data), origin(inner.partition_key), units);
            if flow == Flow::Full {
                return flow;
            }
        }
        Flow::Done
    }
}
