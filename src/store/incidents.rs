//! The part of the store that is about incidents' lives and the audit chain: what [`super::Store`] has besides.

use super::body::SqlStore;
use super::dialect::Dialect;
use super::incident::Doing;
use super::{ByHand, Dossier, Drift, IncidentRow, StoreError};
use super::{closing, dossier, listing, manual, reconcile, trail};
use crate::domain::audit::{Follower, Link};
use crate::domain::identity::Identity;
use crate::domain::ids::IncidentId;
use crate::domain::incident::{IncidentState, NotAllowed};
use crate::domain::lock::Subject;
use crate::domain::reconcile::Known;
use async_trait::async_trait;
use jiff::Timestamp;
use std::fmt::Debug;

/// Who wants something, why and when.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'w> {
    /// Who, for the audit.
    pub actor: &'w str,
    /// Why, for the audit.
    pub why: &'w str,
    /// When.
    pub now: Timestamp,
}

/// An incident whose time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The incident.
    pub incident: IncidentId,
    /// Where it stands now.
    pub state: IncidentState,
}

/// What incidents live through.
#[async_trait]
pub trait Incidents: Debug + Send + Sync {
    /// Orders the end of an incident's hold or lock. Where none was sent it is closed; what is still to be sent
    /// is taken back either way. For `cool_down` seconds from the confirmed release on, a crossing is held.
    async fn release_incident(
        &self,
        incident: IncidentId,
        wish: &Wish<'_>,
        cool_down: u64,
    ) -> Result<Result<IncidentState, NotAllowed>, StoreError>;

    /// Orders the end of one hold or lock whose time is up; none where there is none.
    async fn release_timed_out(
        &self,
        cool_down: u64,
        now: Timestamp,
    ) -> Result<Option<Ended>, StoreError>;

    /// When the next hold or lock is to end by itself.
    async fn next_ending(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Holds or locks somebody by hand: opens an incident, or raises the open one.
    async fn order_by_hand(
        &self,
        what: &ByHand,
        wish: &Wish<'_>,
    ) -> Result<Result<(IncidentId, IncidentState), NotAllowed>, StoreError>;

    /// All that is known of an incident, with so many of its reports at most.
    async fn dossier(
        &self,
        incident: IncidentId,
        reports: u32,
    ) -> Result<Option<Dossier>, StoreError>;

    /// The incidents of identities of that name: open ones first, then the newest.
    async fn incidents_about(&self, identity: &str) -> Result<Vec<IncidentRow>, StoreError>;

    /// What was ordered at a target: of each identity the newest incident that is open, let go without a release,
    /// or released after `over_since`. Not: locks that are only recorded.
    async fn known_at(
        &self,
        target: &str,
        over_since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Known>, StoreError>;

    /// The domains that complaints came about after an instant, the latest first.
    async fn recent_domains(&self, since: Timestamp, limit: u32)
    -> Result<Vec<String>, StoreError>;

    /// Does something about a lock that a target does not have any more.
    async fn settle_drift(
        &self,
        incident: IncidentId,
        target: &str,
        drift: Drift,
        wish: &Wish<'_>,
    ) -> Result<Result<IncidentState, NotAllowed>, StoreError>;

    /// Writes down a lock that was found at a target and is not ours. It never ends by itself.
    async fn adopt(
        &self,
        target: &str,
        identity: &Identity,
        subject: Subject,
        now: Timestamp,
    ) -> Result<Result<IncidentId, NotAllowed>, StoreError>;

    /// How many open incidents are in each state.
    async fn incident_counts(&self) -> Result<Vec<(IncidentState, u64)>, StoreError>;

    /// How many audit entries were written, and the last one's digest.
    async fn audit_head(&self) -> Result<Follower, StoreError>;

    /// Audit entries with numbers above `after` and up to `upto`, the oldest first.
    async fn audit_after(&self, after: u64, upto: u64, limit: u32)
    -> Result<Vec<Link>, StoreError>;

    /// The newest audit entries first.
    async fn audit_newest(&self, limit: u32) -> Result<Vec<Link>, StoreError>;

    /// An incident's audit entries, the oldest first.
    async fn audit_of(&self, incident: IncidentId, limit: u32) -> Result<Vec<Link>, StoreError>;

    /// How many audit entries have no place in the chain: somebody put them in past it.
    async fn audit_outside(&self) -> Result<u64, StoreError>;
}

#[async_trait]
impl<D: Dialect> Incidents for SqlStore<D> {
    async fn release_incident(
        &self,
        incident: IncidentId,
        wish: &Wish<'_>,
        cool_down: u64,
    ) -> Result<Result<IncidentState, NotAllowed>, StoreError> {
        closing::release(self, incident, wish, cool_down).await
    }

    async fn release_timed_out(
        &self,
        cool_down: u64,
        now: Timestamp,
    ) -> Result<Option<Ended>, StoreError> {
        closing::time_out(self, cool_down, now).await
    }

    async fn next_ending(&self) -> Result<Option<Timestamp>, StoreError> {
        closing::next_ending(self).await
    }

    async fn order_by_hand(
        &self,
        what: &ByHand,
        wish: &Wish<'_>,
    ) -> Result<Result<(IncidentId, IncidentState), NotAllowed>, StoreError> {
        manual::order(self, what, wish).await
    }

    async fn dossier(
        &self,
        incident: IncidentId,
        reports: u32,
    ) -> Result<Option<Dossier>, StoreError> {
        dossier::dossier(self, incident, reports).await
    }

    async fn incidents_about(&self, identity: &str) -> Result<Vec<IncidentRow>, StoreError> {
        dossier::about(self, identity).await
    }

    async fn known_at(
        &self,
        target: &str,
        over_since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Known>, StoreError> {
        reconcile::known(self, target, over_since, now).await
    }

    async fn recent_domains(
        &self,
        since: Timestamp,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        reconcile::recent_domains(self, since, limit).await
    }

    async fn settle_drift(
        &self,
        incident: IncidentId,
        target: &str,
        drift: Drift,
        wish: &Wish<'_>,
    ) -> Result<Result<IncidentState, NotAllowed>, StoreError> {
        let doing = Doing::by(wish.actor, wish.why, wish.now);
        reconcile::settle(self, incident, target, drift, &doing).await
    }

    async fn adopt(
        &self,
        target: &str,
        identity: &Identity,
        subject: Subject,
        now: Timestamp,
    ) -> Result<Result<IncidentId, NotAllowed>, StoreError> {
        manual::adopt(self, target, identity, subject, now).await
    }

    async fn incident_counts(&self) -> Result<Vec<(IncidentState, u64)>, StoreError> {
        listing::incident_counts(self).await
    }

    async fn audit_head(&self) -> Result<Follower, StoreError> {
        trail::get_head(self).await
    }

    async fn audit_after(
        &self,
        after: u64,
        upto: u64,
        limit: u32,
    ) -> Result<Vec<Link>, StoreError> {
        trail::after(self, after, upto, limit).await
    }

    async fn audit_newest(&self, limit: u32) -> Result<Vec<Link>, StoreError> {
        trail::newest(self, limit).await
    }

    async fn audit_of(&self, incident: IncidentId, limit: u32) -> Result<Vec<Link>, StoreError> {
        trail::of(self, incident, limit).await
    }

    async fn audit_outside(&self) -> Result<u64, StoreError> {
        trail::outside(self).await
    }
}
