//! A node that takes reports and proves them by a DNS server of the test's own, with a clock that tests move.

use super::super::Place;
use crate::support::dns::Dns;
use crate::support::signed::{COVERED, Signer, written_to};
use arfd::clock::{Clock, ManualClock, SystemClock};
use arfd::domain::attribution::{HeaderMissing, HeaderRule, IdentificationMethod, Methods};
use arfd::domain::feed::checks::DkimDemand;
use arfd::domain::feed::{Arrival, Feed, Proof, Security};
use arfd::domain::filing::{Filed, Policy};
use arfd::domain::lock::Backoff;
use arfd::intake::health::Health;
use arfd::intake::prepare::Judge;
use arfd::intake::reprove::{self, Reprover, Step};
use arfd::intake::writer::{self, WriterSettings};
use arfd::intake::{InForce, Intake};
use arfd::metrics::Metrics;
use arfd::proving::{self, Prover, resolver};
use arfd::store::Store;
use jiff::SignedDuration;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::Notify;

pub const FBL: &str = "fbl-x7k2@hoster.example";
pub const SIGNS: &str = "filter.example";

pub struct World {
    pub dns: Dns,
    pub signer: Signer,
    pub clock: Arc<ManualClock>,
    pub store: Arc<dyn Store>,
    pub intake: Intake,
    pub reprover: Reprover,
}

pub fn loop_feed() -> Feed {
    Feed {
        name: "loop".into(),
        proof: Proof::All(vec![
            Proof::Recipient(vec![FBL.into()]),
            Proof::Dkim(DkimDemand {
                domains: vec![SIGNS.into()],
                strict: false,
                addressed: true,
                max_age: SignedDuration::from_hours(48),
            }),
        ]),
        ..Feed::default()
    }
}

pub async fn world(place: &Place, feeds: Vec<Feed>, policy: Policy) -> World {
    let dns = Dns::start();
    let signer = Signer::new(SIGNS);
    signer.publish(&dns);
    let clock = Arc::new(ManualClock::new(SystemClock::default().now()));
    let store = place.open().await;
    let (intake, reprover) = node(&dns, &clock, &store, feeds, policy);
    World {
        dns,
        signer,
        clock,
        store,
        intake,
        reprover,
    }
}

pub fn node(
    dns: &Dns,
    manual: &Arc<ManualClock>,
    store: &Arc<dyn Store>,
    feeds: Vec<Feed>,
    policy: Policy,
) -> (Intake, Reprover) {
    let clock: Arc<dyn Clock> = manual.clone();
    let metrics = Arc::new(Metrics::new().unwrap());
    let asks = resolver::Settings {
        servers: vec![dns.address],
        timeout: Duration::from_secs(2),
        cache: 0,
    };
    let settings = proving::Settings {
        timeout: Duration::from_secs(20),
        max_signatures: 2,
        concurrency: 4,
        hostname: "mx.hoster.example".into(),
    };
    let dns = resolver::resolver(&asks).unwrap();
    let prover = Prover::new(dns, settings, clock.clone(), metrics.clone());
    let prover = Arc::new(prover);
    let judge = Arc::new(Judge {
        feeds,
        methods: Methods {
            order: vec![IdentificationMethod::IdentificationHeader],
            headers: vec![HeaderRule {
                name: "X-AuthUser".into(),
                capture: None,
            }],
            header_missing: HeaderMissing::Stop,
            ..Methods::default()
        },
        signature_age: SignedDuration::from_hours(48),
        learnt: Arc::default(),
    });
    let health = Arc::new(Health::new(&judge.feeds, metrics.clone(), clock.now()));
    let ordered = Arc::new(Notify::new());
    let policy = Arc::new(InForce::from(policy));
    let settings = WriterSettings {
        max_batch: 16,
        max_queue: 64,
        timeout: Duration::from_secs(60),
    };
    let (writer, _) = writer::spawn(
        store.clone(),
        policy.clone(),
        settings,
        ordered.clone(),
        health.clone(),
        clock.clone(),
        metrics.clone(),
    );
    let intake = Intake::new(judge.clone(), prover.clone(), writer, clock.clone());
    let reprover = Reprover {
        store: store.clone(),
        judge,
        prover,
        aliases: Arc::default(),
        policy,
        health,
        ordered,
        clock,
        metrics,
        settings: reprove::Settings {
            lease: Duration::from_secs(60),
            backoff: Backoff {
                first: Duration::from_secs(30),
                most: Duration::from_secs(600),
            },
            max_age: Duration::from_secs(2 * 86_400),
            store_timeout: Duration::from_secs(60),
        },
    };
    (intake, reprover)
}

impl World {
    pub async fn send(&self, message: &[u8]) -> Filed {
        self.send_from("192.0.2.1", message).await
    }

    pub async fn send_from(&self, client: &str, message: &[u8]) -> Filed {
        let arrival = Arrival {
            client: client.parse().unwrap(),
            helo: "mx.filter.example".into(),
            mail_from: "bounce@filter.example".into(),
            rcpt_to: vec![FBL.into()],
            security: Security::default(),
        };
        self.intake.take(arrival, message.to_vec()).await.unwrap()
    }

    pub fn signed(&self, n: usize) -> Vec<u8> {
        self.signer.sign(&written_to(FBL, n, 1), &COVERED, false)
    }

    pub fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The stored proof of a report.
    pub async fn proof(&self, filed: &Filed) -> serde_json::Value {
        let rows = self.store.reports(1000).await.unwrap();
        let row = rows.into_iter().find(|row| row.id == filed.id).unwrap();
        assert_eq!(
            row.feed.is_some(),
            row.standing != "unproven" && row.standing != "pending"
        );
        row.proof.unwrap_or_default()
    }

    pub async fn standings(&self, which: &str) -> usize {
        let rows = self.store.reports(1000).await.unwrap();
        rows.iter().filter(|row| row.standing == which).count()
    }

    /// Tries what waits until nothing is left, so many seconds later each time.
    pub async fn settle(&self, seconds: u64) {
        for _ in 0..1000 {
            match self.reprover.step().await.unwrap() {
                Step::Idle(None) => return,
                Step::Idle(Some(_)) => self.pass(seconds),
                _ => {}
            }
        }
        panic!("it does not come to rest");
    }
}

/// Polls so many times, then drops: it stops wherever it is.
pub async fn cut<F: Future>(future: F, polls: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}
