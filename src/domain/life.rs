//! How long locks last and how they end: the terms that a crossing's incident begins with, and what a release
//! leaves behind.

use super::incident::Terms;
use super::rule::Rule;

/// The longest timeout that may be set for all rules, in seconds: a week, as at the filter.
pub const LONGEST_TIMEOUT: u64 = 7 * 86_400;
/// The most automatic unlocks, as at the filter.
pub const MOST_UNLOCKS: u32 = 100;

/// How long locks last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Seconds from a confirmed hold or lock to its end, for rules that say nothing else; none: until a person
    /// ends it.
    pub timeout_seconds: Option<u64>,
    /// How many locks of one identity the timeout may end before only a person does.
    pub max_automatic_unlocks: u32,
    /// For how long ends by timeout are remembered, in seconds. A release by a person or at a target forgets
    /// them all.
    pub remember_seconds: u64,
    /// Seconds after a release in which the identity is not locked at once again.
    pub cool_down_seconds: u64,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            timeout_seconds: None,
            max_automatic_unlocks: 3,
            remember_seconds: 30 * 86_400,
            cool_down_seconds: 1_800,
        }
    }
}

impl Life {
    /// The terms of a lock that a rule orders, where so many of its identity were ended by timeout before.
    pub fn terms(&self, rule: &Rule, unlocked_before: u64) -> Terms {
        let most = rule
            .max_automatic_unlocks
            .unwrap_or(self.max_automatic_unlocks);
        let timeout = rule.lock_timeout_seconds.or(self.timeout_seconds);
        let again = unlocked_before < u64::from(most);
        Terms {
            timeout_seconds: timeout.filter(|timeout| *timeout > 0 && again),
            unlocked_before,
            most,
        }
    }
}
