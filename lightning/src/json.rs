//! Reading replies: every number may also be a string (LND's 64-bit ones are), and nothing is repaired.

use l402::{Msat, PaymentHash, Preimage, UnixTime, encoding};
use serde_json::{Map, Value};

use crate::fault::BackendFault;
use crate::http::HttpReply;

/// The JSON of a reply; a duplicate key is a fault, because two readers would read two things.
pub(crate) fn parse(reply: &HttpReply) -> Result<Value, BackendFault> {
    l402::json::parse(&reply.unverified_body).map_err(|_| BackendFault::Unreadable)
}

/// The JSON of a 2xx reply; the usual faults for any other status.
pub(crate) fn of_success(reply: &HttpReply) -> Result<Value, BackendFault> {
    match reply.status {
        200..=299 => parse(reply),
        status => Err(of_status(status)),
    }
}

/// What a status that is no success means, when the back end gives it no meaning of its own.
pub(crate) const fn of_status(status: u16) -> BackendFault {
    match status {
        401 | 403 => BackendFault::Unauthorized,
        429 | 500..=599 => BackendFault::Busy(status),
        _ => BackendFault::Refused(status),
    }
}

/// Whether a 404 is the back end's own word that it knows no such thing: JSON with this text in it. Any other page of that
/// status is that of a proxy, or of another program at the address, and says nothing of an invoice.
pub(crate) fn is_unknown(reply: &HttpReply, pointer: &str) -> bool {
    reply.status == 404 && parse(reply).is_ok_and(|value| text(&value, pointer).is_some())
}

/// Whether a reply has this very text there.
pub(crate) fn says(reply: &HttpReply, pointer: &str, words: &str) -> bool {
    parse(reply).is_ok_and(|value| text(&value, pointer) == Some(words))
}

/// What stands under a name in a body that we write. `json!` unfolds into code at each use; these are laid out as data.
#[derive(Clone, Copy)]
pub(crate) enum Field<'a> {
    Text(&'a str),
    Number(u64),
    /// As a text of digits.
    Digits(u64),
    Flag(bool),
    Object(&'a [(&'static str, Field<'a>)]),
}

/// An object to be sent. Field by field: collecting brings a sort along.
pub(crate) fn object(fields: &[(&'static str, Field<'_>)]) -> Value {
    let mut object = Map::new();
    for (name, field) in fields {
        let value = match *field {
            Field::Text(text) => Value::String(text.to_owned()),
            Field::Number(number) => Value::from(number),
            Field::Digits(number) => Value::String(number.to_string()),
            Field::Flag(flag) => Value::Bool(flag),
            Field::Object(fields) => self::object(fields),
        };
        object.insert((*name).to_owned(), value);
    }
    Value::Object(object)
}

/// A text under a JSON pointer (RFC 6901), such as `/data/id`.
pub(crate) fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str()
}

/// A text that must be there.
pub(crate) fn required<'v>(value: &'v Value, pointer: &str) -> Result<&'v str, BackendFault> {
    text(value, pointer).ok_or(BackendFault::Unreadable)
}

/// True or false.
pub(crate) fn flag(value: &Value, pointer: &str) -> Option<bool> {
    value.pointer(pointer)?.as_bool()
}

/// A whole number from 0, or its decimal text.
pub(crate) fn number(value: &Value, pointer: &str) -> Option<u64> {
    match value.pointer(pointer)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => decimal(text),
        _ => None,
    }
}

/// An amount in millisatoshi.
pub(crate) fn msat(value: &Value, pointer: &str) -> Option<Msat> {
    number(value, pointer).map(Msat)
}

/// The same, also as `"21000msat"`, as Core Lightning up to 23.08 writes it.
pub(crate) fn msat_with_unit(value: &Value, pointer: &str) -> Option<Msat> {
    let text = text(value, pointer).and_then(|text| text.strip_suffix("msat"));
    text.map_or_else(|| msat(value, pointer), |digits| decimal(digits).map(Msat))
}

/// An amount in whole satoshi.
pub(crate) fn sat(value: &Value, pointer: &str) -> Option<Msat> {
    number(value, pointer)?.checked_mul(1_000).map(Msat)
}

/// Unix seconds; 0 means "not yet" wherever it is used.
pub(crate) fn time(value: &Value, pointer: &str) -> Option<UnixTime> {
    number(value, pointer).filter(|at| *at > 0).map(UnixTime)
}

/// A payment hash in hex.
pub(crate) fn hash(value: &Value, pointer: &str) -> Option<PaymentHash> {
    PaymentHash::from_hex(text(value, pointer)?)
}

/// A preimage in hex.
pub(crate) fn preimage(value: &Value, pointer: &str) -> Option<Preimage> {
    Preimage::from_hex(text(value, pointer)?)
}

/// The preimage of a settled invoice, from where a service tells it that has the payment from somewhere else. Paid is what
/// its state says; what does not hash to the payment hash (zeros, an id of its own, nothing) is no preimage, and opens
/// nothing.
pub(crate) fn told(value: &Value, pointer: &str, hash: PaymentHash) -> Option<Preimage> {
    preimage(value, pointer).filter(|preimage| preimage.payment_hash() == hash)
}

/// A back end's own name for an invoice, from a reply.
pub(crate) fn id(value: &Value, pointer: &str) -> Result<String, BackendFault> {
    in_path(required(value, pointer)?).map(str::to_owned)
}

/// A name that becomes a part of a URL: `[A-Za-z0-9_-]{1,128}`, so it stays where it is put.
pub(crate) fn in_path(unverified_id: &str) -> Result<&str, BackendFault> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    let fits = (1..=128).contains(&unverified_id.len()) && unverified_id.bytes().all(plain);
    if fits { Ok(unverified_id) } else { Err(BackendFault::Unreadable) }
}

/// 32 bytes in base64.
pub(crate) fn base64_32(value: &Value, pointer: &str) -> Option<[u8; 32]> {
    encoding::base64_any(text(value, pointer)?)?.try_into().ok()
}

/// Decimal digits and nothing else.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        parse(&HttpReply::new(200, text)).unwrap()
    }

    #[test]
    fn a_number_may_be_a_text_of_digits_and_nothing_else() {
        let read = |text: &str| number(&value(&format!("{{\"n\":{text}}}")), "/n");
        assert_eq!((read("7"), read("\"7\""), read("\"18446744073709551615\"")), (Some(7), Some(7), Some(u64::MAX)));
        for odd in ["-7", "7.0", "\"+7\"", "\"-7\"", "\" 7\"", "\"7e0\"", "\"\"", "\"18446744073709551616\"", "null"] {
            assert_eq!(read(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_name_in_a_url_stays_where_it_is_put() {
        assert_eq!(in_path("a-B_9"), Ok("a-B_9"));
        for odd in ["", ".", "..", "a/b", "a?b", "a%2fb", "a b", "\u{e4}", &"a".repeat(129)] {
            assert_eq!(in_path(odd), Err(BackendFault::Unreadable), "{odd}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_no_reply() {
        let twice = HttpReply::new(200, r#"{"state":"OPEN","state":"SETTLED"}"#);
        assert_eq!(parse(&twice), Err(BackendFault::Unreadable));
    }
}
