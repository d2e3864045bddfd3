//! A complaint: one distinct (enclosed message, complainant) of a feed about an identity. Reports repeat
//! (a retry after a lost reply, the filter refusing each retry of one message); complaints do not.

use super::feed::Right;
use super::feedback::FeedbackType;
use super::headers::HeaderBlock;
use super::ids::{ComplainantKey, ComplaintId, IdentityId, MessageKey, ReportId};
use super::report::Reading;
use super::strength::Strength;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A complaint as it is counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complaint {
    /// Identifier: the same complaint has the same one, so the second folds into the first.
    pub id: ComplaintId,
    /// The report that brought it.
    pub report: ReportId,
    /// Whom it is about.
    pub identity: IdentityId,
    /// The feed's configured name.
    pub feed: String,
    /// What is complained of.
    pub feedback_type: FeedbackType,
    /// The enclosed message, for counting distinct ones.
    pub message: MessageKey,
    /// Who complains, for counting distinct ones: one person alone must not lock anybody.
    pub complainant: ComplainantKey,
    /// What it adds to a rule's sum, by the feed's right.
    pub weight: u32,
    /// The most that its feed's complaints may cause alone.
    #[serde(default)]
    pub may: Right,
    /// How well it is known that it is about this identity.
    #[serde(default)]
    pub strength: Strength,
    /// The class that the filter gave the enclosed message (`spam`, `phish`, `virus`), where one is stated.
    #[serde(default)]
    pub class: Option<String>,
    /// When we received it, by our own clock: never a time from the report.
    pub received_at: Timestamp,
}

/// Enclosed headers that differ between tries of one message, or that each hop adds.
const CHANGING: [&str; 4] = ["received", "x-received", "return-path", "delivered-to"];

/// The key of the enclosed message: its Message-ID; without one, its headers as far as they are the same at
/// each try; without any headers, what the feedback part says of it.
pub fn message_key(reading: &Reading<'_>) -> MessageKey {
    let original = reading.original.as_ref();
    if let Some(id) = original.and_then(|o| o.message_id.as_deref()) {
        return MessageKey::of(&[b"id", id.as_bytes()]);
    }
    let headers = lasting(&reading.headers);
    if !headers.is_empty() {
        let mut parts: Vec<&[u8]> = vec![b"headers"];
        parts.extend(headers.iter().map(|header| header.as_bytes()));
        return MessageKey::of(&parts);
    }
    let report = &reading.report;
    let text = |value: Option<String>| value.unwrap_or_default();
    let parts = [
        text(report.original_envelope_id.clone()),
        text(report.original_mail_from.clone()),
        text(report.arrival_date.map(|date| date.to_string())),
        text(report.source_ip.map(|ip| ip.to_string())),
    ];
    let parts: Vec<&[u8]> = std::iter::once(&b"facts"[..])
        .chain(parts.iter().map(|part| part.as_bytes()))
        .collect();
    MessageKey::of(&parts)
}

fn lasting(headers: &HeaderBlock<'_>) -> Vec<String> {
    headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| !CHANGING.contains(&name.as_str()) && !name.starts_with("x-filter-"))
        .map(|(name, value)| format!("{name}:{value}"))
        .collect()
}

/// The complainant: the set of original recipients, in any order and spelling. Redacted tokens serve as well
/// (RFC 6590: equal tokens mean equal persons).
pub fn complainant_key(reading: &Reading<'_>) -> ComplainantKey {
    let rcpt = reading.report.original_rcpt_to.iter();
    let mut complainants: Vec<String> = rcpt.map(|rcpt| person(rcpt)).collect();
    complainants.sort();
    complainants.dedup();
    let parts: Vec<&[u8]> = complainants.iter().map(|c| c.as_bytes()).collect();
    ComplainantKey::of(&parts)
}

