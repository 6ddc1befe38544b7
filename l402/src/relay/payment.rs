//! Payments out of the node, for payouts and refunds: two calls of the worker and one reply, exactly as C7 has them.
//!
//! They are signed by a secret of their own. What the books make of a reply is for the worker: only `succeeded` with its
//! proof and `failed` are definite (T93).

use core::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::RelayFault;
use super::fields::{has_only, hash, number, preimage, read, time, write, write_hash, write_preimage, write_time};
use crate::json::{optional, text};
use crate::preimage::{PaymentHash, Preimage};
use crate::secret::fingerprint;
use crate::time::UnixTime;

/// Names one payment for ever: the node's idempotency key, derived from the operation that asked for it (T90).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentId(pub [u8; 32]);

impl PaymentId {
    /// Reads exactly 64 hex digits of either case.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        PaymentHash::from_hex(text).map(|bytes| Self(bytes.0))
    }

    /// The first 8 hex digits, enough to find a line in a log.
    #[must_use]
    pub fn short(&self) -> String {
        PaymentHash(self.0).short()
    }
}

/// 64 lower-case hex digits.
impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        PaymentHash(self.0).fmt(f)
    }
}

impl fmt::Debug for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentId({self})")
    }
}

/// Asks the node to pay an invoice, once for ever under this id.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct PaymentSend {
    /// Names the payment.
    #[serde(serialize_with = "write_id")]
    pub payment_id: PaymentId,
    /// The invoice to pay.
    pub bolt11: String,
    /// The invoice's; any other is refused.
    #[serde(serialize_with = "write_hash")]
    pub payment_hash: PaymentHash,
    /// The invoice's, in millisatoshi; any other is refused.
    pub amount_msat: u64,
    /// The most that routing may cost on top, in millisatoshi (T94).
    pub fee_limit_msat: u64,
}

/// Asks what became of a payment. Moves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PaymentLookup {
    /// Names the payment.
    #[serde(serialize_with = "write_id")]
    pub payment_id: PaymentId,
    /// What it was for.
    #[serde(serialize_with = "write_hash")]
    pub payment_hash: PaymentHash,
}

/// What the node knows of a payment (T93).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// It was paid. Final.
    Succeeded,
    /// It was not paid, and never will be under this id. Final.
    Failed,
    /// It may be under way.
    Unknown,
    /// The node's payment store never heard of this id.
    NotFound,
}

impl PaymentState {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "unknown" => Self::Unknown,
            "not_found" => Self::NotFound,
            _ => return None,
        })
    }
}

/// The reply to [`PaymentSend`] and to [`PaymentLookup`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PaymentStatus {
    /// The node's word.
    pub status: PaymentState,
    /// The recipient's proof, beside [`PaymentState::Succeeded`] and there always.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_preimage")]
    pub preimage: Option<Preimage>,
    /// What routing cost in millisatoshi, beside [`PaymentState::Succeeded`] and there always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fee_msat: Option<u64>,
    /// Why not, in words for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the node's payment store began. Of what is older, [`PaymentState::NotFound`] says nothing (F17).
    #[serde(serialize_with = "write_time")]
    pub store_since: UnixTime,
}

impl PaymentSend {
    pub(super) fn of(data: &Value) -> Option<Self> {
        has_only(data, &["payment_id", "bolt11", "payment_hash", "amount_msat", "fee_limit_msat"]).then_some(())?;
        Some(Self {
            payment_id: id(data)?,
            bolt11: text(data, "bolt11")?,
            payment_hash: hash(data, "payment_hash")?,
            amount_msat: number(data, "amount_msat")?,
            fee_limit_msat: number(data, "fee_limit_msat")?,
        })
    }
}

impl PaymentLookup {
    pub(super) fn of(data: &Value) -> Option<Self> {
        has_only(data, &["payment_id", "payment_hash"]).then_some(())?;
        Some(Self { payment_id: id(data)?, payment_hash: hash(data, "payment_hash")? })
    }
}

impl PaymentStatus {
    /// Reads the reply about the payment of this hash. Verify its signature first.
    ///
    /// # Errors
    /// [`RelayFault::WrongPreimage`] for a success without its proof, and for a proof beside anything else;
    /// [`RelayFault::UnreadableBody`] for a success without its fee, and whatever else is wrong with the body.
    pub fn parse(body: &[u8], asked: PaymentHash) -> Result<Self, RelayFault> {
        let status = Self::of(&read(body)?).ok_or(RelayFault::UnreadableBody)?;
        match (status.status, &status.preimage, status.fee_msat) {
            (PaymentState::Succeeded, Some(preimage), fee) if preimage.payment_hash() == asked => {
                if fee.is_some() {
                    Ok(status)
                } else {
                    Err(RelayFault::UnreadableBody)
                }
            }
            (PaymentState::Succeeded, ..) | (_, Some(_), _) => Err(RelayFault::WrongPreimage),
            (_, None, Some(_)) => Err(RelayFault::UnreadableBody),
            (_, None, None) => Ok(status),
        }
    }

    fn of(reply: &Value) -> Option<Self> {
        Some(Self {
            status: PaymentState::from_name(&text(reply, "status")?)?,
            preimage: optional(reply, "preimage", preimage)?,
            fee_msat: optional(reply, "fee_msat", number)?,
            reason: optional(reply, "reason", text)?,
            store_since: time(reply, "store_since")?,
        })
    }

    /// The bytes to sign and send.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        write(self)
    }
}

/// Shows a fingerprint of the invoice, which is a thing to pay with (T120).
impl fmt::Debug for PaymentSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PaymentSend")
            .field("payment_id", &self.payment_id)
            .field("bolt11", &fingerprint(self.bolt11.as_bytes()))
            .field("payment_hash", &self.payment_hash)
            .field("amount_msat", &self.amount_msat)
            .field("fee_limit_msat", &self.fee_limit_msat)
            .finish()
    }
}

fn id(data: &Value) -> Option<PaymentId> {
    PaymentId::from_hex(&text(data, "payment_id")?)
}

fn write_id<S: Serializer>(id: &PaymentId, serializer: S) -> Result<S::Ok, S::Error> {
    write_hash(&PaymentHash(id.0), serializer)
}
