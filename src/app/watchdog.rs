//! Feeds the service manager's watchdog as long as the loops that take and file reports go round. When one hangs
//! the daemon is killed and started anew, which loses nothing that was acknowledged.

use crate::pulse::Pulse;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Calls the loops every so often; calls `feed` each time that all have answered the call before.
pub async fn watch(pulses: Vec<Pulse>, every: Duration, feed: impl Fn()) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let late: Vec<String> = pulses.iter().flat_map(Pulse::call).collect();
        match late.is_empty() {
            true => feed(),
            false => tracing::warn!(?late, "parts of the daemon hang"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    #[tokio::test(start_paused = true)]
    async fn the_dog_is_fed_only_while_all_go_round() {
        let pulse = Pulse::default();
        let mut healthy = pulse.member("healthy");
        let mut hangs = pulse.member("hangs");
        let fed = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&fed);
        let every = Duration::from_secs(10);
        let dog = watch(vec![pulse], every, move || {
            count.fetch_add(1, Relaxed);
        });
        let dog = tokio::spawn(dog);
        let going_round = tokio::spawn(async move {
            loop {
                healthy.called().await;
            }
        });
        hangs.called().await;
        // Its one answer was to the first call, so the second finds it well and the third does not.
        tokio::time::sleep(every * 10).await;
        assert_eq!(fed.load(Relaxed), 2);
        tokio::spawn(async move {
            loop {
                hangs.called().await;
            }
        });
        tokio::time::sleep(every * 10).await;
        assert!(fed.load(Relaxed) >= 10, "{fed:?}");
        dog.abort();
        going_round.abort();
    }
}
