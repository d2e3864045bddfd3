//! The outbox's side: an order is claimed under a lease, and settled only by who still holds it.

use super::body::{SqlStore, listed, run};
use super::dialect::{Columns, Dialect, Value};
use super::listing::order_row;
use super::sql;
use super::{Claim, Settlement, StoreError};
use crate::domain::ids::OrderId;
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
    let incident = claim.order.incident.0;
    let mut tx = store.begin().await?;
    run::<D>(&mut tx, sql::HOLD_INCIDENT, vec![incident.into()]).await?;
    let row = vec![
        order.into(),
        claim.token.into(),
        state.as_str().into(),
        answer.as_str().into(),
        again.is_none().then_some(now).into(),
        again.into(),
    ];
    if run::<D>(&mut tx, sql::SETTLE, row).await? == 0 {
        return Ok(false);
    }
    let follow = match settlement {
        Settlement::Done { .. } => Some(sql::INCIDENT_LOCKED),
        Settlement::Refused { .. } => Some(sql::INCIDENT_REFUSED),
        Settlement::Later { .. } => None,
    };
    if let Some(statement) = follow {
        run::<D>(&mut tx, statement, vec![incident.into()]).await?;
    }
    let audit = vec![
        now.into(),
        ACTOR.into(),
        action.into(),
        incident.into(),
        order.into(),
        answer.as_str().into(),
    ];
    run::<D>(&mut tx, sql::INSERT_AUDIT, audit).await?;
    tx.commit().await?;
    Ok(true)
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
