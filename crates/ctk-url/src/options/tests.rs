//! Tables of what options take and refuse.

use std::fmt::Debug;
use std::time::Duration;

use super::*;

const TABLE: OptionSpec = OptionSpec::new(&["table"], "required", "");
const REGION: OptionSpec = OptionSpec::new(&["region_name", "region", "aws_region"], "–", "");
const ONCE: OptionSpec = OptionSpec::new(&["once"], "false", "");
const SIZE: OptionSpec = OptionSpec::new(&["size"], "1", "");
const SECRET: OptionSpec =
    OptionSpec::new(&["aws_secret_access_key", "secret_access_key"], "–", "");
const KNOWN: [&OptionSpec; 3] = [&TABLE, &REGION, &ONCE];

fn options(query: &str) -> Options {
    Options::parse(query).unwrap()
}

#[test]
fn values_are_decoded() {
    fn check(query: &str, expected: Result<Option<&str>, OptionError>) {
        assert_eq!(
            options(query).take(&REGION),
            expected.map(|it| it.map(str::to_owned)),
            "{query}"
        );
    }
    check("", Ok(None));
    check("region=eu", Ok(Some("eu")));
    check("aws-region=eu", Ok(Some("eu")));
    check("region%5Fname=eu", Ok(Some("eu")));
    check("&&region=eu&", Ok(Some("eu")));
    check("region=", Ok(None));
    check("region=&region_name=eu", Ok(Some("eu")));
    check("region=2023-01-31T15:00:00+00:00", Ok(Some("2023-01-31T15:00:00+00:00")));
    check(
        "region=arn:aws:kinesis:us-east-1:0:stream/x",
        Ok(Some("arn:aws:kinesis:us-east-1:0:stream/x")),
    );
    check("region=K+o5/mj==", Ok(Some("K+o5/mj==")));
    check("region=a?b", Ok(Some("a?b")));
    check("region=a%20b%26c", Ok(Some("a b&c")));
    check("region=2023-01-31 15:00", Ok(Some("2023-01-31 15:00")));
    check("region=%C3%A4", Ok(Some("ä")));
    check("REGION=eu", Ok(None));
    check("region=a&region=b", Err(OptionError::Repeated { name: "region", again: "region" }));
    check("region=a&region=a", Err(OptionError::Repeated { name: "region", again: "region" }));
    check(
        "region=a&aws-region=a",
        Err(OptionError::Repeated { name: "region", again: "aws_region" }),
    );
    check("region", Err(OptionError::NoValue { name: "region" }));
}

#[test]
fn a_malformed_query_is_refused() {
    fn check(query: &str, expected: &UrlError) {
        assert_eq!(&Options::parse(query).unwrap_err(), expected, "{query}");
    }
    check("a=%", &UrlError::Percent { part: "query" });
    check("a=1%zz", &UrlError::Percent { part: "query" });
    check("%zz=1", &UrlError::Percent { part: "query" });
    check("a=%FF", &UrlError::NotUtf8 { part: "query" });
    check("a=%0A", &UrlError::Control);
    check("=a", &UrlError::NamelessOption);
    check("b=1&amp;a=2", &UrlError::HtmlAmpersand);
    check("se@host/x=a", &UrlError::UnescapedPassword);
}

#[test]
fn what_must_be_there_is_required() {
    assert_eq!(options("table=demo").require(&TABLE), Ok("demo".to_owned()));
    for query in ["", "table="] {
        let error = options(query).require(&TABLE).unwrap_err();
        assert_eq!(error.to_string(), "option `table` is missing");
        assert_eq!(error.hint().unwrap(), "add `table=…` to the query of the address");
    }
}

fn check_value<T: Debug + PartialEq>(
    value: &str,
    expected: &Result<T, &str>,
    take: impl FnOnce(&mut Options) -> Result<Option<T>, OptionError>,
) {
    let mut options = options(&format!("size={value}"));
    match (take(&mut options), expected) {
        (Ok(Some(actual)), Ok(expected)) => assert_eq!(&actual, expected, "{value}"),
        (Err(error), Err(expected)) => {
            assert_eq!(error.to_string(), format!("option `size` is not {expected}"), "{value}");
        }
        (actual, expected) => panic!("{value}: {actual:?} instead of {expected:?}"),
    }
    assert!(options.is_empty(), "{value}");
}

#[test]
fn booleans() {
    let check = |value: &str, expected: Result<bool, &str>| {
        check_value(value, &expected, |it| it.take_bool(&SIZE));
    };
    for value in ["true", "yes", "on", "y", "t", "1", "TRUE", "Yes", " on ", "%20T"] {
        check(value, Ok(true));
    }
    for value in ["false", "no", "off", "n", "f", "0", "False"] {
        check(value, Ok(false));
    }
    for value in ["2", "ja", "truee", "%20"] {
        check(value, Err("`true` or `false`"));
    }
}

#[test]
fn integers() {
    let check = |value: &str, expected: Result<u32, &str>| {
        check_value(value, &expected, |it| it.take_integer(&SIZE, 1..=10_000));
    };
    check("1", Ok(1));
    check("10000", Ok(10_000));
    check(" 007 ", Ok(7));
    for value in ["0", "10001", "-1", "1.5", "x", "1_000", "99999999999999999999"] {
        check(value, Err("an integer from 1 to 10000"));
    }
}

