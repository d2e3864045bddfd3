//! Whom to ask for a lock. [`LockTarget`] is what the outbox sees; each kind of target is one file.

mod answer;
mod call;
pub mod cpanel;
pub mod exec;
pub mod kumomta;
mod listing;
pub mod map_file;
mod meter;
mod rows;
mod scope;
pub mod spamexperts;
pub mod webhook;
mod wire;

pub use answer::shorten;
pub use call::{Reach, SetupError};

use crate::domain::identity::Identity;
use crate::domain::lock::{Action, LockOrder, Outcome, Subject};
use async_trait::async_trait;
use std::fmt::Debug;

/// What a target says is held or locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Held or locked.
    pub action: Action,
    /// What of the identity.
    pub subject: Subject,
    /// Whom. The outgoing user is there as far as the target tells.
    pub identity: Identity,
}

impl Listed {
    /// Whether this is what an order is about, whatever it asks. Case does not matter; an outgoing user does
    /// where both sides name one.
    pub fn is_of(&self, order: &LockOrder) -> bool {
        let user = |identity: &Identity| {
            let user = identity.outgoing_user.as_ref()?;
            Some((user.domain.to_lowercase(), user.username.to_lowercase()))
        };
        let users = match (user(&self.identity), user(&order.identity)) {
            (Some(one), Some(other)) => one == other,
            (None, _) | (_, None) => self.subject != Subject::OutgoingUser,
        };
        let value = |identity: &Identity| identity.value.trim().to_lowercase();
        self.subject == order.subject
            && users
            && (self.subject == Subject::OutgoingUser
                || value(&self.identity) == value(&order.identity))
    }
}

/// Why a target does not say what is locked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoListing {
    /// It has no way to.
    #[error("the target has no listing")]
    Unsupported,
    /// Not now: it did not answer, or not as it should.
    #[error("{0}")]
    Failed(String),
}

/// A system that can lock an identity.
#[async_trait]
pub trait LockTarget: Debug + Send + Sync {
    /// The configured name.
    fn name(&self) -> &str;

    /// Whether it can carry out such orders at all. Others are refused without asking.
    fn can(&self, action: Action, subject: Subject) -> bool;

    /// Carries out an order and confirms it. Called again for the same order after a failure or a crash, so
    /// it must lead to one effect, however often it is called.
    async fn carry_out(&self, order: &LockOrder) -> Outcome;

    /// What is held or locked there now, whoever did it, of these domains; of all that it knows where none is
    /// named.
    ///
    /// # Errors
    /// When it cannot say, now or at all.
    async fn list(&self, domains: &[String]) -> Result<Vec<Listed>, NoListing>;
}
