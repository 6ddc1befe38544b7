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

use l402::{Msat, PaymentHash, Preimage, UnixTime};

use crate::amount::{less, operation, plus};
use crate::book::{Book, Step};
use crate::effect::{Effect, Pay};
use crate::entry::Kind;
use crate::id::{BookId, Id};
use crate::invariant::Invariant;
use crate::posting::{Move, Postings};
use crate::refusal::Refusal;
use crate::transfer::pause_s;

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

/// What the node says about one payout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeAnswer {
    /// It was paid.
    Succeeded {
        /// Believed only if it hashes to the invoice's hash.
        preimage: Preimage,
        /// What routing cost.
        fee: Msat,
    },
    /// It was not paid, and never will be under this id.
    Failed,
    /// It is under way, or the node cannot say.
    Unknown,
    /// The node's store never heard of this id.
    NotFound {
        /// When that store began. If after the payout, it knows nothing of what its predecessor did (F17).
        store_since: UnixTime,
    },
}

/// Reserves. `existing` is the row under this id, or else any row for the same invoice that did not fail.
///
/// # Errors
/// [`Refusal::InsufficientFunds`], [`Refusal::ZeroAmount`], [`Refusal::TooLarge`]; [`Refusal::OwnInvoice`] and
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
    book.covers(reserve)?;
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

/// What an answer of the node means.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an outcome that is not written did not happen"]
#[expect(clippy::large_enum_variant, reason = "a box would be the only allocation of a command")]
pub enum Outcome<R> {
    /// It is over. Write this.
    Over(Step<R>),
    /// Not definite: everything stays as it is, and is asked again.
    Open,
    /// The node's own memory, older than the payout, never heard of it: it was lost on the way. Send it again, under the
    /// same id.
    Lost(Effect),
    /// The node's memory is younger than the payout: nobody knows. It stays reserved, and a person must look (F17).
    Forgotten(Effect),
}

/// Takes the node's answer, from a reply or a look-up. Recorded in a frozen book too: it is a fact.
///
/// # Errors
/// [`Refusal::WrongPreimage`] for a success without its proof: it stays as it was; [`Refusal::Ended`] for an answer about
/// a payout the node was never asked for; [`Refusal::Breach`] of I6 when the node paid after all what it had called
/// failed; [`Refusal::WrongRow`] for a refund's payout, which is for [`crate::refund::answer`].
pub fn answer(book: &Book, row: &Payout, answer: &NodeAnswer, clock: UnixTime) -> Result<Outcome<Payout>, Refusal> {
    if matches!(row.funds, Funds::Refund(_)) {
        return Err(Refusal::WrongRow);
    }
    conclude(book, row, answer, clock, |row| row)
}

pub(crate) fn conclude<R>(
    book: &Book,
    row: &Payout,
    answer: &NodeAnswer,
    clock: UnixTime,
    with: impl FnOnce(Payout) -> R,
) -> Result<Outcome<R>, Refusal> {
    match (&row.state, answer) {
        (PayoutState::Created, NodeAnswer::Succeeded { .. } | NodeAnswer::Failed) => Err(Refusal::Ended),
        (PayoutState::Failed, NodeAnswer::Succeeded { preimage, .. }) => {
            prove(row, preimage)?;
            Err(Refusal::Breach(Invariant::I6))
        }
        // The preimage is a proof; whatever is said later is not.
        (PayoutState::Succeeded { .. }, _) | (PayoutState::Failed, _) => Ok(Outcome::Over(Step::Already)),
        (PayoutState::Sent, NodeAnswer::Succeeded { preimage, fee }) => {
            prove(row, preimage)?;
            let state = PayoutState::Succeeded { fee: *fee, preimage: preimage.clone() };
            let done = with(Payout { state, ..row.clone() });
            let postings = paid(row, *fee)?;
            book.step(clock, Kind::PayoutSucceeded, row.id, postings, done, None).map(Outcome::Over)
        }
        (PayoutState::Sent, NodeAnswer::Failed) => {
            fail(book, row, clock, with(Payout { state: PayoutState::Failed, ..row.clone() })).map(Outcome::Over)
        }
        (PayoutState::Sent, NodeAnswer::NotFound { store_since }) if *store_since < row.created_at => {
            Ok(Outcome::Lost(Effect::Pay(order(row))))
        }
        (PayoutState::Sent, NodeAnswer::NotFound { .. }) => Ok(Outcome::Forgotten(Effect::Alert { subject: row.id })),
        (PayoutState::Sent | PayoutState::Created, _) => Ok(Outcome::Open),
    }
}

fn prove(row: &Payout, preimage: &Preimage) -> Result<(), Refusal> {
    if preimage.payment_hash() == row.payment_hash { Ok(()) } else { Err(Refusal::WrongPreimage) }
}

/// What left, and what of the reserve goes back to whom. A fee above the limit is the operator's: the node was told.
fn paid(row: &Payout, fee: Msat) -> Result<Postings, Refusal> {
    let within = fee.min(row.fee_limit);
    let back = match row.funds {
        Funds::Balance => Move::PayBack,
        Funds::Session | Funds::Refund(_) => Move::RoutingBack,
    };
    Ok(Postings::of([
        (Move::Paid, plus(row.amount, within)?),
        (back, less(row.fee_limit, within)),
        (Move::NodeFee, less(fee, within)),
    ]))
}

/// Everything goes back to where it came from.
fn fail<R>(book: &Book, row: &Payout, clock: UnixTime, done: R) -> Result<Step<R>, Refusal> {
    let postings = match row.funds {
        Funds::Balance => Postings::of([(Move::PayBack, plus(row.amount, row.fee_limit)?)]),
        Funds::Session => Postings::of([(Move::PayBack, row.amount), (Move::RoutingBack, row.fee_limit)]),
        Funds::Refund(_) => Postings::of([(Move::Reopen, row.amount), (Move::RoutingBack, row.fee_limit)]),
    };
    book.step(clock, Kind::PayoutFailed, row.id, postings, done, None)
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
#[path = "payout_tests.rs"]
mod tests;
