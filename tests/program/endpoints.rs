//! Every way to say where AWS is: the region that Kinesis sees in the signature, and the endpoint that is asked.

use std::net::Ipv6Addr;

use ctk_test_support::{embedded::Options, tls};

use crate::{
    identity::{ENCODED, Place, SECRET, caller, caller_in},
    world::assert_shown,
};

const ARN: &str = "arn:aws:kinesis:eu-west-1:000000000000:stream/demo";
const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", SECRET)];

/// Runs with the keys and these variables, and asserts the region that Kinesis sees.
async fn check(options: &str, variables: &[(&str, &str)], config: &str, region: &str) {
    let place = Place::new().await;
    let path = place.file("config", config);
    let endpoint = place.world.kinesis.endpoint();
    let source = format!("kinesis:?endpoint_url={endpoint}{options}");
    let mut environment = KEYS.to_vec();
    environment.push(("AWS_CONFIG_FILE", path.as_str()));
    environment.extend(variables);
    let seen = place.load(&source, &environment).await;
    let mut expected = caller_in(region, "AKIAENVIRONMENT", None);
    if options.contains("profile=") {
        expected.access_key_id = "AKIAPROFILE".into();
    }
    assert_eq!(seen, [expected], "{options} {variables:?}");
}

#[tokio::test]
async fn regions() {
    let other = [("AWS_REGION", "ap-northeast-1")];
    let config = format!(
        "[default]\nregion = sa-east-1\n[profile here]\nregion = ca-central-1\n\
         aws_access_key_id = AKIAPROFILE\naws_secret_access_key = {SECRET}\n"
    );
    for name in ["region", "region_name", "aws-region"] {
        check(&format!("&table=demo&{name}=us-west-2"), &other, "", "us-west-2").await;
    }
    check(&format!("&table={ARN}"), &other, "", "eu-west-1").await;
    check(&format!("&table={ARN}&region=eu-west-1"), &other, "", "eu-west-1").await;
    check("&table=demo", &other, &config, "ap-northeast-1").await;
    check("&table=demo", &[("AWS_DEFAULT_REGION", "us-west-1")], "", "us-west-1").await;
    check("&table=demo", &[], &config, "sa-east-1").await;
    check("&table=demo&profile=here", &[], &config, "ca-central-1").await;
}

#[tokio::test]
async fn regions_that_are_missing_or_contradict() {
    let place = Place::new().await;
    let endpoint = place.world.kinesis.endpoint();
    let none = format!("kinesis:?table=demo&endpoint_url={endpoint}");
    let two = format!("kinesis:?table={ARN}&region=us-east-1&endpoint_url={endpoint}");
    let none = place.fail(1, &none, &KEYS).await;
    let two = place.fail(2, &two, &KEYS).await;
    assert_shown!(format!("{none}\n{two}"));
    assert_eq!(place.world.kinesis.callers(), []);
}

#[tokio::test]
async fn endpoints_by_address_and_by_environment() {
    let nowhere = "http://127.0.0.1:1";
    for form in ["ENDPOINT", "HOST", "GENERAL", "OWN", "PROFILE"] {
        let place = Place::new().await;
        let endpoint = place.world.kinesis.endpoint();
        let config =
            place.file("config", &format!("[profile here]\nendpoint_url = {endpoint}\nregion = us-east-1\naws_access_key_id = AKIAENVIRONMENT\naws_secret_access_key = {SECRET}\n"));
        let plain = "kinesis:?table=demo&region=us-east-1".to_owned();
        let (source, own, general) = match form {
            "ENDPOINT" => (format!("{plain}&endpoint={endpoint}/"), nowhere, nowhere),
            "HOST" => {
                let host = place.world.kinesis.address();
                (format!("kinesis://{host}/demo?region=us-east-1"), nowhere, nowhere)
            }
            "OWN" => (plain, endpoint.as_str(), nowhere),
            "GENERAL" => (plain, "", endpoint.as_str()),
            _ => (format!("{plain}&profile=here"), "", ""),
        };
        let mut environment = KEYS.to_vec();
        environment.push(("AWS_CONFIG_FILE", config.as_str()));
        let variables = [("AWS_ENDPOINT_URL_KINESIS", own), ("AWS_ENDPOINT_URL", general)];
        environment.extend(variables.iter().filter(|(_, value)| !value.is_empty()));
        let seen = place.load(&source, &environment).await;
        assert_eq!(seen, [caller("AKIAENVIRONMENT", None)], "{form}");
    }
}

