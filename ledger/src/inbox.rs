//! From one book to another: the receiver's half. The sender's is [`crate::transfer`].
//!
//! The row under the transfer's id makes the effect once. It is kept as long as the sender might ask, which is for
//! ever; it is 150 bytes.

use l402::UnixTime;

use crate::amount::operation;
use crate::book::{Book, Step};
use crate::effect::{Credit, Effect, Reason};
use crate::entry::Kind;
use crate::id::Id;
use crate::posting::{Move, Postings};
use crate::refusal::Refusal;
use crate::topup::{TopUp, own};
use crate::transfer::Ack;

/// A transfer in the receiver's book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Inbound {
    /// The message.
    pub credit: Credit,
    /// Whether it was taken. Final either way: a transfer that was declined once is declined for ever.
    pub accepted: bool,
}

impl Inbound {
    /// The answer to the sender.
    #[must_use]
    pub const fn ack(&self) -> Ack {
        Ack { transfer: self.credit.transfer, by: self.credit.to, accepted: self.accepted }
    }
}

/// The invoice that a transfer pays, and what the node said when it was asked to cancel it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled<'a> {
    /// The top-up of the invoice.
    pub row: &'a TopUp,
    /// The node's definite word that nobody can pay the invoice any more. Ask before every [`receive`] of a
    /// [`Reason::OwnInvoice`]: paid both ways, one of the payments would belong to nobody (T65, T95). `false` also for a
    /// back end that cannot cancel.
    pub definitely: bool,
}

/// Takes a transfer in. `existing` is the row under its id; `invoice` the one it pays, when the reason is
/// [`Reason::OwnInvoice`]. Write both rows, then answer with [`Inbound::ack`]; after [`Step::Already`] with that of
/// `existing`.
///
/// An invoice that is not known here, was paid already, was not cancelled, or asks for more, is declined: the sender gets
/// the money back. Everything else is taken.
///
/// # Errors
/// [`Refusal::WrongRow`] when it is for another book; [`Refusal::KeyReused`] when the id stands for another transfer
/// (I10); [`Refusal::AccountFull`] and [`Refusal::Frozen`]: no answer then, the sender asks again.
pub fn receive(
    book: &Book,
    existing: Option<&Inbound>,
    credit: &Credit,
    invoice: Option<Cancelled<'_>>,
    clock: UnixTime,
) -> Result<Step<(Inbound, Option<TopUp>)>, Refusal> {
    let amount = operation(credit.amount)?;
    if credit.to != book.id || credit.from == book.id {
        return Err(Refusal::WrongRow);
    }
    if let Some(row) = existing {
        return if row.credit == *credit { Ok(Step::Already) } else { Err(Refusal::KeyReused) };
    }
    book.moving()?;
    let (accepted, topup, effect) = match credit.reason {
        Reason::OwnInvoice(payment_hash) => {
            let payable = invoice.filter(|invoice| {
                invoice.definitely
                    && invoice.row.payment_hash == payment_hash
                    && own(book, invoice.row).is_ok()
                    && invoice.row.credited.is_none()
                    && invoice.row.asked <= amount
            });
            let credited = payable.map(|invoice| TopUp { credited: Some(amount), ..*invoice.row });
            (credited.is_some(), credited, credited.map(|_| Effect::Push { subject: Id::from(payment_hash) }))
        }
        Reason::Task(task) => (true, None, Some(Effect::Push { subject: task })),
        Reason::Transfer | Reason::Share => (true, None, None),
    };
    let row = (Inbound { credit: *credit, accepted }, topup);
    // A credit for an invoice names the invoice, as one that came over Lightning does (I5).
    let subject = topup.map_or(credit.transfer, |row| Id::from(row.payment_hash));
    if !accepted {
        return book.step(clock, Kind::Declined, subject, Postings::NONE, row, None);
    }
    book.has_room(amount)?;
    book.step(clock, Kind::Received, subject, Postings::of([(Move::Receive, amount)]), row, effect)
}

