//! What of an incident may be sent to the customer. Built from a list of what may be said, not by taking away: what
//! is added to incidents later stays inside until somebody decides otherwise.

use crate::domain::incident::Why;
use crate::domain::threshold::Crossing;
use crate::store::{Dossier, ReportRow};
use jiff::Timestamp;
use serde::Serialize;
use std::io::{self, Write};

/// An incident as the customer may see it.
#[derive(Debug, Serialize)]
pub(super) struct Redacted {
    incident: String,
    identity: String,
    outgoing_user: Option<String>,
    state: &'static str,
    opened_at: Timestamp,
    ended_at: Option<Timestamp>,
    because: Vec<Because>,
    messages: Vec<Message>,
    history: Vec<Event>,
}

/// Sums of a rule, without its name.
#[derive(Debug, Serialize)]
struct Because {
    /// A rule, a person, or the filter.
    by: &'static str,
    window_seconds: Option<u64>,
    distinct_messages: Option<u64>,
    distinct_complainants: Option<u64>,
    at: Timestamp,
}

/// A message that was complained of. Its Message-ID would lead to the complainant in the customer's own log.
#[derive(Debug, Serialize)]
struct Message {
    reported_at: Timestamp,
    feedback_type: Option<String>,
    source_ip: Option<String>,
    sent_at: Option<String>,
    subject: Option<String>,
}

/// Something that happened.
#[derive(Debug, Serialize)]
struct Event {
    at: Timestamp,
    what: &'static str,
}

/// The audit's words for what the customer is told, and how.
static TOLD: [(&str, &str); 8] = [
    ("incident.opened", "rule crossed"),
    ("incident.noted", "noticed"),
    ("incident.escalated", "rule crossed"),
    ("incident.ordered", "lock ordered"),
    ("incident.holding", "mail held"),
    ("incident.locked", "locked"),
    ("incident.releasing", "unlock ordered"),
    ("incident.released", "unlocked"),
];

fn sums(crossing: &Crossing, at: Timestamp) -> Because {
    Because {
        by: "rule",
        window_seconds: Some(crossing.rule.window_seconds),
        distinct_messages: Some(crossing.tally.messages),
        distinct_complainants: Some(crossing.tally.complainants),
        at,
    }
}

fn because(found: &Dossier) -> Vec<Because> {
    let by = |by, at| Because {
        by,
        window_seconds: None,
        distinct_messages: None,
        distinct_complainants: None,
        at,
    };
    match serde_json::from_value(found.explanation.clone()) {
        Ok(Why::Rule(why)) => std::iter::once(sums(&why.crossing, why.decided_at))
            .chain(
                why.escalations
                    .iter()
                    .map(|e| sums(&e.crossing, e.decided_at)),
            )
            .collect(),
        Ok(Why::Person(person)) => vec![by("person", person.decided_at)],
        Ok(Why::Target(target)) => vec![by("filter", target.decided_at)],
        Err(_) => Vec::new(),
    }
}

/// A subject without anything that looks like an address, and of bounded length.
fn subject(text: &str) -> String {
    let word = |word: &str| match word.contains('@') {
        true => "[address]".to_owned(),
        false => word.chars().filter(|c| !c.is_control()).collect(),
    };
    let words: Vec<String> = text.split_whitespace().map(word).collect();
    words.join(" ").chars().take(120).collect()
}

