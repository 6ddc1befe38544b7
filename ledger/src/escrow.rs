//! Escrow for a task: a price is locked, then released to the contractor, returned to the buyer, or divided.
//!
//! | from | who | what | to |
//! | --- | --- | --- | --- |
//! | Locked | buyer | confirms | Ended: released |
//! | Locked | contractor | gives up | Ended: returned |
//! | Locked | either | disputes | Disputed |
//! | Locked | the deadline | passes | Ended: as the buyer said when locking |
//! | Disputed | operator | rules | Ended: divided as ruled |
//! | Ended | | | final (T101) |
//!
//! The deadline is the first second that is too late for everybody else (T102). The money stands in the buyer's book; a
//! release goes to the contractor's by [`crate::transfer`].

use l402::{Msat, UnixTime};

use crate::amount::operation;
use crate::book::{Book, Change, Step};
use crate::effect::{Credit, Effect, Reason};
use crate::entry::Kind;
use crate::id::{BookId, Id};
use crate::posting::{Move, Postings};
use crate::refusal::Refusal;
use crate::transfer::{Outbound, outbound};

/// A price locked for a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Escrow {
    /// The task's quote.
    pub id: Id,
    /// Who gets it when the task is done.
    pub contractor: BookId,
    /// What is locked.
    pub amount: Msat,
    /// The platform's part of a full release; of a part of it, the same share, rounded down (T103).
    pub fee: Msat,
    /// From this second on, only the deadline decides.
    pub deadline: UnixTime,
    /// What the deadline decides, as the buyer agreed.
    pub at_deadline: AtDeadline,
    /// How it stands.
    pub state: EscrowState,
    /// Counts the changes; a command says which one it saw (T101).
    pub version: u32,
}

/// What happens at the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AtDeadline {
    /// The buyer has it back.
    Return,
    /// The contractor gets it.
    Release,
}

/// How an escrow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EscrowState {
    /// Locked.
    Locked,
    /// Locked until the operator rules; the deadline does not count.
    Disputed,
    /// Final. The three parts sum to the whole (T103).
    Ended {
        /// The contractor's.
        released: Msat,
        /// The platform's.
        fee: Msat,
        /// The buyer's.
        returned: Msat,
    },
}

/// What to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewEscrow {
    /// The task's quote.
    pub id: Id,
    /// Who gets it when the task is done.
    pub contractor: BookId,
    /// 1 msat to 10 BTC.
    pub amount: Msat,
    /// The platform's part; less than the amount.
    pub fee: Msat,
    /// When it ends by itself.
    pub deadline: UnixTime,
    /// How it ends then.
    pub at_deadline: AtDeadline,
}

/// Who does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// The buyer takes the work.
    Confirm,
    /// The contractor gives the task up.
    GiveUp,
    /// One of the two objects.
    Dispute,
    /// The alarm found the deadline passed.
    Deadline,
    /// The operator rules in a dispute; this much of the amount goes to the contractor, the platform's part included.
    Rule {
        /// 0 to the amount.
        to_contractor: Msat,
    },
}

/// Locks a price. `existing` is the row under this id.
///
/// # Errors
/// [`Refusal::InsufficientFunds`], [`Refusal::SpendOnly`], [`Refusal::ZeroAmount`], [`Refusal::TooLarge`] also for a fee that leaves the
/// contractor nothing; [`Refusal::SelfPayment`] for a task of one's own (T101); [`Refusal::Expired`] for a deadline that
/// has passed; [`Refusal::KeyReused`]; [`Refusal::Frozen`].
pub fn lock(book: &Book, existing: Option<&Escrow>, new: &NewEscrow, clock: UnixTime) -> Result<Step<Escrow>, Refusal> {
    operation(new.amount)?;
    if new.fee >= new.amount {
        return Err(Refusal::TooLarge);
    }
    if new.contractor == book.id {
        return Err(Refusal::SelfPayment);
    }
    let NewEscrow { id, contractor, amount, fee, deadline, at_deadline } = *new;
    let row = Escrow { id, contractor, amount, fee, deadline, at_deadline, state: EscrowState::Locked, version: 1 };
    if let Some(before) = existing {
        let same = Escrow { state: EscrowState::Locked, version: 1, ..*before } == row;
        return if same { Ok(Step::Already) } else { Err(Refusal::KeyReused) };
    }
    book.moving()?;
    if book.now(clock) >= deadline {
        return Err(Refusal::Expired);
    }
    // What can only be spent is locked where its limit says so (`prepaid.secretless = "escrow"`).
    match book.limit {
        Some(limit) if limit.escrows => book.covers(amount)?,
        _ => book.parts_with(amount)?,
    }
    book.step(clock, Kind::EscrowLocked, id, Postings::of([(Move::Lock, amount)]), row, None)
}

