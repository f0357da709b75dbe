//! Remembers which column followed which, so that records of one shape cost no hashing.
//!
//! Producers write their members in a fixed order. The column that followed last time is therefore a good guess, and a
//! comparison of names is cheaper than a hash. A wrong guess costs that comparison and is replaced.

use ctk_flow::{Changes, ColumnId};

/// What followed each column, within one [`Changes`].
#[derive(Debug, Default)]
pub(crate) struct ColumnOrder {
    first: Option<ColumnId>,
    followers: Vec<Option<ColumnId>>,
}

impl ColumnOrder {
    /// Returns the id of the column `name`, which stands behind `previous` (`None` at the beginning of a record).
    pub(crate) fn column(
        &mut self,
        changes: &mut Changes,
        previous: Option<ColumnId>,
        name: &str,
    ) -> ColumnId {
        let guess = match previous {
            None => &mut self.first,
            Some(previous) => {
                let index = previous.index();
                if index >= self.followers.len() {
                    self.followers.resize(index + 1, None);
                }
                &mut self.followers[index]
            }
        };
        if let Some(id) = *guess
            && *changes.columns()[id.index()] == *name
        {
            return id;
        }
        let id = changes.column(name);
        *guess = Some(id);
        id
    }
}

#[cfg(test)]
mod tests {
    use ctk_flow::ShardId;

    use super::*;

    #[test]
    fn a_guess_never_changes_the_answer() {
        let mut order = ColumnOrder::default();
        let mut changes = Changes::new(ShardId::new("s"), 1, 1);
        for record in
            [["a", "b", "c"], ["a", "b", "c"], ["a", "c", "b"], ["b", "b", "a"], ["a", "b", "d"]]
        {
            let mut previous = None;
            for name in record {
                let id = order.column(&mut changes, previous, name);
                assert_eq!(&*changes.columns()[id.index()], name);
                assert_eq!(changes.column(name), id);
                previous = Some(id);
            }
        }
        assert_eq!(changes.columns().len(), 4);
    }
}
