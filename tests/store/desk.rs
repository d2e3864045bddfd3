//! Attribution by hand, what is learnt from it, the queue of those that wait for a name, and looking reports up.

use super::proving::cut;
use super::{Place, on_both};
use crate::support::filings::{at, filing, filings, identity, policy};
use arfd::domain::alias::AliasRecord;
use arfd::domain::attribution::{Attribution, Reason};
use arfd::domain::filing::Filing;
use arfd::domain::identity::Identity;
use arfd::domain::learnt::{Choice, Key, by_hand};
use arfd::domain::standing::Standing;
use arfd::store::{Attributed, Lesson, NamedByHand, ReportFilter, Store};
use std::sync::Arc;

on_both!(
    a_name_by_hand_counts_in_its_time,
    said_twice_it_is_done_once,
    lessons_are_kept_once,
    two_people_name_one_report,
    a_crash_leaves_all_or_nothing,
    reports_are_found,
    accounts_are_remembered,
);

/// A report that names nobody, told from others by `number`.
fn nameless(number: u32, second: i64) -> Filing {
    let mut filing = filing("nobody", number, second);
    filing.attribution = Attribution::Unattributed {
        reason: Reason::HeaderStripped,
        outgoing_user: identity("x").outgoing_user,
    };
    filing.standing = Standing::Unattributed;
    filing.complaint = None;
    filing
}

/// The same, judged with a name.
fn named(number: u32, second: i64, name: &str) -> Filing {
    let mut judged = filing(name, number, second);
    judged.id = nameless(number, second).id;
    judged.attribution = by_hand(identity(name), "ann");
    if let Some(complaint) = &mut judged.complaint {
        complaint.report = judged.id;
    }
    judged
}

fn lesson(value: &str, identity: Identity) -> Lesson {
    Lesson {
        feed: "filter".into(),
        key: Key {
            choice: Choice::Header("x-customer".into()),
            value: value.into(),
        },
        identity,
    }
}

fn says<'a>(filing: &'a Filing, lesson: Option<&'a Lesson>) -> NamedByHand<'a> {
    NamedByHand {
        filing,
        actor: "ann",
        why: "ticket 1",
        lesson,
    }
}

async fn standing(store: &Arc<dyn Store>, filing: &Filing) -> String {
    store.report(filing.id).await.unwrap().unwrap().standing
}

async fn a_name_by_hand_counts_in_its_time(place: Place) {
    let store = place.open().await;
    let policy = policy(3, &["t"]);
    let mut batch = filings("bob", 10..12);
    batch.push(nameless(15, 15));
    store.file(&batch, &policy).await.unwrap();
    assert!(store.incidents(9).await.unwrap().is_empty());
    // Long after the window, and after more that belongs to no common one.
    let later = filing("bob", 900, 9_000);
    store.file(&[later], &policy).await.unwrap();
    let judged = named(15, 15, "bob");
    let done = store
        .attribute(says(&judged, None), &policy, at(90_000))
        .await;
    let Attributed::Done(filed, None) = done.unwrap() else {
        panic!("it waits for a name");
    };
    assert_eq!(filed.standing, Standing::Counted);
    assert!(filed.opened.is_some_and(|opened| opened.ordered));
    let incident = store.incidents(9).await.unwrap().remove(0);
    assert_eq!(incident.opened_at, at(90_000), "decided now");
    let why = incident.explanation;
    assert_eq!(why["trigger"], judged.id.to_string());
    assert_eq!(why["crossing"]["until"], at(15).to_string());
    let orders = store.orders(9).await.unwrap();
    assert_eq!((orders.len(), orders[0].order.ordered_at), (1, at(90_000)));
    let row = store.report(judged.id).await.unwrap().unwrap();
    assert_eq!(
        (row.standing.as_str(), row.received_at),
        ("counted", at(15))
    );
    assert_eq!(row.attribution["method"], "by_hand");
    assert_eq!(row.attribution["strength"], "vouched");
    assert!(store.unattributed(at(0), 9).await.unwrap().is_empty());
    store.close().await;
}

async fn said_twice_it_is_done_once(place: Place) {
    let store = place.open().await;
    let policy = policy(9, &["t"]);
    store.file(&[nameless(1, 1)], &policy).await.unwrap();
    let judged = named(1, 1, "bob");
    let say = |filing| store.attribute(says(filing, None), &policy, at(50));
    assert!(matches!(say(&judged).await.unwrap(), Attributed::Done(..)));
    assert_eq!(say(&judged).await.unwrap(), Attributed::Already(None));
    let other = named(1, 1, "eve");
    let Attributed::NotWaiting { standing, .. } = say(&other).await.unwrap() else {
        panic!("it counts for bob");
    };
    assert_eq!(standing, "counted");
    // What a method named, and what is not there.
    let method = filing("bob", 2, 2);
    store
        .file(std::slice::from_ref(&method), &policy)
        .await
        .unwrap();
    let said = say(&method).await.unwrap();
    assert!(matches!(said, Attributed::NotWaiting { .. }));
    let missing = named(3, 3, "bob");
    assert_eq!(say(&missing).await.unwrap(), Attributed::Missing);
    // One more of the same message and complainant, named later, folds.
    let mut again = named(4, 4, "bob");
    let (first, second) = (judged.complaint.clone(), again.complaint.as_mut().unwrap());
    second.id = first.unwrap().id;
    store.file(&[nameless(4, 4)], &policy).await.unwrap();
    let Attributed::Done(filed, None) = say(&again).await.unwrap() else {
        panic!("it waits");
    };
    assert_eq!(filed.standing, Standing::Duplicate);
    assert_eq!(self::standing(&store, &again).await, "duplicate");
    store.close().await;
}

