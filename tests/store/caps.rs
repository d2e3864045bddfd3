//! Caps on what counts of a feed in an hour: against one identity and in all, within a batch and over several,
//! on one node and on two. And the feeds' figures.

use super::{Place, on_both};
use crate::support::filings::{at, filing, filings, policy};
use arfd::domain::feed::Caps;
use arfd::domain::filing::{Filed, Filing, Policy};
use arfd::domain::standing::Standing;
use arfd::store::FeedSums;
use std::collections::BTreeMap;

on_both!(
    what_is_over_a_cap_does_not_count,
    a_cap_is_for_an_hour_of_the_clock,
    a_cap_in_all_spans_identities,
    two_nodes_share_a_cap,
    figures_of_feeds_add_up,
);

/// The first whole hour after the filings' epoch.
const HOUR: i64 = 3600 - 1_700_000_000 % 3600;

fn capped(identity: Option<u32>, all: Option<u32>, min_weight: u64) -> Policy {
    Policy {
        caps: BTreeMap::from([("filter".to_owned(), Caps { identity, all })]),
        ..policy(min_weight, &["f"])
    }
}

fn counted(filed: &[Filed]) -> Vec<usize> {
    let is = |n: &usize| filed[*n].standing == Standing::Counted;
    (0..filed.len()).filter(is).collect()
}

/// Complaints about `name`, all in the hour that begins with that second.
fn within(name: &str, numbers: std::ops::Range<u32>, hour: i64) -> Vec<Filing> {
    numbers
        .map(|n| filing(name, n, hour + i64::from(n) % 60))
        .collect()
}

async fn what_is_over_a_cap_does_not_count(place: Place) {
    let store = place.open().await;
    let p = capped(Some(3), None, 4);
    let filed = store.file(&within("bob", 0..2, HOUR), &p).await.unwrap();
    assert_eq!(counted(&filed), [0, 1]);
    let batch = within("bob", 2..6, HOUR);
    let filed = store.file(&batch, &p).await.unwrap();
    assert_eq!(counted(&filed), [0]);
    assert!(filed[1..].iter().all(|f| f.standing == Standing::OverCap));
    assert!(store.incidents(9).await.unwrap().is_empty(), "three count");
    let again = store.file(&batch, &p).await.unwrap();
    assert!(again.iter().all(|f| f.repeated));
    assert_eq!(again[1].standing, Standing::OverCap);
    let rows = store.reports(99).await.unwrap();
    assert_eq!(rows.iter().filter(|r| r.standing == "over_cap").count(), 3);
    let eve = store.file(&within("eve", 0..2, HOUR), &p).await.unwrap();
    assert_eq!(counted(&eve), [0, 1], "another's cap");
    // Duplicates take no room.
    let eve = store.file(&within("eve", 0..3, HOUR), &p).await.unwrap();
    assert_eq!(eve[2].standing, Standing::Counted);
}

async fn a_cap_is_for_an_hour_of_the_clock(place: Place) {
    let store = place.open().await;
    let p = capped(Some(1), None, 9);
    let filed = store.file(&within("bob", 0..2, HOUR), &p).await.unwrap();
    assert_eq!(counted(&filed), [0]);
    let filed = store.file(&within("bob", 2..4, HOUR + 3600), &p).await;
    assert_eq!(counted(&filed.unwrap()), [0]);
    // Proven late: its own hour is full.
    let filed = store.file(&within("bob", 4..5, HOUR), &p).await.unwrap();
    assert_eq!(filed[0].standing, Standing::OverCap);
}

async fn a_cap_in_all_spans_identities(place: Place) {
    let store = place.open().await;
    let p = capped(Some(2), Some(3), 9);
    let mut batch = within("bob", 0..3, HOUR);
    batch.extend(within("eve", 0..3, HOUR));
    let filed = store.file(&batch, &p).await.unwrap();
    assert_eq!(counted(&filed), [0, 1, 3]);
    let free = policy(9, &["f"]);
    let filed = store.file(&filings("ann", 0..5), &free).await.unwrap();
    assert_eq!(counted(&filed).len(), 5, "no cap");
}

async fn two_nodes_share_a_cap(place: Place) {
    let nodes = [place.open().await, place.open().await];
    let p = capped(None, Some(20), 99);
    let work = |node: usize| {
        let (store, p) = (nodes[node].clone(), p.clone());
        async move {
            let mut sum = 0;
            for n in 0..10u32 {
                let name = format!("user{}", n % 3);
                let first = n * 100 + node as u32 * 10;
                let batch = within(&name, first..first + 4, HOUR);
                sum += counted(&store.file(&batch, &p).await.unwrap()).len();
            }
            sum
        }
    };
    let (one, two) = tokio::join!(tokio::spawn(work(0)), tokio::spawn(work(1)));
    assert_eq!(one.unwrap() + two.unwrap(), 20);
}

async fn figures_of_feeds_add_up(place: Place) {
    let store = place.open().await;
    let sums = |last: i64, filed: u64| FeedSums {
        last_seen: at(last),
        filed,
        readable: filed,
        attributed: 1,
        counted: 0,
        unproven: 2,
    };
    let one = |last, filed| BTreeMap::from([("f".to_owned(), sums(last, filed))]);
    store.add_feed_sums(&one(100, 5), at(100)).await.unwrap();
    store.add_feed_sums(&one(90, 7), at(120)).await.unwrap();
    let row = store.feeds(at(130)).await.unwrap().remove(0);
    let want = FeedSums {
        attributed: 2,
        unproven: 4,
        ..sums(100, 12)
    };
    assert_eq!((row.feed.as_str(), row.sums), ("f", want));
    // A month later only when it was last seen is known.
    let month = 30 * 86_400;
    let g = BTreeMap::from([("g".to_owned(), sums(month, 1))]);
    store.add_feed_sums(&g, at(month)).await.unwrap();
    let rows = store.feeds(at(month)).await.unwrap();
    assert_eq!((rows[0].sums.last_seen, rows[0].sums.filed), (at(100), 0));
    assert_eq!((rows[1].feed.as_str(), rows[1].sums.filed), ("g", 1));
}
