//! Replays case by case: where windows start anew, what ends what, and how replayed and real crossings are laid
//! beside each other. That a replay of the same rules gives the same incidents is `tests/replay.rs`'s.

use super::*;
use crate::domain::feed::Right;
use crate::domain::feedback::FeedbackType;
use crate::domain::ids::{ComplainantKey, ComplaintId, MessageKey};
use crate::domain::routing::Routing;
use crate::domain::strength::Strength;
use crate::domain::threshold::Crossing;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn bob() -> Identity {
    Identity {
        outgoing_user: None,
        value: "bob@shop.example".into(),
    }
}

fn complaint(second: i64) -> Complaint {
    let key: [&[u8]; 1] = [&second.to_be_bytes()];
    Complaint {
        id: ComplaintId::of(&key),
        report: ReportId::of(&key),
        identity: bob().id(),
        feed: "f".into(),
        feedback_type: FeedbackType::Abuse,
        message: MessageKey::of(&key),
        complainant: ComplainantKey::of(&key),
        weight: 1,
        may: Right::Lock,
        strength: Strength::Vouched,
        class: None,
        received_at: at(second),
    }
}

fn rule(name: &str, action: Step, window: u64, weight: u64) -> Rule {
    Rule {
        name: name.into(),
        action,
        window_seconds: window,
        min_weight: weight,
        ..Rule::default()
    }
}

fn policy(rules: Vec<Rule>, targets: &[&str]) -> Policy {
    Policy {
        rules,
        targets: Routing::to_all(targets.iter().copied()),
        restraints: Restraints::default(),
        caps: Default::default(),
        reopen_after_seconds: 1_000,
        life: Life::default(),
    }
}

/// An incident by `lock` that was opened at a second.
fn past(second: i64, ended: Option<i64>) -> Past {
    let rule = rule("lock", Step::Lock, 100, 3);
    let crossing = Crossing {
        rule,
        tally: Tally::default(),
        until: at(second),
    };
    let judged = Judged {
        crossing,
        restraint: None,
    };
    let why = Explanation::by_rule(judged, complaint(second).report, at(second));
    Past {
        id: why.incident_id(bob().id()),
        state: "locked".into(),
        why,
        ended_at: ended.map(at),
    }
}

/// When a replay of complaints at these seconds crosses, and which rule.
fn crossed(policy: &Policy, past: &[Past], begins: i64, seconds: &[i64]) -> Vec<(String, i64)> {
    let bob = bob();
    let mut replay = Replay::new(policy, &bob, past, at(begins));
    seconds.iter().for_each(|s| replay.take(&complaint(*s)));
    let crossed = replay.finish().into_iter();
    crossed.map(|c| (c.rule, c.at.as_second())).collect()
}

