//! The one place that asks the machine for the time. Everything else takes a [`Clock`] or an instant, so
//! that tests decide what time it is; `clippy.toml` forbids the usual `now()` calls elsewhere.

use jiff::{SignedDuration, Timestamp};
use std::fmt::Debug;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// A source of time.
pub trait Clock: Debug + Send + Sync {
    /// The wall clock: for records and windows.
    fn now(&self) -> Timestamp;
    /// Time since some fixed instant, never going back: for deadlines and measuring.
    fn elapsed(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// The instant that the runtime's timers go by, for deadlines. In tests it stands still where they say so.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn tick() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// A clock that moves only when told, for tests and simulations.
#[derive(Debug)]
pub struct ManualClock {
    start: Timestamp,
    gone: Mutex<Duration>,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn new(start: Timestamp) -> Self {
        Self {
            start,
            gone: Mutex::new(Duration::ZERO),
        }
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        let mut gone = self.gone.lock().unwrap_or_else(|e| e.into_inner());
        *gone += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let gone = SignedDuration::try_from(self.elapsed()).unwrap_or(SignedDuration::MAX);
        self.start.checked_add(gone).unwrap_or(Timestamp::MAX)
    }

    fn elapsed(&self) -> Duration {
        *self.gone.lock().unwrap_or_else(|e| e.into_inner())
    }
}
