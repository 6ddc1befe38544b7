//! What the tests of whole books share: a store as a shell keeps it, a Lightning node, and a seeded world.

#![allow(dead_code, reason = "each test binary uses its part")]

pub mod act;
pub mod alarm;
pub mod chance;
pub mod node;
pub mod store;
pub mod world;

use l402::{Msat, PaymentHash, Preimage, UnixTime};
use satstile_ledger::payout::{Payout, PayoutState};
use satstile_ledger::{BookId, Id};

pub const NOW: UnixTime = UnixTime(1_900_000_000);
pub const ALICE: BookId = BookId([0xa1; 32]);
pub const BOB: BookId = BookId([0xb0; 32]);

/// The `n`-th id of a kind.
pub fn id(kind: &str, n: u64) -> Id {
    Id::derive(kind, &[&n.to_be_bytes()])
}

/// The `n`-th preimage.
pub fn preimage(n: u64) -> Preimage {
    Preimage::new(id("preimage", n).0)
}

/// Its hash.
pub fn hash(n: u64) -> PaymentHash {
    preimage(n).payment_hash()
}

pub const fn sats(n: u64) -> Msat {
    Msat(n * 1_000)
}

/// Whether a payout may still be paid, or was.
pub fn is_live(row: &Payout) -> bool {
    row.state != PayoutState::Failed
}
