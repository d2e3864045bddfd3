//! Reports whose feed could not be told for want of DNS: claimed under a lease, tried again, and judged in one
//! transaction that takes them off the queue. Whatever dies in between leaves them there.

use super::accounts;
use super::body::{SqlStore, insert, run};
use super::caps;
use super::closing;
use super::crossing::{self, Present};
use super::dialect::{Columns, Dialect, Value};
use super::filing::{self, Held};
use super::orders::token;
use super::sql;
use super::trail::Trail;
use super::{StoreError, Unproven};
use crate::domain::complaint::Complaint;
use crate::domain::filing::{Filed, Filing, Policy};
use crate::domain::ids::{IdentityId, ReportId};
use crate::domain::standing::Standing;
use jiff::{SignedDuration, Timestamp};
use sqlx::SqlSafeStr;
use std::collections::HashMap;
use std::time::Duration;

/// Puts the pending ones among new filings on the queue, within their transaction.
pub(super) async fn enqueue<D: Dialect>(
    tx: &mut super::body::Tx<D>,
    new: &[&Filing],
) -> Result<(), StoreError> {
    let mut pending = Vec::new();
    for filing in new.iter().filter(|f| f.standing == Standing::Pending) {
        let arrival = serde_json::to_string(&filing.arrival)
            .map_err(|error| StoreError::Row(error.to_string()))?;
        pending.push((*filing, arrival));
    }
    insert::<D, _>(
        tx,
        &sql::INSERT_UNPROVEN,
        &pending,
        |(filing, arrival), values| {
            values.push(filing.id.0.into());
            values.push(filing.received_at.into());
            values.push(filing.received_at.into());
            values.push(0i64.into());
            values.push(arrival.as_str().into());
        },
    )
    .await?;
    Ok(())
}

/// See [`super::Store::claim_unproven`].
pub(super) async fn claim<D: Dialect>(
    store: &SqlStore<D>,
    now: Timestamp,
    lease: Duration,
) -> Result<Option<Unproven>, StoreError> {
    let lease = SignedDuration::try_from(lease).unwrap_or(SignedDuration::MAX);
    let until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
    let token = token();
    let statement = match D::SKIPS_HELD {
        true => sql::CLAIM_UNPROVEN_SKIPPING,
        false => sql::CLAIM_UNPROVEN,
    };
    let mut tx = store.begin().await?;
    let values: Vec<Value<'_>> = vec![token.into(), until.into(), now.into()];
    let rows = D::rows(&mut tx, statement.into_sql_str(), values).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let mut columns = Columns::<D>::of(row);
    let claim = Unproven {
        report: ReportId(columns.id()?),
        received_at: columns.time()?,
        tries: u32::try_from(columns.int()?).unwrap_or(u32::MAX),
        arrival: serde_json::from_str(&columns.text()?)
            .map_err(|error| StoreError::Row(error.to_string()))?,
        token,
    };
    tx.commit().await?;
    Ok(Some(claim))
}

/// See [`super::Store::release_unproven`].
pub(super) async fn release<D: Dialect>(
    store: &SqlStore<D>,
    claim: &Unproven,
    proof: Option<&str>,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let mut tx = store.begin().await?;
    let row = vec![claim.report.0.into(), claim.token.into(), at.into()];
    if run::<D>(&mut tx, sql::RELEASE_UNPROVEN, row).await? == 0 {
        return Ok(false);
    }
    let row = vec![claim.report.0.into(), proof.into()];
    run::<D>(&mut tx, sql::RETELL_PROOF, row).await?;
    tx.commit().await?;
    Ok(true)
}

/// See [`super::Store::judge_unproven`].
pub(super) async fn judge<D: Dialect>(
    store: &SqlStore<D>,
    claim: &Unproven,
    filing: &Filing,
    policy: &Policy,
    now: Timestamp,
) -> Result<Option<Filed>, StoreError> {
    let mut tx = store.begin().await?;
    // The row of the queue first: who deletes it under its own lease is the only one that judges.
    let row = vec![claim.report.0.into(), claim.token.into()];
    if run::<D>(&mut tx, sql::END_UNPROVEN, row).await? == 0 {
        return Ok(None);
    }
    let one = [filing];
    let mut held: HashMap<IdentityId, Held> = filing::hold_identities::<D>(&mut tx, &one).await?;
    let mut trail = Trail::default();
    closing::expire::<D>(&mut tx, &mut trail, &mut held, policy).await?;
    let attribution = serde_json::to_string(&filing.attribution)
        .map_err(|error| StoreError::Row(error.to_string()))?;
    let row = vec![
        claim.report.0.into(),
        filing.feed.as_deref().into(),
        filing.attribution.identity().map(|i| i.id().0).into(),
        attribution.as_str().into(),
        filing.standing.as_str().into(),
        filing.reading.as_str().into(),
        filing.proof.as_deref().into(),
        accounts::text(filing)?.into(),
    ];
    if run::<D>(&mut tx, sql::JUDGE_REPORT, row).await? == 0 {
        return Err(StoreError::Row(format!(
            "report {} is on the queue of the unproven, but not pending",
            claim.report
        )));
    }
    accounts::remember::<D>(&mut tx, &one).await?;
    let new = filing::insert_complaints::<D>(&mut tx, &one).await?;
    let (counted, over) = caps::hold::<D>(&mut tx, new, policy).await?;
    let mut present = Present {
        held,
        trail,
        decided_at: Some(now),
    };
    let (mut opened, windows) =
        crossing::assess(store, &mut tx, &counted, &mut present, policy).await?;
    present.trail.write::<D>(&mut tx).await?;
    tx.commit().await?;
    store.windows.put(windows);
    let is = |all: &[Complaint]| all.iter().any(|c| c.report == filing.id);
    let standing = match filing.complaint.is_some() && filing.standing == Standing::Counted {
        true if is(&over) => Standing::OverCap,
        true if !is(&counted) => Standing::Duplicate,
        _ => filing.standing,
    };
    Ok(Some(Filed {
        id: filing.id,
        standing,
        repeated: false,
        opened: opened.remove(&filing.id),
    }))
}

/// See [`super::Store::unproven_due`].
pub(super) async fn due<D: Dialect>(
    store: &SqlStore<D>,
) -> Result<(Option<Timestamp>, u64), StoreError> {
    let rows = store.read(sql::NEXT_UNPROVEN, Vec::new()).await?;
    let Some(row) = rows.first() else {
        return Ok((None, 0));
    };
    let mut columns = Columns::<D>::of(row);
    let due = columns.maybe_time()?;
    Ok((due, u64::try_from(columns.int()?).unwrap_or(0)))
}
