//! DMARC failure reports without a machine-readable part, as Exim writes them on panels: prose with a few
//! `Name: value` lines. Authentication failures are no complaints; what is readable is kept for the desk.

use super::content_type::Kind;
use super::mime::{Message, Part};
use super::recover::derived;
use super::{date, original, text};
use crate::domain::feedback::FeedbackType;
use crate::domain::headers::Fields;
use crate::domain::report::{MessageKind, Reading};
use memchr::memmem;

const SOURCE: &str = "the text";
/// Texts looked at.
const MOST_TEXTS: usize = 4;
/// Lines looked at.
const MOST_LINES: usize = 200;

/// Reads the message as such prose. None where it is not.
pub(super) fn read<'a>(message: &Message<'a>) -> Option<Reading<'a>> {
    let mut reading = Reading::of_kind(MessageKind::DmarcProse);
    if !fill(message, &mut reading) {
        return None;
    }
    if let Some(part) = message.part(&[Kind::Message, Kind::Headers]) {
        original::read(&part, &mut reading);
    }
    Some(reading)
}

/// Takes what the prose says. False where there is none.
pub(super) fn fill(message: &Message<'_>, reading: &mut Reading<'_>) -> bool {
    // A gateway may have put its own text in front.
    let texts = message.parts.iter().filter(|part| part.kind == Kind::Text);
    texts
        .take(MOST_TEXTS)
        .any(|part| told(message, part, reading))
}

fn told(message: &Message<'_>, part: &Part<'_>, reading: &mut Reading<'_>) -> bool {
    let body = part.entity.peek();
    let has = |word: &str| memmem::find(&body, word.as_bytes()).is_some();
    let subject = message.text("Subject").to_ascii_lowercase();
    let told = has("failed the published DMARC policy");
    let titled = subject.contains("dmarc")
        && ["forensic", "failure"].iter().any(|w| subject.contains(w))
        && has("Sender");
    if !(told || titled) {
        return false;
    }
    reading.report.feedback_type = Some(FeedbackType::AuthFailure);
    derived(reading, "feedback_type", SOURCE);
    // Lines are indented in places, where Fields would fold them.
    for line in body.split(|b| *b == b'\n').take(MOST_LINES) {
        let Some((name, raw)) = Fields::new(line.trim_ascii()).next() else {
            continue;
        };
        let value = text::clean(raw, &mut |_| {});
        let report = &mut reading.report;
        match name.to_ascii_lowercase().as_slice() {
            b"sender domain" if report.reported_domain.is_empty() && !value.is_empty() => {
                report.reported_domain.push(value);
                derived(reading, "reported_domain", SOURCE);
            }
            b"sender ip address" if report.source_ip.is_none() => {
                report.source_ip = text::address(&value);
                if report.source_ip.is_some() {
                    derived(reading, "source_ip", SOURCE);
                }
            }
            b"received date" if report.arrival_date.is_none() => {
                report.arrival_date = date::parse(&value);
                if report.arrival_date.is_some() {
                    derived(reading, "arrival_date", SOURCE);
                }
            }
            _ => {}
        }
    }
    true
}
