//! The real parts on one clock, and the operations on them.

use super::mail::{Mail, Source, identity, judge};
use super::model::{Model, Verdict, rules};
use super::plan::{Item, Node, Op, Plan};
use arfd::cli::demo::stand_in::{Fault, StandIn};
use arfd::clock::{Clock, ManualClock};
use arfd::domain::filing::{Filed, Filing, Policy};
use arfd::domain::ids::{IncidentId, OrderId, ReportId};
use arfd::domain::lock::{Backoff, LockOrder, OrderState};
use arfd::intake::prepare::Judge;
use arfd::lock::LockTarget;
use arfd::lock::spamexperts::{Settings as Target, SpamExperts};
use arfd::metrics::Metrics;
use arfd::outbox::{Outbox, Settings, Step};
use arfd::store::{Claim, Settlement, Store, StoreOptions, open};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::task::JoinSet;
use uuid::Uuid;

pub const TARGET: &str = "filter";
const LEASE: Duration = Duration::from_secs(60);
const BREAKER_LIMIT: u32 = 3;

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

impl Order {
    /// When it can be claimed.
    fn due(&self) -> Timestamp {
        let lease = self.lease.map_or(Timestamp::MIN, |(until, _)| until);
        self.not_before.max(lease)
    }
}

pub struct World {
    url: String,
    judge: Judge,
    policy: Policy,
    clock: Arc<ManualClock>,
    metrics: Arc<Metrics>,
    target: Arc<dyn LockTarget>,
    outboxes: Vec<Outbox>,
    /// Failures in a row at each node's outbox.
    failures: [u32; 2],
    dead: Vec<Claim>,
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
                rules: rules(),
                targets: match plan.observe {
                    true => vec![],
                    false => vec![TARGET.to_owned()],
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
                let first = self.due().first().copied();
                let step = self.outboxes[*node].step().await.unwrap();
                if let Step::Settled { order, .. } = &step {
                    assert_eq!(Some(order.id), first, "not the one that waited longest");
                } else if self.failures[*node] < BREAKER_LIMIT {
                    assert_eq!(first, None, "an order was due and not claimed");
                    let pending = |o: &&Order| o.state == OrderState::Pending;
                    let next_due = self.orders.values().filter(pending).map(Order::due).min();
                    assert_eq!(step, Step::Idle { next_due });
                }
                self.stepped(*node, step);
            }
            Op::StepBoth(faults) => {
                self.plan_faults(faults);
                let before = self.due();
                let steps = tokio::join!(self.outboxes[0].step(), self.outboxes[1].step());
                let steps = [steps.0.unwrap(), steps.1.unwrap()];
                let tried: Vec<OrderId> = steps
                    .iter()
                    .filter_map(|step| match step {
                        Step::Settled { order, .. } => Some(order.id),
                        _ => None,
                    })
                    .collect();
                assert!(tried.iter().all(|id| before.contains(id)), "not due");
                assert!(tried.len() < 2 || tried[0] != tried[1], "claimed twice");
                for (node, step) in steps.into_iter().enumerate() {
                    self.stepped(node, step);
                }
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

    async fn file(&mut self, node: Node, items: &[Item]) {
        let now = self.clock.now();
        let mut mails = vec![];
        for item in items {
            let (mail, at) = match item {
                Item::New(mail, late) => (*mail, now - SignedDuration::from_secs(*late)),
                Item::Again(_) if self.sent.is_empty() => continue,
                Item::Again(n) => (self.sent[n % self.sent.len()], now),
            };
            self.sent.push(mail);
            mails.push((mail, at));
        }
        let prepare = |(mail, at): &(Mail, Timestamp)| {
            let bytes = mail.bytes();
            self.judge
                .prepare(mail.source.arrival(), &bytes, *at)
                .filing
        };
        let batch: Arc<Vec<Filing>> = Arc::new(mails.iter().map(prepare).collect());
        let verdicts: Vec<Verdict> = mails
            .iter()
            .map(|(mail, at)| self.model.file(mail, at.as_second()))
            .collect();
        match node {
            Node::One(n) => {
                let filed = self.stores[n].file(&batch, &self.policy).await.unwrap();
                self.compare(&filed, &verdicts);
            }
            Node::Both => {
                let mut tasks = JoinSet::new();
                for store in self.stores.clone() {
                    let (batch, policy) = (batch.clone(), self.policy.clone());
                    tasks.spawn(async move { store.file(&batch, &policy).await });
                }
                let results = tasks.join_all().await;
                let results: Vec<_> = results.into_iter().map(Result::unwrap).collect();
                let late = |filed: &Vec<Filed>| filed.iter().all(|f| f.repeated);
                let (late, first): (Vec<_>, Vec<_>) = results.iter().partition(|f| late(f));
                if verdicts.iter().all(|v| v.repeated) {
                    assert_eq!(late.len(), 2);
                } else {
                    assert_eq!(
                        first.len(),
                        1,
                        "one node files a batch, the other repeats it"
                    );
                    self.compare(first[0], &verdicts);
                }
                self.compare_repeats(late[0], &verdicts);
            }
            Node::Cut(polls) => {
                let filing = self.stores[0].file(&batch, &self.policy);
                let whole = cut(filing, polls).await;
                self.seen.cut += usize::from(whole.is_none());
                match whole {
                    Some(filed) => self.compare(&filed.unwrap(), &verdicts),
                    None => {
                        let mut again = vec![];
                        for (n, one) in batch.iter().enumerate() {
                            let store = &self.stores[(n + 1) % 2];
                            let one = store.file(std::slice::from_ref(one), &self.policy).await;
                            again.extend(one.unwrap());
                        }
                        // All of the batch was committed, or nothing.
                        match again.iter().all(|f| f.repeated) {
                            true => self.compare_repeats(&again, &verdicts),
                            false => self.compare(&again, &verdicts),
                        }
                    }
                }
            }
        }
        for ((mail, at), (filing, verdict)) in mails.iter().zip(batch.iter().zip(verdicts)) {
            self.note(mail, *at, filing, &verdict);
        }
    }

    fn compare(&self, filed: &[Filed], verdicts: &[Verdict]) {
        assert_eq!(filed.len(), verdicts.len());
        for (filed, verdict) in filed.iter().zip(verdicts) {
            let opened = filed.opened.as_ref().map(|o| o.rule.as_str());
            let got = (filed.standing, filed.repeated, opened);
            let want = (verdict.standing, verdict.repeated, verdict.opened);
            assert_eq!(got, want, "(standing, repeated, opened)");
            let ordered = filed.opened.as_ref().map(|o| o.ordered);
            assert_eq!(ordered, verdict.opened.map(|_| !self.observe));
        }
    }

    fn compare_repeats(&self, filed: &[Filed], verdicts: &[Verdict]) {
        assert_eq!(filed.len(), verdicts.len());
        for (filed, verdict) in filed.iter().zip(verdicts) {
            let got = (filed.standing, filed.repeated, &filed.opened);
            assert_eq!(got, (verdict.standing, true, &None));
        }
    }

    /// Writes down what there is now that a report is filed.
    fn note(&mut self, mail: &Mail, at: Timestamp, filing: &Filing, verdict: &Verdict) {
        let standing = verdict.standing.as_str();
        let known = self.filed.insert(filing.id, (standing, mail.bytes()));
        assert_eq!(known.is_some(), verdict.repeated, "two reports of one name");
        self.seen.repeats += usize::from(verdict.repeated);
        self.seen.duplicates += usize::from(standing == "duplicate");
        if mail.source == Source::Half || mail.source == Source::Stranger {
            assert!(!["counted", "duplicate"].contains(&standing));
        }
        let (Some(rule), Some(who)) = (verdict.opened, mail.who) else {
            return;
        };
        let (whom, report) = (identity(who).id(), filing.id);
        let incident = IncidentId::of(&[whom.0.as_bytes(), rule.as_bytes(), report.0.as_bytes()]);
        self.incidents.insert(incident, who);
        let (target, state) = match self.observe {
            true => ("none", OrderState::Observed),
            false => (TARGET, OrderState::Pending),
        };
        self.seen.observed += usize::from(self.observe);
        self.seen.orders += usize::from(!self.observe);
        let order = Order {
            who,
            ordered_at: at,
            not_before: at,
            lease: None,
            attempts: 0,
            state,
        };
        self.orders
            .insert(LockOrder::id_of(incident, target), order);
    }

    /// The orders that can be claimed now, in the order in which they should be.
    fn due(&self) -> Vec<OrderId> {
        let now = self.clock.now();
        let may = |o: &Order| o.state == OrderState::Pending && o.due() <= now;
        let mut due: Vec<_> = self.orders.iter().filter(|(_, o)| may(o)).collect();
        due.sort_by_key(|(id, o)| (o.not_before, o.ordered_at, **id));
        due.into_iter().map(|(id, _)| *id).collect()
    }

    /// Writes down what a step came to.
    fn stepped(&mut self, node: usize, step: Step) {
        let (order, settlement) = match step {
            Step::Idle { .. } => return,
            Step::Settled { order, settlement } => (order, settlement),
            Step::LostClaim { order } => panic!("nobody else could have {order:?}"),
        };
        self.claimed(&order, None);
        self.failures[node] = match settlement {
            Settlement::Locked { .. } => 0,
            _ => self.failures[node] + 1,
        };
        self.settled(order.id, &settlement);
    }

    fn claimed(&mut self, order: &LockOrder, token: Option<Uuid>) {
        let now = self.clock.now();
        let known = self.orders.get_mut(&order.id).expect("an unknown order");
        assert_eq!(order.identity, identity(known.who));
        known.attempts += 1;
        assert_eq!(order.attempts, known.attempts, "tries are counted");
        known.lease = Some((now + LEASE, token));
    }

    fn settled(&mut self, id: OrderId, settlement: &Settlement) {
        let now = self.clock.now();
        let known = self.orders.get_mut(&id).expect("an unknown order");
        known.lease = None;
        match settlement {
            Settlement::Locked { .. } => known.state = OrderState::Locked,
            Settlement::Later { at, .. } => {
                assert!(*at > now);
                known.not_before = *at;
                self.seen.failed += 1;
            }
            Settlement::Refused { why } => panic!("no fault is final: {why}"),
        }
        let who = known.who;
        if matches!(settlement, Settlement::Locked { .. }) {
            assert!(self.is_locked(who), "called locked, but it is not");
        }
    }

    async fn die(&mut self, workers: usize, call: bool) {
        let now = self.clock.now();
        let due = self.due();
        let mut tasks = JoinSet::new();
        for n in 0..workers {
            let store = self.stores[n % 2].clone();
            tasks.spawn(async move { store.claim(&[TARGET.to_owned()], now, LEASE).await });
        }
        let claims = tasks.join_all().await;
        let claims: Vec<Claim> = claims.into_iter().filter_map(|c| c.unwrap()).collect();
        let mut ids: Vec<OrderId> = claims.iter().map(|c| c.order.id).collect();
        let mut want = due[..workers.min(due.len())].to_vec();
        ids.sort();
        want.sort();
        assert_eq!(ids, want, "each is claimed once, the longest waiting first");
        for claim in claims {
            self.seen.dead += 1;
            self.claimed(&claim.order, Some(claim.token));
            if call {
                self.target.lock(&claim.order).await;
            }
            self.dead.push(claim);
        }
    }

    async fn wake(&mut self, n: usize) {
        if self.dead.is_empty() {
            return;
        }
        let claim = self.dead.swap_remove(n % self.dead.len());
        let id = claim.order.id;
        let now = self.clock.now();
        let order = &self.orders[&id];
        let settlement = match self.is_locked(order.who) {
            true => Settlement::Locked {
                answer: "OK".into(),
            },
            false => Settlement::Later {
                why: "no answer".into(),
                at: now + SignedDuration::from_secs(5),
            },
        };
        // The lease may have run out; it is lost only once somebody else has claimed.
        let holds = order
            .lease
            .is_some_and(|(_, token)| token == Some(claim.token));
        let store = &self.stores[n % 2];
        let written = store.settle(&claim, &settlement, now).await.unwrap();
        assert_eq!(written, holds, "only who holds the order may settle it");
        if written {
            self.seen.woken += 1;
            self.settled(id, &settlement);
        }
    }

    /// Time goes on and the filter is well, until nothing is left to do.
    async fn finish(&mut self) {
        for n in 0..1_000 {
            let node = n % 2;
            match self.outboxes[node].step().await.unwrap() {
                Step::Idle { next_due: None } => break,
                Step::Idle { next_due: Some(at) } => {
                    let wait = at.duration_since(self.clock.now());
                    let wait = Duration::try_from(wait).unwrap_or_default();
                    self.clock.advance(wait.max(Duration::from_secs(1)));
                }
                step => self.stepped(node, step),
            }
        }
        // Whoever was only slow comes too late now.
        while !self.dead.is_empty() {
            self.wake(0).await;
        }
        self.check(0).await;
        self.check_end().await;
        for store in &self.stores {
            store.close().await;
        }
    }
}

/// Polls so many times, then drops: the future stops wherever it is. None when it was not done.
async fn cut<F: Future>(future: F, polls: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
