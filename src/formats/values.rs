//! One field of the machine-readable part into its place in the report (RFC 5965 section 3, RFC 6591, RFC 6692).
//! A field that comes twice counts by its first appearance; what has no place of its own, or cannot be read, becomes an
//! extension.

use super::fields::MOST_RECIPIENTS;
use super::{date, defects as d, mailbox, text};
use crate::domain::feedback::FeedbackType;
use crate::domain::report::{Reading, Report};

/// Bytes kept of an address: 64 before the `@` and 255 behind it (RFC 5321 section 4.5.3.1).
pub(super) const LONGEST_ADDRESS: usize = 320;
/// Bytes of an address in which encoded words are looked for: one line of mail (RFC 5322 section 2.1.1).
const LONGEST_ENCODED: usize = 998;

/// `Received-Date` stands for Arrival-Date where that is absent.
pub(super) fn received_date(reading: &mut Reading<'_>) {
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
    } else if !date::is_rfc5322(value) {
        reading.defect(d::DATE_FORMAT);
    }
    Some(kept)
}

/// Puts one field where it belongs.
pub(super) fn field(name: &str, mut value: String, reading: &mut Reading<'_>) {
    if matches!(name, "original_mail_from" | "original_rcpt_to")
        && value.len() <= LONGEST_ENCODED
        && value.contains("=?")
    {
        let decoded = text::decoded(value.as_bytes(), &mut |_| {});
        if decoded != value {
            reading.defect(d::ENCODED_WORD);
            value = decoded;
        }
    }
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
            let address = within(mailbox.address);
            let cut = address.len() < mailbox.address.len();
            let kept = once(&mut report.original_mail_from, address.to_owned());
            if cut {
                reading.defect(d::VALUE_CUT);
            }
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
                if ip.is_ipv4() && value.contains("::") {
                    reading.defect(d::SOURCE_IP_MAPPED);
                }
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

/// As much of an address as is kept.
fn within(address: &str) -> &str {
    &address[..address.floor_char_boundary(LONGEST_ADDRESS)]
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
        let address = within(mailbox.address);
        if address.len() < mailbox.address.len() {
            reading.defect(d::VALUE_CUT);
        }
        reading.report.original_rcpt_to.push(address.to_owned());
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
