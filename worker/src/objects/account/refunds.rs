//! A purchase that came to nothing: its book, the promise to give it back, and the wallet that takes it (T91, T92, T100).
//!
//! The book of a purchase is opened when the first refund of it is promised: until then there is nothing to count.

use l402::{Msat, UnixTime};
use satstile_ledger::refund::{self, Refund, RefundState, Withdrawal};
use satstile_ledger::sale::{self, Sale};
use satstile_ledger::topup::Settlement;
use satstile_ledger::{BookId, Id, Refusal};
use worker::{Result, SqlStorage};

use super::words::{Collect, PayoutSeen, Promise, RefundSeen, SeeRefund};
use super::{Answer, hash, id, in_book, no, payouts, refused};
use crate::objects::books::Books;

/// Records the purchase, if it was not, and promises its refund. The same promise again is the same one.
pub(super) fn promise(sql: &SqlStorage, asked: Promise, now: UnixTime) -> Result<Answer<RefundSeen>> {
    let (payment_hash, id) = (hash(&asked.hash)?, id(&asked.id)?);
    let mut books = Books::find_or_open(sql, BookId::of_account(&payment_hash.0))?;
    let settlement = Settlement { payment_hash, paid: Msat(asked.paid_msat), node_fee: Msat(asked.node_fee_msat) };
    let before = books.row::<Sale>(payment_hash.into())?;
    match sale::record(&books.book, before.as_ref(), &settlement, now) {
        Ok(step) => books.write(step)?,
        Err(refusal) => return refused(&mut books, refusal, now),
    }
    let Some(sale) = books.row::<Sale>(payment_hash.into())? else { return Ok(Err(no(Refusal::WrongRow))) };
    let before = books.row::<Refund>(id)?;
    // What was promised stands, whatever would be promised today.
    let amount = before.map_or(Msat(asked.amount_msat), |row| row.amount);
    match refund::promise(&books.book, before.as_ref(), &sale, id, amount, (asked.ttl_s, now)) {
        Ok(step) => {
            books.write(step)?;
            seen(&books, id)
        }
        Err(refusal) => refused(&mut books, refusal, now),
    }
}

/// How a refund stands. Who asks knows the id, which only its link's secret gives.
pub(super) fn see(sql: &SqlStorage, asked: SeeRefund, now: UnixTime) -> Result<Answer<RefundSeen>> {
    let id = id(&asked.id)?;
    in_book(sql, now, |books, _| seen(books, id))
}

/// A wallet brings its invoice: the link is used up and the payout written down, in one transaction (T91).
pub(super) fn collect(sql: &SqlStorage, asked: Collect, now: UnixTime) -> Result<Answer<PayoutSeen>> {
    let (id, payment_hash) = (id(&asked.id)?, hash(&asked.hash)?);
    let (amount, fee_limit) = (Msat(asked.amount_msat), Msat(asked.fee_limit_msat));
    in_book(sql, now, |books, now| {
        let Some(row) = books.row::<Refund>(id)? else { return Ok(Err(no(Refusal::UnknownPayment))) };
        let in_use = payouts::in_use(books, &payment_hash)?;
        let withdrawal = Withdrawal { payment_hash, amount, fee_limit };
        match refund::claim(&books.book, &row, in_use.as_ref(), &withdrawal, now) {
            Ok(step) => books.write_noted(step, &asked.bolt11)?,
            Err(refusal) => return refused(books, refusal, now),
        }
        let payout = match books.row::<Refund>(id)?.map(|row| row.state) {
            Some(RefundState::Claiming(payout)) => Some(payout),
            // The same claim again, after it was paid.
            _ => in_use.map(|row| row.id),
        };
        match payout {
            Some(payout) => payouts::send(books, payout, now),
            None => Ok(Err(no(Refusal::LinkUsed))),
        }
    })
}

/// Takes a promise back that nobody claimed in time.
pub(super) fn lapse(books: &mut Books<'_>, id: Id, now: UnixTime) -> Result<()> {
    let Some(row) = books.row::<Refund>(id)? else { return Ok(()) };
    let Some(sale) = books.row::<Sale>(row.sale.into())? else { return Ok(()) };
    match refund::lapse(&books.book, &row, &sale, now) {
        Ok(step) => books.write(step),
        Err(refusal) => books.answer_breach(&refusal, now),
    }
}

fn seen(books: &Books<'_>, id: Id) -> Result<Answer<RefundSeen>> {
    let Some(row) = books.row::<Refund>(id)? else { return Ok(Err(no(Refusal::UnknownPayment))) };
    let status = match row.state {
        RefundState::Pending | RefundState::Claiming(_) => "pending",
        RefundState::Claimed => "claimed",
        RefundState::Lapsed => "expired",
    };
    Ok(Ok(RefundSeen {
        amount_msat: row.amount.0,
        status: status.to_owned(),
        is_open: row.state == RefundState::Pending,
        expires_at: row.expires_at.0,
        payout: hex::encode(row.next_payout().0),
    }))
}