async fn lessons_are_kept_once(place: Place) {
    let store = place.open().await;
    let node = place.open().await;
    let policy = policy(99, &["t"]);
    let batch: Vec<Filing> = (1..6).map(|n| nameless(n, n.into())).collect();
    store.file(&batch, &policy).await.unwrap();
    assert_eq!(node.learnt_version().await.unwrap(), (0, 0));
    let first = named(1, 1, "bob");
    let bob = lesson("4711", identity("bob"));
    let done = store
        .attribute(says(&first, Some(&bob)), &policy, at(50))
        .await
        .unwrap();
    let Attributed::Done(_, Some(id)) = done else {
        panic!("{done:?}");
    };
    let rows = node.lessons().await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].id, rows[0].report), (id, first.id));
    let mapping = rows[0].mapping().unwrap();
    assert_eq!(
        (mapping.key, mapping.identity),
        (bob.key.clone(), identity("bob"))
    );
    assert_eq!(node.learnt_version().await.unwrap(), (1, 0));
    // The same again, from the same report and from another.
    let again = store.attribute(says(&first, Some(&bob)), &policy, at(51));
    assert_eq!(again.await.unwrap(), Attributed::Already(Some(id)));
    let second = named(2, 2, "bob");
    let same = store.attribute(says(&second, Some(&bob)), &policy, at(52));
    assert!(matches!(same.await.unwrap(), Attributed::Done(_, Some(same)) if same == id));
    // It cannot stand for two; then nothing is written at all.
    let third = named(3, 3, "eve");
    let eve = lesson("4711", identity("eve"));
    let said = store.attribute(says(&third, Some(&eve)), &policy, at(53));
    let Attributed::OtherwiseLearnt(row) = said.await.unwrap() else {
        panic!("it stands for bob");
    };
    assert_eq!((row.id, row.identity), (id, identity("bob")));
    assert_eq!(standing(&store, &third).await, "unattributed");
    assert!(store.forget(id, "ann", "moved", at(54)).await.unwrap());
    assert!(!store.forget(id, "ann", "moved", at(55)).await.unwrap());
    assert_eq!(node.learnt_version().await.unwrap(), (1, 1));
    assert!(node.lessons().await.unwrap().is_empty());
    let said = store.attribute(says(&third, Some(&eve)), &policy, at(56));
    assert!(matches!(said.await.unwrap(), Attributed::Done(_, Some(_))));
    let all = node.learnt(9).await.unwrap();
    let forgotten = all.iter().find(|row| row.id == id).unwrap();
    assert_eq!(forgotten.forgotten.as_ref().unwrap().why, "moved");
    assert_eq!(
        (all.len(), node.learnt_version().await.unwrap()),
        (2, (2, 1))
    );
    store.close().await;
}

async fn two_people_name_one_report(place: Place) {
    let (one, two) = (place.open().await, place.open().await);
    let policy = policy(99, &["t"]);
    for n in 0..10 {
        one.file(&[nameless(n, n.into())], &policy).await.unwrap();
        let (bob, eve) = (named(n, n.into(), "bob"), named(n, n.into(), "eve"));
        let lessons = ["bob", "eve"].map(|who| lesson(&n.to_string(), identity(who)));
        let both = tokio::join!(
            one.attribute(says(&bob, Some(&lessons[0])), &policy, at(50)),
            two.attribute(says(&eve, Some(&lessons[1])), &policy, at(50)),
        );
        let both = [both.0.unwrap(), both.1.unwrap()];
        let done = |one: &&Attributed| matches!(one, Attributed::Done(_, Some(_)));
        assert_eq!(both.iter().filter(done).count(), 1, "{both:?}");
        assert_eq!(one.lessons().await.unwrap().len(), n as usize + 1);
    }
    one.close().await;
}

