//! Which targets get an incident's orders, each its own row; and what becomes of an identity that none takes.

use super::Place;
use crate::support::filings::{at, filing, policy};
use arfd::domain::lock::{Action, OrderState, Subject};
use arfd::domain::routing::{Route, Routing};
use std::collections::BTreeSet;

super::on_both!(orders_go_where_they_are_taken, what_nobody_takes_is_refused);

fn route(target: &str, pattern: &str) -> Route {
    Route {
        target: target.to_owned(),
        patterns: vec![pattern.parse().unwrap()],
        takes: vec![(Action::Lock, Subject::Identity)],
    }
}

fn routing() -> Routing {
    Routing(vec![
        route("filter", "domain:example.com"),
        route("panel", "bob@*"),
        route("elsewhere", "domain:example.net"),
    ])
}

async fn orders_go_where_they_are_taken(place: Place) {
    let store = place.open().await;
    let mut p = policy(1, &[]);
    p.targets = routing();
    let batch = [filing("bob", 1, 1), filing("eve", 1, 1)];
    let filed = store.file(&batch, &p).await.unwrap();
    assert!(filed.iter().all(|f| f.opened.as_ref().unwrap().ordered));
    let orders = store.orders(10).await.unwrap();
    let got: BTreeSet<(&str, &str)> = orders
        .iter()
        .map(|row| (row.order.identity.value.as_str(), row.order.target.as_str()))
        .collect();
    assert_eq!(
        got,
        BTreeSet::from([
            ("bob@example.com", "filter"),
            ("bob@example.com", "panel"),
            ("eve@example.com", "filter"),
        ])
    );
    let ids: BTreeSet<_> = orders.iter().map(|row| row.order.id).collect();
    assert_eq!(ids.len(), 3);
    assert!(orders.iter().all(|row| row.state == OrderState::Pending));
}

async fn what_nobody_takes_is_refused(place: Place) {
    let store = place.open().await;
    let mut p = policy(1, &[]);
    p.targets = Routing(routing().0.split_off(1));
    let filed = store.file(&[filing("eve", 1, 1)], &p).await.unwrap();
    assert!(!filed[0].opened.as_ref().unwrap().ordered);
    let incident = &store.incidents(10).await.unwrap()[0];
    assert_eq!(incident.state, "refused");
    let order = &store.orders(10).await.unwrap()[0];
    assert_eq!(
        (order.state, order.order.target.as_str()),
        (OrderState::Refused, "none")
    );
    assert!(order.order.reason.ends_with("no target takes it"));
    assert!(order.settled_at.is_some());
    // It stays so until a person has seen it.
    let filed = store.file(&[filing("eve", 2, 2)], &p).await.unwrap();
    assert!(filed[0].opened.is_none());
    // Neither is it held, for approving it would send nothing.
    store.pause_locks(true, "desk", "why", at(3)).await.unwrap();
    store
        .file(&[filing("al", 1, 4), filing("bob", 1, 4)], &p)
        .await
        .unwrap();
    let incidents = store.incidents(10).await.unwrap();
    let state = |name: &str| {
        let found = incidents.iter().find(|row| row.identity.starts_with(name));
        found.map(|row| row.state.as_str())
    };
    assert_eq!((state("al"), state("bob")), (Some("refused"), Some("held")));
}
