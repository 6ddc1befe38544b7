//! Payouts over Lightning: reserve, write down that the node will be asked, ask, and believe only a definite answer.
//!
//! ```text
//! create ──▶ Created ──send──▶ Sent ──answer──▶ Succeeded (it has the preimage)
//!               │                │  ▲    └─────▶ Failed    (the node says so of this very payment)
//!             cancel             └──┘ in flight, unknown, no answer, not found: the money stays reserved
//! ```
//!
//! An invoice's expiry is no failure, nor is silence (T93). After a restart the node is asked about the id before
//! anything is sent (T90). The reserve is the amount plus the most that routing may cost; what routing did not cost goes
//! back (T94).

mod answer;

use l402::{Msat, PaymentHash, Preimage, UnixTime};

use crate::amount::{operation, plus};
use crate::book::{Book, Step};
use crate::effect::{Effect, Pay};
use crate::entry::Kind;
use crate::id::{BookId, Id};
use crate::posting::{Move, Postings};
use crate::refusal::Refusal;
use crate::transfer::pause_s;

pub(crate) use answer::conclude;
use answer::fail;
pub use answer::{NodeAnswer, Outcome, answer};

/// One payout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payout {
    /// Derived from the operation that asked for it (T90); the node's idempotency key.
    pub id: Id,
    /// The invoice.
    pub payment_hash: PaymentHash,
    /// What the recipient gets.
    pub amount: Msat,
    /// The most that routing may cost.
    pub fee_limit: Msat,
    /// Whose money it is.
    pub funds: Funds,
    /// How it stands.
    pub state: PayoutState,
    /// When it was created.
    pub created_at: UnixTime,
    /// How often the node was asked to pay or asked about it.
    pub asks: u32,
    /// When to ask again.
    pub next_at: UnixTime,
}

/// Whose money a payout is, and who bears the routing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Funds {
    /// The owner's, routing included.
    Balance,
    /// The owner's at the close of a session; the operator bears the routing.
    Session,
    /// A promised refund's; the operator bears the routing.
    Refund(Id),
}

/// How a payout stands (T93, I6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayoutState {
    /// Reserved; the node was not asked yet.
    Created,
    /// The node may have been asked. Only its definite answer ends this.
    Sent,
    /// Paid. Final.
    Succeeded {
        /// What routing cost.
        fee: Msat,
        /// The recipient's proof.
        preimage: Preimage,
    },
    /// Not paid, and never will be. Final.
    Failed,
}

/// What to pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewPayout {
    /// See [`Payout::id`].
    pub id: Id,
    /// The invoice.
    pub payment_hash: PaymentHash,
    /// 1 msat to 10 BTC.
    pub amount: Msat,
    /// The most that routing may cost; the node is told (T94).
    pub fee_limit: Msat,
}

/// Who made the invoice, as the shell found out by its payee and its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Payee {
    /// Somebody out on the network.
    Elsewhere,
    /// A top-up of this book.
    Ours(BookId),
}

/// Reserves. `existing` is the row under this id, or else any row for the same invoice that did not fail.
///
/// # Errors
/// [`Refusal::InsufficientFunds`], [`Refusal::SpendOnly`], [`Refusal::ZeroAmount`], [`Refusal::TooLarge`]; [`Refusal::OwnInvoice`] and
/// [`Refusal::SelfPayment`] (T95); [`Refusal::KeyReused`], [`Refusal::InvoiceInUse`]; [`Refusal::Frozen`].
pub fn create(
    book: &Book,
    existing: Option<&Payout>,
    new: &NewPayout,
    payee: Payee,
    clock: UnixTime,
) -> Result<Step<Payout>, Refusal> {
    let reserve = plus(operation(new.amount)?, new.fee_limit)?;
    operation(reserve)?;
    match payee {
        Payee::Ours(of) if of == book.id => return Err(Refusal::SelfPayment),
        Payee::Ours(_) => return Err(Refusal::OwnInvoice),
        Payee::Elsewhere => {}
    }
    let row = reserved(new, Funds::Balance, book.now(clock));
    if let Some(before) = existing {
        return repeated(before, &row);
    }
    book.moving()?;
    book.parts_with(reserve)?;
    book.step(clock, Kind::PayoutCreated, new.id, Postings::of([(Move::PayOut, reserve)]), row, None)
}

