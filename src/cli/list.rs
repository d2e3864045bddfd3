//! `arfd list`: what is in the store, as a table for people or JSON lines for machines.

use super::ConfigFile;
pub(super) use super::table::{clean, write_table};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::domain::attribution::normal::visible;
use crate::store::{FeedRow, IncidentRow, OrderRow, ReportRow, Store};
use clap::{Args, ValueEnum};
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
  arfd list reports --json | jq .attribution")]
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
}

impl List {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let shown = self.show(&store).await;
            store.close().await;
            shown.map(|()| ExitCode::SUCCESS)
        })
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
                &store.reports(self.limit).await?,
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
