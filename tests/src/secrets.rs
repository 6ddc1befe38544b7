//! Fresh secrets for each stack, in the forms of C9.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};

/// The worker's five secrets, and the one that only payouts need.
#[derive(Clone)]
pub struct Secrets {
    /// `1:<32 bytes>`
    pub master_keys: String,
    /// `whsec_<32 bytes>`, shared with the node webhook
    pub relay_secrets: String,
    /// `whsec_<32 bytes>`, for payouts
    pub payout_secrets: String,
    /// 32 bytes
    pub challenge_secret: String,
    /// An Ed25519 key, PKCS#8
    pub receipt_key: String,
    /// 32 bytes
    pub audit_key: String,
}

impl Secrets {
    /// New ones.
    pub fn random() -> Self {
        // PKCS#8 of an Ed25519 key: a fixed prefix and the seed (RFC 8410).
        let mut receipt_key = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
        receipt_key.extend(random());
        Self {
            master_keys: format!("1:{}", STANDARD.encode(random())),
            relay_secrets: format!("whsec_{}", STANDARD.encode(random())),
            payout_secrets: format!("whsec_{}", STANDARD.encode(random())),
            challenge_secret: STANDARD.encode(random()),
            receipt_key: STANDARD.encode(receipt_key),
            audit_key: STANDARD.encode(random()),
        }
    }

    /// Name and value as the worker's environment has them.
    pub fn bindings(&self) -> [(&'static str, &str); 5] {
        [
            ("MASTER_KEYS", &self.master_keys),
            ("RELAY_SECRETS", &self.relay_secrets),
            ("CHALLENGE_SECRET", &self.challenge_secret),
            ("RECEIPT_KEY", &self.receipt_key),
            ("AUDIT_KEY", &self.audit_key),
        ]
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// 32 bytes from the system.
pub fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system gives no randomness");
    bytes
}
