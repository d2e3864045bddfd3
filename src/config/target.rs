//! Whether a target can be reached and spoken to as configured, and secrets that are given as files. Apart
//! from the other checks, because commands that only look at the store need no credentials.

use super::check::{Problem, Problems};
use super::check_targets;
use super::settings::{Settings, Store};
use super::values::{Secret, SecretUrl};
use super::{ConfigError, Need, secure};
use std::path::Path;

/// What the configured target lacks; empty when orders can be sent. No value is repeated: people put
/// secrets in the wrong places.
pub fn check_target(settings: &Settings) -> Vec<Problem> {
    let mut problems = Problems::default();
    check_targets::check_access(settings, &mut problems);
    problems.0
}

/// Reads secrets that are given as files, and says where one is given twice.
pub(super) fn read_secrets(
    settings: &mut Settings,
    need: Need,
) -> Result<Vec<Problem>, ConfigError> {
    let mut problems = Problems::default();
    if let Some(path) = &settings.store.url_file {
        problems.demand(
            settings.store.url == Store::default().url,
            "store.url",
            "give one of them: url or url_file",
        );
        settings.store.url = SecretUrl::new(&read("store.url_file", path)?);
    }
    if let (Some(path), Need::Everything) = (&settings.http.token_file, need) {
        problems.demand(
            settings.http.token.is_empty(),
            "http.token",
            "give one of them: token or token_file",
        );
        settings.http.token = Secret::new(&read("http.token_file", path)?);
    }
    if let Some(path) = &settings.aliases.token_file {
        problems.demand(
            settings.aliases.token.is_empty(),
            "aliases.token",
            "give one of them: token or token_file",
        );
        settings.aliases.token = Secret::new(&read("aliases.token_file", path)?);
    }
    super::credentials::read_secrets(settings, &mut problems)?;
    let target = &mut settings.lock.spamexperts;
    if let (Some(path), Need::Everything) = (&target.password_file, need) {
        problems.demand(
            target.password.is_empty(),
            "lock.spamexperts.password",
            "give one of them: password or password_file",
        );
        target.password = Secret::new(&read("lock.spamexperts.password_file", path)?);
    }
    if need == Need::Everything {
        for (key, name, secret, path) in check_targets::secret_files(&mut settings.targets) {
            problems.demand(
                secret.is_empty(),
                format!("{key}.{name}"),
                format!("give one of them: {name} or {name}_file"),
            );
            *secret = Secret::new(&read(format!("{key}.{name}_file"), &path)?);
        }
        secure::read_hashes(settings, &mut problems)?;
    }
    Ok(problems.0)
}

pub(super) fn read(key: impl Into<String>, path: &Path) -> Result<String, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(cause) => Err(ConfigError::SecretFile {
            key: key.into(),
            path: path.to_owned(),
            cause,
        }),
    }
}
