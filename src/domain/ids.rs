//! Identifiers. All of them are digests of what they name, so that the same report, identity or complaint
//! gets the same identifier on every node and at every try: doing a thing twice meets its own first trace.

use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// Digest of parts that are length-prefixed, so that no two different lists of parts read the same.
fn digest(kind: &str, parts: &[&[u8]]) -> Uuid {
    let mut hasher = blake3::Hasher::new();
    for part in std::iter::once(&kind.as_bytes()).chain(parts) {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut first = [0u8; 16];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(first).into_uuid()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// The identifier of what these parts name.
            pub fn of(parts: &[&[u8]]) -> Self {
                Self(digest($kind, parts))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

id!(
    /// One message that arrived, by its bytes and by what was proven of its source. The same bytes from the
    /// same feed are the same report: a retransmission after a lost reply is recognised.
    ReportId,
    "report"
);
id!(
    /// One identity of one outgoing user.
    IdentityId,
    "identity"
);
id!(
    /// One distinct (identity, feed, enclosed message, complainant).
    ComplaintId,
    "complaint"
);
id!(
    /// The enclosed message, whoever reports it.
    MessageKey,
    "message"
);
id!(
    /// The set of recipients on whose behalf a complaint is made; redacted tokens serve as well.
    ComplainantKey,
    "complainant"
);
id!(
    /// One crossing of one rule by one identity.
    IncidentId,
    "incident"
);
id!(
    /// One order to one target for one incident; also the idempotency key that travels with it.
    OrderId,
    "order"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(ReportId::of(&[b"ab", b"c"]), ReportId::of(&[b"a", b"bc"]));
        assert_ne!(ReportId::of(&[b"a"]), ReportId::of(&[b"a", b""]));
    }

    #[test]
    fn kinds_differ() {
        assert_ne!(ReportId::of(&[b"a"]).0, IdentityId::of(&[b"a"]).0);
    }
}
