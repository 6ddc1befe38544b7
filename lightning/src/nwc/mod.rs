//! Nostr Wallet Connect (NIP-47): a wallet that is reached through a relay, and so from behind any router.
//!
//! `type=nwc;uri=nostr+walletconnect://<wallet>?relay=wss://…&secret=<hex>`, or the wallet's text alone; in quotes where
//! a shell reads it. `key=` is the same as `uri=`.
//!
//! Least privilege: a connection that may `make_invoice` and `lookup_invoice` (and `notifications`) cannot spend, and is
//! the safest back end there is for a beginner.
//!
//! ```text
//! NwcConnection::request(call, chance, now) ─▶ Request: frames to send ─▶ (a shell and a relay) ─┐
//! NwcConnection::read(frame, &request) ◀── every frame that comes ◀───────────────────────────────┘
//!        └─▶ Heard::Reply(reply) ─▶ reply.invoice(order) | reply.status(watched) | reply.payment(hash) | …
//! ```
//!
//! The relay is believed nothing: a reply counts when the wallet has signed it, when it names our request, and when it
//! opens with the key that only the two of us have (NIP-44, version 2). The older NIP-04, whose ciphertexts anybody can
//! alter unnoticed, is not spoken, and no wallet is asked to.
//!
//! Habits: `state` is optional, and the preimage of an invoice that nobody has paid may be there; replies and
//! notifications are ephemeral, so a relay may lose them: whoever waits looks again.

mod connection;
mod reply;
mod request;

pub use connection::{NwcConnection, Relay};
pub use reply::{Heard, Info, Reply};
pub use request::{Call, Chance, Request};

/// Its `type` in connection strings.
pub const KIND: &str = "nwc";

/// What a wallet can do.
const INFO: u16 = 13194;
const REQUEST: u16 = 23194;
const RESPONSE: u16 = 23195;
/// Encrypted by NIP-44; those of NIP-04 are 23196.
const NOTIFICATION: u16 = 23197;

/// Longest frame that is read, in bytes; NIP-44 would allow for gigabytes (T69).
pub const FRAME_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
