//! Filing: repeats, duplicates, exact crossings, observing, and what a row may hold.

use super::{Place, on_both};
use crate::support::filings::{at, filing, filings, identity, no_report, policy};
use arfd::domain::filing::Filed;
use arfd::domain::ids::ReportId;
use arfd::domain::lock::OrderState;
use arfd::domain::standing::Standing;

on_both!(
    a_report_is_filed_whole,
    nothing_is_nothing,
    repeats_are_recognised,
    duplicates_do_not_count,
    a_repeat_keeps_its_first_standing,
    crossing_exactly_at_the_threshold,
    a_batch_spans_the_threshold,
    the_window_slides,
    one_open_incident_an_identity,
    observing_starts_the_window_anew,
    several_targets,
    a_mixed_batch,
    a_large_batch,
    nul_poisons_nothing,
    a_bad_filing_writes_nothing,
    reopening_keeps_everything,
);

/// Which of the batch opened an incident.
fn openers(filed: &[Filed]) -> Vec<usize> {
    (0..filed.len())
        .filter(|n| filed[*n].opened.is_some())
        .collect()
}

async fn a_report_is_filed_whole(place: Place) {
    let store = place.open().await;
    let one = filing("bob", 1, 5);
    let filed = store
        .file(std::slice::from_ref(&one), &policy(99, &[]))
        .await
        .unwrap();
    assert_eq!(
        filed,
        [Filed {
            id: one.id,
            standing: Standing::Counted,
            repeated: false,
            opened: None
        }]
    );
    let row = store.reports(10).await.unwrap().remove(0);
    assert_eq!(
        (row.id, row.received_at, row.standing.as_str()),
        (one.id, at(5), "counted")
    );
    assert_eq!(row.client, "192.0.2.1");
    assert_eq!(row.attribution["identity"]["value"], "bob@example.com");
    assert_eq!(
        store.evidence(one.id).await.unwrap().unwrap(),
        b"Subject: 1\r\n\r\nHello\r\n"
    );
    assert!(store.evidence(ReportId::of(&[])).await.unwrap().is_none());
    store.ping().await.unwrap();
}

async fn nothing_is_nothing(place: Place) {
    let store = place.open().await;
    assert!(
        store
            .file(&[], &policy(1, &["a"]))
            .await
            .unwrap()
            .is_empty()
    );
    assert!(store.reports(10).await.unwrap().is_empty());
    assert!(store.incidents(10).await.unwrap().is_empty());
    assert!(store.orders(10).await.unwrap().is_empty());
    let counts = store.order_counts().await.unwrap();
    assert_eq!(counts, OrderState::ALL.map(|state| (state, 0)));
}

async fn repeats_are_recognised(place: Place) {
    let store = place.open().await;
    let (a, b) = (filing("bob", 1, 1), no_report(2, 2));
    let batch = [a.clone(), a.clone(), b.clone(), b.clone()];
    let repeated = |filed: Vec<Filed>| filed.iter().map(|f| f.repeated).collect::<Vec<_>>();
    let p = policy(2, &["filter"]);
    assert_eq!(
        repeated(store.file(&batch, &p).await.unwrap()),
        [false, true, false, true]
    );
    let again = store.file(&batch, &p).await.unwrap();
    assert_eq!(again[0].standing, Standing::Counted);
    assert_eq!(again[2].standing, Standing::NotAReport);
    assert_eq!(repeated(again), [true; 4]);
    assert_eq!(store.reports(10).await.unwrap().len(), 2);
    assert!(store.incidents(10).await.unwrap().is_empty());
}

async fn duplicates_do_not_count(place: Place) {
    let store = place.open().await;
    let p = policy(2, &["filter"]);
    let first = filing("bob", 1, 1);
    let same = |number| {
        let mut other = filing("bob", number, 2);
        let complaint = other.complaint.as_mut().unwrap();
        complaint.id = first.complaint.as_ref().unwrap().id;
        other
    };
    let filed = store.file(&[first.clone(), same(2)], &p).await.unwrap();
    assert_eq!(
        [filed[0].standing, filed[1].standing],
        [Standing::Counted, Standing::Duplicate]
    );
    let filed = store.file(&[same(3)], &p).await.unwrap();
    assert_eq!(filed[0].standing, Standing::Duplicate);
    assert!(store.incidents(10).await.unwrap().is_empty());
    let mut standings: Vec<String> = (store.reports(10).await.unwrap().into_iter())
        .map(|row| row.standing)
        .collect();
    standings.sort();
    assert_eq!(standings, ["counted", "duplicate", "duplicate"]);
    let repeat = store.file(&[same(3)], &p).await.unwrap();
    assert_eq!(
        (repeat[0].standing, repeat[0].repeated),
        (Standing::Duplicate, true)
    );
    let crossing = store.file(&[filing("bob", 4, 4)], &p).await.unwrap();
    assert!(crossing[0].opened.is_some());
}

