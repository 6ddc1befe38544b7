//! Ledger. Front page to come.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]
#![warn(missing_docs, clippy::float_arithmetic)]

pub mod account;
mod amount;
pub mod book;
pub mod caps;
pub mod effect;
pub mod entry;
pub mod hold;
mod id;
pub mod inbox;
pub mod invariant;
pub mod journal;
pub mod key;
pub mod payout;
pub mod posting;
pub mod refund;
pub mod refusal;
pub mod sale;
pub mod spend;
#[cfg(test)]
mod testing;
pub mod topup;
pub mod transfer;

pub use account::{Balances, Class};
pub use amount::{ACCOUNT_MAX, BALANCE_MAX};
pub use book::{Book, Change, Step};
pub use caps::Cap;
pub use effect::{Credit, Effect, Pay, Reason};
pub use entry::{Entry, Kind};
pub use id::{BookId, Id};
pub use invariant::Invariant;
pub use posting::{Move, Posting, Postings};
pub use refusal::Refusal;
