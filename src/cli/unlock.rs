//! `arfd unlock`: ends the hold or lock of an incident by hand.

use super::which::{Trail, one_or_tell};
use super::{ConfigFile, NO_INPUT};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::domain::incident::{IncidentState, NotAllowed};
use crate::store::{Store, StoreError, Wish};
use clap::Args;
use std::process::ExitCode;

/// Unlock an identity: end the hold or lock that its open incident ordered, at every target. What is still to be
/// sent is taken back; the release is carried out by the running daemon. Afterwards its complaints count anew, and
/// for lock.cool_down a crossing is held for `arfd approve` instead of locking at once. To end an incident
/// without unlocking anybody, see `arfd close`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    arfd unlock shop@customer.example --reason \"password changed, ticket 4711\" -c arfd.toml\n  \
    arfd unlock 714beef0-a5c6-8df3-8b55-9f8d65eb1d63 --reason \"false alarm\" -c arfd.toml\n\n\
    Exit codes: 0 ordered, or unlocked already; 66 there is no such open incident.")]
pub struct Unlock {
    /// The identity, or the incident's id as in `arfd list incidents`.
    #[arg(value_name = "IDENTITY|INCIDENT")]
    what: String,
    #[command(flatten)]
    trail: Trail,
    #[command(flatten)]
    file: ConfigFile,
}

impl Unlock {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        let cool_down = settings.lock.cool_down.0.as_secs();
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let code = self.unlock(store.as_ref(), cool_down).await;
            store.close().await;
            Ok(code?)
        })
    }

    async fn unlock(&self, store: &dyn Store, cool_down: u64) -> Result<ExitCode, StoreError> {
        let incident = match one_or_tell(store, &self.what).await? {
            Ok(incident) => incident,
            Err(code) => return Ok(code),
        };
        let wish = Wish {
            actor: &self.trail.by,
            why: &self.trail.reason,
            now: SystemClock::default().now(),
        };
        match store.release_incident(incident, &wish, cool_down).await? {
            Ok(IncidentState::Closed) => println!("closed {incident}: nothing had been sent"),
            Ok(_) => println!("unlocking {incident}"),
            Err(NotAllowed::Already) => println!("unlocking {incident} already"),
            Err(why) => {
                eprintln!("arfd: {incident}: {why}");
                return Ok(ExitCode::from(NO_INPUT));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
