//! What the kit itself serves, under `/.well-known/satstile/`.

pub mod files;
pub mod handover;
pub mod minted;
pub mod open;
pub mod own;
pub mod pass;
pub mod status;
pub mod watch;
