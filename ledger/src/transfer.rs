//! From one book to another: the sender's half. The receiver's is [`crate::inbox`].
//!
//! ```text
//! sender:   send ──▶ row Sent, money in transit ──▶ acknowledge: Delivered, or Bounced and back with the owner
//!             │  ▲
//!             ▼  │ resend by alarm, until there is an answer
//! receiver: receive: row in the inbox, once; the same answer ever after
//! ```
//!
//! Two Durable Objects have no common transaction, so delivery is at least once and the effect exactly once (T84). A
//! transfer in transit is nobody's to spend.

use l402::{Msat, PaymentHash, UnixTime};

use crate::amount::operation;
use crate::book::{Book, Step};
use crate::effect::{Credit, Effect, Reason};
use crate::entry::Kind;
use crate::id::{BookId, Id};
use crate::posting::{Move, Postings};
use crate::refusal::Refusal;

/// The longest pause between two sends, in seconds.
pub const PAUSE_MAX_S: u64 = 3_600;

/// A transfer in the sender's book: the outbox's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Outbound {
    /// The message.
    pub credit: Credit,
    /// How it stands.
    pub state: OutboundState,
    /// How often it was sent.
    pub sends: u32,
    /// When to send it again, while there is no answer.
    pub next_at: UnixTime,
}

/// How a transfer stands in the sender's book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutboundState {
    /// On its way; the receiver may have it or not.
    Sent,
    /// The receiver has it. Final.
    Delivered,
    /// The receiver will never have it; the owner has it back. Final.
    Bounced,
}

/// The receiver's answer, the same however often it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ack {
    /// Which transfer.
    pub transfer: Id,
    /// Who answers.
    pub by: BookId,
    /// Whether it has the money.
    pub accepted: bool,
}

/// Seconds until the `n`-th send after the first: 1, 2, 4 … [`PAUSE_MAX_S`].
pub(crate) fn pause_s(n: u32) -> u64 {
    1_u64.checked_shl(n).map_or(PAUSE_MAX_S, |pause| pause.clamp(1, PAUSE_MAX_S))
}

/// A transfer's row at its first send.
pub(crate) const fn outbound(credit: Credit, now: UnixTime) -> Outbound {
    Outbound { credit, state: OutboundState::Sent, sends: 1, next_at: now.plus(1) }
}

/// Sends from the owner's balance. `existing` is the row under this id.
///
/// # Errors
/// [`Refusal::ZeroAmount`], [`Refusal::TooLarge`], [`Refusal::InsufficientFunds`], [`Refusal::SpendOnly`];
/// [`Refusal::SelfPayment`] to the own book; [`Refusal::KeyReused`]; [`Refusal::Frozen`].
pub fn send(
    book: &Book,
    existing: Option<&Outbound>,
    id: Id,
    to: BookId,
    amount: Msat,
    clock: UnixTime,
) -> Result<Step<Outbound>, Refusal> {
    let credit = Credit { transfer: id, from: book.id, to, amount, reason: Reason::Transfer };
    dispatch(book, existing, credit, Move::Send, clock)
}

/// Sends revenue: a provider's part, or the operator's to the operator's own book.
///
/// # Errors
/// As [`send`]; [`Refusal::InsufficientFunds`] when this book earned less.
pub fn share(
    book: &Book,
    existing: Option<&Outbound>,
    id: Id,
    to: BookId,
    amount: Msat,
    clock: UnixTime,
) -> Result<Step<Outbound>, Refusal> {
    let credit = Credit { transfer: id, from: book.id, to, amount, reason: Reason::Share };
    dispatch(book, existing, credit, Move::Share, clock)
}

/// Pays an invoice that another book's top-up asked for: between the books, with nothing paid over Lightning (T95).
///
/// # Errors
/// As [`send`]; [`Refusal::SelfPayment`] for the account's own invoice.
pub fn pay_own_invoice(
    book: &Book,
    existing: Option<&Outbound>,
    id: Id,
    (to, payment_hash): (BookId, PaymentHash),
    amount: Msat,
    clock: UnixTime,
) -> Result<Step<Outbound>, Refusal> {
    let credit = Credit { transfer: id, from: book.id, to, amount, reason: Reason::OwnInvoice(payment_hash) };
    dispatch(book, existing, credit, Move::Send, clock)
}

