//! Truth tables: every kind of proof, true, false and unknown, alone and combined; whom several feeds make the
//! source; and what must be asked for it.

use super::checks::{Checks, DkimCheck, Outcome, SpfCheck, SpfIdentity};
use super::*;
use crate::domain::headers::HeaderBlock;
use Verdict::*;
use jiff::Timestamp;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn arrival() -> Arrival {
    Arrival {
        client: "192.0.2.1".parse().unwrap(),
        helo: "mx.sender.example".into(),
        mail_from: "bounce@sender.example".into(),
        rcpt_to: vec!["arf+q7d2@abuse.example".into()],
        security: Security {
            tls: true,
            certificate: Some(Certificate {
                sha256: "ab".repeat(32),
                names: vec!["mx.sender.example".into()],
            }),
            login: Some("Filter".into()),
        },
    }
}

fn demand(domain: &str) -> DkimDemand {
    DkimDemand {
        domains: vec![domain.into()],
        strict: false,
        addressed: false,
        max_age: SignedDuration::from_hours(1),
    }
}

fn checks(dkim: Outcome, spf: Outcome) -> Checks {
    Checks {
        from: Some("sender.example".into()),
        dkim: vec![DkimCheck {
            domain: "sender.example".into(),
            selector: "s".into(),
            result: dkim,
            note: None,
            signed_at: Some(NOW),
            expires_at: None,
            part_of_body: false,
            covers: vec!["from".into(), "content-type".into()],
        }],
        spf: vec![SpfCheck {
            identity: SpfIdentity::MailFrom,
            domain: "sender.example".into(),
            result: spf,
            note: String::new(),
        }],
        ..Checks::default()
    }
}

fn verdict(proof: &Proof, checks: Option<&Checks>) -> Verdict {
    let arrival = arrival();
    proof.verdict(Facts {
        arrival: &arrival,
        signed: true,
        checks,
        received_at: NOW,
    })
}

fn nets(net: &str) -> Proof {
    Proof::Network(vec![net.parse().unwrap()])
}

fn names(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

fn certificate(name: &str) -> Proof {
    Proof::Certificate(vec![CertificateName::parse(name).unwrap()])
}

/// One proof of each kind that holds, and one that does not.
fn certain() -> Vec<(Proof, Proof)> {
    vec![
        (nets("192.0.2.0/28"), nets("198.51.100.0/24")),
        (
            Proof::Recipient(names("ARF+Q7d2@Abuse.example")),
            Proof::Recipient(names("arf@abuse.example")),
        ),
        (
            certificate("MX.sender.example"),
            certificate("sender.example"),
        ),
        (
            certificate(&format!("sha256:{}", vec!["AB"; 32].join(":"))),
            certificate(&format!("sha256:{}", "cd".repeat(32))),
        ),
        (Proof::Login(names("Filter")), Proof::Login(names("filter"))),
    ]
}

/// Of each kind that needs DNS: its proof, one for another domain, and what DNS says for each verdict.
fn asked() -> Vec<(Proof, Proof, [Checks; 3])> {
    use Outcome::*;
    vec![
        (
            Proof::Dkim(demand("sender.example")),
            Proof::Dkim(demand("other.example")),
            [Fail, TempError, Pass].map(|dkim| checks(dkim, Fail)),
        ),
        (
            Proof::Spf(names("sender.example")),
            Proof::Spf(names("other.example")),
            [Fail, TempError, Pass].map(|spf| checks(Fail, spf)),
        ),
    ]
}

#[test]
fn each_kind_alone() {
    for (yes, no) in certain() {
        for known in [None, Some(&checks(Outcome::Pass, Outcome::Pass))] {
            assert_eq!(verdict(&yes, known), Proven, "{yes:?}");
            assert_eq!(verdict(&no, known), NotProven, "{no:?}");
        }
    }
    for (proof, other, outcomes) in asked() {
        assert_eq!(verdict(&proof, None), Unknown, "nobody asked: {proof:?}");
        for (want, checks) in [NotProven, Unknown, Proven].into_iter().zip(&outcomes) {
            assert_eq!(verdict(&proof, Some(checks)), want, "{proof:?}");
            assert_eq!(verdict(&other, Some(checks)), NotProven, "{other:?}");
        }
    }
    assert_eq!(
        verdict(
            &Proof::Dkim(demand("sender.example")),
            Some(&checks(Outcome::Skipped, Outcome::Pass))
        ),
        NotProven
    );
}

#[test]
fn what_cannot_be_is_known_without_asking() {
    let mut plain = arrival();
    fn facts(arrival: &Arrival) -> Facts<'_> {
        Facts {
            arrival,
            signed: false,
            checks: None,
            received_at: NOW,
        }
    }
    let dkim = Proof::Dkim(demand("sender.example"));
    assert_eq!(dkim.verdict(facts(&plain)), NotProven, "no signature");
    let spf = |name: &str| Proof::Spf(names(name));
    assert_eq!(spf("other.example").verdict(facts(&plain)), NotProven);
    assert_eq!(spf("SENDER.example.").verdict(facts(&plain)), Unknown);
    assert_eq!(
        spf("mx.sender.example").verdict(facts(&plain)),
        Unknown,
        "HELO"
    );
    plain.mail_from.clear();
    assert_eq!(spf("sender.example").verdict(facts(&plain)), NotProven);
    plain.helo = "[192.0.2.1]".into();
    assert!(spf_domains(&plain).is_empty());
    plain.security = Security::default();
    for (yes, _) in certain().into_iter().skip(2) {
        assert_eq!(yes.verdict(facts(&plain)), NotProven, "{yes:?}");
    }
}

