//! Tables of source addresses.

use super::*;

const TABLE: OptionSpec = OptionSpec::new(&["table"], "", "");
const REGION: OptionSpec = OptionSpec::new(&["region_name", "region"], "", "");

fn parse(text: &str) -> SourceUrl {
    SourceUrl::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn all_forms_are_understood() {
    fn check(text: &str, scheme: SourceScheme, host: &str, path: &str, written: &str) {
        let url = parse(text);
        let port = url.port.map_or(String::new(), |port| format!(":{port}"));
        let actual_host = url.host.as_ref().map_or(String::new(), ToString::to_string) + &port;
        assert_eq!(
            (url.scheme, actual_host.as_str(), url.path.as_str()),
            (scheme, host, path),
            "{text}"
        );
        assert_eq!(url.to_exposed_string(), written, "{text}");
        assert_eq!(parse(written), url, "{text}");
    }
    use SourceScheme::{Kinesis, KinesisDms, KinesisDynamodb};
    check("kinesis:", Kinesis, "", "", "kinesis:");
    check("kinesis:?table=demo", Kinesis, "", "", "kinesis:?table=demo");
    check("kinesis://?table=demo", Kinesis, "", "", "kinesis:?table=demo");
    check("KINESIS:?table=demo", Kinesis, "", "", "kinesis:?table=demo");
    check("kinesis+dms:orders", KinesisDms, "", "orders", "kinesis+dms:orders");
    check("kinesis+dynamodb+cdc:///x", KinesisDynamodb, "", "/x", "kinesis+dynamodb+cdc:///x");
    check("kinesis+DynamoDB:x", KinesisDynamodb, "", "x", "kinesis+dynamodb+cdc:x");
    check(
        "kinesis://localhost:4566/demo",
        Kinesis,
        "localhost:4566",
        "/demo",
        "kinesis://localhost:4566/demo",
    );
    check("kinesis://Host/demo", Kinesis, "host", "/demo", "kinesis://host/demo");
    check("kinesis://host?table=demo", Kinesis, "host", "", "kinesis://host?table=demo");
    check("kinesis://[::1]:4566/demo", Kinesis, "[::1]:4566", "/demo", "kinesis://[::1]:4566/demo");
    check("kinesis://AWS/demo", Kinesis, "", "/demo", "kinesis:///demo");
    check("kinesis://k:s@aws/demo", Kinesis, "", "/demo", "kinesis://k:s@/demo");
    check("kinesis://k:s@/demo", Kinesis, "", "/demo", "kinesis://k:s@/demo");
    check("kinesis:/var/x.ndjson", Kinesis, "", "/var/x.ndjson", "kinesis:///var/x.ndjson");
    check("kinesis:////x", Kinesis, "", "//x", "kinesis:////x");
    check("kinesis:a%20b%3F%23%25", Kinesis, "", "a b?#%", "kinesis:a%20b%3F%23%25");
    check("kinesis:a%40b", Kinesis, "", "a@b", "kinesis:a%40b");
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/demo";
    check(
        &format!("kinesis:///{arn}"),
        Kinesis,
        "",
        &format!("/{arn}"),
        &format!("kinesis:///{arn}"),
    );
    check(&format!("kinesis:{arn}"), Kinesis, "", arn, &format!("kinesis:{arn}"));
    check(&format!("kinesis:?table={arn}"), Kinesis, "", "", &format!("kinesis:?table={arn}"));
}

#[test]
fn what_users_paste_works() {
    fn check(text: &str, table: &str, region: &str) {
        let mut options = parse(text).options;
        assert_eq!(options.take(&TABLE).unwrap().as_deref().unwrap_or_default(), table, "{text}");
        assert_eq!(options.take(&REGION).unwrap().as_deref().unwrap_or_default(), region, "{text}");
    }
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/demo";
    check(
        "kinesis:?aws_access_key_id=test&aws_secret_access_key=test&region_name=us-east-1&table=demo",
        "demo",
        "us-east-1",
    );
    // As the tutorial stands on the web, and as it is copied from there.
    check(
        "kinesis:?aws_access_key_id=test&aws_secret_access_key=test®ion_name=us-east-1&table=demo",
        "demo",
        "us-east-1",
    );
    check("kinesis:?x=1®ion=eu&table=demo", "demo", "eu");
    check(
        &format!("kinesis:?region_name=eu&table={arn}&start_date=2023-01-31T15:00:00+00:00"),
        arn,
        "eu",
    );
    check(
        "kinesis+dms://localhost:4566/demo?region=us-east-1&create=true&checkpointer=cratedb&checkpointer-interval=10",
        "",
        "us-east-1",
    );
}

#[test]
fn credentials() {
    fn check(text: &str, key: Option<&str>, secret: Option<&str>, shown: &str) {
        let url = parse(text);
        assert_eq!(url.access_key.as_deref(), key, "{text}");
        assert_eq!(url.secret_key.as_ref().map(Secret::expose), secret, "{text}");
        assert_eq!(url.to_string(), shown, "{text}");
        if let Some(secret) = secret {
            assert!(!format!("{url:?}").contains(secret), "{text}");
        }
    }
    check(
        "kinesis://AKIA:se%2Fcr%2Bet%3D@host/x",
        Some("AKIA"),
        Some("se/cr+et="),
        "kinesis://AKIA:***@host/x",
    );
    check(
        "kinesis://AKIA:se+cr=et@host/x",
        Some("AKIA"),
        Some("se+cr=et"),
        "kinesis://AKIA:***@host/x",
    );
    check("kinesis://A%40B:a:b:c@/x", Some("A@B"), Some("a:b:c"), "kinesis://A%40B:***@/x");
    check("kinesis://@host/x", None, None, "kinesis://host/x");
    check(
        "kinesis:?secret_access_key=hunter2&table=x",
        None,
        None,
        "kinesis:?secret_access_key=***&table=x",
    );
}

#[test]
fn what_is_wrong_is_refused_with_a_hint_and_not_repeated() {
    fn check(text: &str, expected: &UrlError, hint: &str) {
        let error = SourceUrl::parse(text).unwrap_err();
        assert_eq!(&error, expected, "{text}");
        let hinted = error.hint().unwrap_or_default();
        assert!(hinted.contains(hint), "{text}: {hinted}");
        assert!(!format!("{error} {error:?} {hinted}").contains("hunter2"), "{text}");
    }
    check("", &UrlError::Empty { example: EXAMPLE }, EXAMPLE);
    check("demo", &UrlError::NoScheme { example: EXAMPLE }, EXAMPLE);
    check(" kinesis:x", &UrlError::Whitespace, "%20");
    check("kinesis:x#hunter2", &UrlError::Fragment, "%23");
    check("kinesis://AKIA:hunter2#x@host/", &UrlError::Fragment, "%23");
    check("kinesis://AKIA:hunter2/x@host/demo", &UrlError::UnescapedPassword, "%2F");
    check("kinesis://AKIA:123/hunter2@host/demo", &UrlError::UnescapedPassword, "%2F");
    check("kinesis://AKIA:x@hunter2@host/demo", &UrlError::UnescapedPassword, "%40");
    check("kinesis://AKIA:hunter2?x@host/demo", &UrlError::UnescapedPassword, "%3F");
    check("kinesis://AKIA:@?hunter2=@host/demo", &UrlError::UnescapedPassword, "%40");
    check("kinesis://AKIA:hunter2?x=@host/demo", &UrlError::UnescapedPassword, "%3F");
    check("kinesis://AKIA:123?hunter2@host/demo", &UrlError::UnescapedPassword, "%3F");
    check("kinesis://AKIA:hunter2%@host/demo", &UrlError::Percent { part: "password" }, "%25");
    check("kinesis://AKIA:hunter2%FF@host/demo", &UrlError::NotUtf8 { part: "password" }, "UTF-8");
    check("kinesis:AKIA:hunter2@host/demo", &UrlError::UnescapedPassword, "%40");
    check("kinesis:/AKIA:hunter2@host/demo", &UrlError::UnescapedPassword, "%40");
    check("kinesis://AKIA:hunter2/demo", &UrlError::BadPort, "%2F");
    check("kinesis://AKIA@host/demo", &UrlError::HalfCredentials, "KEY:SECRET@");
    check("kinesis://AKIA:@host/demo", &UrlError::HalfCredentials, "KEY:SECRET@");
    check("kinesis://:hunter2@host/demo", &UrlError::HalfCredentials, "KEY:SECRET@");
    check("kinesis://:4566/demo", &UrlError::PortWithoutHost, "host");
    check("kinesis://aws:4566/demo", &UrlError::PortWithoutHost, "aws");
    check("kinesis://a,b/demo", &UrlError::SeveralHosts, "one");
    check("kinesis://ho st/demo", &UrlError::BadHost, "IPv6");
    check(
        "kinesis://arn:aws:kinesis:us-east-1:000000000000:stream/demo",
        &UrlError::ArnAsHost,
        "three slashes",
    );
    check("kinesis:a%00b", &UrlError::Control, "pasted");
    check("kinesis:a%zzb", &UrlError::Percent { part: "path" }, "%25");
    check("kinesis:?=x", &UrlError::NamelessOption, "?name=value");
}

#[test]
fn an_unknown_scheme_is_answered_with_the_known() {
    fn check(text: &str, hint: Option<&str>) {
        let error = SourceUrl::parse(text).unwrap_err();
        let (scheme, _) = text.split_once(':').unwrap();
        assert_eq!(
            error.to_string(),
            format!(
                "unknown scheme `{scheme}`; known are `kinesis`, `kinesis+dms`, `kinesis+dynamodb+cdc`"
            )
        );
        assert_eq!(error.hint().as_deref(), hint, "{text}");
    }
    check("kinesis+foo:x", None);
    check("kafka:x", None);
    check("kineses:x", Some("did you mean `kinesis:`?"));
    check("kinesis-dms:x", Some("did you mean `kinesis+dms:`?"));
}

#[test]
fn files_are_told_from_streams_by_the_text() {
    fn check(text: &str, file: Option<&str>) {
        assert_eq!(parse(text).file(), Ok(file.map(PathBuf::from)), "{text}");
    }
    check("kinesis:///path/to/dump.ndjson", Some("/path/to/dump.ndjson"));
    check("kinesis:/path/to/dump.jsonl", Some("/path/to/dump.jsonl"));
    check("kinesis+dms:///dump.json", Some("/dump.json"));
    for suffix in ["gz", "bz2", "xz", "zst", "GZ"] {
        check(
            &format!("kinesis:///a/dump.ndjson.{suffix}"),
            Some(&format!("/a/dump.ndjson.{suffix}")),
        );
    }
    check("kinesis:./dump.ndjson", Some("./dump.ndjson"));
    check("kinesis:dumps/a%20b.ndjson?x=1", Some("dumps/a b.ndjson"));
    check("kinesis:dump.ndjson", None);
    check("kinesis:dump.ndjson?file=true", Some("dump.ndjson"));
    check("kinesis:dump?file=yes", Some("dump"));
    check("kinesis:///orders.json?file=false", None);
    check("kinesis:///orders", None);
    check("kinesis:///a/.ndjson", None);
    check("kinesis:///a/b.gz", None);
    check("kinesis:///arn:aws:kinesis:us-east-1:000000000000:stream/x.json", None);
    check("kinesis:arn:aws:kinesis:us-east-1:000000000000:stream/x.json", None);
    check("kinesis://host/x.ndjson", None);
    check("kinesis:?table=x", None);
    for text in [
        "kinesis://path/to/x.ndjson?file=true",
        "kinesis:?file=true",
        "kinesis:x?file=maybe",
        "kinesis:x?file",
    ] {
        assert!(parse(text).file().is_err(), "{text}");
    }
}

#[test]
fn the_stream_is_the_path_without_its_slashes() {
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(parse(text).stream_path(), expected, "{text}");
    }
    check("kinesis:orders", Some("orders"));
    check("kinesis:///orders", Some("orders"));
    check("kinesis://host/orders/", Some("orders"));
    check("kinesis:///arn:aws:kinesis:r:0:stream/x", Some("arn:aws:kinesis:r:0:stream/x"));
    check("kinesis:", None);
    check("kinesis://host/", None);
}
