//! What restrains a lock, case by case: trials, protection, the switch and the budget.

use super::*;
use crate::domain::feedback::FeedbackType;
use crate::domain::ids::{ComplainantKey, ComplaintId, IdentityId, MessageKey, ReportId};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn complaint(n: u8, feed: &str) -> Complaint {
    Complaint {
        id: ComplaintId::of(&[&[n]]),
        report: ReportId::of(&[&[n]]),
        identity: IdentityId::of(&[b"i"]),
        feed: feed.into(),
        feedback_type: FeedbackType::Abuse,
        message: MessageKey::of(&[&[n]]),
        complainant: ComplainantKey::of(&[&[n]]),
        weight: 1,
        may: crate::domain::feed::Right::Lock,
        strength: crate::domain::strength::Strength::Vouched,
        class: None,
        received_at: at(1),
    }
}

fn rule(name: &str, min_weight: u64) -> Rule {
    Rule {
        name: name.into(),
        feeds: vec![],
        feedback_types: vec![],
        window_seconds: 100,
        min_weight,
        min_messages: 1,
        min_complainants: 1,
        min_feeds: 1,
    }
}

fn bob() -> Identity {
    Identity {
        outgoing_user: None,
        value: "bob@shop.example".into(),
    }
}

/// What comes of three complaints, two by `old` and one by `new`, under a rule of 3 and a rule of 2.
fn judged(restraints: &Restraints) -> (String, Option<Restraint>) {
    let history: History = [(1, "old"), (2, "old"), (3, "new")]
        .map(|(n, feed)| complaint(n, feed))
        .into_iter()
        .collect();
    let rules = [rule("three", 3), rule("two", 2)];
    let judged = assess(&rules, &history, at(1), &bob(), restraints, at(2)).unwrap();
    (judged.crossing.rule.name, judged.restraint)
}

#[test]
fn truth_table_of_trials() {
    let (over, running) = (at(2), at(3));
    for (rules, feeds, rule, restrained) in [
        (vec![], vec![], "three", false),
        (vec![("three", over)], vec![], "three", false),
        (vec![("three", running)], vec![], "two", false),
        (vec![("two", running)], vec![], "three", false),
        (
            vec![("three", running), ("two", running)],
            vec![],
            "three",
            true,
        ),
        (vec![], vec![("new", over)], "three", false),
        (vec![], vec![("new", running)], "two", false),
        (vec![], vec![("old", running)], "three", true),
        (
            vec![("two", running)],
            vec![("new", running)],
            "three",
            true,
        ),
    ] {
        let map = |all: &[(&str, Timestamp)]| all.iter().map(|(n, t)| ((*n).into(), *t)).collect();
        let restraints = Restraints {
            trials: Trials {
                rules: map(&rules),
                feeds: map(&feeds),
            },
            ..Restraints::default()
        };
        let want = restrained.then_some(Restraint::Trial);
        assert_eq!(judged(&restraints), (rule.into(), want), "{restraints:?}");
    }
}

#[test]
fn what_is_on_trial_is_not_summed() {
    let restraints = Restraints {
        trials: Trials {
            feeds: [("new".to_owned(), at(3))].into(),
            ..Trials::default()
        },
        ..Restraints::default()
    };
    let history: History = [(1, "old"), (2, "old"), (3, "new")]
        .map(|(n, feed)| complaint(n, feed))
        .into_iter()
        .collect();
    let found = assess(
        &[rule("two", 2)],
        &history,
        at(1),
        &bob(),
        &restraints,
        at(2),
    )
    .unwrap();
    assert_eq!((found.crossing.tally.weight, found.restraint), (2, None));
}

#[test]
fn who_is_protected_is_only_recorded() {
    let pattern = "*@shop.example".to_owned();
    let restraints = Restraints {
        protected: vec![pattern.parse().unwrap()],
        ..Restraints::default()
    };
    let want = Some(Restraint::Protected { pattern });
    assert_eq!(judged(&restraints), ("three".into(), want));
}

#[test]
fn the_switch_and_the_budget_hold_back() {
    let switch = |paused| LockSwitch {
        paused,
        since: at(0),
        by: "desk".into(),
        why: "looking".into(),
    };
    for (paused, locks, budget, want) in [
        (false, 0, None, None),
        (false, u64::MAX, None, None),
        (false, 2, Some(3), None),
        (false, 3, Some(3), Some("over_budget")),
        (true, 0, None, Some("paused")),
        (true, 3, Some(3), Some("paused")),
    ] {
        let got = hold_back(&switch(paused), locks, budget);
        assert_eq!(
            got.as_ref().map(Restraint::as_str),
            want,
            "{paused} {locks} {budget:?}"
        );
        assert!(got.is_none_or(|restraint| restraint.holds()));
    }
    assert!(!Restraint::Trial.holds());
}
