//! What the desk switches by hand: whether locks go out at all. And since when rules and feeds are known.

use super::StoreError;
use super::body::{SqlStore, Tx, run};
use super::dialect::{Columns, Dialect, Row};
use super::sql;
use super::trail::{About, Trail};
use crate::domain::restraint::LockSwitch;
use jiff::Timestamp;
use sqlx::SqlSafeStr;

const ON: &str = "on";
const PAUSED: &str = "paused";

/// A rule or a feed, as it is looked up among those that were seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// `rule` or `feed`.
    pub kind: &'static str,
    /// Its configured name.
    pub name: String,
    /// What it asks for, where a change makes it a new one.
    pub shape: String,
}

fn read<D: Dialect>(rows: &[Row<D>]) -> Result<LockSwitch, StoreError> {
    let row = rows
        .first()
        .ok_or_else(|| StoreError::Row("the switch of locks is not there".to_owned()))?;
    let mut columns = Columns::<D>::of(row);
    Ok(LockSwitch {
        paused: columns.text()? == PAUSED,
        since: columns.time()?,
        by: columns.text()?,
        why: columns.text()?,
    })
}

/// The switch, held until the transaction ends: whoever orders locks takes it, so that they come one after
/// another and each sees what was ordered before.
pub(super) async fn hold<D: Dialect>(tx: &mut Tx<D>) -> Result<LockSwitch, StoreError> {
    read::<D>(&D::rows(tx, sql::HOLD_SWITCH.into_sql_str(), Vec::new()).await?)
}

/// See [`super::Store::lock_switch`].
pub(super) async fn get<D: Dialect>(store: &SqlStore<D>) -> Result<LockSwitch, StoreError> {
    read::<D>(&store.read(sql::SWITCH, Vec::new()).await?)
}

/// See [`super::Store::pause_locks`].
pub(super) async fn set<D: Dialect>(
    store: &SqlStore<D>,
    paused: bool,
    actor: &str,
    why: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (state, action) = match paused {
        true => (PAUSED, "locks.paused"),
        false => (ON, "locks.resumed"),
    };
    let mut tx = store.begin().await?;
    let row = vec![state.into(), now.into(), actor.into(), why.into()];
    if run::<D>(&mut tx, sql::SET_SWITCH, row).await? == 0 {
        return Ok(false);
    }
    let mut trail = Trail::default();
    trail.add(now, actor, action, About::default(), why);
    trail.write::<D>(&mut tx).await?;
    tx.commit().await?;
    Ok(true)
}

/// See [`super::Store::first_seen`].
pub(super) async fn first_seen<D: Dialect>(
    store: &SqlStore<D>,
    known: &[Known],
    now: Timestamp,
) -> Result<Vec<Timestamp>, StoreError> {
    let mut tx = store.begin().await?;
    let mut seen = Vec::with_capacity(known.len());
    for one in known {
        let key = || {
            vec![
                one.kind.into(),
                one.name.as_str().into(),
                one.shape.as_str().into(),
            ]
        };
        let mut row = key();
        row.push(now.into());
        run::<D>(&mut tx, sql::INSERT_FIRST_SEEN, row).await?;
        let rows = D::rows(&mut tx, sql::FIRST_SEEN.into_sql_str(), key()).await?;
        seen.push(match rows.first() {
            Some(row) => Columns::<D>::of(row).time()?,
            None => now,
        });
    }
    tx.commit().await?;
    Ok(seen)
}
