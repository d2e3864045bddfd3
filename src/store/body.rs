//! The one SQL body behind [`Store`], generic over the database: its connections and transactions, and
//! where each call goes.

use super::dialect::{Connection, Dialect, Row, Value};
use super::incident::Doing;
use super::sql::{self, Bulk, Marks};
use super::window::Windows;
use super::{
    Claim, FeedRow, FeedSums, IncidentRow, Known, OrderRow, ReportRow, Settlement, Store,
    StoreError, Unproven, closing, filing, health, listing, orders, switch, unproven,
};
use crate::domain::filing::{Filed, Filing, Policy};
use crate::domain::ids::{IncidentId, OrderId, ReportId};
use crate::domain::lock::OrderState;
use crate::domain::restraint::LockSwitch;
use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::{Pool, Transaction};
use sqlx::{SqlSafeStr, SqlStr};
use std::collections::BTreeMap;
use std::time::Duration;

/// A store in one database.
#[derive(Debug)]
pub(super) struct SqlStore<D: Dialect> {
    writers: Pool<D::Db>,
    readers: Pool<D::Db>,
    pub(super) windows: Windows,
}

/// An open transaction.
pub(super) type Tx<D> = Transaction<'static, <D as Dialect>::Db>;

impl<D: Dialect> SqlStore<D> {
    /// A store over migrated pools; they may be one and the same.
    pub(super) fn new(
        writers: Pool<D::Db>,
        readers: Pool<D::Db>,
        cached_complaints: usize,
    ) -> Self {
        Self {
            writers,
            readers,
            windows: Windows::new(cached_complaints),
        }
    }

    /// Opens a transaction that means to write. Dropped without a commit it leaves no trace.
    pub(super) async fn begin(&self) -> Result<Tx<D>, StoreError> {
        Ok(self.writers.begin_with(D::BEGIN).await?)
    }

    /// Closes the connections, and flushes nothing: others may write.
    pub(super) async fn leave(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }

    /// The rows of a reading statement.
    pub(super) async fn read(
        &self,
        sql: impl SqlSafeStr + Send,
        values: Vec<Value<'_>>,
    ) -> Result<Vec<Row<D>>, StoreError> {
        let sql: SqlStr = sql.into_sql_str();
        let mut connection = self.readers.acquire().await?;
        D::rows(&mut connection, sql, values).await
    }
}

/// Writes many rows, a chunk at a time, and returns what the statements return.
pub(super) async fn insert<'v, D: Dialect, T>(
    connection: &mut Connection<D>,
    bulk: &Bulk,
    items: &'v [T],
    row: impl Fn(&'v T, &mut Vec<Value<'v>>) + Send,
) -> Result<Vec<Row<D>>, StoreError>
where
    T: Sync,
{
    let mut returned = Vec::new();
    let mut rest = items;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(sql::chunk(rest.len()));
        let mut values = Vec::with_capacity(now.len() * 16);
        for item in now {
            row(item, &mut values);
        }
        returned.extend(D::rows(connection, bulk.sized(now.len(), D::MARKS), values).await?);
        rest = later;
    }
    Ok(returned)
}

