//! Random faults that are the same in every run: they follow from a seed, the operation and the number of the call alone.

use std::time::Duration;

use super::Fault;

/// How often, and with what luck.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chaos {
    pub(super) seed: u64,
    pub(super) one_in: u64,
}

impl Chaos {
    /// Returns what the `call`-th call of an operation meets. `has_token` tells the calls that a token could fail.
    pub(super) fn fault(self, operation: &str, call: u64, has_token: bool) -> Option<Fault> {
        let (records, shards) = (operation == "GetRecords", operation == "ListShards");
        if !records && !shards && operation != "GetShardIterator" {
            return None;
        }
        let name = operation
            .bytes()
            .fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let mut random = Random(self.seed ^ name.rotate_left(32) ^ call);
        if self.one_in == 0 || !random.next().is_multiple_of(self.one_in) {
            return None;
        }
        let delay = Fault::Delay(Duration::from_millis(1 + random.next() % 30));
        let mut faults = vec![
            Fault::THROTTLED,
            Fault::KMS_THROTTLED,
            Fault::INTERNAL,
            Fault::Drop,
            Fault::Cut,
            Fault::Refuse,
            delay,
        ];
        if records {
            faults.extend([
                Fault::EXPIRED_ITERATOR,
                Fault::Repeat,
                Fault::Empty,
                Fault::NoIterator,
            ]);
        }
        if shards && has_token {
            faults.push(Fault::EXPIRED_TOKEN);
        }
        let luck = random.next() % faults.len() as u64;
        usize::try_from(luck).ok().map(|luck| faults.swap_remove(luck))
    }
}

/// `SplitMix64` by Sebastiano Vigna: short, and good enough to roll dice.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_same_seed_brings_the_same_faults() {
        let faults = |seed, one_in| -> Vec<Option<Fault>> {
            let chaos = Chaos { seed, one_in };
            (1..=3000).map(|call| chaos.fault("GetRecords", call, false)).collect()
        };
        assert_eq!(faults(7, 3), faults(7, 3));
        assert_ne!(faults(7, 3), faults(8, 3));
        let hit = faults(7, 3).into_iter().flatten().count();
        assert!((850..1150).contains(&hit), "one in three of 3000: {hit}");
        assert!(faults(7, 0).into_iter().flatten().next().is_none(), "one in none is none");
    }

    #[test]
    fn every_fault_comes_where_it_belongs() {
        let kinds = |operation, has_token| -> HashSet<String> {
            let chaos = Chaos { seed: 1, one_in: 1 };
            let all = (0..2000).filter_map(|call| chaos.fault(operation, call, has_token));
            all.map(|fault| match fault {
                Fault::Delay(time) => {
                    assert!((1..=30).contains(&time.as_millis()), "{time:?}");
                    "Delay".to_owned()
                }
                other => format!("{other:?}"),
            })
            .collect()
        };
        assert_eq!(kinds("GetRecords", false).len(), 11);
        assert_eq!(kinds("GetShardIterator", false).len(), 7);
        assert_eq!(kinds("ListShards", false).len(), 7);
        assert_eq!(kinds("ListShards", true).len(), 8);
        assert!(kinds("PutRecords", false).is_empty(), "what fills a stream is left alone");
    }
}
