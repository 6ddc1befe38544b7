//! Receipts: MPP's `Payment-Receipt` header, and the signed receipt of C16 that a third party can check.
//!
//! A header receipt says "this response was paid for" to the client that paid. A signed receipt is a JWS (RFC 7515)
//! over who sold what for how much; it never contains the macaroon or the preimage. Signing is left to the shell:
//! WebCrypto at the edge holds the key, here only the bytes are laid out. Checking it is left to the command line.

use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::amount::Msat;
use crate::encoding;
use crate::preimage::PaymentHash;
use crate::time::UnixTime;

/// The longest receipt that is read, in bytes.
pub const RECEIPT_BYTES_MAX: usize = 4_096;

/// The `Payment-Receipt` header (`wire.md` 4.5): only on a 2xx, whose `Cache-Control` is then `private`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentReceipt {
    status: String,
    method: String,
    timestamp: String,
    reference: String,
    #[serde(rename = "challengeId", default, skip_serializing_if = "Option::is_none")]
    challenge_id: Option<String>,
}

impl PaymentReceipt {
    /// For a payment that was delivered `at`. An L402 credential has no challenge id.
    #[must_use]
    pub fn new(payment_hash: &PaymentHash, challenge_id: Option<&str>, at: UnixTime) -> Self {
        Self {
            status: "success".to_owned(),
            method: "lightning".to_owned(),
            timestamp: at.to_string(),
            reference: payment_hash.to_string(),
            challenge_id: challenge_id.map(str::to_owned),
        }
    }

    /// The header's value.
    ///
    /// ```
    /// use l402::{PaymentHash, UnixTime, receipt::PaymentReceipt};
    /// let value = PaymentReceipt::new(&PaymentHash([7; 32]), None, UnixTime(0)).to_header();
    /// assert_eq!(PaymentReceipt::parse(&value).unwrap().reference(), "07".repeat(32));
    /// ```
    #[must_use]
    pub fn to_header(&self) -> String {
        to_base64url(self)
    }

    /// Reads a header's value. It is not signed: it says what the sender of the response says.
    ///
    /// # Errors
    /// [`ReceiptFault::Unreadable`].
    pub fn parse(unverified_value: &str) -> Result<Self, ReceiptFault> {
        from_base64url(unverified_value)
    }

    /// The payment hash, in hex, when the receipt is one of ours.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The id of the Payment challenge that was answered.
    #[must_use]
    pub fn challenge_id(&self) -> Option<&str> {
        self.challenge_id.as_deref()
    }
}

/// The header's value for the end of a session: what goes back, and what became of that.
#[must_use]
pub fn closed_session(session: &PaymentHash, at: UnixTime, refund_sats: u64, refund_status: &str) -> String {
    /// In the order of their JSON names.
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Closed<'a> {
        method: &'static str,
        reference: String,
        refund_sats: u64,
        refund_status: &'a str,
        status: &'static str,
        timestamp: String,
    }
    to_base64url(&Closed {
        method: "lightning",
        reference: session.to_string(),
        refund_sats,
        refund_status,
        status: "success",
        timestamp: at.to_string(),
    })
}

/// What a signed receipt says (C16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The public URL of the seller.
    pub issuer: String,
    /// The service that was sold.
    pub service: String,
    /// What was paid.
    pub amount: Msat,
    /// The invoice's payment hash.
    pub payment_hash: PaymentHash,
    /// The id of the Payment challenge, when there was one.
    pub challenge_id: Option<String>,
    /// When it was delivered.
    pub issued_at: UnixTime,
}

/// Names as in RFC 7519 where that has one, in the order of their JSON names.
#[derive(Serialize, Deserialize)]
struct Claims {
    amount_msat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge_id: Option<String>,
    iat: u64,
    iss: String,
    payment_hash: String,
    service: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

const ALGORITHM: &str = "EdDSA";
const TYPE: &str = "satstile-receipt+jwt";

impl Receipt {
    /// The bytes to sign with the Ed25519 key whose [`key_id`] is `key_id`: header and claims of a JWS.
    #[must_use]
    pub fn to_sign(&self, key_id: &str) -> SigningInput {
        let header = Header { alg: ALGORITHM.to_owned(), kid: key_id.to_owned(), typ: TYPE.to_owned() };
        let claims = Claims {
            amount_msat: self.amount.0,
            challenge_id: self.challenge_id.clone(),
            iat: self.issued_at.0,
            iss: self.issuer.clone(),
            payment_hash: self.payment_hash.to_string(),
            service: self.service.clone(),
        };
        SigningInput(format!("{}.{}", to_base64url(&header), to_base64url(&claims)))
    }
}

/// Header and claims, encoded; lacks a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningInput(String);

impl SigningInput {
    /// What the key signs.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The receipt, complete: a JWS in compact form.
    #[must_use]
    pub fn with_signature(&self, signature: &[u8; 64]) -> String {
        format!("{}.{}", self.0, encoding::to_base64url(signature))
    }
}

/// A receipt as somebody shows it, to be believed only once the signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnverifiedReceipt {
    /// Which key claims to have signed it: look it up in the issuer's `keys.json`.
    pub key_id: String,
    /// What must have been signed.
    pub signing_input: SigningInput,
    /// Ed25519, over [`UnverifiedReceipt::signing_input`].
    pub signature: [u8; 64],
    /// What it says.
    pub unverified_receipt: Receipt,
}

