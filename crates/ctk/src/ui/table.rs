//! Checkpoints as a table for people, as JSON for programs, as CSV for spreadsheets.

use std::io::IsTerminal;

use comfy_table::{ContentArrangement, Table, presets};
use ctk_checkpoint::{Checkpoint, CheckpointRow, age::age};
use ctk_flow::Millis;

use crate::cli::Format;

/// Returns the format that the user wants, or that suits stdout.
pub fn format(wanted: Option<Format>) -> Format {
    wanted.unwrap_or(if std::io::stdout().is_terminal() { Format::Table } else { Format::Json })
}

/// Returns the rows as text. In a table, a checkpoint tells its age; JSON has the names and the order of the Python ctk,
/// and times as milliseconds since 1970.
pub fn checkpoints(rows: &[Checkpoint], format: Format, now: Millis) -> serde_json::Result<String> {
    Ok(match format {
        Format::Table => format!("{}\n", table(rows, now).trim_fmt()),
        Format::Json => format!("{}\n", json(rows)?),
        Format::Csv => csv(rows),
    })
}

/// Returns the rows as a JSON array, two blanks deep as the Python ctk has it.
pub fn json(rows: &[Checkpoint]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&rows.iter().map(CheckpointRow::from).collect::<Vec<_>>())
}

fn table(rows: &[Checkpoint], now: Millis) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["namespace", "shard", "sequence", "state", "updated", "age"]);
    for row in rows {
        table.add_row([
            row.namespace.clone(),
            row.shard_id.to_string(),
            row.sequence
                .as_ref()
                .map_or_else(|| "–".to_owned(), |sequence| shortened(sequence.as_str())),
            state(row).to_owned(),
            row.updated_at.map_or_else(
                || "–".to_owned(),
                |at| ctk_checkpoint::time::iso(at - at.rem_euclid(1000)).replace(".000", ""),
            ),
            row.updated_at.map_or_else(|| "–".to_owned(), |at| age(at, now)),
        ]);
    }
    table
}

/// 56 digits are too many for a table; JSON and CSV have them all.
fn shortened(sequence: &str) -> String {
    match (sequence.get(..6), sequence.len().checked_sub(8).and_then(|start| sequence.get(start..)))
    {
        (Some(head), Some(tail)) if sequence.len() > 20 => format!("{head}…{tail}"),
        _ => sequence.to_owned(),
    }
}

fn state(row: &Checkpoint) -> &'static str {
    match (row.finished, row.active) {
        (true, _) => "finished",
        (false, Some(true)) => "active",
        (false, Some(false)) => "idle",
        (false, None) => "unknown",
    }
}

fn csv(rows: &[Checkpoint]) -> String {
    let mut text = "namespace,shard_id,sequence,active,updated_at\n".to_owned();
    for row in rows {
        let cells = [
            row.namespace.clone(),
            row.shard_id.to_string(),
            row.sequence.as_ref().map(ToString::to_string).unwrap_or_default(),
            row.active.map(|active| active.to_string()).unwrap_or_default(),
            row.updated_at.map(ctk_checkpoint::time::iso).unwrap_or_default(),
        ];
        text.push_str(&cells.map(|cell| csv_cell(&cell)).join(","));
        text.push('\n');
    }
    text
}

/// Quotes where RFC 4180 wants it (<https://www.rfc-editor.org/rfc/rfc4180>).
fn csv_cell(text: &str) -> String {
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use ctk_flow::{Sequence, ShardId};

    use super::*;

    const NOW: Millis = 1_795_199_400_000;

    fn rows() -> Vec<Checkpoint> {
        let mut active = Checkpoint::new("orders, \"new\"", ShardId::new("shardId-000000000000"));
        active.sequence =
            Some(Sequence::new("49650000000000000000000000000000000000000000000000000002"));
        active.updated_at = Some(NOW - 12_000);
        let mut idle = Checkpoint::new("orders", ShardId::new("shardId-000000000001"));
        idle.active = Some(false);
        vec![active, idle]
    }

    #[test]
    fn three_formats() {
        insta::assert_snapshot!(checkpoints(&rows(), Format::Table, NOW).unwrap());
        insta::assert_snapshot!(checkpoints(&rows(), Format::Json, NOW).unwrap());
        insta::assert_snapshot!(checkpoints(&rows(), Format::Csv, NOW).unwrap());
        assert_eq!(checkpoints(&[], Format::Json, NOW).unwrap(), "[]\n");
    }
}
