//! The life of a lock in the store: released by hand and by its timeout, cool-downs, orders that never overlap,
//! and the bound on automatic unlocks.

use super::{Place, on_both};
use crate::support::filings::{at, filing, policy};
use arfd::domain::filing::{Filed, Policy};
use arfd::domain::ids::IncidentId;
use arfd::domain::incident::{IncidentState, NotAllowed};
use arfd::domain::lock::{Action, OrderState};
use arfd::store::{Claim, Settlement, Store, Wish};
use std::sync::Arc;
use std::time::Duration;

on_both!(
    a_lock_is_released_by_hand,
    what_was_not_sent_is_only_closed,
    a_try_under_way_keeps_its_release_waiting,
    a_timeout_releases_and_the_next_lock_waits,
    automatic_unlocks_have_an_end,
    after_a_persons_release_a_crossing_is_held,
    releases_go_out_while_locks_are_paused,
    a_refused_release_is_for_the_desk,
);

const TARGETS: [&str; 2] = ["a", "b"];
const LEASE: Duration = Duration::from_secs(60);
const COOL: u64 = 600;

fn five() -> Policy {
    policy(5, &TARGETS)
}

fn timed(seconds: u64, most: u32) -> Policy {
    let mut policy = five();
    policy.life.timeout_seconds = Some(seconds);
    policy.life.max_automatic_unlocks = most;
    policy
}

/// Five complaints about bob, all received at `second`.
async fn cross(store: &Arc<dyn Store>, first: u32, second: i64, policy: &Policy) -> Option<Filed> {
    let batch: Vec<_> = (first..first + 5)
        .map(|n| filing("bob", n, second))
        .collect();
    let filed = store.file(&batch, policy).await.unwrap();
    filed.into_iter().find(|filed| filed.opened.is_some())
}

async fn claim(store: &Arc<dyn Store>, target: &str, second: i64) -> Option<Claim> {
    let targets = [target.to_owned()];
    let due = store.next_due(&targets).await.unwrap();
    let claim = store.claim(&targets, at(second), LEASE).await.unwrap();
    let is_due = due.is_some_and(|due| due <= at(second));
    assert_eq!(is_due, claim.is_some(), "what is due can be claimed");
    claim
}

async fn done(store: &Arc<dyn Store>, second: i64) -> Vec<Action> {
    let mut actions = vec![];
    for target in TARGETS {
        let claim = claim(store, target, second).await.unwrap();
        let answer = Settlement::Done {
            answer: "OK".into(),
        };
        assert!(store.settle(&claim, &answer, at(second)).await.unwrap());
        actions.push(claim.order.action);
    }
    actions
}

fn wish(second: i64) -> Wish<'static> {
    Wish {
        actor: "ann",
        why: "ticket 1",
        now: at(second),
    }
}

async fn states(store: &Arc<dyn Store>) -> Vec<String> {
    let rows = store.incidents(100).await.unwrap();
    rows.into_iter().map(|row| row.state).collect()
}

async fn audited(store: &Arc<dyn Store>, incident: IncidentId) -> Vec<String> {
    let links = store.audit_of(incident, 100).await.unwrap();
    links.into_iter().map(|link| link.entry.action).collect()
}

async fn a_lock_is_released_by_hand(place: Place) {
    let store = place.open().await;
    let incident = cross(&store, 0, 0, &five())
        .await
        .unwrap()
        .opened
        .unwrap()
        .incident;
    assert_eq!(done(&store, 1).await, [Action::Lock; 2]);
    let to = store
        .release_incident(incident, &wish(100), COOL)
        .await
        .unwrap();
    assert_eq!(to, Ok(IncidentState::Releasing));
    let again = store
        .release_incident(incident, &wish(101), COOL)
        .await
        .unwrap();
    assert_eq!(again, Err(NotAllowed::Already));
    assert!(
        cross(&store, 10, 102, &five()).await.is_none(),
        "it is still open"
    );
    let ids: Vec<_> = store
        .orders(10)
        .await
        .unwrap()
        .iter()
        .map(|o| o.order.id)
        .collect();
    assert_eq!(ids.len(), 4, "each order has an idempotency key of its own");
    assert_eq!(done(&store, 110).await, [Action::Release; 2]);
    assert_eq!(states(&store).await, ["released"]);
    let over = store
        .release_incident(incident, &wish(111), COOL)
        .await
        .unwrap();
    assert_eq!(over, Err(NotAllowed::Over));
    assert_eq!(
        audited(&store, incident).await,
        [
            "incident.opened",
            "order.done",
            "order.done",
            "incident.locked",
            "incident.releasing",
            "order.done",
            "order.done",
            "incident.released"
        ]
    );
    // What was complained of before the release is spent: four more are not five.
    let late: Vec<_> = (20..24).map(|n| filing("bob", n, 800)).collect();
    let filed = store.file(&late, &five()).await.unwrap();
    assert!(filed.iter().all(|f| f.opened.is_none()));
}

