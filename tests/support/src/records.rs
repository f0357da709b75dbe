//! The records that tests, the demo and the benchmarks load, and what a target must hold afterwards.
//!
//! Record `i` is a JSON object of about 270 bytes with integers, decimals, texts, a time and a nested object. Everything in
//! it follows from `i` alone, so what landed can be checked by count and by sums, without keeping the records.

use std::fmt::Write as _;

/// The two records of the tutorial: what a newcomer puts into a first stream.
pub const SENSORS: [&str; 2] = [
    r#"{"sensor_id":1,"ts":"2025-06-01 10:00","temperature":42.42,"humidity":84.84}"#,
    r#"{"sensor_id":2,"ts":"2025-06-01 11:00","temperature":45.21,"humidity":80.82}"#,
];

/// The sum of `temperature` over [`SENSORS`].
pub const SENSORS_TEMPERATURE: f64 = 87.63;

/// The sum of `humidity` over [`SENSORS`].
pub const SENSORS_HUMIDITY: f64 = 165.66;

/// Returns the `sensor_id` of sensor record `index`: those of the tutorial's two, then of 98 others in turn.
pub fn sensor_id(index: u64) -> u64 {
    if index < 2 { index + 1 } else { index % 98 + 3 }
}

/// Returns sensor record `index`: those of the tutorial, then further ones of the same form.
pub fn sensor(index: u64) -> Vec<u8> {
    if let Some(text) = usize::try_from(index).ok().and_then(|index| SENSORS.get(index)) {
        return text.as_bytes().to_vec();
    }
    let hash = scatter(index);
    let text = format!(
        r#"{{"sensor_id":{},"ts":"2025-06-{:02} {:02}:{:02}","temperature":{:?},"humidity":{:?}}}"#,
        sensor_id(index),
        index / 1440 % 30 + 1,
        index / 60 % 24,
        index % 60,
        decimal(1_500 + hash % 3_000, 100),
        decimal(4_000 + (hash >> 8) % 5_000, 100),
    );
    text.into_bytes()
}

/// What a target holds after records `0..count` were loaded, each once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The number of rows, and of distinct values of `id`.
    pub count: u64,
    /// The sum of `id`.
    pub id: u64,
    /// The sum of `reading`.
    pub reading: u64,
}

/// Returns what a target must hold after records `0..count`.
pub fn expected(count: u64) -> Expected {
    let id = (0..count).sum();
    let reading = (0..count).map(|index| scatter(index) % READINGS).sum();
    Expected { count, id, reading }
}

/// Returns record `index` as the bytes of a JSON object.
pub fn record(index: u64) -> Vec<u8> {
    let hash = scatter(index);
    let mut text = String::with_capacity(320);
    // Writing into a text cannot fail, so there is nothing to report.
    _ = write!(
        text,
        concat!(
            r#"{{"id":{id},"device":"dev-{device:05}","ts":"{ts}","temperature":{temperature:?},"humidity":{humidity:?},"#,
            r#""reading":{reading},"status":"{status}","location":{{"site":"plant-{site:02}","lat":{lat:?},"lon":{lon:?},"#,
            r#""floor":{floor}}},"firmware":"v2.{minor}.{patch}","note":"routine sample {id} within limits"}}"#
        ),
        id = index,
        device = hash % 5000,
        ts = timestamp(index * 37),
        temperature = celsius(hash % 60_000),
        humidity = decimal((hash >> 8) % 10_000, 10_000),
        reading = hash % READINGS,
        status = status(hash),
        site = hash % 40,
        lat = decimal(470_000 + hash % 9_973, 10_000),
        lon = decimal(80_000 + hash % 7_919, 10_000),
        floor = hash % 7,
        minor = hash % 30,
        patch = hash % 11,
    );
    text.into_bytes()
}

/// Returns the partition key of record `index`; no two records share one.
pub fn partition_key(index: u64) -> String {
    format!("key-{index}")
}

/// Returns a hash key in the middle of shard `shard` of `shards` equal ranges, so that a test decides where a record goes.
pub fn hash_key(shard: u32, shards: u32) -> String {
    let half = u128::MAX / u128::from(shards) / 2;
    (half * (2 * u128::from(shard) + 1)).to_string()
}

