//! `arfd rules replay`: rules held against the store's history, beside what happened.

use crate::app::replay::{Audience, Replayed, Span, Sums, replay};
use crate::app::{self};
use crate::cli::ConfigFile;
use crate::cli::table::{clean, csv_row, write_table};
use crate::clock::{Clock, SystemClock};
use crate::config;
use crate::domain::replay::Outcome;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Hold rules against history. Every identity's complaints since then go through the same decisions as in the
/// daemon, in the order they were received; windows start anew after crossings and after what people ended, as
/// they do there. What was locked or spent at the beginning stays so. The store is only read, page by page;
/// the daemon may run meanwhile.
///
/// Complaints have the weights, rights and provenance that they were filed with. Trials, a pause and the hour's
/// budget are not replayed: what was held for a person counts as crossed.
#[derive(Debug, Args)]
#[command(after_help = "\
Outcomes: same (at that very moment), earlier and later (than it happened), new (it did
not happen), never (it happened, and would not).

Examples:
  arfd rules replay --rules new.toml --since 30d -c arfd.toml
  arfd rules replay --rules new.toml --since 7d --csv > diff.csv
  arfd rules replay --since 2026-11-01T00:00:00Z --json | jq -r .outcome | sort | uniq -c

Exit codes: 0 replayed, 66 there is no such store, 69 it is not available, 78 the rules
or the configuration are wrong.")]
pub struct Replay {
    /// A TOML file with [[rules]], and [restraint] if that is to change too. Without it the rules in use.
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// How far back, as 30d or 12h, or since when, as 2026-11-01T00:00:00Z.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = since)]
    since: Since,
    /// Rules that observe or notify too, not only holds and locks.
    #[arg(long)]
    notices: bool,
    /// One JSON object a line, with sums and evidence.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// One CSV row a crossing under a head line.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Clone, Copy, Debug)]
enum Since {
    Ago(SignedDuration),
    At(Timestamp),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse() {
        return Ok(Since::At(at));
    }
    let span: config::Span = text.parse().map_err(|_| {
        "is neither a span of time such as 30d or 12h nor an instant such as 2026-11-01T00:00:00Z"
            .to_owned()
    })?;
    SignedDuration::try_from(span.0)
        .map(Since::Ago)
        .map_err(|_| "is too long".to_owned())
}

impl Replay {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let mut settings = self.file.load_without_target()?;
        if let Some(file) = &self.rules {
            settings = config::with_rules_of(settings, file)?;
        }
        let policy = settings.to_policy();
        let now = SystemClock::default().now();
        let since = match self.since {
            Since::At(at) => at,
            Since::Ago(span) => now.checked_sub(span).unwrap_or(Timestamp::MIN),
        };
        super::super::runtime()?.block_on(async {
            let archive = app::open_archive(&settings).await?;
            let span = Span {
                policy: &policy,
                since,
                until: now,
                notices: self.notices,
            };
            let mut screen = self.screen()?;
            let sums = replay(archive.as_ref(), span, &mut screen).await;
            archive.close_archive().await;
            screen.finish(sums?)?;
            Ok(ExitCode::SUCCESS)
        })
    }

    fn screen(&self) -> io::Result<Screen> {
        let mut screen = Screen {
            json: self.json,
            csv: self.csv,
            bar: ProgressBar::hidden(),
            rows: vec![HEADS.map(str::to_owned).to_vec()],
            out: BufWriter::new(io::stdout()),
            broken: None,
        };
        if self.csv {
            csv_row(&mut screen.out, &CSV_HEADS)?;
        }
        Ok(screen)
    }
}

const HEADS: [&str; 7] = [
    "outcome",
    "identity",
    "outgoing user",
    "by these rules",
    "rule",
    "in fact",
    "rule then",
];

const CSV_HEADS: [&str; 13] = [
    "outcome",
    "identity",
    "username",
    "domain",
    "at",
    "rule",
    "action",
    "weight",
    "happened_at",
    "happened_rule",
    "happened_action",
    "happened_state",
    "seconds_later",
];

/// Shows what is found while it is found; the table at the end, for its widths.
struct Screen {
    json: bool,
    csv: bool,
    bar: ProgressBar,
    rows: Vec<Vec<String>>,
    out: BufWriter<io::Stdout>,
    /// The first thing that went wrong with the output.
    broken: Option<io::Error>,
}

