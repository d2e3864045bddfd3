//! The machine-readable part's fields (RFC 5965 section 3, RFC 6591, RFC 6692), one by one into the report.
//! A field that comes twice counts by its first appearance; what has no place of its own becomes an extension.

use super::{date, defects as d, mailbox, text};
use crate::domain::feedback::FeedbackType;
use crate::domain::headers::Fields;
use crate::domain::report::{Reading, Report};

/// Fields kept, recipients not counted.
const MOST_FIELDS: usize = 200;
/// Recipients kept.
const MOST_RECIPIENTS: usize = 1_000;
/// Lines looked at.
const MOST_LINES: usize = 10_000;
/// Bytes of a field's name.
const LONGEST_NAME: usize = 100;

/// Reads a block of fields into the reading. Returns how many there were.
pub(super) fn read(block: &[u8], reading: &mut Reading<'_>) -> usize {
    let split = one_line(block);
    if split.is_some() {
        reading.defect(d::ONE_LINE);
    }
    let block = split.as_deref().unwrap_or(block);
    let mut count = Count::default();
    let mut blank = false;
    let mut last: &[u8] = b"";
    for (line, (name, raw)) in Fields::new(block).enumerate() {
        if line == MOST_LINES {
            reading.defect(d::FIELDS_CUT);
            break;
        }
        let name = name.trim_ascii();
        if name.is_empty() || name.len() > LONGEST_NAME || !name.iter().all(u8::is_ascii_graphic) {
            let line = raw.trim_ascii();
            if name.is_empty() && line.is_empty() {
                blank = count.fields > 0;
            } else if name.is_empty() && line.starts_with(b"- ") && !last.is_empty() {
                reading.defect(d::YAML_STYLE);
                take(last, &line[2..], &mut count, reading);
            } else if line == b"---" {
                reading.defect(d::YAML_STYLE);
            } else {
                reading.defect(d::MALFORMED_FIELD);
            }
            continue;
        }
        if std::mem::take(&mut blank) {
            reading.defect(d::BLANK_LINE_IN_FIELDS);
        }
        last = name;
        let start = raw.trim_ascii_start();
        if start.starts_with(b"- ") && raw.len() - start.len() > 1 {
            reading.defect(d::YAML_STYLE);
            for line in start.split(|b| matches!(b, b'\n' | b'\r')) {
                if let Some(item) = line.trim_ascii().strip_prefix(b"- ") {
                    take(name, item, &mut count, reading);
                }
            }
        } else if raw.trim_ascii().is_empty() && next_is_list(raw, block) {
            // The items follow as lines of their own.
        } else {
            take(name, raw, &mut count, reading);
        }
    }
    received_date(reading);
    count.fields + count.recipients
}

/// Fields seen so far.
#[derive(Default)]
struct Count {
    fields: usize,
    recipients: usize,
}

/// Takes one field within the bounds.
fn take(name: &[u8], raw: &[u8], count: &mut Count, reading: &mut Reading<'_>) {
    let name = snake_case(name);
    let (count, most, code) = if name == "original_rcpt_to" {
        (&mut count.recipients, MOST_RECIPIENTS, d::RECIPIENTS_CUT)
    } else {
        (&mut count.fields, MOST_FIELDS, d::FIELDS_CUT)
    };
    if *count == most {
        reading.defect(code);
        return;
    }
    *count += 1;
    let mut value = text::clean(raw, &mut |code| reading.defect(code));
    if let Some(inner) = quoted(&value) {
        value = inner.to_owned();
        reading.defect(d::QUOTED_VALUE);
    }
    field(&name, value, reading);
}

/// Whether the line after `raw` (a piece of `block`) begins a YAML list.
fn next_is_list(raw: &[u8], block: &[u8]) -> bool {
    let end = raw.as_ptr() as usize + raw.len() - block.as_ptr() as usize;
    block.get(end..).is_some_and(|rest| rest.starts_with(b"- "))
}

/// The inside of a value that stands in quotes as a whole.
fn quoted(value: &str) -> Option<&str> {
    ['"', '\''].iter().find_map(|quote| {
        let inner = value.strip_prefix(*quote)?.strip_suffix(*quote)?;
        (!inner.contains(*quote)).then(|| inner.trim())
    })
}

