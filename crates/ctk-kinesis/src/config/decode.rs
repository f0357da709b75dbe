//! What the records are: of a plain stream the user says it, of change data the scheme does.

use ctk_url::{Options, SourceScheme};

use super::{
    Aggregation, Compression, ConfigError, DecodeOptions, Envelope, Format, Layout, option, parts,
};

/// Takes everything that concerns the records of a stream.
pub(super) fn options(
    scheme: SourceScheme,
    options: &mut Options,
) -> Result<DecodeOptions, ConfigError> {
    let aggregation = &[("auto", Aggregation::Auto), ("none", Aggregation::None)];
    let decode = payload(scheme, options)?;
    Ok(DecodeOptions {
        aggregation: options
            .take_choice(&option::AGGREGATION, aggregation)?
            .unwrap_or(Aggregation::Auto),
        ..decode
    })
}

/// Takes what concerns a payload, whether it came in a record or as a line of a file.
pub(super) fn payload(
    scheme: SourceScheme,
    options: &mut Options,
) -> Result<DecodeOptions, ConfigError> {
    let compression = &[("auto", Compression::Auto), ("none", Compression::None)];
    let decode = match scheme {
        SourceScheme::Kinesis => rows(options)?,
        SourceScheme::KinesisDms => changes(Format::Dms, options)?,
        SourceScheme::KinesisDynamodb => changes(Format::DynamoDb, options)?,
    };
    Ok(DecodeOptions {
        compression: options
            .take_choice(&option::COMPRESSION, compression)?
            .unwrap_or(Compression::Auto),
        max_record_bytes: parts::bytes(options, &option::MAX_RECORD_BYTES, 64 << 20)?,
        ..decode
    })
}

/// What stands in for all that is not taken yet.
fn of_format(format: Format) -> DecodeOptions {
    DecodeOptions {
        format,
        compression: Compression::None,
        aggregation: Aggregation::None,
        max_record_bytes: 0,
        layout: Layout::Columns,
        envelope: Envelope::None,
        whole_updates: false,
    }
}

fn rows(options: &mut Options) -> Result<DecodeOptions, ConfigError> {
    let layout = &[("columns", Layout::Columns), ("document", Layout::Document)];
    let envelope = &[("full", Envelope::Full), ("id", Envelope::Id), ("none", Envelope::None)];
    Ok(DecodeOptions {
        layout: options.take_choice(&option::LAYOUT, layout)?.unwrap_or(Layout::Columns),
        envelope: options.take_choice(&option::ENVELOPE, envelope)?.unwrap_or(Envelope::Full),
        ..of_format(format(options)?)
    })
}

fn format(options: &mut Options) -> Result<Format, ConfigError> {
    let choices = &[
        ("json", Format::Json),
        ("ndjson", Format::Ndjson),
        ("raw", Format::Raw),
        ("cloudwatch-logs", Format::CloudWatchLogs),
        ("cloudwatch_logs", Format::CloudWatchLogs),
    ];
    let format = options.take_choice(&option::FORMAT, choices)?;
    match (format, options.take_bool(&option::PARSE_JSON)?) {
        (Some(Format::Raw), Some(true)) => {
            Err(ConfigError::contradiction("`format`", "`parse_json`"))
        }
        (Some(format), Some(false)) if format != Format::Raw => {
            Err(ConfigError::contradiction("`format`", "`parse_json`"))
        }
        (Some(format), _) => Ok(format),
        (None, Some(false)) => Ok(Format::Raw),
        (None, _) => Ok(Format::Json),
    }
}

fn changes(format: Format, options: &mut Options) -> Result<DecodeOptions, ConfigError> {
    let of_rows = [&option::FORMAT, &option::PARSE_JSON, &option::LAYOUT, &option::ENVELOPE];
    if let Some(option) = of_rows.into_iter().find(|option| options.contains(option)) {
        return Err(ConfigError::NotForChanges { name: option.name() });
    }
    let updates = &[("changed", false), ("whole", true)];
    Ok(DecodeOptions {
        whole_updates: options.take_choice(&option::UPDATES, updates)?.unwrap_or(false),
        ..of_format(format)
    })
}
