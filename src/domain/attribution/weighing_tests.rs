//! Words that contradict each other: what is stronger is never silently overruled, and nobody is locked by what was
//! copied out of somebody else's mail.

use super::*;
use crate::domain::attribution::{
    Bearer, HeaderRule, Keys, Own, OwnDkim, OwnSignature, Place, Tokens,
};
use crate::domain::feed::checks::Outcome as Check;
use crate::domain::headers::HeaderBlock;

const BOB: &str = "bob@b.example";
const EVE: &str = "eve@b.example";

fn keys() -> Keys {
    Keys::new([(1, &[1u8; 32][..])], Some(1))
}

fn token(who: &str, user: Option<&str>) -> String {
    let bearer = Bearer::Identity(who.into(), user.and_then(OutgoingUser::parse));
    keys().make(&bearer, 100, None).unwrap()
}

fn methods(order: &[Method]) -> Methods {
    Methods {
        order: order.to_vec(),
        headers: vec![HeaderRule::named("X-AuthUser")],
        own: Own {
            relays: vec!["192.0.2.16/32".parse().unwrap()],
            hosts: vec!["out.our.example".into()],
            ..Own::default()
        },
        tokens: Tokens {
            keys: keys(),
            places: vec![Place::MessageId, Place::Recipient],
            headers: vec!["X-Customer".into()],
        },
        dkim: OwnDkim {
            domains: vec!["our.example".into()],
            auid: true,
            ..OwnDkim::default()
        },
        ..Methods::default()
    }
}

/// A report of message with these headers, stated to come from our relay.
fn reading(headers: &str, auth: Option<&str>, sender: Option<&str>) -> Reading<'static> {
    let mut reading = Reading::none();
    reading.format = Format::Arf;
    reading.headers = HeaderBlock::new(headers.as_bytes().to_vec());
    reading.report.source_ip = "192.0.2.16".parse().ok();
    reading.report.original_mail_from = sender.map(str::to_owned);
    reading.report.authentication_results = auth
        .iter()
        .map(|auth| format!("f; auth=pass smtp.auth={auth}"))
        .collect();
    reading
}

fn trace(login: Option<&str>) -> Hop {
    Hop {
        by: "out.our.example".into(),
        from: "203.0.113.9".parse().ok(),
        is_remote: true,
        is_authenticated: true,
        login: login.map(str::to_owned),
        ..Hop::default()
    }
}

fn signature(auid: &str) -> OwnSignature {
    OwnSignature {
        domain: "our.example".into(),
        selector: "s".into(),
        headers: Check::Pass,
        body: None,
        auid: Some(auid.into()),
        covered: vec!["from".into()],
    }
}

fn outcome(reading: &Reading<'_>, methods: &Methods, context: Context<'_>) -> Outcome {
    attribute(
        reading,
        methods,
        Context {
            proven: true,
            ..context
        },
    )
}

fn said(outcome: &Outcome) -> (String, &'static str) {
    match &outcome.attribution {
        Attribution::Identified {
            identity, method, ..
        } => (identity.value.clone(), method.as_str()),
        Attribution::Unattributed { reason, .. } => ("-".into(), reason.as_str()),
    }
}

fn named(value: &str, method: &'static str) -> (String, &'static str) {
    (value.to_owned(), method)
}

const TOKEN_FIRST: [Method; 3] = [
    Method::Token,
    Method::IdentificationHeader,
    Method::EnvelopeSender,
];
const HEADER_FIRST: [Method; 3] = [
    Method::IdentificationHeader,
    Method::EnvelopeSender,
    Method::Token,
];

