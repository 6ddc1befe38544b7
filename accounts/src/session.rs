//! The book of a session: its deposits, its uses by the unit, and what goes back at its end (the Payment scheme's intent
//! `session`).
//!
//! ```text
//! paid ──▶ waits in the book of its own hash ──▶ opens a session there, or fills another one
//!                    └── nobody can use it any more: credited there, and the operator is told
//! ```

use alloc::vec::Vec;

use l402::{Msat, PaymentHash, UnixTime};
use satstile_ledger::hold::{self, Ending, Hold, NewHold};
use satstile_ledger::payout::Payout;
use satstile_ledger::session::{self, Closer, RefundStatus, Session, SessionState};
use satstile_ledger::stored::Table;
use satstile_ledger::topup::{self, Settlement, Terms, TopUp};
use satstile_ledger::unpaid::{self, Unpaid};
use satstile_ledger::{Id, Refusal as Ledger, Step};

use crate::books::{Open, Stop};
use crate::command::{
    Came, CloseSession, Hash, Meter, NamedTopUp, OpenSession, SessionDeposit, TopUpSession, UseId, WaitDeposit,
};
use crate::payout;
use crate::reply::{BackStands, Errand, Idle, Metered, Refusal, Reply, SessionSeen};
use crate::topup::DEPOSIT;

/// How long a session is put off that nobody can close, in seconds.
const PUT_OFF_S: u64 = 3_600;

/// Opens a session with its deposit. Without a word about the payment, one that is open already is all that is found.
pub(crate) fn open(open: &mut Open<'_>, asked: &OpenSession, now: UnixTime) -> Result<Reply, Stop> {
    let id = Id::from(asked.payment_hash);
    if open.row::<Session>(id)?.is_some() {
        return Ok(Reply::Done);
    }
    let came = asked.came.ok_or(Ledger::NotSettled)?;
    // It may have waited here for its session, or have been booked since nobody came.
    let before = open.row::<TopUp>(id)?;
    let step = pay_in(open, before.as_ref(), (asked.payment_hash, asked.asked), came, topup::Claimed::No, now)?;
    // Both or neither: what is credited to nobody's session would be in no hands.
    let (book, deposit) = match &step {
        Step::Write(change) => (change.book, change.row),
        Step::Already => (open.book, before.ok_or(Ledger::WrongRow)?),
    };
    let back = (asked.back.payment_hash, asked.idle_s);
    let (session, row) = session::open(&book, None, &deposit, &asked.preimage, back, now)?;
    open.write(step)?;
    open.end::<Unpaid>(id)?;
    open.put(&row)?;
    open.put_noted(&session, &asked.back.bolt11)?;
    Ok(Reply::Done)
}

/// A deposit that was settled. The first one is claimed by who opens the session, the others by nobody.
fn pay_in(
    open: &Open<'_>,
    before: Option<&TopUp>,
    (payment_hash, asked): (PaymentHash, Msat),
    came: Came,
    claimed: topup::Claimed,
    now: UnixTime,
) -> Result<Step<TopUp>, Ledger> {
    let row = topup::open(&open.book, before, payment_hash, asked, Terms::FREE)?;
    let settlement = Settlement { payment_hash, paid: came.paid, node_fee: came.node_fee };
    topup::credit(&open.book, Some(&TopUp { claimed, ..row }), &settlement, now)
}

/// Another deposit. It is taken by a session that is open, and by no other: who paid it can still open one with it.
pub(crate) fn top_up(open: &mut Open<'_>, asked: &TopUpSession, now: UnixTime) -> Result<Reply, Stop> {
    let deposit = Id::from(asked.payment_hash);
    if open.row::<TopUp>(deposit)?.is_some_and(|row| row.credited.is_some()) {
        return Ok(Reply::Done);
    }
    let row = open.row::<Session>(asked.session.into())?.ok_or(Ledger::UnknownPayment)?;
    let touched = session::touch(&open.book, &row, now)?;
    // What came in must be able to go back.
    let balances = open.book.balances;
    let held = balances.available().0.saturating_add(u64::try_from(balances.hold).unwrap_or(0));
    if held.saturating_add(asked.asked.0) > asked.limit.0 {
        return Err(Refusal::SessionFull.into());
    }
    let came = asked.came.ok_or(Ledger::NotSettled)?;
    let step = pay_in(open, None, (asked.payment_hash, asked.asked), came, topup::Claimed::Fully, now)?;
    open.write(step)?;
    open.put(&touched)?;
    Ok(Reply::Done)
}

