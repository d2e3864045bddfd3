//! The outbox's loop: several orders at once, asleep until the next is due or someone writes one, patient
//! with a store that fails, and in order when told to stop.

use super::{Next, Outbox};
use crate::domain::lock::Backoff;
use crate::store::StoreError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The shortest sleep, for orders that are due but in someone else's hands this very moment.
const SHORTEST: Duration = Duration::from_millis(20);
/// The wait after trouble with the store.
const STORE: Backoff = Backoff {
    first: Duration::from_millis(200),
    most: Duration::from_secs(10),
};

impl Outbox {
    /// Works until told to stop: `wake` says that orders were written. After `shutdown` no order is claimed,
    /// and the tries under way are finished, which takes no longer than a lease.
    pub async fn run(self: Arc<Self>, wake: Arc<Notify>, shutdown: CancellationToken) {
        let mut tries = JoinSet::new();
        let mut troubles = 0;
        while !shutdown.is_cancelled() {
            let full = tries.len() >= self.lanes.places().max(1);
            let sleep = match full {
                true => None,
                false => match self.next().await {
                    Ok(Next::Job(job)) => {
                        troubles = 0;
                        let outbox = self.clone();
                        tries.spawn(async move { outbox.carry_out(*job).await.map(drop) });
                        continue;
                    }
                    Ok(Next::Idle(due)) => {
                        troubles = 0;
                        Some(self.until(due))
                    }
                    Err(error) => {
                        troubles += 1;
                        tracing::warn!(%error, "no orders from the store; trying again");
                        Some(STORE.wait(troubles, (self.jitter)()))
                    }
                },
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = wake.notified(), if troubles == 0 && !full => {}
                () = tokio::time::sleep(sleep.unwrap_or(Duration::MAX)), if sleep.is_some() => {}
                Some(ended) = tries.join_next(), if !tries.is_empty() => tell(ended),
            }
        }
        while let Some(ended) = tries.join_next().await {
            tell(ended);
        }
    }

    fn until(&self, due: Option<jiff::Timestamp>) -> Duration {
        let poll = self.settings.poll.max(SHORTEST);
        let Some(due) = due else { return poll };
        let left = due.duration_since(self.clock.now());
        Duration::try_from(left)
            .unwrap_or(Duration::ZERO)
            .clamp(SHORTEST, poll)
    }
}

fn tell(ended: Result<Result<(), StoreError>, tokio::task::JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "a try could not be written down; its order comes back after the lease");
        }
        Err(error) => {
            tracing::error!(%error, "a try ended badly; its order comes back after the lease")
        }
    }
}
