//! Settings: the built-in defaults, then a TOML file, then `ARFD_...` variables of the environment. Shape
//! is checked by serde, sense by [`check`]; both name the file, the line and the key. What comes out are the
//! domain's own types.

mod aliases;
mod check;
mod check_feeds;
mod check_listeners;
mod check_targets;
mod credentials;
mod environment;
mod feeds;
mod identification;
mod listeners;
mod maps;
mod place;
mod reconcile;
mod restraint;
mod rules;
mod secure;
mod settings;
mod smtp;
mod spamexperts;
mod target;
mod target_kinds;
mod targets;
mod translate;
mod values;

pub use aliases::Aliases;
pub use check::{Problem, check};
pub use credentials::{DkimKey, DkimSettings, TokenKey, TokenSettings};
pub use feeds::{Demand, Feed, ProofTable, Proving};
pub use identification::{
    Header, HeaderMissing, Identification, OwnSettings, PlusTags, Script, Source,
};
pub use listeners::{Address, Listener, Mode, Protocol, Tls};
pub use reconcile::{Reconcile, WhenLost};
pub use restraint::Restraint;
pub use rules::Rule;
pub use secure::{SmtpAuth, SmtpTls, SmtpUser, warnings};
pub use settings::*;
pub use smtp::Smtp;
pub use spamexperts::SpamExperts;
pub use target::check_target;
pub use targets::{Cpanel, Exec, Kind, KumoMta, MapFile, TargetTable, Webhook};
pub use values::{MASK, Secret, SecretUrl, Size, Span};

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What the settings are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Everything: orders will be sent.
    Everything,
    /// The store and how reports are judged; the target's credentials may be missing or not readable.
    NoTarget,
}

/// Why settings cannot be used. Each message holds its cause, which is therefore not a source besides.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file that holds a secret cannot be read.
    #[error("{key}: {}: {cause}", path.display())]
    SecretFile {
        /// The setting that names the file.
        key: String,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file's shape is wrong.
    #[error("{file}:{line}: {message}")]
    Shape {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// Section, key and what is wrong.
        message: String,
    },
    /// A variable's shape is wrong.
    #[error("{variable} (environment): {message}")]
    Variable {
        /// The variable.
        variable: String,
        /// What is wrong.
        message: String,
    },
    /// The settings make no sense together.
    #[error("{}", list(.0))]
    Sense(Vec<Problem>),
}

fn list(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Reads the settings of this process: from `file` if given, and its environment.
///
/// # Errors
/// When the file cannot be read, a key is unknown or has the wrong kind of value, or the settings make no
/// sense together.
pub fn load(file: Option<&Path>, need: Need) -> Result<Settings, ConfigError> {
    load_with(file, std::env::vars_os(), need)
}

/// Reads the settings from `file` and the given environment.
///
/// # Errors
/// As [`load`].
pub fn load_with(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    need: Need,
) -> Result<Settings, ConfigError> {
    let (name, text) = match file {
        None => ("built-in defaults".to_owned(), String::new()),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
                path: path.to_owned(),
                cause,
            })?;
            (path.display().to_string(), text)
        }
    };
    toml::from_str::<Settings>(&text).map_err(|e| place::in_file(&name, &text, &e))?;
    let variables = environment::variables(environment)?;
    let mut settings = environment::merge(&text, &variables)?;
    let mut problems = target::read_secrets(&mut settings, need)?;
    settings.identification.maps = maps::Maps::read(&settings.identification);
    problems.extend(check(&settings));
    if need == Need::Everything {
        problems.extend(check_target(&settings));
        problems.extend(secure::check_files(&settings));
        problems.extend(aliases::check_file(&settings));
    }
    if problems.is_empty() {
        return Ok(settings);
    }
    let located = |mut problem: Problem| {
        match variables.iter().find(|v| v.key == problem.key) {
            Some(variable) => problem.place = Some(format!("{} (environment)", variable.name)),
            None => problem = problem.located(&name, &text),
        }
        problem
    };
    Err(ConfigError::Sense(
        problems.into_iter().map(located).collect(),
    ))
}

/// Settings with the rules of another file, and with its `[restraint]` if it has one.
///
/// # Errors
/// When the file cannot be read, is not shaped as settings are, has no rules, or makes no sense with the others.
pub fn with_rules_of(mut settings: Settings, file: &Path) -> Result<Settings, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|cause| ConfigError::Unreadable {
        path: file.to_owned(),
        cause,
    })?;
    let name = file.display().to_string();
    let shape = |e: toml::de::Error| place::in_file(&name, &text, &e);
    let read: Settings = toml::from_str(&text).map_err(shape)?;
    let table: toml::Table = toml::from_str(&text).map_err(shape)?;
    if !table.contains_key("rules") {
        return Err(ConfigError::Sense(vec![Problem {
            key: "rules".to_owned(),
            message: "there are none in this file".to_owned(),
            place: Some(name),
        }]));
    }
    settings.rules = read.rules;
    if table.contains_key("restraint") {
        settings.restraint = read.restraint;
    }
    let problems = check(&settings);
    if problems.is_empty() {
        return Ok(settings);
    }
    let located = |problem: Problem| problem.located(&name, &text);
    Err(ConfigError::Sense(
        problems.into_iter().map(located).collect(),
    ))
}

impl Settings {
    /// The effective settings as TOML, secrets masked.
    ///
    /// # Errors
    /// When they cannot be written as TOML, which would be a fault of this program.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string_pretty(self)
    }
}

#[cfg(test)]
#[path = "environment_tests.rs"]
mod environment_tests;
#[cfg(test)]
#[path = "feeds_tests.rs"]
mod feeds_tests;
#[cfg(test)]
#[path = "identification_tests.rs"]
mod identification_tests;
#[cfg(test)]
#[path = "listeners_tests.rs"]
mod listeners_tests;
#[cfg(test)]
#[path = "place_tests.rs"]
mod place_tests;
#[cfg(test)]
#[path = "secure_tests.rs"]
mod secure_tests;
#[cfg(test)]
#[path = "targets_tests.rs"]
mod targets_tests;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
