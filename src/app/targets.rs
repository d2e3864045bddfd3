//! From settings to targets: each is built once, in the order of the configuration.

use super::StartError;
use crate::clock::Clock;
use crate::config::{Kind, Settings, TargetTable};
use crate::lock::cpanel::Cpanel;
use crate::lock::exec::Exec;
use crate::lock::kumomta::KumoMta;
use crate::lock::map_file::{MapFile, Standing};
use crate::lock::spamexperts::SpamExperts;
use crate::lock::webhook::{self, Webhook};
use crate::lock::{LockTarget, SetupError};
use crate::metrics::Metrics;
use crate::store::Store;
use std::sync::Arc;

/// Whom to ask for locks; nobody while they are only observed.
pub(super) fn build(
    settings: &Settings,
    metrics: &Arc<Metrics>,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Arc<dyn LockTarget>>, StartError> {
    let active = settings.active_targets();
    if active.is_empty() {
        tracing::warn!("lock.target is \"observe\": lock orders are recorded, not sent");
    }
    active
        .iter()
        .map(|(key, table)| {
            let key = format!("{key}.{}", table.kind.as_str());
            one(table, &key, metrics, clock)
        })
        .collect()
}

/// Writes the map files anew from what the store says is in effect. One that fails is told and left as it is: its
/// orders will meet the same trouble, and mail is taken meanwhile.
pub(super) async fn rebuild(
    settings: &Settings,
    store: &dyn Store,
    metrics: &Arc<Metrics>,
    clock: &Arc<dyn Clock>,
) {
    for (key, table) in settings.active_targets() {
        let Some(section) = table
            .map_file
            .as_ref()
            .filter(|_| table.kind == Kind::MapFile)
        else {
            continue;
        };
        let most = section.timeout.0.saturating_mul(2);
        let map = MapFile::new(
            section.to_lock(&table.name),
            Arc::clone(metrics),
            Arc::clone(clock),
        );
        let ask = async {
            let now = clock.now();
            let known = store.known_at(&table.name, now, now).await;
            known.map(Standing::from_iter)
        };
        let work = async { map.map_err(|why| why.to_string())?.rebuild(ask).await };
        let done = tokio::time::timeout(most, work).await;
        match done.unwrap_or_else(|_| Err("no end in time".to_owned())) {
            Ok(()) => tracing::info!(lock_target = table.name, "the map file was rebuilt"),
            Err(why) => tracing::error!(
                lock_target = table.name,
                why,
                "{key}.map_file was not rebuilt from the store"
            ),
        }
    }
}

fn one(
    table: &TargetTable,
    key: &str,
    metrics: &Arc<Metrics>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<dyn LockTarget>, StartError> {
    let (metrics, clock) = (Arc::clone(metrics), Arc::clone(clock));
    let failed = |cause: SetupError| StartError::Target {
        key: key.to_owned(),
        cause,
    };
    // A missing section is ruled out by the configuration's checks; its defaults are refused by the target.
    Ok(match table.kind {
        Kind::SpamExperts => {
            let section = table.spamexperts.clone().unwrap_or_default();
            let settings = section.to_lock(&table.name)?;
            Arc::new(SpamExperts::new(settings, metrics, clock).map_err(failed)?)
        }
        Kind::Webhook => {
            let section = table.webhook.clone().unwrap_or_default();
            let list = Some(section.list_url.clone());
            let settings = webhook::Settings {
                name: table.name.clone(),
                url: section.url.clone(),
                list_url: list.filter(|url| !url.is_empty()),
                secret: section.secret.to_secret_string(),
                hold: section.hold,
                reach: section.to_reach(),
            };
            Arc::new(Webhook::new(settings, metrics, clock).map_err(failed)?)
        }
        Kind::Cpanel => {
            let settings = table
                .cpanel
                .clone()
                .unwrap_or_default()
                .to_lock(&table.name);
            Arc::new(Cpanel::new(settings, metrics, clock).map_err(failed)?)
        }
        Kind::MapFile => {
            let settings = table
                .map_file
                .clone()
                .unwrap_or_default()
                .to_lock(&table.name);
            Arc::new(MapFile::new(settings, metrics, clock).map_err(failed)?)
        }
        Kind::Exec => {
            let settings = table.exec.clone().unwrap_or_default().to_lock(&table.name);
            Arc::new(Exec::new(settings, metrics, clock).map_err(failed)?)
        }
        Kind::KumoMta => {
            let settings = table
                .kumomta
                .clone()
                .unwrap_or_default()
                .to_lock(&table.name);
            Arc::new(KumoMta::new(settings, metrics, clock).map_err(failed)?)
        }
    })
}
