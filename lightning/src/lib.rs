//! Lightning nodes and wallets, sans-IO: a request to build and a reply to parse for each call.
//!
//! ```text
//! connection string ─▶ Connection ─▶ create(order, replies so far) ─▶ Ask(request) ─▶ (a shell sends) ─┐
//!                                          ▲                                                            │
//!                                          └──────────────── one reply more ◀───────────────────────────┘
//!                                                                        └─▶ Done(invoice)
//! ```
//!
//! A call is a function of what was ordered and of the replies heard so far. It answers with the next request, or with
//! the result; most back ends need one request, some two. There is no socket, no clock and no randomness in here, so
//! the node webhook, the worker and the tests all drive the same code.
//!
//! What a back end says is believed as little as possible. The payment hash is the one in the BOLT 11 itself. Whether
//! an invoice was paid is told by the back end's *state* field and by nothing else: most back ends show the preimage
//! of an invoice that nobody has paid. A preimage counts only beside a settled state, and only when it hashes to the
//! payment hash; less than the amount asked is not settled (T20, T55, T66).
//!
//! | question | module |
//! | --- | --- |
//! | how does an operator name a back end? | [`connection`] |
//! | what is asked of it, and what may come back? | [`call`] |
//! | what goes over the wire? | [`http`] |
//! | why was it of no use? | [`fault`] |
//! | how does *this* back end say it? | [`backend`], a module each |
//! | … and a wallet behind a Nostr relay? | `nwc`, with the feature of that name |
//! | what somebody pasted, where an invoice is wanted? | [`pasted`] |
//! | links that give sats, addresses that take them? | [`lnurl`] |
//! | who pays, on the other side? | [`wallet`], a module each |

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod backend;
pub mod call;
pub mod connection;
pub mod fault;
pub mod http;
mod json;
pub mod lnurl;
#[cfg(feature = "nwc")]
pub mod nwc;
pub mod pasted;
pub mod wallet;

pub use call::{Backend, Invoice, Order, Preimages, Push, Status, Step, Watched};
pub use connection::Connection;
pub use fault::BackendFault;
pub use http::{HttpReply, HttpRequest, Method};
