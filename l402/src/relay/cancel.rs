//! Withdrawing an invoice of ours, so that it can be settled between two balances instead (T95): one call of the worker and
//! its reply.
//!
//! It is signed by the secret for payouts: what it says moves money. Only `canceled` says that nobody can pay the invoice
//! over Lightning any more. The same call again finds the same answer.

use serde::Serialize;
use serde_json::Value;

use super::RelayFault;
use super::fields::{has_only, hash, read, write, write_hash};
use crate::json::text;
use crate::preimage::PaymentHash;

/// Asks the node to see to it that nobody can pay an invoice any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvoiceCancel {
    /// Names the invoice.
    #[serde(serialize_with = "write_hash")]
    pub payment_hash: PaymentHash,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelState {
    /// Nobody can pay it any more, and nobody has. Final.
    Canceled,
    /// It was paid. Final.
    Settled,
    /// It stays as it is: its back end withdraws nothing, or its credential may not.
    Open,
    /// This node never made it.
    NotFound,
    /// Nobody knows yet: it may be withdrawn already. Ask again.
    Unknown,
}

impl CancelState {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "canceled" => Self::Canceled,
            "settled" => Self::Settled,
            "open" => Self::Open,
            "not_found" => Self::NotFound,
            "unknown" => Self::Unknown,
            _ => return None,
        })
    }
}

/// The reply to [`InvoiceCancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CancelStatus {
    /// The node's word.
    pub status: CancelState,
}

impl InvoiceCancel {
    pub(super) fn of(data: &Value) -> Option<Self> {
        has_only(data, &["payment_hash"]).then_some(())?;
        Some(Self { payment_hash: hash(data, "payment_hash")? })
    }
}

impl CancelStatus {
    /// Reads the reply. Verify its signature first.
    ///
    /// # Errors
    /// [`RelayFault::UnreadableBody`]; nothing that cannot be read says that an invoice was withdrawn.
    pub fn parse(body: &[u8]) -> Result<Self, RelayFault> {
        let reply = read(body)?;
        let status = text(&reply, "status").and_then(|name| CancelState::from_name(&name));
        status.map(|status| Self { status }).ok_or(RelayFault::UnreadableBody)
    }

    /// The bytes to sign and send.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        write(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Audience, RelayCall};
    use super::*;

    const HASH: &str = "02d449a31fbb267c8f352e9968a79e3e5fc95c1bbeaa502fd6454ebde5a4bedc";

    fn body() -> String {
        format!(r#"{{"type":"invoice.cancel","audience":"node","data":{{"payment_hash":"{HASH}"}}}}"#)
    }

    #[test]
    fn the_call_is_these_very_bytes() {
        let cancel = RelayCall::InvoiceCancel(InvoiceCancel { payment_hash: PaymentHash::from_hex(HASH).unwrap() });
        assert_eq!(String::from_utf8(cancel.to_body()).unwrap(), body());
        assert_eq!(RelayCall::parse(body().as_bytes(), Audience::Node), Ok(cancel));
    }

    #[test]
    fn it_is_for_the_node_and_names_one_invoice() {
        let refused = |body: &str, audience| RelayCall::parse(body.as_bytes(), audience).unwrap_err();
        assert_eq!(refused(&body(), Audience::Worker), RelayFault::WrongAudience);
        let misdirected = body().replace("node", "worker");
        assert_eq!(refused(&misdirected, Audience::Worker), RelayFault::WrongAudience);
        for (from, to) in [
            (r#""payment_hash""#, r#""colour":"red","payment_hash""#),
            (r#""payment_hash""#, r#""hash""#),
            (HASH, "02d4"),
            (r#""data":{"#, r#""data":{"payment_hash":"00","#),
        ] {
            assert_eq!(refused(&body().replace(from, to), Audience::Node), RelayFault::UnreadableBody, "{to}");
        }
    }

    #[test]
    fn the_reply_is_these_very_bytes() {
        for (status, name) in [
            (CancelState::Canceled, "canceled"),
            (CancelState::Settled, "settled"),
            (CancelState::Open, "open"),
            (CancelState::NotFound, "not_found"),
            (CancelState::Unknown, "unknown"),
        ] {
            let body = format!(r#"{{"status":"{name}"}}"#);
            assert_eq!(CancelStatus { status }.to_body(), body.as_bytes());
            assert_eq!(CancelStatus::parse(body.as_bytes()), Ok(CancelStatus { status }));
            // A newer node may say more.
            let more = format!(r#"{{"status":"{name}","colour":"red"}}"#);
            assert_eq!(CancelStatus::parse(more.as_bytes()), Ok(CancelStatus { status }));
        }
    }

    /// T95: what is half a word is no word.
    #[test]
    fn only_the_whole_word_withdraws() {
        for odd in [
            "",
            "{}",
            "null",
            r#"{"status":"CANCELED"}"#,
            r#"{"status":"cancel"}"#,
            r#"{"status":true}"#,
            r#"{"status":"canceled""#,
        ] {
            assert_eq!(CancelStatus::parse(odd.as_bytes()), Err(RelayFault::UnreadableBody), "{odd}");
        }
        let twice = r#"{"status":"open","status":"canceled"}"#;
        assert_eq!(CancelStatus::parse(twice.as_bytes()), Err(RelayFault::UnreadableBody));
    }
}