fn message(row: &ReportRow) -> Message {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let original = &row.reading["original"];
    Message {
        reported_at: row.received_at,
        feedback_type: row
            .feedback_type
            .clone()
            .filter(|kind| kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')),
        source_ip: text(&row.reading["report"]["source_ip"]),
        sent_at: text(&original["date"]),
        subject: text(&original["subject"]).map(|s| subject(&s)),
    }
}

/// What may be said.
pub(super) fn redacted(found: &Dossier) -> Redacted {
    let told = |action: &str| TOLD.iter().find(|(name, _)| *name == action);
    Redacted {
        incident: found.id.to_string(),
        identity: found.identity.value.clone(),
        outgoing_user: found
            .identity
            .outgoing_user
            .as_ref()
            .map(ToString::to_string),
        state: found.state.as_str(),
        opened_at: found.opened_at,
        ended_at: found.ended_at,
        because: because(found),
        messages: found.reports.iter().map(message).collect(),
        history: found
            .audit
            .iter()
            .filter_map(|link| {
                let (_, what) = *told(&link.entry.action)?;
                let at = link.entry.at;
                Some(Event { at, what })
            })
            .collect(),
    }
}

/// For people.
pub(super) fn write(out: &mut impl Write, seen: &Redacted) -> io::Result<()> {
    let clean = super::clean;
    writeln!(out, "Incident {}", seen.incident)?;
    writeln!(out, "Sender:  {}", clean(&seen.identity))?;
    if let Some(user) = &seen.outgoing_user {
        writeln!(out, "Account: {}", clean(user))?;
    }
    writeln!(out, "State:   {}", seen.state)?;
    for because in &seen.because {
        match (
            because.window_seconds,
            because.distinct_messages,
            because.distinct_complainants,
        ) {
            (Some(window), Some(messages), Some(people)) => writeln!(
                out,
                "{:.0}: complaints about {messages} different messages by {people} different recipients or \
                 groups of them within {} minutes",
                because.at,
                window / 60
            )?,
            _ => writeln!(out, "{:.0}: decided by a {}", because.at, because.by)?,
        }
    }
    if !seen.messages.is_empty() {
        writeln!(out, "\nMessages complained of:")?;
    }
    for message in &seen.messages {
        writeln!(
            out,
            "  {:.0}  {}  from {}  sent {}  subject: {}",
            message.reported_at,
            message.feedback_type.as_deref().unwrap_or("-"),
            message.source_ip.as_deref().unwrap_or("-"),
            message.sent_at.as_deref().unwrap_or("-"),
            clean(message.subject.as_deref().unwrap_or("-"))
        )?;
    }
    writeln!(out, "\nHistory:")?;
    for event in &seen.history {
        writeln!(out, "  {:.0}  {}", event.at, event.what)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::audit::{Digest, Entry, Link};
    use crate::domain::identity::{Identity, OutgoingUser};
    use crate::domain::ids::{IncidentId, ReportId};
    use crate::domain::incident::IncidentState;

    /// Everything that must not leave the house has this in it.
    const SECRET: &str = "s3cr3t";

    fn dossier() -> Dossier {
        let secret = |what: &str| format!("{SECRET}-{what}@complainant.example");
        let reading = serde_json::json!({
            "report": {
                "feedback_type": "abuse", "user_agent": secret("agent"),
                "original_rcpt_to": [secret("recipient")], "original_mail_from": secret("bounce"),
                "source_ip": "192.0.2.7", "authentication_results": [secret("results")],
                "extensions": {"x": [secret("extension")]}
            },
            "original": {
                "message_id": secret("message"), "from": secret("from"), "date": "2026-11-24T12:00:00Z",
                "subject": format!("Hello {} buy now", secret("subject"))
            },
            "headers": secret("headers")
        });
        let entry = |action: &str| Link {
            number: 1,
            digest: Digest::NONE,
            entry: Entry {
                at: Timestamp::from_second(1).unwrap(),
                actor: secret("colleague"),
                action: action.to_owned(),
                incident: None,
                order: None,
                detail: secret("answer"),
            },
        };
        Dossier {
            id: IncidentId::of(&[b"x"]),
            identity: Identity {
                outgoing_user: OutgoingUser::new("customer.example", "mta"),
                value: "shop@customer.example".into(),
            },
            state: IncidentState::Locked,
            step: "lock".into(),
            opened_at: Timestamp::from_second(1).unwrap(),
            ends_at: None,
            ended_by: None,
            ended_at: None,
            explanation: serde_json::json!({
                "person": secret("colleague"), "reason": secret("reason"), "subject": "identity",
                "step": "lock", "decided_at": "2026-11-24T12:00:00Z"
            }),
            reports: vec![ReportRow {
                id: ReportId::of(&[b"x"]),
                received_at: Timestamp::from_second(1).unwrap(),
                client: secret("client"),
                feed: Some(secret("feed")),
                format: "arf".into(),
                feedback_type: Some("abuse".into()),
                standing: "counted".into(),
                proof: Some(serde_json::json!({"by": secret("proof")})),
                attribution: serde_json::json!({"provenance": secret("provenance")}),
                alias: Some(
                    serde_json::json!({"account": secret("account"), "source": secret("source")}),
                ),
                reading,
            }],
            evidence: 1,
            orders: Vec::new(),
            audit: vec![
                entry("incident.locked"),
                entry("order.later"),
                entry(&secret("action")),
            ],
        }
    }

    #[test]
    fn no_secret_leaves_the_house() {
        let seen = redacted(&dossier());
        let mut text = Vec::new();
        write(&mut text, &seen).unwrap();
        let texts = [
            String::from_utf8(text).unwrap(),
            serde_json::to_string(&seen).unwrap(),
        ];
        for text in texts {
            assert!(!text.contains(SECRET), "{text}");
            assert!(!text.contains("complainant.example"), "{text}");
            for said in [
                "shop@customer.example",
                "192.0.2.7",
                "buy now",
                "locked",
                "abuse",
            ] {
                assert!(text.contains(said), "{said} is missing in {text}");
            }
        }
    }
}
