//! Where in a file a setting stands, and what may be said about it: names of settings, never their values,
//! for those may be secrets.

use super::feeds::Feed;
use super::identification::{Header, Script, Source};
use super::settings::Settings;
use super::values::Span;
use super::{ConfigError, Rule};
use std::collections::BTreeSet;
use toml::de::{DeTable, DeValue};

/// Settings that are lists of networks.
const NETWORK_LISTS: [&str; 5] = ["networks", "proxy", "rate_exempt", "relays", "network"];

/// One step down to a setting: a key, and the entry if it is a list of tables.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    key: String,
    entry: Option<usize>,
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    before.iter().filter(|octet| **octet == b'\n').count() + 1
}

/// The line where `key`, as in `feeds[1].networks`, stands in the file, or else the section it belongs to.
pub(super) fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut found = None;
    for step in key.split('.') {
        let (name, entry) = match step.split_once('[') {
            Some((name, entry)) => (name, entry.trim_end_matches(']').parse::<usize>().ok()),
            None => (step, None),
        };
        let Some((at, mut value)) = table.iter().find(|(k, _)| k.get_ref() == name) else {
            break;
        };
        found = Some(at.span().start);
        if let (DeValue::Array(entries), Some(entry)) = (value.get_ref(), entry) {
            let Some(inner) = entries.get(entry) else {
                break;
            };
            found = Some(inner.span().start);
            value = inner;
        }
        let DeValue::Table(inner) = value.get_ref() else {
            break;
        };
        table = inner;
    }
    found.map(|offset| line_at(text, offset))
}

/// The setting whose key or value covers an offset, innermost.
fn path_at(table: &DeTable<'_>, offset: usize) -> Option<Vec<Step>> {
    table.iter().find_map(|(key, value)| {
        let step = |entry| Step {
            key: key.get_ref().to_string(),
            entry,
        };
        let below = match value.get_ref() {
            DeValue::Table(inner) => path_at(inner, offset).map(|rest| (step(None), rest)),
            DeValue::Array(entries) => entries.iter().enumerate().find_map(|(i, entry)| {
                let DeValue::Table(inner) = entry.get_ref() else {
                    return None;
                };
                let rest = path_at(inner, offset)
                    .or_else(|| entry.span().contains(&offset).then(Vec::new))?;
                Some((step(Some(i)), rest))
            }),
            _ => None,
        };
        match below {
            Some((first, rest)) => Some(std::iter::once(first).chain(rest).collect()),
            None if key.span().contains(&offset) || value.span().contains(&offset) => {
                Some(vec![step(None)])
            }
            None => None,
        }
    })
}

/// `[lock.spamexperts] password: `, or `[[feeds]] networks: `.
/// The last step is the key if it is `named`; otherwise all are sections.
fn written(path: &[Step], named: bool) -> String {
    let join = |steps: &[Step]| {
        let keys: Vec<&str> = steps.iter().map(|step| step.key.as_str()).collect();
        keys.join(".")
    };
    let list = path.iter().rposition(|step| step.entry.is_some());
    let head = match (named, list) {
        (false, _) => path.len(),
        (true, None) => path.len().saturating_sub(1),
        (true, Some(at)) => at + 1,
    };
    let (section, key) = path.split_at(head);
    let section = match (section.is_empty(), list) {
        (true, _) => String::new(),
        (false, None) => format!("[{}] ", join(section)),
        (false, Some(_)) => format!("[[{}]] ", join(section)),
    };
    match key {
        [] => section,
        key => format!("{section}{}: ", join(key)),
    }
}

/// An error of the TOML reader with its line and key.
pub(super) fn in_file(name: &str, text: &str, error: &toml::de::Error) -> ConfigError {
    let span = error.span().unwrap_or_default();
    let known = known_keys();
    let unknown_key = error.message().starts_with("unknown field");
    let mut message = explain(error.message());
    let place = match DeTable::parse(text) {
        Ok(document) => {
            let mut path = path_at(document.get_ref(), span.start).unwrap_or_default();
            let shown = path.iter().take_while(|step| known.contains(&step.key));
            let mut shown = shown.count();
            if unknown_key && shown + 1 == path.len() && is_bare(&path[shown].key) {
                shown += 1;
            }
            if unknown_key && path.last().is_some_and(|step| !is_bare(&step.key)) {
                message = "unknown key".to_owned();
            }
            let whole = shown == path.len();
            path.truncate(shown);
            if path
                .last()
                .is_some_and(|step| NETWORK_LISTS.contains(&step.key.as_str()))
                && let Some(network) = text.get(span.clone())
                && message.contains("IP address")
            {
                message = format!("{network} is not a network such as 192.0.2.0/24");
            }
            written(&path, whole)
        }
        Err(_) => roughly(text, span.start, &known),
    };
    ConfigError::Shape {
        file: name.to_owned(),
        line: line_at(text, span.start),
        message: format!("{place}{message}"),
    }
}

