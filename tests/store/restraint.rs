//! What restrains a lock, on both databases: paused and over budget is held until a person approves, what is
//! on trial or protected is recorded, and no number of nodes goes over the budget.

use super::{Place, on_both};
use crate::support::filings::{at, filing, filings, policy};
use arfd::domain::filing::{Filed, Policy};
use arfd::domain::restraint::Restraint;
use arfd::store::{Known, Store};
use std::sync::Arc;
use std::time::Duration;

on_both!(
    paused_is_held_until_approved,
    a_pause_stops_orders_that_wait,
    closing_dismisses_what_is_held,
    the_budget_holds_over_nodes,
    a_trial_records_once_and_spends_nothing,
    who_is_protected_is_recorded,
    a_longer_window_reads_what_was_forgotten,
    what_was_seen_first_stays,
);

const TARGET: &str = "t";
const LEASE: Duration = Duration::from_secs(60);

fn five() -> Policy {
    policy(5, &[TARGET])
}

/// Files the complaints about somebody; the crossing, if one was met.
async fn file(
    store: &Arc<dyn Store>,
    who: &str,
    numbers: std::ops::Range<u32>,
    policy: &Policy,
) -> Option<Filed> {
    let filed = store.file(&filings(who, numbers), policy).await.unwrap();
    filed.into_iter().find(|filed| filed.opened.is_some())
}

fn restraint(filed: &Filed) -> Option<&'static str> {
    filed
        .opened
        .as_ref()?
        .restraint
        .as_ref()
        .map(Restraint::as_str)
}

/// Whether an order can be claimed at `second`.
async fn claimable(store: &Arc<dyn Store>, second: i64) -> bool {
    let targets = [TARGET.to_owned()];
    let due = store.next_due(&targets).await.unwrap();
    let claim = store.claim(&targets, at(second), LEASE).await.unwrap();
    assert_eq!(due.is_some(), claim.is_some(), "what is due can be claimed");
    claim.is_some()
}

async fn states(store: &Arc<dyn Store>) -> Vec<String> {
    let incidents = store.incidents(100).await.unwrap();
    incidents.into_iter().map(|row| row.state).collect()
}

async fn paused_is_held_until_approved(place: Place) {
    let store = place.open().await;
    assert!(!store.lock_switch().await.unwrap().paused);
    assert!(store.pause_locks(true, "ann", "why", at(1)).await.unwrap());
    assert!(!store.pause_locks(true, "bob", "x", at(2)).await.unwrap());
    // Another node, or the same after a restart.
    let store = place.open().await;
    let switch = store.lock_switch().await.unwrap();
    assert_eq!(
        (
            switch.paused,
            switch.by.as_str(),
            switch.why.as_str(),
            switch.since
        ),
        (true, "ann", "why", at(1))
    );
    let filed = file(&store, "bob", 0..9, &five()).await.unwrap();
    assert_eq!(restraint(&filed), Some("paused"));
    assert!(!filed.opened.as_ref().unwrap().ordered);
    assert_eq!(states(&store).await, ["held"]);
    // It is an open incident: more of the same opens no other.
    assert!(file(&store, "bob", 20..40, &five()).await.is_none());
    assert!(
        store
            .pause_locks(false, "ann", "fine", at(50))
            .await
            .unwrap()
    );
    assert!(!claimable(&store, 50).await, "held is not sent by resuming");

    let incident = filed.opened.unwrap().incident;
    assert!(
        store
            .approve_incident(incident, "ann", "spam", at(60))
            .await
            .unwrap()
    );
    assert!(
        !store
            .approve_incident(incident, "ann", "spam", at(61))
            .await
            .unwrap()
    );
    assert_eq!(states(&store).await, ["open"]);
    let targets = [TARGET.to_owned()];
    let claim = store.claim(&targets, at(60), LEASE).await.unwrap().unwrap();
    // Its age counts from the approval, or it would be too old to be sent.
    assert_eq!(claim.order.ordered_at, at(60));
    assert_eq!(claim.order.incident, incident);
}

async fn a_pause_stops_orders_that_wait(place: Place) {
    let store = place.open().await;
    let filed = file(&store, "bob", 0..5, &five()).await.unwrap();
    assert_eq!(restraint(&filed), None);
    store.pause_locks(true, "ann", "why", at(10)).await.unwrap();
    assert!(!claimable(&store, 100).await);
    store
        .pause_locks(false, "ann", "why", at(20))
        .await
        .unwrap();
    assert!(claimable(&store, 100).await);
}

