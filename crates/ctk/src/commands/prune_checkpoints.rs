//! `ctk prune-checkpoints`: deletes rows that nobody needs, after showing them and asking.

use std::io::IsTerminal;

use ctk_checkpoint::{
    Checkpoint, CheckpointRow,
    prune::{Active, Filter},
};
use ctk_db::sqlite::Mode;
use ctk_url::duration::parse_duration;
use serde::Serialize;

use super::checkpoints::Database;
use crate::{
    cli::{Format, PruneArgs},
    exit::CommandError,
    ui::{Ui, count, table},
};

/// Prunes.
pub(super) async fn run(arguments: &PruneArgs, ui: &Ui) -> Result<(), CommandError> {
    let now = chrono::Utc::now().timestamp_millis();
    let older_than = arguments.older_than.as_deref().map(parse_duration).transpose()?;
    let active = if arguments.include_active { Active::Include } else { Active::Keep };
    let filter = Filter::new(older_than, now, arguments.database.namespace.as_deref(), active)?;
    let asks = !arguments.yes && !arguments.dry_run;
    if asks && !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(CommandError::usage("this deletes rows, and there is no terminal to ask on")
            .hint("add --yes to delete, or --dry-run to look".to_owned()));
    }
    let format = table::format(arguments.database.format);
    let mode = if arguments.dry_run { Mode::Read } else { Mode::Write };
    let mut database = Database::open(&arguments.database, mode).await?;
    let rows = database.prunable(&filter).await?;
    if arguments.dry_run {
        return Ok(ui.result(&would_delete(&rows, &filter, format, now)?)?);
    }
    if asks {
        if rows.is_empty() {
            return Ok(ui.result("No matching rows to prune.\n")?);
        }
        ui.note(&table::checkpoints(&rows, Format::Table, now).map_err(CommandError::failed)?);
        if !confirm(&rows)? {
            return Err(CommandError::failed("nothing was deleted"));
        }
    }
    let deleted = database.delete(&rows).await?;
    if deleted < rows.len() as u64 {
        ui.warning(&format!(
            "{} changed meanwhile and stayed",
            count(rows.len() as u64 - deleted, "row")
        ));
    }
    let text = match format {
        Format::Table => format!("{} deleted\n", count(deleted, "row")),
        Format::Json | Format::Csv => {
            Answer { deleted: Some(deleted), cutoff: filter.cutoff_text(), ..Answer::default() }
                .text()?
        }
    };
    Ok(ui.result(&text)?)
}

/// Shows the rows, not only their number.
fn would_delete(
    rows: &[Checkpoint],
    filter: &Filter,
    format: Format,
    now: i64,
) -> Result<String, CommandError> {
    match format {
        Format::Table if rows.is_empty() => Ok("No matching rows to prune.\n".to_owned()),
        Format::Table => {
            let table = table::checkpoints(rows, format, now).map_err(CommandError::failed)?;
            Ok(format!("{table}{} would be deleted\n", count(rows.len() as u64, "row")))
        }
        Format::Csv => table::checkpoints(rows, format, now).map_err(CommandError::failed),
        Format::Json => Answer {
            would_delete: Some(rows.len() as u64),
            cutoff: filter.cutoff_text(),
            rows: Some(rows.iter().map(CheckpointRow::from).collect()),
            ..Answer::default()
        }
        .text(),
    }
}

/// The answer of the Python ctk, in its order, with the rows added.
#[derive(Default, Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    would_delete: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cutoff: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<CheckpointRow<'a>>>,
}

impl Answer<'_> {
    fn text(&self) -> Result<String, CommandError> {
        let text = serde_json::to_string_pretty(self).map_err(CommandError::failed)?;
        Ok(format!("{text}\n"))
    }
}

fn confirm(rows: &[Checkpoint]) -> Result<bool, CommandError> {
    dialoguer::Confirm::new()
        .with_prompt(format!("Delete {}?", count(rows.len() as u64, "checkpoint row")))
        .default(false)
        .interact()
        .map_err(CommandError::failed)
}
