//! Tables over addresses: what they become, and what is refused.

use super::*;

const NOW: Millis = 1_700_000_000_000;

fn read(text: &str) -> Result<KinesisConfig, ConfigError> {
    KinesisConfig::from_url(&SourceUrl::parse(text).expect("an address"), NOW)
}

/// Checks a field of the configuration of an address, or its error.
fn check<T: std::fmt::Debug + PartialEq>(
    text: &str,
    field: impl Fn(KinesisConfig) -> T,
    expected: Result<T, &str>,
) {
    let found = read(text).map(field).map_err(|error| error.to_string());
    assert_eq!(found, expected.map_err(str::to_owned), "{text}");
}

#[test]
fn an_address_with_nothing_but_a_stream() {
    let config = read("kinesis:?table=demo").expect("a configuration");
    assert_eq!(config.stream, StreamRef::Name("demo".into()));
    assert_eq!(config.identity, Identity::default());
    assert_eq!(config.start, StartAt::Earliest);
    assert!(config.once);
    assert_eq!((config.chunk_size, config.poll_interval), (10_000, Duration::from_secs(1)));
    assert_eq!((config.create, config.until, config.max_records), (None, None, None));
    assert_eq!(config.describe_timeout, Duration::from_mins(1));
    assert_eq!((config.buffer, config.decode.max_record_bytes), (256 << 20, 64 << 20));
    assert_eq!(config.decode.format, Format::Json);
    assert_eq!(config.checkpoint.checkpointer, Checkpointer::None);
    assert_eq!(
        (config.checkpoint.name.as_str(), config.checkpoint.schema.as_str()),
        ("demo", "ext")
    );
}

#[test]
fn streams() {
    let check = |text: &str, expected: Result<&str, &str>| {
        check(text, |config| config.stream.to_string(), expected.map(str::to_owned));
    };
    let arn = "arn:aws:kinesis:eu-central-1:000000000000:stream/demo";
    check("kinesis:?table=demo", Ok("demo"));
    check("kinesis://localhost:4566/demo", Ok("demo"));
    check("kinesis:///demo?table=demo", Ok("demo"));
    check(&format!("kinesis:?table={arn}"), Ok(arn));
    check(&format!("kinesis:///{arn}"), Ok(arn));
    check(
        "kinesis:///demo?table=other",
        Err("the path of the address and `table` contradict each other"),
    );
    check("kinesis:?region=us-east-1", Err("the address names no stream"));
    check("kinesis:?table=a%20b", Err("the name of the stream is not valid"));
}

#[test]
fn regions() {
    let check = |text: &str, expected: Result<Option<&str>, &str>| {
        check(
            text,
            |config| config.identity.region,
            expected.map(|region| region.map(str::to_owned)),
        );
    };
    let arn = "arn:aws:kinesis:eu-central-1:000000000000:stream/demo";
    check("kinesis:?table=s", Ok(None));
    check("kinesis:?table=s&region_name=us-east-1", Ok(Some("us-east-1")));
    check("kinesis:?table=s&aws_region=us-east-1", Ok(Some("us-east-1")));
    check(&format!("kinesis:?table={arn}"), Ok(Some("eu-central-1")));
    check(&format!("kinesis:?table={arn}&region=eu-central-1"), Ok(Some("eu-central-1")));
    let contradiction = "`region_name` and the region of the ARN contradict each other";
    check(&format!("kinesis:?table={arn}&region=us-east-1"), Err(contradiction));
    check(
        "kinesis:?table=s&region=evil.example/",
        Err("option `region_name` is not a region such as `eu-central-1`"),
    );
    check(
        "kinesis:?table=s&region=us-east-1&region_name=us-east-1",
        Err("`region` and `region_name` are the same option, and both are given"),
    );
}

