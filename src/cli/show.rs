//! `arfd show`: a stored message, byte for byte as it came.

use super::{ConfigFile, NO_INPUT};
use crate::app;
use crate::domain::ids::ReportId;
use clap::Args;
use std::io::{self, Write};
use std::process::ExitCode;
use uuid::Uuid;

/// Write the raw message of a stored report to standard output, byte for byte as it came: reports, letters
/// from people, and whatever else arrived.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  arfd list reports -c arfd.toml\n  \
    arfd show 619c5318-bae1-8e11-8f78-afef6eb0765d -c arfd.toml > report.eml")]
pub struct Show {
    /// The report's id, as in `arfd list reports` and in the reply at SMTP.
    #[arg(value_name = "REPORT")]
    report: Uuid,
    #[command(flatten)]
    file: ConfigFile,
}

impl Show {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        let id = ReportId(self.report);
        let message = super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let message = store.evidence(id).await;
            store.close().await;
            anyhow::Ok(message?)
        })?;
        let Some(message) = message else {
            eprintln!("arfd: there is no report {id}");
            return Ok(ExitCode::from(NO_INPUT));
        };
        let mut out = io::stdout().lock();
        out.write_all(&message)?;
        out.flush()?;
        Ok(ExitCode::SUCCESS)
    }
}