#[test]
fn seconds() {
    let check = |value: &str, expected: Result<u64, &str>| {
        check_value(value, &expected.map(Duration::from_nanos), |it| it.take_seconds(&SIZE));
    };
    check("5", Ok(5_000_000_000));
    check("0", Ok(0));
    check("0.5", Ok(500_000_000));
    check(".5", Ok(500_000_000));
    check("5.", Ok(5_000_000_000));
    check("0.0000000019", Ok(1));
    check("1000000000", Ok(1_000_000_000_000_000_000));
    for value in
        ["-1", "+1", "1e3", "inf", "nan", ".", "1.2.3", "5s", "1000000001", "99999999999999999999"]
    {
        check(value, Err("a number of seconds from 0 to 1000000000"));
    }
}

#[test]
fn bytes() {
    let check = |value: &str, expected: Result<u64, &str>| {
        check_value(value, &expected, |it| it.take_bytes(&SIZE));
    };
    check("0", Ok(0));
    check("1048576", Ok(1_048_576));
    check("1048576B", Ok(1_048_576));
    check("64MiB", Ok(64 << 20));
    check("256 MiB", Ok(256 << 20));
    check("64mib", Ok(64 << 20));
    check("10MB", Ok(10_000_000));
    check("1kB", Ok(1_000));
    check("1KiB", Ok(1_024));
    check("2GB", Ok(2_000_000_000));
    check("2GiB", Ok(2 << 30));
    check("1TiB", Ok(1 << 40));
    for value in
        ["-1", "1.5MB", "MB", "64M", "1 X", "1MB5", "99999999999TiB", "99999999999999999999"]
    {
        check(value, Err("a number of bytes such as `1048576`, `64MiB` or `10MB`"));
    }
}

#[test]
fn choices() {
    let check = |value: &str, expected: Result<u8, &str>| {
        check_value(value, &expected, |it| {
            it.take_choice(&SIZE, &[("earliest", 1), ("trim_horizon", 1), ("latest", 2)])
        });
    };
    check("earliest", Ok(1));
    check("TRIM_HORIZON", Ok(1));
    check(" latest ", Ok(2));
    check("late", Err("one of `earliest`, `trim_horizon`, `latest`"));
}

#[test]
fn what_nobody_takes_is_refused() {
    fn check(query: &str, message: &str, hint: Option<&str>) {
        let mut options = options(query);
        options.take(&TABLE).unwrap();
        let error = options.finish(&KNOWN).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.hint().as_deref()),
            (message, hint),
            "{query}"
        );
    }
    const LIST: &str = "known are table, region_name, once";
    check(
        "table=x&regoin=1",
        &format!("unknown option `regoin`; {LIST}"),
        Some("did you mean `region`?"),
    );
    check("Table=x", &format!("unknown option `Table`; {LIST}"), Some("did you mean `table`?"));
    check("nonsense=x", &format!("unknown option `nonsense`; {LIST}"), None);
    check(
        "k/7=x",
        &format!("an option is unknown; {LIST}"),
        Some("in a value write `&` as `%26`, `%` as `%25`, `#` as `%23`"),
    );
    check(
        "table=x&7hidden",
        "a part of the query is no `name=value`",
        Some("in a value write `&` as `%26`, `%` as `%25`, `#` as `%23`"),
    );
    check("once", "option `once` has no value", Some("write `once=…`, for a switch `once=true`"));
    check("once=true", "option `once` has no effect in this address", Some("leave it out"));
}

#[test]
fn what_is_taken_or_empty_is_accepted() {
    let mut options = options("region=&once=1&table=x");
    assert!(options.contains(&TABLE) && options.contains(&ONCE));
    assert!(!options.contains(&REGION), "an empty value counts as not given");
    assert_eq!(options.take_bool(&ONCE), Ok(Some(true)));
    assert_eq!(options.take_bool(&ONCE), Ok(None), "it is taken");
    assert_eq!(options.require(&TABLE), Ok("x".to_owned()));
    assert_eq!(options.finish(&KNOWN), Ok(()));
}

#[test]
fn a_refused_value_is_in_no_error() {
    let error = options("once=hunter2").take_bool(&ONCE).unwrap_err();
    assert!(!format!("{error} {error:?} {:?}", error.hint()).contains("hunter2"));
    let secret = options("secret-access-key=hunter2").take_secret(&SECRET).unwrap().unwrap();
    assert_eq!(secret.expose(), "hunter2");
}

#[test]
fn secrets_are_hidden() {
    fn check(query: &str, expected: &str) {
        let options = options(query);
        assert_eq!(options.to_string(), expected, "{query}");
        assert_eq!(format!("{options:?}"), format!("Options({expected})"), "{query}");
    }
    check("", "");
    check("region=eu&table=a+b", "?region=eu&table=a%2Bb".replace("%2B", "+").as_str());
    check("aws-secret-access-key=hunter2&x=1", "?aws-secret-access-key=***&x=1");
    check("session_token=hunter2", "?session_token=***");
    check("sslpassword=hunter2", "?sslpassword=***");
    check("endpoint=http://me:hunter2@proxy:1", "?endpoint=***");
    check("table=x&hunter2", "?table=x&***");
    check("hunter/2=x", "?***=***");
    check("table=a b&once=%26", "?table=a%20b&once=%26");
}
