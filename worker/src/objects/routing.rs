//! What routing the refunds of a day may cost the operator, all of them together (T94).
//!
//! Before a refund is paid, the most that routing it may cost is taken from the day; what it did cost is put in its place
//! when the node is definite. What nobody reports stays taken.

use worker::{Date, Result, Storage};

use super::rows;
use super::transaction::transaction;
use super::words::{one_word, words};

/// The one object of its class that counts this.
pub const NAME: &str = "routing:refunds";
/// For so many days a row is there to be corrected: no payout waits longer for its node.
const KEEP_DAYS: i64 = 400;
const DAY_S: u64 = 86_400;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS routing(payout TEXT PRIMARY KEY, day INTEGER NOT NULL, msat INTEGER NOT NULL, \
    is_over INTEGER NOT NULL) STRICT";
const INDEX: &str = "CREATE INDEX IF NOT EXISTS routing_day ON routing(day)";

/// `reserve`: a payout is about to be ordered.
#[derive(Debug)]
pub struct Reserve {
    /// Names the payout, hex. Asked twice on a day, it is reserved once.
    pub payout: String,
    /// The most that routing it may cost.
    pub limit_msat: u64,
    /// The most that all of one day may cost.
    pub day_max_msat: u64,
}

/// The reply to `reserve`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserved {
    /// It may be ordered.
    Yes,
    /// Not today.
    No,
}

/// `cost`: the node was definite about a payout.
#[derive(Debug)]
pub struct Cost {
    /// Names the payout, hex.
    pub payout: String,
    /// What routing it did cost; 0 for one that failed.
    pub msat: u64,
}

words!(Reserve { payout, limit_msat, day_max_msat });
words!(Cost { payout, msat });
one_word!(Reserved { Yes, No });

/// Takes it from what is left of today.
pub fn reserve(storage: &Storage, asked: Reserve) -> Result<Reserved> {
    transaction(storage, |sql| {
        sql.exec(SCHEMA, None)?;
        sql.exec(INDEX, None)?;
        let today = i64::try_from(Date::now().as_millis() / 1_000 / DAY_S).unwrap_or(i64::MAX);
        let known = "SELECT day FROM routing WHERE payout = ?";
        if let Some(row) = rows::first_of(sql, known, vec![asked.payout.clone().into()])? {
            if row.int(0) == today {
                return Ok(Reserved::Yes);
            }
            // It was never ordered: its link is open still.
            sql.exec("DELETE FROM routing WHERE payout = ?", vec![asked.payout.clone().into()])?;
        }
        sql.exec("DELETE FROM routing WHERE day < ?", vec![rows::int(today - KEEP_DAYS)?])?;
        let taken = "SELECT COALESCE(SUM(msat), 0) FROM routing WHERE day = ?";
        let taken = rows::first_of(sql, taken, vec![rows::int(today)?])?.ok_or("a sum without a row")?;
        let after = taken.int(0).unsigned_abs().saturating_add(asked.limit_msat);
        if after > asked.day_max_msat {
            return Ok(Reserved::No);
        }
        let msat = i64::try_from(asked.limit_msat).unwrap_or(i64::MAX);
        let values = vec![asked.payout.into(), rows::int(today)?, rows::int(msat)?];
        sql.exec("INSERT INTO routing VALUES(?, ?, ?, 0)", values)?;
        Ok(Reserved::Yes)
    })
}

/// Puts what it did cost in the place of the most that it could have cost, once.
pub fn cost(storage: &Storage, cost: Cost) -> Result<()> {
    transaction(storage, |sql| {
        if !rows::is_there(sql, "routing")? {
            return Ok(());
        }
        let msat = i64::try_from(cost.msat).unwrap_or(i64::MAX);
        let update = "UPDATE routing SET msat = ?, is_over = 1 WHERE payout = ? AND is_over = 0";
        sql.exec(update, vec![rows::int(msat)?, cost.payout.into()]).map(|_| ())
    })
}
