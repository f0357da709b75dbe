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
//!
//! # What to implement, and what to call
//!
//! | | |
//! | --- | --- |
//! | [`Source`], [`Reader`] | a stream with shards of one's own |
//! | [`Decode`] | from [`Record`]s to [`Changes`] |
//! | [`Target`], [`Claims`] | where changes and positions go; [`NoClaims`] where none are kept |
//! | [`Run`], [`Plan`], [`Ledger`] | one run, its limits, its account |
//!
//! # What is promised
//!
//! - A [`Position`] is handed to a target only with everything before it, so what a target makes durable is enough to go on.
//! - Records of a shard come to the target in their order; two calls for one shard never overlap.
//! - A failure of one shard stops the others between two batches, and is what [`Run::run`] returns. Nothing is tried again
//!   here.
//! - A target that confirms more or fewer units than it was given fails the run ([`RunError::Unbalanced`]).
//!
//! Sizes are bytes, times are [`Millis`] since 1970 (UTC), and the units that are counted are records, or the parts of records
//! that hold several. Futures are not cancel safe unless their documentation says so; stop a run by its token.
//!
//! # Example
//!
//! A stream with one shard, whose records are texts, into a list:
//!
//! ```
//! use ctk_flow::*;
//! use std::{collections::VecDeque, sync::{Arc, Mutex}};
//!
//! struct Greetings(Option<Shard>);
//! struct Shard(ShardId);
//!
//! impl Source for Greetings {
//!     type Reader = Shard;
//!     async fn readers(&mut self) -> Result<Vec<Shard>, Failure> {
//!         Ok(self.0.take().into_iter().collect())
//!     }
//!     fn finished(&mut self, _: &ShardId) {}
//! }
//!
//! impl Reader for Shard {
//!     fn shard(&self) -> &ShardId {
//!         &self.0
//!     }
//!     async fn read(&mut self) -> Result<Answer, Failure> {
//!         let record = |(number, text): (i32, &str)| Record {
//!             data: text.into(),
//!             sequence: Sequence::new(number.to_string()),
//!             partition_key: None,
//!             arrived_at: None,
//!             done: 0,
//!         };
//!         let records = (1..).zip(["hello", "world"]).map(record).collect();
//!         Ok(Answer { records, ..Answer::nothing(Next::Closed) })
//!     }
//! }
//!
//! struct Texts;
//!
//! impl Decode for Texts {
//!     fn decode(&self, shard: &ShardId, records: &mut VecDeque<Record>, allowance: Allowance) -> Decoded {
//!         let (mut changes, mut upto) = (Changes::new(shard.clone(), records.len(), 0), None);
//!         while changes.units() < allowance.units && let Some(record) = records.pop_front() {
//!             let Record { data, sequence, partition_key, arrived_at, .. } = record;
//!             upto = Some(sequence.clone());
//!             changes.unit();
//!             changes.push_origin(Origin { sequence, partition_key, arrived_at });
//!             let column = changes.column("text");
//!             changes.cell(column, Value::Text(&String::from_utf8_lossy(&data)));
//!             changes.end_row(0);
//!         }
//!         Decoded { changes, upto, part: None }
//!     }
//! }
//!
//! /// Rows, and the position behind them.
//! #[derive(Clone, Default)]
//! struct List(Arc<Mutex<(Vec<String>, Option<Position>)>>);
//!
//! impl Target for List {
//!     async fn commit(&self, changes: Changes, upto: Position) -> Result<Committed, Failure> {
//!         let mut list = self.0.lock().map_err(|_| "a shard panicked")?;
//!         for row in changes.rows() {
//!             list.0.extend(row.cells().map(|(_, value)| format!("{value:?}")));
//!         }
//!         list.1 = Some(upto);
//!         Ok(Committed { written: changes.units(), ..Committed::default() })
//!     }
//!     async fn close(&self) -> Result<(), Failure> {
//!         Ok(())
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (source, list) = (Greetings(Some(Shard(ShardId::new("only")))), List::default());
//! let (stop, ledger) = (Default::default(), Arc::new(Ledger::default()));
//! let plan = Plan {
//!     budget: Budget::new(1 << 20),
//!     read_bytes: 1 << 16,
//!     until: None,
//!     max_records: None,
//!     relist: None,
//! };
//! Run::new(Texts, list.clone(), Arc::new(NoClaims), plan, &stop, Arc::clone(&ledger)).run(source).await?;
//! let list = list.0.lock().unwrap();
//! assert_eq!(list.0, [r#"Text("hello")"#, r#"Text("world")"#]);
//! assert_eq!(list.1.as_ref().and_then(|upto| upto.sequence.clone()), Some(Sequence::new("2")));
//! assert!(list.1.as_ref().is_some_and(|upto| upto.finished));
//! assert!(ledger.totals().balance() && ledger.totals().written == 2);
//! # Ok(()) }
//! ```

mod budget;
mod change;
mod changes;
mod dead_letter;
mod ledger;
mod ports;
mod record;
mod run;

pub use budget::{Budget, Reserved};
pub use change::{
    Action, ColumnDef, ColumnKind, Parts, SourceTable, TableChange, TableDef, TableId,
};
pub use changes::{Asks, Change, Changes, ColumnId, Row, Value};
pub use dead_letter::{DeadLetter, Origin, Reason};
pub use ledger::{Ledger, ShardCount, ShardState, Totals};
pub use ports::{
    Allowance, Answer, Claims, Committed, Decode, Decoded, Failure, Next, NoClaims, Reader, Source,
    Target,
};
pub use record::{Millis, Part, Position, Record, Sequence, ShardId};
pub use run::{Plan, Run, RunError};
