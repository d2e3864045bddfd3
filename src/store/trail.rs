//! The audit trail of one transaction, written at its end as the next links of the chain. The chain's head is the
//! last row that any transaction locks: whoever appends waits for no longer than another's commit, and nobody
//! waits in a circle.

use super::StoreError;
use super::body::{SqlStore, Tx, insert, run};
use super::dialect::{Columns, Dialect, Row, Value};
use super::life_sql as sql;
use crate::domain::audit::{Digest, Entry, Follower, Link};
use crate::domain::ids::IncidentId;
use jiff::Timestamp;
use sqlx::SqlSafeStr;
use uuid::Uuid;

/// What a transaction did.
#[derive(Debug, Default)]
pub(super) struct Trail(Vec<Entry>);

/// Text as the database keeps it: the digest must be of that.
fn kept(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

fn kept_at(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct About {
    /// The incident.
    pub(super) incident: Option<Uuid>,
    /// The order.
    pub(super) order: Option<Uuid>,
}

impl About {
    pub(super) fn incident(id: Uuid) -> Self {
        Self {
            incident: Some(id),
            order: None,
        }
    }
}

impl Trail {
    /// Adds an entry.
    pub(super) fn add(
        &mut self,
        at: Timestamp,
        actor: &str,
        action: &str,
        about: About,
        detail: &str,
    ) {
        self.0.push(Entry {
            at: kept_at(at),
            actor: kept(actor),
            action: kept(action),
            incident: about.incident,
            order: about.order,
            detail: kept(detail),
        });
    }

    /// Appends the entries to the chain. Nothing else may be locked after this but by the commit.
    pub(super) async fn write<D: Dialect>(self, tx: &mut Tx<D>) -> Result<(), StoreError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut head = head::<D>(&D::rows(tx, sql::HOLD_HEAD.into_sql_str(), vec![]).await?)?;
        let links: Vec<Link> = self
            .0
            .into_iter()
            .map(|entry| {
                head.number += 1;
                head.digest = entry.digest(head.number, &head.digest);
                Link {
                    number: head.number,
                    entry,
                    digest: head.digest,
                }
            })
            .collect();
        insert::<D, _>(tx, &sql::INSERT_AUDIT, &links, |link, values| {
            let entry = &link.entry;
            values.push(entry.at.into());
            values.push(entry.actor.as_str().into());
            values.push(entry.action.as_str().into());
            values.push(entry.incident.into());
            values.push(entry.order.into());
            values.push(entry.detail.as_str().into());
            values.push(number(link.number).into());
            values.push(Value::Bytes(&link.digest.0));
        })
        .await?;
        set_head::<D>(tx, &head).await
    }
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

async fn set_head<D: Dialect>(tx: &mut Tx<D>, head: &Follower) -> Result<(), StoreError> {
    let row = vec![number(head.number).into(), Value::Bytes(&head.digest.0)];
    run::<D>(tx, sql::SET_HEAD, row).await.map(drop)
}

fn digest(octets: Vec<u8>) -> Result<Digest, StoreError> {
    let bad = |octets: Vec<u8>| StoreError::Row(format!("a digest of {} octets", octets.len()));
    octets.try_into().map(Digest).map_err(bad)
}

fn head<D: Dialect>(rows: &[Row<D>]) -> Result<Follower, StoreError> {
    let row = rows
        .first()
        .ok_or_else(|| StoreError::Row("the head of the audit chain is not there".to_owned()))?;
    let mut columns = Columns::<D>::of(row);
    Ok(Follower {
        number: u64::try_from(columns.int()?).unwrap_or_default(),
        digest: digest(columns.bytes()?)?,
    })
}

fn entry<D: Dialect>(columns: &mut Columns<'_, D>) -> Result<Entry, StoreError> {
    Ok(Entry {
        at: columns.time()?,
        actor: columns.text()?,
        action: columns.text()?,
        incident: columns.maybe_id()?,
        order: columns.maybe_id()?,
        detail: columns.text()?,
    })
}

fn links<D: Dialect>(rows: &[Row<D>]) -> Result<Vec<Link>, StoreError> {
    let link = |row| {
        let mut columns = Columns::<D>::of(row);
        Ok(Link {
            number: u64::try_from(columns.int()?).unwrap_or_default(),
            entry: entry(&mut columns)?,
            digest: digest(columns.bytes()?)?,
        })
    };
    rows.iter().map(link).collect()
}

/// Puts the entries from before there was a chain into it, once, before anything else is appended.
pub(super) async fn chain_old<D: Dialect>(store: &SqlStore<D>) -> Result<(), StoreError> {
    let reads = store.read(sql::HEAD, vec![]).await?;
    if head::<D>(&reads)?.number > 0 {
        return Ok(());
    }
    let mut tx = store.begin().await?;
    let mut end = head::<D>(&D::rows(&mut tx, sql::HOLD_HEAD.into_sql_str(), vec![]).await?)?;
    // Another node may have been quicker. What stands outside later is for `arfd audit verify` to name.
    if end.number > 0 {
        return Ok(());
    }
    loop {
        let rows = D::rows(&mut tx, sql::UNCHAINED.into_sql_str(), vec![]).await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let mut columns = Columns::<D>::of(row);
            let seq = columns.int()?;
            let entry = entry(&mut columns)?;
            end.number += 1;
            end.digest = entry.digest(end.number, &end.digest);
            let values = vec![
                seq.into(),
                number(end.number).into(),
                Value::Bytes(&end.digest.0),
            ];
            run::<D>(&mut tx, sql::CHAIN_OLD, values).await?;
        }
    }
    if end.number == 0 {
        return Ok(());
    }
    set_head::<D>(&mut tx, &end).await?;
    tx.commit().await?;
    tracing::info!(entries = end.number, "the audit entries were chained");
    Ok(())
}

/// See [`super::Incidents::audit_head`].
pub(super) async fn get_head<D: Dialect>(store: &SqlStore<D>) -> Result<Follower, StoreError> {
    head::<D>(&store.read(sql::HEAD, vec![]).await?)
}

/// See [`super::Incidents::audit_after`].
pub(super) async fn after<D: Dialect>(
    store: &SqlStore<D>,
    after: u64,
    upto: u64,
    limit: u32,
) -> Result<Vec<Link>, StoreError> {
    let values = vec![
        number(after).into(),
        number(upto).into(),
        i64::from(limit).into(),
    ];
    links::<D>(&store.read(sql::AUDIT_AFTER, values).await?)
}

/// See [`super::Incidents::audit_newest`].
pub(super) async fn newest<D: Dialect>(
    store: &SqlStore<D>,
    limit: u32,
) -> Result<Vec<Link>, StoreError> {
    let values = vec![i64::from(limit).into()];
    links::<D>(&store.read(sql::AUDIT_NEWEST, values).await?)
}

/// See [`super::Incidents::audit_of`].
pub(super) async fn of<D: Dialect>(
    store: &SqlStore<D>,
    incident: IncidentId,
    limit: u32,
) -> Result<Vec<Link>, StoreError> {
    let values = vec![incident.0.into(), i64::from(limit).into()];
    links::<D>(&store.read(sql::AUDIT_OF, values).await?)
}

/// See [`super::Incidents::audit_outside`].
pub(super) async fn outside<D: Dialect>(store: &SqlStore<D>) -> Result<u64, StoreError> {
    let rows = store.read(sql::OUTSIDE_CHAIN, vec![]).await?;
    match rows.first() {
        Some(row) => Ok(u64::try_from(Columns::<D>::of(row).int()?).unwrap_or_default()),
        None => Ok(0),
    }
}
