//! The operator's egress: sends what `satstile-lightning` asks for, for the programs that run beside a node.
//!
//! Only to addresses that the operator configured (rule 12 of the security rules: what others name goes elsewhere).
//! https, checked against the usual authorities or against the one certificate that is pinned; plain http where the
//! connection string allowed it. No redirect is followed, no proxy asked, no reply read beyond 64 KB or after its
//! deadline (T68, T69).

#![forbid(unsafe_code)]

mod client;
mod files;
#[cfg(feature = "nwc")]
pub mod nwc;
mod pin;
#[cfg(feature = "websocket")]
mod socket;
mod tls;

pub use client::{Client, Lines};
pub use files::{expanded, load};
#[cfg(feature = "websocket")]
pub use socket::Socket;
