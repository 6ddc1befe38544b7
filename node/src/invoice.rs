//! The full check of an invoice: signature, payee and every field that was asked for.
//!
//! The edge walks the fields only (C8), because the signature's elliptic curve is too heavy there. This is where a
//! wrong invoice ends, whoever made it; the dev node's own go through here as well.

use std::time::Duration;

use bitcoin::secp256k1::PublicKey;
use lightning_invoice::{Bolt11Invoice, Bolt11InvoiceDescriptionRef, Currency};

use l402::PaymentHash;

/// Longest text that is looked at; a BOLT11 with the longest description has about 1,500 characters.
const INVOICE_BYTES_MAX: usize = 4096;

/// What an invoice must say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) payment_hash: PaymentHash,
    pub(crate) amount_msat: u64,
    pub(crate) description: &'a str,
    pub(crate) expiry_s: u64,
    /// The node key that must have signed; each of them.
    pub(crate) payees: &'a [PublicKey],
}

/// Reads a BOLT11 invoice: case, checksum, fields, features and signature. `None` for anything else.
pub(crate) fn read(text: &str) -> Option<Bolt11Invoice> {
    if text.len() > INVOICE_BYTES_MAX {
        return None;
    }
    text.parse().ok()
}

/// The hash that names an invoice everywhere here.
pub(crate) fn payment_hash(invoice: &Bolt11Invoice) -> PaymentHash {
    PaymentHash(*invoice.payment_hash().as_ref())
}

/// Compares an invoice with what was asked for (T55).
///
/// # Errors
/// What differs, in one word for the log.
pub(crate) fn check(bolt11: &str, expected: &Expected<'_>) -> Result<(), &'static str> {
    let invoice = read(bolt11).ok_or("unreadable")?;
    let payee = invoice.get_payee_pub_key();
    let direct = match invoice.description() {
        Bolt11InvoiceDescriptionRef::Direct(text) => Some(text.as_inner().0.as_str()),
        Bolt11InvoiceDescriptionRef::Hash(_) => None,
    };
    let claims = [
        ("network", invoice.currency() == Currency::Regtest),
        ("payment hash", payment_hash(&invoice) == expected.payment_hash),
        ("amount", invoice.amount_milli_satoshis() == Some(expected.amount_msat)),
        ("description", direct == Some(expected.description)),
        ("expiry", invoice.expiry_time() == Duration::from_secs(expected.expiry_s)),
        ("payee", expected.payees.iter().all(|expected| *expected == payee)),
    ];
    claims.into_iter().find(|(_, holds)| !holds).map_or(Ok(()), |(what, _)| Err(what))
}
