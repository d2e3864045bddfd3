//! Who or what opened an incident: a rule, a person, or somebody at the target. It stands as JSON in the store.

use super::Explanation;
use crate::domain::ids::ReportId;
use crate::domain::lock::Subject;
use crate::domain::restraint::Restraint;
use crate::domain::rule::Step;
use crate::domain::threshold::Crossing;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why there is an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Why {
    /// A rule was crossed.
    Rule(Box<Explanation>),
    /// A person ordered it.
    Person(ByPerson),
    /// It was found at a target.
    Target(AtTarget),
}

/// A lock by hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByPerson {
    /// Who.
    pub person: String,
    /// Why.
    pub reason: String,
    /// What of the identity.
    pub subject: Subject,
    /// Hold or lock.
    pub step: Step,
    /// The pattern that protects the identity, where it was locked all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub despite: Option<String>,
    /// When.
    pub decided_at: Timestamp,
}

/// A lock that was found at a target and is not ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtTarget {
    /// The target.
    pub found_at: String,
    /// What of the identity.
    pub subject: Subject,
    /// When it was first seen.
    pub decided_at: Timestamp,
}

/// How long a hold or lock lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Seconds from its confirmation to its end; none: only a person ends it.
    pub timeout_seconds: Option<u64>,
    /// How many locks of this identity the timeout ended before, within what is remembered.
    pub unlocked_before: u64,
    /// How often it may.
    pub most: u32,
}

/// A stronger rule that was crossed while the incident was open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// The rule and its sums.
    pub crossing: Crossing,
    /// The report that made the sums reach the rule.
    pub trigger: ReportId,
    /// When.
    pub decided_at: Timestamp,
    /// What kept it from ordering at once, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restraint: Option<Restraint>,
    /// How long what it orders lasts, and who ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

impl Why {
    /// In one line, for people.
    pub fn sentence(&self) -> String {
        match self {
            Self::Rule(explanation) => explanation.sentence(),
            Self::Person(by) => format!(
                "{} by hand, by {}: {}",
                by.step.as_str(),
                by.person,
                by.reason
            ),
            Self::Target(at) => format!("found locked at {}; not ordered here", at.found_at),
        }
    }

    /// What of the identity it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Rule(_) => Subject::Identity,
            Self::Person(by) => by.subject,
            Self::Target(at) => at.subject,
        }
    }
}
