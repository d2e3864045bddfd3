//! Complaint feedback by header (RFC 9477): a message asks in `CFBL-Address` for complaints about it, so
//! anybody who got it may send one. So the standard has reports without an aligned signature not processed.

use super::checks::{Checks, DkimDemand};
use super::proof::{Facts, Proof, Verdict};
use super::{Feed, proof};
use crate::domain::headers::HeaderBlock;
use jiff::SignedDuration;

/// Whether a report of this feed is one of CFBL. The spammer wrote the enclosed headers, and must not be able to
/// make a good report void: so it is one when the enclosed `CFBL-Address` names a recipient that the report was
/// sent to, or when there is a `CFBL-Feedback-ID`. Where something of the client's own (network, certificate,
/// login) speaks for the feed, only an address that belongs to its proof makes it one: any other can be guessed.
pub fn is_report(feed: &Feed, enclosed: &HeaderBlock<'_>, facts: Facts<'_>) -> bool {
    let rcpt_to = &facts.arrival.rcpt_to;
    let is = |all: &[String], address: &str| all.iter().any(|a| a.eq_ignore_ascii_case(address));
    let session = feed.proof.of_session(facts);
    let leaves = feed.proof.leaves();
    let proves = |address: &str| {
        let mut all = leaves.iter();
        all.any(|leaf| matches!(leaf, Proof::Recipient(secret) if is(secret, address)))
    };
    let named = enclosed.all("cfbl-address").any(|value| {
        let address = address(&value);
        is(rcpt_to, address) && (!session || proves(address))
    });
    named || (enclosed.first("cfbl-feedback-id").is_some() && !session)
}

/// The address of a `CFBL-Address` field: what stands before its parameters, without brackets.
fn address(value: &str) -> &str {
    let address = value.split(';').next().unwrap_or(value).trim();
    let bare = address.rsplit_once('<').map(|(_, rest)| rest);
    bare.map_or(address, |rest| rest.trim_end_matches('>'))
        .trim()
}

/// What a CFBL report's signature must be: anybody's, but aligned and fresh. Such a report is written to one
/// address for all, so it is not asked whom it is addressed to.
pub fn demand(max_age: SignedDuration) -> DkimDemand {
    DkimDemand {
        domains: Vec::new(),
        strict: false,
        addressed: false,
        max_age,
    }
}

/// Whether it bears such a signature.
pub fn verdict(max_age: SignedDuration, facts: Facts<'_>) -> Verdict {
    proof::dkim(&demand(max_age), facts)
}

/// Why a report of CFBL does not count, for the record.
pub fn reason(checks: Option<&Checks>) -> &'static str {
    match checks {
        Some(_) => "a CFBL report whose signature does not hold or is not aligned (RFC 9477)",
        None => "a CFBL report without a signature (RFC 9477)",
    }
}
