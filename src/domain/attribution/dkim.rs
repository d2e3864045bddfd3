//! Our own DKIM signature on the enclosed message (RFC 6376): we put it there when we took the message from a customer,
//! so what it covers is our own word, however the reporter redacted the body. The headers are verified by themselves;
//! whether the body's hash fits too is told, and not asked for.
//!
//! **What it does not say.** A valid signature stays valid: somebody who sends one message through us can send it again
//! from anywhere, as often as he likes (a replay), and can add headers to it. So only what the signature covers counts:
//! its own `i=`, and identification headers of which every occurrence is covered. And it names who sent that message
//! *first*. For his own spam that is right; for a customer's newsletter that somebody else sends again it is not, which
//! is why distinct messages are counted: all replays are one message. A body that does not fit is no proof against us, for
//! reporters change bodies; who wants to be sure asks the rules for other feeds besides.

use super::header::HeaderRule;
use super::normal::NormalForm;
use crate::domain::feed::checks::Outcome;
use crate::domain::headers::HeaderBlock;
use serde::{Deserialize, Serialize};

/// A public key of ours, as its DNS record is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnKey {
    /// The signing domain, in lower case.
    pub domain: String,
    /// The selector, in lower case.
    pub selector: String,
    /// As in `v=DKIM1; k=rsa; p=...`.
    pub record: String,
}

/// How our own signatures are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnDkim {
    /// The domains that we sign for, in lower case. None: the method is not in use.
    pub domains: Vec<String>,
    /// Keys that need not be asked for.
    pub keys: Vec<OwnKey>,
    /// Whether other keys are asked of DNS.
    pub dns: bool,
    /// Whether `i=` names the customer, where it has a local part.
    pub auid: bool,
}

impl OwnDkim {
    /// Whether a domain is one that we sign for.
    pub fn signs(&self, domain: &str) -> bool {
        self.domains
            .iter()
            .any(|own| own.eq_ignore_ascii_case(domain))
    }

    /// A configured key.
    pub fn record(&self, domain: &str, selector: &str) -> Option<&str> {
        let is = |key: &&OwnKey| {
            key.domain.eq_ignore_ascii_case(domain) && key.selector.eq_ignore_ascii_case(selector)
        };
        self.keys.iter().find(is).map(|key| key.record.as_str())
    }
}

/// A public key as DNS told it, kept with the report that it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCheck {
    /// The signing domain.
    pub domain: String,
    /// The selector.
    pub selector: String,
    /// Whether there is an answer.
    pub result: Outcome,
    /// The record, or why there is none.
    pub text: String,
}

/// One signature of ours on the enclosed headers, as it was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSignature {
    /// The signing domain.
    pub domain: String,
    /// The selector.
    pub selector: String,
    /// Whether the headers are as they were signed.
    pub headers: Outcome,
    /// Whether the body is; none where it was not enclosed whole.
    pub body: Option<bool>,
    /// `i=`, where it is of the signing domain.
    pub auid: Option<String>,
    /// The covered fields (`h=`), in lower case, each as often as it is covered.
    pub covered: Vec<String>,
}

impl OwnSignature {
    /// Whether every occurrence of a header is covered, so that none was added afterwards.
    fn covers(&self, headers: &HeaderBlock<'_>, name: &str) -> bool {
        let is = |covered: &&String| covered.eq_ignore_ascii_case(name);
        let signed = self.covered.iter().filter(is).count();
        let there = headers.all(name).count();
        there > 0 && signed >= there
    }

    /// How far it holds, for the provenance.
    fn extent(&self) -> &'static str {
        match self.body {
            Some(true) => "headers and body fit",
            Some(false) => "headers only; the body was changed",
            None => "headers only",
        }
    }
}

/// What our own signatures came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum DkimSearch {
    Found(String, String),
    /// Two of them name different senders.
    Ambiguous,
    /// There was one that does not fit.
    Invalid,
    /// There was one whose key could not be had.
    Unchecked,
    Missing,
}

/// Who is named by what our signatures cover.
pub(super) fn search(
    signatures: &[OwnSignature],
    headers: &HeaderBlock<'_>,
    rules: &[HeaderRule],
    settings: &OwnDkim,
    normal: &NormalForm,
) -> DkimSearch {
    let mut found: Option<(String, String)> = None;
    let (mut invalid, mut unchecked) = (false, false);
    for signature in signatures {
        match signature.headers {
            Outcome::Pass => {}
            Outcome::TempError => unchecked = true,
            Outcome::Fail | Outcome::Skipped => invalid = true,
        }
        if signature.headers != Outcome::Pass {
            continue;
        }
        let auid = signature.auid.as_deref().filter(|_| settings.auid);
        let auid = auid.map(|auid| ("i=".to_owned(), auid.to_owned()));
        let covered = rules
            .iter()
            .filter(|rule| signature.covers(headers, &rule.name));
        let covered = covered.flat_map(|rule| {
            let values = headers.all(&rule.name);
            let values = values.filter_map(|value| Some(rule.captured(&value)?.into_owned()));
            values
                .map(|value| (format!("signed header {}", rule.name), value))
                .collect::<Vec<_>>()
        });
        for (place, value) in auid.into_iter().chain(covered) {
            let Some(value) = normal.of(&value).filter(|value| !value.starts_with('@')) else {
                continue;
            };
            match &found {
                Some((first, _)) if *first != value => return DkimSearch::Ambiguous,
                Some(_) => {}
                None => {
                    let provenance = format!(
                        "{place} of our own DKIM signature (d={} s={}; {})",
                        signature.domain,
                        signature.selector,
                        signature.extent()
                    );
                    found = Some((value, provenance));
                }
            }
        }
    }
    match found {
        Some((value, provenance)) => DkimSearch::Found(value, provenance),
        None if invalid => DkimSearch::Invalid,
        None if unchecked => DkimSearch::Unchecked,
        None => DkimSearch::Missing,
    }
}