/// The answer of an object in which no book was ever opened: nobody is there, and a transfer opens no account.
///
/// It is final without a row that says so, for names of accounts are drawn at random and told to nobody before the book
/// is open: whoever names one that is not open has not guessed one that will be. `None` for what an owner did not send:
/// revenue waits for its account.
#[must_use]
pub fn nobody(credit: &Credit) -> Option<Ack> {
    (credit.reason == Reason::Transfer).then_some(Ack { transfer: credit.transfer, by: credit.to, accepted: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ALICE, BOB, NOW, hash, id, preimage};
    use crate::topup;
    use l402::Msat;

    fn message(reason: Reason) -> Credit {
        Credit { transfer: id(1), from: ALICE, to: BOB, amount: Msat(60), reason }
    }

    const fn cancelled(row: &TopUp) -> Option<Cancelled<'_>> {
        Some(Cancelled { row, definitely: true })
    }

    fn invoice() -> TopUp {
        topup::open(&Book::open(BOB), None, hash(1), Msat(60), topup::Terms::FREE).unwrap()
    }

    /// T84, F8: at least once delivered, exactly once applied.
    #[test]
    fn a_transfer_arrives_once_however_often_it_is_sent() {
        let credit = message(Reason::Transfer);
        let change = receive(&Book::open(BOB), None, &credit, None, NOW).unwrap().change().unwrap();
        assert_eq!((change.book.balances.user, change.book.balances.in_transit), (60, -60));
        let row = change.row.0;
        assert_eq!(receive(&change.book, Some(&row), &credit, None, NOW), Ok(Step::Already));
        assert_eq!(row.ack(), Ack { transfer: id(1), by: BOB, accepted: true });
        let more = Credit { amount: Msat(61), ..credit };
        assert_eq!(receive(&change.book, Some(&row), &more, None, NOW), Err(Refusal::KeyReused));
    }

    #[test]
    fn a_transfer_for_somebody_else_is_not_taken() {
        let credit = message(Reason::Transfer);
        assert_eq!(receive(&Book::open(ALICE), None, &credit, None, NOW), Err(Refusal::WrongRow));
        let looped = Credit { from: BOB, ..credit };
        assert_eq!(receive(&Book::open(BOB), None, &looped, None, NOW), Err(Refusal::WrongRow));
    }

    /// T95: an own invoice is settled between the books once, and not again over Lightning.
    #[test]
    fn an_own_invoice_is_settled_between_the_books_once() {
        let credit = message(Reason::OwnInvoice(hash(1)));
        let change = receive(&Book::open(BOB), None, &credit, cancelled(&invoice()), NOW).unwrap().change().unwrap();
        assert_eq!(change.effect, Some(Effect::Push { subject: hash(1).into() }));
        let paid = change.row.1.unwrap();
        let late = topup::Settlement { payment_hash: hash(1), paid: Msat(60), node_fee: Msat(0) };
        assert_eq!(topup::credit(&change.book, Some(&paid), &late, NOW), Ok(Step::Already));
        let claim = topup::Claim { preimage: preimage(1), secret: None, bearer: None };
        assert!(topup::claim(&Book::open(BOB), Some(&paid), &claim).is_ok());
    }

    /// T95: paid over Lightning first, payable over Lightning still, unknown, another account's, or asking for more.
    #[test]
    fn an_invoice_that_cannot_be_paid_is_declined_for_ever() {
        let credit = message(Reason::OwnInvoice(hash(1)));
        let paid = TopUp { credited: Some(Msat(60)), ..invoice() };
        let others = TopUp { account: ALICE, ..invoice() };
        let dearer = TopUp { asked: Msat(61), ..invoice() };
        let other = TopUp { payment_hash: hash(2), ..invoice() };
        let open = Cancelled { row: &invoice(), definitely: false };
        let refused = [&paid, &others, &dearer, &other].map(cancelled);
        for invoice in refused.into_iter().chain([None, Some(open)]) {
            let change = receive(&Book::open(BOB), None, &credit, invoice, NOW).unwrap().change().unwrap();
            assert_eq!((change.book.balances.user, change.entry.kind), (0, Kind::Declined));
            assert!(!change.row.0.accepted && change.row.1.is_none() && change.effect.is_none());
            let again = receive(&change.book, Some(&change.row.0), &credit, cancelled(&self::invoice()), NOW);
            assert_eq!(again, Ok(Step::Already), "a change of mind would pay twice");
        }
    }

    /// T75: a frozen receiver answers nothing, and so loses nothing.
    #[test]
    fn a_frozen_book_gives_no_answer() {
        let (frozen, _) = Book::open(BOB).freeze(crate::Invariant::I2, NOW);
        let refused = receive(&frozen, None, &message(Reason::Transfer), None, NOW);
        assert_eq!(refused, Err(Refusal::Frozen(crate::Invariant::I2)));
    }
}
