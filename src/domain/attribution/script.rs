//! Headers that web servers add to what their scripts send: PHP's `X-PHP-Originating-Script: UID:script.php`
//! (`mail.add_x_header`) and `X-PHP-Script: host/path for ip` of common hosting panels. A script can write them as well,
//! so headers that disagree name nobody, and the word is worth no more than an identification header's.

use super::source::Owner;
use crate::domain::headers::HeaderBlock;
use std::collections::HashMap;

/// The longest account or host that is taken.
const LONGEST: usize = 255;

/// Whose scripts are whose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scripts {
    /// A user's number, or a web host in lower case, and who that is.
    pub owners: HashMap<String, Owner>,
    /// Whether a number or host that is not in the map is itself the identity.
    pub raw: bool,
}

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ScriptSearch {
    Found(Owner, String),
    Ambiguous,
    Missing,
}

impl Scripts {
    pub(super) fn search(&self, headers: &HeaderBlock<'_>) -> ScriptSearch {
        let uids = headers
            .all("X-PHP-Originating-Script")
            .filter_map(|value| uid(&value).map(|uid| ("X-PHP-Originating-Script", uid)));
        let hosts = headers
            .all("X-PHP-Script")
            .filter_map(|value| web_host(&value).map(|host| ("X-PHP-Script", host)));
        let mut found: Option<(Owner, String)> = None;
        // The host says more than the account that the web server runs its scripts under.
        for (header, key) in hosts.chain(uids) {
            let owner = match self.owners.get(&key) {
                Some(owner) => owner.clone(),
                None if self.raw => Owner {
                    identity: key.clone(),
                    outgoing_user: None,
                    shared: false,
                },
                None => continue,
            };
            match &found {
                None => {
                    let provenance = format!("{key} in header {header} of the enclosed message");
                    found = Some((owner, provenance));
                }
                // Number and host are two names of one account only by the map.
                Some((first, from)) => {
                    let same_kind = from.contains(header);
                    let mapped = self.owners.contains_key(&key);
                    if *first != owner && (same_kind || mapped) {
                        return ScriptSearch::Ambiguous;
                    }
                }
            }
        }
        match found {
            Some((owner, provenance)) => ScriptSearch::Found(owner, provenance),
            None => ScriptSearch::Missing,
        }
    }
}

/// The number of `UID:script.php`.
fn uid(value: &str) -> Option<String> {
    let (uid, _) = value.trim().split_once(':')?;
    let number = !uid.is_empty() && uid.len() <= 10 && uid.bytes().all(|b| b.is_ascii_digit());
    number.then(|| uid.to_owned())
}

/// The host of `host/path for ip`.
fn web_host(value: &str) -> Option<String> {
    let (host, _) = value.trim().split_once('/')?;
    let host = host.split(':').next().unwrap_or(host);
    let name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    let fine = host.contains('.') && host.len() <= LONGEST && host.bytes().all(name);
    fine.then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> Owner {
        Owner {
            identity: name.into(),
            outgoing_user: None,
            shared: false,
        }
    }

    #[test]
    fn accounts_and_hosts() {
        let mut scripts = Scripts {
            owners: [
                ("1001".to_owned(), owner("bob")),
                ("shop.example".to_owned(), owner("bob")),
                ("1002".to_owned(), owner("eve")),
            ]
            .into(),
            raw: false,
        };
        let found = |scripts: &Scripts, text: &'static str| match scripts
            .search(&HeaderBlock::new(text.as_bytes()))
        {
            ScriptSearch::Found(owner, _) => owner.identity,
            ScriptSearch::Ambiguous => "ambiguous".into(),
            ScriptSearch::Missing => "missing".into(),
        };
        for (text, want) in [
            ("X-PHP-Originating-Script: 1001:mailer.php\r\n", "bob"),
            (
                "X-PHP-Script: Shop.example/a/b.php for 192.0.2.1\r\n",
                "bob",
            ),
            (
                "X-PHP-Script: shop.example/x.php for 192.0.2.1\r\nX-PHP-Originating-Script: 1001:x.php\r\n",
                "bob",
            ),
            (
                "X-PHP-Script: shop.example/x.php for 192.0.2.1\r\nX-PHP-Originating-Script: 1002:x.php\r\n",
                "ambiguous",
            ),
            ("X-PHP-Originating-Script: 33:x.php\r\n", "missing"),
            ("X-PHP-Originating-Script: x.php\r\n", "missing"),
            ("X-PHP-Script: /x.php for\r\n", "missing"),
            ("Subject: x\r\n", "missing"),
        ] {
            assert_eq!(found(&scripts, text), want, "{text}");
        }
        scripts.raw = true;
        for (text, want) in [
            ("X-PHP-Originating-Script: 33:x.php\r\n", "33"),
            (
                "X-PHP-Script: www.a.example:443/x.php for 192.0.2.1\r\n",
                "www.a.example",
            ),
            (
                "X-PHP-Script: a.example/x for 192.0.2.1\r\nX-PHP-Originating-Script: 33:x.php\r\n",
                "a.example",
            ),
            (
                "X-PHP-Script: a.example/x for 192.0.2.1\r\nX-PHP-Script: b.example/x for 192.0.2.1\r\n",
                "ambiguous",
            ),
        ] {
            assert_eq!(found(&scripts, text), want, "{text}");
        }
    }
}
