//! Master keys and what is derived from them (T15, T16).
//!
//! A token's root key is HKDF-SHA256(master key, label ‖ identifier): nothing is stored per token,
//! and a new master key takes over without a day on which old tokens stop working.

use core::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use macaroon::MacaroonKey;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::identifier::Identifier;
use crate::secret::{Secret, SecretFault};

const ROOT_KEY_LABEL: &[u8] = b"satstile root key v0";
const ATTESTATION_LABEL: &[u8] = b"satstile attestation v0";
const REFERENCE_LABEL: &[u8] = b"satstile reference v0";
const BALANCE_LABEL: &[u8] = b"satstile balance token v0";
const CLAIM_LABEL: &[u8] = b"satstile balance claim v0";
const CLAIM_TAG_LABEL: &[u8] = b"satstile claim secret v1";
const ACCOUNT_LABEL: &[u8] = b"satstile account v1";

/// How many master keys may be live at once (T15).
pub const LIVE_KEYS_MAX: usize = 4;

/// The operator's keys: masters for tokens (the first one mints), and what `CHALLENGE_SECRET` gives.
#[derive(Clone)]
pub struct Keys {
    masters: Vec<Master>,
    challenge: Vec<Secret>,
    wait: Vec<[u8; 32]>,
    request: Vec<[u8; 32]>,
    handover: Vec<[u8; 32]>,
}

#[derive(Clone)]
struct Master {
    id: u8,
    retired: bool,
    extracted: Hkdf<Sha256>,
    fingerprint: String,
}

/// A master key that is in the ring.
#[derive(Clone, Debug)]
pub(crate) struct RootKey {
    pub(crate) key: MacaroonKey,
    pub(crate) retired: bool,
}

/// What a seal is for: a seal for one purpose is junk for the others (T17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The cookie of a browser that waits for its payment.
    WaitCookie,
    /// The id of a request to the node webhook, which its settlement brings back.
    RelayRequest,
    /// A link that opens a purchase somewhere else.
    Handover,
}

/// Why the configured keys cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeysFault {
    /// Not `<0–255>[!]:<base64>[,…]`.
    Form,
    /// One of the keys.
    Secret(u8, SecretFault),
    /// The same number twice.
    Twice(u8),
    /// No key to mint with, or more than four live.
    Count,
    /// One of the challenge secrets.
    Challenge(SecretFault),
}

impl fmt::Display for KeysFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => {
                f.write_str("MASTER_KEYS is not of the form `1:<base64>[,2:<base64>]`, with `2!:` for a retired key")
            }
            Self::Secret(id, fault) => write!(f, "MASTER_KEYS: key {id} {fault}"),
            Self::Twice(id) => write!(f, "MASTER_KEYS: key {id} stands there twice"),
            Self::Count => {
                f.write_str("MASTER_KEYS needs a live key in the first place, and at most 4 live; mark the others as retired, `2!:`")
            }
            Self::Challenge(fault) => write!(f, "CHALLENGE_SECRET {fault}"),
        }
    }
}

impl std::error::Error for KeysFault {}

