//! The desk's listings: the queue of reports that nobody could be named for, with what would mend it, and what was
//! learnt by hand.

use super::{clean, or_dash};
use crate::domain::attribution::{Attribution, Reason};
use crate::domain::unattributed::{Common, Group, Waiting};
use crate::store::{LearntRow, ReportRow};
use std::io::{self, Write};

/// The heads of the queue.
pub(super) const QUEUE: [&str; 8] = [
    "reports",
    "reason",
    "feed",
    "outgoing user",
    "last",
    "source addresses",
    "sender domains",
    "newest",
];
/// The heads of what was learnt.
pub(super) const LEARNT: [&str; 8] = [
    "learnt",
    "state",
    "feed",
    "what",
    "is",
    "stands for",
    "by",
    "id",
];

/// A report of the queue, as it is grouped.
pub(super) fn waiting(row: ReportRow) -> Option<Waiting> {
    let attribution = serde_json::from_value(row.attribution).ok()?;
    let (reason, outgoing_user) = match attribution {
        Attribution::Unattributed {
            reason,
            outgoing_user,
        } => (reason, outgoing_user.map(|user| user.to_string())),
        // It names a whole server or domain.
        Attribution::Identified { identity, .. } => {
            (Reason::SharedUser, Some(identity.to_string()))
        }
    };
    let report = &row.reading["report"];
    let text = |key: &str| report[key].as_str();
    let domain = text("original_mail_from").and_then(|sender| sender.rsplit_once('@'));
    Some(Waiting {
        id: row.id,
        received_at: row.received_at,
        feed: row.feed.unwrap_or_default(),
        reason,
        outgoing_user,
        source_ip: text("source_ip").map(str::to_owned),
        sender_domain: domain.map(|(_, domain)| domain.to_lowercase()),
    })
}

fn most(all: &[Common]) -> String {
    let shown: Vec<String> = all
        .iter()
        .map(|one| format!("{} ({})", one.value, one.reports))
        .collect();
    clean(&or_dash(Some(&shown.join(" "))))
}

/// A group as a row.
pub(super) fn queue_cells(group: &Group) -> Vec<String> {
    let examples: Vec<String> = group.examples.iter().map(ToString::to_string).collect();
    vec![
        group.reports.to_string(),
        group.reason.as_str().to_owned(),
        group.feed.clone(),
        clean(&or_dash(group.outgoing_user.as_deref())),
        format!("{:.0}", group.last),
        most(&group.source_ips),
        most(&group.sender_domains),
        examples.join(" "),
    ]
}

/// Says what would mend each reason, once, and what a person can do.
pub(super) fn advise(out: &mut impl Write, groups: &[Group]) -> io::Result<()> {
    let mut said: Vec<&str> = Vec::new();
    for group in groups {
        let reason = group.reason.as_str();
        if said.contains(&reason) {
            continue;
        }
        if said.is_empty() {
            writeln!(out)?;
        }
        said.push(reason);
        writeln!(out, "{reason}: {}", group.advice.text)?;
        for fix in group.advice.fixes {
            writeln!(out, "    at {}: {}", fix.at, fix.setting)?;
        }
    }
    if !said.is_empty() {
        writeln!(
            out,
            "one by one: arfd attribute REPORT --identity WHO [--learn WHAT] --reason WHY"
        )?;
    }
    Ok(())
}

/// A mapping as a row.
pub(super) fn learnt_cells(row: &LearntRow) -> Vec<String> {
    let state = match row.forgotten {
        None => "in force",
        Some(_) => "forgotten",
    };
    vec![
        format!("{:.0}", row.at),
        state.to_owned(),
        row.feed.clone(),
        clean(&row.choice),
        clean(&row.value),
        clean(&row.identity.to_string()),
        clean(&row.by),
        row.id.to_string(),
    ]
}
