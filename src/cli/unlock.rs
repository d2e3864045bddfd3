//! `arfd unlock`: ends the hold or lock of an incident by hand, one or many.

use super::bulk::{Line, bar, lines};
use super::which::{Trail, Which, which};
use super::{ConfigFile, NO_INPUT};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::domain::incident::{IncidentState, NotAllowed};
use crate::store::{Store, StoreError, Wish};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Unlock an identity: end the hold or lock that its open incident ordered, at every target. What is still to be
/// sent is taken back; the release is carried out by the running daemon. Afterwards its complaints count anew, and
/// for lock.cool_down a crossing is held for `arfd approve` instead of locking at once. To end an incident
/// without unlocking anybody, see `arfd close`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    arfd unlock shop@customer.example --reason \"password changed, ticket 4711\" -c arfd.toml\n  \
    arfd unlock 714beef0-a5c6-8df3-8b55-9f8d65eb1d63 --reason \"false alarm\" -c arfd.toml\n  \
    arfd unlock --from list.txt --reason \"feed was wrong\" -c arfd.toml\n\n\
    A file has one identity or incident a line; - is standard input. Running it again does no harm.\n\
    Exit codes: 0 ordered, or unlocked already; 66 at least one has no such open incident.")]
pub struct Unlock {
    /// The identity, or the incident's id as in `arfd list incidents`.
    #[arg(value_name = "IDENTITY|INCIDENT", required_unless_present = "from")]
    what: Option<String>,
    /// Whom to unlock: one line each, - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "what")]
    from: Option<PathBuf>,
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
        let all = match (&self.from, &self.what) {
            (Some(file), _) => lines(file)?,
            (None, what) => vec![Line {
                number: 1,
                what: what.clone().unwrap_or_default(),
                more: None,
            }],
        };
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let code = self.unlock(store.as_ref(), cool_down, &all).await;
            store.close().await;
            Ok(code?)
        })
    }

    async fn unlock(
        &self,
        store: &dyn Store,
        cool_down: u64,
        all: &[Line],
    ) -> Result<ExitCode, StoreError> {
        let bar = bar(all.len());
        let mut code = ExitCode::SUCCESS;
        for line in all {
            match self.one(store, cool_down, &line.what).await? {
                Ok(text) => bar.suspend(|| println!("{text}")),
                Err(why) => {
                    let what = super::list::clean(&line.what);
                    bar.suspend(|| eprintln!("arfd: {what}: {why}"));
                    code = ExitCode::from(NO_INPUT);
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        Ok(code)
    }

    async fn one(
        &self,
        store: &dyn Store,
        cool_down: u64,
        what: &str,
    ) -> Result<Result<String, String>, StoreError> {
        let incident = match which(store, what).await? {
            Which::One(incident) => incident,
            Which::None if self.from.is_some() => {
                return Ok(Ok(format!("{} is not locked", super::list::clean(what))));
            }
            Which::None => return Ok(Err("has no open incident".to_owned())),
            Which::Several(rows) => {
                let rows = rows.join("\n  ");
                let why = format!("several outgoing users have it; name the incident:\n  {rows}");
                return Ok(Err(why));
            }
        };
        let wish = Wish {
            actor: &self.trail.by,
            why: &self.trail.reason,
            now: SystemClock::default().now(),
        };
        let released = store.release_incident(incident, &wish, cool_down).await?;
        Ok(match released {
            Ok(IncidentState::Closed) => Ok(format!("closed {incident}: nothing had been sent")),
            Ok(_) => Ok(format!("unlocking {incident}")),
            Err(NotAllowed::Already) => Ok(format!("unlocking {incident} already")),
            Err(NotAllowed::Over) if self.from.is_some() => Ok(format!("{incident} is over")),
            Err(why) => Err(why.to_string()),
        })
    }
}
