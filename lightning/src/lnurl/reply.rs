//! What every LNURL service answers in the same way: JSON, and `{"status":"ERROR","reason":…}` for "no", with 200 or
//! with any other status.

use serde_json::Value;

use super::fault::{LnurlFault, Reason};
use crate::http::HttpReply;
use crate::json;

/// The JSON of a reply that is no refusal.
pub(crate) fn read(unverified: &HttpReply) -> Result<Value, LnurlFault> {
    let value = json::parse(unverified).map_err(|_| LnurlFault::Unreadable);
    if let Ok(value) = &value
        && json::text(value, "/status").is_some_and(|status| status.eq_ignore_ascii_case("ERROR"))
    {
        let reason = json::text(value, "/reason").and_then(Reason::of);
        return Err(LnurlFault::Refused(unverified.status, reason));
    }
    match unverified.status {
        200..=299 => value,
        status => Err(LnurlFault::Refused(status, None)),
    }
}

/// The same, of a service of this kind.
pub(super) fn tagged(unverified: &HttpReply, tag: &str) -> Result<Value, LnurlFault> {
    let value = read(unverified)?;
    match text(&value, "/tag")? {
        told if told == tag => Ok(value),
        _ => Err(LnurlFault::WrongTag),
    }
}

/// A text that must be there.
pub(super) fn text<'v>(value: &'v Value, pointer: &str) -> Result<&'v str, LnurlFault> {
    json::text(value, pointer).ok_or(LnurlFault::Unreadable)
}
