//! What XARF's versions demand of a document, and which of its classes are complaints about mail. All classes are
//! kept; only messaging counts as a complaint, the others are `other`.

use super::defects as d;
use super::x_arf::feedback_type;
use crate::domain::feedback::FeedbackType;
use crate::domain::report::Reading;
use serde_json::{Map, Value};

/// Version 4's categories with their types.
const CATEGORIES: [(&str, &[&str]); 7] = [
    ("messaging", &["spam", "bulk_messaging"]),
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
        ],
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
    ),
    ("infrastructure", &["botnet", "compromised_server"]),
    (
        "copyright",
        &[
            "copyright",
            "infringement",
            "p2p",
            "cyberlocker",
            "ugc_platform",
            "link_site",
            "usenet",
        ],
    ),
    (
        "vulnerability",
        &["cve", "open", "open_service", "misconfiguration"],
    ),
    ("reputation", &["blocklist", "threat_intelligence"]),
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
/// Members that versions 2 and 3 demand of `Report`.
const V3: [&str; 2] = ["ReportType", "Date"];
/// Classes of versions 2 and 3.
const V3_CLASSES: [&str; 5] = ["Activity", "Content", "Copyright", "Vulnerability", "Other"];

/// Notes what a document lacks.
pub(super) fn check(document: &Map<String, Value>, reading: &mut Reading<'_>) {
    let has = |from: &Map<String, Value>, name: &str| from.get(name).is_some_and(|v| !v.is_null());
    let word = |from: &Map<String, Value>, name: &str| {
        from.get(name).and_then(Value::as_str).map(str::to_owned)
    };
    if let Some(Value::Object(report)) = document.get("Report") {
        let source = [
            "SourceIp",
            "SourceIpV4",
            "SourceIpV6",
            "Source",
            "SourceDomain",
            "SourceUrl",
        ]
        .iter()
        .any(|name| has(report, name));
        if !source || !V3.iter().all(|name| has(report, name)) {
            reading.defect(d::XARF_INCOMPLETE);
        }
        let class = word(report, "ReportClass");
        if class.is_some_and(|c| !V3_CLASSES.iter().any(|known| c.eq_ignore_ascii_case(known))) {
            reading.defect(d::XARF_UNKNOWN_CLASS);
        }
        return;
    }
    let whole = |name: &str| {
        let party = document.get(name).and_then(Value::as_object);
        party.is_some_and(|p| ["org", "contact", "domain"].iter().all(|m| has(p, m)))
    };
    if !V4.iter().all(|name| has(document, name)) || !whole("reporter") || !whole("sender") {
        reading.defect(d::XARF_INCOMPLETE);
    }
    let (category, kind) = (word(document, "category"), word(document, "type"));
    let known = CATEGORIES.iter().any(|(name, kinds)| {
        category.as_deref() == Some(name) && kind.as_deref().is_some_and(|k| kinds.contains(&k))
    });
    if category.is_some() && kind.is_some() && !known {
        reading.defect(d::XARF_UNKNOWN_CLASS);
    }
}

/// The feedback type of a document: classes that are not about mail never weigh as if they were.
pub(super) fn kind(report: &Map<String, Value>, kind: &str) -> FeedbackType {
    let class = ["category", "ReportClass"]
        .iter()
        .find_map(|name| report.get(*name)?.as_str());
    let mail = class.is_none_or(|class| {
        ["messaging", "activity"]
            .iter()
            .any(|known| class.eq_ignore_ascii_case(known))
    });
    if mail {
        feedback_type(kind)
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
            "{{\"xarf_version\":\"4.0.0\",\"report_id\":\"x\",\"timestamp\":\"2026-03-03T08:59:58Z\",\
             \"reporter\":{{\"org\":\"o\",\"contact\":\"c\",\"domain\":\"d\"}},\
             \"sender\":{{\"org\":\"o\",\"contact\":\"c\",\"domain\":\"d\"}},\
             \"source_identifier\":\"192.0.2.1\",\"category\":\"{category}\",\"type\":\"{kind}\"}}"
        );
        let mail: &'static str = format!("Content-Type: application/json\n\n{json}").leak();
        read(mail.as_bytes())
    }

    #[test]
    fn every_class_is_kept_and_only_messaging_complains() {
        for (category, kinds) in CATEGORIES {
            for kind in kinds {
                let reading = of(category, kind);
                assert_eq!(reading.defects, [], "{category}/{kind}");
                assert_eq!(reading.report.extensions["category"], [category]);
                assert_eq!(reading.report.extensions["type"], [*kind]);
                let want = match category {
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

    #[test]
    fn what_is_wrong_is_said() {
        let unknown = of("messaging", "carrier_pigeon");
        assert_eq!(unknown.defects[0].0, d::XARF_UNKNOWN_CLASS);
        let short =
            read(b"Content-Type: application/json\n\n{\"xarf_version\":\"4\",\"type\":\"spam\"}");
        assert_eq!(short.defects[0].0, d::XARF_INCOMPLETE);
    }
}
