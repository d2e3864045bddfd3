//! `[[targets]]`: where locks go when there is more than one place, or another than the filter. Each has a name,
//! a kind with its own section, whose orders it takes, which ones, and its own limits.

use super::check::{self, Problems};
use super::settings::{Settings, Target};
use super::spamexperts::SpamExperts;
use super::values::{Secret, SecretUrl, Size, Span};
use crate::domain::lock::{Action, SPAMEXPERTS, Subject};
use crate::domain::pattern::IdentityPattern;
use crate::domain::routing::{Route, Routing};
pub(super) use crate::lock::Reach;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

/// The most orders a minute that a limit may allow: beyond it there is none.
const MOST_PER_MINUTE: u32 = 6_000;
/// Targets at most, which is what the store looks for at a time.
const MOST_TARGETS: usize = 64;

/// One target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetTable {
    /// Its name, in orders, records and metrics.
    pub name: String,
    /// Which of the sections below it has.
    pub kind: Kind,
    /// Whose orders it takes, as patterns; empty for everybody's.
    #[serde(default, rename = "for")]
    pub whose: Vec<String>,
    /// Which orders it takes; empty for all that it can carry out.
    #[serde(default)]
    pub on: Vec<Action>,
    /// Orders carried out at a time; as `outbox.concurrency` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<usize>,
    /// Orders a minute at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_per_minute: Option<u32>,
    /// Failures in a row after which it is left alone; as `outbox.breaker_failures` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker_failures: Option<u32>,
    /// For how long; as `outbox.breaker_pause` when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker_pause: Option<Span>,
    /// The filter's API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spamexperts: Option<SpamExperts>,
    /// A receiver of webhooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// The kinds of target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// SpamExperts / Spampanel.
    #[serde(rename = "spamexperts")]
    SpamExperts,
    /// Signed JSON to a URL.
    Webhook,
}

/// A receiver of webhooks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Webhook {
    /// Where orders are posted.
    pub url: String,
    /// Where the listing is fetched; empty for none.
    pub list_url: String,
    /// What requests are signed with.
    pub secret: Secret,
    /// A file that holds the secret, read instead of `secret`.
    pub secret_file: Option<PathBuf>,
    /// Whether it can hold mail back, besides locking.
    pub hold: bool,
    /// A file with certificates (PEM) to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The proxy to go through.
    pub proxy: Option<SecretUrl>,
    /// How long a call may take.
    pub timeout: Span,
    /// How long its connection may take.
    pub connect_timeout: Span,
    /// The longest answer that is read.
    pub max_answer: Size,
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            url: String::new(),
            list_url: String::new(),
            secret: Secret::default(),
            secret_file: None,
            hold: true,
            ca_file: None,
            proxy: None,
            timeout: Span::secs(20),
            connect_timeout: Span::secs(5),
            max_answer: Size(1 << 20),
        }
    }
}

pub(super) fn reach(
    timeout: Span,
    connect_timeout: Span,
    max_answer: Size,
    ca_file: &Option<PathBuf>,
    proxy: &Option<SecretUrl>,
) -> Reach {
    Reach {
        timeout: timeout.0,
        connect_timeout: connect_timeout.0,
        max_body: usize::try_from(max_answer.0).unwrap_or(usize::MAX),
        ca_file: ca_file.clone(),
        proxy: proxy.as_ref().map(|url| url.expose().into()),
    }
}

impl Webhook {
    /// The bounds of its calls.
    pub fn to_reach(&self) -> Reach {
        reach(
            self.timeout,
            self.connect_timeout,
            self.max_answer,
            &self.ca_file,
            &self.proxy,
        )
    }
}

/// A URL that may be called: no query and no login in it. It is not repeated.
pub(super) fn api_url(url: &str, key: &str, what: &str, problems: &mut Problems) {
    problems.demand(
        url.starts_with("https://") || url.starts_with("http://"),
        key,
        format!("must be the URL of {what}"),
    );
    problems.demand(
        !url.contains(['?', '#']),
        key,
        "must have neither a query nor a fragment; fixed parameters stand in lock_parameters and list_parameters",
    );
    let authority = url.split_once("://").map_or("", |(_, rest)| {
        rest.split(['/', '?', '#']).next().unwrap_or_default()
    });
    problems.demand(
        !authority.contains('@'),
        key,
        "must not hold credentials: they stand in login and password",
    );
}

