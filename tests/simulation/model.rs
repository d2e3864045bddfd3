//! What should be, worked out the slow and simple way: every complaint is kept for ever and every sum is
//! taken anew.

use super::mail::{FILTER_WEIGHT, Kind, LOOP_WEIGHT, Mail, PEOPLE};
use arfd::domain::feedback::FeedbackType;
use arfd::domain::standing::Standing;
use arfd::domain::threshold::Rule;
use std::collections::{BTreeMap, BTreeSet};

/// The shorter rule: seconds, weight, messages. It looks at abuse only.
const BURST: (i64, u32, usize) = (600, 5, 3);
/// The longer rule: seconds, weight, messages, feeds.
const SPREAD: (i64, u32, usize, usize) = (7200, 6, 2, 2);

/// The same for the store.
pub fn rules() -> Vec<Rule> {
    let rule = |name: &str, seconds: i64, weight: u32, messages: usize, feeds: usize| Rule {
        name: name.into(),
        window_seconds: seconds as u64,
        min_weight: weight.into(),
        min_messages: messages as u64,
        min_feeds: feeds as u64,
        ..Rule::default()
    };
    let burst = Rule {
        feedback_types: vec![FeedbackType::Abuse],
        ..rule("burst", BURST.0, BURST.1, BURST.2, 1)
    };
    vec![
        burst,
        rule("spread", SPREAD.0, SPREAD.1, SPREAD.2, SPREAD.3),
    ]
}

struct Complaint {
    feed: &'static str,
    abuse: bool,
    message: u8,
    weight: u32,
    at: i64,
}

#[derive(Default)]
struct Person {
    complaints: Vec<Complaint>,
    /// (feed, message, recipients) of every complaint ever.
    known: BTreeSet<(&'static str, u8, u8)>,
    crossings: usize,
    /// While observing: the instant of the last crossing.
    spent: Option<i64>,
}

/// What the store should say of a report.
#[derive(Debug, PartialEq, Eq)]
pub struct Verdict {
    pub standing: Standing,
    pub repeated: bool,
    /// The rule that it crossed.
    pub opened: Option<&'static str>,
    /// When the window ended that it did so in.
    pub until: Option<i64>,
}

pub struct Model {
    observe: bool,
    people: [Person; PEOPLE.len()],
    /// By feed and bytes.
    reports: BTreeMap<(Option<&'static str>, Vec<u8>), Standing>,
}

impl Model {
    pub fn new(observe: bool) -> Self {
        Self {
            observe,
            people: Default::default(),
            reports: BTreeMap::new(),
        }
    }

    /// How often this person crossed.
    pub fn crossings(&self, who: usize) -> usize {
        self.people[who].crossings
    }

    /// How many different reports there are.
    pub fn reports(&self) -> usize {
        self.reports.len()
    }

    /// A report comes in.
    pub fn file(&mut self, mail: &Mail, at: i64) -> Verdict {
        let key = (mail.source.feed(), mail.bytes());
        if let Some(standing) = self.reports.get(&key) {
            return Verdict {
                standing: *standing,
                repeated: true,
                opened: None,
                until: None,
            };
        }
        let (standing, opened) = self.count(mail, at);
        self.reports.insert(key, standing);
        Verdict {
            standing,
            repeated: false,
            opened: opened.map(|(rule, _)| rule),
            until: opened.map(|(_, until)| until),
        }
    }

    fn count(&mut self, mail: &Mail, at: i64) -> (Standing, Option<(&'static str, i64)>) {
        let feed = match (mail.kind, mail.source.feed()) {
            (Kind::Letter, _) => return (Standing::NotAReport, None),
            (_, None) => return (Standing::Unproven, None),
            (Kind::NotSpam, _) => return (Standing::NeverCounts, None),
            (Kind::Other, _) => return (Standing::Weightless, None),
            (Kind::Abuse | Kind::Fraud, Some(feed)) => feed,
        };
        let Some(who) = mail.who else {
            return (Standing::Unattributed, None);
        };
        let person = &mut self.people[who];
        if !person.known.insert((feed, mail.message, mail.recipients)) {
            return (Standing::Duplicate, None);
        }
        person.complaints.push(Complaint {
            feed,
            abuse: mail.kind == Kind::Abuse,
            message: mail.message,
            weight: if feed == "loop" {
                LOOP_WEIGHT
            } else {
                FILTER_WEIGHT
            },
            at,
        });
        let opened = person.crosses(at, self.observe);
        if let Some((_, until)) = opened {
            person.crossings += 1;
            person.spent = Some(until);
        }
        (Standing::Counted, opened)
    }
}

impl Person {
    /// The rule that is crossed by a complaint of `at`, and when. It may be filed late, so every window that it
    /// lies in is looked at, the earliest first.
    fn crosses(&self, at: i64, observe: bool) -> Option<(&'static str, i64)> {
        let spent = match (observe, self.spent) {
            // Locked, or about to be: nothing opens a second one.
            (false, Some(_)) => return None,
            (_, spent) => spent.unwrap_or(i64::MIN),
        };
        if at <= spent {
            return None;
        }
        let ends: BTreeSet<i64> = self.complaints.iter().map(|c| c.at).collect();
        let mut ends = ends.range(at..);
        ends.find_map(|end| Some((self.crosses_until(*end, at, spent)?, *end)))
    }

    fn crosses_until(&self, end: i64, at: i64, spent: i64) -> Option<&'static str> {
        let within = |seconds: i64, only_abuse: bool| {
            let inside: Vec<&Complaint> = self
                .complaints
                .iter()
                .filter(|c| c.at > spent && c.at <= end && end - c.at < seconds)
                .filter(|c| end - at < seconds && (c.abuse || !only_abuse))
                .collect();
            let weight: u32 = inside.iter().map(|c| c.weight).sum();
            let messages: BTreeSet<u8> = inside.iter().map(|c| c.message).collect();
            let feeds: BTreeSet<&str> = inside.iter().map(|c| c.feed).collect();
            (weight, messages.len(), feeds.len())
        };
        let (weight, messages, _) = within(BURST.0, true);
        if weight >= BURST.1 && messages >= BURST.2 {
            return Some("burst");
        }
        let (weight, messages, feeds) = within(SPREAD.0, false);
        (weight >= SPREAD.1 && messages >= SPREAD.2 && feeds >= SPREAD.3).then_some("spread")
    }
}
