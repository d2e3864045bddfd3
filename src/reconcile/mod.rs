//! The use case that holds what targets say is locked against the store, on schedule: who was unlocked there by a
//! person is released here, what a target lost is ordered anew or left to a person, and what others locked is
//! written down. Nothing is done that only one listing shows.

use crate::clock::Clock;
use crate::domain::reconcile::{Bounds, Diff, Found, diff};
use crate::lock::{Listed, LockTarget, NoListing};
use crate::metrics::Metrics;
use crate::store::{Drift, Store, StoreError, Wish};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Whom the audit names.
const ACTOR: &str = "reconciliation";

/// What is done about a lock that a target does not have any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenLost {
    /// Somebody unlocked it there: it is released.
    Release,
    /// It is locked again.
    Repair,
}

/// How targets are reconciled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How often.
    pub every: Duration,
    /// How old a change must be before a listing has to show it.
    pub grace: Duration,
    /// What is done about a lock that is missing there.
    pub when_lost: WhenLost,
    /// So many that are missing at once are taken for a person's doing; more are left to a person.
    pub most_unlocked: u64,
    /// Whether locks by others are written down as incidents.
    pub adopt: bool,
    /// How many domains are asked for, besides those where somebody is locked.
    pub max_domains: u32,
    /// Seconds after a release in which nobody is locked at once.
    pub cool_down: u64,
}

/// What was done after a comparison.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Did {
    /// Incidents that were released.
    pub released: u64,
    /// Locks that were ordered anew.
    pub repaired: u64,
    /// Locks by others that were written down.
    pub adopted: u64,
    /// So many are missing that a person must look.
    pub reset: bool,
}

/// What one round at one target came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Round {
    /// It does not say what is locked.
    NoListing(NoListing),
    /// It was compared.
    Compared {
        /// The difference.
        diff: Diff,
        /// What was done about it.
        did: Did,
    },
}

/// The worker.
#[derive(Debug)]
pub struct Reconciler {
    store: Arc<dyn Store>,
    targets: Vec<Arc<dyn LockTarget>>,
    ordered: Arc<Notify>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    settings: Settings,
    /// What each target's last comparison came to.
    earlier: Mutex<BTreeMap<String, Diff>>,
}

