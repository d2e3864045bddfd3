//! Whether the daemon's loops still go round: a call goes out, each loop answers it in its own time, and who has
//! not answered when the next one is due hangs. The service manager's watchdog is fed by it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;

/// Calls the loops.
#[derive(Clone)]
pub struct Pulse(Arc<Inner>);

struct Inner {
    calls: watch::Sender<u64>,
    members: Mutex<Vec<(String, Arc<AtomicU64>)>>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self(Arc::new(Inner {
            calls: watch::Sender::new(0),
            members: Mutex::default(),
        }))
    }
}

impl fmt::Debug for Pulse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.members().iter().map(|(name, _)| name))
            .finish()
    }
}

impl Inner {
    fn members(&self) -> MutexGuard<'_, Vec<(String, Arc<AtomicU64>)>> {
        self.members.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Pulse {
    /// A loop that will answer, for as long as the member lives.
    pub fn member(&self, name: &str) -> Member {
        let calls = self.0.calls.subscribe();
        let answered = Arc::new(AtomicU64::new(*calls.borrow()));
        let entry = (name.to_owned(), Arc::clone(&answered));
        self.0.members().push(entry);
        Member {
            pulse: self.clone(),
            calls,
            answered,
        }
    }

    /// Calls all; gives the names of those that have not answered the call before.
    pub fn call(&self) -> Vec<String> {
        let last = *self.0.calls.borrow();
        let late = |(name, answered): &(String, Arc<AtomicU64>)| {
            (answered.load(Relaxed) < last).then(|| name.clone())
        };
        let late = self.0.members().iter().filter_map(late).collect();
        self.0.calls.send_replace(last + 1);
        late
    }
}

/// One loop's side.
pub struct Member {
    pulse: Pulse,
    calls: watch::Receiver<u64>,
    answered: Arc<AtomicU64>,
}

impl Member {
    /// Waits for a call and answers it. May be dropped at any time; the call then waits.
    pub async fn called(&mut self) {
        if self.calls.changed().await.is_err() {
            // Never: the member holds the other end.
            return std::future::pending().await;
        }
        self.answer();
    }

    /// Answers, called or not.
    pub fn answer(&mut self) {
        self.answered
            .store(*self.calls.borrow_and_update(), Relaxed);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut members = self.pulse.0.members();
        members.retain(|(_, answered)| !Arc::ptr_eq(answered, &self.answered));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_does_not_answer_is_named_until_it_does() {
        let pulse = Pulse::default();
        let (mut one, mut two) = (pulse.member("one"), pulse.member("two"));
        assert!(pulse.call().is_empty(), "nobody was called yet");
        one.called().await;
        assert_eq!(pulse.call(), ["two"]);
        one.called().await;
        assert_eq!(pulse.call(), ["two"]);
        one.called().await;
        two.called().await;
        assert!(pulse.call().is_empty());
        // A part that has ended is not waited for; whether it may end is not asked here.
        drop(two);
        one.answer();
        assert!(pulse.call().is_empty());
    }
}
