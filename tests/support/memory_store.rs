//! A store in memory with the leases of the real one, for tests of what works on orders. It can be told to
//! fail, and it keeps every settlement in order.

use arfd::domain::filing::{Filed, Filing, Policy};
use arfd::domain::identity::{Identity, OutgoingUser};
use arfd::domain::ids::{IdentityId, IncidentId, OrderId, ReportId};
use arfd::domain::lock::{Action, LockOrder, OrderState, Subject};
use arfd::domain::restraint::LockSwitch;
use arfd::store::{
    Attributed, Claim, Desk, FeedRow, FeedSums, IncidentRow, Known, LearntRow, NamedByHand,
    OrderRow, ReportFilter, ReportRow, Settlement, Store, StoreError, Unproven,
};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

/// An order's row and the claim on it.
#[derive(Clone, Debug)]
struct Row {
    row: OrderRow,
    lease: Option<(Uuid, Timestamp)>,
}

/// The store.
#[derive(Debug)]
pub struct MemoryStore {
    rows: Mutex<Vec<Row>>,
    failing: Mutex<u32>,
    settled: watch::Sender<usize>,
}

/// An order for an identity of `smtp_auth`, written at `at`.
pub fn order(target: &str, smtp_auth: &str, identity: &str, at: Timestamp) -> LockOrder {
    let incident = IncidentId::of(&[smtp_auth.as_bytes(), identity.as_bytes()]);
    LockOrder {
        id: LockOrder::id_of(incident, target, Action::Lock, 1),
        incident,
        identity: Identity {
            outgoing_user: OutgoingUser::parse(smtp_auth),
            value: identity.to_owned(),
        },
        action: Action::Lock,
        subject: Subject::Identity,
        target: target.to_owned(),
        reason: "50 bad messages in 2 hours".to_owned(),
        ordered_at: at,
        attempts: 0,
    }
}

fn plus(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(SignedDuration::try_from(by).unwrap())
        .unwrap()
}

impl MemoryStore {
    /// With these orders, all due since they were written.
    pub fn with(orders: Vec<LockOrder>) -> Self {
        let store = Self {
            rows: Mutex::default(),
            failing: Mutex::default(),
            settled: watch::Sender::new(0),
        };
        orders.into_iter().for_each(|order| store.add(order));
        store
    }

    /// Writes one more order.
    pub fn add(&self, order: LockOrder) {
        let row = OrderRow {
            state: OrderState::Pending,
            not_before: order.ordered_at,
            last_answer: None,
            settled_at: None,
            order,
        };
        self.rows().push(Row { row, lease: None });
    }

    /// Lets the next calls fail.
    pub fn fail_next(&self, calls: u32) {
        *self.failing.lock().unwrap() = calls;
    }

    /// Takes every claim away, as a lease that ran out would.
    pub fn steal_claims(&self) {
        self.rows().iter_mut().for_each(|row| row.lease = None);
    }

    /// The row of an order.
    pub fn get(&self, id: OrderId) -> OrderRow {
        let rows = self.rows();
        let found = rows.iter().find(|row| row.row.order.id == id);
        found.unwrap().row.clone()
    }

    /// Waits until so many settlements were written.
    pub async fn settled(&self, n: usize) {
        let mut seen = self.settled.subscribe();
        seen.wait_for(|count| *count >= n).await.unwrap();
    }

    fn rows(&self) -> MutexGuard<'_, Vec<Row>> {
        self.rows.lock().unwrap()
    }

    fn trouble(&self) -> Result<(), StoreError> {
        let mut failing = self.failing.lock().unwrap();
        if *failing == 0 {
            return Ok(());
        }
        *failing -= 1;
        Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut))
    }
}

#[async_trait]
impl Desk for MemoryStore {
    async fn report(&self, _: ReportId) -> Result<Option<ReportRow>, StoreError> {
        Ok(None)
    }

    async fn find_reports(&self, _: &ReportFilter, _: u32) -> Result<Vec<ReportRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn unattributed(&self, _: Timestamp, _: u32) -> Result<Vec<ReportRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn attribute(
        &self,
        _: NamedByHand<'_>,
        _: &Policy,
        _: Timestamp,
    ) -> Result<Attributed, StoreError> {
        Ok(Attributed::Missing)
    }

    async fn learnt(&self, _: u32) -> Result<Vec<LearntRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn lessons(&self) -> Result<Vec<LearntRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn learnt_version(&self) -> Result<(u64, u64), StoreError> {
        Ok((0, 0))
    }

