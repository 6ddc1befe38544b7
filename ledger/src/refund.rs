//! Refunds of purchases that failed, as LNURL-withdraw links (LUD-03; systems B).
//!
//! ```text
//! promise ──▶ Pending ──claim──▶ Claiming ──answer──▶ Claimed
//!               │  ▲                         │
//!             lapse└──────── failed for good ┘
//! ```
//!
//! A link is opened again only when the node says of this very payment that it failed (T92); while nobody knows, nobody
//! can claim it a second time (T91).

use l402::{Msat, PaymentHash, UnixTime};

use crate::amount::{less, operation, plus};
use crate::book::{Book, Step};
use crate::entry::Kind;
use crate::id::Id;
use crate::payout::{self, Funds, NewPayout, NodeAnswer, Outcome, Payout, PayoutState};
use crate::posting::{Move, Postings};
use crate::refusal::Refusal;
use crate::sale::Sale;

/// How far back failures of a payer count, in seconds: 15 minutes.
pub const FAILURES_WINDOW_S: u64 = 900;

/// What a refund is short of when its payer failed often: 2 sats.
pub const LATER_DEDUCTION: Msat = Msat(2_000);

/// The last two failures of one payer: enough to know whether a third is among the first two of its quarter of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Failures {
    /// The last one.
    pub last: Option<UnixTime>,
    /// The one before.
    pub before: Option<UnixTime>,
}

impl Failures {
    /// What of `refundable` goes back after a failure now, and the row with that failure in it: all of it for the first two
    /// in 15 minutes, 2 sats less for later ones.
    #[must_use]
    pub fn and_now(self, refundable: Msat, now: UnixTime) -> (Msat, Self) {
        // A clock that went backwards makes a failure look like one to come; it counts (T87).
        let recent = |at: UnixTime| at.until(now) < FAILURES_WINDOW_S;
        let is_later = self.last.is_some_and(recent) && self.before.is_some_and(recent);
        let deduction = if is_later { LATER_DEDUCTION } else { Msat(0) };
        (less(refundable, deduction), Self { last: Some(now), before: self.last })
    }
}

/// One withdraw link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Refund {
    /// A digest of the link's secret (`k1`), so that who reads the database cannot claim.
    pub id: Id,
    /// The purchase.
    pub sale: PaymentHash,
    /// What the link pays, exactly.
    pub amount: Msat,
    /// When it lapses unless it was claimed.
    pub expires_at: UnixTime,
    /// How it stands.
    pub state: RefundState,
    /// How often paying it failed; part of the next payout's id.
    pub failures: u32,
}

/// How a refund stands. In JSON: pending, pending, claimed, expired (systems B).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundState {
    /// Nobody claims it.
    Pending,
    /// A wallet gave an invoice, and this payout pays it.
    Claiming(Id),
    /// Paid. Final.
    Claimed,
    /// Not claimed in time. Final.
    Lapsed,
}

/// Promises a refund of `amount` for `ttl_s` seconds. `existing` is the row under this id; the sale's row changes too.
///
/// # Errors
/// [`Refusal::NothingToRefund`] when less is refundable, or nothing is left after the deduction; [`Refusal::RefundOpen`]
/// (T100); [`Refusal::WrongRow`] for a sale of another book; [`Refusal::KeyReused`]; [`Refusal::Frozen`].
pub fn promise(
    book: &Book,
    existing: Option<&Refund>,
    sale: &Sale,
    id: Id,
    amount: Msat,
    (ttl_s, clock): (u32, UnixTime),
) -> Result<Step<(Refund, Sale)>, Refusal> {
    if sale.book != book.id {
        return Err(Refusal::WrongRow);
    }
    if let Some(row) = existing {
        let same = (row.id, row.sale, row.amount) == (id, sale.payment_hash, amount);
        return if same { Ok(Step::Already) } else { Err(Refusal::KeyReused) };
    }
    book.moving()?;
    if sale.open_refund.is_some() {
        return Err(Refusal::RefundOpen);
    }
    if amount.0 == 0 || amount > sale.refundable() {
        return Err(Refusal::NothingToRefund);
    }
    let amount = operation(amount)?;
    let row = Refund {
        id,
        sale: sale.payment_hash,
        amount,
        expires_at: book.now(clock).plus(u64::from(ttl_s)),
        state: RefundState::Pending,
        failures: 0,
    };
    let sale = Sale { refunded: plus(sale.refunded, amount)?, open_refund: Some(id), ..*sale };
    book.step(clock, Kind::RefundPromised, id, Postings::of([(Move::Promise, amount)]), (row, sale), None)
}

/// What a wallet brings to the link's callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// Its invoice.
    pub payment_hash: PaymentHash,
    /// What the invoice asks: exactly the refund's amount.
    pub amount: Msat,
    /// The most the operator spends on routing it.
    pub fee_limit: Msat,
}

