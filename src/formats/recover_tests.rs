//! The precedence of clues, and that nothing below the trusted boundary is believed.

use super::*;
use crate::domain::headers::HeaderBlock;

const INSIDE: &str = "Received: from in.isp.example (in.isp.example [198.51.100.1])\n by store.isp.example; \
    Tue, 03 Mar 2026 09:00:00 +0000\n";
const BOUNDARY: &str = "Received: from a.example (a.example [192.0.2.1])\n by mx.isp.example \
    for <kim@isp.example>; Tue, 03 Mar 2026 08:59:58 +0000\n";

fn of(headers: &str) -> Reading<'_> {
    let mut reading = Reading::none();
    reading.headers = HeaderBlock::new(headers.as_bytes());
    all(&mut reading);
    reading
}

fn source(headers: &str) -> (Option<String>, bool) {
    let reading = of(headers);
    let ip = reading.report.source_ip.map(|ip| ip.to_string());
    let conflict = reading.defects.iter().any(|d| d.0 == d::CONFLICTING_CLUES);
    (ip, conflict)
}

#[test]
fn own_hops_are_passed_over() {
    let reading = of(&format!("{INSIDE}{BOUNDARY}"))
        .report
        .source_ip
        .map(|ip| ip.to_string());
    assert_eq!(reading.as_deref(), Some("192.0.2.1"));
}

#[test]
fn source_by_precedence() {
    let chain = format!("{INSIDE}{BOUNDARY}");
    let results = "Authentication-Results: mx.isp.example; spf=pass (sender IP is 192.0.2.2)\n";
    let spf = "Received-SPF: pass (isp.example: domain of a@b.example designates 192.0.2.3 as permitted sender)\n";
    let originating = "X-Originating-IP: [192.0.2.4]\n";
    let mut headers = chain;
    for (more, want) in [
        (results, "192.0.2.2"),
        (spf, "192.0.2.3"),
        (originating, "192.0.2.4"),
    ] {
        headers = format!("{more}{headers}");
        assert_eq!(source(&headers), (Some(want.into()), true));
    }
    assert!(!source(&(results.replace(".2.2", ".2.1") + BOUNDARY)).1);
}

#[test]
fn the_lowest_judgement_above_the_boundary_counts() {
    let headers = format!(
        "Received-SPF: pass client-ip=198.51.100.9;\n{INSIDE}Received-SPF: pass client-ip=192.0.2.1; \
         envelope-from=\"a@b.example\";\n{BOUNDARY}"
    );
    let reading = of(&headers);
    assert_eq!(reading.report.source_ip, "192.0.2.1".parse().ok());
    assert_eq!(
        reading.report.original_mail_from.as_deref(),
        Some("a@b.example")
    );
    assert!(reading.defects.is_empty());
}

#[test]
fn below_the_boundary_nobody_is_believed() {
    let headers = format!(
        "{BOUNDARY}Return-Path: <forged@x.example>\nReceived-SPF: pass client-ip=203.0.113.9; \
         envelope-from=<forged@x.example>\nAuthentication-Results: x; smtp.mailfrom=forged@x.example; \
         dkim=pass header.d=x.example\nX-Originating-IP: 203.0.113.9\nDelivered-To: forged@x.example\n"
    );
    let reading = of(&headers);
    assert_eq!(reading.report.source_ip, "192.0.2.1".parse().ok());
    assert_eq!(reading.report.original_mail_from, None);
    assert_eq!(reading.report.original_rcpt_to, ["kim@isp.example"]);
    assert!(reading.report.reported_domain.is_empty());
}

#[test]
fn sender_and_recipient_by_precedence() {
    let mut headers = BOUNDARY.to_owned();
    for (more, want) in [
        ("X-Envelope-From: <e@b.example>\n", "e@b.example"),
        (
            "Authentication-Results: x; spf=pass smtp.mailfrom=r@b.example;\n",
            "r@b.example",
        ),
        (
            "Received-SPF: pass (x: domain of s@b.example designates 192.0.2.1 as permitted)\n",
            "s@b.example",
        ),
        ("Return-Path: <>\n", ""),
    ] {
        headers = format!("{more}{headers}");
        assert_eq!(
            of(&headers).report.original_mail_from.as_deref(),
            Some(want)
        );
    }
    for (more, want) in [
        (
            "X-Apparently-To: y@isp.example; Tue, 03 Mar 2026\n",
            "y@isp.example",
        ),
        ("Delivered-To: d@isp.example\n", "d@isp.example"),
    ] {
        headers = format!("{more}{headers}");
        assert_eq!(of(&headers).report.original_rcpt_to, [want]);
    }
}

#[test]
fn the_signing_domain() {
    let signature = "DKIM-Signature: v=1; a=rsa-sha256; d=Claimed.example; s=s1; bh=x=\n";
    let reading = of(signature);
    assert_eq!(reading.report.reported_domain, ["claimed.example"]);
    assert!(reading.derived["reported_domain"].contains("not verified"));
    let results = "Authentication-Results: mx; dkim=fail header.d=bad.example; dkim=pass header.d=good.example\n";
    let both = format!("{results}{BOUNDARY}{signature}");
    assert_eq!(of(&both).report.reported_domain, ["good.example"]);
}

#[test]
fn the_way_of_the_complaint_is_not_the_way_of_the_message() {
    let headers = format!(
        "Received: from out.isp.example (out.isp.example [198.51.100.1])\n by mx.senderscore.net for\n\t\
         <comp@senderscore.net>; Tue, 03 Mar 2026 09:00:00 +0000\n{BOUNDARY}"
    );
    let reading = of(&headers);
    assert_eq!(reading.report.source_ip, "192.0.2.1".parse().ok());
    assert_eq!(reading.report.original_rcpt_to, ["kim@isp.example"]);
}

/// Microsoft's SPF verdict names the domain only, and Exchange writes Return-Path at the end, where senders write too.
#[test]
fn a_return_path_at_the_end_counts_where_spf_passed_for_its_domain() {
    let spf = |word: &str, domain: &str| {
        format!(
            "Received-SPF: {word} (isp.example: domain of {domain} designates 192.0.2.1 as permitted sender)\n"
        )
    };
    let results = |word: &str, domain: &str| {
        format!(
            "Authentication-Results: spf={word} (sender IP is 192.0.2.1) smtp.mailfrom={domain}; dkim=none\n"
        )
    };
    let end = "Return-Path: x@c.example\nFrom: a\nReturn-Path: b@s.example\n";
    for (above, end, want) in [
        (spf("Pass", "S.example"), end, Some("b@s.example")),
        (results("pass", "s.example"), end, Some("b@s.example")),
        (spf("Fail", "s.example"), end, None),
        (results("softfail", "s.example"), end, None),
        (spf("Pass", "c.example"), end, None),
        (spf("Pass", "s.example"), "From: b@s.example\n", None),
        (String::new(), end, None),
        // What the verdict's writer states in full counts before.
        (spf("Pass", "d@s.example"), end, Some("d@s.example")),
    ] {
        let reading = of(&format!("{above}{BOUNDARY}{end}"))
            .report
            .original_mail_from;
        assert_eq!(reading.as_deref(), want, "{above}{end}");
    }
    // Below the boundary nobody's verdict counts.
    let forged = format!("{BOUNDARY}{}{end}", spf("Pass", "s.example"));
    assert_eq!(of(&forged).report.original_mail_from, None);
}
