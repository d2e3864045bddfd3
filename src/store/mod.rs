//! Where reports are filed and lock orders wait. [`Store`] is what the rest of the daemon sees; behind it
//! is one generic SQL body over SQLite and PostgreSQL.

use crate::domain::feed::Arrival;
use crate::domain::filing::{Filed, Filing, Policy};
use crate::domain::ids::{IncidentId, OrderId, ReportId};
use crate::domain::lock::{LockOrder, OrderState};
use crate::domain::restraint::LockSwitch;
use async_trait::async_trait;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

mod accounts;
mod archive;
mod body;
mod caps;
mod closing;
mod crossing;
mod desk;
mod dialect;
mod dossier;
mod error;
mod filing;
mod health;
mod incident;
mod incidents;
mod learnt;
mod life_sql;
mod listing;
mod manual;
mod opening;
mod orders;
mod postgres;
mod reconcile;
pub mod sql;
mod sqlite;
mod switch;
mod trail;
mod unproven;
mod window;

pub use archive::{Archive, Known as KnownIdentity, Mark, open_archive};
pub use desk::{Attributed, Desk, Forgotten, LearntRow, Lesson, NamedByHand, ReportFilter};
pub use dossier::Dossier;
pub use incidents::{Ended, Incidents, Wish};
pub use manual::ByHand;
pub use reconcile::Drift;
pub use switch::Known;

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// PostgreSQL: most connections.
    pub connections: u32,
    /// SQLite: most connections that only read.
    pub readers: u32,
    /// How long to wait for a connection, or for another process that writes.
    pub timeout: Duration,
    /// How many complaints are kept in memory over all identities.
    pub cached_complaints: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            connections: 8,
            readers: 4,
            timeout: Duration::from_secs(5),
            cached_complaints: 200_000,
        }
    }
}

/// Opens the store at `sqlite://PATH` or `postgres://...` and brings its schema up to date.
pub async fn open(url: &str, options: &StoreOptions) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match kind(url)? {
        Kind::Sqlite => Arc::new(sqlite::open(url, options).await?),
        Kind::Postgres => Arc::new(postgres::open(url, options).await?),
    })
}

/// The databases.
enum Kind {
    Sqlite,
    Postgres,
}

fn kind(url: &str) -> Result<Kind, StoreError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => Ok(Kind::Sqlite),
        Some("postgres" | "postgresql") => Ok(Kind::Postgres),
        _ => Err(StoreError::Address(
            "the store's address is neither sqlite://PATH nor postgres://...".to_owned(),
        )),
    }
}

/// Why the store could not do what was asked. Each message holds its cause, which is therefore not a source
/// besides: a chain says it once.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It may work later: locked, full, or out of reach.
    #[error("the store is not available: {0}")]
    Unavailable(sqlx::Error),
    /// It did not answer in time.
    #[error("the store did not answer in time")]
    TooSlow,
    /// It will not work as asked: one of the rows, or the schema, is at fault.
    #[error("the store refused: {0}")]
    Refused(sqlx::Error),
    /// The address of the store is not usable.
    #[error("{0}")]
    Address(String),
    /// The schema could not be brought up to date.
    #[error("the schema could not be brought up to date: {0}")]
    Migrate(sqlx::migrate::MigrateError),
    /// A stored row makes no sense to this version.
    #[error("a stored row is not readable: {0}")]
    Row(String),
}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        Self::Migrate(error)
    }
}

/// An order in the hands of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The order; `attempts` includes this try.
    pub order: LockOrder,
    /// Proof that this worker holds it.
    pub token: Uuid,
}

/// How a try ended, as written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The target confirmed that it is as ordered.
    Done {
        /// Its answer, shortened.
        answer: String,
    },
    /// Try again at that instant.
    Later {
        /// What went wrong.
        why: String,
        /// When to try again.
        at: Timestamp,
    },
    /// A person must look.
    Refused {
        /// Why.
        why: String,
    },
}

/// A report that could not be proven yet, in the hands of one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unproven {
    /// The report.
    pub report: ReportId,
    /// When it came.
    pub received_at: Timestamp,
    /// What SMTP told about it.
    pub arrival: Arrival,
    /// Tries since then, this one included.
    pub tries: u32,
    /// Proof that this worker holds it.
    pub token: Uuid,
}

/// What came from a feed in some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FeedSums {
    /// When something last did.
    pub last_seen: Timestamp,
    /// Messages that it is proven to have sent.
    pub filed: u64,
    /// Of these the reports that could be read.
    pub readable: u64,
    /// Of these the ones that named somebody.
    pub attributed: u64,
    /// Of these the ones that counted.
    pub counted: u64,
    /// Messages that a part of its proof held for, but not all of it.
    pub unproven: u64,
}

/// One row of a listing of feeds.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FeedRow {
    /// Its configured name.
    pub feed: String,
    /// When it was last heard of, and its sums over the last 24 hours of the clock.
    #[serde(flatten)]
    pub sums: FeedSums,
}

/// One row of a listing of reports.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ReportRow {
    /// Its identifier.
    pub id: ReportId,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The SMTP client.
    pub client: String,
    /// The feed that it is proven to be from.
    pub feed: Option<String>,
    /// Its format.
    pub format: String,
    /// Its feedback type.
    pub feedback_type: Option<String>,
    /// Whether it counted, and if not, why.
    pub standing: String,
    /// What was found out for its proof, as JSON; none where nothing had to be.
    pub proof: Option<serde_json::Value>,
    /// The outcome of attribution, as JSON.
    pub attribution: serde_json::Value,
    /// Whom the named identity is known as, as JSON; none where nothing is known.
    pub alias: Option<serde_json::Value>,
    /// The reading, as JSON.
    pub reading: serde_json::Value,
}

