//! The mails of the simulation, as bytes, and what the judge knows of their sources.

use arfd::domain::attribution::{HeaderMissing, HeaderRule, IdentificationMethod, Methods};
use arfd::domain::feed::{Arrival, Feed, Proof, Security};
use arfd::domain::identity::{Identity, OutgoingUser};
use arfd::intake::prepare::Judge;

/// Outgoing users (name, domain) and identities. The same identity under two users is two.
pub const PEOPLE: [(&str, &str, &str); 4] = [
    ("web1", "one.example", "bob@free.example"),
    ("web1", "two.example", "bob@free.example"),
    ("web2", "one.example", "eve@shop.example"),
    ("web2", "one.example", "al@shop.example"),
];

/// The weights of the two feeds.
pub const FILTER_WEIGHT: u32 = 1;
pub const LOOP_WEIGHT: u32 = 3;

/// Where a mail comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The filter: its network and its alias.
    Filter,
    /// A feedback loop: its alias.
    Loop,
    /// The filter's network without the alias.
    Half,
    /// Anybody.
    Stranger,
}

/// What a mail is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Abuse,
    Fraud,
    NotSpam,
    /// A type that no feed gives weight.
    Other,
    /// No report at all.
    Letter,
}

/// One mail. All but the source make its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Mail {
    pub source: Source,
    pub kind: Kind,
    /// Whom it names; none: it names nobody.
    pub who: Option<usize>,
    /// The enclosed message.
    pub message: u8,
    /// The recipients, as bits.
    pub recipients: u8,
    /// The same complaint in other bytes.
    pub copy: u8,
}

/// A person of [`PEOPLE`].
pub fn identity(who: usize) -> Identity {
    let (username, domain, value) = PEOPLE[who];
    Identity {
        outgoing_user: OutgoingUser::new(domain, username),
        value: value.to_owned(),
    }
}

impl Source {
    /// The feed that it proves.
    pub fn feed(self) -> Option<&'static str> {
        match self {
            Self::Filter => Some("filter"),
            Self::Loop => Some("loop"),
            Self::Half | Self::Stranger => None,
        }
    }

    /// What SMTP would tell.
    pub fn arrival(self) -> Arrival {
        let (client, rcpt) = match self {
            Self::Filter => ("192.0.2.17", "arf-k7q2m9@example.net"),
            Self::Loop => ("203.0.113.9", "loop-x81@example.net"),
            Self::Half => ("192.0.2.17", "abuse@example.net"),
            Self::Stranger => ("198.51.100.3", "arf-k7q2m9@example.net"),
        };
        Arrival {
            client: client.parse().unwrap(),
            helo: "mx.example".into(),
            mail_from: String::new(),
            rcpt_to: vec![rcpt.into()],
            security: Security::default(),
        }
    }
}

/// The judge that these sources are known to.
pub fn judge() -> Judge {
    let feed = |name: &str, proofs, weight| Feed {
        name: name.into(),
        proof: Proof::All(proofs),
        weight,
        ..Feed::default()
    };
    let alias = |address: &str| Proof::Recipient(vec![address.into()]);
    let network = Proof::Network(vec!["192.0.2.16/28".parse().unwrap()]);
    let filter = vec![network, alias("arf-k7q2m9@example.net")];
    Judge {
        signature_age: jiff::SignedDuration::from_hours(1),
        learnt: Default::default(),
        feeds: vec![
            feed("filter", filter, FILTER_WEIGHT),
            feed("loop", vec![alias("loop-x81@example.net")], LOOP_WEIGHT),
        ],
        methods: Methods {
            order: vec![IdentificationMethod::IdentificationHeader],
            headers: vec![HeaderRule {
                name: "X-AuthUser".into(),
                capture: None,
            }],
            header_missing: HeaderMissing::Stop,
            ..Methods::default()
        },
    }
}

impl Mail {
    /// The mail as it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        let (message, copy) = (self.message, self.copy);
        let kind = match self.kind {
            Kind::Abuse => "abuse",
            Kind::Fraud => "fraud",
            Kind::NotSpam => "not-spam",
            Kind::Other => "other",
            Kind::Letter => {
                let letter =
                    format!("Subject: Letter {message}\r\n\r\nHello, for the {copy}th time.\r\n");
                return letter.into_bytes();
            }
        };
        let mut recipients: Vec<String> = (0..3)
            .filter(|bit| self.recipients & 1 << bit != 0)
            .map(|bit| format!("Original-Rcpt-To: <lee{bit}@customer.example>\r\n"))
            .collect();
        if copy % 2 == 1 {
            recipients.reverse();
            recipients[0] = recipients[0].replace("customer", "CUSTOMER");
        }
        let recipients = recipients.concat();
        let (user, header) = match self.who {
            Some(who) => {
                let (username, domain, value) = PEOPLE[who];
                let results = format!(
                    "Authentication-Results: f.example; auth=pass smtp.auth={username}@{domain}\r\n"
                );
                (results, format!("X-AuthUser: {value}\r\n"))
            }
            None => Default::default(),
        };
        format!(
            "From: filter@f.example\r\nSubject: Report\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n\
             --b\r\nContent-Type: message/feedback-report\r\n\r\n\
             Feedback-Type: {kind}\r\nUser-Agent: sim/1\r\nVersion: 1\r\n\
             Original-Envelope-Id: e{message}-{copy}\r\n{recipients}{user}\
             Original-Mail-From: <bounce@free.example>\r\n\
             --b\r\nContent-Type: message/rfc822\r\n\r\n\
             {header}From: x@free.example\r\nSubject: Buy\r\nMessage-ID: <m{message}@free.example>\r\n\
             Date: Tue, 03 Mar 2026 09:12:40 +0000\r\n\r\nNow.\r\n--b--\r\n"
        )
        .into_bytes()
    }
}
