//! Accepts connections and keeps their tasks: each session stands alone, is counted, and may panic without
//! harm to the others. Stops by taking no more and waiting for the rest.

use super::auth::{Credentials, Users, Verdict};
use super::carry::carry;
use super::limits::{Budget, Gate, Pass};
use super::rates::Rates;
use super::reply::{self, Reply};
use super::session::Session;
use super::tls::Tls;
use super::trickle::Trickle;
use super::{Door, Inbox, Listener, Peer, Security, Settings, Stream, TlsMode, proxy};
use crate::clock::{Clock, SystemClock};
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use prometheus::IntCounter;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Connections told at a stop that they came too late: as many as the kernel lets wait.
const BACKLOG: usize = 4096;
/// Reasons of refusals that are no reply.
const OTHERS: [&str; 4] = ["inbox", "not_a_proxy", "proxy_header", "slow_reader"];

/// What the edge proves itself by, and its clients.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// The certificate. Without it there is no TLS.
    pub tls: Option<Arc<Tls>>,
    /// Who may log in. Without them nobody may.
    pub users: Option<Arc<Users>>,
}

/// What all listeners and sessions share.
pub struct Edge {
    pub(super) settings: Settings,
    pub(super) keys: Keys,
    pub(super) inbox: Arc<dyn Inbox>,
    pub(super) budget: Arc<Budget>,
    pub(super) count: Counters,
    gate: Arc<Gate>,
    rates: Rates,
    clock: Arc<dyn Clock>,
    pulse: Pulse,
    ids: AtomicU64,
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The metrics that are counted for each message, looked up once.
pub(super) struct Counters {
    metrics: Arc<Metrics>,
    pub(super) accepted: IntCounter,
    pub(super) deferred: IntCounter,
    pub(super) rejected: IntCounter,
    pub(super) bytes: IntCounter,
    /// Who is turned away may come as fast as he likes; the log would fill the disk.
    turned_away: Trickle,
}

impl Counters {
    fn new(metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        let reply = |label| metrics.smtp_messages.with_label_values(&[label]);
        // Known from the start, so that the first of a kind is seen as an increase.
        let reasons = reply::ALL.iter().map(|reply| reply.reason);
        for reason in reasons.filter(|reason| !reason.is_empty()).chain(OTHERS) {
            metrics.smtp_refusals.with_label_values(&[reason]);
        }
        Self {
            accepted: reply("accepted"),
            deferred: reply("deferred"),
            rejected: reply("rejected"),
            bytes: metrics.smtp_bytes.clone(),
            turned_away: Trickle::new(clock),
            metrics,
        }
    }

    /// Counts a connection and what became of it.
    fn connection(&self, door: &Door, outcome: &'static str) {
        self.metrics
            .smtp_connections
            .with_label_values(&[door.name.as_str(), outcome])
            .inc();
    }

    /// Counts how long a reply is held back.
    pub(super) fn tarpit(&self, pause: Duration) {
        self.metrics.smtp_tarpit.inc_by(pause.as_secs_f64());
    }

    /// Counts a refusal.
    pub(super) fn refusal(&self, reason: &'static str) {
        self.metrics
            .smtp_refusals
            .with_label_values(&[reason])
            .inc();
    }
}

/// A connection's place, given back when its task ends in whatever way.
struct Place {
    edge: Arc<Edge>,
    pass: Pass,
}

impl Place {
    fn take(edge: &Arc<Edge>) -> Option<Self> {
        let pass = edge.gate.enter()?;
        edge.count.metrics.smtp_sessions.inc();
        Some(Self {
            edge: Arc::clone(edge),
            pass,
        })
    }

    /// Counts it for its client.
    fn claim(&mut self, client: IpAddr) -> Result<(), &'static Reply> {
        let edge = &self.edge;
        if !edge.rates.allows(client, edge.clock.elapsed()) {
            return Err(&reply::TOO_FAST);
        }
        match self.pass.claim(client) {
            true => Ok(()),
            false => Err(&reply::TOO_MANY_FROM_CLIENT),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.edge.count.metrics.smtp_sessions.dec();
    }
}

/// A connection that came in by a door.
struct Caller {
    stream: Stream,
    /// Where it comes from; behind a proxy, that is the proxy.
    from: IpAddr,
    door: Arc<Door>,
}

impl Edge {
    /// An edge that hands its messages to `inbox`, without TLS.
    pub fn new(inbox: Arc<dyn Inbox>, settings: Settings, metrics: Arc<Metrics>) -> Arc<Self> {
        Self::with_keys(inbox, settings, metrics, Keys::default())
    }

