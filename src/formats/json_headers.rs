//! Headers of an enclosed message written as JSON: an object of names and values, or a list of pairs. Gateways
//! put it in the third part, web services into their events.

use serde_json::Value;

/// Headers kept.
const MOST: usize = 500;

/// A header block from a JSON value, or from its member `headers`. None where no header is in it.
pub(super) fn block(value: &Value) -> Option<Vec<u8>> {
    let value = value.get("headers").unwrap_or(value);
    let mut block = Vec::new();
    match value {
        Value::Object(all) => {
            for (name, value) in all.iter().take(MOST) {
                match value {
                    Value::Array(many) => many
                        .iter()
                        .take(MOST)
                        .for_each(|value| add(&mut block, name, value)),
                    one => add(&mut block, name, one),
                }
            }
        }
        Value::Array(all) => {
            for one in all.iter().take(MOST) {
                let at = |key: &str, n: usize| one.get(key).or_else(|| one.get(n));
                if let (Some(Value::String(name)), Some(value)) = (at("name", 0), at("value", 1)) {
                    add(&mut block, name, value);
                }
            }
        }
        _ => {}
    }
    (!block.is_empty()).then_some(block)
}

/// Adds one header; what is no name, and line ends in a value, cannot make another.
fn add(block: &mut Vec<u8>, name: &str, value: &Value) {
    let Value::String(value) = value else { return };
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.is_empty() || name.len() > 100 || !name.bytes().all(is_name) {
        return;
    }
    block.extend_from_slice(name.as_bytes());
    block.extend_from_slice(b": ");
    block.extend(
        value
            .bytes()
            .map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }),
    );
    block.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shapes() {
        for value in [
            json!({"Message-ID": "<m@x>", "Received": ["a", "b\r\nX-Forged: 1"]}),
            json!({"headers": [{"name": "Message-ID", "value": "<m@x>"}, ["Received", "a"], ["Received", "b  X-Forged: 1"]]}),
        ] {
            let block = block(&value).unwrap();
            let want = "Message-ID: <m@x>\nReceived: a\nReceived: b  X-Forged: 1\n";
            assert_eq!(String::from_utf8(block).unwrap(), want);
        }
        assert_eq!(block(&json!([1, "x", {"name": "a b", "value": "c"}])), None);
    }
}
