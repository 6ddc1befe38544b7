//! What is remembered about one payment hash: that it was settled, and what of it was delivered (C4, C7; [`claims`]).
//!
//! Nothing is written for an invoice that was only made: the first row comes with a settlement or a
//! claim, and an alarm removes everything a day after the grant has ended.

use core::cell::Cell;

use worker::{Date, Result, SqlStorage, Storage};

use super::kept::keep;
use super::schema::create;
use super::transaction::transaction;
use super::words::{Word, Words, one_word, words};
use super::{claims, failed, handover, owner, rows};

/// How often the node may be asked about one hash, in milliseconds (C5).
const LOOK_EVERY_MS: u64 = 2_000;

/// A settlement, as it is kept and as it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// What was paid.
    pub amount_msat: i64,
    /// The proof, hex; empty when the node did not tell it.
    pub preimage: String,
    /// When, Unix seconds.
    pub settled_at: i64,
}

/// `settle`: the node says that it was paid.
#[derive(Debug)]
pub struct Settle {
    /// What it says.
    pub settlement: Settlement,
    /// When the last grant bought with it ends, Unix seconds.
    pub until: u64,
}

/// The reply to `settle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Written now.
    New,
    /// Known already, the same.
    Known,
    /// Known already, with another amount.
    Contradiction,
}

/// The reply to `look`.
#[derive(Debug)]
pub struct Ended {
    /// The settlement, if there is one.
    pub settlement: Option<Settlement>,
    /// Whether the caller may ask the node now; nobody else will for two seconds.
    pub may_look: bool,
}

words!(Settlement { amount_msat, preimage, settled_at });
words!(Settle { settlement, until });
words!(Ended { settlement, may_look });
one_word!(Settled { New, Known, Contradiction });

/// A settlement inside another message is one word: none of its parts holds a blank.
impl Word for Settlement {
    fn say(&self) -> String {
        Words::say(self).replace('\n', " ")
    }
    fn hear(text: &str) -> Option<Self> {
        Words::hear(&text.replace(' ', "\n")).ok()
    }
}

/// `look`, `settle`, `claim`, `left`, `conclude`, `hand` or `open`. `looked_ms` is when the node was last asked about this hash.
pub fn ask(storage: &Storage, looked_ms: &Cell<u64>, operation: &str, question: &str) -> Result<String> {
    match operation {
        "look" => Ok(look(storage, looked_ms)?.say()),
        "settle" => Ok(settle(storage, &Settle::hear(question)?)?.say()),
        "claim" => Ok(claims::claim(storage, &Words::hear(question)?)?.say()),
        "left" => Ok(claims::left(storage, &Words::hear(question)?)?.say()),
        "conclude" => Ok(claims::conclude(storage, &Words::hear(question)?)?.say()),
        "fail" => Ok(failed::fail(storage, Words::hear(question)?)?.say()),
        "failed" => Ok(failed::failed(storage)?.say()),
        "own" => Ok(owner::own(storage, Words::hear(question)?)?.say()),
        "owner" => Ok(owner::owner(storage)?.say()),
        "disown" => Ok(owner::disown(storage, &Words::hear(question)?)?.say()),
        "hand" => Ok(handover::hand(storage, Words::hear(question)?)?.say()),
        "open" => Ok(handover::open(storage, &Words::hear(question)?)?.say()),
        _ => Err("no such operation".into()),
    }
}

/// Reads, and writes nothing: a poll leaves no trace.
fn look(storage: &Storage, looked_ms: &Cell<u64>) -> Result<Ended> {
    let settlement = known(&storage.sql())?;
    let now_ms = Date::now().as_millis();
    // A settlement that was told without its proof may still get it.
    let is_proven = settlement.as_ref().is_some_and(|known| !known.preimage.is_empty());
    let may_look = !is_proven && now_ms.saturating_sub(looked_ms.get()) >= LOOK_EVERY_MS;
    if may_look {
        looked_ms.set(now_ms);
    }
    Ok(Ended { settlement, may_look })
}

/// The settlement, of an object that may have no tables yet.
fn known(sql: &SqlStorage) -> Result<Option<Settlement>> {
    match rows::is_there(sql, "settlement")? {
        true => settlement(sql),
        false => Ok(None),
    }
}

fn settle(storage: &Storage, settle: &Settle) -> Result<Settled> {
    transaction(storage, |sql| {
        create(sql)?;
        if let Some(known) = settlement(sql)? {
            let same = known.amount_msat == settle.settlement.amount_msat;
            if same && known.preimage.is_empty() {
                sql.exec("UPDATE settlement SET preimage = ?", vec![settle.settlement.preimage.clone().into()])?;
            }
            return Ok(if same { Settled::Known } else { Settled::Contradiction });
        }
        let new = &settle.settlement;
        let values = vec![rows::int(new.amount_msat)?, new.preimage.clone().into(), rows::int(new.settled_at)?];
        sql.exec("INSERT INTO settlement VALUES(1, ?, ?, ?)", values)?;
        keep(storage, sql, settle.until)?;
        Ok(Settled::New)
    })
}

fn settlement(sql: &SqlStorage) -> Result<Option<Settlement>> {
    let row = rows::first(sql, "SELECT amount_msat, preimage, settled_at FROM settlement")?;
    Ok(row.map(|row| Settlement { amount_msat: row.int(0), preimage: row.text(1), settled_at: row.int(2) }))
}
