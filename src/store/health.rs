//! What came from each feed, by the hour: added to by each node now and then, read by whoever asks how the
//! feeds are.

use super::body::{SqlStore, insert, run};
use super::dialect::{Columns, Dialect};
use super::sql;
use super::{FeedRow, FeedSums, StoreError};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// How many hours are kept.
const KEPT: i64 = 8 * 24;
/// How far back the sums of a listing go, in hours.
const LISTED: i64 = 24;

fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

/// See [`super::Store::add_feed_sums`].
pub(super) async fn add<D: Dialect>(
    store: &SqlStore<D>,
    sums: &BTreeMap<String, FeedSums>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    let rows: Vec<(&String, &FeedSums)> = sums.iter().collect();
    let int = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    insert::<D, _>(&mut tx, &sql::ADD_HEALTH, &rows, |(feed, sums), values| {
        values.push(feed.as_str().into());
        values.push(hour(now).into());
        values.push(sums.last_seen.into());
        for number in [
            sums.filed,
            sums.readable,
            sums.attributed,
            sums.counted,
            sums.unproven,
        ] {
            values.push(int(number).into());
        }
    })
    .await?;
    let oldest = hour(now) - KEPT;
    run::<D>(&mut tx, sql::FORGET_HEALTH, vec![oldest.into()]).await?;
    run::<D>(&mut tx, sql::FORGET_HOURS, vec![oldest.into()]).await?;
    Ok(tx.commit().await?)
}

/// See [`super::Store::feeds`].
pub(super) async fn feeds<D: Dialect>(
    store: &SqlStore<D>,
    now: Timestamp,
) -> Result<Vec<FeedRow>, StoreError> {
    let since = hour(now) - LISTED + 1;
    let rows = store.read(sql::FEED_HEALTH, vec![since.into()]).await?;
    rows.iter()
        .map(|row| {
            let mut columns = Columns::<D>::of(row);
            let feed = columns.text()?;
            let last_seen = columns.time()?;
            let mut number =
                || -> Result<u64, StoreError> { Ok(u64::try_from(columns.int()?).unwrap_or(0)) };
            let sums = FeedSums {
                last_seen,
                filed: number()?,
                readable: number()?,
                attributed: number()?,
                counted: number()?,
                unproven: number()?,
            };
            Ok(FeedRow { feed, sums })
        })
        .collect()
}
