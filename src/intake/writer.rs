//! The writer: takes whatever waits, up to a bound, and files it in one transaction. There is no delay to
//! collect more: batches grow by themselves while a commit runs.

use super::health::Health;
use super::in_force::InForce;
use super::note::Note;
use super::prepare::Prepared;
use crate::clock::Clock;
use crate::domain::filing::{Filed, Filing};
use crate::metrics::Metrics;
use crate::pulse::{Member, Pulse};
use crate::store::{Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::Span;

/// Why a report was not filed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFiled {
    /// Too many wait already.
    #[error("too many reports are waiting")]
    Busy,
    /// The store does not answer in time.
    #[error("the store did not answer in time")]
    TooSlow,
    /// The store failed.
    #[error("{0}")]
    Store(String),
    /// The daemon is stopping.
    #[error("the daemon is stopping")]
    Stopping,
    /// The message could not be worked on.
    #[error("the message could not be worked on: {0}")]
    Unreadable(String),
}

/// Bounds of the writer.
#[derive(Clone, Copy, Debug)]
pub struct WriterSettings {
    /// Reports a transaction.
    pub max_batch: usize,
    /// Reports waiting.
    pub max_queue: usize,
    /// How long one report may wait for its transaction.
    pub timeout: Duration,
}

/// A report, the span that its log lines belong to, and who waits for it.
type Job = (Prepared, Span, oneshot::Sender<Result<Filed, NotFiled>>);

/// Gives filings to the writer. The writer ends when the last handle is gone and all is filed.
#[derive(Clone, Debug)]
pub struct WriterHandle {
    queue: mpsc::Sender<Job>,
    timeout: Duration,
    metrics: Arc<Metrics>,
    pulse: Pulse,
}

impl WriterHandle {
    /// Asks the writer whether it goes round. During a transaction it cannot answer.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Files one report; returns when it is durable.
    ///
    /// # Errors
    /// When it is not durable: too many wait, or the store fails or does not answer in time. It may still
    /// become durable afterwards; a retry then meets its own trace.
    pub async fn file(&self, prepared: Prepared) -> Result<Filed, NotFiled> {
        let (reply, answer) = oneshot::channel();
        self.queue
            .try_send((prepared, Span::current(), reply))
            .map_err(|e| match e {
                mpsc::error::TrySendError::Full(_) => NotFiled::Busy,
                mpsc::error::TrySendError::Closed(_) => NotFiled::Stopping,
            })?;
        self.metrics.queue_depth.inc();
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(NotFiled::Stopping),
            Err(_) => Err(NotFiled::TooSlow),
        }
    }
}

/// The task that owns the queue.
struct Writer {
    store: Arc<dyn Store>,
    policy: Arc<InForce>,
    /// Told when orders were written.
    ordered: Arc<Notify>,
    health: Arc<Health>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    timeout: Duration,
}

/// Starts a writer.
pub fn spawn(
    store: Arc<dyn Store>,
    policy: Arc<InForce>,
    settings: WriterSettings,
    ordered: Arc<Notify>,
    health: Arc<Health>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
) -> (WriterHandle, JoinHandle<()>) {
    let (queue, jobs) = mpsc::channel(settings.max_queue);
    let handle = WriterHandle {
        queue,
        timeout: settings.timeout,
        metrics: Arc::clone(&metrics),
        pulse: Pulse::default(),
    };
    let beat = handle.pulse.member("writer");
    let writer = Writer {
        store,
        policy,
        ordered,
        health,
        clock,
        metrics,
        timeout: settings.timeout,
    };
    (
        handle,
        tokio::spawn(writer.run(jobs, settings.max_batch, beat)),
    )
}

impl Writer {
    async fn run(self, mut jobs: mpsc::Receiver<Job>, max_batch: usize, mut beat: Member) {
        let mut waiting = Vec::with_capacity(max_batch);
        loop {
            let taken = tokio::select! {
                biased;
                () = beat.called() => continue,
                taken = jobs.recv_many(&mut waiting, max_batch) => taken,
            };
            if taken == 0 {
                return;
            }
            self.metrics.queue_depth.sub(waiting.len() as i64);
            let mut filings = Vec::with_capacity(waiting.len());
            let mut notes = Vec::with_capacity(waiting.len());
            let mut replies = Vec::with_capacity(waiting.len());
            for (prepared, span, reply) in waiting.drain(..) {
                // Otherwise nobody waits for it any more: its sender was told to retry.
                if !reply.is_closed() {
                    notes.push(Note::of(&prepared, span));
                    filings.push(prepared.filing);
                    replies.push(reply);
                }
            }
            if filings.is_empty() {
                continue;
            }
            match self.commit(&filings).await {
                Ok(filed) => {
                    for ((reply, note), filed) in replies.into_iter().zip(&notes).zip(filed) {
                        note.tell(&self.metrics, &self.health, &filed);
                        let _ = reply.send(Ok(filed));
                    }
                }
                Err(error @ (StoreError::Unavailable(_) | StoreError::TooSlow)) => {
                    tracing::error!(%error, reports = filings.len(), "nothing filed; senders will retry");
                    for reply in replies {
                        let _ = reply.send(Err(NotFiled::Store(error.to_string())));
                    }
                }
                Err(error) => {
                    tracing::error!(%error, reports = filings.len(), "a batch was refused; filing one by one");
                    self.one_by_one(filings, &notes, replies, &mut beat).await;
                }
            }
        }
    }

    /// One report that the store cannot take must not hold back the others.
    async fn one_by_one(
        &self,
        filings: Vec<Filing>,
        notes: &[Note],
        replies: Vec<oneshot::Sender<Result<Filed, NotFiled>>>,
        beat: &mut Member,
    ) {
        for ((filing, note), reply) in filings.into_iter().zip(notes).zip(replies) {
            // Slow, but it goes on.
            beat.answer();
            let id = filing.id;
            let result = match self.commit(&[filing]).await {
                Ok(filed) => filed
                    .into_iter()
                    .next()
                    .inspect(|filed| note.tell(&self.metrics, &self.health, filed))
                    .ok_or(NotFiled::Stopping),
                Err(error) => {
                    tracing::error!(%error, report = %id, "not filed");
                    Err(NotFiled::Store(error.to_string()))
                }
            };
            let _ = reply.send(result);
        }
    }

    async fn commit(&self, filings: &[Filing]) -> Result<Vec<Filed>, StoreError> {
        let begun = self.clock.elapsed();
        let policy = self.policy.get();
        // A connection that hangs must not hang all that come after it. Whether the batch became durable is
        // then unknown; the retries will meet their own trace.
        let filing = self.store.file(filings, &policy);
        let result = tokio::time::timeout(self.timeout, filing)
            .await
            .unwrap_or(Err(StoreError::TooSlow));
        let took = self.clock.elapsed().saturating_sub(begun);
        match &result {
            Ok(filed) => {
                self.metrics.commit_batch.observe(filings.len() as f64);
                self.metrics.commit_seconds.observe(took.as_secs_f64());
                if filed
                    .iter()
                    .any(|f| f.opened.as_ref().is_some_and(|o| o.ordered))
                {
                    self.ordered.notify_one();
                }
            }
            Err(_) => self.metrics.commit_failures.inc(),
        }
        result
    }
}
