//! Complaints that a sending service posts as JSON: the events of MailChannels, SendGrid, Mailgun, Mailjet, Mandrill,
//! Brevo, Postmark, SparkPost and Resend, Amazon SES' notifications (plain or in SNS' envelope), a XARF document without
//! mail around it, and RFC 5965's own fields as members. They go through the same model as mail. Member names are those
//! of the services' public documentation.

use super::content_type::Kind;
use super::mime::{LONGEST_HEAD, Message, skip_mark};
use super::webhook_services::{flat, mailgun, rfc5965, ses};
use super::{defects as d, json, recover, xarf};
use crate::domain::report::{Format, MessageKind, Reading};
use memchr::memmem;
use serde_json::{Map, Value};

/// Reads bytes that are JSON and no mail. None where they are not, or hold no event that is known.
pub(super) fn read<'a>(bytes: &[u8]) -> Option<Reading<'a>> {
    let bytes = skip_mark(bytes).0;
    let mut front = bytes.iter().take(LONGEST_HEAD);
    let start = front.find(|b| !b.is_ascii_whitespace())?;
    if !matches!(start, b'{' | b'[') || bytes.len() > json::LARGEST {
        return None;
    }
    let mut value = json::parse(bytes).ok()?;
    if let Some(inner) = value.get("Message").and_then(Value::as_str) {
        value = json::parse(inner.as_bytes()).ok()?; // SNS wraps the notification as a string
    }
    let events: Vec<&Map<String, Value>> = match &value {
        Value::Object(one) if xarf::is_xarf(one) => return Some(xarf::document(one)),
        Value::Object(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_object).collect(),
        _ => return None,
    };
    let mut complaints = events.iter().filter_map(|event| complaint(event));
    let Some(mut reading) = complaints.next() else {
        let known = events.iter().any(|event| kind(event).is_some());
        return known.then(|| Reading::of_kind(MessageKind::Event));
    };
    if complaints.next().is_some() {
        reading.defect(d::MORE_EVENTS);
    }
    recover::all(&mut reading);
    Some(reading)
}

/// The same as the text of a mail: Amazon's SNS sends notifications so to those who subscribe by address, with a line
/// and a text for people below.
pub(super) fn in_mail<'a>(message: &Message<'a>) -> Option<Reading<'a>> {
    let part = message.part(&[Kind::Text, Kind::Json])?;
    let first = *part.entity.peek().trim_ascii_start().first()?;
    if !matches!(first, b'{' | b'[') {
        return None;
    }
    let (body, _) = part.entity.decoded();
    let below = [&b"\n--\n"[..], b"\n--\r\n"];
    let end = below
        .iter()
        .filter_map(|line| memmem::find(&body, line))
        .min();
    let mut reading = read(&body[..end.unwrap_or(body.len())])?;
    for code in &message.defects {
        reading.defect(code);
    }
    Some(reading)
}

/// What kind of event it is, by whatever name its service has for that.
fn kind<'e>(event: &'e Map<String, Value>) -> Option<&'e str> {
    const NAMES: [&str; 4] = ["event", "notificationType", "eventType", "RecordType"];
    let word = |from: &'e Map<String, Value>, name: &str| from.get(name)?.as_str();
    let stated = |from| NAMES.iter().find_map(|name| word(from, name));
    // `type` is too common a name to be believed without what else these services send.
    stated(event).or_else(|| {
        let inside = inner(event)?;
        match event.contains_key("msys") {
            true => word(inside, "type"),
            false => stated(inside)
                .or_else(|| word(event, "type").filter(|kind| kind.starts_with("email."))),
        }
    })
}

/// The object inside an event that holds the message's facts: Mailgun's, SparkPost's, Mandrill's, Resend's.
pub(super) fn inner(event: &Map<String, Value>) -> Option<&Map<String, Value>> {
    if let Some(Value::Object(outer)) = event.get("msys") {
        return outer.values().next()?.as_object();
    }
    ["event-data", "msg", "data"]
        .iter()
        .find_map(|name| event.get(*name)?.as_object())
}

fn complaint(event: &Map<String, Value>) -> Option<Reading<'static>> {
    let mut reading = Reading::none();
    reading.format = Format::Webhook;
    match kind(event) {
        Some("complained" | "complaint") => match inner(event) {
            Some(inner) if inner.contains_key("message") => mailgun(inner, &mut reading),
            _ if event.contains_key("message") => mailgun(event, &mut reading),
            _ => flat(event, &mut reading),
        },
        Some("spamreport" | "spam" | "SpamComplaint" | "spam_complaint" | "email.complained") => {
            flat(event, &mut reading);
        }
        Some("Complaint") => ses(event, &mut reading)?,
        Some(_) => return None,
        None => rfc5965(event, &mut reading)?,
    }
    Some(reading)
}
