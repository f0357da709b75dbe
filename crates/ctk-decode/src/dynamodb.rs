//! Change events of DynamoDB, as Kinesis Data Streams for DynamoDB writes them.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds.html>
//!
//! ```json
//! {"eventSource": "aws:dynamodb", "eventName": "MODIFY", "tableName": "orders", "eventID": "…",
//!  "dynamodb": {"Keys": {"id": {"S": "7"}}, "NewImage": {"id": {"S": "7"}, "total": {"N": "12.50"}}, "OldImage": {…}}}
//! ```
//!
//! The new image is the whole item, so an event is a row to put, or one to delete. Where a table sends no images, all that is
//! known is the key: the row of that key is to be there, and keeps what it has. The columns are those of the key, by name,
//! then the other attributes as they come, then lists of several types. The key of an item never changes.
//!
//! The table has no schema: the container of a recipe is empty, or the schema of the target. Its rules for columns apply to
//! attributes: JSON texts first, then lists and texts. An attribute of the key can become a text; other rules for it, and a
//! new name that another attribute has, make a dead letter of the record.

mod event;
mod item;
mod value;

use ctk_flow::{Action, Changes, Parts};

use crate::{
    change::{Read, Refused},
    recipe::Recipe,
};
use event::{Kind, Outer};
use item::Item;

/// Adds the change that a record asks for. After an error, cells may have been added: the caller abandons the row.
pub(crate) fn read(
    payload: &[u8],
    recipe: &Recipe,
    sub_sequence: u32,
    changes: &mut Changes,
) -> Result<Read, Refused> {
    let envelope = Outer::parse(payload)?;
    let inner;
    let outer = match &envelope.wrapped {
        None => envelope,
        Some(wrapped) => {
            inner = wrapped.open().map_err(|error| {
                Refused::not_json(format!("`kinesis.data` is not base64: {error}"))
            })?;
            Outer::parse(&inner)?
        }
    };
    let event = outer.event()?;
    let mut item = Item::new(recipe.rules("", &event.table));
    let key = item.read_keys(event.keys, changes)?;
    let (action, aux) = match (event.kind, event.new_image) {
        (Kind::Remove, _) => (Action::Delete, 0),
        (Kind::Insert | Kind::Modify, None) => (Action::Patch, 0),
        (Kind::Insert | Kind::Modify, Some(image)) => {
            (Action::Put, item.read_image(image, changes)?)
        }
    };
    let table = changes.table("", &event.table);
    changes.end_change(sub_sequence, table, action, Parts { before: 0, key, aux }, payload);
    Ok(Read::Change)
}

/// Returns a name for an error text, which is not to be as long as a name can be.
fn short(name: &str) -> &str {
    name.char_indices().nth(64).and_then(|(end, _)| name.get(..end)).unwrap_or(name)
}

#[cfg(test)]
mod tests;
