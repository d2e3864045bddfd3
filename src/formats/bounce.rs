//! Bounces (RFC 3464) and what mail servers sent before them: kept, never counted. A report that bounced comes
//! back inside one, so nothing in a bounce is read as a report.

use super::content_type::{essence, parameter};
use super::mime::Message;

/// Subjects of the bounces of qmail, Exim, sendmail, Exchange and Postfix.
const SUBJECTS: [&str; 7] = [
    "undeliver",
    "delivery status notification",
    "delivery failure",
    "returned mail",
    "failure notice",
    "mail delivery failed",
    "message not delivered",
];

/// Whether the message is a bounce.
pub(super) fn is(message: &Message<'_>) -> bool {
    let report = |kind: &[u8]| {
        parameter(message.content_type, "report-type")
            .is_some_and(|found| found.eq_ignore_ascii_case(kind))
    };
    let status = message.parts.iter().any(|part| {
        let kind = essence(part.entity.field("Content-Type").unwrap_or_default());
        kind.eq_ignore_ascii_case(b"message/delivery-status")
    });
    if report(b"delivery-status") || status || message.top.field("X-Failed-Recipients").is_some() {
        return true;
    }
    let from = message.text("From").to_ascii_lowercase();
    let null = message.top.field("Return-Path").is_some_and(|p| p == b"<>");
    let subject = message.text("Subject").to_ascii_lowercase();
    (null || from.contains("mailer-daemon") || from.contains("postmaster"))
        && SUBJECTS.iter().any(|start| subject.starts_with(start))
}