/// Every pair of proofs, of every kind and verdict, under both demands, against Kleene's tables.
#[test]
fn truth_table_of_demands() {
    let mut leaves: Vec<(Proof, Verdict)> = Vec::new();
    for (yes, no) in certain() {
        leaves.extend([(yes, Proven), (no, NotProven)]);
    }
    leaves.push((Proof::Dkim(demand("sender.example")), Unknown));
    leaves.push((Proof::Spf(names("sender.example")), Unknown));
    leaves.push((Proof::Spf(names("other.example")), NotProven));
    let all = |a, b| match (a, b) {
        (Proven, Proven) => Proven,
        (NotProven, _) | (_, NotProven) => NotProven,
        _ => Unknown,
    };
    let any = |a, b| match (a, b) {
        (NotProven, NotProven) => NotProven,
        (Proven, _) | (_, Proven) => Proven,
        _ => Unknown,
    };
    for known in [None, Some(&checks(Outcome::TempError, Outcome::TempError))] {
        for (one, first) in &leaves {
            for (two, second) in &leaves {
                let pair = vec![one.clone(), two.clone()];
                let (both, either) = (Proof::All(pair.clone()), Proof::Any(pair));
                assert_eq!(verdict(&both, known), all(*first, *second), "{both:?}");
                assert_eq!(verdict(&either, known), any(*first, *second), "{either:?}");
                let nested = Proof::All(vec![either, both.clone()]);
                assert_eq!(verdict(&nested, known), all(*first, *second), "{nested:?}");
            }
        }
    }
}

#[test]
fn nothing_proves_nothing() {
    for proof in [
        Proof::All(vec![]),
        Proof::Any(vec![]),
        Proof::Network(vec![]),
        Proof::Recipient(vec![]),
        Proof::Certificate(vec![]),
        Proof::Login(vec![]),
        Proof::Spf(vec![]),
        Proof::All(vec![Proof::Any(vec![])]),
    ] {
        assert_eq!(verdict(&proof, None), NotProven, "{proof:?}");
    }
    assert_eq!(verdict(&Feed::default().proof, None), NotProven);
}

#[test]
fn names_of_certificates() {
    let parse = CertificateName::parse;
    assert_eq!(
        parse("MX.a.example"),
        Some(CertificateName::Dns("mx.a.example".into()))
    );
    for wrong in [
        "",
        "filter",
        "sha256:abcd",
        "a b.example",
        "sha256:",
        "a..b",
        "-x.y/z",
    ] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}

fn feed(name: &str, proof: Proof) -> Feed {
    Feed {
        name: name.into(),
        proof,
        ..Feed::default()
    }
}

#[test]
fn the_first_in_order_is_the_source_and_only_the_needful_is_asked() {
    let yes = || nets("192.0.2.0/24");
    let signed = || Proof::Dkim(demand("sender.example"));
    let (arrival, unsure) = (arrival(), checks(Outcome::TempError, Outcome::Pass));
    let facts = |checks| Facts {
        arrival: &arrival,
        signed: true,
        checks,
        received_at: NOW,
    };
    let who = |feeds: &[Feed], checks, finally| match prove(feeds, facts(checks), finally) {
        Source::Proven(feed) => feed.name.clone(),
        Source::Unknown => "?".to_owned(),
        Source::Nobody => "-".to_owned(),
    };
    let later = [feed("net", yes()), feed("dkim", signed())];
    assert_eq!(who(&later, None, false), "net");
    assert!(
        Enquiry::of(&later, facts(None)).is_empty(),
        "the first is proven"
    );
    let first = [feed("dkim", signed()), feed("net", yes())];
    assert_eq!(who(&first, None, false), "?");
    assert_eq!(who(&first, Some(&unsure), false), "?");
    assert_eq!(
        who(&first, Some(&unsure), true),
        "net",
        "what is unknown does not hold at the end"
    );
    let pass = checks(Outcome::Pass, Outcome::Fail);
    assert_eq!(who(&first, Some(&pass), false), "dkim");
    assert_eq!(
        Enquiry::of(&first, facts(None)).dkim,
        [demand("sender.example")]
    );
    let vain = Proof::All(vec![nets("198.51.100.0/24"), signed()]);
    assert!(Enquiry::of(&[feed("vain", vain)], facts(None)).is_empty());
    let spf = Proof::All(vec![yes(), Proof::Spf(names("sender.example"))]);
    assert_eq!(
        Enquiry::of(&[feed("spf", spf.clone())], facts(None)).spf,
        ["sender.example"]
    );
    assert_eq!(who(&[feed("spf", spf)], Some(&pass), false), "-");
    assert_eq!(who(&[], None, false), "-");
    let near = [
        feed("far", nets("198.51.100.0/24")),
        feed("near", Proof::All(vec![yes(), signed()])),
    ];
    assert_eq!(
        nearest(&near, facts(None)).map(|f| f.name.as_str()),
        Some("near")
    );
}

