//! Many orders through the real daemon while the filter and the daemon go down and come up: every identity ends
//! locked, once. A smaller number runs always; `cargo test --test all thousand -- --ignored --nocapture` runs a
//! thousand on each database and prints latency and tries.

use super::filter;
use crate::support::daemon::{Daemon, Place, said, until};
use arfd::cli::demo::stand_in::StandIn;
use std::collections::BTreeSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "kills and waits: run with --ignored"]
async fn orders_survive_a_filter_that_goes_down_sqlite() {
    run(Place::sqlite(), 40).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "kills and waits: run with --ignored"]
async fn orders_survive_a_filter_that_goes_down_postgres() {
    if let Some(place) = Place::postgres().await {
        run(place, 40).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; prints figures"]
async fn thousand_orders_sqlite() {
    run(Place::sqlite(), 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; prints figures"]
async fn thousand_orders_postgres() {
    if let Some(place) = Place::postgres().await {
        run(place, 1_000).await;
    }
}

fn name(n: usize) -> String {
    format!("user{n}@customer.example")
}

async fn run(place: Place, orders: usize) {
    let mut filter = filter().await;
    let place = place.locking_at(filter.url());
    let mut daemon = place.start();
    let list: Vec<String> = (0..orders)
        .map(|n| format!("{} mta@customer.example", name(n)))
        .collect();
    let file = place.write("list.txt", list.join("\n"));
    let lock = [
        "lock",
        "--from",
        &file,
        "--reason",
        "leaked passwords",
        "--by",
        "ann",
    ];
    // The orders are written while the daemon already carries out the first of them.
    std::thread::scope(|scope| {
        let written = scope.spawn(|| place.arfd(&lock));
        let output = written.join().unwrap();
        assert!(output.status.success(), "{}", said(&output));
    });
    for (n, part) in [4, 3, 2].into_iter().enumerate() {
        reached(&filter, orders / part);
        filter.stop();
        let before = failed(&daemon);
        // Unless all were quicker than this.
        until("a try fails", || {
            let over = filter.effective_locks() >= orders;
            (over || failed(&daemon) > before).then_some(())
        });
        if n == 1 {
            daemon.kill();
            daemon = place.start();
        }
        filter.restart().await.unwrap();
    }
    reached(&filter, orders);
    daemon.shows("arfd_orders{state=\"done\"}", orders as f64);
    daemon.shows("arfd_incidents{state=\"locked\"}", orders as f64);

    let again = place.arfd(&lock);
    assert!(
        again.status.success(),
        "doing it again does no harm: {}",
        said(&again)
    );
    assert_eq!(filter.effective_locks(), orders, "each was locked once");
    let locked: BTreeSet<String> = filter.locked().into_iter().map(|e| e.identity).collect();
    assert_eq!(locked, (0..orders).map(name).collect());
    let rows = place.list("orders");
    assert_eq!(rows.len(), orders, "one order each");
    let mut waits: Vec<f64> = rows.iter().map(waited).collect();
    waits.sort_by(f64::total_cmp);
    let tries: u64 = rows
        .iter()
        .map(|row| row["attempts"].as_u64().unwrap())
        .sum();
    let most = rows
        .iter()
        .map(|row| row["attempts"].as_u64().unwrap())
        .max()
        .unwrap();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    println!(
        "{orders} orders: from order to confirmed lock {:.2} s median, {:.2} s at 90 %, {:.2} s at most; \
         {tries} tries, {} of them again, {most} at most for one; {} calls",
        at(0.5),
        at(0.9),
        at(1.0),
        tries as usize - orders,
        filter.calls().len()
    );
    let verified = place.arfd(&["audit", "verify"]);
    assert!(verified.status.success(), "{}", said(&verified));
}

fn waited(row: &serde_json::Value) -> f64 {
    let at = |key: &str| {
        row[key]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    at("settled_at")
        .duration_since(at("ordered_at"))
        .as_secs_f64()
}

/// Tries that came to nothing since the daemon's start.
fn failed(daemon: &Daemon) -> f64 {
    let series = "arfd_order_tries_total{outcome=\"later\",target=\"spamexperts\"}";
    daemon.metric(series).unwrap_or_default()
}

/// Waits until so many are locked at the filter. A thousand take longer than most things.
fn reached(filter: &StandIn, locked: usize) {
    let mut before = filter.effective_locks();
    while before < locked {
        let more = |_: &()| filter.effective_locks() > before;
        until("more are locked", || Some(()).filter(more));
        before = filter.effective_locks();
    }
}
