//! Settings: the built-in defaults, then a TOML file, then `ARFD_...` variables of the environment. Shape
//! is checked by serde, sense by [`check`]; both name the file, the line and the key. What comes out are the
//! domain's own types.

mod check;
mod settings;
mod values;

pub use check::{Problem, check};
pub use settings::*;
pub use values::{MASK, Secret, SecretUrl, Size, Span};

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Variables with our prefix that are not settings.
const NOT_SETTINGS: [&str; 2] = ["ARFD_CONFIG", "ARFD_BLESS"];
/// Prefix of the tests' variables.
const TEST_PREFIX: &str = "ARFD_TEST_";
/// Settings that are lists of words, so that the environment may give them separated by commas.
const WORD_LISTS: [&str; 3] = [
    "smtp.recipients",
    "identification.methods",
    "lock.spamexperts.refusals",
];

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
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
pub fn load(file: Option<&Path>) -> Result<Settings, ConfigError> {
    load_with(file, std::env::vars().collect())
}

/// Reads the settings from `file` and the given environment.
///
/// # Errors
/// As [`load`].
pub fn load_with(
    file: Option<&Path>,
    environment: HashMap<String, String>,
) -> Result<Settings, ConfigError> {
    let (name, text) = match file {
        None => ("built-in defaults".to_owned(), String::new()),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
                path: path.to_owned(),
                source,
            })?;
            (path.display().to_string(), text)
        }
    };
    toml::from_str::<Settings>(&text).map_err(|e| in_file(&name, &text, &e))?;
    let variables = ours(environment);
    let mut settings = merge(&text, &variables)?;
    read_secrets(&mut settings)?;
    let problems = check(&settings);
    if problems.is_empty() {
        Ok(settings)
    } else {
        Err(ConfigError::Sense(
            problems
                .into_iter()
                .map(|p| p.located(&name, &text))
                .collect(),
        ))
    }
}

fn ours(environment: HashMap<String, String>) -> BTreeMap<String, String> {
    environment
        .into_iter()
        .filter(|(name, _)| {
            name.starts_with("ARFD_")
                && !name.starts_with(TEST_PREFIX)
                && !NOT_SETTINGS.contains(&name.as_str())
        })
        .collect()
}

/// The file's text under the variables.
fn merge(text: &str, variables: &BTreeMap<String, String>) -> Result<Settings, ConfigError> {
    let mut environment = config::Environment::with_prefix("ARFD")
        .prefix_separator("_")
        .separator("__")
        .try_parsing(true)
        .list_separator(",");
    for key in WORD_LISTS {
        environment = environment.with_list_parse_key(key);
    }
    let environment = environment.source(Some(
        variables
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect(),
    ));
    config::Config::builder()
        .add_source(config::File::from_str(text, config::FileFormat::Toml))
        .add_source(environment)
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|e| in_environment(variables, &e.to_string()))
}

/// An error of the TOML reader with its line and key. Never the line itself: it may hold a secret.
fn in_file(name: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = &text[..start];
    let line = before.matches('\n').count() + 1;
    let section = before
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| line.starts_with('['))
        .map_or(String::new(), |section| format!("{section} "));
    let key = text
        .lines()
        .nth(line - 1)
        .and_then(|line| line.split_once('='))
        .map_or(String::new(), |(key, _)| format!("{}: ", key.trim()));
    ConfigError::Shape {
        file: name.to_owned(),
        line,
        message: format!("{section}{key}{}", explain(error.message())),
    }
}

fn in_environment(variables: &BTreeMap<String, String>, error: &str) -> ConfigError {
    // The library names the key in lower case with dots; the variable is found from it.
    let dotted = |name: &str| {
        name.trim_start_matches("ARFD_")
            .to_lowercase()
            .replace("__", ".")
    };
    let variable = variables
        .keys()
        .find(|name| {
            let key = dotted(name);
            let last = key.rsplit('.').next().unwrap_or_default();
            error.contains(&format!("`{key}`")) || error.contains(&format!("`{last}`"))
        })
        .cloned()
        .unwrap_or_else(|| "ARFD_...".to_owned());
    ConfigError::Variable {
        variable,
        message: explain(error),
    }
}

/// Adds the nearest known name to serde's word on an unknown one.
fn explain(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let unknown = message.contains("unknown field") || message.contains("unknown variant");
    let first_line = message.lines().next().unwrap_or(message);
    match quoted.split_first() {
        Some((wrong, known)) if unknown => {
            let nearest = known.iter().max_by(|a, b| {
                strsim::jaro_winkler(wrong, a).total_cmp(&strsim::jaro_winkler(wrong, b))
            });
            let what = if message.contains("field") {
                "key"
            } else {
                "value"
            };
            match nearest {
                Some(nearest) => format!("unknown {what} `{wrong}`; did you mean `{nearest}`?"),
                None => format!("unknown {what} `{wrong}`"),
            }
        }
        _ => first_line.to_owned(),
    }
}

/// Reads secrets that are given as files.
fn read_secrets(settings: &mut Settings) -> Result<(), ConfigError> {
    let read = |path: &Path| {
        std::fs::read_to_string(path)
            .map(|text| text.trim_end_matches(['\r', '\n']).to_owned())
            .map_err(|source| ConfigError::Unreadable {
                path: path.to_owned(),
                source,
            })
    };
    if let Some(path) = &settings.lock.spamexperts.password_file {
        settings.lock.spamexperts.password = Secret::new(&read(path)?);
    }
    if let Some(path) = &settings.store.url_file {
        settings.store.url = SecretUrl::new(&read(path)?);
    }
    Ok(())
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
#[path = "tests.rs"]
mod tests;
