//! The ladder: a notice, then a hold, then a lock, each raising the same incident with the complaints of all.

use super::{Place, on_both};
use crate::support::filings::{at, filings, policy};
use arfd::domain::filing::{Opened, Policy};
use arfd::domain::lock::{Action, OrderState};
use arfd::domain::threshold::{Rule, Step};
use arfd::store::{Settlement, Store};
use std::sync::Arc;
use std::time::Duration;

on_both!(
    each_step_raises_the_same_incident,
    a_weaker_step_does_nothing,
    what_observes_leaves_the_rest_alone,
    while_observing_the_top_is_seen,
    a_restrained_lock_leaves_the_hold,
);

const TARGET: &str = "t";

/// A notice at two, a hold at three, a lock at five.
fn ladder() -> Policy {
    let mut policy = policy(5, &[TARGET]);
    let lock = policy.rules[0].clone();
    for (name, action, min_weight) in [("notice", Step::Notify, 2), ("hold", Step::Hold, 3)] {
        policy.rules.push(Rule {
            name: name.into(),
            action,
            min_weight,
            ..lock.clone()
        });
    }
    policy
}

async fn file(
    store: &Arc<dyn Store>,
    numbers: std::ops::Range<u32>,
    policy: &Policy,
) -> Vec<Opened> {
    let filed = store.file(&filings("bob", numbers), policy).await.unwrap();
    filed.into_iter().filter_map(|filed| filed.opened).collect()
}

async fn done(store: &Arc<dyn Store>, second: i64) -> Action {
    let targets = [TARGET.to_owned()];
    let claim = store
        .claim(&targets, at(second), Duration::from_secs(60))
        .await;
    let claim = claim.unwrap().unwrap();
    let answer = Settlement::Done {
        answer: "OK".into(),
    };
    assert!(store.settle(&claim, &answer, at(second)).await.unwrap());
    claim.order.action
}

async fn states(store: &Arc<dyn Store>) -> Vec<String> {
    let rows = store.incidents(100).await.unwrap();
    rows.into_iter().map(|row| row.state).collect()
}

async fn each_step_raises_the_same_incident(place: Place) {
    let store = place.open().await;
    let told = file(&store, 0..2, &ladder()).await;
    assert_eq!(
        (told.len(), told[0].action, told[0].ordered),
        (1, Step::Notify, false)
    );
    assert_eq!(states(&store).await, ["open"]);
    assert!(
        store.orders(9).await.unwrap().is_empty(),
        "a notice orders nothing"
    );

    let held = file(&store, 2..3, &ladder()).await;
    assert_eq!((held[0].action, held[0].ordered), (Step::Hold, true));
    assert_eq!(held[0].incident, told[0].incident);
    assert_eq!(done(&store, 10).await, Action::Hold);
    assert_eq!(states(&store).await, ["holding"]);

    // Another node, which knows the window from the database only.
    let store = place.open().await;
    assert!(file(&store, 3..4, &ladder()).await.is_empty());
    let locked = file(&store, 4..5, &ladder()).await;
    assert_eq!((locked[0].action, locked[0].ordered), (Step::Lock, true));
    assert_eq!(locked[0].incident, told[0].incident);
    assert_eq!(states(&store).await, ["open"]);
    assert_eq!(done(&store, 20).await, Action::Lock);
    assert_eq!(states(&store).await, ["locked"]);
    assert!(
        file(&store, 5..50, &ladder()).await.is_empty(),
        "there is nothing above"
    );

    let row = store.incidents(1).await.unwrap().remove(0);
    let above = row.explanation["escalations"].as_array().unwrap();
    let rules: Vec<_> = above
        .iter()
        .map(|e| e["crossing"]["rule"]["name"].as_str())
        .collect();
    assert_eq!(rules, [Some("hold"), Some("burst")]);
    assert_eq!(row.explanation["crossing"]["rule"]["name"], "notice");
    let audit = store.audit_of(row.id, 20).await.unwrap();
    let audit: Vec<_> = audit.into_iter().map(|link| link.entry.action).collect();
    assert_eq!(
        audit,
        [
            "incident.noted",
            "incident.escalated",
            "order.done",
            "incident.holding",
            "incident.escalated",
            "order.done",
            "incident.locked"
        ]
    );
}

/// All at once: the strongest is taken, and the weaker ones say nothing.
async fn a_weaker_step_does_nothing(place: Place) {
    let store = place.open().await;
    let mut policy = ladder();
    policy.rules.retain(|rule| rule.action != Step::Notify);
    let opened = file(&store, 0..3, &policy).await;
    assert_eq!(opened.len(), 1);
    // The hold is not through yet when the lock is ordered: it is taken back.
    let opened = file(&store, 3..9, &policy).await;
    assert_eq!(opened.len(), 1);
    let orders = store.orders(9).await.unwrap();
    let of = |action| {
        orders
            .iter()
            .find(|o| o.order.action == action)
            .unwrap()
            .state
    };
    assert_eq!(
        (of(Action::Hold), of(Action::Lock)),
        (OrderState::Cancelled, OrderState::Pending)
    );
    assert_eq!(done(&store, 20).await, Action::Lock);
    assert_eq!(states(&store).await, ["locked"]);
}

async fn what_observes_leaves_the_rest_alone(place: Place) {
    let store = place.open().await;
    let mut policy = policy(5, &[TARGET]);
    let mut observe = policy.rules[0].clone();
    (observe.name, observe.action, observe.min_weight) = ("look".into(), Step::Observe, 2);
    policy.rules.push(observe);
    let told = file(&store, 0..4, &policy).await;
    assert_eq!(
        (told.len(), told[0].action),
        (1, Step::Observe),
        "once in its window"
    );
    assert_eq!(states(&store).await, ["observed"]);
    let store = place.open().await;
    let opened = file(&store, 4..5, &policy).await;
    assert_eq!((opened.len(), opened[0].action), (1, Step::Lock));
}

async fn while_observing_the_top_is_seen(place: Place) {
    let store = place.open().await;
    let mut policy = ladder();
    policy.targets = Default::default();
    let told = file(&store, 0..5, &policy).await;
    let steps: Vec<Step> = told.iter().map(|opened| opened.action).collect();
    assert_eq!(steps, [Step::Notify, Step::Hold, Step::Lock]);
    assert!(told.iter().all(|opened| !opened.ordered));
    assert_eq!(states(&store).await, ["observed"; 3]);
    let orders = store.orders(9).await.unwrap();
    assert!(
        orders
            .iter()
            .all(|o| o.state == OrderState::Observed && o.order.target == "none")
    );
}

async fn a_restrained_lock_leaves_the_hold(place: Place) {
    let store = place.open().await;
    file(&store, 0..3, &ladder()).await;
    done(&store, 10).await;
    store.pause_locks(true, "ann", "why", at(11)).await.unwrap();
    assert!(file(&store, 3..9, &ladder()).await.is_empty());
    assert_eq!(states(&store).await, ["holding"]);
    store
        .pause_locks(false, "ann", "why", at(12))
        .await
        .unwrap();
    let opened = file(&store, 9..10, &ladder()).await;
    assert_eq!((opened[0].action, opened[0].ordered), (Step::Lock, true));
}
