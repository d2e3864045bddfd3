//! The outbox's side: claims are exclusive, leases run out, and only the holder settles.

use super::{Place, on_both};
use crate::support::filings::{at, filing, filings, policy};
use arfd::domain::lock::OrderState;
use arfd::store::{Claim, Settlement, Store};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

on_both!(
    claims_are_exclusive,
    a_claim_is_for_named_targets,
    a_lease_runs_out,
    a_lost_claim_settles_nothing,
    later_is_later,
    refused_is_visible,
    locked_when_all_targets_locked,
    orders_settled_at_once_lock_the_incident,
);

const LEASE: Duration = Duration::from_secs(30);

fn targets(names: &[&str]) -> Vec<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

async fn ordered(place: &Place, identities: u32, names: &[&str]) -> Arc<dyn Store> {
    let store = place.open().await;
    let batch: Vec<_> = (0..identities)
        .map(|n| filing(&format!("user{n}"), 0, i64::from(n)))
        .collect();
    store.file(&batch, &policy(1, names)).await.unwrap();
    store
}

async fn claim(store: &Arc<dyn Store>, name: &str, second: i64) -> Option<Claim> {
    store
        .claim(&targets(&[name]), at(second), LEASE)
        .await
        .unwrap()
}

fn locked() -> Settlement {
    Settlement::Done {
        answer: "locked".into(),
    }
}

async fn claims_are_exclusive(place: Place) {
    let store = ordered(&place, 20, &["filter"]).await;
    let other = place.open().await;
    let workers = (0..8).map(|n| {
        let store = Arc::clone(if n % 2 == 0 { &store } else { &other });
        tokio::spawn(async move {
            let mut mine = Vec::new();
            while let Some(claim) = claim(&store, "filter", 100).await {
                mine.push(claim);
            }
            mine
        })
    });
    let mut claims = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        claims.extend(worker.await.unwrap());
    }
    let orders: HashSet<_> = claims.iter().map(|c| c.order.id).collect();
    let tokens: HashSet<_> = claims.iter().map(|c| c.token).collect();
    assert_eq!((claims.len(), orders.len(), tokens.len()), (20, 20, 20));
    assert!(claims.iter().all(|c| c.order.attempts == 1));
}

async fn a_claim_is_for_named_targets(place: Place) {
    let store = ordered(&place, 2, &["filter", "map"]).await;
    assert!(claim(&store, "other", 100).await.is_none());
    assert!(store.claim(&[], at(100), LEASE).await.unwrap().is_none());
    assert_eq!(store.next_due(&[]).await.unwrap(), None);
    assert_eq!(store.next_due(&targets(&["other"])).await.unwrap(), None);
    let first = claim(&store, "map", 100).await.unwrap();
    assert_eq!(first.order.target, "map");
    assert_eq!(first.order.ordered_at, at(0), "the longest waiting first");
    assert!(claim(&store, "map", 100).await.is_some());
    assert!(claim(&store, "map", 100).await.is_none());
    let three = targets(&["map", "filter", "other"]);
    let any = store.claim(&three, at(100), LEASE).await.unwrap();
    assert_eq!(any.unwrap().order.target, "filter");
    assert_eq!(store.next_due(&three).await.unwrap(), Some(at(1)));
}

async fn a_lease_runs_out(place: Place) {
    let store = ordered(&place, 1, &["filter"]).await;
    let all = targets(&["filter"]);
    assert_eq!(store.next_due(&all).await.unwrap(), Some(at(0)));
    let first = claim(&store, "filter", 10).await.unwrap();
    assert_eq!(store.next_due(&all).await.unwrap(), Some(at(40)));
    assert!(claim(&store, "filter", 39).await.is_none());
    let second = claim(&store, "filter", 40).await.unwrap();
    assert_eq!(second.order.id, first.order.id);
    assert_eq!(second.order.attempts, 2);
    assert_ne!(second.token, first.token);
}

