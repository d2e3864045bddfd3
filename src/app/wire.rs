//! From settings to parts: what each module is told, and nothing more.

use super::StartError;
use crate::clock::Clock;
use crate::config::{Settings, Target};
use crate::domain::filing::Policy;
use crate::domain::lock::{Backoff, OrderState, SPAMEXPERTS};
use crate::domain::restraint::Restraint;
use crate::domain::standing::Standing;
use crate::intake::prepare::Judge;
use crate::intake::writer::WriterSettings;
use crate::lock::LockTarget;
use crate::lock::spamexperts::{self, SpamExperts};
use crate::metrics::Metrics;
use crate::outbox;
use crate::smtp;
use crate::store::{self, Known, Store, StoreError, StoreOptions};
use jiff::{SignedDuration, Timestamp};
use regex::Regex;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What a reply to the client may take beyond the store's own time.
const REPLY_MARGIN: Duration = Duration::from_secs(5);

/// Opens the configured store.
///
/// # Errors
/// When it cannot be opened or its schema not be brought up to date.
pub async fn open_store(settings: &Settings) -> Result<Arc<dyn Store>, StartError> {
    let url = &settings.store.url;
    let options = StoreOptions {
        connections: settings.store.max_connections,
        ..StoreOptions::default()
    };
    store::open(url.expose(), &options)
        .await
        .map_err(|cause| StartError::Store {
            url: url.masked(),
            cause,
        })
}

/// Opens the configured store if it is there; never makes one, so that a wrong configuration does not show
/// an empty store.
///
/// # Errors
/// As [`open_store`], and when there is none.
pub async fn open_existing_store(settings: &Settings) -> Result<Arc<dyn Store>, StartError> {
    let url = settings.store.url.expose();
    let file = url.strip_prefix("sqlite:").map(|path| {
        let path = path.strip_prefix("//").unwrap_or(path);
        Path::new(path.split('?').next().unwrap_or(path))
    });
    match file {
        Some(file) if !file.exists() => Err(StartError::NoStore(file.to_owned())),
        _ => open_store(settings).await,
    }
}

/// What messages are judged by.
///
/// # Errors
/// When a pattern is not a regular expression.
pub fn judge(settings: &Settings) -> Result<Judge, StartError> {
    Ok(Judge {
        feeds: settings.to_feeds(),
        methods: settings.to_methods()?,
    })
}

/// The rules and what restrains them. Rules and feeds that the store has not seen for `restraint.trial` are
/// on trial; those it never saw are written down now.
///
/// # Errors
/// When the store fails.
pub async fn policy(
    settings: &Settings,
    store: &dyn Store,
    now: Timestamp,
) -> Result<Policy, StoreError> {
    let mut policy = settings.to_policy();
    let rules = policy.rules.iter().map(|rule| Known {
        kind: "rule",
        name: rule.name.clone(),
        shape: rule.shape(),
    });
    let feeds = settings.feeds.iter().map(|feed| Known {
        kind: "feed",
        name: feed.name.clone(),
        shape: String::new(),
    });
    let known: Vec<Known> = rules.chain(feeds).collect();
    let trial = SignedDuration::try_from(settings.restraint.trial.0).unwrap_or(SignedDuration::MAX);
    let trials = &mut policy.restraints.trials;
    for (one, seen) in known.iter().zip(store.first_seen(&known, now).await?) {
        let ends = seen.checked_add(trial).unwrap_or(Timestamp::MAX);
        if ends <= now {
            continue;
        }
        tracing::warn!(kind = one.kind, name = one.name, %ends, "on trial: what it crosses is recorded, not locked");
        let of_kind = match one.kind {
            "rule" => &mut trials.rules,
            _ => &mut trials.feeds,
        };
        of_kind.insert(one.name.clone(), ends);
    }
    Ok(policy)
}