/// A wallet claims the refund: the link is used, and a payout reserved, before anything is paid (T91).
///
/// `in_use` is any payout of this book for the same invoice that did not fail. The same invoice again is the same claim.
///
/// # Errors
/// [`Refusal::LinkUsed`] with another invoice while the first is not known to have failed, or after it was paid;
/// [`Refusal::Expired`]; [`Refusal::WrongRow`] for another amount; [`Refusal::InvoiceInUse`]; [`Refusal::Frozen`].
pub fn claim(
    book: &Book,
    row: &Refund,
    in_use: Option<&Payout>,
    withdrawal: &Withdrawal,
    clock: UnixTime,
) -> Result<Step<(Refund, Payout)>, Refusal> {
    let new = NewPayout {
        id: row.next_payout(),
        payment_hash: withdrawal.payment_hash,
        amount: withdrawal.amount,
        fee_limit: withdrawal.fee_limit,
    };
    let payout = payout::reserved(&new, Funds::Refund(row.id), book.now(clock));
    match row.state {
        RefundState::Pending => {}
        RefundState::Claiming(_) | RefundState::Claimed => {
            let same = in_use.is_some_and(|one| {
                one.funds == payout.funds && (one.payment_hash, one.amount) == (new.payment_hash, new.amount)
            });
            return if same { Ok(Step::Already) } else { Err(Refusal::LinkUsed) };
        }
        RefundState::Lapsed => return Err(Refusal::Expired),
    }
    book.moving()?;
    if book.now(clock) >= row.expires_at {
        return Err(Refusal::Expired);
    }
    if withdrawal.amount != row.amount {
        return Err(Refusal::WrongRow);
    }
    if in_use.is_some() {
        return Err(Refusal::InvoiceInUse);
    }
    operation(plus(row.amount, withdrawal.fee_limit)?)?;
    let postings = Postings::of([(Move::Claim, row.amount), (Move::PayRouting, withdrawal.fee_limit)]);
    let row = Refund { state: RefundState::Claiming(new.id), ..*row };
    book.step(clock, Kind::RefundClaimed, row.id, postings, (row, payout), None)
}

/// The node answered about the payout of a claim. Both rows change together.
///
/// # Errors
/// As [`payout::answer`]; [`Refusal::WrongRow`] when the payout is not this refund's.
pub fn answer(
    book: &Book,
    row: &Refund,
    payout: &Payout,
    answer: &NodeAnswer,
    clock: UnixTime,
) -> Result<Outcome<(Refund, Payout)>, Refusal> {
    if payout.funds != Funds::Refund(row.id) {
        return Err(Refusal::WrongRow);
    }
    let is_current = row.state == RefundState::Claiming(payout.id);
    if !is_current && matches!(payout.state, PayoutState::Created | PayoutState::Sent) {
        return Err(Refusal::WrongRow);
    }
    payout::conclude(book, payout, answer, clock, |payout| {
        let after = match payout.state {
            PayoutState::Succeeded { .. } => Refund { state: RefundState::Claimed, ..*row },
            _ => Refund { state: RefundState::Pending, failures: row.failures.saturating_add(1), ..*row },
        };
        (after, payout)
    })
}

/// Takes an unclaimed promise back when its time has passed: the money is revenue again. For the alarm.
///
/// # Errors
/// [`Refusal::NotYet`]; [`Refusal::Busy`] while a claim is not known to have failed; [`Refusal::Ended`] when it was paid;
/// [`Refusal::WrongRow`].
pub fn lapse(book: &Book, row: &Refund, sale: &Sale, clock: UnixTime) -> Result<Step<(Refund, Sale)>, Refusal> {
    match row.state {
        RefundState::Pending => {}
        RefundState::Claiming(_) => return Err(Refusal::Busy),
        RefundState::Claimed => return Err(Refusal::Ended),
        RefundState::Lapsed => return Ok(Step::Already),
    }
    if sale.open_refund != Some(row.id) || sale.book != book.id {
        return Err(Refusal::WrongRow);
    }
    if book.now(clock) < row.expires_at {
        return Err(Refusal::NotYet);
    }
    let sale = Sale { open_refund: None, ..*sale };
    let row = Refund { state: RefundState::Lapsed, ..*row };
    book.step(clock, Kind::RefundLapsed, row.id, Postings::of([(Move::Lapse, row.amount)]), (row, sale), None)
}

impl Refund {
    /// The id of the payout that the next claim makes; another one after each that failed.
    #[must_use]
    pub fn next_payout(&self) -> Id {
        Id::derive("refund-payout", &[&self.id.0, &self.failures.to_be_bytes()])
    }

    /// What is set aside for it now, apart from what its payout reserves.
    #[must_use]
    pub const fn reserve(&self) -> Msat {
        match self.state {
            RefundState::Pending => self.amount,
            RefundState::Claiming(_) | RefundState::Claimed | RefundState::Lapsed => Msat(0),
        }
    }
}

#[cfg(test)]
mod tests;
