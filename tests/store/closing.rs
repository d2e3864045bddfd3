//! How incidents end, and that the identity is then assessed anew.

use super::on_both;
use crate::support::filings::{at, filings, policy};
use arfd::domain::lock::OrderState;
use arfd::store::Settlement;
use std::time::Duration;

const TARGET: &str = "t";
const WEEK: i64 = 7 * 86_400;

/// Files complaints `numbers` about bob, all received at `second`; how many incidents that opened.
async fn file(place: &super::Place, numbers: std::ops::Range<u32>, second: i64) -> usize {
    let store = place.open().await;
    let mut batch = filings("bob", numbers);
    for filing in &mut batch {
        filing.received_at = at(second);
        if let Some(complaint) = &mut filing.complaint {
            complaint.received_at = at(second);
        }
    }
    let filed = store.file(&batch, &policy(5, &[TARGET])).await.unwrap();
    filed.iter().filter(|f| f.opened.is_some()).count()
}

async fn settle(place: &super::Place, settlement: Settlement, second: i64) {
    let store = place.open().await;
    let targets = [TARGET.to_owned()];
    let claim = store
        .claim(&targets, at(second), Duration::from_secs(60))
        .await
        .unwrap()
        .unwrap();
    assert!(store.settle(&claim, &settlement, at(second)).await.unwrap());
}

async fn states(place: &super::Place) -> Vec<String> {
    let incidents = place.open().await.incidents(10).await.unwrap();
    incidents.into_iter().map(|row| row.state).collect()
}

async fn a_settled_incident_expires(place: super::Place) {
    for (round, settlement) in [
        Settlement::Done {
            answer: "ok".into(),
        },
        Settlement::Refused { why: "no".into() },
    ]
    .into_iter()
    .enumerate()
    {
        let start = 1_000 + round as i64 * 4 * WEEK;
        let first = round as u32 * 100;
        assert_eq!(file(&place, first..first + 5, start).await, 1);
        settle(&place, settlement, start + 1).await;
        assert_eq!(
            file(&place, first + 10..first + 20, start + WEEK - 1).await,
            0
        );
        // Only what came after the end counts: four are too few, the fifth crosses.
        assert_eq!(
            file(&place, first + 20..first + 24, start + WEEK + 1).await,
            0
        );
        assert_eq!(states(&place).await[0], "expired");
        assert_eq!(
            file(&place, first + 24..first + 25, start + WEEK + 2).await,
            1
        );
        assert_eq!(states(&place).await[0], "open");
        settle(
            &place,
            Settlement::Done {
                answer: "ok".into(),
            },
            start + WEEK + 3,
        )
        .await;
    }
    assert_eq!(
        states(&place).await,
        ["locked", "expired", "expired", "expired"]
    );
}

async fn an_incident_that_waits_does_not_expire(place: super::Place) {
    assert_eq!(file(&place, 0..5, 1_000).await, 1);
    assert_eq!(file(&place, 10..20, 1_000 + 2 * WEEK).await, 0);
    assert_eq!(states(&place).await, ["open"]);
}

async fn closing_by_hand_cancels_and_starts_anew(place: super::Place) {
    assert_eq!(file(&place, 0..5, 1_000).await, 1);
    let store = place.open().await;
    let open = store.open_incidents("bob@example.com").await.unwrap();
    assert_eq!(open.len(), 1, "by the identity's value");
    let id = open[0].id;
    assert!(
        store
            .close_incident(id, "ann", "ticket 1", at(1_010))
            .await
            .unwrap()
    );
    assert!(
        !store
            .close_incident(id, "ann", "again", at(1_011))
            .await
            .unwrap()
    );
    assert!(
        store
            .open_incidents("bob@example.com")
            .await
            .unwrap()
            .is_empty()
    );
    let orders = store.orders(10).await.unwrap();
    assert_eq!(orders[0].state, OrderState::Cancelled);
    assert_eq!(
        orders[0].last_answer.as_deref(),
        Some("taken back: ticket 1")
    );
    let targets = [TARGET.to_owned()];
    let claim = store
        .claim(&targets, at(9_000), Duration::from_secs(60))
        .await
        .unwrap();
    assert!(claim.is_none(), "nothing is sent any more");
    assert_eq!(
        file(&place, 10..14, 1_020).await,
        0,
        "the window starts anew"
    );
    assert_eq!(file(&place, 14..15, 1_021).await, 1);
    assert_eq!(states(&place).await, ["open", "closed"]);
}

async fn a_try_under_way_cannot_settle_what_was_closed(place: super::Place) {
    assert_eq!(file(&place, 0..5, 1_000).await, 1);
    let store = place.open().await;
    let targets = [TARGET.to_owned()];
    let claim = store
        .claim(&targets, at(1_001), Duration::from_secs(60))
        .await
        .unwrap()
        .unwrap();
    let id = claim.order.incident;
    assert!(
        store
            .close_incident(id, "ann", "false alarm", at(1_002))
            .await
            .unwrap()
    );
    let locked = Settlement::Done {
        answer: "ok".into(),
    };
    assert!(!store.settle(&claim, &locked, at(1_003)).await.unwrap());
    assert_eq!(states(&place).await, ["closed"]);
}

on_both!(
    a_settled_incident_expires,
    an_incident_that_waits_does_not_expire,
    closing_by_hand_cancels_and_starts_anew,
    a_try_under_way_cannot_settle_what_was_closed,
);
