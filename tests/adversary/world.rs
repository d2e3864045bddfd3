//! A hoster as the shipped configuration makes it (default rules, recipes of the sample), with DNS of its own and a
//! clock that tests move. Mail goes through the real judge, prover and store.

use crate::support::dns::Dns;
use crate::support::letters::Letter;
use crate::support::signed::{COVERED, Signer};
use arfd::app;
use arfd::clock::{Clock, ManualClock, SystemClock};
use arfd::config::{self, Need};
use arfd::domain::feed::{Arrival, Security};
use arfd::domain::filing::{Filed, Filing, Policy};
use arfd::domain::standing::Standing;
use arfd::intake::prepare::{Judge, Trial};
use arfd::metrics::Metrics;
use arfd::proving::Prover;
use arfd::store::{ReportRow, Store, StoreOptions, open};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The address that everybody knows.
pub const ABUSE: &str = "abuse@hoster.example";
/// The secret addresses.
pub const FILTER: &str = "filter-q7d2mx9k4wv8ht3c@hoster.example";
pub const YAHOO: &str = "fbl-yahoo-t7w1n5zc8rk2xj6p@hoster.example";
pub const JMRP: &str = "fbl-jmrp-m4q8vd3h9sy6bw2f@hoster.example";
pub const PARTNER: &str = "partner-z8c5ke1v7tq3hd9x@hoster.example";
pub const NOTIFY: &str = "notify-p3w9fk2n6xr8bt4j@hoster.example";
pub const CFBL: &str = "cfbl@hoster.example";

/// Who sends from where.
pub const FILTER_IP: &str = "198.51.100.9";
pub const HOTMAIL_IP: &str = "198.51.100.130";
pub const ANYBODY_IP: &str = "203.0.113.66";

/// Whom the attacks are about, and his outgoing user.
pub const VICTIM: &str = "shop@customer2.example";
pub const VICTIM_USER: &str = "server2@customer2.example";
/// A customer who spams.
pub const SPAMMER: &str = "eve@customer1.example";
pub const SPAMMER_USER: &str = "server1@customer1.example";

/// The configuration: what the sample recommends, the default rules, and no trial.
pub fn configuration() -> String {
    format!(
        r#"
[smtp]
listen = "127.0.0.1:0"
hostname = "arf.hoster.example"
recipients = ["{ABUSE}", "{FILTER}", "{YAHOO}", "{JMRP}", "{PARTNER}", "{NOTIFY}", "{CFBL}"]
[http]
listen = "127.0.0.1:0"
[store]
url = "STORE"
[[identification.headers]]
name = "X-AuthUser"
[restraint]
trial = "0s"
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
[[feeds]]
name = "partner"
recipients = ["{PARTNER}"]
networks = ["192.0.2.128/28"]
weight = 10
max_per_identity = 3
max_per_hour = 200
[[feeds]]
name = "bureau"
recipients = ["{NOTIFY}"]
networks = ["192.0.2.144/28"]
weight = 10
may = "notify"
[[feeds]]
name = "cfbl"
recipients = ["{CFBL}"]
networks = ["192.0.2.160/28"]
weight = 10
"#
    )
}

pub struct World {
    pub dns: Dns,
    pub yahoo: Signer,
    pub clock: Arc<ManualClock>,
    pub judge: Judge,
    prover: Prover,
    pub policy: Policy,
    pub store: Arc<dyn Store>,
    _folder: TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// With more at the end of the configuration.
    pub async fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("sqlite://{}/arfd.db", folder.path().display());
        let text = configuration().replace("STORE", &address) + more;
        let file = folder.path().join("arfd.toml");
        std::fs::write(&file, text).unwrap();
        let dns = Dns::start();
        let mut settings = config::load_with(Some(&file), [], Need::Everything).unwrap();
        assert_eq!(
            settings.rules,
            config::Settings::default().rules,
            "the shipped rules"
        );
        settings.proving.servers = vec![dns.address.to_string()];
        settings.proving.cache = 0;
        let yahoo = Signer::new("arf.mail.yahoo.example");
        yahoo.publish(&dns);
        dns.text("hotmail.example", "v=spf1 ip4:198.51.100.128/28 -all");
        let clock = Arc::new(ManualClock::new(SystemClock::default().now()));
        let shared: Arc<dyn Clock> = clock.clone();
        let metrics = Arc::new(Metrics::new().unwrap());
        let store = open(&address, &StoreOptions::default()).await.unwrap();
        let mut policy = app::policy(&settings, &*store, clock.now()).await.unwrap();
        // A notice to the desk harms nobody, and would be an incident beside those that are looked for.
        policy.rules.retain(|rule| rule.action.orders());
        Self {
            judge: app::judge(&settings).unwrap(),
            prover: app::prover(&settings, &shared, &metrics).unwrap(),
            policy,
            dns,
            yahoo,
            clock,
            store,
            _folder: folder,
        }
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Judges a message as it comes in.
    pub async fn judged(&self, arrival: Arrival, message: &[u8]) -> Filing {
        let now = self.clock.now();
        let checks = match self.judge.enquire(&arrival, message, now, false) {
            None => None,
            Some(enquiry) => Some(self.prover.find_out(&enquiry, &arrival, message, now).await),
        };
        let trial = Trial::first(checks.as_ref(), now);
        self.judge.prepare_with(arrival, message, trial).filing
    }

