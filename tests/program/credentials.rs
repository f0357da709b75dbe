//! Every way to say who one is: Kinesis must see that caller, and no output any secret.

use ctk_test_support::identity::{CONTAINER_TOKEN, INSTANCE_REGION, SSO_TOKEN, WEB_TOKEN};

use crate::{
    identity::{ENCODED, Place, ROLE, SECRET, TOKEN, caller, caller_in, first},
    world::assert_shown,
};

const EXTERNAL_ID: &str = "customer-7";

/// Keys that lose against everything that the address says.
const OTHER_KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", SECRET)];

fn profiles() -> String {
    format!(
        "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = {SECRET}\n\n\
         [reader]\naws_access_key_id = AKIAREADER\naws_secret_access_key = {SECRET}\n\
         aws_session_token = {TOKEN}\n"
    )
}

#[tokio::test]
async fn keys_in_options() {
    let place = Place::new().await;
    let long = format!(
        "&aws_access_key_id=AKIALONG&aws_secret_access_key={ENCODED}&aws_session_token={TOKEN}"
    );
    let seen = place.load(&place.source(&long), &OTHER_KEYS).await;
    assert_eq!(seen, [caller("AKIALONG", Some(TOKEN))]);

    let place = Place::new().await;
    let short =
        format!("&access-key-id=AKIASHORT&secret-access-key={ENCODED}&session-token={TOKEN}");
    let seen = place.load(&place.source(&short), &OTHER_KEYS).await;
    assert_eq!(seen, [caller("AKIASHORT", Some(TOKEN))]);
}

#[tokio::test]
async fn keys_before_the_host() {
    let place = Place::new().await;
    let host = place.world.kinesis.address();
    let source = format!("kinesis://AKIAHOST:{ENCODED}@{host}/demo?region=us-east-1");
    assert_eq!(place.load(&source, &OTHER_KEYS).await, [caller("AKIAHOST", None)]);

    let place = Place::new().await;
    let host = place.world.kinesis.address();
    let source =
        format!("kinesis://AKIAHOST:{ENCODED}@{host}/demo?region=us-east-1&session_token={TOKEN}");
    assert_eq!(place.load(&source, &OTHER_KEYS).await, [caller("AKIAHOST", Some(TOKEN))]);
}

#[tokio::test]
async fn environment() {
    let place = Place::new().await;
    let seen = place.load(&place.source(""), &OTHER_KEYS).await;
    assert_eq!(seen, [caller("AKIAENVIRONMENT", None)]);

    let place = Place::new().await;
    let mut variables = OTHER_KEYS.to_vec();
    variables.push(("AWS_SESSION_TOKEN", TOKEN));
    let seen = place.load(&place.source(""), &variables).await;
    assert_eq!(seen, [caller("AKIAENVIRONMENT", Some(TOKEN))]);
}

#[tokio::test]
async fn profiles_in_either_file() {
    let place = Place::new().await;
    let path = place.file("credentials", &profiles());
    let file = ("AWS_SHARED_CREDENTIALS_FILE", path.as_str());
    // What the address names wins over keys in the environment.
    let mut variables = OTHER_KEYS.to_vec();
    variables.push(file);
    let seen = place.load(&place.source("&profile=reader"), &variables).await;
    assert_eq!(seen, [caller("AKIAREADER", Some(TOKEN))]);

    let place = Place::new().await;
    let seen = place.load(&place.source(""), &[file]).await;
    assert_eq!(seen, [caller("AKIADEFAULT", None)]);

    let place = Place::new().await;
    let seen = place.load(&place.source(""), &[file, ("AWS_PROFILE", "reader")]).await;
    assert_eq!(seen, [caller("AKIAREADER", Some(TOKEN))]);

    let place = Place::new().await;
    let config = profiles().replace("[reader]", "[profile reader]");
    let path = place.file("config", &config);
    let seen =
        place.load(&place.source("&profile=reader"), &[("AWS_CONFIG_FILE", path.as_str())]).await;
    assert_eq!(seen, [caller("AKIAREADER", Some(TOKEN))]);
}

