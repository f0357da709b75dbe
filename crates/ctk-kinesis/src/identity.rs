//! Who we are to AWS, and where AWS is: region, endpoint and credentials, in the order in which users expect them.
//!
//! Region: the address, then the ARN (`config` has merged these two), then the SDK's chain. Credentials: the address, then
//! the profile that it names, then the SDK's chain; a role is assumed with what these give. The SDK refreshes whatever expires.

use std::{
    error::Error,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use aws_config::{
    BehaviorVersion, Region, SdkConfig, profile::ProfileFileCredentialsProvider,
    provider_config::ProviderConfig, sts::AssumeRoleProvider,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future},
};
use aws_types::service_config::ServiceConfigKey;
use ctk_url::Secret;
use tracing::warn;

use crate::error::KinesisError;

/// What an address says about identity and place. Everything absent is left to the SDK.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The region, by name or from the ARN.
    pub region: Option<String>,
    /// A URL.
    pub endpoint: Option<String>,
    /// Fixed keys.
    pub keys: Option<Keys>,
    /// A profile of the AWS configuration files.
    pub profile: Option<String>,
    /// A role to assume.
    pub role_arn: Option<String>,
    /// What the owner of the role wants to see.
    pub external_id: Option<String>,
}

/// Fixed credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret,
    /// The token of temporary keys.
    pub session_token: Option<Secret>,
}

impl Identity {
    /// Returns the configuration of the SDK for Kinesis, with a region and credentials that exist.
    ///
    /// An endpoint that the address names is not in it.
    pub(crate) async fn load(&self, stream: &str) -> Result<SdkConfig, KinesisError> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        let config = loader.load().await;
        if config.region().is_none() {
            return Err(KinesisError::NoRegion { stream: stream.to_owned() });
        }
        // Asked here, so that a wrong profile or an empty environment is told apart from an endpoint that is down.
        let none = |source: Box<dyn Error + Send + Sync>| KinesisError::NoCredentials {
            stream: stream.to_owned(),
            source: match self.profile.clone() {
                Some(profile) => NoProfile { profile, source }.into(),
                None => source,
            },
        };
        let provider =
            self.provider(&config).ok_or_else(|| none("no provider is configured".into()))?;
        let mut provider = Asked::new(provider).await.map_err(|error| none(error.into()))?;
        if let Some(role) = &self.role_arn {
            let assumed = assume(&config, provider, role, self.external_id.as_deref()).await;
            provider = Asked::new(assumed).await.map_err(|error| KinesisError::Role {
                stream: stream.to_owned(),
                role: role.clone(),
                source: error.into(),
            })?;
        }
        let own_endpoint = endpoint_of_kinesis(&config);
        let mut builder =
            config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider));
        if let Some(endpoint) = own_endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        Ok(builder.build())
    }

    /// Returns what gives the credentials that the address names, or else what the SDK has found.
    fn provider(&self, config: &SdkConfig) -> Option<SharedCredentialsProvider> {
        if let Some(keys) = &self.keys {
            let token = keys.session_token.as_ref().map(|token| token.expose().to_owned());
            let secret = keys.secret_access_key.expose();
            let id = &keys.access_key_id;
            let keys = Credentials::new(id, secret, token, None, "source address");
            return Some(SharedCredentialsProvider::new(keys));
        }
        let Some(profile) = &self.profile else { return config.credentials_provider() };
        // The SDK's chain takes keys of the environment, even if a profile is named.
        let settings = ProviderConfig::default()
            .with_region(config.region().cloned())
            .with_use_fips(config.use_fips())
            .with_use_dual_stack(config.use_dual_stack());
        let provider =
            ProfileFileCredentialsProvider::builder().configure(&settings).profile_name(profile);
        Some(SharedCredentialsProvider::new(provider.build()))
    }
}

/// The SDK does not say which profile it looked for.
#[derive(Debug, thiserror::Error)]
#[error("the profile {profile} of the AWS configuration files gives none")]
struct NoProfile {
    profile: String,
    source: Box<dyn Error + Send + Sync>,
}

async fn assume(
    config: &SdkConfig,
    own: Asked,
    role: &str,
    external_id: Option<&str>,
) -> SharedCredentialsProvider {
    let mut provider = AssumeRoleProvider::builder(role).session_name("ctk").configure(config);
    if let Some(external_id) = external_id {
        provider = provider.external_id(external_id);
    }
    SharedCredentialsProvider::new(provider.build_from_provider(own).await)
}

/// Returns the endpoint that the AWS configuration has for Kinesis alone, as `AWS_ENDPOINT_URL_KINESIS`. The client finds it
/// by itself, while an error has to name it
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>).
fn endpoint_of_kinesis(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id("Kinesis")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build();
    config.service_config()?.load_config(key.ok()?)
}

/// A provider that was asked already, and gives that answer once more: a second question would cost time, and some ask a
/// person for a code.
///
/// What it refuses later is said here: the call that needed the answer is tried again, as after a broken connection, since
/// a token service that is down and one that has changed its mind cannot be told apart.
#[derive(Debug)]
struct Asked {
    first: Mutex<Option<Credentials>>,
    provider: SharedCredentialsProvider,
    is_refused: AtomicBool,
}

impl Asked {
    async fn new(provider: SharedCredentialsProvider) -> Result<Self, CredentialsError> {
        let first = provider.provide_credentials().await?;
        Ok(Self { first: Mutex::new(Some(first)), provider, is_refused: AtomicBool::new(false) })
    }

    async fn renew(&self) -> Result<Credentials, CredentialsError> {
        let renewed = self.provider.provide_credentials().await;
        let was_refused = self.is_refused.swap(renewed.is_err(), Relaxed);
        if let (Err(error), false) = (&renewed, was_refused) {
            let error: &(dyn Error + 'static) = error;
            warn!(error, "cannot renew the AWS credentials, trying again");
        }
        renewed
    }
}

impl ProvideCredentials for Asked {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        match self.first.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(first) => future::ProvideCredentials::ready(Ok(first)),
            None => future::ProvideCredentials::new(self.renew()),
        }
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.provider.fallback_on_interrupt()
    }
}
