//! The proof of payment and what it proves: `sha256(preimage) == payment hash` (BOLT 11, L402 §3).

use core::fmt;

use crate::prelude::*;

use sha2::{Digest, Sha256};

/// 32 bytes that the payer learns when an invoice is paid. Secret until then, and a credential after.
#[derive(Clone, PartialEq, Eq)]
pub struct Preimage([u8; 32]);

/// SHA-256 of a preimage; names an invoice everywhere in this crate. Public.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentHash(pub [u8; 32]);

impl Preimage {
    /// Wraps bytes that came from a wallet or a node.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads exactly 64 hex digits of either case (T2).
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        hex32(text).map(Self)
    }

    /// The hash that an invoice for this preimage carries.
    #[must_use]
    pub fn payment_hash(&self) -> PaymentHash {
        PaymentHash(Sha256::digest(self.0).into())
    }

    /// The bytes themselves. Only for the wire.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hex digits. Only for the wire.
    #[must_use]
    pub fn expose_hex(&self) -> String {
        hex::encode(self.0)
    }
}

/// Shows the hash, never the preimage (T120).
impl fmt::Debug for Preimage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Preimage(of {})", self.payment_hash().short())
    }
}

impl PaymentHash {
    /// Reads exactly 64 hex digits of either case.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        hex32(text).map(Self)
    }

    /// The first 8 hex digits, enough to find a line in a log.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }
}

/// 64 lower-case hex digits.
impl fmt::Display for PaymentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PaymentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaymentHash({self})")
    }
}

fn hex32(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preimage_hashes_to_its_payment_hash() {
        // wire.md §2, vector 3.
        let hash = "02d449a31fbb267c8f352e9968a79e3e5fc95c1bbeaa502fd6454ebde5a4bedc";
        assert_eq!(Preimage::new([0x11; 32]).payment_hash().to_string(), hash);
    }

    #[test]
    fn only_64_hex_digits_are_a_preimage() {
        assert!(Preimage::from_hex(&"aB".repeat(32)).is_some());
        for text in ["", "ab", &"ab".repeat(33), &"zz".repeat(32), &format!(" {}", "ab".repeat(31))] {
            assert!(Preimage::from_hex(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_preimage_does_not_print() {
        let shown = format!("{:?}", Preimage::new([0xab; 32]));
        assert!(!shown.contains("abab"), "{shown}");
    }
}
