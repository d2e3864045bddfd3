//! Rules and their arithmetic: what is summed over which window, and when that is enough. The same
//! functions serve the live path and any replay of history.

use super::complaint::Complaint;
use super::feed::Right;
use super::identity::Identity;
use super::ids::{ComplainantKey, MessageKey, ReportId};
pub use super::rule::{Excluded, Rule, Step};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::Hash;

/// How many complaints of one identity are looked at, the newest ones. A flood that crosses nothing (one
/// message to a million people, say) must not make every further report cost more. No rule may ask for more.
pub const MOST_COMPLAINTS: usize = 10_000;

/// A rule's sums for one identity at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Sum of weights.
    pub weight: u64,
    /// The part of it that comes from feeds which may cause this alone.
    #[serde(default)]
    pub carried: u64,
    /// Distinct enclosed messages.
    pub messages: u64,
    /// Distinct complainants.
    pub complainants: u64,
    /// Distinct feeds.
    pub feeds: u64,
    /// The reports that made these sums, in the order they came.
    pub evidence: Vec<ReportId>,
}

/// Sums the complaints that the rule concerns and that lie in its window, which ends with `now`. A complaint on
/// the window's start is outside, one on its end inside. `complaints` may hold more than the window, later ones
/// too; their order is kept in the evidence.
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
        let inside = complaint.received_at > start && complaint.received_at <= now;
        if !inside || !rule.concerns(complaint) {
            continue;
        }
        sums.weight = sums.weight.saturating_add(u64::from(complaint.weight));
        if complaint.may >= rule.action.right() {
            sums.carried = sums.carried.saturating_add(u64::from(complaint.weight));
        }
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

/// Whether feeds that may do what the rule does bring enough of its sum: at least half of the least weight. The
/// others may add to it, but neither cause it alone nor with some trifle of a feed that may.
fn carries(rule: &Rule, carried: u64) -> bool {
    carried >= carry_needed(rule)
}

/// The weight that must come from feeds that may do what the rule does.
pub fn carry_needed(rule: &Rule) -> u64 {
    rule.min_weight.div_ceil(2).max(1)
}

/// Whether the sums reach every minimum of the rule, and come from whom they may.
pub fn crosses(rule: &Rule, sums: &Tally) -> bool {
    carries(rule, sums.carried)
        && sums.weight >= rule.min_weight
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
    /// The instant that its window ended with.
    #[serde(default)]
    pub until: Timestamp,
}

/// Sums that complaints can be added to and taken from.
#[derive(Clone, Debug, Default)]
struct Sums<'c> {
    weight: u64,
    /// The weight of each right's feeds, in the order of [`Right::ALL`].
    by_right: [u64; Right::ALL.len()],
    messages: Counts<MessageKey>,
    complainants: Counts<ComplainantKey>,
    feeds: Counts<std::borrow::Cow<'c, str>>,
}

/// How often each thing is there.
#[derive(Clone, Debug)]
struct Counts<K>(HashMap<K, u32>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Counts<K> {
    fn add(&mut self, key: K) {
        *self.0.entry(key).or_default() += 1;
    }

    fn take<Q: Eq + Hash + ?Sized>(&mut self, key: &Q)
    where
        K: std::borrow::Borrow<Q>,
    {
        if let Some(count) = self.0.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(key);
            }
        }
    }

    fn distinct(&self) -> u64 {
        self.0.len() as u64
    }
}

impl<'c> Sums<'c> {
    /// Adds a complaint, whose feed's name is borrowed where that lasts.
    fn add(&mut self, complaint: &Complaint, feed: Option<&'c str>) {
        self.weight = self.weight.saturating_add(u64::from(complaint.weight));
        let carried = &mut self.by_right[complaint.may as usize];
        *carried = carried.saturating_add(u64::from(complaint.weight));
        self.messages.add(complaint.message);
        self.complainants.add(complaint.complainant);
        match (self.feeds.0.get_mut(complaint.feed.as_str()), feed) {
            (Some(count), _) => *count += 1,
            (None, Some(feed)) => self.feeds.add(feed.into()),
            (None, None) => self.feeds.add(complaint.feed.clone().into()),
        }
    }

    fn take(&mut self, complaint: &Complaint) {
        self.weight = self.weight.saturating_sub(u64::from(complaint.weight));
        let carried = &mut self.by_right[complaint.may as usize];
        *carried = carried.saturating_sub(u64::from(complaint.weight));
        self.messages.take(&complaint.message);
        self.complainants.take(&complaint.complainant);
        self.feeds.take(complaint.feed.as_str());
    }

