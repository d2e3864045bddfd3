//! What the desk taught: a report was attributed by hand, and something in it stands for its sender from then on.
//! A mapping holds for the feed that it was learnt from, speaks only where no method named anybody, and is never
//! stronger than what it rests on.

use super::attribution::normal::host;
use super::attribution::{Attribution, IdentificationMethod, Reason, UserSearch, outgoing_user};
use super::identity::Identity;
use super::ids::ReportId;
use super::report::Reading;
use super::strength::Strength;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Mappings that may be in force, over all feeds.
pub const MOST_MAPPINGS: usize = 10_000;
/// Headers that mappings of one feed may look at.
pub const MOST_HEADERS: usize = 64;
/// The longest value of a key, in octets.
const LONGEST: usize = 320;
/// Headers that differ from message to message: they stand for nobody.
const PASSING: [&str; 8] = [
    "message-id",
    "date",
    "received",
    "subject",
    "to",
    "cc",
    "dkim-signature",
    "content-type",
];

/// What of a report stands for its sender.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Choice {
    /// The address that the enclosed message came from.
    SourceIp,
    /// The outgoing user, whole servers too: that is what a person can know better.
    OutgoingUser,
    /// The domain of the envelope sender.
    SenderDomain,
    /// A header of the enclosed message and its value; the name in lower case.
    Header(String),
}

/// The text is no choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoChoice {
    /// It is none of them.
    #[error("is none of source-ip, outgoing-user, sender-domain and header:NAME")]
    Unknown,
    /// The header's name is none.
    #[error("needs a header's name, as in header:X-Customer")]
    Name,
    /// The header says nothing of the sender.
    #[error("names a header that is another in each message")]
    Passing,
}

impl FromStr for Choice {
    type Err = NoChoice;

    fn from_str(text: &str) -> Result<Self, NoChoice> {
        Ok(match text.trim() {
            "source-ip" => Self::SourceIp,
            "outgoing-user" => Self::OutgoingUser,
            "sender-domain" => Self::SenderDomain,
            other => {
                let name = other.strip_prefix("header:").ok_or(NoChoice::Unknown)?;
                let fine = |c: char| c.is_ascii_graphic() && c != ':';
                if name.is_empty() || name.len() > 76 || !name.chars().all(fine) {
                    return Err(NoChoice::Name);
                }
                let name = name.to_ascii_lowercase();
                if PASSING.contains(&name.as_str()) {
                    return Err(NoChoice::Passing);
                }
                Self::Header(name)
            }
        })
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceIp => f.write_str("source-ip"),
            Self::OutgoingUser => f.write_str("outgoing-user"),
            Self::SenderDomain => f.write_str("sender-domain"),
            Self::Header(name) => write!(f, "header:{name}"),
        }
    }
}

/// What stands for a sender: which part of a report, and what is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The part.
    pub choice: Choice,
    /// What is there, in normal form.
    pub value: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.choice, self.value)
    }
}

impl Key {
    /// The key that a report has, and on whose word that rests; None where it has none, or contradicts itself.
    pub fn of(
        choice: &Choice,
        reading: &Reading<'_>,
        trust_user: bool,
    ) -> Option<(Self, Strength)> {
        let report = &reading.report;
        let (value, strength) = match choice {
            Choice::SourceIp => {
                let strength = match reading.derived.contains_key("source_ip") {
                    true => Strength::Claimed,
                    false => Strength::Enclosed,
                };
                (report.source_ip?.to_string(), strength)
            }
            Choice::OutgoingUser => match outgoing_user(reading, trust_user) {
                UserSearch::Found(user, _) => (user.to_string().to_lowercase(), Strength::Enclosed),
                UserSearch::Ambiguous | UserSearch::Missing => return None,
            },
            Choice::SenderDomain => {
                let (_, domain) = report.original_mail_from.as_deref()?.rsplit_once('@')?;
                (host(domain.trim()).into_owned(), Strength::Claimed)
            }
            Choice::Header(name) => {
                let mut values = reading.headers.all(name);
                let first = values.next()?.trim().to_owned();
                // Two that differ: somebody else wrote one of them.
                if values.any(|other| other.trim() != first) {
                    return None;
                }
                (first, Strength::Enclosed)
            }
        };
        let fine = !value.is_empty() && value.len() <= LONGEST && !value.contains(char::is_control);
        let choice = choice.clone();
        fine.then_some((Self { choice, value }, strength))
    }
}

/// One thing learnt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Its identifier.
    pub id: Uuid,
    /// The feed whose reports it holds for.
    pub feed: String,
    /// What in them stands for the sender.
    pub key: Key,
    /// Whom.
    pub identity: Identity,
    /// The report that a person looked at.
    pub report: ReportId,
    /// Who that was.
    pub by: String,
}

/// All that is in force, ready to be asked.
#[derive(Debug, Default)]
pub struct Mappings {
    feeds: HashMap<String, HashMap<Choice, HashMap<String, Mapping>>>,
}

impl FromIterator<Mapping> for Mappings {
    fn from_iter<I: IntoIterator<Item = Mapping>>(mappings: I) -> Self {
        let mut all = Self::default();
        for mapping in mappings {
            let of_feed = all.feeds.entry(mapping.feed.clone()).or_default();
            let values = of_feed.entry(mapping.key.choice.clone()).or_default();
            values.insert(mapping.key.value.clone(), mapping);
        }
        all
    }
}

/// Whether a person's lesson may speak where methods ended so. Where headers contradict each other, or a token or
/// signature is worth nothing, somebody may have meddled with them, and nobody is named.
fn may_speak(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::HeaderStripped
            | Reason::SharedUser
            | Reason::Redacted
            | Reason::NothingEnclosed
            | Reason::NothingMatched
    )
}

impl Mappings {
    /// How many there are.
    pub fn len(&self) -> usize {
        let values = self.feeds.values().flat_map(HashMap::values);
        values.map(HashMap::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.feeds.is_empty()
    }

    /// Names the sender of what no method named. Mappings that disagree name nobody; of those that agree the
    /// strongest speaks.
    pub fn attribute(
        &self,
        feed: &str,
        reading: &Reading<'_>,
        trust_user: bool,
        unnamed: &Attribution,
    ) -> Option<Attribution> {
        if !unnamed.reason().is_some_and(may_speak) {
            return None;
        }
        let mut found: Option<(&Mapping, Strength)> = None;
        for (choice, values) in self.feeds.get(feed)? {
            let Some((key, strength)) = Key::of(choice, reading, trust_user) else {
                continue;
            };
            let Some(mapping) = values.get(&key.value) else {
                continue;
            };
            match found {
                Some((other, _)) if other.identity.id() != mapping.identity.id() => return None,
                Some((other, before)) if (before, &other.id) >= (strength, &mapping.id) => {}
                _ => found = Some((mapping, strength)),
            }
        }
        let (mapping, strength) = found?;
        Some(Attribution::Identified {
            identity: mapping.identity.clone(),
            method: IdentificationMethod::Learnt,
            provenance: format!(
                "{}, learnt from report {} by {}",
                mapping.key, mapping.report, mapping.by
            ),
            strength,
        })
    }
}

/// The attribution of a report that a person looked at. The desk's word counts as much as a proven feed's: nobody
/// else can say it, and it may be wrong all the same.
pub fn by_hand(identity: Identity, by: &str) -> Attribution {
    Attribution::Identified {
        identity,
        method: IdentificationMethod::ByHand,
        provenance: format!("by hand: {by}"),
        strength: Strength::Vouched,
    }
}

#[cfg(test)]
#[path = "learnt_tests.rs"]
mod tests;