#[test]
fn endpoints() {
    let check = |text: &str, expected: Result<Option<&str>, &str>| {
        check(
            text,
            |config| config.identity.endpoint,
            expected.map(|endpoint| endpoint.map(str::to_owned)),
        );
    };
    check("kinesis:///s", Ok(None));
    check("kinesis://aws/s", Ok(None));
    check("kinesis://localhost:4566/s", Ok(Some("http://localhost:4566")));
    check("kinesis://localhost/s", Ok(Some("http://localhost")));
    check("kinesis://192.168.1.7:4566/s", Ok(Some("http://192.168.1.7:4566")));
    check("kinesis://[::1]:4566/s", Ok(Some("http://[::1]:4566")));
    check("kinesis://[2001:db8::1]/s", Ok(Some("https://[2001:db8::1]")));
    check("kinesis://kinesis.example/s", Ok(Some("https://kinesis.example")));
    check("kinesis://kinesis.example:8080/s?ssl=false", Ok(Some("http://kinesis.example:8080")));
    check("kinesis://localhost:4567/s?ssl=true", Ok(Some("https://localhost:4567")));
    check("kinesis:?table=s&endpoint=http://localhost:4566/", Ok(Some("http://localhost:4566")));
    check("kinesis:?table=s&endpoint_url=https://k.example", Ok(Some("https://k.example")));
    let invalid = "option `endpoint_url` is not a URL such as `http://localhost:4566`, without user and password";
    check("kinesis:?table=s&endpoint_url=localhost:4566", Err(invalid));
    check("kinesis:?table=s&endpoint_url=http://me:pw%40proxy", Err(invalid));
    check("kinesis:?table=s&endpoint_url=ftp://x", Err(invalid));
    check(
        "kinesis:?table=s&endpoint_url=http://x&ssl=true",
        Err("`endpoint_url` and `ssl` contradict each other"),
    );
    check(
        "kinesis://localhost/s?endpoint_url=http://x",
        Err("the host of the address and `endpoint_url` contradict each other"),
    );
    check("kinesis:?table=s&ssl=true", Err("option `ssl` has no effect in this address"));
}

#[test]
fn credentials() {
    type Shown<'a> = (&'a str, &'a str, Option<&'a str>);
    let check = |text: &str, expected: Result<Option<Shown<'_>>, &str>| {
        let owned = |(key, secret, token): Shown<'_>| {
            (key.to_owned(), secret.to_owned(), token.map(str::to_owned))
        };
        let keys = |config: KinesisConfig| {
            config.identity.keys.map(|keys| {
                let token = keys.session_token.as_ref().map(|token| token.expose().to_owned());
                (keys.access_key_id, keys.secret_access_key.expose().to_owned(), token)
            })
        };
        check(text, keys, expected.map(|keys| keys.map(owned)));
    };
    check("kinesis:?table=s", Ok(None));
    check(
        "kinesis:?table=s&aws_access_key_id=k&aws_secret_access_key=x/y",
        Ok(Some(("k", "x/y", None))),
    );
    check(
        "kinesis:?table=s&access_key_id=k&secret_access_key=x&session_token=t",
        Ok(Some(("k", "x", Some("t")))),
    );
    check("kinesis://k:se%2Fcr%2Bet%3D@localhost/s", Ok(Some(("k", "se/cr+et=", None))));
    check("kinesis://k:x@/s?aws_session_token=t", Ok(Some(("k", "x", Some("t")))));
    check(
        "kinesis:?table=s&aws_access_key_id=k",
        Err("the address has `aws_access_key_id` and no `aws_secret_access_key`"),
    );
    check(
        "kinesis:?table=s&secret_access_key=x",
        Err("the address has `aws_secret_access_key` and no `aws_access_key_id`"),
    );
    check(
        "kinesis:?table=s&session_token=t",
        Err("the address has `aws_session_token` and no `aws_access_key_id`"),
    );
    check(
        "kinesis://k:x@localhost/s?aws_access_key_id=k",
        Err("the keys before the host and `aws_access_key_id` contradict each other"),
    );
    check(
        "kinesis:?table=s&access_key_id=k&secret_access_key=x&profile=p",
        Err("`aws_access_key_id` and `profile` contradict each other"),
    );
    check(
        "kinesis:?table=s&external_id=e",
        Err("option `external_id` has no effect in this address"),
    );
}

#[test]
fn no_secret_is_shown() {
    let config =
        read("kinesis:?table=s&access_key_id=k&secret_access_key=hunter2&session_token=hunter3");
    let shown = format!("{config:?}");
    assert!(shown.contains("***") && !shown.contains("hunter"), "{shown}");
}

