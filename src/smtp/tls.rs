//! TLS for the edge: handshakes with whatever certificate is current, and its renewal while sessions go on.
//! A renewal that fails changes nothing: the certificate in use stays.

mod client;
mod files;

pub use files::{TlsError, TlsFiles};

use super::Security;
use super::trickle::Trickle;
use crate::clock::Clock;
use crate::metrics::Metrics;
use files::Loaded;
use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{Error, ProtocolVersion, ServerConnection};
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{TlsAcceptor, rustls::pki_types::CertificateDer};
use tokio_util::sync::CancellationToken;

/// The certificate in use and where its successor will come from.
pub struct Tls {
    files: TlsFiles,
    handshake_timeout: Duration,
    current: RwLock<Arc<Loaded>>,
    seen: Mutex<Seen>,
    failures: Trickle,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

/// The state of the files when they were looked at last, so that each is acted and reported on once.
#[derive(PartialEq, Eq)]
enum Seen {
    Files(blake3::Hash),
    Trouble(String),
}

/// What came of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The files are as they were.
    Unchanged,
    /// New sessions get what stands in the files now.
    Loaded,
    /// They cannot be used; new sessions get what the ones before got.
    Failed,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

impl Tls {
    /// Loads the files.
    ///
    /// # Errors
    /// What is wrong with them, with key and file.
    pub fn load(
        files: TlsFiles,
        handshake_timeout: Duration,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, TlsError> {
        let contents = files.read()?;
        let seen = Seen::Files(contents.digest());
        let loaded = Arc::new(files.load(&contents)?);
        let tls = Self {
            files,
            handshake_timeout,
            current: RwLock::new(Arc::clone(&loaded)),
            seen: Mutex::new(seen),
            failures: Trickle::new(Arc::clone(&clock)),
            clock,
            metrics,
        };
        tls.announce(&loaded);
        Ok(Arc::new(tls))
    }

    /// Whether the files could be used, without using them.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn check(files: &TlsFiles) -> Result<(), TlsError> {
        files.load(&files.read()?).map(drop)
    }

    fn announce(&self, loaded: &Loaded) {
        self.metrics.tls_certificate_expires.set(loaded.expires);
        let file = self.files.certificate.display();
        let Ok(expires) = Timestamp::from_second(loaded.expires) else {
            return;
        };
        if expires <= self.clock.now() {
            tracing::warn!(%file, %expires, "the certificate has expired; it is used all the same");
        } else {
            tracing::info!(%file, %expires, "certificate loaded");
        }
    }

    fn current(&self) -> Arc<Loaded> {
        let current = self.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the files, and takes them up if they changed since the last look, or in any case if `forced`.
    /// Reads files: not for a thread that must not wait.
    pub fn renew(&self, forced: bool) -> Renewal {
        // Held all the while, so that of two renewals at once the later reading wins.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let contents = self.files.read();
        let now = match &contents {
            Ok(contents) => Seen::Files(contents.digest()),
            Err(error) => Seen::Trouble(error.to_string()),
        };
        if *seen == now && !forced {
            return Renewal::Unchanged;
        }
        *seen = now;
        let count = |outcome| self.metrics.tls_reloads.with_label_values(&[outcome]).inc();
        match contents.and_then(|contents| self.files.load(&contents)) {
            Ok(loaded) => {
                let loaded = Arc::new(loaded);
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = Arc::clone(&loaded);
                drop(current);
                count("loaded");
                self.announce(&loaded);
                if let Some(warning) = self.files.exposed_key() {
                    tracing::warn!("smtp.tls.key_file: {warning}");
                }
                Renewal::Loaded
            }
            Err(error) => {
                count("failed");
                tracing::error!(
                    "smtp.tls.{}: {error}; the certificate in use stays",
                    error.key()
                );
                Renewal::Failed
            }
        }
    }

    /// Looks at the files every so often until told to stop. Their contents are compared, so links that are
    /// switched (certbot, Kubernetes) are seen, and a file that is half written is looked at again.
    pub async fn watch(self: Arc<Self>, every: Duration, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sleep(every) => {}
            }
            self.renew_aside(false).await;
        }
    }

    /// [`Tls::renew`], on a thread that may wait.
    pub async fn renew_aside(self: &Arc<Self>, forced: bool) -> Renewal {
        let tls = Arc::clone(self);
        let renewed = tokio::task::spawn_blocking(move || tls.renew(forced)).await;
        renewed.unwrap_or(Renewal::Failed)
    }

    /// Does the handshake, within its deadline. None if it fails, which is then counted and logged.
    pub(super) async fn accept<S>(&self, stream: S) -> Option<(TlsStream<S>, Security)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let loaded = self.current();
        let handshake = TlsAcceptor::from(Arc::clone(&loaded.config)).accept(stream);
        let stream = match timeout(self.handshake_timeout, handshake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.failed(reason(&error), &error),
            Err(_) => return self.failed("timeout", &"not done in time"),
        };
        let connection = stream.get_ref().1;
        self.count(connection);
        let chain = connection.peer_certificates();
        let certificate = chain.and_then(|chain| self.certificate(&loaded, chain));
        let security = Security {
            tls: true,
            certificate,
            login: None,
        };
        Some((stream, security))
    }

    fn certificate(
        &self,
        loaded: &Loaded,
        chain: &[CertificateDer<'_>],
    ) -> Option<super::Certificate> {
        let seconds = u64::try_from(self.clock.now().as_second()).ok()?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        loaded.clients.as_ref()?.look_at(chain, now)
    }

    fn count(&self, connection: &ServerConnection) {
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "1.2",
            Some(ProtocolVersion::TLSv1_3) => "1.3",
            _ => "other",
        };
        let suite = connection.negotiated_cipher_suite();
        let cipher = suite.and_then(|suite| suite.suite().as_str());
        let cipher = cipher.unwrap_or("other");
        let labels = [version, cipher];
        self.metrics.tls_sessions.with_label_values(&labels).inc();
        tracing::debug!(version, cipher, "under TLS");
    }

    fn failed<T>(&self, reason: &'static str, error: &dyn fmt::Display) -> Option<T> {
        let failures = &self.metrics.tls_failures;
        failures.with_label_values(&[reason]).inc();
        // Anybody can cause these as fast as they connect.
        if let Some(unsaid) = self.failures.may_speak() {
            tracing::info!(reason, %error, unsaid, "no TLS handshake");
        }
        None
    }
}

/// The kind of a failure, as a label.
fn reason(error: &io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<Error>());
    match (inner, error.kind()) {
        (Some(Error::InvalidMessage(_) | Error::InappropriateMessage { .. }), _) => "not_tls",
        (Some(Error::PeerIncompatible(_)), _) => "nothing_in_common",
        // Mostly a client that does not like our certificate.
        (Some(Error::AlertReceived(_)), _) => "client_alert",
        (Some(Error::InvalidCertificate(_) | Error::PeerMisbehaved(_)), _) => "misbehaved",
        (Some(_), _) => "other",
        (None, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
            "client_left"
        }
        (None, _) => "other",
    }
}
