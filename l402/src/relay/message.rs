//! What is said over the relay, exactly as C7 writes it: the calls, and what they are wrapped in. Payments out of the
//! node and the withdrawing of an invoice have modules of their own.
//!
//! Calls refuse unknown and repeated fields. Replies ignore unknown ones, so that a newer node still
//! serves an older worker. Amounts are integers, times Unix seconds, hashes and preimages 64 hex digits.

use core::fmt;

use serde::Serialize;
use serde_json::Value;

use super::RelayFault;
use super::cancel::InvoiceCancel;
use super::fields::{has_only, hash, number, preimage, read, time, write};
use super::fields::{write_hash, write_preimage, write_time, write_time_option};
use super::payment::{PaymentLookup, PaymentSend};
use crate::json::{optional, text};
use crate::preimage::{PaymentHash, Preimage};
use crate::secret::fingerprint;
use crate::time::UnixTime;

/// Who a call is for. A message that went astray, or is sent back, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// The node webhook.
    Node,
    /// The worker at the edge.
    Worker,
}

/// One signed request of one side to the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayCall {
    /// Worker to node: make an invoice.
    InvoiceCreate(InvoiceCreate),
    /// Worker to node: what became of an invoice?
    InvoiceLookup(InvoiceLookup),
    /// Node to worker: an invoice was paid.
    InvoiceSettled(InvoiceSettled),
    /// Worker to node: pay an invoice. Signed by the secret for payouts.
    PaymentSend(PaymentSend),
    /// Worker to node: what became of a payment? Signed by the secret for payouts.
    PaymentLookup(PaymentLookup),
    /// Worker to node: let nobody pay this invoice of ours any more. Signed by the secret for payouts.
    InvoiceCancel(InvoiceCancel),
}

/// Asks for an invoice. The `webhook-id` makes a retry safe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvoiceCreate {
    /// Exact price.
    pub amount_msat: u64,
    /// Shown by the payer's wallet.
    pub description: String,
    /// Life of the invoice from now.
    pub expiry_s: u64,
    /// The policy's service, for the operator's books.
    pub service: String,
    /// What the payment is for, for the operator's books: `l402`, `topup`, …
    pub purpose: String,
    /// The node key that must sign the invoice, as 66 hex digits; any other node refuses to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payee: Option<String>,
}

/// The invoice that was made. The edge believes none of it before it has decoded `bolt11` itself (T55).
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct InvoiceCreated {
    /// The invoice to pay.
    pub bolt11: String,
    /// Names the invoice.
    #[serde(serialize_with = "write_hash")]
    pub payment_hash: PaymentHash,
    /// From this moment on it can no longer be paid.
    #[serde(serialize_with = "write_time")]
    pub expires_at: UnixTime,
    /// Which kind of node made it.
    pub backend: String,
}

/// Asks what became of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvoiceLookup {
    /// Names the invoice.
    #[serde(serialize_with = "write_hash")]
    pub payment_hash: PaymentHash,
}

/// What a node says of an invoice. This, and never the presence of a preimage, tells whether it was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InvoiceState {
    /// It can still be paid.
    Pending,
    /// It was paid in full.
    Settled,
    /// It was not paid in time, and no longer can be.
    Expired,
    /// It was withdrawn.
    Canceled,
    /// This node never made it.
    NotFound,
}

impl InvoiceState {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "pending" => Self::Pending,
            "settled" => Self::Settled,
            "expired" => Self::Expired,
            "canceled" => Self::Canceled,
            "not_found" => Self::NotFound,
            _ => return None,
        })
    }
}

/// The reply to [`InvoiceLookup`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvoiceStatus {
    /// The node's word.
    pub status: InvoiceState,
    /// The invoice's amount, when there is such an invoice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_msat: Option<u64>,
    /// Only ever beside [`InvoiceState::Settled`].
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_preimage")]
    pub preimage: Option<Preimage>,
    /// When it was paid.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_time_option")]
    pub settled_at: Option<UnixTime>,
    /// What is left at the node of what was paid, where it kept a part for itself. Older sides neither say nor need it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_msat: Option<u64>,
}

