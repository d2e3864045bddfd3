//! The feedback type of a report (RFC 5965 section 3.1, RFC 6430, RFC 6591, RFC 6650) and what it may
//! mean for a lock. Unknown types are kept as they came: they are never a reason to refuse a report.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What the reporter says about the message, from the IANA registry of feedback types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum FeedbackType {
    /// Spam or other mail abuse (RFC 5965).
    Abuse,
    /// Fraud or phishing (RFC 5965).
    Fraud,
    /// A virus was found (RFC 5965).
    Virus,
    /// Anything else (RFC 5965).
    Other,
    /// The recipient asks to be taken off (RFC 5965, dropped by the final text, still sent).
    OptOut,
    /// The recipient says it is not spam (RFC 6430): the opposite signal.
    NotSpam,
    /// Failed authentication (RFC 6591): not a complaint.
    AuthFailure,
    /// DMARC aggregate marker some generators use (RFC 9991 draft lineage): not a complaint.
    Dmarc,
    /// A type outside the registry, lower case, as it came.
    Unknown(String),
}

impl FeedbackType {
    /// The registered name, lower case; an unknown type as it came.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Abuse => "abuse",
            Self::Fraud => "fraud",
            Self::Virus => "virus",
            Self::Other => "other",
            Self::OptOut => "opt-out",
            Self::NotSpam => "not-spam",
            Self::AuthFailure => "auth-failure",
            Self::Dmarc => "dmarc",
            Self::Unknown(name) => name,
        }
    }

    /// A bounded label for metrics: an attacker chooses the name of an unknown type.
    pub fn label(&self) -> &str {
        match self {
            Self::Unknown(_) => "unknown",
            known => known.as_str(),
        }
    }

    /// Whether a report of this type may ever count towards a lock. A rescue (`not-spam`) and an
    /// authentication failure say nothing against the sender, whatever a feed's weights are.
    pub fn may_count(&self) -> bool {
        !matches!(self, Self::NotSpam | Self::AuthFailure | Self::Dmarc)
    }
}

impl From<&str> for FeedbackType {
    fn from(name: &str) -> Self {
        let name = name.trim().to_ascii_lowercase();
        match name.as_str() {
            "abuse" => Self::Abuse,
            "fraud" => Self::Fraud,
            "virus" => Self::Virus,
            "other" => Self::Other,
            "opt-out" | "opt-out-list" => Self::OptOut,
            "not-spam" => Self::NotSpam,
            "auth-failure" => Self::AuthFailure,
            "dmarc" => Self::Dmarc,
            _ => Self::Unknown(name),
        }
    }
}

impl From<String> for FeedbackType {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<FeedbackType> for String {
    fn from(kind: FeedbackType) -> Self {
        kind.as_str().to_owned()
    }
}

impl fmt::Display for FeedbackType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
