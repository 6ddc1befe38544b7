//! Index of what was ordered here and what was paid: one of sixteen objects, by the first hex digit of the payment hash.
//!
//! Whoever sends a payment hash, or a preimage, asks here first. So the object of a hash, and an account, are named only by
//! what was paid: workerd keeps a file for each object that was ever named, and a guess, a poll or an order that nobody paid
//! must leave none (T58, T64).
//!
//! | table | row | gone |
//! | --- | --- | --- |
//! | `listing` | the order of a top-up, then that it was credited; a deposit of a session | an order when the node says definitely that nobody paid it; the others never (T83) |
//! | `settled` | a purchase was settled: its object knows more | a day after its grant |
//!
//! The class is that of the accounts, so that no deployment needs a new binding for it; the names are not those of
//! accounts ([`name`]).

use core::cell::RefCell;
use std::collections::VecDeque;

use l402::balance::AccountId;
use l402::{Msat, PaymentHash, UnixTime};
use satstile_ledger::topup::{self, Secretless, Terms};
use satstile_ledger::unpaid::{self, Due, Unpaid};
use satstile_ledger::{Book, BookId};
use worker::{Date, Result, SqlStorage};

use super::words::{List, Listed, Look, Looked, Note, SeeTopUp, Stood};
use super::{Answer, hash, id, no};
use crate::objects::books::{as_i64, blob};
use crate::objects::rows::{self, Row};
use crate::objects::words::Word;

/// How often the node may be asked about one hash, in milliseconds (C5).
const LOOK_EVERY_MS: u64 = 2_000;

/// An order that fills a new account and is not credited has a time at which it is looked at.
const SCHEMA: [&str; 4] = [
    "CREATE TABLE IF NOT EXISTS listing(hash BLOB PRIMARY KEY, account TEXT NOT NULL, credited INTEGER NOT NULL, \
     asked INTEGER NOT NULL, secret TEXT NOT NULL, secretless INTEGER NOT NULL, reference TEXT NOT NULL, \
     ends_at INTEGER NOT NULL, refill INTEGER NOT NULL, due INTEGER) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS listing_due ON listing(due) WHERE due IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS settled(hash BLOB PRIMARY KEY, until INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS settled_until ON settled(until)",
];
const LISTING: &str =
    "SELECT account, credited, asked, secret, secretless, reference, ends_at, refill FROM listing WHERE hash = ?";

/// The name of the object that lists this hash. No account has it.
pub fn name(payment_hash: &PaymentHash) -> String {
    format!("index:{}", payment_hash.to_string().get(..1).unwrap_or_default())
}

/// An order. The row that stands is told: another account's stays.
pub(super) fn list(sql: &SqlStorage, new: List, _: UnixTime) -> Result<Answer<Listed>> {
    let (payment_hash, account) = (hash(&new.hash)?, AccountId::from_hex(&new.account).ok_or("no account")?);
    let secretless = secretless(new.secretless).ok_or("no terms")?;
    let terms = Terms { secret: new.secret.as_deref().map(id).transpose()?, secretless };
    // A refill was asked of its own book.
    if !new.is_refill
        && let Err(refusal) =
            topup::open(&Book::open(BookId::of_account(&account.0)), None, payment_hash, Msat(new.asked_msat), terms)
    {
        return Ok(Err(no(refusal)));
    }
    create(sql)?;
    let due = unpaid::watch(payment_hash, UnixTime(new.ends_at)).next_at;
    let due = if new.is_refill { worker::SqlStorageValue::Null } else { rows::int(as_i64(due.0))? };
    let values = vec![
        blob(&payment_hash.0),
        new.account.into(),
        rows::int(as_i64(new.asked_msat))?,
        new.secret.unwrap_or_default().into(),
        rows::int(i64::from(new.secretless))?,
        new.reference.into(),
        rows::int(as_i64(new.ends_at))?,
        rows::int(i64::from(new.is_refill))?,
        due,
    ];
    sql.exec("INSERT OR IGNORE INTO listing VALUES(?, ?, 0, ?, ?, ?, ?, ?, ?, ?)", values)?;
    Ok(read(sql, &payment_hash)?.ok_or_else(not_listed))
}

