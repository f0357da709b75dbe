//! `ctk load`: from two addresses to a run, and what is said of it.

use std::{process::ExitCode, sync::Arc, time::Duration};

use ctk_decode::{DecodeOptions, Decoder};
use ctk_flow::{Decode, Ledger, Run, Totals};
use ctk_kinesis::{
    Dump, DumpSource, KinesisConfig, KinesisSource, Saved, StartAt, config::Checkpointer,
};
use ctk_sink::envelope::Envelope;
use ctk_url::{SourceUrl, TargetUrl};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::LoadArgs,
    exit::CommandError,
    prepared::Prepared,
    recipe, signals,
    source::AnySource,
    ui::{Ui, count, progress::Progress, thousands},
};

/// Loads.
pub(super) async fn run(arguments: LoadArgs, ui: &Ui) -> Result<ExitCode, CommandError> {
    let now = chrono::Utc::now().timestamp_millis();
    let mut config = KinesisConfig::from_url(&SourceUrl::parse(&arguments.source)?, now)?;
    if arguments.follow && config.file.is_some() {
        return Err(CommandError::usage(
            "--follow is for streams, and this address names a dump file",
        )
        .hint("leave it out; what is appended to the file is read by the next run".to_owned()));
    }
    if arguments.once || arguments.follow {
        config.once = arguments.once;
    }
    let is_change_data = config.decode.format.is_change_data();
    let recipe = recipe::read(arguments.transformation.as_deref(), is_change_data)?;
    let dump = Dump::find(&config).await?;
    let mut target = Prepared::new(&target_url(&arguments)?, &config, &arguments, &recipe).await?;

    // From here on a signal ends the run in the usual way.
    let stop = CancellationToken::new();
    let received = signals::listen(ui, &stop)?;
    let fan_out = config.fan_out.clone();
    if arguments.dry_run {
        // Neither a stream nor a consumer is made.
        (config.create, config.fan_out) = (None, None);
    }
    let opened = AnySource::open(&config, dump, target.saved.clone(), now);
    let interrupted = || Ok(ExitCode::from(received.exit_code().unwrap_or_default()));
    let mut source = tokio::select! {
        opened = opened => opened?,
        () = stop.cancelled() => return interrupted(),
    };
    let recipe = recipe.with_target_schema(target.schema_of_changes());
    let decoder = Decoder::with_recipe(decode_options(&config), recipe);
    let ledger = Arc::new(Ledger::default());
    if let Some(problem) = target.check_stream(source.stream(), config.on_data_loss)? {
        ui.warning(&format!("{problem}; going on with this one, from its beginning"));
        ledger.gap();
        config.start = StartAt::Earliest;
        source = source.going_on_from(target.saved.clone(), &config.start)?;
    }
    // After the look at the stream, which may give positions up.
    check_parts(target.saved.values(), &decoder)?;
    if arguments.dry_run {
        return dry_run(&source, &config, fan_out, &target, ui);
    }
    if config.checkpoint.checkpointer == Checkpointer::None {
        note_that_nothing_is_remembered(&config, ui);
    }
    let has_no_key = config.decode.envelope == ctk_kinesis::config::Envelope::None;
    if has_no_key && !is_change_data {
        ui.note(
            "envelope=none: rows have no key, so a record that is read again becomes another row",
        );
    }

    let letters = target.where_letters_are();
    let envelope = match config.decode.envelope {
        ctk_kinesis::config::Envelope::Full => Envelope::Full,
        ctk_kinesis::config::Envelope::Id => Envelope::Id,
        ctk_kinesis::config::Envelope::None => Envelope::None,
    };
    let is_document = config.decode.layout == ctk_kinesis::config::Layout::Document;
    let known = target.saved.clone();
    let (target, saved) = tokio::select! {
        opened = target.open(source.stream(), envelope, is_document) => opened?,
        () = stop.cancelled() => return interrupted(),
    };
    if saved != known {
        check_parts(saved.values(), &decoder)?;
        source = source.going_on_from(saved, &config.start)?;
    }
    let progress = Progress::start(ui, &ledger, arguments.progress);
    let start = Instant::now();
    let ended = Run::new(
        decoder,
        target.clone(),
        Arc::new(target),
        config.plan(),
        &stop,
        Arc::clone(&ledger),
    )
    .run(source)
    .await;
    progress.finish().await;
    let totals = ledger.totals();
    ui.note(&summary(&totals, start.elapsed()));
    if totals.dead_lettered > 0 {
        ui.warning(&format!(
            "{}; look into: {letters}",
            count(totals.dead_lettered, "dead letter")
        ));
    }
    if totals.gaps > 0 {
        ui.warning(&format!(
            "records may be lost in {} (on_data_loss=continue)",
            count(totals.gaps, "place")
        ));
    }
    ended?;
    if !totals.balance() {
        return Err(CommandError::failed(
            "the account of the run does not balance: records may be missing",
        ));
    }
    Ok(ExitCode::from(received.exit_code().unwrap_or_default()))
}

