//! Mail about a feedback loop and not from it: confirmations, approvals, changes. Somebody must read it, because
//! a loop that nobody confirms stays silent.

use super::mime::Message;

const ABOUT: [&str; 5] = ["feedback loop", "complaint feedback", "jmrp", "cfl", "fbl"];
const DOES: [&str; 14] = [
    "confirm", "approv", "enrol", "subscri", "request", "verif", "welcome", "chang", "activat",
    "expir", "suspend", "remov", "applica", "registr",
];

/// Whether the message is administrative mail of a feedback loop.
pub(super) fn is(message: &Message<'_>) -> bool {
    let subject = message.text("Subject").to_ascii_lowercase();
    let from = message.text("From").to_ascii_lowercase();
    let mut words = subject.split(|c: char| !c.is_ascii_alphanumeric());
    let about = ABOUT[..2].iter().any(|name| subject.contains(name))
        || words.any(|word| ABOUT[2..].contains(&word))
        || from.contains("feedbackloop")
        || from.contains("feedback-loop");
    about && DOES.iter().any(|word| subject.contains(word))
}
