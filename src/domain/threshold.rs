//! Rules and their arithmetic: what is summed over which window, and when that is enough. The same
//! functions serve the live path and any replay of history.

use super::complaint::Complaint;
use super::feedback::FeedbackType;
use super::ids::{ComplainantKey, MessageKey, ReportId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet, VecDeque};

/// How many complaints of one identity are looked at, the newest ones. A flood that crosses nothing (one
/// message to a million people, say) must not make every further report cost more. No rule may ask for more.
pub const MOST_COMPLAINTS: usize = 10_000;

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
    /// Least number of distinct complainants.
    pub min_complainants: u64,
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

    /// What the rule asks for, as text: two rules of one name and shape are the same rule. What is added to
    /// rules later must leave the shapes of those that do not use it as they are.
    pub fn shape(&self) -> String {
        let kinds: Vec<&str> = self
            .feedback_types
            .iter()
            .map(FeedbackType::as_str)
            .collect();
        format!(
            "feeds {:?} types {kinds:?} window {} weight {} messages {} complainants {} feeds {}",
            self.feeds,
            self.window_seconds,
            self.min_weight,
            self.min_messages,
            self.min_complainants,
            self.min_feeds
        )
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
    /// Distinct complainants.
    pub complainants: u64,
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
    let mut complainants: HashSet<ComplainantKey> = HashSet::new();
    let mut feeds: HashSet<&str> = HashSet::new();
    let mut sums = Tally::default();
    for complaint in complaints {
        if complaint.received_at <= start || !rule.concerns(complaint) {
            continue;
        }
        sums.weight = sums.weight.saturating_add(u64::from(complaint.weight));
        messages.insert(complaint.message);
        complainants.insert(complaint.complainant);
        feeds.insert(&complaint.feed);
        sums.evidence.push(complaint.report);
    }
    sums.messages = messages.len() as u64;
    sums.complainants = complainants.len() as u64;
    sums.feeds = feeds.len() as u64;
    sums
}

/// Whether the sums reach every minimum of the rule.
pub fn crosses(rule: &Rule, sums: &Tally) -> bool {
    sums.weight >= rule.min_weight
        && sums.messages >= rule.min_messages
        && sums.complainants >= rule.min_complainants
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

/// The complaints of one identity, with sums over all of them whatever their age. These bound every rule's
/// sums from above, so that most complaints of a busy identity are assessed without going through the rest.
#[derive(Clone, Debug, Default)]
pub struct History {
    complaints: VecDeque<Complaint>,
    weight: u64,
    messages: HashMap<MessageKey, u32>,
    complainants: HashMap<ComplainantKey, u32>,
    feeds: HashMap<String, u32>,
}

impl History {
    /// Adds a complaint behind the others. Beyond [`MOST_COMPLAINTS`] the oldest goes.
    pub fn push(&mut self, complaint: Complaint) {
        if self.complaints.len() >= MOST_COMPLAINTS {
            self.forget_oldest();
        }
        self.weight = self.weight.saturating_add(u64::from(complaint.weight));
        *self.messages.entry(complaint.message).or_default() += 1;
        *self.complainants.entry(complaint.complainant).or_default() += 1;
        match self.feeds.get_mut(&complaint.feed) {
            Some(count) => *count += 1,
            None => drop(self.feeds.insert(complaint.feed.clone(), 1)),
        }
        self.complaints.push_back(complaint);
    }

    fn forget_oldest(&mut self) {
        let Some(old) = self.complaints.pop_front() else {
            return;
        };
        self.weight = self.weight.saturating_sub(u64::from(old.weight));
        let gone = |count: &mut u32| {
            *count -= 1;
            *count == 0
        };
        if self.messages.get_mut(&old.message).is_some_and(gone) {
            self.messages.remove(&old.message);
        }
        if self
            .complainants
            .get_mut(&old.complainant)
            .is_some_and(gone)
        {
            self.complainants.remove(&old.complainant);
        }
        if self.feeds.get_mut(&old.feed).is_some_and(gone) {
            self.feeds.remove(&old.feed);
        }
    }

    /// Forgets the complaints that were received at or before an instant.
    pub fn keep_after(&mut self, instant: Timestamp) {
        let all = std::mem::take(self).complaints;
        all.into_iter()
            .filter(|complaint| complaint.received_at > instant)
            .for_each(|complaint| self.push(complaint));
    }

    /// The complaints, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = &Complaint> {
        self.complaints.iter()
    }

    /// How many complaints there are.
    pub fn len(&self) -> usize {
        self.complaints.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.complaints.is_empty()
    }

    /// Whether the rule could be crossed if it concerned all of these and its window held them all.
    fn could_cross(&self, rule: &Rule) -> bool {
        self.weight >= rule.min_weight
            && self.messages.len() as u64 >= rule.min_messages
            && self.complainants.len() as u64 >= rule.min_complainants
            && self.feeds.len() as u64 >= rule.min_feeds
    }
}

impl FromIterator<Complaint> for History {
    fn from_iter<I: IntoIterator<Item = Complaint>>(complaints: I) -> Self {
        let mut history = Self::default();
        complaints.into_iter().for_each(|c| history.push(c));
        history
    }
}

