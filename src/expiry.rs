//! The use case that ends holds and locks whose time is up: it writes the release orders, which the outbox carries
//! out like all others. Any number of nodes may do so at once.

use crate::clock::Clock;
use crate::domain::lock::Backoff;
use crate::metrics::Metrics;
use crate::store::{Ended, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often to look for what another node, or a command, locked meanwhile.
const POLL: Duration = Duration::from_secs(30);
/// The shortest sleep.
const SHORTEST: Duration = Duration::from_millis(200);
/// The wait after trouble with the store.
const STORE: Backoff = Backoff {
    first: Duration::from_secs(1),
    most: Duration::from_secs(60),
};

/// The worker.
#[derive(Debug)]
pub struct Expiry {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Seconds after a release in which nobody is locked at once.
    pub cool_down: u64,
    /// Wakes the outbox.
    pub ordered: Arc<Notify>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The figures.
    pub metrics: Arc<Metrics>,
}

impl Expiry {
    /// Ends one hold or lock whose time is up, if there is one.
    ///
    /// # Errors
    /// When the store fails; nothing is written then.
    pub async fn step(&self) -> Result<Option<Ended>, StoreError> {
        let now = self.clock.now();
        let ended = self.store.release_timed_out(self.cool_down, now).await?;
        if let Some(ended) = &ended {
            self.metrics.timeouts.inc();
            tracing::info!(incident = %ended.incident, state = ended.state.as_str(), "its time was up: the release is ordered");
            self.ordered.notify_one();
        }
        Ok(ended)
    }

    /// Works until told to stop.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut troubles = 0;
        while !shutdown.is_cancelled() {
            let sleep = match self.round(&shutdown).await {
                Ok(sleep) => {
                    troubles = 0;
                    sleep
                }
                Err(error) => {
                    troubles += 1;
                    tracing::warn!(%error, "what is to end could not be read; trying again");
                    STORE.wait(troubles, 1.0)
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    /// Ends all that is due, and says how long there is nothing to do.
    async fn round(&self, shutdown: &CancellationToken) -> Result<Duration, StoreError> {
        while self.step().await?.is_some() {
            if shutdown.is_cancelled() {
                return Ok(Duration::ZERO);
            }
        }
        let Some(next) = self.store.next_ending().await? else {
            return Ok(POLL);
        };
        let left = next.duration_since(self.clock.now());
        let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
        Ok(left.clamp(SHORTEST, POLL))
    }
}
