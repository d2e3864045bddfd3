//! Attribution: which identity sent the enclosed message. The filter's three identification methods are
//! tried in the configured order and the first match wins, as at the filter itself; the outcome says how it
//! was found, or why nobody could be named.

use super::headers::HeaderBlock;
use super::identity::{Identity, OutgoingUser};
use super::report::Reading;
use super::strength::Strength;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The longest identity that is taken: a local part of 64 and a domain of 255 octets (RFC 5321, 4.5.3.1).
const LONGEST: usize = 320;

/// Where a report itself states the outgoing user.
const STATED: &str = "smtp.auth of the report's Authentication-Results";

/// The filter's identification methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentificationMethod {
    /// A header that the customer's MTA adds.
    IdentificationHeader,
    /// The user that authenticated at the filter.
    AuthenticatingUser,
    /// The envelope sender.
    EnvelopeSender,
    /// None of the filter's: the desk named the sender of this report.
    ByHand,
    /// None of the filter's: the desk named the sender of a report like this one.
    Learnt,
}

impl IdentificationMethod {
    /// The stable name, as in configuration, records and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IdentificationHeader => "identification_header",
            Self::AuthenticatingUser => "authenticating_user",
            Self::EnvelopeSender => "envelope_sender",
            Self::ByHand => "by_hand",
            Self::Learnt => "learnt",
        }
    }
}

/// One header that may carry the identity.
#[derive(Clone, Debug)]
pub struct HeaderRule {
    /// The header's name, compared without case.
    pub name: String,
    /// What to take from its value: the first group, or the whole match where there is no group. Without a
    /// pattern the whole value is the identity.
    pub capture: Option<Regex>,
}

/// What to do when no identification header is found although headers are configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderMissing {
    /// Try the next method, and say in the provenance that the header was missing.
    NextMethod,
    /// Stop: the filter is set to remove the header, and a weaker method would name somebody else.
    Stop,
}

/// How identities are found.
#[derive(Clone, Debug)]
pub struct Methods {
    /// The methods in the order the filter tries them.
    pub order: Vec<IdentificationMethod>,
    /// The identification headers in order.
    pub headers: Vec<HeaderRule>,
    /// What a missing header means.
    pub header_missing: HeaderMissing,
}

/// Why no identity was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The message is no report.
    NotAReport,
    /// An identification header is configured, none was there, and that ends the search.
    HeaderStripped,
    /// Identification headers disagree: one of them was written by somebody else.
    HeaderAmbiguous,
    /// The enclosed headers name different outgoing users: one of them was written by somebody else.
    UserAmbiguous,
    /// The only authenticating user is a whole server or domain, and no other method matched.
    SharedUser,
    /// No method found anything.
    NothingMatched,
}

impl Reason {
    /// The stable name, as in records and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotAReport => "not_a_report",
            Self::HeaderStripped => "header_stripped",
            Self::HeaderAmbiguous => "header_ambiguous",
            Self::UserAmbiguous => "user_ambiguous",
            Self::SharedUser => "shared_user",
            Self::NothingMatched => "nothing_matched",
        }
    }
}

/// The outcome of attribution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Attribution {
    /// Somebody was named.
    Identified {
        /// Who.
        identity: Identity,
        /// By which method.
        method: IdentificationMethod,
        /// Where in the report it stood, for people.
        provenance: String,
        /// On whose word.
        #[serde(default)]
        strength: Strength,
    },
    /// Nobody was.
    Unattributed {
        /// Why.
        reason: Reason,
        /// The outgoing user, where at least that is known.
        outgoing_user: Option<OutgoingUser>,
    },
}

impl Attribution {
    /// The identity, if somebody was named.
    pub fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Identified { identity, .. } => Some(identity),
            Self::Unattributed { .. } => None,
        }
    }

    /// On whose word, if somebody was named.
    pub fn strength(&self) -> Option<Strength> {
        match self {
            Self::Identified { strength, .. } => Some(*strength),
            Self::Unattributed { .. } => None,
        }
    }

    /// A bounded label: the method's name, or the reason's.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Identified { method, .. } => method.as_str(),
            Self::Unattributed { reason, .. } => reason.as_str(),
        }
    }
}

