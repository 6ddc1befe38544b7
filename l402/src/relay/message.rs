//! What is said over the relay: three calls and two replies, exactly as C7 writes them.
//!
//! Calls refuse unknown and repeated fields. Replies ignore unknown ones, so that a newer node still
//! serves an older worker. Amounts are integers, times Unix seconds, hashes and preimages 64 hex digits.

use core::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RELAY_BODY_BYTES_MAX, RelayFault};
use crate::preimage::{PaymentHash, Preimage};
use crate::secret::fingerprint;
use crate::time::UnixTime;

/// Who a call is for. A message that went astray, or is sent back, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// Asks for an invoice. The `webhook-id` makes a retry safe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payee: Option<String>,
}

/// The invoice that was made. The edge believes none of it before it has decoded `bolt11` itself (T55).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceCreated {
    /// The invoice to pay.
    pub bolt11: String,
    /// Names the invoice.
    #[serde(with = "hash_hex")]
    pub payment_hash: PaymentHash,
    /// From this moment on it can no longer be paid.
    #[serde(with = "unix")]
    pub expires_at: UnixTime,
    /// Which kind of node made it.
    pub backend: String,
}

/// Asks what became of an invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvoiceLookup {
    /// Names the invoice.
    #[serde(with = "hash_hex")]
    pub payment_hash: PaymentHash,
}

/// What a node says of an invoice. This, and never the presence of a preimage, tells whether it was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// The reply to [`InvoiceLookup`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceStatus {
    /// The node's word.
    pub status: InvoiceState,
    /// The invoice's amount, when there is such an invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_msat: Option<u64>,
    /// Only ever beside [`InvoiceState::Settled`].
    #[serde(default, skip_serializing_if = "Option::is_none", with = "preimage_hex")]
    pub preimage: Option<Preimage>,
    /// When it was paid.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "unix_option")]
    pub settled_at: Option<UnixTime>,
}

/// Tells that an invoice was paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvoiceSettled {
    /// Names the invoice.
    #[serde(with = "hash_hex")]
    pub payment_hash: PaymentHash,
    /// The invoice's amount.
    pub amount_msat: u64,
    /// The proof, when the node knows it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "preimage_hex")]
    pub preimage: Option<Preimage>,
    /// When it was paid.
    #[serde(with = "unix")]
    pub settled_at: UnixTime,
    /// The `webhook-id` of the `invoice.create` that made it.
    pub request_id: String,
}

/// What all calls are wrapped in.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<Type, Data> {
    r#type: Type,
    audience: Audience,
    data: Data,
}

const CREATE: &str = "invoice.create";
const LOOKUP: &str = "invoice.lookup";
const SETTLED: &str = "invoice.settled";

impl RelayCall {
    /// Reads a call that reached `audience`. Verify its signature first.
    ///
    /// # Errors
    /// The [`RelayFault`] that says what is wrong with the body.
    pub fn parse(body: &[u8], audience: Audience) -> Result<Self, RelayFault> {
        let envelope: Envelope<String, Value> = read(body)?;
        if envelope.audience != audience {
            return Err(RelayFault::WrongAudience);
        }
        let call = match envelope.r#type.as_str() {
            CREATE => Self::InvoiceCreate(data(envelope.data)?),
            LOOKUP => Self::InvoiceLookup(data(envelope.data)?),
            SETTLED => Self::InvoiceSettled(data(envelope.data)?),
            _ => return Err(RelayFault::UnknownType),
        };
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
        }
    }

    /// Who is meant to hear this call; a type has only one.
    const fn audience(&self) -> Audience {
        match self {
            Self::InvoiceCreate(_) | Self::InvoiceLookup(_) => Audience::Node,
            Self::InvoiceSettled(_) => Audience::Worker,
        }
    }
}

impl InvoiceCreated {
    /// Reads the reply to `invoice.create`. Verify its signature first, and the invoice afterwards.
    ///
    /// # Errors
    /// The [`RelayFault`] that says what is wrong with the body.
    pub fn parse(body: &[u8]) -> Result<Self, RelayFault> {
        read(body)
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
        let status: Self = read(body)?;
        if status.preimage.is_some() && status.status != InvoiceState::Settled {
            return Err(RelayFault::WrongPreimage);
        }
        Ok(status)
    }

    /// The bytes to sign and send.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        write(self)
    }
}

impl InvoiceSettled {
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

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, RelayFault> {
    if body.len() > RELAY_BODY_BYTES_MAX {
        return Err(RelayFault::BodyTooLong);
    }
    crate::json::read(body).ok_or(RelayFault::UnreadableBody)
}

fn data<T: DeserializeOwned>(data: Value) -> Result<T, RelayFault> {
    T::deserialize(data).map_err(|_| RelayFault::UnreadableBody)
}

/// These types have string keys and finite numbers only, so writing them cannot fail; were it to, the empty
/// body would be refused by the other side.
fn write(message: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(message).unwrap_or_default()
}

mod hash_hex {
    use super::PaymentHash;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(hash: &PaymentHash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(hash)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PaymentHash, D::Error> {
        let text = String::deserialize(deserializer)?;
        PaymentHash::from_hex(&text).ok_or_else(|| D::Error::custom("64 hex digits"))
    }
}

mod preimage_hex {
    use super::Preimage;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(preimage: &Option<Preimage>, serializer: S) -> Result<S::Ok, S::Error> {
        preimage.as_ref().map(Preimage::expose_hex).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Preimage>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| Preimage::from_hex(&text).ok_or_else(|| D::Error::custom("64 hex digits"))).transpose()
    }
}

mod unix {
    use super::UnixTime;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(time.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixTime, D::Error> {
        u64::deserialize(deserializer).map(UnixTime)
    }
}

mod unix_option {
    use super::UnixTime;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Option<UnixTime>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(|time| time.0).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UnixTime>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(UnixTime))
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