const READINGS: u64 = 100_000;

/// Spreads neighbouring numbers over 32 bits (Knuth's multiplicative hash), the same on every machine.
fn scatter(index: u64) -> u64 {
    index.wrapping_mul(2_654_435_761) & u64::from(u32::MAX)
}

fn status(hash: u64) -> &'static str {
    match hash % 4 {
        0 => "ok",
        1 => "warn",
        2 => "idle",
        _ => "fault",
    }
}

#[expect(clippy::cast_precision_loss, reason = "both numbers are far below 2^52")]
fn decimal(units: u64, scale: u64) -> f64 {
    units as f64 / scale as f64
}

/// Returns 0 to 60 degrees, in thousandths, as -20 to 40; subtracted before the division, so that no digit is made up.
#[expect(clippy::cast_precision_loss, reason = "both numbers are far below 2^52")]
fn celsius(thousandths: u64) -> f64 {
    (thousandths.cast_signed() - 20_000) as f64 / 1_000.0
}

/// Returns the time `millis` after the first of January 2026, in a calendar of months of 28 days: valid, and without a
/// calendar library.
fn timestamp(millis: u64) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (days, seconds) = (seconds / 86_400, seconds % 86_400);
    let (month, day) = (1 + days / 28, 1 + days % 28);
    format!(
        "2026-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn parsed(index: u64) -> Value {
        serde_json::from_slice(&record(index)).unwrap()
    }

    #[test]
    fn a_record_is_known_in_every_byte() {
        let text = String::from_utf8(record(7)).unwrap();
        let expected = concat!(
            r#"{"id":7,"device":"dev-01143","ts":"2026-01-01T00:00:00.259Z","temperature":-18.857,"humidity":0.3363,"#,
            r#""reading":81143,"status":"fault","location":{"site":"plant-23","lat":47.4562,"lon":8.1202,"floor":5},"#,
            r#""firmware":"v2.3.10","note":"routine sample 7 within limits"}"#
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn records_have_the_size_they_promise() {
        let bytes: usize = (0..10_000).map(|index| record(index).len()).sum();
        assert!((255..285).contains(&(bytes / 10_000)), "{} bytes on average", bytes / 10_000);
    }

    #[test]
    fn the_sums_are_those_of_the_records() {
        let sum = |member: &str| {
            (0..500).map(|index| parsed(index)[member].as_u64().unwrap()).sum::<u64>()
        };
        assert_eq!(expected(500), Expected { count: 500, id: sum("id"), reading: sum("reading") });
    }

    #[test]
    fn the_sums_of_the_tutorial_are_right() {
        let sensors = SENSORS.map(|text| serde_json::from_str::<Value>(text).unwrap());
        let sum = |member: &str| {
            sensors.iter().map(|sensor| sensor[member].as_f64().unwrap()).sum::<f64>()
        };
        assert!((sum("temperature") - SENSORS_TEMPERATURE).abs() < 1e-9);
        assert!((sum("humidity") - SENSORS_HUMIDITY).abs() < 1e-9);
    }

    #[test]
    fn sensors_begin_with_the_tutorial_and_keep_its_form() {
        assert_eq!(sensor(1), SENSORS[1].as_bytes());
        let parsed = |index| {
            serde_json::from_slice::<Value>(&sensor(index)).unwrap()["sensor_id"].as_u64().unwrap()
        };
        assert!((0..200).all(|index| parsed(index) == sensor_id(index)));
        assert_eq!(
            sensor(2),
            br#"{"sensor_id":5,"ts":"2025-06-01 00:02","temperature":17.26,"humidity":45.63}"#
        );
    }

    #[test]
    fn a_hash_key_lies_in_its_shard() {
        let keys: Vec<u128> = (0..4).map(|shard| hash_key(shard, 4).parse().unwrap()).collect();
        let range = u128::MAX / 4;
        for (shard, key) in keys.into_iter().enumerate() {
            assert_eq!(key / range, shard as u128);
        }
    }
}
