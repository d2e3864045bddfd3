//! Accepts connections and keeps their tasks: each session stands alone, is counted, and may panic without
//! harm to the others. Stops by taking no more and waiting for the rest.

use super::auth::{Credentials, Users, Verdict};
use super::carry::carry;
use super::limits::{Budget, Full, Gate, Pass};
use super::reply::{self, Reply};
use super::session::Session;
use super::tls::Tls;
use super::{Door, Inbox, Peer, Security, Settings};
use crate::metrics::Metrics;
use prometheus::IntCounter;
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Shutdown};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

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
}

impl Counters {
    fn new(metrics: Arc<Metrics>) -> Self {
        let reply = |label| metrics.smtp_messages.with_label_values(&[label]);
        Self {
            accepted: reply("accepted"),
            deferred: reply("deferred"),
            rejected: reply("rejected"),
            bytes: metrics.smtp_bytes.clone(),
            metrics,
        }
    }

    /// Counts a refusal.
    pub(super) fn refusal(&self, reason: &'static str) {
        self.metrics
            .smtp_refusals
            .with_label_values(&[reason])
            .inc();
    }
}

/// A session's place, given back when its task ends in whatever way.
struct Place {
    edge: Arc<Edge>,
    _pass: Pass,
}

impl Place {
    fn take(edge: &Arc<Edge>, client: IpAddr) -> Result<Self, Full> {
        let pass = edge.gate.enter(client)?;
        edge.count.metrics.smtp_sessions.inc();
        edge.count.metrics.smtp_sessions_total.inc();
        Ok(Self {
            edge: Arc::clone(edge),
            _pass: pass,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.edge.count.metrics.smtp_sessions.dec();
    }
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
        Arc::new(Self {
            gate: Gate::new(
                settings.max_sessions,
                settings.max_sessions_per_client,
                prefixes,
            ),
            budget: Budget::new(settings.max_bytes_in_flight),
            count: Counters::new(metrics),
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
        listener: TcpListener,
        door: Arc<Door>,
        shutdown: CancellationToken,
    ) {
        let mut sessions = JoinSet::new();
        let mut pause = Duration::ZERO;
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                Some(done) = sessions.join_next() => {
                    self.ended(done);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, from)) => {
                    pause = Duration::ZERO;
                    let peer = Peer {
                        client: from.ip().to_canonical(),
                        door: Arc::clone(&door),
                        security: Security::default(),
                    };
                    self.admit(&mut sessions, stream, peer, &shutdown);
                }
                Err(error) => {
                    pause = back_off(&error, pause);
                    tracing::warn!(%error, ?pause, "cannot accept a connection");
                    tokio::select! {
                        () = shutdown.cancelled() => break,
                        () = sleep(pause) => {}
                    }
                }
            }
        }
        drop(listener);
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

    fn admit(
        self: &Arc<Self>,
        sessions: &mut JoinSet<()>,
        stream: TcpStream,
        peer: Peer,
        shutdown: &CancellationToken,
    ) {
        let client = peer.client;
        let place = match Place::take(self, client) {
            Ok(place) => place,
            Err(Full::All) => return self.turn_away(stream, client, &reply::TOO_MANY_SESSIONS),
            Err(Full::Client) => {
                return self.turn_away(stream, client, &reply::TOO_MANY_FROM_CLIENT);
            }
        };
        // Replies are small and must not wait for each other.
        let _ = stream.set_nodelay(true);
        let session = Session::open(self, peer);
        let span = tracing::info_span!("smtp", session = session.id(), %client);
        let shutdown = shutdown.clone();
        let task = async move {
            tracing::debug!("session opened");
            carry(stream, session, &place.edge, &shutdown).await;
            tracing::debug!("session closed");
        };
        sessions.spawn(task.instrument(span));
    }

    /// Refuses a connection without waiting for the client: a fresh socket has room for the line.
    fn turn_away(&self, stream: TcpStream, client: IpAddr, reply: &Reply) {
        self.count.refusal(reply.reason);
        tracing::info!(%client, reason = reply.reason, "connection refused");
        let mut line = Vec::new();
        reply.write(&mut line);
        if let Ok(mut stream) = stream.into_std() {
            let _ = stream.write_all(&line);
            let _ = stream.shutdown(Shutdown::Write);
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

/// Serves a single listener with limits of its own: see [`Edge::serve`].
pub async fn serve(
    listener: TcpListener,
    inbox: Arc<dyn Inbox>,
    settings: Settings,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) {
    Edge::new(inbox, settings, metrics)
        .serve(listener, Arc::default(), shutdown)
        .await;
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
