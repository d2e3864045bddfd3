//! Complaints that a sending service posts as JSON: the events of MailChannels, SendGrid and Mailgun, Amazon SES'
//! notifications (plain or in SNS' envelope), and RFC 5965's own fields as members. They go through the same model as
//! mail. Member names are those of the services' public documentation.

use super::mime::skip_mark;
use super::recover::derived;
use super::{date, defects as d, fields, json_headers, mailbox, original, recover, text};
use crate::domain::feedback::FeedbackType;
use crate::domain::report::{Format, MessageKind, Original, Reading};
use serde_json::{Map, Value};

/// Recipients and members kept.
const MOST: usize = 200;

/// Reads bytes that are JSON and no mail. None where they are not, or hold no event that is known.
pub(super) fn read<'a>(bytes: &[u8]) -> Option<Reading<'a>> {
    let bytes = skip_mark(bytes).0;
    let start = bytes.iter().find(|b| !b.is_ascii_whitespace())?;
    if !matches!(start, b'{' | b'[') || bytes.len() > json_headers::LARGEST {
        return None;
    }
    let mut value: Value = serde_json::from_slice(bytes).ok()?;
    if let Some(inner) = value.get("Message").and_then(Value::as_str) {
        value = serde_json::from_str(inner).ok()?; // SNS wraps the notification as a string
    }
    let events: Vec<&Map<String, Value>> = match &value {
        // Mailgun signs an event that lies inside.
        Value::Object(one) => match one.get("event-data") {
            Some(Value::Object(inner)) => vec![inner],
            _ => vec![one],
        },
        Value::Array(all) => all.iter().filter_map(Value::as_object).collect(),
        _ => return None,
    };
    let mut complaints = events.iter().filter_map(|event| complaint(event));
    let Some(mut reading) = complaints.next() else {
        let known = events.iter().any(|event| {
            ["event", "notificationType", "eventType"]
                .iter()
                .any(|name| event.get(*name).is_some_and(Value::is_string))
        });
        return known.then(|| Reading::of_kind(MessageKind::Event));
    };
    if complaints.next().is_some() {
        reading.defect(d::MORE_EVENTS);
    }
    recover::all(&mut reading);
    Some(reading)
}

fn complaint(event: &Map<String, Value>) -> Option<Reading<'static>> {
    let mut reading = Reading::none();
    reading.format = Format::Webhook;
    let kind = ["event", "notificationType", "eventType"]
        .iter()
        .find_map(|name| string(event.get(*name)));
    match kind.as_deref() {
        Some("complained" | "complaint") if event.contains_key("message") => {
            mailgun(event, &mut reading);
        }
        Some("complained" | "complaint") => flat(event, true, &mut reading),
        Some("spamreport") => flat(event, false, &mut reading),
        Some("Complaint") => ses(event, &mut reading)?,
        Some(_) => return None,
        None => rfc5965(event, &mut reading)?,
    }
    Some(reading)
}

/// One level of members. `email` is the sender for MailChannels, and the recipient for SendGrid.
fn flat(event: &Map<String, Value>, by_sender: bool, reading: &mut Reading<'_>) {
    reading.report.feedback_type = Some(FeedbackType::Abuse);
    derived(reading, "feedback_type", "kind of the event");
    for (name, value) in event.iter().take(MOST) {
        let report = &mut reading.report;
        match (name.as_str(), value) {
            ("email", _) if by_sender => report.original_mail_from = address(value),
            ("email" | "recipient", _) => report.original_rcpt_to.extend(address(value)),
            ("recipients", Value::Array(all)) => {
                report.original_rcpt_to = all.iter().take(MOST).filter_map(address).collect();
            }
            ("timestamp", _) => {
                report.arrival_date = scalar(value).and_then(|time| date::parse(&time));
                if report.arrival_date.is_some() {
                    derived(reading, "arrival_date", "time of the event");
                }
            }
            ("smtp_id" | "smtp-id", _) => {
                let id = scalar(value).unwrap_or_default();
                let id = original::message_id(&id);
                if !id.is_empty() {
                    reading.original = Some(Original {
                        message_id: Some(id.to_owned()),
                        headers_only: true,
                        ..Original::default()
                    });
                }
            }
            ("event", _) => {}
            _ => {
                if let Some(value) = scalar(value).filter(|value| !value.is_empty()) {
                    let name = fields::snake_case(&name.as_bytes()[..name.len().min(100)]);
                    report.extensions.entry(name).or_default().push(value);
                }
            }
        }
    }
}