/// Carries out `act` by `who` on the escrow as they saw it. Gives the escrow, and the transfer to the contractor if there
/// is one.
///
/// The same ending a second time is [`Step::Already`]; another one is refused: ended is ended.
///
/// # Errors
/// [`Refusal::Stale`] when it changed since `version`; [`Refusal::NotAParty`]; [`Refusal::Expired`] from the deadline on,
/// for everybody but the alarm; [`Refusal::NotYet`] before it, for the alarm; [`Refusal::Busy`] while disputed;
/// [`Refusal::Ended`]; [`Refusal::TooLarge`] for a ruling over more than there is; [`Refusal::Frozen`].
pub fn act(
    book: &Book,
    row: &Escrow,
    act: Act,
    who: Who,
    version: u32,
    clock: UnixTime,
) -> Result<Step<(Escrow, Option<Outbound>)>, Refusal> {
    if !who.may(act, book, row) {
        return Err(Refusal::NotAParty);
    }
    let now = book.now(clock);
    let to_contractor = match (row.state, act) {
        (EscrowState::Ended { released, fee, .. }, _) => {
            let before = Msat(released.0.saturating_add(fee.0));
            let same = outcome(row, act).is_some_and(|asked| asked == before);
            return if same { Ok(Step::Already) } else { Err(Refusal::Ended) };
        }
        (EscrowState::Disputed, Act::Rule { to_contractor }) if to_contractor > row.amount => {
            return Err(Refusal::TooLarge);
        }
        (EscrowState::Disputed, Act::Rule { to_contractor }) => to_contractor,
        (EscrowState::Disputed, Act::Dispute) => return Ok(Step::Already),
        (EscrowState::Disputed, _) => return Err(Refusal::Busy),
        (EscrowState::Locked, Act::Rule { .. }) => return Err(Refusal::NotYet),
        (EscrowState::Locked, Act::Deadline) if now < row.deadline => return Err(Refusal::NotYet),
        (EscrowState::Locked, Act::Confirm | Act::GiveUp | Act::Dispute) if now >= row.deadline => {
            return Err(Refusal::Expired);
        }
        (EscrowState::Locked, Act::Dispute) => {
            book.moving()?;
            let next = next(row, version, EscrowState::Disputed)?;
            return book.step(clock, Kind::EscrowDisputed, row.id, Postings::NONE, (next, None), None);
        }
        (EscrowState::Locked, ending) => outcome(row, ending).ok_or(Refusal::Ended)?,
    };
    book.moving()?;
    end(book, row, to_contractor, version, clock)
}

/// What goes to the contractor's side when `act` ends an escrow; `None` for what ends none.
const fn outcome(row: &Escrow, act: Act) -> Option<Msat> {
    match (act, row.at_deadline) {
        (Act::Confirm, _) | (Act::Deadline, AtDeadline::Release) => Some(row.amount),
        (Act::GiveUp, _) | (Act::Deadline, AtDeadline::Return) => Some(Msat(0)),
        (Act::Rule { to_contractor }, _) => Some(to_contractor),
        (Act::Dispute, _) => None,
    }
}

fn next(row: &Escrow, version: u32, state: EscrowState) -> Result<Escrow, Refusal> {
    if version != row.version {
        return Err(Refusal::Stale);
    }
    Ok(Escrow { state, version: row.version.saturating_add(1), ..*row })
}

fn end(
    book: &Book,
    row: &Escrow,
    to_contractor: Msat,
    version: u32,
    clock: UnixTime,
) -> Result<Step<(Escrow, Option<Outbound>)>, Refusal> {
    // The fee's share of a part, rounded down: a share of 10 BTC of 10 BTC needs more than 64 bits on the way.
    let share = u128::from(row.fee.0) * u128::from(to_contractor.0) / u128::from(row.amount.0.max(1));
    let fee = Msat(u64::try_from(share).map_err(|_| Refusal::TooLarge)?);
    let released = Msat(to_contractor.0.saturating_sub(fee.0));
    let returned = Msat(row.amount.0.saturating_sub(to_contractor.0));
    let next = next(row, version, EscrowState::Ended { released, fee, returned })?;
    let postings = Postings::of([(Move::Release, released), (Move::PlatformFee, fee), (Move::Return, returned)]);
    let sent = (released.0 > 0).then(|| {
        let transfer = Id::derive("release", &[&book.id.0, &row.id.0]);
        let reason = Reason::Task(row.id);
        outbound(Credit { transfer, from: book.id, to: row.contractor, amount: released, reason }, book.now(clock))
    });
    let (book, entry) = book.write(clock, Kind::EscrowEnded, row.id, postings)?;
    let effect = sent.map(|row| Effect::Credit(row.credit));
    Ok(Step::Write(Change { book, entry, row: (next, sent), effect }))
}

/// Who acts, as the shell established it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// The owner of this account.
    Account(BookId),
    /// The alarm.
    Alarm,
    /// The operator.
    Operator,
}

impl Who {
    fn may(self, act: Act, buyer: &Book, row: &Escrow) -> bool {
        match (act, self) {
            (Act::Confirm, Self::Account(who)) => who == buyer.id,
            (Act::GiveUp, Self::Account(who)) => who == row.contractor,
            (Act::Dispute, Self::Account(who)) => who == buyer.id || who == row.contractor,
            (Act::Deadline, Self::Alarm) | (Act::Rule { .. }, Self::Operator) => true,
            _ => false,
        }
    }
}

impl Escrow {
    /// What is locked now.
    #[must_use]
    pub const fn locked(&self) -> Msat {
        match self.state {
            EscrowState::Locked | EscrowState::Disputed => self.amount,
            EscrowState::Ended { .. } => Msat(0),
        }
    }
}

#[cfg(test)]
mod tests;
