//! The memory store knows orders only: nothing happens to incidents.

use super::memory_store::MemoryStore;
use arfd::domain::audit::{Follower, Link};
use arfd::domain::identity::Identity;
use arfd::domain::ids::IncidentId;
use arfd::domain::incident::{IncidentState, NotAllowed};
use arfd::domain::lock::Subject;
use arfd::domain::reconcile::Known;
use arfd::store::{ByHand, Dossier, Drift, Ended, IncidentRow, Incidents, StoreError, Wish};
use async_trait::async_trait;
use jiff::Timestamp;

#[async_trait]
impl Incidents for MemoryStore {
    async fn release_incident(
        &self,
        _: IncidentId,
        _: &Wish<'_>,
        _: u64,
    ) -> Result<Result<IncidentState, NotAllowed>, StoreError> {
        Ok(Err(NotAllowed::NoIncident))
    }

    async fn release_timed_out(&self, _: u64, _: Timestamp) -> Result<Option<Ended>, StoreError> {
        Ok(None)
    }

    async fn next_ending(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(None)
    }

    async fn order_by_hand(
        &self,
        _: &ByHand,
        _: &Wish<'_>,
    ) -> Result<Result<(IncidentId, IncidentState), NotAllowed>, StoreError> {
        Ok(Err(NotAllowed::Senseless))
    }

    async fn dossier(&self, _: IncidentId, _: u32) -> Result<Option<Dossier>, StoreError> {
        Ok(None)
    }

    async fn incidents_about(&self, _: &str) -> Result<Vec<IncidentRow>, StoreError> {
        Ok(Vec::new())
    }

    async fn known_at(
        &self,
        _: &str,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Vec<Known>, StoreError> {
        Ok(Vec::new())
    }

    async fn recent_domains(&self, _: Timestamp, _: u32) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn settle_drift(
        &self,
        _: IncidentId,
        _: &str,
        _: Drift,
        _: &Wish<'_>,
    ) -> Result<Result<IncidentState, NotAllowed>, StoreError> {
        Ok(Err(NotAllowed::NoIncident))
    }

    async fn adopt(
        &self,
        _: &str,
        _: &Identity,
        _: Subject,
        _: Timestamp,
    ) -> Result<Result<IncidentId, NotAllowed>, StoreError> {
        Ok(Err(NotAllowed::Senseless))
    }

    async fn incident_counts(&self) -> Result<Vec<(IncidentState, u64)>, StoreError> {
        Ok(Vec::new())
    }

    async fn audit_head(&self) -> Result<Follower, StoreError> {
        Ok(Follower::default())
    }

    async fn audit_after(&self, _: u64, _: u64, _: u32) -> Result<Vec<Link>, StoreError> {
        Ok(Vec::new())
    }

    async fn audit_newest(&self, _: u32) -> Result<Vec<Link>, StoreError> {
        Ok(Vec::new())
    }

    async fn audit_of(&self, _: IncidentId, _: u32) -> Result<Vec<Link>, StoreError> {
        Ok(Vec::new())
    }

    async fn audit_outside(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}
