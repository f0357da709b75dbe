//! The table in CrateDB, `"SCHEMA"."kinesis_checkpoints"`: read, pruned, and kept by a run as a [`CrateDbStore`].
//!
//! There are no transactions, so each row is changed only if it is still as it was read, by `_seq_no` and `_primary_term`
//! (<https://cratedb.com/docs/crate/reference/en/latest/general/occ.html>); if not, it is read again, and decided anew. All
//! times are those of the database. Beside the columns of the Python `ctk`, the row says whose it is, and until when that may
//! be relied on: so two runs with one namespace notice each other. A table of the Python `ctk` is read as it is, and gets
//! our columns when a run opens it.

mod row;
mod store;
mod table;

use std::collections::HashMap;

use ctk_db::cratedb::Client;
use ctk_flow::ShardId;

pub use store::CrateDbStore;

use crate::{Checkpoint, CheckpointError, prune::Filter};
use row::Row;
use table::Table;

/// Returns the checkpoints of a namespace, or all, by namespace and shard.
pub async fn list(
    client: &Client,
    schema: &str,
    namespace: Option<&str>,
) -> Result<Vec<Checkpoint>, CheckpointError> {
    let table = Table::find(client, schema).await?;
    let (rows, _) = table.read(namespace).await?;
    Ok(rows.into_iter().map(|row| row.checkpoint).collect())
}

/// Returns the checkpoints of a namespace, by shard; none when there is no table.
pub async fn load(
    client: &Client,
    schema: &str,
    namespace: &str,
) -> Result<Vec<Checkpoint>, CheckpointError> {
    match list(client, schema, Some(namespace)).await {
        Err(CheckpointError::NoTable { .. }) => Ok(Vec::new()),
        checkpoints => checkpoints,
    }
}

/// Returns what the filter means, to be shown, and then handed to [`delete`].
pub async fn prunable(
    client: &Client,
    schema: &str,
    filter: &Filter,
) -> Result<Vec<Checkpoint>, CheckpointError> {
    let mut checkpoints = list(client, schema, filter.namespace()).await?;
    checkpoints.retain(|checkpoint| filter.is_prunable(checkpoint));
    Ok(checkpoints)
}

/// Deletes checkpoints as they were shown; returns how many.
///
/// One that changed since, as a run may have claimed the shard, stays. Not cancel safe: a dropped future may have deleted
/// some.
pub async fn delete(
    client: &Client,
    schema: &str,
    shown: &[Checkpoint],
) -> Result<u64, CheckpointError> {
    let shown: HashMap<(&str, &ShardId), &Checkpoint> = shown
        .iter()
        .map(|checkpoint| ((checkpoint.namespace.as_str(), &checkpoint.shard_id), checkpoint))
        .collect();
    if shown.is_empty() {
        return Ok(0);
    }
    let table = Table::find(client, schema).await?;
    let (mut rows, _) = table.read(None).await?;
    rows.retain(|Row { checkpoint, .. }| {
        shown.get(&(checkpoint.namespace.as_str(), &checkpoint.shard_id)) == Some(&checkpoint)
    });
    let failures = table.delete(&rows).await?;
    if failures.is_empty() {
        return Ok(rows.len() as u64);
    }
    // Another writer was there before, or this request was repeated, or the row cannot be deleted: looking tells.
    let (left, _) = table.read(None).await?;
    let is_key = |a: &Row, b: &Row| {
        (&a.checkpoint.namespace, &a.checkpoint.shard_id)
            == (&b.checkpoint.namespace, &b.checkpoint.shard_id)
    };
    if let Some(row) = left.iter().find(|row| rows.contains(row)) {
        let shard = row.checkpoint.shard_id.clone();
        let failure = failures.into_iter().find(|failure| failure.shard == shard);
        let reason = failure.map(|failure| failure.reason).unwrap_or_default();
        return Err(CheckpointError::Refused { shard, reason });
    }
    let stayed = rows.iter().filter(|row| left.iter().any(|left| is_key(left, row))).count();
    Ok((rows.len() - stayed) as u64)
}

#[cfg(test)]
mod tests;
