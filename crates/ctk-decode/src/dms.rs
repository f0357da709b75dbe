//! Change events of AWS DMS.

use ctk_flow::{Changes, Reason};

use crate::{
    change::{Read, Refused},
    recipe::Recipe,
};

/// Adds the change that a record asks for. After an error, cells may have been added: the caller abandons the row.
pub(crate) fn read(
    payload: &[u8],
    recipe: &Recipe,
    sub_sequence: u32,
    changes: &mut Changes,
) -> Result<Read, Refused> {
    let _ = (payload, recipe, sub_sequence, changes);
    Err(Refused { reason: Reason::NotDms, error: "not built".to_owned() })
}
