//! The settings of feeds and of proving them, as they are written in `arfd.toml`, and what the domain makes of
//! them.

use super::values::Span;
use crate::domain::feed::checks::DkimDemand;
use crate::domain::feed::{self, Caps, CertificateName, Proof, Right};
use crate::domain::feedback::FeedbackType;
use ipnet::IpNet;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How feeds are proven that need DNS for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Proving {
    /// DNS servers, as `IP` or `IP:PORT`; none for the system's.
    pub servers: Vec<String>,
    /// How long one query may take before the next server is asked.
    pub query_timeout: Span,
    /// How long all queries of one message may take.
    pub timeout: Span,
    /// Answers kept in memory.
    pub cache: u64,
    /// Signatures of one message that are looked at.
    pub max_signatures: usize,
    /// Messages being looked at, at a time.
    pub concurrency: usize,
    /// The oldest signature that proves anything.
    pub max_signature_age: Span,
    /// The wait before a report that could not be proven is tried again; doubles from try to try.
    pub first_retry: Span,
    /// The longest wait between tries.
    pub max_retry: Span,
    /// How old a report may grow unproven before it stays so.
    pub max_age: Span,
    /// How long a try holds a report before another worker may take it.
    pub lease: Span,
}

impl Default for Proving {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            query_timeout: Span::secs(3),
            timeout: Span::secs(10),
            cache: 4096,
            max_signatures: 4,
            concurrency: 64,
            max_signature_age: Span::secs(5 * 86_400),
            first_retry: Span::secs(30),
            max_retry: Span::secs(1800),
            max_age: Span::secs(2 * 86_400),
            lease: Span::secs(120),
        }
    }
}

/// A source of reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// Its name, in records and metrics.
    pub name: String,
    /// Proof: the client lies in one of these networks.
    #[serde(default)]
    pub networks: Vec<IpNet>,
    /// Proof: it was sent to one of these addresses.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// Proof: one of these domains signed it (DKIM).
    #[serde(default)]
    pub dkim: Vec<String>,
    /// Proof: SPF lets the client send for one of these domains.
    #[serde(default)]
    pub spf: Vec<String>,
    /// Proof: the client showed one of these certificates.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Proof: the client authenticated as one of these names.
    #[serde(default)]
    pub logins: Vec<String>,
    /// Whether all proofs must hold or any.
    #[serde(default)]
    pub demand: Demand,
    /// Proofs in one another, in the place of the keys above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofTable>,
    /// Whether the signing domain must be that of `From` itself.
    #[serde(default)]
    pub dkim_strict: bool,
    /// Whether a signature must say that the report was written to us.
    #[serde(default = "yes")]
    pub dkim_addressed: bool,
    /// Whether it must have come under TLS, whatever else proves it.
    #[serde(default)]
    pub tls: bool,
    /// Whether CFBL reports are taken unsigned.
    #[serde(default)]
    pub cfbl_unsigned: bool,
    /// Whether the outgoing user may be taken from the enclosed message's own headers.
    #[serde(default)]
    pub trust_enclosed_user: bool,
    /// Weight of an abuse, fraud or virus complaint.
    #[serde(default = "one")]
    pub weight: u32,
    /// Weight by feedback type.
    #[serde(default)]
    pub weights: BTreeMap<String, u32>,
    /// The most that its complaints may cause alone.
    #[serde(default)]
    pub may: Right,
    /// Complaints that count in an hour against one identity; 0 for any number.
    #[serde(default)]
    pub max_per_identity: u32,
    /// Complaints that count in an hour in all; 0 for any number.
    #[serde(default)]
    pub max_per_hour: u32,
    /// Up to what number `Incidents` is believed.
    #[serde(default = "one")]
    pub max_incidents: u32,
    /// How often something should come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect_every: Option<Span>,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            name: String::new(),
            networks: Vec::new(),
            recipients: Vec::new(),
            dkim: Vec::new(),
            spf: Vec::new(),
            certificates: Vec::new(),
            logins: Vec::new(),
            demand: Demand::All,
            proof: None,
            dkim_strict: false,
            dkim_addressed: true,
            tls: false,
            cfbl_unsigned: false,
            trust_enclosed_user: false,
            weight: 1,
            weights: BTreeMap::new(),
            may: Right::Lock,
            max_per_identity: 0,
            max_per_hour: 0,
            max_incidents: 1,
            expect_every: None,
        }
    }
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// How a feed's proofs combine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Demand {
    /// Every kind of proof that is given must hold.
    #[default]
    All,
    /// One is enough.
    Any,
}

/// One proof, or several in `all` or `any`: exactly one key is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProofTable {
    /// Every one of these must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub all: Vec<ProofTable>,
    /// One of these must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<ProofTable>,
    /// As [`Feed::networks`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<IpNet>,
    /// As [`Feed::recipients`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<String>,
    /// As [`Feed::dkim`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<String>,
    /// As [`Feed::spf`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spf: Vec<String>,
    /// As [`Feed::certificates`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
    /// As [`Feed::logins`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logins: Vec<String>,
}

