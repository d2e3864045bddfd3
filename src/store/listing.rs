//! Looking things up: the newest reports, incidents and orders, and a report's raw message. None of it
//! goes through the writer.

use super::StoreError;
use super::body::SqlStore;
use super::dialect::{Columns, Dialect, Row};
use super::life_sql;
use super::sql;
use super::{IncidentRow, OrderRow, ReportRow};
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::ids::{IncidentId, OrderId, ReportId};
use crate::domain::incident::IncidentState;
use crate::domain::lock::{Action, LockOrder, OrderState, Subject};

/// The longest message that is ever taken out of the store, in octets.
const LONGEST: i64 = 1 << 30;
/// How many identities of one name are looked at.
const MOST_NAMESAKES: i64 = 100;

fn order_state(name: &str) -> Result<OrderState, StoreError> {
    OrderState::ALL
        .into_iter()
        .find(|state| state.as_str() == name)
        .ok_or_else(|| StoreError::Row(format!("order state {name}")))
}

fn action(name: &str) -> Result<Action, StoreError> {
    let found = Action::ALL.into_iter().find(|a| a.as_str() == name);
    found.ok_or_else(|| StoreError::Row(format!("action {name}")))
}

fn subject(name: &str) -> Result<Subject, StoreError> {
    let found = Subject::ALL.into_iter().find(|s| s.as_str() == name);
    found.ok_or_else(|| StoreError::Row(format!("subject {name}")))
}

/// Reads a row of `select_order!`.
pub(super) fn order_row<D: Dialect>(row: &Row<D>) -> Result<OrderRow, StoreError> {
    let mut columns = Columns::<D>::of(row);
    let id = OrderId(columns.id()?);
    let incident = IncidentId(columns.id()?);
    let value = columns.text()?;
    let (domain, username) = (columns.maybe_text()?, columns.maybe_text()?);
    let outgoing_user = domain
        .zip(username)
        .map(|(domain, username)| OutgoingUser { domain, username });
    Ok(OrderRow {
        order: LockOrder {
            id,
            incident,
            identity: Identity {
                outgoing_user,
                value,
            },
            action: action(&columns.text()?)?,
            subject: subject(&columns.text()?)?,
            target: columns.text()?,
            reason: columns.text()?,
            ordered_at: columns.time()?,
            attempts: u32::try_from(columns.int()?).unwrap_or(u32::MAX),
        },
        state: order_state(&columns.text()?)?,
        not_before: columns.time()?,
        last_answer: columns.maybe_text()?,
        settled_at: columns.maybe_time()?,
    })
}

/// See [`super::Store::orders`].
pub(super) async fn orders<D: Dialect>(
    store: &SqlStore<D>,
    limit: u32,
) -> Result<Vec<OrderRow>, StoreError> {
    let rows = store
        .read(sql::ORDERS, vec![i64::from(limit).into()])
        .await?;
    rows.iter().map(order_row::<D>).collect()
}

/// See [`super::Store::order`].
pub(super) async fn order<D: Dialect>(
    store: &SqlStore<D>,
    id: OrderId,
) -> Result<Option<OrderRow>, StoreError> {
    let rows = store.read(sql::ORDER, vec![id.0.into()]).await?;
    rows.first().map(order_row::<D>).transpose()
}

/// See [`super::Store::order_counts`].
pub(super) async fn order_counts<D: Dialect>(
    store: &SqlStore<D>,
) -> Result<Vec<(OrderState, u64)>, StoreError> {
    let mut counts: Vec<(OrderState, u64)> = OrderState::ALL.map(|state| (state, 0)).into();
    for row in &store.read(sql::ORDER_COUNTS, Vec::new()).await? {
        let mut columns = Columns::<D>::of(row);
        let state = order_state(&columns.text()?)?;
        let number = u64::try_from(columns.int()?).unwrap_or(0);
        for (known, count) in &mut counts {
            if *known == state {
                *count = number;
            }
        }
    }
    Ok(counts)
}

/// See [`super::Incidents::incident_counts`].
pub(super) async fn incident_counts<D: Dialect>(
    store: &SqlStore<D>,
) -> Result<Vec<(IncidentState, u64)>, StoreError> {
    let open = IncidentState::ALL.into_iter().filter(|s| !s.is_over());
    let mut counts: Vec<(IncidentState, u64)> = open.map(|state| (state, 0)).collect();
    for row in &store.read(life_sql::INCIDENT_COUNTS, Vec::new()).await? {
        let mut columns = Columns::<D>::of(row);
        let (name, number) = (columns.text()?, columns.int()?);
        for (known, count) in &mut counts {
            if known.as_str() == name {
                *count = u64::try_from(number).unwrap_or(0);
            }
        }
    }
    Ok(counts)
}

