//! Settings of TLS and of logging in, and whether they make sense: files are looked into, so that what is wrong
//! is known before a client meets it.

use super::check::{Problem, Problems};
use super::settings::Settings;
use super::values::{Secret, Span};
use super::{ConfigError, target};
use crate::smtp::{PasswordHash, Tls, TlsFiles};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::PathBuf;

/// The certificate of the SMTP listeners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpTls {
    /// Our certificate and those that lead to its authority, in PEM form.
    pub certificate_file: Option<PathBuf>,
    /// Its private key, in PEM form.
    pub key_file: Option<PathBuf>,
    /// Authorities that vouch for clients' certificates, in PEM form.
    pub client_ca_file: Option<PathBuf>,
    /// Whether clients are asked for a certificate even without authorities.
    pub ask_clients: bool,
    /// How long a handshake may take.
    pub handshake_timeout: Span,
    /// How often the files are looked at for a change.
    pub reload_interval: Span,
}

impl Default for SmtpTls {
    fn default() -> Self {
        Self {
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            ask_clients: false,
            handshake_timeout: Span::secs(30),
            reload_interval: Span::secs(60),
        }
    }
}

impl SmtpTls {
    /// The files, if TLS is configured.
    pub fn files(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            certificate: self.certificate_file.clone()?,
            key: self.key_file.clone()?,
            client_ca: self.client_ca_file.clone(),
            ask_clients: self.ask_clients,
        })
    }
}

/// How logging in is held within bounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpAuth {
    /// Failures a session before it is closed.
    pub max_failures: u32,
    /// Failures from one client network before it must wait.
    pub max_failures_per_client: u32,
    /// How long failures are remembered.
    pub failure_window: Span,
    /// How long the answer to a wrong password is delayed.
    pub failure_delay: Span,
    /// Passwords tried at a time.
    pub concurrency: usize,
}

impl Default for SmtpAuth {
    fn default() -> Self {
        Self {
            max_failures: 3,
            max_failures_per_client: 20,
            failure_window: Span::secs(900),
            failure_delay: Span::secs(2),
            concurrency: 2,
        }
    }
}

/// One who may log in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpUser {
    /// The name.
    pub name: String,
    /// The argon2id hash of the password, as `arfd hash-password` prints it.
    #[serde(default)]
    pub password_hash: Secret,
    /// A file that holds the hash, read instead of `password_hash`.
    #[serde(default)]
    pub password_hash_file: Option<PathBuf>,
}

/// Names of settings for the list of those that are known.
pub(super) fn example_user() -> SmtpUser {
    SmtpUser {
        name: "x".into(),
        password_hash: Secret::default(),
        password_hash_file: Some("x".into()),
    }
}

/// Hashes that are given as files.
pub(super) fn read_hashes(
    settings: &mut Settings,
    problems: &mut Problems,
) -> Result<(), ConfigError> {
    for (i, user) in settings.smtp.users.iter_mut().enumerate() {
        let Some(path) = &user.password_hash_file else {
            continue;
        };
        let key = format!("smtp.users[{i}].password_hash");
        problems.demand(
            user.password_hash.is_empty(),
            key.as_str(),
            "give one of them: password_hash or password_hash_file",
        );
        let hash = target::read("smtp.users.password_hash_file", path)?;
        problems.demand(!hash.is_empty(), key, "its file is empty");
        user.password_hash = Secret::new(&hash);
    }
    Ok(())
}

/// What can be said without the files.
pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    let (tls, auth) = (&settings.smtp.tls, &settings.smtp.auth);
    let configured = tls.certificate_file.is_some();
    problems.demand(
        !configured || tls.key_file.is_some(),
        "smtp.tls.key_file",
        "is needed beside certificate_file",
    );
    for (key, wants_it) in [
        ("smtp.tls.key_file", tls.key_file.is_some()),
        ("smtp.tls.client_ca_file", tls.client_ca_file.is_some()),
        ("smtp.tls.ask_clients", tls.ask_clients),
    ] {
        problems.demand(
            configured || !wants_it,
            key,
            "has no use without smtp.tls.certificate_file",
        );
    }
    for (key, span) in [
        ("smtp.tls.handshake_timeout", tls.handshake_timeout),
        ("smtp.tls.reload_interval", tls.reload_interval),
        ("smtp.auth.failure_window", auth.failure_window),
    ] {
        problems.demand(span.0.as_secs() > 0, key, "must be at least 1s");
    }
    problems.demand(
        auth.failure_delay.0.as_secs() < 30,
        "smtp.auth.failure_delay",
        "must be less than 30s: the session is held all the while",
    );
    for (key, zero) in [
        ("smtp.auth.max_failures", auth.max_failures == 0),
        (
            "smtp.auth.max_failures_per_client",
            auth.max_failures_per_client == 0,
        ),
        ("smtp.auth.concurrency", auth.concurrency == 0),
    ] {
        problems.demand(!zero, key, "must not be 0");
    }
    users(settings, problems);
    for (i, feed) in settings.feeds.iter().enumerate() {
        problems.demand(
            !feed.tls || configured,
            format!("feeds[{i}].tls"),
            "cannot be had without smtp.tls.certificate_file",
        );
    }
}

fn users(settings: &Settings, problems: &mut Problems) {
    let users = &settings.smtp.users;
    problems.demand(
        users.is_empty() || settings.smtp.tls.certificate_file.is_some(),
        "smtp.users",
        "can log in under TLS only: set smtp.tls.certificate_file",
    );
    let mut seen = HashSet::new();
    for (i, user) in users.iter().enumerate() {
        let key = format!("smtp.users[{i}]");
        let fine = (1..=255).contains(&user.name.len()) && !user.name.contains(char::is_control);
        problems.demand(
            fine,
            format!("{key}.name"),
            "must have 1 to 255 octets, and no control characters",
        );
        problems.demand(
            seen.insert(user.name.as_str()),
            format!("{key}.name"),
            format!("'{}' is used twice", user.name),
        );
        let hash = user.password_hash.expose();
        let key = format!("{key}.password_hash");
        if !hash.is_empty() {
            if let Err(error) = PasswordHash::parse(hash) {
                problems.add(key, error.to_string());
            }
        } else if user.password_hash_file.is_none() {
            problems.add(key, "is needed (or password_hash_file)");
        }
    }
}

/// What is wrong in the files of TLS; empty when sessions can be secured with them, or are not to be.
pub(super) fn check_files(settings: &Settings) -> Vec<Problem> {
    let checked = settings.smtp.tls.files().map(|files| Tls::check(&files));
    let Some(Err(error)) = checked else {
        return Vec::new();
    };
    let mut problems = Problems::default();
    problems.add(format!("smtp.tls.{}", error.key()), error.to_string());
    problems.0
}

/// What can be used and should be better, with its key.
pub fn warnings(settings: &Settings) -> Vec<Problem> {
    let mut warnings = Problems::default();
    let exposed = settings.smtp.tls.files().and_then(|f| f.exposed_key());
    if let Some(exposed) = exposed {
        warnings.add("smtp.tls.key_file", exposed);
    }
    for (i, user) in settings.smtp.users.iter().enumerate() {
        if PasswordHash::parse(user.password_hash.expose()).is_ok_and(|hash| hash.is_weak()) {
            warnings.add(
                format!("smtp.users[{i}].password_hash"),
                "is cheaper to guess than it should be: OWASP asks for m=19456,t=2,p=1 at least, which is what \
                 `arfd hash-password` makes",
            );
        }
    }
    warnings.0
}
