//! What the machine-readable part does not say, recovered from the enclosed message: Microsoft states nothing
//! but the type, Zoho and AOL no addresses. Only headers that the reporter's own servers wrote count, which are
//! those above the hop where the message came in from outside, and each recovered field says where it is from.
//! A wrong address is worse than none.

use super::received::{self, Hop};
use super::{date, text};
use crate::domain::feedback::FeedbackType;
use crate::domain::headers::{Fields, HeaderBlock};
use crate::domain::report::Reading;
use std::net::IpAddr;

/// Headers that hold the envelope recipient, best first.
const RECIPIENT: [(&str, &str); 6] = [
    (
        "X-HmXmrOriginalRecipient",
        "X-HmXmrOriginalRecipient of the enclosed message",
    ),
    ("Delivered-To", "Delivered-To of the enclosed message"),
    ("X-Original-To", "X-Original-To of the enclosed message"),
    ("Envelope-To", "Envelope-To of the enclosed message"),
    ("X-Apparently-To", "X-Apparently-To of the enclosed message"),
    ("X-Envelope-To", "X-Envelope-To of the enclosed message"),
];
/// Hops looked at.
const MOST_HOPS: usize = 6;

/// The enclosed headers that matter here, raw, in one pass.
#[derive(Default)]
struct Clues<'h> {
    return_path: Option<&'h [u8]>,
    recipient: Option<(usize, &'h [u8])>,
    received: Vec<&'h [u8]>,
    spf: Option<&'h [u8]>,
    authentication: Option<&'h [u8]>,
    originating_ip: Option<&'h [u8]>,
    /// Whether the hop from outside has been passed: what is below is the sender's word.
    outside: bool,
    class: Option<&'h [u8]>,
    date: Option<&'h [u8]>,
}

/// Fills every gap that can be filled.
pub(super) fn all(reading: &mut Reading<'_>) {
    let report = &reading.report;
    let complete = report.feedback_type.is_some()
        && report.original_mail_from.is_some()
        && !report.original_rcpt_to.is_empty()
        && report.source_ip.is_some()
        && report.arrival_date.is_some();
    if complete || reading.headers.is_empty() {
        return;
    }
    let headers = std::mem::take(&mut reading.headers);
    fill(&Clues::of(&headers), reading);
    reading.headers = headers;
}

impl<'h> Clues<'h> {
    fn of(headers: &'h HeaderBlock<'_>) -> Self {
        let mut clues = Self::default();
        for (name, value) in Fields::new(headers.as_bytes()) {
            clues.take(name.trim_ascii(), value);
        }
        clues
    }

    fn take(&mut self, name: &'h [u8], value: &'h [u8]) {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        let above = !self.outside;
        if is("Received") {
            if self.received.len() < MOST_HOPS {
                self.received.push(value);
                self.outside |= !received::hop(&plain(value)).is_inside();
            } else {
                self.outside = true;
            }
        } else if is("Return-Path") && above {
            self.return_path.get_or_insert(value);
        } else if is("Received-SPF") && above {
            self.spf.get_or_insert(value);
        } else if is("Authentication-Results") && above {
            self.authentication.get_or_insert(value);
        } else if is("X-Originating-IP") && above {
            self.originating_ip.get_or_insert(value);
        } else if is("X-Spampanel-Outgoing-Class") || is("X-SpamExperts-Outgoing-Class") {
            self.class.get_or_insert(value);
        } else if is("Date") {
            self.date.get_or_insert(value);
        } else if let Some(rank) = RECIPIENT.iter().position(|(wanted, _)| is(wanted))
            && above
            && self.recipient.is_none_or(|(best, _)| rank < best)
        {
            self.recipient = Some((rank, value));
        }
    }
}

fn fill(clues: &Clues<'_>, reading: &mut Reading<'_>) {
    let newest = clues.received.first().map(|raw| plain(raw));
    let newest = newest.as_deref();
    if reading.report.feedback_type.is_none()
        && let Some(kind) = clues.class.and_then(|raw| class(&plain(raw)))
    {
        reading.report.feedback_type = Some(kind);
        derived(
            reading,
            "feedback_type",
            "the filter's Outgoing-Class of the enclosed message",
        );
    }
    if reading.report.original_mail_from.is_none()
        && let Some((sender, source)) = sender(clues)
    {
        reading.report.original_mail_from = Some(sender);
        derived(reading, "original_mail_from", source);
    }
    if reading.report.original_rcpt_to.is_empty()
        && let Some((recipient, source)) = recipient(clues, newest)
    {
        reading.report.original_rcpt_to.push(recipient);
        derived(reading, "original_rcpt_to", source);
    }
    if reading.report.source_ip.is_none()
        && let Some((ip, source)) = source_ip(clues)
    {
        reading.report.source_ip = Some(ip);
        derived(reading, "source_ip", source);
    }
    if reading.report.arrival_date.is_none() {
        let arrived = newest
            .and_then(|value| date::parse(value.rsplit_once(';')?.1))
            .map(|date| (date, "newest Received of the enclosed message"));
        let written = || {
            let date = date::parse(&plain(clues.date?))?;
            Some((date, "Date of the enclosed message"))
        };
        if let Some((date, source)) = arrived.or_else(written) {
            reading.report.arrival_date = Some(date);
            derived(reading, "arrival_date", source);
        }
    }
}

