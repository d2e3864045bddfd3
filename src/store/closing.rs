//! How incidents end: by age, noticed when the next complaint about the identity comes in, or by hand.
//! Either way the identity's window starts anew.

use super::StoreError;
use super::body::{SqlStore, Tx, listed, run};
use super::dialect::{Columns, Dialect};
use super::filing::Held;
use super::sql;
use crate::domain::filing::Policy;
use crate::domain::ids::{IdentityId, IncidentId};
use crate::domain::incident::IncidentState;
use jiff::{SignedDuration, Timestamp};
use sqlx::SqlSafeStr;
use std::collections::HashMap;
use uuid::Uuid;

/// Whom the audit names for what ended by its age.
const BY_AGE: &str = "lock.reopen_after";

/// Ends the incidents that are old enough among those of the identities that this transaction holds.
pub(super) async fn expire<D: Dialect>(
    tx: &mut Tx<D>,
    held: &mut HashMap<IdentityId, Held<'_>>,
    policy: &Policy,
) -> Result<(), StoreError> {
    let mut owners: HashMap<Uuid, IdentityId> = HashMap::new();
    for (identity, row) in held.iter() {
        if let Some(incident) = row.open {
            owners.insert(incident, *identity);
        }
    }
    if owners.is_empty() {
        return Ok(());
    }
    let age = i64::try_from(policy.reopen_after_seconds).unwrap_or(i64::MAX);
    let age = SignedDuration::from_secs(age);
    let incidents: Vec<Uuid> = owners.keys().copied().collect();
    let rows = listed::<D, _>(tx, &sql::SELECT_SETTLED, &[], &incidents).await?;
    for row in &rows {
        let mut columns = Columns::<D>::of(row);
        let (incident, opened_at) = (columns.id()?, columns.time()?);
        let Ok(ends) = opened_at.checked_add(age) else {
            continue;
        };
        let owner = owners.get(&incident).and_then(|id| held.get_mut(id));
        // An incident that stands twice in the answer was ended at the first.
        let Some(row) = owner.filter(|row| row.open.is_some() && ends <= row.seen) else {
            continue;
        };
        row.open = None;
        row.counted_from = Some(ends);
        let why = format!("opened at {opened_at}");
        let end = End {
            incident,
            state: IncidentState::Expired,
            counted_from: ends,
            actor: BY_AGE,
            why: &why,
        };
        end.write::<D>(tx, row.seen).await?;
    }
    Ok(())
}

/// See [`super::Store::close_incident`].
pub(super) async fn close<D: Dialect>(
    store: &SqlStore<D>,
    incident: IncidentId,
    actor: &str,
    why: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    let end = End {
        incident: incident.0,
        state: IncidentState::Closed,
        counted_from: now,
        actor,
        why,
    };
    let closed = end.write::<D>(&mut tx, now).await?;
    if closed {
        let answer = format!("the incident was closed: {why}");
        let row = vec![incident.0.into(), answer.as_str().into(), now.into()];
        run::<D>(&mut tx, sql::CANCEL_ORDERS, row).await?;
        tx.commit().await?;
    }
    Ok(closed)
}

/// The end of one incident.
struct End<'e> {
    incident: Uuid,
    state: IncidentState,
    counted_from: Timestamp,
    actor: &'e str,
    why: &'e str,
}

impl End<'_> {
    /// The identity's row first, as everywhere, so that nobody files about it meanwhile. False when the
    /// incident is not an identity's open one.
    async fn write<D: Dialect>(&self, tx: &mut Tx<D>, now: Timestamp) -> Result<bool, StoreError> {
        let row = vec![self.incident.into(), self.counted_from.into()];
        if run::<D>(tx, sql::FREE_IDENTITY, row).await? == 0 {
            return Ok(false);
        }
        let row = vec![self.incident.into(), self.state.as_str().into()];
        run::<D>(tx, sql::END_INCIDENT, row).await?;
        let audit = vec![
            now.into(),
            self.actor.into(),
            format!("incident.{}", self.state.as_str()).into(),
            self.incident.into(),
            None::<Uuid>.into(),
            self.why.into(),
        ];
        D::run(tx, sql::INSERT_AUDIT.into_sql_str(), audit).await?;
        Ok(true)
    }
}
