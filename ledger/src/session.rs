//! The Payment scheme's session intent: a deposit is used up in units, and what is left goes back at the end (`wire.md`
//! 4.8).
//!
//! A session has a book of its own. Its deposit is a [`crate::topup`], its uses are [`crate::spend`] and
//! [`crate::hold`], its refund is a [`crate::payout`]; here is what holds them together. Closed sessions are kept.

use l402::{Msat, PaymentHash, Preimage, UnixTime};

use crate::amount::{available, plus};
use crate::book::{Book, Step};
use crate::entry::Kind;
use crate::id::Id;
use crate::payout::{self, Funds, NewPayout, Payout, PayoutState};
use crate::posting::{Move, Postings};
use crate::refusal::Refusal;
use crate::topup::{self, Secretless, TopUp, own};

/// The deposit is this many units unless the operator says otherwise.
pub const DEPOSIT_UNITS: u64 = 20;

/// Seconds without a use after which a session is closed, unless the operator says otherwise.
pub const IDLE_S: u32 = 300;

/// One session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Session {
    /// The deposit's invoice; as hex it is the `sessionId`. Its preimage is the bearer's proof.
    pub id: PaymentHash,
    /// The bearer's invoice without an amount, for what is left.
    pub return_invoice: PaymentHash,
    /// Seconds without a use after which it is closed.
    pub idle_s: u32,
    /// When it is closed unless it is used.
    pub idle_at: UnixTime,
    /// How it stands.
    pub state: SessionState,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SessionState {
    /// Open.
    Open,
    /// Closed. Final.
    Closed {
        /// What goes back, in whole satoshi.
        refund_sats: u64,
        /// The payout that carries it; `None` when there was nothing to carry.
        payout: Option<Id>,
    },
}

/// What became of the money that was left, as the wire says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefundStatus {
    /// It arrived.
    Succeeded,
    /// It could not be paid and stands in the session's book.
    Failed,
    /// There was nothing.
    Skipped,
    /// The node has not answered definitely.
    Pending,
}

/// Opens a session on a deposit that is credited to `book`. Only rows are written: the session and the top-up, claimed.
///
/// `existing` is the session under this hash: opening it again gives what it is, opened or closed, and credits nothing.
///
/// # Errors
/// [`Refusal::WrongPreimage`]; [`Refusal::OtherAccount`] for a deposit of another book; [`Refusal::NotSettled`];
/// [`Refusal::AlreadyClaimed`] for a payment that filled a balance, not a session (T83); [`Refusal::Frozen`].
pub fn open(
    book: &Book,
    existing: Option<&Session>,
    deposit: &TopUp,
    preimage: &Preimage,
    (return_invoice, idle_s): (PaymentHash, u32),
    clock: UnixTime,
) -> Result<(Session, TopUp), Refusal> {
    own(book, deposit)?;
    if let Some(session) = existing {
        bearer(session, preimage)?;
        return Ok((*session, *deposit));
    }
    // A deposit has no secret: what has one fills a balance.
    if deposit.secretless != Secretless::Everything {
        return Err(Refusal::AlreadyClaimed);
    }
    let claim = topup::Claim { preimage: preimage.clone(), secret: None, bearer: None };
    let deposit = topup::claim(book, Some(deposit), &claim)?.row;
    book.moving()?;
    let idle_at = book.now(clock).plus(u64::from(idle_s));
    let id = deposit.payment_hash;
    Ok((Session { id, return_invoice, idle_s, idle_at, state: SessionState::Open }, deposit))
}

/// Whether who shows this preimage bears the session.
///
/// # Errors
/// [`Refusal::WrongPreimage`].
pub fn bearer(session: &Session, preimage: &Preimage) -> Result<(), Refusal> {
    if preimage.payment_hash() == session.id { Ok(()) } else { Err(Refusal::WrongPreimage) }
}

