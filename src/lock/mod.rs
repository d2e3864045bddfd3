//! Whom to ask for a lock. [`LockTarget`] is what the outbox sees; each kind of target is one file.

mod answer;
mod call;
mod listing;
pub mod spamexperts;

pub use answer::shorten;

use crate::domain::lock::{LockOrder, Outcome};
use async_trait::async_trait;
use std::fmt::Debug;

/// A system that can lock an identity.
#[async_trait]
pub trait LockTarget: Debug + Send + Sync {
    /// The configured name.
    fn name(&self) -> &str;

    /// Carries out an order and confirms it. Called again for the same order after a failure or a crash, so
    /// it must lead to one effect, however often it is called.
    async fn lock(&self, order: &LockOrder) -> Outcome;
}