#[test]
fn weights() {
    let f = Feed {
        weights: BTreeMap::from([
            (FeedbackType::Virus, 3),
            (FeedbackType::Other, 0),
            (FeedbackType::NotSpam, 9),
        ]),
        max_incidents: 10,
        ..Feed::default()
    };
    assert_eq!(f.weight_of(&FeedbackType::Abuse), 1);
    assert_eq!(f.weight_of(&FeedbackType::Virus), 3);
    assert_eq!(f.weight_of(&FeedbackType::Fraud), 1);
    assert_eq!(f.weight_of(&FeedbackType::OptOut), 0);
    assert_eq!(f.weight_of(&FeedbackType::from("brand-new")), 0);
    assert_eq!(f.weight_of(&FeedbackType::NotSpam), 0);
    assert_eq!(f.weight_of(&FeedbackType::AuthFailure), 0);
    for (incidents, want) in [
        (None, 3),
        (Some(0), 3),
        (Some(1), 3),
        (Some(7), 21),
        (Some(u32::MAX), 30),
    ] {
        assert_eq!(
            f.weight_with(&FeedbackType::Virus, incidents),
            want,
            "{incidents:?}"
        );
    }
    assert_eq!(
        Feed::default().weight_with(&FeedbackType::Abuse, Some(u32::MAX)),
        1
    );
}

#[test]
fn caps_leave_room() {
    for (cap, before, more, want) in [
        (None, 1_000_000, 5, 5),
        (Some(10), 0, 5, 5),
        (Some(10), 8, 5, 2),
        (Some(10), 10, 5, 0),
        (Some(10), 99, 5, 0),
        (Some(0), 0, 5, 0),
    ] {
        assert_eq!(Caps::room(cap, before, more), want);
    }
}

#[test]
fn a_spammer_cannot_make_a_report_one_of_cfbl() {
    let arrival = arrival();
    let facts = Facts {
        arrival: &arrival,
        signed: false,
        checks: None,
        received_at: NOW,
    };
    let alias = feed("alias", Proof::Recipient(names("arf+q7d2@abuse.example")));
    let net = feed(
        "net",
        Proof::All(vec![nets("192.0.2.0/24"), alias.proof.clone()]),
    );
    let is = |feed: &Feed, headers: &'static str| {
        cfbl::is_report(feed, &HeaderBlock::new(headers.as_bytes()), facts)
    };
    let ours = "CFBL-Address: <ARF+q7d2@abuse.example>; report=arf\r\n";
    let other = "CFBL-Address: fbl@sender.example; report=xarf\r\n";
    let id = "CFBL-Feedback-ID: 111:222\r\n";
    for (headers, by_alias, by_net) in [
        ("From: a@b\r\n", false, false),
        (ours, true, true),
        (other, false, false),
        (id, true, false),
    ] {
        assert_eq!(is(&alias, headers), by_alias, "{headers}");
        assert_eq!(is(&net, headers), by_net, "{headers}");
        // Without the alias in its proof the address may be known to all, and the network speaks for itself.
        assert!(
            !is(&feed("bare", nets("192.0.2.0/24")), headers),
            "{headers}"
        );
    }
    let age = SignedDuration::from_hours(1);
    assert_eq!(cfbl::verdict(age, facts), NotProven);
    for (outcome, want) in [
        (Outcome::Pass, Proven),
        (Outcome::Fail, NotProven),
        (Outcome::TempError, Unknown),
    ] {
        let found = checks(outcome, Outcome::Fail);
        let facts = Facts {
            signed: true,
            checks: Some(&found),
            ..facts
        };
        assert_eq!(cfbl::verdict(age, facts), want);
    }
}