#[test]
fn starts() {
    let check = |option: &str, expected: Result<StartAt, &str>| {
        check(&format!("kinesis:?table=s&{option}"), |config| config.start, expected);
    };
    let (shard, sequence) = (ShardId::new("shardId-000000000001"), Sequence::new("49"));
    check("start=earliest", Ok(StartAt::Earliest));
    check("start=TRIM_HORIZON", Ok(StartAt::Earliest));
    check("start=latest", Ok(StartAt::Latest));
    check("start=-2h", Ok(StartAt::Time(NOW - 7_200_000)));
    check("start=2023-01-31T15:00:00+00:00", Ok(StartAt::Time(1_675_177_200_000)));
    check("start_date=2023-01-31T15:00:00.000123", Ok(StartAt::Time(1_675_177_200_000)));
    check("start_date=2023-01-31", Ok(StartAt::Time(1_675_123_200_000)));
    check("initial_at_timestamp=1675177200", Ok(StartAt::Time(1_675_177_200_000)));
    check("start_date=0", Ok(StartAt::Latest));
    check("start_date=0.0", Ok(StartAt::Latest));
    check("start=1960-01-01", Ok(StartAt::Earliest));
    check(
        "start=at:shardId-000000000001:49",
        Ok(StartAt::At { shard: shard.clone(), sequence: sequence.clone() }),
    );
    check("start=after:shardId-000000000001:49", Ok(StartAt::After { shard, sequence }));
    check(
        "start=after:49",
        Err("option `start` is not `at:SHARD:SEQUENCE` or `after:SHARD:SEQUENCE`"),
    );
    check(
        "start=at:shardId-1:x",
        Err("option `start` is not `at:SHARD:SEQUENCE` or `after:SHARD:SEQUENCE`"),
    );
    check("start=yesterday", Err("option `start` is not a point in time"));
    check("start=%2B5m", Err("option `start` is not a point in time that has passed"));
    check(
        "start_date=2999-01-01",
        Err("option `start_date` is not a point in time that has passed"),
    );
    check("start=latest&start_date=0", Err("`start` and `start_date` contradict each other"));
}

#[test]
fn ends() {
    let once = |option: &str, expected: Result<bool, &str>| {
        check(&format!("kinesis:?table=s&{option}"), |config| config.once, expected);
    };
    once("once=yes", Ok(true));
    once("once=false", Ok(false));
    once("follow=1", Ok(false));
    once("once=false&follow=true", Ok(false));
    once("once=true&follow=true", Err("`once` and `follow` contradict each other"));
    let until = |option: &str, expected: Result<Option<Millis>, &str>| {
        check(&format!("kinesis:?table=s&{option}"), |config| config.until, expected);
    };
    until("until=%2B5m", Ok(Some(NOW + 300_000)));
    until("until=2023-01-31T15:00:00Z", Ok(Some(1_675_177_200_000)));
    until("until=soon", Err("option `until` is not a point in time"));
    check("kinesis:?table=s&max-records=7", |config| config.max_records, Ok(Some(7)));
    let max = "option `max_records` is not an integer from 1 to 18446744073709551615";
    check("kinesis:?table=s&max_records=0", |config| config.max_records, Err(max));
}

#[test]
fn numbers_and_words() {
    let check = |option: &str, expected: Result<&str, &str>| {
        let shown = |config: KinesisConfig| {
            let decode = config.decode;
            format!(
                "{} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
                config.chunk_size,
                config.poll_interval,
                config.create,
                decode.format,
                decode.layout,
                decode.envelope,
                config.checkpoint.checkpointer,
                config.checkpoint.interval,
            )
        };
        check(&format!("kinesis:?table=s&{option}"), shown, expected.map(str::to_owned));
    };
    check("chunk-size=100", Ok("100 1s None Json Columns Full None 5s"));
    check("batch_size=100&idle-sleep=0.5", Ok("100 500ms None Json Columns Full None 5s"));
    check("create=true", Ok("10000 1s Some(1) Json Columns Full None 5s"));
    check("create=true&create-shards=4", Ok("10000 1s Some(4) Json Columns Full None 5s"));
    check("create=false&create-shards=4", Ok("10000 1s None Json Columns Full None 5s"));
    check("parse_json=false", Ok("10000 1s None Raw Columns Full None 5s"));
    check(
        "format=ndjson&layout=document&envelope=id",
        Ok("10000 1s None Ndjson Document Id None 5s"),
    );
    check(
        "checkpointer=cratedb&checkpointer-interval=10",
        Ok("10000 1s None Json Columns Full CrateDb 10s"),
    );
    check("protocol=json", Ok("10000 1s None Json Columns Full None 5s"));
    check("chunk_size=10001", Err("option `chunk_size` is not an integer from 1 to 10000"));
    check(
        "poll_interval=0",
        Err("option `poll_interval` is not a number of seconds of at least 0.01"),
    );
    check("create_shards=4", Err("option `create_shards` has no effect in this address"));
    check("parse_json=false&format=json", Err("`format` and `parse_json` contradict each other"));
    check("parse_json=true&format=raw", Err("`format` and `parse_json` contradict each other"));
    check("buffer=1", Err("option `buffer` is not a size of at least 1KiB"));
    check("file=false", Ok("10000 1s None Json Columns Full None 5s"));
}