async fn a_repeat_keeps_its_first_standing(place: Place) {
    let store = place.open().await;
    let mut first = filing("bob", 1, 1);
    first.standing = Standing::Weightless;
    first.complaint = None;
    let p = policy(1, &["filter"]);
    store.file(&[first], &p).await.unwrap();
    let again = store.file(&[filing("bob", 1, 2)], &p).await.unwrap();
    assert_eq!(
        (again[0].standing, again[0].repeated),
        (Standing::Weightless, true)
    );
    assert_eq!(openers(&again), [0usize; 0]);
}

async fn crossing_exactly_at_the_threshold(place: Place) {
    let store = place.open().await;
    let p = policy(5, &["filter"]);
    for one in filings("bob", 0..4) {
        assert!(store.file(&[one], &p).await.unwrap()[0].opened.is_none());
    }
    let last = filing("bob", 4, 4);
    let filed = store.file(std::slice::from_ref(&last), &p).await.unwrap();
    let opened = filed[0].opened.as_ref().unwrap();
    assert_eq!((opened.rule.as_str(), opened.ordered), ("burst", true));

    let incident = store.incidents(10).await.unwrap().remove(0);
    assert_eq!(
        (incident.id, incident.state.as_str(), incident.opened_at),
        (opened.incident, "open", at(4))
    );
    let ids: Vec<String> = (filings("bob", 0..5).iter())
        .map(|f| f.id.to_string())
        .collect();
    assert_eq!(
        incident.explanation["crossing"]["tally"]["evidence"],
        serde_json::json!(ids)
    );
    assert_eq!(
        incident.explanation["trigger"],
        serde_json::json!(last.id.to_string())
    );
    let order = store.orders(10).await.unwrap().remove(0);
    assert_eq!(order.order.incident, opened.incident);
    assert_eq!(order.order.identity, identity("bob"));
    assert_eq!(order.order.target, "filter");
    assert!(order.order.reason.contains("weight 5 of 5"));
    assert_eq!(
        (order.state, order.order.attempts),
        (OrderState::Pending, 0)
    );
    assert_eq!(store.order(order.order.id).await.unwrap().unwrap(), order);
}

async fn a_batch_spans_the_threshold(place: Place) {
    let store = place.open().await;
    let p = policy(5, &["filter"]);
    store.file(&filings("bob", 0..3), &p).await.unwrap();
    let filed = store.file(&filings("bob", 3..10), &p).await.unwrap();
    assert_eq!(openers(&filed), [1]);
    let incident = store.incidents(10).await.unwrap().remove(0);
    assert_eq!(incident.explanation["crossing"]["tally"]["weight"], 5);
    assert_eq!(incident.opened_at, at(4));
    assert!(filed.iter().all(|f| f.standing == Standing::Counted));
}

async fn the_window_slides(place: Place) {
    let store = place.open().await;
    let p = policy(3, &["filter"]);
    for (number, second) in [(1, 0), (2, 10), (3, 3600), (4, 3611)] {
        let filed = store
            .file(&[filing("bob", number, second)], &p)
            .await
            .unwrap();
        assert_eq!(openers(&filed), [0usize; 0], "{number}");
    }
    // Filed late, but received while the first ones were still in the window.
    let late = store.file(&[filing("bob", 5, 3599)], &p).await.unwrap();
    assert_eq!(openers(&late), [0]);
    // The same within one batch.
    let mut batch = filings("eve", 1..3);
    batch.push(filing("eve", 3, 9000));
    batch.push(filing("eve", 4, 3000));
    assert_eq!(openers(&store.file(&batch, &p).await.unwrap()), [3]);
}

async fn one_open_incident_an_identity(place: Place) {
    let store = place.open().await;
    let p = policy(2, &["filter"]);
    let filed = store.file(&filings("bob", 0..10), &p).await.unwrap();
    assert_eq!(openers(&filed), [1]);
    let filed = store.file(&filings("bob", 10..20), &p).await.unwrap();
    assert_eq!(openers(&filed), [0usize; 0]);
    assert!(filed.iter().all(|f| f.standing == Standing::Counted));
    let filed = store.file(&filings("eve", 0..2), &p).await.unwrap();
    assert_eq!(openers(&filed), [1]);
    assert_eq!(store.incidents(10).await.unwrap().len(), 2);
    assert_eq!(store.orders(10).await.unwrap().len(), 2);
}