/// The session may be used or topped up now: the row with its clock set back. The charge itself is a
/// [`crate::spend::debit`] or a [`crate::hold::place`] in the same transaction; a refusal of those for want of funds is
/// the wire's `payment-need-topup`.
///
/// # Errors
/// [`Refusal::Ended`] when it is closed, or idle for so long that it is about to be (`session-closed`).
pub fn touch(book: &Book, session: &Session, clock: UnixTime) -> Result<Session, Refusal> {
    let is_idle = book.now(clock) >= session.idle_at && !is_in_use(book);
    if session.state != SessionState::Open || is_idle {
        return Err(Refusal::Ended);
    }
    Ok(awake(book, session, clock))
}

/// The row for an alarm that finds a use under way: such a session is not idle, however long the use takes. `None` when
/// there is none, and the session is to be closed.
#[must_use]
pub fn keep(book: &Book, session: &Session, clock: UnixTime) -> Option<Session> {
    (session.state == SessionState::Open && is_in_use(book)).then(|| awake(book, session, clock))
}

fn awake(book: &Book, session: &Session, clock: UnixTime) -> Session {
    Session { idle_at: book.now(clock).plus(u64::from(session.idle_s)), ..*session }
}

const fn is_in_use(book: &Book) -> bool {
    book.balances.hold != 0 || book.balances.escrow != 0
}

/// Who closes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closer {
    /// Its bearer.
    Bearer,
    /// The alarm; only after the idle time.
    Alarm,
}

/// Closes: whole satoshi go back to the bearer, the operator bears the routing, and less than one satoshi that no invoice
/// can carry is revenue (rule 10: payouts round down).
///
/// Routing may cost `fee_limit`, and no more than a tenth of what the session has earned: whoever names the invoice can
/// name the route, too, and would have used the service for what they earn on it (T94). See [`send_back`] for a refund
/// that fails over that.
///
/// # Errors
/// [`Refusal::Busy`] while holds are open: end them first; [`Refusal::NotYet`] for the alarm before its time;
/// [`Refusal::InvoiceInUse`] when `in_use`, a payout of this book for the return invoice that did not fail, is there;
/// [`Refusal::TooLarge`]; [`Refusal::Frozen`].
pub fn close(
    book: &Book,
    session: &Session,
    in_use: Option<&Payout>,
    fee_limit: Msat,
    closer: Closer,
    clock: UnixTime,
) -> Result<Step<(Session, Option<Payout>)>, Refusal> {
    if session.state != SessionState::Open {
        return Ok(Step::Already);
    }
    book.moving()?;
    let now = book.now(clock);
    if closer == Closer::Alarm && now < session.idle_at {
        return Err(Refusal::NotYet);
    }
    if is_in_use(book) {
        return Err(Refusal::Busy);
    }
    if in_use.is_some() {
        return Err(Refusal::InvoiceInUse);
    }
    let left = book.balances.available();
    let refund_sats = left.0 / 1_000;
    let amount = Msat(refund_sats.saturating_mul(1_000));
    let dust = Msat(left.0 % 1_000);
    let fee_limit = fee_limit.min(of_the_operator(book));
    let payout = if refund_sats > 0 {
        crate::amount::operation(plus(amount, fee_limit)?)?;
        let id = Id::derive("session-refund", &[&session.id.0]);
        let new = NewPayout { id, payment_hash: session.return_invoice, amount, fee_limit };
        Some(payout::reserved(&new, Funds::Session, now))
    } else {
        None
    };
    let routing = if payout.is_some() { fee_limit } else { Msat(0) };
    let postings = Postings::of([(Move::PayOut, amount), (Move::PayRouting, routing), (Move::Charge, dust)]);
    let state = SessionState::Closed { refund_sats, payout: payout.as_ref().map(|payout| payout.id) };
    let row = (Session { state, ..*session }, payout);
    book.step(clock, Kind::SessionClosed, Id::from(session.id), postings, row, None)
}

