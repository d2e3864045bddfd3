//! `arfd why`: everything about an incident, for people, for programs, and redacted for the customer.

mod redact;

use super::list::{clean, write_table};
use super::{ConfigFile, NO_INPUT};
use crate::app;
use crate::domain::ids::IncidentId;
use crate::domain::incident::{Explanation, Terms, Why as Cause};
use crate::domain::threshold::Crossing;
use crate::store::{Dossier, IncidentRow, ReportRow, Store, StoreError};
use clap::Args;
use std::io::{self, Write};
use std::process::ExitCode;
use uuid::Uuid;

/// Explain an incident: the reports behind it, the rule and its sums, what restrained it, its orders with each
/// answer of the target, and who did what when. Of an identity it is the newest incident; the others are named.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    arfd why shop@customer.example -c arfd.toml\n  \
    arfd why 714beef0-a5c6-8df3-8b55-9f8d65eb1d63 --json | jq .orders\n  \
    arfd why shop@customer.example --redacted      what the customer may see\n\n\
    --redacted leaves out who complained, every recipient, the feeds, the reports' raw text and headers, the\n\
    names of colleagues and what they wrote. Read it all the same before you send it.")]
pub struct Why {
    /// The identity, or the incident's id as in `arfd list incidents`.
    #[arg(value_name = "IDENTITY|INCIDENT")]
    what: String,
    /// One JSON object with everything.
    #[arg(long)]
    json: bool,
    /// Only what may be sent to the customer.
    #[arg(long)]
    redacted: bool,
    /// How many of the reports are shown at most.
    #[arg(short = 'n', long, default_value_t = 50)]
    reports: u32,
    #[command(flatten)]
    file: ConfigFile,
}

impl Why {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        super::runtime()?.block_on(async {
            let store = app::open_existing_store(&settings).await?;
            let found = self.find(store.as_ref()).await;
            store.close().await;
            let Some((dossier, others)) = found? else {
                eprintln!("arfd: {} has no incident", self.what);
                return Ok(ExitCode::from(NO_INPUT));
            };
            let mut out = io::stdout().lock();
            match (self.redacted, self.json) {
                (true, true) => {
                    writeln!(
                        out,
                        "{}",
                        serde_json::to_string(&redact::redacted(&dossier))?
                    )?;
                }
                (true, false) => redact::write(&mut out, &redact::redacted(&dossier))?,
                (false, true) => writeln!(out, "{}", serde_json::to_string(&dossier)?)?,
                (false, false) => tell(&mut out, &dossier, &others)?,
            }
            Ok(ExitCode::SUCCESS)
        })
    }

    async fn find(
        &self,
        store: &dyn Store,
    ) -> Result<Option<(Dossier, Vec<IncidentRow>)>, StoreError> {
        let (id, others) = match self.what.parse::<Uuid>() {
            Ok(id) => (IncidentId(id), Vec::new()),
            Err(_) => {
                let mut rows = store.incidents_about(&self.what.to_lowercase()).await?;
                if rows.is_empty() {
                    return Ok(None);
                }
                (rows.remove(0).id, rows)
            }
        };
        let dossier = store.dossier(id, self.reports).await?;
        Ok(dossier.map(|dossier| (dossier, others)))
    }
}

fn tell(out: &mut impl Write, found: &Dossier, others: &[IncidentRow]) -> io::Result<()> {
    writeln!(out, "Incident {}", found.id)?;
    writeln!(out, "  about    {}", clean(&found.identity.to_string()))?;
    let ended = match (&found.ended_by, found.ended_at) {
        (Some(by), Some(at)) => format!(", ended by {by} at {at:.0}"),
        (Some(by), None) => format!(", its end was ordered by {by}"),
        (None, Some(at)) => format!(", over since {at:.0}"),
        (None, None) => String::new(),
    };
    let ends = found
        .ends_at
        .map_or_else(String::new, |at| format!(", ends by itself at {at:.0}"));
    writeln!(
        out,
        "  state    {} (step: {}), opened {:.0}{ended}{ends}",
        found.state.as_str(),
        found.step,
        found.opened_at
    )?;
    writeln!(out, "\nWhy")?;
    match serde_json::from_value::<Cause>(found.explanation.clone()) {
        Ok(Cause::Rule(explanation)) => by_rule(out, &explanation)?,
        Ok(cause) => {
            writeln!(out, "  {}", clean(&cause.sentence()))?;
            if let Cause::Person(by) = cause
                && let Some(pattern) = &by.despite
            {
                writeln!(out, "  although it is protected by {}", clean(pattern))?;
            }
        }
        Err(error) => writeln!(out, "  its explanation cannot be read: {error}")?,
    }
    if found.evidence > 0 {
        let shown = found.reports.len();
        writeln!(out, "\nReports ({shown} of {})", found.evidence)?;
        table(
            out,
            &["received", "feed", "type", "message", "complainant", "id"],
            found.reports.iter().map(report),
        )?;
    }
    writeln!(out, "\nOrders")?;
    table(
        out,
        &["ordered", "what", "of", "target", "state", "tries", "id"],
        found.orders.iter().map(|row| {
            let order = &row.order;
            vec![
                format!("{:.0}", order.ordered_at),
                order.action.as_str().to_owned(),
                order.subject.as_str().to_owned(),
                order.target.clone(),
                row.state.as_str().to_owned(),
                order.attempts.to_string(),
                order.id.to_string(),
            ]
        }),
    )?;
    writeln!(out, "\nWhat happened")?;
    table(
        out,
        &["at", "what", "who", "why, or the target's answer"],
        found.audit.iter().map(|link| {
            let entry = &link.entry;
            vec![
                format!("{:.0}", entry.at),
                entry.action.clone(),
                clean(&entry.actor),
                long(&entry.detail),
            ]
        }),
    )?;
    if !others.is_empty() {
        writeln!(out, "\nOther incidents of identities of that name")?;
        table(
            out,
            &["opened", "state", "outgoing user", "id"],
            others.iter().map(|row| {
                let user = row.username.as_deref().zip(row.domain.as_deref());
                vec![
                    format!("{:.0}", row.opened_at),
                    row.state.clone(),
                    user.map_or_else(|| "-".to_owned(), |(u, d)| clean(&format!("{u}@{d}"))),
                    row.id.to_string(),
                ]
            }),
        )?;
    }
    Ok(())
}

