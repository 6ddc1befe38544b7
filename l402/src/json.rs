//! JSON read without duplicate keys, and written in canonical order.
//!
//! `serde_json` keeps the last of two equal keys, and another reader the first: two parsers, two payments. So every
//! text from outside becomes one [`Value`] in which no key stands twice, at any depth, and is taken apart from there, by
//! hand: a derived reader for each kind of message has its weight in the worker.

use core::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
#[cfg(feature = "verify")]
use serde::ser::Serialize;
use serde_json::{Map, Value};

#[cfg(feature = "verify")]
use crate::encoding;

/// Reads one JSON value and nothing after it; a duplicate key anywhere is a fault.
///
/// # Errors
/// What `serde_json` says of the text.
pub fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(text).map(|Strict(value)| value)
}

/// Reads base64url of JSON.
#[cfg(feature = "verify")]
pub(crate) fn parse_base64url(text: &str) -> Option<Value> {
    parse(&encoding::base64url(text)?).ok()
}

/// The text under a name.
pub(crate) fn text(object: &Value, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_owned)
}

/// What `read` finds under a name that may be missing or null; `None` when it is there and `read` refuses it.
pub(crate) fn optional<T>(object: &Value, name: &str, read: fn(&Value, &str) -> Option<T>) -> Option<Option<T>> {
    match object.get(name) {
        None | Some(Value::Null) => Some(None),
        Some(_) => read(object, name).map(Some),
    }
}

/// Writes a struct whose fields are declared in the order of their JSON names: with ASCII names and no numbers
/// but whole ones below 2^53, that is JCS (RFC 8785), since `serde_json` escapes strings as ECMAScript does. Base64url, without padding.
#[cfg(feature = "verify")]
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
    use super::*;

    #[test]
    fn a_key_named_twice_is_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":1}"#, r#"{"x":[{"b":{"c":1,"d":[],"c":null}}]}"#, r#"{"a":1,"\u0061":2}"#] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        for text in [r#"{"a":{"a":1},"b":{"a":-1.5e3}}"#, r#"[{"a":true},{"a":"x"}]"#, "null"] {
            assert!(parse(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_single_json_value_is_refused() {
        let deep = "[".repeat(200);
        for text in ["", "{", "{} {}", "{a:1}", "'a'", "{\"a\":1,}", "\u{feff}{}", "NaN", deep.as_str()] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn a_member_is_of_its_kind_or_not_there() {
        let object = parse(br#"{"a":"x","b":7,"c":null}"#).unwrap();
        assert_eq!((text(&object, "a").as_deref(), text(&object, "b"), text(&object, "z")), (Some("x"), None, None));
        assert_eq!(optional(&object, "a", text), Some(Some("x".to_owned())));
        assert_eq!((optional(&object, "c", text), optional(&object, "z", text)), (Some(None), Some(None)));
        assert_eq!(optional(&object, "b", text), None);
        assert_eq!(text(&parse(b"[\"a\"]").unwrap(), "a"), None);
    }
}