/// Whether this session has taken this deposit.
pub(crate) fn has(open: &Open<'_>, asked: &SessionDeposit) -> Result<Reply, Stop> {
    match is_credited(open, asked.payment_hash)? {
        true => Ok(Reply::Done),
        false => Err(Ledger::UnknownPayment.into()),
    }
}

/// Whether this session has ended without ever taking this deposit, and so never will.
pub(crate) fn lacks(open: &Open<'_>, asked: &SessionDeposit) -> Result<Reply, Stop> {
    let is_over = open.row::<Session>(asked.session.into())?.is_some_and(|row| row.state != SessionState::Open);
    let has_it = open.row::<TopUp>(asked.payment_hash.into())?.is_some();
    if is_over && !has_it { Ok(Reply::Done) } else { Err(Ledger::OtherAccount.into()) }
}

fn is_credited(open: &Open<'_>, deposit: PaymentHash) -> Result<bool, Stop> {
    Ok(open.row::<TopUp>(deposit.into())?.is_some_and(|row| row.credited.is_some()))
}

/// Who asks has shown the challenge of a deposit of this session, where that is asked for.
fn shows_its_own(open: &Open<'_>, by: Option<Hash>) -> Result<(), Stop> {
    match by {
        Some(Hash(deposit)) if !is_credited(open, deposit)? => Err(Refusal::NotItsChallenge.into()),
        _ => Ok(()),
    }
}

/// Ends one use and begins the next. So many units are reserved as were asked for, and no more than half of what is left, so
/// that two answers at a time do not starve each other; none when nothing is left.
pub(crate) fn meter(open: &mut Open<'_>, asked: &Meter, now: UnixTime) -> Result<Reply, Stop> {
    // A deposit that waits has a book, and no session yet.
    let row = open.row::<Session>(asked.session.into())?.ok_or(Ledger::UnknownPayment)?;
    shows_its_own(open, asked.by)?;
    if let Some(UseId(over)) = asked.end {
        end(open, over, Msat(asked.used.saturating_mul(asked.unit.0)), now)?;
    }
    let units_of = |money: Msat| money.0.checked_div(asked.unit.0).unwrap_or(0);
    let mut units = 0;
    match (asked.begin, session::touch(&open.book, &row, now)) {
        (Some(UseId(begin)), Ok(touched)) => match open.row::<Hold>(begin)? {
            // Asked again, because the answer was lost: it is reserved.
            Some(hold) => units = units_of(hold.ceiling),
            None => {
                units = asked.want.min(units_of(open.book.balances.available()).div_ceil(2));
                if units > 0 {
                    let ceiling = Msat(units.saturating_mul(asked.unit.0));
                    let new = NewHold { id: begin, ceiling, estimate: Msat(0), ttl_s: asked.ttl_s };
                    let step = hold::place(&open.book, None, &new, &mut [], now)?;
                    open.write(step)?;
                    open.put(&touched)?;
                }
            }
        },
        (None, Ok(touched)) => open.put(&touched)?,
        // An end is written down in any case; a beginning is not to be had.
        (Some(_), Err(refusal)) if asked.end.is_none() => return Err(refusal.into()),
        (_, Err(_)) => {}
    }
    let balances = open.book.balances;
    let spent = Msat(u64::try_from(balances.fees).unwrap_or(0));
    Ok(Reply::Metered(Metered { units, spent, available: balances.available() }))
}

fn end(open: &mut Open<'_>, id: Id, cost: Msat, now: UnixTime) -> Result<(), Stop> {
    let Some(row) = open.row::<Hold>(id)? else { return Ok(()) };
    // Nothing was delivered: nothing is charged, and the sheet says so.
    let ending = if cost.0 == 0 { Ending::Broken } else { Ending::Used(cost) };
    let step = hold::end(&open.book, &row, ending, &mut [], now)?;
    Ok(open.write(step)?)
}

