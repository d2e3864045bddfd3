//! The real store, outbox, expiry and reconciliation on one clock, and what must hold.

use super::target::Fake;
use super::{Call, Fault, Op};
use crate::support::filings::{filing, identity, policy};
use arfd::clock::{Clock, ManualClock};
use arfd::domain::filing::Policy;
use arfd::domain::incident::Step;
use arfd::domain::lock::{Action, Backoff, Subject};
use arfd::domain::threshold::Rule;
use arfd::expiry::Expiry;
use arfd::lock::LockTarget;
use arfd::metrics::Metrics;
use arfd::outbox::{Outbox, Settings, Step as Did};
use arfd::reconcile::{Reconciler, Settings as Reconcile, WhenLost};
use arfd::store::{ByHand, Claim, Drift, IncidentRow, Store, StoreOptions, Wish, open};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

pub const TARGET: &str = "t";
const LEASE: Duration = Duration::from_secs(60);
pub(super) const COOL: u64 = 300;

/// What happened, so that runs in which nothing did are noticed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub locked: usize,
    pub released: usize,
    pub timed_out: usize,
    pub drifted: usize,
    pub ghosts: usize,
}

impl std::ops::Add for Seen {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            locked: self.locked + other.locked,
            released: self.released + other.released,
            timed_out: self.timed_out + other.timed_out,
            drifted: self.drifted + other.drifted,
            ghosts: self.ghosts + other.ghosts,
        }
    }
}

pub struct World {
    pub(super) url: String,
    pub(super) clock: Arc<ManualClock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) target: Arc<Fake>,
    pub(super) policy: Policy,
    pub(super) store: Arc<dyn Store>,
    pub(super) outbox: Outbox,
    pub(super) expiry: Expiry,
    pub(super) reconciler: Reconciler,
    pub(super) complaints: u32,
    /// Calls of dead workers that are still to be made, until then.
    pub(super) ghosts: Vec<(Claim, Timestamp)>,
    /// When a person last did something that may lock, by identity.
    pub(super) by_person: BTreeMap<String, Timestamp>,
    pub(super) seen: Seen,
}

pub(super) fn name(who: usize) -> String {
    format!("user{who}")
}

/// A notice at two, a hold at four, a lock at six, within an hour.
fn ladder() -> Policy {
    let mut policy = policy(6, &[TARGET]);
    let lock = policy.rules[0].clone();
    for (name, action, min_weight) in [("notice", Step::Notify, 2), ("hold", Step::Hold, 4)] {
        policy.rules.push(Rule {
            name: name.into(),
            action,
            min_weight,
            ..lock.clone()
        });
    }
    policy.life.timeout_seconds = Some(900);
    policy.life.max_automatic_unlocks = 2;
    policy.life.cool_down_seconds = COOL;
    policy
}

impl World {
    pub async fn open(url: &str) -> Self {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let clock = Arc::new(ManualClock::new(start));
        let metrics = Arc::new(Metrics::new().unwrap());
        let target = Arc::new(Fake::new(clock.clone()));
        let store = store(url).await;
        let parts = parts(&store, &target, &clock, &metrics);
        let (outbox, expiry, reconciler) = parts;
        Self {
            url: url.to_owned(),
            clock,
            metrics,
            target,
            policy: ladder(),
            store,
            outbox,
            expiry,
            reconciler,
            complaints: 0,
            ghosts: vec![],
            by_person: BTreeMap::new(),
            seen: Seen::default(),
        }
    }

    /// Runs the operations, then to the end of all that waits, and checks.
    pub async fn run(mut self, ops: &[Op]) -> Seen {
        for op in ops {
            self.act(op).await;
        }
        self.finish().await;
        self.check().await;
        self.seen
    }

    async fn act(&mut self, op: &Op) {
        let now = self.clock.now();
        match op {
            Op::Complain(who, n) => {
                let batch: Vec<_> = (0..*n).map(|_| self.complaint(*who)).collect();
                self.store.file(&batch, &self.policy).await.unwrap();
            }
            Op::Pass(seconds) => self.clock.advance(Duration::from_secs(*seconds)),
            Op::Step(fault) => {
                self.target.next(*fault);
                self.step().await;
            }
            Op::Die(call) => {
                let targets = [TARGET.to_owned()];
                let claim = self.store.claim(&targets, now, LEASE).await.unwrap();
                let Some(claim) = claim else { return };
                match call {
                    Call::Now => self.target.effect(&claim.order),
                    // A try ends before its lease.
                    Call::Later => self
                        .ghosts
                        .push((claim, now + SignedDuration::from_secs(54))),
                    Call::Never => {}
                }
            }
            Op::Ghosts => {
                for (claim, until) in std::mem::take(&mut self.ghosts) {
                    if now < until {
                        self.seen.ghosts += 1;
                        self.target.effect(&claim.order);
                    }
                }
            }
            Op::Unlock(who) => {
                if let Some(row) = self.open_incident(*who).await {
                    let _ = self
                        .store
                        .release_incident(row.id, &self.wish(), COOL)
                        .await
                        .unwrap();
                }
            }
            Op::Lock(who) => self.by_hand(*who, Step::Lock).await,
            Op::Hold(who) => self.by_hand(*who, Step::Hold).await,
            Op::Close(who) => {
                if let Some(row) = self.open_incident(*who).await {
                    self.note_person(*who);
                    self.store
                        .close_incident(row.id, "ann", "why", now)
                        .await
                        .unwrap();
                }
            }
            Op::Approve(who) => {
                if let Some(row) = self.open_incident(*who).await {
                    self.note_person(*who);
                    self.store
                        .approve_incident(row.id, "ann", "why", now)
                        .await
                        .unwrap();
                }
            }
            Op::PanelUnlock(who) => self.target.panel(&identity(&name(*who)), None),
            Op::PanelLock(who) => self
                .target
                .panel(&identity(&name(*who)), Some(Action::Lock)),
            Op::Expire => self.expire().await,
            Op::Reconcile => self.reconcile().await,
            Op::Pause(paused) => {
                self.store
                    .pause_locks(*paused, "ann", "why", now)
                    .await
                    .unwrap();
            }
            Op::Restart => {
                self.store.close().await;
                self.store = store(&self.url).await;
                let parts = parts(&self.store, &self.target, &self.clock, &self.metrics);
                (self.outbox, self.expiry, self.reconciler) = parts;
            }
        }
    }

