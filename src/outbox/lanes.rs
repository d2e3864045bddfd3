//! The way to each target: its circuit breaker and how many tries are under way. A target that kept failing
//! is left alone for a while, then gets one order at a time until it answers as it should.

use super::Settings;
use crate::domain::lock::Breaker;
use crate::lock::LockTarget;
use crate::metrics::Metrics;
use jiff::Timestamp;
use prometheus::IntGauge;
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Debug)]
pub(super) struct Lanes(Vec<Arc<Lane>>);

#[derive(Debug)]
struct Lane {
    name: String,
    target: Arc<dyn LockTarget>,
    gauge: IntGauge,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    /// The breaker opened, and no try has gone well since.
    probation: bool,
    in_flight: u32,
}

impl Lane {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Lanes {
    pub(super) fn new(
        targets: Vec<Arc<dyn LockTarget>>,
        settings: &Settings,
        metrics: &Metrics,
    ) -> Self {
        let lane = |target: Arc<dyn LockTarget>| {
            let name = target.name().to_owned();
            let gauge = metrics.breaker_open.with_label_values(&[&name]);
            gauge.set(0);
            Arc::new(Lane {
                name,
                target,
                gauge,
                state: Mutex::new(State {
                    breaker: Breaker::new(settings.breaker_limit, settings.breaker_pause),
                    probation: false,
                    in_flight: 0,
                }),
            })
        };
        Self(targets.into_iter().map(lane).collect())
    }

    /// The targets that may be asked now.
    pub(super) fn open(&self, now: Timestamp) -> Vec<String> {
        let may = |lane: &&Arc<Lane>| {
            let state = lane.state();
            state.breaker.blocked_until(now).is_none() && !(state.probation && state.in_flight > 0)
        };
        let open = self.0.iter().filter(may);
        open.map(|lane| lane.name.clone()).collect()
    }

    /// The targets that are left alone, and until when.
    pub(super) fn blocked(&self, now: Timestamp) -> Vec<(String, Timestamp)> {
        let until = |lane: &Arc<Lane>| {
            let until = lane.state().breaker.blocked_until(now)?;
            Some((lane.name.clone(), until))
        };
        self.0.iter().filter_map(until).collect()
    }

    /// Takes a place on the way to a target.
    pub(super) fn enter(&self, name: &str) -> Option<Slot> {
        let lane = self.0.iter().find(|lane| lane.name == name)?.clone();
        lane.state().in_flight += 1;
        Some(Slot(lane))
    }
}

/// A place on the way to a target, given back when dropped.
#[derive(Debug)]
pub(super) struct Slot(Arc<Lane>);

impl Slot {
    pub(super) fn target(&self) -> Arc<dyn LockTarget> {
        self.0.target.clone()
    }

    /// Notes that the target answered as it should.
    pub(super) fn succeeded(&self) {
        let mut state = self.0.state();
        state.breaker.succeeded();
        state.probation = false;
        self.0.gauge.set(0);
    }

    /// Notes a failure; true when it closed the way.
    pub(super) fn failed(&self, now: Timestamp) -> bool {
        let mut state = self.0.state();
        let opened = state.breaker.failed(now);
        if opened {
            state.probation = true;
            self.0.gauge.set(1);
        }
        opened
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.in_flight = state.in_flight.saturating_sub(1);
    }
}
