//! What people send on: the spam as an attachment, a report inside another message, or the text pasted below a
//! line that says so. Recognised for the desk; the enclosed words prove nothing, so none of it ever counts.

use super::content_type::{Kind, essence, parameter};
use super::mime::Message;
use super::{arf, date, defects as d, original, recover, text, x_arf, xarf};
use crate::domain::report::{MessageKind, Original, Reading};
use std::borrow::Cow;

/// Lines that mail programs put above a forwarded text, lower case, without dashes.
const MARKS: [&str; 7] = [
    "forwarded message",
    "begin forwarded message:",
    "original message",
    "forwarded by",
    "weitergeleitete nachricht",
    "ursprüngliche nachricht",
    "message transféré",
];
/// What mail programs put before the subject of what they forward, lower case. Outlook puts no mark above the text.
const TAGS: [&str; 10] = [
    "fw:", "fwd:", "wg:", "tr:", "rv:", "enc:", "i:", "doorst:", "vs:", "vl:",
];
/// Names of the first of Outlook's lines above a forwarded text, lower case.
const FIRST: [&str; 4] = ["from", "von", "de", "van"];
/// Lines looked at below the mark.
const MOST_LINES: usize = 12;

/// A report inside the message: somebody sent a report on as an attachment. One level deep.
pub(super) fn report<'a>(message: &Message<'a>) -> Option<Reading<'a>> {
    let enclosed = message.parts.iter().filter(|p| p.kind == Kind::Message);
    let mut reading = enclosed
        .take(4)
        .find_map(|part| match part.entity.decoded() {
            (Cow::Owned(bytes), true) => {
                let mut reading = inside(&bytes)?.into_owned();
                reading.defect(d::ORIGINAL_ENCODED);
                Some(reading)
            }
            _ => inside(part.entity.body),
        })?;
    reading.kind = Some(MessageKind::ForwardedReport);
    reading.defect(d::FORWARDED_REPORT);
    Some(reading)
}

/// The bytes as a report that says it is one.
fn inside(bytes: &[u8]) -> Option<Reading<'_>> {
    let inner = Message::new(bytes);
    if let Some(reading) = xarf::read(&inner).or_else(|| x_arf::read(&inner)) {
        return Some(reading);
    }
    let declared = essence(inner.content_type).eq_ignore_ascii_case(b"multipart/report")
        && parameter(inner.content_type, "report-type")
            .is_some_and(|kind| kind.eq_ignore_ascii_case(b"feedback-report"));
    declared.then(|| arf::read(&inner))?
}

/// The spam as an attachment.
pub(super) fn attached<'a>(message: &Message<'a>) -> Option<Reading<'a>> {
    if message.kind != Kind::Multipart && !message.kind.is_message() {
        return None;
    }
    let part = message.part(&[Kind::Message, Kind::Headers])?;
    let mut reading = Reading::of_kind(MessageKind::Forward);
    original::read(&part, &mut reading);
    recover::all(&mut reading);
    Some(reading)
}

/// The spam pasted into the text: low confidence, because a person could edit it and a reply looks the same.
pub(super) fn inline<'a>(message: &Message<'a>) -> Option<Reading<'a>> {
    let part = message.part(&[Kind::Text])?;
    let body = part.entity.peek();
    let body = String::from_utf8_lossy(&body);
    let lines = || body.lines().map(|l| l.trim_start_matches(['>', ' ', '\t']));
    let below_mark = lines().position(|line| {
        let line = line.trim_matches(['-', ' ', '\r', '_']).to_lowercase();
        MARKS.iter().any(|mark| line.starts_with(mark))
    });
    let subject = message.text("Subject").to_lowercase();
    let tagged = || TAGS.iter().any(|tag| subject.trim_start().starts_with(tag));
    let first = below_mark.map(|at| at + 1).or_else(|| {
        tagged().then_some(())?;
        lines().position(|line| {
            let name = line
                .split_once(':')
                .map(|(name, _)| name.trim_matches(['*', ' ']));
            name.is_some_and(|name| FIRST.iter().any(|first| name.eq_ignore_ascii_case(first)))
        })
    })?;
    let lines = lines().skip(first);
    let mut original = Original {
        headers_only: true,
        ..Original::default()
    };
    let mut seen = 0;
    for line in lines.take(MOST_LINES) {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = text::decoded(value.trim_matches(['*', ' ']).as_bytes(), &mut |_| {});
        let place = match name.trim_matches(['*', ' ']).to_ascii_lowercase().as_str() {
            "from" | "von" | "de" | "van" => &mut original.from,
            "subject" | "betreff" | "objet" | "asunto" | "onderwerp" => &mut original.subject,
            "date" | "sent" | "gesendet" | "datum" | "envoyé" | "enviado" | "verzonden" => {
                original.date = original.date.or_else(|| date::parse(&value));
                seen += 1;
                continue;
            }
            _ => continue,
        };
        if place.is_none() && !value.is_empty() {
            *place = Some(value);
            seen += 1;
        }
    }
    if seen < 2 || original.from.is_none() {
        return None;
    }
    let mut reading = Reading::of_kind(MessageKind::InlineForward);
    reading.original = Some(original);
    Some(reading)
}
