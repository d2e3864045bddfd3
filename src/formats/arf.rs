//! The Abuse Reporting Format (RFC 5965): finds the machine-readable part and the enclosed message wherever
//! the generator put them, and says where that was not what the standard asks.

use super::content_type::{Kind, essence, parameter};
use super::mime::{Entity, MOST_DECODED, Message, Part, skip_mbox};
use super::recover::{self, derived};
use super::{defects as d, dmarc_prose, fields, original};
use crate::domain::feedback::FeedbackType;
use crate::domain::headers::Fields;
use crate::domain::report::{Format, Reading};
use std::borrow::Cow;

/// Reads the message as ARF. None where it is not.
pub(super) fn read<'a>(message: &Message<'a>) -> Option<Reading<'a>> {
    let declared = is_declared(message);
    let (feedback, typed) = match message.part(&[Kind::Feedback]) {
        Some(part) => (Some(part), true),
        None => (untyped(message, declared), false),
    };
    if feedback.is_none() && !declared {
        return None;
    }
    let enclosed = enclosed(message, feedback.as_ref());
    if feedback.is_none() && enclosed.is_none() {
        return None;
    }
    let mut reading = Reading::none();
    reading.format = Format::Arf;
    for code in &message.defects {
        reading.defect(code);
    }
    envelope(message, declared, &mut reading);
    match &feedback {
        Some(part) => {
            if !typed {
                reading.defect(d::FEEDBACK_PART_TYPE);
            }
            if part.depth > 1 {
                reading.defect(d::NESTED_PARTS);
            }
            feedback_fields(part, &mut reading);
            required(&mut reading);
        }
        None => {
            reading.defect(d::NO_FEEDBACK_PART);
            dmarc_prose::fill(message, &mut reading); // Exim declares a report and writes prose
        }
    }
    match &enclosed {
        Some(part) => {
            order(message, feedback.as_ref(), part, &mut reading);
            if !is_standard(part) {
                reading.defect(d::ORIGINAL_PART_TYPE);
            }
            original::read(part, &mut reading);
        }
        None => reading.defect(d::NO_ORIGINAL),
    }
    recover::all(&mut reading);
    Some(reading)
}

/// Whether the enclosed message comes under a type that RFC 5965 section 2 d or RFC 6533 section 5 has for it.
fn is_standard(part: &Part<'_>) -> bool {
    const TYPES: [&str; 4] = [
        "message/rfc822",
        "text/rfc822-headers",
        "message/global",
        "message/global-headers",
    ];
    let stated = essence(part.entity.field("Content-Type").unwrap_or_default());
    TYPES
        .iter()
        .any(|known| stated.eq_ignore_ascii_case(known.as_bytes()))
}

/// The order of the parts (RFC 5965 section 2), and parts beyond the three.
fn order(
    message: &Message<'_>,
    feedback: Option<&Part<'_>>,
    enclosed: &Part<'_>,
    reading: &mut Reading<'_>,
) {
    let at = |part: &Part<'_>| message.position(part);
    let late_text = message.parts.first().is_some_and(|p| p.kind != Kind::Text)
        && message.parts.iter().any(|p| p.kind == Kind::Text);
    if late_text && enclosed.kind != Kind::Text || feedback.is_some_and(|f| at(f) > at(enclosed)) {
        reading.defect(d::PART_ORDER);
    }
    if message.parts.len() > 3 {
        reading.defect(d::EXTRA_PARTS);
    }
}

/// Whether the whole says that it is a feedback report.
fn is_declared(message: &Message<'_>) -> bool {
    parameter(message.content_type, "report-type")
        .is_some_and(|kind| kind.eq_ignore_ascii_case(b"feedback-report"))
}

/// What RFC 5965 section 2 asks of the whole.
fn envelope(message: &Message<'_>, declared: bool, reading: &mut Reading<'_>) {
    if !essence(message.content_type).eq_ignore_ascii_case(b"multipart/report") {
        reading.defect(d::NOT_MULTIPART_REPORT);
    } else if !declared {
        reading.defect(d::NO_REPORT_TYPE);
    }
    if message.top.field("MIME-Version").is_none() {
        reading.defect(d::NO_MIME_VERSION);
    }
    if message.parts.first().is_none_or(|p| p.kind != Kind::Text) {
        reading.defect(d::NO_TEXT_PART);
    }
    let more = message.parts.iter().filter(|p| p.kind == Kind::Feedback);
    if more.count() > 1 {
        reading.defect(d::MORE_FEEDBACK_PARTS);
    }
}

/// A part under a wrong type whose content is feedback fields. In a message that does not say it is a report
/// they must be unmistakable: the type, two more fields, and an enclosed message.
fn untyped<'a>(message: &Message<'a>, declared: bool) -> Option<Part<'a>> {
    if !declared && message.part(&[Kind::Message, Kind::Headers]).is_none() {
        return None;
    }
    message
        .parts
        .iter()
        .filter(|part| matches!(part.kind, Kind::Text | Kind::Other))
        .take(8)
        .find(|part| {
            let body = part.entity.peek();
            let start = body.trim_ascii_start();
            looks_like_fields(&start[..start.len().min(4_096)], declared)
        })
        .copied()
}

