//! The `claim_secret` of a top-up: who has it, and nobody else, gets the balance that the top-up fills (C17, T15, T82).
//!
//! ```text
//! base64url( key id 1 ‖ secret 32 ‖ tag 16 )
//! ```
//!
//! The secret is random and told once, with the order; the books keep its digest. The tag is HKDF-SHA256 of a master key over
//! payment hash and secret, cut to 16 bytes. It says only that the text was made here for this payment, so that a guess
//! names no object (T64); who has every master key can make a tag, and still has no secret.
//!
//! The token that the claim handed out is kept under a key of the secret alone, for the claimant whose answer was lost.

use core::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::encoding::{base64url, to_base64url};
use crate::keys::Keys;
use crate::preimage::PaymentHash;

const BYTES: usize = 1 + 32 + 16;
const SEAL_LABEL: &[u8] = b"satstile claimed token v1";

/// The secret of one top-up.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimSecret([u8; 32]);

/// It never prints (T120).
impl fmt::Debug for ClaimSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimSecret")
    }
}

impl ClaimSecret {
    /// Of 32 random bytes.
    #[must_use]
    pub const fn new(random: [u8; 32]) -> Self {
        Self(random)
    }

    /// As it is told with the order of a top-up.
    #[must_use]
    pub fn to_text(&self, keys: &Keys, payment_hash: &PaymentHash) -> String {
        let id = keys.minting_id();
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(id);
        bytes.extend(self.0);
        bytes.extend(keys.claim_tag(id, &payment_hash.0, &self.0).unwrap_or_default());
        to_base64url(&bytes)
    }

    /// Reads what a claimant sent; `None` for what was not made here for this payment. A retired key still checks it.
    #[must_use]
    pub fn verify(unverified: &str, keys: &Keys, payment_hash: &PaymentHash) -> Option<Self> {
        let bytes = base64url(unverified).filter(|bytes| bytes.len() == BYTES)?;
        let (id, rest) = bytes.split_first()?;
        let (secret, tag) = rest.split_first_chunk::<32>()?;
        let right = keys.claim_tag(*id, &payment_hash.0, secret)?;
        bool::from(right.as_slice().ct_eq(tag)).then_some(Self(*secret))
    }

    /// The 32 bytes, for the books to compare their digest.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Seals the secret of the one token that is handed out for it. Seal once: the key is of this secret and payment alone.
    #[must_use]
    pub fn seal(&self, payment_hash: &PaymentHash, token_secret: [u8; 32]) -> [u8; 48] {
        let (stream, key) = self.sealing_keys(payment_hash);
        let mut sealed = [0; 48];
        let (text, tag) = sealed.split_at_mut(32);
        for (byte, (plain, mask)) in text.iter_mut().zip(token_secret.into_iter().zip(stream)) {
            *byte = plain ^ mask;
        }
        tag.copy_from_slice(&tag_of(&key, text));
        sealed
    }

    /// Opens what [`ClaimSecret::seal`] sealed.
    #[must_use]
    pub fn open(&self, payment_hash: &PaymentHash, sealed: &[u8]) -> Option<[u8; 32]> {
        let (text, tag) = sealed.split_first_chunk::<32>()?;
        let (stream, key) = self.sealing_keys(payment_hash);
        if !bool::from(tag_of(&key, text).as_slice().ct_eq(tag)) {
            return None;
        }
        let mut plain = *text;
        plain.iter_mut().zip(stream).for_each(|(byte, mask)| *byte ^= mask);
        Some(plain)
    }

    /// A stream and the key of its tag.
    fn sealing_keys(&self, payment_hash: &PaymentHash) -> ([u8; 32], [u8; 32]) {
        let (mut stream, mut key) = ([0; 32], [0; 32]);
        let extracted = Hkdf::<Sha256>::new(None, &self.0);
        // Expanding fails only past 8,160 bytes.
        let _ = extracted.expand_multi_info(&[SEAL_LABEL, b" stream", &payment_hash.0], &mut stream);
        let _ = extracted.expand_multi_info(&[SEAL_LABEL, b" tag", &payment_hash.0], &mut key);
        (stream, key)
    }
}

