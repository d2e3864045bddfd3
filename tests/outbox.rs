//! The outbox on a store in memory and a clock that moves only when told: what is written after each kind of
//! try, when the next one comes, and that no order is lost to a panic, a hang or a thief.

use crate::support::memory_store::{MemoryStore, order};
use arfd::cli::demo::stand_in::{Fault, StandIn};
use arfd::clock::{Clock, ManualClock};
use arfd::domain::lock::{Action, Backoff, LockOrder, OrderState, Outcome, Subject};
use arfd::lock::spamexperts::{self, SpamExperts};
use arfd::lock::{Listed, LockTarget, NoListing};
use arfd::metrics::Metrics;
use arfd::outbox::{Outbox, Settings, Step};
use arfd::store::Settlement;
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

mod lanes;

/// What the next try does.
#[derive(Clone, Debug)]
enum Act {
    Locked,
    Later,
    Refused,
    Panic,
    Hang,
    /// Waits for the test, then locks.
    Held,
    /// Loses its claim while it works, then locks.
    Robbed(Arc<MemoryStore>),
}

#[derive(Debug)]
struct Script {
    name: &'static str,
    acts: Mutex<VecDeque<Act>>,
    seen: watch::Sender<Vec<LockOrder>>,
    gate: Semaphore,
}

impl Script {
    fn new(name: &'static str, acts: impl IntoIterator<Item = Act>) -> Arc<Self> {
        Arc::new(Self {
            name,
            acts: Mutex::new(acts.into_iter().collect()),
            seen: watch::Sender::new(Vec::new()),
            gate: Semaphore::new(0),
        })
    }

    fn tries(&self) -> usize {
        self.seen.borrow().len()
    }

    async fn tried(&self, n: usize) {
        let mut seen = self.seen.subscribe();
        seen.wait_for(|seen| seen.len() >= n).await.unwrap();
    }
}

#[async_trait]
impl LockTarget for Script {
    fn name(&self) -> &str {
        self.name
    }

    fn can(&self, _: Action, _: Subject) -> bool {
        true
    }

    async fn list(&self, _: &[String]) -> Result<Vec<Listed>, NoListing> {
        Err(NoListing::Unsupported)
    }

    async fn carry_out(&self, order: &LockOrder) -> Outcome {
        self.seen.send_modify(|seen| seen.push(order.clone()));
        let act = self.acts.lock().unwrap().pop_front();
        match act.unwrap_or(Act::Locked) {
            Act::Locked => {}
            Act::Later => return Outcome::Later { why: "busy".into() },
            Act::Refused => {
                return Outcome::Refused {
                    why: "No such domain".into(),
                };
            }
            Act::Panic => std::panic::resume_unwind(Box::new("a bug")),
            Act::Hang => std::future::pending().await,
            Act::Held => self.gate.acquire().await.unwrap().forget(),
            Act::Robbed(store) => store.steal_claims(),
        }
        Outcome::Done {
            answer: "OK".into(),
        }
    }
}

fn start() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn after(seconds: i64) -> Timestamp {
    start() + SignedDuration::from_secs(seconds)
}

fn orders(n: usize) -> Vec<LockOrder> {
    let one = |i: usize| {
        order(
            "filter",
            "relay@x.example",
            &format!("u{i}@x.example"),
            start(),
        )
    };
    (0..n).map(one).collect()
}

struct Bench {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    metrics: Arc<Metrics>,
    outbox: Arc<Outbox>,
}

fn settings() -> Settings {
    Settings {
        backoff: Backoff {
            first: Duration::from_secs(2),
            most: Duration::from_secs(60),
        },
        breaker_limit: 100,
        breaker_pause: Duration::from_secs(30),
        ..Settings::default()
    }
}

