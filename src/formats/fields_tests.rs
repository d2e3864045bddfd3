//! Fields as generators write them.

use super::*;
use crate::domain::feedback::FeedbackType;

fn of(block: &str) -> Reading<'static> {
    let mut reading = Reading::none();
    read(block.as_bytes(), &mut reading);
    reading
}

#[test]
fn last_field_without_newline() {
    let reading = of("Version: 1\nSource-Ip: [::ffff:192.0.2.9] (a.example)\nFeedback-Type: Abuse");
    assert_eq!(reading.report.feedback_type, Some(FeedbackType::Abuse));
    assert_eq!(reading.report.source_ip, "192.0.2.9".parse().ok());
    let defects: Vec<_> = reading.defects.iter().map(|d| d.0).collect();
    assert_eq!(defects, [d::SOURCE_IP_MAPPED, d::SOURCE_IP_COMMENT]);
}

#[test]
fn caps() {
    let many = "X-A: 1\n".repeat(1_000) + &"Original-Rcpt-To: <a@example.com>\n".repeat(2_000);
    let reading = of(&many);
    assert_eq!(reading.report.extensions["x_a"].len(), MOST_FIELDS);
    assert_eq!(reading.report.original_rcpt_to.len(), MOST_RECIPIENTS);
    assert_eq!(reading.defects.len(), 2);
    let long = "é".repeat(400);
    let reading = of(&format!(
        "Original-Rcpt-To: <{long}>\nOriginal-Mail-From: <{long}>\n"
    ));
    let (sender, recipients) = (
        reading.report.original_mail_from,
        reading.report.original_rcpt_to,
    );
    assert_eq!(sender.map(|s| s.len()), Some(values::LONGEST_ADDRESS));
    assert_eq!(recipients[0].len(), values::LONGEST_ADDRESS);
    assert_eq!(reading.defects[0].0, d::VALUE_CUT);
}

#[test]
fn all_on_one_line() {
    let reading = of("Feedback-Type: abuse User-Agent: G/1 Version: 1 Source-IP: 192.0.2.1");
    assert_eq!(reading.report.version.as_deref(), Some("1"));
    assert_eq!(reading.report.source_ip, "192.0.2.1".parse().ok());
    assert!(reading.defects.iter().any(|d| d.0 == d::ONE_LINE));
    let two = of("Original-Mail-From: \"x Source-IP: 192.0.2.1\"@e.example\nVersion: 1\n");
    assert_eq!(
        two.report.source_ip, None,
        "a stranger's words are no field"
    );
}

#[test]
fn yaml() {
    for block in [
        "---\nfeedback_type: 'abuse'\noriginal_rcpt_to:\n  - <a@b.example>\n  - <c@d.example>\nversion: \"1\"\n",
        "Feedback-Type: \"abuse\"\nOriginal-Rcpt-To:\n- <a@b.example>\n- <c@d.example>\nVersion: '1'\n",
    ] {
        let reading = of(block);
        assert_eq!(reading.report.feedback_type, Some(FeedbackType::Abuse));
        assert_eq!(
            reading.report.original_rcpt_to,
            ["a@b.example", "c@d.example"]
        );
        assert_eq!(reading.report.version.as_deref(), Some("1"));
        let codes: Vec<_> = reading.defects.iter().map(|d| d.0).collect();
        assert_eq!(codes.len(), 2, "{codes:?}");
    }
}

#[test]
fn the_arrival_date_wins() {
    for block in [
        "Arrival-Date: 2026-03-03\nReceived-Date: Tue, 03 Mar 2026 09:00:00 +0000\n",
        "Received-Date: Tue, 03 Mar 2026 09:00:00 +0000\nArrival-Date: 2026-03-03\n",
    ] {
        let reading = of(block);
        let date = reading.report.arrival_date.map(|t| t.to_string());
        assert_eq!(date.as_deref(), Some("2026-03-03T00:00:00Z"));
        assert!(reading.report.extensions.contains_key("received_date"));
    }
}

#[test]
fn odd_incidents() {
    for (text, want) in [
        ("0", Some(0)),
        ("4294967296", Some(u32::MAX)),
        ("-1", None),
        ("many", None),
    ] {
        let reading = of(&format!("Incidents: {text}\n"));
        assert_eq!(reading.report.incidents, want, "{text}");
    }
}

#[test]
fn source_addresses() {
    for text in [
        "192.0.2.1",
        "[192.0.2.1]",
        "::ffff:192.0.2.1",
        "192.0.2.1:25",
        "host.example [192.0.2.1]",
        "192.0.2.1 (host.example)",
        "host.example(192.0.2.1)",
    ] {
        let reading = of(&format!("Source-IP: {text}\n"));
        assert_eq!(reading.report.source_ip, "192.0.2.1".parse().ok(), "{text}");
    }
    let masked = of("Source-IP: x.x.x.x\n");
    assert_eq!(masked.report.extensions["source_ip"], ["x.x.x.x"]);
}

#[test]
fn incidents_as_claimed() {
    for (field, want, code) in [
        ("", 1, None),
        ("Incidents: 7", 7, None),
        ("Incidents: 0", 0, None),
        ("Incidents: 4294967295", u32::MAX, None),
        ("Incidents: 4294967296", u32::MAX, Some(d::INCIDENTS_CUT)),
        (
            "Incidents: 99999999999999999999999",
            u32::MAX,
            Some(d::INCIDENTS_CUT),
        ),
        ("Incidents: -1", 1, Some(d::BAD_INCIDENTS)),
        ("Incidents: many", 1, Some(d::BAD_INCIDENTS)),
        ("Incidents: 1.5", 1, Some(d::BAD_INCIDENTS)),
    ] {
        let reading = of(field);
        assert_eq!(reading.report.claimed_incidents(), want, "{field}");
        assert_eq!(reading.defects.first().map(|d| d.0), code, "{field}");
    }
}

#[test]
fn encoded_words_and_marks() {
    let reading =
        of("\u{feff}Original-Rcpt-To: =?utf-8?B?PGtpbUBpc3AuZXhhbXBsZT4=?=\nX-Y: =?utf-8?q?a?=\n");
    assert_eq!(reading.report.original_rcpt_to, ["kim@isp.example"]);
    assert_eq!(reading.report.extensions["x_y"], ["=?utf-8?q?a?="]);
    let codes: Vec<_> = reading.defects.iter().map(|d| d.0).collect();
    assert_eq!(codes, [d::BYTE_ORDER_MARK, d::ENCODED_WORD]);
    // An address may look like one and be none.
    let reading = of("Original-Mail-From: <bounce=?x@b.example>\n");
    assert_eq!(
        reading.report.original_mail_from.as_deref(),
        Some("bounce=?x@b.example")
    );
    assert!(reading.defects.is_empty());
}