/// Closes; or, of a session that was closed, says how its refund stands, and sends a failed one to another invoice.
pub(crate) fn close(open: &mut Open<'_>, asked: &CloseSession, now: UnixTime) -> Result<Reply, Stop> {
    let key = Id::from(asked.session);
    let row = open.row::<Session>(key)?.ok_or(Ledger::UnknownPayment)?;
    let bolt11 = open.note::<Session>(key)?;
    shows_its_own(open, asked.by)?;
    let limit = asked.routing.limit(open.book.balances.available());
    let bolt11 = match (row.state, &asked.again) {
        (SessionState::Open, _) => {
            let in_use = payout::in_use(open, &row.return_invoice)?;
            let closer = if asked.is_alarm { Closer::Alarm } else { Closer::Bearer };
            let step = session::close(&open.book, &row, in_use.as_ref(), limit, closer, now)?;
            open.write(step)?;
            bolt11
        }
        (SessionState::Closed { payout: Some(before), .. }, Some(again)) => {
            let over = open.row::<Payout>(before)?;
            let in_use = payout::in_use(open, &again.payment_hash)?;
            let back = (again.payment_hash, in_use.as_ref());
            match session::send_back(&open.book, &row, over.as_ref(), back, limit, now) {
                // It is under way, or went there before, or there is nothing more to send.
                Err(Ledger::Busy | Ledger::InvoiceInUse | Ledger::InsufficientFunds { .. }) => return seen(open, key),
                step => open.write(step?)?,
            }
            again.bolt11.clone()
        }
        (SessionState::Closed { .. }, _) => return seen(open, key),
    };
    open.books.put_note(Table::Sessions, key, &bolt11)?;
    let payout = match open.row::<Session>(key)?.map(|row| row.state) {
        Some(SessionState::Closed { payout: Some(payout), .. }) => payout,
        _ => return seen(open, key),
    };
    open.books.put_note(Table::Payouts, payout, &bolt11)?;
    let order = match payout::send(open, payout, now)? {
        Reply::Payout(sent) => sent.order,
        _ => None,
    };
    let Reply::Session(told) = seen(open, key)? else { return Err(Ledger::WrongRow.into()) };
    Ok(Reply::Session(SessionSeen { order, ..told }))
}

fn seen(open: &Open<'_>, key: Id) -> Result<Reply, Stop> {
    let row = open.row::<Session>(key)?.ok_or(Ledger::WrongRow)?;
    let SessionState::Closed { refund_sats, payout } = row.state else { return Err(Ledger::Busy.into()) };
    let payout = match payout {
        Some(id) => open.row::<Payout>(id)?,
        None => None,
    };
    let stands = match session::refund_status(&row, payout.as_ref()) {
        Some(RefundStatus::Succeeded) => BackStands::Succeeded,
        Some(RefundStatus::Failed) => BackStands::Failed,
        Some(RefundStatus::Skipped) => BackStands::Skipped,
        Some(RefundStatus::Pending) | None => BackStands::Pending,
    };
    Ok(Reply::Session(SessionSeen { refund_sats, stands, order: None }))
}

/// A session that is due: kept while it is used, otherwise to be closed by whoever knows the terms.
pub(crate) fn follow(open: &mut Open<'_>, id: Id, now: UnixTime, errands: &mut Vec<Errand>) -> Result<(), Stop> {
    let Some(row) = open.row::<Session>(id)? else { return Ok(()) };
    match session::keep(&open.book, &row, now) {
        Some(kept) => open.put(&kept)?,
        None => errands.push(Errand::Close(Idle { session: row.id })),
    }
    Ok(())
}

/// Nobody can close it now, for nobody says at which price: in an hour it is due again.
pub(crate) fn put_off(open: &mut Open<'_>, now: UnixTime) -> Result<Reply, Stop> {
    for row in open.rows::<Session>()?.into_iter().filter(|row| row.state == SessionState::Open) {
        open.put(&Session { idle_at: now.plus(PUT_OFF_S), ..row })?;
    }
    Ok(Reply::Done)
}

/// A deposit that the node has pushed waits, unless it was used or waits already.
pub(crate) fn wait(open: &mut Open<'_>, asked: &WaitDeposit) -> Result<Reply, Stop> {
    if open.row::<TopUp>(asked.payment_hash.into())?.is_some() {
        return Ok(Reply::Done);
    }
    let row = topup::open(&open.book, None, asked.payment_hash, asked.asked, Terms::FREE)?;
    open.set(open.book)?;
    open.put(&row)?;
    open.put_noted(&unpaid::watch(asked.payment_hash, asked.ends_at), DEPOSIT)?;
    Ok(Reply::Done)
}

/// It fills another session: the wait is over, and what was credited here stays.
pub(crate) fn gone(open: &mut Open<'_>, asked: &NamedTopUp) -> Result<Reply, Stop> {
    open.end::<Unpaid>(asked.payment_hash.into())?;
    Ok(Reply::Done)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