fn dispatch(
    book: &Book,
    existing: Option<&Outbound>,
    credit: Credit,
    of: Move,
    clock: UnixTime,
) -> Result<Step<Outbound>, Refusal> {
    operation(credit.amount)?;
    if credit.to == book.id {
        return Err(Refusal::SelfPayment);
    }
    if let Some(row) = existing {
        return if row.credit == credit { Ok(Step::Already) } else { Err(Refusal::KeyReused) };
    }
    book.moving()?;
    if of == Move::Share {
        let available = crate::amount::available(book.balances.fees);
        if credit.amount > available {
            return Err(Refusal::InsufficientFunds { available });
        }
    } else {
        book.parts_with(credit.amount)?;
    }
    let row = outbound(credit, book.now(clock));
    let postings = Postings::of([(of, credit.amount)]);
    book.step(clock, Kind::Sent, credit.transfer, postings, row, Some(Effect::Credit(credit)))
}

/// The message again, when it is due, and the row to write before it is sent. For the alarm (T85).
#[must_use]
pub fn resend(book: &Book, row: &Outbound, clock: UnixTime) -> Option<(Outbound, Effect)> {
    let now = book.now(clock);
    if row.state != OutboundState::Sent || now < row.next_at {
        return None;
    }
    let next_at = now.plus(pause_s(row.sends));
    Some((Outbound { sends: row.sends.saturating_add(1), next_at, ..*row }, Effect::Credit(row.credit)))
}