/// A payout's row before the node was asked.
pub(crate) const fn reserved(new: &NewPayout, funds: Funds, now: UnixTime) -> Payout {
    Payout {
        id: new.id,
        payment_hash: new.payment_hash,
        amount: new.amount,
        fee_limit: new.fee_limit,
        funds,
        state: PayoutState::Created,
        created_at: now,
        asks: 0,
        next_at: now,
    }
}

/// The same order again, or another one in its way.
pub(crate) fn repeated<R>(before: &Payout, new: &Payout) -> Result<Step<R>, Refusal> {
    let terms = |row: &Payout| (row.id, row.payment_hash, row.amount, row.fee_limit, row.funds);
    if terms(before) == terms(new) {
        Ok(Step::Already)
    } else if before.id == new.id {
        Err(Refusal::KeyReused)
    } else {
        Err(Refusal::InvoiceInUse)
    }
}

/// Writes down that the node is going to be asked, and asks. First this, then the message: the other way round, a crash
/// would forget a payment.
///
/// # Errors
/// [`Refusal::Frozen`] (T75); [`Refusal::Ended`] after it was cancelled.
pub fn send(book: &Book, row: &Payout, clock: UnixTime) -> Result<Step<Payout>, Refusal> {
    match row.state {
        PayoutState::Created => {}
        PayoutState::Sent | PayoutState::Succeeded { .. } => return Ok(Step::Already),
        PayoutState::Failed => return Err(Refusal::Ended),
    }
    book.moving()?;
    let next_at = book.now(clock).plus(pause_s(0));
    let sent = Payout { state: PayoutState::Sent, asks: 1, next_at, ..row.clone() };
    book.step(clock, Kind::PayoutSent, row.id, Postings::NONE, sent, Some(Effect::Pay(order(row))))
}

const fn order(row: &Payout) -> Pay {
    Pay { payout: row.id, payment_hash: row.payment_hash, amount: row.amount, fee_limit: row.fee_limit }
}

/// Asks about a payout that has no answer yet, when it is due, and the row to write before. For the alarm (T85, T90).
///
/// A payout that was created and never sent is for [`send`].
#[must_use]
pub fn look_up(book: &Book, row: &Payout, clock: UnixTime) -> Option<(Payout, Effect)> {
    let now = book.now(clock);
    if row.state != PayoutState::Sent || now < row.next_at {
        return None;
    }
    let effect = Effect::LookUp { payout: row.id, payment_hash: row.payment_hash };
    let next_at = now.plus(pause_s(row.asks));
    Some((Payout { asks: row.asks.saturating_add(1), next_at, ..row.clone() }, effect))
}

/// Calls a payout off that the node was not asked for yet.
///
/// # Errors
/// [`Refusal::Ended`] once it may have been asked; [`Refusal::WrongRow`] for a refund's payout.
pub fn cancel(book: &Book, row: &Payout, clock: UnixTime) -> Result<Step<Payout>, Refusal> {
    match (&row.state, row.funds) {
        (_, Funds::Refund(_)) => Err(Refusal::WrongRow),
        (PayoutState::Created, _) => fail(book, row, clock, Payout { state: PayoutState::Failed, ..row.clone() }),
        (PayoutState::Failed, _) => Ok(Step::Already),
        (PayoutState::Sent | PayoutState::Succeeded { .. }, _) => Err(Refusal::Ended),
    }
}

impl Payout {
    /// What is reserved for it now.
    #[must_use]
    pub fn reserve(&self) -> Msat {
        match self.state {
            PayoutState::Created | PayoutState::Sent => Msat(self.amount.0.saturating_add(self.fee_limit.0)),
            PayoutState::Succeeded { .. } | PayoutState::Failed => Msat(0),
        }
    }
}

#[cfg(test)]
mod tests;
