//! Whether a listing of locked identities holds one identity. The format is not documented, so every
//! plausible one is read (lines, CSV, JSON, quoted literals), but only a whole field counts: an identity
//! inside another one, or inside a sentence, is not listed. Pure.

use super::answer::Body;
use serde_json::Value;

/// True when the listing holds exactly this identity, in whatever case.
pub(super) fn holds(body: &Body, identity: &str) -> bool {
    let wanted = fold(identity);
    match body {
        Body::Empty | Body::Broken => false,
        Body::Plain(text) => in_text(text, &wanted),
        Body::Json(reply) if !reply.errors.is_empty() => false,
        Body::Json(reply) => match &reply.result {
            Value::String(text) => in_text(text, &wanted),
            other => in_json(other, &wanted),
        },
    }
}

/// What may stand between the fields of a line.
pub(super) const MARKS: [char; 4] = [',', ';', '\t', '|'];

fn fold(text: &str) -> String {
    text.trim().to_lowercase()
}

fn in_json(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => fold(text) == wanted,
        Value::Array(items) => items.iter().any(|item| in_json(item, wanted)),
        Value::Object(items) => {
            let unlocked = matches!(
                items.get("locked").or_else(|| items.get("is_locked")),
                Some(Value::Bool(false))
            );
            !unlocked
                && items.iter().any(|(key, item)| {
                    let off = matches!(item, Value::Bool(false) | Value::Null);
                    (fold(key) == wanted && !off) || in_json(item, wanted)
                })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn in_text(text: &str, wanted: &str) -> bool {
    if text.starts_with(['[', '{', '(']) {
        return quoted(text).any(|field| fold(field) == wanted);
    }
    text.lines().any(|line| {
        fold(line) == wanted
            || MARKS
                .into_iter()
                .any(|mark| fields(line, mark).iter().any(|field| fold(field) == wanted))
    })
}

/// The strings of a literal such as `['a', u'b']`.
pub(super) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(['\'', '"'])?;
        let mark = rest[start..].chars().next()?;
        let inside = &rest[start + 1..];
        let end = inside.find(mark)?;
        rest = &inside[end + 1..];
        Some(&inside[..end])
    })
}

/// The fields of one line of CSV: quotes protect the mark, a doubled quote stands for one.
pub(super) fn fields(line: &str, mark: char) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut inside = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if inside && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if inside || field.trim().is_empty() => inside = !inside,
            c if c == mark && !inside => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(body: &str, identity: &str) -> bool {
        holds(&Body::read(body.as_bytes()), identity)
    }

    #[test]
    fn every_plausible_format() {
        for body in [
            "bob@x.example",
            "al@x.example\r\nBob@X.example\r\n",
            "\"Identity\",\"Since\"\n\"bob@x.example\",\"2026-01-01 10:00\"",
            "al@x.example, bob@x.example",
            "bob@x.example\t1767225600",
            "identity;domain\nbob@x.example;x.example",
            "['al@x.example', u'bob@x.example']",
            "{'identity': 'bob@x.example'}",
            r#"["al@x.example","bob@x.example"]"#,
            r#"[{"identity":"bob@x.example","locked":true}]"#,
            r#"{"bob@x.example":{"since":1767225600}}"#,
            r#"{"messages":[],"result":["bob@x.example"]}"#,
            r#"{"messages":{"success":["1 found"]},"result":{"items":[{"identity":"BOB@x.example"}]}}"#,
            r#"{"messages":[],"result":"al@x.example\nbob@x.example"}"#,
        ] {
            assert!(lists(body, "bob@x.example"), "{body}");
        }
    }

    #[test]
    fn only_the_whole_identity_counts() {
        for body in [
            "",
            "notbob@x.example",
            "bob@x.example.net",
            "Identity bob@x.example is not locked",
            "Error: bob@x.example",
            "'bob@x.example' is unknown",
            "<html>\nbob@x.example\n</html>",
            r#"["notbob@x.example"]"#,
            r#"[{"identity":"bob@x.example","locked":false}]"#,
            r#"{"bob@x.example":false}"#,
            r#"{"messages":{"error":["bob@x.example"]},"result":null}"#,
            r#"{"messages":{"success":["bob@x.example"]},"result":[]}"#,
            r#"{"error":"No such identity","identity":"bob@x.example"}"#,
            r#"{"status":"error","identity":"bob@x.example"}"#,
        ] {
            assert!(!lists(body, "bob@x.example"), "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>, text: String, identity: String) {
            holds(&Body::read(&bytes), &identity);
            for start in ["", "[", "{'", "\""] {
                holds(&Body::read(format!("{start}{text}").as_bytes()), &identity);
            }
        }
    }

    #[test]
    fn identities_that_hold_marks() {
        assert!(lists("\"doe, john\",2026", "Doe, John"));
        assert!(lists("1000:script.php", "1000:script.php"));
        assert!(lists("a\"b", "a\"b"));
        assert!(lists("\"a\"\"b\",1", "a\"b"));
    }
}