async fn closing_dismisses_what_is_held(place: Place) {
    let store = place.open().await;
    store.pause_locks(true, "ann", "why", at(0)).await.unwrap();
    let filed = file(&store, "bob", 0..5, &five()).await.unwrap();
    let incident = filed.opened.unwrap().incident;
    assert!(
        store
            .close_incident(incident, "ann", "no spam", at(9))
            .await
            .unwrap()
    );
    assert!(
        !store
            .approve_incident(incident, "ann", "late", at(10))
            .await
            .unwrap()
    );
    store
        .pause_locks(false, "ann", "why", at(11))
        .await
        .unwrap();
    assert!(!claimable(&store, 100).await);
    assert_eq!(states(&store).await, ["closed"]);
}

/// Twenty identities cross at once at three nodes; seven may be locked.
async fn the_budget_holds_over_nodes(place: Place) {
    const BUDGET: u64 = 7;
    let stores = [place.open().await, place.open().await, place.open().await];
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let store = Arc::clone(&stores[n % stores.len()]);
            tokio::spawn(async move {
                let mut policy = five();
                policy.restraints.max_locks_per_hour = Some(BUDGET);
                let filed = file(&store, &format!("user{n}"), 0..5, &policy)
                    .await
                    .unwrap();
                restraint(&filed)
            })
        })
        .collect();
    let mut held = 0;
    for task in tasks {
        match task.await.unwrap() {
            None => {}
            Some("over_budget") => held += 1,
            Some(other) => panic!("{other}"),
        }
    }
    assert_eq!(held, 13);
    let all = states(&stores[0]).await;
    assert_eq!(all.iter().filter(|state| *state == "open").count(), 7);
    assert_eq!(all.iter().filter(|state| *state == "held").count(), 13);
    // An hour later there is room again.
    let mut policy = five();
    policy.restraints.max_locks_per_hour = Some(BUDGET);
    let filed = file(&stores[0], "late", 3_605..3_610, &policy)
        .await
        .unwrap();
    assert_eq!(restraint(&filed), None);
}

async fn a_trial_records_once_and_spends_nothing(place: Place) {
    let store = place.open().await;
    let mut trying = five();
    trying
        .restraints
        .trials
        .rules
        .insert("burst".into(), at(100));
    let filed = file(&store, "bob", 0..8, &trying).await.unwrap();
    assert_eq!(restraint(&filed), Some("trial"));
    assert!(
        file(&store, "bob", 10..90, &trying).await.is_none(),
        "told once"
    );
    assert_eq!(states(&store).await, ["observed"]);
    assert!(!claimable(&store, 100).await);
    // The trial is over: what was complained of all the while counts, and the next complaint locks.
    let filed = file(&store, "bob", 100..101, &trying).await.unwrap();
    assert_eq!(restraint(&filed), None);
    let mut all = states(&store).await;
    all.sort();
    assert_eq!(all, ["observed", "open"]);
    assert!(claimable(&store, 200).await);
}

async fn who_is_protected_is_recorded(place: Place) {
    let store = place.open().await;
    let mut policy = five();
    policy.restraints.protected = vec!["bob@*".parse().unwrap()];
    let filed = file(&store, "bob", 0..5, &policy).await.unwrap();
    assert_eq!(restraint(&filed), Some("protected"));
    let filed = file(&store, "eve", 0..5, &policy).await.unwrap();
    assert_eq!(restraint(&filed), None);
    let incidents = store.incidents(10).await.unwrap();
    let bob = incidents
        .iter()
        .find(|row| row.identity.starts_with("bob"))
        .unwrap();
    assert_eq!(bob.state, "observed");
    assert_eq!(bob.explanation["restraint"]["pattern"], "bob@*");
}

async fn what_was_seen_first_stays(place: Place) {
    let known = |name: &str, shape: &str| Known {
        kind: "rule",
        name: name.into(),
        shape: shape.into(),
    };
    let store = place.open().await;
    let seen = store.first_seen(&[known("a", "1")], at(5)).await.unwrap();
    assert_eq!(seen, [at(5)]);
    let store = place.open().await;
    let all = [known("a", "1"), known("a", "2"), known("b", "1")];
    let seen = store.first_seen(&all, at(9)).await.unwrap();
    assert_eq!(seen, [at(5), at(9), at(9)], "a changed rule is a new one");
}

/// Rules may change between batches: a window in memory that is too short for the new ones is read again.
async fn a_longer_window_reads_what_was_forgotten(place: Place) {
    let store = place.open().await;
    let with = |seconds, weight| {
        let mut policy = policy(weight, &[TARGET]);
        policy.rules[0].window_seconds = seconds;
        policy
    };
    // Two, an hour apart, and a third that keeps the window in memory short.
    for (number, second) in [(1, 0), (2, 3_600), (3, 7_200)] {
        let one = filing("bob", number, second);
        let filed = store.file(&[one], &with(10, 4)).await.unwrap();
        assert_eq!(filed[0].opened, None);
    }
    let one = filing("bob", 4, 7_201);
    let filed = store.file(&[one], &with(86_400, 4)).await.unwrap();
    assert!(filed[0].opened.is_some(), "all four are within a day");
}
