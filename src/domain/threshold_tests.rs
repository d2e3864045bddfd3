//! Windows, minima, rights and lateness of rules.

use super::*;
use crate::domain::feedback::FeedbackType;
use crate::domain::ids::{ComplaintId, IdentityId};

fn complaint(n: u8, feed: &str, message: u8, weight: u32, at: i64) -> Complaint {
    Complaint {
        id: ComplaintId::of(&[&[n]]),
        report: ReportId::of(&[&[n]]),
        identity: IdentityId::of(&[b"i"]),
        feed: feed.into(),
        feedback_type: FeedbackType::Abuse,
        message: MessageKey::of(&[&[message]]),
        complainant: ComplainantKey::of(&[&[n]]),
        weight,
        may: Right::Lock,
        strength: crate::domain::strength::Strength::Vouched,
        class: None,
        received_at: Timestamp::from_second(at).unwrap(),
    }
}

fn rule(window: u64, weight: u64, messages: u64, feeds: u64) -> Rule {
    Rule {
        name: "r".into(),
        window_seconds: window,
        min_weight: weight,
        min_messages: messages,
        min_feeds: feeds,
        ..Rule::default()
    }
}

fn history(complaints: &[Complaint]) -> History {
    complaints.iter().cloned().collect()
}

/// As [`super::assess`], about somebody.
fn assess(rules: &[Rule], history: &History, at: Timestamp) -> Option<Crossing> {
    let somebody = Identity {
        outgoing_user: None,
        value: "bob@shop.example".into(),
    };
    super::assess(rules, &About::new(&somebody), history, at)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn window_is_half_open() {
    let r = rule(100, 2, 2, 1);
    for (second, crosses) in [(199, true), (200, false)] {
        let complaints = [
            complaint(1, "f", 1, 1, 100),
            complaint(2, "f", 2, 1, second),
        ];
        let got = assess(std::slice::from_ref(&r), &history(&complaints), at(second));
        assert_eq!(got.is_some(), crosses, "{second}");
    }
}

#[test]
fn every_minimum_must_be_reached() {
    let complaints = [
        complaint(1, "f", 1, 5, 1),
        complaint(2, "f", 1, 5, 2),
        complaint(3, "g", 1, 5, 3),
    ];
    for (weight, messages, feeds, want) in [
        (15, 1, 2, true),
        (16, 1, 2, false),
        (15, 2, 2, false),
        (15, 1, 3, false),
    ] {
        let r = rule(1000, weight, messages, feeds);
        assert_eq!(assess(&[r], &history(&complaints), at(3)).is_some(), want);
    }
}

#[test]
fn one_person_alone_does_not_cross() {
    let mut complaints = [1, 2, 3].map(|n| complaint(n, "f", n, 5, 1));
    let mut r = rule(10, 15, 3, 1);
    r.min_complainants = 2;
    assert!(assess(std::slice::from_ref(&r), &history(&complaints), at(1)).is_some());
    for c in &mut complaints {
        c.complainant = ComplainantKey::of(&[b"one"]);
    }
    assert!(assess(&[r], &history(&complaints), at(1)).is_none());
}

#[test]
fn what_is_looked_at_is_bounded() {
    let one = complaint(1, "f", 1, 1, 1);
    let mut long: History = std::iter::repeat_n(one, MOST_COMPLAINTS).collect();
    long.push(complaint(2, "g", 2, 1, 2));
    assert_eq!(
        (long.len(), long.sums.weight),
        (MOST_COMPLAINTS, MOST_COMPLAINTS as u64)
    );
    (0..MOST_COMPLAINTS).for_each(|_| long.push(complaint(3, "h", 3, 1, 3)));
    assert_eq!(
        (long.sums.messages.distinct(), long.sums.feeds.distinct()),
        (1, 1)
    );
}

#[test]
fn evidence_is_exactly_what_was_summed() {
    let mut complaints = [
        complaint(1, "f", 1, 1, 1),
        complaint(2, "g", 2, 1, 60),
        complaint(3, "f", 3, 1, 61),
        complaint(4, "f", 4, 1, 62),
    ];
    complaints[3].feedback_type = FeedbackType::Fraud;
    let mut r = rule(60, 1, 1, 1);
    r.feeds = vec!["f".into()];
    r.feedback_types = vec![FeedbackType::Abuse];
    let sums = tally(&r, &complaints, at(62));
    assert_eq!(sums.evidence, [complaints[2].report]);
    assert_eq!((sums.weight, sums.messages, sums.feeds), (1, 1, 1));
}

#[test]
fn first_rule_in_order_is_named() {
    let complaints = [complaint(1, "f", 1, 9, 1)];
    let mut second = rule(10, 1, 1, 1);
    second.name = "second".into();
    let rules = [rule(10, 10, 1, 1), second];
    assert_eq!(
        assess(&rules, &history(&complaints), at(1))
            .unwrap()
            .rule
            .name,
        "second"
    );
}

#[test]
fn weights_do_not_overflow() {
    let complaints = [
        complaint(1, "f", 1, u32::MAX, 1),
        complaint(2, "f", 2, u32::MAX, 1),
    ];
    let sums = tally(&rule(u64::MAX, 1, 1, 1), &complaints, at(1));
    assert_eq!(sums.weight, 2 * u64::from(u32::MAX));
}

#[test]
fn a_late_complaint_counts_as_if_it_had_been_in_time() {
    let mut r = rule(100, 3, 3, 1);
    // Two within a window, one long after: not enough.
    let some = [1, 2, 3].map(|n| complaint(n, "f", n, 1, [100, 150, 1000][usize::from(n) - 1]));
    let with = |n: u8, second: i64| {
        let mut all: History = history(&some);
        all.push(complaint(n, "f", n, 1, second));
        assess(std::slice::from_ref(&r), &all, at(second)).map(|c| (c.until, c.tally.evidence))
    };
    let report = |n: u8| ReportId::of(&[&[n]]);
    assert_eq!(with(9, 500), None, "what came later is not in its window");
    assert_eq!(with(9, 50), None, "the third is too late for it");
    let (until, evidence) = with(9, 60).unwrap();
    assert_eq!(
        (until, evidence),
        (at(150), vec![report(1), report(2), report(9)])
    );
    assert_eq!(
        with(9, 160).unwrap().0,
        at(160),
        "it ends the window itself"
    );
    r.min_weight = 4;
    assert_eq!(assess(&[r], &history(&some), at(100)), None);
}

#[test]
fn who_may_not_lock_does_not_carry_a_crossing() {
    let with = |rights: [Right; 4]| {
        let all = (1..).zip(rights).map(|(n, may)| Complaint {
            may,
            ..complaint(n, "f", n, 1, 1)
        });
        assess(&[rule(10, 4, 4, 1)], &all.collect(), at(1)).is_some()
    };
    use Right::{Hold, Lock, Notify, Record};
    for (rights, crosses) in [
        ([Lock, Lock, Lock, Lock], true),
        ([Lock, Lock, Hold, Record], true),
        ([Lock, Hold, Notify, Record], false),
        ([Hold, Hold, Hold, Hold], false),
    ] {
        assert_eq!(with(rights), crosses, "{rights:?}");
    }
}

#[test]
fn the_strongest_step_is_named_and_within_it_the_first() {
    let complaints = [complaint(1, "f", 1, 9, 1)];
    let on = |name: &str, action, min_weight| Rule {
        name: name.into(),
        action,
        ..rule(10, min_weight, 1, 1)
    };
    use Step::{Hold, Lock, Notify, Observe};
    for (rules, want) in [
        (vec![on("a", Observe, 1), on("b", Notify, 1)], "b"),
        (
            vec![on("a", Notify, 1), on("b", Hold, 1), on("c", Hold, 1)],
            "b",
        ),
        (
            vec![on("a", Notify, 1), on("b", Lock, 10), on("c", Hold, 9)],
            "c",
        ),
        (
            vec![on("a", Hold, 1), on("b", Lock, 9), on("c", Lock, 1)],
            "b",
        ),
    ] {
        let got = assess(&rules, &history(&complaints), at(1)).unwrap();
        assert_eq!(got.rule.name, want);
    }
}

#[test]
fn a_late_complaint_tells_the_strongest_step() {
    // The notice would have come at 2, the lock at 3.
    let all = [(2, 2), (3, 3), (4, 1)].map(|(n, second)| complaint(n, "f", n, 1, second));
    let rules = [
        Rule {
            action: Step::Notify,
            ..rule(10, 2, 1, 1)
        },
        rule(10, 3, 1, 1),
    ];
    let got = assess(&rules, &history(&all), at(1)).unwrap();
    assert_eq!((got.rule.action, got.until), (Step::Lock, at(3)));
    let got = assess(&rules[..1], &history(&all), at(1)).unwrap();
    assert_eq!((got.rule.action, got.until), (Step::Notify, at(2)));
}

#[test]
fn a_feed_carries_what_it_may_do() {
    for may in Right::ALL {
        for action in Step::ALL {
            let one = Complaint {
                may,
                ..complaint(1, "f", 1, 1, 1)
            };
            let r = Rule {
                action,
                ..rule(10, 1, 1, 1)
            };
            let got = assess(&[r], &history(&[one]), at(1)).is_some();
            assert_eq!(got, may >= action.right(), "{may:?} {action:?}");
        }
    }
}

#[test]
fn what_a_rule_looks_at() {
    use crate::domain::strength::Strength;
    let mut one = complaint(1, "f", 1, 1, 1);
    one.class = Some("phish".into());
    let plain = complaint(1, "f", 1, 1, 1);
    let looks = |r: &Rule| (r.excludes(&one), r.excludes(&plain));
    let mut r = rule(10, 1, 1, 1);
    assert_eq!(looks(&r), (None, None));
    r.classes = vec!["virus".into(), "phish".into()];
    assert_eq!(looks(&r), (None, Some(Excluded::OtherClass)));
    r.feedback_types = vec![FeedbackType::Fraud];
    assert_eq!(looks(&r).0, Some(Excluded::OtherType));
    r.feeds = vec!["g".into()];
    assert_eq!(looks(&r).0, Some(Excluded::OtherFeed));
    for least in Strength::ALL {
        let r = Rule {
            min_strength: least,
            ..rule(10, 1, 1, 1)
        };
        let weak = (least > Strength::Vouched).then_some(Excluded::TooWeak);
        assert_eq!(r.excludes(&one), weak, "{least:?}");
    }
}

#[test]
fn whom_a_rule_is_for() {
    use crate::domain::identity::OutgoingUser;
    let patterns = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect();
    let bob = Identity {
        outgoing_user: OutgoingUser::parse("relay@customer.example"),
        value: "bob@shop.example".into(),
    };
    for (identities, users, except, is_for) in [
        (&[][..], &[][..], &[][..], true),
        (&["*@shop.example"], &[], &[], true),
        (&["*@else.example", "bob@*"], &[], &[], true),
        (&["*@else.example"], &[], &[], false),
        (&[], &["user:relay@*"], &[], true),
        (&[], &["user:other@*"], &[], false),
        (&["bob@*"], &["user:other@*"], &[], false),
        (
            &["bob@*"],
            &["user:relay@*"],
            &["domain:customer.example"],
            false,
        ),
        (&[], &[], &["ann@*"], true),
    ] {
        let r = Rule {
            identities: patterns(identities),
            outgoing_users: patterns(users),
            except: patterns(except),
            ..rule(10, 1, 1, 1)
        };
        assert_eq!(
            r.is_for(&bob),
            is_for,
            "{identities:?} {users:?} {except:?}"
        );
        let one = history(&[complaint(1, "f", 1, 1, 1)]);
        let crossed = super::assess(&[r], &About::new(&bob), &one, at(1));
        assert_eq!(crossed.is_some(), is_for);
    }
}

#[test]
fn shapes_of_old_rules_are_as_they_were() {
    let mut r = rule(10, 1, 2, 3);
    let old = "feeds [] types [] window 10 weight 1 messages 2 complainants 1 feeds 3";
    assert_eq!(r.shape(), old);
    r.lock_timeout_seconds = Some(5);
    r.max_automatic_unlocks = Some(5);
    r.reason = Some("spam".into());
    assert_eq!(r.shape(), old, "when it is crossed does not change");
    r.action = Step::Notify;
    r.classes = vec!["phish".into()];
    r.identities = vec!["*@shop.example".parse().unwrap()];
    r.min_strength = crate::domain::strength::Strength::Signed;
    let new = " action notify classes [\"phish\"] identities [\"*@shop.example\"] strength signed";
    assert_eq!(r.shape(), format!("{old}{new}"));
}

#[test]
fn rules_of_old_explanations_are_still_read() {
    let old = r#"{"name":"burst","feeds":[],"feedback_types":[],"window_seconds":10,"min_weight":1,
        "min_messages":2,"min_complainants":1,"min_feeds":3}"#;
    let want = Rule {
        name: "burst".into(),
        ..rule(10, 1, 2, 3)
    };
    assert_eq!(serde_json::from_str::<Rule>(old).unwrap(), want);
    let again = serde_json::to_string(&want).unwrap();
    assert_eq!(serde_json::from_str::<Rule>(&again).unwrap(), want);
}

