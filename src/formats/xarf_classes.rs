//! What XARF's versions demand of a document, and which of its classes are complaints about mail, after the schemas
//! that its authors publish (versions 1 to 3: abusix/xarf; version 4: xarf/xarf-spec, core and types). All classes are
//! kept; only messaging counts as a complaint, the others are `other`.

use super::defects as d;
use super::x_arf::feedback_type;
use super::{date, text};
use crate::domain::feedback::FeedbackType;
use crate::domain::report::Reading;
use serde_json::{Map, Value};

/// Version 4's categories with their types, those of its earlier drafts too, and the members that all of a category
/// must have.
const CATEGORIES: [(&str, &[&str], &[&str]); 7] = [
    (
        "messaging",
        &["spam", "bulk_messaging", "phishing"],
        &["protocol"],
    ),
    (
        "connection",
        &[
            "login_attack",
            "port_scan",
            "ddos",
            "infected_host",
            "reconnaissance",
            "scraping",
            "sql_injection",
            "vulnerability_scan",
            "vuln_scanning",
            "ddos_amplification",
            "auth_failure",
            "ip_spoof",
            "bot",
        ],
        &["protocol"],
    ),
    (
        "content",
        &[
            "phishing",
            "malware",
            "csam",
            "csem",
            "fraud",
            "exposed_data",
            "brand_infringement",
            "remote_compromise",
            "suspicious_registration",
        ],
        &["url"],
    ),
    (
        "infrastructure",
        &["botnet", "compromised_server", "bot"],
        &[],
    ),
    (
        "copyright",
        &[
            "copyright",
            "p2p",
            "cyberlocker",
            "ugc_platform",
            "link_site",
            "usenet",
        ],
        &[],
    ),
    (
        "vulnerability",
        &["cve", "open_service", "open", "misconfiguration"],
        &["service"],
    ),
    (
        "reputation",
        &["blocklist", "threat_intelligence"],
        &["threat_type"],
    ),
];
/// Members that version 4 demands.
const V4: [&str; 8] = [
    "xarf_version",
    "report_id",
    "timestamp",
    "reporter",
    "sender",
    "source_identifier",
    "category",
    "type",
];
/// Members that versions 1 to 3 demand of `Report`.
const V3: [&str; 3] = ["ReportClass", "ReportType", "Date"];
/// Members that versions 1 to 3 demand of `ReporterInfo`, unless the reporter is a person.
const V3_REPORTER: [&str; 3] = ["ReporterOrg", "ReporterOrgDomain", "ReporterOrgEmail"];
/// What versions 1 to 3 take for the source: one of them.
const V3_SOURCE: [&str; 3] = ["SourceIp", "SourceUrl", "Account"];
/// Classes of versions 1 to 3.
const V3_CLASSES: [&str; 3] = ["Activity", "Content", "Vulnerability"];

/// Notes what a document lacks.
pub(super) fn check(document: &Map<String, Value>, reading: &mut Reading<'_>) {
    let version = document.get("xarf_version").or(document.get("Version"));
    if !version.is_some_and(|version| is_version(version, document)) {
        reading.defect(d::XARF_UNKNOWN_VERSION);
    }
    match document.get("Report") {
        Some(Value::Object(report)) => check_report(document, report, reading),
        _ => check_flat(document, reading),
    }
}

/// Versions 1 to 3 say their number, some with zeros behind it; version 4 says three numbers.
fn is_version(version: &Value, document: &Map<String, Value>) -> bool {
    let Some(version) = version.as_str() else {
        return false;
    };
    let numbers: Vec<_> = version.split('.').collect();
    let digits = |n: &&str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
    if !numbers.iter().all(digits) {
        return false;
    }
    match document.contains_key("Report") {
        true => matches!(numbers[0], "1" | "2" | "3") && numbers[1..].iter().all(|n| *n == "0"),
        false => numbers.len() == 3 && numbers[0] == "4",
    }
}

