//! The hoster's configuration, and who sends from where: the shipped rules, the sample's recipes for feeds, and what DNS
//! would say of mail that comes from them. (Verifying half a million signatures would measure nothing else.)

use arfd::config::{self, Need, Settings};
use arfd::domain::feed::checks::{Checks, DkimCheck, Outcome, SpfCheck, SpfIdentity};
use arfd::domain::feed::{Arrival, Security};
use jiff::Timestamp;
use std::path::Path;

pub const ABUSE: &str = "abuse@hoster.example";
pub const FILTER: &str = "filter-q7d2mx9k4wv8ht3c@hoster.example";
pub const YAHOO: &str = "fbl-yahoo-t7w1n5zc8rk2xj6p@hoster.example";
pub const JMRP: &str = "fbl-jmrp-m4q8vd3h9sy6bw2f@hoster.example";

/// Writes the configuration into a folder and loads it.
pub fn settings(folder: &Path, trial: &str, rules: &str) -> Settings {
    let store = folder.join("arfd.db");
    let text = format!(
        r#"
[smtp]
listen = "127.0.0.1:0"
hostname = "arf.hoster.example"
recipients = ["{ABUSE}", "{FILTER}", "{YAHOO}", "{JMRP}"]
[store]
url = "sqlite://{}"
[[identification.headers]]
name = "X-AuthUser"
[restraint]
trial = "{trial}"
[lock]
target = "spamexperts"
[lock.spamexperts]
url = "https://filter.example/cgi-bin/api"
login = "arfd"
password = "not-used-here"
[[feeds]]
name = "filter"
networks = ["198.51.100.0/28"]
recipients = ["{FILTER}"]
[[feeds]]
name = "yahoo"
recipients = ["{YAHOO}"]
dkim = ["arf.mail.yahoo.example"]
weight = 10
max_per_identity = 100
[[feeds]]
name = "jmrp"
recipients = ["{JMRP}"]
spf = ["hotmail.example"]
weight = 10
trust_enclosed_user = true
{rules}
"#,
        store.display()
    );
    let file = folder.join("arfd.toml");
    std::fs::write(&file, text).expect("the configuration is written");
    config::load_with(Some(&file), [], Need::Everything).unwrap_or_else(|error| panic!("{error}"))
}

/// Who sends a report, whatever it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sender {
    Filter,
    Yahoo,
    Jmrp,
    /// Anybody, to the address that everybody knows.
    Stranger,
    /// Anybody who got to know the filter's secret address.
    Informed,
    /// Anybody, signing with a domain of his own, to Yahoo's address.
    Signer,
    /// Anybody, as Microsoft's staff, whom SPF does not know.
    Impostor,
}

impl Sender {
    /// What SMTP tells of it.
    pub fn arrival(self) -> Arrival {
        let (client, helo, mail_from, rcpt) = match self {
            Self::Filter => ("198.51.100.9", "out1.filter.example", "", FILTER),
            Self::Yahoo => (
                "203.0.113.20",
                "mta.yahoo.example",
                "x@arf.mail.yahoo.example",
                YAHOO,
            ),
            Self::Jmrp => (
                "203.0.113.130",
                "mx.hotmail.example",
                "staff@hotmail.example",
                JMRP,
            ),
            Self::Stranger => ("203.0.113.66", "out1.filter.example", "", ABUSE),
            Self::Informed => ("203.0.113.67", "out1.filter.example", "", FILTER),
            Self::Signer => (
                "203.0.113.68",
                "mta.yahoo.example",
                "x@arf.mail.yahoo.example",
                YAHOO,
            ),
            Self::Impostor => (
                "203.0.113.69",
                "mx.hotmail.example",
                "staff@hotmail.example",
                JMRP,
            ),
        };
        Arrival {
            client: client.parse().expect("an address"),
            helo: helo.into(),
            mail_from: mail_from.into(),
            rcpt_to: vec![rcpt.into()],
            security: Security::default(),
        }
    }

    /// Whether somebody only pretends to be a reporter.
    pub fn is_forger(self) -> bool {
        matches!(
            self,
            Self::Stranger | Self::Informed | Self::Signer | Self::Impostor
        )
    }

    /// What the prover would have found out; none where it would not have asked.
    pub fn checks(self, now: Timestamp) -> Option<Checks> {
        let signed = |domain: &str| Checks {
            from: Some("arf.mail.yahoo.example".into()),
            addressed: vec![YAHOO.into()],
            dkim: vec![DkimCheck {
                domain: domain.into(),
                selector: "s1".into(),
                result: Outcome::Pass,
                note: None,
                signed_at: Some(now),
                expires_at: None,
                part_of_body: false,
                covers: ["from", "to", "cc", "date", "content-type"]
                    .map(str::to_owned)
                    .into(),
            }],
            ..Checks::default()
        };
        let spf = |result, note: &str| Checks {
            spf: vec![SpfCheck {
                identity: SpfIdentity::MailFrom,
                domain: "hotmail.example".into(),
                result,
                note: note.into(),
            }],
            ..Checks::default()
        };
        match self {
            Self::Yahoo => Some(signed("arf.mail.yahoo.example")),
            Self::Signer => Some(signed("evil.example")),
            Self::Jmrp => Some(spf(Outcome::Pass, "pass")),
            Self::Impostor => Some(spf(Outcome::Fail, "fail")),
            Self::Filter | Self::Stranger | Self::Informed => None,
        }
    }

    /// Whether its reports bear a signature, of whatever worth.
    pub fn signs(self) -> bool {
        matches!(self, Self::Yahoo | Self::Signer)
    }
}
