//! The use case that carries lock orders to their targets: claim one under a lease, ask the target, write
//! down what came of it. A crash, a hang or a lost lease at any point leaves the order to be claimed again.

mod lanes;
mod run;

use crate::clock::Clock;
use crate::domain::lock::{Backoff, LockOrder, Outcome};
use crate::lock::LockTarget;
use crate::metrics::Metrics;
use crate::store::{Claim, Settlement, Store, StoreError};
use jiff::{SignedDuration, Timestamp};
use lanes::{Lanes, Slot};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// How the outbox works.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How long a claimed order is out of other workers' reach; a try ends before that.
    pub lease: Duration,
    /// The wait between tries.
    pub backoff: Backoff,
    /// Failures in a row after which a target is left alone.
    pub breaker_limit: u32,
    /// For how long.
    pub breaker_pause: Duration,
    /// Tries after which an order is given to a person; none: it is tried for ever.
    pub max_attempts: Option<u32>,
    /// The age after which an order is not sent any more: what is left over from days ago, or from before a
    /// time of observing, must not lock by surprise.
    pub max_age: Duration,
    /// Tries under way at once at each target.
    pub concurrency: usize,
    /// Targets that have limits of their own, by name.
    pub lanes: BTreeMap<String, LaneSettings>,
    /// How often to look for orders that another node wrote.
    pub poll: Duration,
}

/// What is set for one target alone; the rest is as for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneSettings {
    /// Tries under way at once.
    pub concurrency: Option<usize>,
    /// Orders begun in any minute.
    pub max_per_minute: Option<u32>,
    /// Failures in a row after which it is left alone.
    pub breaker_limit: Option<u32>,
    /// For how long.
    pub breaker_pause: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            backoff: Backoff {
                first: Duration::from_secs(2),
                most: Duration::from_secs(600),
            },
            breaker_limit: 5,
            breaker_pause: Duration::from_secs(30),
            max_attempts: None,
            max_age: Duration::from_hours(72),
            concurrency: 4,
            lanes: BTreeMap::new(),
            poll: Duration::from_secs(5),
        }
    }
}

/// What one step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to do before that instant, or at all.
    Idle {
        /// When the next order can be claimed, as far as is known.
        next_due: Option<Timestamp>,
    },
    /// One try was made and written down.
    Settled {
        /// The order, with its attempts.
        order: LockOrder,
        /// What was written.
        settlement: Settlement,
    },
    /// A try was made, but the lease was lost meanwhile: another worker has the order.
    LostClaim {
        /// The order.
        order: LockOrder,
    },
}

/// The worker.
#[derive(Debug)]
pub struct Outbox {
    store: Arc<dyn Store>,
    lanes: Lanes,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    settings: Settings,
    /// One claim at a time, so that a target on probation gets one order and not one from each worker.
    claiming: tokio::sync::Mutex<()>,
    jitter: fn() -> f64,
}

/// An order in hand.
struct Job {
    claim: Claim,
    slot: Slot,
}

enum Next {
    Job(Box<Job>),
    Idle(Option<Timestamp>),
}

impl Outbox {
    /// A worker for these targets; orders for any other are left alone.
    pub fn new(
        store: Arc<dyn Store>,
        targets: Vec<Arc<dyn LockTarget>>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        settings: Settings,
    ) -> Self {
        Self {
            lanes: Lanes::new(targets, &settings, &metrics),
            store,
            clock,
            metrics,
            settings,
            claiming: tokio::sync::Mutex::new(()),
            jitter: fastrand::f64,
        }
    }

    /// Takes the back-off's jitter (0..1) from elsewhere, so that tests know it.
    #[must_use]
    pub fn with_jitter(mut self, jitter: fn() -> f64) -> Self {
        self.jitter = jitter;
        self
    }

    /// Does one order, if one is due.
    ///
    /// # Errors
    /// When the store fails. A claimed order comes back when its lease runs out.
    pub async fn step(&self) -> Result<Step, StoreError> {
        match self.next().await? {
            Next::Idle(next_due) => Ok(Step::Idle { next_due }),
            Next::Job(job) => self.carry_out(*job).await,
        }
    }

    async fn next(&self) -> Result<Next, StoreError> {
        let _one = self.claiming.lock().await;
        let now = self.clock.now();
        let open = self.lanes.open(now);
        if !open.is_empty() {
            let claim = self.store.claim(&open, now, self.settings.lease).await?;
            if let Some(claim) = claim {
                if let Some(slot) = self.lanes.enter(&claim.order.target, now) {
                    return Ok(Next::Job(Box::new(Job { claim, slot })));
                }
                return Err(StoreError::Row(format!(
                    "order {} is for another target than was asked for",
                    claim.order.id
                )));
            }
        }
        let mut due = match open.is_empty() {
            true => None,
            false => self.store.next_due(&open).await?,
        };
        for (name, until) in self.lanes.blocked(now) {
            if let Some(at) = self.store.next_due(&[name]).await? {
                let at = at.max(until);
                due = Some(due.map_or(at, |due: Timestamp| due.min(at)));
            }
        }
        Ok(Next::Idle(due))
    }

