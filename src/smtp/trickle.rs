//! Log lines that anybody can cause: so many a minute, and then how many were left out.

use crate::clock::Clock;
use std::sync::{Arc, Mutex, PoisonError};

/// Lines in one minute.
const LINES: u64 = 20;

/// Holds back what would flood the log.
pub struct Trickle {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    minute: u64,
    said: u64,
    unsaid: u64,
}

impl Trickle {
    /// Nothing said yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// Whether one more line may be written; then, how many were held back since the last.
    pub fn may_speak(&self) -> Option<u64> {
        let minute = self.clock.elapsed().as_secs() / 60;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.minute != minute {
            state.minute = minute;
            state.said = 0;
        }
        if state.said >= LINES {
            state.unsaid += 1;
            return None;
        }
        state.said += 1;
        Some(std::mem::take(&mut state.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use jiff::Timestamp;
    use std::time::Duration;

    #[test]
    fn a_flood_becomes_a_number() {
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let trickle = Trickle::new(clock.clone());
        let said = (0..100).filter_map(|_| trickle.may_speak()).count();
        assert_eq!(said, 20);
        clock.advance(Duration::from_secs(60));
        assert_eq!(trickle.may_speak(), Some(80));
        assert_eq!(trickle.may_speak(), Some(0));
    }
}
