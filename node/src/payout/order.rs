//! What may be paid, looked at before anything is written or sent: the invoice must be the one that was described, of a
//! stranger, in time, and within the operator's limits. It names exactly what is ordered, or no amount at all: then what is
//! ordered is what is paid.

use bitcoin::secp256k1::PublicKey;
use l402::bolt11::Network;
use l402::relay::PaymentSend;
use l402::{Msat, UnixTime};
use satstile_lightning::wallet;

use crate::invoice::{self, ToPay};
use crate::problem::Problem;

/// What an order is measured by.
pub(super) struct Terms<'a> {
    pub(super) network: Network,
    /// Whose invoices are our own (T95).
    pub(super) own: &'a [PublicKey],
    pub(super) max: Msat,
    /// Whether the payer can pay by blinded paths.
    pub(super) pays_blinded_paths: bool,
    pub(super) now: UnixTime,
}

/// Refuses what no payment can be, and what could not be kept; no worker of ours says such things.
pub(super) fn fits(order: &PaymentSend) -> Result<(), Problem> {
    if !(1..=Msat::MAX.0).contains(&order.amount_msat) || order.fee_limit_msat > Msat::MAX.0 {
        return Err(Problem::Amount);
    }
    if order.bolt11.len() > invoice::INVOICE_BYTES_MAX {
        return Err(Problem::Unreadable);
    }
    Ok(())
}

/// Why this is not paid, and never will be under its id.
pub(super) fn refusal(order: &PaymentSend, terms: &Terms<'_>) -> Option<&'static str> {
    let Some(invoice) = invoice::read_to_pay(&order.bolt11) else {
        return Some("the invoice cannot be read, or its signature is wrong");
    };
    [
        ("the invoice is of another network", invoice.network == Some(terms.network)),
        ("the invoice has another payment hash", invoice.payment_hash == order.payment_hash),
        ("the invoice is for another amount", is_for(&invoice, order)),
        ("the invoice has expired", terms.now < invoice.ends),
        ("the invoice is this node's own", !terms.own.contains(&invoice.payee)),
        (
            "the invoice has blinded paths only, which this node cannot pay",
            terms.pays_blinded_paths || !invoice.only_by_blinded_paths,
        ),
        ("the amount is over the node's limit for one payout", order.amount_msat <= terms.max.0),
        ("the fee limit is over the node's limit for one payout", order.fee_limit_msat <= terms.max.0),
    ]
    .into_iter()
    .find_map(|(why, holds)| (!holds).then_some(why))
}

/// Whether an invoice asks for what is ordered, or leaves it open, as the return invoice of a session does. That it leaves
/// it open is said by the code that tells the node an amount then: this reader says "none" of more than it can count (T57).
fn is_for(invoice: &ToPay, order: &PaymentSend) -> bool {
    invoice.amount_msat == Some(order.amount_msat) || wallet::names_no_amount(&order.bolt11)
}

/// Whether the time of an invoice is over. One that cannot be read has none left.
pub(super) fn has_expired(bolt11: &str, now: UnixTime) -> bool {
    invoice::read_to_pay(bolt11).is_none_or(|invoice| now >= invoice.ends)
}
