//! `arfd audit`: who did what, when and why, and whether anybody meddled with the record of it.

use super::list::{clean, write_table};
use super::{ConfigFile, NO_INPUT};
use crate::app;
use crate::domain::audit::{Broken, Digest, Follower, Link};
use crate::domain::ids::IncidentId;
use crate::store::{Store, StoreError};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use uuid::Uuid;

/// Entries that are read at once.
const PAGE: u32 = 1_000;
/// The most entries of one incident.
const MOST: u32 = 10_000;

/// The record of what happened.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Show the entries, the newest first.
    List(ListEntries),
    /// Check that no entry was changed, taken out or put in since it was written.
    Verify(Verify),
}

/// Show the audit entries, the newest first; those of one incident in their order.
#[derive(Debug, Args)]
pub struct ListEntries {
    /// How many at most.
    #[arg(short = 'n', long, default_value_t = 20)]
    limit: u32,
    /// Only those of this incident.
    #[arg(long, value_name = "ID")]
    incident: Option<Uuid>,
    /// One JSON object a line, with each entry's number and digest.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

/// Check the audit chain. Each entry's digest covers the one before it, so whoever changes an entry must change all
/// that follow. Whoever can write to the database could do that too: note the number and digest that this prints
/// somewhere else, and name them later with --expect.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 the chain holds; 1 it does not: the first entry that is wrong is named.\n\n\
    Example:\n  arfd audit verify --expect 4711:8c1f... -c arfd.toml"
)]
pub struct Verify {
    /// An entry's number and digest, as an earlier check printed them.
    #[arg(long, value_name = "NUMBER:DIGEST", value_parser = expected)]
    expect: Option<(u64, Digest)>,
    #[command(flatten)]
    file: ConfigFile,
}

fn expected(text: &str) -> Result<(u64, Digest), String> {
    let (number, digest) = text.split_once(':').ok_or("is not NUMBER:DIGEST")?;
    let number = number.parse().map_err(|_| "the number is none")?;
    Ok((number, digest.parse()?))
}

impl Audit {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::List(list) => list.run(),
            Self::Verify(verify) => verify.run(),
        }
    }
}

impl ListEntries {
    fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let links = match self.incident {
                Some(id) => store.audit_of(IncidentId(id), MOST).await,
                None => store.audit_newest(self.limit).await,
            };
            store.close().await;
            let links = links?;
            if links.is_empty() && self.incident.is_some() {
                eprintln!("arfd: nothing is recorded of that incident");
                return Ok(ExitCode::from(NO_INPUT));
            }
            self.print(&links)?;
            Ok(ExitCode::SUCCESS)
        })
    }

    fn print(&self, links: &[Link]) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            for link in links {
                writeln!(out, "{}", serde_json::to_string(link)?)?;
            }
            return Ok(());
        }
        let heads = ["number", "at", "what", "who", "incident", "why"];
        let heads = heads.map(str::to_owned).to_vec();
        let row = |link: &Link| {
            let entry = &link.entry;
            let incident = entry.incident.map(|id| id.to_string());
            vec![
                link.number.to_string(),
                format!("{:.0}", entry.at),
                entry.action.clone(),
                clean(&entry.actor),
                incident.unwrap_or_else(|| "-".to_owned()),
                clean(&entry.detail),
            ]
        };
        let table: Vec<_> = std::iter::once(heads)
            .chain(links.iter().map(row))
            .collect();
        Ok(write_table(&mut out, &table)?)
    }
}

/// What a check came to.
enum Checked {
    Whole(Follower),
    Broken(Broken),
    /// The entry that was expected is another, or not there.
    Other(u64),
}

impl Verify {
    fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let checked = self.check(store.as_ref()).await;
            store.close().await;
            match checked? {
                Checked::Whole(end) => {
                    println!(
                        "{} entries, whole; the last: {}:{}",
                        end.number, end.number, end.digest
                    );
                    return Ok(ExitCode::SUCCESS);
                }
                Checked::Broken(broken) => eprintln!("arfd: the audit chain is broken: {broken}"),
                Checked::Other(number) => eprintln!(
                    "arfd: the audit chain was replaced: entry {number} is not the one expected"
                ),
            }
            Ok(ExitCode::FAILURE)
        })
    }

    async fn check(&self, store: &dyn Store) -> Result<Checked, StoreError> {
        // What is appended meanwhile is left for the next time.
        let end = store.audit_head().await?;
        let bar = progress(end.number);
        let mut follower = Follower::default();
        let mut met = self.expect.is_none();
        while follower.number < end.number {
            let links = store.audit_after(follower.number, end.number, PAGE).await?;
            if links.is_empty() {
                break;
            }
            for link in &links {
                if let Err(broken) = follower.follow(link) {
                    bar.finish_and_clear();
                    return Ok(Checked::Broken(broken));
                }
                if let Some((number, digest)) = &self.expect
                    && *number == link.number
                {
                    met = *digest == link.digest;
                }
            }
            bar.set_position(follower.number);
        }
        bar.finish_and_clear();
        if let Err(broken) = follower.end(end.number, &end.digest) {
            return Ok(Checked::Broken(broken));
        }
        match (store.audit_outside().await?, &self.expect) {
            (0, Some((number, _))) if !met => Ok(Checked::Other(*number)),
            (0, _) => Ok(Checked::Whole(follower)),
            (entries, _) => Ok(Checked::Broken(Broken::Outside { entries })),
        }
    }
}

/// A bar on a terminal, once there is something to wait for.
fn progress(entries: u64) -> ProgressBar {
    if entries < u64::from(PAGE) || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = "{bar:40} {percent:>3}%, {pos} entries, {eta} left";
    let style = ProgressStyle::with_template(style);
    let bar = ProgressBar::new(entries);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
