//! How often something may begin in a minute: exact, whatever minute is looked at. Time is a parameter.

use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// What began within the last minute, held against a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    most: Option<usize>,
    begun: VecDeque<Timestamp>,
}

impl Pace {
    /// At most so many in any minute; none: any number.
    pub fn new(most: Option<u32>) -> Self {
        Self {
            most: most.map(|most| usize::try_from(most.max(1)).unwrap_or(usize::MAX)),
            begun: VecDeque::new(),
        }
    }

    /// The instant before which nothing may begin, if nothing may begin now.
    pub fn blocked_until(&self, now: Timestamp) -> Option<Timestamp> {
        // The one that must leave the minute before another may begin.
        let oldest = self.begun.len().checked_sub(self.most?)?;
        let until = self.begun.get(oldest)?.checked_add(MINUTE);
        let until = until.unwrap_or(Timestamp::MAX);
        (until > now).then_some(until)
    }

    /// Notes that something began.
    pub fn begin(&mut self, now: Timestamp) {
        let Some(most) = self.most else { return };
        self.begun.push_back(now);
        while self.begun.len() > most {
            self.begun.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn no_limit_is_no_limit() {
        let mut pace = Pace::new(None);
        (0..1000).for_each(|_| pace.begin(at(0)));
        assert_eq!(pace.blocked_until(at(0)), None);
        assert!(pace.begun.is_empty());
    }

    #[test]
    fn the_oldest_must_leave_first() {
        let mut pace = Pace::new(Some(2));
        for now in [0, 10] {
            assert_eq!(pace.blocked_until(at(now)), None);
            pace.begin(at(now));
        }
        assert_eq!(pace.blocked_until(at(59)), Some(at(60)));
        assert_eq!(pace.blocked_until(at(60)), None);
        pace.begin(at(60));
        assert_eq!(pace.blocked_until(at(60)), Some(at(70)));
    }

    proptest::proptest! {
        /// No minute holds more than the limit, however the beginnings are tried.
        #[test]
        fn no_minute_holds_more(most in 1u32..5, steps in proptest::collection::vec(0i64..40, 0..60)) {
            let mut pace = Pace::new(Some(most));
            let mut begun = Vec::new();
            let mut now = 0;
            for step in steps {
                now += step;
                if pace.blocked_until(at(now)).is_none() {
                    pace.begin(at(now));
                    begun.push(now);
                }
            }
            for start in &begun {
                let within = begun.iter().filter(|t| (*start..start + 60).contains(*t)).count();
                proptest::prop_assert!(within <= most as usize);
            }
        }
    }
}