fn bench(orders: Vec<LockOrder>, targets: &[&Arc<Script>], settings: Settings) -> Bench {
    let store = Arc::new(MemoryStore::with(orders));
    let clock = Arc::new(ManualClock::new(start()));
    let metrics = Arc::new(Metrics::new().unwrap());
    let targets = targets
        .iter()
        .map(|t| Arc::clone(t) as Arc<dyn LockTarget>)
        .collect();
    let outbox = Outbox::new(
        store.clone(),
        targets,
        clock.clone(),
        metrics.clone(),
        settings,
    )
    .with_jitter(|| 1.0);
    Bench {
        store,
        clock,
        metrics,
        outbox: Arc::new(outbox),
    }
}

impl Bench {
    async fn step(&self) -> Step {
        self.outbox.step().await.unwrap()
    }

    async fn settled(&self) -> Settlement {
        match self.step().await {
            Step::Settled { settlement, .. } => settlement,
            other => panic!("expected a try, got {other:?}"),
        }
    }

    async fn idle(&self) -> Option<Timestamp> {
        match self.step().await {
            Step::Idle { next_due } => next_due,
            other => panic!("expected nothing to do, got {other:?}"),
        }
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn tries(&self, outcome: &str) -> u64 {
        let labels = ["filter", outcome];
        self.metrics.order_tries.with_label_values(&labels).get()
    }

    fn breaker(&self) -> i64 {
        self.metrics
            .breaker_open
            .with_label_values(&["filter"])
            .get()
    }
}

#[tokio::test]
async fn an_order_is_carried_out_once() {
    let target = Script::new("filter", []);
    let b = bench(orders(1), &[&target], settings());
    b.advance(3);
    assert!(matches!(b.settled().await, Settlement::Done { answer } if answer == "OK"));
    assert_eq!(b.idle().await, None);
    assert_eq!(target.tries(), 1);
    let row = b.store.get(orders(1)[0].id);
    assert_eq!(
        (row.state, row.settled_at),
        (OrderState::Done, Some(after(3)))
    );
    assert_eq!(b.tries("done"), 1);
    let seconds = b.metrics.order_seconds.with_label_values(&["filter"]);
    assert_eq!(
        (seconds.get_sample_count(), seconds.get_sample_sum()),
        (1, 3.0)
    );
}

#[tokio::test]
async fn the_wait_doubles_and_attempts_are_told() {
    let target = Script::new("filter", vec![Act::Later; 3]);
    let b = bench(orders(1), &[&target], settings());
    for wait in [2, 4, 8] {
        let at = b.clock.now() + SignedDuration::from_secs(wait);
        let why = "busy".into();
        assert_eq!(b.settled().await, Settlement::Later { why, at });
        assert_eq!(b.idle().await, Some(at));
        b.advance(wait as u64 - 1);
        assert_eq!(b.idle().await, Some(at), "not a second early");
        b.advance(1);
    }
    assert!(matches!(b.settled().await, Settlement::Done { .. }));
    let attempts: Vec<u32> = target.seen.borrow().iter().map(|o| o.attempts).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);
    assert_eq!(b.tries("later"), 3);
}

#[tokio::test]
async fn refused_is_final_and_says_why() {
    let target = Script::new("filter", [Act::Refused]);
    let b = bench(orders(1), &[&target], settings());
    assert!(matches!(b.settled().await, Settlement::Refused { why } if why == "No such domain"));
    b.advance(100_000);
    assert_eq!(b.idle().await, None);
    assert_eq!(b.store.get(orders(1)[0].id).state, OrderState::Refused);
}

#[tokio::test]
async fn tries_can_be_limited() {
    let target = Script::new("filter", vec![Act::Later; 9]);
    let limited = Settings {
        max_attempts: Some(2),
        ..settings()
    };
    let b = bench(orders(1), &[&target], limited);
    assert!(matches!(b.settled().await, Settlement::Later { .. }));
    b.advance(2);
    let Settlement::Refused { why } = b.settled().await else {
        panic!("tried on");
    };
    assert!(why.contains("2 tries") && why.contains("busy"), "{why}");
}

#[tokio::test]
async fn what_is_too_old_is_not_sent() {
    let target = Script::new("filter", []);
    let b = bench(orders(1), &[&target], settings());
    b.advance(72 * 3600 + 1);
    let Settlement::Refused { why } = b.settled().await else {
        panic!("sent");
    };
    assert!(why.contains("too long ago"), "{why}");
    assert_eq!(target.tries(), 0);
}

