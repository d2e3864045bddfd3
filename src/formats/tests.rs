//! Each format by its edges: what makes it that format, what does not, and what a stranger could try. The whole of
//! each is in `samples/`.

use super::*;
use crate::domain::report::Format;

#[path = "kinds_tests.rs"]
mod kinds;

/// A message of parts, each with its type.
fn mail(head: &str, parts: &[(&str, &str)]) -> String {
    let mut text = format!("{head}\nContent-Type: multipart/mixed; boundary=b\n\n");
    for (kind, body) in parts {
        text += &format!("--b\nContent-Type: {kind}\n\n{body}\n");
    }
    text + "--b--\n"
}

fn report(enclosed: &str) -> String {
    format!(
        "Content-Type: multipart/report; report-type=feedback-report; boundary=r\n\n--r\n\
         Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\nUser-Agent: x\n\n--r\n\
         Content-Type: message/rfc822\n\n{enclosed}\n--r--\n"
    )
}

/// Format, kind, type and source of what was read.
fn facts(text: &str) -> (Format, Option<MessageKind>, Option<String>, Option<String>) {
    let reading = read(text.as_bytes());
    let report = &reading.report;
    (
        reading.format,
        reading.kind,
        report.feedback_type.as_ref().map(ToString::to_string),
        report.source_ip.map(|ip| ip.to_string()),
    )
}

fn kind(text: &str) -> Option<MessageKind> {
    let (format, kind, ..) = facts(text);
    assert_eq!(format, Format::None, "{text}");
    kind
}

#[test]
fn arf_in_a_message_that_does_not_say_so_must_be_unmistakable() {
    let fields = "Feedback-Type: abuse\nUser-Agent: x\nSource-IP: 192.0.2.1\n";
    let whole = mail(
        "A: 1",
        &[("text/plain", fields), ("message/rfc822", "From: a@b\n")],
    );
    assert_eq!(facts(&whole).0, Format::Arf);
    let alone = mail("A: 1", &[("text/plain", fields)]);
    assert_eq!(facts(&alone).0, Format::None);
    let prose = "Version: see below\nwhat is Feedback-Type: abuse?\n";
    let human = mail(
        "A: 1",
        &[("text/plain", prose), ("message/rfc822", "From: a@b\n")],
    );
    assert_eq!(kind(&human), Some(MessageKind::Forward));
}

#[test]
fn a_report_inside_another_message_is_marked_and_inside_two_not_read() {
    let inside = report("From: spam@x.example\nMessage-ID: <m@x>\n");
    let once = mail(
        "Subject: Fwd: x",
        &[("text/plain", "see"), ("message/rfc822", &inside)],
    );
    let (format, kind, ..) = facts(&once);
    assert_eq!(
        (format, kind),
        (Format::Arf, Some(MessageKind::ForwardedReport))
    );
    let twice = once
        .replace("boundary=b", "boundary=c")
        .replace("--b", "--c");
    let twice = mail("Subject: Fwd: x", &[("message/rfc822", &twice)]);
    assert_eq!(facts(&twice).0, Format::None);
}

#[test]
fn what_a_bounce_or_a_complaint_encloses_is_no_report() {
    let inside = report("From: spam@x.example\n");
    let bounce = mail(
        "Subject: x",
        &[
            ("message/delivery-status", "A: 1"),
            ("message/rfc822", &inside),
        ],
    );
    assert_eq!(kind(&bounce), Some(MessageKind::Bounce));
    // Spam that looks like a report, complained about in Microsoft's old way: its fields are the spammer's.
    let spam = format!("X-HmXmrOriginalRecipient: kim@isp.example\n{inside}");
    let (format, _, kind, _) = facts(&mail("Subject: x", &[("message/rfc822", &spam)]));
    assert_eq!((format, kind.as_deref()), (Format::Jmrp, Some("abuse")));
    assert!(
        read(mail("", &[("message/rfc822", &spam)]).as_bytes())
            .report
            .user_agent
            .is_none()
    );
}

#[test]
fn jmrp_needs_microsofts_mark() {
    let enclosed = [("message/rfc822", "From: a@b.example\n")];
    let marked = "From: staff@hotmail.com\nSubject: complaint about message from 192.0.2.1";
    assert_eq!(
        facts(&mail(marked, &enclosed)),
        (
            Format::Jmrp,
            None,
            Some("abuse".into()),
            Some("192.0.2.1".into())
        )
    );
    let stranger = marked.replace("staff@hotmail.com", "kim@isp.example");
    assert_eq!(
        kind(&mail(&stranger, &enclosed)),
        Some(MessageKind::Forward)
    );
}

#[test]
fn xarf_broken_or_foreign() {
    let json = |head: &str, text: &str| facts(&mail(head, &[("application/json", text)])).0;
    assert_eq!(json("A: 1", "{\"a\": 1}"), Format::None);
    assert_eq!(json("A: 1", "[1"), Format::None);
    assert_eq!(json("X-XARF: PLAIN", "[1"), Format::Xarf);
    assert_eq!(json("A: 1", "{\"xarf_version\": 4}"), Format::Xarf);
}

