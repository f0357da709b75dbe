//! A target of one's own, as small as can be: counts records and bytes by partition key, and prints them at the end.
//!
//!     cargo run --example own-sink -- 'kinesis:?table=orders&region=eu-central-1&start=-1h'
//!
//! Nothing is kept, so each run begins where SOURCE says, and there are no positions to save. What a target must keep to stands
//! at [`Target::commit`]: when it returns, the changes are where they belong, and each unit is accounted for.

#![expect(clippy::print_stdout, reason = "an example is a program, and this is its result")]

use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Result, bail};
use ctk_decode::{DecodeOptions, Decoder, Format};
use ctk_flow::{Changes, Committed, Failure, Ledger, NoClaims, Position, Run, Target, Value};
use ctk_kinesis::{KinesisConfig, KinesisSource};
use ctk_url::SourceUrl;
use tokio_util::sync::CancellationToken;

/// For each partition key: records, and bytes of payload. All shards write into it at the same time.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<String, (u64, usize)>>>);

impl Target for Counts {
    async fn commit(&self, changes: Changes, _upto: Position) -> Result<Committed, Failure> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for row in changes.rows() {
            let key = row.origin().partition_key.clone().unwrap_or_default();
            let (records, bytes) = counts.entry(key).or_default();
            *records += 1;
            for (_, value) in row.cells() {
                *bytes += if let Value::Bytes(bytes) = value { bytes.len() } else { 0 };
            }
        }
        // Payloads that cannot be decompressed are dead letters, which this target does not keep.
        let dead_lettered = changes.dead_letters().len() as u64;
        Ok(Committed { written: changes.len() as u64, present: 0, dead_lettered })
    }

    async fn close(&self) -> Result<(), Failure> {
        for (key, (records, bytes)) in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            println!("{key}: {records} records, {bytes} bytes");
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source] = arguments.as_slice() else { bail!("usage: own-sink SOURCE") };
    tracing_subscriber::fmt().with_writer(io::stderr).with_max_level(tracing::Level::WARN).init();
    let now = chrono::Utc::now().timestamp_millis();
    let config = KinesisConfig::from_url(&SourceUrl::parse(source)?, now)?;
    let source = KinesisSource::open(&config, HashMap::new(), now).await?;

    // One cell with the bytes; aggregates are unpacked, compressed payloads expanded.
    let decoder = Decoder::new(DecodeOptions { format: Format::Raw, ..DecodeOptions::default() });
    let (stop, ledger) = (CancellationToken::new(), Arc::new(Ledger::default()));
    let (target, claims) = (Counts::default(), Arc::new(NoClaims));
    let run = Run::new(decoder, target, claims, config.plan(), &stop, Arc::clone(&ledger));
    run.run(source).await?;
    let totals = ledger.totals();
    println!(
        "{} read = {} counted + {} not decoded",
        totals.read, totals.written, totals.dead_lettered
    );
    Ok(())
}
