//! From settings to targets: each is built once, in the order of the configuration.

use super::StartError;
use crate::clock::Clock;
use crate::config::{Kind, Settings, TargetTable};
use crate::lock::cpanel::Cpanel;
use crate::lock::exec::Exec;
use crate::lock::kumomta::KumoMta;
use crate::lock::map_file::MapFile;
use crate::lock::spamexperts::SpamExperts;
use crate::lock::webhook::{self, Webhook};
use crate::lock::{LockTarget, SetupError};
use crate::metrics::Metrics;
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
