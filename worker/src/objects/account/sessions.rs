//! The book of a session: its deposits, its uses by the unit, and what goes back at its end (the Payment scheme's intent
//! `session`).

use l402::policy::Payouts;
use l402::{Msat, PaymentHash, Preimage, UnixTime};
use satstile_ledger::hold::{self, Ending, Hold, NewHold};
use satstile_ledger::payout::Payout;
use satstile_ledger::session::{self, Closer, RefundStatus, Session, SessionState};
use satstile_ledger::topup::{self, Settlement, TopUp};
use satstile_ledger::unpaid::Unpaid;
use satstile_ledger::{BookId, Id, Refusal, Step};
use worker::{Result, SqlStorage};

use super::words::{CloseSession, LacksDeposit, Meter, Metered, OpenSession, SessionSeen, TopUpSession};
use super::{Answer, No, hash, id, in_book, no, payouts, refused};
use crate::objects::books::Books;

/// The status of a deposit that would be too much for its session.
pub const FULL: u32 = 413;
/// That of a challenge which is not of this session.
pub const NOT_ITS: u32 = 421;

/// Whether who asks has shown the challenge of a deposit of this session, where that is asked for.
fn shows_its_own(books: &Books<'_>, by: Option<&String>) -> Result<Answer<()>> {
    let Some(by) = by else { return Ok(Ok(())) };
    let deposit = books.row::<TopUp>(hash(by)?.into())?;
    let is_its_own = deposit.is_some_and(|row| row.credited.is_some());
    let reason = "the challenge is not that of a deposit of this session".to_owned();
    Ok(if is_its_own { Ok(()) } else { Err(No { status: NOT_ITS, reason }) })
}

/// Opens a session with its deposit; one that was opened before is found. Without a word about the payment only that.
pub(super) fn open(sql: &SqlStorage, asked: OpenSession, now: UnixTime) -> Result<Answer<()>> {
    let (deposit, return_invoice) = (hash(&asked.hash)?, hash(&asked.return_hash)?);
    if let Some(books) = Books::find(sql)?
        && books.row::<Session>(deposit.into())?.is_some()
    {
        return Ok(Ok(()));
    }
    let Some(paid_msat) = asked.paid_msat else { return Ok(Err(no(Refusal::NotSettled))) };
    let mut books = Books::find_or_open(sql, BookId::of_account(&deposit.0))?;
    // It may have waited here for its session, or have been booked since nobody came.
    let before = books.row::<TopUp>(deposit.into())?;
    match pay_in(&books, before.as_ref(), deposit, (asked.deposit_msat, paid_msat, asked.node_fee_msat), false, now) {
        Ok(step) => {
            books.write(step)?;
            books.end::<Unpaid>(deposit.into())?;
        }
        Err(refusal) => return refused(&mut books, refusal, now),
    }
    let preimage = Preimage::from_hex(&asked.preimage).ok_or("no preimage")?;
    let row = books.row::<TopUp>(deposit.into())?.ok_or("a deposit that was not written")?;
    match session::open(&books.book, None, &row, &preimage, (return_invoice, asked.idle_s), now) {
        Ok((session, row)) => {
            books.put(&row)?;
            books.put_noted(&session, &asked.return_bolt11).map(Ok)
        }
        // The credit is undone with it.
        Err(refusal) => Err(refusal.to_string().into()),
    }
}

/// A deposit that was settled for `paid`, of which its invoice asks `asked` and the node kept `node_fee`, in millisatoshi. The first one is claimed by
/// who opens the session, the others by nobody.
fn pay_in(
    books: &Books<'_>,
    before: Option<&TopUp>,
    payment_hash: PaymentHash,
    (asked, paid, node_fee): (u64, u64, u64),
    claimed: bool,
    now: UnixTime,
) -> core::result::Result<Step<TopUp>, Refusal> {
    let row = topup::open(&books.book, before, payment_hash, Msat(asked), topup::Terms::FREE)?;
    let settlement = Settlement { payment_hash, paid: Msat(paid), node_fee: Msat(node_fee) };
    let claimed = if claimed { topup::Claimed::Fully } else { topup::Claimed::No };
    topup::credit(&books.book, Some(&TopUp { claimed, ..row }), &settlement, now)
}

