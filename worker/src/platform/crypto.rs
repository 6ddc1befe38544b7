//! Chance and Ed25519, both from the platform.

use worker::js_sys::{Array, Object, Reflect, Uint8Array, global};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::wasm_bindgen_futures::JsFuture;

/// Random bytes from the platform's generator.
pub fn random<const N: usize>() -> worker::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| "the platform gives no random bytes")?;
    Ok(bytes)
}

fn subtle() -> Result<web_sys::SubtleCrypto, JsValue> {
    Ok(Reflect::get(&global(), &"crypto".into())?.unchecked_into::<web_sys::Crypto>().subtle())
}

fn ed25519() -> Result<Object, JsValue> {
    let algorithm = Object::new();
    Reflect::set(&algorithm, &"name".into(), &"Ed25519".into())?;
    Ok(algorithm)
}

/// Imports a PKCS#8 private key for signing; extractable, since its public half is read from it.
pub async fn import_signing_key(pkcs8: &[u8]) -> Result<web_sys::CryptoKey, JsValue> {
    let usages = Array::of1(&"sign".into());
    let key = subtle()?.import_key_with_object("pkcs8", &Uint8Array::from(pkcs8), &ed25519()?, true, &usages)?;
    JsFuture::from(key).await.map(JsCast::unchecked_into)
}

/// The 32-byte public key of a private one.
pub async fn public_key(key: &web_sys::CryptoKey) -> Result<[u8; 32], JsValue> {
    let jwk = JsFuture::from(subtle()?.export_key("jwk", key)?).await?;
    let x = Reflect::get(&jwk, &"x".into())?.as_string().unwrap_or_default();
    let bytes = l402::encoding::base64url(&x).and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| JsValue::from("the key has no public half"))
}

/// Signs; 64 bytes.
pub async fn sign(key: &web_sys::CryptoKey, message: &[u8]) -> Result<[u8; 64], JsValue> {
    let promise = subtle()?.sign_with_object_and_js_u8_array(&ed25519()?, key, &Uint8Array::from(message))?;
    let signature = Uint8Array::new(&JsFuture::from(promise).await?).to_vec();
    signature.try_into().map_err(|_| JsValue::from("not an Ed25519 signature"))
}
