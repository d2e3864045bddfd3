//! Every metric's name, labels and help text, once. Labels are bounded: feeds, rules and targets come from
//! configuration, all else from closed lists. Identities, addresses and domains are never labels.

#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Counter, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Buckets in seconds from half a millisecond to half a minute.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];
/// Buckets in reports a commit.
const BATCH: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
/// Buckets in seconds from order to confirmed lock: a second to a day.
const ORDER_SECONDS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0, 86400.0];

macro_rules! metrics {
    ($($(#[$doc:meta])* $field:ident : $kind:ident ( $name:literal, $help:literal $(, labels $labels:expr)? $(, buckets $buckets:expr)? ) ;)*) => {
        /// The daemon's metrics and the registry that holds them.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            $( $(#[$doc])* #[doc = $help] pub $field: $kind, )*
        }

        impl Metrics {
            /// Registers every metric in a registry of its own.
            ///
            /// # Errors
            /// When two metrics share a name, which a test rules out.
            pub fn new() -> prometheus::Result<Self> {
                let registry = Registry::new();
                #[cfg(target_os = "linux")]
                registry.register(Box::new(ProcessCollector::for_self()))?;
                $(
                    let $field = metrics!(@make $kind, $name, $help $(, labels $labels)? $(, buckets $buckets)?);
                    registry.register(Box::new($field.clone()))?;
                )*
                let metrics = Self { registry, $($field,)* };
                metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
                Ok(metrics)
            }

            /// The name and kind of every metric, for the dashboard's and the alert rules' tests.
            pub const NAMES: &'static [(&'static str, &'static str)] = &[
                $( ($name, stringify!($kind)), )*
            ];
        }
    };
    (@make IntCounter, $name:literal, $help:literal) => { IntCounter::new($name, $help)? };
    (@make Counter, $name:literal, $help:literal) => { Counter::new($name, $help)? };
    (@make IntGauge, $name:literal, $help:literal) => { IntGauge::new($name, $help)? };
    (@make IntCounterVec, $name:literal, $help:literal, labels $labels:expr) => {
        IntCounterVec::new(Opts::new($name, $help), &$labels)?
    };
    (@make IntGaugeVec, $name:literal, $help:literal, labels $labels:expr) => {
        IntGaugeVec::new(Opts::new($name, $help), &$labels)?
    };
    (@make Histogram, $name:literal, $help:literal, buckets $buckets:expr) => {
        Histogram::with_opts(HistogramOpts::new($name, $help).buckets($buckets.to_vec()))?
    };
    (@make HistogramVec, $name:literal, $help:literal, labels $labels:expr, buckets $buckets:expr) => {
        HistogramVec::new(HistogramOpts::new($name, $help).buckets($buckets.to_vec()), &$labels)?
    };
}

