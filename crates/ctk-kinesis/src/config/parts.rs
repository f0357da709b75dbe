//! The parts of an address that are more than one option: the stream, the identity, the start.

use std::time::Duration;

use ctk_flow::{Millis, Sequence, ShardId};
use ctk_url::{OptionError, OptionSpec, Options, SourceUrl, StreamRef, time::parse_instant};

use super::{ConfigError, StartAt, option};
use crate::identity::{Identity, Keys};

/// Takes the stream from the path or from `table`.
pub(super) fn stream(url: &SourceUrl, options: &mut Options) -> Result<StreamRef, ConfigError> {
    let table = options.take(&option::TABLE)?;
    match (url.stream_path(), table.as_deref()) {
        (Some(path), Some(table)) if path != table => {
            Err(ConfigError::contradiction("the path of the address", "`table`"))
        }
        (Some(stream), _) | (None, Some(stream)) => Ok(StreamRef::parse(stream)?),
        (None, None) => Err(ConfigError::NoStream),
    }
}

/// Takes region, endpoint and credentials.
pub(super) fn identity(
    url: &SourceUrl,
    stream: &StreamRef,
    options: &mut Options,
) -> Result<Identity, ConfigError> {
    let identity = Identity {
        region: region(stream, options)?,
        endpoint: endpoint(url, options)?,
        keys: keys(url, options)?,
        profile: options.take(&option::PROFILE)?,
        role_arn: options.take(&option::ROLE_ARN)?,
        external_id: options.take(&option::EXTERNAL_ID)?,
    };
    if identity.keys.is_some() && identity.profile.is_some() {
        return Err(ConfigError::contradiction("`aws_access_key_id`", "`profile`"));
    }
    if identity.external_id.is_some() && identity.role_arn.is_none() {
        return Err(OptionError::Unused { name: option::EXTERNAL_ID.name() }.into());
    }
    Ok(identity)
}

fn region(stream: &StreamRef, options: &mut Options) -> Result<Option<String>, ConfigError> {
    let given = options.take(&option::REGION)?;
    if let Some(region) = &given
        && !region
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        return Err(OptionError::invalid(&option::REGION, "a region such as `eu-central-1`").into());
    }
    match (given, stream.region()) {
        (Some(given), Some(of_arn)) if given != of_arn => {
            Err(ConfigError::contradiction("`region_name`", "the region of the ARN"))
        }
        (given, of_arn) => Ok(given.or_else(|| of_arn.map(str::to_owned))),
    }
}

fn endpoint(url: &SourceUrl, options: &mut Options) -> Result<Option<String>, ConfigError> {
    let given = options.take(&option::ENDPOINT_URL)?;
    let ssl = options.take_bool(&option::SSL)?;
    match (&url.host, given) {
        (Some(_), Some(_)) => {
            Err(ConfigError::contradiction("the host of the address", "`endpoint_url`"))
        }
        (Some(host), None) => {
            let scheme = if ssl.unwrap_or(!host.is_private()) { "https" } else { "http" };
            let port = url.port.map(|port| format!(":{port}")).unwrap_or_default();
            Ok(Some(format!("{scheme}://{host}{port}")))
        }
        (None, Some(endpoint)) => {
            let invalid = || {
                let expected = "a URL such as `http://localhost:4566`, without user and password";
                ConfigError::from(OptionError::invalid(&option::ENDPOINT_URL, expected))
            };
            let (scheme, rest) = endpoint.split_once("://").ok_or_else(invalid)?;
            let secure = match scheme {
                "http" => false,
                "https" => true,
                _ => return Err(invalid()),
            };
            // The endpoint is shown in errors, so nothing secret may be in it.
            if rest.is_empty()
                || rest.contains(['@', '?', '#'])
                || rest.contains(char::is_whitespace)
            {
                return Err(invalid());
            }
            if ssl.is_some_and(|ssl| ssl != secure) {
                return Err(ConfigError::contradiction("`endpoint_url`", "`ssl`"));
            }
            Ok(Some(endpoint.trim_end_matches('/').to_owned()))
        }
        (None, None) if ssl.is_some() => {
            Err(OptionError::Unused { name: option::SSL.name() }.into())
        }
        (None, None) => Ok(None),
    }
}

fn keys(url: &SourceUrl, options: &mut Options) -> Result<Option<Keys>, ConfigError> {
    let access_key_id = options.take(&option::ACCESS_KEY_ID)?;
    let secret_access_key = options.take_secret(&option::SECRET_ACCESS_KEY)?;
    let session_token = options.take_secret(&option::SESSION_TOKEN)?;
    if url.access_key.is_some() && (access_key_id.is_some() || secret_access_key.is_some()) {
        return Err(ConfigError::contradiction("the keys before the host", "`aws_access_key_id`"));
    }
    let half = |given: &OptionSpec, missing: &OptionSpec| {
        Err(ConfigError::HalfCredentials { given: given.name(), missing: missing.name() })
    };
    match (access_key_id.or(url.access_key.clone()), secret_access_key.or(url.secret_key.clone())) {
        (Some(access_key_id), Some(secret_access_key)) => {
            Ok(Some(Keys { access_key_id, secret_access_key, session_token }))
        }
        (Some(_), None) => half(&option::ACCESS_KEY_ID, &option::SECRET_ACCESS_KEY),
        (None, Some(_)) => half(&option::SECRET_ACCESS_KEY, &option::ACCESS_KEY_ID),
        (None, None) if session_token.is_some() => {
            half(&option::SESSION_TOKEN, &option::ACCESS_KEY_ID)
        }
        (None, None) => Ok(None),
    }
}

