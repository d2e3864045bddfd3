//! The tables `[[rules]]`: when enough is enough, and what follows.

use super::check::{Problems, name};
use super::settings::Settings;
use super::values::Span;
use crate::domain::feedback::FeedbackType;
use crate::domain::pattern::IdentityPattern;
use crate::domain::strength::Strength;
use crate::domain::threshold::{self, MOST_COMPLAINTS, Step};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// When enough is enough.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name, in records and metrics.
    pub name: String,
    /// What follows.
    #[serde(default)]
    pub action: Step,
    /// Feeds that it looks at; empty for all.
    #[serde(default)]
    pub feeds: Vec<String>,
    /// Feedback types that it looks at; empty for all that count.
    #[serde(default)]
    pub feedback_types: Vec<String>,
    /// Classes that it looks at, as the filter states them; empty for all, stated or not.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Identities that it is for; empty for all.
    #[serde(default)]
    pub identities: Vec<String>,
    /// Outgoing users that it is for; empty for all.
    #[serde(default)]
    pub outgoing_users: Vec<String>,
    /// Identities that it is not for.
    #[serde(default)]
    pub except: Vec<String>,
    /// The least provenance of the identity.
    #[serde(default)]
    pub min_strength: Strength,
    /// The sliding window.
    pub window: Span,
    /// Least sum of weights in the window.
    pub min_weight: u64,
    /// Least number of distinct messages in the window.
    #[serde(default = "one")]
    pub min_messages: u64,
    /// Least number of distinct complainants in the window.
    #[serde(default = "one")]
    pub min_complainants: u64,
    /// Least number of distinct feeds in the window.
    #[serde(default = "one")]
    pub min_feeds: u64,
    /// How long what it orders lasts; without it until somebody ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock_timeout: Option<Span>,
    /// How often the timeout ends a lock of one identity; after that only a person does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_automatic_unlocks: Option<u32>,
    /// The reason that orders give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            name: String::new(),
            action: Step::Lock,
            feeds: Vec::new(),
            feedback_types: Vec::new(),
            classes: Vec::new(),
            identities: Vec::new(),
            outgoing_users: Vec::new(),
            except: Vec::new(),
            min_strength: Strength::Claimed,
            window: Span::secs(3600),
            min_weight: 1,
            min_messages: 1,
            min_complainants: 1,
            min_feeds: 1,
            lock_timeout: None,
            max_automatic_unlocks: None,
            reason: None,
        }
    }
}

impl Rule {
    /// The rules that are in force where none are configured. `samples/arfd.toml` explains each.
    pub fn shipped() -> Vec<Self> {
        let rule = |name: &str, hours: u64, weight, messages, complainants, feeds| Self {
            name: name.into(),
            window: Span::secs(hours * 3600),
            min_weight: weight,
            min_messages: messages,
            min_complainants: complainants,
            min_feeds: feeds,
            // What a sender only claims locks nobody: he may claim to be anybody.
            min_strength: Strength::Enclosed,
            ..Self::default()
        };
        let classes = ["phish", "virus"].map(str::to_owned).to_vec();
        vec![
            // The vendor's own script locked identities at 50 bad messages in 2 hours.
            rule("burst", 2, 50, 10, 10, 1),
            Self {
                classes,
                ..rule("malice", 2, 20, 10, 10, 1)
            },
            rule("complaints", 24, 80, 8, 8, 2),
            rule("steady", 7 * 24, 60, 60, 60, 1),
            Self {
                action: Step::Notify,
                min_strength: Strength::Claimed,
                ..rule("notice", 24, 10, 3, 3, 1)
            },
        ]
    }
}

fn one() -> u64 {
    1
}

/// The longest reason: it travels in a URL.
const LONGEST_REASON: usize = 200;
/// The longest lock, as long as the filter's own may last at most many times over.
const LONGEST_LOCK: u64 = 366 * 86_400;

impl Rule {
    /// As the domain knows it. What is no pattern is ruled out by [`super::check`].
    pub fn to_domain(&self) -> threshold::Rule {
        let patterns = |texts: &[String]| -> Vec<IdentityPattern> {
            texts.iter().flat_map(|text| text.parse()).collect()
        };
        let users: Vec<String> = self.outgoing_users.iter().map(of_user).collect();
        let kinds = self.feedback_types.iter();
        threshold::Rule {
            name: self.name.clone(),
            action: self.action,
            feeds: self.feeds.clone(),
            feedback_types: kinds.map(|k| FeedbackType::from(k.as_str())).collect(),
            classes: self.classes.iter().map(|c| c.to_lowercase()).collect(),
            identities: patterns(&self.identities),
            outgoing_users: patterns(&users),
            except: patterns(&self.except),
            min_strength: self.min_strength,
            window_seconds: self.window.0.as_secs(),
            min_weight: self.min_weight,
            min_messages: self.min_messages,
            min_complainants: self.min_complainants,
            min_feeds: self.min_feeds,
            lock_timeout_seconds: self.lock_timeout.map(|span| span.0.as_secs()),
            max_automatic_unlocks: self.max_automatic_unlocks,
            reason: self.reason.clone(),
        }
    }

