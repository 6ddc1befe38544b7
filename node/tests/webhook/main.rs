//! The node webhook from outside: real sockets, a real worker to push to, the real program where it matters.

mod cancel;
mod nwc;
#[path = "../../../egress/tests/nwc/wallet.rs"]
mod nwc_wallet;
mod payer;
mod payments;
mod phoenix;
mod phoenixd;
mod process;
mod relay;
mod settlements;
mod wallet;
mod world;
