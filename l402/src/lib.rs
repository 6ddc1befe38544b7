//! L402 and the HTTP Payment scheme, sans-IO: this crate decides and touches nothing.
//!
//! ```text
//! request ─▶ canonical ─▶ route ─▶ verify, clear ─┬─ Free, Paid ──▶ (a shell forwards)
//!            path         route    credential     ├─ Claim ───────▶ (a shell asks its state, then forwards)
//!                                  token, caveat  ├─ Charge ──────▶ (a shell gets an invoice) ─▶ challenge
//!                                                 └─ Refuse ──────▶ problem
//! ```
//!
//! There is no clock, no randomness, no socket and no file in here: time, chance and bytes come in as
//! arguments. What came from outside is `unverified_…` or a type that can do nothing yet; a check
//! consumes it and gives the next type, so that a step cannot be skipped:
//! [`credential::UnverifiedL402`] → [`credential::Verified`] → [`credential::Paid`].
//!
//! # Where things are
//!
//! | question | module |
//! | --- | --- |
//! | may this request pass, and if not, what then? | [`decide`](mod@decide) |
//! | has this URL one reading only, and is its host this machine? | [`path`], [`host`] |
//! | does a query hold what it must not? | [`query`] |
//! | which route and price is it? | [`route`], [`policy`] |
//! | what did the client send? | [`credential`], [`payment`] |
//! | did we make this token, and is it unchanged? | [`token`], [`identifier`], [`keys`] |
//! | does it permit this request, now? | [`caveat`] |
//! | what does the invoice say? | [`bolt11`] |
//! | what does a 402 look like? | [`challenge`], [`auth_param`] |
//! | what does any other "no" look like? | [`fault`], [`problem`] |
//! | what goes to the origin and back? | [`headers`], [`response`], [`cookie`] |
//! | how do worker and node webhook talk? | [`relay`] |
//! | what proves a purchase afterwards? | [`receipt`] |
//! | how does a client pay? | [`payer`] |
//! | what do times, amounts, secrets look like? | [`time`], [`amount`], [`preimage`], [`secret`], [`encoding`], [`json`] |
//!
//! # A request, decided
//!
//! ```
//! use l402::{Decision, Keys, Policy, Request, UnixTime, decide};
//!
//! let policy = Policy::from_json(r#"{
//!   "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
//!   "services": {"articles": {"price_msat": 21000, "valid_s": 3600, "routes": [{"path": "/articles/*"}]}}
//! }"#).unwrap();
//! # let random = |seed: u8| l402::encoding::to_base64(&(0..32u8).map(|i| i.wrapping_mul(37) ^ seed).collect::<Vec<_>>());
//! let keys = Keys::parse(&format!("1:{}", random(1)), &random(2)).unwrap();
//!
//! let request = Request { method: "GET", url: "http://localhost:8787/articles/1", headers: "", has_body: false };
//! match decide(&policy, &keys, &request, UnixTime(1_900_000_000)) {
//!     Decision::Charge(quote) => assert_eq!(quote.service.price.to_string(), "21 sats"),
//!     other => panic!("{other:?}"),
//! }
//! ```

#![forbid(unsafe_code)]
// The payer's half alone runs where every kilobyte counts, in web pages.
#![cfg_attr(not(any(feature = "verify", feature = "relay", test)), no_std)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

extern crate alloc;

pub mod amount;
pub mod auth_param;
#[cfg(feature = "verify")]
pub mod balance;
pub mod bolt11;
pub mod by_name;
#[cfg(feature = "verify")]
pub mod caps;
#[cfg(feature = "verify")]
pub mod caveat;
#[cfg(feature = "mint")]
pub mod challenge;
#[cfg(feature = "verify")]
pub mod claim;
#[cfg(feature = "verify")]
pub mod client;
#[cfg(feature = "verify")]
pub mod cookie;
#[cfg(feature = "verify")]
pub mod credential;
#[cfg(feature = "verify")]
pub mod decide;
#[cfg(feature = "mint")]
pub mod deposit;
pub mod encoding;
#[cfg(feature = "verify")]
pub mod fault;
#[cfg(feature = "verify")]
pub mod headers;
pub mod host;
#[cfg(feature = "verify")]
pub mod idempotency;
#[cfg(feature = "verify")]
pub mod identifier;
#[cfg(any(feature = "verify", feature = "relay"))]
pub mod json;
#[cfg(feature = "verify")]
pub mod keys;
#[cfg(feature = "verify")]
pub mod pace;
#[cfg(feature = "verify")]
pub mod path;
#[cfg(feature = "payer")]
pub mod payer;
#[cfg(feature = "verify")]
pub mod payment;
#[cfg(feature = "verify")]
pub mod policy;
pub mod preimage;
mod prelude;
#[cfg(feature = "verify")]
pub mod problem;
#[cfg(feature = "verify")]
pub mod query;
#[cfg(feature = "verify")]
pub mod receipt;
#[cfg(feature = "verify")]
pub mod reference;
#[cfg(feature = "relay")]
pub mod relay;
#[cfg(feature = "verify")]
pub mod response;
#[cfg(feature = "verify")]
pub mod route;
pub mod secret;
pub mod time;
#[cfg(feature = "verify")]
pub mod token;

pub use amount::Msat;
pub use preimage::{PaymentHash, Preimage};
pub use secret::Secret;
pub use time::UnixTime;
#[cfg(feature = "verify")]
pub use {
    decide::{Decision, Request, decide},
    fault::{Denial, Malformed},
    keys::Keys,
    policy::Policy,
};
