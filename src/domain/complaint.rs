//! A complaint: one distinct (enclosed message, complainant) of a feed about an identity. Reports repeat
//! (a retry after a lost reply, the filter refusing each retry of one message); complaints do not.

use super::feedback::FeedbackType;
use super::ids::{ComplaintId, IdentityId, MessageKey, ReportId};
use super::report::Reading;
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
    /// What it adds to a rule's sum, by the feed's right.
    pub weight: u32,
    /// When we received it, by our own clock: never a time from the report.
    pub received_at: Timestamp,
}

/// The key of the enclosed message: its Message-ID; without one, what else would tell it from others.
pub fn message_key(reading: &Reading<'_>) -> MessageKey {
    let original = reading.original.as_ref();
    if let Some(id) = original.and_then(|o| o.message_id.as_deref()) {
        return MessageKey::of(&[b"id", id.as_bytes()]);
    }
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let parts = [
        text(original.and_then(|o| o.from.as_deref())),
        text(original.and_then(|o| o.subject.as_deref())),
        original
            .and_then(|o| o.date)
            .map(|d| d.to_string())
            .unwrap_or_default(),
        text(reading.report.original_envelope_id.as_deref()),
        text(reading.report.original_mail_from.as_deref()),
        reading
            .report
            .arrival_date
            .map(|d| d.to_string())
            .unwrap_or_default(),
        reading
            .report
            .source_ip
            .map(|ip| ip.to_string())
            .unwrap_or_default(),
    ];
    let parts: Vec<&[u8]> = std::iter::once(&b"facts"[..])
        .chain(parts.iter().map(|p| p.as_bytes()))
        .collect();
    MessageKey::of(&parts)
}

/// The identifier of the complaint in `reading`. The complainant is the set of original recipients, in
/// any order and case; redacted tokens serve as well (RFC 6590: equal tokens mean equal persons).
pub fn complaint_id(
    identity: IdentityId,
    feed: &str,
    message: MessageKey,
    reading: &Reading<'_>,
) -> ComplaintId {
    let mut complainants: Vec<String> = reading
        .report
        .original_rcpt_to
        .iter()
        .map(|rcpt| rcpt.to_lowercase())
        .collect();
    complainants.sort();
    complainants.dedup();
    let mut parts: Vec<&[u8]> = vec![identity.0.as_bytes(), feed.as_bytes(), message.0.as_bytes()];
    parts.extend(complainants.iter().map(|c| c.as_bytes()));
    ComplaintId::of(&parts)
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
            complaint_id(who, "f", message_key(&r), &r)
        };
        assert_eq!(id(&["A@b", "c@d"]), id(&["c@d", "a@B", "a@b"]));
        assert_ne!(id(&["a@b"]), id(&["a@b", "c@d"]));
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
}
