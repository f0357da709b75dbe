//! Who we are to AWS, and where AWS is: region, endpoint and credentials, in the order in which users expect them.
//!
//! Region: the address, then the ARN (`config` has merged these two), then the SDK's chain. Credentials: the address, then
//! the profile, then the SDK's chain; a role is assumed with what these give. The SDK refreshes whatever expires.

use aws_config::{BehaviorVersion, Region, SdkConfig, sts::AssumeRoleProvider};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider},
};
use ctk_url::Secret;

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
    /// Returns the configuration of the SDK, with a region and credentials that exist.
    ///
    /// The endpoint is not in it: it is one of streams, and the service that hands out roles has another.
    pub(crate) async fn load(&self, stream: &str) -> Result<SdkConfig, KinesisError> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(keys) = &self.keys {
            let token = keys.session_token.as_ref().map(|token| token.expose().to_owned());
            let secret = keys.secret_access_key.expose();
            loader = loader.credentials_provider(Credentials::new(
                &keys.access_key_id,
                secret,
                token,
                None,
                "source address",
            ));
        }
        let mut config = loader.load().await;
        if config.region().is_none() {
            return Err(KinesisError::NoRegion { stream: stream.to_owned() });
        }
        if let Some(role) = &self.role_arn {
            config = assume(config, role, self.external_id.as_deref()).await;
        }
        // Asked for once here, so that a wrong profile or an empty environment is told apart from an endpoint that is down.
        let none = |source| match self.role_arn.clone() {
            Some(role) => KinesisError::Role { stream: stream.to_owned(), role, source },
            None => KinesisError::NoCredentials { stream: stream.to_owned(), source },
        };
        let provider = config
            .credentials_provider()
            .ok_or_else(|| none("no provider is configured".into()))?;
        provider.provide_credentials().await.map_err(|error| none(error.into()))?;
        Ok(config)
    }
}

async fn assume(config: SdkConfig, role: &str, external_id: Option<&str>) -> SdkConfig {
    let mut provider = AssumeRoleProvider::builder(role).session_name("ctk").configure(&config);
    if let Some(external_id) = external_id {
        provider = provider.external_id(external_id);
    }
    let provider = match config.credentials_provider() {
        Some(own) => provider.build_from_provider(own).await,
        None => provider.build().await,
    };
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}
