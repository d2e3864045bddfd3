//! Every setting with its default, section by section, as it is written in `arfd.toml`. Shape is checked
//! here (unknown keys are refused); sense is checked in `check.rs`. `samples/arfd.toml` explains each key
//! and a test holds it equal to these defaults.

use super::aliases::Aliases;
use super::feeds::{Feed, Proving};
use super::identification::{Identification, OwnSettings};
use super::reconcile::Reconcile;
use super::restraint::Restraint;
use super::rules::Rule;
use super::smtp::Smtp;
use super::spamexperts::SpamExperts;
use super::targets::TargetTable;
use super::values::{Secret, SecretUrl, Span};
use crate::domain::life::Life;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// All settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Log lines.
    pub log: Log,
    /// The SMTP listeners.
    pub smtp: Smtp,
    /// The HTTP listener.
    pub http: Http,
    /// Where reports are filed.
    pub store: Store,
    /// How identities are found.
    pub identification: Identification,
    /// Whom identities are known as.
    pub aliases: Aliases,
    /// What is ours.
    pub own: OwnSettings,
    /// Where locks go.
    pub lock: Lock,
    /// What keeps a crossed rule from locking at once.
    pub restraint: Restraint,
    /// How lock orders are carried out.
    pub outbox: Outbox,
    /// How targets are held against the store.
    pub reconcile: Reconcile,
    /// Where locks go, when `lock.target` is "targets".
    pub targets: Vec<TargetTable>,
    /// How feeds are proven that need DNS for it.
    pub proving: Proving,
    /// Sources of reports and their proof.
    pub feeds: Vec<Feed>,
    /// When enough is enough.
    pub rules: Vec<Rule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            log: Log::default(),
            smtp: Smtp::default(),
            http: Http::default(),
            store: Store::default(),
            identification: Identification::default(),
            aliases: Aliases::default(),
            own: OwnSettings::default(),
            lock: Lock::default(),
            restraint: Restraint::default(),
            outbox: Outbox::default(),
            reconcile: Reconcile::default(),
            proving: Proving::default(),
            targets: Vec::new(),
            feeds: Vec::new(),
            rules: Rule::shipped(),
        }
    }
}

/// Log lines, on standard error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or per module as in `info,arfd::smtp=debug`.
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Human,
            level: "info".into(),
        }
    }
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event.
    Human,
    /// One JSON object a line.
    Json,
}

/// The HTTP listener: metrics and health.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address and port.
    pub listen: SocketAddr,
    /// The bearer token that may change something; empty for nobody.
    pub token: Secret,
    /// A file that holds the token, read instead of `token`.
    pub token_file: Option<PathBuf>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8025)),
            token: Secret::default(),
            token_file: None,
        }
    }
}

/// Where reports are filed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`.
    pub url: SecretUrl,
    /// A file that holds the URL, read instead of `url`.
    pub url_file: Option<PathBuf>,
    /// Connections to PostgreSQL.
    pub max_connections: u32,
    /// Reports in one transaction at most.
    pub max_batch: usize,
    /// Reports waiting for a transaction at most; beyond it senders are told to retry.
    pub max_queue: usize,
    /// How long a report may wait for its transaction before its sender is told to retry.
    pub timeout: Span,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: SecretUrl::new("sqlite://var/arfd.db"),
            url_file: None,
            max_connections: 10,
            max_batch: 256,
            max_queue: 4096,
            timeout: Span::secs(30),
        }
    }
}

/// Where locks go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lock {
    /// Which target takes the orders.
    pub target: Target,
    /// How long after a crossing an identity is assessed again: a lock may have ended at the target by then,
    /// and what was refused is tried anew.
    pub reopen_after: Span,
    /// How long a confirmed hold or lock lasts, for rules that say nothing else; 0 for until a person ends it.
    pub timeout: Span,
    /// How many locks of one identity the timeout ends; after that only a person does.
    pub max_automatic_unlocks: u32,
    /// How long ends by timeout are remembered.
    pub remember_unlocks: Span,
    /// How long after a release the identity is not locked at once.
    pub cool_down: Span,
    /// The filter's lock API.
    pub spamexperts: SpamExperts,
}

impl Default for Lock {
    fn default() -> Self {
        Self {
            target: Target::default(),
            reopen_after: Span::secs(7 * 86_400),
            timeout: Span::secs(0),
            max_automatic_unlocks: 3,
            remember_unlocks: Span::secs(30 * 86_400),
            cool_down: Span::secs(1_800),
            spamexperts: SpamExperts::default(),
        }
    }
}

impl Lock {
    /// How long locks last, as the domain knows it.
    pub fn to_life(&self) -> Life {
        let timeout = self.timeout.0.as_secs();
        Life {
            timeout_seconds: (timeout > 0).then_some(timeout),
            max_automatic_unlocks: self.max_automatic_unlocks,
            remember_seconds: self.remember_unlocks.0.as_secs(),
            cool_down_seconds: self.cool_down.0.as_secs(),
        }
    }
}

/// The kinds of target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// None: orders are recorded, not sent.
    #[default]
    Observe,
    /// SpamExperts / Spampanel, by the section `lock.spamexperts`: one target for everything.
    SpamExperts,
    /// Those of `[[targets]]`.
    Targets,
}

/// How lock orders are carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbox {
    /// Orders carried out at a time at each target.
    pub concurrency: usize,
    /// How long a try holds an order before another worker may take it.
    pub lease: Span,
    /// Wait after the first failed try; doubles from try to try.
    pub first_retry: Span,
    /// The longest wait between tries.
    pub max_retry: Span,
    /// Orders older than this are not sent any more but given to the desk as refused.
    pub max_age: Span,
    /// Tries before an order is given to the desk as refused; 0 for no end.
    pub max_attempts: u32,
    /// Failures in a row after which a target is left alone for a while.
    pub breaker_failures: u32,
    /// How long it is left alone.
    pub breaker_pause: Span,
    /// How often orders of other nodes are looked for.
    pub poll: Span,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            concurrency: 4,
            lease: Span::secs(120),
            first_retry: Span::secs(2),
            max_retry: Span::secs(600),
            max_age: Span::secs(3 * 86_400),
            max_attempts: 0,
            breaker_failures: 5,
            breaker_pause: Span::secs(30),
            poll: Span::secs(10),
        }
    }
}
