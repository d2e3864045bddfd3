//! Whether settings make sense. All problems are reported at once, each with its key.

use super::check_feeds;
use super::check_targets;
use super::settings::Settings;
use super::{aliases, identification, place, reconcile, restraint, rules, secure};
use crate::domain::life::{LONGEST_TIMEOUT, MOST_UNLOCKS};
use ipnet::IpNet;
use std::collections::HashSet;
use std::fmt;

/// One setting that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its key, as in `feeds[1].networks`.
    pub key: String,
    /// What is wrong, and what would be right.
    pub message: String,
    /// The file and line where it most likely stands.
    pub place: Option<String>,
}

impl Problem {
    /// Adds the file, and the line where the key or its section stands.
    pub fn located(mut self, file: &str, text: &str) -> Self {
        self.place = Some(match place::line_of(text, &self.key) {
            Some(line) => format!("{file}:{line}"),
            None => file.to_owned(),
        });
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// Collects problems.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, key: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem {
            key: key.into(),
            message: message.into(),
            place: None,
        });
    }

    pub(super) fn demand(
        &mut self,
        holds: bool,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        if !holds {
            self.add(key, message);
        }
    }
}

/// Everything that makes no sense in the settings; empty when they can be used. Whether the target's address
/// and credentials are there is asked separately, of [`super::check_target`]: not every command needs them.
pub fn check(settings: &Settings) -> Vec<Problem> {
    let mut problems = Problems::default();
    log(settings, &mut problems);
    smtp(settings, &mut problems);
    http(settings, &mut problems);
    secure::check(settings, &mut problems);
    store(settings, &mut problems);
    identification::check(settings, &mut problems);
    aliases::check(settings, &mut problems);
    check_feeds::proving(settings, &mut problems);
    check_feeds::feeds(settings, &mut problems);
    rules::check(settings, &mut problems);
    lock(settings, &mut problems);
    check_targets::check(settings, &mut problems);
    restraint::check(settings, &mut problems);
    reconcile::check(settings, &mut problems);
    problems.0
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A bare word that is no level would be taken for a module's name, and silence everything else.
fn log(settings: &Settings, problems: &mut Problems) {
    let level = &settings.log.level;
    if let Err(e) = tracing_subscriber::EnvFilter::try_new(level) {
        problems.add("log.level", format!("is not a filter: {e}"));
        return;
    }
    // Within brackets a comma does not end a directive.
    let mut depth = 0;
    let directives = level.split(|c| {
        depth += i32::from("[{".contains(c)) - i32::from("]}".contains(c));
        c == ',' && depth == 0
    });
    for part in directives.filter(|part| !part.contains('[')) {
        let word = part.rsplit('=').next().unwrap_or(part).trim();
        if !LEVELS.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            let nearest = place::nearest(word, LEVELS).unwrap_or("info");
            problems.add(
                "log.level",
                format!("'{word}' is not a level; did you mean '{nearest}'?"),
            );
        }
    }
}

