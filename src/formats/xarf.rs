//! XARF as JSON: version 2 and 3 (`ReporterInfo`, `Report`) and version 4 (flat, `xarf_version`), as an
//! attachment, beside a feedback part with Feedback-Type xarf (RFC 9477 lets a sender ask for it), or alone.

use super::content_type::{self, Kind, parameter};
use super::mime::{Message, Part};
use super::recover::{self, derived};
use super::{date, defects as d, fields, json, original, text, xarf_classes};
use crate::domain::report::{Format, Original, Reading};
use mail_parser::decoders::base64::base64_decode;
use serde_json::{Map, Value};

/// Names of members, by version 4 and by the writers of 1 to 3.
const SOURCE: [&str; 4] = ["SourceIp", "source_identifier", "SourceIP", "IP"];
const PORT: [&str; 3] = ["SourcePort", "source_port", "Port"];
const SENDER: [&str; 3] = ["SmtpMailFromAddress", "smtp_from", "SMTPFrom"];
const RECIPIENT: [&str; 3] = ["SmtpRcptToAddress", "smtp_to", "SMTPTo"];
const DATE: [&str; 2] = ["Date", "timestamp"];
/// Types of evidence that is a message.
const MESSAGES: [&str; 5] = [
    "message/rfc822",
    "message/global",
    "application/rfc822",
    "text/email",
    "text/rfc822-headers",
];
/// Values kept as extensions.
const MOST_VALUES: usize = 200;

/// Reads the message as XARF. None where it is not.
pub(super) fn read<'a>(message: &Message<'a>) -> Option<Reading<'a>> {
    let feedback = message.part(&[Kind::Feedback]);
    let part = message.parts.iter().find(|part| is_document(part))?;
    let mut reading = Reading::none();
    reading.format = Format::Xarf;
    for code in &message.defects {
        reading.defect(code);
    }
    if let Some(feedback) = &feedback {
        fields::read(&feedback.entity.decoded().0, &mut reading);
    }
    let by_mark = reading
        .report
        .feedback_type
        .as_ref()
        .is_some_and(|kind| kind.as_str() == "xarf")
        || message.top.field("X-XARF").is_some();
    let (bytes, _) = part.entity.decoded_within(2 * json::LARGEST);
    match json::parse(&bytes) {
        Ok(Value::Object(document)) if is_xarf(&document) => {
            xarf_classes::check(&document, &mut reading);
            document_fields(&document, &mut reading)
        }
        Err(json::Flaw::TooLarge) if by_mark => reading.defect(d::JSON_TOO_LARGE),
        _ if by_mark => reading.defect(d::BAD_JSON),
        _ => return None,
    }
    if reading.original.is_none()
        && let Some(part) = message.part(&[Kind::Message, Kind::Headers])
    {
        original::read(&part, &mut reading);
    }
    recover::all(&mut reading);
    Some(reading)
}

/// A document without mail around it.
pub(super) fn document(document: &Map<String, Value>) -> Reading<'static> {
    let mut reading = Reading::none();
    reading.format = Format::Xarf;
    xarf_classes::check(document, &mut reading);
    document_fields(document, &mut reading);
    recover::all(&mut reading);
    reading
}

/// JSON by its type or by its name.
fn is_document(part: &Part<'_>) -> bool {
    let named = |field, name| {
        part.entity
            .field(field)
            .and_then(|value| parameter(value, name))
            .is_some_and(|file| {
                file.eq_ignore_ascii_case(b"xarf.json") || file.eq_ignore_ascii_case(b"report.json")
            })
    };
    part.kind == Kind::Json
        || (part.kind == Kind::Other
            && (named("Content-Type", "name") || named("Content-Disposition", "filename")))
}

/// Whether a document is one of XARF.
pub(super) fn is_xarf(document: &Map<String, Value>) -> bool {
    document.contains_key("xarf_version")
        || (document.contains_key("ReporterInfo") && document.contains_key("Report"))
}

