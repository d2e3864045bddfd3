//! Proving by DNS in the real process, killed while reports wait for their proof; and DNS that never answers.

use crate::support::daemon::{ABUSE, Place, until};
use crate::support::dns::Dns;
use crate::support::mail::Smtp;
use crate::support::signed::{COVERED, Signer, written_to};
use arfd::clock::{Clock, SystemClock};
use arfd::domain::feed::checks::{DkimDemand, Outcome};
use arfd::domain::feed::{Arrival, Enquiry, Security};
use arfd::metrics::Metrics;
use arfd::proving::{Prover, Settings, resolver};
use jiff::SignedDuration;
use std::sync::Arc;
use std::time::Duration;

const REPORTS: usize = 12;

fn configured(mut place: Place, dns: &Dns) -> Place {
    place.more = format!(
        "[proving]\nservers = [\"{}\"]\nquery_timeout = \"1s\"\ntimeout = \"4s\"\ncache = 0\nlease = \"8s\"\n\
         first_retry = \"100ms\"\nmax_retry = \"200ms\"\n\
         [[feeds]]\nname = \"loop\"\nrecipients = [\"{ABUSE}\"]\ndkim = [\"filter.example\"]\nexpect_every = \"1d\"\n",
        dns.address
    );
    place
}

/// Reports come in while DNS has trouble, and the process is killed again and again while it tries them. All of
/// them count in the end, each once, and what they cross is ordered once.
fn killed(place: Place) {
    let dns = Dns::start();
    let signer = Signer::new("filter.example");
    signer.publish(&dns);
    let place = configured(place, &dns);
    dns.trouble(true);
    let daemon = place.start();
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    for n in 0..REPORTS {
        let message = signer.sign(&written_to(ABUSE, n, 1), &COVERED, false);
        smtp.send(ABUSE, &message).unwrap();
    }
    daemon.kill();
    let standings = |which: &str| {
        let reports = place.list("reports");
        reports.iter().filter(|r| r["standing"] == which).count()
    };
    assert_eq!(standings("pending"), REPORTS);
    dns.trouble(false);
    for round in 1..=3 {
        let daemon = place.start();
        let some = REPORTS * round / 4;
        let proven = |daemon: &crate::support::daemon::Daemon| {
            daemon.metric("arfd_unproven_tries_total{outcome=\"proven\"}")
        };
        until("some are proven", || {
            let enough = proven(&daemon).is_some_and(|n| n >= 1.0);
            (enough || standings("counted") >= some).then_some(())
        });
        daemon.kill();
    }
    let daemon = place.start();
    until("all are proven", || {
        (standings("counted") == REPORTS).then_some(())
    });
    // A kill loses what the feeds' figures were of the last half minute; this one's are written down.
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    let message = signer.sign(&written_to(ABUSE, REPORTS, 1), &COVERED, false);
    smtp.send(ABUSE, &message).unwrap();
    drop(smtp);
    daemon.terminate();
    assert!(daemon.ended().success());
    let incidents = place.list("incidents");
    assert!(!incidents.is_empty(), "twelve of eight");
    let evidence: Vec<_> = incidents
        .iter()
        .flat_map(|i| {
            i["explanation"]["crossing"]["tally"]["evidence"]
                .as_array()
                .unwrap()
        })
        .collect();
    let mut distinct = evidence.clone();
    distinct.sort_by_key(|id| id.to_string());
    distinct.dedup();
    assert_eq!(
        evidence.len(),
        distinct.len(),
        "no report is evidence twice"
    );
    let proofs = place.list("reports");
    assert!(proofs.iter().all(|r| r["proof"]["outcome"] == "proven"));
    let feeds = place.list("feeds");
    assert_eq!(feeds[0]["feed"], "loop");
    assert!(feeds[0]["counted"].as_u64().unwrap() >= 1, "{feeds:?}");
}

#[test]
fn killed_while_reports_wait_on_sqlite() {
    killed(Place::sqlite());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_reports_wait_on_postgres() {
    if let Some(place) = Place::postgres().await {
        tokio::task::spawn_blocking(move || killed(place))
            .await
            .unwrap();
    }
}

#[test]
fn an_unsigned_report_asks_nothing() {
    let dns = Dns::start();
    let place = configured(Place::sqlite(), &dns);
    let daemon = place.start();
    let mut smtp = Smtp::connect(daemon.smtp).unwrap();
    let filter = crate::support::daemon::FILTER;
    for n in 0..3 {
        smtp.send(filter, &crate::support::mail::report(n, 1))
            .unwrap();
        smtp.send(ABUSE, &crate::support::mail::report(n, 1))
            .unwrap();
    }
    assert_eq!(dns.asked(), 0);
    let counted = daemon.metric("arfd_feed_outcomes_total{feed=\"filter\",outcome=\"counted\"}");
    assert_eq!(counted, Some(3.0));
    let near = daemon.metric("arfd_feed_outcomes_total{feed=\"filter\",outcome=\"unproven\"}");
    assert_eq!(
        near,
        Some(3.0),
        "the network holds for them, the address does not"
    );
}

#[tokio::test]
async fn dns_that_never_answers_is_trouble() {
    let dns = Dns::start();
    dns.silent(true);
    let signer = Signer::new("filter.example");
    let message = signer.sign(&written_to(ABUSE, 1, 1), &COVERED, false);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let asks = resolver::Settings {
        servers: vec![dns.address],
        timeout: Duration::from_secs(60),
        cache: 0,
    };
    let settings = Settings {
        timeout: Duration::from_millis(200),
        max_signatures: 2,
        concurrency: 1,
        hostname: "mx.hoster.example".into(),
    };
    let metrics = Arc::new(Metrics::new().unwrap());
    let resolver = resolver::resolver(&asks).unwrap();
    let prover = Prover::new(resolver, settings, clock.clone(), metrics);
    let demand = DkimDemand {
        domains: vec!["filter.example".into()],
        strict: true,
        addressed: true,
        max_age: SignedDuration::from_hours(1),
    };
    let enquiry = Enquiry {
        dkim: vec![demand],
        spf: vec!["filter.example".into()],
        ..Enquiry::default()
    };
    let arrival = Arrival {
        client: "192.0.2.1".parse().unwrap(),
        helo: "mx.example".into(),
        mail_from: "x@filter.example".into(),
        rcpt_to: vec![ABUSE.into()],
        security: Security::default(),
    };
    let asked = prover.find_out(&enquiry, &arrival, &message, clock.now());
    let found = asked.await;
    assert_eq!(found.dkim[0].result, Outcome::TempError);
    assert_eq!(found.spf[0].result, Outcome::TempError);
}