/// Another deposit. It is taken by a session that is open, and by no other: who paid it can still open one with it.
pub(super) fn top_up(sql: &SqlStorage, asked: TopUpSession, now: UnixTime) -> Result<Answer<()>> {
    let (id, deposit) = (hash(&asked.session)?.into(), hash(&asked.hash)?);
    in_book(sql, now, |books, now| {
        if books.row::<TopUp>(deposit.into())?.is_some_and(|row| row.credited.is_some()) {
            return Ok(Ok(()));
        }
        let touched = match books.row::<Session>(id)?.map(|row| session::touch(&books.book, &row, now)) {
            Some(Ok(touched)) => touched,
            Some(Err(refusal)) => return refused(books, refusal, now),
            None => return Ok(Err(no(Refusal::UnknownPayment))),
        };
        // What came in must be able to go back.
        let balances = books.book.balances;
        let held = balances.available().0.saturating_add(u64::try_from(balances.hold).unwrap_or(0));
        if held.saturating_add(asked.deposit_msat) > asked.limit_msat {
            return Ok(Err(No { status: FULL, reason: "the session is full".to_owned() }));
        }
        let Some(paid_msat) = asked.paid_msat else { return Ok(Err(no(Refusal::NotSettled))) };
        match pay_in(books, None, deposit, (asked.deposit_msat, paid_msat, asked.node_fee_msat), true, now) {
            Ok(step) => {
                books.write(step)?;
                books.put(&touched).map(Ok)
            }
            Err(refusal) => refused(books, refusal, now),
        }
    })
}

/// Whether this session has ended without ever taking this deposit, and so never will.
pub(super) fn lacks(sql: &SqlStorage, asked: LacksDeposit, now: UnixTime) -> Result<Answer<()>> {
    let (id, deposit) = (hash(&asked.session)?.into(), hash(&asked.hash)?);
    in_book(sql, now, |books, _| {
        let is_over = books.row::<Session>(id)?.is_some_and(|row| row.state != SessionState::Open);
        let has_it = books.row::<TopUp>(deposit.into())?.is_some();
        Ok(if is_over && !has_it { Ok(()) } else { Err(no(Refusal::OtherAccount)) })
    })
}

/// Whether this session has taken this deposit.
pub(super) fn has(sql: &SqlStorage, asked: LacksDeposit, now: UnixTime) -> Result<Answer<()>> {
    let deposit = hash(&asked.hash)?;
    in_book(sql, now, |books, _| {
        let has_it = books.row::<TopUp>(deposit.into())?.is_some_and(|row| row.credited.is_some());
        Ok(if has_it { Ok(()) } else { Err(no(Refusal::UnknownPayment)) })
    })
}

/// Ends one use and begins the next, either of which may be none. So many units are reserved as were asked for, and no more
/// than half of what is left, so that two answers at a time do not starve each other; none when nothing is left.
pub(super) fn meter(sql: &SqlStorage, asked: Meter, now: UnixTime) -> Result<Answer<Metered>> {
    let session = hash(&asked.session)?.into();
    in_book(sql, now, |books, now| {
        // A deposit that waits has a book, and no session yet.
        if books.row::<Session>(session)?.is_none() {
            return Ok(Err(no(Refusal::UnknownPayment)));
        }
        if let Err(no) = shows_its_own(books, asked.by.as_ref())? {
            return Ok(Err(no));
        }
        if let Some(over) = &asked.end
            && let Err(refusal) = end(books, id(over)?, asked.used.saturating_mul(asked.unit_msat), now)?
        {
            return refused(books, refusal, now);
        }
        let Some(row) = books.row::<Session>(session)? else { return Ok(Err(no(Refusal::UnknownPayment))) };
        let touched = session::touch(&books.book, &row, now);
        let mut units = 0;
        match (&asked.begin, touched) {
            // Asked again, because the answer was lost: it is reserved.
            (Some(begin), Ok(_)) if let Some(hold) = books.row::<Hold>(id(begin)?)? => {
                units = hold.ceiling.0.checked_div(asked.unit_msat).unwrap_or(0);
            }
            (Some(begin), Ok(touched)) => {
                let there_are = books.book.balances.available().0.checked_div(asked.unit_msat).unwrap_or(0);
                units = asked.want.min(there_are.div_ceil(2));
                if units > 0 {
                    let ceiling = Msat(units.saturating_mul(asked.unit_msat));
                    let new = NewHold { id: id(begin)?, ceiling, estimate: Msat(0), ttl_s: asked.ttl_s };
                    match hold::place(&books.book, None, &new, &mut [], now) {
                        Ok(step) => books.write(step)?,
                        Err(refusal) => return refused(books, refusal, now),
                    }
                    books.put(&touched)?;
                }
            }
            (None, Ok(touched)) => books.put(&touched)?,
            // An end is written down in any case; a beginning is not to be had.
            (Some(_), Err(refusal)) if asked.end.is_none() => return refused(books, refusal, now),
            (_, Err(_)) => {}
        }
        let balances = books.book.balances;
        let spent_msat = u64::try_from(balances.fees).unwrap_or(0);
        Ok(Ok(Metered { units, spent_msat, available_msat: balances.available().0 }))
    })
}

