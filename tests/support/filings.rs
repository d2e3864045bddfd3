//! Filings as tests need them: counted complaints of a given identity, or mail that is no report.

use arfd::domain::attribution::{Attribution, IdentificationMethod, Reason};
use arfd::domain::complaint::Complaint;
use arfd::domain::feed::{Arrival, Right, Security};
use arfd::domain::feedback::FeedbackType;
use arfd::domain::filing::{Evidence, Filing, Policy};
use arfd::domain::identity::{Identity, OutgoingUser};
use arfd::domain::ids::{ComplainantKey, ComplaintId, MessageKey, ReportId};
use arfd::domain::report::Format;
use arfd::domain::routing::Routing;
use arfd::domain::standing::Standing;
use arfd::domain::threshold::Rule;
use jiff::Timestamp;

/// An instant, in seconds after a fixed one.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

/// The identity `NAME@example.com` of the outgoing user `mta@example.com`.
pub fn identity(name: &str) -> Identity {
    Identity {
        outgoing_user: OutgoingUser::new("example.com", "mta"),
        value: format!("{name}@example.com"),
    }
}

/// Mail that is no report, told from others by `number`.
pub fn no_report(number: u32, second: i64) -> Filing {
    let message = format!("Subject: {number}\r\n\r\nHello\r\n");
    Filing {
        id: ReportId::of(&[b"none", &number.to_be_bytes()]),
        received_at: at(second),
        arrival: Arrival {
            client: "192.0.2.1".parse().unwrap(),
            helo: "mx.example.net".into(),
            mail_from: String::new(),
            rcpt_to: vec!["abuse@example.org".into()],
            security: Security::default(),
        },
        feed: None,
        proof: None,
        format: Format::None,
        feedback_type: None,
        source_ip: None,
        message_id: None,
        reading: "{}".into(),
        attribution: Attribution::Unattributed {
            reason: Reason::NotAReport,
            outgoing_user: None,
        },
        alias: None,
        standing: Standing::NotAReport,
        complaint: None,
        evidence: Evidence {
            zstd: zstd::bulk::compress(message.as_bytes(), 1).unwrap(),
            size: message.len() as u64,
        },
    }
}

/// A counted complaint about `name`, told from others by `number`.
pub fn filing(name: &str, number: u32, second: i64) -> Filing {
    let identity = identity(name);
    let parts: [&[u8]; 2] = [name.as_bytes(), &number.to_be_bytes()];
    let mut filing = no_report(number, second);
    filing.id = ReportId::of(&parts);
    filing.feed = Some("filter".into());
    filing.format = Format::Arf;
    filing.feedback_type = Some(FeedbackType::Abuse);
    filing.source_ip = Some("198.51.100.7".parse().unwrap());
    filing.message_id = Some(format!("{number}.{name}@example.com"));
    filing.standing = Standing::Counted;
    filing.complaint = Some(Complaint {
        id: ComplaintId::of(&parts),
        report: filing.id,
        identity: identity.id(),
        feed: "filter".into(),
        feedback_type: FeedbackType::Abuse,
        message: MessageKey::of(&parts),
        complainant: ComplainantKey::of(&parts),
        weight: 1,
        may: Right::Lock,
        strength: arfd::domain::strength::Strength::Vouched,
        class: None,
        received_at: filing.received_at,
    });
    filing.attribution = Attribution::Identified {
        identity,
        method: IdentificationMethod::EnvelopeSender,
        provenance: "Original-Mail-From".into(),
        strength: Default::default(),
    };
    filing
}

/// Several complaints about `name`, a second apart, the first at the second of its number.
pub fn filings(name: &str, numbers: std::ops::Range<u32>) -> Vec<Filing> {
    numbers.map(|n| filing(name, n, i64::from(n))).collect()
}

/// One rule, `burst`: so much weight within an hour; with orders to these targets.
pub fn policy(min_weight: u64, targets: &[&str]) -> Policy {
    Policy {
        caps: Default::default(),
        reopen_after_seconds: 7 * 86_400,
        rules: vec![Rule {
            name: "burst".into(),
            window_seconds: 3600,
            min_weight,
            ..Rule::default()
        }],
        restraints: Default::default(),
        life: Default::default(),
        targets: Routing::to_all(targets.iter().copied()),
    }
}
