//! Generated histories of holds, locks, releases, timeouts, panel-side changes and restarts, with a target that
//! answers late, wrongly, twice or never, against both databases. At the end what is in effect at the target is
//! what the store says, nobody was locked again within a cool-down but by a person, and the audit chain is whole.

mod check;
mod target;
mod world;

use crate::support::postgres;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use world::World;

/// What the target does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does it and says so.
    Fine,
    /// It does it, and the answer is lost.
    Late,
    /// It does nothing and says that it may later.
    Wrong,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Op {
    /// So many new complaints about somebody.
    Complain(usize, u32),
    /// Seconds go by.
    Pass(u64),
    /// The outbox does one order.
    Step(Fault),
    /// A worker claims and is not heard of; its call is made now, later, or never.
    Die(Call),
    /// Calls of dead workers that were still to be made are made, if their lease lasts.
    Ghosts,
    /// A person unlocks, locks, holds, closes or approves.
    Unlock(usize),
    Lock(usize),
    Hold(usize),
    Close(usize),
    Approve(usize),
    /// A person unlocks or locks in the target's panel.
    PanelUnlock(usize),
    PanelLock(usize),
    /// Timeouts are looked for.
    Expire,
    /// The target is reconciled.
    Reconcile,
    /// Locks are paused or resumed.
    Pause(bool),
    /// The store is left as it is and opened again, by a worker that knows nothing.
    Restart,
}

/// When a dead worker's call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Now,
    Later,
    Never,
}

pub const PEOPLE: usize = 4;

fn op() -> impl Strategy<Value = Op> {
    let who = || 0..PEOPLE;
    let fault =
        prop_oneof![5 => Just(Fault::Fine), 1 => Just(Fault::Late), 1 => Just(Fault::Wrong)];
    let call = prop_oneof![Just(Call::Now), Just(Call::Later), Just(Call::Never)];
    let seconds = prop_oneof![4 => 1..40u64, 2 => Just(60), 2 => 60..400u64, 1 => 400..4_000u64];
    prop_oneof![
        8 => (who(), 1..4u32).prop_map(|(who, n)| Op::Complain(who, n)),
        6 => seconds.prop_map(Op::Pass),
        10 => fault.prop_map(Op::Step),
        2 => call.prop_map(Op::Die),
        1 => Just(Op::Ghosts),
        2 => who().prop_map(Op::Unlock),
        1 => who().prop_map(Op::Lock),
        1 => who().prop_map(Op::Hold),
        1 => who().prop_map(Op::Close),
        1 => who().prop_map(Op::Approve),
        1 => who().prop_map(Op::PanelUnlock),
        1 => who().prop_map(Op::PanelLock),
        2 => Just(Op::Expire),
        2 => Just(Op::Reconcile),
        1 => any::<bool>().prop_map(Op::Pause),
        1 => Just(Op::Restart),
    ]
}

/// Where a history takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Database {
    Sqlite,
    Postgres,
}

/// An empty database; none where there is no PostgreSQL.
async fn place(database: Database) -> Option<(String, Option<tempfile::TempDir>)> {
    if database == Database::Postgres {
        return Some((postgres::fresh_url().await?, None));
    }
    let dir = tempfile::tempdir().unwrap();
    Some((
        format!("sqlite://{}/arfd.db", dir.path().display()),
        Some(dir),
    ))
}

fn simulate(database: Database, cases: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    });
    let seen = std::cell::Cell::new(world::Seen::default());
    let result = runner.run(&vec(op(), 10..90), |ops| {
        let Some((url, _dir)) = runtime.block_on(place(database)) else {
            return Ok(());
        };
        let run = runtime.block_on(async {
            let world = World::open(&url).await;
            tokio::spawn(async move { world.run(&ops).await }).await
        });
        match run {
            Ok(more) => {
                seen.set(seen.get() + more);
                Ok(())
            }
            Err(error) => Err(TestCaseError::fail(error.to_string())),
        }
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let seen = seen.get();
    // A few histories may well miss something.
    assert!(
        cases < 50
            || seen.locked > 0
                && seen.released > 0
                && seen.timed_out > 0
                && seen.drifted > 0
                && seen.ghosts > 0,
        "nothing happened: {seen:?}"
    );
}

fn cases(usual: u32) -> u32 {
    let set = std::env::var("ARFD_TEST_CASES").ok();
    set.and_then(|n| n.parse().ok()).unwrap_or(usual)
}

#[test]
#[ignore = "takes minutes: run with --ignored"]
fn on_sqlite() {
    simulate(Database::Sqlite, cases(60));
}

#[test]
#[ignore = "takes minutes: run with --ignored"]
fn on_postgres() {
    simulate(Database::Postgres, cases(12));
}
