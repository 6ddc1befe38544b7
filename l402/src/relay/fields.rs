//! How the fields of the relay's messages are read from JSON and written into it.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{RELAY_BODY_BYTES_MAX, RelayFault};
use crate::json::{self, text};
use crate::preimage::{PaymentHash, Preimage};
use crate::time::UnixTime;

pub(super) fn read(body: &[u8]) -> Result<Value, RelayFault> {
    if body.len() > RELAY_BODY_BYTES_MAX {
        return Err(RelayFault::BodyTooLong);
    }
    json::parse(body).map_err(|_| RelayFault::UnreadableBody)
}

/// Whether an object has no other names than these.
pub(super) fn has_only(object: &Value, known: &[&str]) -> bool {
    object.as_object().is_some_and(|members| members.keys().all(|name| known.contains(&name.as_str())))
}

pub(super) fn number(object: &Value, name: &str) -> Option<u64> {
    object.get(name)?.as_u64()
}

pub(super) fn hash(object: &Value, name: &str) -> Option<PaymentHash> {
    PaymentHash::from_hex(&text(object, name)?)
}

pub(super) fn preimage(object: &Value, name: &str) -> Option<Preimage> {
    Preimage::from_hex(&text(object, name)?)
}

pub(super) fn time(object: &Value, name: &str) -> Option<UnixTime> {
    number(object, name).map(UnixTime)
}

/// These types have string keys and finite numbers only, so writing them cannot fail; were it to, the empty
/// body would be refused by the other side.
pub(super) fn write(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

pub(super) fn write_hash<S: Serializer>(hash: &PaymentHash, serializer: S) -> Result<S::Ok, S::Error> {
    hash.to_string().serialize(serializer)
}

pub(super) fn write_preimage<S: Serializer>(preimage: &Option<Preimage>, serializer: S) -> Result<S::Ok, S::Error> {
    preimage.as_ref().map(Preimage::expose_hex).serialize(serializer)
}

pub(super) fn write_time<S: Serializer>(time: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    time.0.serialize(serializer)
}

pub(super) fn write_time_option<S: Serializer>(time: &Option<UnixTime>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.0).serialize(serializer)
}
