//! Positions whose rows are confirmed, and which are still to be saved: the newest of each shard.

use std::collections::BTreeMap;

use ctk_flow::{Position, ShardId};

/// What is to be saved.
#[derive(Debug, Default)]
pub(super) struct Noted(BTreeMap<ShardId, Position>);

impl Noted {
    /// Notes a position. The newest counts; the end of a shard, and a sequence, are never forgotten for one that has none.
    pub(super) fn note(&mut self, position: Position) {
        match self.0.get_mut(&position.shard) {
            None => {
                self.0.insert(position.shard.clone(), position);
            }
            Some(noted) => noted.advance(&position),
        }
    }

    /// Returns whether something is noted of a shard.
    pub(super) fn contains(&self, shard: &ShardId) -> bool {
        self.0.contains_key(shard)
    }

    /// Returns all of them, by shard.
    pub(super) fn positions(&self) -> Vec<Position> {
        self.0.values().cloned().collect()
    }

    /// Forgets what was saved, but not what was noted since.
    pub(super) fn forget(&mut self, saved: &[Position]) {
        for position in saved {
            if self.0.get(&position.shard) == Some(position) {
                self.0.remove(&position.shard);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ctk_flow::Sequence;

    use super::*;

    #[test]
    fn the_newest_counts() {
        let at = |sequence: Option<&str>, finished: bool| Position {
            sequence: sequence.map(Sequence::new),
            finished,
            ..Position::new(ShardId::new("s"))
        };
        let check = |positions: &[Position], expected: Position| {
            let mut noted = Noted::default();
            for position in positions {
                noted.note(position.clone());
            }
            assert_eq!(noted.positions(), [expected], "{positions:?}");
        };
        check(&[at(Some("9"), false), at(Some("10"), false)], at(Some("10"), false));
        check(&[at(Some("10"), false), at(Some("9"), false)], at(Some("10"), false));
        check(&[at(Some("10"), false), at(None, true)], at(Some("10"), true));
        check(&[at(None, true)], at(None, true));
        check(&[at(Some("9"), true), at(Some("10"), false)], at(Some("10"), true));
    }

    #[test]
    fn what_was_noted_since_stays() {
        let at = |shard: &str, sequence: &str| Position {
            sequence: Some(Sequence::new(sequence)),
            ..Position::new(ShardId::new(shard))
        };
        let mut noted = Noted::default();
        noted.note(at("a", "1"));
        noted.note(at("b", "1"));
        let saved = noted.positions();
        noted.note(at("b", "2"));
        noted.forget(&saved);
        assert!(!noted.contains(&ShardId::new("a")));
        assert_eq!(noted.positions(), [at("b", "2")]);
    }
}
