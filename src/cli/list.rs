//! `arfd list`: what is in the store, as a table for people or JSON lines for machines.

mod desk;

use super::ConfigFile;
pub(super) use super::table::{clean, write_table};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::Span;
use crate::domain::attribution::normal::visible;
use crate::domain::standing::Standing;
use crate::domain::unattributed;
use crate::store::{FeedRow, IncidentRow, OrderRow, ReportFilter, ReportRow, Store};
use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

/// List what is in the store, newest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arfd list orders -c arfd.toml              who was locked, and how it went
  arfd list incidents -n 5                   why
  arfd list reports --json | jq .attribution
  arfd list reports --identity shop@customer.example --since 7d
  arfd list unattributed --since 2d          for whom nobody could be named, and what would mend it
  arfd list learnt                           what `arfd attribute --learn` taught")]
pub struct List {
    /// What to list.
    #[arg(value_enum)]
    what: What,
    /// How many at most.
    #[arg(short = 'n', long, default_value_t = 20)]
    limit: u32,
    /// One JSON object a line, with everything that is known.
    #[arg(long)]
    json: bool,
    /// Reports of this standing only: counted, duplicate, unattributed, unproven, and so on.
    #[arg(long, value_name = "STANDING", value_parser = standing)]
    standing: Option<Standing>,
    /// Reports that name this identity, or count for it, only.
    #[arg(long, value_name = "IDENTITY")]
    identity: Option<String>,
    /// Reports of this feed only.
    #[arg(long, value_name = "NAME")]
    feed: Option<String>,
    /// Reports since then only: a span such as 2h or 7d, or an instant such as 2026-11-24T08:00:00Z. Where reports are
    /// picked out, the last 30 days are looked through unless this says otherwise.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,
    #[command(flatten)]
    file: ConfigFile,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Messages that arrived, whether they counted, and if not, why.
    Reports,
    /// Crossed rules with their arithmetic.
    Incidents,
    /// Feeds that something came from: when it last did, and what became of it within a day. By name.
    Feeds,
    /// Lock orders, sent, waiting, refused or only observed.
    Orders,
    /// Reports that nobody could be named for, grouped by the reason, the feed and the outgoing user, with what would
    /// mend it. The largest group first.
    Unattributed,
    /// What was learnt from reports that were attributed by hand.
    Learnt,
}

/// Reports of the queue that are looked at, the newest ones.
const MOST_QUEUED: u32 = 20_000;
/// How far back reports are looked through when nothing else is said.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(30 * 24);

fn standing(text: &str) -> Result<Standing, String> {
    let found = Standing::ALL.into_iter().find(|s| s.as_str() == text);
    found.ok_or_else(|| {
        let known: Vec<&str> = Standing::ALL.iter().map(|s| s.as_str()).collect();
        format!("not a standing; they are {}", known.join(", "))
    })
}

/// The earliest time that is of interest.
#[derive(Clone, Copy, Debug)]
enum Since {
    At(Timestamp),
    Ago(Span),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Since::At(at));
    }
    let span = text.parse::<Span>().map(Since::Ago);
    span.map_err(|_| {
        "neither a span such as 2h or 7d nor an instant such as 2026-11-24T08:00:00Z".to_owned()
    })
}

impl Since {
    fn instant(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(Span(span)) => {
                let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
                now.checked_sub(span).unwrap_or(Timestamp::MIN)
            }
        }
    }
}

