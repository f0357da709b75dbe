//! Sends the records of a stream to an HTTP API, in batches: each of them at least once, and the next run goes on where this
//! one ended.
//!
//!     cargo run --example stream-to-api -- SOURCE API FOLDER
//!
//! A batch is a JSON array of `{"id", "shard", "sequence", "record"}`, posted to API; who receives a record again knows it by
//! its `id`. FOLDER keeps `positions.json`, how far each shard is, and `rejected.jsonl`, the records that the API refuses or
//! that are no JSON. One run at a time may use it. Of the options in SOURCE, those about the form of records and about
//! checkpoints have no effect here: this program says itself what they are.
//!
//! Two things are to be written for a target without transactions: a sink, which sends ([`api`]), and a store, which remembers
//! ([`positions`]). [`WriteThenSave`] makes one target of both, and saves a position only behind the records before it.

#![expect(clippy::print_stdout, reason = "an example is a program, and this is its result")]

mod api;
mod positions;

use std::{collections::HashMap, io, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use ctk_checkpoint::CheckpointStore;
use ctk_decode::{DecodeOptions, Decoder, Layout};
use ctk_flow::{Ledger, Run};
use ctk_kinesis::{KinesisConfig, KinesisSource};
use ctk_sink::{dead_letters::LetterFile, write_then_save::WriteThenSave};
use ctk_url::SourceUrl;
use tokio_util::sync::CancellationToken;

use self::{api::Api, positions::PositionsFile};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, api, folder] = arguments.as_slice() else {
        bail!("usage: stream-to-api SOURCE API FOLDER")
    };
    tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(tracing::Level::WARN).init();
    let (folder, now) = (Path::new(folder), chrono::Utc::now().timestamp_millis());
    let config = KinesisConfig::from_url(&SourceUrl::parse(source)?, now)?;

    // The source goes on from what the store kept.
    let store = PositionsFile::open(folder.join("positions.json"))?;
    let positions = store.load().await?;
    let saved: HashMap<_, _> =
        positions.iter().map(|row| (row.shard_id.clone(), row.position().into())).collect();
    let source = KinesisSource::open(&config, saved, now).await?;
    let stream = source.stream();
    store.belongs_to(&format!("{} of {}", stream.arn, stream.created_at))?;

    let rejected = LetterFile::open(&folder.join("rejected.jsonl"))?;
    let api = Api::new(api.parse().context("the address of the API")?, &stream.name, rejected)?;
    // Zero saves positions with each batch. Once a second is cheaper, and sends a second's records again after a crash.
    let target = WriteThenSave::start(api, store, Duration::ZERO);
    // The record as it is written, rather than a column for each of its members.
    let decoder =
        Decoder::new(DecodeOptions { layout: Layout::Document, ..DecodeOptions::default() });
    let (stop, ledger) = (CancellationToken::new(), Arc::new(Ledger::default()));
    let interrupted = stop.clone();
    // Ends with the process; there is nothing to wait for.
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });

    let claims = Arc::new(target.clone());
    let run = Run::new(decoder, target, claims, config.plan(), &stop, Arc::clone(&ledger));
    let ended = run.run(source).await;
    let totals = ledger.totals();
    println!("{} read = {} sent + {} rejected", totals.read, totals.written, totals.dead_lettered);
    ended?;
    ensure!(totals.balance(), "the account does not balance: records may be missing");
    Ok(())
}
