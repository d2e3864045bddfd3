//! What a desk person is told about a report without an identity: what the reason means, and which setting at which
//! system would keep the next report from ending the same way.

use super::reason::Reason;
use serde::Serialize;

/// A setting that would mend something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// Where it is set: `filter`, `Exim`, `Postfix`, `arfd`, or whom to ask.
    pub at: &'static str,
    /// What to set there.
    pub setting: &'static str,
}

/// What is said about a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What happened, in a sentence.
    pub text: &'static str,
    /// What would mend it, best first; empty where nothing needs mending.
    pub fixes: &'static [Fix],
}

macro_rules! fix {
    ($at:literal, $setting:literal $(,)?) => {
        Fix {
            at: $at,
            setting: $setting,
        }
    };
}

const EXIM_HEADER: Fix = fix!(
    "Exim",
    "headers_add = X-AuthUser: $authenticated_id, in the smarthost's transport, with headers_remove = X-AuthUser before it",
);
const POSTFIX_HEADER: Fix = fix!(
    "Postfix",
    "smtpd_sasl_authenticated_header = yes, and the method received_trace with [own] hosts and relays",
);
const KEEP_HEADER: Fix = fix!(
    "filter",
    "do not remove the identification header after processing (outgoing settings)",
);
const NAME_HEADER: Fix = fix!(
    "arfd",
    "name the header that your servers add under [[identification.headers]], or choose identification.presets",
);
const TOKEN: Fix = fix!(
    "your mail server",
    "put a token (arfd token make) into Message-ID, CFBL-Feedback-ID or the VERP return path: it survives redaction",
);
const REMOVE_FIRST: Fix = fix!(
    "your mail server",
    "remove the identification header that a customer wrote before you add your own (Exim: headers_remove)",
);
const OWN: Fix = fix!(
    "arfd",
    "complete [own] networks and domains, if the message was yours after all",
);
const KEYS: Fix = fix!(
    "arfd",
    "keep an old key under [[identification.token.keys]] until the last of its tokens has expired",
);

/// What to tell about a reason.
pub fn advice(reason: Reason) -> Advice {
    let (text, fixes): (_, &'static [Fix]) = match reason {
        Reason::NotAReport => ("The message is no abuse report; a person may read it.", &[]),
        Reason::HeaderStripped => (
            "No identification header was in the enclosed message: somebody removed it, and weaker methods are not asked.",
            &[KEEP_HEADER, EXIM_HEADER, NAME_HEADER],
        ),
        Reason::HeaderAmbiguous => (
            "Identification headers in the enclosed message name different senders, so one of them was injected.",
            &[REMOVE_FIRST],
        ),
        Reason::UserAmbiguous => (
            "Headers of the enclosed message name different outgoing users, so one of them was injected.",
            &[
                fix!(
                    "filter",
                    "state the user in the report itself (smtp.auth in Authentication-Results)",
                ),
                fix!("arfd", "trust_enclosed_user = false for this feed"),
            ],
        ),
        Reason::Conflicting => (
            "A strong proof of the sender and another method name different senders: one of them was copied or forged.",
            &[
                REMOVE_FIRST,
                fix!(
                    "arfd",
                    "see the report's raw message; a copied token is stopped by a new key and shorter token lives",
                ),
            ],
        ),
        Reason::SharedUser => (
            "All that is known is a whole server or domain, which is never locked automatically.",
            &[
                EXIM_HEADER,
                POSTFIX_HEADER,
                fix!("filter", "one outgoing user for each customer"),
            ],
        ),
        Reason::Forwarded => (
            "The message came to one of our customers from outside and was forwarded to the complainant: not our customer's spam.",
            &[fix!(
                "your mail server",
                "filter what comes in before it is forwarded, or let customers fetch instead of forward",
            )],
        ),
        Reason::NotOurNetwork => (
            "The message came from an address and a sender that are not ours.",
            &[OWN],
        ),
        Reason::Redacted => (
            "The reporter hid the addresses that could have named the sender.",
            &[
                TOKEN,
                fix!(
                    "arfd",
                    "the method dkim: a signature of ours survives while its headers do",
                ),
            ],
        ),
        Reason::NothingEnclosed => (
            "The report encloses neither the message nor its headers.",
            &[
                fix!("the reporter", "ask for reports with the full headers"),
                TOKEN,
            ],
        ),
        Reason::TokenUnknownKey => (
            "A token was found whose key is not configured: it was dropped too early, or the token is made up.",
            &[KEYS],
        ),
        Reason::TokenBadMac => (
            "A token was found that no key of ours made: it was altered on the way, or made up.",
            &[fix!(
                "arfd",
                "the same secret under [[identification.token.keys]] as at the mail server that makes the tokens",
            )],
        ),
        Reason::TokenExpired => (
            "A token was found whose time was over when the report came.",
            &[fix!(
                "your mail server",
                "make tokens that live longer (arfd token make --days): complaints come for weeks",
            )],
        ),
        Reason::TokenMalformed => (
            "A token was found that was cut off or altered beyond reading.",
            &[fix!(
                "your mail server",
                "keep the local part within 64 octets: use arfd token make --reference for long identities",
            )],
        ),
        Reason::SignatureInvalid => (
            "A DKIM signature in our name does not fit the enclosed headers: they were altered, or it is forged.",
            &[fix!(
                "your mail server",
                "sign relaxed/relaxed, and sign last, after everything that adds or changes headers",
            )],
        ),
        Reason::SignatureUnchecked => (
            "The key of our own DKIM signature could not be had from DNS, and nothing else named the sender.",
            &[fix!(
                "arfd",
                "give the public key under [[identification.dkim.keys]]: then DNS is not asked",
            )],
        ),
        Reason::NothingMatched => (
            "No configured method found anything in the report.",
            &[NAME_HEADER, EXIM_HEADER, POSTFIX_HEADER, TOKEN],
        ),
    };
    Advice { text, fixes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_text_of_its_own_and_a_way_out() {
        let mut texts: Vec<&str> = Reason::ALL.iter().map(|r| advice(*r).text).collect();
        assert!(texts.iter().all(|text| text.ends_with('.')));
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Reason::ALL.len());
        for reason in Reason::ALL {
            let without = *reason == Reason::NotAReport;
            assert_eq!(advice(*reason).fixes.is_empty(), without, "{reason:?}");
        }
    }

    #[test]
    fn codes_are_what_is_written() {
        for reason in Reason::ALL {
            let written = serde_json::to_value(reason).unwrap();
            assert_eq!(written, reason.as_str());
        }
    }
}
