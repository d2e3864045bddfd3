//! Settings from the environment. A string arrives byte for byte; nothing is guessed about its kind before
//! the setting it is for says what it wants.

use super::place;
use super::{ConfigError, Settings};
use config::{Config, File, FileFormat, Value};
use std::collections::BTreeMap;
use std::ffi::OsString;

const PREFIX: &str = "ARFD_";
/// Variables with our prefix that are not settings.
const NOT_SETTINGS: [&str; 2] = ["ARFD_CONFIG", "ARFD_BLESS"];
/// Prefix of the tests' variables.
const TEST_PREFIX: &str = "ARFD_TEST_";
/// Lists of words, given with commas between them.
const WORD_LISTS: [&str; 14] = [
    "smtp.recipients",
    "smtp.rate_exempt",
    "identification.methods",
    "identification.presets",
    "identification.host_suffixes",
    "identification.shared",
    "identification.token.places",
    "identification.token.headers",
    "identification.dkim.domains",
    "own.networks",
    "own.relays",
    "own.hosts",
    "own.domains",
    "lock.spamexperts.refused_statuses",
];
/// Lists of patterns, in which commas mean themselves: the variable holds one.
const PATTERN_LISTS: [&str; 1] = ["lock.spamexperts.refusals"];
/// Lists of tables, which only a file can hold.
const FILE_ONLY: [&str; 10] = [
    "targets",
    "feeds",
    "rules",
    "identification.headers",
    "identification.sources",
    "identification.scripts",
    "identification.token.keys",
    "identification.dkim.keys",
    "smtp.listeners",
    "smtp.users",
];

/// One setting that the environment gives.
#[derive(Clone)]
pub(super) struct Variable {
    /// Its name, as in `ARFD_SMTP__LISTEN`.
    pub name: String,
    /// The setting, as in `smtp.listen`.
    pub key: String,
    value: Value,
}

fn wrong(name: &str, message: impl Into<String>) -> ConfigError {
    ConfigError::Variable {
        variable: name.to_owned(),
        message: message.into(),
    }
}

/// Our variables, in order of their names.
pub(super) fn variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<Variable>, ConfigError> {
    let ours: BTreeMap<String, OsString> = environment
        .into_iter()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value))
        .filter(|(name, _)| {
            name.starts_with(PREFIX)
                && !name.starts_with(TEST_PREFIX)
                && !NOT_SETTINGS.contains(&name.as_str())
        })
        .collect();
    ours.into_iter().map(variable).collect()
}

fn variable((name, value): (String, OsString)) -> Result<Variable, ConfigError> {
    let Ok(value) = value.into_string() else {
        return Err(wrong(&name, "is not UTF-8"));
    };
    let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
    let within = |list: &str| {
        let rest = key.strip_prefix(list);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if let Some(list) = FILE_ONLY.iter().find(|list| within(list)) {
        return Err(wrong(
            &name,
            format!(
                "{list} cannot come from the environment: write them in the configuration file"
            ),
        ));
    }
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if !key.split('.').all(is_word) {
        return Err(wrong(
            &name,
            "is not the name of a setting, such as ARFD_SMTP__LISTEN",
        ));
    }
    let list = if WORD_LISTS.contains(&key.as_str()) {
        Some(words(&value))
    } else if PATTERN_LISTS.contains(&key.as_str()) {
        Some(if value.is_empty() {
            Vec::new()
        } else {
            vec![value.clone()]
        })
    } else {
        None
    };
    let value = match list {
        None => Value::from(value),
        Some(_) if value.starts_with('[') => match array(&value) {
            Some(list) => Value::from(list),
            None => {
                return Err(wrong(
                    &name,
                    "begins with '[' but is not a list as TOML writes it",
                ));
            }
        },
        Some(list) => Value::from(list),
    };
    Ok(Variable { name, key, value })
}

fn words(text: &str) -> Vec<String> {
    let words = text
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// A TOML array of strings or numbers.
fn array(text: &str) -> Option<Vec<String>> {
    let table: toml::Table = format!("list = {text}").parse().ok()?;
    let list = table.get("list")?.as_array().filter(|_| table.len() == 1)?;
    list.iter()
        .map(|entry| match entry {
            toml::Value::String(text) => Some(text.clone()),
            toml::Value::Integer(number) => Some(number.to_string()),
            _ => None,
        })
        .collect()
}

/// The file's text under the variables. Each variable is tried on its own first, so that an error is
/// surely its own.
pub(super) fn merge(text: &str, variables: &[Variable]) -> Result<Settings, ConfigError> {
    for variable in variables {
        layered("", std::slice::from_ref(variable))
            .map_err(|e| wrong(&variable.name, place::explain(&reason(variable, &e))))?;
    }
    layered(text, variables).map_err(|e| {
        let names: Vec<&str> = variables.iter().map(|v| v.name.as_str()).collect();
        wrong(&names.join(", "), place::explain(&e.to_string()))
    })
}

/// What is wrong with a variable. Of an unknown word the library does not say which ones are known; the TOML
/// reader does.
fn reason(variable: &Variable, error: &config::ConfigError) -> String {
    let said = error.to_string();
    if !said.starts_with("enum ") {
        return said;
    }
    let Ok(value) = variable.value.clone().try_deserialize::<toml::Value>() else {
        return said;
    };
    let nested = variable.key.rsplit('.').fold(value, |inner, key| {
        toml::Value::Table([(key.to_owned(), inner)].into_iter().collect())
    });
    nested
        .try_into::<Settings>()
        .map_or_else(|e| e.message().to_owned(), |_| said)
}

fn layered(text: &str, variables: &[Variable]) -> Result<Settings, config::ConfigError> {
    let mut builder = Config::builder().add_source(File::from_str(text, FileFormat::Toml));
    for variable in variables {
        builder = builder.set_override(&variable.key, variable.value.clone())?;
    }
    builder.build()?.try_deserialize()
}
