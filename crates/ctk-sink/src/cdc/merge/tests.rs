//! Merging against a plain model: a table in memory to which the changes are applied one after the other.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Columns beside the key.
const WIDTH: u32 = 2;

type Table = BTreeMap<i64, BTreeMap<Slot, i64>>;

fn integer(cell: &Cell<'_>) -> i64 {
    match cell.value() {
        Value::Integer(value) => value,
        other => panic!("{other:?}"),
    }
}

fn key(cells: &[Cell<'_>]) -> i64 {
    integer(&cells[0])
}

/// What a database does with one change.
fn change(table: &mut Table, asked: Asked, at: i64, cells: impl Iterator<Item = (Slot, i64)>) {
    match asked {
        Asked::Put => drop(table.insert(at, cells.collect())),
        Asked::Patch => table.entry(at).or_default().extend(cells),
        Asked::Delete => drop(table.remove(&at)),
    }
}

fn move_row(table: &mut Table, from: i64, to: i64, cells: impl Iterator<Item = (Slot, i64)>) {
    if let Some(row) = table.remove(&from) {
        table.entry(to).or_insert(row);
    }
    table.entry(to).or_default().extend(cells);
}

fn one_by_one(changes: &[Fitted<'_>], table: &mut Table) {
    for fitted in changes {
        let cells = fitted.cells.iter().map(|(slot, cell)| (*slot, integer(cell)));
        match &fitted.from {
            Some(from) => move_row(table, key(from), key(&fitted.key), cells),
            None => change(table, fitted.asked, key(&fitted.key), cells),
        }
    }
}

fn merged(changes: &[Fitted<'_>], table: &mut Table) {
    let is_whole = |cells: &[(Slot, &Cell<'_>)]| {
        (0..WIDTH).all(|slot| cells.iter().any(|(other, _)| *other == slot))
    };
    let mut seen = vec![false; changes.len()];
    for step in merge(changes, is_whole) {
        let cells = |row: &Merged<'_, '_>| {
            row.cells.iter().map(|(slot, cell)| (*slot, integer(cell))).collect::<Vec<_>>()
        };
        match step {
            Step::Chain(of) => {
                of.clone().for_each(|at| seen[at] = true);
                one_by_one(&changes[of], table);
            }
            Step::Move { from, to } => {
                to.of.iter().for_each(|at| seen[*at] = true);
                move_row(table, key(from), key(to.key), cells(&to).into_iter());
            }
            Step::Rows(rows) => {
                let keys: std::collections::BTreeSet<_> =
                    rows.iter().map(|row| key(row.key)).collect();
                assert_eq!(keys.len(), rows.len(), "a key stands twice");
                // Their order does not matter.
                for row in rows.iter().rev() {
                    row.of.iter().for_each(|at| seen[*at] = true);
                    change(table, row.asked, key(row.key), cells(row).into_iter());
                }
            }
        }
    }
    assert!(seen.iter().all(|seen| *seen), "a change is part of nothing");
}

/// A row of which not all is known gets a key that another row had in these changes. If they come once more, that row is the
/// moved one, which goes first: what is not known of it is lost. (Only where a target has no transactions.)
fn reuses_a_key(changes: &[Fitted<'_>]) -> bool {
    let mut left = std::collections::BTreeSet::new();
    changes.iter().any(|change| {
        let reuses = change.from.is_some() && left.contains(&key(&change.key));
        left.extend(change.from.as_deref().map(key));
        left.extend((change.asked == Asked::Delete).then(|| key(&change.key)));
        reuses
    })
}

fn fitted() -> impl Strategy<Value = Fitted<'static>> {
    let number = |range: Range<i64>| range.prop_map(|n| Cell::As(Value::Integer(n)));
    let cells = proptest::collection::btree_map(0..WIDTH, number(0..100), 0..3);
    let asked = prop_oneof![Just(Asked::Put), Just(Asked::Patch), Just(Asked::Delete)];
    let from = proptest::option::weighted(0.3, number(0..4));
    (asked, number(0..4), from, cells).prop_map(|(asked, key, from, cells)| {
        let from = from.filter(|from| *from != key).map(|from| vec![from]);
        Fitted {
            asked: if from.is_some() { Asked::Patch } else { asked },
            cells: if asked == Asked::Delete && from.is_none() {
                Vec::new()
            } else {
                cells.into_iter().collect()
            },
            key: vec![key],
            from,
        }
    })
}

proptest! {
    /// A source has no row under the new key of a row that moves, nor moves a row that it has not: such changes are left out.
    #[test]
    fn the_last_states_are_those_of_one_by_one(changes in proptest::collection::vec(fitted(), 0..30), there in proptest::collection::btree_set(0_i64..4, 0..4)) {
        let start: Table = there.iter().map(|at| (*at, BTreeMap::from([(0, -1), (1, -2)]))).collect();
        let mut source = start.clone();
        let mut possible = Vec::new();
        for change in changes {
            let is_possible = change.from.as_ref().is_none_or(|from| {
                source.contains_key(&key(from)) && !source.contains_key(&key(&change.key))
            });
            if is_possible {
                one_by_one(std::slice::from_ref(&change), &mut source);
                possible.push(change);
            }
        }
        let mut target = start;
        merged(&possible, &mut target);
        prop_assert_eq!(&target, &source);
        // And once more, as after a crash.
        prop_assume!(!reuses_a_key(&possible));
        merged(&possible, &mut target);
        prop_assert_eq!(&target, &source);
        one_by_one(&possible, &mut target);
        prop_assert_eq!(target, source);
    }
}

#[test]
fn equal_keys_have_one_name() {
    let name = |value: Value<'_>| {
        let mut name = Vec::new();
        push_name(value, &mut name);
        name
    };
    assert_eq!(name(Value::Integer(5)), name(Value::Decimal("5.0")));
    assert_eq!(name(Value::Decimal("5.50")), name(Value::Decimal("5.5")));
    assert_ne!(name(Value::Integer(5)), name(Value::Text("5")));
    let pair = |a: &str, b: &str| [name(Value::Text(a)), name(Value::Text(b))].concat();
    assert_ne!(pair("a", "bc"), pair("ab", "c"));
}