    /// An edge that hands its messages to `inbox`.
    pub fn with_keys(
        inbox: Arc<dyn Inbox>,
        settings: Settings,
        metrics: Arc<Metrics>,
        keys: Keys,
    ) -> Arc<Self> {
        let prefixes = (settings.ipv4_prefix, settings.ipv6_prefix);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
        Arc::new(Self {
            gate: Gate::new(
                settings.max_sessions,
                settings.max_sessions_per_client,
                prefixes,
            ),
            rates: Rates::new(
                settings.max_connections_per_minute,
                prefixes,
                settings.rate_exempt.clone(),
            ),
            pulse: Pulse::default(),
            budget: Budget::new(settings.max_bytes_in_flight),
            count: Counters::new(metrics, Arc::clone(&clock)),
            clock,
            ids: AtomicU64::new(0),
            inbox,
            settings,
            keys,
        })
    }

    /// A number for a new session.
    pub(super) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Relaxed) + 1
    }

    /// Asks the listeners' loops whether they go round.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Tries to log a client in.
    pub(super) async fn verify(&self, client: IpAddr, credentials: Credentials) -> Verdict {
        match &self.keys.users {
            Some(users) => users.verify(client, credentials).await,
            None => Verdict::Busy,
        }
    }

    /// Serves one listener until told to stop; returns when its last session is gone. Several listeners may
    /// be served at once and share the limits.
    pub async fn serve(
        self: Arc<Self>,
        listener: impl Into<Listener>,
        door: Arc<Door>,
        shutdown: CancellationToken,
    ) {
        let listener = listener.into();
        let mut beat = self.pulse.member(&door.name);
        let mut sessions = JoinSet::new();
        let mut pause = Duration::ZERO;
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = beat.called() => continue,
                Some(done) = sessions.join_next() => {
                    self.ended(done);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    pause = Duration::ZERO;
                    let door = Arc::clone(&door);
                    self.admit(&mut sessions, Caller { stream, from, door }, &shutdown);
                }
                Err(error) => {
                    pause = back_off(&error, pause);
                    let failures = &self.count.metrics.smtp_accept_failures;
                    failures.with_label_values(&[&door.name]).inc();
                    tracing::warn!(%error, ?pause, listener = door.name, "cannot accept a connection");
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = sleep(pause) => {}
                    }
                }
            }
        }
        drop(beat);
        self.close(listener, &door).await;
        let rest = async {
            while let Some(done) = sessions.join_next().await {
                self.ended(done);
            }
        };
        if timeout(self.settings.drain_timeout, rest).await.is_err() {
            tracing::warn!(sessions = sessions.len(), "sessions cut off at shutdown");
            sessions.shutdown().await;
        }
    }

    /// Takes no more. Who is connected already, but was not yet accepted, is told so: the kernel would only reset
    /// the connection. Behind a socket of the service manager's they wait for our successor.
    async fn close(&self, listener: Listener, door: &Arc<Door>) {
        if listener.is_inherited() {
            return;
        }
        for _ in 0..BACKLOG {
            let Ok(Ok((stream, from))) = timeout(Duration::ZERO, listener.accept()).await else {
                return;
            };
            let door = Arc::clone(door);
            self.turn_away(Caller { stream, from, door }, from, &reply::STOPPING);
        }
    }

    /// Gives a connection a task of its own, or turns it away without one.
    fn admit(
        self: &Arc<Self>,
        sessions: &mut JoinSet<()>,
        caller: Caller,
        shutdown: &CancellationToken,
    ) {
        let from = caller.from;
        let by_proxy = !caller.door.proxy.is_empty();
        if by_proxy && !caller.door.hears(from) {
            return self.shut_out(&caller.door, from, "not_a_proxy");
        }
        let Some(mut place) = Place::take(self) else {
            return self.turn_away(caller, from, &reply::TOO_MANY_SESSIONS);
        };
        let shutdown = shutdown.clone();
        if by_proxy {
            let edge = Arc::clone(self);
            sessions.spawn(async move { edge.behind_proxy(caller, place, shutdown).await });
        } else {
            match place.claim(from) {
                Ok(()) => drop(sessions.spawn(session(caller, from, place, shutdown))),
                Err(reply) => self.turn_away(caller, from, reply),
            }
        }
    }

    /// Lets a proxy say who the client is; then all is as if that had come by itself.
    async fn behind_proxy(
        self: Arc<Self>,
        mut caller: Caller,
        mut place: Place,
        shutdown: CancellationToken,
    ) {
        let from = caller.from;
        let header = tokio::select! {
            () = shutdown.cancelled() => {
                return self.turn_away(caller, from, &reply::STOPPING);
            }
            header = timeout(self.settings.proxy_timeout, proxy::read(&mut caller.stream)) => header,
        };
        let client = match header {
            Ok(Ok(client)) => client.unwrap_or(from),
            Ok(Err(error)) => {
                tracing::debug!(%error, proxy = %from, "no PROXY header");
                return self.shut_out(&caller.door, from, "proxy_header");
            }
            Err(_) => return self.shut_out(&caller.door, from, "proxy_header"),
        };
        match place.claim(client) {
            Ok(()) => session(caller, client, place, shutdown).await,
            Err(reply) => self.turn_away(caller, client, reply),
        }
    }

    /// Refuses a connection without waiting for the client: a fresh socket has room for the line.
    fn turn_away(&self, caller: Caller, client: IpAddr, reply: &Reply) {
        self.shut_out(&caller.door, client, reply.reason);
        // Who expects TLS cannot read it.
        if caller.door.tls == TlsMode::Implicit {
            return;
        }
        let mut line = Vec::new();
        reply.write(&mut line);
        match caller.stream {
            Either::Left(stream) => {
                if let Ok(mut stream) = stream.into_std() {
                    last_word(&mut stream, &line);
                    let _ = stream.shutdown(Shutdown::Write);
                }
            }
            Either::Right(stream) => {
                if let Ok(mut stream) = stream.into_std() {
                    last_word(&mut stream, &line);
                    let _ = stream.shutdown(Shutdown::Write);
                }
            }
        }
    }

    /// Counts and tells of a connection that becomes no session.
    fn shut_out(&self, door: &Door, client: IpAddr, reason: &'static str) {
        self.count.refusal(reason);
        self.count.connection(door, reason);
        if let Some(unsaid) = self.count.turned_away.may_speak() {
            tracing::info!(%client, reason, listener = door.name, unsaid, "connection refused");
        }
    }

    fn ended(&self, done: Result<(), JoinError>) {
        if let Err(error) = done
            && error.is_panic()
        {
            self.count.metrics.panics.inc();
            tracing::error!(%error, "a session panicked");
        }
    }
}