#[test]
fn a_token_and_a_header_that_contradict_name_nobody_in_either_order() {
    for order in [TOKEN_FIRST, HEADER_FIRST] {
        let m = methods(&order);
        for (token_of, header, want) in [
            (BOB, BOB, None),
            (BOB, "Bob@B.example", None),
            (BOB, EVE, Some("conflicting")),
        ] {
            let text = format!(
                "Message-ID: <{}@h>\r\nX-AuthUser: {header}\r\n",
                token(token_of, None)
            );
            let got = said(&outcome(
                &reading(&text, None, None),
                &m,
                Context::default(),
            ));
            match want {
                None => assert_eq!(got.0, BOB, "{order:?} {header}"),
                Some(reason) => assert_eq!(got, named("-", reason), "{order:?} {header}"),
            }
        }
    }
    // A stolen token and the victim's name besides: the spammer's own header cannot be taken away.
    let text = format!(
        "Message-ID: <{}@h>\r\nX-AuthUser: {BOB}\r\nX-AuthUser: {EVE}\r\n",
        token(BOB, None)
    );
    let got = said(&outcome(
        &reading(&text, None, None),
        &methods(&TOKEN_FIRST),
        Context::default(),
    ));
    assert_eq!(got, named("-", "header_ambiguous"));
}

#[test]
fn a_token_may_not_contradict_the_filters_word_nor_another_token() {
    let m = methods(&TOKEN_FIRST);
    let of = |token_user: Option<&str>, stated: Option<&str>| {
        let text = format!("Message-ID: <{}@h>\r\n", token(BOB, token_user));
        outcome(&reading(&text, stated, None), &m, Context::default())
    };
    assert_eq!(
        said(&of(Some("a@b.example"), Some("A@b.example"))),
        named(BOB, "token")
    );
    assert_eq!(
        said(&of(Some("a@b.example"), Some("x@evil.example"))),
        named("-", "conflicting")
    );
    let alone = of(Some("a@b.example"), None);
    let identity = alone.attribution.identity().unwrap();
    assert_eq!(
        identity.outgoing_user.as_ref().unwrap().to_string(),
        "a@b.example"
    );
    assert_eq!(alone.attribution.strength(), Some(Strength::Signed));
    let two = format!("X-Customer: {} {}\r\n", token(BOB, None), token(EVE, None));
    let got = said(&outcome(&reading(&two, None, None), &m, Context::default()));
    assert_eq!(got, named("-", "conflicting"));
}

#[test]
fn where_tokens_stand_and_what_bad_ones_leave() {
    let m = methods(&TOKEN_FIRST);
    let alias = [format!("fbl+{}@our.example", token(BOB, None))];
    let context = Context {
        recipients: &alias,
        ..Context::default()
    };
    let got = outcome(&reading("Subject: x\r\n", None, None), &m, context);
    assert_eq!(said(&got), named(BOB, "token"));
    // In its time and after it.
    let late = Context {
        received_at: Timestamp::from_second(101 * 86_400).unwrap(),
        ..context
    };
    let got = outcome(&reading("Subject: x\r\n", None, None), &m, late);
    assert_eq!(said(&got), named("-", "token_expired"));
    assert_eq!(got.token_failures, [Failure::Expired]);
    let got = outcome(&reading("Subject: x\r\n", None, Some(EVE)), &m, late);
    assert_eq!(said(&got), named(EVE, "envelope_sender"));
    let Attribution::Identified { provenance, .. } = &got.attribution else {
        unreachable!()
    };
    assert!(
        provenance.contains("a token was there, but it has expired"),
        "{provenance}"
    );
    // A place that is not configured.
    let text = format!("CFBL-Feedback-ID: {}\r\n", token(BOB, None));
    let got = outcome(&reading(&text, None, None), &m, Context::default());
    assert_eq!(said(&got), named("-", "nothing_matched"));
}

