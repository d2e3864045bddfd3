//! Patterns that pick identities in the configuration, with `*` for any run of characters: the identity
//! itself, or the outgoing user or the domain that it belongs to.

use super::attribution::normal::host;
use super::identity::Identity;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A pattern, as in `*@vip.example`, `user:relay@customer.example` or `domain:customer.example`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IdentityPattern {
    text: String,
    part: Part,
    glob: String,
    /// The same with its domain as A-labels, where that differs: identities have them so.
    in_a_labels: Option<String>,
}

/// What of the identity is held against the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Value,
    User,
    Domain,
}

/// The text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no pattern: an identity such as *@vip.example, user:NAME@DOMAIN or domain:DOMAIN")]
pub struct NoPattern;

impl FromStr for IdentityPattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        let text = text.trim();
        let (part, glob) = match text.split_once(':') {
            Some(("user", glob)) => (Part::User, glob),
            Some(("domain", glob)) => (Part::Domain, glob),
            _ => (Part::Value, text),
        };
        if glob.is_empty() || glob.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(NoPattern);
        }
        let glob = glob.to_lowercase();
        let in_a_labels = match glob.rsplit_once('@') {
            Some((local, domain)) => format!("{local}@{}", a_labels(domain)),
            None => a_labels(&glob),
        };
        Ok(Self {
            text: text.to_owned(),
            part,
            in_a_labels: (in_a_labels != glob).then_some(in_a_labels),
            glob,
        })
    }
}

impl TryFrom<String> for IdentityPattern {
    type Error = NoPattern;

    fn try_from(text: String) -> Result<Self, NoPattern> {
        text.parse()
    }
}

impl From<IdentityPattern> for String {
    fn from(pattern: IdentityPattern) -> Self {
        pattern.text
    }
}

impl fmt::Display for IdentityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl IdentityPattern {
    /// Whether the identity is one of those that are meant. Case does not matter. A `domain:` also means an
    /// identity without an outgoing user whose own address is in it.
    pub fn matches(&self, identity: &Identity) -> bool {
        let user = identity.outgoing_user.as_ref();
        match self.part {
            Part::Value => self.fits(&identity.value),
            Part::User => user.is_some_and(|user| self.fits(&user.to_string())),
            Part::Domain => match user {
                Some(user) => self.fits(&user.domain),
                None => identity
                    .value
                    .rsplit_once('@')
                    .is_some_and(|(_, domain)| self.fits(domain)),
            },
        }
    }

    fn fits(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let mut globs = std::iter::once(&self.glob).chain(&self.in_a_labels);
        globs.any(|pattern| glob(pattern.as_bytes(), text.as_bytes()))
    }
}

/// A domain as A-labels, but for labels with a `*` in them.
fn a_labels(domain: &str) -> String {
    let label = |label: &str| match label.contains('*') {
        true => label.to_owned(),
        false => host(label).into_owned(),
    };
    let labels: Vec<String> = domain.split('.').map(label).collect();
    labels.join(".")
}

/// Whether a text fits a pattern in which `*` stands for any run. On a mismatch only the last `*` is tried
/// further on, so the time is at most the product of the lengths.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
            }
            Some(octet) if *octet == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    p = after;
                    t = from + 1;
                    star = Some((after, t));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|octet| *octet == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::OutgoingUser;

    fn identity(value: &str, user: Option<&str>) -> Identity {
        Identity {
            outgoing_user: user.and_then(OutgoingUser::parse),
            value: value.to_owned(),
        }
    }

    #[test]
    fn patterns() {
        let bob = identity("bob@shop.example", Some("relay@customer.example"));
        let alone = identity("bob@shop.example", None);
        for (pattern, with_user, without) in [
            ("bob@shop.example", true, true),
            ("BOB@Shop.Example", true, true),
            ("ob@shop.example", false, false),
            ("*@shop.example", true, true),
            ("b*@*.example", true, true),
            ("*", true, true),
            ("*@*@*", false, false),
            ("user:relay@customer.example", true, false),
            ("user:*", true, false),
            ("domain:customer.example", true, false),
            ("domain:*.example", true, true),
            ("domain:shop.example", false, true),
        ] {
            let pattern: IdentityPattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(&bob), with_user, "{pattern}");
            assert_eq!(pattern.matches(&alone), without, "{pattern}");
        }
        for bad in ["", " ", "user:", "domain:", "a b", "a\nb"] {
            assert!(bad.parse::<IdentityPattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn international_domains_are_met_in_both_forms() {
        let bob = identity("bob@xn--bcher-kva.example", None);
        for pattern in [
            "*@b\u{fc}cher.example",
            "*@b\u{fc}cher.*",
            "domain:B\u{dc}CHER.example",
            "bob@xn--bcher-kva.example",
        ] {
            let pattern: IdentityPattern = pattern.parse().unwrap();
            assert!(pattern.matches(&bob), "{pattern}");
        }
        let other = identity("bob@b\u{fc}cher.example", None);
        assert!(
            "*@b\u{fc}cher.example"
                .parse::<IdentityPattern>()
                .unwrap()
                .matches(&other)
        );
    }

    proptest::proptest! {
        /// Held against the regular expression that the pattern stands for.
        #[test]
        fn globs_are_what_they_say(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let regex = format!("^{}$", pattern.replace('*', ".*"));
            let want = regex::Regex::new(&regex).unwrap().is_match(&text);
            proptest::prop_assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), want);
        }
    }
}
