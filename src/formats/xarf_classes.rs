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
    if !numbers.iter().all(|n| digits(&n)) {
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
mod tests {
    use super::super::read;
    use super::*;

    fn of(category: &str, kind: &str) -> Reading<'static> {
        let json = format!(
            "{{\"xarf_version\":\"4.0.0\",\"report_id\":\"5f0f2c1e-4f1c-4b8e-9d2a-0c6d1e7a9b10\",\"timestamp\":\"2026-03-03T08:59:58Z\",\
             \"reporter\":{{\"org\":\"o\",\"contact\":\"c\",\"domain\":\"d\"}},\
             \"sender\":{{\"org\":\"o\",\"contact\":\"c\",\"domain\":\"d\"}},\
             \"source_identifier\":\"192.0.2.1\",\"source_port\":25,\"smtp_from\":\"a@b.example\",\
             \"protocol\":\"smtp\",\"url\":\"x\",\"service\":\"x\",\"threat_type\":\"x\",\"recipient_count\":100,\"category\":\"{category}\",\"type\":\"{kind}\"}}"
        );
        let mail: &'static str = format!("Content-Type: application/json\n\n{json}").leak();
        read(mail.as_bytes())
    }

    #[test]
    fn every_class_is_kept_and_only_messaging_complains() {
        for (category, kinds, _) in CATEGORIES {
            for kind in kinds {
                let reading = of(category, kind);
                assert_eq!(reading.defects, [], "{category}/{kind}");
                assert_eq!(reading.report.extensions["category"], [category]);
                assert_eq!(reading.report.extensions["type"], [*kind]);
                let want = match category {
                    "messaging" if *kind == "phishing" => FeedbackType::Fraud,
                    "messaging" => FeedbackType::Abuse,
                    _ => FeedbackType::Other,
                };
                assert_eq!(
                    reading.report.feedback_type,
                    Some(want),
                    "{category}/{kind}"
                );
            }
        }
    }

    /// A document without flaw, with one member changed; null takes it away.
    fn codes(document: &str, path: &str, value: Value) -> Vec<&'static str> {
        let mut document: Value = serde_json::from_str(document).unwrap();
        match value {
            Value::Null => {
                let (parent, name) = path.rsplit_once('/').unwrap();
                let parent = document.pointer_mut(parent).unwrap();
                parent.as_object_mut().unwrap().remove(name).unwrap();
            }
            value => *document.pointer_mut(path).unwrap() = value,
        }
        let mail = format!("Content-Type: application/json\n\n{document}");
        read(mail.as_bytes()).defects.iter().map(|d| d.0).collect()
    }

    const V3_DOCUMENT: &str = r#"{"Version": "3", "Disclosure": true, "ReporterInfo": {"ReporterOrg": "Org",
        "ReporterOrgDomain": "org.example", "ReporterOrgEmail": "a@org.example"}, "Report": {"ReportClass": "Activity",
        "ReportType": "Spam", "Date": "2026-03-03T08:59:58Z", "SourceIp": "192.0.2.1"}}"#;
    const V4_DOCUMENT: &str = r#"{"xarf_version": "4.2.0", "report_id": "5f0f2c1e-4f1c-4b8e-9d2a-0c6d1e7a9b10",
        "timestamp": "2026-03-03T08:59:58Z", "reporter": {"org": "o", "contact": "c", "domain": "d"},
        "sender": {"org": "o", "contact": "c", "domain": "d"}, "source_identifier": "192.0.2.1", "source_port": 25,
        "category": "messaging", "type": "spam", "protocol": "smtp", "smtp_from": "a@b.example",
        "evidence": [{"content_type": "text/plain", "payload": "eA=="}]}"#;

    #[test]
    fn every_member_that_a_version_demands_is_asked_for() {
        for path in [
            "/Disclosure",
            "/ReporterInfo/ReporterOrg",
            "/ReporterInfo/ReporterOrgDomain",
            "/ReporterInfo/ReporterOrgEmail",
            "/Report/ReportClass",
            "/Report/ReportType",
            "/Report/Date",
            "/Report/SourceIp",
        ] {
            let codes = codes(V3_DOCUMENT, path, Value::Null);
            assert_eq!(codes, [d::XARF_INCOMPLETE], "{path}");
        }
        for path in [
            "/report_id",
            "/timestamp",
            "/reporter",
            "/reporter/domain",
            "/sender/contact",
            "/source_identifier",
            "/category",
            "/type",
            "/protocol",
            "/smtp_from",
            "/source_port",
            "/evidence/0/payload",
        ] {
            let codes = codes(V4_DOCUMENT, path, Value::Null);
            assert_eq!(codes, [d::XARF_INCOMPLETE], "{path}");
        }
        let same = |document: &str, path: &str, value: &str| codes(document, path, value.into());
        for version in ["1", "2", "3", "3.0", "3.0.0"] {
            assert!(same(V3_DOCUMENT, "/Version", version).is_empty());
        }
        for version in ["4", "0.2", "3.1", "", "x"] {
            assert_eq!(
                same(V3_DOCUMENT, "/Version", version),
                [d::XARF_UNKNOWN_VERSION]
            );
        }
        for version in ["4", "4.0", "5.0.0", "4.0.x"] {
            let codes = same(V4_DOCUMENT, "/xarf_version", version);
            assert_eq!(codes, [d::XARF_UNKNOWN_VERSION]);
        }
        let class = same(V3_DOCUMENT, "/Report/ReportClass", "Messaging");
        assert_eq!(class, [d::XARF_UNKNOWN_CLASS]);
        assert_eq!(same(V4_DOCUMENT, "/report_id", "x"), [d::XARF_INCOMPLETE]);
        assert_eq!(
            same(V4_DOCUMENT, "/type", "bulk_messaging"),
            [d::XARF_INCOMPLETE]
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let unknown = of("messaging", "carrier_pigeon");
        assert_eq!(unknown.defects[0].0, d::XARF_UNKNOWN_CLASS);
        let short =
            read(b"Content-Type: application/json\n\n{\"xarf_version\":\"4\",\"type\":\"spam\"}");
        assert_eq!(short.defects[0].0, d::XARF_UNKNOWN_VERSION);
        assert_eq!(short.defects[1].0, d::XARF_INCOMPLETE);
    }
}
