//! What keeps a crossed rule from locking at once: an identity that is protected, a rule or feed on trial,
//! locks that are paused, a budget that is spent. Locking the wrong customer is worse than locking late, and
//! nothing may lock hundreds at a stroke before a person has looked.

use super::complaint::Complaint;
use super::identity::Identity;
use super::pattern::IdentityPattern;
use super::threshold::{self, Crossing, History, Rule};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What restrains locks, from the configuration. Empty by default: nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restraints {
    /// Identities that are never locked. Their crossings are recorded.
    pub protected: Vec<IdentityPattern>,
    /// How many identities may be locked within an hour; what is beyond it is held.
    pub max_locks_per_hour: Option<u64>,
    /// Rules and feeds that are new.
    pub trials: Trials,
}

/// Until when rules and feeds are on trial: what they cross is recorded, not locked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trials {
    /// By rule.
    pub rules: BTreeMap<String, Timestamp>,
    /// By feed.
    pub feeds: BTreeMap<String, Timestamp>,
}

impl Trials {
    /// Whether anything is on trial at that instant.
    fn any(&self, now: Timestamp) -> bool {
        let mut ends = self.rules.values().chain(self.feeds.values());
        ends.any(|end| *end > now)
    }

    fn rule(&self, name: &str, now: Timestamp) -> bool {
        self.rules.get(name).is_some_and(|end| *end > now)
    }

    fn feed(&self, name: &str, now: Timestamp) -> bool {
        self.feeds.get(name).is_some_and(|end| *end > now)
    }
}

/// Whether locks go out at all. A person switches it; it survives restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockSwitch {
    /// Nothing is sent, and what would be ordered is held.
    pub paused: bool,
    /// Since when it is so.
    pub since: Timestamp,
    /// Who switched it last; empty if nobody ever did.
    pub by: String,
    /// Why.
    pub why: String,
}

/// What holds back a lock that may otherwise go out: the switch, or the hour's budget.
pub fn hold_back(
    switch: &LockSwitch,
    locks_this_hour: u64,
    budget: Option<u64>,
) -> Option<Restraint> {
    if switch.paused {
        let by = format!("{}: {}", switch.by, switch.why);
        return Some(Restraint::Paused { by });
    }
    let budget = budget.filter(|budget| locks_this_hour >= *budget)?;
    Some(Restraint::OverBudget {
        max_locks_per_hour: budget,
    })
}

/// Why a crossing did not lock at once. It stands in the incident's explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "restraint", rename_all = "snake_case")]
pub enum Restraint {
    /// Only with a rule or a feed that is on trial was it crossed.
    Trial,
    /// The identity is protected.
    Protected {
        /// The pattern that protects it.
        pattern: String,
    },
    /// Locks are paused.
    Paused {
        /// Who paused them, and why.
        by: String,
    },
    /// The hour's budget is spent.
    OverBudget {
        /// The budget.
        max_locks_per_hour: u64,
    },
    /// A lock of this identity was ended a short while ago, by somebody who looked.
    CoolDown {
        /// Until when that holds back.
        until: Timestamp,
        /// Who ended it: `hand` or `target`.
        released_by: String,
    },
}

impl Restraint {
    /// The stable name, as in metric labels.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Protected { .. } => "protected",
            Self::Paused { .. } => "paused",
            Self::OverBudget { .. } => "over_budget",
            Self::CoolDown { .. } => "cool_down",
        }
    }

    /// All names, for metrics that start at zero.
    pub const NAMES: [&'static str; 5] =
        ["trial", "protected", "paused", "over_budget", "cool_down"];

    /// Whether a person may still let the lock go out. Otherwise it is only recorded.
    pub fn holds(&self) -> bool {
        matches!(
            self,
            Self::Paused { .. } | Self::OverBudget { .. } | Self::CoolDown { .. }
        )
    }

    /// In words, for records and log lines.
    pub fn sentence(&self) -> String {
        match self {
            Self::Trial => "recorded only: the rule or a feed is on trial".to_owned(),
            Self::Protected { pattern } => {
                format!("recorded only: the identity is protected by {pattern}")
            }
            Self::Paused { by } => format!("held: locks are paused by {by}"),
            Self::OverBudget { max_locks_per_hour } => {
                format!("held: {max_locks_per_hour} identities were locked within an hour already")
            }
            Self::CoolDown { until, released_by } => {
                let by = match released_by.as_str() {
                    "target" => "at the target",
                    _ => "by hand",
                };
                format!("held: it was released {by} a short while ago, which counts until {until}")
            }
        }
    }
}

/// A crossing, and whether it may lock as far as rules, feeds and the identity tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The crossing.
    pub crossing: Crossing,
    /// What restrains it, if anything does.
    pub restraint: Option<Restraint>,
}

/// The first rule that is crossed without a rule or feed on trial; if there is none, the first that is
/// crossed at all, which is then only recorded. Who is protected is never locked. `at` is when the complaint was
/// received that is new, `now` when this is decided.
pub fn assess(
    rules: &[Rule],
    history: &History,
    at: Timestamp,
    identity: &Identity,
    restraints: &Restraints,
    now: Timestamp,
) -> Option<Judged> {
    let first = threshold::assess(rules, history, at)?;
    let pattern = restraints.protected.iter().find(|p| p.matches(identity));
    if let Some(pattern) = pattern {
        let pattern = pattern.to_string();
        return Some(Judged {
            crossing: first,
            restraint: Some(Restraint::Protected { pattern }),
        });
    }
    let trials = &restraints.trials;
    if !trials.any(now) {
        return Some(Judged {
            crossing: first,
            restraint: None,
        });
    }
    let settled = |complaint: &&Complaint| !trials.feed(&complaint.feed, now);
    let settled: History = history.iter().filter(settled).cloned().collect();
    let free = rules.iter().filter(|rule| !trials.rule(&rule.name, now));
    let free: Vec<Rule> = free.cloned().collect();
    Some(match threshold::assess(&free, &settled, at) {
        Some(crossing) => Judged {
            crossing,
            restraint: None,
        },
        None => Judged {
            crossing: first,
            restraint: Some(Restraint::Trial),
        },
    })
}

#[cfg(test)]
#[path = "restraint_tests.rs"]
mod tests;