fn tag_of(key: &[u8; 32], text: &[u8]) -> [u8; 16] {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 16] };
    mac.update(text);
    let whole: [u8; 32] = mac.finalize().into_bytes().into();
    let mut tag = [0; 16];
    tag.iter_mut().zip(whole).for_each(|(byte, of)| *byte = of);
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::{AccountId, BalanceToken};
    use crate::keys::tests::key;

    const HASH: PaymentHash = PaymentHash([7; 32]);

    fn keys(masters: &str) -> Keys {
        Keys::parse(masters, &key(9)).unwrap()
    }

    fn ours() -> Keys {
        keys(&format!("1:{}", key(1)))
    }

    /// A3, T64: each change of each character, another payment, another master.
    #[test]
    fn a_claim_secret_is_known_to_be_made_here_for_one_payment_a3() {
        let (secret, keys_of_ours) = (ClaimSecret::new([8; 32]), ours());
        let text = secret.to_text(&keys_of_ours, &HASH);
        assert_eq!(text.len(), 66);
        assert_eq!(ClaimSecret::verify(&text, &keys_of_ours, &HASH), Some(secret));
        let refused = |text: &str| assert_eq!(ClaimSecret::verify(text, &keys_of_ours, &HASH), None, "{text}");
        for (place, _) in text.char_indices() {
            let mut changed = text.clone();
            let other = if changed.as_bytes()[place] == b'A' { "B" } else { "A" };
            changed.replace_range(place..=place, other);
            refused(&changed);
        }
        for junk in ["", &text[..65], &format!("{text}A"), &to_base64url(&[8; 32]), &to_base64url(&[0; BYTES])] {
            refused(junk);
        }
        assert_eq!(ClaimSecret::verify(&text, &keys_of_ours, &PaymentHash([6; 32])), None);
        let rotated = keys(&format!("2:{},1!:{}", key(2), key(1)));
        assert!(ClaimSecret::verify(&text, &rotated, &HASH).is_some(), "a retired key still knows it");
        assert_eq!(ClaimSecret::verify(&text, &keys(&format!("1:{}", key(2))), &HASH), None);
        assert_eq!(ClaimSecret::verify(&text, &keys(&format!("2:{}", key(1))), &HASH), None);
    }

    /// A6, T15: with every master key, account and payment hash in hand, what they give is not the secret, and a secret that is
    /// made up opens nothing.
    #[test]
    fn master_keys_give_neither_the_secret_nor_the_token_a6() {
        let (secret, token) = (ClaimSecret::new([8; 32]), BalanceToken::new(AccountId([3; 16]), [4; 32]));
        let sealed = secret.seal(&HASH, token.secret());
        let mut about = [3; 48];
        about.split_at_mut(16).1.copy_from_slice(&HASH.0);
        for label in ["claim", "token"] {
            for derived in ours().topup_secrets(label, about) {
                assert_ne!(&derived, secret.expose());
                assert_ne!(BalanceToken::new(token.account, derived).digest(), token.digest());
                assert_eq!(ClaimSecret::new(derived).open(&HASH, &sealed), None);
            }
        }
        // A tag can be made by who has the keys; what counts is the digest in the books.
        let forged = ClaimSecret::new([9; 32]).to_text(&ours(), &HASH);
        assert_ne!(ClaimSecret::verify(&forged, &ours(), &HASH).unwrap(), secret);
    }

    #[test]
    fn a_seal_opens_with_its_secret_and_payment_alone_a6() {
        let secret = ClaimSecret::new([8; 32]);
        let sealed = secret.seal(&HASH, [4; 32]);
        assert_eq!(secret.open(&HASH, &sealed), Some([4; 32]));
        assert_eq!(secret.open(&PaymentHash([6; 32]), &sealed), None);
        assert_eq!(ClaimSecret::new([9; 32]).open(&HASH, &sealed), None);
        for place in 0..sealed.len() {
            let mut changed = sealed;
            changed[place] ^= 1;
            assert_eq!(secret.open(&HASH, &changed), None, "{place}");
        }
        assert_eq!(secret.open(&HASH, &sealed[..47]), None);
        assert_eq!(format!("{secret:?}"), "ClaimSecret");
    }
}
