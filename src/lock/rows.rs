//! Everything that a listing of undocumented form holds: identities, with their outgoing user where it tells.
//! Read generously (JSON, CSV with or without a header, lines, quoted literals); but a text that does not look
//! like a listing is none, so that no error can pass for "nothing is locked". Pure.

use super::answer::Body;
use super::listing::{MARKS, fields, quoted};
use regex::Regex;
use serde_json::{Map, Value};

/// One entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) identity: String,
    pub(super) username: Option<String>,
    pub(super) domain: Option<String>,
}

const IDENTITY: [&str; 6] = [
    "identity",
    "user identification",
    "sender",
    "email",
    "name",
    "value",
];
const USERNAME: [&str; 5] = [
    "username",
    "user",
    "outgoing_user",
    "outgoing user",
    "authentication user",
];
const DOMAIN: [&str; 2] = ["domain", "authentication domain"];
/// Keys that hold a list, or say something about it.
const WRAPPERS: [&str; 12] = [
    "items",
    "identities",
    "locked",
    "result",
    "results",
    "data",
    "list",
    "rows",
    "entries",
    "count",
    "total",
    "page",
];
/// Words of a text that reports trouble.
const TROUBLE: [&str; 12] = [
    "error",
    "fail",
    "invalid",
    "denied",
    "unable",
    "cannot",
    "exception",
    "unknown",
    "not ",
    "no ",
    "forbidden",
    "try again",
];

/// All entries; none where the body is no listing. `nothing` matches what the filter says when there is none.
pub(super) fn rows(body: &Body, nothing: &Regex) -> Option<Vec<Row>> {
    match body {
        Body::Empty => Some(Vec::new()),
        Body::Broken => None,
        Body::Plain(text) => of_text(text, nothing),
        Body::Json(reply) if !reply.errors.is_empty() => None,
        Body::Json(reply) => match &reply.result {
            Value::String(text) if text.trim().is_empty() => Some(Vec::new()),
            Value::String(text) => of_text(text, nothing),
            Value::Null => Some(Vec::new()),
            other => of_json(other),
        },
    }
}

fn of_json(value: &Value) -> Option<Vec<Row>> {
    let mut found = Vec::new();
    match value {
        Value::Array(items) => {
            for item in items {
                match item {
                    Value::String(text) => found.push(Row::of(text)),
                    Value::Object(map) => found.extend(of_object(map)?),
                    Value::Array(parts) => {
                        let first = parts.first().and_then(Value::as_str)?;
                        found.push(Row::of(first));
                    }
                    _ => return None,
                }
            }
        }
        Value::Object(map) => found = of_object(map)?,
        _ => return None,
    }
    Some(found)
}

