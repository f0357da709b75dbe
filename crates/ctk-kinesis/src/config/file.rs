//! A dump file in place of a stream: which options are left, and what stands for the stream.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use ctk_url::{FILE, OptionError, SourceUrl, StreamRef};

use super::{
    Aggregation, ConfigError, DecodeOptions, KinesisConfig, OPTIONS, Protocol, StartAt, checkpoint,
    decode, on_data_loss, once, option, parts,
};
use crate::{dump, identity::Identity};

/// Takes the configuration of a dump file from its address. Options that only a stream can obey are refused by name.
pub(super) fn config(url: &SourceUrl, path: PathBuf) -> Result<KinesisConfig, ConfigError> {
    let mut options = url.options.clone();
    options.take(&FILE)?;
    if url.access_key.is_some() {
        return Err(ConfigError::OnlyForStreams { name: option::ACCESS_KEY_ID.name() });
    }
    if once(&mut options)? == Some(false) {
        return Err(ConfigError::OnlyForStreams { name: option::FOLLOW.name() });
    }
    let decode = decode::payload(url.scheme, &mut options)?;
    let config = KinesisConfig {
        stream: StreamRef::Name(stem(&path)),
        file: Some(path),
        identity: Identity::default(),
        start: StartAt::Earliest,
        once: true,
        until: None,
        max_records: options.take_integer(&option::MAX_RECORDS, 1..=u64::MAX)?,
        milliseconds_behind_latest: Duration::ZERO,
        chunk_size: 10_000,
        poll_interval: Duration::from_secs(1),
        create: None,
        patience: Duration::from_mins(5),
        describe_timeout: Duration::from_mins(1),
        fan_out: None,
        on_data_loss: on_data_loss(&mut options)?,
        protocol: Protocol::Auto,
        buffer: parts::bytes(&mut options, &option::BUFFER, 256 << 20)?,
        // A line is no aggregate: those are bytes, which a line end may be among.
        decode: DecodeOptions { aggregation: Aggregation::None, ..decode },
        checkpoint: checkpoint(&mut options, &url.path)?,
    };
    options.finish(OPTIONS).map_err(|error| match error {
        OptionError::Unused { name } if name == option::UPDATES.name() => error.into(),
        OptionError::Unused { name } => ConfigError::OnlyForStreams { name },
        error => error.into(),
    })?;
    Ok(config)
}

/// Returns the name of a file without its endings: `orders` of `/dumps/orders.ndjson.gz`.
fn stem(path: &Path) -> String {
    let name = path.file_name().map_or(path, Path::new);
    let plain = match name.extension() {
        Some(ending) if dump::is_compressed(ending) => name.with_extension(""),
        _ => name.to_owned(),
    };
    plain.file_stem().unwrap_or(plain.as_os_str()).to_string_lossy().into_owned()
}
