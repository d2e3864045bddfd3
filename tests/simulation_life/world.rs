//! The real store, outbox, expiry and reconciliation on one clock, and what must hold.

use super::target::Fake;
use super::{Call, Fault, Op, PEOPLE};
use crate::support::filings::{filing, identity, policy};
use arfd::clock::{Clock, ManualClock};
use arfd::domain::audit::Follower;
use arfd::domain::filing::Policy;
use arfd::domain::incident::{IncidentState, Step};
use arfd::domain::lock::{Action, Backoff, OrderState, Subject};
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
const COOL: u64 = 300;

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
    url: String,
    clock: Arc<ManualClock>,
    metrics: Arc<Metrics>,
    target: Arc<Fake>,
    policy: Policy,
    store: Arc<dyn Store>,
    outbox: Outbox,
    expiry: Expiry,
    reconciler: Reconciler,
    complaints: u32,
    /// Calls of dead workers that are still to be made, until then.
    ghosts: Vec<(Claim, Timestamp)>,
    /// When a person last did something that may lock, by identity.
    by_person: BTreeMap<String, Timestamp>,
    seen: Seen,
}

fn name(who: usize) -> String {
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

    async fn check(&mut self) {
        self.check_effects().await;
        self.check_flapping().await;
        self.check_audit().await;
        self.store.close().await;
    }

    /// What is in effect at the target is what the store says.
    async fn check_effects(&mut self) {
        let rows = self.store.incidents(100_000).await.unwrap();
        let orders = self.store.orders(100_000).await.unwrap();
        let pending = orders
            .iter()
            .filter(|o| o.state == OrderState::Pending)
            .count();
        assert_eq!(pending, 0, "orders are left");
        let held = self.target.held();
        for who in 0..PEOPLE {
            let value = identity(&name(who)).value;
            let mine: Vec<&IncidentRow> = rows.iter().filter(|row| row.identity == value).collect();
            let open: Vec<&&IncidentRow> = mine
                .iter()
                .filter(|row| !IncidentState::named(&row.state).unwrap().is_over())
                .collect();
            assert!(open.len() <= 1, "two open incidents of {value}");
            self.seen.locked += mine.iter().filter(|row| row.state == "locked").count();
            self.seen.released += mine.iter().filter(|row| row.state == "released").count();
            let there = held.get(&value);
            match open.first().map(|row| row.state.as_str()) {
                Some("locked") => assert_eq!(there, Some(&Action::Lock), "{value} is not locked"),
                Some("holding") => assert!(there.is_some(), "{value} is not held"),
                Some("open") | Some("held") => {}
                None => {
                    // Closed by hand it stays as it is there; released it is free, or adopted if not.
                    let newest = mine.first().map(|row| row.state.as_str());
                    if newest == Some("released") {
                        assert_eq!(there, None, "{value} is released, and locked there");
                    }
                }
                Some(other) => panic!("{value} ends {other}"),
            }
        }
    }

    /// After a release nobody is locked again within the cool-down, but by a person.
    async fn check_flapping(&self) {
        let mut freed: BTreeMap<String, Timestamp> = BTreeMap::new();
        let cool = SignedDuration::from_secs(COOL as i64);
        for change in self.target.log() {
            if change.by_panel {
                // A person; what follows of it is not counted from there.
                freed.remove(&change.identity);
                continue;
            }
            match change.now {
                None => {
                    freed.insert(change.identity.clone(), change.at);
                }
                Some(action) => {
                    let Some(at) = freed.remove(&change.identity) else {
                        continue;
                    };
                    let person = self.by_person.get(&change.identity);
                    assert!(
                        change.at >= at + cool || person.is_some_and(|person| *person >= at - cool),
                        "{} was released at {at} and {} again at {}",
                        change.identity,
                        action.as_str(),
                        change.at
                    );
                }
            }
        }
    }

    async fn check_audit(&self) {
        let end = self.store.audit_head().await.unwrap();
        let mut follower = Follower::default();
        while follower.number < end.number {
            let links = self
                .store
                .audit_after(follower.number, end.number, 500)
                .await
                .unwrap();
            assert!(!links.is_empty(), "the chain is short");
            for link in &links {
                follower.follow(link).unwrap();
            }
        }
        follower.end(end.number, &end.digest).unwrap();
        assert_eq!(self.store.audit_outside().await.unwrap(), 0);
        // Every incident's states are told there, the last one being the one that it has.
        for row in self.store.incidents(100_000).await.unwrap() {
            let links = self.store.audit_of(row.id, 10_000).await.unwrap();
            let told = links
                .iter()
                .rev()
                .find(|link| link.entry.action.starts_with("incident."));
            let told = told
                .map(|link| link.entry.action.as_str())
                .unwrap_or_default();
            let fits: &[&str] = match row.state.as_str() {
                "open" => &[
                    "incident.opened",
                    "incident.noted",
                    "incident.escalated",
                    "incident.ordered",
                    "incident.approved",
                    "incident.repaired",
                ],
                "locked" => &["incident.locked", "incident.adopted"],
                "holding" => &["incident.holding"],
                "held" => &["incident.held"],
                "released" => &["incident.released"],
                "closed" => &["incident.closed"],
                "observed" => &["incident.observed"],
                "expired" => &["incident.expired"],
                other => panic!("{other}"),
            };
            assert!(
                fits.contains(&told),
                "{} is {}, the audit says {told}",
                row.id,
                row.state
            );
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
