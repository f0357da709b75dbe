//! The words in which the service is asked and answers, without those of the SDK.

use std::time::Duration;

use ctk_flow::{Millis, Record, Sequence, ShardId};

/// What the service says about a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// The plain name.
    pub name: String,
    /// The ARN.
    pub arn: String,
    /// When it was created: tells it from an earlier stream of the same name.
    pub created_at: Millis,
    /// How long it keeps records.
    pub retention: Duration,
    /// Whether it can be read.
    pub status: Status,
}

/// The state of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It can be read.
    Active,
    /// It cannot be read yet.
    Creating,
    /// It is being changed, which reading does not notice.
    Updating,
    /// It is going away.
    Deleting,
}

/// A shard as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardListing {
    /// The shard.
    pub id: ShardId,
    /// One after a split, two after a merge, none for the first shards of a stream.
    pub parents: Vec<ShardId>,
    /// It takes no more records.
    pub closed: bool,
}

/// One page of a listing.
#[derive(Clone, Debug)]
pub struct ShardPage {
    /// The shards of the page.
    pub shards: Vec<ShardListing>,
    /// What to ask for the next page with.
    pub next: Option<String>,
}

/// Which page of a listing.
#[derive(Clone, Copy, Debug)]
pub enum Page<'a> {
    /// From the first shard on.
    First,
    /// What comes after the page that brought this token.
    After(&'a str),
    /// One shard: the first whose id follows this one.
    OneAfter(Option<&'a ShardId>),
}

/// Where in a shard to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that the stream still keeps.
    Earliest,
    /// At the first record that arrived at this time or later.
    AtTime(Millis),
    /// At this record.
    At(Sequence),
    /// Behind this record.
    After(Sequence),
}

/// An answer of `GetRecords`.
#[derive(Debug)]
pub struct Records {
    /// In the order of the shard; may be empty, which means nothing by itself.
    pub records: Vec<Record>,
    /// The iterator to go on with; `None` behind the last record of a closed shard.
    pub next: Option<String>,
    /// The distance to the tip; AWS always says it.
    pub behind: Option<Duration>,
    /// At the end of a closed shard: what it was split or merged into, where the service says so.
    pub children: Vec<ShardListing>,
}

/// Who records are sent to, in place of asking for them (enhanced fan-out).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The ARN.
    pub arn: String,
    /// Whether it can subscribe.
    pub status: Status,
}

/// One event of a subscription.
#[derive(Debug)]
pub struct Event {
    /// In the order of the shard; often empty: the service sends events while nothing is put, too.
    pub records: Vec<Record>,
    /// The distance to the tip.
    pub behind: Option<Duration>,
    /// How far the shard is with this event, records or not; absent in the last event of a closed shard.
    pub continuation: Option<Sequence>,
    /// At the end of a closed shard: what it was split or merged into.
    pub children: Vec<ShardListing>,
}
