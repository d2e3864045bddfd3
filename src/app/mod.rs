//! The composition root: opens the store, wires intake, outbox and the two edges, and takes them down in
//! the order that loses nothing: no new mail, then what waits is filed, then orders in flight are settled.

mod aliases;
mod desk;
mod doors;
mod reload;
pub mod replay;
mod targets;
mod watchdog;
mod wire;

pub use aliases::aliases;
pub use reload::{ReloadError, Reloaded, Source};
pub use wire::{judge, open_archive, open_existing_store, open_store, policy, prover, reconciler};

use crate::clock::Clock;
use crate::config::Settings;
use crate::expiry::Expiry;
use crate::http;
use crate::intake::health::Health;
use crate::intake::reprove::Reprover;
use crate::intake::writer;
use crate::intake::{InForce, Intake};
use crate::lock::SetupError;
use crate::lookup::{self, AliasFile};
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::pulse::Pulse;
use crate::reconcile::Reconciler;
use crate::smtp::{self, Edge};
use crate::store::{Store, StoreError};
use desk::Desk;
use reload::Reloader;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How long requests in flight may take when the daemon stops.
const HTTP_GRACE: Duration = Duration::from_secs(3);

/// Why the daemon could not start. A cause is either part of the message or the source, so that a chain
/// says it once.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address is not to be had.
    #[error("{key} = {address}: {cause}")]
    Listen {
        /// The setting.
        key: String,
        /// Its value.
        address: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The store does not open.
    #[error("store.url = {url}: {cause}")]
    Store {
        /// The setting, masked.
        url: String,
        /// Why.
        cause: StoreError,
    },
    /// There is no store to look into.
    #[error("store.url: there is no store at {}", .0.display())]
    NoStore(PathBuf),
    /// A target cannot be set up.
    #[error("{key}")]
    Target {
        /// Its section.
        key: String,
        /// Why.
        #[source]
        cause: SetupError,
    },
    /// The certificate or its key cannot be used.
    #[error("smtp.tls.{}: {_0}", .0.key())]
    Tls(smtp::TlsError),
    /// A user's hash cannot be used.
    #[error("smtp.users: password_hash {0}")]
    Hash(smtp::HashError),
    /// A pattern is not a regular expression.
    #[error("identification.headers")]
    Pattern(#[from] regex::Error),
    /// The store does not say what it knows.
    #[error("what the store knows cannot be read")]
    Unreadable(StoreError),
    /// The file of aliases cannot be used.
    #[error("aliases.file: {0}")]
    Aliases(lookup::FileError),
    /// The look-up service cannot be asked.
    #[error("aliases.{0}")]
    Lookup(lookup::SetupError),
    /// The DNS resolver cannot be set up.
    #[error("proving.servers: {0}")]
    Dns(String),
    /// The metrics could not be set up.
    #[error("metrics")]
    Metrics(#[from] prometheus::Error),
}

impl From<smtp::TlsError> for StartError {
    fn from(error: smtp::TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<smtp::HashError> for StartError {
    fn from(error: smtp::HashError) -> Self {
        Self::Hash(error)
    }
}

/// A daemon that runs.
#[derive(Debug)]
pub struct Daemon {
    /// Where the main door is, or else the first.
    pub smtp: String,
    /// All doors: their names and addresses.
    pub doors: Vec<(String, String)>,
    /// Where HTTP listens.
    pub http: SocketAddr,
    /// The store.
    pub store: Arc<dyn Store>,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// Cancelled when a part ended that nobody stopped: the daemon is of no use any more.
    pub failed: CancellationToken,
    reloader: Arc<Reloader>,
    tls: Option<Arc<smtp::Tls>>,
    alias_file: Option<Arc<AliasFile>>,
    ready: Arc<AtomicBool>,
    stop_smtp: CancellationToken,
    stop_outbox: CancellationToken,
    stop_http: CancellationToken,
    pulses: Vec<Pulse>,
    smtp_tasks: Vec<JoinHandle<()>>,
    writer_task: JoinHandle<()>,
    outbox_task: JoinHandle<()>,
    expiry_task: JoinHandle<()>,
    reconcile_task: JoinHandle<()>,
    reprove_task: JoinHandle<()>,
    health_task: JoinHandle<()>,
    learnt_task: JoinHandle<()>,
    http_task: JoinHandle<()>,
}

impl Daemon {
    /// Starts everything. Mail is taken when this returns.
    ///
    /// # Errors
    /// When an address is taken, or the store or the target cannot be set up.
    pub async fn start(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        Self::start_with(settings, clock, None).await
    }

    /// Starts everything; `source` reads the configuration again when that is asked for.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_with(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        source: Option<Source>,
    ) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new()?);
        wire::start_at_zero(&metrics, settings);
        let store = open_store(settings).await?;
        let policy = wire::policy(settings, store.as_ref(), clock.now()).await;
        let policy = policy.map_err(StartError::Unreadable)?;
        let targets = targets::build(settings, &metrics, &clock)?;
        targets::rebuild(settings, store.as_ref(), &metrics, &clock).await;
        let keys = wire::keys(settings, &metrics, &clock)?;
        let doors = doors::open(settings)?;
        let (http_listener, http_address) = listen("http.listen", settings.http.listen).await?;
        let ready = Arc::new(AtomicBool::new(false));
        let [stop_smtp, stop_outbox, stop_http] = [(); 3].map(|()| CancellationToken::new());

        let ordered = Arc::new(Notify::new());
        let judge = Arc::new(judge(settings)?);
        let known = judge.learnt.refresh(store.as_ref()).await;
        known.map_err(StartError::Unreadable)?;
        let learnt = Arc::clone(&judge.learnt);
        let prover = Arc::new(prover(settings, &clock, &metrics)?);
        let aliases = Arc::new(aliases(settings, &clock, &metrics)?);
        let policy = Arc::new(InForce::from(policy));
        let reloader = Arc::new(Reloader {
            source,
            running: tokio::sync::Mutex::new(settings.clone()),
            policy: Arc::clone(&policy),
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        });
        metrics.config_current.set(1);
        metrics.config_reloaded.set(clock.now().as_second());
        let health = Health::new(&judge.feeds, Arc::clone(&metrics), clock.now());
        let health = Arc::new(health);
        let (handle, writer_task) = writer::spawn(
            Arc::clone(&store),
            Arc::clone(&policy),
            wire::writer_settings(settings),
            Arc::clone(&ordered),
            Arc::clone(&health),
            Arc::clone(&clock),
            Arc::clone(&metrics),
        );
        let mut pulses = vec![handle.pulse().clone()];
        let reprover = Reprover {
            store: Arc::clone(&store),
            judge: Arc::clone(&judge),
            prover: Arc::clone(&prover),
            aliases: Arc::clone(&aliases),
            policy,
            health: Arc::clone(&health),
            ordered: Arc::clone(&ordered),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
            settings: wire::reprove_settings(settings),
        };
        let desk = Desk {
            intake: Intake::new(judge, prover, handle, Arc::clone(&clock))
                .knowing(Arc::clone(&aliases)),
            recipients: settings.smtp.recipients.clone(),
            tls_recipients: settings.to_tls_recipients(),
        };
        let failed = CancellationToken::new();
        // Both write to the store as the outbox does, and stop with it.
        let reprove_task = watched(
            "reprove",
            reprover.run(stop_outbox.clone()),
            (&stop_outbox, &failed),
        );
        let health_task = watched(
            "health",
            health.run(Arc::clone(&store), Arc::clone(&clock), stop_outbox.clone()),
            (&stop_outbox, &failed),
        );
        let learnt_task = watched(
            "learnt",
            learnt.run(Arc::clone(&store), stop_outbox.clone()),
            (&stop_outbox, &failed),
        );
        let reconciler = Reconciler::new(
            Arc::clone(&store),
            targets.clone(),
            Arc::clone(&ordered),
            Arc::clone(&clock),
            Arc::clone(&metrics),
            wire::reconcile_settings(settings),
        );
        let reconcile_task = watched(
            "reconcile",
            reconciler.run(stop_outbox.clone()),
            (&stop_outbox, &failed),
        );
        let outbox = Arc::new(Outbox::new(
            Arc::clone(&store),
            targets,
            Arc::clone(&clock),
            Arc::clone(&metrics),
            wire::outbox_settings(settings),
        ));
        let expiry = Expiry {
            store: Arc::clone(&store),
            cool_down: settings.lock.cool_down.0.as_secs(),
            ordered: Arc::clone(&ordered),
            clock: Arc::clone(&clock),
            metrics: Arc::clone(&metrics),
        };
        let expiry_task = watched(
            "expiry",
            expiry.run(stop_outbox.clone()),
            (&stop_outbox, &failed),
        );
        let outbox_stop = stop_outbox.clone();
        let outbox_task = watched(
            "outbox",
            async move { outbox.run(ordered, outbox_stop).await },
            (&stop_outbox, &failed),
        );
        // It ends when the sessions that feed it have ended, after SMTP was stopped.
        let writer_task = watched(
            "writer",
            async move {
                if let Err(error) = writer_task.await {
                    tracing::error!(%error, "the writer broke");
                }
            },
            (&stop_smtp, &failed),
        );

        let seen = http::Seen {
            metrics: Arc::clone(&metrics),
            store: Arc::clone(&store),
            ready: Arc::clone(&ready),
        };
        let access = http::Access {
            token: settings.http.token.to_secret_string(),
            clock: Arc::clone(&clock),
            reload: Arc::clone(&reloader) as Arc<dyn http::Reload>,
        };
        let http = http::serve(http_listener, seen, access, stop_http.clone());
        let http = async move {
            if let Err(error) = http.await {
                tracing::error!(%error, "the HTTP listener failed");
            }
        };
        let http_task = watched("http", http, (&stop_http, &failed));
        let tls = keys.tls.clone();
        if let Some(tls) = &tls {
            let every = settings.smtp.tls.reload_interval.0;
            tokio::spawn(Arc::clone(tls).watch(every, stop_smtp.clone()));
        }
        let alias_file = aliases.lookup.file.clone();
        if let Some(file) = &alias_file {
            let every = settings.aliases.reload_interval.0;
            tokio::spawn(Arc::clone(file).watch(every, stop_smtp.clone()));
        }
        let edge = Edge::with_keys(
            Arc::new(desk),
            wire::smtp_settings(settings),
            Arc::clone(&metrics),
            keys,
        );
        pulses.push(edge.pulse().clone());
        let mut addresses = Vec::with_capacity(doors.len());
        let mut smtp_tasks = Vec::with_capacity(doors.len());
        for open in doors {
            tracing::info!(
                listener = open.door.name,
                address = open.address,
                protocol = ?open.door.protocol,
                tls = ?open.door.tls,
                "listening"
            );
            addresses.push((open.door.name.clone(), open.address));
            let serve = Arc::clone(&edge).serve(open.listener, open.door, stop_smtp.clone());
            smtp_tasks.push(watched("smtp", serve, (&stop_smtp, &failed)));
        }
        wire::tell_of_orphans(store.as_ref(), settings).await;
        ready.store(true, Ordering::Relaxed);
        Ok(Self {
            smtp: addresses
                .first()
                .map_or_else(|| "off".to_owned(), |(_, address)| address.clone()),
            doors: addresses,
            http: http_address,
            store,
            metrics,
            failed,
            reloader,
            tls,
            alias_file,
            ready,
            stop_smtp,
            stop_outbox,
            stop_http,
            pulses,
            smtp_tasks,
            writer_task,
            outbox_task,
            expiry_task,
            reconcile_task,
            reprove_task,
            health_task,
            learnt_task,
            http_task,
        })
    }

    /// Calls `feed` every so often, as long as the writer and the listeners' loops go round. Ends never.
    pub fn watchdog<F: Fn()>(&self, every: Duration, feed: F) -> impl Future<Output = ()> + use<F> {
        watchdog::watch(self.pulses.clone(), every, feed)
    }

    /// Takes up what may change while the daemon runs: the certificate and its key, the file of aliases, rules and
    /// restraints. No session is touched and no window is lost. What came of it is logged.
    ///
    /// # Errors
    /// When the configuration cannot be used; what was in force stays. Certificate and aliases are looked at all the same.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        if let Some(file) = &self.alias_file {
            file.renew_aside().await;
        }
        if let Some(tls) = &self.tls {
            tls.renew_aside(true).await;
        }
        self.reloader.reload().await
    }

    /// Drains and stops: nothing that was acknowledged is lost, nothing in flight is cut.
    pub async fn stop(self) {
        self.ready.store(false, Ordering::Relaxed);
        self.stop_smtp.cancel();
        for task in self.smtp_tasks {
            finished("smtp", task).await;
        }
        // The sessions held the writer's last handles: it files what waits and ends.
        finished("writer", self.writer_task).await;
        self.stop_outbox.cancel();
        finished("outbox", self.outbox_task).await;
        finished("expiry", self.expiry_task).await;
        finished("reconcile", self.reconcile_task).await;
        finished("reprove", self.reprove_task).await;
        finished("health", self.health_task).await;
        finished("learnt", self.learnt_task).await;
        self.stop_http.cancel();
        // A client that never ends its request must not keep the daemon.
        let abort = self.http_task.abort_handle();
        if tokio::time::timeout(HTTP_GRACE, finished("http", self.http_task))
            .await
            .is_err()
        {
            abort.abort();
        }
        self.store.close().await;
    }
}

/// Spawns a part of the daemon. When it ends, by itself or by panic, without having been stopped, the whole
/// daemon has failed.
fn watched(
    name: &'static str,
    part: impl Future<Output = ()> + Send + 'static,
    (stop, failed): (&CancellationToken, &CancellationToken),
) -> JoinHandle<()> {
    let (stop, failed) = (stop.clone(), failed.clone());
    tokio::spawn(async move {
        let ended = AbortOnDropHandle::new(tokio::spawn(part)).await;
        if let Err(error) = &ended {
            tracing::error!(%error, part = name, "a part of the daemon broke");
        }
        if !stop.is_cancelled() {
            tracing::error!(part = name, "a part of the daemon ended unasked");
            failed.cancel();
        }
    })
}

async fn finished(name: &str, task: JoinHandle<()>) {
    if let Err(error) = task.await {
        tracing::error!(%error, task = name, "a task did not end well");
    }
}

async fn listen(
    key: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |cause| StartError::Listen {
        key: key.to_owned(),
        address: address.to_string(),
        cause,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local))
}
