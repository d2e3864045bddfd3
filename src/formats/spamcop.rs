//! SpamCop's reports in plain text: a few lines about the source, then the spam below `[ Offending message ]`.
//! Reports about an address advertised in spam are in the same clothes and say nothing about a sender. SpamCop's
//! ARF is read as ARF.

use super::content_type::Kind;
use super::mime::Message;
use super::recover::{self, derived};
use super::{date, original, text};
use crate::domain::feedback::FeedbackType;
use crate::domain::report::{Format, Reading};
use memchr::memmem;

const BELOW: &[u8] = b"[ Offending message ]";
/// Lines looked at above the spam.
const MOST_LINES: usize = 100;

/// Reads the message as SpamCop's. None where it is not.
pub(super) fn read<'a>(message: &Message<'a>) -> Option<Reading<'a>> {
    let subject = message.text("Subject");
    let marked = message.top.field("X-SpamCop-sourceip");
    if marked.is_none() && text::behind_tags(&subject, "[SpamCop (").is_none() {
        return None;
    }
    let part = message.part(&[Kind::Text])?;
    let (body, _) = part.entity.decoded();
    let (above, spam) = match memmem::find(&body, BELOW) {
        Some(at) => (&body[..at], Some(&body[at + BELOW.len()..])),
        None => (&body[..], None),
    };
    memmem::find(above, b"SpamCop")?;
    let mut reading = Reading::none();
    reading.format = Format::SpamCop;
    for code in &message.defects {
        reading.defect(code);
    }
    let line = above
        .split(|b| *b == b'\n')
        .take(MOST_LINES)
        .find_map(|line| line.trim_ascii().strip_prefix(b"Email from "));
    if let Some(line) = line {
        let line = text::clean(line, &mut |_| {});
        let (ip, date) = line.split_once(" / ").unwrap_or((&line, ""));
        reading.report.source_ip = text::address(ip);
        reading.report.arrival_date = date::parse(date);
    }
    let header = marked.and_then(|raw| text::address(&text::clean(raw, &mut |_| {})));
    reading.report.source_ip = reading.report.source_ip.or(header);
    if reading.report.source_ip.is_some() {
        derived(&mut reading, "source_ip", "text of the SpamCop report");
    }
    if reading.report.arrival_date.is_some() {
        derived(&mut reading, "arrival_date", "text of the SpamCop report");
    }
    let kind = match line.is_some() {
        true => FeedbackType::Abuse,
        false => FeedbackType::Other,
    };
    reading.report.feedback_type = Some(kind);
    derived(&mut reading, "feedback_type", "text of the SpamCop report");
    if let Some(id) = subject.split("id:").nth(1) {
        let id: String = id.chars().take_while(char::is_ascii_digit).collect();
        let all = &mut reading.report.extensions;
        if !id.is_empty() {
            all.insert("spamcop_id".into(), vec![id]);
        }
    }
    if let Some(spam) = spam {
        original::take_owned(spam, false, &mut reading);
    }
    recover::all(&mut reading);
    Some(reading)
}