impl ProofTable {
    /// How many of its keys are set.
    pub fn keys(&self) -> usize {
        let nested = [&self.all, &self.any];
        nested.iter().filter(|parts| !parts.is_empty()).count() + self.leaves().len()
    }

    /// Which kinds of single proof it has.
    fn leaves(&self) -> Vec<&'static str> {
        [
            ("networks", self.networks.is_empty()),
            ("recipients", self.recipients.is_empty()),
            ("dkim", self.dkim.is_empty()),
            ("spf", self.spf.is_empty()),
            ("certificates", self.certificates.is_empty()),
            ("logins", self.logins.is_empty()),
        ]
        .into_iter()
        .filter_map(|(name, empty)| (!empty).then_some(name))
        .collect()
    }

    /// It and all tables in it.
    pub fn tables(&self) -> Vec<&ProofTable> {
        let inner = self.all.iter().chain(&self.any);
        std::iter::once(self)
            .chain(inner.flat_map(ProofTable::tables))
            .collect()
    }

    /// How deep tables stand in one another.
    pub fn depth(&self) -> usize {
        let inner = self.all.iter().chain(&self.any);
        1 + inner.map(ProofTable::depth).max().unwrap_or(0)
    }
}

impl Feed {
    /// The keys of the feed itself that prove it, as a table of their own.
    pub fn flat(&self) -> ProofTable {
        ProofTable {
            all: Vec::new(),
            any: Vec::new(),
            networks: self.networks.clone(),
            recipients: self.recipients.clone(),
            dkim: self.dkim.clone(),
            spf: self.spf.clone(),
            certificates: self.certificates.clone(),
            logins: self.logins.clone(),
        }
    }

    /// Every table of proofs that it has, however they combine.
    pub fn proofs(&self) -> Vec<ProofTable> {
        match &self.proof {
            Some(table) => table.tables().into_iter().cloned().collect(),
            None => vec![self.flat()],
        }
    }

    /// Every network that can prove something.
    pub fn all_networks(&self) -> Vec<IpNet> {
        let tables = self.proofs().into_iter();
        tables.flat_map(|table| table.networks).collect()
    }

    /// The feed as the domain knows it.
    pub fn to_domain(&self, proving: &Proving) -> feed::Feed {
        let cap = |most: u32| (most > 0).then_some(most);
        feed::Feed {
            name: self.name.clone(),
            proof: match &self.proof {
                Some(table) => self.proof_of(table, proving),
                None => {
                    let leaves = self.leaves_of(&self.flat(), proving);
                    match self.demand {
                        Demand::All => Proof::All(leaves),
                        Demand::Any => Proof::Any(leaves),
                    }
                }
            },
            tls: self.tls,
            cfbl_unsigned: self.cfbl_unsigned,
            trust_enclosed_user: self.trust_enclosed_user,
            weight: self.weight,
            weights: self
                .weights
                .iter()
                .map(|(kind, weight)| (FeedbackType::from(kind.as_str()), *weight))
                .collect(),
            may: self.may,
            caps: Caps {
                identity: cap(self.max_per_identity),
                all: cap(self.max_per_hour),
            },
            max_incidents: self.max_incidents,
            expect_every: self.expect_every.map(signed),
        }
    }

    /// A table that has more than one key, which the check refuses, needs all of them to hold.
    fn proof_of(&self, table: &ProofTable, proving: &Proving) -> Proof {
        let nested = |tables: &[ProofTable]| -> Vec<Proof> {
            tables.iter().map(|t| self.proof_of(t, proving)).collect()
        };
        let mut parts = self.leaves_of(table, proving);
        if !table.all.is_empty() {
            parts.push(Proof::All(nested(&table.all)));
        }
        if !table.any.is_empty() {
            parts.push(Proof::Any(nested(&table.any)));
        }
        match parts.len() {
            1 => parts.remove(0),
            _ => Proof::All(parts),
        }
    }

    fn leaves_of(&self, table: &ProofTable, proving: &Proving) -> Vec<Proof> {
        let lower = |names: &[String]| -> Vec<String> {
            let plain = names.iter().map(|n| n.trim_end_matches('.'));
            plain.map(str::to_lowercase).collect()
        };
        let kinds = table.leaves().into_iter();
        kinds
            .map(|kind| match kind {
                "networks" => Proof::Network(table.networks.clone()),
                "recipients" => Proof::Recipient(table.recipients.clone()),
                "dkim" => Proof::Dkim(DkimDemand {
                    domains: lower(&table.dkim),
                    strict: self.dkim_strict,
                    addressed: self.dkim_addressed,
                    max_age: signed(proving.max_signature_age),
                }),
                "spf" => Proof::Spf(lower(&table.spf)),
                "certificates" => {
                    let names = table.certificates.iter();
                    Proof::Certificate(names.filter_map(|n| CertificateName::parse(n)).collect())
                }
                _ => Proof::Login(table.logins.clone()),
            })
            .collect()
    }
}

fn signed(span: Span) -> SignedDuration {
    SignedDuration::try_from(span.0).unwrap_or(SignedDuration::MAX)
}
