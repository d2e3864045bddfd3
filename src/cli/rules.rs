//! `arfd rules`: what the rules are, what they would have done, and how far somebody is from crossing one.

mod explain;
mod list;
mod replay;

use clap::Subcommand;
use std::process::ExitCode;

/// Look at rules, and try new ones on what has happened.
#[derive(Debug, Subcommand)]
pub enum Rules {
    /// List the rules as they take effect.
    List(list::List),
    /// Hold rules against history: who would have been locked, when, and how that differs from what happened.
    Replay(replay::Replay),
    /// Show each rule's arithmetic for an identity right now, and how far it is from crossing.
    Explain(explain::Explain),
}

impl Rules {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(list) => list.run(),
            Self::Replay(replay) => replay.run(),
            Self::Explain(explain) => explain.run(),
        }
    }
}
