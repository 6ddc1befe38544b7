//! JSON read without duplicate keys, and written in canonical order.
//!
//! `serde_json` keeps the last of two equal keys, and another reader the first: two parsers, two payments. So every
//! text from outside becomes one [`Value`] in which no key stands twice, at any depth, and is typed from there.

use core::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::Serialize;
use serde_json::{Map, Value};

use crate::encoding;

/// Reads one JSON value and nothing after it; `None` for a duplicate key anywhere.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    let Strict(value) = serde_json::from_slice(text).ok()?;
    T::deserialize(value).ok()
}

/// Reads base64url of JSON.
pub(crate) fn read_base64url<T: DeserializeOwned>(text: &str) -> Option<T> {
    read(&encoding::base64url(text)?)
}

/// Writes a struct whose fields are declared in the order of their JSON names: with ASCII names and no numbers,
/// that is JCS (RFC 8785), since `serde_json` escapes strings as ECMAScript does. Base64url, without padding.
pub(crate) fn to_base64url(value: &impl Serialize) -> Option<String> {
    serde_json::to_vec(value).ok().map(|json| encoding::to_base64url(&json))
}

/// A JSON value in which no object names a key twice.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let Strict(value) = map.next_value()?;
            if members.insert(key, value).is_some() {
                return Err(A::Error::custom("duplicate key"));
            }
        }
        Ok(Value::Object(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use serde::de::IgnoredAny;

    use super::*;

    #[test]
    fn a_key_named_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"x":[{"b":{"c":1,"d":[],"c":null}}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(read::<IgnoredAny>(text.as_bytes()).is_none(), "{text}");
        }
        for text in [r#"{"a":{"a":1},"b":{"a":-1.5e3}}"#, r#"[{"a":true},{"a":"x"}]"#, "null"] {
            assert!(read::<IgnoredAny>(text.as_bytes()).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_no_single_json_value_is_refused() {
        let deep = "[".repeat(200);
        for text in ["", "{", "{} {}", "{a:1}", "'a'", "{\"a\":1,}", "\u{feff}{}", "NaN", deep.as_str()] {
            assert!(read::<IgnoredAny>(text.as_bytes()).is_none(), "{text}");
        }
        assert!(read::<IgnoredAny>(b"\"\xff\"").is_none());
    }
}