impl List {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let picks = self.standing.is_some() || self.identity.is_some() || self.feed.is_some();
        let (reports, queue) = match self.what {
            What::Reports => (true, false),
            What::Unattributed => (false, true),
            _ => (false, false),
        };
        if (picks && !reports) || (self.since.is_some() && !reports && !queue) {
            eprintln!(
                "arfd: --standing, --identity and --feed pick out reports; --since also unattributed ones"
            );
            return Ok(ExitCode::from(2));
        }
        let settings = self.file.load_without_target()?;
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let shown = self.show(&store).await;
            store.close().await;
            shown.map(|()| ExitCode::SUCCESS)
        })
    }

    /// Which reports are wanted.
    fn filter(&self) -> ReportFilter {
        let picks = self.standing.is_some() || self.identity.is_some() || self.feed.is_some();
        let now = SystemClock::default().now();
        let back = || picks.then(|| now.checked_sub(LOOKED_BACK).unwrap_or(Timestamp::MIN));
        ReportFilter {
            standing: self.standing,
            identity: self.identity.as_ref().map(|i| i.trim().to_lowercase()),
            feed: self.feed.clone(),
            since: self.since.map(|since| since.instant(now)).or_else(back),
        }
    }

    async fn queue(&self, store: &Arc<dyn Store>) -> anyhow::Result<Vec<unattributed::Group>> {
        let now = SystemClock::default().now();
        let since = match self.since {
            Some(since) => since.instant(now),
            None => now.checked_sub(LOOKED_BACK).unwrap_or(Timestamp::MIN),
        };
        let rows = store.unattributed(since, MOST_QUEUED).await?;
        if rows.len() >= MOST_QUEUED as usize {
            eprintln!(
                "arfd: note: more than {MOST_QUEUED} reports wait; these are the newest of them"
            );
        }
        let mut groups = unattributed::group(rows.into_iter().filter_map(desk::waiting));
        groups.truncate(self.limit as usize);
        Ok(groups)
    }

    async fn show(&self, store: &Arc<dyn Store>) -> anyhow::Result<()> {
        match self.what {
            What::Reports => self.print(
                &[
                    "received",
                    "standing",
                    "feed",
                    "type",
                    "format",
                    "identity or reason",
                    "id",
                ],
                &store.find_reports(&self.filter(), self.limit).await?,
                report_cells,
            ),
            What::Incidents => self.print(
                &["opened", "state", "identity", "outgoing user", "why", "id"],
                &store.incidents(self.limit).await?,
                incident_cells,
            ),
            What::Feeds => self.print(
                &[
                    "feed",
                    "last seen",
                    "in a day",
                    "proven",
                    "readable",
                    "attributed",
                    "counted",
                ],
                &store.feeds(SystemClock::default().now()).await?,
                feed_cells,
            ),
            What::Orders => self.print(
                &[
                    "ordered",
                    "what",
                    "state",
                    "target",
                    "tries",
                    "identity",
                    "last answer",
                    "id",
                ],
                &store.orders(self.limit).await?,
                order_cells,
            ),
            What::Unattributed => {
                let groups = self.queue(store).await?;
                self.print(&desk::QUEUE, &groups, desk::queue_cells)?;
                if !self.json {
                    desk::advise(&mut io::stdout().lock(), &groups)?;
                }
                Ok(())
            }
            What::Learnt => self.print(
                &desk::LEARNT,
                &store.learnt(self.limit).await?,
                desk::learnt_cells,
            ),
        }
    }

    fn print<R: Serialize>(
        &self,
        heads: &[&str],
        rows: &[R],
        cells: fn(&R) -> Vec<String>,
    ) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            for row in rows {
                writeln!(out, "{}", serde_json::to_string(row)?)?;
            }
            return Ok(());
        }
        let heads = heads.iter().map(|h| (*h).to_owned()).collect();
        let table: Vec<Vec<String>> = std::iter::once(heads)
            .chain(rows.iter().map(cells))
            .collect();
        write_table(&mut out, &table)?;
        Ok(())
    }
}

fn or_dash(text: Option<&str>) -> String {
    text.filter(|t| !t.is_empty()).unwrap_or("-").to_owned()
}

fn report_cells(row: &ReportRow) -> Vec<String> {
    let who = row.attribution["identity"]["value"]
        .as_str()
        .or_else(|| row.attribution["reason"].as_str());
    vec![
        format!("{:.0}", row.received_at),
        row.standing.clone(),
        or_dash(row.feed.as_deref()),
        clean(&or_dash(row.feedback_type.as_deref())),
        row.format.clone(),
        clean(&visible(&or_dash(who))),
        row.id.to_string(),
    ]
}

fn incident_cells(row: &IncidentRow) -> Vec<String> {
    let user = match (&row.username, &row.domain) {
        (Some(user), Some(domain)) => format!("{user}@{domain}"),
        _ => "-".to_owned(),
    };
    let why = serde_json::from_value::<crate::domain::incident::Why>(row.explanation.clone())
        .map_or_else(|_| "-".to_owned(), |why| clean(&why.sentence()));
    vec![
        format!("{:.0}", row.opened_at),
        row.state.clone(),
        clean(&visible(&row.identity)),
        clean(&user),
        why,
        row.id.to_string(),
    ]
}

/// Shares are of what the feed sent, but `proven`: of what it sent or claims to have sent.
fn feed_cells(row: &FeedRow) -> Vec<String> {
    let sums = &row.sums;
    let share = |part: u64, of: u64| match of {
        0 => "-".to_owned(),
        _ => format!("{:.0} %", part as f64 * 100.0 / of as f64),
    };
    let seen = match sums.last_seen.as_second() {
        0 => "never".to_owned(),
        _ => format!("{:.0}", sums.last_seen),
    };
    vec![
        row.feed.clone(),
        seen,
        sums.filed.to_string(),
        share(sums.filed, sums.filed + sums.unproven),
        share(sums.readable, sums.filed),
        share(sums.attributed, sums.filed),
        share(sums.counted, sums.filed),
    ]
}

fn order_cells(row: &OrderRow) -> Vec<String> {
    vec![
        format!("{:.0}", row.order.ordered_at),
        row.order.action.as_str().to_owned(),
        row.state.as_str().to_owned(),
        row.order.target.clone(),
        row.order.attempts.to_string(),
        clean(&row.order.identity.to_string()),
        clean(&or_dash(row.last_answer.as_deref())),
        row.order.id.to_string(),
    ]
}