/// Section and key where the text is not TOML: known names only, for the rest may be anything.
fn roughly(text: &str, offset: usize, known: &BTreeSet<String>) -> String {
    let bare = |line: &str| {
        let end = line.find(|c: char| !is_bare_char(c)).unwrap_or(line.len());
        line[..end].to_owned()
    };
    let line = line_at(text, offset) - 1;
    let lines: Vec<&str> = text.lines().map(str::trim).take(line + 1).collect();
    let section = lines.iter().rev().find_map(|line| {
        let inside = line.strip_prefix("[[").or_else(|| line.strip_prefix('['))?;
        let (name, _) = inside.split_once(']')?;
        let fine = name.split('.').all(|part| known.contains(part.trim()));
        fine.then(|| {
            let list = line.starts_with("[[");
            if list {
                format!("[[{name}]] ")
            } else {
                format!("[{name}] ")
            }
        })
    });
    let key = lines.get(line).map(|line| bare(line));
    let key = key.filter(|key| known.contains(key));
    section.unwrap_or_default() + &key.map_or_else(String::new, |key| format!("{key}: "))
}

fn is_bare_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.chars().all(is_bare_char)
}

/// The names of all settings and sections.
fn known_keys() -> BTreeSet<String> {
    let mut all = Settings::default();
    all.store.url_file = Some("x".into());
    all.http.token_file = Some("x".into());
    for file in [
        &mut all.aliases.file,
        &mut all.aliases.token_file,
        &mut all.aliases.ca_file,
    ] {
        *file = Some("x".into());
    }
    all.lock.spamexperts.password_file = Some("x".into());
    all.lock.spamexperts.ca_file = Some("x".into());
    all.targets = vec![super::check_targets::example()];
    for file in [
        &mut all.smtp.tls.certificate_file,
        &mut all.smtp.tls.key_file,
        &mut all.smtp.tls.client_ca_file,
    ] {
        *file = Some("x".into());
    }
    all.smtp.users = vec![super::secure::example_user()];
    all.identification.headers = vec![Header {
        name: "x".into(),
        capture: Some("x".into()),
    }];
    all.identification.sources = vec![Source {
        network: std::net::IpAddr::from([127, 0, 0, 1]).into(),
        identity: "x".into(),
        outgoing_user: Some("x".into()),
        shared: false,
    }];
    all.identification.scripts = vec![Script {
        key: "x".into(),
        identity: "x".into(),
        outgoing_user: Some("x".into()),
    }];
    all.identification.token.secret_file = Some("x".into());
    all.identification.token.keys = vec![super::TokenKey {
        id: 1,
        secret: Default::default(),
        secret_file: Some("x".into()),
    }];
    all.identification.dkim.keys = vec![super::DkimKey {
        domain: "x".into(),
        selector: "x".into(),
        record: "x".into(),
    }];
    all.identification.source_file = Some("x".into());
    all.identification.script_file = Some("x".into());
    all.smtp.listeners = vec![super::Listener {
        name: "x".into(),
        address: super::Address::Off,
        protocol: super::Protocol::Smtp,
        tls: super::Tls::Off,
        auth: false,
        proxy: Vec::new(),
        mode: Some(super::Mode::default()),
        group: Some("x".into()),
    }];
    all.feeds = vec![Feed {
        name: "x".into(),
        proof: Some(super::ProofTable {
            all: vec![Default::default()],
            any: vec![Default::default()],
            ..Default::default()
        }),
        expect_every: Some(Span::secs(1)),
        ..Feed::default()
    }];
    all.rules = vec![Rule::with_every_key()];
    let mut keys = BTreeSet::new();
    // What cannot be written has no names to offer.
    if let Ok(value) = toml::Value::try_from(&all) {
        gather(&value, &mut keys);
    }
    keys
}

fn gather(value: &toml::Value, keys: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                keys.insert(key.clone());
                gather(value, keys);
            }
        }
        toml::Value::Array(list) => list.iter().for_each(|value| gather(value, keys)),
        _ => {}
    }
}

/// The known word that is most like `word`.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .max_by(|a, b| strsim::jaro_winkler(word, a).total_cmp(&strsim::jaro_winkler(word, b)))
}

/// What a reader says, without the value it did not like, and with the nearest known name for an unknown one.
pub(super) fn explain(message: &str) -> String {
    let line = message.lines().next().unwrap_or(message);
    let line = line.split(" for key `").next().unwrap_or(line);
    if message.contains("untagged enum") {
        return "expected a size such as 998 B, 64 KiB or 25 MiB".to_owned();
    }
    if let Some((found, expected)) = ["invalid type: ", "invalid value: "]
        .iter()
        .find_map(|start| message.split_once(start))
        .and_then(|(_, rest)| rest.rsplit_once(", expected "))
    {
        let kind = found.split(['`', '"']).next().unwrap_or_default().trim();
        let expected = expected.split(" for key ").next().unwrap_or(expected);
        let expected = match expected.lines().next().unwrap_or(expected) {
            inside if inside.starts_with("struct ") => "a section",
            expected => expected,
        };
        return format!("expected {expected}, which this {kind} is not");
    }
    let unknown = ["unknown field `", "unknown variant `"]
        .iter()
        .find_map(|start| message.split_once(start));
    let Some((_, rest)) = unknown else {
        return line.to_owned();
    };
    let (wrong, known) = rest.split_once('`').unwrap_or((rest, ""));
    let known = known.split('`').skip(1).step_by(2);
    let known =
        known.take_while(|word| is_bare(word) && !message.ends_with(&format!("for key `{word}`")));
    let what = if message.contains("unknown field") {
        "key"
    } else {
        "value"
    };
    // Anything else may have slipped into the place of a name.
    if !is_bare(wrong) {
        return format!("unknown {what}");
    }
    match nearest(wrong, known) {
        Some(nearest) => format!("unknown {what} `{wrong}`; did you mean `{nearest}`?"),
        None => format!("unknown {what} `{wrong}`"),
    }
}
