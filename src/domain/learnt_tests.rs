//! What is learnt speaks for its own feed only, only where nobody was named, and never against itself.

use super::*;
use crate::domain::headers::HeaderBlock;
use crate::domain::identity::OutgoingUser;
use crate::domain::report::Format;

fn reading(headers: &str) -> Reading<'_> {
    let mut reading = Reading::none();
    reading.format = Format::Arf;
    reading.headers = HeaderBlock::new(headers.as_bytes());
    reading.report.source_ip = Some("192.0.2.7".parse().unwrap());
    reading.report.original_mail_from = Some("Bounce@News.Example".into());
    reading.report.authentication_results =
        vec!["filter.example; auth=pass smtp.auth=192.0.2.9@Shop.example".into()];
    reading
}

fn who(value: &str) -> Identity {
    Identity {
        outgoing_user: OutgoingUser::parse("relay@shop.example"),
        value: value.into(),
    }
}

fn mapping(feed: &str, choice: &str, value: &str, identity: &str) -> Mapping {
    Mapping {
        id: Uuid::from_u128(1),
        feed: feed.into(),
        key: Key {
            choice: choice.parse().unwrap(),
            value: value.into(),
        },
        identity: who(identity),
        report: ReportId::of(&[b"r"]),
        by: "ann".into(),
    }
}

fn unnamed(reason: Reason) -> Attribution {
    Attribution::Unattributed {
        reason,
        outgoing_user: None,
    }
}

fn named(mappings: Vec<Mapping>, headers: &str, reason: Reason) -> Option<(String, Strength)> {
    let mappings: Mappings = mappings.into_iter().collect();
    let reading = reading(headers);
    let found = mappings.attribute("loop", &reading, false, &unnamed(reason))?;
    let who = found.identity().unwrap().value.clone();
    Some((who, found.strength().unwrap()))
}

#[test]
fn keys_and_their_strength() {
    for (choice, value, strength) in [
        ("source-ip", "192.0.2.7", Strength::Enclosed),
        (
            "outgoing-user",
            "192.0.2.9@shop.example",
            Strength::Enclosed,
        ),
        ("sender-domain", "news.example", Strength::Claimed),
        ("header:X-Customer", "4711", Strength::Enclosed),
    ] {
        let found = named(
            vec![mapping("loop", choice, value, "a@b")],
            "x-customer: 4711\r\n",
            Reason::NothingMatched,
        );
        assert_eq!(found, Some(("a@b".into(), strength)), "{choice}");
    }
    let mut derived = reading("");
    derived.derived.insert("source_ip", "Received".into());
    let (_, strength) = Key::of(&Choice::SourceIp, &derived, false).unwrap();
    assert_eq!(strength, Strength::Claimed);
}

#[test]
fn only_its_feed_and_only_where_nobody_is_named() {
    let one = |feed: &str| vec![mapping(feed, "source-ip", "192.0.2.7", "a@b")];
    assert!(named(one("loop"), "", Reason::HeaderStripped).is_some());
    assert!(named(one("loop"), "", Reason::SharedUser).is_some());
    assert_eq!(named(one("other"), "", Reason::NothingMatched), None);
    for reason in [
        Reason::HeaderAmbiguous,
        Reason::UserAmbiguous,
        Reason::NotAReport,
        Reason::Conflicting,
        Reason::Forwarded,
        Reason::NotOurNetwork,
        Reason::TokenBadMac,
    ] {
        assert_eq!(named(one("loop"), "", reason), None, "{reason:?}");
    }
    let mappings: Mappings = one("loop").into_iter().collect();
    let other = by_hand(who("c@d"), "ann");
    let kept = mappings.attribute("loop", &reading(""), false, &other);
    assert_eq!(kept, None, "who is named stays so");
}

#[test]
fn lessons_that_disagree_name_nobody() {
    let ip = mapping("loop", "source-ip", "192.0.2.7", "a@b");
    let domain = |who| mapping("loop", "sender-domain", "news.example", who);
    let found = |list| named(list, "", Reason::NothingMatched);
    assert_eq!(found(vec![ip.clone(), domain("c@d")]), None);
    assert_eq!(
        found(vec![domain("a@b"), ip]),
        Some(("a@b".into(), Strength::Enclosed)),
        "the strongest of those that agree"
    );
}

#[test]
fn a_header_that_contradicts_itself_is_no_key() {
    let list = || vec![mapping("loop", "header:x-customer", "4711", "a@b")];
    let found = |headers| named(list(), headers, Reason::NothingMatched);
    assert!(found("X-Customer: 4711\r\nx-customer: 4711\r\n").is_some());
    assert_eq!(found("X-Customer: 4711\r\nx-customer: 4712\r\n"), None);
    let long = format!("X-Customer: {}\r\n", "1".repeat(400));
    assert_eq!(found(&long), None);
}

#[test]
fn choices() {
    for text in ["source-ip", "outgoing-user", "sender-domain", "header:x-a"] {
        assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
    }
    for (text, why) in [
        ("", NoChoice::Unknown),
        ("ip", NoChoice::Unknown),
        ("header:", NoChoice::Name),
        ("header:a b", NoChoice::Name),
        ("header:Message-ID", NoChoice::Passing),
    ] {
        assert_eq!(text.parse::<Choice>(), Err(why), "{text}");
    }
}