async fn a_lost_claim_settles_nothing(place: Place) {
    let store = ordered(&place, 1, &["filter"]).await;
    let lost = claim(&store, "filter", 10).await.unwrap();
    let held = claim(&store, "filter", 50).await.unwrap();
    assert!(!store.settle(&lost, &locked(), at(51)).await.unwrap());
    let row = store.order(lost.order.id).await.unwrap().unwrap();
    assert_eq!((row.state, row.last_answer), (OrderState::Pending, None));
    assert!(store.settle(&held, &locked(), at(52)).await.unwrap());
    assert!(!store.settle(&held, &locked(), at(53)).await.unwrap());
    let row = store.order(lost.order.id).await.unwrap().unwrap();
    assert_eq!(row.settled_at, Some(at(52)));
    assert_eq!(row.last_answer.as_deref(), Some("locked"));
    assert!(claim(&store, "filter", 1000).await.is_none());
    assert_eq!(store.incidents(1).await.unwrap()[0].state, "locked");
}

async fn later_is_later(place: Place) {
    let store = ordered(&place, 1, &["filter"]).await;
    let all = targets(&["filter"]);
    let first = claim(&store, "filter", 10).await.unwrap();
    let later = Settlement::Later {
        why: "503".into(),
        at: at(100),
    };
    assert!(store.settle(&first, &later, at(11)).await.unwrap());
    assert_eq!(store.next_due(&all).await.unwrap(), Some(at(100)));
    assert!(claim(&store, "filter", 99).await.is_none());
    assert!(!store.settle(&first, &locked(), at(99)).await.unwrap());
    let row = store.orders(1).await.unwrap().remove(0);
    assert_eq!(
        (row.state, row.last_answer.as_deref(), row.settled_at),
        (OrderState::Pending, Some("503"), None)
    );
    assert_eq!(
        claim(&store, "filter", 100).await.unwrap().order.attempts,
        2
    );
    assert_eq!(store.incidents(1).await.unwrap()[0].state, "open");
}

async fn refused_is_visible(place: Place) {
    let store = ordered(&place, 1, &["filter"]).await;
    let held = claim(&store, "filter", 10).await.unwrap();
    let refused = Settlement::Refused {
        why: "no such\0user".into(),
    };
    assert!(store.settle(&held, &refused, at(11)).await.unwrap());
    assert_eq!(store.incidents(1).await.unwrap()[0].state, "refused");
    let row = store.orders(1).await.unwrap().remove(0);
    assert_eq!(row.state, OrderState::Refused);
    assert_eq!(row.last_answer.as_deref(), Some("no such\u{FFFD}user"));
    assert_eq!(store.next_due(&targets(&["filter"])).await.unwrap(), None);
    let counts = store.order_counts().await.unwrap();
    assert!(counts.contains(&(OrderState::Refused, 1)));
    // A refused incident is still open: a person decides, not the next report.
    let more = filings("user0", 1..5);
    let filed = store.file(&more, &policy(1, &["filter"])).await.unwrap();
    assert!(filed.iter().all(|f| f.opened.is_none()));
}

async fn locked_when_all_targets_locked(place: Place) {
    let store = ordered(&place, 1, &["filter", "map"]).await;
    let one = claim(&store, "filter", 10).await.unwrap();
    let two = claim(&store, "map", 10).await.unwrap();
    assert!(store.settle(&one, &locked(), at(11)).await.unwrap());
    assert_eq!(store.incidents(1).await.unwrap()[0].state, "open");
    assert!(store.settle(&two, &locked(), at(12)).await.unwrap());
    assert_eq!(store.incidents(1).await.unwrap()[0].state, "locked");
}

async fn orders_settled_at_once_lock_the_incident(place: Place) {
    let names = ["a", "b", "c", "d", "e", "f"];
    let store = ordered(&place, 1, &names).await;
    let mut tasks = Vec::new();
    for name in names {
        let held = claim(&store, name, 10).await.unwrap();
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            assert!(store.settle(&held, &locked(), at(11)).await.unwrap());
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(store.incidents(1).await.unwrap()[0].state, "locked");
}
