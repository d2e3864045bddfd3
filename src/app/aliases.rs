//! From settings to the look-up of aliases.

use super::StartError;
use crate::clock::Clock;
use crate::config::Settings;
use crate::intake::aliases::Aliases;
use crate::lookup::{AliasFile, Lookup, Remote, RemoteSettings};
use crate::metrics::Metrics;
use jiff::SignedDuration;
use std::sync::Arc;

/// Whom identities are known as, by whatever is configured to say.
///
/// # Errors
/// When the file cannot be used, or the service not be asked.
pub fn aliases(
    settings: &Settings,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
) -> Result<Aliases, StartError> {
    let s = &settings.aliases;
    let methods = settings.to_methods()?;
    let normal = methods.normal.clone();
    let file = s
        .to_file(normal.clone())
        .map(|file| AliasFile::load(file, Arc::clone(metrics)));
    let remote = (!s.url.is_empty()).then(|| {
        let remote = RemoteSettings {
            url: s.url.clone(),
            token: s.token.to_secret_string(),
            ca_file: s.ca_file.clone(),
            timeout: s.timeout.0,
            connect_timeout: s.connect_timeout.0,
            concurrency: s.concurrency,
            normal,
            max_answer: usize::try_from(s.max_answer.0).unwrap_or(usize::MAX),
            cache: s.cache,
            ttl: s.ttl.0,
            negative_ttl: s.negative_ttl.0,
            max_stale: s.max_stale.0,
            breaker_failures: s.breaker_failures,
            breaker_pause: s.breaker_pause.0,
        };
        Remote::new(remote, Arc::clone(clock), Arc::clone(metrics))
    });
    Ok(Aliases {
        lookup: Lookup {
            file: file.transpose().map_err(StartError::Aliases)?,
            remote: remote.transpose().map_err(StartError::Lookup)?,
        },
        methods,
        protected: settings.restraint.to_restraints().protected,
        max_delay: SignedDuration::try_from(s.max_delay.0).unwrap_or(SignedDuration::MAX),
    })
}
