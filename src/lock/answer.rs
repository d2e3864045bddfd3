//! Reading what a lock API answered: the JSON envelope or plain text, error pages sent with status 200, and
//! a form of the text that may be logged and stored. Pure.

use serde_json::Value;

/// The longest part of an answer that is kept, in characters.
const KEPT: usize = 200;

/// Signs that a body is an error page or a dump from inside the server, whatever else it says.
const NOT_ANSWERS: [&str; 12] = [
    "<html",
    "<!doctype",
    "<body",
    "<?xml",
    "sql syntax",
    "sqlstate",
    "mysql server",
    "operationalerror",
    "programmingerror",
    "integrityerror",
    "deadlock found",
    "traceback (most recent call last)",
];

/// A body, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Body {
    /// Nothing but white space.
    Empty,
    /// An error page or a dump.
    Broken,
    /// Plain text.
    Plain(String),
    /// JSON, with the messages of its envelope where it has one.
    Json(Reply),
}

/// A JSON answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reply {
    /// Messages of the kind `error`.
    pub(super) errors: Vec<String>,
    /// Messages of every other kind.
    pub(super) notes: Vec<String>,
    /// What was asked for.
    pub(super) result: Value,
}

impl Body {
    pub(super) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.is_empty() {
            return Self::Empty;
        }
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            return Self::Json(Reply::read(value));
        }
        let lower = text.to_ascii_lowercase();
        if NOT_ANSWERS.iter().any(|sign| lower.contains(sign)) {
            return Self::Broken;
        }
        Self::Plain(text.to_owned())
    }
}

impl Reply {
    /// Only an object that has `messages` is an envelope; these are an array when empty, else an object of
    /// lists.
    fn read(mut value: Value) -> Self {
        let (mut errors, mut notes) = (Vec::new(), Vec::new());
        let messages = match value.as_object_mut() {
            Some(object) => object.remove("messages"),
            None => None,
        };
        let result = match messages {
            Some(Value::Object(kinds)) => {
                for (kind, messages) in kinds {
                    match kind.as_str() {
                        "error" | "errors" => texts(&messages, &mut errors),
                        _ => texts(&messages, &mut notes),
                    }
                }
                value["result"].take()
            }
            Some(other) => {
                texts(&other, &mut notes);
                value["result"].take()
            }
            None => {
                for key in ["error", "errors"] {
                    if let Some(messages) = value.get(key) {
                        texts(messages, &mut errors);
                    }
                }
                let status = value.get("status").and_then(Value::as_str);
                let failed = matches!(status, Some("error" | "failed" | "failure"))
                    || value.get("success") == Some(&Value::Bool(false));
                if failed && errors.is_empty() {
                    errors.push("it says that it failed".to_owned());
                }
                value
            }
        };
        Self {
            errors,
            notes,
            result,
        }
    }

    /// All that it says in words, the result included when it is a text or a flag.
    pub(super) fn words(&self) -> String {
        let mut words: Vec<String> = self.errors.iter().chain(&self.notes).cloned().collect();
        match &self.result {
            Value::String(text) => words.push(text.clone()),
            Value::Bool(_) | Value::Number(_) if words.is_empty() => {
                words.push(self.result.to_string());
            }
            _ => {}
        }
        words.join("; ")
    }

    /// Nothing to say at all: what an empty body is in plain text.
    pub(super) fn is_silent(&self) -> bool {
        let result = match &self.result {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(items) => items.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        result && self.errors.is_empty() && self.notes.is_empty()
    }
}

fn texts(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        Value::Object(items) => items.values().for_each(|item| texts(item, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text on one line, without controls and invisible direction marks, cut to a bearable length.
pub fn shorten(text: &str) -> String {
    let mut short = String::new();
    let mut kept = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let word: String = word.chars().filter(|c| !invisible(*c)).collect();
        if word.is_empty() {
            continue;
        }
        if kept > 0 {
            short.push(' ');
            kept += 1;
        }
        for c in word.chars() {
            if kept >= KEPT {
                short.push('…');
                return short;
            }
            short.push(c);
            kept += 1;
        }
    }
    short
}

fn invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn envelopes_with_and_without_messages() {
        let Body::Json(reply) = Body::read(br#"{"messages": [], "result": ["a"]}"#) else {
            panic!("not read as JSON");
        };
        assert!(reply.errors.is_empty() && reply.notes.is_empty() && !reply.is_silent());
        let Body::Json(reply) =
            Body::read(br#"{"messages": {"error": ["No such domain"]}, "result": null}"#)
        else {
            panic!("not read as JSON");
        };
        assert_eq!(reply.errors, ["No such domain"]);
        assert_eq!(reply.words(), "No such domain");
        let Body::Json(reply) = Body::read(br#"{"messages": [], "result": null}"#) else {
            panic!("not read as JSON");
        };
        assert!(reply.is_silent());
    }

    #[test]
    fn pages_and_dumps_are_no_answers() {
        for body in [
            "<!DOCTYPE html><p>success",
            "You have an error in your SQL syntax near 'locked'",
            "Traceback (most recent call last):\n  File ...",
        ] {
            assert_eq!(Body::read(body.as_bytes()), Body::Broken, "{body}");
        }
        assert_eq!(Body::read(b" \r\n"), Body::Empty);
        assert_eq!(Body::read(b"OK\n"), Body::Plain("OK".into()));
    }

    #[test]
    fn shortened_text_is_one_plain_line() {
        assert_eq!(shorten("a\r\n\u{1b}[31mb\u{202e}\0  c"), "a [31mb c");
        let long = shorten(&"ü".repeat(500));
        assert_eq!(long.chars().count(), KEPT + 1);
        assert!(long.ends_with('…'));
    }
}