impl Keys {
    /// Reads `MASTER_KEYS`, `1:<base64 32 bytes>[,2:…]` where the first mints and `1!:` marks a
    /// retired key, and `CHALLENGE_SECRET`, `<base64 32 bytes>[,…]` where the first signs (C9).
    ///
    /// # Errors
    /// [`KeysFault`], whose text never holds key material.
    pub fn parse(master_keys: &str, challenge_secrets: &str) -> Result<Self, KeysFault> {
        let mut masters: Vec<Master> = Vec::new();
        for entry in master_keys.split(',') {
            let (id, key) = entry.trim().split_once(':').ok_or(KeysFault::Form)?;
            let (id, retired) = id.strip_suffix('!').map_or((id, false), |id| (id, true));
            let id: u8 = id.parse().map_err(|_| KeysFault::Form)?;
            if masters.iter().any(|m| m.id == id) {
                return Err(KeysFault::Twice(id));
            }
            let secret = Secret::from_base64(key).map_err(|fault| KeysFault::Secret(id, fault))?;
            masters.push(Master {
                id,
                retired,
                extracted: Hkdf::new(None, secret.expose()),
                fingerprint: crate::secret::fingerprint(secret.expose()),
            });
        }
        let live = masters.iter().filter(|m| !m.retired).count();
        let first_mints = masters.first().is_some_and(|m| !m.retired);
        // Retired ones are as many as there are numbers: 256 in all.
        if !first_mints || live > LIVE_KEYS_MAX {
            return Err(KeysFault::Count);
        }
        let secrets: Vec<Secret> = challenge_secrets
            .split(',')
            .map(Secret::from_base64)
            .collect::<Result<_, _>>()
            .map_err(KeysFault::Challenge)?;
        let all = |label: &str| secrets.iter().map(|secret| derive(secret, label)).collect::<Vec<_>>();
        Ok(Self {
            masters,
            challenge: all("satstile payment challenge v0").iter().map(Secret::derived).collect(),
            wait: all("satstile wait cookie v0"),
            request: all("satstile relay request v0"),
            handover: all("satstile handover v0"),
        })
    }

    /// Secrets of the Payment challenge ids: the first signs, all verify.
    #[must_use]
    pub fn challenge_secrets(&self) -> &[Secret] {
        &self.challenge
    }

    /// Signs text for one purpose: base64url of HMAC-SHA256.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, text: &str) -> String {
        self.of(purpose).first().map(|key| mac(key, text)).unwrap_or_default()
    }

    /// Whether [`Keys::seal`] made this, now or before a rotation. Takes constant time.
    #[must_use]
    pub fn is_sealed(&self, purpose: Purpose, text: &str, unverified_seal: &str) -> bool {
        self.of(purpose).iter().any(|key| bool::from(mac(key, text).as_bytes().ct_eq(unverified_seal.as_bytes())))
    }

    fn of(&self, purpose: Purpose) -> &[[u8; 32]] {
        match purpose {
            Purpose::WaitCookie => &self.wait,
            Purpose::RelayRequest => &self.request,
            Purpose::Handover => &self.handover,
        }
    }

    /// The number of the key that mints.
    #[must_use]
    pub fn minting_id(&self) -> u8 {
        self.masters.first().map_or(0, |m| m.id)
    }

    /// The root key of a token, when its master key is known.
    pub(crate) fn root_key(&self, identifier: &Identifier) -> Option<RootKey> {
        let master = self.master(identifier)?;
        let key = master.expand(ROOT_KEY_LABEL, identifier)?;
        // Macaroon libraries run every root key through one more HMAC (`wire.md` §2).
        Some(RootKey { key: MacaroonKey::generate(&key), retired: master.retired })
    }

    /// What stands in for the preimage of a token whose payment the node attests without one. It is of this token
    /// alone, and no root key, seal or other secret of ours (T17); a master that is retired still checks it.
    pub(crate) fn attestation(&self, identifier: &Identifier) -> Option<[u8; 32]> {
        self.master(identifier)?.expand(ATTESTATION_LABEL, identifier)
    }

    fn master(&self, identifier: &Identifier) -> Option<&Master> {
        self.masters.iter().find(|m| m.id == identifier.key_id())
    }
}

impl Master {
    /// HKDF-Expand over `label ‖ identifier`. The identifier's length is fixed, so no two labels meet.
    fn expand(&self, label: &[u8], identifier: &Identifier) -> Option<[u8; 32]> {
        let mut key = [0; 32];
        self.extracted.expand_multi_info(&[label, &identifier.to_bytes()], &mut key).ok()?;
        Some(key)
    }
}

impl Keys {
    /// Hides the reference of a token, or shows it: XOR with a stream that is this token's alone (HKDF-Expand over its
    /// identifier). `None` when the master key is not known, or past 8,160 bytes.
    pub(crate) fn mask_reference(&self, identifier: &Identifier, bytes: &mut [u8]) -> Option<()> {
        let master = self.masters.iter().find(|m| m.id == identifier.key_id())?;
        let mut stream = vec![0; bytes.len()];
        master.extracted.expand_multi_info(&[REFERENCE_LABEL, &identifier.to_bytes()], &mut stream).ok()?;
        bytes.iter_mut().zip(stream).for_each(|(byte, mask)| *byte ^= mask);
        Some(())
    }
}

