//! History as it is read to hold rules against it: identities, their complaints in the order of receipt, and
//! their incidents, page by page over the connections that only read. Nothing here waits for the writer, nor
//! the writer for it.

use super::body::SqlStore;
use super::crossing::read_complaint;
use super::dialect::{Columns, Dialect, Row};
use super::{StoreError, StoreOptions, postgres, sqlite};
use crate::domain::complaint::Complaint;
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::ids::{ComplaintId, IdentityId, IncidentId};
use crate::domain::replay::Past;
use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use uuid::Uuid;

/// How many incidents of one identity are looked at, the newest ones.
const MOST_INCIDENTS: i64 = 10_000;
/// How many ends of incidents are looked at in all.
const MOST_ENDS: i64 = 1_000_000;
/// How many identities of one value are looked at: as many outgoing users may have it.
const MOST_NAMESAKES: i64 = 100;

pub(super) const COUNT: &str = "select count(*) from identities where last_seen > $1";
pub(super) const PAGE: &str = "select id, value, domain, username, counted_from, open_incident from \
     identities where id > $1 and last_seen > $2 order by id limit $3";
pub(super) const NAMED: &str = "select id, value, domain, username, counted_from, open_incident from \
     identities where value = $1 order by id limit $2";
pub(super) const COMPLAINTS: &str = "select id, report_id, identity_id, feed, feedback_type, message, \
     complainant, weight, may, strength, class, received_at from complaints where identity_id = $1 and \
     received_at >= $2 and received_at <= $3 and (received_at > $2 or id > $4) order by received_at, id \
     limit $5";
pub(super) const INCIDENTS: &str = "select id, state, explanation from incidents where \
     identity_id = $1 order by opened_at desc, id limit $2";
pub(super) const ENDS: &str = "select incident_id, at from audit where action in ('incident.closed', \
     'incident.released') and incident_id is not null and at > $1 order by at limit $2";

/// Every statement, for the test that prepares them.
pub(super) const ALL: [&str; 6] = [COUNT, PAGE, NAMED, COMPLAINTS, INCIDENTS, ENDS];

/// An identity, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its identifier.
    pub id: IdentityId,
    /// Who it is.
    pub identity: Identity,
    /// Complaints up to this instant are spent.
    pub counted_from: Option<Timestamp>,
    /// Its open incident.
    pub open: Option<IncidentId>,
}

/// Where to go on reading an identity's complaints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    at: Timestamp,
    id: Uuid,
}

impl Mark {
    /// Complaints received after an instant.
    pub fn after(at: Timestamp) -> Self {
        Self {
            at,
            id: Uuid::max(),
        }
    }

    /// What comes behind a complaint.
    pub fn behind(complaint: &Complaint) -> Self {
        let ComplaintId(id) = complaint.id;
        Self {
            at: complaint.received_at,
            id,
        }
    }
}

/// What was filed, to be read.
#[async_trait]
pub trait Archive: Debug + Send + Sync {
    /// How many identities were complained of after an instant.
    async fn count(&self, since: Timestamp) -> Result<u64, StoreError>;

