//! The first use case: a message comes in, is read, its feed proven, its sender named, and all of it filed
//! durably before anybody says 250. Reading and judging is pure ([`prepare`]); waiting for the transaction
//! is the [`writer`]'s.

pub mod aliases;
pub mod health;
mod in_force;
pub mod learnt;
mod naming;
mod note;
pub mod prepare;
pub mod reprove;
pub mod writer;

pub use in_force::InForce;

use crate::clock::Clock;
use crate::domain::feed::Arrival;
use crate::domain::filing::Filed;
use crate::proving::Prover;
use aliases::Aliases;
use jiff::SignedDuration;
use prepare::{Judge, Trial};
use std::sync::Arc;
use writer::{NotFiled, WriterHandle};

/// Messages longer than this are read on a thread of their own, so that they do not hold up others.
const LARGE: usize = 256 << 10;

/// The intake: shared by all sessions.
#[derive(Debug)]
pub struct Intake {
    judge: Arc<Judge>,
    prover: Arc<Prover>,
    aliases: Arc<Aliases>,
    writer: WriterHandle,
    clock: Arc<dyn Clock>,
}

impl Intake {
    /// An intake that files through `writer`.
    pub fn new(
        judge: Arc<Judge>,
        prover: Arc<Prover>,
        writer: WriterHandle,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            judge,
            prover,
            aliases: Arc::default(),
            writer,
            clock,
        }
    }

    /// The same, counting identities as whom they are known.
    #[must_use]
    pub fn knowing(self, aliases: Arc<Aliases>) -> Self {
        Self { aliases, ..self }
    }

    /// Takes a message. `Ok` means that it is durable.
    ///
    /// # Errors
    /// When it could not be made durable now; the sender should try again.
    pub async fn take(&self, arrival: Arrival, message: Vec<u8>) -> Result<Filed, NotFiled> {
        let now = self.clock.now();
        let checks = match self.judge.enquire(&arrival, &message, now, false) {
            None => None,
            Some(enquiry) => {
                let asked = self.prover.find_out(&enquiry, &arrival, &message, now);
                Some(asked.await)
            }
        };
        let (prepared, message) = if message.len() > LARGE {
            let judge = Arc::clone(&self.judge);
            let prepare = move || {
                let trial = Trial::first(checks.as_ref(), now);
                (judge.prepare_with(arrival, &message, trial), message)
            };
            tokio::task::spawn_blocking(prepare)
                .await
                .map_err(|e| NotFiled::Unreadable(e.to_string()))?
        } else {
            let trial = Trial::first(checks.as_ref(), now);
            (self.judge.prepare_with(arrival, &message, trial), message)
        };
        let waiting =
            |p: &prepare::Prepared| prepare::name(&p.filing.arrival, &message, None, true);
        let named = self.aliases.apply(prepared, SignedDuration::ZERO, waiting);
        let prepared = named.await;
        let report = prepared.filing.id;
        self.writer
            .file(prepared)
            .await
            .inspect_err(|error| tracing::warn!(%report, %error, "the sender is told to retry"))
    }
}
