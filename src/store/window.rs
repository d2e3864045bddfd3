//! A bounded memory of identities' recent complaints, so that a busy identity's window is not read again
//! for each report. An entry is good only for the very version of the identity's row that it was made at:
//! whoever else wrote meanwhile, in this process or another, has raised the version.

use crate::domain::course::Course;
use crate::domain::ids::IdentityId;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// How much more than the window is kept, so that reports filed a little out of order find it whole.
const SLACK: SignedDuration = SignedDuration::from_secs(60);

/// The complaints of one identity since an instant, as of a version.
#[derive(Debug)]
pub(super) struct Window {
    /// The version that the identity's row has with these complaints in.
    pub(super) version: i64,
    /// All complaints received after this instant are there.
    pub(super) from: Timestamp,
    /// The complaints.
    pub(super) course: Course,
}

impl Deref for Window {
    type Target = Course;

    fn deref(&self) -> &Course {
        &self.course
    }
}

impl DerefMut for Window {
    fn deref_mut(&mut self) -> &mut Course {
        &mut self.course
    }
}

impl Window {
    /// An empty one, for complaints after `start` of which those up to `spent` are spent.
    pub(super) fn new(version: i64, start: Timestamp, spent: Timestamp) -> Self {
        Self {
            version,
            from: Self::from_start(start),
            course: Course::new(spent),
        }
    }

    /// Where to begin when complaints after `start` are needed.
    fn from_start(start: Timestamp) -> Timestamp {
        start.checked_sub(SLACK).unwrap_or(Timestamp::MIN)
    }

    /// Forgets what no window that starts about `start` needs; now and then, for it goes through them all.
    pub(super) fn trim(&mut self, start: Timestamp) {
        let from = Self::from_start(start);
        if Self::from_start(from) > self.from {
            self.from = from;
            self.complaints.keep_after(from);
        }
    }

    fn cost(&self) -> usize {
        self.complaints.len() + 1
    }
}

/// The windows in memory.
#[derive(Debug)]
pub(super) struct Windows {
    most: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    cost: usize,
    windows: HashMap<IdentityId, Window>,
}

impl Windows {
    /// Remembers at most about `most` complaints.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            held: Mutex::default(),
        }
    }

    /// Takes the window out, if it is of that version and reaches back to `start`. It must be put again
    /// only once the transaction is committed.
    pub(super) fn take(&self, id: IdentityId, version: i64, start: Timestamp) -> Option<Window> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let window = held.windows.remove(&id)?;
        held.cost -= window.cost();
        (window.version == version && window.from <= start).then_some(window)
    }

    /// Puts windows of committed transactions. A newer one stays.
    pub(super) fn put(&self, windows: impl IntoIterator<Item = (IdentityId, Window)>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, window) in windows {
            let newer = held.windows.get(&id).map(|w| w.version);
            if window.cost() > self.most || newer.is_some_and(|v| v >= window.version) {
                continue;
            }
            held.cost += window.cost();
            if let Some(old) = held.windows.insert(id, window) {
                held.cost -= old.cost();
            }
        }
        while held.cost > self.most {
            // Any will do: a forgotten window is only read again.
            let Some(id) = held.windows.keys().next().copied() else {
                break;
            };
            if let Some(old) = held.windows.remove(&id) {
                held.cost -= old.cost();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::complaint::Complaint;
    use crate::domain::feedback::FeedbackType;
    use crate::domain::ids::{ComplainantKey, ComplaintId, MessageKey, ReportId};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn who(n: u32) -> IdentityId {
        IdentityId::of(&[&n.to_be_bytes()])
    }

    fn complaint(second: &i64) -> Complaint {
        Complaint {
            id: ComplaintId::of(&[&second.to_be_bytes()]),
            report: ReportId::of(&[]),
            identity: who(0),
            feed: "f".into(),
            feedback_type: FeedbackType::Abuse,
            message: MessageKey::of(&[]),
            complainant: ComplainantKey::of(&[]),
            weight: 1,
            may: crate::domain::feed::Right::Lock,
            strength: crate::domain::strength::Strength::Vouched,
            class: None,
            received_at: at(*second),
        }
    }

    fn window(version: i64, from: i64, received: &[i64]) -> Window {
        let mut window = Window {
            version,
            from: at(from),
            course: Course::new(Timestamp::MIN),
        };
        window.complaints = received.iter().map(complaint).collect();
        window
    }

    #[test]
    fn only_the_same_version_is_good() {
        let cache = Windows::new(100);
        for (asked, good) in [(6, false), (7, true), (8, false)] {
            cache.put([(who(1), window(7, 0, &[1, 2]))]);
            assert_eq!(cache.take(who(1), asked, at(0)).is_some(), good, "{asked}");
            assert!(cache.take(who(1), 7, at(0)).is_none(), "it was taken");
        }
    }

    #[test]
    fn only_a_whole_window_is_good() {
        let cache = Windows::new(100);
        for (start, good) in [(9, false), (10, true), (11, true)] {
            cache.put([(who(1), window(7, 10, &[11]))]);
            assert_eq!(cache.take(who(1), 7, at(start)).is_some(), good, "{start}");
        }
    }

    #[test]
    fn a_late_writer_does_not_bring_back_the_past() {
        let cache = Windows::new(100);
        cache.put([(who(1), window(8, 0, &[1, 2]))]);
        cache.put([(who(1), window(7, 0, &[1]))]);
        assert_eq!(cache.take(who(1), 8, at(0)).unwrap().complaints.len(), 2);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let cache = Windows::new(10);
        cache.put((0..100).map(|n| (who(n), window(1, 0, &[1, 2]))));
        let held = cache.held.lock().unwrap();
        assert_eq!((held.windows.len(), held.cost), (3, 9));
        drop(held);
        cache.put([(who(200), window(1, 0, &[1; 50]))]);
        assert!(cache.take(who(200), 1, at(0)).is_none());
    }

    #[test]
    fn what_is_spent_stays_out() {
        let mut w = window(1, 0, &[1, 40, 41]);
        w.spend(at(40));
        assert_eq!(w.complaints.len(), 1);
        let counts: Vec<bool> = [39, 42].iter().map(|s| w.push(complaint(s))).collect();
        assert_eq!((counts, w.complaints.len()), (vec![false, true], 2));
    }

    #[test]
    fn trimming_keeps_some_slack() {
        let mut w = window(1, 0, &[1, 40, 41, 100]);
        w.trim(at(100));
        assert_eq!((w.from, w.complaints.len()), (at(0), 4), "not yet worth it");
        w.trim(at(121));
        assert_eq!((w.from, w.complaints.len()), (at(61), 1));
        w.trim(at(50));
        assert_eq!((w.from, w.complaints.len()), (at(61), 1));
    }
}
