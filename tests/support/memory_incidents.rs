//! The memory store knows orders only: nothing happens to incidents.

use super::memory_store::MemoryStore;
use arfd::domain::audit::{Follower, Link};
use arfd::domain::ids::IncidentId;
use arfd::domain::incident::{IncidentState, NotAllowed};
use arfd::store::{Ended, Incidents, StoreError, Wish};
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
