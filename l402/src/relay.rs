//! The signed wire between the worker and the node webhook (C7): who says it, and what is said.
//!
//! [`RelaySecrets`] signs and verifies by Standard Webhooks, [`RelayCall`] and the replies are the
//! messages. When to call, whether an id was seen before and what an invoice is worth is left to the shells.

use core::fmt;

mod cancel;
mod fields;
mod message;
mod payment;
mod signature;

pub use cancel::{CancelState, CancelStatus, InvoiceCancel};
pub use message::{
    Audience, InvoiceCreate, InvoiceCreated, InvoiceLookup, InvoiceSettled, InvoiceState, InvoiceStatus, RelayCall,
};
pub use payment::{PaymentId, PaymentLookup, PaymentSend, PaymentState, PaymentStatus};
pub use signature::{RelaySecrets, is_message_id};

/// Carries the message id: nonce and idempotency key in one (T53).
pub const WEBHOOK_ID: &str = "webhook-id";
/// Carries the moment of signing, in decimal Unix seconds.
pub const WEBHOOK_TIMESTAMP: &str = "webhook-timestamp";
/// Carries `v1,<base64>`, once for each secret that is in force.
pub const WEBHOOK_SIGNATURE: &str = "webhook-signature";

/// Longest body either side reads (T69).
pub const RELAY_BODY_BYTES_MAX: usize = 64 * 1024;

/// How far the two clocks may be apart, and how old a message may be.
pub const RELAY_TOLERANCE_S: u64 = 300;

/// Why a message of the other side is not acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayFault {
    /// `webhook-id` is empty, too long or has a character outside `[A-Za-z0-9_.-]`.
    UnreadableId,
    /// `webhook-timestamp` is not decimal Unix seconds.
    UnreadableTimestamp,
    /// The message was signed too long ago, or in the future.
    Stale,
    /// `webhook-signature` holds no `v1` signature, or far too much.
    UnreadableSignature,
    /// None of the signatures is by a secret that is in force.
    WrongSignature,
    /// The body is longer than [`RELAY_BODY_BYTES_MAX`].
    BodyTooLong,
    /// The body is not the JSON that its type asks for.
    UnreadableBody,
    /// The message is meant for the other side.
    WrongAudience,
    /// No call has this type.
    UnknownType,
    /// sha256(preimage) is not the payment hash beside it, or the preimage of an unpaid invoice is told.
    WrongPreimage,
}

impl fmt::Display for RelayFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnreadableId => "webhook-id must be 1 to 256 characters of A-Z a-z 0-9 _ . -",
            Self::UnreadableTimestamp => "webhook-timestamp must be decimal Unix seconds",
            Self::Stale => "the message was signed more than 300 seconds from now; are both clocks right?",
            Self::UnreadableSignature => "webhook-signature must hold at least one v1 signature",
            Self::WrongSignature => {
                "no signature is by one of the secrets in force here: RELAY_SECRETS, or PAYOUT_SECRETS for payments out"
            }
            Self::BodyTooLong => "the relay message is longer than 65536 bytes",
            Self::UnreadableBody => "the relay message is not the JSON that its type asks for",
            Self::WrongAudience => "the relay message is meant for another audience",
            Self::UnknownType => "no relay message has this type",
            Self::WrongPreimage => "the preimage is not the one of a settled invoice with this payment hash",
        })
    }
}

impl std::error::Error for RelayFault {}
