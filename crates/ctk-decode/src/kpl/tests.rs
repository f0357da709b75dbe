//! A golden aggregate, messages built field by field, and damage at every place.

use proptest::{collection::vec, option, prelude::*};

use super::*;

/// Two records, as the library writes them: "hi" under the key "a"; "!" under the key "b", with the hash key "7".
const GOLDEN: &[u8] = b"\xf3\x89\x9a\xc2\
    \x0a\x01a\x0a\x01b\
    \x12\x017\
    \x1a\x06\x08\x00\x1a\x02hi\
    \x1a\x07\x08\x01\x10\x00\x1a\x01!\
    \x62\xae\x1f\xa0\xf7\x44\x33\x6b\xcf\x5c\x85\x0a\x5e\xdb\x73\x5f";
const GOLDEN_RECORDS: [Expected<'_>; 2] = [(Some("a"), b"hi"), (Some("b"), b"!")];

type Expected<'a> = (Option<&'a str>, &'a [u8]);

fn check(bytes: &[u8], expected: Option<&[Expected<'_>]>) {
    let aggregate = Aggregate::parse(bytes);
    let actual = aggregate.as_ref().map(|aggregate| {
        let records: Vec<Expected<'_>> =
            aggregate.records().map(|record| (record.partition_key, record.data)).collect();
        assert_eq!(aggregate.len(), records.len());
        records
    });
    assert_eq!(actual.as_deref(), expected, "{bytes:02x?}");
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}

/// A field that holds bytes.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    [&varint(number << 3 | 2)[..], &varint(bytes.len() as u64), bytes].concat()
}

/// A field that holds an integer.
fn index(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

/// What the library makes of a message.
fn seal(fields: &[Vec<u8>]) -> Vec<u8> {
    let message = fields.concat();
    [&MAGIC[..], &message, &Md5::digest(&message)].concat()
}

/// One user record of an aggregate.
fn record(fields: &[Vec<u8>]) -> Vec<u8> {
    field(3, &fields.concat())
}

/// An aggregate with a key of its own for every record.
fn encode(records: &[(String, Option<String>, Vec<u8>)]) -> Vec<u8> {
    let mut fields = vec![];
    let mut hash_keys = 0;
    for (place, (partition_key, explicit_hash_key, data)) in records.iter().enumerate() {
        let mut entry = vec![index(1, place as u64)];
        fields.push(field(1, partition_key.as_bytes()));
        if let Some(key) = explicit_hash_key {
            fields.push(field(2, key.as_bytes()));
            entry.push(index(2, hash_keys));
            hash_keys += 1;
        }
        entry.push(field(3, data));
        fields.push(record(&entry));
    }
    seal(&fields)
}

#[test]
fn an_aggregate_is_taken_apart() {
    check(GOLDEN, Some(&GOLDEN_RECORDS));
    let (a, b, hash) = (field(1, b"a"), field(1, b"b"), field(2, b"7"));
    let hi = record(&[index(1, 0), field(3, b"hi")]);
    let check = |fields: &[&Vec<u8>], expected: &[Expected<'_>]| {
        let fields: Vec<_> = fields.iter().map(|field| (*field).clone()).collect();
        check(&seal(&fields), Some(expected));
    };
    check(&[&a, &hi, &hi], &[(Some("a"), b"hi"), (Some("a"), b"hi")]);
    // Tables behind the records, and in pieces.
    let bang = record(&[field(3, b"!"), index(2, 0), index(1, 1)]);
    check(&[&hi, &bang, &hash, &a, &b], &GOLDEN_RECORDS);
    check(&[&a, &hi, &b, &bang, &hash], &GOLDEN_RECORDS);
    // Without records: nothing came in, and nothing is lost.
    check(&[&a], &[]);
    check(&[&index(9, 1)], &[]);
    // Empty data, and none; an empty record.
    check(&[&a, &record(&[index(1, 0), field(3, b"")])], &[(Some("a"), b"")]);
    check(&[&a, &record(&[index(1, 0)])], &[(Some("a"), b"")]);
    check(&[&a, &record(&[])], &[(None, b"")]);
    // Of what comes twice, the last counts.
    let twice = record(&[index(1, 0), index(1, 1), field(3, b"x"), field(3, b"y")]);
    check(&[&a, &b, &twice], &[(Some("b"), b"y")]);
    // Tags and what nobody knows yet are passed over.
    let tags = field(4, &[field(1, b"name"), field(2, b"value")].concat());
    let fixed = [vec![0x79; 9], vec![0x7d; 5]].concat();
    let odd = record(&[fixed.clone(), index(1, 0), tags, field(9, b"?"), field(3, b"x")]);
    check(&[&fixed, &a, &field(15, b"?"), &odd], &[(Some("a"), b"x")]);
}

#[test]
fn a_bad_key_costs_the_key_not_the_data() {
    let (longest, longer) = ("ä".repeat(256), "ä".repeat(257));
    let check = |partition_key: u64, hash_key: u64, expected: Option<&str>| {
        let keys = [b"a", &b"\xff"[..], b"", longest.as_bytes(), longer.as_bytes()];
        let keys: Vec<u8> = keys.iter().flat_map(|key| field(1, key)).collect();
        let record = record(&[index(1, partition_key), index(2, hash_key), field(3, b"x")]);
        check(&seal(&[keys, field(2, b"7"), record]), Some(&[(expected, b"x")]));
    };
    check(0, 0, Some("a"));
    check(1, 0, None);
    check(2, 0, Some(""));
    check(3, 0, Some(&longest));
    check(4, 0, None);
    check(5, 0, None);
    check(0, 1, Some("a"));
    check(u64::MAX, u64::MAX, None);
}

#[test]
fn what_is_no_whole_aggregate_is_a_plain_record() {
    check(b"", None);
    check(b"{}", None);
    check(&MAGIC, None);
    check(&seal(&[]), None);
    let mut wrong = GOLDEN.to_vec();
    *wrong.last_mut().unwrap() ^= 1;
    check(&wrong, None);
    check(&[GOLDEN, b"\0"].concat(), None);

    let good = record(&[index(1, 0), field(3, b"x")]);
    let in_message = |broken: &[u8]| check(&seal(&[good.clone(), broken.to_vec()]), None);
    let in_record = |broken: &[u8]| check(&seal(&[good.clone(), field(3, broken)]), None);
    for broken in [&[0x80][..], &[0x52, 0x02, 0x61], &[0x0b, 0x0c], &[0x53, 0x54], &[0x00]] {
        in_message(broken);
        in_record(broken);
    }
    // The kind of the wire is not that of the field.
    for number in 1..=3 {
        in_message(&index(number, 0));
    }
    in_message(&[0x0d, 1, 2, 3, 4]);
    for number in 1..=2 {
        in_record(&field(number, b"\0"));
    }
    for number in 3..=4 {
        in_record(&index(number, 0));
    }
    in_record(&[0x0d, 1, 2, 3, 4]);
}

#[test]
fn damage_at_any_place_makes_a_plain_record() {
    for end in 0..GOLDEN.len() {
        check(&GOLDEN[..end], None);
    }
    for place in 0..GOLDEN.len() {
        for bit in 0..8 {
            let mut damaged = GOLDEN.to_vec();
            damaged[place] ^= 1 << bit;
            check(&damaged, None);
        }
    }
}

#[test]
fn records_are_borrowed_from_the_payload() {
    let aggregate = Aggregate::parse(GOLDEN).unwrap();
    let record = aggregate.records().nth(1).unwrap();
    drop(aggregate);
    assert!(GOLDEN.as_ptr_range().contains(&record.data.as_ptr()));
    assert!(GOLDEN.as_ptr_range().contains(&record.partition_key.unwrap().as_ptr()));
}

/// Fields that are likely to matter, in a message or in a record.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || vec(any::<u8>(), 0..4);
    prop_oneof![
        (0..6_u64, prop_oneof![0..3_u64, any::<u64>()]).prop_map(|(n, value)| index(n, value)),
        (0..6_u64, bytes()).prop_map(|(n, bytes)| field(n, &bytes)),
        (0..3_u64, bytes()).prop_map(|(n, bytes)| record(&[index(1, n), field(3, &bytes)])),
        bytes(),
    ]
}

proptest! {
    #[test]
    fn what_was_encoded_is_parsed(
        records in vec((".{0,6}", option::of("[0-9]{1,39}"), vec(any::<u8>(), 0..300)), 1..20)
    ) {
        let expected: Vec<Expected<'_>> =
            records.iter().map(|(key, _, data)| (Some(key.as_str()), &data[..])).collect();
        check(&encode(&records), Some(&expected));
    }

    #[test]
    fn any_message_is_an_aggregate_or_is_not(fields in vec(fragment(), 0..12), sealed: bool) {
        let bytes = if sealed { seal(&fields) } else { fields.concat() };
        if let Some(aggregate) = Aggregate::parse(&bytes) {
            prop_assert!(sealed);
            prop_assert_eq!(aggregate.records().count(), aggregate.len());
        }
    }

    #[test]
    fn damage_is_noticed(
        records in vec((".{0,6}", option::of("[0-9]{1,39}"), vec(any::<u8>(), 0..300)), 1..20),
        place: prop::sample::Index,
        flip in 1..=u8::MAX,
    ) {
        let mut bytes = encode(&records);
        let place = place.index(bytes.len());
        check(&bytes[..place], None);
        bytes[place] ^= flip;
        check(&bytes, None);
    }
}