    /// A rule that has every key, whatever it says.
    pub(super) fn with_every_key() -> Self {
        Self {
            name: "x".into(),
            lock_timeout: Some(Span::secs(1)),
            max_automatic_unlocks: Some(1),
            reason: Some("x".into()),
            ..Self::default()
        }
    }
}

fn of_user(glob: &String) -> String {
    format!("user:{glob}")
}

pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    let mut seen = HashSet::new();
    for (i, rule) in settings.rules.iter().enumerate() {
        let key = format!("rules[{i}]");
        name(problems, &key, &rule.name, &mut seen);
        for feed in &rule.feeds {
            problems.demand(
                settings.feeds.iter().any(|f| f.name == *feed),
                format!("{key}.feeds"),
                format!("there is no feed '{feed}'"),
            );
        }
        one_rule(rule, &key, problems);
    }
}

/// What can be said of a rule without the others.
fn one_rule(rule: &Rule, key: &str, problems: &mut Problems) {
    for kind in &rule.feedback_types {
        problems.demand(
            FeedbackType::from(kind.as_str()).may_count(),
            format!("{key}.feedback_types"),
            format!("{kind} never counts"),
        );
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    for class in &rule.classes {
        problems.demand(
            (1..=32).contains(&class.len()) && class.chars().all(plain),
            format!("{key}.classes"),
            format!("'{class}' is no class: one word, such as spam, phish or virus"),
        );
    }
    let users: Vec<String> = rule.outgoing_users.iter().map(of_user).collect();
    for (what, patterns) in [
        ("identities", &rule.identities),
        ("outgoing_users", &users),
        ("except", &rule.except),
    ] {
        for (at, pattern) in patterns.iter().enumerate() {
            if let Err(error) = pattern.parse::<IdentityPattern>() {
                problems.add(
                    format!("{key}.{what}[{at}]"),
                    format!("'{pattern}' {error}"),
                );
            }
        }
    }
    problems.demand(
        rule.window.0.as_secs() > 0,
        format!("{key}.window"),
        "must be at least 1s",
    );
    for (what, value) in [
        ("min_weight", rule.min_weight),
        ("min_messages", rule.min_messages),
        ("min_complainants", rule.min_complainants),
        ("min_feeds", rule.min_feeds),
    ] {
        problems.demand(
            value > 0 && value <= MOST_COMPLAINTS as u64,
            format!("{key}.{what}"),
            format!("must be at least 1 and at most {MOST_COMPLAINTS}"),
        );
    }
    consequences(rule, key, problems);
}

fn consequences(rule: &Rule, key: &str, problems: &mut Problems) {
    for (what, set) in [
        ("lock_timeout", rule.lock_timeout.is_some()),
        (
            "max_automatic_unlocks",
            rule.max_automatic_unlocks.is_some(),
        ),
        ("reason", rule.reason.is_some()),
    ] {
        problems.demand(
            !set || rule.action.orders(),
            format!("{key}.{what}"),
            format!("means nothing where the action is {}", rule.action.as_str()),
        );
    }
    if let Some(timeout) = rule.lock_timeout {
        problems.demand(
            (60..=LONGEST_LOCK).contains(&timeout.0.as_secs()),
            format!("{key}.lock_timeout"),
            "must be at least 1m and at most 366d",
        );
    }
    problems.demand(
        rule.max_automatic_unlocks.is_none() || rule.lock_timeout.is_some(),
        format!("{key}.max_automatic_unlocks"),
        "means nothing without lock_timeout: nothing is unlocked automatically",
    );
    if let Some(reason) = &rule.reason {
        let fits =
            (1..=LONGEST_REASON).contains(&reason.len()) && !reason.contains(char::is_control);
        problems.demand(
            fits && !reason.trim().is_empty(),
            format!("{key}.reason"),
            format!("must be one line of at most {LONGEST_REASON} octets"),
        );
    }
}
