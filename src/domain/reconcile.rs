//! What a target says is locked, held against what the store says: what we lost, what others did, and whether
//! the target was evidently reset. Nothing is decided from a single listing.

use super::identity::Identity;
use super::ids::IncidentId;
use super::incident::IncidentState;
use super::lock::{Action, Subject};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What the store knows of one identity at one target: its newest incident there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The incident.
    pub incident: IncidentId,
    /// Where it stands.
    pub state: IncidentState,
    /// Whom.
    pub identity: Identity,
    /// What of it.
    pub subject: Subject,
    /// A lock, or a hold only: what was confirmed there last.
    pub action: Action,
    /// Whether a hold or lock was confirmed there and its release was not.
    pub in_effect: bool,
    /// Whether a hold or lock may be in effect there: a try was begun after the last release.
    pub maybe: bool,
    /// Whether an order waits or a try is under way there.
    pub busy: bool,
    /// When the last order there was written or settled.
    pub changed_at: Timestamp,
}

/// What is held or locked there, as the target tells.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Found {
    /// Whom. The outgoing user is there as far as the target tells.
    pub identity: Identity,
    /// What of it.
    pub subject: Subject,
}

/// A lock that the store has and the target has not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Lost {
    /// The incident.
    pub incident: IncidentId,
    /// Whom.
    pub identity: Identity,
    /// What of it.
    pub subject: Subject,
}

/// How the store and a target differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    /// Locked here, not there.
    pub lost: BTreeSet<Lost>,
    /// Locked there, not known here.
    pub foreign: BTreeSet<Found>,
    /// Locked at both.
    pub same: u64,
}

impl Diff {
    /// Whether they are alike.
    pub fn is_none(&self) -> bool {
        self.lost.is_empty() && self.foreign.is_empty()
    }

    /// What stood in an earlier diff, too.
    #[must_use]
    pub fn standing(&self, earlier: &Self) -> Self {
        Self {
            lost: &self.lost & &earlier.lost,
            foreign: &self.foreign & &earlier.foreign,
            same: self.same,
        }
    }
}

/// Names are told from each other without case, as the targets do.
fn key(value: &str, subject: Subject) -> (String, Subject) {
    (value.to_lowercase(), subject)
}

/// Whether a listing's entry is about an identity. What the target does not tell of the outgoing user is taken
/// to be right.
fn is_about(found: &Found, known: &Known) -> bool {
    let (Some(there), Some(here)) = (&found.identity.outgoing_user, &known.identity.outgoing_user)
    else {
        return true;
    };
    let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
    same(&there.domain, &here.domain) && same(&there.username, &here.username)
}

/// Compares. `listed_at` is when the target was asked, `domains` what it was asked for (all where there is none);
/// what changed within `grace` before that, or is being changed, is left for another time.
pub fn diff(
    known: &[Known],
    found: &[Found],
    domains: &[String],
    listed_at: Timestamp,
    grace: jiff::SignedDuration,
) -> Diff {
    let settled = listed_at.checked_sub(grace).unwrap_or(Timestamp::MIN);
    let mut here: BTreeMap<(String, Subject), Vec<&Known>> = BTreeMap::new();
    for one in known {
        let list = here
            .entry(key(&one.identity.value, one.subject))
            .or_default();
        list.push(one);
    }
    let mut there: BTreeMap<(String, Subject), Vec<&Found>> = BTreeMap::new();
    for one in found {
        let list = there
            .entry(key(&one.identity.value, one.subject))
            .or_default();
        list.push(one);
    }
    let asked = |one: &Known| {
        let user = one.identity.outgoing_user.as_ref();
        domains.is_empty() || user.is_some_and(|user| domains.contains(&user.domain))
    };
    let quiet = |one: &Known| !one.busy && one.changed_at <= settled;
    let mut diff = Diff::default();
    for one in known {
        let stands = matches!(one.state, IncidentState::Locked | IncidentState::Holding);
        if !stands || !one.in_effect || !quiet(one) || !asked(one) {
            continue;
        }
        let entries = there.get(&key(&one.identity.value, one.subject));
        match entries.is_some_and(|list| list.iter().any(|found| is_about(found, one))) {
            true => diff.same += 1,
            false => {
                diff.lost.insert(Lost {
                    incident: one.incident,
                    identity: one.identity.clone(),
                    subject: one.subject,
                });
            }
        }
    }
    for one in found {
        let list = here.get(&key(&one.identity.value, one.subject));
        // Ours, or not to be judged yet, or waiting for a person as it is.
        let ours = |known: &Known| {
            is_about(one, known) && (known.maybe || !known.state.is_over() || !quiet(known))
        };
        if !list.is_some_and(|list| list.iter().any(|known| ours(known))) {
            diff.foreign.insert(one.clone());
        }
    }
    diff
}

/// How much may be missing at once before nobody's hand is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// So many are taken for unlocked by somebody, at most.
    pub most_unlocked: u64,
}

