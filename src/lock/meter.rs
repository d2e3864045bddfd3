//! What is counted of the calls to one target: how many, how they ended and how long they took.

use crate::clock::Clock;
use crate::metrics::Metrics;
use std::sync::Arc;

pub(super) struct Meter {
    name: String,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

impl Meter {
    /// `good` are the labels of calls and their good outcomes, which then show from the start.
    pub(super) fn new(
        name: &str,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        good: &[(&str, &str)],
    ) -> Self {
        for (call, outcome) in good {
            metrics.lock_calls.with_label_values(&[name, call, outcome]);
        }
        Self {
            name: name.to_owned(),
            metrics,
            clock,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    pub(super) fn count(&self, call: &str, outcome: &str) {
        let labels = [self.name.as_str(), call, outcome];
        self.metrics.lock_calls.with_label_values(&labels).inc();
    }

    pub(super) async fn timed<T>(&self, call: &str, calling: impl Future<Output = T>) -> T {
        let start = self.clock.elapsed();
        let got = calling.await;
        let took = self.clock.elapsed().saturating_sub(start).as_secs_f64();
        self.metrics
            .lock_call_seconds
            .with_label_values(&[self.name.as_str(), call])
            .observe(took);
        got
    }
}
