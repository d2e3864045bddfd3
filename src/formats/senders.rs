//! Who sent the enclosed message: its envelope sender, and the domain that signed it. The precedence is written down in
//! `recover.rs`.

use super::clues::Clues;
use super::recover::{is_mailbox, parameter, plain};
use super::{mailbox, text};

/// The envelope sender, best clue first.
pub(super) fn sender(clues: &Clues<'_>) -> Option<(String, &'static str)> {
    if let Some(raw) = clues.return_path {
        let value = plain(raw);
        let (address, bracketed) = text::unbracketed(&value);
        if is_mailbox(address) || (bracketed && address.is_empty()) {
            return Some((address.to_owned(), "Return-Path of the enclosed message"));
        }
    }
    let from = |raw: &[u8], key| {
        let value = plain(raw);
        let address = mailbox::one(parameter(&value, key)?).address;
        is_mailbox(address).then(|| address.to_owned())
    };
    let spf = clues.spf.and_then(|raw| {
        from(raw, "envelope-from=")
            .map(|sender| (sender, "envelope-from of the enclosed Received-SPF"))
            .or_else(|| {
                let sender = from(raw, "domain of ")?;
                Some((sender, "domain of the enclosed Received-SPF"))
            })
    });
    spf.or_else(|| {
        let all = clues.results.iter().rev();
        let sender = all.filter_map(|raw| from(raw, "smtp.mailfrom=")).next()?;
        let source = "smtp.mailfrom of the enclosed Authentication-Results";
        Some((sender, source))
    })
    .or_else(|| {
        let value = plain(clues.return_path_below?);
        let address = text::unbracketed(&value).0;
        let confirmed = is_mailbox(address) && is_spf_domain(clues, address);
        let source = "Return-Path at the end of the enclosed message, its domain confirmed by SPF";
        confirmed.then(|| (address.to_owned(), source))
    })
    .or_else(|| {
        let value = plain(clues.envelope_from?);
        let address = mailbox::one(&value).address;
        let source = "X-Envelope-From of the enclosed message";
        is_mailbox(address).then(|| (address.to_owned(), source))
    })
}

/// Whether the receiver's own SPF verdict passed for the address' domain: Microsoft names the domain only.
fn is_spf_domain(clues: &Clues<'_>, address: &str) -> bool {
    let Some((_, domain)) = address.rsplit_once('@') else {
        return false;
    };
    let named = |raw: &[u8], key, pass: fn(&str) -> bool| {
        let value = plain(raw);
        pass(&value) && parameter(&value, key).is_some_and(|d| d.eq_ignore_ascii_case(domain))
    };
    let passed = |value: &str| {
        let result = value.split_ascii_whitespace().next();
        result.is_some_and(|result| result.eq_ignore_ascii_case("pass"))
    };
    clues
        .spf
        .is_some_and(|raw| named(raw, "domain of ", passed))
        || clues.results.last().is_some_and(|raw| {
            named(raw, "smtp.mailfrom=", |value| {
                parameter(value, "spf=").is_some_and(|r| r.eq_ignore_ascii_case("pass"))
            })
        })
}

/// The domain that signed: verified by the reporter, or else as the newest signature claims.
pub(super) fn domain(clues: &Clues<'_>) -> Option<(String, &'static str)> {
    let named = |value: &str, key| {
        let domain = parameter(value, key)?.trim_start_matches('@');
        let fine = domain.contains('.') && domain.bytes().all(|b| b.is_ascii_graphic());
        fine.then(|| domain.to_ascii_lowercase())
    };
    let verified = clues.results.iter().rev().find_map(|raw| {
        let value = plain(raw);
        let pass = &value[value.find("dkim=pass")?..];
        let one = pass.split(';').next().unwrap_or(pass);
        named(one, "header.d=").or_else(|| named(one, "header.i=@"))
    });
    if let Some(domain) = verified {
        return Some((domain, "dkim=pass of the enclosed Authentication-Results"));
    }
    let value = plain(clues.signature?);
    let tag = value.split(';').find_map(|tag| {
        let (name, domain) = tag.split_once('=')?;
        (name.trim() == "d").then(|| domain.trim())
    })?;
    let fine = tag.contains('.') && tag.bytes().all(|b| b.is_ascii_graphic());
    let source = "d= of the enclosed DKIM-Signature, not verified";
    fine.then(|| (tag.to_ascii_lowercase(), source))
}
