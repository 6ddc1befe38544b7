//! The embedded dev node: real regtest BOLT11, signed by its own key. It has no channels and no peers; its invoices
//! are paid by the dev wallet beside it, and by nobody else.

use std::time::Duration;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{All, PublicKey, Secp256k1, SecretKey};
use l402::bolt11::Network;
use l402::relay::InvoiceCreate;
use l402::{PaymentHash, Preimage, UnixTime};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};

use crate::invoice::{self, Expected};
use crate::order::{self, Made};
use crate::problem::Problem;

/// Names it in the books and in replies.
pub(crate) const BACKEND: &str = "dev";

/// The signer of the invoices.
pub(crate) struct DevNode {
    key: SecretKey,
    secp: Secp256k1<All>,
    payee: PublicKey,
    pinned: Option<PublicKey>,
}

/// The chance in an invoice, drawn by the caller.
pub(crate) struct Chance {
    /// Becomes the preimage.
    pub(crate) preimage: [u8; 32],
    /// Stops a node on the way from probing for the payee (BOLT 11, `s`).
    pub(crate) payment_secret: [u8; 32],
}

impl Chance {
    /// Asks the system for it.
    pub(crate) fn draw() -> Result<Self, Problem> {
        let mut chance = Self { preimage: [0; 32], payment_secret: [0; 32] };
        let drawn = getrandom::fill(&mut chance.preimage).and_then(|()| getrandom::fill(&mut chance.payment_secret));
        drawn.map(|()| chance).map_err(|_| {
            tracing::error!("the system gives no random bytes");
            Problem::Unavailable
        })
    }
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
        order::check(order)?;
        self.make_over(Some(order.amount_msat), order, chance, now)
    }

    /// The same for whatever is paid; the order's amount is not looked at.
    pub(crate) fn make_for_any_amount(
        &self,
        order: &InvoiceCreate,
        chance: &Chance,
        now: UnixTime,
    ) -> Result<Made, Problem> {
        order::check_all_but_the_amount(order)?;
        self.make_over(None, order, chance, now)
    }

    fn make_over(
        &self,
        amount_msat: Option<u64>,
        order: &InvoiceCreate,
        chance: &Chance,
        now: UnixTime,
    ) -> Result<Made, Problem> {
        let mut payees = order::payees(order, self.pinned)?;
        if payees.iter().any(|payee| *payee != self.payee) {
            return Err(Problem::Payee);
        }
        payees.push(self.payee);

        let preimage = Preimage::new(chance.preimage);
        let payment_hash = preimage.payment_hash();
        let bolt11 = self.sign(amount_msat, order, payment_hash, chance.payment_secret, now)?;
        let expected = Expected {
            network: Network::Regtest,
            payment_hash,
            amount_msat,
            expiry_max_s: order.expiry_s,
            payees: &payees,
        };
        let expires_at = invoice::check(&bolt11, &expected).map_err(|what| {
            tracing::error!(what, "the dev node made another invoice than it was asked for");
            Problem::Mismatch
        })?;
        let (backend, reference) = (BACKEND.to_owned(), String::new());
        Ok(Made { bolt11, payment_hash, preimage: Some(preimage), expires_at, backend, reference })
    }

    fn sign(
        &self,
        amount_msat: Option<u64>,
        order: &InvoiceCreate,
        hash: PaymentHash,
        secret: [u8; 32],
        now: UnixTime,
    ) -> Result<String, Problem> {
        let unpriced = InvoiceBuilder::new(Currency::Regtest)
            .description(order.description.clone())
            .payment_hash(sha256::Hash::from_byte_array(hash.0))
            .payment_secret(PaymentSecret(secret))
            .duration_since_epoch(Duration::from_secs(now.0))
            .expiry_time(Duration::from_secs(order.expiry_s))
            .min_final_cltv_expiry_delta(144)
            .basic_mpp();
        let builder = match amount_msat {
            Some(amount_msat) => unpriced.amount_milli_satoshis(amount_msat),
            None => unpriced,
        };
        let invoice = builder.build_signed(|message| self.secp.sign_ecdsa_recoverable(message, &self.key));
        invoice.map(|invoice| invoice.to_string()).map_err(|fault| {
            tracing::error!(%fault, "the dev node cannot make this invoice");
            Problem::Mismatch
        })
    }
}

#[cfg(test)]
#[path = "dev_tests.rs"]
mod tests;
