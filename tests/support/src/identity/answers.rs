//! Requests in, keys or refusals out, in the words of each service.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use axum::{body::Body, extract::Request};
use chrono::{DateTime, SecondsFormat, Utc};
use http_body_util::BodyExt;
use hyper::{
    HeaderMap, Method, Response, StatusCode,
    header::{AUTHORIZATION, HeaderValue},
};
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::{CONTAINER_TOKEN, INSTANCE_REGION, SSO_TOKEN, State, WEB_TOKEN, lock};
use crate::callers::Caller;

const INSTANCE_TOKEN: &str = "proof-of-the-instance";
const INSTANCE_ROLE: &str = "role-of-the-instance";
const LIFETIME: &str = "x-aws-ec2-metadata-token-ttl-seconds";

/// Temporary keys.
pub(super) struct Keys {
    access_key_id: String,
    expiration: DateTime<Utc>,
}

impl Keys {
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock of this double is the real one, as that of the program"
    )]
    pub(super) fn new(access_key_id: String, lifetime: Duration) -> Self {
        Self { access_key_id, expiration: (SystemTime::now() + lifetime).into() }
    }

    /// As containers and instances are told.
    fn json(&self) -> Response<Body> {
        let keys = json!({
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": self.access_key_id,
            "SecretAccessKey": format!("secret-of-{}", self.access_key_id),
            "Token": format!("token-of-{}", self.access_key_id),
            "Expiration": self.expiration(),
        });
        answer(StatusCode::OK, keys.to_string())
    }

    /// As the token service tells.
    fn xml(&self, action: &str, role: &str) -> Response<Body> {
        let (key, expiration) = (&self.access_key_id, self.expiration());
        let text = format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
             <AssumedRoleUser><Arn>{role}/session</Arn><AssumedRoleId>AROA:session</AssumedRoleId></AssumedRoleUser>\
             <Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret-of-{key}</SecretAccessKey>\
             <SessionToken>token-of-{key}</SessionToken><Expiration>{expiration}</Expiration></Credentials>\
             </{action}Result></{action}Response>"
        );
        answer(StatusCode::OK, text)
    }

    fn expiration(&self) -> String {
        self.expiration.to_rfc3339_opts(SecondsFormat::Millis, true)
    }
}

/// Answers a request by its path.
pub(super) async fn serve(state: Arc<Mutex<State>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut state = lock(&state);
    let path = parts.uri.path();
    let shows = |name: &str, proof: &str| {
        parts.headers.get(name).is_some_and(|shown| shown.as_bytes() == proof.as_bytes())
    };
    match (&parts.method, path) {
        (&Method::POST, "/") => sts(&mut state, &parts.headers, &String::from_utf8_lossy(&body)),
        (&Method::GET, "/container") => {
            state.calls.push("Container".into());
            if !shows(AUTHORIZATION.as_str(), CONTAINER_TOKEN) {
                let refusal =
                    json!({ "code": "AccessDenied", "message": "the token is not known" });
                return answer(StatusCode::FORBIDDEN, refusal.to_string());
            }
            state.issue("CONTAINER").json()
        }
        (&Method::PUT, "/latest/api/token") if parts.headers.contains_key(LIFETIME) => {
            let mut answer = answer(StatusCode::OK, INSTANCE_TOKEN.to_owned());
            answer.headers_mut().insert(LIFETIME, HeaderValue::from_static("21600"));
            answer
        }
        (&Method::GET, path) if path.starts_with("/latest/") => {
            // Version 1 of the service asked for no token.
            if !shows("x-aws-ec2-metadata-token", INSTANCE_TOKEN) {
                return answer(StatusCode::UNAUTHORIZED, String::new());
            }
            instance(&mut state, path)
        }
        (&Method::GET, "/federation/credentials") if shows("x-amz-sso_bearer_token", SSO_TOKEN) => {
            let query = fields(parts.uri.query().unwrap_or_default());
            state
                .calls
                .push(format!("SingleSignOn {} of {}", query["role_name"], query["account_id"]));
            let keys = state.issue("SSO");
            let key = &keys.access_key_id;
            let credentials = json!({ "roleCredentials": {
                "accessKeyId": key,
                "secretAccessKey": format!("secret-of-{key}"),
                "sessionToken": format!("token-of-{key}"),
                "expiration": keys.expiration.timestamp_millis(),
            } });
            answer(StatusCode::OK, credentials.to_string())
        }
        _ => answer(StatusCode::NOT_FOUND, String::new()),
    }
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html>
fn instance(state: &mut State, path: &str) -> Response<Body> {
    match path.strip_prefix("/latest/meta-data/") {
        Some("placement/region") => answer(StatusCode::OK, INSTANCE_REGION.to_owned()),
        Some("iam/security-credentials/") => answer(StatusCode::OK, INSTANCE_ROLE.to_owned()),
        Some("iam/security-credentials/role-of-the-instance") => {
            state.calls.push(format!("Instance {INSTANCE_ROLE}"));
            state.issue("INSTANCE").json()
        }
        _ => answer(StatusCode::NOT_FOUND, String::new()),
    }
}

/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
fn sts(state: &mut State, headers: &HeaderMap, body: &str) -> Response<Body> {
    let fields = fields(body);
    let field = |name: &str| fields.get(name).map(String::as_str);
    let (action, role) =
        (field("Action").unwrap_or_default(), field("RoleArn").unwrap_or_default());
    let kind = match action {
        "AssumeRole" => {
            let caller = Caller::of(headers).map_or_else(|| "nobody".into(), |it| it.access_key_id);
            state.calls.push(format!("AssumeRole {role} by {caller}"));
            if state.roles.get(role).is_none_or(|asked| asked.as_deref() != field("ExternalId")) {
                let message = format!(
                    "User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role}"
                );
                return refuse(StatusCode::FORBIDDEN, "AccessDenied", &message);
            }
            "ROLE"
        }
        "AssumeRoleWithWebIdentity" => {
            state.calls.push(format!("AssumeRoleWithWebIdentity {role}"));
            if field("WebIdentityToken") != Some(WEB_TOKEN) {
                let message = "The token is not one of this provider";
                return refuse(StatusCode::BAD_REQUEST, "InvalidIdentityToken", message);
            }
            "WEB"
        }
        _ => {
            return refuse(StatusCode::BAD_REQUEST, "InvalidAction", "the double does not know it");
        }
    };
    state.issue(kind).xml(action, role)
}

fn fields(form: &str) -> HashMap<String, String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn refuse(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let text = format!(
        "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
         <Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    );
    answer(status, text)
}

fn answer(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}
