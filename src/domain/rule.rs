//! Rules: what they look at, how much is enough, and what follows. The arithmetic is `threshold.rs`'s.

use super::complaint::Complaint;
use super::feed::Right;
use super::feedback::FeedbackType;
use super::identity::Identity;
use super::pattern::IdentityPattern;
use super::strength::Strength;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What follows from a crossing. In ascending order: a ladder.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// It is recorded.
    Observe,
    /// The desk is told.
    Notify,
    /// The identity's mail is kept back.
    Hold,
    /// The identity is locked.
    #[default]
    Lock,
}

impl Step {
    /// All of them, in ascending order.
    pub const ALL: [Self; 4] = [Self::Observe, Self::Notify, Self::Hold, Self::Lock];

    /// The stable name, as in configuration and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Notify => "notify",
            Self::Hold => "hold",
            Self::Lock => "lock",
        }
    }

    /// What a feed must be allowed to do for its complaints to carry such a crossing.
    pub fn right(self) -> Right {
        match self {
            Self::Observe => Right::Record,
            Self::Notify => Right::Notify,
            Self::Hold => Right::Hold,
            Self::Lock => Right::Lock,
        }
    }

    /// Whether anything is asked of a target.
    pub fn orders(self) -> bool {
        self >= Self::Hold
    }
}

/// What crossing means. Every minimum must be reached within the same window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// Its name: a label in metrics and records.
    pub name: String,
    /// What follows.
    pub action: Step,
    /// Feeds that it looks at; empty for all.
    pub feeds: Vec<String>,
    /// Feedback types that it looks at; empty for all that count.
    pub feedback_types: Vec<FeedbackType>,
    /// Classes that it looks at, in lower case, as the filter states them; empty for all, stated or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<String>,
    /// Identities that it is for; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<IdentityPattern>,
    /// Outgoing users that it is for, each a `user:` pattern; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outgoing_users: Vec<IdentityPattern>,
    /// Identities that it is not for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<IdentityPattern>,
    /// The least provenance of a complaint's identity that it looks at.
    pub min_strength: Strength,
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
    /// How long what it orders lasts, in seconds; without it until somebody ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock_timeout_seconds: Option<u64>,
    /// How often the timeout ends a lock of one identity; after that only a person does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_automatic_unlocks: Option<u32>,
    /// The reason that orders give, in place of the arithmetic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A rule over everything, that one complaint within an hour crosses: to be narrowed.
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
            window_seconds: 3600,
            min_weight: 1,
            min_messages: 1,
            min_complainants: 1,
            min_feeds: 1,
            lock_timeout_seconds: None,
            max_automatic_unlocks: None,
            reason: None,
        }
    }
}

/// Why a rule does not look at a complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Excluded {
    /// It is of another feed.
    OtherFeed,
    /// It is of another feedback type.
    OtherType,
    /// The filter gave its message another class, or none.
    OtherClass,
    /// It is not known well enough that it is about this identity.
    TooWeak,
}

impl Excluded {
    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherFeed => "other_feed",
            Self::OtherType => "other_type",
            Self::OtherClass => "other_class",
            Self::TooWeak => "too_weak",
        }
    }
}

impl Rule {
    /// Why the rule does not look at a complaint, if it does not. Time is another matter.
    pub fn excludes(&self, complaint: &Complaint) -> Option<Excluded> {
        if !self.feeds.is_empty() && !self.feeds.contains(&complaint.feed) {
            return Some(Excluded::OtherFeed);
        }
        let kinds = &self.feedback_types;
        if !kinds.is_empty() && !kinds.contains(&complaint.feedback_type) {
            return Some(Excluded::OtherType);
        }
        let among = |class: &String| self.classes.contains(class);
        if !self.classes.is_empty() && !complaint.class.as_ref().is_some_and(among) {
            return Some(Excluded::OtherClass);
        }
        (complaint.strength < self.min_strength).then_some(Excluded::TooWeak)
    }

    /// Whether the rule looks at a complaint at all.
    pub fn concerns(&self, complaint: &Complaint) -> bool {
        self.excludes(complaint).is_none()
    }

    /// Whether the rule is for an identity.
    pub fn is_for(&self, identity: &Identity) -> bool {
        let any = |patterns: &[IdentityPattern]| patterns.iter().any(|p| p.matches(identity));
        (self.identities.is_empty() || any(&self.identities))
            && (self.outgoing_users.is_empty() || any(&self.outgoing_users))
            && !any(&self.except)
    }

    /// What the rule asks for, as text: two rules of one name and shape are the same rule. What is added to
    /// rules later must leave the shapes of those that do not use it as they are.
    pub fn shape(&self) -> String {
        let kinds: Vec<&str> = self
            .feedback_types
            .iter()
            .map(FeedbackType::as_str)
            .collect();
        let mut shape = format!(
            "feeds {:?} types {kinds:?} window {} weight {} messages {} complainants {} feeds {}",
            self.feeds,
            self.window_seconds,
            self.min_weight,
            self.min_messages,
            self.min_complainants,
            self.min_feeds
        );
        if self.action != Step::Lock {
            shape += &format!(" action {}", self.action.as_str());
        }
        if !self.classes.is_empty() {
            shape += &format!(" classes {:?}", self.classes);
        }
        for (what, patterns) in [
            ("identities", &self.identities),
            ("users", &self.outgoing_users),
            ("except", &self.except),
        ] {
            if !patterns.is_empty() {
                let texts: Vec<String> = patterns.iter().map(ToString::to_string).collect();
                shape += &format!(" {what} {texts:?}");
            }
        }
        if self.min_strength != Strength::Claimed {
            shape += &format!(" strength {}", self.min_strength.as_str());
        }
        shape
    }

    /// The instant after which complaints are inside the window that ends at `now`.
    pub fn window_start(&self, now: Timestamp) -> Timestamp {
        let length = i64::try_from(self.window_seconds).unwrap_or(i64::MAX);
        now.checked_sub(SignedDuration::from_secs(length))
            .unwrap_or(Timestamp::MIN)
    }
}