/// See [`super::Store::waiting`].
pub(super) async fn waiting<D: Dialect>(
    store: &SqlStore<D>,
) -> Result<Vec<(String, u64)>, StoreError> {
    let rows = store.read(sql::WAITING, Vec::new()).await?;
    rows.iter()
        .map(|row| {
            let mut columns = Columns::<D>::of(row);
            let target = columns.text()?;
            Ok((target, u64::try_from(columns.int()?).unwrap_or(0)))
        })
        .collect()
}

/// Reads rows of `select_report!`.
pub(super) fn report_rows<D: Dialect>(rows: &[Row<D>]) -> Result<Vec<ReportRow>, StoreError> {
    rows.iter().map(report_row::<D>).collect()
}

/// Reads a row of reports.
pub(super) fn report_row<D: Dialect>(row: &Row<D>) -> Result<ReportRow, StoreError> {
    let mut columns = Columns::<D>::of(row);
    Ok(ReportRow {
        id: ReportId(columns.id()?),
        received_at: columns.time()?,
        client: columns.text()?,
        feed: columns.maybe_text()?,
        format: columns.text()?,
        feedback_type: columns.maybe_text()?,
        standing: columns.text()?,
        proof: columns.maybe_json()?,
        attribution: columns.json()?,
        alias: columns.maybe_json()?,
        reading: columns.json()?,
    })
}

/// See [`super::Store::reports`].
pub(super) async fn reports<D: Dialect>(
    store: &SqlStore<D>,
    limit: u32,
) -> Result<Vec<ReportRow>, StoreError> {
    let values = vec![i64::from(limit).into()];
    report_rows::<D>(&store.read(sql::desk::REPORTS, values).await?)
}

/// See [`super::Store::incidents`].
pub(super) async fn incidents<D: Dialect>(
    store: &SqlStore<D>,
    limit: u32,
) -> Result<Vec<IncidentRow>, StoreError> {
    let rows = store
        .read(sql::INCIDENTS, vec![i64::from(limit).into()])
        .await?;
    incident_rows::<D>(&rows)
}

/// See [`super::Store::open_incidents`].
pub(super) async fn open_incidents<D: Dialect>(
    store: &SqlStore<D>,
    identity: &str,
) -> Result<Vec<IncidentRow>, StoreError> {
    let values = vec![identity.into(), MOST_NAMESAKES.into()];
    incident_rows::<D>(&store.read(sql::OPEN_INCIDENTS, values).await?)
}

pub(super) fn incident_rows<D: Dialect>(rows: &[Row<D>]) -> Result<Vec<IncidentRow>, StoreError> {
    rows.iter()
        .map(|row| {
            let mut columns = Columns::<D>::of(row);
            Ok(IncidentRow {
                id: IncidentId(columns.id()?),
                identity: columns.text()?,
                domain: columns.maybe_text()?,
                username: columns.maybe_text()?,
                state: columns.text()?,
                opened_at: columns.time()?,
                explanation: columns.json()?,
            })
        })
        .collect()
}

/// See [`super::Store::evidence`].
pub(super) async fn evidence<D: Dialect>(
    store: &SqlStore<D>,
    id: ReportId,
) -> Result<Option<Vec<u8>>, StoreError> {
    let rows = store.read(sql::EVIDENCE, vec![id.0.into()]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let mut columns = Columns::<D>::of(row);
    let (codec, size, packed) = (columns.text()?, columns.int()?, columns.bytes()?);
    let bad = |what: String| StoreError::Row(format!("evidence of report {id}: {what}"));
    if codec != "zstd" || !(0..=LONGEST).contains(&size) {
        return Err(bad(format!("{size} octets in {codec}")));
    }
    let size = usize::try_from(size).unwrap_or(0);
    let message = zstd::bulk::decompress(&packed, size).map_err(|error| bad(error.to_string()))?;
    if message.len() == size {
        Ok(Some(message))
    } else {
        Err(bad(format!("{} octets instead of {size}", message.len())))
    }
}
