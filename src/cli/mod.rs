//! What a person or a service manager types. One file a family of commands; this one knows them all and
//! turns errors into messages and exit codes (after sysexits).

mod attribute;
mod audit;
mod bulk;
mod close;
mod config;
pub mod demo;
mod hash_password;
mod ingest;
mod list;
mod lock;
mod locks;
mod parse;
mod pause;
mod rules;
mod serve;
mod show;
mod table;
mod token;
mod unlock;
mod which;
mod why;

use crate::app::StartError;
use crate::config::{ConfigError, LogFormat, Need, Settings};
use clap::{Args, Parser, Subcommand};
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// Exit code: what was asked for cannot be done as things are (EX_DATAERR).
pub const NOT_SO: u8 = 65;
/// Exit code: an input cannot be read (EX_NOINPUT).
pub const NO_INPUT: u8 = 66;
/// Exit code: the program itself failed (EX_SOFTWARE).
const BROKEN: u8 = 70;
/// Exit code: a service is not available (EX_UNAVAILABLE).
const UNAVAILABLE: u8 = 69;
/// Exit code: not now, try again (EX_TEMPFAIL). Mail systems keep the message and retry.
pub const TRY_AGAIN: u8 = 75;
/// Exit code: the configuration is wrong (EX_CONFIG).
const BAD_CONFIG: u8 = 78;

/// Takes ARF abuse reports, finds the customer identity that sent the mail, locks it at the outgoing filter.
#[derive(Debug, Parser)]
#[command(name = "arfd", version, propagate_version = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Begin with:
  arfd demo                     see the whole job on this machine, nothing to set up
  arfd parse report.eml         what arfd reads in a report
  arfd config check -c FILE     is this configuration right?
  arfd serve -c FILE            run the daemon

Settings come from the built-in defaults, then FILE, then the environment: smtp.listen is
ARFD_SMTP__LISTEN. Exit codes: 0 fine, 1 failed, 2 usage, 65 not as things are, 66 no input,
69 unavailable, 75 try again, 78 configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Serve(serve::Serve),
    /// Show the whole job: reports in, an identity locked, on temporary stores and loopback ports.
    Demo(demo::Demo),
    /// Read reports and show what is in them. Nothing is stored.
    Parse(parse::Parse),
    /// File messages without SMTP, e.g. from a pipe or a directory. Exit code 0 means durable.
    Ingest(ingest::Ingest),
    /// List what is in the store: reports, incidents, lock orders, reports that name nobody.
    List(list::List),
    /// Write the raw message of a stored report to standard output.
    Show(show::Show),
    /// Name the sender of a report that nobody could be named for, and learn from it.
    Attribute(attribute::Attribute),
    /// Forget what was learnt from a report.
    Forget(attribute::Forget),
    /// Close an identity's incident, so that it is assessed anew.
    Close(close::Close),
    /// Pause all locks.
    Pause(pause::Pause),
    /// Let locks go out again.
    Resume(pause::Resume),
    /// Let the locks of held incidents go out.
    Approve(pause::Approve),
    /// Look at rules, and try new ones on what has happened.
    #[command(subcommand)]
    Rules(rules::Rules),
    /// Explain an incident: reports, rule, sums, orders and answers.
    Why(why::Why),
    /// Hold or lock somebody by hand.
    Lock(lock::Lock),
    /// What is locked at the targets, and how that differs from the store.
    #[command(subcommand)]
    Locks(locks::Locks),
    /// End an identity's hold or lock by hand.
    Unlock(unlock::Unlock),
    /// Show and check the record of who did what.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Make the hash of a password, for smtp.users.
    HashPassword(hash_password::HashPassword),
    /// Make and check tokens that name the sender of a mail.
    #[command(subcommand)]
    Token(token::Token),
    /// Check and show the configuration.
    #[command(subcommand)]
    Config(config::Config),
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
struct ConfigFile {
    /// TOML file with the settings; see samples/arfd.toml. Without it the defaults apply.
    #[arg(short = 'c', long = "config", value_name = "FILE", env = "ARFD_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn load(&self) -> Result<Settings, ConfigError> {
        crate::config::load(self.config.as_deref(), Need::Everything)
    }

    /// For commands that send no orders: they need none of the target's credentials.
    fn load_without_target(&self) -> Result<Settings, ConfigError> {
        crate::config::load(self.config.as_deref(), Need::NoTarget)
    }
}

/// Runs what the command line says.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Demo(demo) => demo.run(),
        Command::Parse(parse) => parse.run(),
        Command::Ingest(ingest) => ingest.run(),
        Command::List(list) => list.run(),
        Command::Show(show) => show.run(),
        Command::Attribute(attribute) => attribute.run(),
        Command::Forget(forget) => forget.run(),
        Command::Close(close) => close.run(),
        Command::Pause(pause) => pause.run(),
        Command::Resume(resume) => resume.run(),
        Command::Approve(approve) => approve.run(),
        Command::Rules(rules) => rules.run(),
        Command::Why(why) => why.run(),
        Command::Lock(lock) => lock.run(),
        Command::Locks(locks) => locks.run(),
        Command::Unlock(unlock) => unlock.run(),
        Command::Audit(audit) => audit.run(),
        Command::HashPassword(hash) => hash.run(),
        Command::Token(token) => token.run(),
        Command::Config(config) => config.run(),
    };
    result.unwrap_or_else(|error| {
        // A reader that has seen enough (`| head`) is no failure.
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
        {
            return ExitCode::SUCCESS;
        }
        eprintln!("arfd: {error:#}");
        ExitCode::from(code_of(&error))
    })
}

fn code_of(error: &anyhow::Error) -> u8 {
    if error.is::<ConfigError>() {
        return BAD_CONFIG;
    }
    match error.downcast_ref::<StartError>() {
        Some(StartError::Listen { .. } | StartError::Store { .. }) => UNAVAILABLE,
        Some(StartError::NoStore(_)) => NO_INPUT,
        Some(
            StartError::Target { .. }
            | StartError::Pattern(_)
            | StartError::Tls(_)
            | StartError::Aliases(_)
            | StartError::Lookup(_)
            | StartError::Hash(_),
        ) => BAD_CONFIG,
        _ => 1,
    }
}

/// A runtime for the commands that need one.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

/// Log lines go to standard error, in the configured form.
fn start_logging(settings: &Settings) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.log.level)
        .map_err(|e| anyhow::anyhow!("log.level = {:?}: {e}", settings.log.level))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match settings.log.format {
        LogFormat::Human => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
