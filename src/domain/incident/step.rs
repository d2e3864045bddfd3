//! The ladder: how far a crossing goes.

use crate::domain::lock::Action;
use crate::domain::threshold::Rule;
use serde::{Deserialize, Serialize};

/// What follows from a crossing. In ascending order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// It is recorded.
    Observe,
    /// The desk is told.
    Notify,
    /// The identity's mail is kept back.
    Hold,
    /// The identity is locked.
    #[default]
    Lock,
}

impl Step {
    /// All of them, in ascending order.
    pub const ALL: [Self; 4] = [Self::Observe, Self::Notify, Self::Hold, Self::Lock];

    /// The stable name, as in configuration and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Notify => "notify",
            Self::Hold => "hold",
            Self::Lock => "lock",
        }
    }

    /// Whether anything is asked of a target.
    pub fn orders(self) -> bool {
        self >= Self::Hold
    }
}

/// How far a rule goes.
pub fn of_rule(_rule: &Rule) -> Step {
    Step::Lock
}

/// What a rule itself says of its lock's end: seconds, and how often it ends by itself.
pub fn terms_of(_rule: &Rule) -> (Option<u64>, Option<u32>) {
    (None, None)
}

/// What a step asks of a target.
pub(super) fn action(step: Step) -> Option<Action> {
    match step {
        Step::Observe | Step::Notify => None,
        Step::Hold => Some(Action::Hold),
        Step::Lock => Some(Action::Lock),
    }
}