    fn too_old(&self, order: &LockOrder) -> Option<String> {
        let age = self.clock.now().duration_since(order.ordered_at);
        let most = SignedDuration::try_from(self.settings.max_age).unwrap_or(SignedDuration::MAX);
        (age > most).then(|| format!("ordered at {}, too long ago to be sent", order.ordered_at))
    }

    async fn carry_out(&self, job: Job) -> Result<Step, StoreError> {
        let Job { claim, slot } = job;
        let order = &claim.order;
        let outcome = match self.too_old(order) {
            Some(why) => Outcome::Refused { why },
            None if !slot.target().can(order.action, order.subject) => Outcome::Refused {
                why: format!(
                    "the target cannot {} an order's {}",
                    order.action.as_str(),
                    order.subject.as_str()
                ),
            },
            None => self.ask(&slot, order).await,
        };
        let now = self.clock.now();
        match &outcome {
            Outcome::Later { why } | Outcome::Busy { why, .. } => {
                if slot.failed(now) {
                    tracing::warn!(lock_target = %order.target, why, "left alone for a while: it kept failing");
                }
            }
            Outcome::Done { .. } => slot.succeeded(),
            // It may be refused without asking, so it says nothing about the target's health.
            Outcome::Refused { .. } => {}
        }
        let settlement = self.judge(order, outcome, now);
        if !self.store.settle(&claim, &settlement, now).await? {
            self.tried(order, "lost");
            tracing::warn!(order = %order.id, incident = %order.incident, "the lease was lost during the try");
            return Ok(Step::LostClaim { order: claim.order });
        }
        self.note(order, &settlement, now);
        Ok(Step::Settled {
            order: claim.order,
            settlement,
        })
    }

    /// Asks the target, in a task of its own so that a panic stays there, and not beyond the lease.
    async fn ask(&self, slot: &Slot, order: &LockOrder) -> Outcome {
        let (target, asked) = (slot.target(), order.clone());
        let task =
            AbortOnDropHandle::new(tokio::spawn(async move { target.carry_out(&asked).await }));
        // The last part of the lease is for writing down the outcome.
        let limit = self.settings.lease.mul_f64(0.9);
        let why = match tokio::time::timeout(limit, task).await {
            Ok(Ok(outcome)) => return outcome,
            Ok(Err(failed)) if failed.is_panic() => "the target's code panicked",
            Ok(Err(_)) => "the try was cancelled",
            Err(_) => "the try did not end within its lease",
        };
        Outcome::Later { why: why.into() }
    }

    fn judge(&self, order: &LockOrder, outcome: Outcome, now: Timestamp) -> Settlement {
        let (why, after) = match outcome {
            Outcome::Done { answer } => return Settlement::Done { answer },
            Outcome::Refused { why } => return Settlement::Refused { why },
            Outcome::Later { why } => (why, Duration::ZERO),
            Outcome::Busy { why, after } => (why, after),
        };
        match self.settings.max_attempts {
            Some(most) if order.attempts >= most => Settlement::Refused {
                why: format!("given up after {} tries; the last: {why}", order.attempts),
            },
            _ => {
                let backoff = &self.settings.backoff;
                let at = backoff.next(order.attempts, (self.jitter)(), now);
                let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
                let asked = now.checked_add(after).unwrap_or(Timestamp::MAX);
                Settlement::Later {
                    why,
                    at: at.max(asked),
                }
            }
        }
    }

    fn tried(&self, order: &LockOrder, outcome: &str) {
        let labels = [order.target.as_str(), outcome];
        self.metrics.order_tries.with_label_values(&labels).inc();
    }

    fn note(&self, order: &LockOrder, settlement: &Settlement, now: Timestamp) {
        let (id, incident, target) = (order.id, order.incident, order.target.as_str());
        let (identity, attempts) = (&order.identity, order.attempts);
        match settlement {
            Settlement::Done { answer } => {
                self.tried(order, "done");
                let waited = now.duration_since(order.ordered_at).as_secs_f64().max(0.0);
                let seconds = &self.metrics.order_seconds;
                seconds.with_label_values(&[target]).observe(waited);
                tracing::info!(order = %id, %incident, lock_target = target, %identity, attempts, answer, action = order.action.as_str(), "carried out");
            }
            Settlement::Later { why, at } => {
                self.tried(order, "later");
                tracing::info!(order = %id, %incident, lock_target = target, %identity, attempts, why, next = %at, "not locked yet");
            }
            Settlement::Refused { why } => {
                self.tried(order, "refused");
                tracing::warn!(order = %id, %incident, lock_target = target, %identity, attempts, why, "refused: a person must look");
            }
        }
    }
}