/// What is listed under a hash. Nothing is written: whoever guesses leaves no trace.
pub(super) fn see(sql: &SqlStorage, asked: SeeTopUp, _: UnixTime) -> Result<Answer<Listed>> {
    if !rows::is_there(sql, "listing")? {
        return Ok(Err(not_listed()));
    }
    Ok(read(sql, &hash(&asked.hash)?)?.ok_or_else(not_listed))
}

/// The money of this hash is in this book: from now on it names it for ever.
pub(super) fn credited(sql: &SqlStorage, new: Note, _: UnixTime) -> Result<Answer<()>> {
    create(sql)?;
    const PUT: &str = "INSERT INTO listing VALUES(?, ?, 1, 0, '', 1, '', 0, 0, NULL) \
        ON CONFLICT DO UPDATE SET credited = 1, reference = '', due = NULL WHERE account = excluded.account";
    sql.exec(PUT, vec![blob(&hash(&new.hash)?.0), new.about.into()])?;
    Ok(Ok(()))
}

/// Nobody paid it, by the node's definite word. Whether it stood here.
pub(super) fn unlist(sql: &SqlStorage, asked: SeeTopUp, now: UnixTime) -> Result<Answer<Stood>> {
    let payment_hash = hash(&asked.hash)?;
    let listed = if rows::is_there(sql, "listing")? { read(sql, &payment_hash)? } else { None };
    let Some(listed) = listed else { return Ok(Ok(Stood { stood: false })) };
    if listed.is_credited {
        return Ok(Ok(Stood { stood: true }));
    }
    if !listed.is_refill {
        // The rule of the books for what they forget: also where an alarm comes too early.
        let account = AccountId::from_hex(&listed.account).ok_or("no account")?;
        let book = Book::open(BookId::of_account(&account.0));
        let order = topup::open(&book, None, payment_hash, Msat(listed.asked_msat), Terms::FREE);
        let unpaid = unpaid::watch(payment_hash, UnixTime(listed.ends_at));
        let forgotten = order.and_then(|order| unpaid::forget(&book, &unpaid, Some(&order), now));
        if let Err(refusal) = forgotten {
            return Ok(Err(no(refusal)));
        }
        crate::platform::log::event("forgotten", serde_json::json!({"payment": payment_hash.short()}));
    }
    sql.exec("DELETE FROM listing WHERE hash = ? AND credited = 0", vec![blob(&payment_hash.0)])?;
    Ok(Ok(Stood { stood: true }))
}

/// A purchase was settled; `about` is when its grant ends, Unix seconds.
pub(super) fn settled(sql: &SqlStorage, new: Note, now: UnixTime) -> Result<Answer<()>> {
    create(sql)?;
    sql.exec("DELETE FROM settled WHERE until < ?", vec![rows::int(as_i64(now.0))?])?;
    const PUT: &str = "INSERT INTO settled VALUES(?, ?) \
        ON CONFLICT DO UPDATE SET until = excluded.until WHERE until < excluded.until";
    let until: u64 = new.about.parse().map_err(|_| "no time")?;
    sql.exec(PUT, vec![blob(&hash(&new.hash)?.0), rows::int(as_i64(until))?])?;
    Ok(Ok(()))
}

/// Whether a purchase was settled, as far as this index was told.
pub(super) fn is_settled(sql: &SqlStorage, payment_hash: &PaymentHash) -> Result<bool> {
    const FIND: &str = "SELECT 1 FROM settled WHERE hash = ?";
    Ok(rows::is_there(sql, "settled")? && rows::first_of(sql, FIND, vec![blob(&payment_hash.0)])?.is_some())
}

/// Who was asked about in the last moment, and when, in milliseconds; the oldest first. It lives as long as the object does.
pub type Looks = RefCell<VecDeque<(PaymentHash, u64)>>;