/// The first rule, in configured order, that these complaints of one identity cross at `now`.
pub fn assess(rules: &[Rule], history: &History, now: Timestamp) -> Option<Crossing> {
    let possible = rules.iter().filter(|rule| history.could_cross(rule));
    possible
        .map(|rule| (rule, tally(rule, &history.complaints, now)))
        .find(|(rule, sums)| crosses(rule, sums))
        .map(|(rule, tally)| Crossing {
            rule: rule.clone(),
            tally,
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
            complainant: ComplainantKey::of(&[&[n]]),
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
            min_complainants: 1,
            min_feeds: feeds,
        }
    }

    fn history(complaints: &[Complaint]) -> History {
        complaints.iter().cloned().collect()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn window_is_half_open() {
        let complaints = [complaint(1, "f", 1, 1, 100), complaint(2, "f", 2, 1, 200)];
        let r = rule(100, 2, 2, 1);
        assert!(assess(std::slice::from_ref(&r), &history(&complaints), at(199)).is_some());
        assert!(assess(std::slice::from_ref(&r), &history(&complaints), at(200)).is_none());
    }

    #[test]
    fn every_minimum_must_be_reached() {
        let complaints = [
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
            assert_eq!(assess(&[r], &history(&complaints), at(3)).is_some(), want);
        }
    }

    #[test]
    fn one_person_alone_does_not_cross() {
        let mut complaints = [1, 2, 3].map(|n| complaint(n, "f", n, 5, 1));
        let mut r = rule(10, 15, 3, 1);
        r.min_complainants = 2;
        assert!(assess(std::slice::from_ref(&r), &history(&complaints), at(1)).is_some());
        for c in &mut complaints {
            c.complainant = ComplainantKey::of(&[b"one"]);
        }
        assert!(assess(&[r], &history(&complaints), at(1)).is_none());
    }

    #[test]
    fn what_is_looked_at_is_bounded() {
        let one = complaint(1, "f", 1, 1, 1);
        let mut long: History = std::iter::repeat_n(one, MOST_COMPLAINTS).collect();
        long.push(complaint(2, "g", 2, 1, 2));
        assert_eq!(
            (long.len(), long.weight),
            (MOST_COMPLAINTS, MOST_COMPLAINTS as u64)
        );
        (0..MOST_COMPLAINTS).for_each(|_| long.push(complaint(3, "h", 3, 1, 3)));
        assert_eq!((long.messages.len(), long.feeds.len()), (1, 1));
    }

    #[test]
    fn evidence_is_exactly_what_was_summed() {
        let mut complaints = [
            complaint(1, "f", 1, 1, 1),
            complaint(2, "g", 2, 1, 60),
            complaint(3, "f", 3, 1, 61),
            complaint(4, "f", 4, 1, 62),
        ];
        complaints[3].feedback_type = FeedbackType::Fraud;
        let mut r = rule(60, 1, 1, 1);
        r.feeds = vec!["f".into()];
        r.feedback_types = vec![FeedbackType::Abuse];
        let sums = tally(&r, &complaints, at(62));
        assert_eq!(sums.evidence, [complaints[2].report]);
        assert_eq!((sums.weight, sums.messages, sums.feeds), (1, 1, 1));
    }

    #[test]
    fn first_rule_in_order_is_named() {
        let complaints = [complaint(1, "f", 1, 9, 1)];
        let mut second = rule(10, 1, 1, 1);
        second.name = "second".into();
        let rules = [rule(10, 10, 1, 1), second];
        assert_eq!(
            assess(&rules, &history(&complaints), at(1))
                .unwrap()
                .rule
                .name,
            "second"
        );
    }

    #[test]
    fn weights_do_not_overflow() {
        let complaints = [
            complaint(1, "f", 1, u32::MAX, 1),
            complaint(2, "f", 2, u32::MAX, 1),
        ];
        let sums = tally(&rule(u64::MAX, 1, 1, 1), &complaints, at(1));
        assert_eq!(sums.weight, 2 * u64::from(u32::MAX));
    }

    proptest::proptest! {
        /// The bounds spare work and change nothing.
        #[test]
        fn bounds_never_hide_a_crossing(
            events in proptest::collection::vec((0u8..4, 0u8..2, 0u32..4, 0i64..50), 0..40),
            (window, weight, messages, feeds) in (1u64..50, 1u64..20, 1u64..4, 1u64..3),
            forget in 0i64..50,
        ) {
            let r = rule(window, weight, messages, feeds);
            let mut all = Vec::new();
            let mut kept = History::default();
            for (n, (message, feed, weight, second)) in (0..).zip(events) {
                let feed = if feed == 0 { "f" } else { "g" };
                let next = complaint(n, feed, message, weight, second);
                all.push(next.clone());
                kept.push(next);
                let plain = tally(&r, &all, at(second));
                let got = assess(std::slice::from_ref(&r), &kept, at(second));
                proptest::prop_assert_eq!(got.is_some(), crosses(&r, &plain));
            }
            kept.keep_after(at(forget));
            all.retain(|c| c.received_at > at(forget));
            let got = assess(std::slice::from_ref(&r), &kept, at(50));
            proptest::prop_assert_eq!(got.is_some(), crosses(&r, &tally(&r, &all, at(50))));
        }
    }
}