/// How far back the domains' mail is looked at.
const RECENT: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Reconciler {
    /// A worker for these targets. `ordered` wakes the outbox.
    pub fn new(
        store: Arc<dyn Store>,
        targets: Vec<Arc<dyn LockTarget>>,
        ordered: Arc<Notify>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        settings: Settings,
    ) -> Self {
        for target in &targets {
            for kind in ["lost", "foreign"] {
                let labels = [target.name(), kind];
                metrics.drift.with_label_values(&labels).set(0);
            }
            metrics
                .target_reset
                .with_label_values(&[target.name()])
                .set(0);
        }
        Self {
            store,
            targets,
            ordered,
            clock,
            metrics,
            settings,
            earlier: Mutex::default(),
        }
    }

    /// The targets.
    pub fn targets(&self) -> &[Arc<dyn LockTarget>] {
        &self.targets
    }

    /// Compares one target with the store, and does nothing about it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn compare(
        &self,
        target: &dyn LockTarget,
    ) -> Result<Result<Diff, NoListing>, StoreError> {
        let grace = SignedDuration::try_from(self.settings.grace).unwrap_or(SignedDuration::MAX);
        let listed_at = self.clock.now();
        let over_since = listed_at
            .checked_sub(grace)
            .and_then(|at| at.checked_sub(grace))
            .unwrap_or(Timestamp::MIN);
        let name = target.name();
        let domains = self.domains(name, over_since, listed_at).await?;
        if domains.is_empty() {
            return Ok(Ok(Diff::default()));
        }
        let found = match target.list(&domains).await {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        // Read after the listing: what was ordered meanwhile is seen to be busy or fresh.
        let known = self
            .store
            .known_at(name, over_since, self.clock.now())
            .await?;
        let found: Vec<Found> = found
            .into_iter()
            .map(
                |Listed {
                     subject, identity, ..
                 }| Found { identity, subject },
            )
            .collect();
        Ok(Ok(diff(&known, &found, &domains, listed_at, grace)))
    }

    /// What a target says is held or locked.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list(
        &self,
        target: &dyn LockTarget,
    ) -> Result<Result<Vec<Listed>, NoListing>, StoreError> {
        let now = self.clock.now();
        let domains = self.domains(target.name(), now, now).await?;
        if domains.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        Ok(target.list(&domains).await)
    }

    /// Domains where somebody is locked, and those that complaints came about lately.
    async fn domains(
        &self,
        target: &str,
        over_since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        let known = self.store.known_at(target, over_since, now).await?;
        let users = known
            .iter()
            .filter_map(|k| k.identity.outgoing_user.as_ref());
        let mut domains: BTreeSet<String> = users.map(|user| user.domain.clone()).collect();
        let since = now.checked_sub(RECENT).unwrap_or(Timestamp::MIN);
        let most = self.settings.max_domains;
        domains.extend(self.store.recent_domains(since, most).await?);
        Ok(domains.into_iter().collect())
    }

    /// Compares one target with the store, and does something about what two comparisons in a row showed.
    ///
    /// # Errors
    /// When the store fails; what was done before stays done.
    pub async fn step(&self, target: &dyn LockTarget) -> Result<Round, StoreError> {
        let name = target.name();
        let count = |outcome| {
            let labels = [name, outcome];
            self.metrics
                .reconciliations
                .with_label_values(&labels)
                .inc();
        };
        let diff = match self.compare(target).await? {
            Ok(diff) => diff,
            Err(why) => {
                count(match why {
                    NoListing::Unsupported => "unsupported",
                    NoListing::Failed(_) => "failed",
                });
                return Ok(Round::NoListing(why));
            }
        };
        count(if diff.is_none() { "same" } else { "drift" });
        let gauge = |kind, number: usize| {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            let labels = [name, kind];
            self.metrics.drift.with_label_values(&labels).set(number);
        };
        gauge("lost", diff.lost.len());
        gauge("foreign", diff.foreign.len());
        let earlier = self.with_earlier(|all| all.insert(name.to_owned(), diff.clone()));
        let standing = earlier
            .map(|earlier| diff.standing(&earlier))
            .unwrap_or_default();
        let did = self.settle(name, &diff, &standing).await?;
        Ok(Round::Compared { diff, did })
    }

    fn with_earlier<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Diff>) -> T) -> T {
        work(&mut self.earlier.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn settle(&self, target: &str, diff: &Diff, standing: &Diff) -> Result<Did, StoreError> {
        let mut did = Did::default();
        let bounds = Bounds {
            most_unlocked: self.settings.most_unlocked,
        };
        did.reset = bounds.is_reset(diff);
        let reset = self.metrics.target_reset.with_label_values(&[target]);
        reset.set(did.reset.into());
        if did.reset {
            tracing::error!(
                lock_target = target,
                missing = diff.lost.len(),
                "so many locks are missing at the target that it was evidently reset: nothing is done before \
                 a person says so (arfd locks settle)"
            );
        } else {
            let drift = match self.settings.when_lost {
                WhenLost::Release => Drift::Unlocked(self.settings.cool_down),
                WhenLost::Repair => Drift::Repair,
            };
            for lost in &standing.lost {
                let wish = Wish {
                    actor: ACTOR,
                    why: match drift {
                        Drift::Unlocked(_) => "somebody unlocked it at the target",
                        Drift::Repair => "the target does not have it any more",
                    },
                    now: self.clock.now(),
                };
                let settled = self
                    .store
                    .settle_drift(lost.incident, target, drift, &wish)
                    .await?;
                // Another node, or a person, may have been quicker.
                let Ok(state) = settled else { continue };
                match drift {
                    Drift::Unlocked(_) => did.released += 1,
                    Drift::Repair => did.repaired += 1,
                }
                tracing::warn!(lock_target = target, incident = %lost.incident, identity = %lost.identity, state = state.as_str(), why = wish.why, "reconciled");
            }
        }
        if self.settings.adopt {
            for found in &standing.foreign {
                let now = self.clock.now();
                let adopted = self
                    .store
                    .adopt(target, &found.identity, found.subject, now)
                    .await?;
                if let Ok(incident) = adopted {
                    did.adopted += 1;
                    tracing::warn!(lock_target = target, %incident, identity = %found.identity, "locked at the target, not by us: written down");
                }
            }
        }
        for (what, number) in [
            ("released", did.released),
            ("repaired", did.repaired),
            ("adopted", did.adopted),
        ] {
            let labels = [target, what];
            self.metrics
                .reconciled
                .with_label_values(&labels)
                .inc_by(number);
        }
        if did.released + did.repaired > 0 {
            self.ordered.notify_one();
        }
        Ok(did)
    }

    /// Works until told to stop. Rounds begin once `every` has passed: at a start the daemon has better to do.
    pub async fn run(self, shutdown: CancellationToken) {
        if self.targets.is_empty() || self.settings.every.is_zero() {
            shutdown.cancelled().await;
            return;
        }
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.settings.every) => {}
            }
            for target in &self.targets {
                let round = tokio::select! {
                    () = shutdown.cancelled() => return,
                    round = self.step(target.as_ref()) => round,
                };
                let name = target.name();
                match round {
                    Ok(Round::Compared { .. } | Round::NoListing(NoListing::Unsupported)) => {}
                    Ok(Round::NoListing(why)) => {
                        tracing::warn!(lock_target = name, %why, "the target does not say what is locked");
                    }
                    Err(error) => {
                        tracing::warn!(lock_target = name, %error, "the target could not be reconciled");
                    }
                }
            }
        }
    }
}