#[test]
fn windows_start_anew_as_live() {
    let lock = || vec![rule("lock", Step::Lock, 100, 3)];
    let locks = |policy: &Policy, past: &[Past], begins, seconds: &[i64]| -> Vec<i64> {
        let found = crossed(policy, past, begins, seconds);
        found.into_iter().map(|(_, second)| second).collect()
    };
    let (sent, observed) = (policy(lock(), &["t"]), policy(lock(), &[]));
    // Observed: three and three again. Locked: not before the incident's age ends it.
    let six = [1, 2, 3, 4, 5, 6];
    assert_eq!(locks(&observed, &[], 0, &six), [3, 6]);
    assert_eq!(locks(&sent, &[], 0, &six), [3]);
    let later = [1, 2, 3, 1_002, 1_003, 1_004, 1_005, 1_006];
    assert_eq!(locks(&sent, &[], 0, &later), [3, 1_006]);
    // What happened then was ended by a person at 5, and so is what the replay has open.
    let closed = [past(3, Some(5))];
    assert_eq!(locks(&sent, &closed, 0, &[1, 2, 3, 4, 5, 6, 7, 8]), [3, 8]);
    let other = [past(2, Some(5))];
    assert_eq!(locks(&sent, &other, 0, &[1, 2, 3, 4, 5, 6, 7, 8]), [3, 8]);
    // Before there is anything open it ends nothing.
    let early = [past(2, Some(2))];
    assert_eq!(locks(&sent, &early, 0, &[1, 2, 3]), [3]);
    // What was so at the beginning is so: locked, spent, or neither.
    assert_eq!(locks(&sent, &[past(3, None)], 4, &six), [0i64; 0]);
    assert_eq!(locks(&sent, &closed, 5, &[3, 4, 5, 6, 7, 8]), [8]);
    assert_eq!(locks(&sent, &[], 4, &[3, 4, 5, 6]), [5]);
    assert_eq!(locks(&sent, &[past(3, Some(6))], 4, &[5, 6, 7, 8, 9]), [9]);
    // A rule's timeout ends what history does not know; what it knows has its own end.
    let mut short = lock();
    short[0].lock_timeout_seconds = Some(2);
    let short = policy(short, &["t"]);
    assert_eq!(locks(&short, &[], 0, &[1, 2, 3, 4, 5, 6, 7, 8]), [3, 8]);
    let known = [past(3, Some(6))];
    assert_eq!(
        locks(&short, &known, 0, &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        [3, 9]
    );
}

#[test]
fn what_is_only_told_takes_nothing_and_is_told_once() {
    let rules = vec![
        rule("notice", Step::Notify, 100, 2),
        rule("lock", Step::Lock, 100, 4),
    ];
    let both = policy(rules, &["t"]);
    let want = [("notice".to_owned(), 2), ("lock".to_owned(), 4)];
    assert_eq!(crossed(&both, &[], 0, &[1, 2, 3, 4]), want);
    let notice = policy(vec![rule("notice", Step::Notify, 10, 2)], &["t"]);
    // A notice is open until its age ends it; without a target it is told again when its window is over.
    assert_eq!(crossed(&notice, &[], 0, &[1, 2, 3, 11, 12, 13]).len(), 1);
    let notice = policy(notice.rules, &[]);
    let found = crossed(&notice, &[], 0, &[1, 2, 3, 11, 12, 13]);
    assert_eq!(found.iter().map(|(_, s)| *s).collect::<Vec<_>>(), [2, 12]);
    // Who is protected is recorded, and the window starts anew.
    let mut shield = policy(vec![rule("lock", Step::Lock, 100, 2)], &["t"]);
    shield.restraints.protected = vec!["*".parse().unwrap()];
    assert_eq!(crossed(&shield, &[], 0, &[1, 2, 3, 4]).len(), 2);
}

#[test]
fn trials_are_not_replayed() {
    let mut new = policy(vec![rule("lock", Step::Lock, 100, 2)], &["t"]);
    new.restraints.trials.rules = [("lock".to_owned(), at(1 << 30))].into();
    assert_eq!(crossed(&new, &[], 0, &[1, 2]).len(), 1);
}

#[test]
fn how_they_lie_to_each_other() {
    let lock = policy(vec![rule("lock", Step::Lock, 100, 1)], &[]);
    let outcomes = |seconds: &[i64], past: &[Past]| -> Vec<(&'static str, i64)> {
        let bob = bob();
        let mut replay = Replay::new(&lock, &bob, past, at(0));
        seconds.iter().for_each(|s| replay.take(&complaint(*s)));
        let found = compare(replay.finish(), past, at(0), false);
        let told = |d: Difference| (d.outcome.as_str(), d.at().as_second());
        found.into_iter().map(told).collect()
    };
    let seen = |second| Past {
        state: "observed".into(),
        ..past(second, None)
    };
    assert_eq!(outcomes(&[5], &[seen(5)]), [("same", 5)]);
    assert_eq!(outcomes(&[4], &[seen(5)]), [("earlier", 4)]);
    assert_eq!(outcomes(&[6], &[seen(5)]), [("later", 6)]);
    assert_eq!(outcomes(&[], &[seen(5)]), [("never", 5)]);
    assert_eq!(outcomes(&[5], &[]), [("new", 5)]);
    // What is the same is not paired with anything else.
    let got = outcomes(&[5, 9], &[seen(3), seen(9)]);
    assert_eq!(got, [("later", 5), ("same", 9)]);
    let got = outcomes(&[5, 9], &[seen(9)]);
    assert_eq!(got, [("new", 5), ("same", 9)]);
    // What was on trial did not happen.
    let mut trial = seen(5);
    trial.why.restraint = Some(restraint::Restraint::Trial);
    assert_eq!(outcomes(&[5], &[trial]), [("new", 5)]);
    // What came before is not compared.
    assert_eq!(outcomes(&[], &[seen(0)]), []);
}
