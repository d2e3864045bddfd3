//! Feeds: the configured sources of reports, what proves that a message is theirs, and how much each kind
//! of report from them may weigh. Anyone can mail an ARF; only a proven feed's word counts.

use super::feedback::FeedbackType;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What SMTP told about a message: the facts that proofs are held against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The client's address, `::ffff:` unmapped.
    pub client: IpAddr,
    /// What it called itself.
    pub helo: String,
    /// The envelope sender; empty for the null sender.
    pub mail_from: String,
    /// The envelope recipients.
    pub rcpt_to: Vec<String>,
    /// How the client's session was secured.
    pub security: Security,
}

/// How a session was secured: what the client proved of itself besides its address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// Whether the message came under TLS.
    pub tls: bool,
    /// The client's certificate. It holds the key; see the names for what an authority says.
    pub certificate: Option<Certificate>,
    /// The name it authenticated as (RFC 4954).
    pub login: Option<String>,
}

/// A client's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of its DER form, in lower-case hexadecimal digits.
    pub sha256: String,
    /// The DNS names it was issued for (RFC 5280 section 4.2.1.6), in lower case. Empty unless a configured
    /// authority vouches for it.
    pub names: Vec<String>,
}

/// One thing that can prove a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The client's address lies in one of these networks.
    Network(Vec<IpNet>),
    /// The message was sent to one of these exact recipients (a secret alias), compared without case.
    Recipient(Vec<String>),
}

impl Proof {
    fn holds(&self, arrival: &Arrival) -> bool {
        match self {
            Self::Network(networks) => networks.iter().any(|net| net.contains(&arrival.client)),
            Self::Recipient(addresses) => arrival
                .rcpt_to
                .iter()
                .any(|rcpt| addresses.iter().any(|a| a.eq_ignore_ascii_case(rcpt))),
        }
    }

    /// A short word for records and cards.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Network(_) => "network",
            Self::Recipient(_) => "recipient",
        }
    }
}

/// How several proofs combine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Every proof must hold.
    All,
    /// One is enough.
    Any,
}

/// A configured source of reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Its name: a label in metrics and records.
    pub name: String,
    /// What proves it. Never empty: configuration refuses a feed that nothing proves.
    pub proofs: Vec<Proof>,
    /// How they combine.
    pub demand: Demand,
    /// Whether the message must have come under TLS, whatever else proves it. Of itself it proves nothing.
    pub tls: bool,
    /// Whether the outgoing user may be taken from the enclosed message's headers where the feedback part
    /// does not state it. Whoever wrote the message may have written them: right only for a loop that
    /// reports nothing but mail that passed the filter, which sets them itself.
    pub trust_enclosed_user: bool,
    /// Weight of an `abuse`, `fraud` or `virus` complaint that `weights` does not name.
    pub weight: u32,
    /// Weight for single feedback types; 0 records without counting. Types other than the three above
    /// count only when they are named here.
    pub weights: BTreeMap<FeedbackType, u32>,
}

impl Feed {
    /// Whether the arrival proves this feed.
    pub fn proven_by(&self, arrival: &Arrival) -> bool {
        if self.tls && !arrival.security.tls {
            return false;
        }
        let mut proofs = self.proofs.iter();
        match self.demand {
            Demand::All => !self.proofs.is_empty() && proofs.all(|p| p.holds(arrival)),
            Demand::Any => proofs.any(|p| p.holds(arrival)),
        }
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
}

/// The first feed, in configured order, that the arrival proves.
pub fn prove<'f>(feeds: &'f [Feed], arrival: &Arrival) -> Option<&'f Feed> {
    feeds.iter().find(|feed| feed.proven_by(arrival))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(client: &str, rcpt: &str) -> Arrival {
        Arrival {
            client: client.parse().unwrap(),
            helo: "x".into(),
            mail_from: String::new(),
            rcpt_to: vec![rcpt.into()],
            security: Security::default(),
        }
    }

    fn feed(demand: Demand) -> Feed {
        Feed {
            name: "filter".into(),
            proofs: vec![
                Proof::Network(vec!["192.0.2.0/28".parse().unwrap()]),
                Proof::Recipient(vec!["arf-secret@abuse.example".into()]),
            ],
            demand,
            tls: false,
            trust_enclosed_user: false,
            weight: 1,
            weights: BTreeMap::from([
                (FeedbackType::Virus, 3),
                (FeedbackType::Other, 0),
                (FeedbackType::NotSpam, 9),
            ]),
        }
    }

    #[test]
    fn truth_table_of_proofs() {
        for (client, rcpt, all, any) in [
            ("192.0.2.1", "arf-secret@abuse.example", true, true),
            ("192.0.2.1", "ARF-Secret@Abuse.Example", true, true),
            ("192.0.2.1", "abuse@abuse.example", false, true),
            ("198.51.100.1", "arf-secret@abuse.example", false, true),
            ("198.51.100.1", "abuse@abuse.example", false, false),
        ] {
            let a = arrival(client, rcpt);
            assert_eq!(feed(Demand::All).proven_by(&a), all, "all {client} {rcpt}");
            assert_eq!(feed(Demand::Any).proven_by(&a), any, "any {client} {rcpt}");
        }
    }

    #[test]
    fn tls_is_a_condition_and_no_proof() {
        for demand in [Demand::All, Demand::Any] {
            let mut f = feed(demand);
            f.tls = true;
            for (client, tls, proven) in [
                ("192.0.2.1", false, false),
                ("192.0.2.1", true, true),
                ("198.51.100.1", true, false),
            ] {
                let rcpt = match proven {
                    true => "arf-secret@abuse.example",
                    false => "abuse@abuse.example",
                };
                let mut a = arrival(client, rcpt);
                a.security.tls = tls;
                assert_eq!(f.proven_by(&a), proven, "{demand:?} {client} {tls}");
                if proven {
                    a.security.tls = false;
                    assert!(!f.proven_by(&a), "{demand:?} without TLS");
                }
            }
        }
    }

    #[test]
    fn a_feed_without_proofs_is_never_proven() {
        for demand in [Demand::All, Demand::Any] {
            let mut f = feed(demand);
            f.proofs.clear();
            assert!(!f.proven_by(&arrival("192.0.2.1", "x@y")));
        }
    }

    #[test]
    fn weights() {
        let f = feed(Demand::All);
        assert_eq!(f.weight_of(&FeedbackType::Abuse), 1);
        assert_eq!(f.weight_of(&FeedbackType::Virus), 3);
        assert_eq!(f.weight_of(&FeedbackType::Fraud), 1);
        assert_eq!(f.weight_of(&FeedbackType::OptOut), 0);
        assert_eq!(f.weight_of(&FeedbackType::from("brand-new")), 0);
        assert_eq!(f.weight_of(&FeedbackType::NotSpam), 0);
        assert_eq!(f.weight_of(&FeedbackType::AuthFailure), 0);
    }
}
