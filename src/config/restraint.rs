//! The section `[restraint]`: what keeps a crossed rule from locking at once.

use super::check::Problems;
use super::settings::Settings;
use super::values::Span;
use crate::domain::pattern::IdentityPattern;
use crate::domain::restraint::{Restraints, Trials};
use serde::{Deserialize, Serialize};

/// What keeps a crossed rule from locking at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restraint {
    /// Identities that are never locked.
    pub protected: Vec<String>,
    /// How many identities may be locked within an hour; 0 for no limit.
    pub max_locks_per_hour: u64,
    /// How long a new rule or feed only records.
    pub trial: Span,
}

impl Default for Restraint {
    fn default() -> Self {
        Self {
            protected: Vec::new(),
            max_locks_per_hour: 60,
            trial: Span::secs(86_400),
        }
    }
}

pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    for (at, pattern) in settings.restraint.protected.iter().enumerate() {
        if let Err(error) = pattern.parse::<IdentityPattern>() {
            problems.add(
                format!("restraint.protected[{at}]"),
                format!("'{pattern}' {error}"),
            );
        }
    }
}

impl Restraint {
    /// As the domain knows it, with nothing on trial: that is for the store to say. What is no pattern is
    /// ruled out by [`super::check`].
    pub fn to_restraints(&self) -> Restraints {
        Restraints {
            protected: self.protected.iter().flat_map(|p| p.parse()).collect(),
            max_locks_per_hour: (self.max_locks_per_hour > 0).then_some(self.max_locks_per_hour),
            trials: Trials::default(),
        }
    }
}
