//! The binary against sellers, wallets and files in this process: what it sends, what it pays, how it ends.

mod doctor;
mod http;
mod nwc;
#[path = "../../../egress/tests/nwc/wallet.rs"]
mod nwc_wallet;
mod offline;
mod pay;
mod switches;
mod world;
