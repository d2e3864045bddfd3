//! The real parts on one clock, and the operations on them.

use super::mail::{Mail, judge};
use super::model::{Model, rules};
use super::plan::{Op, Plan};
use arfd::cli::demo::stand_in::{Fault, StandIn};
use arfd::clock::ManualClock;
use arfd::domain::filing::Policy;
use arfd::domain::ids::{IncidentId, OrderId, ReportId};
use arfd::domain::lock::{Backoff, OrderState};
use arfd::domain::routing::Routing;
use arfd::intake::prepare::Judge;
use arfd::lock::LockTarget;
use arfd::lock::spamexperts::{Settings as Target, SpamExperts};
use arfd::metrics::Metrics;
use arfd::outbox::{Outbox, Settings};
use arfd::store::{Claim, Store, StoreOptions, open};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

pub const TARGET: &str = "filter";
pub const LEASE: Duration = Duration::from_secs(60);
pub const BREAKER_LIMIT: u32 = 3;

/// What happened, so that a run in which nothing did is noticed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub orders: usize,
    pub observed: usize,
    pub duplicates: usize,
    pub repeats: usize,
    pub failed: usize,
    pub dead: usize,
    pub woken: usize,
    pub cut: usize,
}

impl std::ops::Add for Seen {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            orders: self.orders + other.orders,
            observed: self.observed + other.observed,
            duplicates: self.duplicates + other.duplicates,
            repeats: self.repeats + other.repeats,
            failed: self.failed + other.failed,
            dead: self.dead + other.dead,
            woken: self.woken + other.woken,
            cut: self.cut + other.cut,
        }
    }
}

/// An order as it should be.
pub struct Order {
    pub who: usize,
    pub ordered_at: Timestamp,
    pub not_before: Timestamp,
    pub lease: Option<(Timestamp, Option<Uuid>)>,
    pub attempts: u32,
    pub state: OrderState,
}

pub struct World {
    url: String,
    pub judge: Judge,
    pub policy: Policy,
    pub clock: Arc<ManualClock>,
    metrics: Arc<Metrics>,
    pub target: Arc<dyn LockTarget>,
    pub outboxes: Vec<Outbox>,
    /// Failures in a row at each node's outbox.
    pub failures: [u32; 2],
    pub dead: Vec<Claim>,
    pub stores: Vec<Arc<dyn Store>>,
    pub stand_in: StandIn,
    pub model: Model,
    pub orders: BTreeMap<OrderId, Order>,
    /// Every incident, and whom it is about.
    pub incidents: BTreeMap<IncidentId, usize>,
    /// Every report ever sent, its standing and its bytes.
    pub filed: BTreeMap<ReportId, (&'static str, Vec<u8>)>,
    pub sent: Vec<Mail>,
    pub seen: Seen,
    pub observe: bool,
}

impl World {
    pub async fn open(url: &str, plan: &Plan) -> Self {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let clock = Arc::new(ManualClock::new(start));
        let metrics = Arc::new(Metrics::new().unwrap());
        let stand_in = StandIn::start("desk", "secret").await.unwrap();
        stand_in.set_style(plan.style);
        let target = Target::new(TARGET, &stand_in.url(), "desk", "secret".into()).unwrap();
        let target = SpamExperts::new(target, metrics.clone(), clock.clone()).unwrap();
        let mut world = Self {
            url: url.to_owned(),
            judge: judge(),
            policy: Policy {
                caps: Default::default(),
                rules: rules(),
                restraints: Default::default(),
                life: Default::default(),
                // Longer than any history: what expires is the store's own tests' subject.
                reopen_after_seconds: 1 << 40,
                targets: match plan.observe {
                    true => Routing::default(),
                    false => Routing::to_all([TARGET]),
                },
            },
            clock,
            metrics,
            target: Arc::new(target),
            outboxes: vec![],
            failures: [0; 2],
            dead: vec![],
            stores: vec![],
            stand_in,
            model: Model::new(plan.observe),
            orders: BTreeMap::new(),
            incidents: BTreeMap::new(),
            filed: BTreeMap::new(),
            sent: vec![],
            seen: Seen::default(),
            observe: plan.observe,
        };
        for node in 0..2 {
            let store = world.store(node).await;
            world.outboxes.push(world.outbox(&store));
            world.stores.push(store);
        }
        world
    }

    async fn store(&self, node: usize) -> Arc<dyn Store> {
        let options = StoreOptions {
            connections: 3,
            readers: 2,
            timeout: Duration::from_secs(30),
            // The second node forgets most windows.
            cached_complaints: [10_000, 12][node],
        };
        open(&self.url, &options).await.unwrap()
    }

    fn outbox(&self, store: &Arc<dyn Store>) -> Outbox {
        let settings = Settings {
            lease: LEASE,
            backoff: Backoff {
                first: Duration::from_secs(2),
                most: Duration::from_secs(60),
            },
            breaker_limit: BREAKER_LIMIT,
            ..Settings::default()
        };
        let targets = vec![self.target.clone()];
        let (clock, metrics) = (self.clock.clone(), self.metrics.clone());
        Outbox::new(store.clone(), targets, clock, metrics, settings).with_jitter(|| 1.0)
    }

    /// Runs the operations, checking after each, and then to the end of all orders.
    pub async fn run(mut self, ops: &[Op]) -> Seen {
        for (n, op) in ops.iter().enumerate() {
            self.act(op).await;
            self.check(n % 2).await;
        }
        self.finish().await;
        self.seen
    }

    async fn act(&mut self, op: &Op) {
        match op {
            Op::File(node, items) => self.file(*node, items).await,
            Op::Pass(seconds) => self.clock.advance(Duration::from_secs(*seconds)),
            Op::Step(node, faults) => {
                self.plan_faults(faults);
                self.step(*node).await;
            }
            Op::StepBoth(faults) => {
                self.plan_faults(faults);
                self.step_both().await;
            }
            Op::Die { workers, call } => self.die(*workers, *call).await,
            Op::Wake(n) => self.wake(*n).await,
            Op::Reopen(node) => {
                let store = self.store(*node).await;
                self.outboxes[*node] = self.outbox(&store);
                self.failures[*node] = 0;
                let old = std::mem::replace(&mut self.stores[*node], store);
                old.close().await;
            }
        }
    }

    fn plan_faults(&self, faults: &[Fault]) {
        // While observing nobody calls.
        if !self.observe {
            faults
                .iter()
                .for_each(|f| self.stand_in.push_fault(f.clone()));
        }
    }
}
