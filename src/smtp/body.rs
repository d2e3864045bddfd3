//! The text of one message while it comes in: kept as long as it stays within its limits, counted and
//! thrown away once it does not, so that the session goes on in step.

use super::limits::{Budget, Hold};
use super::reply::{self, Reply};
use std::sync::Arc;

/// Room made at first for a message that declared nothing.
const USUAL: usize = 8 * 1024;
/// A declared size is believed up to here.
const BELIEVED: usize = 64 * 1024;

/// A message's text and why it will be refused, if it will. The hold covers the room made for the text, not only the
/// text, so that the budget bounds memory.
#[derive(Debug)]
pub struct Body {
    text: Vec<u8>,
    hold: Hold,
    max: usize,
    /// Room to make at first.
    first: usize,
    received: u64,
    refusal: Option<Reply>,
}

impl Body {
    /// An empty text of at most `max` octets that declared `size`, or 0.
    pub fn new(budget: &Arc<Budget>, max: usize, size: u64) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let room = if size == 0 { USUAL } else { size.min(BELIEVED) };
        Self {
            text: Vec::new(),
            hold: Hold::new(budget),
            max,
            first: room,
            received: 0,
            refusal: None,
        }
    }

    /// Adds text, or only counts it.
    pub fn push(&mut self, run: &[u8]) {
        self.received += run.len() as u64;
        if self.received > self.max as u64 {
            self.refuse(reply::TOO_LARGE);
        } else if self.refusal.is_none() {
            if self.make_room(self.text.len() + run.len()) {
                self.text.extend_from_slice(run);
            } else {
                self.refuse(reply::NO_ROOM);
            }
        }
    }

    /// Makes room for so many octets, and beyond them as much as spares later growing; only for them when the budget
    /// is nearly spent.
    fn make_room(&mut self, octets: usize) -> bool {
        if octets <= self.text.capacity() {
            return true;
        }
        let ample = (2 * self.text.capacity()).max(self.first).min(self.max);
        let room = if self.hold.cover(octets.max(ample)) {
            octets.max(ample)
        } else if self.hold.cover(octets) {
            // Whatever more was had with it, or each octet to come would ask again.
            self.hold.octets().min(self.max)
        } else {
            return false;
        };
        self.text.reserve_exact(room - self.text.len());
        true
    }

    /// Takes note of octets to come, so that what cannot be taken in the end is not held until then.
    pub fn announce(&mut self, octets: u64) {
        if self.received.saturating_add(octets) > self.max as u64 {
            self.refuse(reply::TOO_LARGE);
        }
    }

    /// Refuses the message at its end. Of several reasons the highest code stays, so that the reply does not
    /// hang on how the network cut the text, and what is refused for good is not asked for again.
    pub fn refuse(&mut self, refusal: Reply) {
        if self.refusal.is_none_or(|known| known.code < refusal.code) {
            self.refusal = Some(refusal);
            self.text = Vec::new();
            self.hold.release();
        }
    }

    /// Why it will be refused, as far as is known.
    pub fn refusal(&self) -> Option<Reply> {
        self.refusal
    }

    /// Octets received, kept or not.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The text with its hold on the budget.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn finish(self) -> Result<(Vec<u8>, Hold), Reply> {
        match self.refusal {
            None => Ok((self.text, self.hold)),
            Some(refusal) => Err(refusal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_covers_the_room_that_is_made() {
        const MIB: usize = 1024 * 1024;
        let budget = Budget::new(4 * MIB);
        for (size, run) in [(0, 1), (0, 1_000), (50_000, 32_768), (u64::MAX, 4_096)] {
            let mut body = Body::new(&budget, 3 * MIB, size);
            assert!(budget.has_room(4 * MIB), "nothing has come yet");
            for _ in 0..(3 * MIB / run).min(100_000) {
                body.push(&vec![b'x'; run]);
                let room = body.text.capacity();
                assert!(!budget.has_room(4 * MIB - room + 1), "{room}");
            }
            assert!(body.refusal().is_none());
            let (text, hold) = body.finish().unwrap();
            assert!(
                text.capacity() <= 3 * MIB,
                "no more room than a message may need"
            );
            drop(hold);
        }
        assert!(budget.has_room(4 * MIB));
    }

    #[test]
    fn when_little_is_left_it_is_used_to_the_last_octet() {
        let budget = Budget::new(100_000);
        let mut other = Hold::new(&budget);
        assert!(other.cover(16 * 1024));
        let mut body = Body::new(&budget, 100_000, 0);
        for _ in 0..100_000 - 16 * 1024 {
            body.push(b"x");
        }
        assert!(body.refusal().is_none());
        body.push(b"x");
        assert_eq!(body.refusal(), Some(reply::NO_ROOM));
        assert!(budget.has_room(100_000 - 16 * 1024), "given back at once");
    }
}