    async fn forget(&self, _: Uuid, _: &str, _: &str, _: Timestamp) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn account(
        &self,
        _: IdentityId,
    ) -> Result<Option<(Option<String>, Option<String>)>, StoreError> {
        Ok(None)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn file(&self, _: &[Filing], _: &Policy) -> Result<Vec<Filed>, StoreError> {
        Ok(Vec::new())
    }

    async fn claim_unproven(
        &self,
        _: Timestamp,
        _: Duration,
    ) -> Result<Option<Unproven>, StoreError> {
        Ok(None)
    }

    async fn release_unproven(
        &self,
        _: &Unproven,
        _: Option<&str>,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn judge_unproven(
        &self,
        _: &Unproven,
        _: &Filing,
        _: &Policy,
        _: Timestamp,
    ) -> Result<Option<Filed>, StoreError> {
        Ok(None)
    }

    async fn unproven_due(&self) -> Result<(Option<Timestamp>, u64), StoreError> {
        Ok((None, 0))
    }

    async fn add_feed_sums(
        &self,
        _: &BTreeMap<String, FeedSums>,
        _: Timestamp,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    async fn feeds(&self, _: Timestamp) -> Result<Vec<FeedRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn claim(
        &self,
        targets: &[String],
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<Claim>, StoreError> {
        self.trouble()?;
        let mut rows = self.rows();
        let due = rows
            .iter_mut()
            .filter(|r| r.row.state == OrderState::Pending)
            .filter(|r| targets.contains(&r.row.order.target) && r.row.not_before <= now)
            .filter(|r| r.lease.is_none_or(|(_, until)| until <= now))
            .min_by_key(|r| r.row.not_before);
        Ok(due.map(|r| {
            let token = Uuid::from_u128(fastrand::u128(..));
            r.lease = Some((token, plus(now, lease)));
            r.row.order.attempts += 1;
            Claim {
                order: r.row.order.clone(),
                token,
            }
        }))
    }

    async fn settle(
        &self,
        claim: &Claim,
        settlement: &Settlement,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.trouble()?;
        let mut rows = self.rows();
        let Some(r) = rows.iter_mut().find(|r| {
            r.row.order.id == claim.order.id && r.lease.is_some_and(|(t, _)| t == claim.token)
        }) else {
            return Ok(false);
        };
        r.lease = None;
        let (state, text) = match settlement {
            Settlement::Done { answer } => (OrderState::Done, answer),
            Settlement::Refused { why } => (OrderState::Refused, why),
            Settlement::Later { why, at } => {
                r.row.not_before = *at;
                (OrderState::Pending, why)
            }
        };
        r.row.state = state;
        r.row.last_answer = Some(text.clone());
        r.row.settled_at = (state != OrderState::Pending).then_some(now);
        drop(rows);
        self.settled.send_modify(|n| *n += 1);
        Ok(true)
    }

    async fn next_due(&self, targets: &[String]) -> Result<Option<Timestamp>, StoreError> {
        self.trouble()?;
        let rows = self.rows();
        let pending = rows
            .iter()
            .filter(|r| r.row.state == OrderState::Pending)
            .filter(|r| targets.contains(&r.row.order.target));
        Ok(pending
            .map(|r| r.lease.map_or(r.row.not_before, |(_, until)| until))
            .min())
    }

    async fn order_counts(&self) -> Result<Vec<(OrderState, u64)>, StoreError> {
        Ok(Vec::new())
    }

    async fn reports(&self, _: u32) -> Result<Vec<ReportRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn incidents(&self, _: u32) -> Result<Vec<IncidentRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn orders(&self, _: u32) -> Result<Vec<OrderRow>, StoreError> {
        Ok(self.rows().iter().map(|r| r.row.clone()).collect())
    }

    async fn open_incidents(&self, _: &str) -> Result<Vec<IncidentRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn close_incident(
        &self,
        _: IncidentId,
        _: &str,
        _: &str,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn approve_incident(
        &self,
        _: IncidentId,
        _: &str,
        _: &str,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn lock_switch(&self) -> Result<LockSwitch, StoreError> {
        Ok(LockSwitch {
            paused: false,
            since: Timestamp::UNIX_EPOCH,
            by: String::new(),
            why: String::new(),
        })
    }

    async fn pause_locks(
        &self,
        _: bool,
        _: &str,
        _: &str,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn first_seen(
        &self,
        known: &[Known],
        now: Timestamp,
    ) -> Result<Vec<Timestamp>, StoreError> {
        Ok(vec![now; known.len()])
    }

    async fn waiting(&self) -> Result<Vec<(String, u64)>, StoreError> {
        Ok(Vec::new())
    }

    async fn evidence(&self, _: ReportId) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(None)
    }

    async fn order(&self, id: OrderId) -> Result<Option<OrderRow>, StoreError> {
        let rows = self.rows();
        let found = rows.iter().find(|r| r.row.order.id == id);
        Ok(found.map(|r| r.row.clone()))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.trouble()
    }

    async fn close(&self) {}
}
