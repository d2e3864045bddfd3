//! Judging later: reports that were stored pending because DNS had trouble, or the look-up of aliases, are tried again from their kept
//! bytes, and then filed as if they had been proven when they came. Each try holds its report under a lease; a
//! crash at any point leaves it on the queue, and what was filed is off it in the same transaction.

use super::aliases::Aliases;
use super::health::Health;
use super::in_force::InForce;
use super::note::Note;
use super::prepare::{Judge, Prepared, Trial};
use crate::clock::Clock;
use crate::domain::ids::ReportId;
use crate::domain::lock::Backoff;
use crate::domain::standing::Standing;
use crate::metrics::Metrics;
use crate::proving::Prover;
use crate::store::{Store, StoreError, Unproven};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The longest sleep: another node may have written something.
const POLL: Duration = Duration::from_secs(10);
/// The shortest, for what is due but in someone else's hands.
const SHORTEST: Duration = Duration::from_millis(50);
/// The wait after trouble with the store.
const STORE: Backoff = Backoff {
    first: Duration::from_millis(200),
    most: Duration::from_secs(10),
};

/// How reports are tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// How long a try holds its report.
    pub lease: Duration,
    /// The wait between tries; the first begins when the report comes.
    pub backoff: Backoff,
    /// How old a report may grow before it stays unproven.
    pub max_age: Duration,
    /// How long the store may take for one call.
    pub store_timeout: Duration,
}

/// What one step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to do before that instant, or at all.
    Idle(Option<Timestamp>),
    /// It cannot be judged still.
    Later(ReportId),
    /// It is judged for good.
    Judged(ReportId, Standing),
    /// Another worker has it.
    Lost(ReportId),
}

/// The worker.
#[derive(Debug)]
pub struct Reprover {
    /// Where the reports wait.
    pub store: Arc<dyn Store>,
    /// What they are judged by.
    pub judge: Arc<Judge>,
    /// Asks DNS.
    pub prover: Arc<Prover>,
    /// Whom identities are known as.
    pub aliases: Arc<Aliases>,
    /// What crosses.
    pub policy: Arc<InForce>,
    /// The feeds' figures.
    pub health: Arc<Health>,
    /// Told when orders were written.
    pub ordered: Arc<Notify>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// How it works.
    pub settings: Settings,
}

impl Reprover {
    /// Tries the report that is due, if there is one.
    ///
    /// # Errors
    /// When the store fails; the report comes back after its lease.
    pub async fn step(&self) -> Result<Step, StoreError> {
        let now = self.clock.now();
        let claim = self.store.claim_unproven(now, self.settings.lease);
        let Some(claim) = self.in_time(claim).await? else {
            let (due, waiting) = self.in_time(self.store.unproven_due()).await?;
            let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
            self.metrics.unproven_waiting.set(waiting);
            return Ok(Step::Idle(due));
        };
        let prepared = self.prove(&claim).await?;
        let now = self.clock.now();
        match prepared.filing.standing {
            Standing::Pending => self.later(&claim, prepared, now).await,
            _ => self.settle(&claim, prepared, now).await,
        }
    }

    async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(self.settings.store_timeout, call)
            .await
            .unwrap_or(Err(StoreError::TooSlow))
    }

    /// Judges it again by what DNS says now; for good when it is too old.
    async fn prove(&self, claim: &Unproven) -> Result<Prepared, StoreError> {
        let evidence = self.in_time(self.store.evidence(claim.report)).await?;
        let now = self.clock.now();
        let age = now.duration_since(claim.received_at);
        let most = SignedDuration::try_from(self.settings.max_age).unwrap_or(SignedDuration::MAX);
        // Without its bytes nothing more can be found out.
        let finally = age > most || evidence.is_none();
        let message = evidence.unwrap_or_default();
        let (arrival, received_at) = (&claim.arrival, claim.received_at);
        let enquiry = self.judge.enquire(arrival, &message, received_at, true);
        let checks = match &enquiry {
            Some(enquiry) => {
                let asked = self
                    .prover
                    .find_out(enquiry, arrival, &message, received_at);
                Some(asked.await)
            }
            None => None,
        };
        let trial = Trial {
            checks: checks.as_ref(),
            received_at,
            at: now,
            tries: claim.tries.saturating_add(1),
            finally,
            known_as: Some(claim.report),
        };
        let prepared = self.judge.prepare_with(arrival.clone(), &message, trial);
        Ok(self.aliases.apply(prepared, age, |_| claim.report).await)
    }

    async fn later(
        &self,
        claim: &Unproven,
        prepared: Prepared,
        now: Timestamp,
    ) -> Result<Step, StoreError> {
        let at = self
            .settings
            .backoff
            .next(claim.tries, fastrand::f64(), now);
        let proof = prepared.filing.proof.as_deref();
        let released = self.store.release_unproven(claim, proof, at);
        let report = claim.report;
        Ok(match self.in_time(released).await? {
            true => {
                self.tried("later");
                tracing::info!(%report, tries = claim.tries, next = %at, "DNS or the look-up of aliases has trouble still; not judged yet");
                Step::Later(report)
            }
            false => self.lost(report),
        })
    }

    async fn settle(
        &self,
        claim: &Unproven,
        prepared: Prepared,
        now: Timestamp,
    ) -> Result<Step, StoreError> {
        let policy = self.policy.get();
        let judged = self
            .store
            .judge_unproven(claim, &prepared.filing, &policy, now);
        let Some(filed) = self.in_time(judged).await? else {
            return Ok(self.lost(claim.report));
        };
        if filed.opened.as_ref().is_some_and(|o| o.ordered) {
            self.ordered.notify_one();
        }
        let age = now.duration_since(claim.received_at);
        let most = SignedDuration::try_from(self.settings.max_age).unwrap_or(SignedDuration::MAX);
        self.tried(match filed.standing {
            Standing::Unproven if age > most => "given_up",
            Standing::Unproven => "not_proven",
            _ => "proven",
        });
        let span = tracing::info_span!("reprove", tries = claim.tries);
        Note::of(&prepared, span).tell_late(&self.metrics, &self.health, &filed);
        Ok(Step::Judged(claim.report, filed.standing))
    }

    fn lost(&self, report: ReportId) -> Step {
        self.tried("lost");
        tracing::warn!(%report, "the lease was lost during a try to prove a report");
        Step::Lost(report)
    }

    fn tried(&self, outcome: &str) {
        let tries = &self.metrics.unproven_tries;
        tries.with_label_values(&[outcome]).inc();
    }

    /// Works until told to stop. One report at a time: DNS has just had trouble.
    pub async fn run(self, stop: CancellationToken) {
        let mut troubles = 0;
        while !stop.is_cancelled() {
            let sleep = match self.step().await {
                Ok(Step::Idle(due)) => {
                    troubles = 0;
                    let left = due.map_or(SignedDuration::MAX, |due| {
                        due.duration_since(self.clock.now())
                    });
                    Duration::try_from(left)
                        .unwrap_or(Duration::ZERO)
                        .clamp(SHORTEST, POLL)
                }
                Ok(_) => {
                    troubles = 0;
                    continue;
                }
                Err(error) => {
                    troubles += 1;
                    tracing::warn!(%error, "unproven reports could not be tried again");
                    STORE.wait(troubles, fastrand::f64())
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }
}
