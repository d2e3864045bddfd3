//! Attribution held against the filter's documented methods and the headers that real MTAs add.

use super::*;
use crate::domain::headers::HeaderBlock;
use crate::domain::report::{Format, Reading};
use regex::Regex;

fn methods(headers: &[(&str, Option<&str>)]) -> Methods {
    Methods {
        order: vec![
            IdentificationMethod::IdentificationHeader,
            IdentificationMethod::AuthenticatingUser,
            IdentificationMethod::EnvelopeSender,
        ],
        headers: headers
            .iter()
            .map(|(name, capture)| HeaderRule {
                name: (*name).into(),
                capture: capture.map(|c| Regex::new(c).unwrap()),
            })
            .collect(),
        ..Methods::default()
    }
}

/// The attribution alone.
fn attribute(reading: &Reading<'_>, methods: &Methods, trust_enclosed_user: bool) -> Attribution {
    let context = Context {
        trust_enclosed_user,
        ..Context::default()
    };
    super::attribute(reading, methods, context).attribution
}

fn reading(headers: &'static str, auth: &str, sender: Option<&str>) -> Reading<'static> {
    let mut reading = Reading::none();
    reading.format = Format::Arf;
    reading.headers = HeaderBlock::new(headers.as_bytes());
    if !auth.is_empty() {
        reading.report.authentication_results =
            vec![format!("filter.example; auth=pass smtp.auth={auth}")];
    }
    reading.report.original_mail_from = sender.map(str::to_owned);
    reading
}

fn named(outcome: &Attribution) -> (&str, &str) {
    match outcome {
        Attribution::Identified {
            identity, method, ..
        } => (&identity.value, method.as_str()),
        Attribution::Unattributed { reason, .. } => ("-", reason.as_str()),
    }
}

#[test]
fn first_match_in_order_wins() {
    let m = methods(&[("X-AuthUser", None)]);
    let with = reading(
        "X-AuthUser: Bob@Example.com\r\n",
        "srv1@example.com",
        Some("x@y.z"),
    );
    assert_eq!(
        named(&attribute(&with, &m, true)),
        ("bob@example.com", "identification_header")
    );
    let without = reading("", "srv1@example.com", Some("x@y.z"));
    let outcome = attribute(&without, &m, true);
    assert_eq!(named(&outcome), ("srv1@example.com", "authenticating_user"));
    let Attribution::Identified { provenance, .. } = outcome else {
        unreachable!()
    };
    assert!(
        provenance.contains("no identification header"),
        "{provenance}"
    );
    let mut reversed = methods(&[("X-AuthUser", None)]);
    reversed.order.reverse();
    assert_eq!(
        named(&attribute(&with, &reversed, true)),
        ("x@y.z", "envelope_sender")
    );
}

#[test]
fn capture_takes_the_group() {
    let m = methods(&[
        ("X-Authenticated-Sender", Some(r"^(?:\S+:\s*)?(\S+@\S+)$")),
        (
            "X-Get-Message-Sender-Via",
            Some(r"authenticated_id:\s*(\S+)"),
        ),
    ]);
    for headers in [
        "X-Authenticated-Sender: host.example: a@b.example\r\n",
        "X-Authenticated-Sender: a@b.example\r\n",
        "X-Get-Message-Sender-Via: host.example: authenticated_id: a@b.example\r\n",
    ] {
        let r = reading(headers, "", None);
        assert_eq!(
            named(&attribute(&r, &m, true)),
            ("a@b.example", "identification_header")
        );
    }
}

#[test]
fn disagreeing_headers_name_nobody() {
    let m = methods(&[("X-AuthUser", None), ("X-Auth", None)]);
    for headers in [
        "X-AuthUser: victim@b.example\r\nX-AuthUser: real@b.example\r\n",
        "X-AuthUser: victim@b.example\r\nX-Auth: real@b.example\r\n",
    ] {
        let r = reading(headers, "srv@b.example", Some("real@b.example"));
        assert_eq!(named(&attribute(&r, &m, true)), ("-", "header_ambiguous"));
    }
    let agreeing = reading(
        "X-AuthUser: A@b.example\r\nX-Auth: a@b.example\r\n",
        "",
        None,
    );
    assert_eq!(named(&attribute(&agreeing, &m, true)).0, "a@b.example");
}

#[test]
fn stripped_header_may_end_the_search() {
    let mut m = methods(&[("X-AuthUser", None)]);
    m.header_missing = HeaderMissing::Stop;
    let r = reading("", "srv@b.example", Some("a@b.example"));
    let outcome = attribute(&r, &m, true);
    assert_eq!(named(&outcome), ("-", "header_stripped"));
    let Attribution::Unattributed { outgoing_user, .. } = outcome else {
        unreachable!()
    };
    assert_eq!(outgoing_user.unwrap().to_string(), "srv@b.example");
}

#[test]
fn a_shared_user_is_no_identity() {
    let m = methods(&[]);
    for auth in ["192.0.2.4@b.example", "2001:db8::7@b.example", "@b.example"] {
        let r = reading("", auth, None);
        assert_eq!(
            named(&attribute(&r, &m, true)),
            ("-", "shared_user"),
            "{auth}"
        );
        let r = reading("", auth, Some("a@b.example"));
        assert_eq!(
            named(&attribute(&r, &m, true)),
            ("a@b.example", "envelope_sender")
        );
    }
}

fn user(reading: &Reading<'_>) -> String {
    match outgoing_user(reading, true) {
        UserSearch::Found(user, _) => user.to_string(),
        UserSearch::Ambiguous => "ambiguous".into(),
        UserSearch::Missing => "missing".into(),
    }
}

#[test]
fn outgoing_user_from_both_header_prefixes_and_the_feedback_part_first() {
    for prefix in ["X-SpamExperts", "X-Spampanel"] {
        let headers = format!("{prefix}-Domain: B.example\r\n{prefix}-Username: srv\r\n");
        let mut r = reading("", "", None);
        r.headers = HeaderBlock::new(headers.into_bytes());
        assert_eq!(user(&r), "srv@b.example");
        assert_eq!(outgoing_user(&r, false), UserSearch::Missing);
        r.report.authentication_results = vec!["h; auth=pass smtp.auth=other@c.example".into()];
        assert_eq!(user(&r), "other@c.example");
    }
    let mut r = reading("", "", None);
    r.report.authentication_results = ["srv@b.example", "srv@B.example", "other@c.example"]
        .map(|auth| format!("h; auth=pass smtp.auth={auth}"))
        .into();
    assert_eq!(user(&r), "ambiguous", "two are stated");
    r.report.authentication_results.pop();
    assert_eq!(user(&r), "srv@b.example");
    let folded = "Authentication-Results: h;\r\n auth=pass smtp.auth=srv@b.example\r\n";
    assert_eq!(user(&reading(folded, "", None)), "srv@b.example");
}

#[test]
fn enclosed_headers_that_disagree_name_no_user() {
    let m = methods(&[]);
    for headers in [
        "X-Spampanel-Domain: victim.example\r\nX-SpamExperts-Domain: evil.example\r\n",
        "X-Spampanel-Domain: victim.example\r\nX-Spampanel-Domain: evil.example\r\n",
        "X-Spampanel-Username: ceo\r\n",
        "Authentication-Results: whatever; auth=pass smtp.auth=ceo@victim.example\r\n\
         X-Spampanel-Domain: evil.example\r\nX-Spampanel-Username: e\r\n",
    ] {
        let r = reading(headers, "", Some("a@b.example"));
        assert_eq!(
            named(&attribute(&r, &m, true)),
            ("-", "user_ambiguous"),
            "{headers}"
        );
        let Attribution::Identified { identity, .. } = attribute(&r, &m, false) else {
            panic!("{headers}");
        };
        assert_eq!(identity.outgoing_user, None, "{headers}");
    }
}

#[test]
fn failed_authentication_names_no_user() {
    let mut r = reading("", "", None);
    r.report.authentication_results = vec!["h; auth=fail smtp.auth=srv@b.example".into()];
    assert_eq!(user(&r), "missing");
}

#[test]
fn null_sender_and_nonsense_are_no_identity() {
    let m = methods(&[("X-AuthUser", None)]);
    for (headers, sender) in [
        ("", Some("")),
        ("X-AuthUser: two words\r\n", None),
        ("X-AuthUser: \r\n", None),
        ("", Some("no-at-sign")),
    ] {
        let r = reading(headers, "", sender);
        assert_eq!(
            named(&attribute(&r, &m, true)),
            ("-", "nothing_matched"),
            "{headers:?} {sender:?}"
        );
    }
}

#[test]
fn stated_and_recovered_senders_are_two_methods() {
    let only_stated = Methods {
        order: vec![IdentificationMethod::OriginalMailFrom],
        ..Methods::default()
    };
    let mut r = reading("", "", Some("a@b.example"));
    let outcome = attribute(&r, &only_stated, true);
    assert_eq!(named(&outcome), ("a@b.example", "original_mail_from"));
    r.derived.insert("original_mail_from", "Return-Path".into());
    let outcome = attribute(&r, &only_stated, true);
    assert_eq!(named(&outcome), ("-", "nothing_matched"));
    assert_eq!(
        named(&attribute(&r, &methods(&[]), true)),
        ("a@b.example", "envelope_sender")
    );
    r.report.original_mail_from = Some("d41d8cd98f00".into());
    r.redacted.push("original_mail_from");
    assert_eq!(
        named(&attribute(&r, &methods(&[]), true)),
        ("-", "redacted")
    );
}

fn owner(identity: &str, shared: bool) -> Owner {
    Owner {
        identity: identity.into(),
        outgoing_user: OutgoingUser::parse("relay@b.example"),
        shared,
    }
}

#[test]
fn maps_name_identity_and_user() {
    let mut m = Methods {
        order: vec![
            IdentificationMethod::ScriptHeader,
            IdentificationMethod::SourceIp,
        ],
        ..Methods::default()
    };
    m.sources.add(
        "192.0.2.8/32".parse().unwrap(),
        owner("Bob@b.example", false),
    );
    m.sources
        .add("192.0.2.0/24".parse().unwrap(), owner("pool", true));
    m.scripts.owners.insert("1001".into(), owner("eve", false));
    let mut r = reading("", "", None);
    for (ip, derived, name, strength, shared) in [
        (
            "192.0.2.8",
            false,
            "bob@b.example",
            Strength::Vouched,
            false,
        ),
        (
            "192.0.2.8",
            true,
            "bob@b.example",
            Strength::Enclosed,
            false,
        ),
        ("192.0.2.9", false, "pool", Strength::Vouched, true),
    ] {
        r.report.source_ip = ip.parse().ok();
        r.derived.clear();
        if derived {
            r.derived.insert("source_ip", "Received".into());
        }
        let outcome = super::attribute(&r, &m, Context::default());
        let Attribution::Identified {
            identity,
            strength: found,
            ..
        } = &outcome.attribution
        else {
            panic!("{outcome:?}");
        };
        assert_eq!((identity.value.as_str(), *found), (name, strength));
        assert_eq!(identity.outgoing_user.as_ref().unwrap().username, "relay");
        assert_eq!(outcome.shared, shared);
    }
    r.headers = HeaderBlock::new(&b"X-PHP-Originating-Script: 1001:x.php\r\n"[..]);
    assert_eq!(named(&attribute(&r, &m, false)), ("eve", "script_header"));
}

#[test]
fn what_was_never_ours_names_nobody_unless_the_filter_names_its_user() {
    let mut m = methods(&[("X-AuthUser", None)]);
    let headers = "X-AuthUser: victim@b.example\r\n";
    let of = |auth: &str, sender: Option<&str>| {
        let mut r = reading(headers, auth, sender);
        r.report.source_ip = "203.0.113.9".parse().ok();
        r
    };
    let forged = of("", Some("x@elsewhere.example"));
    assert_eq!(named(&attribute(&forged, &m, false)).0, "victim@b.example");
    m.own.networks = vec!["192.0.2.0/24".parse().unwrap()];
    m.own.domains = vec!["b.example".into()];
    assert_eq!(
        named(&attribute(&forged, &m, false)),
        ("-", "not_our_network")
    );
    for r in [
        of("srv@b.example", Some("x@elsewhere.example")),
        of("", Some("x@b.example")),
    ] {
        assert_eq!(named(&attribute(&r, &m, false)).0, "victim@b.example");
    }
}
