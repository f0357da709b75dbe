//! Tokens, and what tells that a position is stored. What holds in both databases stands in the contract.

use ctk_flow::{Part, Sequence};
use proptest::prelude::*;

use super::*;

#[test]
fn tokens_are_ordered_and_of_one_form() {
    let check = |text: &str, is_token: bool| {
        assert_eq!(Owner::parse(text).is_some(), is_token, "{text}");
    };
    check("0000000007-00000000000000ff", true);
    check("0000000007-00000000000000FF", false);
    check("7-00000000000000ff", false);
    check("0000000007-ff", false);
    check("0000000007", false);
    check("+000000007-00000000000000ff", false);
    check("", false);
    // Of CrateDB, and of others.
    check("8b1a9953c4611296a827abf8c47804d7", false);
    check("12345678-1234-1234-1234-123456789012", false);

    let seven = Owner::parse("0000000007-ffffffffffffffff").unwrap();
    let next = Owner::after([seven, Owner::after([].into_iter())].into_iter());
    assert!(next > seven && next.to_string().starts_with("0000000008-"), "{next}");
    assert_ne!(Owner::after([seven].into_iter()), next);
    assert_eq!(Owner::after([].into_iter()).generation, 1);
}

proptest! {
    #[test]
    fn any_token_is_read_as_it_is_written(generation: u64, random: u64) {
        let owner = Owner { generation, random };
        prop_assert_eq!(Owner::parse(&owner.to_string()), Some(owner));
    }
}

#[test]
fn what_is_stored_tells_whether_it_was_committed() {
    let position = |sequence: Option<&str>, units: Option<u32>, reached: Option<i64>| Position {
        sequence: sequence.map(Sequence::new),
        part: units.map(|units| Part { sequence: Sequence::new("10"), units, form: 0 }),
        reached,
        ..Position::new(ShardId::new("s"))
    };
    let check = |stored: &Position, position: &Position, expected: Option<bool>| {
        let mut row = Checkpoint::new("n", ShardId::new("s"));
        assert_eq!(row.advance(stored), Saved::Written);
        assert_eq!(is_stored(Some(&row), position), expected, "{stored:?} {position:?}");
    };
    let nothing = position(None, None, None);
    let nine = position(Some("9"), None, Some(5));
    check(&nine, &nothing, None);
    check(&nine, &nine, Some(true));
    check(&nine, &position(Some("10"), None, None), Some(false));
    check(&nine, &position(Some("8"), None, Some(6)), Some(true));
    check(&nine, &position(Some("9"), None, Some(6)), Some(false));
    check(&nine, &position(None, None, Some(5)), Some(true));
    check(&nine, &position(None, None, Some(6)), Some(false));
    check(&nothing, &nine, Some(false));
    check(&nothing, &position(None, None, Some(0)), Some(false));
    // Within a record.
    let within = position(Some("9"), Some(3), None);
    check(&within, &position(None, Some(3), None), Some(true));
    check(&within, &position(None, Some(4), None), Some(false));
    check(&within, &position(None, Some(2), None), Some(true));
    // The end of a shard.
    let finished = Position { finished: true, ..nine.clone() };
    check(&nine, &finished, Some(false));
    check(&finished, &finished, Some(true));
    check(&nine, &Position { finished: true, ..nothing.clone() }, Some(false));
    // What takes the place of what was given up, which may be further.
    check(
        &position(Some("12"), None, Some(5)),
        &Position { anew: true, ..nine.clone() },
        Some(false),
    );
    check(&nine, &Position { anew: true, ..nine.clone() }, Some(true));
    check(&nine, &Position { anew: true, ..nothing }, Some(false));
    assert_eq!(is_stored(None, &nine), Some(false));
}
