//! One payload, of a record or of a part of an aggregate: decompressed, and taken apart into units.

use std::borrow::Cow;

use ctk_flow::{Changes, DeadLetter, Origin, Reason, Value};

use super::{
    super::{Compression, Format, Layout},
    Flow, MOST, Units, Work,
};
use crate::{
    change::{self, Read},
    cloudwatch::{Message, Problem},
    compression::{ExpandError, Kind},
    dms, dynamodb,
    json::{DATA, Json, NotJson},
};

impl Work {
    /// Takes one payload: one unit, or several.
    pub(super) fn payload(
        &mut self,
        data: Cow<'_, [u8]>,
        origin: Origin,
        units: &mut Units,
    ) -> Flow {
        let read = match self.options.format {
            Format::Json | Format::Raw | Format::Dms | Format::DynamoDb => {
                if units.skip() {
                    return Flow::Done;
                }
                let is_done = self.has_room() && self.unit(data, origin, units).is_ok();
                return if is_done { Flow::Done } else { Flow::Full };
            }
            Format::Ndjson | Format::CloudWatchLogs => self.expand(&data),
        };
        let expanded = match read {
            Ok(expanded) => expanded,
            Err(Refused::NoRoom) => return Flow::Full,
            Err(Refused::Bad(reason, error)) => {
                return self.letter(data, origin, (reason, error), units);
            }
        };
        let bytes = expanded.as_deref().unwrap_or(&data);
        let flow = match self.options.format {
            Format::CloudWatchLogs => self.log_events(bytes, &data, origin, units),
            _ => self.lines(bytes, origin, units),
        };
        self.keep(expanded);
        flow
    }

    fn lines(&mut self, payload: &[u8], origin: Origin, units: &mut Units) -> Flow {
        let mut lines =
            payload.split(|byte| *byte == b'\n').filter(|line| !is_blank(line)).peekable();
        if lines.peek().is_none() {
            return self.nothing(origin, units);
        }
        self.changes.push_origin(origin.clone());
        for line in lines {
            if units.skip() {
                continue;
            }
            if !self.has_room() {
                return Flow::Full;
            }
            let read = read_value(self.options.layout, line, &mut self.changes, &mut self.json);
            self.end(read, line, &origin, units);
        }
        Flow::Done
    }

    fn log_events(
        &mut self,
        payload: &[u8],
        arrived: &[u8],
        origin: Origin,
        units: &mut Units,
    ) -> Flow {
        let message = match Message::parse(payload) {
            Ok(Message::Data(message)) => message,
            Ok(Message::Control) => return self.nothing(origin, units),
            Err(problem) => {
                let reason = match problem {
                    Problem::NotJson(_) => Reason::NotJson,
                    Problem::NotMessage(_) => Reason::NotCloudWatchLogs,
                };
                let why = (reason, problem.to_string());
                return self.letter(Cow::Borrowed(arrived), origin, why, units);
            }
        };
        let mut events = message.events().peekable();
        if events.peek().is_none() {
            return self.nothing(origin, units);
        }
        self.changes.push_origin(origin.clone());
        for event in events {
            if units.skip() {
                continue;
            }
            if !self.has_room() {
                return Flow::Full;
            }
            let read = match self.options.layout {
                Layout::Columns => message.read_event(event, &mut self.changes, &mut self.json),
                Layout::Document => self.json.read_document(event.as_bytes(), &mut self.changes),
            };
            if read.is_err() {
                self.changes.abandon_row();
            }
            self.end(read, event.as_bytes(), &origin, units);
        }
        Flow::Done
    }

    /// Ends a unit out of several.
    fn end(
        &mut self,
        read: Result<(), NotJson>,
        payload: &[u8],
        origin: &Origin,
        units: &mut Units,
    ) {
        self.changes.unit();
        let sub_sequence = units.next();
        match read {
            Ok(()) => self.changes.end_row(sub_sequence),
            Err(error) => self.changes.dead_letter(DeadLetter {
                origin: origin.clone(),
                sub_sequence,
                reason: Reason::NotJson,
                error: error.to_string(),
                payload: payload.to_vec(),
            }),
        }
    }

