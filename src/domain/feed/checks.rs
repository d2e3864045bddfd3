//! What was found out about a message's signatures and its sender's policy (DKIM, RFC 6376; SPF, RFC 7208),
//! and whether a signature that verifies also says what a feed needs it to say.

use crate::domain::attribution::KeyCheck;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How far a signature's time may lie ahead of our clock.
const SKEW: SignedDuration = SignedDuration::from_mins(60);

/// What an authentication method found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It verifies.
    Pass,
    /// It does not, and never will.
    Fail,
    /// It cannot be said now: DNS did not answer.
    TempError,
    /// Nobody looked: it could prove nothing, or there were too many.
    Skipped,
}

/// One signature of the outer message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DkimCheck {
    /// The signing domain (`d=`), in lower case.
    pub domain: String,
    /// The selector (`s=`).
    pub selector: String,
    /// What came of verifying it.
    pub result: Outcome,
    /// Why, or why it was not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was made (`t=`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<Timestamp>,
    /// When it ends (`x=`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether it covers the body only up to a length (`l=`): anything may have been added.
    #[serde(default)]
    pub part_of_body: bool,
    /// Which of the fields `from`, `to`, `cc`, `date` and `content-type` it covers in all their occurrences. The last
    /// also where the body bears it out.
    #[serde(default)]
    pub covers: Vec<String>,
}

/// Which identity an SPF policy was asked for (RFC 7208 section 2.3 and 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpfIdentity {
    /// The envelope sender.
    MailFrom,
    /// What the client called itself.
    Helo,
}

/// One SPF policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpfCheck {
    /// Whose.
    pub identity: SpfIdentity,
    /// The domain, in lower case.
    pub domain: String,
    /// Whether it lets the client send.
    pub result: Outcome,
    /// The result in RFC 7208's words.
    pub note: String,
}

/// Everything that was found out about one message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// The domain of the one address in the one `From` field, in lower case; none where that is not so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The addresses in `To` and `Cc`, in lower case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addressed: Vec<String>,
    /// What the `Date` field says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Timestamp>,
    /// The signatures.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<DkimCheck>,
    /// The policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spf: Vec<SpfCheck>,
    /// Public keys of our own that were asked for because the enclosed message bears a signature of ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyCheck>,
}

/// What a feed asks of a signature besides that it verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DkimDemand {
    /// The signing domains that prove the feed, in lower case; empty for any.
    pub domains: Vec<String>,
    /// Whether the signing domain must be that of `From` itself, and not one above it.
    pub strict: bool,
    /// Whether the signature must cover `To` or `Cc`, and these name a recipient of the envelope: a report
    /// that somebody else got, signed as it is, cannot then be passed on to us.
    pub addressed: bool,
    /// The oldest signature that is taken: a valid one stays valid, and may be sent again.
    pub max_age: SignedDuration,
}

/// Why a signature proves nothing, whether it verifies or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Another domain signed.
    OtherDomain,
    /// There is not one `From` with one address, or its domain is not the signer's.
    NotAligned,
    /// `From` is not covered, or there are more of them than are covered.
    FromNotSigned,
    /// It covers only the beginning of the body.
    PartOfBody,
    /// `Content-Type` is not covered, and says otherwise than the body how this is divided.
    OtherParts,
    /// `To` and `Cc` are not covered or name none of the envelope's recipients.
    NotAddressed,
    /// It had ended when the message came.
    Expired,
    /// It is too old.
    Stale,
    /// It is from the future.
    Future,
    /// It says no time, and covers no `Date`.
    Untimed,
}

impl Flaw {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherDomain => "signed by another domain",
            Self::NotAligned => "not aligned with From",
            Self::FromNotSigned => "From is not signed",
            Self::PartOfBody => "signs only a part of the body (l=)",
            Self::OtherParts => "Content-Type is not signed and does not fit the body",
            Self::NotAddressed => "To is not signed or names none of the recipients",
            Self::Expired => "expired",
            Self::Stale => "too old",
            Self::Future => "from the future",
            Self::Untimed => "says no time",
        }
    }
}

impl DkimDemand {
    /// Why this signature cannot prove the feed, of a message to these recipients that came at `received_at`.
    pub fn flaw(
        &self,
        signature: &DkimCheck,
        checks: &Checks,
        recipients: &[String],
        received_at: Timestamp,
    ) -> Option<Flaw> {
        let covers = |field: &str| signature.covers.iter().any(|c| c == field);
        let domain = signature.domain.as_str();
        if !self.domains.is_empty() && !self.domains.iter().any(|d| same_domain(d, domain)) {
            return Some(Flaw::OtherDomain);
        }
        if !covers("from") {
            return Some(Flaw::FromNotSigned);
        }
        let aligned = checks.from.as_deref().is_some_and(|from| {
            same_domain(from, domain) || (!self.strict && is_below(from, domain))
        });
        if !aligned {
            return Some(Flaw::NotAligned);
        }
        if signature.part_of_body {
            return Some(Flaw::PartOfBody);
        }
        if !covers("content-type") {
            return Some(Flaw::OtherParts);
        }
        let to_us = || {
            let named = |rcpt: &String| {
                let mut all = checks.addressed.iter();
                all.any(|address| address.eq_ignore_ascii_case(rcpt))
            };
            (covers("to") && covers("cc")) && recipients.iter().any(named)
        };
        if self.addressed && !to_us() {
            return Some(Flaw::NotAddressed);
        }
        if signature.expires_at.is_some_and(|end| end <= received_at) {
            return Some(Flaw::Expired);
        }
        let made = signature
            .signed_at
            .or(checks.date.filter(|_| covers("date")));
        let Some(made) = made else {
            return Some(Flaw::Untimed);
        };
        let age = received_at.duration_since(made);
        if age > self.max_age {
            Some(Flaw::Stale)
        } else if age < -SKEW {
            Some(Flaw::Future)
        } else {
            None
        }
    }
}

