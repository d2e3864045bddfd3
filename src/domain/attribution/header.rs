//! Identification headers: headers of the enclosed message that the customer's mail server adds, each with the sender's
//! name in its own dress. The sender of the message can write them too, so headers that disagree name nobody.

use super::normal::NormalForm;
use crate::domain::headers::HeaderBlock;
use regex::Regex;
use std::borrow::Cow;

/// One header that may carry the identity.
#[derive(Clone, Debug)]
pub struct HeaderRule {
    /// The header's name, compared without case.
    pub name: String,
    /// What to take from its value: the first group, or the whole match where there is no group. Without a pattern the
    /// value itself is the identity, without what known mail servers write around it.
    pub capture: Option<Regex>,
}

impl HeaderRule {
    /// A header whose value is undressed.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            capture: None,
        }
    }

    /// What of a value is the identity.
    pub(super) fn captured<'v>(&self, value: &'v str) -> Option<Cow<'v, str>> {
        match &self.capture {
            None => undressed(value).map(Cow::Borrowed),
            Some(pattern) => {
                let groups = pattern.captures(value)?;
                let hit = groups.get(1).or_else(|| groups.get(0))?;
                Some(Cow::Borrowed(hit.as_str()))
            }
        }
    }
}

/// What to do when no identification header is found although headers are configured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderMissing {
    /// Try the next method, and say in the provenance that the header was missing.
    #[default]
    NextMethod,
    /// Stop: the filter is set to remove the header, and a weaker method would name somebody else.
    Stop,
}

/// Headers by the mail server that adds them.
pub const PRESETS: [(&str, &[&str]); 4] = [
    ("exim", &["X-AuthUser", "X-Auth"]),
    (
        "cpanel",
        &["X-Authenticated-Sender", "X-Get-Message-Sender-Via"],
    ),
    ("smartermail", &["X-SmarterMail-Authenticated-As"]),
    ("authenticated_sender", &["X-Authenticated-Sender"]),
];

/// The identity in a header's value: alone, behind the host that says it (`host.example: a@b`), or behind
/// `authenticated_id:` (cPanel's `host: authenticated_id: a@b`). None where the server says that nobody authenticated.
fn undressed(value: &str) -> Option<&str> {
    let mut value = value.trim();
    while let Some((before, rest)) = value.split_once(": ") {
        let before = before.trim();
        let host = before.contains('.') || before.eq_ignore_ascii_case("localhost");
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if !before.bytes().all(is_name) || !(host || before == "authenticated_id") {
            // `acl_c_authenticated_local_user: bob`, and whatever else: another kind of name.
            return None;
        }
        value = rest.trim();
    }
    (!value.is_empty() && !value.eq_ignore_ascii_case("none")).then_some(value)
}

pub(super) enum HeaderSearch<'r> {
    Found(String, &'r str),
    Ambiguous,
    Missing,
    NotConfigured,
}

/// Looks for the identification headers. Different identities in them mean that one was injected: the
/// spammer may write any header, so nobody is named then.
pub(super) fn by_header<'r>(
    headers: &HeaderBlock<'_>,
    rules: &'r [HeaderRule],
    normal: &NormalForm,
) -> HeaderSearch<'r> {
    let mut found: Option<(String, &str)> = None;
    for rule in rules {
        for value in headers.all(&rule.name) {
            let Some(value) = rule.captured(&value).and_then(|v| normal.of(&v)) else {
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

#[cfg(test)]
mod tests {
    use super::undressed;

    #[test]
    fn dresses_of_known_servers() {
        for (value, want) in [
            ("a@b.example", Some("a@b.example")),
            ("host.example: a@b.example", Some("a@b.example")),
            ("srv1.example.net: bob", Some("bob")),
            ("localhost: a@b.example", Some("a@b.example")),
            (
                "host.example: authenticated_id: a@b.example",
                Some("a@b.example"),
            ),
            ("authenticated_id: a@b.example", Some("a@b.example")),
            ("host.example: acl_c_authenticated_local_user: bob", None),
            ("host.example: none", None),
            ("none", None),
            ("two words: a@b.example", None),
            ("", None),
            ("host.example: ", Some("host.example:")),
        ] {
            assert_eq!(undressed(value), want, "{value}");
        }
    }
}
