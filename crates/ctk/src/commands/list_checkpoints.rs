//! `ctk list-checkpoints`: how far each shard was loaded.

use ctk_db::sqlite::Mode;

use super::checkpoints::Database;
use crate::{
    cli::{Format, ListArgs},
    exit::CommandError,
    ui::{Ui, table},
};

/// Lists.
pub(super) async fn run(arguments: &ListArgs, ui: &Ui) -> Result<(), CommandError> {
    let mut database = Database::open(&arguments.database, Mode::Read).await?;
    // An empty one is none, as in the Python ctk.
    let namespace =
        arguments.database.namespace.as_deref().filter(|namespace| !namespace.is_empty());
    let rows = database.list(namespace).await?;
    let format = table::format(arguments.database.format);
    let text = if rows.is_empty() && format == Format::Table {
        "No checkpoints found.\n".to_owned()
    } else {
        let now = chrono::Utc::now().timestamp_millis();
        table::checkpoints(&rows, format, now).map_err(CommandError::failed)?
    };
    Ok(ui.result(&text)?)
}
