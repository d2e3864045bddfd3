//! Requests to be taken off a list, sent to its `List-Unsubscribe` address (RFC 2369): by Apple Mail, which marks
//! them, and by others with nothing but the word. A wish, not a complaint.

use super::mailbox;
use super::mime::Message;
use super::recover::derived;
use crate::domain::report::{MessageKind, Reading};

/// Longest body of a request without a mark.
const SHORT: usize = 400;

/// Reads the message as such a request. None where it is not.
pub(super) fn read<'a>(message: &Message<'a>) -> Option<Reading<'a>> {
    let apple = message
        .top
        .field("X-Apple-Unsubscribe")
        .is_some_and(|value| value.eq_ignore_ascii_case(b"true"));
    let subject = message.text("Subject").to_ascii_lowercase();
    let bare = subject.trim() == "unsubscribe" && message.top.body.len() < SHORT;
    if !(apple || bare) {
        return None;
    }
    let mut reading = Reading::of_kind(MessageKind::Unsubscribe);
    let from = message.text("From");
    let address = mailbox::one(&from).address;
    if address.contains('@') {
        reading.report.original_rcpt_to.push(address.to_owned());
        derived(&mut reading, "original_rcpt_to", "From of the request");
    }
    Some(reading)
}
