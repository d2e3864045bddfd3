//! Forwarded mail: it came to one of our customers from outside, and he forwards his mail to a mailbox elsewhere, where
//! he presses "spam". The hoster looks guilty, and some count nine of ten complaints so.
//!
//! **How it is told, and why it is no way out for spammers.** All of these must hold, and each rests on what our own
//! servers stamped (`hop.rs`):
//!
//! 1. the chain of our lines is whole, and at its entry the message came from an address that is not ours, from a client
//!    that did not authenticate: nobody submitted it here;
//! 2. our servers took it in for a mailbox of ours: the entry's `for`, or a `Delivered-To` and the like above the entry,
//!    names one. A server that relays for a customer's machine takes mail in for others, so its mail stays his;
//! 3. the complainant is not that mailbox itself.
//!
//! A customer who sends spam through us authenticates, or sends from his own address in our networks, so the entry says
//! so; whatever lines he writes in his message stand below it and are not looked at. A foreign DKIM signature is what one
//! expects of forwarded mail, but anybody may add one, so it decides nothing and is only told.

use super::hop::{Chain, Hop};
use super::own::Own;
use crate::domain::headers::HeaderBlock;
use crate::domain::report::Reading;

/// Headers in which a server says for whom it delivered or forwarded.
const RECIPIENT: [&str; 7] = [
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-Forwarded-To",
    "X-Forwarded-For",
    "X-Delivered-To",
];

/// Whether a customer of ours only forwarded the message.
pub(super) fn is_forwarded(reading: &Reading<'_>, hops: &[Hop], chain: Chain, own: &Own) -> bool {
    let Chain::Ours { entry, .. } = chain else {
        return false;
    };
    let Some(hop) = hops.get(entry) else {
        return false;
    };
    let from_outside = hop.from.is_some_and(|ip| !own.has(ip));
    if !from_outside || hop.is_authenticated || hop.login.is_some() {
        return false;
    }
    let complains = |mailbox: &str| {
        let mut all = reading.report.original_rcpt_to.iter();
        all.any(|rcpt| rcpt.eq_ignore_ascii_case(mailbox))
    };
    let local = |address: &str| own.has_mailbox(address) && !complains(address);
    let for_ours = hop.recipient.as_deref().is_some_and(local);
    for_ours || above(&reading.headers, entry).any(|address| local(&address))
}

/// The mailboxes in headers above the Received line of that place.
fn above<'h>(headers: &'h HeaderBlock<'_>, entry: usize) -> impl Iterator<Item = String> + 'h {
    let mut received = 0;
    let ours = headers.iter().take_while(move |(name, _)| {
        let line = name.eq_ignore_ascii_case("received");
        received += usize::from(line);
        !(line && received > entry)
    });
    let named = ours.filter(|(name, _)| RECIPIENT.iter().any(|r| name.eq_ignore_ascii_case(r)));
    named.flat_map(|(_, value)| {
        let words = value.split(|c: char| c.is_whitespace() || ",;<>".contains(c));
        let words: Vec<String> = words
            .filter(|w| w.contains('@'))
            .map(str::to_owned)
            .collect();
        words
    })
}