fn text_of(map: &Map<String, Value>, names: &[&str]) -> Option<String> {
    let found = map
        .iter()
        .find(|(key, _)| names.iter().any(|name| key.eq_ignore_ascii_case(name)));
    let text = found?.1.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn is_unlocked(map: &Map<String, Value>) -> bool {
    let flag = map.get("locked").or_else(|| map.get("is_locked"));
    matches!(flag, Some(Value::Bool(false)))
}

fn of_object(map: &Map<String, Value>) -> Option<Vec<Row>> {
    if let Some(identity) = text_of(map, &IDENTITY) {
        let row = Row {
            identity,
            username: text_of(map, &USERNAME),
            domain: text_of(map, &DOMAIN),
        };
        return Some(if is_unlocked(map) {
            Vec::new()
        } else {
            vec![row]
        });
    }
    let mut found = Vec::new();
    for (key, value) in map {
        if WRAPPERS.iter().any(|name| key.eq_ignore_ascii_case(name)) {
            if value.is_array() || value.is_object() {
                found.extend(of_json(value)?);
            }
            continue;
        }
        match value {
            Value::Null | Value::Bool(false) => {}
            Value::Object(inner) if is_unlocked(inner) => {}
            Value::Object(inner) => found.push(Row {
                identity: key.trim().to_owned(),
                username: text_of(inner, &USERNAME),
                domain: text_of(inner, &DOMAIN),
            }),
            _ => found.push(Row::of(key)),
        }
    }
    Some(found)
}

impl Row {
    fn of(identity: &str) -> Self {
        Self {
            identity: identity.trim().to_owned(),
            ..Self::default()
        }
    }
}

fn of_text(text: &str, nothing: &Regex) -> Option<Vec<Row>> {
    let text = text.trim();
    if text.is_empty() || nothing.is_match(text) {
        return Some(Vec::new());
    }
    if text.starts_with(['[', '{', '(']) {
        return Some(of_literal(text));
    }
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let mark = MARKS
        .into_iter()
        .find(|mark| lines.iter().any(|line| fields(line, *mark).len() > 1));
    let split = |line: &str| -> Vec<String> {
        let parts = match mark {
            Some(mark) => fields(line, mark),
            None => vec![line.to_owned()],
        };
        parts.iter().map(|part| part.trim().to_owned()).collect()
    };
    let head = split(lines.first()?);
    let column = |names: &[&str]| {
        head.iter()
            .position(|field| names.iter().any(|name| field.eq_ignore_ascii_case(name)))
    };
    let mut found = Vec::new();
    if let Some(identity) = column(&IDENTITY) {
        let (username, domain) = (column(&USERNAME), column(&DOMAIN));
        for line in &lines[1..] {
            let fields = split(line);
            let get = |at: Option<usize>| {
                let text = at.and_then(|at| fields.get(at))?;
                (!text.is_empty()).then(|| text.clone())
            };
            found.push(Row {
                identity: get(Some(identity))?,
                username: get(username),
                domain: get(domain),
            });
        }
        return Some(found);
    }
    for line in lines {
        let fields = split(line);
        let lower = line.to_ascii_lowercase();
        let trouble = !line.contains('@') && TROUBLE.iter().any(|word| lower.contains(word));
        let sentence = fields.len() == 1 && line.trim().contains(char::is_whitespace);
        if trouble || (sentence && !line.contains('@')) || is_prose(line) {
            return None;
        }
        // A row has one identity, its first field; a bare list of addresses has many.
        let all = fields.len() > 1 && fields.iter().all(|field| field.contains('@'));
        for field in fields.iter().take(if all { fields.len() } else { 1 }) {
            found.push(Row::of(field));
        }
    }
    Some(found)
}

/// Several words around an address: something is said about it.
fn is_prose(line: &str) -> bool {
    let words = line.split_whitespace().filter(|word| {
        word.chars().count() > 1
            && word
                .chars()
                .all(|c| c.is_alphabetic() || "':.!".contains(c))
    });
    !line.contains(MARKS) && words.count() >= 2
}

/// `['a', u'b']`, or `{'identity': 'a', 'username': 'u'}` and lists of such.
fn of_literal(text: &str) -> Vec<Row> {
    let known = |word: &str, names: &[&str]| names.iter().any(|n| word.eq_ignore_ascii_case(n));
    let words: Vec<&str> = quoted(text).collect();
    let keyed = words.iter().any(|word| known(word, &IDENTITY[..1]));
    if !keyed {
        return words.into_iter().map(Row::of).collect();
    }
    let mut found: Vec<Row> = Vec::new();
    for pair in words.chunks_exact(2) {
        let (key, value) = (pair[0], pair[1]);
        if known(key, &IDENTITY) {
            found.push(Row::of(value));
        } else if let Some(row) = found.last_mut() {
            if known(key, &USERNAME) {
                row.username = Some(value.to_owned());
            } else if known(key, &DOMAIN) {
                row.domain = Some(value.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::listing;
    use super::*;

    fn read(body: &str) -> Option<Vec<Row>> {
        let nothing = Regex::new(super::super::spamexperts::NOTHING).unwrap();
        rows(&Body::read(body.as_bytes()), &nothing)
    }

    fn names(body: &str) -> Vec<String> {
        let rows = read(body).unwrap_or_else(|| panic!("no listing: {body}"));
        rows.into_iter().map(|row| row.identity).collect()
    }

    #[test]
    fn every_plausible_form() {
        for body in [
            "al@x.example\r\nbob@x.example\r\n",
            "\"Identity\",\"Since\"\n\"al@x.example\",\"2026-01-01 10:00\"\nbob@x.example,2026",
            "al@x.example, bob@x.example",
            "al@x.example\t1767225600\nbob@x.example\t1767225600",
            "identity;domain\nal@x.example;x.example\nbob@x.example;x.example",
            "['al@x.example', u'bob@x.example']",
            "[{'identity': 'al@x.example'}, {'identity': 'bob@x.example'}]",
            r#"["al@x.example","bob@x.example"]"#,
            r#"[{"identity":"al@x.example","locked":true},{"identity":"bob@x.example"},{"identity":"c@x.example","locked":false}]"#,
            r#"{"al@x.example":{"since":1767225600},"bob@x.example":true,"c@x.example":false}"#,
            r#"{"messages":[],"result":["al@x.example","bob@x.example"]}"#,
            r#"{"messages":{"success":["1 found"]},"result":{"items":[{"identity":"al@x.example"},{"identity":"bob@x.example"}],"count":2}}"#,
            r#"{"messages":[],"result":"al@x.example\nbob@x.example"}"#,
        ] {
            assert_eq!(names(body), ["al@x.example", "bob@x.example"], "{body}");
        }
        for body in [
            "",
            "[]",
            "{}",
            "No locked identities",
            "No identities are locked.",
        ] {
            assert_eq!(names(body), [""; 0], "{body}");
        }
        assert_eq!(names("1000:x.php"), ["1000:x.php"]);
    }

    #[test]
    fn the_outgoing_user_is_told_where_the_listing_tells() {
        let full = Row {
            identity: "bob@x.example".into(),
            username: Some("relay".into()),
            domain: Some("x.example".into()),
        };
        for body in [
            "domain,username,identity\nx.example,relay,bob@x.example",
            r#"[{"identity":"bob@x.example","username":"relay","domain":"x.example"}]"#,
            r#"{"bob@x.example":{"user":"relay","domain":"x.example"}}"#,
            "[{'identity': 'bob@x.example', 'username': 'relay', 'domain': 'x.example'}]",
        ] {
            assert_eq!(read(body).unwrap(), std::slice::from_ref(&full), "{body}");
        }
    }

    #[test]
    fn what_is_no_listing() {
        for body in [
            "Internal trouble",
            "ERROR",
            "Supplied credential is invalid.",
            "no permissions",
            "Identity bob@x.example is not locked",
            "<html>bob@x.example</html>",
            r#"{"messages":{"error":["No such domain"]},"result":null}"#,
            r#"{"messages":[],"result":false}"#,
            "Domain x.example has status 'inactive'",
        ] {
            assert_eq!(read(body), None, "{body}");
        }
    }

    proptest::proptest! {
        /// Both readings of a listing agree: what one reads as an entry, the other finds.
        #[test]
        fn an_entry_that_is_read_is_found(text in "[a-c@., ;\\n\"'\\[\\]{}:]{0,40}") {
            let body = Body::read(text.as_bytes());
            let nothing = Regex::new("^none$").unwrap();
            for row in rows(&body, &nothing).unwrap_or_default() {
                if !row.identity.contains(['"', '\'', '[', '{']) && !row.identity.is_empty() {
                    proptest::prop_assert!(listing::holds(&body, &row.identity), "{text:?} {row:?}");
                }
            }
        }

        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>, text: String) {
            let nothing = Regex::new("^none$").unwrap();
            rows(&Body::read(&bytes), &nothing);
            for start in ["", "[", "{'", "\"identity\","] {
                rows(&Body::read(format!("{start}{text}").as_bytes()), &nothing);
            }
        }
    }
}
