//! The payer's side: what a client does with a 402. Decides what to pay and what to send; fetching, drawing and paying
//! are left to whoever holds a network, a screen or a wallet.
//!
//! A program that pays by itself goes through a chain of types. Each step consumes the one before, so there is no way
//! to pay twice for one resource without [`Rejected::pay_again`], and none to send a preimage that does not belong to
//! the invoice (T115):
//!
//! ```text
//! Payer ──402──▶ Asked ──preimage──▶ Paid ──status──▶ Delivered
//!                                     ▲  └─ 5xx, 429 ──┘ again, without paying      └──▶ Rejected ── pay_again ──▶ Payer
//! ```
//!
//! A page that shows an invoice to a person waits much longer, and for more: for a phone, a wallet in the browser,
//! another tab, the end of the invoice. That is the state machine in [`checkout`]. Both read a 402 with [`offer`].
//! Payment challenges (MPP) beside L402 are never paid; they are only held against the invoice.
//! A program that has nobody to ask may read what a careless seller wrote, too: `loose`.

pub mod checkout;
#[cfg(feature = "verify")]
pub mod loose;
pub mod offer;
mod once;

pub use offer::{Mismatch, Offer, PayerFault, UnverifiedTerms};
pub use once::{Asked, Limits, Outcome, Paid, Payer, Rejected, Step, WrongPreimage};
