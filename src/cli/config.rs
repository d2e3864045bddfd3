//! `arfd config`: is the configuration right, and what does it amount to?

use super::ConfigFile;
use clap::{Args, Subcommand};
use std::io::Write;
use std::process::ExitCode;

/// Check and show the configuration.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Validate the settings and print them as they take effect, secrets masked. Exit code 78 when they
    /// cannot be used; every problem is named with its file, line and key.
    #[command(after_help = "\
Examples:
  arfd config check -c arfd.toml
  arfd config check > all.toml               every setting with its default")]
    Check(Check),
}

/// What to check, and how much to say.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Only say whether the settings can be used. The settings name the secret addresses that prove feeds.
    #[arg(short, long)]
    quiet: bool,
}

impl Config {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Check(check) = self;
        let settings = check.file.load()?;
        for warning in crate::config::warnings(&settings) {
            eprintln!("arfd: warning: {warning}");
        }
        if check.quiet {
            return Ok(ExitCode::SUCCESS);
        }
        let mut out = std::io::stdout().lock();
        write!(out, "{}", settings.to_toml()?)?;
        out.flush()?;
        eprintln!("arfd: the configuration is usable");
        Ok(ExitCode::SUCCESS)
    }
}
