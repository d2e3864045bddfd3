//! Takes up a changed configuration while the daemon runs: rules, restraints and what goes with them change at
//! once and as a whole; everything else is compared and named, for it needs a restart. A file that cannot be
//! used changes nothing.

use super::wire;
use crate::clock::Clock;
use crate::config::{ConfigError, Settings};
use crate::http;
use crate::intake::InForce;
use crate::metrics::Metrics;
use crate::store::{Store, StoreError};
use async_trait::async_trait;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Reads the configuration again, as it was read at the start.
pub type Source = Arc<dyn Fn() -> Result<Settings, ConfigError> + Send + Sync>;

/// Why nothing was taken up.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration cannot be used.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The store does not say which rules are new.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// Reading it broke.
    #[error("the configuration could not be read: {0}")]
    Broke(#[from] tokio::task::JoinError),
}

/// What was taken up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// Rules that are in force now, by name.
    pub rules: Vec<String>,
    /// Rules that are new, or ask for something else than before.
    pub changed: Vec<String>,
    /// Rules that are gone.
    pub gone: Vec<String>,
    /// Rules and feeds on trial: what they cross is recorded only.
    pub on_trial: Vec<String>,
    /// Settings that differ from those in use and need a restart.
    pub needs_restart: Vec<String>,
}

/// What reloading needs.
pub(super) struct Reloader {
    pub(super) source: Option<Source>,
    /// The settings in use.
    pub(super) running: Mutex<Settings>,
    pub(super) policy: Arc<InForce>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}

impl Reloader {
    /// Reads the configuration again and takes up what may change; one at a time.
    pub(super) async fn reload(&self) -> Result<Reloaded, ReloadError> {
        let mut running = self.running.lock().await;
        let result = self.take_up(&mut running).await;
        let outcome = match &result {
            Ok(done) => {
                tracing::info!(
                    rules = done.rules.len(),
                    changed = ?done.changed,
                    gone = ?done.gone,
                    on_trial = ?done.on_trial,
                    "rules and restraints are reloaded"
                );
                if !done.needs_restart.is_empty() {
                    tracing::warn!(settings = ?done.needs_restart, "changed, but only a restart takes them up");
                }
                self.metrics
                    .config_reloaded
                    .set(self.clock.now().as_second());
                "taken_up"
            }
            Err(error) => {
                tracing::error!(%error, "nothing is reloaded; what was in force stays");
                "refused"
            }
        };
        let ok = i64::from(result.is_ok());
        self.metrics.config_current.set(ok);
        self.metrics
            .config_reloads
            .with_label_values(&[outcome])
            .inc();
        result
    }

    async fn take_up(&self, running: &mut Settings) -> Result<Reloaded, ReloadError> {
        let Some(source) = self.source.clone() else {
            return Ok(Reloaded::default());
        };
        let new = tokio::task::spawn_blocking(move || source()).await??;
        let merged = Settings {
            rules: new.rules.clone(),
            restraint: new.restraint.clone(),
            lock: crate::config::Lock {
                reopen_after: new.lock.reopen_after,
                ..running.lock.clone()
            },
            ..running.clone()
        };
        let policy = wire::policy(&merged, self.store.as_ref(), self.clock.now()).await?;
        let old = self.policy.get();
        let shape = |rule: &crate::domain::threshold::Rule| (rule.name.clone(), rule.clone());
        let before: BTreeMap<_, _> = old.rules.iter().map(shape).collect();
        let after: BTreeMap<_, _> = policy.rules.iter().map(shape).collect();
        let named = |name: &String| name.clone();
        let trials = &policy.restraints.trials;
        let done = Reloaded {
            rules: policy.rules.iter().map(|rule| rule.name.clone()).collect(),
            changed: after
                .iter()
                .filter(|(name, rule)| before.get(*name) != Some(rule))
                .map(|(name, _)| name.clone())
                .collect(),
            gone: before
                .keys()
                .filter(|name| !after.contains_key(*name))
                .map(named)
                .collect(),
            on_trial: trials
                .rules
                .keys()
                .chain(trials.feeds.keys())
                .map(named)
                .collect(),
            needs_restart: differences(&merged, &new),
        };
        for rule in &policy.rules {
            self.metrics
                .crossings
                .with_label_values(&[rule.name.as_str()]);
        }
        self.policy.set(policy);
        *running = merged;
        Ok(done)
    }
}

#[async_trait]
impl http::Reload for Reloader {
    async fn reload(&self) -> Result<serde_json::Value, String> {
        match Self::reload(self).await {
            Ok(done) => serde_json::to_value(done).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// The keys in which two settings differ. Secrets are masked in what is compared key by key; a section that
/// differs in nothing else is named as a whole.
fn differences(old: &Settings, new: &Settings) -> Vec<String> {
    if old == new {
        return Vec::new();
    }
    let table = |settings: &Settings| toml::Table::try_from(settings).unwrap_or_default();
    let mut found = Vec::new();
    compare(&table(old), &table(new), "", &mut found);
    if found.is_empty() {
        found.push("a secret".to_owned());
    }
    found
}

fn compare(old: &toml::Table, new: &toml::Table, path: &str, found: &mut Vec<String>) {
    let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys {
        let at = match path {
            "" => key.clone(),
            _ => format!("{path}.{key}"),
        };
        match (old.get(key), new.get(key)) {
            (Some(toml::Value::Table(old)), Some(toml::Value::Table(new))) => {
                compare(old, new, &at, found);
            }
            (old, new) if old != new => found.push(at),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let old = Settings::default();
        let said = |text: &str| differences(&old, &toml::from_str(text).unwrap());
        assert!(said("").is_empty());
        assert_eq!(said("[smtp]\nmax_errors = 3\n"), ["smtp.max_errors"]);
        let two = "[smtp]\nhostname = \"mx.example\"\n[outbox]\nconcurrency = 9\n";
        assert_eq!(said(two), ["outbox.concurrency", "smtp.hostname"]);
        let mut new = old.clone();
        new.http.token = crate::config::Secret::new("one");
        let mut old = old;
        old.http.token = crate::config::Secret::new("two");
        assert_eq!(differences(&old, &new), ["a secret"]);
    }
}
