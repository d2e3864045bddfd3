//! `arfd close`: ends an identity's open incident by hand.

use super::{ConfigFile, NO_INPUT};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::domain::ids::IncidentId;
use crate::store::{Store, StoreError};
use clap::Args;
use std::process::ExitCode;
use uuid::Uuid;

/// Close an identity's open incident: from now on its complaints count anew, and what is still ordered for
/// it is not sent any more. This does not unlock anybody at the filter; do that there. Without it an incident
/// ends by itself after lock.reopen_after.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    arfd close shop@customer.example --reason \"password changed, ticket 4711\" -c arfd.toml\n  \
    arfd close 714beef0-a5c6-8df3-8b55-9f8d65eb1d63 --reason \"false alarm\" -c arfd.toml")]
pub struct Close {
    /// The identity, or the incident's id as in `arfd list incidents`.
    #[arg(value_name = "IDENTITY|INCIDENT")]
    what: String,
    /// Why, for the audit trail.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who, for the audit trail.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "desk")]
    by: String,
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
        let incidents: Vec<IncidentId> = match self.what.parse::<Uuid>() {
            Ok(id) => vec![IncidentId(id)],
            Err(_) => {
                let open = store.open_incidents(&self.what.to_lowercase()).await?;
                if open.len() > 1 {
                    eprintln!(
                        "arfd: several outgoing users have an identity {}; name the incident:",
                        self.what
                    );
                    for row in &open {
                        let user = row.username.as_deref().unwrap_or("-");
                        let domain = row.domain.as_deref().unwrap_or("-");
                        eprintln!("  {}  {user}@{domain}  {}", row.id, row.state);
                    }
                    return Ok(ExitCode::from(NO_INPUT));
                }
                open.iter().map(|row| row.id).collect()
            }
        };
        let now = SystemClock::default().now();
        for incident in incidents {
            if store
                .close_incident(incident, &self.by, &self.reason, now)
                .await?
            {
                println!("closed {incident}");
                return Ok(ExitCode::SUCCESS);
            }
        }
        eprintln!("arfd: {} has no open incident", self.what);
        Ok(ExitCode::from(NO_INPUT))
    }
}
