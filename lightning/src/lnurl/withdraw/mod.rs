//! LNURL-withdraw (LUD-03): somebody opens a link, shows an invoice, and is paid.
//!
//! [`service`] is the side that gives, [`wallet`] the one that takes. Whoever has the link has the money, so its `k1` is
//! a secret, and prints on neither side.

pub mod service;
pub mod wallet;

pub use service::{Claim, K1, Link, Refusal, UnverifiedClaim};
pub use wallet::WithdrawRequest;
