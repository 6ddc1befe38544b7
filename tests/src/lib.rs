//! The harness of the stories: the built worker in a real workerd, the node webhook, the demo origin, each a
//! process of its own on loopback, and an HTTP client that sends bytes exactly as they are written.
//!
//! ```no_run
//! use satstile_tests::{Stack, StackOptions, http};
//!
//! let stack = Stack::start(StackOptions::default());
//! let refused = http::get(&stack.url("/articles/1"), &[]);
//! assert_eq!(refused.status, 402);
//! let preimage = stack.node().pay(refused.json()["invoice"].as_str().unwrap());
//! ```
//!
//! Everything panics with a sentence instead of returning errors: a story that cannot run has failed.
//! Everything has a time limit. What a story starts is stopped when it is dropped, and also when the test
//! process dies without dropping anything.

mod aperture;
pub mod binaries;
mod capnp;
pub mod checker;
mod devnet;
pub mod http;
mod lnbits;
pub mod lnd;
mod node;
mod origin;
mod port;
mod process;
pub mod raw;
mod secrets;
mod stack;
mod workerd;
mod wrangler;

use std::time::Duration;

pub use aperture::Aperture;
pub use capnp::CF_HEADER;
pub use devnet::{Devnet, LndInvoice};
pub use lnbits::{Installed, Lnbits, LnbitsWallet};
pub use lnd::Lnd;
pub use node::Node;
pub use origin::{Origin, Pages, Seen};
pub use port::{free_port, loopback};
pub use process::Process;
pub use secrets::Secrets;
pub use stack::{Stack, StackOptions};
pub use workerd::{Workerd, WorkerdOptions};
pub use wrangler::merge;

/// No single answer takes longer, on a busy machine with two cores either.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);
/// No process takes longer to be ready.
pub const START_LIMIT: Duration = Duration::from_secs(30);
