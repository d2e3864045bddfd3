//! What keeps a crossed rule from locking at once: an identity that is protected, a rule or feed on trial,
//! locks that are paused, a budget that is spent. Locking the wrong customer is worse than locking late, and
//! nothing may lock hundreds at a stroke before a person has looked.

use super::complaint::Complaint;
use super::incident::Way;
use super::pattern::IdentityPattern;
use super::threshold::{self, About, Crossing, History, Rule, Step};
use jiff::{SignedDuration, Timestamp};
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

impl Judged {
    /// How it may go on, where there are targets or not.
    pub fn way(&self, targets: bool) -> Way {
        match &self.restraint {
            Some(Restraint::Trial) => Way::OnTrial,
            _ if !targets => Way::Recorded,
            None => Way::Free,
            Some(restraint) if restraint.holds() => Way::Held,
            Some(_) => Way::Recorded,
        }
    }

    /// Whether it is only told, once in its window: that stays as it is, for the other rules.
    pub fn only_told(&self, way: Way) -> bool {
        let action = self.crossing.rule.action;
        way == Way::OnTrial
            || action == Step::Observe
            || (way == Way::Recorded && action < Step::Lock)
    }

    fn on_trial(&self) -> bool {
        self.restraint == Some(Restraint::Trial)
    }
}

/// What was told of an identity, and is not told again while the window lasts that it was told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told(BTreeMap<(String, bool), Timestamp>);

impl Told {
    /// Notes that a crossing that is only told was told at `at`.
    pub fn note(&mut self, judged: &Judged, at: Timestamp) {
        let rule = &judged.crossing.rule;
        let length = i64::try_from(rule.window_seconds).unwrap_or(i64::MAX);
        let until = at.checked_add(SignedDuration::from_secs(length));
        let until = until.unwrap_or(Timestamp::MAX);
        let key = (rule.name.clone(), judged.on_trial());
        self.0.insert(key, until);
    }

    /// Whether a rule, or what it crosses by something on trial, has yet to be heard.
    fn open(&self, rule: &Rule, trial: bool, now: Timestamp) -> bool {
        // Nothing is told most of the time, and a name costs an allocation.
        self.0.is_empty()
            || self
                .0
                .get(&(rule.name.clone(), trial))
                .is_none_or(|until| *until <= now)
    }
}

/// The strongest rule that is crossed without a rule or feed on trial; if there is none, the strongest that is
/// crossed at all, which is then only recorded. Who is protected is never held or locked. What was told already
/// is left out, so that by asking again everything is told that is to be. `at` is when the complaint was received
/// that is new, `now` when this is decided.
pub fn assess(
    rules: &[Rule],
    history: &History,
    at: Timestamp,
    about: &About<'_>,
    restraints: &Restraints,
    told: &Told,
    now: Timestamp,
) -> Option<Judged> {
    let trials = &restraints.trials;
    let any = trials.any(now);
    let heard = rules
        .iter()
        .filter(|rule| told.open(rule, false, now) || (any && told.open(rule, true, now)));
    let first = threshold::assess(heard, about, history, at)?;
    let protects = |p: &&IdentityPattern| p.matches(about.identity);
    let orders = first.rule.action.orders();
    if let Some(pattern) = restraints.protected.iter().find(protects)
        && orders
    {
        let pattern = pattern.to_string();
        return Some(Judged {
            crossing: first,
            restraint: Some(Restraint::Protected { pattern }),
        });
    }
    if !any {
        return Some(Judged {
            crossing: first,
            restraint: None,
        });
    }
    let settled = |complaint: &&Complaint| !trials.feed(&complaint.feed, now);
    let settled: History = history.iter().filter(settled).cloned().collect();
    let free = rules
        .iter()
        .filter(|rule| !trials.rule(&rule.name, now) && told.open(rule, false, now));
    if let Some(crossing) = threshold::assess(free, about, &settled, at) {
        return Some(Judged {
            crossing,
            restraint: None,
        });
    }
    // Crossed by something on trial, not by what was told already.
    let tried = rules.iter().filter(|rule| {
        told.open(rule, true, now)
            && (trials.rule(&rule.name, now)
                || threshold::assess([*rule], about, &settled, at).is_none())
    });
    Some(Judged {
        crossing: threshold::assess(tried, about, history, at)?,
        restraint: Some(Restraint::Trial),
    })
}

#[cfg(test)]
#[path = "restraint_tests.rs"]
mod tests;
