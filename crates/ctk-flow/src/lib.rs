//! The path from a shard to a target.
//!
//! ```text
//! Source ─► Reader ──records──► Decode ──Changes──► Target::commit(changes, upto)
//! ```
//!
//! One shard, one task, one loop: read, decode, commit, again. Asking for the next records acknowledges the last. There are
//! no queues between the steps; shards run side by side, and a shard never overtakes itself. This crate holds the words of
//! that path (`record`, `changes`), the traits (`ports`), and the loop ([`Run::run`]). It does no I/O, and the only clock it
//! knows is tokio's, so a test can pause it.
//!
//! Memory is bounded by one [`Budget`] of bytes for all shards; what happened is counted in one [`Ledger`], in which
//! `read = written + dead-lettered + filtered` must hold. A run is stopped by a token: shards look at it between batches, so
//! that what was read is written before they end.

mod budget;
mod changes;
mod dead_letter;
mod ledger;
mod ports;
mod record;
mod run;

pub use budget::{Budget, Reserved};
pub use changes::{Changes, ColumnId, Row, Value};
pub use dead_letter::{DeadLetter, Origin, Reason};
pub use ledger::{Ledger, ShardCount, ShardState, Totals};
pub use ports::{
    Allowance, Answer, Claims, Committed, Decode, Decoded, Failure, Next, NoClaims, Reader, Source,
    Target,
};
pub use record::{Millis, Part, Position, Record, Sequence, ShardId};
pub use run::{Plan, Run, RunError};
