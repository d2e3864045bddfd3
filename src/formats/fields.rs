//! The machine-readable part's fields (RFC 5965 section 3, RFC 6591, RFC 6692), one by one into the report.
//! A field that comes twice counts by its first appearance; what has no place of its own becomes an extension.

use super::{date, defects as d, text};
use crate::domain::feedback::FeedbackType;
use crate::domain::headers::Fields;
use crate::domain::report::{Reading, Report};

/// Fields kept, recipients not counted.
const MOST_FIELDS: usize = 200;
/// Recipients kept.
const MOST_RECIPIENTS: usize = 1_000;
/// Bytes of a field's name.
const LONGEST_NAME: usize = 100;

/// Reads a block of fields into the reading. Returns how many there were.
pub(super) fn read(block: &[u8], reading: &mut Reading<'_>) -> usize {
    let mut seen = 0;
    let mut recipients = 0;
    let mut blank = false;
    for (name, raw) in Fields::new(block) {
        let name = name.trim_ascii();
        if name.is_empty() || name.len() > LONGEST_NAME || !name.iter().all(u8::is_ascii_graphic) {
            if name.is_empty() && raw.trim_ascii().is_empty() {
                blank = seen > 0;
            } else {
                reading.defect(d::MALFORMED_FIELD);
            }
            continue;
        }
        if std::mem::take(&mut blank) {
            reading.defect(d::BLANK_LINE_IN_FIELDS);
        }
        let recipient = name.eq_ignore_ascii_case(b"Original-Rcpt-To");
        let (count, most, code) = if recipient {
            (&mut recipients, MOST_RECIPIENTS, d::RECIPIENTS_CUT)
        } else {
            (&mut seen, MOST_FIELDS, d::FIELDS_CUT)
        };
        if *count == most {
            reading.defect(code);
            continue;
        }
        *count += 1;
        let value = text::clean(raw, &mut |code| reading.defect(code));
        field(&snake_case(name), value, reading);
    }
    seen + recipients
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
            let (address, bracketed) = text::unbracketed(&value);
            let kept = once(&mut report.original_mail_from, address.to_owned());
            if !bracketed {
                reading.defect(d::BARE_MAIL_FROM);
            }
            kept
        }
        "original_rcpt_to" => {
            recipients(&value, reading);
            true
        }
        "arrival_date" | "received_date" => {
            if name == "received_date" {
                reading.defect(d::RECEIVED_DATE);
            }
            match date::parse(&value) {
                Some(date) => once(&mut reading.report.arrival_date, date),
                None => unreadable(name, value, d::BAD_DATE, reading),
            }
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
        "incidents" => match value.parse() {
            Ok(number) => once(&mut report.incidents, number),
            Err(_) => unreadable(name, value, d::BAD_INCIDENTS, reading),
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
    for one in value.split(',') {
        let (address, bracketed) = text::unbracketed(one);
        if !bracketed {
            reading.defect(d::BARE_RCPT_TO);
        }
        if address.is_empty() {
            continue;
        }
        if reading.report.original_rcpt_to.len() >= MOST_RECIPIENTS {
            reading.defect(d::RECIPIENTS_CUT);
            return;
        }
        reading.report.original_rcpt_to.push(address.to_owned());
    }
}

/// The address, and whether nothing else was in the field.
fn source_ip(value: &str) -> Option<(std::net::IpAddr, bool)> {
    if let Ok(ip) = value.parse::<std::net::IpAddr>() {
        return Some((ip.to_canonical(), true));
    }
    let first = value.split_ascii_whitespace().next()?;
    text::address(first).map(|ip| (ip, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(block: &str) -> Reading<'static> {
        let mut reading = Reading::none();
        read(block.as_bytes(), &mut reading);
        reading
    }

    #[test]
    fn last_field_without_newline() {
        let reading =
            of("Version: 1\nSource-Ip: [::ffff:192.0.2.9] (a.example)\nFeedback-Type: Abuse");
        assert_eq!(reading.report.feedback_type, Some(FeedbackType::Abuse));
        assert_eq!(reading.report.source_ip, "192.0.2.9".parse().ok());
        assert_eq!(reading.defects.len(), 1);
    }

    #[test]
    fn caps() {
        let many = "X-A: 1\n".repeat(1_000) + &"Original-Rcpt-To: <a@example.com>\n".repeat(2_000);
        let reading = of(&many);
        assert_eq!(reading.report.extensions["x_a"].len(), MOST_FIELDS);
        assert_eq!(reading.report.original_rcpt_to.len(), MOST_RECIPIENTS);
        assert_eq!(reading.defects.len(), 2);
    }
}