#[tokio::test]
async fn the_breaker_spares_a_target_and_only_that_one() {
    let down = Script::new("filter", vec![Act::Later; 3]);
    let well = Script::new("other", []);
    let careful = Settings {
        breaker_limit: 2,
        ..settings()
    };
    let b = bench(orders(4), &[&down, &well], careful);
    b.settled().await;
    assert_eq!(b.breaker(), 0);
    b.settled().await;
    assert_eq!(b.breaker(), 1);
    assert_eq!(
        b.idle().await,
        Some(after(30)),
        "two orders are due, and wait"
    );
    let other = order("other", "relay@x.example", "al@x.example", start());
    b.store.add(other.clone());
    b.settled().await;
    assert_eq!(b.store.get(other.id).state, OrderState::Done);
    b.advance(30);
    b.settled().await;
    assert_eq!(down.tries(), 3, "one is let through");
    assert_eq!(
        b.idle().await,
        Some(after(60)),
        "and its failure closes the way again"
    );
    b.advance(30);
    for _ in 0..4 {
        assert!(matches!(b.settled().await, Settlement::Done { .. }));
        assert_eq!(b.breaker(), 0);
    }
    assert_eq!(b.idle().await, None);
}

#[tokio::test]
async fn after_the_pause_one_order_goes_first_alone() {
    let target = Script::new("filter", [Act::Later, Act::Held]);
    let careful = Settings {
        breaker_limit: 1,
        ..settings()
    };
    let b = bench(orders(3), &[&target], careful);
    b.settled().await;
    b.advance(30);
    let outbox = b.outbox.clone();
    let first = tokio::spawn(async move { outbox.step().await });
    target.tried(2).await;
    b.idle().await;
    target.gate.add_permits(1);
    assert!(matches!(
        first.await.unwrap().unwrap(),
        Step::Settled { .. }
    ));
    b.settled().await;
    b.settled().await;
    assert_eq!(b.idle().await, None);
}

#[tokio::test]
async fn a_lost_lease_writes_nothing() {
    let target = Script::new("filter", []);
    let b = bench(orders(1), &[&target], settings());
    target
        .acts
        .lock()
        .unwrap()
        .push_back(Act::Robbed(b.store.clone()));
    assert!(matches!(b.step().await, Step::LostClaim { order } if order.attempts == 1));
    assert_eq!(b.store.get(orders(1)[0].id).state, OrderState::Pending);
    assert_eq!(b.tries("lost"), 1);
    b.settled().await;
    assert_eq!(
        target.seen.borrow()[1].attempts,
        2,
        "the next try knows of the first"
    );
}

#[tokio::test]
async fn a_panic_or_a_hang_does_not_lose_the_order() {
    let short = Settings {
        lease: Duration::from_millis(50),
        ..settings()
    };
    for (act, word) in [(Act::Panic, "panicked"), (Act::Hang, "within its lease")] {
        let target = Script::new("filter", [act]);
        let b = bench(orders(1), &[&target], short.clone());
        let Settlement::Later { why, .. } = b.settled().await else {
            panic!("not tried again");
        };
        assert!(why.contains(word), "{why}");
        b.advance(2);
        assert!(matches!(b.settled().await, Settlement::Done { .. }));
    }
}

#[tokio::test]
async fn a_try_that_cannot_be_written_down_comes_back_after_the_lease() {
    let target = Script::new("filter", [Act::Held]);
    let b = bench(orders(1), &[&target], settings());
    let outbox = b.outbox.clone();
    let first = tokio::spawn(async move { outbox.step().await });
    target.tried(1).await;
    b.store.fail_next(1);
    target.gate.add_permits(1);
    first.await.unwrap().unwrap_err();
    assert_eq!(b.idle().await, Some(after(60)));
    b.advance(60);
    b.settled().await;
    assert_eq!(target.seen.borrow()[1].attempts, 2);
}