async fn a_crash_leaves_all_or_nothing(place: Place) {
    let store = place.open().await;
    let policy = policy(10_000, &["t"]);
    let mut cuts = 0;
    let mut n = 0;
    for polls in 1.. {
        store.file(&[nameless(n, n.into())], &policy).await.unwrap();
        let judged = named(n, n.into(), "bob");
        let learns = lesson(&n.to_string(), identity("bob"));
        n += 1;
        let attribute = || store.attribute(says(&judged, Some(&learns)), &policy, at(50_000));
        let whole = cut(attribute(), polls).await.is_some();
        cuts += u32::from(!whole);
        // Whatever was cut, the second time it is done, and once.
        let again = attribute().await.unwrap();
        let named = matches!(
            again,
            Attributed::Done(_, Some(_)) | Attributed::Already(Some(_))
        );
        assert!(named, "{again:?}");
        assert_eq!(standing(&store, &judged).await, "counted");
        assert_eq!(store.lessons().await.unwrap().len(), n as usize);
        if whole {
            break;
        }
    }
    assert!(cuts > 1, "{cuts}");
    // The sum is as many as there are.
    let mut exact = crate::support::filings::policy(u64::from(n) + 1, &["t"]);
    exact.rules[0].window_seconds = 30 * 86_400;
    let filed = store
        .file(&[filing("bob", 90_000, 60_000)], &exact)
        .await
        .unwrap();
    assert!(filed[0].opened.is_some());
    let incident = store.incidents(9).await.unwrap().remove(0);
    let weight = &incident.explanation["crossing"]["tally"]["weight"];
    assert_eq!(*weight, n + 1);
    store.close().await;
}

async fn reports_are_found(place: Place) {
    let store = place.open().await;
    let policy = policy(99, &["t"]);
    let mut aliased = filing("shop", 7, 70);
    aliased.alias = Some(AliasRecord {
        named: Some(Identity {
            outgoing_user: None,
            value: "webmail%\"7".into(),
        }),
        ..AliasRecord::default()
    });
    let mut other = filing("bob", 3, 30);
    other.feed = Some("loop".into());
    let batch = [
        filing("bob", 1, 10),
        filing("bob", 2, 20),
        other,
        filing("bobby", 4, 40),
        nameless(5, 50),
        nameless(6, 60),
        aliased,
    ];
    store.file(&batch, &policy).await.unwrap();
    let found = async |filter: ReportFilter, limit| {
        let rows = store.find_reports(&filter, limit).await.unwrap();
        let seconds = rows.iter().map(|row| row.received_at.as_second());
        seconds
            .map(|second| second - at(0).as_second())
            .collect::<Vec<_>>()
    };
    let any = ReportFilter::default;
    assert_eq!(found(any(), 9).await, [70, 60, 50, 40, 30, 20, 10]);
    let filter = ReportFilter {
        identity: Some("bob@example.com".into()),
        ..any()
    };
    assert_eq!(found(filter.clone(), 9).await, [30, 20, 10]);
    assert_eq!(found(filter.clone(), 2).await, [30, 20]);
    let filter = ReportFilter {
        feed: Some("filter".into()),
        since: Some(at(20)),
        ..filter
    };
    assert_eq!(found(filter, 9).await, [20]);
    let filter = ReportFilter {
        standing: Some(Standing::Unattributed),
        ..any()
    };
    assert_eq!(found(filter, 9).await, [60, 50]);
    for (identity, seconds) in [
        ("webmail%\"7", vec![70]),
        ("shop@example.com", vec![70]),
        ("%", vec![]),
        ("b_b@example.com", vec![]),
    ] {
        let filter = ReportFilter {
            identity: Some(identity.into()),
            ..any()
        };
        assert_eq!(found(filter, 9).await, seconds, "{identity}");
    }
    let queue = store.unattributed(at(55), 9).await.unwrap();
    assert_eq!(queue.len(), 1);
    assert_eq!(queue[0].received_at, at(60));
    assert_eq!(store.unattributed(at(0), 1).await.unwrap().len(), 1);
    store.close().await;
}

async fn accounts_are_remembered(place: Place) {
    let store = place.open().await;
    let policy = policy(99, &["t"]);
    let bob = identity("bob").id();
    let with = |number, account: Option<&str>| {
        let mut filing = filing("bob", number, number.into());
        filing.alias = account.map(|account| AliasRecord {
            account: Some(account.into()),
            contact: Some("bob@private.example".into()),
            ..AliasRecord::default()
        });
        filing
    };
    assert_eq!(store.account(bob).await.unwrap(), None);
    let batch = [with(1, Some("C1")), with(2, Some("C2")), with(3, None)];
    store.file(&batch, &policy).await.unwrap();
    let known =
        |account: &str| Some((Some(account.to_owned()), Some("bob@private.example".into())));
    assert_eq!(store.account(bob).await.unwrap(), known("C2"));
    let mut unproven = with(4, Some("C4"));
    unproven.standing = Standing::Unproven;
    store.file(&[unproven], &policy).await.unwrap();
    assert_eq!(
        store.account(bob).await.unwrap(),
        known("C2"),
        "on nobody's word"
    );
    store.file(&[with(5, Some("C5"))], &policy).await.unwrap();
    assert_eq!(store.account(bob).await.unwrap(), known("C5"));
    let row = store.report(with(5, None).id).await.unwrap().unwrap();
    assert_eq!(row.alias.unwrap(), serde_json::json!({"account": "C5"}));
    store.close().await;
}
