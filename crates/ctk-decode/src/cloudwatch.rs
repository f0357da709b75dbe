//! What a subscription of CloudWatch Logs sends: log events, many in a record.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html>
//!
//! ```json
//! {"messageType": "DATA_MESSAGE", "owner": "…", "logGroup": "…", "logStream": "…", "subscriptionFilters": ["…"],
//!  "logEvents": [{"id": "…", "timestamp": 1432826855000, "message": "…"}]}
//! ```
//!
//! A row is an event, together with the other members of the message. Names stay as they are, members that are not known
//! here are kept, and a member that both have is the event's. The service compresses what it sends; here it is plain again.

use ctk_flow::Changes;
use thiserror::Error;

use crate::json::{Array, Json, Member, Members, NotJson};

/// How many members beside its events a message may have. Each of them comes again in every row; AWS sends five.
const MAX_SHARED: usize = 64;

/// Why bytes are no message of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Problem {
    /// They are not even JSON.
    #[error(transparent)]
    NotJson(#[from] NotJson),
    /// They are JSON of another kind.
    #[error("this is no subscription message of CloudWatch Logs: {0}")]
    NotMessage(&'static str),
}

/// A message of a subscription.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    /// The health check of the subscription, which carries no logs.
    Control,
    /// Log events.
    Data(Data<'a>),
}

/// Log events, and what they have in common.
#[derive(Debug)]
pub(crate) struct Data<'a> {
    /// The members of the message but `messageType` and `logEvents`.
    shared: Vec<Member<'a>>,
    events: Array<'a>,
}

impl<'a> Message<'a> {
    /// Reads a message, all of it: later on, nothing in it turns out not to be JSON.
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Problem> {
        let mut members = Members::of(bytes)?.ok_or(Problem::NotMessage("it is no object"))?;
        let (mut kind, mut events, mut shared) = (None, None, Vec::new());
        while let Some(member) = members.next_member()? {
            match &*member.name() {
                "messageType" => kind = member.text(),
                // As everywhere the last would count; but then the events of the first would be lost.
                "logEvents" if events.is_some() => {
                    return Err(Problem::NotMessage("it has two members logEvents"));
                }
                "logEvents" => events = Some(member),
                _ if shared.len() == MAX_SHARED => {
                    return Err(Problem::NotMessage("it has too many members"));
                }
                _ => shared.push(member),
            }
        }
        match kind.as_deref() {
            Some("CONTROL_MESSAGE") => Ok(Self::Control),
            Some("DATA_MESSAGE") => {
                let events = events.and_then(|member| member.array());
                let events = events.ok_or(Problem::NotMessage("it has no array logEvents"))?;
                Ok(Self::Data(Data { shared, events }))
            }
            _ => Err(Problem::NotMessage(
                "its messageType is neither DATA_MESSAGE nor CONTROL_MESSAGE",
            )),
        }
    }
}

impl<'a> Data<'a> {
    /// Returns the events as they are written. Elements that are no objects are among them.
    pub(crate) fn events(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.events.elements()
    }

    /// Adds the cells of one row: the members of the message, then those of the event, or `data` when it is no object.
    ///
    /// Of a name that both have there are two cells, of which the last counts, as always in [`Changes`]: the event's.
    pub(crate) fn read_event(
        &self,
        event: &str,
        changes: &mut Changes,
        json: &mut Json,
    ) -> Result<(), NotJson> {
        json.read_members_behind(&self.shared, event.as_bytes(), changes)
    }
}

#[cfg(test)]
mod tests;