/// Tells that an invoice was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InvoiceSettled {
    /// Names the invoice.
    #[serde(serialize_with = "write_hash")]
    pub payment_hash: PaymentHash,
    /// The invoice's amount.
    pub amount_msat: u64,
    /// The proof, when the node knows it.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_preimage")]
    pub preimage: Option<Preimage>,
    /// When it was paid.
    #[serde(serialize_with = "write_time")]
    pub settled_at: UnixTime,
    /// The `webhook-id` of the `invoice.create` that made it.
    pub request_id: String,
    /// As in [`InvoiceStatus::received_msat`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_msat: Option<u64>,
}

/// What all calls are wrapped in.
#[derive(Serialize)]
struct Envelope<Type, Data> {
    r#type: Type,
    audience: Audience,
    data: Data,
}

const CREATE: &str = "invoice.create";
const LOOKUP: &str = "invoice.lookup";
const SETTLED: &str = "invoice.settled";
const PAY: &str = "payment.send";
const LOOK_UP_PAYMENT: &str = "payment.lookup";
const CANCEL: &str = "invoice.cancel";

impl RelayCall {
    /// Reads a call that reached `audience`. Verify its signature first.
    ///
    /// # Errors
    /// The [`RelayFault`] that says what is wrong with the body.
    pub fn parse(body: &[u8], audience: Audience) -> Result<Self, RelayFault> {
        let envelope = read(body)?;
        let read = (text(&envelope, "type"), text(&envelope, "audience"), envelope.get("data"));
        let (Some(kind), Some(meant_for), Some(data)) = read else { return Err(RelayFault::UnreadableBody) };
        if !has_only(&envelope, &["type", "audience", "data"]) {
            return Err(RelayFault::UnreadableBody);
        }
        match (meant_for.as_str(), audience) {
            ("node", Audience::Node) | ("worker", Audience::Worker) => {}
            ("node" | "worker", _) => return Err(RelayFault::WrongAudience),
            _ => return Err(RelayFault::UnreadableBody),
        }
        let call = match kind.as_str() {
            CREATE => InvoiceCreate::of(data).map(Self::InvoiceCreate),
            LOOKUP => InvoiceLookup::of(data).map(Self::InvoiceLookup),
            SETTLED => InvoiceSettled::of(data).map(Self::InvoiceSettled),
            PAY => PaymentSend::of(data).map(Self::PaymentSend),
            LOOK_UP_PAYMENT => PaymentLookup::of(data).map(Self::PaymentLookup),
            CANCEL => InvoiceCancel::of(data).map(Self::InvoiceCancel),
            _ => return Err(RelayFault::UnknownType),
        };
        let call = call.ok_or(RelayFault::UnreadableBody)?;
        if call.audience() != audience {
            return Err(RelayFault::WrongAudience);
        }
        match &call {
            Self::InvoiceSettled(settled) if !settled.is_proven() => Err(RelayFault::WrongPreimage),
            _ => Ok(call),
        }
    }