    /// The weight of the feeds that may do what the rule does.
    fn carried(&self, rule: &Rule) -> u64 {
        let weights = self.by_right.iter().skip(rule.action.right() as usize);
        weights.fold(0, |sum, weight| sum.saturating_add(*weight))
    }

    fn reach(&self, rule: &Rule) -> bool {
        carries(rule, self.carried(rule))
            && self.weight >= rule.min_weight
            && self.messages.distinct() >= rule.min_messages
            && self.complainants.distinct() >= rule.min_complainants
            && self.feeds.distinct() >= rule.min_feeds
    }
}

/// The complaints of one identity, with sums over all of them whatever their age. These bound every rule's
/// sums from above, so that most complaints of a busy identity are assessed without going through the rest.
#[derive(Clone, Debug, Default)]
pub struct History {
    complaints: VecDeque<Complaint>,
    sums: Sums<'static>,
    /// When the newest was received.
    newest: Option<Timestamp>,
}

impl History {
    /// Adds a complaint behind the others. Beyond [`MOST_COMPLAINTS`] the oldest goes.
    pub fn push(&mut self, complaint: Complaint) {
        if self.complaints.len() >= MOST_COMPLAINTS
            && let Some(old) = self.complaints.pop_front()
        {
            self.sums.take(&old);
        }
        self.newest = self.newest.max(Some(complaint.received_at));
        self.sums.add(&complaint, None);
        self.complaints.push_back(complaint);
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
}

impl FromIterator<Complaint> for History {
    fn from_iter<I: IntoIterator<Item = Complaint>>(complaints: I) -> Self {
        let mut history = Self::default();
        complaints.into_iter().for_each(|c| history.push(c));
        history
    }
}

/// Whom the complaints are about, and what else is known of it.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The identity.
    pub identity: &'a Identity,
}

impl<'a> About<'a> {
    /// An identity of which nothing else is known.
    pub fn new(identity: &'a Identity) -> Self {
        Self { identity }
    }
}

/// The strongest rule, and the first in configured order within a step of the ladder, that these complaints of
/// one identity cross with one that was received at `at`. Where it is filed late, behind others that were
/// received after it, every window that it lies in is looked at, the earliest first: the outcome is as if it had
/// been filed in time, but that only the strongest step is told.
pub fn assess<'r>(
    rules: impl IntoIterator<Item = &'r Rule>,
    about: &About<'_>,
    history: &History,
    at: Timestamp,
) -> Option<Crossing> {
    let late = history.newest > Some(at);
    let mut possible: Vec<&Rule> = rules
        .into_iter()
        .filter(|rule| history.sums.reach(rule) && rule.is_for(about.identity))
        .collect();
    // A stable sort: within a step the configured order stays.
    possible.sort_by_key(|rule| std::cmp::Reverse(rule.action));
    let crossing = |rule: &Rule, until: Timestamp| {
        let tally = tally(rule, &history.complaints, until);
        crosses(rule, &tally).then(|| Crossing {
            rule: rule.clone(),
            tally,
            until,
        })
    };
    if !late {
        return possible.into_iter().find_map(|rule| crossing(rule, at));
    }
    let found = possible
        .into_iter()
        .filter_map(|rule| Some((first_crossing(rule, history, at)?, rule)));
    // The strongest; of these the earliest; among equals the first in order.
    let (until, rule) =
        found.min_by_key(|(until, rule)| (std::cmp::Reverse(rule.action), *until))?;
    crossing(rule, until)
}

/// The end of the first window of a rule that holds a complaint of `at` and is enough.
fn first_crossing(rule: &Rule, history: &History, at: Timestamp) -> Option<Timestamp> {
    let mut ordered: Vec<&Complaint> = history
        .complaints
        .iter()
        .filter(|complaint| rule.concerns(complaint))
        .collect();
    ordered.sort_by_key(|complaint| complaint.received_at);
    let mut sums = Sums::default();
    let mut oldest = 0;
    for (i, complaint) in ordered.iter().enumerate() {
        let until = complaint.received_at;
        let start = rule.window_start(until);
        if at <= start {
            return None;
        }
        sums.add(complaint, Some(&complaint.feed));
        while ordered[oldest].received_at <= start {
            sums.take(ordered[oldest]);
            oldest += 1;
        }
        // Those of the same instant belong together.
        let whole = ordered
            .get(i + 1)
            .is_none_or(|next| next.received_at > until);
        if until >= at && whole && sums.reach(rule) {
            return Some(until);
        }
    }
    None
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
#[path = "threshold_tests.rs"]
mod tests;