    /// The next of them, in the order of their identifiers.
    async fn page(
        &self,
        behind: Option<IdentityId>,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Known>, StoreError>;

    /// The identities of that value: several where several outgoing users have it.
    async fn named(&self, value: &str) -> Result<Vec<Known>, StoreError>;

    /// The next complaints about an identity that were received up to `until`, in the order of receipt.
    async fn complaints(
        &self,
        identity: IdentityId,
        mark: Mark,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Complaint>, StoreError>;

    /// An identity's incidents, the oldest first, with the ends of those that [`Archive::ends`] gave.
    async fn incidents(
        &self,
        identity: IdentityId,
        ends: &HashMap<IncidentId, Timestamp>,
    ) -> Result<Vec<Past>, StoreError>;

    /// When incidents were ended after an instant, by a person, a target or their timeout; not by their age.
    async fn ends(&self, since: Timestamp) -> Result<HashMap<IncidentId, Timestamp>, StoreError>;

    /// Closes the connections.
    async fn close_archive(&self);
}

/// Opens the archive of the store at an address, as [`super::open`] does.
///
/// # Errors
/// When it cannot be opened or its schema not be brought up to date.
pub async fn open_archive(
    url: &str,
    options: &StoreOptions,
) -> Result<Arc<dyn Archive>, StoreError> {
    Ok(match super::kind(url)? {
        super::Kind::Sqlite => Arc::new(sqlite::open(url, options).await?),
        super::Kind::Postgres => Arc::new(postgres::open(url, options).await?),
    })
}

fn known<D: Dialect>(row: &Row<D>) -> Result<Known, StoreError> {
    let mut columns = Columns::<D>::of(row);
    let (id, value) = (IdentityId(columns.id()?), columns.text()?);
    let (domain, username) = (columns.maybe_text()?, columns.maybe_text()?);
    let outgoing_user = domain.zip(username);
    Ok(Known {
        id,
        identity: Identity {
            outgoing_user: outgoing_user
                .map(|(domain, username)| OutgoingUser { domain, username }),
            value,
        },
        counted_from: columns.maybe_time()?,
        open: columns.maybe_id()?.map(IncidentId),
    })
}

#[async_trait]
impl<D: Dialect> Archive for SqlStore<D> {
    async fn count(&self, since: Timestamp) -> Result<u64, StoreError> {
        let rows = self.read(COUNT, vec![since.into()]).await?;
        let count = rows.first().map(|row| Columns::<D>::of(row).int());
        Ok(u64::try_from(count.transpose()?.unwrap_or(0)).unwrap_or(0))
    }

    async fn page(
        &self,
        behind: Option<IdentityId>,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<Known>, StoreError> {
        let behind = behind.map_or(Uuid::nil(), |IdentityId(id)| id);
        let values = vec![behind.into(), since.into(), i64::from(limit).into()];
        let rows = self.read(PAGE, values).await?;
        rows.iter().map(known::<D>).collect()
    }

    async fn named(&self, value: &str) -> Result<Vec<Known>, StoreError> {
        let values = vec![value.into(), MOST_NAMESAKES.into()];
        let rows = self.read(NAMED, values).await?;
        rows.iter().map(known::<D>).collect()
    }

    async fn complaints(
        &self,
        identity: IdentityId,
        mark: Mark,
        until: Timestamp,
        limit: u32,
    ) -> Result<Vec<Complaint>, StoreError> {
        let values = vec![
            identity.0.into(),
            mark.at.into(),
            until.into(),
            mark.id.into(),
            i64::from(limit).into(),
        ];
        let rows = self.read(COMPLAINTS, values).await?;
        rows.iter().map(read_complaint::<D>).collect()
    }

    async fn incidents(
        &self,
        identity: IdentityId,
        ends: &HashMap<IncidentId, Timestamp>,
    ) -> Result<Vec<Past>, StoreError> {
        let values = vec![identity.0.into(), MOST_INCIDENTS.into()];
        let rows = self.read(INCIDENTS, values).await?;
        let past = |row: &Row<D>| {
            let mut columns = Columns::<D>::of(row);
            let id = IncidentId(columns.id()?);
            let state = columns.text()?;
            // What was opened by hand crossed no rule.
            let Ok(why) = serde_json::from_value(columns.json()?) else {
                return Ok(None);
            };
            Ok(Some(Past {
                id,
                state,
                why,
                ended_at: ends.get(&id).copied(),
            }))
        };
        let past: Result<Vec<Option<Past>>, StoreError> = rows.iter().rev().map(past).collect();
        Ok(past?.into_iter().flatten().collect())
    }

    async fn ends(&self, since: Timestamp) -> Result<HashMap<IncidentId, Timestamp>, StoreError> {
        let rows = self
            .read(ENDS, vec![since.into(), MOST_ENDS.into()])
            .await?;
        rows.iter()
            .map(|row| {
                let mut columns = Columns::<D>::of(row);
                Ok((IncidentId(columns.id()?), columns.time()?))
            })
            .collect()
    }

    async fn close_archive(&self) {
        self.leave().await;
    }
}