fn by_rule(out: &mut impl Write, why: &Explanation) -> io::Result<()> {
    crossing(out, &why.crossing)?;
    writeln!(
        out,
        "  decided by {} at {:.0}, with report {}",
        why.decided_by, why.decided_at, why.trigger
    )?;
    if let Some(restraint) = &why.restraint {
        writeln!(out, "  {}", clean(&restraint.sentence()))?;
    }
    terms(out, why.terms.as_ref())?;
    for above in &why.escalations {
        writeln!(
            out,
            "  then, at {:.0}, with report {}:",
            above.decided_at, above.trigger
        )?;
        crossing(out, &above.crossing)?;
        if let Some(restraint) = &above.restraint {
            writeln!(out, "  {}", clean(&restraint.sentence()))?;
        }
        terms(out, above.terms.as_ref())?;
    }
    Ok(())
}

fn crossing(out: &mut impl Write, crossing: &Crossing) -> io::Result<()> {
    let Crossing { rule, tally, until } = crossing;
    writeln!(
        out,
        "  rule {} ({}), {} s up to {until:.0}:",
        rule.name,
        rule.action.as_str(),
        rule.window_seconds
    )?;
    for (what, sum, least) in [
        ("weight", tally.weight, rule.min_weight),
        ("distinct messages", tally.messages, rule.min_messages),
        (
            "distinct complainants",
            tally.complainants,
            rule.min_complainants,
        ),
        ("distinct feeds", tally.feeds, rule.min_feeds),
    ] {
        writeln!(out, "    {what:<22} {sum:>6} of {least}")?;
    }
    let right = rule.action.as_str();
    writeln!(
        out,
        "    from feeds that may {right}: {} of the weight",
        tally.carried
    )
}

fn terms(out: &mut impl Write, terms: Option<&Terms>) -> io::Result<()> {
    let Some(terms) = terms else { return Ok(()) };
    match terms.timeout_seconds {
        Some(seconds) => writeln!(
            out,
            "  lasts {seconds} s once confirmed; ended so {} times before, of at most {}",
            terms.unlocked_before, terms.most
        ),
        None => writeln!(
            out,
            "  lasts until a person ends it: the timeout did {} times before, of at most {}",
            terms.unlocked_before, terms.most
        ),
    }
}

fn report(row: &ReportRow) -> Vec<String> {
    let text = |value: &serde_json::Value| clean(value.as_str().unwrap_or("-"));
    let recipients = row.reading["report"]["original_rcpt_to"].as_array();
    let recipients: Vec<&str> = recipients
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_str())
        .collect();
    vec![
        format!("{:.0}", row.received_at),
        row.feed.clone().unwrap_or_else(|| "-".to_owned()),
        clean(row.feedback_type.as_deref().unwrap_or("-")),
        text(&row.reading["original"]["message_id"]),
        match recipients.as_slice() {
            [] => "-".to_owned(),
            some => clean(&some.join(" ")),
        },
        row.id.to_string(),
    ]
}

/// Answers may be longer than a name, and may still not steer the terminal.
fn long(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(300)
        .collect()
}

fn table(
    out: &mut impl Write,
    heads: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> io::Result<()> {
    let mut all = vec![heads.iter().map(|head| (*head).to_owned()).collect()];
    all.extend(rows);
    let mut text = Vec::new();
    write_table(&mut text, &all)?;
    for line in String::from_utf8_lossy(&text).lines() {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}
