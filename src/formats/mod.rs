//! Bytes to a reading: recognises what a message is and reads it, one file a format. Pure, and made for hostile
//! input: it never panics, and its work and memory are bounded by the input's size.

mod arf;
mod auto_reply;
mod bounce;
mod clues;
mod content_type;
mod date;
pub mod defects;
mod dmarc_prose;
mod entity;
mod fields;
mod forward;
mod gateways;
mod houses;
mod jmrp;
mod json;
mod json_headers;
mod loop_admin;
mod mailbox;
mod mime;
mod original;
mod received;
mod recover;
mod senders;
mod spamcop;
mod text;
mod trace;
mod unsubscribe;
mod values;
mod webhook;
mod webhook_services;
mod x_arf;
mod xarf;
mod xarf_classes;

pub use trace::hops;

use crate::domain::report::{MessageKind, Reading};

/// Reads one message. What is no report comes back with format `none`, and where it can be told with its kind.
///
/// The formats are tried from the most to the least telling: a XARF document may come with a feedback part, and
/// a legacy JMRP report is known only by what it is not.
pub fn read(bytes: &[u8]) -> Reading<'_> {
    if let Some(reading) = webhook::read(bytes) {
        return marked(reading);
    }
    let message = mime::Message::new(bytes);
    let reading = xarf::read(&message)
        .or_else(|| arf::read(&message))
        .or_else(|| x_arf::read(&message))
        .or_else(|| jmrp::read(&message))
        .or_else(|| spamcop::read(&message))
        .or_else(|| webhook::in_mail(&message))
        .unwrap_or_else(|| no_report(&message));
    marked(reading)
}

/// What is no report, or none that may count.
fn no_report<'a>(message: &mime::Message<'a>) -> Reading<'a> {
    if bounce::is(message) {
        return Reading::of_kind(MessageKind::Bounce);
    }
    // Apple says of its requests that they are automatic replies.
    if let Some(request) = unsubscribe::read(message) {
        return request;
    }
    if auto_reply::is(message) {
        return Reading::of_kind(MessageKind::AutoReply);
    }
    forward::report(message)
        .or_else(|| dmarc_prose::read(message))
        .or_else(|| {
            let admin = loop_admin::is(message);
            admin.then(|| Reading::of_kind(MessageKind::LoopAdmin))
        })
        .or_else(|| forward::attached(message))
        .or_else(|| forward::inline(message))
        .unwrap_or_else(Reading::none)
}

/// Marks the fields that hide a person (RFC 6590).
fn marked(mut reading: Reading<'_>) -> Reading<'_> {
    let report = &reading.report;
    let hidden = |address: &String| mailbox::is_redacted(address);
    if report.original_mail_from.as_ref().is_some_and(hidden) {
        reading.redacted.push("original_mail_from");
    }
    if report.original_rcpt_to.iter().any(hidden) {
        reading.redacted.push("original_rcpt_to");
    }
    reading
}

#[cfg(test)]
mod tests;
