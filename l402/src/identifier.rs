//! The 66-byte token identifier: what a token commits to (L402 §3, C2).

use crate::preimage::PaymentHash;

/// Version 0 of the L402 identifier: `version ‖ payment hash ‖ token id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identifier {
    /// The invoice that pays for the token.
    pub payment_hash: PaymentHash,
    /// Opaque to clients. Its first byte is the id of the master key that signed.
    pub token_id: [u8; 32],
}

impl Identifier {
    /// Length on the wire; lnget and aperture insist on it.
    pub const BYTES: usize = 66;

    /// Puts a key id before 31 random bytes.
    #[must_use]
    pub fn new(payment_hash: PaymentHash, key_id: u8, random: [u8; 31]) -> Self {
        let mut token_id = [key_id; 32];
        if let Some(tail) = token_id.get_mut(1..) {
            tail.copy_from_slice(&random);
        }
        Self { payment_hash, token_id }
    }

    /// Reads exactly 66 bytes of version 0 (T4).
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[0, 0])?;
        let (payment_hash, token_id) = rest.split_first_chunk::<32>()?;
        Some(Self { payment_hash: PaymentHash(*payment_hash), token_id: token_id.try_into().ok()? })
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (to, from) in bytes.iter_mut().skip(2).zip(self.payment_hash.0.iter().chain(&self.token_id)) {
            *to = *from;
        }
        bytes
    }

    /// Which master key signed, if it is one of ours.
    #[must_use]
    pub const fn key_id(&self) -> u8 {
        let [first, ..] = self.token_id;
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_66_bytes_of_version_0_t4() {
        let id = Identifier::new(PaymentHash([1; 32]), 9, [2; 31]);
        let bytes = id.to_bytes();
        assert_eq!(Identifier::parse(&bytes), Some(id));
        assert_eq!((id.key_id(), &bytes[..3], &bytes[33..36]), (9, &[0, 0, 1][..], &[1, 9, 2][..]));
        assert_eq!(Identifier::parse(&bytes[..65]), None);
        assert_eq!(Identifier::parse(&[&bytes[..], &[0]].concat()), None);
        assert_eq!(Identifier::parse(&[&[0, 1], &bytes[2..]].concat()), None);
        assert_eq!(Identifier::parse(&[]), None);
    }
}
