//! `arfd serve`: runs the daemon until a signal ends it.

use super::ConfigFile;
use crate::app::{Daemon, Source};
use crate::clock::SystemClock;
use anyhow::Context;
use clap::Args;
use sd_notify::NotifyState;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

/// How often the loops are called within the service manager's patience: one that is late once may still be
/// in time.
const CALLS: u32 = 4;

/// Run the daemon in the foreground. SIGTERM or SIGINT drains and stops it: no new mail, what was taken is
/// filed, lock orders in flight are settled. A second signal ends it at once; nothing that was acknowledged
/// is lost either way. SIGHUP takes up a renewed certificate (smtp.tls), and from the configuration file
/// [[rules]], [restraint] and lock.reopen_after; a file that cannot be used changes nothing, and what else was
/// changed in it is named in the log: it needs a restart.
///
/// Without a configuration: SQLite under ./var, SMTP on 127.0.0.1:2525, HTTP on 127.0.0.1:8025, and lock
/// orders are recorded but not sent.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arfd serve                                 try it here, nothing is locked
  arfd serve -c /etc/arfd/arfd.toml
  ARFD_LOG__LEVEL=debug arfd serve           any setting, from the environment")]
pub struct Serve {
    #[command(flatten)]
    file: ConfigFile,
}

impl Serve {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load()?;
        super::start_logging(&settings)?;
        for warning in crate::config::warnings(&settings) {
            tracing::warn!("{warning}");
        }
        let runtime = super::runtime()?;
        let code = runtime.block_on(async {
            let mut signals = Signals::new().context("signal handlers")?;
            let mut hang_up = signal(SignalKind::hangup()).context("signal handlers")?;
            let file = self.file.clone();
            let source: Source = Arc::new(move || file.load());
            let clock = Arc::new(SystemClock::default());
            let daemon = Daemon::start_with(&settings, clock, Some(source)).await?;
            tracing::info!(
                smtp = %daemon.smtp,
                http = %daemon.http,
                store = settings.store.url.masked(),
                feeds = settings.feeds.len(),
                rules = settings.rules.len(),
                version = env!("CARGO_PKG_VERSION"),
                "arfd takes reports"
            );
            tell_manager(&[NotifyState::Ready]);
            // Until the end: a drain that hangs is the stop's own deadline's matter.
            let _watchdog = sd_notify::watchdog_enabled().map(|within| {
                let feed = || tell_manager(&[NotifyState::Watchdog]);
                AbortOnDropHandle::new(tokio::spawn(daemon.watchdog(within / CALLS, feed)))
            });
            let code = loop {
                tokio::select! {
                    name = signals.next() => {
                        tracing::info!(signal = name, "draining");
                        break ExitCode::SUCCESS;
                    }
                    _ = hang_up.recv() => {
                        // It is logged, and the daemon goes on with what it has.
                        let _ = daemon.reload().await;
                    }
                    () = daemon.failed.cancelled() => break ExitCode::from(super::BROKEN),
                }
            };
            tell_manager(&[NotifyState::Stopping]);
            tokio::select! {
                () = daemon.stop() => tracing::info!("stopped"),
                name = signals.next() => tracing::warn!(signal = name, "ended before the drain was done"),
            }
            Ok(code)
        });
        // A name that is looked up, or a password that is tried, must not keep us once all else has ended.
        runtime.shutdown_background();
        code
    }
}

/// Without a service manager this does nothing.
fn tell_manager(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