impl Bounds {
    /// Whether a target was evidently reset: more are missing than anybody unlocks at a time, or all of several.
    pub fn is_reset(&self, diff: &Diff) -> bool {
        let lost = diff.lost.len() as u64;
        lost > self.most_unlocked || (lost >= 3 && diff.same == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::OutgoingUser;
    use jiff::SignedDuration;
    use proptest::prelude::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn identity(n: u32) -> Identity {
        Identity {
            outgoing_user: OutgoingUser::new("example.com", "mta"),
            value: format!("user{n}@example.com"),
        }
    }

    fn known(n: u32, state: IncidentState) -> Known {
        Known {
            incident: IncidentId::of(&[&n.to_be_bytes()]),
            state,
            identity: identity(n),
            subject: Subject::Identity,
            action: Action::Lock,
            in_effect: matches!(state, IncidentState::Locked | IncidentState::Holding),
            maybe: matches!(state, IncidentState::Locked | IncidentState::Holding),
            busy: false,
            changed_at: at(0),
        }
    }

    fn found(n: u32) -> Found {
        Found {
            identity: identity(n),
            subject: Subject::Identity,
        }
    }

    fn compare(known: &[Known], found: &[Found]) -> Diff {
        diff(known, found, &[], at(1_000), SignedDuration::from_secs(100))
    }

    fn sizes(diff: &Diff) -> (usize, usize, u64) {
        (diff.lost.len(), diff.foreign.len(), diff.same)
    }

    #[test]
    fn what_is_missing_and_what_is_foreign() {
        let locked = [
            known(1, IncidentState::Locked),
            known(2, IncidentState::Holding),
        ];
        assert_eq!(sizes(&compare(&locked, &[found(1), found(2)])), (0, 0, 2));
        assert_eq!(sizes(&compare(&locked, &[found(1), found(3)])), (1, 1, 1));
        let mut other_case = found(1);
        other_case.identity.value = "USER1@Example.com".into();
        other_case.identity.outgoing_user = None;
        assert_eq!(sizes(&compare(&locked[..1], &[other_case])), (0, 0, 1));
        let mut other_user = found(1);
        other_user.identity.outgoing_user = OutgoingUser::new("example.com", "other");
        assert_eq!(sizes(&compare(&locked[..1], &[other_user])), (1, 1, 0));
        let mut sender = found(1);
        sender.subject = Subject::Sender;
        assert_eq!(sizes(&compare(&locked[..1], &[sender])), (1, 1, 0));
    }

    #[test]
    fn orders_in_flight_are_no_drift() {
        let busy = Known {
            busy: true,
            ..known(1, IncidentState::Locked)
        };
        assert!(compare(std::slice::from_ref(&busy), &[]).is_none());
        // Just confirmed: the listing may be older.
        let fresh = Known {
            changed_at: at(901),
            ..known(1, IncidentState::Locked)
        };
        assert!(compare(&[fresh], &[]).is_none());
        let open = Known {
            busy: true,
            in_effect: false,
            ..known(1, IncidentState::Open)
        };
        assert!(compare(&[open], &[found(1)]).is_none());
        let released = known(1, IncidentState::Released);
        let fresh = Known {
            changed_at: at(950),
            ..released.clone()
        };
        assert!(compare(&[fresh], &[found(1)]).is_none());
        assert_eq!(
            sizes(&compare(&[released], &[found(1)])),
            (0, 1, 0),
            "locked again by somebody"
        );
        // Closed while a try was under way, which took effect: it is ours, and let go.
        let closed = Known {
            maybe: true,
            ..known(1, IncidentState::Closed)
        };
        assert!(compare(&[closed], &[found(1)]).is_none());
        let held = known(1, IncidentState::Held);
        assert!(
            compare(&[held], &[found(1)]).is_none(),
            "a person looks at it already"
        );
    }

    #[test]
    fn who_was_not_asked_for_is_not_missing() {
        let locked = [known(1, IncidentState::Locked)];
        let ask = |domain: &str| {
            let grace = SignedDuration::from_secs(1);
            diff(&locked, &[], &[domain.to_owned()], at(1_000), grace)
        };
        assert!(ask("other.example").is_none());
        assert_eq!(ask("example.com").lost.len(), 1);
    }

    #[test]
    fn a_reset_is_not_taken_for_many_hands() {
        let bounds = Bounds { most_unlocked: 10 };
        let all: Vec<Known> = (0..20).map(|n| known(n, IncidentState::Locked)).collect();
        let without = |missing: u32| {
            let found: Vec<Found> = (missing..20).map(found).collect();
            bounds.is_reset(&compare(&all, &found))
        };
        assert!(!without(10) && without(11) && without(20));
        assert!(!bounds.is_reset(&compare(&all[..2], &[])));
        assert!(bounds.is_reset(&compare(&all[..3], &[])), "all of several");
    }

    proptest! {
        #[test]
        fn every_entry_is_accounted_for(here in prop::collection::btree_set(0..20u32, 0..20),
                                        there in prop::collection::btree_set(0..20u32, 0..20)) {
            let k: Vec<Known> = here.iter().map(|n| known(*n, IncidentState::Locked)).collect();
            let f: Vec<Found> = there.iter().map(|n| found(*n)).collect();
            let diff = compare(&k, &f);
            prop_assert_eq!(diff.lost.len(), here.difference(&there).count());
            prop_assert_eq!(diff.foreign.len(), there.difference(&here).count());
            prop_assert_eq!(diff.same as usize, here.intersection(&there).count());
            prop_assert_eq!(diff.standing(&diff), diff.clone());
            prop_assert!(diff.standing(&Diff::default()).is_none());
        }
    }
}
