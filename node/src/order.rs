//! What may be ordered, and what comes of it, whoever makes the invoice.

use bitcoin::secp256k1::PublicKey;
use l402::relay::InvoiceCreate;
use l402::{Msat, PaymentHash, Preimage, UnixTime};

use crate::problem::Problem;

const DESCRIPTION_BYTES_MAX: usize = 639; // what fits into a BOLT11 `d` field
const EXPIRY_S: std::ops::RangeInclusive<u64> = 60..=7 * 86_400;
const LABEL_BYTES_MAX: usize = 128; // service and purpose, which are kept for the books

/// An invoice that was checked and can be kept and sold.
pub(crate) struct Made {
    pub(crate) bolt11: String,
    pub(crate) payment_hash: PaymentHash,
    /// Known before payment to the dev node alone; a real node is asked once it says settled.
    pub(crate) preimage: Option<Preimage>,
    pub(crate) expires_at: UnixTime,
    /// Which back end made it.
    pub(crate) backend: String,
    /// What that back end knows it by, besides the payment hash.
    pub(crate) reference: String,
}

/// Refuses what no invoice can say, before any node is asked.
pub(crate) fn check(order: &InvoiceCreate) -> Result<(), Problem> {
    if !(1..=Msat::MAX.0).contains(&order.amount_msat) {
        return Err(Problem::Amount);
    }
    check_all_but_the_amount(order)
}

/// The same for an invoice that names no amount; that of the order is not looked at.
pub(crate) fn check_all_but_the_amount(order: &InvoiceCreate) -> Result<(), Problem> {
    if order.description.len() > DESCRIPTION_BYTES_MAX {
        return Err(Problem::Description);
    }
    if !EXPIRY_S.contains(&order.expiry_s) {
        return Err(Problem::Expiry);
    }
    if [&order.service, &order.purpose].iter().any(|label| label.len() > LABEL_BYTES_MAX) {
        return Err(Problem::Label);
    }
    Ok(())
}

/// Who must have signed: the one that the operator pinned, and the one that the worker's policy names.
pub(crate) fn payees(order: &InvoiceCreate, pinned: Option<PublicKey>) -> Result<Vec<PublicKey>, Problem> {
    let asked = order.payee.as_deref().map(str::parse).transpose().map_err(|_| Problem::Payee)?;
    Ok(pinned.into_iter().chain(asked).collect())
}
