//! The filter's terms for who sent a mail: the *outgoing user* that authenticated at the filter, and the
//! *identity* that tells one sender from another behind it.

use super::ids::IdentityId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// The account that a customer's server uses at the filter: a domain and a username. The username may be
/// a name, an IP address (a server authenticated by address) or empty (the domain's default user).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OutgoingUser {
    /// The domain, lower case, never empty.
    pub domain: String,
    /// The username as the filter knows it.
    pub username: String,
}

impl OutgoingUser {
    /// Reads `smtp.auth`'s `USERNAME@DOMAIN`, which splits at the last `@`. None where there is no domain.
    pub fn parse(smtp_auth: &str) -> Option<Self> {
        let (username, domain) = smtp_auth.trim().rsplit_once('@')?;
        Self::new(domain, username)
    }

    /// From its two halves. None where the domain is empty or either holds white space or controls.
    pub fn new(domain: &str, username: &str) -> Option<Self> {
        let bad = |s: &str| s.chars().any(|c| c.is_whitespace() || c.is_control());
        let (domain, username) = (domain.trim(), username.trim());
        if domain.is_empty() || bad(domain) || bad(username) {
            return None;
        }
        Some(Self {
            domain: domain.to_ascii_lowercase(),
            username: username.to_owned(),
        })
    }

    /// Whether one customer's mailbox cannot be told from another's by this username: it is an address of
    /// a whole server, or empty.
    pub fn is_shared(&self) -> bool {
        self.username.is_empty() || self.username.parse::<IpAddr>().is_ok()
    }
}

impl fmt::Display for OutgoingUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.username, self.domain)
    }
}

/// One sender behind an outgoing user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Where it belongs, when the report says so. A lock needs it.
    pub outgoing_user: Option<OutgoingUser>,
    /// The identity itself, in normal form (lower case, no brackets).
    pub value: String,
}

impl Identity {
    /// Its identifier in the store: the same identity under two outgoing users is two identities, because
    /// they may be two customers.
    pub fn id(&self) -> IdentityId {
        // One account written in two ways is one account.
        let (domain, username, known) = match &self.outgoing_user {
            Some(user) => (user.domain.as_str(), lower_case(&user.username), [1]),
            None => ("", String::new(), [0]),
        };
        IdentityId::of(&[
            &known,
            domain.as_bytes(),
            username.as_bytes(),
            self.value.as_bytes(),
        ])
    }
}

/// Lower case, but for letters beyond ASCII whose lower case lies within it (U+212A, the sign of the kelvin): they only
/// look alike, and must not make one name of two.
pub fn lower_case(text: &str) -> String {
    let lower = |letter: char| {
        let stays = !letter.is_ascii() && letter.to_lowercase().any(|lower| lower.is_ascii());
        let (same, lower) = match stays {
            true => (Some(letter), None),
            false => (None, Some(letter.to_lowercase())),
        };
        same.into_iter().chain(lower.into_iter().flatten())
    };
    text.chars().flat_map(lower).collect()
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outgoing_user {
            Some(user) => write!(f, "{} (outgoing user {user})", self.value),
            None => f.write_str(&self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smtp_auth_splits_at_the_last_at() {
        let user = OutgoingUser::parse("bob@corp@Example.COM").unwrap();
        assert_eq!(
            (user.domain.as_str(), user.username.as_str()),
            ("example.com", "bob@corp")
        );
        assert!(OutgoingUser::parse("bob@").is_none());
        assert!(OutgoingUser::parse("bob").is_none());
    }

    #[test]
    fn shared_usernames() {
        for auth in [
            "@example.com",
            "192.0.2.1@example.com",
            "2001:db8::1@example.com",
        ] {
            assert!(OutgoingUser::parse(auth).unwrap().is_shared(), "{auth}");
        }
        assert!(!OutgoingUser::parse("bob@example.com").unwrap().is_shared());
    }

    #[test]
    fn what_only_looks_alike_stays_apart() {
        assert_eq!(lower_case("Kim.ÄÉЖ@A.example"), "kim.äéж@a.example");
        for letter in ["\u{212a}", "\u{130}"] {
            assert_eq!(lower_case(letter), letter);
        }
    }

    #[test]
    fn same_value_under_two_users_is_two_identities() {
        let of = |auth: Option<&str>| Identity {
            outgoing_user: auth.and_then(OutgoingUser::parse),
            value: "boss@free.example".into(),
        };
        assert_ne!(
            of(Some("a@one.example")).id(),
            of(Some("a@two.example")).id()
        );
        assert_ne!(of(Some("@one.example")).id(), of(None).id());
        assert_eq!(
            of(Some("A@one.example")).id(),
            of(Some("a@one.example")).id()
        );
    }
}