impl TargetTable {
    /// A target with its defaults, for kinds to be filled in.
    pub fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            whose: Vec::new(),
            on: Vec::new(),
            concurrency: None,
            max_per_minute: None,
            breaker_failures: None,
            breaker_pause: None,
            spamexperts: None,
            webhook: None,
        }
    }

    fn has_section(&self, kind: Kind) -> bool {
        match kind {
            Kind::SpamExperts => self.spamexperts.is_some(),
            Kind::Webhook => self.webhook.is_some(),
        }
    }

    /// What it can carry out, whatever it is meant to.
    fn can(&self, action: Action, subject: Subject) -> bool {
        let offered = |call: &str| !call.trim().is_empty();
        match self.kind {
            Kind::SpamExperts => {
                self.spamexperts
                    .as_ref()
                    .is_some_and(|s| match (action, subject) {
                        (Action::Hold, _) => false,
                        (Action::Lock, Subject::Identity) => true,
                        (Action::Release, Subject::Identity) => offered(&s.unlock_call),
                        (Action::Lock, Subject::OutgoingUser) => offered(&s.lock_user_call),
                        (Action::Release, Subject::OutgoingUser) => offered(&s.unlock_user_call),
                        (Action::Lock, Subject::Sender) => offered(&s.blacklist_call),
                        (Action::Release, Subject::Sender) => offered(&s.unblacklist_call),
                    })
            }
            Kind::Webhook => {
                action != Action::Hold || self.webhook.as_ref().is_some_and(|w| w.hold)
            }
        }
    }

    fn route(&self) -> Route {
        let meant = |action: &Action| self.on.is_empty() || self.on.contains(action);
        let pairs = Action::ALL
            .into_iter()
            .filter(meant)
            .flat_map(|action| Subject::ALL.map(|subject| (action, subject)));
        Route {
            target: self.name.clone(),
            patterns: self.whose.iter().flat_map(|p| p.parse()).collect(),
            takes: pairs
                .filter(|(action, subject)| self.can(*action, *subject))
                .collect(),
        }
    }

    /// The longest that one try can take; the outbox's lease must be longer.
    fn longest_try(&self) -> Duration {
        match self.kind {
            Kind::SpamExperts => self
                .spamexperts
                .as_ref()
                .map_or(Duration::ZERO, |s| s.timeout.0.saturating_mul(3)),
            Kind::Webhook => self
                .webhook
                .as_ref()
                .map_or(Duration::ZERO, |w| w.timeout.0.saturating_mul(2)),
        }
    }
}

impl Settings {
    /// The targets in use, with the section that each was configured in; none while locks are only observed.
    pub fn active_targets(&self) -> Vec<(String, Cow<'_, TargetTable>)> {
        match self.lock.target {
            Target::Observe => Vec::new(),
            Target::SpamExperts => {
                let mut table = TargetTable::new(SPAMEXPERTS, Kind::SpamExperts);
                table.spamexperts = Some(self.lock.spamexperts.clone());
                vec![("lock".to_owned(), Cow::Owned(table))]
            }
            Target::Targets => self
                .targets
                .iter()
                .enumerate()
                .map(|(i, table)| (format!("targets[{i}]"), Cow::Borrowed(table)))
                .collect(),
        }
    }

    /// Which orders go where.
    pub fn to_routing(&self) -> Routing {
        let active = self.active_targets();
        Routing(active.iter().map(|(_, table)| table.route()).collect())
    }
}

pub(super) fn check(settings: &Settings, problems: &mut Problems) {
    settings
        .lock
        .spamexperts
        .check("lock.spamexperts", problems);
    let listed = !settings.targets.is_empty();
    match settings.lock.target {
        Target::Targets => problems.demand(
            listed,
            "lock.target",
            "is \"targets\", but there are no [[targets]]",
        ),
        Target::SpamExperts => problems.demand(
            !listed,
            "lock.target",
            "is \"spamexperts\", so the [[targets]] would not be used: write \"targets\", and the filter as one \
             of them",
        ),
        Target::Observe => {}
    }
    problems.demand(
        settings.targets.len() <= MOST_TARGETS,
        "targets",
        format!("there must not be more than {MOST_TARGETS}"),
    );
    let mut seen = HashSet::new();
    for (i, table) in settings.targets.iter().enumerate() {
        one(table, &format!("targets[{i}]"), &mut seen, problems);
    }
    for (key, table) in settings.active_targets() {
        let section = match key.as_str() {
            "lock" => "lock.spamexperts".to_owned(),
            key => key.to_owned(),
        };
        let times = match table.kind {
            Kind::SpamExperts => "three calls",
            Kind::Webhook => "two calls",
        };
        problems.demand(
            settings.outbox.lease.0.mul_f64(0.9) > table.longest_try(),
            "outbox.lease",
            format!(
                "must be longer than {times} of {section}.timeout and a tenth, or two workers do one order"
            ),
        );
    }
}

