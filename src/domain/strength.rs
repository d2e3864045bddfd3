//! The strength of an attribution: on whose word it rests that somebody sent a message. What the sender could
//! have written into the message himself is never stronger than what others vouch for.

use serde::{Deserialize, Serialize};

/// On whose word an identity was named. In ascending order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Strength {
    /// The sender's own claim: anybody may send under any envelope sender.
    #[default]
    Claimed,
    /// A header of the enclosed message that the customer's mail server adds, and that a sender could add too.
    Enclosed,
    /// The word of a proven feed, or a trace that one of our own hosts wrote.
    Vouched,
    /// A token or signature that only we can make.
    Signed,
}

impl Strength {
    /// All of them, in ascending order.
    pub const ALL: [Self; 4] = [Self::Claimed, Self::Enclosed, Self::Vouched, Self::Signed];

    /// The stable name, as in configuration, records and the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Enclosed => "enclosed",
            Self::Vouched => "vouched",
            Self::Signed => "signed",
        }
    }
}