#[test]
fn change_data() {
    let check = |text: &str, expected: Result<(Format, bool, bool), &str>| {
        let shown = |config: KinesisConfig| {
            (config.decode.format, config.once, config.decode.whole_updates)
        };
        check(text, shown, expected);
    };
    check("kinesis+dms:///s", Ok((Format::Dms, false, false)));
    check("kinesis+dms:///s?once=true&updates=whole", Ok((Format::Dms, true, true)));
    check("kinesis+dynamodb+cdc:///s", Ok((Format::DynamoDb, false, false)));
    check("kinesis+dynamodb:///s?updates=changed", Ok((Format::DynamoDb, false, false)));
    check("kinesis+dms:///a/b.ndjson", Ok((Format::Dms, true, false)));
    check("kinesis+dynamodb+cdc:///a/b.ndjson.xz", Ok((Format::DynamoDb, true, false)));
    check("kinesis:///s?updates=whole", Err("option `updates` has no effect in this address"));
    check("kinesis+dms:///s?updates=all", Err("option `updates` is not one of `changed`, `whole`"));
    for option in ["format=json", "parse_json=true", "layout=columns", "envelope=none"] {
        let name = option.split_once('=').expect("a value").0;
        let error = format!("option `{name}` has no effect on change data");
        for path in ["s", "a/b.ndjson"] {
            check(&format!("kinesis+dms:///{path}?{option}"), Err(&error));
        }
    }
    assert!(!read("kinesis+dms:///s?follow=true").expect("a configuration").once);
    let config = read("kinesis+dms:///s?aggregation=none&compression=none").expect("both work");
    assert_eq!(config.decode.aggregation, Aggregation::None);
    assert_eq!(config.decode.compression, Compression::None);
}

#[test]
fn dump_files() {
    let config = read("kinesis:///path/to/my%20orders.ndjson.gz").expect("a configuration");
    assert_eq!(config.file, Some("/path/to/my orders.ndjson.gz".into()));
    assert_eq!(config.checkpoint.name, "/path/to/my orders.ndjson.gz");
    assert_eq!((config.once, config.plan().relist), (true, None));
    assert_eq!(config.decode.format, Format::Json);
    assert!(config.plan().read_bytes > 64 << 20, "what a line may have");
    let name = |text: &str, expected: &str| {
        check(text, |config| config.stream.name().to_owned(), Ok(expected.to_owned()));
    };
    name("kinesis:///path/to/my%20orders.ndjson.gz", "my orders");
    name("kinesis:dumps/orders.v2.json", "orders.v2");
    name("kinesis:orders?file=true", "orders");
    name("kinesis:orders.ZST?file=true", "orders");
    name("kinesis:///.json?file=true", ".json");
    let options = "once=true&max_records=7&buffer=1MiB&checkpointer=target&checkpointer_name=x&compression=none\
                   &max_record_bytes=1MiB&format=raw&layout=document&envelope=id&on_data_loss=continue&follow=false";
    let config = read(&format!("kinesis:///a/b.json?{options}")).expect("all of them work");
    assert_eq!((config.max_records, config.buffer), (Some(7), 1 << 20));
    assert_eq!((config.decode.compression, config.decode.format), (Compression::None, Format::Raw));
    assert_eq!((config.checkpoint.name.as_str(), config.on_data_loss), ("x", OnDataLoss::Continue));
}

