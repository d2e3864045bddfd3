//! All that is known of one incident, for `arfd why`: the reports behind it, its orders, and what was done.

use super::StoreError;
use super::body::SqlStore;
use super::dialect::{Columns, Dialect};
use super::life_sql as sql;
use super::listing::{incident_rows, order_row, report_row};
use super::trail;
use super::{IncidentRow, OrderRow, ReportRow};
use crate::domain::audit::Link;
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::ids::IncidentId;
use crate::domain::incident::IncidentState;
use jiff::Timestamp;

/// The most orders and audit entries of one incident.
const MOST: u32 = 10_000;
/// The most incidents of identities of one name.
const MOST_NAMESAKES: i64 = 1_000;

/// All that is known of one incident.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Dossier {
    /// Its identifier.
    pub id: IncidentId,
    /// Whom it is about.
    pub identity: Identity,
    /// Where it stands.
    pub state: IncidentState,
    /// How far it went.
    pub step: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it is to end by itself.
    pub ends_at: Option<Timestamp>,
    /// Who ended the hold or lock, or ordered its end.
    pub ended_by: Option<String>,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// Rule, arithmetic and evidence, or who ordered it, as JSON.
    pub explanation: serde_json::Value,
    /// The first of the reports behind it, in their order.
    pub reports: Vec<ReportRow>,
    /// How many there are.
    pub evidence: u64,
    /// Its orders, the oldest first.
    pub orders: Vec<OrderRow>,
    /// Who did what: every change and every answer of a target, the oldest first.
    pub audit: Vec<Link>,
}

/// See [`super::Incidents::dossier`].
pub(super) async fn dossier<D: Dialect>(
    store: &SqlStore<D>,
    incident: IncidentId,
    reports: u32,
) -> Result<Option<Dossier>, StoreError> {
    let id = || vec![incident.0.into()];
    let rows = store.read(sql::DETAIL, id()).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let mut columns = Columns::<D>::of(row);
    let value = columns.text()?;
    let user = columns.maybe_text()?.zip(columns.maybe_text()?);
    let state = columns.text()?;
    let mut found = Dossier {
        id: incident,
        identity: Identity {
            outgoing_user: user.map(|(domain, username)| OutgoingUser { domain, username }),
            value,
        },
        state: IncidentState::named(&state)
            .ok_or_else(|| StoreError::Row(format!("incident {incident}: {state}")))?,
        step: columns.text()?,
        opened_at: columns.time()?,
        ends_at: columns.maybe_time()?,
        ended_by: columns.maybe_text()?,
        ended_at: columns.maybe_time()?,
        explanation: columns.json()?,
        reports: Vec::new(),
        evidence: 0,
        orders: Vec::new(),
        audit: trail::of(store, incident, MOST).await?,
    };
    let values = vec![incident.0.into(), i64::from(reports).into()];
    for row in &store.read(sql::REPORTS_OF, values).await? {
        found.reports.push(report_row::<D>(row)?);
    }
    if let Some(row) = store.read(sql::COUNT_EVIDENCE, id()).await?.first() {
        found.evidence = u64::try_from(Columns::<D>::of(row).int()?).unwrap_or_default();
    }
    for row in &store.read(super::sql::ORDERS_OF, id()).await? {
        found.orders.push(order_row::<D>(row)?);
    }
    Ok(Some(found))
}

/// See [`super::Incidents::incidents_about`].
pub(super) async fn about<D: Dialect>(
    store: &SqlStore<D>,
    identity: &str,
) -> Result<Vec<IncidentRow>, StoreError> {
    let values = vec![identity.into(), MOST_NAMESAKES.into()];
    incident_rows::<D>(&store.read(sql::INCIDENTS_ABOUT, values).await?)
}