/// What of its revenue routing may cost.
fn of_the_operator(book: &Book) -> Msat {
    Msat(available(book.balances.fees).0 / 10)
}

/// Sends what is left of a closed session once more, to another invoice: after its refund has definitely failed, or what
/// routing did not cost came back. The bearer asks for it.
///
/// Where a tenth of what the session has earned covers `fee_limit`, all of it goes, and the operator bears the routing, as
/// at the close. Where it does not, the bearer does: a tenth of what is left, or `fee_limit` if that is less, stays behind
/// for the route, and what of it routing does not cost can be sent again.
///
/// # Errors
/// [`Refusal::Busy`] unless `over`, the payout of the close or of the try before, is there and has ended;
/// [`Refusal::InvoiceInUse`] when `in_use` is there or the invoice is the one of that payout;
/// [`Refusal::InsufficientFunds`] when nothing would be left of it; [`Refusal::TooLarge`]; [`Refusal::Frozen`].
pub fn send_back(
    book: &Book,
    session: &Session,
    over: Option<&Payout>,
    (return_invoice, in_use): (PaymentHash, Option<&Payout>),
    fee_limit: Msat,
    clock: UnixTime,
) -> Result<Step<(Session, Payout)>, Refusal> {
    let SessionState::Closed { payout: Some(before), .. } = session.state else { return Err(Refusal::Busy) };
    let has_ended = |row: &Payout| matches!(row.state, PayoutState::Failed | PayoutState::Succeeded { .. });
    if !over.is_some_and(|row| row.id == before && has_ended(row)) {
        return Err(Refusal::Busy);
    }
    if in_use.is_some() || return_invoice == session.return_invoice {
        return Err(Refusal::InvoiceInUse);
    }
    book.moving()?;
    let left = book.balances.available();
    let is_earned = of_the_operator(book) >= fee_limit;
    let fee_limit = if is_earned { fee_limit } else { fee_limit.min(Msat(left.0 / 10)) };
    let stays = if is_earned { 0 } else { fee_limit.0 };
    let refund_sats = left.0.saturating_sub(stays) / 1_000;
    if refund_sats == 0 {
        return Err(Refusal::InsufficientFunds { available: left });
    }
    let amount = Msat(refund_sats.saturating_mul(1_000));
    let reserve = crate::amount::operation(plus(amount, fee_limit)?)?;
    let id = Id::derive("session-refund", &[&session.id.0, &return_invoice.0]);
    let new = NewPayout { id, payment_hash: return_invoice, amount, fee_limit };
    let (funds, postings) = match is_earned {
        true => (Funds::Session, Postings::of([(Move::PayOut, amount), (Move::PayRouting, fee_limit)])),
        false => (Funds::Balance, Postings::of([(Move::PayOut, reserve)])),
    };
    let payout = payout::reserved(&new, funds, book.now(clock));
    let state = SessionState::Closed { refund_sats, payout: Some(id) };
    let row = (Session { return_invoice, state, ..*session }, payout);
    book.step(clock, Kind::PayoutCreated, id, postings, row, None)
}

/// What became of the refund of a closed session; `None` while it is open. The answer to a close, however often it is
/// asked.
#[must_use]
pub fn refund_status(session: &Session, payout: Option<&Payout>) -> Option<RefundStatus> {
    let SessionState::Closed { payout: id, .. } = session.state else { return None };
    if id.is_none() {
        return Some(RefundStatus::Skipped);
    }
    Some(match payout.filter(|payout| Some(payout.id) == id).map(|payout| &payout.state) {
        Some(PayoutState::Succeeded { .. }) => RefundStatus::Succeeded,
        Some(PayoutState::Failed) => RefundStatus::Failed,
        Some(PayoutState::Created | PayoutState::Sent) | None => RefundStatus::Pending,
    })
}

#[cfg(test)]
mod tests;