async fn what_was_not_sent_is_only_closed(place: Place) {
    let store = place.open().await;
    let incident = cross(&store, 0, 0, &five())
        .await
        .unwrap()
        .opened
        .unwrap()
        .incident;
    let to = store
        .release_incident(incident, &wish(1), COOL)
        .await
        .unwrap();
    assert_eq!(to, Ok(IncidentState::Closed));
    let orders = store.orders(10).await.unwrap();
    assert!(orders.iter().all(|o| o.state == OrderState::Cancelled));
    assert!(claim(&store, "a", 2).await.is_none());
    let none = IncidentId::of(&[b"none"]);
    let none = store.release_incident(none, &wish(1), COOL).await.unwrap();
    assert_eq!(none, Err(NotAllowed::NoIncident));
}

async fn a_try_under_way_keeps_its_release_waiting(place: Place) {
    let store = place.open().await;
    let incident = cross(&store, 0, 0, &five())
        .await
        .unwrap()
        .opened
        .unwrap()
        .incident;
    let slow = claim(&store, "a", 1).await.unwrap();
    let to = store
        .release_incident(incident, &wish(2), COOL)
        .await
        .unwrap();
    assert_eq!(to, Ok(IncidentState::Releasing));
    // Only where a try was begun is there anything to release.
    let pending = |o: &&arfd::store::OrderRow| o.state == OrderState::Pending;
    let orders = store.orders(10).await.unwrap();
    let pending: Vec<_> = orders
        .iter()
        .filter(pending)
        .map(|o| o.order.target.as_str())
        .collect();
    assert_eq!(pending, ["a"]);
    assert!(
        claim(&store, "a", 3).await.is_none(),
        "the lock may still take effect"
    );
    let answer = Settlement::Done {
        answer: "locked".into(),
    };
    assert!(
        !store.settle(&slow, &answer, at(4)).await.unwrap(),
        "it was taken back"
    );
    let release = claim(&store, "a", 5).await.unwrap();
    assert_eq!(release.order.action, Action::Release);
    assert!(store.settle(&release, &answer, at(6)).await.unwrap());
    assert_eq!(states(&store).await, ["released"]);

    // Whoever dies in its try keeps the release waiting for as long as the lease.
    let store = place.open().await;
    let late = cross(&store, 50, 5_000, &five())
        .await
        .unwrap()
        .opened
        .unwrap()
        .incident;
    claim(&store, "a", 5_001).await.unwrap();
    store
        .release_incident(late, &wish(5_002), COOL)
        .await
        .unwrap()
        .unwrap();
    assert!(claim(&store, "a", 5_060).await.is_none());
    assert!(claim(&store, "a", 5_061).await.is_some());
}

async fn a_timeout_releases_and_the_next_lock_waits(place: Place) {
    let store = place.open().await;
    let policy = timed(3_600, 2);
    let incident = cross(&store, 0, 0, &policy)
        .await
        .unwrap()
        .opened
        .unwrap()
        .incident;
    assert_eq!(
        store.next_ending().await.unwrap(),
        None,
        "not confirmed yet"
    );
    done(&store, 10).await;
    assert_eq!(store.next_ending().await.unwrap(), Some(at(3_610)));
    assert_eq!(
        store.release_timed_out(COOL, at(3_609)).await.unwrap(),
        None
    );
    // Two nodes at once.
    let other = place.open().await;
    let (one, two) = tokio::join!(
        store.release_timed_out(COOL, at(3_610)),
        other.release_timed_out(COOL, at(3_610))
    );
    let ended: Vec<_> = [one.unwrap(), two.unwrap()].into_iter().flatten().collect();
    assert_eq!(ended.len(), 1);
    assert_eq!(
        (ended[0].incident, ended[0].state),
        (incident, IncidentState::Releasing)
    );
    assert_eq!(done(&store, 3_620).await, [Action::Release; 2]);
    assert_eq!(states(&store).await, ["released"]);
    // Within the cool-down the next lock is ordered, and sent when it is over.
    let again = cross(&store, 10, 3_700, &policy)
        .await
        .unwrap()
        .opened
        .unwrap();
    assert!(again.ordered && again.restraint.is_none());
    assert!(claim(&store, "a", 3_620 + 599).await.is_none());
    assert!(claim(&store, "a", 3_620 + 600).await.is_some());
}

