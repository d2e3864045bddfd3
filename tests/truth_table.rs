//! The truth table: (what proves the feed) x (who is named, on whose word) x (whose mail it was) -> whether the report
//! counts, and why. Real messages go through the whole pure path; `truth_table.txt` is what a desk person reads. Run
//! with `ARFD_BLESS=1` to rewrite it after a change that is meant; then read the diff.

use crate::support::signed::Signer;
use arfd::domain::attribution::{
    Bearer, HeaderRule, IdentificationMethod as Method, Keys, Methods, Own, OwnDkim, OwnKey, Place,
    Shared, Tokens, advice::advice,
};
use arfd::domain::feed::checks::DkimDemand;
use arfd::domain::feed::{Arrival, Feed, Proof, Security};
use arfd::intake::prepare::{Judge, Prepared};
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write;
use std::path::Path;

const NOW: i64 = 1_800_000_000;

#[derive(Clone, Copy, PartialEq)]
enum Proven {
    Yes,
    NotYet,
    No,
    Inside,
}

#[derive(Clone, Copy, PartialEq)]
enum Named {
    Token,
    OwnDkim,
    Trace,
    Header,
    Envelope,
    Nobody,
}

#[derive(Clone, Copy, PartialEq)]
enum Class {
    Single,
    Shared,
    Forwarded,
    NotOurs,
}

const PROVEN: [(Proven, &str); 4] = [
    (Proven::Yes, "proven"),
    (Proven::NotYet, "not yet (DNS)"),
    (Proven::No, "not proven"),
    (Proven::Inside, "sent on by it"),
];
const NAMED: [(Named, &str); 6] = [
    (Named::Token, "our token"),
    (Named::OwnDkim, "our DKIM"),
    (Named::Trace, "our Received"),
    (Named::Header, "a header"),
    (Named::Envelope, "the sender"),
    (Named::Nobody, "nobody"),
];
const CLASS: [(Class, &str); 4] = [
    (Class::Single, "one customer's"),
    (Class::Shared, "many customers'"),
    (Class::Forwarded, "forwarded"),
    (Class::NotOurs, "never ours"),
];

struct Bench {
    judge: Judge,
    signer: Signer,
    keys: Keys,
}

impl Bench {
    fn new() -> Self {
        let signer = Signer::new("our.example");
        let keys = Keys::new([(1, &[9u8; 32][..])], Some(1));
        let feed = |name: &str, proof| Feed {
            name: name.into(),
            proof,
            ..Feed::default()
        };
        let demand = DkimDemand {
            domains: vec!["reporter.example".into()],
            strict: false,
            addressed: false,
            max_age: SignedDuration::from_hours(1),
        };
        let networks = |text: &str| vec![text.parse().unwrap()];
        let methods = Methods {
            order: vec![
                Method::Token,
                Method::Dkim,
                Method::ReceivedTrace,
                Method::IdentificationHeader,
                Method::EnvelopeSender,
            ],
            headers: vec![HeaderRule::named("X-AuthUser")],
            own: Own {
                networks: networks("192.0.2.0/24"),
                relays: networks("192.0.2.16/29"),
                hosts: vec!["out.our.example".into()],
                domains: vec!["customer.example".into()],
            },
            shared: Shared {
                patterns: vec!["webmail@*".parse().unwrap()],
                domains: true,
            },
            tokens: Tokens {
                keys: keys.clone(),
                places: vec![Place::MessageId],
                headers: vec![],
            },
            dkim: OwnDkim {
                domains: vec!["our.example".into()],
                keys: vec![OwnKey {
                    domain: "our.example".into(),
                    selector: "s1".into(),
                    record: signer.record(),
                }],
                dns: false,
                auid: false,
            },
            ..Methods::default()
        };
        Self {
            judge: Judge {
                learnt: std::sync::Arc::default(),
                feeds: vec![
                    feed("loop", Proof::Network(networks("198.51.100.0/24"))),
                    feed("signed", Proof::Dkim(demand)),
                ],
                methods,
                signature_age: SignedDuration::from_hours(1),
            },
            signer,
            keys,
        }
    }

    /// What is enclosed: by its name the sender is told, and by its hops whose mail it was.
    fn enclosed(&self, named: Named, class: Class) -> Vec<u8> {
        let who = match class {
            Class::Shared => "webmail@customer.example",
            _ => "bob@customer.example",
        };
        let login = match named {
            Named::Trace => format!(" (Authenticated sender: {who})"),
            _ => String::new(),
        };
        let hops = match class {
            // The reporter took it from a stranger; the line in our name is made up.
            Class::NotOurs => format!(
                "Received: from x.stranger.example (x.stranger.example [203.0.113.66]) by mx.reporter.example with ESMTP; date\r\n\
                 Received: from pc (pc.isp.example [203.0.113.9]){login} by out.our.example with ESMTPSA; date\r\n"
            ),
            Class::Forwarded => format!(
                "Received: from out.our.example (out.our.example [192.0.2.17]) by mx.reporter.example with ESMTP; date\r\n\
                 Received: from mx.other.example (mx.other.example [203.0.113.9]){login} by out.our.example with ESMTP for <bob@customer.example>; date\r\n"
            ),
            _ => format!(
                "Received: from out.our.example (out.our.example [192.0.2.17]) by mx.reporter.example with ESMTP; date\r\n\
                 Received: from pc (pc.isp.example [203.0.113.9]){login} by out.our.example with ESMTPSA; date\r\n"
            ),
        };
        let id = match named {
            Named::Token => {
                let bearer = Bearer::Identity(who.into(), None);
                self.keys.make(&bearer, u16::MAX, None).unwrap()
            }
            _ => "1".into(),
        };
        let header = match named {
            Named::Header | Named::OwnDkim => format!("X-AuthUser: {who}\r\n"),
            _ => String::new(),
        };
        let own = format!(
            "{header}From: shop@elsewhere.example\r\nTo: y@reporter.example\r\nSubject: buy\r\nMessage-ID: <{id}@host.example>\r\n\r\nbuy\r\n"
        );
        let own = match named {
            Named::OwnDkim => self
                .signer
                .sign(own.as_bytes(), &["From", "X-AuthUser"], false),
            _ => own.into_bytes(),
        };
        [hops.as_bytes(), &own].concat()
    }