/// Notes where a field is from.
pub(super) fn derived(reading: &mut Reading<'_>, field: &'static str, source: &str) {
    reading.derived.insert(field, source.to_owned());
}

/// The classes of the filter's verdict, by RFC 5965's names.
fn class(value: &str) -> Option<FeedbackType> {
    match value.to_ascii_lowercase().as_str() {
        "spam" | "unsure" => Some(FeedbackType::Abuse),
        "phish" | "phishing" => Some(FeedbackType::Fraud),
        "virus" | "malware" => Some(FeedbackType::Virus),
        _ => None,
    }
}

fn sender(clues: &Clues<'_>) -> Option<(String, &'static str)> {
    if let Some(raw) = clues.return_path {
        let value = plain(raw);
        let (address, bracketed) = text::unbracketed(&value);
        if is_mailbox(address) || (bracketed && address.is_empty()) {
            return Some((address.to_owned(), "Return-Path of the enclosed message"));
        }
    }
    let from = |raw: Option<&[u8]>, key| {
        let value = plain(raw?);
        let address = text::unbracketed(parameter(&value, key)?).0;
        is_mailbox(address).then(|| address.to_owned())
    };
    from(clues.spf, "envelope-from=")
        .map(|sender| (sender, "envelope-from of the enclosed Received-SPF"))
        .or_else(|| {
            from(clues.authentication, "smtp.mailfrom=").map(|sender| {
                (
                    sender,
                    "smtp.mailfrom of the enclosed Authentication-Results",
                )
            })
        })
}

fn recipient(clues: &Clues<'_>, newest: Option<&str>) -> Option<(String, &'static str)> {
    if let Some((rank, raw)) = clues.recipient {
        let value = plain(raw);
        let first = value.split([' ', ';', ',', '\t']).next()?;
        let address = text::unbracketed(first).0;
        if is_mailbox(address) {
            return Some((address.to_owned(), RECIPIENT[rank].1));
        }
    }
    let (_, clause) = newest?.split_once(" for ")?;
    let first = clause.trim_start().split([' ', ';', '\t']).next()?;
    let address = text::unbracketed(first).0;
    is_mailbox(address).then(|| {
        (
            address.to_owned(),
            "newest Received of the enclosed message",
        )
    })
}

fn source_ip(clues: &Clues<'_>) -> Option<(IpAddr, &'static str)> {
    let public = |word: &str| text::address(word).filter(|ip| received::is_public(*ip));
    if let Some(ip) = clues.originating_ip.and_then(|raw| public(&plain(raw))) {
        return Some((ip, "X-Originating-IP of the enclosed message"));
    }
    let stated = |raw: Option<&[u8]>, key| public(parameter(&plain(raw?), key)?);
    if let Some(ip) = stated(clues.spf, "client-ip=") {
        return Some((ip, "client-ip of the enclosed Received-SPF"));
    }
    if let Some(ip) = stated(clues.authentication, "sender IP is ") {
        return Some((ip, "sender IP of the enclosed Authentication-Results"));
    }
    for raw in &clues.received {
        match received::hop(&plain(raw)) {
            hop if hop.is_inside() => {}
            Hop::From { ip, .. } => return Some((ip, "Received chain of the enclosed message")),
            _ => return None,
        }
    }
    None
}

/// The word after a key such as `client-ip=`.
fn parameter<'v>(value: &'v str, key: &str) -> Option<&'v str> {
    let rest = &value[value.find(key)? + key.len()..];
    let end = rest
        .find(|c: char| c.is_whitespace() || ";,()\"".contains(c))
        .unwrap_or(rest.len());
    Some(&rest[..end])
}

fn plain(raw: &[u8]) -> String {
    text::clean(raw, &mut |_| {})
}

fn is_mailbox(address: &str) -> bool {
    let halves = address.rsplit_once('@');
    halves.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !address
            .chars()
            .any(|c| c.is_whitespace() || "<>".contains(c))
}
