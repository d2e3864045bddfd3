//! JSON within bounds: a short text can hold very many values, each of which costs far more memory than its two bytes.
//! No report needs as many as are taken here.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// Bytes of a document that is looked at; evidence beyond it belongs elsewhere.
pub(super) const LARGEST: usize = 2 << 20;
/// Values of one document, those inside others and names included. Depth is bounded by serde_json: 128.
const MOST_VALUES: usize = 20_000;

/// Why a document was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It has more bytes or values than are looked at.
    TooLarge,
    /// It is no JSON.
    Malformed,
}

/// Reads a document.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, Flaw> {
    if bytes.len() > LARGEST {
        return Err(Flaw::TooLarge);
    }
    let left = Cell::new(MOST_VALUES);
    let mut document = serde_json::Deserializer::from_slice(bytes);
    let value = Bounded(&left).deserialize(&mut document);
    match value.and_then(|value| document.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(_) if left.get() == 0 => Err(Flaw::TooLarge),
        Err(_) => Err(Flaw::Malformed),
    }
}

/// Makes a value as long as some are left.
#[derive(Clone, Copy)]
struct Bounded<'c>(&'c Cell<usize>);

impl Bounded<'_> {
    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        match self.0.get().checked_sub(1) {
            Some(left) => self.0.set(left),
            None => return Err(E::custom("too many values")),
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        self.count()?;
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(value) = from.next_element_seed(self)? {
            all.push(value);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            self.count()?;
            all.insert(name, from.next_value_seed(self)?);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_as_without_bounds() {
        let text =
            r#"{"a": [1, -2, 1.5, "x\u00e9", null, true, {"b": {}}], "c": 18446744073709551615}"#;
        assert_eq!(
            parse(text.as_bytes()),
            Ok(serde_json::from_str(text).unwrap())
        );
        for bad in ["", "{", "[1,]", "{} {}", "x", "\"\\ud800\""] {
            assert_eq!(parse(bad.as_bytes()), Err(Flaw::Malformed), "{bad}");
        }
    }

    #[test]
    fn bounded() {
        let zeros = |n: usize| format!("[{}]", vec!["0"; n].join(","));
        assert!(parse(zeros(MOST_VALUES - 1).as_bytes()).is_ok());
        assert_eq!(parse(zeros(MOST_VALUES).as_bytes()), Err(Flaw::TooLarge));
        let deep = "[".repeat(100_000);
        assert_eq!(parse(deep.as_bytes()), Err(Flaw::Malformed));
        let long = format!("\"{}\"", "x".repeat(LARGEST));
        assert_eq!(parse(long.as_bytes()), Err(Flaw::TooLarge));
    }
}
