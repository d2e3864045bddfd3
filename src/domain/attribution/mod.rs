//! Attribution: which identity sent the enclosed message. Methods are asked in the configured order and the first match
//! wins, as at the filter itself; the outcome says how it was found and on whose word, or why nobody could be named. One
//! file a method; `search.rs` asks them and weighs words that contradict each other.

pub mod advice;
mod ask;
mod dkim;
mod forwarded;
mod header;
mod hop;
pub mod normal;
mod own;
mod places;
mod reason;
mod script;
mod search;
mod shared;
mod source;
pub mod token;
mod trace;
mod user;

pub use dkim::{KeyCheck, OwnDkim, OwnKey, OwnSignature};
pub use header::{HeaderMissing, HeaderRule, PRESETS};
pub use hop::{Chain, Hop, MOST_HOPS};
pub use normal::NormalForm;
pub use own::Own;
pub use reason::Reason;
pub use script::Scripts;
pub use search::{Context, Outcome, attribute};
pub use shared::Shared;
pub use source::{Owner, SourceMap};
pub use token::{Bearer, Keys, Place, SHORTEST_SECRET, Tokens};
pub use trace::Traces;
pub use user::{UserSearch, outgoing_user};

use super::identity::{Identity, OutgoingUser};
use super::strength::Strength;
use serde::{Deserialize, Serialize};

/// How identities are found: the filter's three methods, and ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentificationMethod {
    /// A token that only we can make.
    Token,
    /// Our own DKIM signature on the enclosed headers.
    Dkim,
    /// A header that the customer's MTA adds.
    IdentificationHeader,
    /// The user that authenticated at the filter.
    AuthenticatingUser,
    /// The login that one of our own servers wrote down in its `Received` line.
    ReceivedTrace,
    /// A header that a web server adds to what its scripts send.
    ScriptHeader,
    /// The address that the enclosed message came from, by a map.
    SourceIp,
    /// The envelope sender, be it stated or recovered from the enclosed headers.
    EnvelopeSender,
    /// The envelope sender, only as the report's feedback part states it (RFC 5965 section 3.2). A reporter knows it from
    /// its own SMTP session, while a recovered one rests on headers.
    OriginalMailFrom,
    /// No method of any configuration: the desk named the sender of this report.
    ByHand,
    /// No method of any configuration: the desk named the sender of a report like this one.
    Learnt,
}

impl IdentificationMethod {
    /// The stable name, as in configuration, records and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Dkim => "dkim",
            Self::ReceivedTrace => "received_trace",
            Self::IdentificationHeader => "identification_header",
            Self::AuthenticatingUser => "authenticating_user",
            Self::ScriptHeader => "script_header",
            Self::SourceIp => "source_ip",
            Self::EnvelopeSender => "envelope_sender",
            Self::OriginalMailFrom => "original_mail_from",
            Self::ByHand => "by_hand",
            Self::Learnt => "learnt",
        }
    }
}

/// What attribution goes by.
#[derive(Clone, Debug, Default)]
pub struct Methods {
    /// The methods in the order they are tried.
    pub order: Vec<IdentificationMethod>,
    /// The identification headers in order.
    pub headers: Vec<HeaderRule>,
    /// What a missing header means.
    pub header_missing: HeaderMissing,
    /// The normal form of identities.
    pub normal: NormalForm,
    /// Which identities are shared.
    pub shared: Shared,
    /// What is ours.
    pub own: Own,
    /// Whose scripts are whose.
    pub scripts: Scripts,
    /// Whose source addresses are whose.
    pub sources: SourceMap,
    /// How traces are read.
    pub traces: Traces,
    /// Our tokens.
    pub tokens: Tokens,
    /// Our own signatures.
    pub dkim: OwnDkim,
}

impl Methods {
    /// Whether the enclosed Received lines are of any use.
    pub fn wants_hops(&self) -> bool {
        self.own.knows_hops()
    }

    /// Whether signatures on the enclosed message are of any use.
    pub fn wants_signatures(&self) -> bool {
        self.order.contains(&IdentificationMethod::Dkim) && !self.dkim.domains.is_empty()
    }

    /// Whether tokens are looked for.
    pub fn wants_tokens(&self) -> bool {
        self.order.contains(&IdentificationMethod::Token) && !self.tokens.keys.is_empty()
    }
}

impl Methods {
    /// What follows from an attribution that no method made.
    pub fn outcome_of(&self, attribution: Attribution) -> Outcome {
        let shared = match &attribution {
            Attribution::Identified {
                identity, method, ..
            } => {
                let why = self.shared.why(identity, *method, &self.own.domains);
                why.is_some()
            }
            Attribution::Unattributed { reason, .. } => *reason == Reason::SharedUser,
        };
        Outcome {
            attribution,
            shared,
            token_failures: Vec::new(),
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

    /// Why nobody was named.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Identified { .. } => None,
            Self::Unattributed { reason, .. } => Some(*reason),
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

#[cfg(test)]
mod tests;
