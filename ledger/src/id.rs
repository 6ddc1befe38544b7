//! Names: of a book, and of everything that happens in one.
//!
//! An id is the idempotency key of its operation, so it is derived from what the operation *is* (a payment hash, a
//! client's key, a parent's id), never drawn anew on a retry (rule 9 of the spine; T90).

use core::fmt;

use l402::PaymentHash;
use sha2::{Digest, Sha256};

/// 32 bytes that name one operation, for ever: a hold, a payout, a refund, a transfer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 32]);

/// Names one [`Book`](crate::Book), and so one account and one Durable Object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BookId(pub [u8; 32]);

impl Id {
    /// SHA-256 over a label and parts, each with its length before it, so that no two lists collide.
    ///
    /// ```
    /// use satstile_ledger::Id;
    /// assert_eq!(Id::derive("payout", &[b"op 1"]), Id::derive("payout", &[b"op 1"]));
    /// assert_ne!(Id::derive("payout", &[b"a", b"bc"]), Id::derive("payout", &[b"ab", b"c"]));
    /// ```
    #[must_use]
    pub fn derive(label: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(b"satstile-ledger");
        part(label.as_bytes());
        parts.iter().for_each(|bytes| part(bytes));
        Self(hash.finalize().into())
    }
}

impl BookId {
    /// The book of a deployment's account, by the account's name.
    #[must_use]
    pub fn of_account(account: &[u8]) -> Self {
        Self(Id::derive("account", &[account]).0)
    }
}

/// An invoice names its top-up, sale or session: one hash, one operation (T83).
impl From<PaymentHash> for Id {
    fn from(hash: PaymentHash) -> Self {
        Self(hash.0)
    }
}

/// The first 8 hex digits: enough to find a line in a log, too little to guess with.
impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        short(f, &self.0)
    }
}

impl fmt::Debug for BookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("book ")?;
        short(f, &self.0)
    }
}

fn short(f: &mut fmt::Formatter<'_>, bytes: &[u8; 32]) -> fmt::Result {
    bytes.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
}