    fn complaint(&mut self, who: usize) -> arfd::domain::filing::Filing {
        self.complaints += 1;
        let mut filing = filing(&name(who), self.complaints, 0);
        filing.received_at = self.clock.now();
        if let Some(complaint) = &mut filing.complaint {
            complaint.received_at = filing.received_at;
        }
        filing
    }

    fn wish(&self) -> Wish<'static> {
        Wish {
            actor: "ann",
            why: "why",
            now: self.clock.now(),
        }
    }

    fn note_person(&mut self, who: usize) {
        let value = identity(&name(who)).value;
        self.by_person.insert(value, self.clock.now());
    }

    async fn by_hand(&mut self, who: usize, step: Step) {
        self.note_person(who);
        let what = ByHand {
            identity: identity(&name(who)),
            subject: Subject::Identity,
            step,
            despite: None,
            timeout_seconds: None,
            targets: vec![TARGET.to_owned()],
        };
        let _ = self.store.order_by_hand(&what, &self.wish()).await.unwrap();
    }

    async fn open_incident(&self, who: usize) -> Option<IncidentRow> {
        let value = identity(&name(who)).value;
        self.store.open_incidents(&value).await.unwrap().pop()
    }

    async fn step(&mut self) -> Did {
        self.outbox.step().await.unwrap()
    }

    async fn expire(&mut self) {
        while self.expiry.step().await.unwrap().is_some() {
            self.seen.timed_out += 1;
        }
    }

    async fn reconcile(&mut self) {
        let target: Arc<dyn LockTarget> = self.target.clone();
        let round = self.reconciler.step(target.as_ref()).await.unwrap();
        if let arfd::reconcile::Round::Compared { diff, did } = round {
            self.seen.drifted += (did.released + did.adopted + did.repaired) as usize;
            if did.reset {
                // A person looks, and knows that somebody unlocked them all.
                for lost in diff.lost {
                    let drift = Drift::Unlocked(COOL);
                    let wish = self.wish();
                    let _ = self
                        .store
                        .settle_drift(lost.incident, TARGET, drift, &wish)
                        .await
                        .unwrap();
                }
            }
        }
    }

    /// Time goes on and all is well, until nothing is left to do.
    async fn finish(&mut self) {
        let now = self.clock.now();
        self.store
            .pause_locks(false, "ann", "why", now)
            .await
            .unwrap();
        // Whatever was still to come from dead workers has come, or never will.
        self.act(&Op::Ghosts).await;
        self.clock.advance(LEASE);
        // Three rounds: what reconciliation orders is carried out before the next, and what waited for that.
        for _ in 0..4 {
            for _ in 0..500 {
                self.target.next(Fault::Fine);
                match self.step().await {
                    Did::Idle { next_due: None } => break,
                    Did::Idle { next_due: Some(at) } => {
                        let wait = at.duration_since(self.clock.now());
                        let wait = Duration::try_from(wait).unwrap_or_default();
                        self.clock.advance(wait.max(Duration::from_secs(1)));
                    }
                    _ => {}
                }
            }
            // Old enough for a listing to count.
            self.clock.advance(Duration::from_secs(30));
            self.reconcile().await;
        }
    }
}

async fn store(url: &str) -> Arc<dyn Store> {
    let options = StoreOptions {
        connections: 3,
        readers: 2,
        timeout: Duration::from_secs(30),
        cached_complaints: 1_000,
    };
    open(url, &options).await.unwrap()
}

fn parts(
    store: &Arc<dyn Store>,
    target: &Arc<Fake>,
    clock: &Arc<ManualClock>,
    metrics: &Arc<Metrics>,
) -> (Outbox, Expiry, Reconciler) {
    let settings = Settings {
        lease: LEASE,
        backoff: Backoff {
            first: Duration::from_secs(2),
            most: Duration::from_secs(30),
        },
        breaker_limit: 1_000,
        ..Settings::default()
    };
    let targets: Vec<Arc<dyn LockTarget>> = vec![target.clone()];
    let woken = Arc::new(Notify::new());
    let outbox = Outbox::new(
        store.clone(),
        targets.clone(),
        clock.clone(),
        metrics.clone(),
        settings,
    )
    .with_jitter(|| 1.0);
    let expiry = Expiry {
        store: store.clone(),
        cool_down: COOL,
        ordered: woken.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
    };
    let settings = Reconcile {
        every: Duration::from_secs(600),
        grace: Duration::from_secs(10),
        when_lost: WhenLost::Release,
        most_unlocked: 10,
        adopt: true,
        max_domains: 10,
        cool_down: COOL,
    };
    let reconciler = Reconciler::new(
        store.clone(),
        targets,
        woken,
        clock.clone(),
        metrics.clone(),
        settings,
    );
    (outbox, expiry, reconciler)
}
