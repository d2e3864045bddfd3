//! `[[targets]]`: where locks go when there is more than one place, or another than the filter. Each has a name,
//! a kind with its own section, whose orders it takes, which ones, and its own limits.

use super::check::Problems;
use super::settings::{Settings, Target};
use super::spamexperts::SpamExperts;
pub use super::target_kinds::{Cpanel, Exec, KumoMta, MapFile, MapFormat, Tenant};
use super::values::{Secret, SecretUrl, Size, Span};
use crate::domain::lock::{Action, SPAMEXPERTS, Subject};
use crate::domain::routing::{Route, Routing};
pub(super) use crate::lock::Reach;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

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
    /// A cPanel server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpanel: Option<Cpanel>,
    /// A map file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map_file: Option<MapFile>,
    /// A program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<Exec>,
    /// A KumoMTA server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kumomta: Option<KumoMta>,
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
    /// cPanel / WHM.
    Cpanel,
    /// Keys in a file.
    MapFile,
    /// A program.
    Exec,
    /// KumoMTA's suspensions.
    #[serde(rename = "kumomta")]
    KumoMta,
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
            cpanel: None,
            map_file: None,
            exec: None,
            kumomta: None,
        }
    }

    pub(super) fn has_section(&self, kind: Kind) -> bool {
        match kind {
            Kind::SpamExperts => self.spamexperts.is_some(),
            Kind::Webhook => self.webhook.is_some(),
            Kind::Cpanel => self.cpanel.is_some(),
            Kind::MapFile => self.map_file.is_some(),
            Kind::Exec => self.exec.is_some(),
            Kind::KumoMta => self.kumomta.is_some(),
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
            Kind::Cpanel => subject != Subject::Sender,
            Kind::MapFile => self.map_file.as_ref().is_some_and(|map| {
                map.keys == subject && (action != Action::Hold || map.format == MapFormat::Postfix)
            }),
            Kind::Exec => action != Action::Hold || self.exec.as_ref().is_some_and(|e| e.hold),
            Kind::KumoMta => self.kumomta.as_ref().is_some_and(|k| match k.tenant {
                Tenant::Identity => subject == Subject::Identity,
                Tenant::Username | Tenant::Domain => subject == Subject::OutgoingUser,
            }),
        }
    }

    pub(super) fn route(&self) -> Route {
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
    pub(super) fn longest_try(&self) -> Duration {
        let (times, timeout) = self.calls();
        timeout.saturating_mul(times)
    }

    /// How many calls one try may make, and how long each may take.
    pub(super) fn calls(&self) -> (u32, Duration) {
        let (times, timeout) = match self.kind {
            Kind::SpamExperts => (3, self.spamexperts.as_ref().map(|s| s.timeout)),
            Kind::Webhook => (2, self.webhook.as_ref().map(|s| s.timeout)),
            // Owner, flags, two calls to release, flags.
            Kind::Cpanel => (5, self.cpanel.as_ref().map(|s| s.timeout)),
            Kind::MapFile => (1, self.map_file.as_ref().map(|s| s.timeout)),
            Kind::Exec => (1, self.exec.as_ref().map(|s| s.timeout)),
            // The list, a suspension or a few to end, the list.
            Kind::KumoMta => (4, self.kumomta.as_ref().map(|s| s.timeout)),
        };
        (times, timeout.map_or(Duration::ZERO, |span| span.0))
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

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::SpamExperts,
        Self::Webhook,
        Self::Cpanel,
        Self::MapFile,
        Self::Exec,
        Self::KumoMta,
    ];

    /// The name, as in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SpamExperts => "spamexperts",
            Self::Webhook => "webhook",
            Self::Cpanel => "cpanel",
            Self::MapFile => "map_file",
            Self::Exec => "exec",
            Self::KumoMta => "kumomta",
        }
    }
}
