//! What the store knows of a target, and what is done about differences: on both databases.

use super::{Place, on_both};
use crate::support::filings::{at, filing, identity, policy};
use arfd::domain::identity::Identity;
use arfd::domain::ids::IncidentId;
use arfd::domain::incident::{IncidentState, NotAllowed, Step};
use arfd::domain::lock::{Action, Subject};
use arfd::domain::reconcile::Known;
use arfd::store::{ByHand, Drift, Settlement, Store, Wish};
use std::sync::Arc;
use std::time::Duration;

on_both!(
    what_is_known_of_a_target,
    who_is_unlocked_at_one_target_is_released_at_all,
    what_a_target_lost_is_ordered_anew,
    what_others_locked_is_adopted_and_stays,
    a_lock_by_hand_opens_or_raises,
    an_outgoing_user_is_not_the_identity_of_its_name,
);

const BOTH: [&str; 2] = ["a", "b"];

fn wish(second: i64) -> Wish<'static> {
    Wish {
        actor: "ann",
        why: "ticket 1",
        now: at(second),
    }
}

async fn cross(store: &Arc<dyn Store>, who: &str, second: i64) -> IncidentId {
    let batch: Vec<_> = (0..5).map(|n| filing(who, n, second)).collect();
    let filed = store.file(&batch, &policy(5, &BOTH)).await.unwrap();
    let opened = filed.into_iter().find_map(|filed| filed.opened);
    opened.unwrap().incident
}

/// Carries out all that is due; what was asked, and where.
async fn carry_out(store: &Arc<dyn Store>, second: i64) -> Vec<(Action, Subject, String)> {
    let targets = BOTH.map(str::to_owned);
    let mut done = vec![];
    while let Some(claim) = store
        .claim(&targets, at(second), Duration::from_secs(60))
        .await
        .unwrap()
    {
        let answer = Settlement::Done {
            answer: "OK".into(),
        };
        assert!(store.settle(&claim, &answer, at(second)).await.unwrap());
        let order = claim.order;
        done.push((order.action, order.subject, order.target));
    }
    done.sort();
    done
}

async fn known(store: &Arc<dyn Store>, second: i64) -> Vec<Known> {
    store
        .known_at("a", at(second - 100), at(second))
        .await
        .unwrap()
}

async fn what_is_known_of_a_target(place: Place) {
    let store = place.open().await;
    let incident = cross(&store, "bob", 0).await;
    let before = known(&store, 1).await.remove(0);
    assert_eq!(
        (before.state, before.in_effect, before.busy),
        (IncidentState::Open, false, true)
    );
    carry_out(&store, 10).await;
    let locked = known(&store, 11).await.remove(0);
    let want = Known {
        incident,
        state: IncidentState::Locked,
        identity: identity("bob"),
        subject: Subject::Identity,
        action: Action::Lock,
        in_effect: true,
        maybe: true,
        busy: false,
        changed_at: at(10),
    };
    assert_eq!(locked, want);
    store
        .release_incident(incident, &wish(20), 60)
        .await
        .unwrap()
        .unwrap();
    let releasing = known(&store, 21).await.remove(0);
    assert_eq!((releasing.in_effect, releasing.busy), (true, true));
    carry_out(&store, 30).await;
    let released = known(&store, 31).await.remove(0);
    assert_eq!(
        (released.state, released.in_effect),
        (IncidentState::Released, false)
    );
    assert!(known(&store, 131).await.is_empty(), "long over");
    // Let go without a release it stays known: it is still locked there.
    let incident = cross(&store, "eve", 200).await;
    carry_out(&store, 201).await;
    store
        .close_incident(incident, "ann", "why", at(202))
        .await
        .unwrap();
    let closed = known(&store, 9_000).await.remove(0);
    assert_eq!(
        (closed.state, closed.in_effect),
        (IncidentState::Closed, true)
    );
}

async fn who_is_unlocked_at_one_target_is_released_at_all(place: Place) {
    let store = place.open().await;
    let incident = cross(&store, "bob", 0).await;
    let early = store
        .settle_drift(incident, "a", Drift::Unlocked(60), &wish(1))
        .await;
    assert_eq!(
        early.unwrap(),
        Err(NotAllowed::Senseless),
        "orders are under way"
    );
    carry_out(&store, 10).await;
    let to = store
        .settle_drift(incident, "a", Drift::Unlocked(60), &wish(20))
        .await;
    assert_eq!(to.unwrap(), Ok(IncidentState::Releasing));
    let again = store
        .settle_drift(incident, "a", Drift::Unlocked(60), &wish(21))
        .await;
    assert_eq!(again.unwrap(), Err(NotAllowed::Senseless));
    let asked = carry_out(&store, 30).await;
    assert_eq!(
        asked,
        [(Action::Release, Subject::Identity, "b".to_owned())]
    );
    let row = store.incidents(1).await.unwrap().remove(0);
    assert_eq!(row.state, "released");
    let dossier = store.dossier(incident, 3).await.unwrap().unwrap();
    assert_eq!(dossier.ended_by.as_deref(), Some("target"));
    assert_eq!(
        (
            dossier.reports.len(),
            dossier.evidence,
            dossier.orders.len()
        ),
        (3, 5, 3)
    );
}