#[tokio::test]
async fn a_dropped_step_gives_its_place_back() {
    let target = Script::new("filter", [Act::Later, Act::Hang]);
    let careful = Settings {
        breaker_limit: 1,
        ..settings()
    };
    let b = bench(orders(2), &[&target], careful);
    b.settled().await;
    b.advance(30);
    let outbox = b.outbox.clone();
    let step = tokio::spawn(async move { outbox.step().await });
    target.tried(2).await;
    step.abort();
    assert!(step.await.unwrap_err().is_cancelled());
    b.settled().await;
}

#[tokio::test]
async fn run_works_side_by_side_wakes_and_finishes_on_shutdown() {
    let target = Script::new("filter", vec![Act::Held; 3]);
    let two = Settings {
        concurrency: 2,
        poll: Duration::from_secs(3600),
        ..settings()
    };
    let b = bench(orders(3), &[&target], two);
    let (wake, shutdown) = (Arc::new(Notify::new()), CancellationToken::new());
    let run = tokio::spawn(b.outbox.clone().run(wake.clone(), shutdown.clone()));
    target.tried(2).await;
    target.gate.add_permits(3);
    b.store.settled(3).await;
    assert_eq!(target.tries(), 3);
    // Nothing is due for an hour; the notice of a new order is enough.
    let fresh = order("filter", "relay@x.example", "new@x.example", start());
    target.acts.lock().unwrap().push_back(Act::Held);
    b.store.add(fresh.clone());
    wake.notify_one();
    target.tried(4).await;
    shutdown.cancel();
    b.store.add(order(
        "filter",
        "relay@x.example",
        "last@x.example",
        start(),
    ));
    target.gate.add_permits(1);
    run.await.unwrap();
    assert_eq!(
        b.store.get(fresh.id).state,
        OrderState::Done,
        "finished on the way out"
    );
    assert_eq!(target.tries(), 4, "and nothing new was begun");
}

#[tokio::test]
async fn run_outlives_trouble_with_the_store() {
    let target = Script::new("filter", []);
    let b = bench(orders(1), &[&target], settings());
    b.store.fail_next(1);
    let (wake, shutdown) = (Arc::new(Notify::new()), CancellationToken::new());
    let run = tokio::spawn(b.outbox.clone().run(wake, shutdown.clone()));
    b.store.settled(1).await;
    shutdown.cancel();
    run.await.unwrap();
    assert_eq!(target.tries(), 1);
}

#[tokio::test]
async fn a_filter_that_fails_in_every_way_ends_with_each_identity_locked_once() {
    let mut filter = StandIn::start("desk", "secret").await.unwrap();
    let b = bench(orders(12), &[], settings());
    let settings_of = spamexperts::Settings::new("filter", &filter.url(), "desk", "secret".into());
    let target =
        SpamExperts::new(settings_of.unwrap(), b.metrics.clone(), b.clock.clone()).unwrap();
    let outbox = Outbox::new(
        b.store.clone(),
        vec![Arc::new(target)],
        b.clock.clone(),
        b.metrics.clone(),
        settings(),
    );
    for _ in 0..4 {
        for fault in [Fault::ReplyLost, Fault::Error500, Fault::Ok] {
            filter.push_fault(fault);
        }
        filter.push_fault(Fault::NotActed);
        filter.push_fault(Fault::Html200);
    }
    let mut steps = 0;
    loop {
        steps += 1;
        assert!(steps < 500, "it does not come to an end");
        match outbox.step().await.unwrap() {
            Step::Settled { .. } if steps == 8 => filter.stop(),
            Step::Settled { .. } if steps == 11 => filter.restart().await.unwrap(),
            Step::Idle { next_due: None } => break,
            Step::Idle { .. } => b.advance(1),
            Step::Settled { .. } | Step::LostClaim { .. } => {}
        }
    }
    assert_eq!(filter.effective_locks(), 12);
    assert_eq!(filter.locked().len(), 12);
    assert_eq!(b.tries("done"), 12);
}
