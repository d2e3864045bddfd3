//! A rule's arithmetic for one identity at one instant, as people ask for it: what is summed, what is not and
//! why, and how far it is from crossing.

use super::complaint::Complaint;
use super::identity::Identity;
use super::threshold::{Excluded, Rule, Step, Tally, carry_needed, crosses, tally};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// One of a rule's minima.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Minimum {
    /// What is counted, in words.
    pub what: &'static str,
    /// How much of it there is.
    pub have: u64,
    /// How much of it there must be.
    pub least: u64,
}

impl Minimum {
    /// How much is missing.
    pub fn missing(&self) -> u64 {
        self.least.saturating_sub(self.have)
    }
}

/// A rule's arithmetic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Arithmetic {
    /// The rule.
    pub rule: String,
    /// What follows from a crossing.
    pub action: Step,
    /// Its window, in seconds.
    pub window_seconds: u64,
    /// Whether the rule is for this identity at all.
    pub is_for: bool,
    /// Whether it is crossed by what is there.
    pub crossed: bool,
    /// What it asks for, and what there is.
    pub minima: Vec<Minimum>,
    /// The reports that are summed.
    pub evidence: Vec<super::ids::ReportId>,
    /// How many complaints within the window are not summed, by why.
    pub excluded: BTreeMap<&'static str, u64>,
    /// When the oldest complaint that is summed leaves the window.
    pub fades_at: Option<Timestamp>,
}

/// Complaints that were counted towards an earlier crossing, or that came before an incident ended.
const SPENT: &str = "spent";
/// Complaints on which the rule's minima rest only in part: their feed may not do what the rule does. They are
/// summed.
const CARRIES_NOTHING: &str = "summed_but_may_not_carry";

/// The arithmetic of a rule over an identity's complaints, of which those up to `spent` are spent.
pub fn explain(
    rule: &Rule,
    identity: &Identity,
    complaints: &[Complaint],
    spent: Timestamp,
    now: Timestamp,
) -> Arithmetic {
    let start = rule.window_start(now);
    let inside = |c: &&Complaint| c.received_at > start && c.received_at <= now;
    let mut excluded = BTreeMap::new();
    let mut oldest: Option<Timestamp> = None;
    for complaint in complaints.iter().filter(inside) {
        let why = match rule.excludes(complaint) {
            _ if complaint.received_at <= spent => Some(SPENT),
            Some(why) => Some(Excluded::as_str(why)),
            None => {
                let at = complaint.received_at;
                oldest = Some(oldest.map_or(at, |o| o.min(at)));
                (complaint.may < rule.action.right()).then_some(CARRIES_NOTHING)
            }
        };
        if let Some(why) = why {
            *excluded.entry(why).or_insert(0) += 1;
        }
    }
    let fresh = complaints.iter().filter(|c| c.received_at > spent);
    let sums = tally(rule, fresh, now);
    let length = now.duration_since(start);
    let is_for = rule.is_for(identity);
    Arithmetic {
        rule: rule.name.clone(),
        action: rule.action,
        window_seconds: rule.window_seconds,
        is_for,
        crossed: is_for && crosses(rule, &sums),
        minima: minima(rule, &sums),
        evidence: sums.evidence,
        excluded,
        fades_at: oldest.and_then(|at| at.checked_add(length).ok()),
    }
}

fn minima(rule: &Rule, sums: &Tally) -> Vec<Minimum> {
    let minimum = |what, have, least| Minimum { what, have, least };
    vec![
        minimum("weight", sums.weight, rule.min_weight),
        minimum("messages", sums.messages, rule.min_messages),
        minimum("complainants", sums.complainants, rule.min_complainants),
        minimum("feeds", sums.feeds, rule.min_feeds),
        minimum(
            "weight of feeds that may do this",
            sums.carried,
            carry_needed(rule),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::feed::Right;
    use crate::domain::feedback::FeedbackType;
    use crate::domain::ids::{ComplainantKey, ComplaintId, IdentityId, MessageKey, ReportId};
    use crate::domain::strength::Strength;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn complaint(second: u8) -> Complaint {
        let key: [&[u8]; 1] = [&[second]];
        Complaint {
            id: ComplaintId::of(&key),
            report: ReportId::of(&key),
            identity: IdentityId::of(&[b"i"]),
            feed: "f".into(),
            feedback_type: FeedbackType::Abuse,
            message: MessageKey::of(&key),
            complainant: ComplainantKey::of(&key),
            weight: 2,
            may: Right::Lock,
            strength: Strength::Vouched,
            class: None,
            received_at: at(second.into()),
        }
    }

    #[test]
    fn what_is_summed_and_what_is_not() {
        let identity = Identity {
            outgoing_user: None,
            value: "bob@shop.example".into(),
        };
        let mut rule = Rule {
            name: "r".into(),
            window_seconds: 50,
            min_weight: 7,
            min_messages: 3,
            min_strength: Strength::Enclosed,
            ..Rule::default()
        };
        // Out of the window, spent, too weak, may not lock, and two that count.
        let mut all: Vec<Complaint> = [10, 60, 70, 71, 72, 73].map(complaint).into();
        all[2].strength = Strength::Claimed;
        all[3].may = Right::Notify;
        let got = explain(&rule, &identity, &all, at(60), at(100));
        let missing: Vec<u64> = got.minima.iter().map(Minimum::missing).collect();
        assert_eq!(missing, [1, 0, 0, 0, 0]);
        assert_eq!((got.crossed, got.evidence.len()), (false, 3));
        assert_eq!(got.minima[4].have, 4);
        let want = [(SPENT, 1), ("too_weak", 1), (CARRIES_NOTHING, 1)];
        assert_eq!(got.excluded, BTreeMap::from(want));
        assert_eq!(got.fades_at, Some(at(121)));
        rule.min_weight = 6;
        assert!(explain(&rule, &identity, &all, at(60), at(100)).crossed);
        rule.except = vec!["bob@*".parse().unwrap()];
        let got = explain(&rule, &identity, &all, at(60), at(100));
        assert_eq!((got.crossed, got.is_for), (false, false));
        let none = explain(&rule, &identity, &[], at(60), at(100));
        assert_eq!((none.fades_at, none.minima[0].missing()), (None, 6));
    }
}
