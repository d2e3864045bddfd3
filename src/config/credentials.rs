//! The sections `[identification.token]` and `[identification.dkim]`: what proves that a message was ours.

use super::check::Problems;
use super::identification::is_header;
use super::settings::Settings;
use super::values::Secret;
use super::{ConfigError, target};
use crate::domain::attribution::{Keys, OwnDkim, OwnKey, Place, SHORTEST_SECRET, Tokens, normal};
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::PathBuf;

/// Tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenSettings {
    /// The number of the key that new tokens are made with.
    pub id: u8,
    /// Its secret.
    pub secret: Secret,
    /// A file that holds the secret, read instead of `secret`.
    pub secret_file: Option<PathBuf>,
    /// Where tokens are looked for.
    pub places: Vec<Place>,
    /// Further headers of the enclosed message.
    pub headers: Vec<String>,
    /// Older keys, which still check.
    pub keys: Vec<TokenKey>,
}

impl Default for TokenSettings {
    fn default() -> Self {
        Self {
            id: 1,
            secret: Secret::default(),
            secret_file: None,
            places: vec![
                Place::Recipient,
                Place::ReturnPath,
                Place::FeedbackId,
                Place::MessageId,
            ],
            headers: Vec::new(),
            keys: Vec::new(),
        }
    }
}

/// An older key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKey {
    /// Its number.
    pub id: u8,
    /// Its secret.
    #[serde(default)]
    pub secret: Secret,
    /// A file that holds the secret, read instead of `secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
}

/// Our own DKIM signatures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DkimSettings {
    /// The domains that we sign for.
    pub domains: Vec<String>,
    /// Whether `i=` names the customer.
    pub auid: bool,
    /// Whether keys that are not given are asked of DNS.
    pub dns: bool,
    /// Public keys.
    pub keys: Vec<DkimKey>,
}

impl Default for DkimSettings {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            auid: true,
            dns: true,
            keys: Vec::new(),
        }
    }
}

/// A public key of ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DkimKey {
    /// The signing domain.
    pub domain: String,
    /// The selector.
    pub selector: String,
    /// The DNS record's text, as in `v=DKIM1; k=rsa; p=...`.
    pub record: String,
}

/// Reads secrets that are given as files.
pub(super) fn read_secrets(
    settings: &mut Settings,
    problems: &mut Problems,
) -> Result<(), ConfigError> {
    let token = &mut settings.identification.token;
    let own = (&mut token.secret, &token.secret_file);
    let key = "identification.token.secret".to_owned();
    let older = token.keys.iter_mut().enumerate().map(|(i, older)| {
        let key = format!("identification.token.keys[{i}].secret");
        (key, (&mut older.secret, &older.secret_file))
    });
    for (key, (secret, file)) in std::iter::once((key, own)).chain(older) {
        let Some(path) = file else { continue };
        problems.demand(
            secret.is_empty(),
            key.as_str(),
            "give one of them: secret or secret_file",
        );
        let text = target::read("identification.token.secret_file", path)?;
        problems.demand(!text.is_empty(), key, "its file is empty");
        *secret = Secret::new(&text);
    }
    Ok(())
}

pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    token(&settings.identification.token, problems);
    dkim(&settings.identification.dkim, problems);
}

fn token(token: &TokenSettings, problems: &mut Problems) {
    let long = |secret: &Secret| secret.expose().len() >= SHORTEST_SECRET;
    let short = format!("must have {SHORTEST_SECRET} octets or more (openssl rand -hex 32)");
    problems.demand(
        token.secret.is_empty() || long(&token.secret),
        "identification.token.secret",
        short.as_str(),
    );
    let mut seen = HashSet::from([token.id]);
    for (i, older) in token.keys.iter().enumerate() {
        let key = format!("identification.token.keys[{i}]");
        problems.demand(long(&older.secret), format!("{key}.secret"), short.as_str());
        problems.demand(
            seen.insert(older.id),
            format!("{key}.id"),
            format!("{} is used twice", older.id),
        );
    }
    for name in token.headers.iter().filter(|name| !is_header(name)) {
        problems.add(
            "identification.token.headers",
            format!("'{name}' is not a header's name"),
        );
    }
}

fn dkim(dkim: &DkimSettings, problems: &mut Problems) {
    for name in &dkim.domains {
        problems.demand(
            name.contains('.') && !name.contains(|c: char| c.is_whitespace() || "*@".contains(c)),
            "identification.dkim.domains",
            format!("'{name}' is not a domain"),
        );
    }
    for (i, key) in dkim.keys.iter().enumerate() {
        let name = format!("identification.dkim.keys[{i}]");
        problems.demand(
            dkim.domains
                .iter()
                .any(|d| d.eq_ignore_ascii_case(&key.domain)),
            format!("{name}.domain"),
            format!("'{}' is not in identification.dkim.domains", key.domain),
        );
        if let Err(error) = DomainKey::parse(key.record.as_bytes()) {
            problems.add(
                format!("{name}.record"),
                format!("is no DKIM record such as 'v=DKIM1; k=rsa; p=...': {error}"),
            );
        }
    }
}

impl TokenSettings {
    /// The keys and places.
    pub fn to_tokens(&self) -> Tokens {
        let current = (!self.secret.is_empty()).then_some((self.id, &self.secret));
        let older = self.keys.iter().map(|key| (key.id, &key.secret));
        let all = current.into_iter().chain(older);
        let all = all.map(|(id, secret)| (id, secret.expose().as_bytes()));
        Tokens {
            keys: Keys::new(all, current.map(|(id, _)| id)),
            places: self.places.clone(),
            headers: self.headers.clone(),
        }
    }
}

impl DkimSettings {
    /// As the domain knows it.
    pub fn to_own_dkim(&self) -> OwnDkim {
        let lower = |name: &String| normal::host(name).into_owned();
        let key = |key: &DkimKey| OwnKey {
            domain: lower(&key.domain),
            selector: key.selector.to_ascii_lowercase(),
            record: key.record.clone(),
        };
        OwnDkim {
            domains: self.domains.iter().map(lower).collect(),
            keys: self.keys.iter().map(key).collect(),
            dns: self.dns,
            auid: self.auid,
        }
    }
}
