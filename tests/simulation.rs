//! The simulation: generated operations (reports, repeats, time, faults, deaths of workers, writes cut off in
//! the middle, reopened stores, two nodes) run against the real judge, store, outbox and target, and after
//! each of them everything is held against a small model that does its own arithmetic.
//!
//! `ARFD_TEST_CASES` sets how many histories are tried on each database.

mod check;
mod filing;
mod life;
mod mail;
mod model;
mod orders;
mod plan;
mod world;

use crate::support::postgres;
use plan::Plan;
use proptest::test_runner::{Config, TestRunner};
use std::cell::Cell;
use std::future::Future;
use tokio::runtime::{Builder, Runtime};
use world::{Seen, World};

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// Runs generated plans, each in a fresh place whose address `place` gives (with what must outlive the run).
fn simulate<P, F: Future<Output = (String, P)>>(cases: u32, place: impl Fn() -> F) {
    let asked = std::env::var("ARFD_TEST_CASES").ok();
    let cases = asked.map_or(cases, |n| n.parse().expect("ARFD_TEST_CASES is a number"));
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let runtime = runtime();
    let seen = Cell::new(Seen::default());
    let result = TestRunner::new(config).run(&plan::plan(), |plan: Plan| {
        let one = runtime.block_on(async {
            let (url, _place) = place().await;
            World::open(&url, &plan).await.run(&plan.ops).await
        });
        seen.set(seen.get() + one);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let seen = seen.get();
    println!("{cases} histories: {seen:?}");
    // A simulation in which nothing happens proves nothing.
    if cases >= 10 {
        assert!(
            seen.orders > 0 && seen.observed > 0 && seen.duplicates > 0 && seen.failed > 0,
            "{seen:?}"
        );
    }
}

#[test]
fn sqlite_agrees_with_the_model() {
    simulate(100, || async {
        let dir = tempfile::tempdir().unwrap();
        (format!("sqlite://{}/arfd.db", dir.path().display()), dir)
    });
}

#[test]
fn postgres_agrees_with_the_model() {
    if runtime().block_on(postgres::fresh_url()).is_none() {
        return;
    }
    simulate(30, || async {
        let url = postgres::fresh_url().await;
        (url.expect("PostgreSQL was there a moment ago"), ())
    });
}
