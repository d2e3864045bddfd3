//! Feeds: the configured sources of reports, what proves that a message is theirs, what they may do, and how
//! much each kind of report from them may weigh. Anyone can mail an ARF; only a proven feed's word counts.

mod arrival;
pub mod cfbl;
pub mod checks;
pub mod health;
mod proof;
mod record;
mod rights;

pub use arrival::{Arrival, Certificate, Security, takes};
pub use proof::{CertificateName, Facts, Proof, Verdict, spf_domains};
pub use record::{Ending, ProofRecord};
pub use rights::{Caps, Right};

use super::feedback::FeedbackType;
use checks::DkimDemand;
use jiff::SignedDuration;
use std::collections::BTreeMap;

/// The most that `Incidents` may be believed: a feed's word multiplies its weight by this at most.
pub const MOST_INCIDENTS: u32 = 1_000;

/// A configured source of reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Its name: a label in metrics and records.
    pub name: String,
    /// What proves it. Configuration refuses a feed that nothing proves.
    pub proof: Proof,
    /// Whether the message must have come under TLS, whatever else proves it. Of itself it proves nothing.
    pub tls: bool,
    /// Whether a CFBL report (RFC 9477) without an aligned signature is taken all the same.
    pub cfbl_unsigned: bool,
    /// Whether the outgoing user may be taken from the enclosed message's headers where the feedback part
    /// does not state it. Whoever wrote the message may have written them: right only for a loop that
    /// reports nothing but mail that passed the filter, which sets them itself.
    pub trust_enclosed_user: bool,
    /// Weight of an `abuse`, `fraud` or `virus` complaint that `weights` does not name.
    pub weight: u32,
    /// Weight for single feedback types; 0 records without counting. Types other than the three above
    /// count only when they are named here.
    pub weights: BTreeMap<FeedbackType, u32>,
    /// The most that its complaints may cause alone.
    pub may: Right,
    /// How many of its complaints count in an hour.
    pub caps: Caps,
    /// Up to what number its `Incidents` field is believed; 1 is not at all.
    pub max_incidents: u32,
    /// How often something should come from it; none when it may be silent.
    pub expect_every: Option<SignedDuration>,
}

impl Default for Feed {
    /// A feed that nothing proves.
    fn default() -> Self {
        Self {
            name: String::new(),
            proof: Proof::All(Vec::new()),
            tls: false,
            cfbl_unsigned: false,
            trust_enclosed_user: false,
            weight: 1,
            weights: BTreeMap::new(),
            may: Right::Lock,
            caps: Caps::default(),
            max_incidents: 1,
            expect_every: None,
        }
    }
}

impl Feed {
    /// Whether the facts prove this feed.
    pub fn verdict(&self, facts: Facts<'_>) -> Verdict {
        if self.tls && !facts.arrival.security.tls {
            return Verdict::NotProven;
        }
        self.proof.verdict(facts)
    }

    /// What a complaint of that type from this feed adds to a rule's sum. Zero for types that never count.
    pub fn weight_of(&self, kind: &FeedbackType) -> u32 {
        if !kind.may_count() {
            return 0;
        }
        let usual = match kind {
            FeedbackType::Abuse | FeedbackType::Fraud | FeedbackType::Virus => self.weight,
            _ => 0,
        };
        self.weights.get(kind).copied().unwrap_or(usual)
    }

    /// The same for a report that claims to speak for so many messages (`Incidents`, RFC 5965 section 3.2):
    /// the weight is multiplied as far as the feed is believed. It stays one message and one complainant.
    pub fn weight_with(&self, kind: &FeedbackType, incidents: Option<u32>) -> u32 {
        let most = self.max_incidents.clamp(1, MOST_INCIDENTS);
        let believed = incidents.unwrap_or(1).clamp(1, most);
        self.weight_of(kind).saturating_mul(believed)
    }
}

/// Which feed a message is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'f> {
    /// This one: the first in configured order whose proof holds.
    Proven(&'f Feed),
    /// It cannot be told for now: a feed may be proven yet that comes before any that is.
    Unknown,
    /// None.
    Nobody,
}

/// The source of a message. `finally`: nothing more will be found out, so what is unknown does not hold.
pub fn prove<'f>(feeds: &'f [Feed], facts: Facts<'_>, finally: bool) -> Source<'f> {
    for feed in feeds {
        match feed.verdict(facts) {
            Verdict::Proven => return Source::Proven(feed),
            Verdict::Unknown if !finally => return Source::Unknown,
            Verdict::Unknown | Verdict::NotProven => {}
        }
    }
    Source::Nobody
}

/// What must be found out before the source of a message can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enquiry {
    /// Which signatures would prove something.
    pub dkim: Vec<DkimDemand>,
    /// The domains whose SPF policies would.
    pub spf: Vec<String>,
    /// Which public keys of our own are wanted, each by domain and selector.
    pub keys: Vec<(String, String)>,
}

impl Enquiry {
    /// Whether nothing need be asked.
    pub fn is_empty(&self) -> bool {
        self.dkim.is_empty() && self.spf.is_empty() && self.keys.is_empty()
    }

    /// What must be asked of DNS about a message: nothing but what feeds need that could be the source.
    pub fn of(feeds: &[Feed], facts: Facts<'_>) -> Self {
        let mut enquiry = Self::default();
        for feed in feeds {
            match feed.verdict(facts) {
                Verdict::Proven => break,
                Verdict::NotProven => {}
                Verdict::Unknown => enquiry.add(&feed.proof, facts),
            }
        }
        enquiry
    }

    /// Adds what is unknown in a proof.
    fn add(&mut self, proof: &Proof, facts: Facts<'_>) {
        let leaves = proof.leaves().into_iter();
        for leaf in leaves.filter(|leaf| leaf.verdict(facts) == Verdict::Unknown) {
            match leaf {
                Proof::Dkim(demand) if !self.dkim.contains(demand) => {
                    self.dkim.push(demand.clone());
                }
                Proof::Spf(domains) => self.spf.extend(domains.iter().cloned()),
                _ => {}
            }
        }
    }
}

/// The feed that a message that proves none most likely claims to be from: the first of whose proof a part
/// holds. For figures only.
pub fn nearest<'f>(feeds: &'f [Feed], facts: Facts<'_>) -> Option<&'f Feed> {
    let held = |feed: &&Feed| {
        let leaves = feed.proof.leaves().into_iter();
        leaves.map(|leaf| leaf.verdict(facts)).max() == Some(Verdict::Proven)
    };
    feeds.iter().find(held)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
