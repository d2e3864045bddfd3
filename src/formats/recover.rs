//! What the machine-readable part does not say, recovered from the enclosed message: Microsoft states nothing
//! but the type, Zoho and AOL no addresses, Yahoo and mail.ru only some. Each recovered field says where it is
//! from. A wrong address is worse than none.
//!
//! Which headers are believed at all, and where the message came in from outside, is decided in `clues.rs`.
//!
//! **Precedence**, where clues differ; the first that can be read wins, and `conflicting-clues` says so when
//! trusted headers name different source addresses:
//!
//! | field | from best to least |
//! |---|---|
//! | any | what the machine-readable part states; for JMRP's `source_ip` the report's Subject |
//! | `original_mail_from` | Return-Path, Received-SPF (`envelope-from`, `domain of`), Authentication-Results (`smtp.mailfrom`), the last Return-Path below the boundary where SPF passed for its domain, X-Envelope-From |
//! | `original_rcpt_to` | X-HmXmrOriginalRecipient, Delivered-To, X-Original-To, Envelope-To, X-Apparently-To, X-Envelope-To, `for` of the newest Received that has one and is not a complaint service's |
//! | `source_ip` | X-Originating-IP, Received-SPF (`client-ip`, `designates`), Authentication-Results (`sender IP is`, `smtp.remote-ip`, `policy.iprev`), the boundary hop |
//! | `arrival_date` | newest Received, Date |
//! | `reported_domain` | `dkim=pass header.d` of Authentication-Results, d= of the newest DKIM-Signature (unverified) |
//! | `feedback_type` | the filter's Outgoing-Class |
//!
//! Of several Received-SPF or Authentication-Results above the boundary the lowest counts: it was written
//! nearest to the hop from outside, the others judge hops inside the house. `reported_domain` is looked for only
//! where something else is missing.

use super::clues::{Clues, RECIPIENT};
use super::senders::{domain, sender};
use super::{date, defects as d, houses, received, text};
use crate::domain::feedback::FeedbackType;
use crate::domain::report::Reading;
use std::net::IpAddr;

/// Words of a Received-SPF before the source address.
const SPF_SOURCE: [(&str, &str); 2] = [
    ("client-ip=", "client-ip of the enclosed Received-SPF"),
    ("designates ", "address of the enclosed Received-SPF"),
];
/// Words of an Authentication-Results before the source address.
const RESULTS_SOURCE: [(&str, &str); 3] = [
    (
        "sender IP is ",
        "sender IP of the enclosed Authentication-Results",
    ),
    (
        "smtp.remote-ip=",
        "smtp.remote-ip of the enclosed Authentication-Results",
    ),
    (
        "policy.iprev=",
        "policy.iprev of the enclosed Authentication-Results",
    ),
];
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
    fill(
        &Clues::of(&headers, &reading.report.original_rcpt_to),
        reading,
    );
    reading.headers = headers;
}

fn fill(clues: &Clues<'_>, reading: &mut Reading<'_>) {
    let newest = clues.received.first().map(|raw| line(raw));
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
        && let Some((recipient, source)) = recipient(clues)
    {
        reading.report.original_rcpt_to.push(recipient);
        derived(reading, "original_rcpt_to", &source);
    }
    if reading.report.source_ip.is_none()
        && let Some((ip, source)) = source_ip(clues, reading)
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
    if reading.report.reported_domain.is_empty()
        && let Some((domain, source)) = domain(clues)
    {
        reading.report.reported_domain.push(domain);
        derived(reading, "reported_domain", source);
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

fn recipient(clues: &Clues<'_>) -> Option<(String, String)> {
    if let Some((rank, raw)) = clues.recipient {
        let value = plain(raw);
        let first = value.split([' ', ';', ',', '\t']).next()?;
        let address = text::unbracketed(first).0;
        if is_mailbox(address) {
            let source = format!("{} of the enclosed message", RECIPIENT[rank]);
            return Some((address.to_owned(), source));
        }
    }
    let hops = clues.received.iter().map(|raw| line(raw));
    let mut hops = hops.filter(|hop| !received::is_to_loop(hop));
    let address = hops.find_map(|hop| {
        let (_, clause) = hop.split_once(" for ")?;
        let first = clause.trim_start().split([' ', ';', '\t']).next()?;
        let address = text::unbracketed(first).0;
        is_mailbox(address).then(|| address.to_owned())
    })?;
    Some((address, "Received chain of the enclosed message".to_owned()))
}

fn source_ip(clues: &Clues<'_>, reading: &mut Reading<'_>) -> Option<(IpAddr, &'static str)> {
    let public = |word: &str| {
        let fine = |ip: &IpAddr| houses::is_public(*ip) && !clues.passed.contains(ip);
        text::address(word).filter(fine)
    };
    let stated = |raw: &[u8], keys: &[(&str, &'static str)]| {
        let value = plain(raw);
        keys.iter()
            .find_map(|(key, source)| Some((public(parameter(&value, key)?)?, *source)))
    };
    let originating = clues.originating_ip.and_then(|raw| {
        let ip = public(&plain(raw))?;
        Some((ip, "X-Originating-IP of the enclosed message"))
    });
    let spf = clues.spf.and_then(|raw| stated(raw, &SPF_SOURCE));
    let mut results = clues.results.iter().rev();
    let results = results.find_map(|raw| stated(raw, &RESULTS_SOURCE));
    let hop = clues
        .boundary
        .map(|ip| (ip, "Received chain of the enclosed message"));
    let mut found = [originating, spf, results, hop].into_iter().flatten();
    let best = found.next()?;
    if found.any(|(ip, _)| ip != best.0) {
        reading.defect(d::CONFLICTING_CLUES);
    }
    Some(best)
}

/// The word after a key such as `client-ip=`.
pub(super) fn parameter<'v>(value: &'v str, key: &str) -> Option<&'v str> {
    let rest = &value[value.find(key)? + key.len()..];
    let rest = rest.trim_start_matches('"');
    let end = rest
        .find(|c: char| c.is_whitespace() || ";,()\"".contains(c))
        .unwrap_or(rest.len());
    Some(&rest[..end])
}

/// A Received line; where it is folded with tabs they are blanks.
pub(super) fn line(raw: &[u8]) -> String {
    plain(raw).replace('\t', " ")
}

pub(super) fn plain(raw: &[u8]) -> String {
    text::clean(raw, &mut |_| {})
}

/// Whether it is `local@domain` and nothing else.
pub(super) fn is_mailbox(address: &str) -> bool {
    let halves = address.rsplit_once('@');
    halves.is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && !address
            .chars()
            .any(|c| c.is_whitespace() || "<>".contains(c))
}

#[cfg(test)]
#[path = "recover_tests.rs"]
mod tests;