impl Keys {
    /// The tag of a balance's token under the master key of this number, retired or not; `None` when there is none.
    pub(crate) fn balance_tag(&self, id: u8, body: &[u8; 48]) -> Option<[u8; 16]> {
        let master = self.masters.iter().find(|m| m.id == id)?;
        let mut tag = [0; 16];
        master.extracted.expand_multi_info(&[BALANCE_LABEL, body], &mut tag).ok()?;
        Some(tag)
    }

    /// The tag of a claim secret under the master key of this number, retired or not; `None` when there is none.
    pub(crate) fn claim_tag(&self, id: u8, payment_hash: &[u8; 32], secret: &[u8; 32]) -> Option<[u8; 16]> {
        let master = self.masters.iter().find(|m| m.id == id)?;
        let mut tag = [0; 16];
        master.extracted.expand_multi_info(&[CLAIM_TAG_LABEL, payment_hash, secret], &mut tag).ok()?;
        Some(tag)
    }

    /// What says that an account's name was given here, by each master key, the one that mints first. `about` has one of
    /// two lengths, so no two names meet.
    pub(crate) fn account_tags<const N: usize>(&self, about: &[u8]) -> impl Iterator<Item = [u8; N]> {
        self.masters.iter().filter_map(move |master| {
            let mut tag = [0; N];
            master.extracted.expand_multi_info(&[ACCOUNT_LABEL, about], &mut tag).ok()?;
            Some(tag)
        })
    }

    /// 32 bytes that only these keys give: `label` says what for. The secrets of a refund's link; and those of top-ups from
    /// before they were random. The key that mints today gives the first of them; those before a rotation follow.
    pub fn topup_secrets(&self, label: &'static str, about: [u8; 48]) -> impl Iterator<Item = [u8; 32]> {
        self.masters.iter().filter_map(move |master| {
            let mut secret = [0; 32];
            master.extracted.expand_multi_info(&[CLAIM_LABEL, label.as_bytes(), &about], &mut secret).ok()?;
            Some(secret)
        })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.masters.iter().map(|m| (m.id, &m.fingerprint))).finish()
    }
}

/// A key for one purpose only, from a secret that serves several (T16, T17).
#[must_use]
pub fn derive(secret: &Secret, label: &str) -> [u8; 32] {
    let mut key = [0; 32];
    // Expanding fails only past 8,160 bytes.
    let _ = Hkdf::<Sha256>::new(None, secret.expose()).expand(label.as_bytes(), &mut key);
    key
}