#[test]
fn what_only_a_stream_obeys_is_refused_by_name() {
    let refused = |text: &str, name: &str| {
        let error = format!("option `{name}` is for streams, and this address names a dump file");
        check(text, |_| (), Err(&error));
    };
    for option in [
        "table=a",
        "aws_access_key_id=a",
        "aws_secret_access_key=a",
        "aws_session_token=a",
        "profile=a",
        "role_arn=a",
        "external_id=a",
        "region_name=a",
        "endpoint_url=a",
        "ssl=true",
        "start=latest",
        "start_date=0",
        "follow=true",
        "until=%2B5m",
        "milliseconds_behind_latest=1",
        "chunk_size=1",
        "poll_interval=1",
        "fan_out=a",
        "aggregation=none",
        "create=true",
        "create_shards=1",
        "protocol=json",
        "describe_timeout=1",
    ] {
        let name = option.split_once('=').expect("a value").0;
        refused(&format!("kinesis:///a/b.json?{option}"), name);
    }
    refused("kinesis:///a/b.json?once=false", "follow");
    refused("kinesis:///a/b.json?region=a", "region");
    refused("kinesis://key:secret@/a/b.json", "aws_access_key_id");
    let error = read("kinesis:///a/b.json?regoin=a").expect_err("unknown");
    assert!(error.to_string().starts_with("unknown option `regoin`; "), "{error}");
    let error = "option `updates` has no effect in this address";
    check("kinesis:///a/b.json?updates=whole", |_| (), Err(error));
}

#[test]
fn how_records_come() {
    let consumer = |text: &str, expected: Result<Option<&str>, &str>| {
        let expected = expected.map(|name| name.map(str::to_owned));
        check(text, |config| config.fan_out, expected);
    };
    let bad = "option `fan_out` is not a name of up to 128 letters, digits, `_`, `.` and `-`";
    consumer("kinesis:?table=s", Ok(None));
    consumer("kinesis:?table=s&fan_out=my-app_1.2", Ok(Some("my-app_1.2")));
    consumer("kinesis:?table=s&fan-out=me", Ok(Some("me")));
    consumer("kinesis:?table=s&fan_out=my%20app", Err(bad));
    consumer(&format!("kinesis:?table=s&fan_out={}", "x".repeat(129)), Err(bad));

    let protocol = |text: &str, expected: Result<Protocol, &str>| {
        check(text, |config| config.protocol, expected);
    };
    protocol("kinesis:?table=s", Ok(Protocol::Auto));
    protocol("kinesis:?table=s&protocol=json", Ok(Protocol::Json));
    protocol("kinesis:?table=s&protocol=cbor", Ok(Protocol::Cbor));
    protocol(
        "kinesis:?table=s&protocol=xml",
        Err("option `protocol` is not one of `auto`, `json`, `cbor`"),
    );
}

#[test]
fn what_becomes_of_losses_and_of_what_producers_send() {
    let loss = |text: &str, expected: Result<OnDataLoss, &str>| {
        check(text, |config| config.on_data_loss, expected);
    };
    loss("kinesis:?table=s", Ok(OnDataLoss::Fail));
    loss("kinesis:?table=s&on_data_loss=continue", Ok(OnDataLoss::Continue));
    loss(
        "kinesis:?table=s&on_data_loss=ignore",
        Err("option `on_data_loss` is not one of `fail`, `continue`"),
    );
    let format = |text: &str, expected: Result<Format, &str>| {
        check(text, |config| config.decode.format, expected);
    };
    format("kinesis:?table=s&format=cloudwatch-logs", Ok(Format::CloudWatchLogs));
    format("kinesis:?table=s&format=cloudwatch_logs", Ok(Format::CloudWatchLogs));
    format(
        "kinesis:?table=s&format=cloudwatch-logs&parse_json=false",
        Err("`format` and `parse_json` contradict each other"),
    );
    let aggregation = |text: &str, expected: Result<Aggregation, &str>| {
        check(text, |config| config.decode.aggregation, expected);
    };
    aggregation("kinesis:?table=s", Ok(Aggregation::Auto));
    aggregation("kinesis:?table=s&aggregation=none", Ok(Aggregation::None));
}

#[test]
fn unknown_options_are_refused() {
    let error = read("kinesis:?table=s&regoin_name=x").expect_err("unknown");
    assert_eq!(error.hint().as_deref(), Some("did you mean `region_name`?"));
    assert!(
        error.to_string().starts_with("unknown option `regoin_name`; known are table, "),
        "{error}"
    );
}

#[test]
fn the_table_of_options_has_no_name_twice() {
    let mut names: Vec<&str> = OPTIONS.iter().flat_map(|spec| spec.names.iter().copied()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
