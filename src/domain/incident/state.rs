//! Where an incident stands.

use serde::{Deserialize, Serialize};

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// What its step asks for is ordered and not yet confirmed. A notice asks for nothing.
    Open,
    /// The target confirmed the hold.
    Holding,
    /// Something would be ordered, but waits for a person: locks are paused, too many were ordered, or a person
    /// ended a lock of this identity a short while ago.
    Held,
    /// The target confirmed the lock.
    Locked,
    /// The end of the hold or lock is ordered and not yet confirmed.
    Releasing,
    /// The hold or lock was ended: by a person here or at the target, or by its timeout.
    Released,
    /// A target did not take an order; the desk must look.
    Refused,
    /// Over by its age: the identity is assessed anew.
    Expired,
    /// Closed by hand, or ended before anything was sent.
    Closed,
    /// Recorded only: nothing was or will be sent. Closed from the start.
    Observed,
}

impl IncidentState {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Open,
        Self::Holding,
        Self::Held,
        Self::Locked,
        Self::Releasing,
        Self::Released,
        Self::Refused,
        Self::Expired,
        Self::Closed,
        Self::Observed,
    ];

    /// The stable name, as in the store and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Holding => "holding",
            Self::Held => "held",
            Self::Locked => "locked",
            Self::Releasing => "releasing",
            Self::Released => "released",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Closed => "closed",
            Self::Observed => "observed",
        }
    }

    /// The state of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing follows any more: the identity is free for another incident.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Released | Self::Expired | Self::Closed | Self::Observed
        )
    }
}