/// Writes a line to a socket that does not block. What has come in, as a proxy's header, is read before: unread, it
/// would make the kernel reset the connection and take the line from the client.
fn last_word(stream: &mut (impl Read + Write), line: &[u8]) {
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write_all(line);
}

/// How long to wait before the next accept. Without a pause a lack of descriptors would spin: the waiting
/// connection stays readable.
fn back_off(error: &io::Error, last: Duration) -> Duration {
    match error.kind() {
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted => {
            Duration::ZERO
        }
        _ => (last * 2).clamp(Duration::from_millis(10), Duration::from_secs(1)),
    }
}

/// A session from its greeting to its end.
async fn session(caller: Caller, client: IpAddr, place: Place, shutdown: CancellationToken) {
    let edge = Arc::clone(&place.edge);
    edge.count.metrics.smtp_sessions_total.inc();
    edge.count.connection(&caller.door, "session");
    // Replies are small and must not wait for each other.
    if let Either::Left(stream) = &caller.stream {
        let _ = stream.set_nodelay(true);
    }
    let span = tracing::info_span!(
        "smtp",
        session = tracing::field::Empty,
        %client,
        listener = caller.door.name
    );
    let peer = Peer {
        client,
        door: caller.door,
        security: Security::default(),
    };
    let session = Session::open(&edge, peer);
    span.record("session", session.id());
    let talk = async {
        tracing::debug!("session opened");
        carry(caller.stream, session, &edge, &shutdown).await;
        tracing::debug!("session closed");
    };
    talk.instrument(span).await;
    drop(place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_backs_off_when_descriptors_run_out() {
        let none_left = io::Error::from_raw_os_error(24);
        let mut pause = Duration::ZERO;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            pause = back_off(&none_left, pause);
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        let gone = ErrorKind::ConnectionAborted.into();
        assert_eq!(back_off(&gone, pause), Duration::ZERO);
    }
}