fn end(books: &mut Books<'_>, id: Id, cost_msat: u64, now: UnixTime) -> Result<core::result::Result<(), Refusal>> {
    let Some(row) = books.row::<Hold>(id)? else { return Ok(Ok(())) };
    // Nothing was delivered: nothing is charged, and the sheet says so.
    let ending = if cost_msat == 0 { Ending::Broken } else { Ending::Used(Msat(cost_msat)) };
    match hold::end(&books.book, &row, ending, &mut [], now) {
        Ok(step) => books.write(step).map(Ok),
        Err(refusal) => Ok(Err(refusal)),
    }
}

/// Closes; or, of a session that was closed, says how its refund stands, and sends a failed one to another invoice.
pub(super) fn close(sql: &SqlStorage, asked: CloseSession, now: UnixTime) -> Result<Answer<SessionSeen>> {
    let key = hash(&asked.session)?.into();
    in_book(sql, now, |books, now| {
        let Some((row, return_bolt11)) = books.noted::<Session>(key)? else {
            return Ok(Err(no(Refusal::UnknownPayment)));
        };
        if let Err(no) = shows_its_own(books, asked.by.as_ref())? {
            return Ok(Err(no));
        }
        let again = asked.return_hash.as_deref().zip(asked.return_bolt11.as_ref());
        let closed = match (row.state, again) {
            (SessionState::Open, _) => {
                let in_use = payouts::in_use(books, &row.return_invoice)?;
                let closer = if asked.is_alarm { Closer::Alarm } else { Closer::Bearer };
                let limit = fee_limit(&asked, books.book.balances.available());
                let step = session::close(&books.book, &row, in_use.as_ref(), limit, closer, now);
                step.map(|step| books.write_noted(step, &return_bolt11))
            }
            (SessionState::Closed { payout: Some(payout), .. }, Some((invoice, bolt11))) => {
                let (over, invoice) = (books.row::<Payout>(payout)?, hash(invoice)?);
                let in_use = payouts::in_use(books, &invoice)?;
                let limit = fee_limit(&asked, books.book.balances.available());
                let back = (invoice, in_use.as_ref());
                match session::send_back(&books.book, &row, over.as_ref(), back, limit, now) {
                    // It is under way, or went there before, or there is nothing more to send.
                    Err(Refusal::Busy | Refusal::InvoiceInUse | Refusal::InsufficientFunds { .. }) => {
                        return seen(books, key);
                    }
                    step => step.map(|step| books.write_noted(step, bolt11)),
                }
            }
            (SessionState::Closed { .. }, _) => return seen(books, key),
        };
        match closed {
            Ok(written) => written?,
            Err(refusal) => return refused(books, refusal, now),
        }
        let order = match books.row::<Session>(key)?.map(|row| row.state) {
            Some(SessionState::Closed { payout: Some(payout), .. }) => {
                payouts::send(books, payout, now)?.ok().and_then(|sent| sent.order)
            }
            _ => None,
        };
        Ok(seen(books, key)?.map(|seen| SessionSeen { order, ..seen }))
    })
}

/// The most that routing may cost, of so much at the most.
fn fee_limit(asked: &CloseSession, amount: Msat) -> Msat {
    let terms = Payouts { min: Msat(0), max: Msat::MAX, fee_ppm: asked.fee_ppm, fee_min: Msat(asked.fee_min_msat) };
    terms.fee_limit(amount)
}

fn seen(books: &Books<'_>, key: Id) -> Result<Answer<SessionSeen>> {
    let row = books.row::<Session>(key)?.ok_or("a session that was not written")?;
    let SessionState::Closed { refund_sats, payout } = row.state else { return Ok(Err(no(Refusal::Busy))) };
    let payout = payout.map(|id| books.row::<Payout>(id)).transpose()?.flatten();
    let status = match session::refund_status(&row, payout.as_ref()) {
        Some(RefundStatus::Succeeded) => "succeeded",
        Some(RefundStatus::Failed) => "failed",
        Some(RefundStatus::Skipped) => "skipped",
        Some(RefundStatus::Pending) | None => "pending",
    };
    Ok(Ok(SessionSeen { refund_sats, status: status.to_owned(), order: None }))
}

/// A session that is due: kept while it is used, otherwise its id, to be closed by whoever knows the terms.
pub(super) fn follow(books: &mut Books<'_>, id: Id, now: UnixTime) -> Result<Option<String>> {
    let Some(row) = books.row::<Session>(id)? else { return Ok(None) };
    if let Some(kept) = session::keep(&books.book, &row, now) {
        books.put(&kept)?;
        return Ok(None);
    }
    Ok(Some(row.id.to_string()))
}

/// Nobody can close it now, for the policy does not say at which price: in an hour it is due again.
pub(super) fn put_off(sql: &SqlStorage, (): (), now: UnixTime) -> Result<Answer<()>> {
    in_book(sql, now, |books, now| {
        for row in books.all::<Session>()?.into_iter().filter(|row| row.state == SessionState::Open) {
            books.put(&Session { idle_at: now.plus(3_600), ..row })?;
        }
        Ok(Ok(()))
    })
}