/// Names that tell where a field begins when all of them share one line.
const ON_ONE_LINE: [&str; 14] = [
    "Feedback-Type:",
    "User-Agent:",
    "Version:",
    "Original-Envelope-Id:",
    "Original-Mail-From:",
    "Original-Rcpt-To:",
    "Arrival-Date:",
    "Received-Date:",
    "Reporting-MTA:",
    "Source-IP:",
    "Source-Port:",
    "Incidents:",
    "Reported-Domain:",
    "Authentication-Results:",
];

/// The block with a line a field, where all of it is one line. Only then: a value may hold a stranger's words.
fn one_line(block: &[u8]) -> Option<Vec<u8>> {
    let line = block.trim_ascii();
    if line.len() > 4 * text::LONGEST || Fields::new(line).nth(1).is_some() {
        return None;
    }
    let starts: Vec<usize> = (0..line.len())
        .filter(|at| *at == 0 || line[at - 1].is_ascii_whitespace())
        .filter(|at| {
            ON_ONE_LINE.iter().any(|name| {
                let word = line.get(*at..at + name.len());
                word.is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
            })
        })
        .collect();
    if starts.len() < 2 {
        return None;
    }
    let mut block = line.to_vec();
    starts.iter().skip(1).for_each(|at| block[at - 1] = b'\n');
    Some(block)
}

/// `Received-Date` stands for Arrival-Date where that is absent.
fn received_date(reading: &mut Reading<'_>) {
    let report = &mut reading.report;
    if report.arrival_date.is_some() {
        return;
    }
    let stated = report
        .extensions
        .get("received_date")
        .and_then(|v| v.first());
    let Some(stated) = stated.cloned() else {
        return;
    };
    if arrival_date(&stated, reading) == Some(true) {
        reading.report.extensions.remove("received_date");
    } else {
        reading.defect(d::BAD_DATE);
    }
}

/// Takes a date. None where it is not one, false where there was one already.
fn arrival_date(value: &str, reading: &mut Reading<'_>) -> Option<bool> {
    let date = date::parse(value)?;
    let kept = once(&mut reading.report.arrival_date, date);
    if date::is_day_only(value) {
        reading.defect(d::DATE_ONLY);
    }
    Some(kept)
}

/// `Feedback-Type` -> `feedback_type`.
pub(super) fn snake_case(name: &[u8]) -> String {
    let mut snake = String::with_capacity(name.len());
    for byte in name {
        snake.push(match byte {
            b'a'..=b'z' | b'0'..=b'9' => char::from(*byte),
            b'A'..=b'Z' => char::from(byte.to_ascii_lowercase()),
            _ => '_',
        });
    }
    snake
}

/// Puts one field where it belongs.
fn field(name: &str, value: String, reading: &mut Reading<'_>) {
    if value.is_empty() {
        reading.defect(d::EMPTY_FIELD);
        return;
    }
    let report = &mut reading.report;
    let kept = match name {
        "feedback_type" => {
            let kind = FeedbackType::from(value.as_str());
            let unknown = matches!(&kind, FeedbackType::Unknown(name) if name != "xarf");
            let kept = once(&mut report.feedback_type, kind);
            if unknown {
                reading.defect(d::UNKNOWN_FEEDBACK_TYPE);
            }
            kept
        }
        "user_agent" => once(&mut report.user_agent, value),
        "feedback_agent" if report.user_agent.is_none() => {
            reading.defect(d::FEEDBACK_AGENT);
            once(&mut reading.report.user_agent, value)
        }
        "version" => {
            let odd = value != "1";
            let kept = once(&mut report.version, value);
            if odd {
                reading.defect(d::UNKNOWN_VERSION);
            }
            kept
        }
        "original_envelope_id" => once(&mut report.original_envelope_id, value),
        "original_mail_from" => {
            let mailbox = mailbox::one(&value);
            let kept = once(&mut report.original_mail_from, mailbox.address.to_owned());
            if !mailbox.bracketed {
                reading.defect(d::BARE_MAIL_FROM);
            }
            if !mailbox.alone {
                reading.defect(d::DISPLAY_NAME);
            }
            kept
        }
        "original_rcpt_to" => {
            recipients(&value, reading);
            true
        }
        "arrival_date" => match arrival_date(&value, reading) {
            Some(kept) => kept,
            None => unreadable(name, value, d::BAD_DATE, reading),
        },
        "received_date" => {
            many(name, value, report);
            reading.defect(d::RECEIVED_DATE);
            true
        }
        "reporting_mta" => once(&mut report.reporting_mta, value),
        "source_ip" => match source_ip(&value) {
            Some((ip, exact)) => {
                let kept = once(&mut report.source_ip, ip);
                if !exact {
                    reading.defect(d::SOURCE_IP_COMMENT);
                }
                kept
            }
            None => unreadable(name, value, d::BAD_SOURCE_IP, reading),
        },
        "source_port" => match value.parse() {
            Ok(port) => once(&mut report.source_port, port),
            Err(_) => unreadable(name, value, d::BAD_SOURCE_PORT, reading),
        },
        "incidents" => match incidents(&value) {
            Some((number, exact)) => {
                let kept = once(&mut report.incidents, number);
                if !exact {
                    reading.defect(d::INCIDENTS_CUT);
                }
                kept
            }
            None => unreadable(name, value, d::BAD_INCIDENTS, reading),
        },
        "auth_failure" => once(&mut report.auth_failure, value),
        "delivery_result" => once(&mut report.delivery_result, value),
        "dkim_domain" => once(&mut report.dkim_domain, value),
        "dkim_identity" => once(&mut report.dkim_identity, value),
        "dkim_selector" => once(&mut report.dkim_selector, value),
        "identity_alignment" => once(&mut report.identity_alignment, value),
        _ => {
            many(name, value, report);
            true
        }
    };
    if !kept {
        reading.defect(d::DUPLICATE_FIELD);
    }
}