fn check_report(
    document: &Map<String, Value>,
    report: &Map<String, Value>,
    reading: &mut Reading<'_>,
) {
    let reporter = document.get("ReporterInfo").and_then(Value::as_object);
    let reporter = reporter.is_some_and(|reporter| {
        word(reporter, "ReporterType") == Some("Person")
            || V3_REPORTER.iter().all(|name| has(reporter, name))
    });
    let whole = reporter
        && document.get("Disclosure").is_some_and(Value::is_boolean)
        && V3.iter().all(|name| has(report, name))
        && V3_SOURCE.iter().any(|name| has(report, name));
    if !whole {
        reading.defect(d::XARF_INCOMPLETE);
    }
    let known = |class: &str| V3_CLASSES.iter().any(|k| class.eq_ignore_ascii_case(k));
    if word(report, "ReportClass").is_some_and(|class| !known(class)) {
        reading.defect(d::XARF_UNKNOWN_CLASS);
    }
}

fn check_flat(document: &Map<String, Value>, reading: &mut Reading<'_>) {
    let party = |name: &str| {
        let party = document.get(name).and_then(Value::as_object);
        party.is_some_and(|p| ["org", "contact", "domain"].iter().all(|m| has(p, m)))
    };
    let dated = word(document, "timestamp").is_some_and(|time| date::parse(time).is_some());
    let identified = word(document, "report_id").is_some_and(is_uuid);
    let evidence = match document.get("evidence") {
        None => true,
        Some(Value::Array(all)) => all.iter().all(|one| {
            one.as_object()
                .is_some_and(|one| has(one, "content_type") && has(one, "payload"))
        }),
        Some(_) => false,
    };
    let category = word(document, "category").or(word(document, "class"));
    let kind = word(document, "type").map(|kind| kind.replace('-', "_"));
    let of_category = CATEGORIES.iter().find(|(name, ..)| category == Some(name));
    let known = of_category
        .is_some_and(|(_, kinds, _)| kind.as_deref().is_some_and(|kind| kinds.contains(&kind)));
    if category.is_some() && kind.is_some() && !known {
        reading.defect(d::XARF_UNKNOWN_CLASS);
    }
    let members = of_category.is_none_or(|(.., all)| all.iter().all(|name| has(document, name)));
    let by_mail = category == Some("messaging") && word(document, "protocol") == Some("smtp");
    let mail = !by_mail || has(document, "smtp_from") && has(document, "source_port");
    let bulk = kind.as_deref() != Some("bulk_messaging") || has(document, "recipient_count");
    let whole = V4.iter().all(|name| has(document, name))
        && (party("reporter") && party("sender") && dated && identified && evidence)
        && (members && mail && bulk);
    if !whole {
        reading.defect(d::XARF_INCOMPLETE);
    }
}

fn has(from: &Map<String, Value>, name: &str) -> bool {
    from.get(name)
        .is_some_and(|v| !v.is_null() && v.as_str() != Some(""))
}

fn word<'v>(from: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    from.get(name).and_then(Value::as_str)
}

/// Thirty-two hexadecimal digits in five groups (RFC 9562 section 4).
fn is_uuid(text: &str) -> bool {
    let groups = text.split('-').map(str::len);
    groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

/// The feedback type of a document: classes that are not about mail never weigh as if they were.
pub(super) fn kind(report: &Map<String, Value>, kind: &str) -> FeedbackType {
    let class = ["category", "class", "ReportClass"]
        .iter()
        .find_map(|name| word(report, name));
    let mail = class.is_none_or(|class| {
        ["messaging", "activity", "abuse"]
            .iter()
            .any(|known| class.eq_ignore_ascii_case(known))
    });
    if mail {
        feedback_type(&text::clean(kind.as_bytes(), &mut |_| {}))
    } else {
        FeedbackType::Other
    }
}

#[cfg(test)]
#[path = "xarf_classes_tests.rs"]
mod tests;
