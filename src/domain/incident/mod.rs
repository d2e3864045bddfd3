//! Incidents: what a crossing opens, with everything needed to answer *why* at three in the morning; where they
//! stand, and what may follow (`machine.rs`).

mod machine;
mod state;
mod step;
mod why;

pub use super::rule::Step;
pub use machine::{By, Change, Effect, Event, Facts, NotAllowed, Way, transition};
pub use state::IncidentState;
pub use why::{AtTarget, ByPerson, Escalation, Terms, Why};

use super::ids::{IdentityId, IncidentId, ReportId};
use super::restraint::{Judged, Restraint};
use super::threshold::Crossing;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Why an incident was opened: the rule as it stood, the arithmetic, the exact reports, who decided, when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The rule and its sums, evidence included.
    pub crossing: Crossing,
    /// The report that made the sums reach the rule.
    pub trigger: ReportId,
    /// Who or what decided, e.g. `rule burst`.
    pub decided_by: String,
    /// When.
    pub decided_at: Timestamp,
    /// What kept it from locking at once, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restraint: Option<Restraint>,
    /// How long what it orders lasts, and who ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
    /// The stronger rules that were crossed since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub escalations: Vec<Escalation>,
}

impl Explanation {
    /// An explanation of a crossing by a rule.
    pub fn by_rule(judged: Judged, trigger: ReportId, now: Timestamp) -> Self {
        let Judged {
            crossing,
            restraint,
        } = judged;
        let decided_by = format!("rule {}", crossing.rule.name);
        Self {
            crossing,
            restraint,
            trigger,
            decided_by,
            decided_at: now,
            terms: None,
            escalations: Vec::new(),
        }
    }

    /// The incident's identifier: one crossing has one, on any node and at any try.
    pub fn incident_id(&self, identity: IdentityId) -> IncidentId {
        IncidentId::of(&[
            identity.0.as_bytes(),
            self.crossing.rule.name.as_bytes(),
            self.trigger.0.as_bytes(),
        ])
    }

    /// The arithmetic in one line, for people.
    pub fn sentence(&self) -> String {
        let Crossing { rule, tally, .. } = &self.crossing;
        format!(
            "rule {}: weight {} of {}, {} of {} distinct messages, {} of {} distinct complainants, \
             {} of {} feeds within {} s",
            rule.name,
            tally.weight,
            rule.min_weight,
            tally.messages,
            rule.min_messages,
            tally.complainants,
            rule.min_complainants,
            tally.feeds,
            rule.min_feeds,
            rule.window_seconds
        )
    }
}
