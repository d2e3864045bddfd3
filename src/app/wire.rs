//! From settings to parts: what each module is told, and nothing more.

use super::StartError;
use crate::clock::{Clock, SystemClock};
use crate::config::{Feed, Settings, SmtpUser, WhenLost};
use crate::domain::filing::Policy;
use crate::domain::incident::IncidentState;
use crate::domain::lock::{Backoff, OrderState};
use crate::domain::restraint::Restraint;
use crate::domain::standing::Standing;
use crate::intake::prepare::Judge;
use crate::intake::reprove;
use crate::intake::writer::WriterSettings;
use crate::metrics::Metrics;
use crate::outbox;
use crate::proving::{self, Prover};
use crate::reconcile::{self, Reconciler};
use crate::smtp::{self, AuthSettings, HashError, PasswordHash, Tls, User, Users};
use crate::store::{self, Archive, Known, Store, StoreError, StoreOptions};
use jiff::{SignedDuration, Timestamp};
use std::net::SocketAddr;
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
    store::open(url.expose(), &store_options(settings))
        .await
        .map_err(|cause| StartError::Store {
            url: url.masked(),
            cause,
        })
}

fn store_options(settings: &Settings) -> StoreOptions {
    StoreOptions {
        connections: settings.store.max_connections,
        ..StoreOptions::default()
    }
}

/// Opens the configured store if it is there; never makes one, so that a wrong configuration does not show
/// an empty store.
///
/// # Errors
/// As [`open_store`], and when there is none.
pub async fn open_existing_store(settings: &Settings) -> Result<Arc<dyn Store>, StartError> {
    existing(settings)?;
    open_store(settings).await
}

/// Opens what was filed in the configured store, to be read.
///
/// # Errors
/// As [`open_existing_store`].
pub async fn open_archive(settings: &Settings) -> Result<Arc<dyn Archive>, StartError> {
    existing(settings)?;
    let url = &settings.store.url;
    store::open_archive(url.expose(), &store_options(settings))
        .await
        .map_err(|cause| StartError::Store {
            url: url.masked(),
            cause,
        })
}

