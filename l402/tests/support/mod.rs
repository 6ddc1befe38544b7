//! Invoices signed by a throw-away key, for the tests that need one to be paid.

use std::time::Duration;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use l402::{Msat, Preimage, UnixTime};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};

/// A regtest invoice of 600 seconds.
pub fn invoice(amount: Msat, preimage: &Preimage, at: UnixTime) -> String {
    let key = SecretKey::from_slice(&[0x2a; 32]).unwrap();
    InvoiceBuilder::new(Currency::Regtest)
        .amount_milli_satoshis(amount.0)
        .description("An article".to_owned())
        .payment_hash(sha256::Hash::from_byte_array(preimage.payment_hash().0))
        .payment_secret(PaymentSecret([0x33; 32]))
        .duration_since_epoch(Duration::from_secs(at.0))
        .expiry_time(Duration::from_secs(600))
        .min_final_cltv_expiry_delta(18)
        .build_signed(|hash| Secp256k1::new().sign_ecdsa_recoverable(hash, &key))
        .unwrap()
        .to_string()
}
