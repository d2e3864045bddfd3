//! What the events of sending services say, shape by shape: flat members under many names, Mailgun's and Amazon SES'
//! objects, and RFC 5965's own fields.

use super::recover::derived;
use super::webhook::inner;
use super::{date, fields, json_headers, mailbox, original, text};
use crate::domain::feedback::FeedbackType;
use crate::domain::report::{Original, Reading};
use serde_json::{Map, Value};

/// Recipients and members kept.
const MOST: usize = 200;

/// What a member of an event says.
enum Role {
    Recipient,
    Sender,
    From,
    Subject,
    Time,
    SourceIp,
    MessageId,
    EnvelopeId,
    Type,
    Kind,
    Other,
}

impl Role {
    /// By the names of all services. `email` is the sender for MailChannels, which names recipients beside it, and the
    /// recipient for all others; `sender` and `from` are headers, not the envelope.
    fn of(name: &str, mailchannels: bool) -> Self {
        match name {
            "email" if mailchannels => Self::Sender,
            "email" | "Email" | "recipient" | "recipients" | "rcpt_to" | "to" => Self::Recipient,
            "msg_from" => Self::Sender,
            "from" | "From" | "sender" | "friendly_from" => Self::From,
            "subject" | "Subject" => Self::Subject,
            "timestamp" | "ts_event" | "ts" | "time" | "created_at" | "BouncedAt" => Self::Time,
            "sending_ip" => Self::SourceIp,
            "smtp_id" | "smtp-id" | "message-id" => Self::MessageId,
            "message_id" | "MessageID" | "email_id" => Self::EnvelopeId,
            "fbtype" => Self::Type,
            "event" | "RecordType" | "type" | "Type" => Self::Kind,
            _ => Self::Other,
        }
    }
}

/// One level of members, or two: the event's own come first, so its time counts before the message's.
pub(super) fn flat(event: &Map<String, Value>, reading: &mut Reading<'_>) {
    reading.report.feedback_type = Some(FeedbackType::Abuse);
    derived(reading, "feedback_type", "kind of the event");
    let mailchannels = event.contains_key("recipients");
    let mut original = Original {
        headers_only: true,
        ..Original::default()
    };
    let members = event.iter().take(MOST);
    let more = inner(event).into_iter().flatten().take(MOST);
    for (name, value) in members.chain(more) {
        let text = scalar(value).filter(|text| !text.is_empty());
        let report = &mut reading.report;
        match (Role::of(name, mailchannels), text) {
            (Role::Recipient, _) => match value {
                Value::Array(all) => report
                    .original_rcpt_to
                    .extend(all.iter().take(MOST).filter_map(address)),
                one => report.original_rcpt_to.extend(address(one)),
            },
            (_, None) | (Role::Kind, _) => {}
            (Role::Sender, _) if report.original_mail_from.is_none() => {
                report.original_mail_from = address(value);
            }
            (Role::From, Some(text)) if original.from.is_none() => original.from = Some(text),
            (Role::Subject, Some(text)) if original.subject.is_none() => {
                original.subject = Some(text);
            }
            (Role::SourceIp, Some(text)) if report.source_ip.is_none() => {
                report.source_ip = text::address(&text);
            }
            (Role::Time, Some(text)) if report.arrival_date.is_none() => {
                report.arrival_date = date::parse(&text);
                if report.arrival_date.is_some() {
                    derived(reading, "arrival_date", "time of the event");
                }
            }
            (Role::MessageId, Some(text)) if original.message_id.is_none() => {
                let id = original::message_id(&text);
                original.message_id = Some(id.to_owned()).filter(|id| !id.is_empty());
            }
            (Role::EnvelopeId, Some(text)) if report.original_envelope_id.is_none() => {
                report.original_envelope_id = Some(text);
            }
            (Role::Type, Some(text)) => {
                report.feedback_type = Some(FeedbackType::from(text.as_str()));
                reading.derived.remove("feedback_type");
            }
            (_, Some(text)) => {
                let name = fields::snake_case(&name.as_bytes()[..name.len().min(100)]);
                report.extensions.entry(name).or_default().push(text);
            }
        }
    }
    reading.report.original_rcpt_to.truncate(MOST);
    if original.message_id.is_some() || original.from.is_some() || original.subject.is_some() {
        reading.original = Some(original);
    }
}

/// Mailgun: `envelope`, `message` with headers, `recipient`.
pub(super) fn mailgun(event: &Map<String, Value>, reading: &mut Reading<'_>) {
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
pub(super) fn ses(event: &Map<String, Value>, reading: &mut Reading<'_>) -> Option<()> {
    let complaint = event.get("complaint")?;
    let mail = event.get("mail")?;
    let get = |from: &Value, name: &str| from.get(name).and_then(scalar);
    let report = &mut reading.report;
    let kind = get(complaint, "complaintFeedbackType");
    report.feedback_type = Some(kind.map_or(FeedbackType::Abuse, FeedbackType::from));
    report.user_agent = get(complaint, "userAgent");
    report.original_mail_from = mail.get("source").and_then(address);
    let tagged = || {
        mail.get("tags")?
            .get("ses:source-ip")?
            .get(0)
            .and_then(scalar)
    };
    let source = get(mail, "sourceIp").or_else(tagged);
    report.source_ip = source.and_then(|ip| text::address(&ip));
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
    } else if let Some(common) = mail.get("commonHeaders") {
        let id = get(common, "messageId").unwrap_or_default();
        reading.original = Some(Original {
            message_id: Some(original::message_id(&id).to_owned()).filter(|id| !id.is_empty()),
            from: common.get("from").and_then(|all| scalar(all.get(0)?)),
            subject: get(common, "subject"),
            date: get(common, "date").and_then(|date| date::parse(&date)),
            headers_only: true,
        });
    }
    Some(())
}

/// Members with the names of RFC 5965 section 3.
pub(super) fn rfc5965(event: &Map<String, Value>, reading: &mut Reading<'_>) -> Option<()> {
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

fn scalar(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(yes) => yes.to_string(),
        _ => return None,
    };
    Some(text::clean(text.as_bytes(), &mut |_| {}))
}