fn existing(settings: &Settings) -> Result<(), StartError> {
    let url = settings.store.url.expose();
    let file = url.strip_prefix("sqlite:").map(|path| {
        let path = path.strip_prefix("//").unwrap_or(path);
        Path::new(path.split('?').next().unwrap_or(path))
    });
    match file {
        Some(file) if !file.exists() => Err(StartError::NoStore(file.to_owned())),
        _ => Ok(()),
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
        signature_age: jiff::SignedDuration::try_from(settings.proving.max_signature_age.0)
            .unwrap_or(jiff::SignedDuration::MAX),
        learnt: Arc::default(),
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

/// What asks DNS for the proof of feeds.
///
/// # Errors
/// When the resolver cannot be set up.
pub fn prover(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Result<Prover, StartError> {
    let s = &settings.proving;
    let address = |server: &String| {
        let port_53 = |ip| SocketAddr::new(ip, 53);
        server.parse().ok().or(server.parse().ok().map(port_53))
    };
    let dns = proving::resolver::Settings {
        servers: s.servers.iter().filter_map(address).collect(),
        timeout: s.query_timeout.0,
        cache: s.cache,
    };
    let settings = proving::Settings {
        timeout: s.timeout.0,
        max_signatures: s.max_signatures,
        concurrency: s.concurrency,
        hostname: settings.smtp.hostname.clone(),
    };
    let dns = proving::resolver::resolver(&dns).map_err(|e| StartError::Dns(e.to_string()))?;
    Ok(Prover::new(
        dns,
        settings,
        Arc::clone(clock),
        Arc::clone(metrics),
    ))
}

/// How reports are proven later.
pub fn reprove_settings(settings: &Settings) -> reprove::Settings {
    let s = &settings.proving;
    reprove::Settings {
        lease: s.lease.0,
        backoff: Backoff {
            first: s.first_retry.0,
            most: s.max_retry.0,
        },
        max_age: s.max_age.0,
        store_timeout: settings.store.timeout.0,
    }
}

/// How targets are reconciled.
pub fn reconcile_settings(settings: &Settings) -> reconcile::Settings {
    let s = &settings.reconcile;
    reconcile::Settings {
        every: s.every.0,
        grace: s.grace.0,
        when_lost: match s.when_lost {
            WhenLost::Release => reconcile::WhenLost::Release,
            WhenLost::Repair => reconcile::WhenLost::Repair,
        },
        most_unlocked: s.max_unlocked,
        adopt: s.adopt,
        max_domains: s.max_domains,
        cool_down: settings.lock.cool_down.0.as_secs(),
    }
}

/// What compares the targets with the store, for a command.
///
/// # Errors
/// When a target cannot be set up.
pub fn reconciler(settings: &Settings, store: Arc<dyn Store>) -> Result<Reconciler, StartError> {
    let metrics = Arc::new(Metrics::new()?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let targets = super::targets::build(settings, &metrics, &clock)?;
    Ok(Reconciler::new(
        store,
        targets,
        Arc::default(),
        clock,
        metrics,
        reconcile_settings(settings),
    ))
}

/// Says which orders wait for a target that is not configured: nobody will carry them out.
pub async fn tell_of_orphans(store: &dyn Store, settings: &Settings) {
    let known = settings.to_policy().targets;
    match store.waiting().await {
        Ok(waiting) => {
            for (target, orders) in waiting.iter().filter(|(name, _)| !known.knows(name)) {
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

/// How the outbox works.
pub fn outbox_settings(settings: &Settings) -> outbox::Settings {
    let s = &settings.outbox;
    outbox::Settings {
        concurrency: s.concurrency,
        lanes: settings
            .active_targets()
            .into_iter()
            .map(|(_, table)| {
                let own = outbox::LaneSettings {
                    concurrency: table.concurrency,
                    max_per_minute: table.max_per_minute,
                    breaker_limit: table.breaker_failures,
                    breaker_pause: table.breaker_pause.map(|span| span.0),
                };
                (table.name.clone(), own)
            })
            .collect(),
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

/// The certificate and the users of the SMTP edge.
///
/// # Errors
/// When the files cannot be used, or a hash.
pub fn keys(
    settings: &Settings,
    metrics: &Arc<Metrics>,
    clock: &Arc<dyn Clock>,
) -> Result<smtp::Keys, StartError> {
    let s = &settings.smtp;
    let tls = match s.tls.files() {
        None => None,
        Some(files) => Some(Tls::load(
            files,
            s.tls.handshake_timeout.0,
            Arc::clone(clock),
            Arc::clone(metrics),
        )?),
    };
    let user = |user: &SmtpUser| {
        let hash = PasswordHash::parse(user.password_hash.expose())?;
        let name = user.name.clone();
        Ok(User { name, hash })
    };
    let users: Result<Vec<User>, HashError> = s.users.iter().map(user).collect();
    let limits = auth_settings(settings);
    let users = Users::new(users?, limits, Arc::clone(clock), Arc::clone(metrics));
    Ok(smtp::Keys { tls, users })
}

/// How logging in is held within bounds.
fn auth_settings(settings: &Settings) -> AuthSettings {
    let s = &settings.smtp;
    AuthSettings {
        max_failures: s.auth.max_failures,
        max_failures_per_client: s.auth.max_failures_per_client,
        failure_window: s.auth.failure_window.0,
        failure_delay: s.auth.failure_delay.0,
        concurrency: s.auth.concurrency,
        prefixes: (s.client_prefix_ipv4, s.client_prefix_ipv6),
        ..AuthSettings::default()
    }
}

/// What the SMTP edge allows.
pub fn smtp_settings(settings: &Settings) -> smtp::Settings {
    let s = &settings.smtp;
    smtp::Settings {
        hostname: s.hostname.clone(),
        max_sessions: s.max_sessions,
        max_sessions_per_client: s.max_sessions_per_client,
        max_connections_per_minute: s.max_connections_per_minute,
        // Theirs is the mail that we are here for.
        rate_exempt: s
            .rate_exempt
            .iter()
            .copied()
            .chain(settings.feeds.iter().flat_map(Feed::all_networks))
            .collect(),
        ipv4_prefix: s.client_prefix_ipv4,
        ipv6_prefix: s.client_prefix_ipv6,
        proxy_timeout: s.proxy_timeout.0,
        max_recipients: s.max_recipients,
        max_messages: s.max_messages,
        max_errors: s.max_errors,
        max_message_size: to_usize(s.max_message_size.0),
        max_line: to_usize(s.max_text_line.0),
        max_command_line: to_usize(s.max_command_line.0),
        strict_lengths: s.strict_lengths,
        normalise: s.normalise.clone(),
        tarpit: smtp::Tarpit {
            after: s.tarpit_after,
            step: s.tarpit_step.0,
            max: s.tarpit_max.0,
            recipient: s.tarpit_recipient.0,
        },
        min_data_rate: s.min_data_rate.0,
        data_rate_window: s.data_rate_window.0,
        max_bytes_in_flight: to_usize(s.max_in_flight.0),
        command_timeout: s.command_timeout.0,
        data_timeout: s.data_timeout.0,
        write_timeout: s.write_timeout.0,
        delivery_timeout: (settings.store.timeout.0)
            .saturating_add(settings.proving.timeout.0)
            // A turn, and an answer.
            .saturating_add(settings.aliases.timeout.0.saturating_mul(2))
            .saturating_add(REPLY_MARGIN),
        session_timeout: s.session_timeout.0,
        drain_timeout: s.drain_timeout.0,
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
    for state in IncidentState::ALL.into_iter().filter(|s| !s.is_over()) {
        metrics.incidents.with_label_values(&[state.as_str()]);
    }
    for state in OrderState::ALL {
        metrics.orders.with_label_values(&[state.as_str()]);
    }
    for name in std::iter::once("smtp").chain(settings.smtp.listeners.iter().map(|l| &l.name[..])) {
        metrics.smtp_accept_failures.with_label_values(&[name]);
        metrics
            .smtp_connections
            .with_label_values(&[name, "session"]);
    }
    for outcome in ["known", "unknown", "failed", "cached", "stale", "trouble"] {
        metrics.alias_lookups.with_label_values(&[outcome]);
    }
    for outcome in ["proven", "not_proven", "later", "given_up", "lost"] {
        metrics.unproven_tries.with_label_values(&[outcome]);
    }
    for outcome in ["taken_up", "refused"] {
        metrics.config_reloads.with_label_values(&[outcome]);
    }
    for rule in &settings.rules {
        metrics.crossings.with_label_values(&[rule.name.as_str()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_and_the_configuration_have_the_same_defaults() {
        let mapped = smtp_settings(&Settings::default());
        let own = smtp::Settings {
            delivery_timeout: mapped.delivery_timeout,
            // The edge alone counts nobody's connections.
            max_connections_per_minute: mapped.max_connections_per_minute,
            rate_exempt: mapped.rate_exempt.clone(),
            ..smtp::Settings::default()
        };
        assert_eq!(mapped, own);
    }

    #[test]
    fn every_limit_of_text_and_session_reaches_the_edge() {
        let settings: Settings = toml::from_str(
            "[smtp]\nstrict_lengths = true\nnormalise = [\"10.0.0.0/8\"]\nmin_data_rate = 7\n\
             data_rate_window = \"11s\"\ntarpit_after = 9\ntarpit_step = \"2s\"\ntarpit_max = \"3s\"\n\
             tarpit_recipient = \"4s\"\nmax_messages = 5\nmax_errors = 6\nmax_recipients = 8\n",
        )
        .unwrap();
        let edge = smtp_settings(&settings);
        assert!(edge.strict_lengths);
        assert_eq!(edge.normalise, ["10.0.0.0/8".parse().unwrap()]);
        assert_eq!(
            (edge.min_data_rate, edge.data_rate_window.as_secs()),
            (7, 11)
        );
        let seconds = |span: Duration| span.as_secs();
        let tarpit = edge.tarpit;
        assert_eq!(tarpit.after, 9);
        assert_eq!(
            [tarpit.step, tarpit.max, tarpit.recipient].map(seconds),
            [2, 3, 4]
        );
        assert_eq!(
            (edge.max_messages, edge.max_errors, edge.max_recipients),
            (5, 6, 8)
        );
    }

    #[test]
    fn a_client_network_is_the_same_for_all_limits() {
        let settings: Settings =
            toml::from_str("[smtp]\nclient_prefix_ipv4 = 24\nclient_prefix_ipv6 = 48\n").unwrap();
        let edge = smtp_settings(&settings);
        assert_eq!((edge.ipv4_prefix, edge.ipv6_prefix), (24, 48));
        assert_eq!(auth_settings(&settings).prefixes, (24, 48));
    }
}
