//! `arfd rules explain`: each rule's arithmetic for an identity right now.

use crate::app;
use crate::cli::table::{clean, write_table};
use crate::cli::{ConfigFile, NO_INPUT};
use crate::clock::{Clock, SystemClock};
use crate::config::Span;
use crate::domain::complaint::Complaint;
use crate::domain::explain::{Arithmetic, explain};
use crate::domain::filing::Policy;
use crate::domain::ids::IncidentId;
use crate::domain::threshold::{MOST_COMPLAINTS, longest_window_start};
use crate::store::{Archive, KnownIdentity, Mark, StoreError};
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::process::ExitCode;

/// Complaints that are read at a time.
const PAGE: u32 = 5_000;

/// Show each rule's arithmetic for an identity right now: what it asks for, what there is, what is missing, and
/// which complaints are not summed and why. Nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Not summed: spent (counted towards an earlier crossing, or before an incident ended),
other_feed, other_type, other_class (the rule does not look at those), too_weak (below its
min_strength). Summed, but not towards the half that feeds must bring which may do what the
rule does: summed_but_may_not_carry.

Examples:
  arfd rules explain shop@customer.example -c arfd.toml
  arfd rules explain shop@customer.example --json | jq '.rules[] | select(.crossed)'

Exit codes: 0 shown, 66 no such identity is known.")]
pub struct Explain {
    /// The identity.
    #[arg(value_name = "IDENTITY")]
    identity: String,
    /// One JSON object for each outgoing user that has the identity.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

/// What is said of one identity.
#[derive(Serialize)]
struct Explained {
    identity: crate::domain::identity::Identity,
    now: Timestamp,
    open_incident: Option<IncidentId>,
    spent_until: Option<Timestamp>,
    protected_by: Option<String>,
    rules: Vec<Arithmetic>,
}

impl Explain {
    /// Runs it.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let settings = self.file.load_without_target()?;
        let policy = settings.to_policy();
        let now = SystemClock::default().now();
        super::super::runtime()?.block_on(async {
            let archive = app::open_archive(&settings).await?;
            let found = self.find(archive.as_ref(), &policy, now).await;
            archive.close_archive().await;
            let found = found?;
            if found.is_empty() {
                eprintln!("arfd: nothing is known of {}", self.identity);
                return Ok(ExitCode::from(NO_INPUT));
            }
            let mut out = io::stdout().lock();
            for one in &found {
                match self.json {
                    true => writeln!(out, "{}", serde_json::to_string(one)?)?,
                    false => show(&mut out, one)?,
                }
            }
            Ok(ExitCode::SUCCESS)
        })
    }

    async fn find(
        &self,
        archive: &dyn Archive,
        policy: &Policy,
        now: Timestamp,
    ) -> Result<Vec<Explained>, StoreError> {
        let mut found = Vec::new();
        for known in archive.named(&self.identity.to_lowercase()).await? {
            let complaints = recent(archive, &known, policy, now).await?;
            let spent = known.counted_from.unwrap_or(Timestamp::MIN);
            let rules = policy.rules.iter();
            let protected = policy.restraints.protected.iter();
            let mut protected = protected.filter(|p| p.matches(&known.identity));
            found.push(Explained {
                rules: rules
                    .map(|rule| explain(rule, &known.identity, &complaints, spent, now))
                    .collect(),
                now,
                open_incident: known.open,
                spent_until: known.counted_from,
                protected_by: protected.next().map(ToString::to_string),
                identity: known.identity,
            });
        }
        Ok(found)
    }
}

/// The complaints that any rule may look at, as many as the daemon looks at.
async fn recent(
    archive: &dyn Archive,
    known: &KnownIdentity,
    policy: &Policy,
    now: Timestamp,
) -> Result<Vec<Complaint>, StoreError> {
    let mut mark = Mark::after(longest_window_start(&policy.rules, now));
    let mut kept = VecDeque::new();
    loop {
        let read = archive.complaints(known.id, mark, now, PAGE).await?;
        let Some(last) = read.last() else {
            return Ok(kept.into());
        };
        mark = Mark::behind(last);
        kept.extend(read);
        kept.drain(..kept.len().saturating_sub(MOST_COMPLAINTS));
    }
}

fn show(out: &mut impl Write, one: &Explained) -> io::Result<()> {
    let user = one.identity.outgoing_user.as_ref();
    write!(out, "{}", clean(&one.identity.value))?;
    match user {
        Some(user) => writeln!(out, " of {}", clean(&user.to_string()))?,
        None => writeln!(out, ", without an outgoing user: it cannot be locked")?,
    }
    if let Some(incident) = one.open_incident {
        writeln!(
            out,
            "  incident {incident} is open: not assessed until it ends"
        )?;
    }
    if let Some(pattern) = &one.protected_by {
        writeln!(out, "  protected by {pattern}: recorded only")?;
    }
    if let Some(spent) = one.spent_until {
        writeln!(out, "  counted from {spent:.0} on")?;
    }
    for rule in &one.rules {
        writeln!(out)?;
        show_rule(out, rule, one.now)?;
    }
    writeln!(out)
}

fn show_rule(out: &mut impl Write, rule: &Arithmetic, now: Timestamp) -> io::Result<()> {
    let window = Span::secs(rule.window_seconds);
    write!(
        out,
        "{} ({}) within {window}: ",
        rule.rule,
        rule.action.as_str()
    )?;
    if !rule.is_for {
        return writeln!(out, "not for this identity");
    }
    let missing: Vec<String> = rule
        .minima
        .iter()
        .filter(|minimum| minimum.missing() > 0)
        .map(|minimum| format!("{} {}", minimum.missing(), minimum.what))
        .collect();
    match missing.is_empty() {
        true => writeln!(out, "every minimum is reached")?,
        false => writeln!(out, "missing {}", missing.join(", "))?,
    }
    let rows: Vec<Vec<String>> = rule
        .minima
        .iter()
        .map(|m| {
            vec![
                format!("  {}", m.what),
                format!("{} of {}", m.have, m.least),
            ]
        })
        .collect();
    write_table(out, &rows)?;
    for (why, count) in &rule.excluded {
        writeln!(out, "  {count} {}", why.replace('_', " "))?;
    }
    if let Some(fades) = rule.fades_at {
        let left = fades.duration_since(now).as_secs().max(0).unsigned_abs();
        writeln!(
            out,
            "  the oldest leaves the window in {}",
            Span::secs(left)
        )?;
    }
    Ok(())
}