/// One row of a listing of incidents.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct IncidentRow {
    /// Its identifier.
    pub id: IncidentId,
    /// The identity.
    pub identity: String,
    /// The outgoing user's domain, where known.
    pub domain: Option<String>,
    /// The outgoing user's name, where known.
    pub username: Option<String>,
    /// Its state.
    pub state: String,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Rule, arithmetic and evidence, as JSON.
    pub explanation: serde_json::Value,
}

/// One row of a listing of lock orders.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OrderRow {
    /// The order.
    #[serde(flatten)]
    pub order: LockOrder,
    /// Its state.
    pub state: OrderState,
    /// When it is tried next, while pending.
    pub not_before: Timestamp,
    /// What the last try came to.
    pub last_answer: Option<String>,
    /// When it was settled for good.
    pub settled_at: Option<Timestamp>,
}

/// Where the daemon keeps what it must not lose.
#[async_trait]
pub trait Store: Incidents + Desk {
    /// Files a batch in one transaction: all of it is durable when this returns `Ok`, none of it otherwise.
    /// Results are in the order of the batch. Each complaint is assessed at its own `received_at`, in the
    /// order of the batch; a crossing opens one incident and writes its orders in the same transaction.
    async fn file(&self, batch: &[Filing], policy: &Policy) -> Result<Vec<Filed>, StoreError>;

    /// Claims the due report among those that could not be proven yet, for as long as `lease`.
    async fn claim_unproven(
        &self,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<Unproven>, StoreError>;

    /// Gives it back, to be tried again at that instant, with what was found out this time. False when the
    /// claim was lost meanwhile; nothing is written then.
    async fn release_unproven(
        &self,
        claim: &Unproven,
        proof: Option<&str>,
        at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Takes it off the queue and files it as if it had been judged so when it came, in one transaction: its
    /// complaint counts at its time of receipt, and what crosses is ordered at `now`. `filing` bears the
    /// report's own identifier. None when the claim was lost meanwhile; nothing is written then.
    async fn judge_unproven(
        &self,
        claim: &Unproven,
        filing: &Filing,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Option<Filed>, StoreError>;

    /// When the next of them is due, and how many there are.
    async fn unproven_due(&self) -> Result<(Option<Timestamp>, u64), StoreError>;

    /// Adds to what came from the feeds in the hour of `now`.
    async fn add_feed_sums(
        &self,
        sums: &BTreeMap<String, FeedSums>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// How the feeds are that something came from, by name.
    async fn feeds(&self, now: Timestamp) -> Result<Vec<FeedRow>, StoreError>;

    /// Claims the due order that has waited longest among those for `targets`, for as long as `lease`. An
    /// order whose lease ran out can be claimed again. The first 64 targets are looked at.
    async fn claim(
        &self,
        targets: &[String],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<Claim>, StoreError>;

    /// Writes down how a try ended. False when the claim was lost meanwhile; nothing is written then.
    async fn settle(
        &self,
        claim: &Claim,
        settlement: &Settlement,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// When the next pending order is due (a claimed one: when its lease runs out).
    async fn next_due(&self, targets: &[String]) -> Result<Option<Timestamp>, StoreError>;

    /// How many orders are in each state.
    async fn order_counts(&self) -> Result<Vec<(OrderState, u64)>, StoreError>;

    /// The newest reports first.
    async fn reports(&self, limit: u32) -> Result<Vec<ReportRow>, StoreError>;

    /// The newest incidents first.
    async fn incidents(&self, limit: u32) -> Result<Vec<IncidentRow>, StoreError>;

    /// The newest orders first.
    async fn orders(&self, limit: u32) -> Result<Vec<OrderRow>, StoreError>;

    /// The open incidents of identities with this value: several when several outgoing users have one.
    async fn open_incidents(&self, identity: &str) -> Result<Vec<IncidentRow>, StoreError>;

    /// Closes an identity's open incident by hand: the identity is assessed anew from `now` on, and what is
    /// still ordered for it is not sent any more. False when there is no such open incident.
    async fn close_incident(
        &self,
        incident: IncidentId,
        actor: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Lets the lock of a held incident go out. False when there is no such held incident.
    async fn approve_incident(
        &self,
        incident: IncidentId,
        actor: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Whether locks go out.
    async fn lock_switch(&self) -> Result<LockSwitch, StoreError>;

    /// Pauses locks, or lets them go out again. While paused no order can be claimed, and what crosses is
    /// held. False when it was so already.
    async fn pause_locks(
        &self,
        paused: bool,
        actor: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// When each of these was first asked for; those that never were are written down with `now`.
    async fn first_seen(
        &self,
        known: &[Known],
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError>;

    /// How many orders wait, by target.
    async fn waiting(&self) -> Result<Vec<(String, u64)>, StoreError>;

    /// The raw message of a report, as it came.
    async fn evidence(&self, id: ReportId) -> Result<Option<Vec<u8>>, StoreError>;

    /// One order, by its identifier.
    async fn order(&self, id: OrderId) -> Result<Option<OrderRow>, StoreError>;

    /// Whether the store can be read and written.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Flushes and closes.
    async fn close(&self);
}
