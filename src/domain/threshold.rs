//! Rules and their arithmetic: what is summed over which window, and when that is enough. The same
//! functions serve the live path and any replay of history.

use super::complaint::Complaint;
use super::feedback::FeedbackType;
use super::ids::{MessageKey, ReportId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What crossing means. Every minimum must be reached within the same window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name: a label in metrics and records.
    pub name: String,
    /// Feeds that it looks at; empty for all.
    pub feeds: Vec<String>,
    /// Feedback types that it looks at; empty for all that count.
    pub feedback_types: Vec<FeedbackType>,
    /// Length of the sliding window, in seconds, ending now.
    pub window_seconds: u64,
    /// Least sum of weights.
    pub min_weight: u64,
    /// Least number of distinct enclosed messages.
    pub min_messages: u64,
    /// Least number of distinct feeds.
    pub min_feeds: u64,
}

impl Rule {
    /// Whether the rule looks at a complaint at all.
    fn concerns(&self, complaint: &Complaint) -> bool {
        (self.feeds.is_empty() || self.feeds.contains(&complaint.feed))
            && (self.feedback_types.is_empty()
                || self.feedback_types.contains(&complaint.feedback_type))
    }

    /// The instant after which complaints are inside the window that ends at `now`.
    pub fn window_start(&self, now: Timestamp) -> Timestamp {
        let length = i64::try_from(self.window_seconds).unwrap_or(i64::MAX);
        now.checked_sub(SignedDuration::from_secs(length))
            .unwrap_or(Timestamp::MIN)
    }
}

/// A rule's sums for one identity at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Sum of weights.
    pub weight: u64,
    /// Distinct enclosed messages.
    pub messages: u64,
    /// Distinct feeds.
    pub feeds: u64,
    /// The reports that made these sums, in the order they came.
    pub evidence: Vec<ReportId>,
}

/// Sums the complaints that the rule concerns and that lie in its window. A complaint on the window's
/// start is outside. `complaints` may hold more than the window; their order is kept in the evidence.
pub fn tally<'c>(
    rule: &Rule,
    complaints: impl IntoIterator<Item = &'c Complaint>,
    now: Timestamp,
) -> Tally {
    let start = rule.window_start(now);
    let mut messages: HashSet<MessageKey> = HashSet::new();
    let mut feeds: HashSet<&str> = HashSet::new();
    let mut sums = Tally::default();
    for complaint in complaints {
        if complaint.received_at <= start || !rule.concerns(complaint) {
            continue;
        }
        sums.weight = sums.weight.saturating_add(u64::from(complaint.weight));
        messages.insert(complaint.message);
        feeds.insert(&complaint.feed);
        sums.evidence.push(complaint.report);
    }
    sums.messages = messages.len() as u64;
    sums.feeds = feeds.len() as u64;
    sums
}

/// Whether the sums reach every minimum of the rule.
pub fn crosses(rule: &Rule, sums: &Tally) -> bool {
    sums.weight >= rule.min_weight
        && sums.messages >= rule.min_messages
        && sums.feeds >= rule.min_feeds
}

/// A rule that was crossed, with the sums that crossed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossing {
    /// The rule as it stood.
    pub rule: Rule,
    /// The sums as they stood.
    pub tally: Tally,
}

/// The first rule, in configured order, that these complaints of one identity cross at `now`.
pub fn assess(rules: &[Rule], complaints: &[Complaint], now: Timestamp) -> Option<Crossing> {
    rules.iter().find_map(|rule| {
        // Weights are cheap to add up; most identities are far from most thresholds.
        let ceiling: u64 = complaints.iter().map(|c| u64::from(c.weight)).sum();
        if ceiling < rule.min_weight || (complaints.len() as u64) < rule.min_messages {
            return None;
        }
        let sums = tally(rule, complaints, now);
        crosses(rule, &sums).then(|| Crossing {
            rule: rule.clone(),
            tally: sums,
        })
    })
}

/// The longest window of all rules: how far back complaints must be known.
pub fn longest_window_start(rules: &[Rule], now: Timestamp) -> Timestamp {
    rules
        .iter()
        .map(|rule| rule.window_start(now))
        .min()
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{ComplaintId, IdentityId};

    fn complaint(n: u8, feed: &str, message: u8, weight: u32, at: i64) -> Complaint {
        Complaint {
            id: ComplaintId::of(&[&[n]]),
            report: ReportId::of(&[&[n]]),
            identity: IdentityId::of(&[b"i"]),
            feed: feed.into(),
            feedback_type: FeedbackType::Abuse,
            message: MessageKey::of(&[&[message]]),
            weight,
            received_at: Timestamp::from_second(at).unwrap(),
        }
    }

    fn rule(window: u64, weight: u64, messages: u64, feeds: u64) -> Rule {
        Rule {
            name: "r".into(),
            feeds: vec![],
            feedback_types: vec![],
            window_seconds: window,
            min_weight: weight,
            min_messages: messages,
            min_feeds: feeds,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn window_is_half_open() {
        let history = [complaint(1, "f", 1, 1, 100), complaint(2, "f", 2, 1, 200)];
        let r = rule(100, 2, 2, 1);
        assert!(assess(std::slice::from_ref(&r), &history, at(199)).is_some());
        assert!(assess(std::slice::from_ref(&r), &history, at(200)).is_none());
    }

    #[test]
    fn every_minimum_must_be_reached() {
        let history = [
            complaint(1, "f", 1, 5, 1),
            complaint(2, "f", 1, 5, 2),
            complaint(3, "g", 1, 5, 3),
        ];
        for (weight, messages, feeds, want) in [
            (15, 1, 2, true),
            (16, 1, 2, false),
            (15, 2, 2, false),
            (15, 1, 3, false),
        ] {
            let r = rule(1000, weight, messages, feeds);
            assert_eq!(assess(&[r], &history, at(3)).is_some(), want);
        }
    }

    #[test]
    fn evidence_is_exactly_what_was_summed() {
        let mut history = [
            complaint(1, "f", 1, 1, 1),
            complaint(2, "g", 2, 1, 60),
            complaint(3, "f", 3, 1, 61),
            complaint(4, "f", 4, 1, 62),
        ];
        history[3].feedback_type = FeedbackType::Fraud;
        let mut r = rule(60, 1, 1, 1);
        r.feeds = vec!["f".into()];
        r.feedback_types = vec![FeedbackType::Abuse];
        let sums = tally(&r, &history, at(62));
        assert_eq!(sums.evidence, [history[2].report]);
        assert_eq!((sums.weight, sums.messages, sums.feeds), (1, 1, 1));
    }

    #[test]
    fn first_rule_in_order_is_named() {
        let history = [complaint(1, "f", 1, 9, 1)];
        let mut second = rule(10, 1, 1, 1);
        second.name = "second".into();
        let rules = [rule(10, 10, 1, 1), second];
        assert_eq!(assess(&rules, &history, at(1)).unwrap().rule.name, "second");
    }

    #[test]
    fn weights_do_not_overflow() {
        let history = [
            complaint(1, "f", 1, u32::MAX, 1),
            complaint(2, "f", 2, u32::MAX, 1),
        ];
        let sums = tally(&rule(u64::MAX, 1, 1, 1), &history, at(1));
        assert_eq!(sums.weight, 2 * u64::from(u32::MAX));
    }
}