fn smtp(settings: &Settings, problems: &mut Problems) {
    let smtp = &settings.smtp;
    super::check_listeners::listeners(settings, problems);
    for (key, prefix, most) in [
        ("smtp.client_prefix_ipv4", smtp.client_prefix_ipv4, 32),
        ("smtp.client_prefix_ipv6", smtp.client_prefix_ipv6, 128),
    ] {
        problems.demand(
            (8..=most).contains(&prefix),
            key,
            format!("must be from 8 to {most}"),
        );
    }
    for (i, address) in smtp.recipients.iter().enumerate() {
        problems.demand(
            is_address(address),
            "smtp.recipients",
            format!("entry {i} ('{address}') is not an address"),
        );
    }
    let name_ok = |c: char| c.is_ascii_alphanumeric() || "-.[]:".contains(c);
    problems.demand(
        !smtp.hostname.is_empty() && smtp.hostname.chars().all(name_ok),
        "smtp.hostname",
        "must be a host name",
    );
    for (key, zero) in [
        ("smtp.max_recipients", smtp.max_recipients == 0),
        ("smtp.max_messages", smtp.max_messages == 0),
        ("smtp.max_errors", smtp.max_errors == 0),
        ("smtp.max_sessions", smtp.max_sessions == 0),
        (
            "smtp.max_sessions_per_client",
            smtp.max_sessions_per_client == 0,
        ),
        ("smtp.proxy_timeout", smtp.proxy_timeout.0.is_zero()),
        ("smtp.command_timeout", smtp.command_timeout.0.is_zero()),
        ("smtp.data_timeout", smtp.data_timeout.0.is_zero()),
        ("smtp.write_timeout", smtp.write_timeout.0.is_zero()),
        ("smtp.session_timeout", smtp.session_timeout.0.is_zero()),
        ("store.max_batch", settings.store.max_batch == 0),
        ("store.max_queue", settings.store.max_queue == 0),
        ("store.max_connections", settings.store.max_connections == 0),
        ("store.timeout", settings.store.timeout.0.is_zero()),
        (
            "lock.reopen_after",
            settings.lock.reopen_after.0.as_secs() == 0,
        ),
        ("outbox.concurrency", settings.outbox.concurrency == 0),
        ("outbox.lease", settings.outbox.lease.0.is_zero()),
        (
            "outbox.first_retry",
            settings.outbox.first_retry.0.is_zero(),
        ),
        (
            "outbox.breaker_failures",
            settings.outbox.breaker_failures == 0,
        ),
        ("outbox.poll", settings.outbox.poll.0.is_zero()),
    ] {
        problems.demand(!zero, key, "must not be 0");
    }
    for net in smtp.normalise.iter().filter(|net| too_wide(net)) {
        problems.add(
            "smtp.normalise",
            format!("{net} is too wide: name the senders that need it; at least /8, for IPv6 at least /16"),
        );
    }
    problems.demand(
        smtp.data_rate_window.0.as_secs() >= 10,
        "smtp.data_rate_window",
        "must be at least 10s, or a network's hiccup ends a session",
    );
    let longest = smtp.tarpit_max.0.max(smtp.tarpit_recipient.0);
    problems.demand(
        longest.as_secs() <= 60,
        "smtp.tarpit_max",
        "and smtp.tarpit_recipient must be at most 1m: clients give up, and sessions are kept open",
    );
    for (key, size, least) in [
        ("smtp.max_command_line", smtp.max_command_line.0, 512),
        ("smtp.max_text_line", smtp.max_text_line.0, 1000),
        ("smtp.max_message_size", smtp.max_message_size.0, 64 << 10),
        (
            "smtp.max_in_flight",
            smtp.max_in_flight.0,
            smtp.max_message_size.0,
        ),
    ] {
        problems.demand(
            size >= least,
            key,
            format!("must be at least {}", super::Size(least)),
        );
    }
}

/// Local part and domain, no spaces or brackets.
pub(super) fn is_address(address: &str) -> bool {
    let well_formed =
        |s: &str| !s.is_empty() && !s.contains(|c: char| c.is_whitespace() || "<>".contains(c));
    address
        .rsplit_once('@')
        .is_some_and(|(local, domain)| well_formed(local) && well_formed(domain))
}

fn store(settings: &Settings, problems: &mut Problems) {
    let url = settings.store.url.expose();
    problems.demand(
        ["sqlite:", "postgres:", "postgresql:"]
            .iter()
            .any(|scheme| url.starts_with(scheme)),
        "store.url",
        "must begin with sqlite:// or postgres://",
    );
}

/// Names become labels and are typed by people.
pub(super) fn name(problems: &mut Problems, key: &str, name: &str, seen: &mut HashSet<String>) {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    problems.demand(
        !name.is_empty() && name.len() <= 64 && name.chars().all(fine),
        format!("{key}.name"),
        format!("'{name}' is not a name: 1 to 64 letters, digits, '-', '_' or '.'"),
    );
    problems.demand(
        seen.insert(name.to_owned()),
        format!("{key}.name"),
        format!("'{name}' is used twice"),
    );
}

/// Whether a network is so large that anybody may sit in it.
pub(super) fn too_wide(net: &IpNet) -> bool {
    match net {
        IpNet::V4(net) => net.prefix_len() < 8,
        IpNet::V6(net) => net.prefix_len() < 16,
    }
}

/// Characters that a token for HTTP must have: no guess may find it.
const LEAST_TOKEN: usize = 16;

fn http(settings: &Settings, problems: &mut Problems) {
    let token = &settings.http.token;
    problems.demand(
        token.is_empty() || token.expose().len() >= LEAST_TOKEN,
        "http.token",
        format!("must have {LEAST_TOKEN} characters or more"),
    );
    problems.demand(
        !token
            .expose()
            .contains(|c: char| c.is_whitespace() || c.is_control()),
        "http.token",
        "must be one word, or it could not be sent",
    );
}

fn lock(settings: &Settings, problems: &mut Problems) {
    let own = &settings.lock;
    problems.demand(
        own.timeout.0.as_secs() <= LONGEST_TIMEOUT,
        "lock.timeout",
        "must be at most 7d, as at the filter",
    );
    problems.demand(
        own.max_automatic_unlocks <= MOST_UNLOCKS,
        "lock.max_automatic_unlocks",
        "must be at most 100, as at the filter",
    );
    problems.demand(
        own.cool_down.0.as_secs() <= LONGEST_TIMEOUT,
        "lock.cool_down",
        "must be at most 7d",
    );
}
