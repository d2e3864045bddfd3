//! Our own signatures on an enclosed message: found by their domain and verified by keys that are already here. Only the
//! headers must fit; the body is looked at where it is enclosed as it was.

use crate::domain::attribution::{KeyCheck, OwnDkim, OwnSignature};
use crate::domain::feed::checks::Outcome;
use crate::domain::headers::HeaderBlock;
use mail_auth::AuthenticatedMessage;
use mail_auth::common::crypto::HashAlgorithm;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dkim::Signature;

/// Signatures of ours that are looked at.
const MOST: usize = 4;
/// Covered fields that are looked at.
const MOST_COVERED: usize = 200;

/// Domain and selector of every signature of ours on the headers, the first few.
pub fn wanted(headers: &HeaderBlock<'_>, own: &OwnDkim) -> Vec<(String, String)> {
    let values = headers.all("DKIM-Signature");
    let named = values.filter_map(|value| {
        let tag = |name: &str| {
            value.split(';').find_map(|tag| {
                let (found, value) = tag.split_once('=')?;
                (found.trim() == name).then(|| value.trim().to_ascii_lowercase())
            })
        };
        let domain = tag("d").filter(|domain| own.signs(domain))?;
        Some((domain, tag("s")?))
    });
    named.take(MOST).collect()
}

/// Verifies the signatures of ours. `fetched`: keys that were asked of DNS.
pub fn verify(
    headers: &HeaderBlock<'_>,
    body: Option<&[u8]>,
    own: &OwnDkim,
    fetched: &[KeyCheck],
) -> Vec<OwnSignature> {
    if own.domains.is_empty() || wanted(headers, own).is_empty() {
        return Vec::new();
    }
    let mut message = headers.as_bytes().to_vec();
    if !message.ends_with(b"\n") {
        message.extend(b"\r\n");
    }
    message.extend(b"\r\n");
    message.extend(body.unwrap_or_default());
    // What covers only a part of the body is set aside by the library, and not looked at here either.
    let Some(parsed) = AuthenticatedMessage::parse_with_opts(&message, None, true) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let ours = parsed
        .dkim_headers
        .iter()
        .filter(|h| own.signs(&h.header.d));
    for header in ours.take(MOST) {
        let signature = &header.header;
        let value = without_signature(header.value);
        let result = match record(signature, own, fetched) {
            Ok(record) => match DomainKey::parse(record.as_bytes()) {
                Ok(key) => {
                    let mut signed = parsed.signed_headers(&signature.h, header.name, &value);
                    let holds = key
                        .p
                        .verify(&mut signed, &signature.b, signature.ch, signature.a);
                    if holds.is_ok() {
                        Outcome::Pass
                    } else {
                        Outcome::Fail
                    }
                }
                Err(_) => Outcome::Fail,
            },
            Err(outcome) => outcome,
        };
        found.push(OwnSignature {
            domain: signature.d.to_ascii_lowercase(),
            selector: signature.s.to_ascii_lowercase(),
            headers: result,
            body: body.map(|_| body_fits(&parsed, signature)),
            auid: auid(signature),
            covered: signature
                .h
                .iter()
                .take(MOST_COVERED)
                .map(|name| name.trim().to_ascii_lowercase())
                .collect(),
        });
    }
    found
}

/// The key's record; or why there is none yet.
fn record<'k>(
    signature: &Signature,
    own: &'k OwnDkim,
    fetched: &'k [KeyCheck],
) -> Result<&'k str, Outcome> {
    if let Some(record) = own.record(&signature.d, &signature.s) {
        return Ok(record);
    }
    let is = |key: &&KeyCheck| {
        key.domain.eq_ignore_ascii_case(&signature.d)
            && key.selector.eq_ignore_ascii_case(&signature.s)
    };
    match fetched.iter().find(is) {
        Some(key) if key.result == Outcome::Pass => Ok(&key.text),
        Some(key) => Err(key.result),
        // Nobody asked: where messages are read without DNS.
        None if own.dns => Err(Outcome::TempError),
        None => Err(Outcome::Fail),
    }
}

/// `i=` where it has a local part, and is of the signing domain or below it (RFC 6376 section 3.5).
fn auid(signature: &Signature) -> Option<String> {
    let (local, domain) = signature.i.rsplit_once('@')?;
    let (domain, signer) = (
        domain.to_ascii_lowercase(),
        signature.d.to_ascii_lowercase(),
    );
    let within = domain
        .strip_suffix(&signer)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    (within && !local.is_empty()).then(|| format!("{local}@{domain}"))
}

fn body_fits(message: &AuthenticatedMessage<'_>, signature: &Signature) -> bool {
    let algorithm = HashAlgorithm::from(signature.a);
    message
        .body_hashes
        .iter()
        .any(|(canonical, hash, length, digest)| {
            *canonical == signature.cb
                && *hash == algorithm
                && *length == signature.l
                && *digest == signature.bh
        })
}

/// The field's value with an empty `b=` and without its last line end, as it was when it was signed (RFC 6376
/// section 3.7).
fn without_signature(value: &[u8]) -> Vec<u8> {
    let mut value = value;
    for end in [&b"\n"[..], b"\r"] {
        value = value.strip_suffix(end).unwrap_or(value);
    }
    let mut kept = Vec::with_capacity(value.len());
    for (at, tag) in value.split(|b| *b == b';').enumerate() {
        if at > 0 {
            kept.push(b';');
        }
        let equals = tag.iter().position(|b| *b == b'=');
        let name = equals.map(|equals| tag[..equals].trim_ascii());
        match (name, equals) {
            (Some(b"b"), Some(equals)) => kept.extend(&tag[..=equals]),
            _ => kept.extend(tag),
        }
    }
    kept
}
