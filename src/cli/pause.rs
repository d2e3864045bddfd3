//! `arfd pause`, `arfd resume` and `arfd approve`: whether locks go out, and which of those that were held
//! back may.

use super::{ConfigFile, NO_INPUT};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::domain::ids::IncidentId;
use crate::domain::incident::IncidentState;
use crate::store::{IncidentRow, Store, StoreError};
use clap::Args;
use std::process::ExitCode;
use uuid::Uuid;

/// How many incidents are looked through for those that are held.
const MOST: u32 = 100_000;

/// Who does it and why, for the audit trail.
#[derive(Debug, Args)]
struct Trail {
    /// Why, for the audit trail.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who, for the audit trail.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "desk")]
    by: String,
    #[command(flatten)]
    file: ConfigFile,
}

/// Pause all locks, on every node, until `arfd resume`; a restart does not end it. Reports are taken and
/// counted as ever. Orders that wait are not sent, and rules crossed meanwhile are held for `arfd approve`.
/// A try that is under way is not called back.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    arfd pause --reason \"the filter misjudges a newsletter\" -c arfd.toml")]
pub struct Pause {
    #[command(flatten)]
    trail: Trail,
}

/// Let locks go out again. What waited is sent; what was held meanwhile stays so until `arfd approve`.
#[derive(Debug, Args)]
pub struct Resume {
    #[command(flatten)]
    trail: Trail,
}

/// Let the locks of held incidents go out. An incident is held when its rule was crossed while locks were
/// paused, or beyond restraint.max_locks_per_hour. `arfd list incidents` shows them; `arfd close` dismisses.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    arfd approve shop@customer.example --reason \"spam, seen it\" -c arfd.toml\n  \
    arfd approve --all --reason \"all of it is spam\" -c arfd.toml")]
pub struct Approve {
    /// The identity, or the incident's id as in `arfd list incidents`.
    #[arg(value_name = "IDENTITY|INCIDENT", required_unless_present = "all")]
    what: Option<String>,
    /// All that are held.
    #[arg(long, conflicts_with = "what")]
    all: bool,
    #[command(flatten)]
    trail: Trail,
}

impl Pause {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        self.trail.switch(true)
    }
}

impl Resume {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        self.trail.switch(false)
    }
}

impl Trail {
    fn switch(&self, paused: bool) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let switched = self.tell(store.as_ref(), paused).await;
            store.close().await;
            Ok(switched.map(|()| ExitCode::SUCCESS)?)
        })
    }

    async fn tell(&self, store: &dyn Store, paused: bool) -> Result<(), StoreError> {
        let now = SystemClock::default().now();
        let changed = store
            .pause_locks(paused, &self.by, &self.reason, now)
            .await?;
        let switch = store.lock_switch().await?;
        let state = if paused { "paused" } else { "on" };
        if changed {
            println!("locks are {state}");
        } else {
            println!(
                "locks are {state} already, since {}: {}: {}",
                switch.since, switch.by, switch.why
            );
        }
        let held = held(store, None).await?.len();
        if !paused && held > 0 {
            println!("{held} incidents are held: see arfd list incidents, then arfd approve");
        }
        Ok(())
    }
}

/// The held incidents, of one identity or of all.
async fn held(store: &dyn Store, identity: Option<&str>) -> Result<Vec<IncidentRow>, StoreError> {
    let mut rows = match identity {
        Some(identity) => store.open_incidents(&identity.to_lowercase()).await?,
        None => store.incidents(MOST).await?,
    };
    rows.retain(|row| row.state == IncidentState::Held.as_str());
    Ok(rows)
}

impl Approve {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.trail.file.load_without_target()?;
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let approved = self.approve(store.as_ref()).await;
            store.close().await;
            Ok(approved?)
        })
    }

    async fn approve(&self, store: &dyn Store) -> Result<ExitCode, StoreError> {
        let one = self.what.as_deref();
        let incidents: Vec<IncidentId> = match one.map(str::parse::<Uuid>) {
            Some(Ok(id)) => vec![IncidentId(id)],
            _ => held(store, one).await?.iter().map(|row| row.id).collect(),
        };
        if incidents.len() > 1 && !self.all {
            eprintln!(
                "arfd: several outgoing users have that identity; name the incident: {}",
                incidents
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            );
            return Ok(ExitCode::from(NO_INPUT));
        }
        let now = SystemClock::default().now();
        let (by, reason) = (&self.trail.by, &self.trail.reason);
        let mut approved = 0;
        for incident in incidents {
            if store.approve_incident(incident, by, reason, now).await? {
                println!("approved {incident}");
                approved += 1;
            }
        }
        if approved == 0 && !self.all {
            eprintln!(
                "arfd: {} has no held incident",
                one.unwrap_or("the identity")
            );
            return Ok(ExitCode::from(NO_INPUT));
        }
        if store.lock_switch().await?.paused {
            println!("locks are paused: nothing is sent before arfd resume");
        }
        Ok(ExitCode::SUCCESS)
    }
}
