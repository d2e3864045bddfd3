//! The story that the demonstration tells, scene by scene. What it says is read back from the daemon's
//! store and from the stand-in's book of calls, never assumed.

use super::mail::{self, Client};
use super::stand_in::StandIn;
use super::{ABUSE, FILTER_ALIAS, LOOP_ALIAS};
use crate::app::Daemon;
use crate::config::Settings;
use crate::domain::incident::Explanation;
use crate::domain::lock::OrderState;
use crate::store::{OrderRow, ReportRow};
use anyhow::{Context, ensure};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the lock may take before the story is given up.
const PATIENCE: Duration = Duration::from_secs(8);
/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(20);
/// More reports than the story sends.
const ALL: u32 = 1_000;

/// The narrator.
#[derive(Debug)]
pub struct Story<'d> {
    daemon: &'d Daemon,
    filter: &'d StandIn,
    settings: &'d Settings,
}

impl<'d> Story<'d> {
    /// A story about this daemon and this filter.
    pub fn new(daemon: &'d Daemon, filter: &'d StandIn, settings: &'d Settings) -> Self {
        Self {
            daemon,
            filter,
            settings,
        }
    }

    /// Tells it. Fails when something did not happen as it should.
    pub async fn tell(&self) -> anyhow::Result<()> {
        let rule = &self.settings.rules[0];
        println!(
            "arfd takes mail on {} (SMTP). Its rule for today:",
            self.daemon.smtp
        );
        println!(
            "  {}: weight {} with {} distinct messages, {} complainants and {} feeds within {}\n",
            rule.name,
            rule.min_weight,
            rule.min_messages,
            rule.min_complainants,
            rule.min_feeds,
            rule.window
        );
        self.noise().await?;
        self.complaints().await?;
        let order = self.lock().await?;
        self.explain(&order).await
    }

    /// What must not count.
    async fn noise(&self) -> anyhow::Result<()> {
        let mut smtp = Client::connect(&self.daemon.smtp).await?;
        self.send(
            &mut smtp,
            "a person writes to the abuse desk",
            ABUSE,
            mail::LETTER,
        )
        .await?;
        for n in 0..20 {
            smtp.send(ABUSE, &mail::filter_report(900 + n, 0)).await?;
        }
        println!("     20 mails  a stranger forges the filter's reports, without the secret alias");
        self.send(
            &mut smtp,
            "a recipient says it was no spam",
            LOOP_ALIAS,
            mail::RESCUE,
        )
        .await?;
        self.send(&mut smtp, "a DMARC failure report", LOOP_ALIAS, mail::DMARC)
            .await?;
        Ok(())
    }

    /// What counts: the filter's reports and the feedback loop's.
    async fn complaints(&self) -> anyhow::Result<()> {
        let mut filter = Client::connect(&self.daemon.smtp).await?;
        let first = mail::filter_report(1, 0);
        self.send(
            &mut filter,
            "the filter reports a refused message",
            FILTER_ALIAS,
            &first,
        )
        .await?;
        self.send(
            &mut filter,
            "the very same report again (a lost reply)",
            FILTER_ALIAS,
            &first,
        )
        .await?;
        for attempt in 1..=3 {
            filter
                .send(FILTER_ALIAS, &mail::filter_report(1, attempt))
                .await?;
        }
        println!(
            "      3 mails  the customer's server retries that message; the filter reports each try"
        );
        for message in 2..=9 {
            filter
                .send(FILTER_ALIAS, &mail::filter_report(message, 0))
                .await?;
        }
        println!("      8 mails  the filter reports eight more messages");
        let mut humans = Client::connect(&self.daemon.smtp).await?;
        for message in 1..=2 {
            humans.send(LOOP_ALIAS, &mail::loop_report(message)).await?;
        }
        println!(
            "      2 mails  two recipients press the spam button (a feedback loop, weight 5 each)"
        );
        Ok(())
    }

    async fn send(
        &self,
        smtp: &mut Client,
        what: &str,
        to: &str,
        message: &[u8],
    ) -> anyhow::Result<()> {
        let reply = smtp.send(to, message).await?;
        ensure!(reply.starts_with("250"), "{what}: {reply}");
        println!("      1 mail   {what}\n               <- {reply}");
        Ok(())
    }

    /// Waits for the order and for its confirmation.
    async fn lock(&self) -> anyhow::Result<OrderRow> {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let orders = self.daemon.store.orders(ALL).await?;
                if let Some(order) = orders.into_iter().find(|o| o.state == OrderState::Done) {
                    return Ok::<_, anyhow::Error>(order);
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        found.await.context("no lock was confirmed in time")?
    }

    async fn explain(&self, order: &OrderRow) -> anyhow::Result<()> {
        self.standings(&self.daemon.store.reports(ALL).await?);
        let incidents = self.daemon.store.incidents(ALL).await?;
        ensure!(
            incidents.len() == 1,
            "{} incidents instead of one",
            incidents.len()
        );
        let why: Explanation = serde_json::from_value(incidents[0].explanation.clone())?;
        println!("\nThe crossing (incident {}):", incidents[0].id);
        println!("  {}", why.sentence());
        println!(
            "  evidence: {} reports, the last of them {}",
            why.crossing.tally.evidence.len(),
            why.trigger
        );
        println!(
            "\nThe lock order ({}), written in the same transaction:",
            order.order.id
        );
        println!("  lock {} at {}", order.order.identity, order.order.target);
        println!("\nThe calls to the filter's API, as sent:");
        for call in self.filter.calls() {
            println!("  {} {}?{}", call.method, self.filter.url(), call.query);
        }
        println!(
            "\nConfirmed by the listing: {}",
            order.last_answer.as_deref().unwrap_or("-")
        );
        for locked in self.filter.locked() {
            println!(
                "  locked at the filter: {} (outgoing user {}@{})",
                locked.identity, locked.username, locked.domain
            );
        }
        ensure!(
            self.filter.effective_locks() == 1,
            "not exactly one effective lock"
        );
        Ok(())
    }

    /// Every report has one standing.
    fn standings(&self, reports: &[ReportRow]) {
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut identities: BTreeMap<&str, usize> = BTreeMap::new();
        for report in reports {
            let feed = report.feed.as_deref().unwrap_or("unproven");
            *counts.entry((&report.standing, feed)).or_default() += 1;
            if report.standing == "counted"
                && let Some(identity) = report.attribution["identity"]["value"].as_str()
            {
                *identities.entry(identity).or_default() += 1;
            }
        }
        println!(
            "\nIn the store: {} reports, by standing and feed:",
            reports.len()
        );
        for ((standing, feed), count) in counts {
            println!("  {count:>5}  {standing:<14} {feed}");
        }
        println!("Identities with counted complaints:");
        for (identity, count) in identities {
            println!("  {count:>5}  {identity}");
        }
    }
}