/// The receiver answered. A second answer changes nothing.
///
/// [`Reason::OwnInvoice`] can be declined, and [`Reason::Transfer`] to an account that does not exist; the owner then has
/// the money back. It is recorded in a frozen book too.
///
/// # Errors
/// [`Refusal::WrongRow`] for an answer to something else; [`Refusal::Breach`] of I11 when an answer contradicts an
/// earlier one, or declines what cannot be declined.
pub fn acknowledge(book: &Book, row: &Outbound, ack: &Ack, clock: UnixTime) -> Result<Step<Outbound>, Refusal> {
    use crate::invariant::Invariant::I11;
    let credit = row.credit;
    if (ack.transfer, ack.by, credit.from) != (credit.transfer, credit.to, book.id) {
        return Err(Refusal::WrongRow);
    }
    let declinable = matches!(credit.reason, Reason::OwnInvoice(_) | Reason::Transfer);
    let (kind, state, postings) = match (row.state, ack.accepted) {
        (OutboundState::Delivered, true) | (OutboundState::Bounced, false) => return Ok(Step::Already),
        (OutboundState::Sent, true) => (Kind::Delivered, OutboundState::Delivered, Postings::NONE),
        (OutboundState::Sent, false) if declinable => {
            (Kind::Bounced, OutboundState::Bounced, Postings::of([(Move::Bounce, credit.amount)]))
        }
        _ => return Err(Refusal::Breach(I11)),
    };
    book.step(clock, kind, credit.transfer, postings, Outbound { state, ..*row }, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariant::Invariant;
    use crate::testing::{ALICE, BOB, NOW, book_with, book_with_fees, hash, id};

    fn sent() -> (Book, Outbound) {
        let step = pay_own_invoice(&book_with(100), None, id(1), (BOB, hash(1)), Msat(60), NOW);
        let change = step.unwrap().change().unwrap();
        assert!(matches!(change.effect, Some(Effect::Credit(credit)) if credit == change.row.credit));
        (change.book, change.row)
    }

    const fn ack(accepted: bool) -> Ack {
        Ack { transfer: id(1), by: BOB, accepted }
    }

    /// T84.
    #[test]
    fn what_is_in_transit_cannot_be_spent_and_nothing_is_lost() {
        let (book, row) = sent();
        assert_eq!((book.balances.user, book.balances.in_transit), (40, 60));
        let done = acknowledge(&book, &row, &ack(true), NOW).unwrap().change().unwrap();
        assert_eq!(done.book.balances, book.balances, "it is the receiver's now");
        assert_eq!(acknowledge(&done.book, &done.row, &ack(true), NOW), Ok(Step::Already));
        let contradiction = acknowledge(&done.book, &done.row, &ack(false), NOW);
        assert_eq!(contradiction, Err(Refusal::Breach(Invariant::I11)));
    }

    /// T95: the invoice was paid over Lightning meanwhile.
    #[test]
    fn a_declined_payment_comes_back_once() {
        let (book, row) = sent();
        let back = acknowledge(&book, &row, &ack(false), NOW).unwrap().change().unwrap();
        assert_eq!((back.book.balances.user, back.book.balances.in_transit), (100, 0));
        assert_eq!(acknowledge(&back.book, &back.row, &ack(false), NOW), Ok(Step::Already));
        assert_eq!(acknowledge(&back.book, &back.row, &ack(true), NOW), Err(Refusal::Breach(Invariant::I11)));
    }

    /// T84: the address was wrong, and nobody has the money but who sent it.
    #[test]
    fn a_transfer_to_nobody_comes_back() {
        let change = send(&book_with(100), None, id(1), BOB, Msat(60), NOW).unwrap().change().unwrap();
        let nobody = crate::inbox::nobody(&change.row.credit).unwrap();
        assert_eq!(nobody, ack(false));
        let back = acknowledge(&change.book, &change.row, &nobody, NOW).unwrap().change().unwrap();
        assert_eq!((back.book.balances.user, back.book.balances.in_transit), (100, 0));
        assert_eq!(resend(&back.book, &back.row, NOW.plus(9)), None, "it is over");
    }

    #[test]
    fn a_share_cannot_be_declined_and_no_third_answers() {
        let change = share(&book_with_fees(100), None, id(1), BOB, Msat(60), NOW).unwrap().change().unwrap();
        assert_eq!(crate::inbox::nobody(&change.row.credit), None, "it waits for its account");
        let declined = acknowledge(&change.book, &change.row, &ack(false), NOW);
        assert_eq!(declined, Err(Refusal::Breach(Invariant::I11)));
        for other in [Ack { by: ALICE, ..ack(true) }, Ack { transfer: id(2), ..ack(true) }] {
            assert_eq!(acknowledge(&change.book, &change.row, &other, NOW), Err(Refusal::WrongRow));
        }
    }

    /// T78, T95, T73.
    #[test]
    fn nothing_to_oneself_not_more_than_there_is_and_once() {
        let book = book_with(100);
        assert_eq!(send(&book, None, id(1), ALICE, Msat(1), NOW), Err(Refusal::SelfPayment));
        assert_eq!(send(&book, None, id(1), BOB, Msat(0), NOW), Err(Refusal::ZeroAmount));
        let short = Err(Refusal::InsufficientFunds { available: Msat(100) });
        assert_eq!(send(&book, None, id(1), BOB, Msat(101), NOW), short);
        let (book, row) = sent();
        let again = |msat| pay_own_invoice(&book, Some(&row), id(1), (BOB, hash(1)), Msat(msat), NOW);
        assert_eq!(again(60), Ok(Step::Already));
        assert_eq!(again(61), Err(Refusal::KeyReused));
    }

    #[test]
    fn revenue_is_shared_from_revenue_alone() {
        let earned = book_with_fees(10);
        assert!(share(&earned, None, id(1), BOB, Msat(10), NOW).is_ok());
        let short = share(&earned, None, id(1), BOB, Msat(11), NOW);
        assert_eq!(short, Err(Refusal::InsufficientFunds { available: Msat(10) }));
        let owned = share(&book_with(10), None, id(1), BOB, Msat(1), NOW);
        assert_eq!(owned, Err(Refusal::InsufficientFunds { available: Msat(0) }));
    }

    /// T85: resent with growing pauses until there is an answer, and not after.
    #[test]
    fn a_transfer_without_an_answer_is_sent_again() {
        let (book, row) = sent();
        assert_eq!(resend(&book, &row, NOW), None);
        let (second, effect) = resend(&book, &row, NOW.plus(1)).unwrap();
        assert_eq!(effect, Effect::Credit(row.credit));
        assert_eq!((second.sends, second.next_at), (2, NOW.plus(3)));
        assert_eq!(resend(&book, &Outbound { state: OutboundState::Delivered, ..row }, NOW.plus(9)), None);
        let pauses: Vec<_> = [0, 1, 5, 11, 12, 63, 64, u32::MAX].map(pause_s).into();
        assert_eq!(pauses, [1, 2, 32, 2_048, 3_600, 3_600, 3_600, 3_600]);
    }
}