/// One spelling for all the addresses that a mailbox has without being set up for it: without case and tags (RFC
/// 5233, `kim+shop@`), and where the provider ignores them without dots (Google) or with its own mark for tags
/// (Yahoo, `kim-shop@`). Two persons who become one by this cost a late lock; one who counts as many, a wrong one.
fn person(address: &str) -> String {
    let address = address.trim().to_lowercase();
    let Some((local, domain)) = address.rsplit_once('@') else {
        return address;
    };
    let domain = domain.trim_end_matches('.');
    let untagged = |local: &str, mark: char| match local.split_once(mark) {
        Some((name, _)) if !name.is_empty() => name.to_owned(),
        _ => local.to_owned(),
    };
    let local = untagged(local, '+');
    let house = domain.split('.').next().unwrap_or(domain);
    match house {
        "gmail" | "googlemail" => format!("{}@gmail.com", local.replace('.', "")),
        "yahoo" | "ymail" | "rocketmail" => format!("{}@{domain}", untagged(&local, '-')),
        _ => format!("{local}@{domain}"),
    }
}

/// The identifier of a complaint.
pub fn complaint_id(
    identity: IdentityId,
    feed: &str,
    message: MessageKey,
    complainant: ComplainantKey,
) -> ComplaintId {
    ComplaintId::of(&[
        identity.0.as_bytes(),
        feed.as_bytes(),
        message.0.as_bytes(),
        complainant.0.as_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::report::Original;

    fn reading(message_id: Option<&str>, rcpt: &[&str]) -> Reading<'static> {
        let mut reading = Reading::none();
        reading.original = Some(Original {
            message_id: message_id.map(str::to_owned),
            ..Original::default()
        });
        reading.report.original_rcpt_to = rcpt.iter().map(|s| (*s).to_owned()).collect();
        reading
    }

    #[test]
    fn order_case_and_repeats_of_recipients_do_not_matter() {
        let who = IdentityId::of(&[b"x"]);
        let id = |rcpt: &[&str]| {
            let r = reading(Some("m@x"), rcpt);
            complaint_id(who, "f", message_key(&r), complainant_key(&r))
        };
        assert_eq!(id(&["A@b", "c@d"]), id(&["c@d", "a@B", "a@b"]));
        assert_ne!(id(&["a@b"]), id(&["a@b", "c@d"]));
    }

    #[test]
    fn one_mailbox_is_one_complainant() {
        let key = |address: &str| complainant_key(&reading(None, &[address]));
        for (one, other) in [
            ("kim@a.example", "KIM@A.example."),
            ("kim@a.example", "kim+shop@a.example"),
            ("kim@a.example", "kim++x+y@a.example"),
            ("k.i.m@gmail.com", "kim+x@googlemail.com"),
            ("kim@yahoo.com", "kim-shop@yahoo.com"),
        ] {
            assert_eq!(key(one), key(other), "{one} {other}");
        }
        for (one, other) in [
            ("kim@a.example", "kim@b.example"),
            ("k.im@a.example", "kim@a.example"),
            ("kim-lee@a.example", "kim-roe@a.example"),
            ("+kim@a.example", "+lee@a.example"),
            ("2f5c@yahoo.com", "9d1e@yahoo.com"),
        ] {
            assert_ne!(key(one), key(other), "{one} {other}");
        }
    }

    #[test]
    fn without_message_id_other_facts_tell_messages_apart() {
        let mut one = reading(None, &[]);
        let mut two = reading(None, &[]);
        assert_eq!(message_key(&one), message_key(&two));
        one.report.original_envelope_id = Some("1".into());
        two.report.original_envelope_id = Some("2".into());
        assert_ne!(message_key(&one), message_key(&two));
    }

    #[test]
    fn tries_of_a_message_without_message_id_are_one_message() {
        let attempt = |n: u32| {
            let mut r = reading(None, &["a@b"]);
            r.report.original_envelope_id = Some(format!("try-{n}"));
            let headers = format!("Received: by x id {n}\r\nFrom: a@b\r\nSubject: buy\r\n");
            r.headers = HeaderBlock::new(headers.into_bytes());
            message_key(&r)
        };
        assert_eq!(attempt(1), attempt(2));
    }
}
