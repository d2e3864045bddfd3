//! What restrains a lock, case by case: trials, protection, the switch and the budget.

use super::*;
use crate::domain::feedback::FeedbackType;
use crate::domain::identity::Identity;
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
        window_seconds: 100,
        min_weight,
        ..Rule::default()
    }
}

fn bob() -> Identity {
    Identity {
        outgoing_user: None,
        value: "bob@shop.example".into(),
    }
}

/// The first thing that comes of it at 2, nothing having been told.
fn judge(rules: &[Rule], history: &History, restraints: &Restraints) -> Option<Judged> {
    let (told, bob) = (Told::default(), bob());
    assess(
        rules,
        history,
        at(1),
        &About::new(&bob),
        restraints,
        &told,
        at(2),
    )
}

/// What comes of three complaints, two by `old` and one by `new`, under a rule of 3 and a rule of 2.
fn judged(restraints: &Restraints) -> (String, Option<Restraint>) {
    let history: History = [(1, "old"), (2, "old"), (3, "new")]
        .map(|(n, feed)| complaint(n, feed))
        .into_iter()
        .collect();
    let rules = [rule("three", 3), rule("two", 2)];
    let judged = judge(&rules, &history, restraints).unwrap();
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
    let found = judge(&[rule("two", 2)], &history, &restraints).unwrap();
    assert_eq!((found.crossing.tally.weight, found.restraint), (2, None));
}

/// All that comes of one complaint: it is asked again until nothing is left to tell.
fn all_told(rules: &[Rule], history: &History, restraints: &Restraints) -> Vec<(String, bool)> {
    let (mut told, bob) = (Told::default(), bob());
    let mut names = Vec::new();
    loop {
        let about = About::new(&bob);
        let judged = assess(rules, history, at(1), &about, restraints, &told, at(2));
        let Some(judged) = judged else { break names };
        let restrained = judged.restraint.is_some();
        names.push((judged.crossing.rule.name.clone(), restrained));
        if !judged.only_told(judged.way(false)) {
            break names;
        }
        told.note(&judged, at(2));
    }
}

#[test]
fn what_only_tells_is_told_once_and_beside_what_is_on_trial() {
    use crate::domain::threshold::Step;
    let step = |name: &str, action, weight| Rule {
        action,
        ..rule(name, weight)
    };
    let history: History = [(1, "old"), (2, "old"), (3, "new")]
        .map(|(n, feed)| complaint(n, feed))
        .into_iter()
        .collect();
    let notify = step("notify", Step::Notify, 2);
    let observe = step("observe", Step::Observe, 1);
    let rules = [notify.clone(), observe.clone(), rule("lock", 3)];
    let name = |name: &str, restrained| (name.to_owned(), restrained);
    let on_trial = |rules: &[&str], feeds: &[&str]| Restraints {
        trials: Trials {
            rules: rules.iter().map(|n| ((*n).into(), at(9))).collect(),
            feeds: feeds.iter().map(|n| ((*n).into(), at(9))).collect(),
        },
        ..Restraints::default()
    };
    // A lock ends it.
    let got = all_told(&rules, &history, &Restraints::default());
    assert_eq!(got, [name("lock", false)]);
    let got = all_told(&rules[..2], &history, &Restraints::default());
    assert_eq!(got, [name("notify", false), name("observe", false)]);
    // A lock on trial is recorded, and the notice goes out.
    let notices = [
        name("notify", false),
        name("observe", false),
        name("lock", true),
    ];
    for restraints in [on_trial(&["lock"], &[]), on_trial(&[], &["new"])] {
        assert_eq!(all_told(&rules, &history, &restraints), notices);
    }
    // Who is protected may be told of.
    let mut restraints = on_trial(&[], &[]);
    restraints.protected = vec!["*".parse().unwrap()];
    assert_eq!(
        all_told(&rules, &history, &restraints),
        [name("lock", true)]
    );
    let got = all_told(&rules[..2], &history, &restraints);
    assert_eq!(got, [name("notify", false), name("observe", false)]);
    // Told again when its window is over.
    let (mut told, bob) = (Told::default(), bob());
    let judged = judge(&[observe], &history, &Restraints::default()).unwrap();
    told.note(&judged, at(-98));
    let again = |now| {
        let (about, none) = (About::new(&bob), Restraints::default());
        assess(
            &[notify.clone(), judged.crossing.rule.clone()],
            &history,
            at(1),
            &about,
            &none,
            &told,
            now,
        )
    };
    assert_eq!(again(at(1)).unwrap().crossing.rule.name, "notify");
    told.note(&again(at(1)).unwrap(), at(-98));
    let again = assess(
        std::slice::from_ref(&judged.crossing.rule),
        &history,
        at(1),
        &About::new(&bob),
        &Restraints::default(),
        &told,
        at(1),
    );
    assert_eq!(again, None);
    let again = assess(
        std::slice::from_ref(&judged.crossing.rule),
        &history,
        at(1),
        &About::new(&bob),
        &Restraints::default(),
        &told,
        at(2),
    );
    assert!(again.is_some());
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
