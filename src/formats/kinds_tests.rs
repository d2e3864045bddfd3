//! What is no report: which kind each is, and what is none of them.

use super::*;

#[test]
fn bounces_and_automatic_replies() {
    for (head, want) in [
        (
            "Content-Type: multipart/report; report-type=delivery-status; boundary=b",
            MessageKind::Bounce,
        ),
        (
            "From: MAILER-DAEMON@x.example\nSubject: Undelivered Mail",
            MessageKind::Bounce,
        ),
        (
            "Return-Path: <>\nSubject: failure notice",
            MessageKind::Bounce,
        ),
        ("X-Failed-Recipients: a@b", MessageKind::Bounce),
        (
            "Auto-Submitted: auto-replied; owner=x",
            MessageKind::AutoReply,
        ),
        ("Subject: Out of office: x", MessageKind::AutoReply),
        ("Precedence: auto_reply", MessageKind::AutoReply),
        (
            "Content-Type: multipart/report; report-type=disposition-notification; boundary=b",
            MessageKind::AutoReply,
        ),
    ] {
        assert_eq!(kind(&format!("{head}\n\nx\n")), Some(want), "{head}");
    }
    for head in [
        "Subject: failure notice",
        "Auto-Submitted: no",
        "From: postmaster@x.example",
    ] {
        assert_eq!(kind(&format!("{head}\n\nx\n")), None, "{head}");
    }
}

#[test]
fn loops_write_about_themselves() {
    for (subject, want) in [
        ("Confirm your feedback loop", Some(MessageKind::LoopAdmin)),
        ("FBL application approved", Some(MessageKind::LoopAdmin)),
        ("Your feedback loop", None),
        ("Please confirm", None),
        ("fblthp was changed", None),
    ] {
        assert_eq!(
            kind(&format!("Subject: {subject}\n\nx\n")),
            want,
            "{subject}"
        );
    }
}

#[test]
fn wishes_to_be_taken_off() {
    let apple = "From: Kim <kim@isp.example>\nAuto-Submitted: auto-replied\nX-Apple-Unsubscribe: true\n\nx\n";
    assert_eq!(kind(apple), Some(MessageKind::Unsubscribe));
    let reading = super::super::read(apple.as_bytes());
    assert_eq!(reading.report.original_rcpt_to, ["kim@isp.example"]);
    assert_eq!(
        kind("Subject: Unsubscribe\n\nplease\n"),
        Some(MessageKind::Unsubscribe)
    );
    let letter = format!("Subject: unsubscribe\n\n{}", "words ".repeat(100));
    assert_eq!(kind(&letter), None);
}

#[test]
fn dmarc_in_prose_never_complains() {
    let text = "Subject: x\n\nA mail has failed the published DMARC policy.\n\n  Sender Domain: b.example\n  \
        Sender IP Address: 192.0.2.1\n";
    assert_eq!(
        facts(text),
        (
            Format::None,
            Some(MessageKind::DmarcProse),
            Some("auth-failure".into()),
            Some("192.0.2.1".into())
        )
    );
    assert_eq!(
        kind("Subject: DMARC failure question\n\nWhat is that?\n"),
        None
    );
}

#[test]
fn forwards_of_people() {
    let inline = "Subject: Fwd: x\n\n> -----Original Message-----\n> From: A <a@b.example>\n> Subject: Buy\n";
    assert_eq!(kind(inline), Some(MessageKind::InlineForward));
    let reading = super::super::read(inline.as_bytes());
    let original = reading.original.unwrap();
    assert_eq!(original.from.as_deref(), Some("A <a@b.example>"));
    assert_eq!(original.subject.as_deref(), Some("Buy"));
    assert_eq!(
        kind("Subject: x\n\nBegin forwarded message:\n\nhello\n"),
        None
    );
    // Outlook puts no mark above the text, but a tag before the subject; a reply has the same lines without it.
    let lines = "\n\nFrom: A <a@b.example>\nSent: Tuesday, March 3, 2026 9:00 AM\nSubject: Buy\n";
    for (tag, want) in [
        ("FW: ", Some(MessageKind::InlineForward)),
        ("WG: ", Some(MessageKind::InlineForward)),
        ("Re: ", None),
        ("", None),
    ] {
        assert_eq!(kind(&format!("Subject: {tag}Buy{lines}")), want, "{tag}");
    }
    assert_eq!(
        kind("Content-Type: message/rfc822\n\nFrom: a@b\n"),
        Some(MessageKind::Forward)
    );
    let whole = "From: kim@isp.example\nMessage-ID: <fwd@x>\nContent-Type: message/rfc822\n\nMessage-ID: <m@x>\n";
    let original = super::super::read(whole.as_bytes()).original.unwrap();
    assert_eq!(original.message_id.as_deref(), Some("m@x"));
}
