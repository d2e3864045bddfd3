//! How incidents end: by age, noticed when the next complaint about the identity comes in, by hand, or when the
//! timeout of their lock is up.

use super::StoreError;
use super::body::{SqlStore, Tx, listed};
use super::dialect::{Columns, Dialect};
use super::filing::Held;
use super::incident::{self, Doing, after};
use super::life_sql as sql;
use super::trail::Trail;
use super::{Ended, Wish};
use crate::domain::filing::Policy;
use crate::domain::ids::{IdentityId, IncidentId};
use crate::domain::incident::{By, Event, IncidentState, NotAllowed};
use jiff::Timestamp;
use std::collections::HashMap;
use uuid::Uuid;

/// Whom the audit names for what ended by its age.
const BY_AGE: &str = "lock.reopen_after";
/// Whom the audit names for what ended by its timeout.
const BY_TIMEOUT: &str = "lock timeout";

/// Reads the open incidents of the identities that this transaction holds, and ends those that are old enough.
pub(super) async fn expire<D: Dialect>(
    tx: &mut Tx<D>,
    trail: &mut Trail,
    held: &mut HashMap<IdentityId, Held<'_>>,
    policy: &Policy,
) -> Result<(), StoreError> {
    let open: Vec<Uuid> = held.values().filter_map(|row| row.open).collect();
    if open.is_empty() {
        return Ok(());
    }
    let age = i64::try_from(policy.reopen_after_seconds).unwrap_or(i64::MAX);
    let rows = listed::<D, _>(tx, &sql::OPEN_INCIDENTS_OF, &[], &open).await?;
    for row in &rows {
        let mut incident = incident::read::<D>(row)?;
        // An incident may stand twice in the answer.
        let owner = held.get_mut(&incident.owner);
        let Some(row) = owner.filter(|row| row.incident.is_none() && row.open.is_some()) else {
            continue;
        };
        let ends = after(incident.opened_at, age);
        // What has a timeout ends by that.
        if ends <= row.seen && incident.ends_at.is_none() {
            let why = format!("opened at {}", incident.opened_at);
            let doing = Doing {
                spent: ends,
                ..Doing::by(BY_AGE, &why, row.seen)
            };
            let met = incident
                .meet::<D>(tx, trail, Event::AgedOut, &doing)
                .await?;
            if met.is_ok_and(|change| change.is_any()) {
                row.open = None;
                row.counted_from = Some(ends);
                continue;
            }
        }
        row.incident = Some(incident);
    }
    Ok(())
}

/// Does something to one incident in a transaction of its own.
async fn meet<D: Dialect>(
    store: &SqlStore<D>,
    incident: IncidentId,
    event: Event,
    cool_down: Option<u64>,
    doing: &Doing<'_>,
) -> Result<Result<IncidentState, NotAllowed>, StoreError> {
    let mut tx = store.begin().await?;
    let Some(mut incident) = incident::hold::<D>(&mut tx, incident.0).await? else {
        return Ok(Err(NotAllowed::NoIncident));
    };
    if let Some(seconds) = cool_down {
        incident.cool_down = i64::try_from(seconds).unwrap_or(i64::MAX);
    }
    let mut trail = Trail::default();
    let met = incident
        .meet::<D>(&mut tx, &mut trail, event, doing)
        .await?;
    match met {
        Ok(change) if change.is_any() => {
            trail.write::<D>(&mut tx).await?;
            tx.commit().await?;
            Ok(Ok(change.state))
        }
        Ok(_) => Ok(Err(NotAllowed::Already)),
        Err(why) => Ok(Err(why)),
    }
}

/// See [`super::Store::close_incident`].
pub(super) async fn close<D: Dialect>(
    store: &SqlStore<D>,
    incident: IncidentId,
    doing: &Doing<'_>,
) -> Result<bool, StoreError> {
    Ok(meet(store, incident, Event::Dismissed, None, doing)
        .await?
        .is_ok())
}

/// See [`super::Store::approve_incident`].
pub(super) async fn approve<D: Dialect>(
    store: &SqlStore<D>,
    incident: IncidentId,
    doing: &Doing<'_>,
) -> Result<bool, StoreError> {
    Ok(meet(store, incident, Event::Approved, None, doing)
        .await?
        .is_ok())
}

/// See [`super::Incidents::release_incident`].
pub(super) async fn release<D: Dialect>(
    store: &SqlStore<D>,
    incident: IncidentId,
    wish: &Wish<'_>,
    cool_down: u64,
) -> Result<Result<IncidentState, NotAllowed>, StoreError> {
    let doing = Doing::by(wish.actor, wish.why, wish.now);
    let event = Event::Release(By::Hand);
    meet(store, incident, event, Some(cool_down), &doing).await
}

/// See [`super::Incidents::release_timed_out`].
pub(super) async fn time_out<D: Dialect>(
    store: &SqlStore<D>,
    cool_down: u64,
    now: Timestamp,
) -> Result<Option<Ended>, StoreError> {
    let rows = store.read(sql::ENDING, vec![now.into()]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let id = Columns::<D>::of(row).id()?;
    let mut tx = store.begin().await?;
    let Some(mut incident) = incident::hold::<D>(&mut tx, id).await? else {
        return Ok(None);
    };
    // Another node may have been quicker, or a person.
    let Some(ends_at) = incident.ends_at.filter(|at| *at <= now) else {
        return Ok(None);
    };
    incident.cool_down = i64::try_from(cool_down).unwrap_or(i64::MAX);
    let why = format!("its time was up at {ends_at}");
    let doing = Doing::by(BY_TIMEOUT, &why, now);
    let mut trail = Trail::default();
    let event = Event::Release(By::Timeout);
    let met = incident
        .meet::<D>(&mut tx, &mut trail, event, &doing)
        .await?;
    let Ok(change) = met else {
        return Ok(None);
    };
    trail.write::<D>(&mut tx).await?;
    tx.commit().await?;
    Ok(Some(Ended {
        incident: incident.id,
        state: change.state,
    }))
}

/// See [`super::Incidents::next_ending`].
pub(super) async fn next_ending<D: Dialect>(
    store: &SqlStore<D>,
) -> Result<Option<Timestamp>, StoreError> {
    let rows = store.read(sql::NEXT_ENDING, vec![]).await?;
    match rows.first() {
        Some(row) => Columns::<D>::of(row).maybe_time(),
        None => Ok(None),
    }
}
