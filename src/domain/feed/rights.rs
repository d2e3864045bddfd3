//! What a proven feed may do: how far its complaints alone may go, how many of them count in an hour, and how
//! far its `Incidents` field is believed.

use serde::{Deserialize, Serialize};

/// The most that a feed's complaints may cause alone. In ascending order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Nothing but a record.
    Record,
    /// A notice to the desk.
    Notify,
    /// A hold.
    Hold,
    /// A lock.
    #[default]
    Lock,
}

impl Right {
    /// All of them, in ascending order.
    pub const ALL: [Self; 4] = [Self::Record, Self::Notify, Self::Hold, Self::Lock];

    /// The stable name, as in configuration and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Notify => "notify",
            Self::Hold => "hold",
            Self::Lock => "lock",
        }
    }
}

/// How many complaints of a feed count in an hour; the others are kept as over cap. An hour is one of the
/// clock (UTC), by the time of receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// Against one identity.
    pub identity: Option<u32>,
    /// Against all identities together.
    pub all: Option<u32>,
}

impl Caps {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.identity.is_none() && self.all.is_none()
    }

    /// How many of `more` complaints count when `before` came in the same hour.
    pub fn room(cap: Option<u32>, before: u64, more: u64) -> u64 {
        cap.map_or(more, |cap| u64::from(cap).saturating_sub(before).min(more))
    }
}
