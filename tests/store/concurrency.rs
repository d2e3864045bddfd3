//! Several stores on one database, as nodes or processes are: counting stays exact, no deadlock, and what
//! one store remembers never hides what another wrote.

use super::{Place, on_both};
use crate::support::filings::{filing, filings, no_report, policy};
use std::sync::Arc;

on_both!(
    one_crossing_over_several_stores,
    crossing_batches_do_not_deadlock,
    one_report_at_many_nodes_is_one,
    stale_memory_is_never_used,
    observing_elsewhere_is_seen,
    stores_start_together,
);

async fn one_crossing_over_several_stores(place: Place) {
    let stores = [place.open().await, place.open().await, place.open().await];
    let tasks: Vec<_> = filings("bob", 0..50)
        .into_iter()
        .enumerate()
        .map(|(n, one)| {
            let store = Arc::clone(&stores[n % stores.len()]);
            tokio::spawn(async move {
                let filed = store.file(&[one], &policy(50, &["filter"])).await.unwrap();
                filed[0].opened.is_some()
            })
        })
        .collect();
    let mut opened = 0;
    for task in tasks {
        opened += usize::from(task.await.unwrap());
    }
    assert_eq!(opened, 1);
    let incidents = stores[0].incidents(10).await.unwrap();
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].explanation["crossing"]["tally"]["weight"], 50);
    assert_eq!(stores[0].orders(10).await.unwrap().len(), 1);
}

async fn crossing_batches_do_not_deadlock(place: Place) {
    let stores = [place.open().await, place.open().await];
    let mut tasks = Vec::new();
    for round in 0..10u32 {
        for (n, store) in stores.iter().enumerate() {
            let store = Arc::clone(store);
            // Overlapping identities and reports, in opposite order.
            let mut batch: Vec<_> = (0..40)
                .flat_map(|user| {
                    [
                        filing(&format!("user{user}"), round, i64::from(round)),
                        no_report(round * 100 + user, 1),
                    ]
                })
                .collect();
            if n == 1 {
                batch.reverse();
            }
            tasks.push(tokio::spawn(async move {
                store.file(&batch, &policy(10, &["filter"])).await.unwrap();
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(stores[0].reports(1000).await.unwrap().len(), 800);
    assert_eq!(stores[0].incidents(1000).await.unwrap().len(), 40);
}

async fn one_report_at_many_nodes_is_one(place: Place) {
    let stores = [place.open().await, place.open().await];
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            tokio::spawn(async move {
                let one = [filing("bob", 1, 1)];
                let filed = store.file(&one, &policy(1, &["filter"])).await.unwrap();
                (filed[0].repeated, filed[0].opened.is_some())
            })
        })
        .collect();
    let (mut first, mut opened) = (0, 0);
    for task in tasks {
        let (repeated, opens) = task.await.unwrap();
        first += usize::from(!repeated);
        opened += usize::from(opens);
    }
    assert_eq!((first, opened), (1, 1));
}

async fn stale_memory_is_never_used(place: Place) {
    let (a, b) = (place.open().await, place.open().await);
    let p = policy(100, &["filter"]);
    for (n, one) in filings("bob", 0..100).into_iter().enumerate() {
        // Runs of different lengths, so that each store finds its memory good at times and stale at times.
        let store = if (n / 3 + n / 7) % 2 == 0 { &a } else { &b };
        let filed = store.file(&[one], &p).await.unwrap();
        assert_eq!(filed[0].opened.is_some(), n == 99, "complaint {n}");
    }
    // Neither sees an incident of its own making only.
    for store in [&a, &b] {
        let filed = store.file(&filings("bob", 100..300), &p).await.unwrap();
        assert!(filed.iter().all(|f| f.opened.is_none()));
    }
}

async fn observing_elsewhere_is_seen(place: Place) {
    let (a, b) = (place.open().await, place.open().await);
    let p = policy(4, &[]);
    a.file(&filings("bob", 0..3), &p).await.unwrap();
    let filed = b.file(&filings("bob", 3..5), &p).await.unwrap();
    assert!(filed[0].opened.is_some());
    // One is left since that crossing; two more are not enough, a third is.
    let filed = a.file(&filings("bob", 5..8), &p).await.unwrap();
    let opened: Vec<bool> = filed.iter().map(|f| f.opened.is_some()).collect();
    assert_eq!(opened, [false, false, true]);
}

async fn stores_start_together(place: Place) {
    if place.url.starts_with("sqlite") {
        // One process owns a file's first start.
        place.open().await.close().await;
    }
    let (a, b, c, d) = tokio::join!(place.open(), place.open(), place.open(), place.open());
    for store in [a, b, c, d] {
        store.ping().await.unwrap();
    }
}