async fn what_a_target_lost_is_ordered_anew(place: Place) {
    let store = place.open().await;
    let incident = cross(&store, "bob", 0).await;
    carry_out(&store, 10).await;
    let to = store
        .settle_drift(incident, "b", Drift::Repair, &wish(20))
        .await
        .unwrap();
    assert_eq!(to, Ok(IncidentState::Open));
    let asked = carry_out(&store, 30).await;
    assert_eq!(asked, [(Action::Lock, Subject::Identity, "b".to_owned())]);
    assert_eq!(store.incidents(1).await.unwrap()[0].state, "locked");
}

async fn what_others_locked_is_adopted_and_stays(place: Place) {
    let store = place.open().await;
    let bob = identity("bob");
    let adopt = |second| store.adopt("a", &bob, Subject::Identity, at(second));
    let incident = adopt(0).await.unwrap().unwrap();
    assert_eq!(adopt(1).await.unwrap(), Err(NotAllowed::InTheWay));
    let row = store.incidents(1).await.unwrap().remove(0);
    assert_eq!((row.state.as_str(), row.id), ("locked", incident));
    assert_eq!(row.explanation["found_at"], "a");
    let there = known(&store, 500).await.remove(0);
    assert!(there.in_effect && !there.busy);
    assert_eq!(
        store.next_ending().await.unwrap(),
        None,
        "it never ends by itself"
    );
    assert!(carry_out(&store, 10).await.is_empty(), "nothing is ordered");
    // A person may end it.
    store
        .release_incident(incident, &wish(20), 60)
        .await
        .unwrap()
        .unwrap();
    let asked = carry_out(&store, 30).await;
    assert_eq!(
        asked,
        [(Action::Release, Subject::Identity, "a".to_owned())]
    );
    assert_eq!(store.incidents(1).await.unwrap()[0].state, "released");
}

fn by_hand(identity: Identity, subject: Subject, step: Step) -> ByHand {
    ByHand {
        identity,
        subject,
        step,
        despite: None,
        timeout_seconds: Some(500),
        targets: BOTH.map(str::to_owned).to_vec(),
    }
}

async fn a_lock_by_hand_opens_or_raises(place: Place) {
    let store = place.open().await;
    let lock = by_hand(identity("bob"), Subject::Identity, Step::Lock);
    let hold = by_hand(identity("bob"), Subject::Identity, Step::Hold);
    let (incident, _) = store.order_by_hand(&hold, &wish(0)).await.unwrap().unwrap();
    carry_out(&store, 1).await;
    assert_eq!(store.next_ending().await.unwrap(), Some(at(501)));
    let raised = store.order_by_hand(&lock, &wish(2)).await.unwrap().unwrap();
    assert_eq!(raised, (incident, IncidentState::Open));
    assert_eq!(carry_out(&store, 3).await.len(), 2);
    let again = store.order_by_hand(&lock, &wish(4)).await.unwrap();
    assert_eq!(again, Err(NotAllowed::Already));
    let row = store.incidents(1).await.unwrap().remove(0);
    assert_eq!(
        (row.state.as_str(), &row.explanation["person"]),
        ("locked", &"ann".into())
    );
    // The budget of an hour is for rules.
    let mut policy = policy(5, &BOTH);
    policy.restraints.max_locks_per_hour = Some(1);
    let batch: Vec<_> = (0..5).map(|n| filing("eve", n, 10)).collect();
    let filed = store.file(&batch, &policy).await.unwrap();
    assert!(filed.into_iter().find_map(|f| f.opened).unwrap().ordered);
    // Complaints about bob open nothing while he is locked by hand.
    let batch: Vec<_> = (0..5).map(|n| filing("bob", n, 10)).collect();
    let filed = store.file(&batch, &policy).await.unwrap();
    assert!(filed.iter().all(|f| f.opened.is_none()));
}

async fn an_outgoing_user_is_not_the_identity_of_its_name(place: Place) {
    let store = place.open().await;
    let mut user = identity("bob");
    user.value = "mta@example.com".into();
    let mut seen = vec![];
    for subject in Subject::ALL {
        let what = by_hand(user.clone(), subject, Step::Lock);
        let (incident, _) = store.order_by_hand(&what, &wish(0)).await.unwrap().unwrap();
        seen.push(incident);
    }
    seen.dedup();
    assert_eq!(seen.len(), 3);
    let asked = carry_out(&store, 1).await;
    let subjects: Vec<Subject> = asked.iter().map(|(_, subject, _)| *subject).collect();
    for subject in Subject::ALL {
        assert_eq!(
            subjects.iter().filter(|s| **s == subject).count(),
            2,
            "{subject:?}"
        );
    }
    assert_eq!(
        store
            .incidents_about("mta@example.com")
            .await
            .unwrap()
            .len(),
        3
    );
    store
        .release_incident(seen[1], &wish(2), 1)
        .await
        .unwrap()
        .unwrap();
    let asked = carry_out(&store, 3).await;
    assert!(
        asked.iter().all(|(action, subject, _)| {
            (*action, *subject) == (Action::Release, Subject::ALL[1])
        })
    );
}
