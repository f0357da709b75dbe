//! What the decoders of change data have in common.

use ctk_flow::Reason;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// A change was added.
    Change,
    /// The user wants none of it.
    Filtered,
}

/// Why a record is no change: it becomes a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    pub(crate) error: String,
}
