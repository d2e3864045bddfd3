//! What was read from one message: the RFC 5965 fields, the enclosed message's own facts, what had to be
//! recovered from elsewhere, and every departure from the standard. A reading keeps more than any one
//! use needs, because a report cannot be asked for twice.

use super::feedback::FeedbackType;
use super::headers::HeaderBlock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Which family of formats a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Format {
    /// Abuse Reporting Format (RFC 5965), with or without a proper envelope.
    #[serde(rename = "arf")]
    Arf,
    /// Microsoft's Junk Mail Reporting Program before it sent ARF: the spam as a plain attachment.
    #[serde(rename = "jmrp")]
    Jmrp,
    /// XARF v2 to v4: JSON.
    #[serde(rename = "xarf")]
    Xarf,
    /// X-ARF 0.1 and 0.2: YAML.
    #[serde(rename = "x-arf")]
    XArf,
    /// SpamCop's plain text.
    #[serde(rename = "spamcop")]
    SpamCop,
    /// A sending service's event as JSON.
    #[serde(rename = "webhook")]
    Webhook,
    /// Not a report: human mail, bounces, anything else. Kept all the same.
    #[serde(rename = "none")]
    None,
}

impl Format {
    /// The stable name, as in JSON, the store and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Arf => "arf",
            Self::Jmrp => "jmrp",
            Self::Xarf => "xarf",
            Self::XArf => "x-arf",
            Self::SpamCop => "spamcop",
            Self::Webhook => "webhook",
            Self::None => "none",
        }
    }
}

/// What a message is that is no report, or none that may count. Absent: anything else, people's mail above all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageKind {
    /// A bounce (RFC 3464 or older).
    Bounce,
    /// An answer that no person wrote (RFC 3834), or a receipt.
    AutoReply,
    /// Administrative mail of a feedback loop.
    #[serde(rename = "feedback-loop-admin")]
    LoopAdmin,
    /// A message sent on as an attachment.
    Forward,
    /// A message pasted into a text; low confidence.
    InlineForward,
    /// A report inside another message: the feed's proof does not reach it.
    ForwardedReport,
    /// A request to be taken off a list.
    Unsubscribe,
    /// A DMARC failure told in prose.
    DmarcProse,
    /// A sending service's event that is no complaint.
    Event,
}

impl MessageKind {
    /// The stable name, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bounce => "bounce",
            Self::AutoReply => "auto-reply",
            Self::LoopAdmin => "feedback-loop-admin",
            Self::Forward => "forward",
            Self::InlineForward => "inline-forward",
            Self::ForwardedReport => "forwarded-report",
            Self::Unsubscribe => "unsubscribe",
            Self::DmarcProse => "dmarc-prose",
            Self::Event => "event",
        }
    }
}

/// The machine-readable part of a report, by RFC 5965's names (sections 3.1 and 3.2), with RFC 6591's and
/// RFC 6692's additions. Absent is absent: nothing here is guessed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What kind of complaint it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback_type: Option<FeedbackType>,
    /// The generator's name and version. Never a basis for policy (RFC 5965 section 8.8).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The format's version: "1" by the standard, others in the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Envelope id of the original: Exim's message id in the filter's reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_envelope_id: Option<String>,
    /// Envelope sender of the original, without brackets. The empty string is the null sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original_mail_from: Option<String>,
    /// Envelope recipients of the original, without brackets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub original_rcpt_to: Vec<String>,
    /// When the original arrived at the reporter (`Arrival-Date`, or historic `Received-Date`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrival_date: Option<Timestamp>,
    /// The MTA that reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reporting_mta: Option<String>,
    /// The address that the original came from; `::ffff:` forms are unmapped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<IpAddr>,
    /// Its port (RFC 6692).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// How many messages the reporter claims to speak for. A claim, not a fact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incidents: Option<u32>,
    /// Results of authentication at the reporter, one entry a field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authentication_results: Vec<String>,
    /// Domains that the report is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reported_domain: Vec<String>,
    /// URIs that the report is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reported_uri: Vec<String>,
    /// `Auth-Failure` (RFC 6591 section 3.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_failure: Option<String>,
    /// `Delivery-Result` (RFC 6591 section 3.2.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_result: Option<String>,
    /// `DKIM-Domain` (RFC 6591 section 3.2.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dkim_domain: Option<String>,
    /// `DKIM-Identity` (RFC 6591).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dkim_identity: Option<String>,
    /// `DKIM-Selector` (RFC 6591).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dkim_selector: Option<String>,
    /// `SPF-DNS` (RFC 6591 section 3.2.4), one entry a field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spf_dns: Vec<String>,
    /// `Identity-Alignment` (RFC 7489 section 7.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_alignment: Option<String>,
    /// Every field that is not named above, in snake_case, with all its values in order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extensions: BTreeMap<String, Vec<String>>,
}

impl Report {
    /// How many messages the reporter claims to speak for: one where it does not say (RFC 5965 section 3.2).
    pub fn claimed_incidents(&self) -> u32 {
        self.incidents.unwrap_or(1)
    }
}

/// Facts of the enclosed message that identify it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    /// Its Message-ID without brackets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Its `From` as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its `Subject`, decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its `Date`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Timestamp>,
    /// Whether only its headers were enclosed.
    pub headers_only: bool,
}

/// One departure from the standard: a stable code in kebab-case, such as `missing-version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Defect(pub &'static str);

/// Everything that was read from one message. Serialises to `schemas/report.schema.json`, without `file`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reading<'a> {
    /// The format that was recognised.
    pub format: Format,
    /// What it is beside that, for what may not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<MessageKind>,
    /// The feedback part's fields. Empty where there is none.
    pub report: Report,
    /// The enclosed message, where there is one.
    pub original: Option<Original>,
    /// The enclosed message's header block, for attribution.
    #[serde(skip)]
    pub headers: HeaderBlock<'a>,
    /// The enclosed message's body, where it is there as it was and not encoded again.
    #[serde(skip)]
    pub body: Option<&'a [u8]>,
    /// Field (RFC 5965 name in snake_case) -> where its value was recovered from.
    pub derived: BTreeMap<&'static str, String>,
    /// Fields whose value hides a person: a digest, a mask, a token of RFC 6590. Equal tokens are equal persons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub redacted: Vec<&'static str>,
    /// What was wrong with the report, in order of discovery, each once.
    pub defects: Vec<Defect>,
}

impl Reading<'_> {
    /// A reading of a message that is no report.
    pub fn none() -> Self {
        Self {
            format: Format::None,
            kind: None,
            report: Report::default(),
            original: None,
            headers: HeaderBlock::default(),
            body: None,
            derived: BTreeMap::new(),
            redacted: Vec::new(),
            defects: Vec::new(),
        }
    }

    /// A reading of a message of that kind, which is no report.
    pub fn of_kind(kind: MessageKind) -> Self {
        Self {
            kind: Some(kind),
            ..Self::none()
        }
    }

    /// Notes a departure from the standard, once.
    pub fn defect(&mut self, code: &'static str) {
        if !self.defects.contains(&Defect(code)) {
            self.defects.push(Defect(code));
        }
    }

    /// The same, without the bytes that it was read from. Only the headers are copied.
    pub fn into_owned(self) -> Reading<'static> {
        Reading {
            headers: HeaderBlock::new(self.headers.as_bytes().to_vec()),
            format: self.format,
            kind: self.kind,
            report: self.report,
            original: self.original,
            body: None,
            derived: self.derived,
            redacted: self.redacted,
            defects: self.defects,
        }
    }

    /// The JSON value of `schemas/report.schema.json`, without `file`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}