/// Names the sender of the enclosed message. `trust_enclosed_user`: see [`Feed`](super::feed::Feed).
pub fn attribute(
    reading: &Reading<'_>,
    methods: &Methods,
    trust_enclosed_user: bool,
) -> Attribution {
    if reading.format == super::report::Format::None {
        return Attribution::Unattributed {
            reason: Reason::NotAReport,
            outgoing_user: None,
        };
    }
    let user = match outgoing_user(reading, trust_enclosed_user) {
        UserSearch::Found(user, source) => Some((user, source)),
        UserSearch::Ambiguous => return unattributed(Reason::UserAmbiguous, None),
        UserSearch::Missing => None,
    };
    let mut note = "";
    let mut reason = Reason::NothingMatched;
    for method in &methods.order {
        let found = match method {
            IdentificationMethod::IdentificationHeader => {
                match by_header(&reading.headers, &methods.headers) {
                    HeaderSearch::Found(value, name) => {
                        let provenance = format!("header {name} of the enclosed message");
                        Some((value, provenance, Strength::Enclosed))
                    }
                    HeaderSearch::Ambiguous => {
                        return unattributed(Reason::HeaderAmbiguous, user);
                    }
                    HeaderSearch::Missing => match methods.header_missing {
                        HeaderMissing::Stop => return unattributed(Reason::HeaderStripped, user),
                        HeaderMissing::NextMethod => {
                            note = "; no identification header was there";
                            None
                        }
                    },
                    HeaderSearch::NotConfigured => None,
                }
            }
            IdentificationMethod::AuthenticatingUser => match &user {
                Some((user, _)) if user.is_shared() => {
                    reason = Reason::SharedUser;
                    None
                }
                Some((user, source)) => {
                    let strength = match *source {
                        STATED => Strength::Vouched,
                        _ => Strength::Enclosed,
                    };
                    normal(&user.to_string()).map(|value| (value, (*source).to_owned(), strength))
                }
                None => None,
            },
            IdentificationMethod::EnvelopeSender => reading
                .report
                .original_mail_from
                .as_deref()
                .filter(|sender| sender.contains('@'))
                .and_then(normal)
                .map(|value| {
                    let source = match reading.derived.get("original_mail_from") {
                        Some(source) => format!("envelope sender, from {source}"),
                        None => "Original-Mail-From".to_owned(),
                    };
                    (value, source, Strength::Claimed)
                }),
            // Not for methods to say.
            IdentificationMethod::ByHand | IdentificationMethod::Learnt => None,
        };
        if let Some((value, provenance, strength)) = found {
            return Attribution::Identified {
                identity: Identity {
                    outgoing_user: user.map(|(user, _)| user),
                    value,
                },
                method: *method,
                provenance: provenance + note,
                strength,
            };
        }
    }
    unattributed(reason, user)
}

