//! Our own DKIM signature on an enclosed message, really signed: with a body that was changed, headers that were added,
//! another signer's, and keys that DNS tells or does not.

use crate::support::dns::Dns;
use crate::support::signed::Signer;
use arfd::clock::{Clock, SystemClock};
use arfd::domain::attribution::{
    Attribution, HeaderRule, IdentificationMethod as Method, Methods, OwnDkim, OwnKey,
};
use arfd::domain::feed::checks::{Checks, Outcome};
use arfd::domain::feed::{Arrival, Feed, Proof, Security};
use arfd::intake::prepare::{Judge, Trial};
use arfd::metrics::Metrics;
use arfd::proving::{Prover, Settings, resolver};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;

const COVERED: [&str; 3] = ["From", "Subject", "X-AuthUser"];

fn judge(dkim: OwnDkim) -> Judge {
    Judge {
        learnt: std::sync::Arc::default(),
        feeds: vec![Feed {
            name: "loop".into(),
            proof: Proof::Network(vec!["198.51.100.0/24".parse().unwrap()]),
            ..Feed::default()
        }],
        methods: Methods {
            order: vec![Method::Dkim, Method::EnvelopeSender],
            headers: vec![HeaderRule::named("X-AuthUser")],
            dkim,
            ..Methods::default()
        },
        signature_age: SignedDuration::from_hours(1),
    }
}

fn ours(keys: Vec<OwnKey>, dns: bool) -> OwnDkim {
    OwnDkim {
        domains: vec!["our.example".into()],
        keys,
        dns,
        auid: true,
    }
}

fn key(signer: &Signer) -> OwnKey {
    OwnKey {
        domain: "our.example".into(),
        selector: "s1".into(),
        record: signer.record(),
    }
}

fn arrival() -> Arrival {
    Arrival {
        client: "198.51.100.7".parse().unwrap(),
        helo: "mx.reporter.example".into(),
        mail_from: String::new(),
        rcpt_to: vec!["abuse@our.example".into()],
        security: Security::default(),
    }
}

fn signed(signer: &Signer) -> String {
    let mail = "X-AuthUser: bob@b.example\r\nFrom: shop@b.example\r\nTo: y@reporter.example\r\n\
                Subject: buy\r\nMessage-ID: <1@b.example>\r\n\r\nbuy now\r\n";
    String::from_utf8(signer.sign(mail.as_bytes(), &COVERED, false)).unwrap()
}

fn report(enclosed: &str) -> Vec<u8> {
    format!(
        "From: fbl@reporter.example\r\nSubject: report\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/feedback-report\r\n\r\n\
         Feedback-Type: abuse\r\nUser-Agent: R/1\r\nVersion: 1\r\nOriginal-Mail-From: <x@y.example>\r\n\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\n{enclosed}\r\n--b--\r\n"
    )
    .into_bytes()
}

fn named(judge: &Judge, enclosed: &str, checks: Option<&Checks>) -> (String, String) {
    let trial = Trial::first(checks, Timestamp::from_second(1_800_000_000).unwrap());
    let prepared = judge.prepare_with(arrival(), &report(enclosed), trial);
    match prepared.filing.attribution {
        Attribution::Identified {
            identity,
            provenance,
            ..
        } => (identity.value, provenance),
        Attribution::Unattributed { reason, .. } => ("-".into(), reason.as_str().into()),
    }
}

#[test]
fn the_headers_are_enough_and_only_what_they_cover_counts() {
    let signer = Signer::new("our.example");
    let judge = judge(ours(vec![key(&signer)], false));
    let mail = signed(&signer);
    let (who, how) = named(&judge, &mail, None);
    assert_eq!(who, "bob@b.example");
    assert!(
        how.contains("signed header X-AuthUser of our own DKIM signature (d=our.example s=s1; headers and body fit)"),
        "{how}"
    );
    let (who, how) = named(&judge, &mail.replace("buy now", "[redacted]"), None);
    assert_eq!(who, "bob@b.example");
    assert!(how.contains("headers only; the body was changed"), "{how}");
    // To is not covered, so a reporter may hide it.
    let (who, _) = named(
        &judge,
        &mail.replace("y@reporter.example", "redacted"),
        None,
    );
    assert_eq!(who, "bob@b.example");
    let lines_ends = mail.replace("\r\n", "\n");
    assert_eq!(named(&judge, &lines_ends, None).0, "bob@b.example");
    for altered in [
        mail.replace("bob@b.example", "eve@b.example"),
        mail.replace("Subject: buy", "Subject: win"),
        // One more, above or below the signed one.
        format!("X-AuthUser: eve@b.example\r\n{mail}"),
        mail.replace("From: shop", "X-AuthUser: eve@b.example\r\nFrom: shop"),
    ] {
        let (who, how) = named(&judge, &altered, None);
        assert_eq!(who, "x@y.example", "{altered}\n{how}");
    }
}

#[test]
fn who_else_signs_is_nobody() {
    let (signer, other) = (Signer::new("our.example"), Signer::new("evil.example"));
    let judge = judge(ours(vec![key(&signer)], false));
    assert_eq!(named(&judge, &signed(&other), None).0, "x@y.example");
    // In our name, with a key that is not ours.
    let forger = Signer::new("our.example");
    assert_eq!(named(&judge, &signed(&forger), None).0, "x@y.example");
    let only = Judge {
        methods: Methods {
            order: vec![Method::Dkim],
            ..judge.methods.clone()
        },
        ..judge
    };
    assert_eq!(named(&only, &signed(&forger), None).1, "signature_invalid");
}

#[tokio::test]
async fn keys_from_dns() {
    let dns = Dns::start();
    let signer = Signer::new("our.example");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let asks = resolver::Settings {
        servers: vec![dns.address],
        timeout: Duration::from_secs(2),
        cache: 0,
    };
    let settings = Settings {
        timeout: Duration::from_secs(5),
        max_signatures: 2,
        concurrency: 1,
        hostname: "mx.our.example".into(),
    };
    let metrics = Arc::new(Metrics::new().unwrap());
    let resolver = resolver::resolver(&asks).unwrap();
    let prover = Prover::new(resolver, settings, clock.clone(), metrics);
    let judge = judge(ours(vec![], true));
    let now = clock.now();
    let mail = signed(&signer);
    let other = report(&signed(&Signer::new("evil.example")));
    assert_eq!(judge.enquire(&arrival(), &other, now, false), None);
    let message = report(&mail);
    let enquiry = judge.enquire(&arrival(), &message, now, false).unwrap();
    assert_eq!(enquiry.keys, [("our.example".to_owned(), "s1".to_owned())]);
    let stranger = Arrival {
        client: "203.0.113.1".parse().unwrap(),
        ..arrival()
    };
    assert_eq!(
        judge.enquire(&stranger, &message, now, false),
        None,
        "nobody's report asks nothing"
    );

    dns.trouble(true);
    let found = prover.find_out(&enquiry, &arrival(), &message, now).await;
    assert_eq!(found.keys[0].result, Outcome::TempError);
    assert_eq!(named(&judge, &mail, Some(&found)).0, "x@y.example");
    dns.trouble(false);
    let found = prover.find_out(&enquiry, &arrival(), &message, now).await;
    assert_eq!(found.keys[0].result, Outcome::Fail, "no such key");
    signer.publish(&dns);
    let found = prover.find_out(&enquiry, &arrival(), &message, now).await;
    assert_eq!(found.keys[0].result, Outcome::Pass, "{found:?}");
    assert_eq!(named(&judge, &mail, Some(&found)).0, "bob@b.example");
}