#[test]
fn our_own_trace_wins_over_what_a_sender_may_write() {
    let order = [
        Method::IdentificationHeader,
        Method::ReceivedTrace,
        Method::EnvelopeSender,
    ];
    let m = methods(&order);
    let hops = [trace(Some(EVE))];
    let context = Context {
        hops: &hops,
        ..Context::default()
    };
    let got = outcome(
        &reading("X-AuthUser: bob@b.example\r\n", None, None),
        &m,
        context,
    );
    assert_eq!(said(&got), named(EVE, "received_trace"));
    let Attribution::Identified {
        provenance,
        strength,
        ..
    } = &got.attribution
    else {
        unreachable!()
    };
    assert_eq!(*strength, Strength::Vouched);
    assert!(
        provenance.contains("identification_header named bob@b.example"),
        "{provenance}"
    );
    // Without the proof of a feed it is nobody's word.
    let r = reading("Subject: x\r\n", None, None);
    let unproven = attribute(&r, &m, context);
    assert_eq!(unproven.attribution.strength(), Some(Strength::Enclosed));
    // A line that a stranger's hop stands above.
    let mut r = reading("Subject: x\r\n", None, Some("x@y.example"));
    r.report.source_ip = "203.0.113.66".parse().ok();
    assert_eq!(
        said(&outcome(&r, &m, context)),
        named("x@y.example", "envelope_sender")
    );
    // Exim's line, only where configured so.
    let hop = Hop {
        envelope_from: Some(BOB.into()),
        ..trace(None)
    };
    let hops = [hop];
    let context = Context {
        hops: &hops,
        ..Context::default()
    };
    let r = reading("Subject: x\r\n", None, None);
    assert_eq!(
        said(&outcome(&r, &m, context)),
        named("-", "nothing_matched")
    );
    let mut m = m;
    m.traces.envelope_from = true;
    assert_eq!(
        said(&outcome(&r, &m, context)),
        named(BOB, "received_trace")
    );
}

#[test]
fn a_stolen_token_does_not_stand_against_our_own_trace() {
    let m = methods(&[Method::Token, Method::ReceivedTrace]);
    let text = format!("Message-ID: <{}@h>\r\n", token(BOB, None));
    let hops = [trace(Some(EVE))];
    let context = Context {
        hops: &hops,
        ..Context::default()
    };
    let got = outcome(&reading(&text, None, None), &m, context);
    assert_eq!(said(&got), named("-", "conflicting"));
}

#[test]
fn our_signature_by_what_it_covers() {
    let m = methods(&[Method::Dkim, Method::EnvelopeSender]);
    let with = |signatures: &[OwnSignature], headers: &str| {
        let context = Context {
            signatures,
            ..Context::default()
        };
        said(&outcome(&reading(headers, None, Some(EVE)), &m, context))
    };
    assert_eq!(with(&[signature(BOB)], ""), named(BOB, "dkim"));
    assert_eq!(
        with(&[signature("@our.example")], ""),
        named(EVE, "envelope_sender")
    );
    let covering = OwnSignature {
        auid: None,
        covered: vec!["from".into(), "x-authuser".into()],
        ..signature(BOB)
    };
    let covering = std::slice::from_ref(&covering);
    assert_eq!(
        with(covering, "X-AuthUser: bob@b.example\r\n"),
        named(BOB, "dkim")
    );
    // One was added after signing; which, nobody can tell.
    let two = "X-AuthUser: bob@b.example\r\nX-AuthUser: bob@b.example\r\n";
    assert_eq!(with(covering, two), named(EVE, "envelope_sender"));
    assert_eq!(
        with(&[signature(BOB), signature(EVE)], ""),
        named("-", "conflicting")
    );
    for (headers, reason) in [
        (Check::Fail, "signature_invalid"),
        (Check::TempError, "signature_unchecked"),
    ] {
        let bad = [OwnSignature {
            headers,
            ..signature(BOB)
        }];
        let only = methods(&[Method::Dkim]);
        let context = Context {
            signatures: &bad,
            ..Context::default()
        };
        let got = said(&outcome(
            &reading("Subject: x\r\n", None, None),
            &only,
            context,
        ));
        assert_eq!(got, named("-", reason));
    }
}

mod forwarded {
    use super::*;

    /// Our relay took it in from there, for that recipient, and handed it to the complainant's provider.
    fn said_of(headers: &str, entry: Hop, complainant: &str) -> (String, &'static str) {
        let mut m = methods(&[Method::IdentificationHeader, Method::EnvelopeSender]);
        m.own.networks = vec!["192.0.2.0/24".parse().unwrap()];
        m.own.domains = vec!["b.example".into()];
        let below = Hop {
            by: "mx.elsewhere.example".into(),
            from: "198.51.100.66".parse().ok(),
            is_remote: true,
            recipient: Some(BOB.into()),
            ..Hop::default()
        };
        let hops = [entry, below];
        let context = Context {
            hops: &hops,
            ..Context::default()
        };
        let mut r = reading(headers, None, Some("news@elsewhere.example"));
        r.report.original_rcpt_to = vec![complainant.into()];
        said(&outcome(&r, &m, context))
    }

