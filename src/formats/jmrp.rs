//! Microsoft's Junk Mail Reporting Program before it sent ARF: the spam as a message/rfc822 attachment and not
//! one word more. Everything is in the enclosed headers and in the report's own Subject. People forward mail in
//! the same way, so one of Microsoft's marks must be there.

use super::content_type::Kind;
use super::mime::Message;
use super::recover::{self, derived};
use super::{original, text};
use crate::domain::feedback::FeedbackType;
use crate::domain::report::{Format, Reading};

const SUBJECT: &str = "complaint about message from ";

/// Reads the message as a legacy JMRP report. None where it is not.
pub(super) fn read<'a>(message: &Message<'a>) -> Option<Reading<'a>> {
    let part = message.part(&[Kind::Message, Kind::Headers])?;
    let mut reading = Reading::none();
    reading.format = Format::Jmrp;
    for code in &message.defects {
        reading.defect(code);
    }
    let plain = |name| {
        let raw = message.top.field(name).unwrap_or_default();
        text::clean(raw, &mut |_| {})
    };
    original::read(&part, &mut reading);
    let subject = plain("Subject").to_ascii_lowercase();
    let from = plain("From").to_ascii_lowercase();
    let marked = reading.headers.first("X-HmXmrOriginalRecipient").is_some();
    let by_staff = from.contains("staff@hotmail.com") || from.contains("staff@outlook.com");
    let told = text::behind_tags(&subject, SUBJECT);
    if !(marked || by_staff && told.is_some()) {
        return None;
    }
    reading.report.feedback_type = Some(FeedbackType::Abuse);
    derived(
        &mut reading,
        "feedback_type",
        "the format: JMRP sends complaints only",
    );
    let named = told.and_then(|told| text::address(&told[SUBJECT.len()..]));
    if let Some(ip) = named {
        reading.report.source_ip = Some(ip);
        derived(&mut reading, "source_ip", "Subject of the report");
    }
    recover::all(&mut reading);
    Some(reading)
}
