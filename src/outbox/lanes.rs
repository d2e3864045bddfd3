//! The way to each target: its circuit breaker, how many tries are under way and how many began in a minute. A
//! target that kept failing is left alone for a while, then gets one order at a time until it answers as it should.
//! No target takes another's places.

use super::Settings;
use crate::domain::lock::Breaker;
use crate::domain::pace::Pace;
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
    /// Tries under way, for all to see.
    under_way: IntGauge,
    /// Tries under way at most.
    places: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    breaker: Breaker,
    /// The breaker opened, and no try has gone well since.
    probation: bool,
    in_flight: usize,
    pace: Pace,
}

impl State {
    /// Until when nothing may begin, by the breaker or by the pace.
    fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        let breaker = self.breaker.blocked_until(now);
        breaker.max(self.pace.blocked_until(now))
    }
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
            let under_way = metrics.orders_under_way.with_label_values(&[&name]);
            under_way.set(0);
            let own = settings.lanes.get(&name).copied().unwrap_or_default();
            let limit = own.breaker_limit.unwrap_or(settings.breaker_limit);
            let pause = own.breaker_pause.unwrap_or(settings.breaker_pause);
            Arc::new(Lane {
                name,
                target,
                gauge,
                under_way,
                places: own.concurrency.unwrap_or(settings.concurrency).max(1),
                state: Mutex::new(State {
                    breaker: Breaker::new(limit, pause),
                    probation: false,
                    in_flight: 0,
                    pace: Pace::new(own.max_per_minute),
                }),
            })
        };
        Self(targets.into_iter().map(lane).collect())
    }

    /// The targets that may be asked now.
    pub(super) fn open(&self, now: Timestamp) -> Vec<String> {
        let may = |lane: &&Arc<Lane>| {
            let state = lane.state();
            let places = match state.probation {
                true => 1,
                false => lane.places,
            };
            state.blocked_until(now).is_none() && state.in_flight < places
        };
        let open = self.0.iter().filter(may);
        open.map(|lane| lane.name.clone()).collect()
    }

    /// The targets that are left alone, and until when.
    pub(super) fn blocked(&self, now: Timestamp) -> Vec<(String, Timestamp)> {
        let until = |lane: &Arc<Lane>| {
            let until = lane.state().blocked_until(now)?;
            Some((lane.name.clone(), until))
        };
        self.0.iter().filter_map(until).collect()
    }

    /// How many tries can be under way in all.
    pub(super) fn places(&self) -> usize {
        self.0.iter().map(|lane| lane.places).sum()
    }

    /// Takes a place on the way to a target.
    pub(super) fn enter(&self, name: &str, now: Timestamp) -> Option<Slot> {
        let lane = self.0.iter().find(|lane| lane.name == name)?.clone();
        let mut state = lane.state();
        state.in_flight += 1;
        state.pace.begin(now);
        drop(state);
        lane.under_way.inc();
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
        self.0.under_way.dec();
    }
}
