//! SIGINT and SIGTERM: the first asks the run to end, the second ends it.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::Relaxed},
};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::ui::Ui;

/// What came.
#[derive(Clone, Debug, Default)]
pub struct Received(Arc<AtomicU8>);

impl Received {
    /// Returns the exit code of the first signal, if there was one: 128 and its number, as shells have it.
    pub fn exit_code(&self) -> Option<u8> {
        Some(self.0.load(Relaxed)).filter(|code| *code > 0)
    }
}

/// Listens from now on; the first signal cancels `stop`.
pub fn listen(ui: &Ui, stop: &CancellationToken) -> std::io::Result<Received> {
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let received = Received::default();
    let (ui, stop, first) = (ui.clone(), stop.clone(), received.clone());
    // Ends with the process; there is nothing to wait for.
    tokio::spawn(async move {
        first.0.store(next(&mut interrupt, &mut terminate).await, Relaxed);
        ui.note("stopping: what was read is written first; once more ends at once");
        stop.cancel();
        let code = next(&mut interrupt, &mut terminate).await;
        #[expect(clippy::exit, reason = "the user asked twice")]
        std::process::exit(code.into());
    });
    Ok(received)
}

async fn next(interrupt: &mut Signal, terminate: &mut Signal) -> u8 {
    tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
    }
}
