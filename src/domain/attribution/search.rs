//! Asks the methods one after another, and weighs words that contradict each other.
//!
//! **Order and strength.** The first match in the configured order names the sender, as at the filter. But three methods
//! give words that a message's sender cannot simply write: a token, our own DKIM signature, and a trace in a line of our
//! own servers. They are asked wherever they stand in the order, and a word of theirs is never silently overruled:
//!
//! - Our own trace contradicts a weaker first match: the trace wins, and the provenance says who else was named. It cannot
//!   be copied into another message.
//! - A token or signature contradicts the first match, or each other, or a trace: nobody is named (`conflicting`). They
//!   *can* be copied out of any mail of their bearer, so neither the stronger nor the weaker word may lock: the one may be
//!   stolen, the other forged.
//! - For the same reason a token or signature that matches first is held against the identification and script headers,
//!   where these methods are configured, and against the outgoing user that the filter states.
//!
//! A copy is told by where it was sent from. So a token or signature names somebody only where the message came from one
//! of `own.networks`, or passed our filter; where that is not known it is no more than a claim.
//!
//! That leaves a spammer a way to be named nowhere: to write a contradiction into his mail, as disagreeing headers always
//! were. His reports then stand in the queue of the unattributed under that reason, with his outgoing user. It is the
//! price of never locking whom somebody else chose. References, account numbers and the like are other kinds of name than
//! mailboxes; they contradict nothing.

use super::dkim::OwnSignature;
use super::forwarded::is_forwarded;
use super::hop::{Chain, Hop};
use super::token::Failure;
use super::user::{UserSearch, outgoing_user};
use super::{Attribution, IdentificationMethod as Method, Methods, Reason};
use crate::domain::identity::{Identity, OutgoingUser};
use crate::domain::report::{Format, Reading};
use crate::domain::strength::Strength;
use jiff::Timestamp;

/// What is known of a report beside its text.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Whether the outgoing user may be taken from the enclosed headers: see [`Feed`](crate::domain::feed::Feed).
    pub trust_enclosed_user: bool,
    /// Whether a feed's proof holds.
    pub proven: bool,
    /// The addresses that the report was sent to: of its envelope, and `To` as written.
    pub recipients: &'a [String],
    /// The enclosed Received lines, where [`Methods::wants_hops`].
    pub hops: &'a [Hop],
    /// Our own signatures on the enclosed message, where there are any.
    pub signatures: &'a [OwnSignature],
    /// When the report came: tokens are judged by it.
    pub received_at: Timestamp,
}

impl Default for Context<'_> {
    /// Nothing is known.
    fn default() -> Self {
        Self {
            trust_enclosed_user: false,
            proven: false,
            recipients: &[],
            hops: &[],
            signatures: &[],
            received_at: Timestamp::UNIX_EPOCH,
        }
    }
}

/// The outcome of attribution with all that follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Who, or why nobody.
    pub attribution: Attribution,
    /// Whether many customers are behind the identity, so that it is never locked automatically.
    pub shared: bool,
    /// Tokens that were found and worth nothing, whatever else named the sender.
    pub token_failures: Vec<Failure>,
}

/// A match.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub method: Method,
    pub value: String,
    pub user: Option<OutgoingUser>,
    pub provenance: String,
    pub strength: Strength,
    pub shared: bool,
}

impl Found {
    /// Whether both name mailboxes, and not the same.
    fn contradicts(&self, other: &Self) -> bool {
        let mailbox = |found: &Self| {
            found.value.contains('@')
                && !matches!(found.method, Method::AuthenticatingUser | Method::SourceIp)
        };
        let users = matches!((&self.user, &other.user), (Some(a), Some(b)) if !same_user(a, b));
        users || mailbox(self) && mailbox(other) && self.value != other.value
    }
}

/// One account written in two ways is one account.
fn same_user(a: &OutgoingUser, b: &OutgoingUser) -> bool {
    a.domain == b.domain && a.username.to_lowercase() == b.username.to_lowercase()
}