    /// The bytes to sign and send.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        let audience = self.audience();
        match self {
            Self::InvoiceCreate(data) => write(&Envelope { r#type: CREATE, audience, data }),
            Self::InvoiceLookup(data) => write(&Envelope { r#type: LOOKUP, audience, data }),
            Self::InvoiceSettled(data) => write(&Envelope { r#type: SETTLED, audience, data }),
            Self::PaymentSend(data) => write(&Envelope { r#type: PAY, audience, data }),
            Self::PaymentLookup(data) => write(&Envelope { r#type: LOOK_UP_PAYMENT, audience, data }),
            Self::InvoiceCancel(data) => write(&Envelope { r#type: CANCEL, audience, data }),
        }
    }

    /// Who is meant to hear this call; a type has only one.
    const fn audience(&self) -> Audience {
        match self {
            Self::InvoiceCreate(_)
            | Self::InvoiceLookup(_)
            | Self::PaymentSend(_)
            | Self::PaymentLookup(_)
            | Self::InvoiceCancel(_) => Audience::Node,
            Self::InvoiceSettled(_) => Audience::Worker,
        }
    }
}

impl InvoiceCreate {
    fn of(data: &Value) -> Option<Self> {
        let known = ["amount_msat", "description", "expiry_s", "service", "purpose", "payee"];
        has_only(data, &known).then_some(())?;
        Some(Self {
            amount_msat: number(data, "amount_msat")?,
            description: text(data, "description")?,
            expiry_s: number(data, "expiry_s")?,
            service: text(data, "service")?,
            purpose: text(data, "purpose")?,
            payee: optional(data, "payee", text)?,
        })
    }
}

impl InvoiceLookup {
    fn of(data: &Value) -> Option<Self> {
        has_only(data, &["payment_hash"]).then_some(())?;
        Some(Self { payment_hash: hash(data, "payment_hash")? })
    }
}

impl InvoiceCreated {
    /// Reads the reply to `invoice.create`. Verify its signature first, and the invoice afterwards.
    ///
    /// # Errors
    /// The [`RelayFault`] that says what is wrong with the body.
    pub fn parse(body: &[u8]) -> Result<Self, RelayFault> {
        Self::of(&read(body)?).ok_or(RelayFault::UnreadableBody)
    }

    fn of(reply: &Value) -> Option<Self> {
        Some(Self {
            bolt11: text(reply, "bolt11")?,
            payment_hash: hash(reply, "payment_hash")?,
            expires_at: time(reply, "expires_at")?,
            backend: text(reply, "backend")?,
        })
    }

    /// The bytes to sign and send.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        write(self)
    }
}

impl InvoiceStatus {
    /// Reads the reply to `invoice.lookup`. Verify its signature first; that the preimage is the one of the
    /// hash that was asked for is the caller's to check.
    ///
    /// # Errors
    /// The [`RelayFault`] that says what is wrong with the body.
    pub fn parse(body: &[u8]) -> Result<Self, RelayFault> {
        let status = Self::of(&read(body)?).ok_or(RelayFault::UnreadableBody)?;
        if status.preimage.is_some() && status.status != InvoiceState::Settled {
            return Err(RelayFault::WrongPreimage);
        }
        Ok(status)
    }

    /// What was paid, in millisatoshi; `None` for anything but settled. Compare it with what was asked (T66).
    #[must_use]
    pub const fn paid_msat(&self) -> Option<u64> {
        match self.status {
            InvoiceState::Settled => self.amount_msat,
            _ => None,
        }
    }

    /// What the node kept for itself of what was paid (T66); nothing where it does not say.
    #[must_use]
    pub fn node_fee_msat(&self) -> u64 {
        let paid = self.paid_msat().unwrap_or_default();
        self.received_msat.map_or(0, |received| paid.saturating_sub(received))
    }

    fn of(reply: &Value) -> Option<Self> {
        Some(Self {
            status: InvoiceState::from_name(&text(reply, "status")?)?,
            amount_msat: optional(reply, "amount_msat", number)?,
            preimage: optional(reply, "preimage", preimage)?,
            settled_at: optional(reply, "settled_at", time)?,
            received_msat: optional(reply, "received_msat", number)?,
        })
    }

    /// The bytes to sign and send.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        write(self)
    }
}

impl InvoiceSettled {
    fn of(data: &Value) -> Option<Self> {
        let known = ["payment_hash", "amount_msat", "preimage", "settled_at", "request_id", "received_msat"];
        has_only(data, &known).then_some(())?;
        Some(Self {
            payment_hash: hash(data, "payment_hash")?,
            amount_msat: number(data, "amount_msat")?,
            preimage: optional(data, "preimage", preimage)?,
            settled_at: time(data, "settled_at")?,
            request_id: text(data, "request_id")?,
            received_msat: optional(data, "received_msat", number)?,
        })
    }

    /// As [`InvoiceStatus::node_fee_msat`].
    #[must_use]
    pub fn node_fee_msat(&self) -> u64 {
        self.received_msat.map_or(0, |received| self.amount_msat.saturating_sub(received))
    }

    fn is_proven(&self) -> bool {
        self.preimage.as_ref().is_none_or(|preimage| preimage.payment_hash() == self.payment_hash)
    }
}

/// Shows a fingerprint of the invoice, which is a thing to pay with (T120).
impl fmt::Debug for InvoiceCreated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvoiceCreated")
            .field("bolt11", &fingerprint(self.bolt11.as_bytes()))
            .field("payment_hash", &self.payment_hash)
            .field("expires_at", &self.expires_at)
            .field("backend", &self.backend)
            .finish()
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
