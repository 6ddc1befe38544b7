//! Signed receipts (C16): who sold what to which payment, checkable by anybody with `keys.json`.

use std::cell::RefCell;

use l402::receipt::{Receipt, key_id, keys_json};

use crate::platform::{crypto, log};

/// Length of an Ed25519 private key in PKCS#8 (RFC 8410 §7): 16 bytes of wrapping, 32 of key.
const PKCS8_BYTES: usize = 48;
const PKCS8_PREFIX: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// The operator's receipt keys; the first signs, the others stay published after a rotation.
#[derive(Clone)]
pub struct ReceiptKeys(Vec<Vec<u8>>);

#[derive(Clone)]
struct Imported {
    key: web_sys::CryptoKey,
    public: [u8; 32],
}

thread_local! {
    static IMPORTED: RefCell<Option<Vec<Imported>>> = const { RefCell::new(None) };
}

impl ReceiptKeys {
    /// Reads `<base64 PKCS#8>[,…]`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let keys: Option<Vec<_>> = text
            .split(',')
            .map(|key| {
                l402::encoding::base64_any(key.trim())
                    .filter(|k| k.len() == PKCS8_BYTES && k.starts_with(&PKCS8_PREFIX))
            })
            .collect();
        let keys = keys.ok_or("is not an Ed25519 key in PKCS#8, base64; make one with `openssl genpkey -algorithm ed25519 -outform DER | base64`")?;
        if keys.iter().any(|key| l402::Secret::new(key.get(16..).unwrap_or_default().to_vec()).is_err()) {
            return Err("is a sample value that anybody knows");
        }
        Ok(Self(keys))
    }

    async fn imported(&self) -> Result<Vec<Imported>, wasm_bindgen::JsValue> {
        if let Some(keys) = IMPORTED.with_borrow(Clone::clone) {
            return Ok(keys);
        }
        let mut keys = Vec::new();
        for pkcs8 in &self.0 {
            let key = crypto::import_signing_key(pkcs8).await?;
            let public = crypto::public_key(&key).await?;
            keys.push(Imported { key, public });
        }
        IMPORTED.with_borrow_mut(|imported| *imported = Some(keys.clone()));
        Ok(keys)
    }

    /// The public keys as a JWK set.
    pub async fn published(&self) -> Result<String, wasm_bindgen::JsValue> {
        let publics: Vec<_> = self.imported().await?.iter().map(|key| key.public).collect();
        Ok(keys_json(&publics))
    }

    /// The receipt as a compact JWS. A purchase is not refused for want of a receipt: `None` when
    /// the platform cannot sign.
    pub async fn sign(&self, receipt: &Receipt) -> Option<String> {
        match self.try_sign(receipt).await {
            Ok(jws) => Some(jws),
            Err(error) => {
                log::failed("receipt", &format!("{error:?}"));
                None
            }
        }
    }

    async fn try_sign(&self, receipt: &Receipt) -> Result<String, wasm_bindgen::JsValue> {
        let keys = self.imported().await?;
        let signer = keys.first().ok_or("no receipt key")?;
        let input = receipt.to_sign(&key_id(&signer.public));
        Ok(input.with_signature(&crypto::sign(&signer.key, input.as_bytes()).await?))
    }
}
