//! Each target's own limits: a slow one takes no other's places, and so many orders a minute are so many.

use super::{Act, Script, after, bench, settings, start};
use crate::support::memory_store::order;
use arfd::domain::lock::LockOrder;
use arfd::outbox::{LaneSettings, Settings, Step};
use jiff::Timestamp;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

fn for_target(target: &str, n: usize) -> Vec<LockOrder> {
    let name = |i| format!("u{i}@x.example");
    (0..n)
        .map(|i| order(target, "relay@x.example", &name(i), start()))
        .collect()
}

fn with(lanes: &[(&str, LaneSettings)]) -> Settings {
    Settings {
        lanes: lanes
            .iter()
            .map(|(name, own)| ((*name).to_owned(), *own))
            .collect(),
        ..settings()
    }
}

#[tokio::test]
async fn a_slow_target_takes_nobody_elses_places() {
    let slow = Script::new("slow", vec![Act::Held; 9]);
    let quick = Script::new("quick", vec![Act::Locked; 9]);
    let own = LaneSettings {
        concurrency: Some(2),
        ..LaneSettings::default()
    };
    let orders = [for_target("slow", 9), for_target("quick", 9)].concat();
    let b = bench(orders, &[&slow, &quick], with(&[("slow", own)]));
    let (wake, shutdown) = (Arc::new(Notify::new()), CancellationToken::new());
    let run = tokio::spawn(b.outbox.clone().run(wake, shutdown.clone()));
    slow.tried(2).await;
    quick.tried(9).await;
    b.store.settled(9).await;
    assert_eq!(slow.tries(), 2);
    let under_way = |name| b.metrics.orders_under_way.with_label_values(&[name]).get();
    assert_eq!((under_way("slow"), under_way("quick")), (2, 0));
    slow.gate.add_permits(9);
    b.store.settled(18).await;
    shutdown.cancel();
    run.await.unwrap();
    assert_eq!(under_way("slow"), 0);
}

#[tokio::test]
async fn so_many_orders_a_minute() {
    let target = Script::new("filter", vec![Act::Locked; 9]);
    let other = Script::new("other", vec![Act::Locked; 9]);
    let own = LaneSettings {
        max_per_minute: Some(2),
        ..LaneSettings::default()
    };
    let orders = [for_target("filter", 5), for_target("other", 3)].concat();
    let b = bench(orders, &[&target, &other], with(&[("filter", own)]));
    let rest = async |until: Timestamp| loop {
        match b.step().await {
            Step::Idle { next_due } => return assert_eq!(next_due, Some(until)),
            _ => b.advance(1),
        }
    };
    rest(after(60)).await;
    assert_eq!((target.tries(), other.tries()), (2, 3));
    b.advance(55);
    let first = b.step().await;
    assert!(matches!(first, Step::Settled { .. }), "{first:?}");
    assert_eq!(target.tries(), 3);
}