impl Audience for Screen {
    fn begins(&mut self, identities: u64) {
        let crossed = (self.json || self.csv) && io::stdout().is_terminal();
        if crossed || !io::stderr().is_terminal() {
            return;
        }
        self.bar = ProgressBar::new(identities);
        let style = "{bar:40} {percent:>3}%, {pos} of {len} identities, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(style) {
            self.bar.set_style(style);
        }
    }

    fn done(&mut self, found: Vec<Replayed>) {
        self.bar.inc(1);
        for one in found {
            if let Err(error) = self.show(&one) {
                self.broken.get_or_insert(error);
            }
        }
    }
}

impl Screen {
    fn show(&mut self, one: &Replayed) -> io::Result<()> {
        if self.broken.is_some() {
            return Ok(());
        }
        if self.json {
            let line = serde_json::to_string(one).map_err(io::Error::other)?;
            return writeln!(self.out, "{line}");
        }
        let user = one.identity.outgoing_user.as_ref();
        let (replayed, happened) = (&one.difference.replayed, &one.difference.happened);
        let outcome = one.difference.outcome.as_str();
        if self.csv {
            let seconds = replayed.as_ref().zip(happened.as_ref());
            let seconds = seconds.map(|(r, h)| r.at.duration_since(h.at).as_secs());
            let text = |value: Option<String>| value.unwrap_or_default();
            let row = [
                outcome.to_owned(),
                one.identity.value.clone(),
                text(user.map(|user| user.username.clone())),
                text(user.map(|user| user.domain.clone())),
                text(replayed.as_ref().map(|r| r.at.to_string())),
                text(replayed.as_ref().map(|r| r.rule.clone())),
                text(replayed.as_ref().map(|r| r.action.as_str().to_owned())),
                text(replayed.as_ref().map(|r| r.tally.weight.to_string())),
                text(happened.as_ref().map(|h| h.at.to_string())),
                text(happened.as_ref().map(|h| h.rule.clone())),
                text(happened.as_ref().map(|h| h.action.as_str().to_owned())),
                text(happened.as_ref().map(|h| h.state.clone())),
                text(seconds.map(|seconds| seconds.to_string())),
            ];
            return csv_row(&mut self.out, &row);
        }
        let dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let rule = |name: &str, action: &str| format!("{name} ({action})");
        let restrained = |r: &crate::domain::replay::Crossed| match r.restraint {
            Some(restraint) => rule(&r.rule, restraint),
            None => rule(&r.rule, r.action.as_str()),
        };
        self.rows.push(vec![
            outcome.to_owned(),
            clean(&one.identity.value),
            clean(&dash(user.map(ToString::to_string))),
            dash(replayed.as_ref().map(|r| format!("{:.0}", r.at))),
            dash(replayed.as_ref().map(restrained)),
            dash(happened.as_ref().map(|h| format!("{:.0}", h.at))),
            dash(happened.as_ref().map(|h| rule(&h.rule, &h.state))),
        ]);
        Ok(())
    }

    fn finish(mut self, sums: Sums) -> io::Result<()> {
        self.bar.finish_and_clear();
        if let Some(error) = self.broken {
            return Err(error);
        }
        if !(self.json || self.csv) {
            if self.rows.len() > 1 {
                write_table(&mut self.out, &self.rows)?;
                writeln!(self.out)?;
            }
            writeln!(self.out, "{}", told(&sums))?;
        }
        self.out.flush()
    }
}

fn told(sums: &Sums) -> String {
    let outcomes = Outcome::ALL.iter().zip(sums.outcomes);
    let outcomes: Vec<String> = outcomes
        .map(|(o, n)| format!("{n} {}", o.as_str()))
        .collect();
    format!(
        "{} complaints about {} identities: {}",
        sums.complaints,
        sums.identities,
        outcomes.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_back() {
        assert!(matches!(since("2026-11-01T00:00:00Z"), Ok(Since::At(_))));
        let Ok(Since::Ago(span)) = since("30d") else {
            panic!("a span");
        };
        assert_eq!(span.as_hours(), 720);
        assert!(since("yesterday").is_err());
    }
}
