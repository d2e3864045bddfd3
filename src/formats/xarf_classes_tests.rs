//! Every class, and every member that a version demands.

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