/// Whether a purchase was settled; and whether the caller may ask the node now. Nothing is
/// written: a poll leaves no trace.
pub(super) fn look(sql: &SqlStorage, looks: &Looks, asked: &SeeTopUp) -> Result<Answer<Looked>> {
    let payment_hash = hash(&asked.hash)?;
    let is_settled = is_settled(sql, &payment_hash)?;
    let now_ms = Date::now().as_millis();
    let mut looks = looks.borrow_mut();
    while looks.front().is_some_and(|(_, at_ms)| now_ms.saturating_sub(*at_ms) >= LOOK_EVERY_MS) {
        looks.pop_front();
    }
    let may_look = !is_settled && looks.iter().all(|(known, _)| *known != payment_hash);
    if may_look {
        looks.push_back((payment_hash, now_ms));
    }
    Ok(Ok(Looked { is_settled, may_look }))
}

/// When the next order is to be looked at.
pub(super) fn next_due(sql: &SqlStorage) -> Result<Option<u64>> {
    if !rows::is_there(sql, "listing")? {
        return Ok(None);
    }
    let row = rows::first(sql, "SELECT due FROM listing WHERE due IS NOT NULL ORDER BY due LIMIT 1")?;
    Ok(row.map(|row| row.int(0).unsigned_abs()))
}

/// Orders that nobody paid, when they are due: what the node is to be asked, one line each.
pub(super) fn follow(sql: &SqlStorage, now: UnixTime, limit: u32, orders: &mut Vec<String>) -> Result<()> {
    if !rows::is_there(sql, "listing")? {
        return Ok(());
    }
    const DUE: &str =
        "SELECT hash, account, asked, ends_at, reference FROM listing WHERE due <= ? ORDER BY due LIMIT ?";
    for row in rows::all_of(sql, DUE, vec![rows::int(as_i64(now.0))?, rows::int(i64::from(limit))?])? {
        let payment_hash = PaymentHash(row.bytes(0).try_into().map_err(|_| "no payment hash")?);
        let account = AccountId::from_hex(&row.text(1)).ok_or("no account")?;
        let book = Book::open(BookId::of_account(&account.0));
        let asked = Msat(row.int(2).unsigned_abs());
        let ends_at = UnixTime(row.int(3).unsigned_abs());
        let topup =
            topup::open(&book, None, payment_hash, asked, Terms::FREE).map_err(|refusal| refusal.to_string())?;
        let unpaid = Unpaid { next_at: now, ..unpaid::watch(payment_hash, ends_at) };
        let Some(Due::Look(again)) = unpaid::due(&book, &unpaid, Some(&topup), now) else { continue };
        let values = vec![rows::int(as_i64(again.next_at.0))?, blob(&payment_hash.0)];
        sql.exec("UPDATE listing SET due = ? WHERE hash = ?", values)?;
        let (hash, reference) = (payment_hash.to_string(), row.text(4));
        orders.push(format!("look-listed {}", Word::say(&Look { hash, asked_msat: asked.0, reference })));
    }
    Ok(())
}

/// The terms of a claim without its secret, by the number that stands in a row and in a message.
pub(super) fn secretless(number: u32) -> Option<Secretless> {
    Some(match number {
        0 => Secretless::Nothing,
        1 => Secretless::Everything,
        2 => Secretless::Spend,
        3 => Secretless::Escrow,
        _ => return None,
    })
}

fn read(sql: &SqlStorage, payment_hash: &PaymentHash) -> Result<Option<Listed>> {
    let row = rows::first_of(sql, LISTING, vec![blob(&payment_hash.0)])?;
    Ok(row.map(|row| listed(&row)))
}

fn listed(row: &Row) -> Listed {
    Listed {
        account: row.text(0),
        is_credited: row.int(1) == 1,
        asked_msat: row.int(2).unsigned_abs(),
        secret: Some(row.text(3)).filter(|secret| !secret.is_empty()),
        secretless: u32::try_from(row.int(4)).unwrap_or_default(),
        reference: row.text(5),
        ends_at: row.int(6).unsigned_abs(),
        is_refill: row.int(7) == 1,
    }
}

fn not_listed() -> super::No {
    no(satstile_ledger::Refusal::UnknownPayment)
}

fn create(sql: &SqlStorage) -> Result<()> {
    SCHEMA.iter().try_for_each(|statement| sql.exec(statement, None).map(|_| ()))
}
