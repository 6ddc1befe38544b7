//! What an alarm brings on: holds that nobody ended, payouts and transfers that nobody answered, refunds that nobody
//! took, sessions that nobody uses, top-ups that nobody paid.

use alloc::vec::Vec;

use l402::UnixTime;
use satstile_ledger::stored::Table;

use crate::books::{Open, Stop};
use crate::reply::Reply;
use crate::{payout, refund, session, topup, transfer, usage};

/// How many due rows one alarm looks at.
pub(crate) const BATCH: u32 = 50;

pub(crate) fn ring(open: &mut Open<'_>, now: UnixTime) -> Result<Reply, Stop> {
    let mut errands = Vec::new();
    for (table, id) in open.books.due(now, BATCH)? {
        match table {
            Table::Holds => usage::sweep(open, id, now)?,
            Table::Payouts => payout::follow(open, id, now, &mut errands)?,
            Table::Refunds => refund::lapse(open, id, now)?,
            Table::Outbox => transfer::follow(open, id, now, &mut errands)?,
            Table::Sessions => session::follow(open, id, now, &mut errands)?,
            Table::Unpaid => topup::follow(open, id, now, &mut errands)?,
            _ => {}
        }
    }
    Ok(if errands.is_empty() { Reply::Done } else { Reply::Errands(errands) })
}
