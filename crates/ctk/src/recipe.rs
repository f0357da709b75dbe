//! The recipe that `--transformation` names.

use std::path::Path;

use ctk_decode::Recipe;

use crate::exit::CommandError;

/// Reads the recipe; an empty one where none is named. Plain records have no use for one.
pub(crate) fn read(path: Option<&Path>, is_change_data: bool) -> Result<Recipe, CommandError> {
    let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else {
        return Ok(Recipe::default());
    };
    if !is_change_data {
        return Err(CommandError::usage("--transformation is for change data").hint(
            "addresses of change data begin with kinesis+dms: or kinesis+dynamodb+cdc:".to_owned(),
        ));
    }
    let failed = |error: &dyn std::fmt::Display| {
        CommandError::usage(format!("cannot read the recipe {}: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    Recipe::parse(&text).map_err(|error| failed(&error))
}
