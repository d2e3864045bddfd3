//! The whole job through the binary: mail comes in over SMTP, an identity is locked at a stand-in for the
//! filter's API and confirmed by its listing; and what must not lock, does not.

mod desk;
mod doors;
mod manager;
mod map_file;
mod orders;
mod reload;
mod restraint;
mod shortage;
mod trouble;

use crate::support::daemon::{ABUSE, FILTER, LOGIN, PASSWORD, Place, THRESHOLD};
use crate::support::mail::{Smtp, identity, report, typed_report};
use arfd::cli::demo::stand_in::{Fault, StandIn};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;

async fn filter() -> StandIn {
    StandIn::start(LOGIN, PASSWORD).await.unwrap()
}

/// Sends `THRESHOLD` reports about one identity, the first of them numbered `first`.
fn cross(server: SocketAddr, first: usize, who: usize) -> Vec<String> {
    let mut smtp = Smtp::connect(server).unwrap();
    (first..first + THRESHOLD)
        .map(|n| smtp.send(FILTER, &report(n, who)).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_become_a_confirmed_lock_sqlite() {
    whole_job(Place::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_become_a_confirmed_lock_postgres() {
    if let Some(place) = Place::postgres().await {
        whole_job(place).await;
    }
}

async fn whole_job(place: Place) {
    let filter = filter().await;
    let place = place.locking_at(filter.url());
    let daemon = place.start();
    let ids = cross(daemon.smtp, 0, 1);
    daemon.shows("arfd_orders{state=\"done\"}", 1.0);

    let calls = filter.calls();
    let names: Vec<&str> = calls.iter().map(|call| call.name()).collect();
    assert_eq!(
        names,
        ["api_lock_outgoing_identity", "api_list_locked_identities"]
    );
    assert!(calls.iter().all(|call| call.authorised));
    assert_eq!(calls[0].get("domain"), Some("customer1.example"));
    assert_eq!(calls[0].get("username"), Some("server1"));
    assert_eq!(calls[0].get("identity"), Some(identity(1).as_str()));
    assert_eq!(filter.effective_locks(), 1);

    let incidents = place.list("incidents");
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0]["identity"], identity(1).as_str());
    let explanation = incidents[0]["explanation"].to_string();
    for id in &ids {
        assert!(explanation.contains(id), "{id} is not in {explanation}");
    }
    let orders = place.list("orders");
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0]["state"], "done");
    assert_eq!(orders[0]["incident"], incidents[0]["id"]);
    assert!(orders[0]["settled_at"].is_string(), "{}", orders[0]);

    // While the incident is open, more of the same locks nobody anew; nor does a retransmission count.
    cross(daemon.smtp, 100, 1);
    assert_eq!(cross(daemon.smtp, 0, 1), ids);
    assert_eq!(place.list("orders").len(), 1);
    assert_eq!(
        daemon.metric("arfd_repeated_reports_total"),
        Some(THRESHOLD as f64)
    );
    assert_eq!(filter.effective_locks(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn observing_records_orders_and_sends_none() {
    let place = Place::sqlite();
    let daemon = place.start();
    cross(daemon.smtp, 0, 1);
    let said = |line: &Value| {
        let message = line["message"].as_str().unwrap_or_default();
        message.contains("\"observe\"") && message.contains("not sent")
    };
    assert_eq!(daemon.log().iter().filter(|line| said(line)).count(), 1);
    let orders = place.list("orders");
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0]["state"], "observed");
    assert_eq!(orders[0]["attempts"], 0);
    assert_eq!(daemon.metric("arfd_orders{state=\"observed\"}"), Some(1.0));
    assert_eq!(
        daemon.metric("arfd_crossings_total{rule=\"test\"}"),
        Some(1.0)
    );
    // Nothing waits to be sent by a later daemon that may lock.
    assert_eq!(daemon.metric("arfd_orders{state=\"pending\"}"), Some(0.0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_order_is_shown_to_people() {
    let filter = filter().await;
    let place = Place::sqlite().locking_at(filter.url());
    let daemon = place.start();
    filter.push_fault(Fault::Answer(
        200,
        "No such domain 'customer1.example'".into(),
    ));
    cross(daemon.smtp, 0, 1);
    daemon.shows("arfd_orders{state=\"refused\"}", 1.0);
    let table = place.arfd(&["list", "orders"]);
    let table = String::from_utf8(table.stdout).unwrap();
    let row = table.lines().nth(1).unwrap();
    assert!(
        row.contains("refused") && row.contains("No such domain"),
        "{table}"
    );
    assert!(row.contains(&identity(1)), "{table}");
    assert_eq!(filter.effective_locks(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_fails_for_a_while_locks_in_the_end_and_once() {
    let filter = filter().await;
    let place = Place::sqlite().locking_at(filter.url());
    let daemon = place.start();
    for fault in [
        Fault::Error500,
        Fault::Html200,
        Fault::ReplyLost,
        Fault::NotActed,
    ] {
        filter.push_fault(fault);
    }
    cross(daemon.smtp, 0, 1);
    daemon.shows("arfd_orders{state=\"done\"}", 1.0);
    assert_eq!(filter.effective_locks(), 1);
    assert!(place.list("orders")[0]["attempts"].as_u64().unwrap() > 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_proves_nothing_or_never_counts_locks_nobody() {
    let filter = filter().await;
    let place = Place::sqlite().locking_at(filter.url());
    let daemon = place.start();
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    let many = 2 * THRESHOLD;
    for n in 0..many {
        // Real reports word for word, but not sent where the filter sends them.
        smtp.send(ABUSE, &report(n, 1)).unwrap();
        smtp.send(FILTER, &typed_report(1_000 + n, 2, "not-spam"))
            .unwrap();
        smtp.send(FILTER, &typed_report(2_000 + n, 3, "auth-failure"))
            .unwrap();
        // One message, reported again and again under new covers.
        let cover = String::from_utf8(report(3_000, 4)).unwrap();
        let cover = cover.replace("<R3000@", &format!("<R{}@", 3_000 + n));
        smtp.send(FILTER, cover.as_bytes()).unwrap();
        smtp.send(
            FILTER,
            format!("Subject: letter {n}\r\n\r\nDear desk\r\n").as_bytes(),
        )
        .unwrap();
    }
    let standing =
        |name: &str| daemon.metric(&format!("arfd_complaints_total{{standing=\"{name}\"}}"));
    let many = many as f64;
    assert_eq!(standing("unproven"), Some(many));
    assert_eq!(standing("never_counts"), Some(2.0 * many));
    assert_eq!(standing("counted"), Some(1.0));
    assert_eq!(standing("duplicate"), Some(many - 1.0));
    assert_eq!(standing("not_a_report"), Some(many));
    assert_eq!(place.list("reports").len() as f64, 5.0 * many);
    assert!(place.list("incidents").is_empty());
    assert!(place.list("orders").is_empty());
    assert!(filter.calls().is_empty());

    // The forged copies do not stand in the way of the real ones.
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    for n in 0..THRESHOLD {
        smtp.send(FILTER, &report(n, 1)).unwrap();
    }
    daemon.shows("arfd_orders{state=\"done\"}", 1.0);
    assert_eq!(smtp.say("MAIL FROM:<>").unwrap().get(..3), Some("250"));
    assert!(
        smtp.say("RCPT TO:<else@elsewhere.example>")
            .unwrap()
            .starts_with("550 5.1.1")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_on_one_postgresql_lock_once() {
    let Some(place) = Place::postgres().await else {
        return;
    };
    let filter = filter().await;
    let place = place.locking_at(filter.url());
    let nodes = [place.start(), place.start()];
    const IDENTITIES: usize = 12;
    const SESSIONS: usize = 4;
    let together = Barrier::new(2 * SESSIONS);
    thread::scope(|scope| {
        for session in 0..2 * SESSIONS {
            let (server, together) = (nodes[session % 2].smtp, &together);
            scope.spawn(move || {
                let mut smtp = Smtp::connect(server).unwrap();
                for who in 0..IDENTITIES {
                    // All cross at the same time: each sends a quarter of what is needed.
                    together.wait();
                    for n in 0..THRESHOLD / SESSIONS {
                        let n = (who * 100 + session) * 100 + n;
                        smtp.send(FILTER, &report(n, who)).unwrap();
                    }
                }
            });
        }
    });
    nodes[0].shows("arfd_orders{state=\"pending\"}", 0.0);
    let of = |what: &str, key: &str| {
        let rows = place.list(what);
        let mut names: Vec<String> = rows
            .iter()
            .map(|row| row.pointer(key).unwrap().to_string())
            .collect();
        names.sort();
        names
    };
    let mut all: Vec<String> = (0..IDENTITIES)
        .map(|n| format!("\"{}\"", identity(n)))
        .collect();
    all.sort();
    assert_eq!(of("incidents", "/identity"), all);
    assert_eq!(of("orders", "/identity/value"), all);
    assert!(
        of("orders", "/state")
            .iter()
            .all(|state| state == "\"done\"")
    );
    assert_eq!(filter.effective_locks(), IDENTITIES);
    let crossings = nodes
        .iter()
        .map(|node| node.metric("arfd_crossings_total{rule=\"test\"}").unwrap());
    assert_eq!(crossings.sum::<f64>() as usize, IDENTITIES);
}
