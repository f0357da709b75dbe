//! Whether to write a row again that was not written, and when.

use std::time::Duration;

use tracing::warn;

use super::super::table::Failure;
use crate::CheckpointError;

/// How often a row is read and written anew when it changes in between: writers are few, and each change is one of theirs.
const CONFLICTS: u32 = 10;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The attempts of one call.
#[derive(Debug)]
pub(super) struct Attempts {
    conflicts: u32,
    pause: Duration,
}

impl Default for Attempts {
    fn default() -> Self {
        Self { conflicts: 0, pause: FIRST_PAUSE }
    }
}

impl Attempts {
    /// Returns when it is time to try again: at once after a conflict, and as long as it takes while the cluster takes no
    /// writes. A row that is refused again and again is an error.
    pub(super) async fn again(&mut self, failure: &Failure) -> Result<(), CheckpointError> {
        let Failure { shard, is_temporary, reason } = failure;
        if *is_temporary {
            warn!(%reason, pause = ?self.pause, "CrateDB does not take the checkpoints; trying again");
            tokio::time::sleep(self.pause).await;
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            return Ok(());
        }
        self.conflicts += 1;
        if self.conflicts < CONFLICTS {
            return Ok(());
        }
        Err(CheckpointError::Refused { shard: shard.clone(), reason: reason.clone() })
    }
}

#[cfg(test)]
mod tests {
    use ctk_flow::ShardId;

    use super::*;

    #[tokio::test]
    async fn conflicts_have_an_end() {
        let failure = Failure {
            shard: ShardId::new("s"),
            is_temporary: false,
            reason: "m (code 4092)".into(),
        };
        let mut attempts = Attempts::default();
        for _ in 1..CONFLICTS {
            attempts.again(&failure).await.unwrap();
        }
        let error = attempts.again(&failure).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot change the checkpoint of shard s: m (code 4092)");
    }
}