impl UnverifiedReceipt {
    /// Takes a compact JWS apart. Only EdDSA receipts of ours: a receipt never chooses its own algorithm.
    ///
    /// # Errors
    /// [`ReceiptFault`].
    pub fn parse(text: &str) -> Result<Self, ReceiptFault> {
        let (signed, signature) = text.rsplit_once('.').ok_or(ReceiptFault::Unreadable)?;
        let (header, claims) = signed.split_once('.').ok_or(ReceiptFault::Unreadable)?;
        let header: Header = from_base64url(header)?;
        if header.alg != ALGORITHM || header.typ != TYPE {
            return Err(ReceiptFault::NotOurs);
        }
        let claims: Claims = from_base64url(claims)?;
        let signature = encoding::base64url(signature).and_then(|bytes| bytes.try_into().ok());
        Ok(Self {
            key_id: header.kid,
            signing_input: SigningInput(signed.to_owned()),
            signature: signature.ok_or(ReceiptFault::Unreadable)?,
            unverified_receipt: Receipt {
                issuer: claims.iss,
                service: claims.service,
                amount: Msat(claims.amount_msat),
                payment_hash: PaymentHash::from_hex(&claims.payment_hash).ok_or(ReceiptFault::Unreadable)?,
                challenge_id: claims.challenge_id,
                issued_at: UnixTime(claims.iat),
            },
        })
    }
}

/// Why a text is no receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptFault {
    /// Not base64url of the JSON of a receipt, or too long.
    Unreadable,
    /// A JWS of another type or algorithm.
    NotOurs,
}

impl fmt::Display for ReceiptFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "not a receipt",
            Self::NotOurs => "a signed text, but not an EdDSA receipt of Satstile",
        })
    }
}

impl std::error::Error for ReceiptFault {}

/// A public key as a JWK (RFC 8037), in the order of its JSON names.
#[derive(Serialize)]
struct Jwk {
    alg: &'static str,
    crv: &'static str,
    kid: String,
    kty: &'static str,
    r#use: &'static str,
    x: String,
}

#[derive(Serialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

/// The id of an Ed25519 public key: its JWK thumbprint (RFC 7638, RFC 8037 A.3).
#[must_use]
pub fn key_id(public_key: &[u8; 32]) -> String {
    let x = encoding::to_base64url(public_key);
    let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
    encoding::to_base64url(&thumbprint)
}

/// The document at `/.well-known/satstile/keys.json`: a JWK set, the current key first, older ones kept (C16).
#[must_use]
pub fn keys_json(public_keys: &[[u8; 32]]) -> String {
    let jwk = |key: &[u8; 32]| Jwk {
        alg: ALGORITHM,
        crv: "Ed25519",
        kid: key_id(key),
        kty: "OKP",
        r#use: "sig",
        x: encoding::to_base64url(key),
    };
    // Strings alone cannot fail to serialise.
    serde_json::to_string(&JwkSet { keys: public_keys.iter().map(jwk).collect() }).unwrap_or_default()
}

fn to_base64url(value: &impl Serialize) -> String {
    // Strings and integers alone cannot fail to serialise.
    encoding::to_base64url(&serde_json::to_vec(value).unwrap_or_default())
}

