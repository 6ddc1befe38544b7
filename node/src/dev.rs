//! The embedded dev node: real regtest BOLT11, signed by its own key. It has no channels and no peers; its invoices
//! are paid by the dev wallet beside it, and by nobody else.

use std::time::Duration;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{All, PublicKey, Secp256k1, SecretKey};
use l402::relay::InvoiceCreate;
use l402::{Msat, PaymentHash, Preimage, UnixTime};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};

use crate::invoice::{self, Expected};
use crate::problem::Problem;

const DESCRIPTION_BYTES_MAX: usize = 639; // what fits into a BOLT11 `d` field
const EXPIRY_S: std::ops::RangeInclusive<u64> = 60..=7 * 86_400;
const LABEL_BYTES_MAX: usize = 128; // service and purpose, which are kept for the books

/// The signer of the invoices.
pub(crate) struct DevNode {
    key: SecretKey,
    secp: Secp256k1<All>,
    payee: PublicKey,
    pinned: Option<PublicKey>,
}

/// An invoice that was checked and can be kept and sold.
pub(crate) struct Made {
    pub(crate) bolt11: String,
    pub(crate) payment_hash: PaymentHash,
    pub(crate) preimage: Preimage,
    pub(crate) expires_at: UnixTime,
}

/// The chance in an invoice, drawn by the caller.
pub(crate) struct Chance {
    /// Becomes the preimage.
    pub(crate) preimage: [u8; 32],
    /// Stops a node on the way from probing for the payee (BOLT 11, `s`).
    pub(crate) payment_secret: [u8; 32],
}

impl DevNode {
    /// Takes the key, and the pin of `--payee`.
    pub(crate) fn new(key: SecretKey, pinned: Option<PublicKey>) -> Self {
        let secp = Secp256k1::new();
        let payee = key.public_key(&secp);
        Self { key, secp, payee, pinned }
    }

    /// Who the invoices pay.
    pub(crate) const fn payee(&self) -> PublicKey {
        self.payee
    }

    /// Makes an invoice exactly as ordered, and believes it only after reading it back.
    pub(crate) fn make(&self, order: &InvoiceCreate, chance: &Chance, now: UnixTime) -> Result<Made, Problem> {
        if !(1..=Msat::MAX.0).contains(&order.amount_msat) {
            return Err(Problem::Amount);
        }
        if order.description.len() > DESCRIPTION_BYTES_MAX {
            return Err(Problem::Description);
        }
        if !EXPIRY_S.contains(&order.expiry_s) {
            return Err(Problem::Expiry);
        }
        if [&order.service, &order.purpose].iter().any(|label| label.len() > LABEL_BYTES_MAX) {
            return Err(Problem::Label);
        }
        let asked: Option<PublicKey> =
            order.payee.as_deref().map(str::parse).transpose().map_err(|_| Problem::Payee)?;
        let payees: Vec<PublicKey> = self.pinned.into_iter().chain(asked).chain([self.payee]).collect();
        if payees.iter().any(|payee| *payee != self.payee) {
            return Err(Problem::Payee);
        }

        let preimage = Preimage::new(chance.preimage);
        let payment_hash = preimage.payment_hash();
        let bolt11 = self.sign(order, payment_hash, chance.payment_secret, now)?;
        let expected = Expected {
            payment_hash,
            amount_msat: order.amount_msat,
            description: &order.description,
            expiry_s: order.expiry_s,
            payees: &payees,
        };
        invoice::check(&bolt11, &expected).map_err(|what| {
            tracing::error!(what, "the dev node made another invoice than it was asked for");
            Problem::Mismatch
        })?;
        Ok(Made { bolt11, payment_hash, preimage, expires_at: now.plus(order.expiry_s) })
    }

    fn sign(
        &self,
        order: &InvoiceCreate,
        hash: PaymentHash,
        secret: [u8; 32],
        now: UnixTime,
    ) -> Result<String, Problem> {
        let invoice = InvoiceBuilder::new(Currency::Regtest)
            .description(order.description.clone())
            .payment_hash(sha256::Hash::from_byte_array(hash.0))
            .payment_secret(PaymentSecret(secret))
            .duration_since_epoch(Duration::from_secs(now.0))
            .expiry_time(Duration::from_secs(order.expiry_s))
            .min_final_cltv_expiry_delta(144)
            .amount_milli_satoshis(order.amount_msat)
            .basic_mpp()
            .build_signed(|message| self.secp.sign_ecdsa_recoverable(message, &self.key));
        invoice.map(|invoice| invoice.to_string()).map_err(|fault| {
            tracing::error!(%fault, "the dev node cannot make this invoice");
            Problem::Mismatch
        })
    }
}

#[cfg(test)]
#[path = "dev_tests.rs"]
mod tests;
