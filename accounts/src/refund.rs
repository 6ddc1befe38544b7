//! A purchase that came to nothing: its book, the promise to give it back, and the wallet that takes it (T91, T92, T100).
//!
//! The book of a purchase is opened when its first refund is promised: until then there is nothing to count.

use l402::UnixTime;
use satstile_ledger::payout::Payout;
use satstile_ledger::refund::{self, Refund, RefundState, Withdrawal};
use satstile_ledger::sale::{self, Sale};
use satstile_ledger::stored::Table;
use satstile_ledger::topup::Settlement;
use satstile_ledger::{Id, Refusal as Ledger};

use crate::books::{Open, Stop};
use crate::command::{Collect, Promise, SeeRefund};
use crate::payout;
use crate::reply::{RefundSeen, RefundStands, Reply};

/// Records the purchase, if it was not, and promises its refund. The same promise again is the same one.
pub(crate) fn promise(open: &mut Open<'_>, asked: &Promise, now: UnixTime) -> Result<Reply, Stop> {
    let sold = Id::from(asked.payment_hash);
    let settlement = Settlement { payment_hash: asked.payment_hash, paid: asked.paid, node_fee: asked.node_fee };
    let before = open.row::<Sale>(sold)?;
    let step = sale::record(&open.book, before.as_ref(), &settlement, now)?;
    open.write(step)?;
    let sale = open.row::<Sale>(sold)?.ok_or(Ledger::WrongRow)?;
    let before = open.row::<Refund>(asked.id)?;
    // What was promised stands, whatever would be promised today.
    let amount = before.map_or(asked.amount, |row| row.amount);
    let step = refund::promise(&open.book, before.as_ref(), &sale, asked.id, amount, (asked.ttl_s, now))?;
    open.write(step)?;
    seen(open, asked.id)
}

/// How a refund stands.
pub(crate) fn see(open: &Open<'_>, asked: &SeeRefund) -> Result<Reply, Stop> {
    seen(open, asked.id)
}

/// A wallet brings its invoice: the link is used up and the payout written down, in one transaction (T91).
pub(crate) fn collect(open: &mut Open<'_>, asked: &Collect, now: UnixTime) -> Result<Reply, Stop> {
    let row = open.row::<Refund>(asked.id)?.ok_or(Ledger::UnknownPayment)?;
    let in_use = payout::in_use(open, &asked.payment_hash)?;
    let Collect { payment_hash, amount, fee_limit, .. } = *asked;
    let step = refund::claim(&open.book, &row, in_use.as_ref(), &Withdrawal { payment_hash, amount, fee_limit }, now)?;
    open.write(step)?;
    let payout = match open.row::<Refund>(asked.id)?.map(|row| row.state) {
        Some(RefundState::Claiming(payout)) => payout,
        // The same claim again, after it was paid.
        _ => in_use.map(|row: Payout| row.id).ok_or(Ledger::LinkUsed)?,
    };
    open.books.put_note(Table::Payouts, payout, &asked.bolt11)?;
    payout::send(open, payout, now)
}

/// Takes a promise back that nobody claimed in time.
pub(crate) fn lapse(open: &mut Open<'_>, id: Id, now: UnixTime) -> Result<(), Stop> {
    let Some(row) = open.row::<Refund>(id)? else { return Ok(()) };
    let Some(sale) = open.row::<Sale>(row.sale.into())? else { return Ok(()) };
    match refund::lapse(&open.book, &row, &sale, now) {
        Ok(step) => open.write(step)?,
        Err(refusal) => open.answer_breach(&refusal, now)?,
    }
    Ok(())
}

fn seen(open: &Open<'_>, id: Id) -> Result<Reply, Stop> {
    let row = open.row::<Refund>(id)?.ok_or(Ledger::UnknownPayment)?;
    let stands = match row.state {
        RefundState::Pending => RefundStands::Open,
        RefundState::Claiming(_) => RefundStands::Claiming,
        RefundState::Claimed => RefundStands::Claimed,
        RefundState::Lapsed => RefundStands::Lapsed,
    };
    let (amount, expires_at, payout) = (row.amount, row.expires_at, row.next_payout());
    Ok(Reply::Refund(RefundSeen { amount, stands, expires_at, payout }))
}

#[cfg(test)]
#[path = "refund_tests.rs"]
mod tests;