/// Whether two names are the same domain: without case and a dot at the end.
pub fn same_domain(one: &str, two: &str) -> bool {
    let plain = |name: &str| name.trim_end_matches('.').len();
    one[..plain(one)].eq_ignore_ascii_case(&two[..plain(two)])
}

/// Whether a domain lies below another. A name of one label is nobody's parent: it is a registry's.
fn is_below(domain: &str, parent: &str) -> bool {
    let (domain, parent) = (domain.trim_end_matches('.'), parent.trim_end_matches('.'));
    if !parent.contains('.') {
        return false;
    }
    let split = domain.len().checked_sub(parent.len() + 1);
    split.is_some_and(|at| {
        domain.is_char_boundary(at)
            && domain.as_bytes()[at] == b'.'
            && domain[at + 1..].eq_ignore_ascii_case(parent)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    fn good() -> (DkimDemand, DkimCheck, Checks) {
        let demand = DkimDemand {
            domains: vec!["arf.example".into()],
            strict: false,
            addressed: true,
            max_age: SignedDuration::from_hours(48),
        };
        let signature = DkimCheck {
            domain: "arf.example".into(),
            selector: "s1".into(),
            result: Outcome::Pass,
            note: None,
            signed_at: Some(at(-60)),
            expires_at: None,
            part_of_body: false,
            covers: ["from", "to", "cc", "content-type"]
                .map(str::to_owned)
                .into(),
        };
        let checks = Checks {
            from: Some("arf.example".into()),
            addressed: vec!["fbl@us.example".into()],
            ..Checks::default()
        };
        (demand, signature, checks)
    }

    fn flaw(change: impl Fn(&mut DkimDemand, &mut DkimCheck, &mut Checks)) -> Option<Flaw> {
        let (mut demand, mut signature, mut checks) = good();
        change(&mut demand, &mut signature, &mut checks);
        demand.flaw(&signature, &checks, &["FBL@us.example".into()], at(0))
    }

    #[test]
    fn a_good_signature_has_no_flaw() {
        assert_eq!(flaw(|_, _, _| ()), None);
        assert_eq!(flaw(|d, _, _| d.domains.clear()), None, "any domain");
        assert_eq!(flaw(|d, _, _| d.strict = true), None);
        assert_eq!(
            flaw(|_, _, c| c.from = Some("mail.ARF.example".into())),
            None
        );
        assert_eq!(
            flaw(|d, s, _| {
                d.addressed = false;
                s.covers = vec!["from".into(), "content-type".into()]
            }),
            None
        );
        assert_eq!(flaw(|_, s, _| s.expires_at = Some(at(1))), None);
        assert_eq!(
            flaw(|_, s, c| {
                s.signed_at = None;
                s.covers.push("date".into());
                c.date = Some(at(-60));
            }),
            None
        );
    }

    #[test]
    fn each_flaw_alone_is_enough() {
        use Flaw::*;
        let other = |s: &mut DkimCheck| s.domain = "evil.example".into();
        assert_eq!(flaw(|_, s, _| other(s)), Some(OtherDomain));
        assert_eq!(
            flaw(|d, s, _| {
                d.domains.clear();
                other(s)
            }),
            Some(NotAligned)
        );
        assert_eq!(flaw(|_, _, c| c.from = None), Some(NotAligned));
        for from in ["xarf.example", "example", "arf.example.evil.example"] {
            assert_eq!(
                flaw(|_, _, c| c.from = Some(from.into())),
                Some(NotAligned),
                "{from}"
            );
        }
        assert_eq!(
            flaw(|d, _, c| {
                d.strict = true;
                c.from = Some("m.arf.example".into())
            }),
            Some(NotAligned)
        );
        assert_eq!(
            flaw(|d, s, _| {
                d.domains.clear();
                s.domain = "example".into()
            }),
            Some(NotAligned),
            "a registry signs for nobody"
        );
        assert_eq!(
            flaw(|_, s, _| s.covers = vec!["to".into(), "cc".into()]),
            Some(FromNotSigned)
        );
        assert_eq!(flaw(|_, s, _| s.part_of_body = true), Some(PartOfBody));
        assert_eq!(
            flaw(|_, s, _| s.covers.retain(|c| c != "content-type")),
            Some(OtherParts)
        );
        assert_eq!(
            flaw(|_, s, _| s.covers = vec!["from".into(), "content-type".into()]),
            Some(NotAddressed)
        );
        assert_eq!(
            flaw(|_, s, _| s.covers.retain(|c| c != "cc")),
            Some(NotAddressed),
            "an unsigned Cc was added"
        );
        assert_eq!(
            flaw(|_, _, c| c.addressed = vec!["somebody@else.example".into()]),
            Some(NotAddressed)
        );
        assert_eq!(flaw(|_, s, _| s.expires_at = Some(at(0))), Some(Expired));
        assert_eq!(
            flaw(|_, s, _| s.signed_at = Some(at(-48 * 3600 - 1))),
            Some(Stale)
        );
        assert_eq!(flaw(|_, s, _| s.signed_at = Some(at(-48 * 3600))), None);
        assert_eq!(flaw(|_, s, _| s.signed_at = Some(at(3601))), Some(Future));
        assert_eq!(flaw(|_, s, _| s.signed_at = None), Some(Untimed));
        assert_eq!(
            flaw(|_, s, c| {
                s.signed_at = None;
                c.date = Some(at(-60))
            }),
            Some(Untimed),
            "an unsigned Date says nothing"
        );
    }
}
