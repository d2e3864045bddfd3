//! The policy that is in force: whoever files takes it anew for each transaction, and a reload puts another in
//! its place whole, so that no transaction ever sees half of one.

use crate::domain::filing::Policy;
use std::sync::{Arc, PoisonError, RwLock};

/// Holds the policy that is in force.
#[derive(Debug)]
pub struct InForce(RwLock<Arc<Policy>>);

impl From<Policy> for InForce {
    fn from(policy: Policy) -> Self {
        Self(RwLock::new(Arc::new(policy)))
    }
}

impl InForce {
    /// The policy as it is now.
    pub fn get(&self) -> Arc<Policy> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another in its place.
    pub fn set(&self, policy: Policy) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }
}