fn one(table: &TargetTable, key: &str, seen: &mut HashSet<String>, problems: &mut Problems) {
    check::name(problems, key, &table.name, seen);
    problems.demand(
        table.name != "none",
        format!("{key}.name"),
        "must not be 'none', which stands for no target in records",
    );
    for kind in Kind::ALL {
        let (has, wanted) = (table.has_section(kind), kind == table.kind);
        if has != wanted {
            problems.add(
                format!("{key}.{}", kind.as_str()),
                match wanted {
                    true => format!("is needed for the kind '{}'", kind.as_str()),
                    false => format!("does not belong to the kind '{}'", table.kind.as_str()),
                },
            );
        }
    }
    for (at, pattern) in table.whose.iter().enumerate() {
        if let Err(error) = pattern.parse::<IdentityPattern>() {
            problems.add(format!("{key}.for[{at}]"), format!("'{pattern}' {error}"));
        }
    }
    problems.demand(
        !table.route().takes.is_empty(),
        format!("{key}.on"),
        "names nothing that a target of this kind can do",
    );
    for (what, zero) in [
        ("concurrency", table.concurrency == Some(0)),
        ("max_per_minute", table.max_per_minute == Some(0)),
        ("breaker_failures", table.breaker_failures == Some(0)),
    ] {
        problems.demand(!zero, format!("{key}.{what}"), "must not be 0");
    }
    problems.demand(
        table
            .max_per_minute
            .is_none_or(|most| most <= MOST_PER_MINUTE),
        format!("{key}.max_per_minute"),
        format!("must be at most {MOST_PER_MINUTE}; leave it out for no limit"),
    );
    if let Some(section) = &table.spamexperts {
        section.check(&format!("{key}.spamexperts"), problems);
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::SpamExperts, Self::Webhook];

    /// The name, as in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SpamExperts => "spamexperts",
            Self::Webhook => "webhook",
        }
    }
}

/// Whether the targets in use can be reached and spoken to.
pub(super) fn check_access(settings: &Settings, problems: &mut Problems) {
    let used = settings.lock.target == Target::SpamExperts;
    settings
        .lock
        .spamexperts
        .check_access("lock.spamexperts", used, problems);
    for (i, table) in settings.targets.iter().enumerate() {
        if let Some(section) = &table.spamexperts {
            section.check_access(&format!("targets[{i}].spamexperts"), true, problems);
        }
        if let Some(section) = &table.webhook {
            let key = format!("targets[{i}].webhook");
            api_url(
                &section.url,
                &format!("{key}.url"),
                "the receiver",
                problems,
            );
            if !section.list_url.is_empty() {
                let key = format!("{key}.list_url");
                api_url(&section.list_url, &key, "the receiver's listing", problems);
            }
            problems.demand(
                section.secret.expose().len() >= 16,
                format!("{key}.secret"),
                "is needed, with 16 characters or more (or secret_file)",
            );
        }
    }
}

/// The secrets of the list that are given as files: key, the secret's place, the file.
pub(super) fn secret_files(
    targets: &mut [TargetTable],
) -> Vec<(String, &'static str, &mut Secret, PathBuf)> {
    let mut found = Vec::new();
    for (i, table) in targets.iter_mut().enumerate() {
        if let Some(section) = &mut table.spamexperts
            && let Some(path) = section.password_file.clone()
        {
            let key = format!("targets[{i}].spamexperts");
            found.push((key, "password", &mut section.password, path));
        }
        if let Some(section) = &mut table.webhook
            && let Some(path) = section.secret_file.clone()
        {
            let key = format!("targets[{i}].webhook");
            found.push((key, "secret", &mut section.secret, path));
        }
    }
    found
}

/// One target with every key, so that all their names are known.
pub(super) fn example() -> TargetTable {
    let file = || Some(PathBuf::from("x"));
    let proxy = || Some(SecretUrl::new("http://x"));
    TargetTable {
        concurrency: Some(1),
        max_per_minute: Some(1),
        breaker_failures: Some(1),
        breaker_pause: Some(Span::secs(1)),
        spamexperts: Some(SpamExperts {
            password_file: file(),
            ca_file: file(),
            proxy: proxy(),
            texts: [(
                super::spamexperts::CallName::Unlock,
                super::spamexperts::Texts {
                    success: Some("x".into()),
                    already: Some("x".into()),
                    ..Default::default()
                },
            )]
            .into(),
            ..SpamExperts::default()
        }),
        webhook: Some(Webhook {
            secret_file: file(),
            ca_file: file(),
            proxy: proxy(),
            ..Webhook::default()
        }),
        ..TargetTable::new("x", Kind::Webhook)
    }
}