/// What a method came to.
#[derive(Clone, Debug)]
pub(super) enum Search {
    Found(Found),
    /// Nobody may be named.
    Nobody(Reason),
    /// It found nothing; perhaps it can say why.
    Missing(Option<Reason>),
}

/// Methods whose word the sender cannot simply write.
const HARD: [Method; 3] = [Method::Token, Method::Dkim, Method::ReceivedTrace];

/// Names the sender of the enclosed message.
pub fn attribute(reading: &Reading<'_>, methods: &Methods, context: Context<'_>) -> Outcome {
    let mut failures = Vec::new();
    let nobody = |reason, outgoing_user, token_failures| Outcome {
        attribution: Attribution::Unattributed {
            reason,
            outgoing_user,
        },
        shared: reason == Reason::SharedUser,
        token_failures,
    };
    if reading.format == Format::None {
        return nobody(Reason::NotAReport, None, failures);
    }
    let (user, source) = match outgoing_user(reading, context.trust_enclosed_user) {
        UserSearch::Found(user, source) => (Some(user), source),
        UserSearch::Ambiguous => return nobody(Reason::UserAmbiguous, None, failures),
        UserSearch::Missing => (None, ""),
    };
    let stated = match reading.derived.contains_key("source_ip") {
        true => None,
        false => reading.report.source_ip,
    };
    let own = &methods.own;
    let chain = match own.knows_hops() {
        true => Chain::of(context.hops, own, stated),
        false => Chain::Foreign,
    };
    if is_forwarded(reading, context.hops, chain, own) {
        return nobody(Reason::Forwarded, user, failures);
    }
    let asked = Asked {
        reading,
        methods,
        context,
        user: user.as_ref(),
        source,
        chain,
    };
    let hard = asked.hard(&mut failures);
    // Who authenticated at our filter, or at a server of ours by its own line, is our customer, wherever he sat. A token
    // or signature does not say so: whoever got a mail of his can copy both into another.
    let traced = |(method, search): &(Method, Search)| {
        *method == Method::ReceivedTrace && matches!(search, Search::Found(_))
    };
    let ours = hard.iter().any(traced);
    if user.is_none() && !ours && own.is_foreign(reading) {
        return nobody(Reason::NotOurNetwork, None, failures);
    }
    let mut why = None;
    let mut note = "";
    for method in &methods.order {
        let search = match hard.iter().find(|(hard, _)| hard == method) {
            Some((_, search)) => search.clone(),
            None => asked.ask(*method),
        };
        match search {
            Search::Found(found) => {
                let weighed = asked.weighed(found, &hard);
                return match weighed.and_then(|found| asked.not_copied(found, ours)) {
                    Ok(found) => identified(found, user, methods, note, failures),
                    Err(reason) => nobody(reason, user, failures),
                };
            }
            Search::Nobody(reason) => return nobody(reason, user, failures),
            Search::Missing(reason) => {
                if *method == Method::IdentificationHeader && !methods.headers.is_empty() {
                    note = "; no identification header was there";
                }
                why = why.or(reason);
            }
        }
    }
    nobody(why.unwrap_or_else(|| unmatched(reading)), user, failures)
}

/// The reason where no method has one of its own.
fn unmatched(reading: &Reading<'_>) -> Reason {
    if reading.headers.is_empty() && reading.report.original_mail_from.is_none() {
        return Reason::NothingEnclosed;
    }
    match reading.redacted.contains(&"original_mail_from") {
        true => Reason::Redacted,
        false => Reason::NothingMatched,
    }
}