/// Mailgun: `envelope`, `message` with headers, `recipient`.
fn mailgun(event: &Map<String, Value>, reading: &mut Reading<'_>) {
    reading.report.feedback_type = Some(FeedbackType::Abuse);
    derived(reading, "feedback_type", "kind of the event");
    let report = &mut reading.report;
    let envelope = |name: &str| event.get("envelope")?.get(name);
    report.original_mail_from = envelope("sender").and_then(address);
    report.source_ip = envelope("sending-ip").and_then(|ip| text::address(&scalar(ip)?));
    report
        .original_rcpt_to
        .extend(event.get("recipient").and_then(address));
    if let Some(id) = event.get("id").and_then(scalar) {
        report.extensions.insert("id".into(), vec![id]);
    }
    // Seconds with a fraction.
    let time = event.get("timestamp").and_then(scalar);
    let time = time.and_then(|time| date::parse(time.split('.').next()?));
    report.arrival_date = time;
    if time.is_some() {
        derived(reading, "arrival_date", "time of the event");
    }
    if let Some(block) = event.get("message").and_then(json_headers::block) {
        original::take_owned(&block, true, reading);
    }
}

/// Amazon SES: `complaint` and `mail`.
fn ses(event: &Map<String, Value>, reading: &mut Reading<'_>) -> Option<()> {
    let complaint = event.get("complaint")?;
    let mail = event.get("mail")?;
    let get = |from: &Value, name: &str| from.get(name).and_then(scalar);
    let report = &mut reading.report;
    let kind = get(complaint, "complaintFeedbackType");
    report.feedback_type = Some(kind.map_or(FeedbackType::Abuse, FeedbackType::from));
    report.user_agent = get(complaint, "userAgent");
    report.original_mail_from = mail.get("source").and_then(address);
    report.source_ip = get(mail, "sourceIp").and_then(|ip| text::address(&ip));
    report.original_envelope_id = get(mail, "messageId");
    report.arrival_date = ["arrivalDate", "timestamp"]
        .iter()
        .find_map(|name| date::parse(&get(complaint, name)?));
    let recipients = complaint.get("complainedRecipients");
    report.original_rcpt_to = recipients
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(MOST)
        .filter_map(|one| one.get("emailAddress").and_then(address))
        .collect();
    if let Some(block) = mail.get("headers").and_then(json_headers::block) {
        original::take_owned(&block, true, reading);
    }
    Some(())
}

/// Members with the names of RFC 5965 section 3.
fn rfc5965(event: &Map<String, Value>, reading: &mut Reading<'_>) -> Option<()> {
    let has = |name: &str| {
        event
            .keys()
            .any(|key| fields::snake_case(key.as_bytes()) == name)
    };
    let named = ["source_ip", "original_mail_from", "original_rcpt_to"];
    if !(has("feedback_type") && named.iter().any(|name| has(name))) {
        return None;
    }
    let members: Map<String, Value> = event
        .iter()
        .filter(|(_, value)| !value.is_object())
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    fields::read(&json_headers::block(&Value::Object(members))?, reading);
    let enclosed = ["original", "original_headers", "headers"]
        .iter()
        .find_map(|name| json_headers::block(event.get(*name)?));
    if let Some(block) = enclosed {
        original::take_owned(&block, true, reading);
    }
    Some(())
}

fn address(value: &Value) -> Option<String> {
    let value = scalar(value)?;
    Some(mailbox::one(&value).address.to_owned())
}

fn string(value: Option<&Value>) -> Option<String> {
    value?.as_str().map(str::to_owned)
}

fn scalar(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        _ => return None,
    };
    Some(text::clean(text.as_bytes(), &mut |_| {}))
}