fn target_url(arguments: &LoadArgs) -> Result<TargetUrl, CommandError> {
    // An empty variable of the environment is none.
    let cluster_url = arguments.cluster_url.as_ref().filter(|address| !address.is_empty());
    match (&arguments.target, cluster_url) {
        (Some(target), Some(other)) if target != other => Err(CommandError::usage(
            "two targets are given, as TARGET and as --cluster-url (or CRATEDB_CLUSTER_URL)",
        )
        .hint("give one of them".to_owned())),
        (Some(target), _) | (None, Some(target)) => Ok(TargetUrl::parse(target)?),
        (None, None) => Err(CommandError::usage("the target is missing")
            .hint("ctk load SOURCE sqlite:my.db, or set CRATEDB_CLUSTER_URL".to_owned())),
    }
}

fn decode_options(config: &KinesisConfig) -> DecodeOptions {
    use ctk_kinesis::config::{Aggregation, Compression, Format, Layout};
    DecodeOptions {
        format: match config.decode.format {
            Format::Json => ctk_decode::Format::Json,
            Format::Ndjson => ctk_decode::Format::Ndjson,
            Format::Raw => ctk_decode::Format::Raw,
            Format::CloudWatchLogs => ctk_decode::Format::CloudWatchLogs,
            Format::Dms => ctk_decode::Format::Dms,
            Format::DynamoDb => ctk_decode::Format::DynamoDb,
        },
        compression: match config.decode.compression {
            // What comes of a file is expanded.
            _ if config.file.is_some() => ctk_decode::Compression::None,
            Compression::Auto => ctk_decode::Compression::Auto,
            Compression::None => ctk_decode::Compression::None,
        },
        aggregation: match config.decode.aggregation {
            Aggregation::Auto => ctk_decode::Aggregation::Auto,
            Aggregation::None => ctk_decode::Aggregation::None,
        },
        max_record_bytes: usize::try_from(config.decode.max_record_bytes).unwrap_or(usize::MAX),
        layout: match config.decode.layout {
            Layout::Columns => ctk_decode::Layout::Columns,
            Layout::Document => ctk_decode::Layout::Document,
        },
        whole_updates: config.decode.whole_updates,
    }
}

fn note_that_nothing_is_remembered(config: &KinesisConfig, ui: &Ui) {
    ui.note(&format!(
        "no checkpointer: the next run starts with {} again, and rows that are there already stay as they are; \
         add checkpointer=target to the source address to go on from where this one ends",
        if config.file.is_some() { "the first line".to_owned() } else { start(&config.start) }
    ));
}