async fn automatic_unlocks_have_an_end(place: Place) {
    let store = place.open().await;
    let policy = timed(100, 2);
    for (round, unlocks) in [(0u32, true), (1, true), (2, false)] {
        let start = i64::from(round) * 10_000;
        cross(&store, round * 10, start, &policy).await.unwrap();
        done(&store, start + 1).await;
        let ended = store.release_timed_out(1, at(start + 5_000)).await.unwrap();
        assert_eq!(ended.is_some(), unlocks, "round {round}");
        if unlocks {
            done(&store, start + 5_001).await;
        }
    }
    let last = store.incidents(1).await.unwrap().remove(0);
    assert_eq!(last.state, "locked");
    let terms = serde_json::json!({"timeout_seconds": null, "unlocked_before": 2, "most": 2});
    assert_eq!(last.explanation["terms"], terms);
    // A person who unlocks forgets them.
    store
        .release_incident(last.id, &wish(30_000), 1)
        .await
        .unwrap()
        .unwrap();
    done(&store, 30_001).await;
    cross(&store, 90, 40_000, &policy).await.unwrap();
    done(&store, 40_001).await;
    assert!(
        store
            .release_timed_out(1, at(45_000))
            .await
            .unwrap()
            .is_some()
    );
}

async fn after_a_persons_release_a_crossing_is_held(place: Place) {
    let store = place.open().await;
    let incident = cross(&store, 0, 0, &five())
        .await
        .unwrap()
        .opened
        .unwrap()
        .incident;
    done(&store, 1).await;
    store
        .release_incident(incident, &wish(100), COOL)
        .await
        .unwrap()
        .unwrap();
    done(&store, 110).await;
    let held = cross(&store, 10, 709, &five())
        .await
        .unwrap()
        .opened
        .unwrap();
    assert_eq!(held.restraint.unwrap().as_str(), "cool_down");
    assert!(!held.ordered);
    assert!(
        claim(&store, "a", 10_000).await.is_none(),
        "it is for a person"
    );
    let approved = store
        .approve_incident(held.incident, "ann", "spam", at(720))
        .await;
    assert!(approved.unwrap());
    done(&store, 721).await;
    assert_eq!(states(&store).await, ["locked", "released"]);
    store
        .release_incident(held.incident, &wish(800), COOL)
        .await
        .unwrap()
        .unwrap();
    done(&store, 801).await;
    let free = cross(&store, 20, 801 + 601, &five())
        .await
        .unwrap()
        .opened
        .unwrap();
    assert!(free.ordered, "the cool-down is over");
}

async fn releases_go_out_while_locks_are_paused(place: Place) {
    let store = place.open().await;
    let incident = cross(&store, 0, 0, &five())
        .await
        .unwrap()
        .opened
        .unwrap()
        .incident;
    done(&store, 1).await;
    store.pause_locks(true, "ann", "why", at(2)).await.unwrap();
    store
        .release_incident(incident, &wish(3), COOL)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(done(&store, 4).await, [Action::Release; 2]);
}

async fn a_refused_release_is_for_the_desk(place: Place) {
    let store = place.open().await;
    let incident = cross(&store, 0, 0, &five())
        .await
        .unwrap()
        .opened
        .unwrap()
        .incident;
    done(&store, 1).await;
    store
        .release_incident(incident, &wish(3), COOL)
        .await
        .unwrap()
        .unwrap();
    let held = claim(&store, "a", 4).await.unwrap();
    let no = Settlement::Refused {
        why: "no such call".into(),
    };
    assert!(store.settle(&held, &no, at(5)).await.unwrap());
    assert_eq!(states(&store).await, ["refused"]);
    let to = store
        .release_incident(incident, &wish(10), COOL)
        .await
        .unwrap();
    assert_eq!(to, Ok(IncidentState::Releasing), "a person may try again");
    assert_eq!(done(&store, 11).await, [Action::Release; 2]);
    assert_eq!(states(&store).await, ["released"]);
}
