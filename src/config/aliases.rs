//! Settings of the look-up of aliases, and whether they make sense. The file is looked into, so that what is wrong in
//! it is known before the daemon meets it.

use super::check::{Problem, Problems};
use super::settings::Settings;
use super::values::{Secret, Size, Span};
use crate::domain::attribution::NormalForm;
use crate::lookup::FileSettings;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Whom identities are known as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Aliases {
    /// A CSV file.
    pub file: Option<PathBuf>,
    /// How often it is looked at for a change.
    pub reload_interval: Span,
    /// The largest file that is read.
    pub max_size: Size,
    /// The most rows.
    pub max_rows: usize,
    /// A service that is asked for what the file does not know; empty for none.
    pub url: String,
    /// Its bearer token; empty for none.
    pub token: Secret,
    /// A file that holds the token, read instead of `token`.
    pub token_file: Option<PathBuf>,
    /// A file with certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// How long a question may take.
    pub timeout: Span,
    /// How long its connection may take.
    pub connect_timeout: Span,
    /// Questions at a time.
    pub concurrency: usize,
    /// The longest answer that is read.
    pub max_answer: Size,
    /// Answers that are kept.
    pub cache: usize,
    /// How long an answer is good.
    pub ttl: Span,
    /// How long one is good that knows nothing.
    pub negative_ttl: Span,
    /// How old an answer may be that is used while the service has trouble.
    pub max_stale: Span,
    /// Failures in a row after which the service is left alone.
    pub breaker_failures: u32,
    /// For how long.
    pub breaker_pause: Span,
    /// How long a report waits for an answer before it counts for the identity as it was named.
    pub max_delay: Span,
}

impl Default for Aliases {
    fn default() -> Self {
        Self {
            file: None,
            reload_interval: Span::secs(60),
            max_size: Size(32 << 20),
            max_rows: 500_000,
            url: String::new(),
            token: Secret::default(),
            token_file: None,
            ca_file: None,
            timeout: Span::secs(2),
            connect_timeout: Span::secs(1),
            concurrency: 8,
            max_answer: Size(16 << 10),
            cache: 100_000,
            ttl: Span::secs(600),
            negative_ttl: Span::secs(60),
            max_stale: Span::secs(86_400),
            breaker_failures: 5,
            breaker_pause: Span::secs(30),
            max_delay: Span::secs(900),
        }
    }
}

impl Aliases {
    /// The file, if there is one.
    pub fn to_file(&self, normal: NormalForm) -> Option<FileSettings> {
        Some(FileSettings {
            path: self.file.clone()?,
            max_size: self.max_size.0,
            max_rows: self.max_rows,
            normal,
        })
    }
}

/// What can be said without the file.
pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    let s = &settings.aliases;
    for (key, zero) in [
        (
            "aliases.reload_interval",
            s.reload_interval.0.as_secs() == 0,
        ),
        ("aliases.max_size", s.max_size.0 == 0),
        ("aliases.max_rows", s.max_rows == 0),
        ("aliases.timeout", s.timeout.0.is_zero()),
        ("aliases.connect_timeout", s.connect_timeout.0.is_zero()),
        ("aliases.concurrency", s.concurrency == 0),
        ("aliases.max_answer", s.max_answer.0 == 0),
        ("aliases.breaker_failures", s.breaker_failures == 0),
    ] {
        problems.demand(!zero, key, "must not be 0");
    }
    problems.demand(
        s.timeout.0.as_secs() <= 30,
        "aliases.timeout",
        "must be at most 30s: the session that brought the report waits for it",
    );
    problems.demand(
        s.max_stale.0 >= s.ttl.0,
        "aliases.max_stale",
        "must be at least ttl",
    );
    problems.demand(
        s.max_delay.0 <= settings.proving.max_age.0,
        "aliases.max_delay",
        "must be at most proving.max_age",
    );
    let url = &s.url;
    let http = url.starts_with("https://") || url.starts_with("http://");
    problems.demand(
        url.is_empty() || http,
        "aliases.url",
        "must be the URL of the service",
    );
    let authority = url.split_once("://").map_or("", |(_, rest)| {
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    });
    problems.demand(
        !authority.contains('@'),
        "aliases.url",
        "must not hold credentials: give a token",
    );
    problems.demand(
        !url.contains('#'),
        "aliases.url",
        "must not have a fragment",
    );
    let token = s.token.expose();
    problems.demand(
        !token.contains(|c: char| c.is_whitespace() || c.is_control()),
        "aliases.token",
        "must be one word, or it could not be sent",
    );
    problems.demand(
        token.is_empty() || !url.is_empty(),
        "aliases.token",
        "has no use without aliases.url",
    );
}

/// What is wrong in the file.
pub(super) fn check_file(settings: &Settings) -> Vec<Problem> {
    let mut problems = Problems::default();
    let normal = settings.identification.to_normal_form();
    let file = settings.aliases.to_file(normal);
    if let Some(Err(error)) = file.map(|file| file.check()) {
        problems.add("aliases.file", error.to_string());
    }
    problems.0
}