fn document_fields(document: &Map<String, Value>, reading: &mut Reading<'_>) {
    let report = match document.get("Report") {
        Some(Value::Object(report)) => report,
        _ => document,
    };
    // Some writers of version 3 put the source and the mail's facts into objects of their own.
    let inner = |name: &str| report.get(name).and_then(Value::as_object);
    let more = [inner("Source"), inner("AdditionalInfo")];
    let string = |names: &[&str]| {
        let places = std::iter::once(report).chain(more.iter().flatten().copied());
        let mut found = places.flat_map(|from| names.iter().filter_map(|name| from.get(*name)));
        found.find_map(|value| match value {
            Value::String(value) => Some(clean(value)).filter(|value| !value.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    };
    if let Some(version) = document.get("xarf_version").or(document.get("Version")) {
        let version = clean(&scalar(version).unwrap_or_default());
        reading
            .report
            .extensions
            .insert("xarf_version".into(), vec![version]);
    }
    if reading.report.feedback_type.is_none()
        && let Some(kind) = string(&["ReportType", "type"])
    {
        reading.report.feedback_type = Some(xarf_classes::kind(report, &kind));
        derived(reading, "feedback_type", "type of the XARF document");
    }
    if let Some(ip) = string(&SOURCE).and_then(|ip| text::address(&ip)) {
        reading.report.source_ip = Some(ip);
        derived(reading, "source_ip", "source of the XARF document");
    }
    if let Some(port) = string(&PORT).and_then(|port| port.parse().ok()) {
        reading.report.source_port = Some(port);
        derived(reading, "source_port", "source port of the XARF document");
    }
    if let Some(sender) = string(&SENDER) {
        reading.report.original_mail_from = Some(text::unbracketed(&sender).0.to_owned());
        derived(
            reading,
            "original_mail_from",
            "SMTP sender of the XARF document",
        );
    }
    if let Some(recipient) = string(&RECIPIENT) {
        let recipient = text::unbracketed(&recipient).0.to_owned();
        reading.report.original_rcpt_to.push(recipient);
        derived(
            reading,
            "original_rcpt_to",
            "SMTP recipient of the XARF document",
        );
    }
    if let Some(date) = string(&DATE) {
        match date::parse(&date) {
            Some(date) => {
                reading.report.arrival_date = Some(date);
                derived(reading, "arrival_date", "date of the XARF document");
            }
            None => reading.defect(d::BAD_DATE),
        }
    }
    let mut kept = 0;
    for (name, value) in document {
        match value {
            Value::Object(inner) if name == "Report" || name == "ReporterInfo" => {
                for (name, value) in inner {
                    keep(name, value, &mut kept, reading);
                }
            }
            Value::Object(inner) => {
                for (inner, value) in inner {
                    keep(&format!("{name}_{inner}"), value, &mut kept, reading);
                }
            }
            Value::Array(_) => {}
            _ if name == "Version" => {}
            _ => keep(name, value, &mut kept, reading),
        }
    }
    let evidence = ["Samples", "evidence", "Attachment"]
        .iter()
        .find_map(|name| report.get(*name)?.as_array());
    if let Some(sample) = evidence.and_then(|all| all.iter().find_map(message_sample)) {
        original::take_owned(&sample, false, reading);
    } else if let Some(id) = string(&["message_id", "MessageID"]) {
        reading.original = Some(Original {
            message_id: Some(original::message_id(&id).to_owned()).filter(|id| !id.is_empty()),
            subject: string(&["subject", "Subject"]),
            headers_only: true,
            ..Original::default()
        });
    }
}

/// A scalar that no RFC 5965 name exists for becomes an extension.
fn keep(name: &str, value: &Value, kept: &mut usize, reading: &mut Reading<'_>) {
    let taken = [&SOURCE[..], &PORT, &SENDER, &RECIPIENT, &DATE].concat();
    if taken.contains(&name) || name == "xarf_version" {
        return;
    }
    let Some(value) = scalar(value) else { return };
    *kept += 1;
    if *kept > MOST_VALUES || name.len() > 100 {
        reading.defect(d::FIELDS_CUT);
        return;
    }
    let value = text::clean(value.as_bytes(), &mut |code| reading.defect(code));
    let values = reading.report.extensions.entry(camel_to_snake(name));
    values.or_default().push(value);
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// `ReporterOrgDomain` -> `reporter_org_domain`.
fn camel_to_snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.push(match c {
            c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
            _ => '_',
        });
    }
    snake
}

/// The spam itself, where the evidence holds it.
fn message_sample(sample: &Value) -> Option<Vec<u8>> {
    let get = |names: &[&str]| names.iter().find_map(|name| sample.get(*name));
    let kind = get(&["ContentType", "content_type"])?.as_str()?;
    let kind = content_type::essence(kind.as_bytes());
    let is = |known: &&str| kind.eq_ignore_ascii_case(known.as_bytes());
    if !MESSAGES.iter().any(is) {
        return None;
    }
    let payload = get(&["Payload", "payload", "Data"])?.as_str()?.as_bytes();
    let flag = get(&["Base64Encoded", "base64_encoded"]).and_then(Value::as_bool);
    // Version 3 says no where the flag is absent, version 4 has no flag and says yes: a header's colon tells.
    match flag.unwrap_or(!payload.contains(&b':')) {
        false => Some(payload.to_vec()),
        true => base64_decode(payload),
    }
}

fn clean(value: &str) -> String {
    text::clean(value.as_bytes(), &mut |_| {})
}
