//! The node webhook: stands beside the operator's Lightning node, makes invoices when the worker asks over the
//! signed relay (C7), watches them, and tells the worker when one was paid.
//!
//! The invoices are made by the operator's back ends, the first of the list that can. Without any, the embedded dev
//! node makes them: real regtest BOLT11, signed by its own key, settled when the dev wallet beside it pays. It lets a
//! first 402 → pay → 200 happen within minutes, and refuses every other network.
//!
//! ```text
//! worker ──POST /relay──▶ relay ──▶ maker: dev or remotes ──▶ invoice (checks) ──▶ store ◀── wallet ◀── a payer
//!    ▲                      └──────▶ looks ◀── watch (streams, timers) ◀── a node   │
//!    └──────────── push ◀── settlements, retried until a 2xx ───────────────────────┘
//! ```
//!
//! Payments out of the node, for payouts and refunds, are off unless the operator switched them on: `payout`; and so is
//! the withdrawing of an invoice that is settled between two balances: `cancel`.

#![forbid(unsafe_code)]

mod cancel;
mod clock;
mod config;
mod configured;
mod dev;
mod invoice;
mod looks;
mod loopback;
mod maker;
mod metrics;
mod node;
mod order;
mod payout;
mod places;
mod probe;
mod problem;
mod push;
mod recent;
mod relay;
mod remote;
mod serve;
mod state;
mod store;
mod turns;
mod wallet;
mod watch;
mod way;

pub use config::{Cli, Config, ConfigFault, Environment};
pub use node::{Node, start};
pub use payout::PayoutFault;
