//! Key material that does not print and is compared in constant time (T16, T120).

use core::fmt;

use crate::prelude::*;

use sha2::{Digest, Sha256};

/// Secret bytes, at least 32 of them. `Debug` shows a fingerprint.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// Why some configured bytes are not a usable secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFault {
    /// Fewer than 32 bytes.
    Short,
    /// Not base64.
    Unreadable,
    /// One byte repeated, or the words of a sample file.
    Sample,
}

impl fmt::Display for SecretFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Short => "is shorter than 32 bytes; make one with `openssl rand -base64 32`",
            Self::Unreadable => "is not base64; make one with `openssl rand -base64 32`",
            Self::Sample => "is a sample value that anybody knows; make one with `openssl rand -base64 32`",
        })
    }
}

impl core::error::Error for SecretFault {}

impl Secret {
    /// Takes bytes that a person or a generator configured.
    ///
    /// # Errors
    /// [`SecretFault::Short`] under 32 bytes, [`SecretFault::Sample`] for a guessable pattern.
    pub fn new(bytes: Vec<u8>) -> Result<Self, SecretFault> {
        if bytes.len() < 32 {
            return Err(SecretFault::Short);
        }
        // 32 random bytes hold 30 different ones on average, and fewer than 12 never. Text of a
        // sample file ("changeme…", "secret-secret-…") and counted or repeated bytes are caught too.
        let distinct = bytes.iter().enumerate().filter(|(i, byte)| !bytes.iter().take(*i).any(|b| b == *byte)).count();
        let counted = bytes.iter().zip(bytes.iter().skip(1)).all(|(a, b)| b.wrapping_sub(*a) == 1);
        let lower = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
        let sample = ["changeme", "change-me", "example", "sample", "secret", "password", "insecure", "0123456789"];
        if distinct < 12 || counted || sample.iter().any(|s| lower.contains(s)) {
            return Err(SecretFault::Sample);
        }
        Ok(Self(bytes))
    }

    /// Reads standard or URL-safe base64, padded or not.
    ///
    /// # Errors
    /// As [`Secret::new`], and [`SecretFault::Unreadable`].
    pub fn from_base64(text: &str) -> Result<Self, SecretFault> {
        Self::new(crate::encoding::base64_any(text.trim()).ok_or(SecretFault::Unreadable)?)
    }

    /// The output of a key derivation, which needs no looking at.
    #[cfg(feature = "verify")]
    pub(crate) fn derived(bytes: &[u8; 32]) -> Self {
        Self(bytes.to_vec())
    }

    /// The bytes, for a key derivation or a MAC.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", fingerprint(&self.0))
    }
}

/// The first 8 hex digits of SHA-256: says "the same" or "another" in a log, and nothing else.
#[must_use]
pub fn fingerprint(secret: &[u8]) -> String {
    let mut text = hex::encode(Sha256::digest(secret));
    text.truncate(8);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_sample_secrets_are_refused() {
        assert_eq!(Secret::new(vec![7; 31]).unwrap_err(), SecretFault::Short);
        assert_eq!(Secret::new(vec![0; 32]).unwrap_err(), SecretFault::Sample);
        assert_eq!(Secret::new((0..32).collect()).unwrap_err(), SecretFault::Sample);
        assert_eq!(Secret::new(b"changeme-changeme-changeme-really-42".to_vec()).unwrap_err(), SecretFault::Sample);
        assert_eq!(Secret::from_base64("not base64!").unwrap_err(), SecretFault::Unreadable);
    }

    #[test]
    fn a_secret_does_not_print() {
        let bytes: Vec<u8> = (0..32u8).map(|i| i.wrapping_mul(37)).collect();
        let shown = format!("{:?}", Secret::new(bytes.clone()).unwrap());
        assert!(!shown.contains(&hex::encode(&bytes)[..8]));
        assert_eq!(shown.len(), "Secret(12345678)".len());
    }
}