    fn inbound(recipient: Option<&str>) -> Hop {
        Hop {
            is_authenticated: false,
            recipient: recipient.map(str::to_owned),
            ..trace(None)
        }
    }

    const HOME: &str = "bob@home.example";

    #[test]
    fn mail_that_came_in_for_a_customer_and_went_on() {
        let forwarded = named("-", "forwarded");
        assert_eq!(
            said_of("Subject: x\r\n", inbound(Some(BOB)), HOME),
            forwarded
        );
        // By what our servers wrote above their Received line.
        let headers = "Delivered-To: <bob@b.example>\r\nReceived: ours\r\nReceived: theirs\r\n";
        assert_eq!(said_of(headers, inbound(None), HOME), forwarded);
        let headers = "X-Forwarded-For: bob@b.example bob@home.example\r\nReceived: ours\r\n";
        assert_eq!(said_of(headers, inbound(None), HOME), forwarded);
        // A customer's name in it is the stranger's forgery.
        let headers = "X-AuthUser: eve@b.example\r\n";
        assert_eq!(said_of(headers, inbound(Some(BOB)), HOME), forwarded);
    }

    #[test]
    fn no_way_out_for_spammers() {
        let sender = named("news@elsewhere.example", "envelope_sender");
        // He authenticated: what he writes below does not matter (the second hop, Delivered-To).
        let spam = "Received: ours\r\nDelivered-To: bob@b.example\r\nReceived: from x by out.our.example\r\n";
        assert_eq!(said_of(spam, trace(None), HOME), sender);
        // He relays by his address in our network.
        let own = Hop {
            from: "192.0.2.200".parse().ok(),
            ..inbound(Some(BOB))
        };
        assert_eq!(said_of(spam, own, HOME), sender);
        // His own server elsewhere relays through us for others.
        assert_eq!(
            said_of(spam, inbound(Some("x@other.example")), HOME),
            sender
        );
        assert_eq!(said_of(spam, inbound(None), HOME), sender);
        // The recipient himself complains: it is no forwarded mail.
        assert_eq!(said_of("Subject: x\r\n", inbound(Some(BOB)), BOB), sender);
    }
}

#[test]
fn a_word_that_can_be_copied_names_nobody_for_mail_from_elsewhere() {
    let mut m = methods(&TOKEN_FIRST);
    let text = format!("Message-ID: <{}@h>\r\n", token(BOB, None));
    // Even under a sender of ours, which the copier writes himself.
    let of = |m: &Methods, ip: Option<&str>, stated: Option<&str>| {
        let mut reading = reading(&text, stated, Some(BOB));
        reading.report.source_ip = ip.map(|ip| ip.parse().unwrap());
        outcome(&reading, m, Context::default())
    };
    let elsewhere = Some("203.0.113.9");
    for ip in [elsewhere, None] {
        let claimed = of(&m, ip, None).attribution;
        assert_eq!(claimed.strength(), Some(Strength::Claimed), "{ip:?}");
    }
    m.own.networks = vec!["192.0.2.0/24".parse().unwrap()];
    m.own.domains = vec!["b.example".into()];
    let foreign = of(&m, elsewhere, None);
    assert_eq!(said(&foreign), named("-", "not_our_network"));
    let unknown = of(&m, None, None).attribution;
    assert_eq!(unknown.strength(), Some(Strength::Claimed));
    let ours = of(&m, Some("192.0.2.99"), None).attribution;
    assert_eq!(ours.strength(), Some(Strength::Signed));
    let filtered = of(&m, elsewhere, Some("a@b.example")).attribution;
    assert_eq!(filtered.strength(), Some(Strength::Signed));
}
