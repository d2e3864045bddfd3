//! Attribution held against the filter's documented methods and the headers that real MTAs add.

use super::*;
use crate::domain::report::{Format, Reading};

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
        header_missing: HeaderMissing::NextMethod,
    }
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