    /// Takes a payload that is one unit; gives it back when there is no room.
    pub(super) fn unit<'a>(
        &mut self,
        data: Cow<'a, [u8]>,
        origin: Origin,
        units: &mut Units,
    ) -> Result<(), (Cow<'a, [u8]>, Origin)> {
        let read = match self.expand(&data) {
            Ok(expanded) => {
                let bytes = expanded.as_deref().unwrap_or(&data);
                let read = match self.options.format {
                    Format::Dms | Format::DynamoDb => {
                        self.change(bytes, origin, units);
                        self.keep(expanded);
                        return Ok(());
                    }
                    Format::Raw => {
                        let column = self.changes.column(DATA);
                        self.changes.cell(column, Value::Bytes(bytes));
                        Ok(())
                    }
                    _ => read_value(self.options.layout, bytes, &mut self.changes, &mut self.json),
                };
                self.keep(expanded);
                read.map_err(|error| (Reason::NotJson, error.to_string()))
            }
            Err(Refused::NoRoom) => return Err((data, origin)),
            Err(Refused::Bad(reason, error)) => Err((reason, error)),
        };
        match read {
            Ok(()) => {
                self.changes.unit();
                // Only now, so that neither a row nor a dead letter needs a copy of it.
                self.changes.push_origin(origin);
                self.changes.end_row(units.next());
            }
            Err((reason, error)) => {
                self.push_letter(data.into_owned(), origin, (reason, error), units);
            }
        }
        Ok(())
    }

    /// Takes a payload that is one change.
    fn change(&mut self, payload: &[u8], origin: Origin, units: &mut Units) {
        // Before it, since what ends is of the last origin.
        self.changes.push_origin(origin);
        let (recipe, changes) = (&self.recipe, &mut self.changes);
        let read = if self.options.format == Format::DynamoDb {
            dynamodb::read(payload, recipe, units.seen, changes)
        } else {
            let wanted = dms::Wanted { recipe, whole_updates: self.options.whole_updates };
            dms::read(payload, wanted, units.seen, &mut self.json, changes)
        };
        match read {
            Ok(read) => {
                self.changes.unit();
                units.next();
                if read == Read::Filtered {
                    self.changes.filter();
                }
            }
            Err(change::Refused { reason, error }) => {
                self.changes.abandon_row();
                let origin = self.changes.origins().last().cloned();
                if let Some(origin) = origin {
                    self.push_letter(payload.to_vec(), origin, (reason, error), units);
                }
            }
        }
    }

    /// Takes a payload of which nothing but a dead letter can be made.
    fn letter(
        &mut self,
        data: Cow<'_, [u8]>,
        origin: Origin,
        why: (Reason, String),
        units: &mut Units,
    ) -> Flow {
        if units.skip() {
            return Flow::Done;
        }
        if !self.has_room() {
            return Flow::Full;
        }
        self.changes.push_origin(origin.clone());
        self.push_letter(data.into_owned(), origin, why, units);
        Flow::Done
    }

    fn push_letter(
        &mut self,
        payload: Vec<u8>,
        origin: Origin,
        (reason, error): (Reason, String),
        units: &mut Units,
    ) {
        self.changes.unit();
        let sub_sequence = units.next();
        self.changes.dead_letter(DeadLetter { origin, sub_sequence, reason, error, payload });
    }

    /// Takes a payload that holds nothing: one unit, filtered.
    pub(super) fn nothing(&mut self, origin: Origin, units: &mut Units) -> Flow {
        if !units.skip() {
            if !self.has_room() {
                return Flow::Full;
            }
            self.changes.unit();
            self.changes.filter();
            units.next();
        }
        self.changes.push_origin(origin);
        Flow::Done
    }

    /// Keeps the memory for the next payload.
    fn keep(&mut self, expanded: Option<Vec<u8>>) {
        if let Some(expanded) = expanded {
            self.expanded = expanded;
        }
    }

    /// Returns the bytes of a compressed payload, nothing for one that is not.
    fn expand(&mut self, data: &[u8]) -> Result<Option<Vec<u8>>, Refused> {
        let kind = match self.options.compression {
            Compression::Auto => Kind::of(data),
            Compression::None => None,
        };
        let Some(kind) = kind else { return Ok(None) };
        let most = self.options.max_record_bytes.min(MOST);
        let room = self.allowance.bytes.saturating_sub(self.changes.held());
        let mut expanded = std::mem::take(&mut self.expanded);
        match kind.expand(data, most.min(room), &mut expanded) {
            Ok(()) => Ok(Some(expanded)),
            Err(ExpandError::TooLarge { .. }) if room < most => Err(Refused::NoRoom),
            Err(error @ ExpandError::TooLarge { .. }) => {
                Err(Refused::Bad(Reason::TooLarge, error.to_string()))
            }
            Err(error @ ExpandError::Broken { .. }) => {
                Err(Refused::Bad(Reason::BadCompression, error.to_string()))
            }
        }
    }
}

/// Why a payload is not read.
enum Refused {
    NoRoom,
    Bad(Reason, String),
}

fn read_value(
    layout: Layout,
    bytes: &[u8],
    changes: &mut Changes,
    json: &mut Json,
) -> Result<(), NotJson> {
    let read = match layout {
        Layout::Columns => json.read_members(bytes, changes),
        Layout::Document => json.read_document(bytes, changes),
    };
    if read.is_err() {
        changes.abandon_row();
    }
    read
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}
