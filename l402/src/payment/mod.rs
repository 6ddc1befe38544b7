//! The HTTP Payment scheme (MPP), method `lightning`, intents `charge` and `session`: challenge out, credential in.
//!
//! Stateless: the challenge's id is an HMAC over everything that matters in it, so a credential that echoes it proves
//! what was issued (`wire.md` 4.2). What we need for that stands in `request`, which every client echoes. A charge delivers **once**; remembering that is left to the shell's `Payment` object
//! (C4), and so is whether service and amount fit the route. What is left of a session the books know ([`session`]).
//!
//! ```text
//! ChargeRequest, SessionRequest ─▶ PaymentChallenge ─▶ header …
//!   Authorization ─▶ PaymentCredential ─┬▶ UnverifiedCharge  ─▶ VerifiedCharge
//!                                       └▶ UnverifiedSession ─▶ VerifiedSession
//! ```

mod accept;
mod challenge;
mod credential;
mod echo;
mod purchase;
mod request;
pub mod session;
mod slots;
mod verify;

use core::fmt;

pub use accept::{prefers_payment, prefers_session, takes_session};
pub use challenge::{Asked, Offer, PaymentChallenge};
pub use credential::{PaymentCredential, UnverifiedCharge};
pub use request::ChargeRequest;
pub use session::{SessionAction, SessionRequest, UnverifiedSession, VerifiedSession};
pub use slots::{Slots, challenge_id};
pub use verify::VerifiedCharge;

/// The scheme's name in `WWW-Authenticate` and `Authorization`.
pub const SCHEME: &str = "Payment";
/// The one payment method spoken here.
pub const METHOD: &str = "lightning";
/// A payment for one delivery.
pub const CHARGE: &str = "charge";
/// A deposit that is used up by the unit.
pub const SESSION: &str = "session";

/// Why a Payment credential, or the parts of a challenge, are of no use. See `wire.md` 4.6 for the problem types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChargeFault {
    /// It cannot be read; the word says where (`malformed-credential`).
    Malformed(&'static str),
    /// More than one credential in the header (C1: 400).
    Several,
    /// The id is no HMAC of ours over this challenge, or it is for another host (`unknown-challenge`).
    UnknownChallenge,
    /// Issued by us, for a method or intent that is not sold here (`method-unsupported`).
    Unsupported,
    /// `expires` or the invoice has passed (`payment-expired`).
    Expired,
    /// The preimage is missing, or does not hash to the invoice's payment hash (`invalid-preimage`).
    InvalidPreimage,
    /// The return invoice cannot be read, names an amount or another network, or ends too soon (`invalid-return-invoice`).
    InvalidReturnInvoice,
    /// A challenge cannot carry this value; the word says which. A fault of ours, never of a client's.
    Unwritable(&'static str),
}

impl fmt::Display for ChargeFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "the Payment credential cannot be read: {what}"),
            Self::Several => f.write_str("more than one Payment credential; send one"),
            Self::UnknownChallenge => f.write_str("the Payment challenge is not one that this host issued"),
            Self::Unsupported => f.write_str("only method lightning with the intents charge and session is sold here"),
            Self::Expired => f.write_str("the Payment challenge has expired"),
            Self::InvalidPreimage => f.write_str("the preimage does not hash to the invoice's payment hash"),
            Self::InvalidReturnInvoice => f.write_str(
                "returnInvoice must be a BOLT11 invoice without an amount that outlives the session's idle time",
            ),
            Self::Unwritable(what) => write!(f, "a Payment challenge cannot carry this {what}"),
        }
    }
}

impl std::error::Error for ChargeFault {}
