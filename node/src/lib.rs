//! The node webhook: stands beside the operator's Lightning node, makes invoices when the worker asks over the
//! signed relay (C7), watches them, and tells the worker when one was paid.
//!
//! The only back end so far is the embedded dev node: real regtest BOLT11, signed by its own key, settled when the
//! dev wallet beside it pays. It lets a first 402 → pay → 200 happen within minutes, and refuses every other network.
//!
//! ```text
//! worker ──POST /relay──▶ relay ──▶ dev (signs) ──▶ invoice (checks) ──▶ store ◀── wallet ◀── a payer
//!    ▲                                                                     │
//!    └──────────── push ◀── settlements, retried until a 2xx ──────────────┘
//! ```

#![forbid(unsafe_code)]

mod clock;
mod config;
mod dev;
mod invoice;
mod loopback;
mod node;
mod problem;
mod push;
mod relay;
mod serve;
mod state;
mod store;
mod wallet;

pub use config::{Cli, Config, ConfigFault};
pub use node::{Node, start};
