//! Who signed a request, as a server on this machine sees it. Nothing is verified: the secrets are not known here.

use std::sync::{Arc, Mutex, PoisonError};

use hyper::header::{AUTHORIZATION, HeaderMap};

/// What a signed request says about its sender
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-signing-elements.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The access key.
    pub access_key_id: String,
    /// The region that the signature is for.
    pub region: String,
    /// The token of temporary keys.
    pub session_token: Option<String>,
}

impl Caller {
    /// Reads `Authorization: AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …`; nobody when it is not there.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (_, credential) = text(AUTHORIZATION.as_str())?.split_once("Credential=")?;
        let mut scope = credential.split([',', ' ']).next()?.split('/');
        let (access_key_id, _, region) = (scope.next()?, scope.next()?, scope.next()?);
        Some(Self {
            access_key_id: access_key_id.to_owned(),
            region: region.to_owned(),
            session_token: text("x-amz-security-token").map(str::to_owned),
        })
    }
}

/// Who asked for what: each pair once, so that a million requests take no room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callers(Arc<Mutex<Vec<(String, Caller)>>>);

impl Callers {
    /// Notes a request by its headers.
    pub(crate) fn note(&self, headers: &HeaderMap) {
        let Some(caller) = Caller::of(headers) else { return };
        let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or_default();
        let call = (operation.to_owned(), caller);
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !calls.contains(&call) {
            calls.push(call);
        }
    }

    pub(crate) fn all(&self) -> Vec<Caller> {
        self.matching(|_| true)
    }

    pub(crate) fn of(&self, operation: &str) -> Vec<Caller> {
        self.matching(|asked| asked == operation)
    }

    fn matching(&self, is_asked: impl Fn(&str) -> bool) -> Vec<Caller> {
        let mut callers = Vec::new();
        for (operation, caller) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            if is_asked(operation) && !callers.contains(caller) {
                callers.push(caller.clone());
            }
        }
        callers
    }
}
