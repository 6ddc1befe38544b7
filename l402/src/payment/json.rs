//! JSON as the Payment scheme wants it: read without duplicate keys, written in canonical order.
//!
//! `serde_json` keeps the last of two equal keys, and another reader the first: two parsers, two payments. So a text is
//! walked once for duplicates, at any depth, before its typed reading.

use core::fmt;
use std::collections::BTreeSet;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::Serialize;

use crate::encoding;

/// Reads one JSON value and nothing after it; `None` for a duplicate key anywhere.
pub(super) fn read<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    serde_json::from_slice::<NoDuplicates>(text).ok()?;
    serde_json::from_slice(text).ok()
}

/// Reads base64url of JSON.
pub(super) fn read_base64url<T: DeserializeOwned>(text: &str) -> Option<T> {
    read(&encoding::base64url(text)?)
}

/// Writes a struct whose fields are declared in the order of their JSON names: with ASCII names and no numbers,
/// that is JCS (RFC 8785), since `serde_json` escapes strings as ECMAScript does. Base64url, without padding.
pub(super) fn to_base64url(value: &impl Serialize) -> Option<String> {
    serde_json::to_vec(value).ok().map(|json| encoding::to_base64url(&json))
}

/// Any JSON value in which no object names a key twice.
struct NoDuplicates;

impl<'de> Deserialize<'de> for NoDuplicates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for NoDuplicates {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key) {
                return Err(A::Error::custom("duplicate key"));
            }
            map.next_value::<Self>()?;
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
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