fn mac(key: &[u8; 32], text: &str) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(text.as_bytes());
    crate::encoding::to_base64url(&mac.finalize().into_bytes())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::encoding::to_base64;
    use crate::preimage::PaymentHash;

    pub(crate) fn key(seed: u8) -> String {
        to_base64(&(0..32u8).map(|i| i.wrapping_mul(37) ^ seed.wrapping_mul(59)).collect::<Vec<_>>())
    }

    #[test]
    fn a_key_ring_is_read_strictly() {
        let keys = Keys::parse(&format!("3:{},1!:{}", key(3), key(1)), &key(9)).unwrap();
        assert_eq!(keys.minting_id(), 3);
        for (text, fault) in [
            (String::new(), KeysFault::Form),
            ("x:".to_owned() + &key(1), KeysFault::Form),
            ("256:".to_owned() + &key(1), KeysFault::Form),
            ("1:AAAA".to_owned(), KeysFault::Secret(1, SecretFault::Short)),
            (format!("1:{},1:{}", key(1), key(2)), KeysFault::Twice(1)),
            (format!("1!:{}", key(1)), KeysFault::Count),
            ((1..=5).map(|i| format!("{i}:{}", key(i))).collect::<Vec<_>>().join(","), KeysFault::Count),
        ] {
            assert_eq!(Keys::parse(&text, &key(9)).unwrap_err(), fault, "{text}");
        }
    }

    /// T15: over the years there are more than sixteen; at most four of them are live at a time.
    #[test]
    fn as_many_keys_are_kept_as_there_are_numbers_a6() {
        let retired = (4..=255).map(|i| format!("{i}!:{}", key(i)));
        let live = (0..4).map(|i| format!("{i}:{}", key(i)));
        let all = live.chain(retired).collect::<Vec<_>>().join(",");
        let keys = Keys::parse(&all, &key(9)).unwrap();
        for id in [0, 3, 17, 255] {
            let root = keys.root_key(&Identifier::new(PaymentHash([7; 32]), id, [1; 31])).unwrap();
            assert_eq!(root.retired, id > 3);
        }
    }

    #[test]
    fn each_token_has_a_root_key_of_its_own_and_an_unknown_master_has_none() {
        let keys = Keys::parse(&format!("1:{},2!:{}", key(1), key(2)), &key(9)).unwrap();
        let root = |id: u8, r: u8| keys.root_key(&Identifier::new(PaymentHash([7; 32]), id, [r; 31]));
        assert_eq!(root(1, 1).unwrap().key, root(1, 1).unwrap().key);
        assert_ne!(root(1, 1).unwrap().key, root(1, 2).unwrap().key);
        assert!(root(2, 1).unwrap().retired && !root(1, 1).unwrap().retired);
        assert!(root(3, 1).is_none());
    }

    #[test]
    fn an_attestation_is_of_one_token_and_of_one_master_t17() {
        let keys = Keys::parse(&format!("1:{},2!:{}", key(1), key(2)), &key(9)).unwrap();
        let id = |id: u8, hash: u8, r: u8| Identifier::new(PaymentHash([hash; 32]), id, [r; 31]);
        let of = |identifier: &Identifier| keys.attestation(identifier);
        let ours = of(&id(1, 7, 1)).unwrap();
        // Pinned: HKDF-SHA256, the label `satstile attestation v0`, the 66 bytes; credentials out there hold it.
        assert_eq!(hex::encode(ours), "2ced75d43811b8fa3d671b875595d4a9e35759283acffd68073f62533abe69de");
        for other in [id(1, 7, 2), id(1, 8, 1), id(2, 7, 1)] {
            assert_ne!(of(&other).unwrap(), ours, "{other:?}");
        }
        assert_eq!(of(&id(3, 7, 1)), None);
        // Not the root key, nor what it is made of.
        assert_ne!(MacaroonKey::generate(&ours), keys.root_key(&id(1, 7, 1)).unwrap().key);
        assert_ne!(MacaroonKey::from(ours), keys.root_key(&id(1, 7, 1)).unwrap().key);
    }

    #[test]
    fn a_seal_is_good_for_its_purpose_and_across_a_rotation_t17() {
        let masters = format!("1:{}", key(1));
        let old = Keys::parse(&masters, &key(8)).unwrap();
        let new = Keys::parse(&masters, &format!("{},{}", key(9), key(8))).unwrap();
        let seal = old.seal(Purpose::WaitCookie, "text");
        assert!(old.is_sealed(Purpose::WaitCookie, "text", &seal) && new.is_sealed(Purpose::WaitCookie, "text", &seal));
        for other in [Purpose::RelayRequest, Purpose::Handover] {
            assert!(!old.is_sealed(other, "text", &seal), "{other:?}");
        }
        assert!(!old.is_sealed(Purpose::WaitCookie, "texts", &seal) && !old.is_sealed(Purpose::WaitCookie, "text", ""));
        assert_ne!(new.seal(Purpose::WaitCookie, "text"), seal);
        assert_eq!(Keys::parse(&masters, "").unwrap_err(), KeysFault::Challenge(SecretFault::Short));
    }

    #[test]
    fn a_key_ring_does_not_print() {
        let shown = format!("{:?}", Keys::parse(&format!("1:{}", key(1)), &key(9)).unwrap());
        assert_eq!(shown.len(), "{1: \"12345678\"}".len(), "{shown}");
    }
}