/// Takes where to begin, from `start` or `start_date`.
pub(super) fn start(options: &mut Options, now: Millis) -> Result<StartAt, ConfigError> {
    if options.contains(&option::START) && options.contains(&option::START_DATE) {
        return Err(ConfigError::contradiction("`start`", "`start_date`"));
    }
    if let Some(millis) = time(options, &option::START_DATE, now)? {
        // dlt and ingestr read the beginning of time as "now".
        return if millis == 0 {
            Ok(StartAt::Latest)
        } else {
            begin(&option::START_DATE, millis, now)
        };
    }
    match options.take(&option::START)? {
        None => Ok(StartAt::Earliest),
        Some(text) => named(text.trim(), now),
    }
}

fn named(text: &str, now: Millis) -> Result<StartAt, ConfigError> {
    match text.to_ascii_lowercase().as_str() {
        "earliest" | "trim_horizon" => return Ok(StartAt::Earliest),
        "latest" => return Ok(StartAt::Latest),
        _ => {}
    }
    if let Some(position) = text.strip_prefix("at:") {
        let (shard, sequence) = position_of(position)?;
        return Ok(StartAt::At { shard, sequence });
    }
    if let Some(position) = text.strip_prefix("after:") {
        let (shard, sequence) = position_of(position)?;
        return Ok(StartAt::After { shard, sequence });
    }
    let millis = parse_instant(text, now)
        .map_err(|source| ConfigError::Time { name: option::START.name(), source })?;
    begin(&option::START, millis, now)
}

fn begin(spec: &OptionSpec, millis: Millis, now: Millis) -> Result<StartAt, ConfigError> {
    if millis > now {
        return Err(OptionError::invalid(spec, "a point in time that has passed").into());
    }
    // Kinesis did not exist before 1970.
    Ok(if millis <= 0 { StartAt::Earliest } else { StartAt::Time(millis) })
}

fn position_of(text: &str) -> Result<(ShardId, Sequence), ConfigError> {
    let position = text.split_once(':').filter(|(shard, sequence)| {
        !shard.is_empty()
            && !sequence.is_empty()
            && sequence.bytes().all(|byte| byte.is_ascii_digit())
    });
    let invalid =
        || OptionError::invalid(&option::START, "`at:SHARD:SEQUENCE` or `after:SHARD:SEQUENCE`");
    let (shard, sequence) = position.ok_or_else(invalid)?;
    Ok((ShardId::new(shard), Sequence::new(sequence)))
}

/// Takes a point in time.
pub(super) fn time(
    options: &mut Options,
    spec: &OptionSpec,
    now: Millis,
) -> Result<Option<Millis>, ConfigError> {
    let text = options.take(spec)?;
    let parse = |text: String| {
        parse_instant(&text, now).map_err(|source| ConfigError::Time { name: spec.name(), source })
    };
    text.map(parse).transpose()
}

/// Takes a number of seconds above zero.
pub(super) fn positive_seconds(
    options: &mut Options,
    spec: &OptionSpec,
) -> Result<Option<Duration>, ConfigError> {
    match options.take_seconds(spec)? {
        Some(seconds) if seconds < Duration::from_millis(10) => {
            Err(OptionError::invalid(spec, "a number of seconds of at least 0.01").into())
        }
        seconds => Ok(seconds),
    }
}

/// Takes a size of at least 1 KiB.
pub(super) fn bytes(
    options: &mut Options,
    spec: &OptionSpec,
    default: u64,
) -> Result<u64, ConfigError> {
    match options.take_bytes(spec)? {
        Some(bytes) if bytes < 1024 => {
            Err(OptionError::invalid(spec, "a size of at least 1KiB").into())
        }
        bytes => Ok(bytes.unwrap_or(default)),
    }
}

/// Takes whether to create the stream, and with how many shards.
pub(super) fn create(options: &mut Options) -> Result<Option<i32>, ConfigError> {
    let create = options.take_bool(&option::CREATE)?;
    let shards = options.take_integer(&option::CREATE_SHARDS, 1..=10_000)?;
    match (create, shards) {
        (Some(true), shards) => Ok(Some(shards.unwrap_or(1))),
        // `create=false&create_shards=4` is a switch that somebody turned off.
        (Some(false), _) | (None, None) => Ok(None),
        (None, Some(_)) => Err(OptionError::Unused { name: option::CREATE_SHARDS.name() }.into()),
    }
}

/// Takes the name of a consumer for enhanced fan-out
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_RegisterStreamConsumer.html>).
pub(super) fn consumer(options: &mut Options) -> Result<Option<String>, ConfigError> {
    let name = options.take(&option::FAN_OUT)?;
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    match name {
        Some(name) if name.is_empty() || name.len() > 128 || !name.bytes().all(is_sign) => {
            let expected = "a name of up to 128 letters, digits, `_`, `.` and `-`";
            Err(OptionError::invalid(&option::FAN_OUT, expected).into())
        }
        name => Ok(name),
    }
}