async fn observing_starts_the_window_anew(place: Place) {
    let store = place.open().await;
    let p = policy(3, &[]);
    let filed = store.file(&filings("bob", 0..7), &p).await.unwrap();
    assert_eq!(openers(&filed), [2, 5]);
    assert!(!filed[2].opened.as_ref().unwrap().ordered);
    let filed = store.file(&filings("bob", 7..9), &p).await.unwrap();
    assert_eq!(openers(&filed), [1]);
    // The same by a store that has nothing in memory.
    let filed = place.open().await.file(&filings("bob", 9..12), &p).await;
    assert_eq!(openers(&filed.unwrap()), [2]);
    for incident in store.incidents(10).await.unwrap() {
        assert_eq!(incident.state, "observed");
        assert_eq!(incident.explanation["crossing"]["tally"]["weight"], 3);
    }
    for order in store.orders(10).await.unwrap() {
        assert_eq!(
            (order.state, order.order.target.as_str()),
            (OrderState::Observed, "none")
        );
        assert_eq!(order.settled_at, Some(order.order.ordered_at));
    }
    let counts = store.order_counts().await.unwrap();
    assert!(counts.contains(&(OrderState::Observed, 4)));
    // What is received before the last crossing is spent, though it is filed only now.
    let mut late = filings("bob", 100..103);
    for one in &mut late {
        one.complaint.as_mut().unwrap().received_at = at(3);
    }
    assert_eq!(openers(&store.file(&late, &p).await.unwrap()), [0usize; 0]);
    // Switched on, locks are ordered.
    let on = policy(3, &["filter"]);
    let filed = store.file(&filings("bob", 12..15), &on).await.unwrap();
    assert_eq!(openers(&filed), [2]);
}

async fn several_targets(place: Place) {
    let store = place.open().await;
    let p = policy(1, &["filter", "map"]);
    store.file(&[filing("bob", 1, 1)], &p).await.unwrap();
    let mut targets: Vec<String> = (store.orders(10).await.unwrap().into_iter())
        .map(|row| row.order.target)
        .collect();
    targets.sort();
    assert_eq!(targets, ["filter", "map"]);
}

async fn a_mixed_batch(place: Place) {
    let store = place.open().await;
    let p = policy(3, &["filter"]);
    let mut batch = Vec::new();
    for n in 0..3u32 {
        batch.push(filing("bob", n, i64::from(n)));
        batch.push(no_report(n, i64::from(n)));
        batch.push(filing("eve", n, i64::from(n)));
    }
    let filed = store.file(&batch, &p).await.unwrap();
    assert_eq!(openers(&filed), [6, 8]);
    let ids: Vec<ReportId> = filed.iter().map(|f| f.id).collect();
    assert_eq!(ids, batch.iter().map(|f| f.id).collect::<Vec<_>>());
}

async fn a_large_batch(place: Place) {
    let store = place.open().await;
    let batch: Vec<_> = (0..333)
        .map(|n| filing(&format!("user{}", n % 150), n, i64::from(n)))
        .collect();
    let filed = store.file(&batch, &policy(3, &["filter"])).await.unwrap();
    // Users 0 to 32 have three each.
    assert_eq!(openers(&filed), (300..333).collect::<Vec<_>>());
    assert_eq!(store.reports(1000).await.unwrap().len(), 333);
    let again = store.file(&batch, &policy(3, &["filter"])).await.unwrap();
    assert!(again.iter().all(|f| f.repeated));
}

async fn nul_poisons_nothing(place: Place) {
    let store = place.open().await;
    let mut bad = filing("bob", 1, 1);
    bad.arrival.helo = "a\0b".into();
    bad.arrival.rcpt_to = vec!["\0@x".into()];
    bad.message_id = Some("\0".into());
    bad.reading = r#"{"subject":"\u0000"}"#.into();
    let batch = [filing("eve", 1, 1), bad.clone(), filing("eve", 2, 2)];
    let filed = store.file(&batch, &policy(3, &["f"])).await.unwrap();
    assert!(filed.iter().all(|f| !f.repeated));
    let rows = store.reports(10).await.unwrap();
    let row = rows.iter().find(|row| row.id == bad.id).unwrap();
    assert_eq!(row.reading["subject"], "\0");
}

async fn a_bad_filing_writes_nothing(place: Place) {
    let store = place.open().await;
    let mut bad = filing("bob", 1, 1);
    bad.attribution = filing("eve", 1, 1).attribution;
    let batch = [filing("eve", 1, 1), bad];
    assert!(store.file(&batch, &policy(3, &["f"])).await.is_err());
    assert!(store.reports(10).await.unwrap().is_empty());
    store.file(&batch[..1], &policy(3, &["f"])).await.unwrap();
}

async fn reopening_keeps_everything(place: Place) {
    let store = place.open().await;
    let p = policy(5, &["filter"]);
    store.file(&filings("bob", 0..4), &p).await.unwrap();
    store.close().await;
    assert!(store.ping().await.is_err());
    let store = place.open().await;
    let filed = store.file(&filings("bob", 3..5), &p).await.unwrap();
    assert!(filed[0].repeated);
    assert_eq!(openers(&filed), [1]);
    assert!(store.evidence(filed[0].id).await.unwrap().is_some());
    store.close().await;
}
