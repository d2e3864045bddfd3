//! Proofs: what shows that a message is a feed's, combined with `all` and `any`. A proof holds, does not hold,
//! or cannot be told for now, because DNS was not asked yet or did not answer.

use super::arrival::{Arrival, Certificate};
use super::checks::{Checks, DkimDemand, Outcome, same_domain};
use ipnet::IpNet;
use jiff::Timestamp;

/// What is known of a message when proofs are held against it.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What SMTP told.
    pub arrival: &'a Arrival,
    /// Whether the message bears any DKIM signature at all.
    pub signed: bool,
    /// What was found out with the help of DNS; none when nobody asked yet.
    pub checks: Option<&'a Checks>,
    /// When the message came.
    pub received_at: Timestamp,
}

/// Three-valued truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It does not hold.
    NotProven,
    /// It cannot be told for now.
    Unknown,
    /// It holds.
    Proven,
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Self::Proven } else { Self::NotProven }
    }
}

/// What a client's certificate is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateName {
    /// SHA-256 of its DER form, in lower-case hexadecimal digits.
    Sha256(String),
    /// One of its DNS names, in lower case, letter by letter.
    Dns(String),
}

impl CertificateName {
    /// Reads `sha256:` and 64 hexadecimal digits (colons between them do no harm), or a DNS name. None for
    /// what is neither.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if let Some(digits) = text.strip_prefix("sha256:") {
            let digits = digits.replace(':', "");
            let fine = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
            return fine.then_some(Self::Sha256(digits));
        }
        let label = |l: &str| {
            !l.is_empty() && (l == "*" || l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
        };
        let fine = text.contains('.') && text.split('.').all(label);
        fine.then_some(Self::Dns(text))
    }

    fn is(&self, certificate: &Certificate) -> bool {
        match self {
            Self::Sha256(digits) => certificate.sha256.eq_ignore_ascii_case(digits),
            Self::Dns(name) => certificate.names.iter().any(|n| same_domain(n, name)),
        }
    }
}

/// One thing that can prove a feed, or several combined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The client's address lies in one of these networks.
    Network(Vec<IpNet>),
    /// The message was sent to one of these exact recipients (a secret alias or plus-tag), compared without case.
    Recipient(Vec<String>),
    /// A DKIM signature of the outer message that verifies and meets the demand.
    Dkim(DkimDemand),
    /// SPF lets the client send for one of these domains, as envelope sender or HELO name.
    Spf(Vec<String>),
    /// The client showed one of these certificates.
    Certificate(Vec<CertificateName>),
    /// The client authenticated as one of these names, letter by letter.
    Login(Vec<String>),
    /// Every one of these holds. None of them is no proof.
    All(Vec<Proof>),
    /// One of these holds.
    Any(Vec<Proof>),
}

impl Proof {
    /// Whether it holds. Unknown never turns into proven: `all` needs every part, and `any` one that is
    /// certain.
    pub fn verdict(&self, facts: Facts<'_>) -> Verdict {
        let arrival = facts.arrival;
        match self {
            Self::Network(networks) => networks
                .iter()
                .any(|net| net.contains(&arrival.client))
                .into(),
            Self::Recipient(addresses) => arrival
                .rcpt_to
                .iter()
                .any(|rcpt| addresses.iter().any(|a| a.eq_ignore_ascii_case(rcpt)))
                .into(),
            Self::Certificate(names) => {
                let shown = arrival.security.certificate.as_ref();
                shown
                    .is_some_and(|shown| names.iter().any(|name| name.is(shown)))
                    .into()
            }
            Self::Login(names) => {
                let login = arrival.security.login.as_ref();
                login.is_some_and(|login| names.contains(login)).into()
            }
            Self::Dkim(demand) => dkim(demand, facts),
            Self::Spf(domains) => spf(domains, facts),
            Self::All(parts) => parts
                .iter()
                .map(|part| part.verdict(facts))
                .min()
                .unwrap_or(Verdict::NotProven),
            Self::Any(parts) => parts
                .iter()
                .map(|part| part.verdict(facts))
                .max()
                .unwrap_or(Verdict::NotProven),
        }
    }

    /// The single proofs in it, in order.
    pub fn leaves(&self) -> Vec<&Proof> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Proof::leaves).collect(),
            leaf => vec![leaf],
        }
    }

    /// Whether it rests on what only this client can have: its network, certificate or login.
    pub fn of_session(&self, facts: Facts<'_>) -> bool {
        self.leaves().into_iter().any(|leaf| {
            matches!(
                leaf,
                Self::Network(_) | Self::Certificate(_) | Self::Login(_)
            ) && leaf.verdict(facts) == Verdict::Proven
        })
    }

    /// A short word for records and cards.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Network(_) => "network",
            Self::Recipient(_) => "recipient",
            Self::Dkim(_) => "dkim",
            Self::Spf(_) => "spf",
            Self::Certificate(_) => "certificate",
            Self::Login(_) => "login",
            Self::All(_) => "all",
            Self::Any(_) => "any",
        }
    }
}

/// A signature that verifies but says too little is none; one that may yet verify counts only if it would say
/// enough.
pub(super) fn dkim(demand: &DkimDemand, facts: Facts<'_>) -> Verdict {
    if !facts.signed {
        return Verdict::NotProven;
    }
    let Some(checks) = facts.checks else {
        return Verdict::Unknown;
    };
    let recipients = &facts.arrival.rcpt_to;
    let best = checks
        .dkim
        .iter()
        .filter(|s| {
            demand
                .flaw(s, checks, recipients, facts.received_at)
                .is_none()
        })
        .map(|s| verdict_of(s.result))
        .max();
    best.unwrap_or(Verdict::NotProven)
}

fn spf(domains: &[String], facts: Facts<'_>) -> Verdict {
    let wanted = |domain: &str| domains.iter().any(|d| same_domain(d, domain));
    if !spf_domains(facts.arrival).into_iter().any(wanted) {
        return Verdict::NotProven;
    }
    let Some(checks) = facts.checks else {
        return Verdict::Unknown;
    };
    let best = checks
        .spf
        .iter()
        .filter(|check| wanted(&check.domain))
        .map(|check| verdict_of(check.result))
        .max();
    best.unwrap_or(Verdict::NotProven)
}

/// The domains whose SPF policies may speak for the client: its sender's and its own name.
pub fn spf_domains(arrival: &Arrival) -> Vec<&str> {
    let sender = arrival.mail_from.rsplit_once('@').map(|(_, domain)| domain);
    let own = Some(arrival.helo.as_str());
    sender
        .into_iter()
        .chain(own)
        .filter(|domain| domain.contains('.') && !domain.starts_with('['))
        .collect()
}

fn verdict_of(result: Outcome) -> Verdict {
    match result {
        Outcome::Pass => Verdict::Proven,
        Outcome::TempError => Verdict::Unknown,
        Outcome::Fail | Outcome::Skipped => Verdict::NotProven,
    }
}