fn unattributed(reason: Reason, user: Option<(OutgoingUser, &'static str)>) -> Attribution {
    Attribution::Unattributed {
        reason,
        outgoing_user: user.map(|(user, _)| user),
    }
}

/// What was found of the outgoing user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserSearch {
    /// Who, and where it was read.
    Found(OutgoingUser, &'static str),
    /// Different ones are named.
    Ambiguous,
    /// None is named where it may be believed.
    Missing,
}

/// The outgoing user. The feedback part is the reporter's own word and comes first. The enclosed headers are
/// looked at only when `trust_enclosed`, and must agree among themselves: the spammer may write any of them,
/// and cannot take away those that the filter adds.
pub fn outgoing_user(reading: &Reading<'_>, trust_enclosed: bool) -> UserSearch {
    let stated = &reading.report.authentication_results;
    if let Some(user) = stated.iter().find_map(|value| smtp_auth(value)) {
        return UserSearch::Found(user, STATED);
    }
    if !trust_enclosed {
        return UserSearch::Missing;
    }
    let headers = &reading.headers;
    let mut found: Option<(OutgoingUser, &'static str)> = None;
    let pairs = [
        (
            "X-Spampanel-Domain",
            "X-Spampanel-Username",
            "X-Spampanel-Domain and -Username of the enclosed message",
        ),
        (
            "X-SpamExperts-Domain",
            "X-SpamExperts-Username",
            "X-SpamExperts-Domain and -Username of the enclosed message",
        ),
    ];
    let named = pairs.iter().flat_map(|(domain, username, source)| {
        let domains: Vec<_> = headers.all(domain).collect();
        let usernames: Vec<_> = headers.all(username).collect();
        let longest = domains.len().max(usernames.len());
        let at = |list: &[Cow<'_, str>], i: usize| list.get(i).map(ToString::to_string);
        (0..longest).map(move |i| {
            let domain = at(&domains, i).unwrap_or_default();
            let username = at(&usernames, i).unwrap_or_default();
            (OutgoingUser::new(&domain, &username), *source)
        })
    });
    let authenticated = headers.all("Authentication-Results").filter_map(|value| {
        let user = smtp_auth(&value)?;
        Some((
            Some(user),
            "smtp.auth of the enclosed Authentication-Results",
        ))
    });
    for (user, source) in named.chain(authenticated) {
        match (user, &found) {
            // A half, or one that cannot be: somebody meddled with it.
            (None, _) => return UserSearch::Ambiguous,
            (Some(user), Some((first, _))) if user != *first => return UserSearch::Ambiguous,
            (Some(_), Some(_)) => {}
            (Some(user), None) => found = Some((user, source)),
        }
    }
    match found {
        Some((user, source)) => UserSearch::Found(user, source),
        None => UserSearch::Missing,
    }
}

/// `smtp.auth=USER@DOMAIN` out of an Authentication-Results value (RFC 8601), where it passed.
fn smtp_auth(value: &str) -> Option<OutgoingUser> {
    let mut words = value
        .split(|c: char| c == ';' || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .skip_while(|word| !word.eq_ignore_ascii_case("auth=pass"));
    words.next()?;
    let stated = words.find_map(|word| {
        let (name, value) = word.split_once('=')?;
        name.eq_ignore_ascii_case("smtp.auth").then_some(value)
    })?;
    OutgoingUser::parse(stated.trim_matches('"'))
}

enum HeaderSearch<'r> {
    Found(String, &'r str),
    Ambiguous,
    Missing,
    NotConfigured,
}

/// Looks for the identification headers. Different identities in them mean that one was injected: the
/// spammer may write any header, so nobody is named then.
fn by_header<'r>(headers: &HeaderBlock<'_>, rules: &'r [HeaderRule]) -> HeaderSearch<'r> {
    let mut found: Option<(String, &str)> = None;
    for rule in rules {
        for value in headers.all(&rule.name) {
            let Some(value) = captured(rule, &value).and_then(|v| normal(&v)) else {
                continue;
            };
            match &found {
                Some((first, _)) if *first != value => return HeaderSearch::Ambiguous,
                Some(_) => {}
                None => found = Some((value, &rule.name)),
            }
        }
    }
    match found {
        Some((value, name)) => HeaderSearch::Found(value, name),
        None if rules.is_empty() => HeaderSearch::NotConfigured,
        None => HeaderSearch::Missing,
    }
}

fn captured<'v>(rule: &HeaderRule, value: &'v str) -> Option<Cow<'v, str>> {
    match &rule.capture {
        None => Some(Cow::Borrowed(value)),
        Some(pattern) => {
            let groups = pattern.captures(value)?;
            let hit = groups.get(1).or_else(|| groups.get(0))?;
            Some(Cow::Borrowed(hit.as_str()))
        }
    }
}

/// The normal form of an identity: without brackets, lower case. None for what cannot be one.
pub fn normal(value: &str) -> Option<String> {
    let value = value.trim();
    let value = value
        .strip_prefix('<')
        .and_then(|v| v.strip_suffix('>'))
        .unwrap_or(value);
    let bad = value.is_empty()
        || value.len() > LONGEST
        || value.chars().any(|c| c.is_whitespace() || c.is_control());
    (!bad).then(|| value.to_lowercase())
}

#[cfg(test)]
#[path = "attribution_tests.rs"]
mod tests;