#[tokio::test]
async fn endpoints_that_do_not_answer_are_named() {
    const NOBODY: &str = "http://127.0.0.1:1";
    let place = Place::new().await;
    let plain = "kinesis:?table=demo&region=us-east-1";
    let fail = async |variables: &[(&str, &str)]| {
        place.fail(1, plain, &[&KEYS[..], variables].concat()).await
    };
    // Side by side, since each is tried for seconds.
    let (general, own, both) = tokio::join!(
        fail(&[("AWS_ENDPOINT_URL", NOBODY)]),
        fail(&[("AWS_ENDPOINT_URL_KINESIS", NOBODY)]),
        fail(&[("AWS_ENDPOINT_URL_KINESIS", NOBODY), ("AWS_ENDPOINT_URL", "http://127.0.0.2:1")]),
    );
    assert_eq!((own.as_str(), both.as_str()), (general.as_str(), general.as_str()));
    assert_shown!(general);
}

#[tokio::test]
async fn tls() {
    let authority = tls::authority().into_os_string().into_string().unwrap();
    let trust = [("SSL_CERT_FILE", authority.as_str())];
    let user = format!("AKIAHOST:{ENCODED}");
    for (host, name) in [("127.0.0.1", "localhost"), ("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")] {
        let options = Options { host: host.parse().unwrap(), tls: true, ..Options::default() };
        let place = Place::at(options).await;
        let port = place.world.kinesis.address().port();
        let source = format!("kinesis://{user}@{name}:{port}/demo?region=us-east-1&ssl=true");
        assert_eq!(place.load(&source, &trust).await, [caller("AKIAHOST", None)], "{name}");
    }
    let place = Place::at(Options { tls: true, ..Options::default() }).await;
    let seen = place.load(&place.source(""), &[&KEYS[..], &trust].concat()).await;
    assert_eq!(seen, [caller("AKIAENVIRONMENT", None)]);
}

#[tokio::test]
async fn tls_that_is_not_trusted_or_not_spoken() {
    let secure = Place::at(Options { tls: true, ..Options::default() }).await;
    let plain = Place::new().await;
    let source = |place: &Place, options: &str| {
        let host = place.world.kinesis.address();
        format!("kinesis://{host}/demo?region=us-east-1{options}")
    };
    let (untrusted, not_http, not_https) =
        (source(&secure, "&ssl=true"), source(&secure, ""), source(&plain, "&ssl=true"));
    // Side by side, since each is tried for seconds. A host of this machine is spoken to by http, unless the address says
    // otherwise.
    let (untrusted, not_http, not_https) = tokio::join!(
        secure.fail(1, &untrusted, &KEYS),
        secure.fail(1, &not_http, &KEYS),
        plain.fail(1, &not_https, &KEYS),
    );
    assert_eq!(secure.world.kinesis.callers(), []);
    assert_shown!(format!("{untrusted}\n{not_http}\n{not_https}"));
}

#[tokio::test]
async fn version_6_without_tls() {
    let host = Ipv6Addr::LOCALHOST.into();
    let place = Place::at(Options { host, ..Options::default() }).await;
    let port = place.world.kinesis.address().port();
    for source in [
        format!("kinesis://AKIAHOST:{ENCODED}@[::1]:{port}/demo?region=us-east-1"),
        format!(
            "kinesis:?table=demo&region=us-east-1&access_key_id=AKIAHOST&secret_access_key={ENCODED}\
             &endpoint_url=http://[::1]:{port}"
        ),
    ] {
        assert_eq!(place.load(&source, &[]).await, [caller("AKIAHOST", None)]);
    }
}