#[test]
fn x_arf_needs_its_header_and_three_keys() {
    let keys = "Category: abuse\nReport-Type: spam\nSource: 192.0.2.1\n";
    let parts = [("text/plain", "hello"), ("text/plain", keys)];
    assert_eq!(
        facts(&mail("X-ARF: yes", &parts)),
        (
            Format::XArf,
            None,
            Some("abuse".into()),
            Some("192.0.2.1".into())
        )
    );
    assert_eq!(facts(&mail("A: 1", &parts)).0, Format::None);
    assert_eq!(facts(&mail("X-ARF: yes", &parts[..1])).0, Format::None);
}

#[test]
fn spamcop_is_believed_above_the_spam_only() {
    let text = "Subject: [SpamCop (192.0.2.1) id:7]x\n\n[ SpamCop V5 ]\nEmail from 192.0.2.1 / Tue, 03 Mar 2026 08:59:58 +0000\n\
        [ Offending message ]\nFrom: a@b.example\n\nEmail from 203.0.113.9 / x\n";
    assert_eq!(
        facts(text),
        (
            Format::SpamCop,
            None,
            Some("abuse".into()),
            Some("192.0.2.1".into())
        )
    );
    let site = text.replacen(
        "Email from",
        "Spamvertised web site: https://x.example at",
        1,
    );
    let (format, _, kind, source) = facts(&site);
    assert_eq!(
        (format, kind.as_deref(), source),
        (Format::SpamCop, Some("other"), None)
    );
    let tagged = facts(&text.replace("Subject: ", "Subject: [EXTERNAL] "));
    assert_eq!(tagged.0, Format::SpamCop);
    for none in [
        text.replace("[SpamCop (", "SpamCop ("),
        text.replace("Subject: ", "Subject: Re: "),
        text.replace(
            "Subject: ",
            "Auto-Submitted: auto-replied\nSubject: Automatic reply: ",
        ),
    ] {
        assert_eq!(facts(&none).0, Format::None, "{none}");
    }
}

#[test]
fn webhooks() {
    let complaint =
        "{\"event\":\"complained\",\"email\":\"a@b.example\",\"recipients\":[\"c@d.example\"]}";
    let (format, _, kind, _) = facts(complaint);
    assert_eq!((format, kind.as_deref()), (Format::Webhook, Some("abuse")));
    let two = format!("[{{\"event\":\"open\"}},{complaint},{complaint}]");
    let reading = read(two.as_bytes());
    assert_eq!(reading.defects[0].0, defects::MORE_EVENTS);
    let ses = "{\"notificationType\":\"Complaint\",\"complaint\":{},\"mail\":{\"sourceIp\":\"192.0.2.1\"}}";
    let sns = serde_json::json!({"Type": "Notification", "Message": ses}).to_string();
    for text in [ses, &sns] {
        assert_eq!(facts(text).3.as_deref(), Some("192.0.2.1"));
    }
    // The same member is the sender for one service and the recipient for another.
    let sendgrid = "[{\"event\":\"spamreport\",\"email\":\"c@d.example\",\"smtp-id\":\"<m@x>\"}]";
    let reading = read(sendgrid.as_bytes());
    assert_eq!(reading.report.original_rcpt_to, ["c@d.example"]);
    assert_eq!(reading.report.original_mail_from, None);
    assert_eq!(reading.original.unwrap().message_id.as_deref(), Some("m@x"));
    let mailgun =
        "{\"event-data\":{\"event\":\"complained\",\"message\":{},\"recipient\":\"c@d.example\"}}";
    assert_eq!(
        read(mailgun.as_bytes()).report.original_rcpt_to,
        ["c@d.example"]
    );
    let opened = "{\"event-data\":{\"event\":\"opened\"}}";
    assert_eq!(read(opened.as_bytes()).kind, Some(MessageKind::Event));
    assert_eq!(
        super::read(b"{\"event\":\"delivered\"}").kind,
        Some(MessageKind::Event)
    );
    for text in ["{", "[]", "{}", "[1]", "{\"feedback_type\":\"abuse\"}"] {
        assert_eq!(
            (facts(text).0, facts(text).1),
            (Format::None, None),
            "{text}"
        );
    }
}

#[test]
fn enclosed_messages() {
    for (enclosed, want) in [
        ("Message-ID: <m@x>", Some("m@x")),
        ("Message-ID: m@x (comment)", Some("m@x")),
        ("Message-ID: <m@x", Some("m@x")),
        ("message-id:\n <m@x>", Some("m@x")),
        ("Message-ID: <>", None),
        (
            ">From a@b x\nMessage-ID: <m@x>\nMessage-ID: <n@x>",
            Some("m@x"),
        ),
    ] {
        let text = report(enclosed);
        let reading = read(text.as_bytes());
        let original = reading.original.unwrap();
        assert_eq!(original.message_id.as_deref(), want, "{enclosed}");
    }
}
