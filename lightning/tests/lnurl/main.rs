//! LNURL from outside in: real signed invoices, the replies of a service, and what becomes of them.

use std::time::Duration;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use l402::bolt11::Network;
use l402::{Msat, UnixTime};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};
use satstile_lightning::HttpReply;
use satstile_lightning::lnurl::{Guard, Loopback, Terms};

mod pay;
mod round_trips;
mod withdraw;

const NOW: UnixTime = UnixTime(1_900_000_000);
const TERMS: Terms = Terms { network: Network::Regtest, min_expiry_s: 60, now: NOW };
const GUARD: Guard<'_> = Guard { own_hosts: &["shop.example"], loopback: Loopback::Refused };

/// An invoice that somebody signed, 600 seconds long.
#[derive(Clone, Debug)]
struct Signed {
    currency: Currency,
    amount: Option<Msat>,
    made_at: UnixTime,
    /// Of this text it carries the hash, instead of a description.
    hash_of: Option<&'static str>,
}

impl Signed {
    fn of(amount: u64) -> Self {
        Self { currency: Currency::Regtest, amount: Some(Msat(amount)), made_at: NOW, hash_of: None }
    }

    fn text(self) -> String {
        let key = SecretKey::from_slice(&[0x2a; 32]).unwrap();
        let mut builder = InvoiceBuilder::new(self.currency);
        if let Some(amount) = self.amount {
            builder = builder.amount_milli_satoshis(amount.0);
        }
        let described = match self.hash_of {
            Some(text) => builder.description_hash(sha256::Hash::hash(text.as_bytes())),
            None => builder.description("A payout".to_owned()),
        };
        described
            .payment_hash(sha256::Hash::from_byte_array([7; 32]))
            .payment_secret(PaymentSecret([0x33; 32]))
            .duration_since_epoch(Duration::from_secs(self.made_at.0))
            .expiry_time(Duration::from_secs(600))
            .min_final_cltv_expiry_delta(18)
            .build_signed(|hash| Secp256k1::new().sign_ecdsa_recoverable(hash, &key))
            .unwrap()
            .to_string()
    }
}

fn ok(body: &str) -> HttpReply {
    HttpReply::new(200, body)
}
