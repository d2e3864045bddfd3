//! Which headers of the enclosed message the reporter's own servers wrote, and by which hop the message came in
//! from outside.
//!
//! **The trusted boundary.** A header counts only above the first `Received` that names a host outside the
//! reporter's house; below it everything is the sender's word. Hops on one host, in one domain, between neighbours of
//! one name, from a private network, or to a service that takes complaints in, are the complainant's own, prepended on
//! the way to the mailbox, and passed over. So are **gateways** that the complainant put before its servers. A hop is
//! from a gateway where
//!
//! 1. its looked-up name is of the recipient's own domain, as the report or a header above every hop says; or
//! 2. its looked-up name is of a known filtering service, unless the receiver's SPF verdict on its address is
//!    `pass`: then the sender's domain names it, and the service is the sender's; or
//! 3. the receiver gave no verdict at all and the gateway did, in a header directly below: who judges stands at the
//!    border. A forwarder is not passed over, because the house behind it judges.
//!
//! Below a gateway only its own hop counts next. A hop that does not say clearly from where, one that claims a
//! filtering service's name that nobody looked up, and a chain that breaks behind a gateway end the search with
//! nothing: a wrong address is worse than none. An address that was passed over, or doubted so, counts nowhere.

use super::gateways::{Passes, passes};
use super::houses::House;
use super::mailbox;
use super::received::{self, Hop};
use super::recover::{line, plain};
use crate::domain::headers::{Fields, HeaderBlock};
use std::net::IpAddr;

/// Hops looked at.
const MOST_HOPS: usize = 12;
/// Headers kept.
const MOST: usize = 200;

/// Headers that hold the envelope recipient, best first.
pub(super) const RECIPIENT: [&str; 6] = [
    "X-HmXmrOriginalRecipient",
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Apparently-To",
    "X-Envelope-To",
];

/// A header that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Received,
    ReturnPath,
    EnvelopeFrom,
    Spf,
    Results,
    OriginatingIp,
    Recipient(usize),
    Signature,
    Class,
    Date,
}

impl Name {
    fn of(name: &[u8]) -> Option<Self> {
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        Some(match name.first()?.to_ascii_lowercase() {
            b'r' if is("Received") => Self::Received,
            b'r' if is("Return-Path") => Self::ReturnPath,
            b'r' if is("Received-SPF") => Self::Spf,
            b'a' if is("Authentication-Results") => Self::Results,
            b'd' if is("DKIM-Signature") => Self::Signature,
            b'd' if is("Date") => Self::Date,
            b'e' if is("Envelope-From") => Self::EnvelopeFrom,
            b'x' if is("X-Envelope-From") => Self::EnvelopeFrom,
            b'x' if is("X-Originating-IP") => Self::OriginatingIp,
            b'x' if is("X-Spampanel-Outgoing-Class") => Self::Class,
            b'x' if is("X-SpamExperts-Outgoing-Class") => Self::Class,
            b'x' | b'd' | b'e' => Self::Recipient(RECIPIENT.iter().position(|r| is(r))?),
            _ => return None,
        })
    }
}

/// The enclosed headers that matter, raw.
#[derive(Default)]
pub(super) struct Clues<'h> {
    pub return_path: Option<&'h [u8]>,
    /// The last one below the boundary. Exchange takes what was there away and writes its own at the end.
    pub return_path_below: Option<&'h [u8]>,
    /// The best recipient header, by its place in [`RECIPIENT`].
    pub recipient: Option<(usize, &'h [u8])>,
    /// Hops down to the boundary.
    pub received: Vec<&'h [u8]>,
    /// The lowest verdict above the boundary.
    pub spf: Option<&'h [u8]>,
    /// All of them above the boundary, from the top.
    pub results: Vec<&'h [u8]>,
    pub originating_ip: Option<&'h [u8]>,
    pub envelope_from: Option<&'h [u8]>,
    pub signature: Option<&'h [u8]>,
    pub class: Option<&'h [u8]>,
    pub date: Option<&'h [u8]>,
    /// Where the message came in from outside.
    pub boundary: Option<IpAddr>,
    /// Addresses of gateways, and doubtful ones.
    pub passed: Vec<IpAddr>,
}

impl<'h> Clues<'h> {
    /// Gathers them, for a report that states these recipients.
    pub fn of(headers: &'h HeaderBlock<'_>, recipients: &[String]) -> Self {
        let mut all = Vec::with_capacity(24);
        for (name, value) in Fields::new(headers.as_bytes()) {
            if all.len() < MOST
                && let Some(name) = Name::of(name.trim_ascii())
            {
                all.push((name, value));
            }
        }
        let mut clues = Self::default();
        let end = clues.boundary(&all, recipient_house(&all, recipients));
        for (at, (name, value)) in all.iter().enumerate() {
            clues.take(*name, value, at < end);
        }
        clues
    }

    fn take(&mut self, name: Name, value: &'h [u8], trusted: bool) {
        let place = match name {
            Name::Signature => &mut self.signature,
            Name::Class => &mut self.class,
            Name::Date => &mut self.date,
            Name::ReturnPath if !trusted => {
                self.return_path_below = Some(value);
                return;
            }
            _ if !trusted => return,
            Name::Received => return self.received.push(value),
            Name::Results => return self.results.push(value),
            Name::Spf => {
                self.spf = Some(value);
                return;
            }
            Name::Recipient(rank) => {
                if self.recipient.is_none_or(|(best, _)| rank < best) {
                    self.recipient = Some((rank, value));
                }
                return;
            }
            Name::ReturnPath => &mut self.return_path,
            Name::EnvelopeFrom => &mut self.envelope_from,
            Name::OriginatingIp => &mut self.originating_ip,
        };
        place.get_or_insert(value);
    }

    /// Finds the boundary hop; returns where the sender's word begins.
    fn boundary(&mut self, all: &[(Name, &[u8])], own: Option<House>) -> usize {
        let mut gateway: Option<House> = None;
        let mut judged_from = 0;
        let hops = all.iter().enumerate();
        let hops = hops.filter(|(_, (name, _))| *name == Name::Received);
        for (count, (at, (_, raw))) in hops.enumerate() {
            if count == MOST_HOPS {
                return at;
            }
            let value = line(raw);
            let hop = received::hop(&value);
            let hop = match hop {
                hop if hop.is_inside() => continue,
                Hop::From(hop) => hop,
                _ => return at + 1,
            };
            if gateway.as_ref().is_some_and(|own| !own.holds(hop.by)) {
                return at;
            }
            match passes(&hop, &all[judged_from..at], &all[at + 1..], own.as_ref()) {
                Passes::No => {
                    self.boundary = Some(hop.ip);
                    return at + 1;
                }
                Passes::Doubtful => {
                    self.passed.push(hop.ip);
                    return at + 1;
                }
                Passes::Yes(house) => {
                    self.passed.push(hop.ip);
                    gateway = Some(house);
                    judged_from = at + 1;
                }
            }
        }
        all.len()
    }
}

/// The recipient's house: as the report states, or else as a header above every hop says.
fn recipient_house(all: &[(Name, &[u8])], stated: &[String]) -> Option<House> {
    let of = |address: &str| House::of(address.rsplit_once('@')?.1);
    if let Some(stated) = stated.first() {
        return of(stated);
    }
    all.iter()
        .take_while(|(name, _)| *name != Name::Received)
        .find_map(|(name, raw)| match name {
            Name::Recipient(_) => of(mailbox::one(&plain(raw)).address),
            _ => None,
        })
}

#[cfg(test)]
#[path = "clues_tests.rs"]
mod tests;