/// Whom to ask for locks; nobody while they are only observed.
pub fn targets(
    settings: &Settings,
    metrics: &Arc<Metrics>,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Arc<dyn LockTarget>>, StartError> {
    match settings.lock.target {
        Target::Observe => {
            tracing::warn!("lock.target is \"observe\": lock orders are recorded, not sent");
            Ok(Vec::new())
        }
        Target::SpamExperts => {
            let target = SpamExperts::new(
                spamexperts_settings(settings)?,
                Arc::clone(metrics),
                Arc::clone(clock),
            )?;
            Ok(vec![Arc::new(target)])
        }
    }
}

/// Says which orders wait for a target that is not configured: nobody will carry them out.
pub async fn tell_of_orphans(store: &dyn Store, settings: &Settings) {
    let known = settings.to_policy().targets;
    match store.waiting().await {
        Ok(waiting) => {
            for (target, orders) in waiting.iter().filter(|(name, _)| !known.contains(name)) {
                tracing::warn!(
                    lock_target = target,
                    orders,
                    "orders wait for a target that is not in use; they are sent when it is again, unless \
                     they are older than outbox.max_age then, or their incidents are closed"
                );
            }
        }
        Err(error) => tracing::warn!(%error, "the waiting orders could not be counted"),
    }
}

fn spamexperts_settings(settings: &Settings) -> Result<spamexperts::Settings, regex::Error> {
    let s = &settings.lock.spamexperts;
    Ok(spamexperts::Settings {
        name: SPAMEXPERTS.to_owned(),
        url: s.url.clone(),
        login: s.login.clone(),
        password: s.password.to_secret_string(),
        lock_call: s.lock_call.clone(),
        list_call: s.list_call.clone(),
        lock_parameters: s.lock_parameters.clone(),
        list_parameters: s.list_parameters.clone(),
        success: Regex::new(&s.success)?,
        already_locked: Regex::new(&s.already_locked)?,
        refused: s
            .refusals
            .iter()
            .map(|r| Regex::new(r))
            .collect::<Result<_, _>>()?,
        refused_statuses: s.refused_statuses.clone(),
        timeout: s.timeout.0,
        connect_timeout: s.connect_timeout.0,
        max_body: to_usize(s.max_answer.0),
        ca_file: s.ca_file.clone(),
    })
}

/// How the outbox works.
pub fn outbox_settings(settings: &Settings) -> outbox::Settings {
    let s = &settings.outbox;
    outbox::Settings {
        concurrency: s.concurrency,
        lease: s.lease.0,
        backoff: Backoff {
            first: s.first_retry.0,
            most: s.max_retry.0,
        },
        max_age: s.max_age.0,
        max_attempts: (s.max_attempts > 0).then_some(s.max_attempts),
        breaker_limit: s.breaker_failures,
        breaker_pause: s.breaker_pause.0,
        poll: s.poll.0,
    }
}

/// How the writer works.
pub fn writer_settings(settings: &Settings) -> WriterSettings {
    let s = &settings.store;
    WriterSettings {
        max_batch: s.max_batch,
        max_queue: s.max_queue,
        timeout: s.timeout.0,
    }
}

/// What the SMTP edge allows.
pub fn smtp_settings(settings: &Settings) -> smtp::Settings {
    let s = &settings.smtp;
    smtp::Settings {
        hostname: s.hostname.clone(),
        max_sessions: s.max_sessions,
        max_sessions_per_client: s.max_sessions_per_client,
        max_recipients: s.max_recipients,
        max_messages: s.max_messages,
        max_errors: s.max_errors,
        max_message_size: to_usize(s.max_message_size.0),
        max_line: to_usize(s.max_text_line.0),
        max_command_line: to_usize(s.max_command_line.0),
        max_bytes_in_flight: to_usize(s.max_in_flight.0),
        command_timeout: s.command_timeout.0,
        data_timeout: s.data_timeout.0,
        write_timeout: s.write_timeout.0,
        delivery_timeout: settings.store.timeout.0.saturating_add(REPLY_MARGIN),
        session_timeout: s.session_timeout.0,
        drain_timeout: s.drain_timeout.0,
        ..smtp::Settings::default()
    }
}

fn to_usize(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}

/// Makes the labels that are known beforehand appear at once, so that rates are right from the first event.
pub fn start_at_zero(metrics: &Metrics, settings: &Settings) {
    for restraint in Restraint::NAMES {
        metrics.restrained.with_label_values(&[restraint]);
    }
    for standing in Standing::ALL {
        metrics.complaints.with_label_values(&[standing.as_str()]);
    }
    for state in OrderState::ALL {
        metrics.orders.with_label_values(&[state.as_str()]);
    }
    for rule in &settings.rules {
        metrics.crossings.with_label_values(&[rule.name.as_str()]);
    }
}