#[tokio::test]
async fn profiles_that_give_no_keys() {
    let place = Place::new().await;
    let config = format!(
        "[profile half]\naws_access_key_id = AKIAHALF\n\n[profile lost]\nsource_profile = nobody\nrole_arn = {ROLE}\n\n\
         [profile login]\nlogin_session = arn:aws:iam::123456789012:user/me\n\n\
         [profile program]\ncredential_process = false\n"
    );
    let path = place.file("config", &config);
    // Keys that the environment has are no way out: a profile was asked for.
    let mut variables = OTHER_KEYS.to_vec();
    let mut shown = place.fail(1, &place.source("&profile=nobody"), &variables).await;
    variables.push(("AWS_CONFIG_FILE", path.as_str()));
    for profile in ["nobody", "half", "lost", "login", "program"] {
        let source = place.source(&format!("&profile={profile}"));
        shown += "\n";
        shown += &place.fail(1, &source, &variables).await;
    }
    assert_eq!(place.world.kinesis.callers(), []);
    assert_shown!(shown);
}

#[tokio::test]
async fn files_in_the_home_folder() {
    let place = Place::new().await;
    std::fs::create_dir(place.world.path(".aws")).unwrap();
    place.file(".aws/credentials", &profiles());
    let seen = place.load(&place.source("&profile=reader"), &[]).await;
    assert_eq!(seen, [caller("AKIAREADER", Some(TOKEN))]);
}

#[tokio::test]
async fn roles_by_keys_and_by_profile() {
    let keys = format!("&access_key_id=AKIABASE&secret_access_key={ENCODED}");
    for (identity, base) in [(keys.as_str(), "AKIABASE"), ("&profile=reader", "AKIAREADER")] {
        let place = Place::new().await;
        place.issuer.allow_role(ROLE, Some(EXTERNAL_ID));
        let path = place.file("credentials", &profiles());
        let options = format!("{identity}&role_arn={ROLE}&external_id={EXTERNAL_ID}");
        let mut variables = OTHER_KEYS.to_vec();
        variables.push(("AWS_SHARED_CREDENTIALS_FILE", path.as_str()));
        let seen = place.load(&place.source(&options), &variables).await;
        assert_eq!(seen, [first("ROLE")], "{base}");
        // Once: who types a code for every call types one.
        assert_eq!(place.issuer.calls(), [format!("AssumeRole {ROLE} by {base}")]);
    }
}

#[tokio::test]
async fn roles_that_cannot_be_assumed() {
    let place = Place::new().await;
    place.issuer.allow_role(ROLE, Some(EXTERNAL_ID));
    let keys = format!("&access_key_id=AKIABASE&secret_access_key={ENCODED}");
    let mut shown = String::new();
    for options in [
        format!("{keys}&role_arn={ROLE}&external_id=customer-8"),
        format!("{keys}&role_arn={ROLE}"),
        format!("{keys}&role_arn=arn:aws:iam::123456789012:role/other"),
        format!("&role_arn={ROLE}"),
    ] {
        shown += &place.fail(1, &place.source(&options), &[]).await;
        shown += "\n";
    }
    assert_eq!(place.world.kinesis.callers(), []);
    assert_shown!(shown);
}

#[tokio::test]
async fn profiles_that_assume_a_role() {
    for (name, call) in [
        ("by-profile", format!("AssumeRole {ROLE} by AKIABASE")),
        ("by-environment", format!("AssumeRole {ROLE} by AKIAENVIRONMENT")),
        ("by-token", format!("AssumeRoleWithWebIdentity {ROLE}")),
    ] {
        let place = Place::new().await;
        place.issuer.allow_role(ROLE, Some(EXTERNAL_ID));
        let token = place.file("token", WEB_TOKEN);
        let role = format!("role_arn = {ROLE}\nexternal_id = {EXTERNAL_ID}");
        let config = format!(
            "[profile base]\naws_access_key_id = AKIABASE\naws_secret_access_key = {SECRET}\n\
             [profile by-profile]\n{role}\nsource_profile = base\n\
             [profile by-environment]\n{role}\ncredential_source = Environment\n\
             [profile by-token]\n{role}\nweb_identity_token_file = {token}\n"
        );
        let path = place.file("config", &config);
        let mut variables = OTHER_KEYS.to_vec();
        variables.push(("AWS_CONFIG_FILE", path.as_str()));
        let seen = place.load(&place.source(&format!("&profile={name}")), &variables).await;
        let kind = if name == "by-token" { "WEB" } else { "ROLE" };
        assert_eq!(seen, [first(kind)], "{name}");
        assert_eq!(place.issuer.calls(), [call]);
    }
}

