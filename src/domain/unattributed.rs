//! The queue of reports that count but for one thing: nobody could be named as the sender. They are grouped by what
//! would mend them, for one setting of a mail server or one lesson often settles hundreds.

use super::attribution::Reason;
use super::attribution::advice::{Advice, advice};
use super::ids::ReportId;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// Examples that a group names, the newest ones.
const EXAMPLES: usize = 3;
/// Addresses and domains that a group names, the most frequent ones.
const COMMON: usize = 3;

/// One report that waits for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The report.
    pub id: ReportId,
    /// When it came.
    pub received_at: Timestamp,
    /// The feed that it is proven to be from.
    pub feed: String,
    /// Why nobody was named.
    pub reason: Reason,
    /// The outgoing user, where at least that is known.
    pub outgoing_user: Option<String>,
    /// The address that the enclosed message came from.
    pub source_ip: Option<String>,
    /// The domain of its envelope sender.
    pub sender_domain: Option<String>,
}

/// Something that many reports of a group share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Common {
    /// What.
    pub value: String,
    /// How many have it.
    pub reports: u64,
}

/// Reports that have the same reason, feed and outgoing user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Why nobody was named.
    pub reason: Reason,
    /// The feed.
    pub feed: String,
    /// The outgoing user, where it is known.
    pub outgoing_user: Option<String>,
    /// How many reports.
    pub reports: u64,
    /// When the first of them came.
    pub first: Timestamp,
    /// When the last did.
    pub last: Timestamp,
    /// The newest, for a look.
    pub examples: Vec<ReportId>,
    /// The addresses that most came from.
    pub source_ips: Vec<Common>,
    /// The envelope senders' domains that most have.
    pub sender_domains: Vec<Common>,
    /// What would mend it.
    pub advice: Advice,
}

#[derive(Default)]
struct Sums {
    reports: u64,
    first: Option<Timestamp>,
    newest: Vec<(Timestamp, ReportId)>,
    ips: HashMap<String, u64>,
    domains: HashMap<String, u64>,
}

fn common(counts: HashMap<String, u64>) -> Vec<Common> {
    let mut all: Vec<Common> = counts
        .into_iter()
        .map(|(value, reports)| Common { value, reports })
        .collect();
    all.sort_by(|a, b| (b.reports, &a.value).cmp(&(a.reports, &b.value)));
    all.truncate(COMMON);
    all
}

/// Groups reports, the largest group first.
pub fn group(waiting: impl IntoIterator<Item = Waiting>) -> Vec<Group> {
    let mut groups: BTreeMap<(String, &'static str, Option<String>), (Reason, Sums)> =
        BTreeMap::new();
    for report in waiting {
        let key = (report.feed, report.reason.as_str(), report.outgoing_user);
        let (_, sums) = groups
            .entry(key)
            .or_insert_with(|| (report.reason, Sums::default()));
        sums.reports += 1;
        let at = report.received_at;
        sums.first = Some(sums.first.map_or(at, |first| first.min(at)));
        sums.newest.push((at, report.id));
        sums.newest.sort_unstable_by(|a, b| b.cmp(a));
        sums.newest.truncate(EXAMPLES);
        for (counts, value) in [
            (&mut sums.ips, report.source_ip),
            (&mut sums.domains, report.sender_domain),
        ] {
            if let Some(value) = value {
                *counts.entry(value).or_default() += 1;
            }
        }
    }
    let mut all: Vec<Group> = groups
        .into_iter()
        .map(|((feed, _, outgoing_user), (reason, sums))| Group {
            reason,
            feed,
            outgoing_user,
            reports: sums.reports,
            first: sums.first.unwrap_or_default(),
            last: sums.newest.first().map(|(at, _)| *at).unwrap_or_default(),
            examples: sums.newest.iter().map(|(_, id)| *id).collect(),
            source_ips: common(sums.ips),
            sender_domains: common(sums.domains),
            advice: advice(reason),
        })
        .collect();
    all.sort_by_key(|group| std::cmp::Reverse((group.reports, group.last)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(second: i64, reason: Reason, user: Option<&str>, domain: &str) -> Waiting {
        Waiting {
            id: ReportId::of(&[&second.to_be_bytes()]),
            received_at: Timestamp::from_second(second).unwrap(),
            feed: "filter".into(),
            reason,
            outgoing_user: user.map(str::to_owned),
            source_ip: None,
            sender_domain: Some(domain.into()),
        }
    }

    #[test]
    fn groups_by_what_would_mend_them() {
        let shared = |n, domain| report(n, Reason::SharedUser, Some("192.0.2.1@a.example"), domain);
        let groups = group([
            report(9, Reason::NothingMatched, None, "x.example"),
            shared(4, "b.example"),
            shared(1, "b.example"),
            shared(7, "a.example"),
            shared(2, "b.example"),
            shared(3, "c.example"),
            report(8, Reason::SharedUser, Some("@b.example"), "x.example"),
        ]);
        let shown: Vec<_> = groups
            .iter()
            .map(|g| (g.reason, g.outgoing_user.as_deref(), g.reports))
            .collect();
        assert_eq!(
            shown,
            [
                (Reason::SharedUser, Some("192.0.2.1@a.example"), 5),
                (Reason::NothingMatched, None, 1),
                (Reason::SharedUser, Some("@b.example"), 1),
            ]
        );
        let first = &groups[0];
        assert_eq!((first.first.as_second(), first.last.as_second()), (1, 7));
        let newest = [7i64, 4, 3].map(|n| ReportId::of(&[&n.to_be_bytes()]));
        assert_eq!(first.examples, newest);
        let domains: Vec<_> = first
            .sender_domains
            .iter()
            .map(|c| (c.value.as_str(), c.reports))
            .collect();
        assert_eq!(
            domains,
            [("b.example", 3), ("a.example", 1), ("c.example", 1)]
        );
        assert_eq!(first.advice, advice(Reason::SharedUser));
    }
}
