//! The outbox's side: an order is claimed under a lease, and settled only by who still holds it.

use super::body::{SqlStore, Tx, listed, run};
use super::dialect::{Columns, Dialect, Value};
use super::incident::{self, Doing, Incident};
use super::life_sql;
use super::listing::order_row;
use super::sql;
use super::trail::{About, Trail};
use super::{Claim, Settlement, StoreError};
use crate::domain::ids::OrderId;
use crate::domain::incident::Event;
use crate::domain::lock::OrderState;
use jiff::{SignedDuration, Timestamp};
use sqlx::SqlSafeStr;
use std::time::Duration;
use uuid::Uuid;

/// Whom the audit names for what the outbox did.
const ACTOR: &str = "outbox";

/// A token that no other claim has. It keeps no secret; it only has to be different.
pub(super) fn token() -> Uuid {
    uuid::Builder::from_random_bytes(fastrand::u128(..).to_be_bytes()).into_uuid()
}

/// See [`super::Store::claim`].
pub(super) async fn claim<D: Dialect>(
    store: &SqlStore<D>,
    targets: &[String],
    now: Timestamp,
    lease: Duration,
) -> Result<Option<Claim>, StoreError> {
    if targets.is_empty() {
        return Ok(None);
    }
    let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
    let until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
    let token = token();
    let mut tx = store.begin().await?;
    let bulk = if D::SKIPS_HELD {
        &sql::CLAIM_SKIPPING
    } else {
        &sql::CLAIM
    };
    let before: [Value<'_>; 3] = [token.into(), until.into(), now.into()];
    let names: Vec<&str> = targets.iter().map(String::as_str).take(sql::MOST).collect();
    let rows = listed::<D, _>(&mut tx, bulk, &before, &names).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let id = Columns::<D>::of(row).id()?;
    let rows = D::rows(&mut tx, sql::ORDER.into_sql_str(), vec![id.into()]).await?;
    let order = rows
        .first()
        .map(order_row::<D>)
        .transpose()?
        .ok_or_else(|| StoreError::Row(format!("order {id} has no identity")))?;
    tx.commit().await?;
    Ok(Some(Claim {
        order: order.order,
        token,
    }))
}

/// See [`super::Store::settle`].
pub(super) async fn settle<D: Dialect>(
    store: &SqlStore<D>,
    claim: &Claim,
    settlement: &Settlement,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (state, action, answer, again) = match settlement {
        Settlement::Done { answer } => (OrderState::Done, "order.done", answer, None),
        Settlement::Later { why, at } => (OrderState::Pending, "order.later", why, Some(*at)),
        Settlement::Refused { why } => (OrderState::Refused, "order.refused", why, None),
    };
    let OrderId(order) = claim.order.id;
    let mut tx = store.begin().await?;
    let Some(mut incident) = incident::hold::<D>(&mut tx, claim.order.incident.0).await? else {
        return Ok(false);
    };
    let row = vec![
        order.into(),
        claim.token.into(),
        state.as_str().into(),
        answer.as_str().into(),
        again.is_none().then_some(now).into(),
        again.into(),
    ];
    if run::<D>(&mut tx, sql::SETTLE, row).await? == 0 {
        // It was taken back, or somebody else has it. The try is over all the same.
        let row = vec![order.into(), claim.token.into()];
        if run::<D>(&mut tx, sql::END_LEASE, row).await? > 0 {
            tx.commit().await?;
        }
        return Ok(false);
    }
    let mut trail = Trail::default();
    let about = About {
        incident: Some(incident.id.0),
        order: Some(order),
    };
    trail.add(now, ACTOR, action, about, answer);
    let event = match settlement {
        Settlement::Done { .. } if all_done::<D>(&mut tx, &incident).await? => Some(Event::Done),
        Settlement::Refused { .. } => Some(Event::Refused),
        Settlement::Done { .. } | Settlement::Later { .. } => None,
    };
    if let Some(event) = event {
        let doing = Doing::by(ACTOR, answer, now);
        // What cannot be is none of the order's business: it is settled as it is.
        let met = incident
            .meet::<D>(&mut tx, &mut trail, event, &doing)
            .await?;
        if let Err(why) = met {
            tracing::warn!(%order, incident = %incident.id, state = incident.state.as_str(), ?event, %why, "an order's end did not fit its incident");
        }
    }
    trail.write::<D>(&mut tx).await?;
    tx.commit().await?;
    Ok(true)
}

/// Whether nothing of the incident's newest orders is left to do.
async fn all_done<D: Dialect>(tx: &mut Tx<D>, incident: &Incident) -> Result<bool, StoreError> {
    let values = vec![incident.id.0.into(), i64::from(incident.round).into()];
    let rows = D::rows(tx, life_sql::NOT_DONE.into_sql_str(), values).await?;
    match rows.first() {
        Some(row) => Ok(Columns::<D>::of(row).int()? == 0),
        None => Ok(true),
    }
}

/// See [`super::Store::next_due`].
pub(super) async fn next_due<D: Dialect>(
    store: &SqlStore<D>,
    targets: &[String],
) -> Result<Option<Timestamp>, StoreError> {
    if targets.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = targets.iter().map(String::as_str).take(sql::MOST).collect();
    let values: Vec<Value<'_>> = sql::padded(&names).map(Value::from).collect();
    let rows = store
        .read(
            sql::NEXT_DUE.sized(values.len(), sql::Marks::Numbered),
            values,
        )
        .await?;
    match rows.first() {
        Some(row) => Columns::<D>::of(row).maybe_time(),
        None => Ok(None),
    }
}
