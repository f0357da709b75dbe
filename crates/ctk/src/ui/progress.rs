//! The progress display: records, bytes, rate, and how far each shard is behind. On stderr, redrawn in place.

use std::{sync::Arc, time::Duration};

use ctk_flow::{Ledger, ShardState};
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::{task::JoinHandle, time::Instant};

use super::{Ui, count, thousands};
use crate::cli::When;

/// Lines for shards; more would push the rest from the screen.
const SHARDS: usize = 8;

/// A display that runs until it is finished.
#[derive(Debug)]
pub struct Progress {
    task: Option<JoinHandle<()>>,
    bars: MultiProgress,
}

impl Progress {
    /// Starts to show what the ledger says, if it is to be shown.
    pub fn start(ui: &Ui, ledger: &Arc<Ledger>, when: When) -> Self {
        let bars = ui.progress.clone();
        let on_terminal = !ProgressDrawTarget::stderr().is_hidden();
        let shown = match when {
            When::Always => true,
            When::Auto => on_terminal && !ui.quiet,
            When::Never => false,
        };
        let ledger = Arc::clone(ledger);
        let task = match (shown, on_terminal) {
            (false, _) => None,
            (true, true) => Some(tokio::spawn(redraw(bars.clone(), ledger))),
            (true, false) => Some(tokio::spawn(lines(ui.clone(), ledger))),
        };
        Self { task, bars }
    }

    /// Takes the display away.
    pub async fn finish(self) {
        if let Some(task) = self.task {
            task.abort();
            // Aborted is how it ends.
            drop(task.await);
        }
        drop(self.bars.clear());
    }
}

/// On a terminal: a line for the run, one for each shard, several times a second.
async fn redraw(bars: MultiProgress, ledger: Arc<Ledger>) {
    let style =
        ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let bar = bars.add(ProgressBar::new_spinner().with_style(style));
    let start = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        bar.set_message(
            std::iter::once(total(&ledger, start))
                .chain(shards(&ledger))
                .collect::<Vec<_>>()
                .join("\n"),
        );
        bar.tick();
    }
}

/// Elsewhere, when asked for: a line every few seconds.
async fn lines(ui: Ui, ledger: Arc<Ledger>) {
    let start = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        ui.line(&total(&ledger, start));
    }
}

fn total(ledger: &Ledger, start: Instant) -> String {
    let totals = ledger.totals();
    let done = totals.written + totals.dead_lettered + totals.filtered;
    let rate = done * 1000 / u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
    let letters = match totals.dead_lettered {
        0 => String::new(),
        letters => format!(", {}", count(letters, "dead letter")),
    };
    format!(
        "{}, {}, {}/s{letters}",
        count(done, "record"),
        HumanBytes(totals.bytes),
        thousands(rate)
    )
}

fn shards(ledger: &Ledger) -> Vec<String> {
    let shards = ledger.shards();
    let mut lines: Vec<_> = shards.iter().take(SHARDS).map(shard).collect();
    if shards.len() > SHARDS {
        lines.push(format!("  and {}", count((shards.len() - SHARDS) as u64, "more shard")));
    }
    lines
}

fn shard(state: &ShardState) -> String {
    let lag = match state.behind {
        None => String::new(),
        Some(Duration::ZERO) => ", at the tip".to_owned(),
        Some(behind) => format!(", {} behind", ctk_checkpoint::age::span(behind)),
    };
    format!("  {}  {}{lag}", state.shard, count(state.records, "record"))
}