#[tokio::test]
async fn profiles_that_ask_a_program() {
    let place = Place::new().await;
    let answer = format!(
        r#"{{"Version":1,"AccessKeyId":"AKIAPROGRAM","SecretAccessKey":"{SECRET}","SessionToken":"{TOKEN}"}}"#
    );
    let answer = place.file("answer.json", &answer);
    let config = format!("[profile program]\ncredential_process = cat {answer}\n");
    let path = place.file("config", &config);
    let seen =
        place.load(&place.source("&profile=program"), &[("AWS_CONFIG_FILE", path.as_str())]).await;
    assert_eq!(seen, [caller("AKIAPROGRAM", Some(TOKEN))]);
}

#[tokio::test]
async fn profiles_that_sign_on_once() {
    let place = Place::new().await;
    std::fs::create_dir_all(place.world.path(".aws/sso/cache")).unwrap();
    let config = "[profile sso]\nsso_session = work\nsso_account_id = 123456789012\n\
         sso_role_name = reader\n[sso-session work]\nsso_region = us-east-1\n\
         sso_start_url = https://example.com/start\nsso_registration_scopes = sso:account:access\n";
    place.file(".aws/config", config);
    // Named by the SHA-1 of the session's name, as the command line of AWS leaves it.
    let login = format!(
        r#"{{"accessToken":"{SSO_TOKEN}","expiresAt":"2125-01-01T00:00:00Z","region":"us-east-1","startUrl":"https://example.com/start"}}"#
    );
    place.file(".aws/sso/cache/e274eeff768c6396088ec6eb091f4bf4d47ab1e0.json", &login);
    let endpoint = place.issuer.endpoint();
    let variables = [("AWS_ENDPOINT_URL_SSO", endpoint.as_str())];
    // Not `-vvv`: at its finest the SDK logs the requests for these keys with the token that they show.
    let seen = place.load(&place.source("&profile=sso"), &variables).await;
    assert_eq!(seen, [first("SSO")]);
    assert_eq!(place.issuer.calls(), ["SingleSignOn reader of 123456789012"]);
}

#[tokio::test]
async fn pods_by_web_identity() {
    let place = Place::new().await;
    let token = place.file("token", WEB_TOKEN);
    let variables = [("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str())];
    assert_eq!(place.load(&place.source(""), &variables).await, [first("WEB")]);
    assert_eq!(place.issuer.calls(), [format!("AssumeRoleWithWebIdentity {ROLE}")]);

    let wrong = place.file("wrong", "proof of another pod");
    let variables = [("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", wrong.as_str())];
    assert_shown!(place.fail(1, &place.source(""), &variables).await);
}

#[tokio::test]
async fn containers() {
    let place = Place::new().await;
    let full = format!("{}/container", place.issuer.endpoint());
    let address = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", full.as_str());
    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER_TOKEN);
    assert_eq!(place.load(&place.source(""), &[address, token]).await, [first("CONTAINER")]);
    assert_eq!(place.issuer.calls(), ["Container"]);

    let place = Place::new().await;
    let full = format!("{}/container", place.issuer.endpoint());
    let address = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", full.as_str());
    let file = place.file("token", CONTAINER_TOKEN);
    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.as_str());
    assert_eq!(place.load(&place.source(""), &[address, token]).await, [first("CONTAINER")]);

    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "proof of another");
    assert_shown!(place.fail(1, &place.source(""), &[address, token]).await);
}

#[tokio::test]
async fn instances_with_the_region_they_are_in() {
    let place = Place::new().await;
    let endpoint = place.issuer.endpoint();
    let variables = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str()),
    ];
    let source = place.source("").replace("&region=us-east-1", "");
    let expected = caller_in(INSTANCE_REGION, "ASIAINSTANCE1", Some("token-of-ASIAINSTANCE1"));
    assert_eq!(place.load(&source, &variables).await, [expected]);
    assert_eq!(place.issuer.calls(), ["Instance role-of-the-instance"]);
}

#[tokio::test]
async fn roles_by_the_keys_of_an_instance() {
    let place = Place::new().await;
    place.issuer.allow_role(ROLE, None);
    let endpoint = place.issuer.endpoint();
    let variables = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str()),
    ];
    let source = place.source(&format!("&role_arn={ROLE}"));
    assert_eq!(place.load(&source, &variables).await, [first("ROLE")]);
    assert_eq!(
        place.issuer.calls(),
        ["Instance role-of-the-instance".to_owned(), format!("AssumeRole {ROLE} by ASIAINSTANCE1")]
    );
}