/// Runs a statement with an `in` list, a chunk at a time; `before` goes in front of the list.
pub(super) async fn listed<'v, D: Dialect, T: Clone + Sync + Into<Value<'v>>>(
    connection: &mut Connection<D>,
    bulk: &Bulk,
    before: &[Value<'v>],
    items: &[T],
) -> Result<Vec<Row<D>>, StoreError> {
    let mut returned = Vec::new();
    for part in items.chunks(sql::MOST) {
        let mut values = before.to_vec();
        values.extend(sql::padded(part).map(Into::into));
        let size = values.len() - before.len();
        returned.extend(D::rows(connection, bulk.sized(size, Marks::Numbered), values).await?);
    }
    Ok(returned)
}

/// Runs a statement that returns nothing, and says how many rows it touched.
pub(super) async fn run<D: Dialect>(
    connection: &mut Connection<D>,
    sql: &'static str,
    values: Vec<Value<'_>>,
) -> Result<u64, StoreError> {
    D::run(connection, sql.into_sql_str(), values).await
}

#[async_trait]
impl<D: Dialect> Store for SqlStore<D> {
    async fn file(&self, batch: &[Filing], policy: &Policy) -> Result<Vec<Filed>, StoreError> {
        filing::file(self, batch, policy).await
    }

    async fn claim_unproven(
        &self,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<Unproven>, StoreError> {
        unproven::claim(self, now, lease).await
    }

    async fn release_unproven(
        &self,
        claim: &Unproven,
        proof: Option<&str>,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        unproven::release(self, claim, proof, at).await
    }

    async fn judge_unproven(
        &self,
        claim: &Unproven,
        filing: &Filing,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Option<Filed>, StoreError> {
        unproven::judge(self, claim, filing, policy, now).await
    }

    async fn unproven_due(&self) -> Result<(Option<Timestamp>, u64), StoreError> {
        unproven::due(self).await
    }

    async fn add_feed_sums(
        &self,
        sums: &BTreeMap<String, FeedSums>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        health::add(self, sums, now).await
    }

    async fn feeds(&self, now: Timestamp) -> Result<Vec<FeedRow>, StoreError> {
        health::feeds(self, now).await
    }

    async fn claim(
        &self,
        targets: &[String],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<Claim>, StoreError> {
        orders::claim(self, targets, now, lease).await
    }

    async fn settle(
        &self,
        claim: &Claim,
        settlement: &Settlement,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        orders::settle(self, claim, settlement, now).await
    }

    async fn next_due(&self, targets: &[String]) -> Result<Option<Timestamp>, StoreError> {
        orders::next_due(self, targets).await
    }

    async fn order_counts(&self) -> Result<Vec<(OrderState, u64)>, StoreError> {
        listing::order_counts(self).await
    }

    async fn reports(&self, limit: u32) -> Result<Vec<ReportRow>, StoreError> {
        listing::reports(self, limit).await
    }

    async fn incidents(&self, limit: u32) -> Result<Vec<IncidentRow>, StoreError> {
        listing::incidents(self, limit).await
    }

    async fn orders(&self, limit: u32) -> Result<Vec<OrderRow>, StoreError> {
        listing::orders(self, limit).await
    }

    async fn open_incidents(&self, identity: &str) -> Result<Vec<IncidentRow>, StoreError> {
        listing::open_incidents(self, identity).await
    }

    async fn close_incident(
        &self,
        incident: IncidentId,
        actor: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        closing::close(self, incident, &Doing::by(actor, why, now)).await
    }

    async fn approve_incident(
        &self,
        incident: IncidentId,
        actor: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        closing::approve(self, incident, &Doing::by(actor, why, now)).await
    }

    async fn lock_switch(&self) -> Result<LockSwitch, StoreError> {
        switch::get(self).await
    }

    async fn pause_locks(
        &self,
        paused: bool,
        actor: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        switch::set(self, paused, actor, why, now).await
    }

    async fn first_seen(
        &self,
        known: &[Known],
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        switch::first_seen(self, known, now).await
    }

    async fn waiting(&self) -> Result<Vec<(String, u64)>, StoreError> {
        listing::waiting(self).await
    }

    async fn evidence(&self, id: ReportId) -> Result<Option<Vec<u8>>, StoreError> {
        listing::evidence(self, id).await
    }

    async fn order(&self, id: OrderId) -> Result<Option<OrderRow>, StoreError> {
        listing::order(self, id).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read(sql::PING, Vec::new()).await?;
        // A store that can only be read takes no reports.
        Ok(self.begin().await?.rollback().await?)
    }

    async fn close(&self) {
        self.readers.close().await;
        if !D::FLUSH.is_empty()
            && let Ok(mut connection) = self.writers.acquire().await
            && let Err(error) = D::rows(&mut connection, D::FLUSH.into_sql_str(), Vec::new()).await
        {
            tracing::warn!(%error, "the store could not be flushed at close");
        }
        self.writers.close().await;
    }
}