fn from_base64url<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, ReceiptFault> {
    let json = Some(text).filter(|text| text.len() <= RECEIPT_BYTES_MAX).and_then(encoding::base64url);
    serde_json::from_slice(&json.ok_or(ReceiptFault::Unreadable)?).map_err(|_| ReceiptFault::Unreadable)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

    use super::*;

    /// RFC 8032 §7.1, test 1; also the key of RFC 8037 A.1.
    fn key() -> SigningKey {
        let secret = hex::decode("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60").unwrap();
        SigningKey::from_bytes(&secret.try_into().unwrap())
    }

    fn receipt() -> Receipt {
        Receipt {
            issuer: "https://api.example.com".to_owned(),
            service: "articles".to_owned(),
            amount: Msat(21_000),
            payment_hash: PaymentHash([7; 32]),
            challenge_id: None,
            issued_at: UnixTime(1_900_000_000),
        }
    }

    fn signed(receipt: &Receipt) -> String {
        let input = receipt.to_sign(&key_id(key().verifying_key().as_bytes()));
        input.with_signature(&key().sign(input.as_bytes()).to_bytes())
    }

    fn holds(text: &str, key: &VerifyingKey) -> bool {
        let receipt = UnverifiedReceipt::parse(text).unwrap();
        key.verify_strict(receipt.signing_input.as_bytes(), &Signature::from_bytes(&receipt.signature)).is_ok()
    }

    #[test]
    fn a_key_is_named_by_its_thumbprint() {
        // RFC 8037 A.3.
        assert_eq!(key_id(key().verifying_key().as_bytes()), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_signed_receipt_reads_back_and_its_signature_holds() {
        for receipt in [receipt(), Receipt { challenge_id: Some("x7Tg".to_owned()), ..receipt() }] {
            let text = signed(&receipt);
            assert!(holds(&text, &key().verifying_key()));
            assert_eq!(UnverifiedReceipt::parse(&text).unwrap().unverified_receipt, receipt);
        }
    }

    #[test]
    fn one_changed_claim_breaks_the_signature() {
        let genuine = signed(&receipt());
        let (_, signature) = genuine.rsplit_once('.').unwrap();
        let other = Receipt { amount: Msat(21_001), ..receipt() }.to_sign(&key_id(key().verifying_key().as_bytes()));
        let forged = format!("{}.{signature}", String::from_utf8_lossy(other.as_bytes()));
        assert!(!holds(&forged, &key().verifying_key()));
    }

    #[test]
    fn a_receipt_does_not_choose_its_algorithm() {
        let text = signed(&receipt());
        let (header, rest) = text.split_once('.').unwrap();
        let json = String::from_utf8(encoding::base64url(header).unwrap()).unwrap();
        for other in
            [json.replace("EdDSA", "none"), json.replace("EdDSA", "HS256"), json.replace("satstile-receipt", "x")]
        {
            let forged = format!("{}.{rest}", encoding::to_base64url(other.as_bytes()));
            assert_eq!(UnverifiedReceipt::parse(&forged), Err(ReceiptFault::NotOurs), "{other}");
        }
    }

    #[test]
    fn the_signed_bytes_are_pinned() {
        let input = receipt().to_sign("k");
        let parts: Vec<String> = String::from_utf8_lossy(input.as_bytes())
            .split('.')
            .map(|part| String::from_utf8(encoding::base64url(part).unwrap()).unwrap())
            .collect();
        let hash = "07".repeat(32);
        assert_eq!(
            parts,
            [
                r#"{"alg":"EdDSA","kid":"k","typ":"satstile-receipt+jwt"}"#.to_owned(),
                format!(
                    r#"{{"amount_msat":21000,"iat":1900000000,"iss":"https://api.example.com","payment_hash":"{hash}","service":"articles"}}"#
                ),
            ]
        );
    }

    #[test]
    fn keys_are_published_as_a_jwk_set() {
        let json = keys_json(&[*key().verifying_key().as_bytes()]);
        let expected = concat!(
            r#"{"keys":[{"alg":"EdDSA","crv":"Ed25519","kid":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k","#,
            r#""kty":"OKP","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
        );
        assert_eq!(json, expected);
        assert_eq!(keys_json(&[]), r#"{"keys":[]}"#);
    }

    #[test]
    fn a_header_receipt_is_pinned_and_reads_back() {
        let receipt = PaymentReceipt::new(&PaymentHash([7; 32]), Some("x7Tg"), UnixTime(1_900_000_000));
        let json = encoding::base64url(&receipt.to_header()).unwrap();
        let hash = "07".repeat(32);
        let expected = format!(
            r#"{{"status":"success","method":"lightning","timestamp":"2030-03-17T17:46:40Z","reference":"{hash}","challengeId":"x7Tg"}}"#
        );
        assert_eq!(String::from_utf8(json).unwrap(), expected);
        assert_eq!(PaymentReceipt::parse(&receipt.to_header()), Ok(receipt));
    }

    #[test]
    fn what_is_no_receipt_is_refused() {
        let long = "A".repeat(RECEIPT_BYTES_MAX + 4);
        for text in ["", ".", "..", "a.b", "a.b.c", "e30.e30.AA", "e30", "!", long.as_str()] {
            assert!(UnverifiedReceipt::parse(text).is_err(), "{text}");
            assert!(PaymentReceipt::parse(text).is_err(), "{text}");
        }
    }
}