metrics! {
    build_info: IntGaugeVec("arfd_build_info", "Always 1; the label names the version.", labels ["version"]);
    smtp_sessions: IntGauge("arfd_smtp_sessions", "SMTP sessions open now.");
    smtp_sessions_total: IntCounter("arfd_smtp_sessions_total", "SMTP sessions accepted since start.");
    smtp_connections: IntCounterVec("arfd_smtp_connections_total", "Connections accepted since start, by listener and outcome: 'session', or why there was none.", labels ["listener", "outcome"]);
    smtp_accept_failures: IntCounterVec("arfd_smtp_accept_failures_total", "Failed accepts, by listener: it waits and goes on. Mostly for want of descriptors.", labels ["listener"]);
    smtp_refusals: IntCounterVec("arfd_smtp_refusals_total", "Commands, messages and sessions refused at SMTP, by reason.", labels ["reason"]);
    smtp_tarpit: Counter("arfd_smtp_tarpit_seconds_total", "Seconds that replies to errors were held back at SMTP.");
    smtp_messages: IntCounterVec("arfd_smtp_messages_total", "Messages received in full, by the reply they got: accepted, deferred or rejected.", labels ["reply"]);
    smtp_bytes: IntCounter("arfd_smtp_bytes_total", "Octets of message text received.");
    tls_sessions: IntCounterVec("arfd_tls_sessions_total", "TLS handshakes done, by version and cipher suite.", labels ["version", "cipher"]);
    tls_failures: IntCounterVec("arfd_tls_handshake_failures_total", "TLS handshakes that failed, by reason.", labels ["reason"]);
    tls_certificate_expires: IntGauge("arfd_tls_certificate_expires_seconds", "When the certificate in use expires, in seconds since 1970; 0 without one.");
    tls_reloads: IntCounterVec("arfd_tls_reloads_total", "Times that changed certificate files were taken up, by outcome: loaded, or failed and the old one kept.", labels ["outcome"]);
    auth: IntCounterVec("arfd_smtp_auth_total", "Logins at SMTP, by outcome: granted, denied, throttled or busy.", labels ["outcome"]);
    config_reloads: IntCounterVec("arfd_config_reloads_total", "Times that the configuration was read again, by outcome: taken_up, or refused and the old one kept.", labels ["outcome"]);
    config_current: IntGauge("arfd_config_current", "1 when the last reading of the configuration was taken up, 0 when it was refused.");
    config_reloaded: IntGauge("arfd_config_reloaded_seconds", "When the configuration in force was read, in seconds since 1970.");
    reports: IntCounterVec("arfd_reports_total", "Messages filed, by feed (or 'unproven'), feedback type and format. Repeats of the very same report are not in it.", labels ["feed", "feedback_type", "format"]);
    repeated: IntCounter("arfd_repeated_reports_total", "Retransmissions of a report that was already filed.");
    defects: IntCounterVec("arfd_report_defects_total", "Departures from the standard seen in reports, by code.", labels ["defect"]);
    attributions: IntCounterVec("arfd_attributions_total", "Outcomes of attribution: the method that named an identity, or the reason why none was named.", labels ["outcome", "detail"]);
    token_failures: IntCounterVec("arfd_token_failures_total", "Reports with a token that was worth nothing, by reason: unknown_key, bad_mac, expired or malformed.", labels ["reason"]);
    complaints: IntCounterVec("arfd_complaints_total", "Reports by whether they counted, and if not, why.", labels ["standing"]);
    crossings: IntCounterVec("arfd_crossings_total", "Rules crossed: each opened an incident, or raised an open one.", labels ["rule"]);
    restrained: IntCounterVec("arfd_restrained_total", "Crossings that did not lock at once, by what restrained them.", labels ["restraint"]);
    locks_paused: IntGauge("arfd_locks_paused", "1 while locks are paused by hand; read at each scrape.");
    orders: IntGaugeVec("arfd_orders", "Lock orders in the store, by state; read at each scrape.", labels ["state"]);
    incidents: IntGaugeVec("arfd_incidents", "Open incidents in the store, by state; read at each scrape.", labels ["state"]);
    drift: IntGaugeVec("arfd_drift", "How a target and the store differed when last compared: 'lost' (locked here, not there) and 'foreign' (locked there, not known here).", labels ["target", "kind"]);
    target_reset: IntGaugeVec("arfd_target_reset", "1 while so many locks are missing at a target that it was evidently reset: a person must look.", labels ["target"]);
    reconciliations: IntCounterVec("arfd_reconciliations_total", "Comparisons of a target with the store, by outcome: same, drift, failed or unsupported.", labels ["target", "outcome"]);
    reconciled: IntCounterVec("arfd_reconciled_total", "What was done after such comparisons: released, repaired or adopted.", labels ["target", "action"]);
    timeouts: IntCounter("arfd_lock_timeouts_total", "Holds and locks that this process ended because their time was up.");
    order_tries: IntCounterVec("arfd_order_tries_total", "Tries to carry out a lock order, by target and outcome.", labels ["target", "outcome"]);
    order_seconds: HistogramVec("arfd_order_seconds", "Seconds from a lock order to the target's confirmed lock.", labels ["target"], buckets ORDER_SECONDS);
    lock_calls: IntCounterVec("arfd_lock_calls_total", "Calls to lock APIs, by target, call and outcome.", labels ["target", "call", "outcome"]);
    lock_call_seconds: HistogramVec("arfd_lock_call_seconds", "Seconds that calls to lock APIs took.", labels ["target", "call"], buckets SECONDS);
    orders_under_way: IntGaugeVec("arfd_orders_under_way", "Orders that a target is being asked to carry out now, by target.", labels ["target"]);
    breaker_open: IntGaugeVec("arfd_breaker_open", "1 while a target is not asked because it kept failing.", labels ["target"]);
    commit_batch: Histogram("arfd_commit_batch_reports", "Reports filed in one transaction.", buckets BATCH);
    commit_seconds: Histogram("arfd_commit_seconds", "Seconds that one filing transaction took.", buckets SECONDS);
    commit_failures: IntCounter("arfd_commit_failures_total", "Filing transactions that failed; their senders were told to retry.");
    queue_depth: IntGauge("arfd_queue_depth", "Reports waiting for the next filing transaction.");
    proving_checks: IntCounterVec("arfd_proving_checks_total", "DKIM signatures and SPF policies looked at for a feed's proof, by method and result.", labels ["method", "result"]);
    proving_seconds: Histogram("arfd_proving_seconds", "Seconds that looking at one message's signatures and policies took.", buckets SECONDS);
    unproven_waiting: IntGauge("arfd_unproven_waiting", "Reports stored and not counted yet because DNS could not prove their feed, or a look-up not name their sender; tried again.");
    unproven_tries: IntCounterVec("arfd_unproven_tries_total", "Later tries to prove such reports, by outcome: proven, not_proven, later, given_up or lost.", labels ["outcome"]);
    alias_rows: IntGauge("arfd_alias_rows", "Rows of the file of aliases in use.");
    alias_reloads: IntCounterVec("arfd_alias_reloads_total", "Times that a changed file of aliases was taken up, by outcome: loaded, or failed and the old one kept.", labels ["outcome"]);
    alias_lookups: IntCounterVec("arfd_alias_lookups_total", "Questions to the look-up service of aliases, by outcome: known, unknown, failed; and what those who asked got instead: cached, stale, trouble.", labels ["outcome"]);
    alias_seconds: Histogram("arfd_alias_seconds", "Seconds that the look-up service of aliases took to answer.", buckets SECONDS);
    alias_breaker_open: IntGauge("arfd_alias_breaker_open", "1 since the look-up service of aliases kept failing, until it answers again.");
    feed_outcomes: IntCounterVec("arfd_feed_outcomes_total", "Messages by feed and what became of them: filed (proven), readable, attributed, counted, over_cap; unproven: a part of its proof held.", labels ["feed", "outcome"]);
    feed_last_seen: IntGaugeVec("arfd_feed_last_seen_seconds", "When something last came from a feed, in seconds since 1970.", labels ["feed"]);
    feed_silent: IntGaugeVec("arfd_feed_silent", "1 while nothing has come from a feed for longer than its expect_every.", labels ["feed"]);
    feed_fields_gone: IntGaugeVec("arfd_feed_fields_gone", "Fields that always came in a feed's reports and are in none of the newest.", labels ["feed"]);
    panics: IntCounter("arfd_session_panics_total", "SMTP sessions that ended in a panic; the others live on.");
}

impl Metrics {
    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric cannot be encoded, which would be a fault of the library.
    pub fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_register_and_render() {
        let metrics = Metrics::new().unwrap();
        metrics
            .reports
            .with_label_values(&["filter", "abuse", "arf"])
            .inc();
        let text = metrics.render().unwrap();
        assert!(text.contains("arfd_build_info{version="));
        assert!(text.contains(
            "arfd_reports_total{feed=\"filter\",feedback_type=\"abuse\",format=\"arf\"} 1"
        ));
    }
}
