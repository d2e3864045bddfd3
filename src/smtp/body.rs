//! The text of one message while it comes in: kept as long as it stays within its limits, counted and
//! thrown away once it does not, so that the session goes on in step.

use super::limits::{Budget, Hold};
use super::reply::{self, Reply};
use std::sync::Arc;

/// Room made at first for a message that declared nothing.
const USUAL: usize = 8 * 1024;
/// A declared size is believed up to here.
const BELIEVED: usize = 64 * 1024;

/// A message's text and why it will be refused, if it will.
#[derive(Debug)]
pub struct Body {
    text: Vec<u8>,
    hold: Hold,
    max: usize,
    received: u64,
    refusal: Option<Reply>,
}

impl Body {
    /// An empty text of at most `max` octets that declared `size`, or 0.
    pub fn new(budget: &Arc<Budget>, max: usize, size: u64) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let room = if size == 0 { USUAL } else { size.min(BELIEVED) };
        Self {
            text: Vec::with_capacity(room),
            hold: Hold::new(budget),
            max,
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
            if self.hold.cover(self.text.len() + run.len()) {
                self.text.extend_from_slice(run);
            } else {
                self.refuse(reply::NO_ROOM);
            }
        }
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
