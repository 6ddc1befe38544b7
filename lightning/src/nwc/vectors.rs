//! The vectors of NIP-44 (github.com/paulmillr/nip44), through the calls that encrypt and decrypt here.

use l402::encoding;
use nostr::key::{Keys, PublicKey, SecretKey};
use nostr::nips::nip44::v2::{self, ConversationKey};
use serde_json::Value;

fn vectors(pointer: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("../../tests/data/nip44.vectors.json")).unwrap();
    all.pointer(pointer).and_then(Value::as_array).unwrap().clone()
}

fn bytes(vector: &Value, name: &str) -> [u8; 32] {
    hex::decode(vector[name].as_str().unwrap()).unwrap().try_into().unwrap()
}

fn secret(vector: &Value, name: &str) -> Option<SecretKey> {
    SecretKey::from_hex(vector[name].as_str().unwrap()).ok()
}

#[test]
fn both_sides_have_the_same_key() {
    for vector in vectors("/v2/valid/get_conversation_key") {
        let public = PublicKey::from_byte_array(bytes(&vector, "pub2"));
        let key = ConversationKey::derive(&secret(&vector, "sec1").unwrap(), &public).unwrap();
        assert_eq!(key.as_bytes(), bytes(&vector, "conversation_key"));
    }
    for vector in vectors("/v2/invalid/get_conversation_key") {
        let public = PublicKey::from_byte_array(bytes(&vector, "pub2"));
        let key = secret(&vector, "sec1").and_then(|secret| ConversationKey::derive(&secret, &public).ok());
        assert_eq!(key, None, "{}", vector["note"]);
    }
}

#[test]
fn what_is_encrypted_is_what_others_encrypt() {
    let all = vectors("/v2/valid/encrypt_decrypt");
    assert!(all.len() >= 10);
    for vector in all {
        let other = Keys::new(secret(&vector, "sec2").unwrap()).public_key();
        let key = ConversationKey::derive(&secret(&vector, "sec1").unwrap(), &other).unwrap();
        assert_eq!(key.as_bytes(), bytes(&vector, "conversation_key"));
        let plain = vector["plaintext"].as_str().unwrap();
        let payload = v2::encrypt_to_bytes_with_nonce(&key, plain.as_bytes(), bytes(&vector, "nonce")).unwrap();
        assert_eq!(encoding::to_base64(&payload), vector["ciphertext"].as_str().unwrap());
        assert_eq!(v2::decrypt_to_bytes(&key, &payload).unwrap(), plain.as_bytes());
    }
}

#[test]
fn what_was_altered_does_not_open() {
    for vector in vectors("/v2/invalid/decrypt") {
        let key = ConversationKey::new(bytes(&vector, "conversation_key"));
        let payload = encoding::base64_any(vector["ciphertext"].as_str().unwrap());
        let plain = v2::decrypt_to_bytes(&key, &payload.unwrap()).ok();
        assert_eq!(plain, None, "{}", vector["note"]);
    }
}