/// Whether a text holds fields of RFC 5965: two, and unless it is `expected` three with Feedback-Type.
fn looks_like_fields(text: &[u8], expected: bool) -> bool {
    let mut kind = false;
    let mut others = 0;
    for (name, _) in Fields::new(text) {
        let name = name.trim_ascii();
        let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
        kind |= is(b"feedback-type");
        others += u32::from(
            is(b"user-agent")
                || is(b"version")
                || is(b"source-ip")
                || is(b"arrival-date")
                || is(b"reported-domain")
                || starts_with(name, "original-"),
        );
    }
    let enough = if expected {
        others + u32::from(kind) >= 2
    } else {
        kind && others >= 2
    };
    enough || expected && starts_with(text, "feedback-type:")
}

/// Whether a text begins with a header block: two of the headers that mail cannot do without.
fn looks_like_message(text: &[u8]) -> bool {
    const NAMES: [&[u8]; 7] = [
        b"received",
        b"return-path",
        b"from",
        b"to",
        b"subject",
        b"date",
        b"message-id",
    ];
    let (text, mbox) = skip_mbox(text);
    let head = Entity::new(text).head;
    let known = Fields::new(head)
        .map(|(name, _)| name.trim_ascii())
        .filter(|name| NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)));
    mbox || known.take(2).count() == 2
}

/// The enclosed message: by its type, best after the machine-readable part, or else a text that follows it
/// and starts like a message.
fn enclosed<'a>(message: &Message<'a>, feedback: Option<&Part<'a>>) -> Option<Part<'a>> {
    let at = feedback.and_then(|feedback| message.position(feedback));
    let after = at.map_or(0, |at| at + 1);
    let (before, after) = message.parts.split_at(after);
    let is_message = |part: &&Part<'_>| part.kind.is_message();
    let typed = after.iter().find(is_message);
    if let Some(part) = typed.or_else(|| before.iter().find(is_message)) {
        return Some(*part);
    }
    let next = after.first().filter(|_| at.is_some())?;
    if next.kind == Kind::Json {
        return Some(*next);
    }
    let body = next.entity.peek();
    let start = body.trim_ascii_start();
    let redacted = starts_with(start, "redacted") && start.trim_ascii().len() < 40;
    let looks = redacted || starts_with(start, "message-id:") || looks_like_message(start);
    (next.kind == Kind::Text && looks).then_some(*next)
}

/// Whether bytes begin with that word, whatever its case.
fn starts_with(bytes: &[u8], word: &str) -> bool {
    bytes
        .get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
}

/// Reads the fields, from the part's headers where the empty line between them is missing.
fn feedback_fields(part: &Part<'_>, reading: &mut Reading<'_>) {
    let (body, encoded) = part.entity.decoded();
    if encoded {
        reading.defect(d::FEEDBACK_PART_ENCODED);
    }
    if part.entity.body.len() > MOST_DECODED {
        reading.defect(d::FIELDS_CUT);
    }
    let body: Cow<'_, [u8]> = match part.entity {
        Entity { head, .. } if body.trim_ascii().is_empty() => {
            let own = without_mime_headers(head);
            if !own.is_empty() {
                reading.defect(d::NO_BLANK_LINE);
            }
            Cow::Owned(own)
        }
        _ => body,
    };
    if body
        .last()
        .is_some_and(|last| !matches!(last, b'\r' | b'\n'))
    {
        reading.defect(d::NO_FINAL_NEWLINE);
    }
    fields::read(&body, reading);
}

/// A part's head without the headers that are MIME's own.
fn without_mime_headers(head: &[u8]) -> Vec<u8> {
    let mut rest = Vec::new();
    for (name, value) in Fields::new(head) {
        let mime = starts_with(name, "content-") || name.eq_ignore_ascii_case(b"mime-version");
        if !mime && !name.is_empty() {
            rest.extend_from_slice(name);
            rest.push(b':');
            rest.extend_from_slice(value);
        }
    }
    rest
}

/// The three fields that must be there (RFC 5965 section 3.1). Validity's older reports say `Abuse-Type` only.
fn required(reading: &mut Reading<'_>) {
    if reading.report.feedback_type.is_none() {
        reading.defect(d::NO_FEEDBACK_TYPE);
        let complaint = reading
            .report
            .extensions
            .get("abuse_type")
            .is_some_and(|values| values.iter().any(|v| v.eq_ignore_ascii_case("complaint")));
        if complaint {
            reading.report.feedback_type = Some(FeedbackType::Abuse);
            derived(reading, "feedback_type", "Abuse-Type of the feedback part");
        }
    }
    if reading.report.user_agent.is_none() {
        reading.defect(d::NO_USER_AGENT);
    }
    if reading.report.version.is_none() {
        reading.defect(d::NO_VERSION);
    }
}