    pub async fn file(&self, filings: &[Filing]) -> Vec<Filed> {
        let mut all = Vec::new();
        for batch in filings.chunks(256) {
            all.extend(self.store.file(batch, &self.policy).await.unwrap());
        }
        all
    }

    pub async fn send(&self, arrival: Arrival, message: &[u8]) -> Filed {
        let filing = self.judged(arrival, message).await;
        self.file(&[filing]).await.remove(0)
    }

    /// All of them, in batches.
    pub async fn send_all(&self, arrival: &Arrival, messages: &[Vec<u8>]) -> Vec<Filed> {
        let mut filings = Vec::new();
        for message in messages {
            filings.push(self.judged(arrival.clone(), message).await);
        }
        self.file(&filings).await
    }

    pub async fn by_filter(&self, letter: &Letter) -> Filed {
        self.send(from_filter(), &letter.by_filter(FILTER)).await
    }

    pub async fn by_jmrp(&self, letter: &Letter) -> Filed {
        self.send(from_jmrp(), &letter.by_jmrp(JMRP)).await
    }

    pub async fn by_yahoo(&self, letter: &Letter) -> Filed {
        let message = self.signed(letter);
        self.send(from_yahoo(), &message).await
    }

    pub fn signed(&self, letter: &Letter) -> Vec<u8> {
        self.yahoo.sign(&letter.by_yahoo(YAHOO), &COVERED, false)
    }

    /// A report as it is listed.
    pub async fn row(&self, filed: &Filed) -> ReportRow {
        for limit in [100, 20_000] {
            let rows = self.store.reports(limit).await.unwrap();
            if let Some(row) = rows.into_iter().find(|row| row.id == filed.id) {
                return row;
            }
        }
        panic!("{filed:?} is not listed");
    }

    /// What is listed of its attribution: the reason, or whom it names.
    pub async fn named(&self, filed: &Filed) -> String {
        let attribution = self.row(filed).await.attribution;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        match attribution["outcome"].as_str() {
            Some("identified") => text(&attribution["identity"]["value"]),
            _ => text(&attribution["reason"]),
        }
    }

    /// Everybody with an incident of whatever kind.
    pub async fn crossed(&self) -> Vec<String> {
        let rows = self.store.incidents(1_000).await.unwrap();
        rows.into_iter().map(|row| row.identity).collect()
    }

    /// Nobody was locked, nor even came to an incident.
    pub async fn nobody(&self, what: &str) {
        assert!(self.crossed().await.is_empty(), "{what}");
        assert!(self.store.orders(9).await.unwrap().is_empty(), "{what}");
    }

    /// The one lock order is against him.
    pub async fn only(&self, who: &str) {
        assert_eq!(self.crossed().await, [who]);
        let orders = self.store.orders(9).await.unwrap();
        let named: Vec<&str> = orders.iter().map(|o| &o.order.identity.value[..]).collect();
        assert_eq!(named, [who]);
    }
}

/// Mail from an address to another.
pub fn arrival(client: &str, helo: &str, mail_from: &str, rcpt: &[&str]) -> Arrival {
    Arrival {
        client: client.parse().unwrap(),
        helo: helo.into(),
        mail_from: mail_from.into(),
        rcpt_to: rcpt.iter().map(|r| (*r).to_owned()).collect(),
        security: Security::default(),
    }
}

pub fn from_filter() -> Arrival {
    arrival(FILTER_IP, "out1.filter.example", "", &[FILTER])
}

pub fn from_yahoo() -> Arrival {
    arrival(
        "203.0.113.20",
        "mta.yahoo.example",
        "x@arf.mail.yahoo.example",
        &[YAHOO],
    )
}

pub fn from_jmrp() -> Arrival {
    arrival(
        HOTMAIL_IP,
        "mx.hotmail.example",
        "staff@hotmail.example",
        &[JMRP],
    )
}

/// So many letters about one mailbox, the first of this number.
pub fn letters(first: usize, count: usize, mailbox: &str, user: &str) -> Vec<Letter> {
    let numbers = first..first + count;
    numbers.map(|n| Letter::new(n, mailbox, user)).collect()
}

/// How many of them came to this.
pub fn count(filed: &[Filed], standing: Standing) -> usize {
    filed.iter().filter(|one| one.standing == standing).count()
}