    fn report(&self, proven: Proven, named: Named, class: Class) -> Vec<u8> {
        let ip = match class {
            Class::NotOurs => "203.0.113.66",
            _ => "192.0.2.17",
        };
        let sender = match (named, class) {
            (Named::Envelope, Class::Shared) => {
                "Original-Mail-From: <webmail@customer.example>\r\n"
            }
            (Named::Envelope, Class::NotOurs) => "Original-Mail-From: <eve@elsewhere.example>\r\n",
            (Named::Envelope, _) => "Original-Mail-From: <bob@customer.example>\r\n",
            _ => "Original-Mail-From: <>\r\n",
        };
        let signature = match proven {
            Proven::NotYet => {
                "DKIM-Signature: v=1; a=ed25519-sha256; d=reporter.example; s=s; c=relaxed/relaxed; t=1800000000; h=From; bh=YQ==; b=YQ==\r\n"
            }
            _ => "",
        };
        let head = format!(
            "{signature}From: fbl@reporter.example\r\nSubject: report\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n\
             --b\r\nContent-Type: message/feedback-report\r\n\r\n\
             Feedback-Type: abuse\r\nUser-Agent: R/1\r\nVersion: 1\r\n{sender}Source-IP: {ip}\r\n\
             Original-Rcpt-To: <y@reporter.example>\r\n\r\n\
             --b\r\nContent-Type: message/rfc822\r\n\r\n"
        );
        let report = [
            head.as_bytes(),
            &self.enclosed(named, class),
            b"\r\n--b--\r\n",
        ]
        .concat();
        match proven {
            Proven::Inside => {
                let outer = b"From: desk@reporter.example\r\nSubject: Fwd\r\nMIME-Version: 1.0\r\n\
                    Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: text/plain\r\n\r\nlook\r\n\
                    --o\r\nContent-Type: message/rfc822\r\n\r\n";
                [&outer[..], &report, b"\r\n--o--\r\n"].concat()
            }
            _ => report,
        }
    }

    fn judged(&self, proven: Proven, named: Named, class: Class) -> Prepared {
        let arrival = Arrival {
            client: match proven {
                Proven::Yes | Proven::Inside => "198.51.100.7",
                Proven::NotYet | Proven::No => "203.0.113.250",
            }
            .parse()
            .unwrap(),
            helo: "mx.reporter.example".into(),
            mail_from: String::new(),
            rcpt_to: vec!["abuse@our.example".into()],
            security: Security::default(),
        };
        let message = self.report(proven, named, class);
        let now = Timestamp::from_second(NOW).unwrap();
        self.judge.prepare(arrival, &message, now)
    }
}

#[test]
fn who_counts_and_why() {
    let bench = Bench::new();
    let mut table = format!(
        "{:<14}{:<14}{:<17}{:<14}{:<10}{}\n",
        "the feed is", "named by", "the mail was", "stands as", "word", "because"
    );
    let mut counted = 0;
    for (proven, feed) in PROVEN {
        for (named, by) in NAMED {
            for (class, was) in CLASS {
                let filing = bench.judged(proven, named, class).filing;
                let strength = filing.attribution.strength();
                let word = strength.map_or("-", |s| s.as_str());
                let because = match filing.attribution.reason() {
                    Some(reason) if feed == "proven" => advice(reason).text,
                    _ => filing.standing.sentence(),
                };
                let stands = filing.standing.as_str();
                writeln!(
                    table,
                    "{feed:<14}{by:<14}{was:<17}{stands:<14}{word:<10}{because}"
                )
                .unwrap();
                // What must hold whatever the golden file says.
                let counts = stands == "counted";
                counted += usize::from(counts);
                assert_eq!(counts, filing.complaint.is_some());
                assert!(!counts || proven == Proven::Yes, "{feed} {by} {was}");
                // Who logged in at our server for it did not just forward it.
                let may =
                    class == Class::Single || (class == Class::Forwarded && named == Named::Trace);
                assert!(!counts || may, "{feed} {by} {was}");
            }
        }
    }
    assert!(counted > 0);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/truth_table.txt");
    if std::env::var_os("ARFD_BLESS").is_some() {
        std::fs::write(&golden, &table).unwrap();
    }
    let want = std::fs::read_to_string(&golden).unwrap();
    assert!(want == table, "the table has changed:\n{table}");
}
