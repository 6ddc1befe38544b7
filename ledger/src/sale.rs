//! Purchases by invoice, without an account: revenue when paid, and what of it can still be refunded (T100).

use l402::{Msat, PaymentHash, UnixTime};

use crate::amount::operation;
use crate::book::{Book, Step};
use crate::effect::Effect;
use crate::entry::Kind;
use crate::id::{BookId, Id};
use crate::posting::{Move, Postings};
use crate::refusal::Refusal;
use crate::topup::Settlement;

/// One purchase. It lives in one book, like every payment hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sale {
    /// Its invoice.
    pub payment_hash: PaymentHash,
    /// The book it was sold in.
    pub book: BookId,
    /// What the payer paid.
    pub paid: Msat,
    /// What was delivered of it.
    pub consumed: Msat,
    /// What went back or is promised.
    pub refunded: Msat,
    /// The refund that is open.
    pub open_refund: Option<Id>,
}

/// Records that a purchase was paid. `existing` is the row under its hash.
///
/// # Errors
/// [`Refusal::OtherAccount`] when the hash was sold in another book (T83); [`Refusal::ZeroAmount`],
/// [`Refusal::TooLarge`]; [`Refusal::Frozen`].
pub fn record(
    book: &Book,
    existing: Option<&Sale>,
    settlement: &Settlement,
    clock: UnixTime,
) -> Result<Step<Sale>, Refusal> {
    if let Some(row) = existing {
        return match (row.payment_hash == settlement.payment_hash, row.book == book.id) {
            (true, true) => Ok(Step::Already),
            (true, false) => Err(Refusal::OtherAccount),
            (false, _) => Err(Refusal::WrongRow),
        };
    }
    book.moving()?;
    let paid = operation(settlement.paid)?;
    let subject = Id::from(settlement.payment_hash);
    let row = Sale {
        payment_hash: settlement.payment_hash,
        book: book.id,
        paid,
        consumed: Msat(0),
        refunded: Msat(0),
        open_refund: None,
    };
    let postings = Postings::of([(Move::Sale, paid), (Move::NodeFee, settlement.node_fee)]);
    book.step(clock, Kind::Sold, subject, postings, row, Some(Effect::Push { subject }))
}

impl Sale {
    /// Paid, and neither delivered nor given back.
    #[must_use]
    pub const fn refundable(&self) -> Msat {
        Msat(self.paid.0.saturating_sub(self.consumed.0).saturating_sub(self.refunded.0))
    }

    /// `amount` of it was delivered. Only the row is written: the money was revenue before.
    ///
    /// # Errors
    /// [`Refusal::InsufficientFunds`] when less is left: a use and a refund race, and one of them wins (T100).
    pub fn consume(&self, amount: Msat) -> Result<Self, Refusal> {
        let available = self.refundable();
        if amount > available {
            return Err(Refusal::InsufficientFunds { available });
        }
        Ok(Self { consumed: Msat(self.consumed.0.saturating_add(amount.0)), ..*self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ALICE, BOB, NOW, hash};

    const fn settled(payment_hash: PaymentHash) -> Settlement {
        Settlement { payment_hash, paid: Msat(100), node_fee: Msat(0) }
    }

    /// T67, T83.
    #[test]
    fn a_purchase_is_revenue_once_and_in_one_book() {
        let change = record(&Book::open(ALICE), None, &settled(hash(1)), NOW).unwrap().change().unwrap();
        assert_eq!((change.book.balances.fees, change.book.balances.node), (100, -100));
        assert_eq!(record(&change.book, Some(&change.row), &settled(hash(1)), NOW), Ok(Step::Already));
        let elsewhere = record(&Book::open(BOB), Some(&change.row), &settled(hash(1)), NOW);
        assert_eq!(elsewhere, Err(Refusal::OtherAccount));
        assert_eq!(record(&change.book, Some(&change.row), &settled(hash(2)), NOW), Err(Refusal::WrongRow));
    }

    #[test]
    fn no_more_is_delivered_than_was_paid_for() {
        let sale = record(&Book::open(ALICE), None, &settled(hash(1)), NOW).unwrap().change().unwrap().row;
        let half = sale.consume(Msat(60)).unwrap();
        assert_eq!(half.refundable(), Msat(40));
        assert_eq!(half.consume(Msat(41)), Err(Refusal::InsufficientFunds { available: Msat(40) }));
    }
}
