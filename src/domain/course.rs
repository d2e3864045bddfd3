//! One identity's complaints as they are held against the rules: those that are not spent, and what was told
//! already. The live path keeps one in memory for each busy identity, a replay makes one from history.

use super::complaint::Complaint;
use super::restraint::Told;
use super::threshold::{History, Rule, Step};
use jiff::Timestamp;
use std::borrow::Cow;

/// The complaints of one identity that are not spent.
#[derive(Clone, Debug)]
pub struct Course {
    /// Complaints received up to this instant are spent, even those that are filed later.
    pub spent: Timestamp,
    /// The complaints in the order they came.
    pub complaints: History,
    /// What was told of it, as far as it is known here.
    pub told: Told,
}

impl Course {
    /// Without complaints; those up to an instant are spent.
    pub fn new(spent: Timestamp) -> Self {
        Self {
            spent,
            complaints: History::default(),
            told: Told::default(),
        }
    }

    /// Adds a complaint. False when it is spent.
    pub fn push(&mut self, complaint: Complaint) -> bool {
        let counts = complaint.received_at > self.spent;
        if counts {
            self.complaints.push(complaint);
        }
        counts
    }

    /// Starts the window anew after `now`.
    pub fn spend(&mut self, now: Timestamp) {
        if now > self.spent {
            self.spent = now;
            self.complaints.keep_after(now);
        }
    }
}

/// The rules that an identity is held against whose open incident is at a step: those above it.
pub fn rules_above(rules: &[Rule], step: Step) -> Cow<'_, [Rule]> {
    Cow::Owned(rules.iter().filter(|r| r.action > step).cloned().collect())
}
