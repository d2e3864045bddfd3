//! `arfd close`: ends an identity's open incident by hand.

use super::which::{Trail, one_or_tell};
use super::{ConfigFile, NO_INPUT};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::store::{Store, StoreError};
use clap::Args;
use std::process::ExitCode;

/// Close an identity's open incident: from now on its complaints count anew, and what is still ordered for
/// it is not sent any more. This does not unlock anybody at the target: that is `arfd unlock`. Without it an
/// incident ends by itself after lock.reopen_after.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    arfd close shop@customer.example --reason \"password changed, ticket 4711\" -c arfd.toml\n  \
    arfd close 714beef0-a5c6-8df3-8b55-9f8d65eb1d63 --reason \"false alarm\" -c arfd.toml")]
pub struct Close {
    /// The identity, or the incident's id as in `arfd list incidents`.
    #[arg(value_name = "IDENTITY|INCIDENT")]
    what: String,
    #[command(flatten)]
    trail: Trail,
    #[command(flatten)]
    file: ConfigFile,
}

impl Close {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let closed = self.close(store.as_ref()).await;
            store.close().await;
            Ok(closed?)
        })
    }

    async fn close(&self, store: &dyn Store) -> Result<ExitCode, StoreError> {
        let incident = match one_or_tell(store, &self.what).await? {
            Ok(incident) => incident,
            Err(code) => return Ok(code),
        };
        let now = SystemClock::default().now();
        let (by, reason) = (&self.trail.by, &self.trail.reason);
        if store.close_incident(incident, by, reason, now).await? {
            println!("closed {incident}");
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("arfd: {} has no open incident", self.what);
        Ok(ExitCode::from(NO_INPUT))
    }
}
