//! A filing: all that the store needs to know of one message, decided before the store is asked; and what
//! the store did with it.

use super::alias::AliasRecord;
use super::attribution::Attribution;
use super::complaint::Complaint;
use super::feed::{Arrival, Caps};
use super::feedback::FeedbackType;
use super::ids::{IncidentId, ReportId};
use super::life::Life;
use super::report::Format;
use super::restraint::{Restraint, Restraints};
use super::routing::Routing;
use super::standing::Standing;
use super::threshold::{Rule, Step};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The message as it came, compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The bytes, compressed with zstd.
    pub zstd: Vec<u8>,
    /// Their length before compression, in octets.
    pub size: u64,
}

/// One message, read and judged, ready for the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filing {
    /// Its identifier.
    pub id: ReportId,
    /// When it arrived here.
    pub received_at: Timestamp,
    /// What SMTP told about it.
    pub arrival: Arrival,
    /// The feed that it is proven to be from.
    pub feed: Option<String>,
    /// What was found out for its proof, as JSON; none where nothing had to be.
    pub proof: Option<String>,
    /// The recognised format.
    pub format: Format,
    /// The feedback type, where it has one.
    pub feedback_type: Option<FeedbackType>,
    /// The address that the enclosed message came from.
    pub source_ip: Option<IpAddr>,
    /// The enclosed message's Message-ID.
    pub message_id: Option<String>,
    /// The whole reading as JSON (`schemas/report.schema.json`).
    pub reading: String,
    /// Who sent the enclosed message.
    pub attribution: Attribution,
    /// What was looked up about that identity; none where nothing was, or nothing is known.
    pub alias: Option<AliasRecord>,
    /// Whether it counts, as far as can be said without the store.
    pub standing: Standing,
    /// The complaint, when the standing is `Counted`.
    pub complaint: Option<Complaint>,
    /// The raw message.
    pub evidence: Evidence,
}

/// What the rules ask for, as the store applies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The rules in order.
    pub rules: Vec<Rule>,
    /// Which targets get the orders of an incident; none while locks are only observed.
    pub targets: Routing,
    /// What keeps a crossing from locking at once.
    pub restraints: Restraints,
    /// How many complaints of a feed count in an hour, for the feeds that have such caps.
    pub caps: BTreeMap<String, Caps>,
    /// How long after a crossing an identity is assessed again, in seconds: its incident has then expired.
    pub reopen_after_seconds: u64,
    /// How long locks last, and what follows a release.
    pub life: Life,
}

/// What became of a filing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filed {
    /// Its identifier.
    pub id: ReportId,
    /// Its final standing; for a repeated report the one of the first time.
    pub standing: Standing,
    /// The very same report was filed before; nothing was written now.
    pub repeated: bool,
    /// The incident that this report opened, and the rule that it crossed.
    pub opened: Option<Opened>,
}

/// An incident that a report opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The incident.
    pub incident: IncidentId,
    /// The crossed rule's name.
    pub rule: String,
    /// What the rule asks for.
    pub action: Step,
    /// Whether its orders go out now: not while locks are only observed, nor when something restrains it.
    pub ordered: bool,
    /// What restrains it, if anything does.
    pub restraint: Option<Restraint>,
}