/// Refuses to go on within a record that is now taken apart otherwise: the units that are done would be other ones.
fn check_parts<'a>(
    mut saved: impl Iterator<Item = &'a Saved>,
    decoder: &Decoder,
) -> Result<(), CommandError> {
    let is_other =
        |saved: &&Saved| saved.part.as_ref().is_some_and(|part| part.form != decoder.form());
    match saved.find(is_other) {
        Some(Saved { part: Some(part), .. }) => Err(CommandError::failed(format!(
            "the last run ended within record {}, which it took apart with another format, compression or aggregation",
            part.sequence
        ))
        .hint("run once more with the options of that time, or begin anew with checkpointer_name=ANOTHER".to_owned())),
        _ => Ok(()),
    }
}

/// Says what a run would do.
fn dry_run(
    source: &AnySource,
    config: &KinesisConfig,
    fan_out: Option<String>,
    target: &Prepared,
    ui: &Ui,
) -> Result<ExitCode, CommandError> {
    let (reading, known) = match source {
        AnySource::Stream(source) => of_stream(source, config, fan_out, target),
        AnySource::File(source) => of_file(source),
    };
    let text = format!(
        "{reading}target:      {}\ncheckpoints: {}\nnothing was read, nothing was written\n",
        target.describe(),
        if target.remembers() {
            format!("namespace {}, {known} known", config.checkpoint.name)
        } else {
            "none".to_owned()
        },
    );
    ui.result(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What would be read of a stream, and how much of it is known.
fn of_stream(
    source: &KinesisSource,
    config: &KinesisConfig,
    fan_out: Option<String>,
    target: &Prepared,
) -> (String, String) {
    let fan_out = fan_out.map(|name| {
        format!(
            "reading:     sent to the consumer {name}, which would be registered if it is missing\n"
        )
    });
    let (stream, shards) = (source.stream(), source.shards());
    let closed = shards.iter().filter(|shard| shard.closed).count() as u64;
    let known = shards.iter().filter(|shard| target.saved.contains_key(&shard.id)).count() as u64;
    let text = format!(
        "stream:      {} ({}, {} of them closed)\n{}start:       {}\nends:        {}\n",
        stream.arn,
        count(shards.len() as u64, "shard"),
        thousands(closed),
        fan_out.unwrap_or_default(),
        start(&config.start),
        if config.once { "when all that is there now is read" } else { "when it is interrupted" },
    );
    (text, count(known, "shard"))
}

/// What would be read of a file, and how much of it is known.
fn of_file(source: &DumpSource) -> (String, String) {
    let (dump, done) = (source.dump(), source.lines_done());
    let text = format!(
        "file:        {} ({}, {})\nstart:       {}\nends:        with the file\n",
        dump.path.display(),
        dump.compression,
        indicatif::HumanBytes(dump.size),
        if done == 0 {
            "the first line".to_owned()
        } else {
            format!("behind line {}", thousands(done))
        },
    );
    (text, count(done, "line"))
}

/// Where shards begin that no checkpoint knows, in words.
fn start(start: &StartAt) -> String {
    match start {
        StartAt::Earliest => "the oldest record".to_owned(),
        StartAt::Latest => "the records that come from now on".to_owned(),
        StartAt::Time(at) => format!("the records of {} and later", ctk_checkpoint::time::iso(*at)),
        StartAt::At { shard, sequence } => {
            format!("record {sequence} of shard {shard}, else the oldest record")
        }
        StartAt::After { shard, sequence } => {
            format!("behind record {sequence} of shard {shard}, else the oldest record")
        }
    }
}

/// The account of the run, in one line.
fn summary(totals: &Totals, elapsed: Duration) -> String {
    let rate = totals.read * 1000 / u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    let present = match totals.present {
        0 => String::new(),
        present => format!(" ({} there before)", thousands(present)),
    };
    format!(
        "{} read = {} written{present} + {} dead-lettered + {} filtered; {} in {:.1} s, {}/s",
        count(totals.read, "record"),
        thousands(totals.written),
        thousands(totals.dead_lettered),
        thousands(totals.filtered),
        indicatif::HumanBytes(totals.bytes),
        elapsed.as_secs_f64(),
        thousands(rate),
    )
}
