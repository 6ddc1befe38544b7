//! What failed: a purchase for good, in the object of its payment; and how often a payer's did, in the payer's own.

use l402::{Msat, UnixTime};
use satstile_ledger::refund::Failures;
use worker::{Date, Result, SqlStorage, Storage};

use super::claim_words::Conclude;
use super::claims;
use super::schema::create;
use super::transaction::transaction;
use super::words::words;
use super::{forget_at, rows};

/// `fail`: the delivery failed, and there will be no other.
#[derive(Debug)]
pub struct Fail {
    /// Names the attempt.
    pub id: String,
    /// Why, as the client is told.
    pub code: String,
    /// Who the payer is, as far as failures are counted.
    pub payer: String,
}

/// The reply to `failed`.
#[derive(Debug)]
pub struct Failed {
    /// Why; `None` for a purchase that did not fail.
    pub code: Option<String>,
    /// See [`Fail::payer`].
    pub payer: String,
}

/// `refundable`: a payer's purchase failed now.
#[derive(Debug)]
pub struct Refundable {
    /// What of it was paid and not delivered.
    pub amount_msat: u64,
}

words!(Fail { id, code, payer });
words!(Failed { code, payer });
words!(Refundable { amount_msat });

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS failed(one INTEGER PRIMARY KEY CHECK(one = 1), code TEXT NOT NULL, \
    payer TEXT NOT NULL) STRICT";
const PAYER: &str = "CREATE TABLE IF NOT EXISTS failures(one INTEGER PRIMARY KEY CHECK(one = 1), last INTEGER NOT NULL, \
    before INTEGER NOT NULL) STRICT";
/// A payer who has no failure for so long leaves nothing behind, in seconds.
const FORGET_S: u64 = 3_600;

/// Writes the failure down and uses the purchase up, in one transaction, so that nobody has both: the goods and the refund
/// (T100). An attempt whose time was over has been given back, and may have been delivered since: it fails no purchase.
pub fn fail(storage: &Storage, fail: Fail) -> Result<()> {
    transaction(storage, |sql| {
        create(sql)?;
        let is_known = failed_in(sql)?.code.is_some();
        match claims::is_delivered(sql, &fail.id)? {
            Some(false) if !is_known => {}
            // Said again.
            Some(true) if is_known => return Ok(()),
            _ => return Err("the attempt that failed is over: the same payment may try again".into()),
        }
        sql.exec(SCHEMA, None)?;
        sql.exec("INSERT INTO failed VALUES(1, ?, ?)", vec![fail.code.into(), fail.payer.into()])?;
        claims::end(sql, &Conclude { id: fail.id, delivered: true, answer: None })?;
        Ok(())
    })
}

/// Reads, and writes nothing.
pub fn failed(storage: &Storage) -> Result<Failed> {
    failed_in(&storage.sql())
}

fn failed_in(sql: &SqlStorage) -> Result<Failed> {
    let row = match rows::is_there(sql, "failed")? {
        true => rows::first(sql, "SELECT code, payer FROM failed")?,
        false => None,
    };
    Ok(Failed { code: row.as_ref().map(|row| row.text(0)), payer: row.map_or_else(String::new, |row| row.text(1)) })
}

/// Counts a payer's failure, and says what of the purchase goes back: all of it for the first two in 15 minutes, 2 sats
/// less for later ones (systems B).
pub fn refundable(storage: &Storage, asked: &Refundable) -> Result<Refundable> {
    let now = UnixTime(Date::now().as_millis() / 1_000);
    let amount = transaction(storage, |sql| {
        sql.exec(PAYER, None)?;
        let at = |seconds: i64| u64::try_from(seconds).ok().filter(|at| *at > 0).map(UnixTime);
        let before = rows::first(sql, "SELECT last, before FROM failures")?
            .map_or(Failures::default(), |row| Failures { last: at(row.int(0)), before: at(row.int(1)) });
        let (amount, after) = before.and_now(Msat(asked.amount_msat), now);
        let seconds = |at: Option<UnixTime>| rows::int(at.map_or(0, |at| i64::try_from(at.0).unwrap_or(i64::MAX)));
        let values = vec![seconds(after.last)?, seconds(after.before)?];
        sql.exec("INSERT OR REPLACE INTO failures VALUES(1, ?, ?)", values)?;
        Ok(amount)
    })?;
    forget_at(storage, now.0 + FORGET_S)?;
    Ok(Refundable { amount_msat: amount.0 })
}
