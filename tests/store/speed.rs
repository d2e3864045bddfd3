//! How fast a store files, for a person to read: `cargo test --release store::speed -- --ignored
//! --nocapture`. Every commit is durable.

use super::Place;
use crate::support::filings::{filing, policy};
use arfd::clock::{Clock, SystemClock};
use arfd::domain::filing::Filing;

#[tokio::test]
#[ignore = "a measurement"]
async fn figures() {
    figures_of("SQLite", Place::sqlite()).await;
    if let Some(place) = Place::postgres().await {
        figures_of("PostgreSQL", place).await;
    }
}

async fn figures_of(name: &str, place: Place) {
    let store = place.open().await;
    let clock = SystemClock::default();
    let mut next = 0;
    for (batch, busy) in [
        (1, false),
        (10, false),
        (100, false),
        (100, true),
        (1000, false),
    ] {
        let total = if batch == 1 { 2000 } else { 10_000 };
        let batches: Vec<Vec<Filing>> = (0..total / batch)
            .map(|_| (0..batch).map(|_| sample(&mut next, busy)).collect())
            .collect();
        let start = clock.elapsed();
        for batch in &batches {
            store.file(batch, &policy(1_000_000, &["f"])).await.unwrap();
        }
        let took = (clock.elapsed() - start).as_secs_f64();
        let who = if busy {
            "100 busy identities"
        } else {
            "distinct identities"
        };
        println!(
            "{name}: batches of {batch}, {who}: {:.0} reports/s",
            f64::from(total) / took
        );
    }
}

/// About 3 KB of evidence and 1 KB of reading, about a new identity or one of a hundred.
fn sample(next: &mut u32, busy: bool) -> Filing {
    *next += 1;
    let name = match busy {
        true => format!("busy{}", *next % 100),
        false => format!("user{next}"),
    };
    let mut filing = filing(&name, *next, i64::from(*next) / 100);
    filing.evidence.zstd = std::iter::repeat_with(|| fastrand::u8(..))
        .take(3000)
        .collect();
    filing.reading = format!(r#"{{"note":"{}"}}"#, "x".repeat(1000));
    filing
}