/// Fields that may come many times, and all that have no place of their own.
fn many(name: &str, value: String, report: &mut Report) {
    match name {
        "authentication_results" => report.authentication_results.push(value),
        "reported_domain" => report.reported_domain.push(value),
        "reported_uri" => report.reported_uri.push(value),
        "spf_dns" => report.spf_dns.push(value),
        _ => match report.extensions.get_mut(name) {
            Some(values) => values.push(value),
            None => {
                report.extensions.insert(name.to_owned(), vec![value]);
            }
        },
    }
}

/// Keeps the first value. False for a second.
fn once<T>(place: &mut Option<T>, value: T) -> bool {
    let first = place.is_none();
    place.get_or_insert(value);
    first
}

/// A value that cannot be read is still kept, as an extension.
fn unreadable(name: &str, value: String, code: &'static str, reading: &mut Reading<'_>) -> bool {
    reading.defect(code);
    many(name, value, &mut reading.report);
    true
}

/// One recipient a field by the standard; some write several with commas.
fn recipients(value: &str, reading: &mut Reading<'_>) {
    let mut seen = 0;
    for one in mailbox::list(value) {
        seen += 1;
        let mailbox = mailbox::one(one);
        if !mailbox.bracketed {
            reading.defect(d::BARE_RCPT_TO);
        }
        if !mailbox.alone {
            reading.defect(d::DISPLAY_NAME);
        }
        if mailbox.address.is_empty() {
            continue;
        }
        if reading.report.original_rcpt_to.len() >= MOST_RECIPIENTS {
            reading.defect(d::RECIPIENTS_CUT);
            return;
        }
        let address = mailbox.address.to_owned();
        reading.report.original_rcpt_to.push(address);
    }
    if seen > 1 {
        reading.defect(d::RECIPIENT_LIST);
    }
}

/// An unsigned 32-bit number (RFC 5965 section 3.2); a larger one is cut to that. False where it was.
fn incidents(value: &str) -> Option<(u32, bool)> {
    if value.is_empty() || !value.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(value.parse().map_or((u32::MAX, false), |n| (n, true)))
}

/// The address, and whether nothing else was in the field.
fn source_ip(value: &str) -> Option<(std::net::IpAddr, bool)> {
    if let Ok(ip) = value.parse::<std::net::IpAddr>() {
        return Some((ip.to_canonical(), true));
    }
    if let Ok(with_port) = value.parse::<std::net::SocketAddr>() {
        return Some((with_port.ip().to_canonical(), false));
    }
    let mut words = value.split(|c: char| c.is_ascii_whitespace() || ",;(".contains(c));
    words.find_map(text::address).map(|ip| (ip, false))
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