proptest::proptest! {
    /// The bounds spare work and change nothing.
    #[test]
    fn bounds_never_hide_a_crossing(
        events in proptest::collection::vec((0u8..4, 0u8..2, 0u32..4, 0i64..50), 0..40),
        (window, weight, messages, feeds) in (1u64..50, 1u64..20, 1u64..4, 1u64..3),
        forget in 0i64..50,
    ) {
        let r = rule(window, weight, messages, feeds);
        let mut all = Vec::new();
        let mut kept = History::default();
        for (n, (message, feed, weight, second)) in (0..).zip(events) {
            let feed = if feed == 0 { "f" } else { "g" };
            let next = complaint(n, feed, message, weight, second);
            all.push(next.clone());
            kept.push(next);
            let got = assess(std::slice::from_ref(&r), &kept, at(second));
            // Every window that holds the new one and ends with itself or a later one, the slow way.
            let mut ends: Vec<_> = all.iter().map(|c| c.received_at).collect();
            ends.retain(|end| *end >= at(second) && r.window_start(*end) < at(second));
            ends.sort();
            let first = ends.into_iter().find(|end| crosses(&r, &tally(&r, &all, *end)));
            proptest::prop_assert_eq!(got.as_ref().map(|c| c.until), first);
            if let Some(found) = got {
                proptest::prop_assert_eq!(found.tally, tally(&r, &all, found.until));
            }
        }
        kept.keep_after(at(forget));
        all.retain(|c| c.received_at > at(forget));
        let got = assess(std::slice::from_ref(&r), &kept, at(50));
        proptest::prop_assert_eq!(got.is_some(), crosses(&r, &tally(&r, &all, at(50))));
    }
}