fn identified(
    found: Found,
    user: Option<OutgoingUser>,
    methods: &Methods,
    note: &str,
    token_failures: Vec<Failure>,
) -> Outcome {
    let identity = Identity {
        outgoing_user: user.or(found.user),
        value: found.value,
    };
    let domains = &methods.own.domains;
    let why = match found.shared {
        true => Some("by its map"),
        false => methods.shared.why(&identity, found.method, domains),
    };
    let mut provenance = found.provenance + note;
    for failure in &token_failures {
        provenance = format!("{provenance}; a token was there, but {failure}");
    }
    if let Some(why) = why {
        provenance = format!("{provenance}; shared: {why}");
    }
    Outcome {
        attribution: Attribution::Identified {
            identity,
            method: found.method,
            provenance,
            strength: found.strength,
        },
        shared: why.is_some(),
        token_failures,
    }
}

/// One report, asked by many methods.
pub(super) struct Asked<'a> {
    pub reading: &'a Reading<'a>,
    pub methods: &'a Methods,
    pub context: Context<'a>,
    pub user: Option<&'a OutgoingUser>,
    /// Where the user was read.
    pub source: &'static str,
    /// What our own servers wrote.
    pub chain: Chain,
}

impl Asked<'_> {
    /// Asks those methods whose word is never silently overruled, as far as they are configured.
    fn hard(&self, failures: &mut Vec<Failure>) -> Vec<(Method, Search)> {
        let wanted = |method: &Method| self.methods.order.contains(method);
        let ask = |method| {
            let search = match method {
                Method::Token => self.token(failures),
                Method::Dkim => self.dkim(),
                _ => self.trace(),
            };
            (method, search)
        };
        HARD.into_iter().filter(wanted).map(ask).collect()
    }

    /// What is left of a word that may have been copied into somebody else's mail; `traced`: a line of ours shows that
    /// the message is our customer's.
    fn not_copied(&self, found: Found, traced: bool) -> Result<Found, Reason> {
        if found.strength != Strength::Signed || self.user.is_some() || traced {
            return Ok(found);
        }
        let own = &self.methods.own;
        match self.reading.report.source_ip {
            Some(ip) if own.has(ip) => Ok(found),
            Some(_) if !own.networks.is_empty() => Err(Reason::NotOurNetwork),
            _ => Ok(Found {
                provenance: format!("{}; not known to be sent by us", found.provenance),
                strength: Strength::Claimed,
                ..found
            }),
        }
    }

    /// Whether the first match may stand; see the top of this file.
    fn weighed(&self, first: Found, hard: &[(Method, Search)]) -> Result<Found, Reason> {
        let signed = |found: &Found| found.strength == Strength::Signed;
        if signed(&first)
            && let (Some(ours), Some(theirs)) = (self.user, &first.user)
            && !same_user(ours, theirs)
        {
            return Err(Reason::Conflicting);
        }
        let mut named = first.clone();
        for (method, search) in hard.iter().filter(|(method, _)| *method != first.method) {
            let other = match search {
                Search::Found(other) => other,
                // Two of ours contradict each other already.
                Search::Nobody(reason) => return Err(*reason),
                Search::Missing(_) => continue,
            };
            if !other.contradicts(&first) {
                continue;
            }
            let trace = *method == Method::ReceivedTrace;
            if !trace || signed(&first) {
                return Err(Reason::Conflicting);
            }
            if other.strength > first.strength {
                named = Found {
                    provenance: format!(
                        "{}; {} named {}",
                        other.provenance,
                        first.method.as_str(),
                        first.value
                    ),
                    ..other.clone()
                };
            }
        }
        if signed(&first) {
            let soft = [Method::IdentificationHeader, Method::ScriptHeader];
            for method in soft.into_iter().filter(|m| self.methods.order.contains(m)) {
                match self.ask(method) {
                    Search::Found(other) if other.contradicts(&first) => {
                        return Err(Reason::Conflicting);
                    }
                    // A header that was stripped contradicts nothing.
                    Search::Nobody(Reason::HeaderAmbiguous) => return Err(Reason::HeaderAmbiguous),
                    _ => {}
                }
            }
        }
        Ok(named)
    }
}

#[cfg(test)]
#[path = "weighing_tests.rs"]
mod tests;
