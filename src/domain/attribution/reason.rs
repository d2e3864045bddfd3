//! Why nobody was named: a closed list of stable codes. What each means and which setting would mend it stands in
//! `advice.rs`.

use serde::{Deserialize, Serialize};

macro_rules! reasons {
    ($( $(#[doc = $doc:literal])+ $name:ident = $code:literal, )*) => {
        /// Why no identity was found.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $( $(#[doc = $doc])+ #[serde(rename = $code)] $name, )*
        }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Self] = &[ $( Self::$name, )* ];

            /// The stable name, as in records and metric labels.
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$name => $code, )* }
            }
        }
    };
}

reasons! {
    /// The message is no report.
    NotAReport = "not_a_report",
    /// An identification header is configured, none was there, and that ends the search.
    HeaderStripped = "header_stripped",
    /// Identification headers disagree: one of them was written by somebody else.
    HeaderAmbiguous = "header_ambiguous",
    /// The enclosed headers name different outgoing users: one of them was written by somebody else.
    UserAmbiguous = "user_ambiguous",
    /// Two methods name different senders, and the stronger word may not be overruled by the weaker.
    Conflicting = "conflicting",
    /// The only authenticating user is a whole server or domain, and no other method matched.
    SharedUser = "shared_user",
    /// The enclosed message came into our network from outside and was only sent on by us.
    Forwarded = "forwarded",
    /// The enclosed message was never ours.
    NotOurNetwork = "not_our_network",
    /// The reporter hid what the methods look at.
    Redacted = "redacted",
    /// The report encloses no message, nor its headers.
    NothingEnclosed = "nothing_enclosed",
    /// A token was made with a key that is not configured (any more).
    TokenUnknownKey = "token_unknown_key",
    /// A token was altered, or made by somebody else.
    TokenBadMac = "token_bad_mac",
    /// A token's time was over when the report came.
    TokenExpired = "token_expired",
    /// A token was cut off or cannot be read.
    TokenMalformed = "token_malformed",
    /// A signature of ours does not fit the enclosed headers.
    SignatureInvalid = "signature_invalid",
    /// The key of a signature of ours could not be had from DNS.
    SignatureUnchecked = "signature_unchecked",
    /// No method found anything.
    NothingMatched = "nothing_matched",
}
