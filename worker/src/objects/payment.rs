//! What is remembered about one payment hash: that it was settled, and what of it was delivered (C4, C7).
//!
//! Nothing is written for an invoice that was only made: the first row comes with a settlement or a
//! claim, and an alarm removes everything a day after the grant has ended.

use core::cell::Cell;

use worker::{Date, Result, SqlStorage, Storage};

use super::transaction::transaction;
use super::words::{Word, Words, one_word, words};
use super::{forget_at, handover, owner, rows};

/// How often the node may be asked about one hash, in milliseconds (C5).
const LOOK_EVERY_MS: u64 = 2_000;
/// How long the rows outlive the grant, in seconds.
const KEEP_S: u64 = 86_400;

/// A settlement, as it is kept and as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// `claim`: one delivery is about to happen.
#[derive(Debug)]
pub struct Claim {
    /// Names the attempt.
    pub id: String,
    /// A Payment credential, which delivers once whatever the grant says.
    pub once: bool,
    /// How many deliveries the grant covers; `None` for any number.
    pub limit: Option<u64>,
    /// How long the attempt may take before it counts as failed, in seconds.
    pub lease_s: u64,
    /// When the grant ends, Unix seconds.
    pub until: u64,
}

/// `left`: could a claim of an L402 grant succeed now?
#[derive(Debug)]
pub struct Left {
    /// How many deliveries the grant covers.
    pub limit: u64,
}

/// The reply to `claim` and `left`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// Deliver.
    Granted,
    /// All that is left is being delivered at this moment.
    InFlight,
    /// All of it was delivered.
    UsedUp,
}

/// `conclude`: the attempt has ended.
#[derive(Debug)]
pub struct Conclude {
    /// Names the attempt.
    pub id: String,
    /// Whether the client got an answer.
    pub delivered: bool,
}

words!(Settlement { amount_msat, preimage, settled_at });
words!(Settle { settlement, until });
words!(Ended { settlement, may_look });
words!(Claim { id, once, limit, lease_s, until });
words!(Left { limit });
words!(Conclude { id, delivered });
one_word!(Settled { New, Known, Contradiction });
one_word!(Claimed { Granted, InFlight, UsedUp });

/// A settlement inside another message is one word: none of its parts holds a blank.
impl Word for Settlement {
    fn say(&self) -> String {
        Words::say(self).replace('\n', " ")
    }
    fn hear(text: &str) -> Option<Self> {
        Words::hear(&text.replace(' ', "\n")).ok()
    }
}

const SCHEMA: [&str; 3] = [
    "CREATE TABLE IF NOT EXISTS settlement(id INTEGER PRIMARY KEY CHECK(id = 1), amount_msat INTEGER NOT NULL CHECK(amount_msat > 0), \
     preimage TEXT NOT NULL, settled_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS claim(id TEXT PRIMARY KEY, once INTEGER NOT NULL, delivered INTEGER NOT NULL, ends_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS keep(id INTEGER PRIMARY KEY CHECK(id = 1), until INTEGER NOT NULL) STRICT",
];

const TALLY: &str = "SELECT COALESCE(SUM(delivered), 0), COALESCE(SUM(1 - delivered), 0), \
    COALESCE(SUM(once * delivered), 0), COALESCE(SUM(once * (1 - delivered)), 0) FROM claim WHERE delivered = 1 OR ends_at > ?";

/// `look`, `watch`, `settle`, `claim`, `left`, `conclude`, `hand` or `open`. `looked_ms` is when the node was last asked about this hash.
pub fn ask(storage: &Storage, looked_ms: &Cell<u64>, operation: &str, question: &str) -> Result<String> {
    match operation {
        "look" => Ok(look(storage, looked_ms)?.say()),
        "watch" => Ok(known(&storage.sql())?.map_or_else(String::new, |_| "settled".to_owned())),
        "settle" => Ok(settle(storage, &Settle::hear(question)?)?.say()),
        "claim" => Ok(claim(storage, &Claim::hear(question)?)?.say()),
        "left" => Ok(left(&storage.sql(), &Left::hear(question)?)?.say()),
        "conclude" => Ok(conclude(storage, &Conclude::hear(question)?)?.say()),
        "own" => Ok(owner::own(storage, Words::hear(question)?)?.say()),
        "owner" => Ok(owner::owner(storage)?.say()),
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
    match rows::first(sql, "SELECT 1 FROM sqlite_master WHERE name = 'settlement'")? {
        Some(_) => settlement(sql),
        None => Ok(None),
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

fn claim(storage: &Storage, claim: &Claim) -> Result<Claimed> {
    let now = Date::now().as_millis() / 1_000;
    transaction(storage, |sql| {
        create(sql)?;
        let ends_at = i64::try_from(now.saturating_add(claim.lease_s)).unwrap_or(i64::MAX);
        // An attempt whose worker died counts as failed: the payer may try again (D8).
        sql.exec("DELETE FROM claim WHERE delivered = 0 AND ends_at <= ?", vec![rows::int(now as i64)?])?;
        let outcome = tally(sql, now, claim.once, claim.limit)?;
        if outcome != Claimed::Granted {
            return Ok(outcome);
        }
        let values = vec![claim.id.clone().into(), rows::int(i64::from(claim.once))?, rows::int(ends_at)?];
        sql.exec("INSERT INTO claim VALUES(?, ?, 0, ?)", values)?;
        keep(storage, sql, claim.until)?;
        Ok(Claimed::Granted)
    })
}

/// What a claim with these limits comes to. An attempt whose lease has ended counts for nothing.
fn tally(sql: &SqlStorage, now: u64, once: bool, limit: Option<u64>) -> Result<Claimed> {
    let Some(tally) = rows::first_of(sql, TALLY, vec![rows::int(now as i64)?])? else {
        return Err("a sum without a row".into());
    };
    let [delivered, open, once_delivered, once_open] = [0, 1, 2, 3].map(|place| tally.int(place));
    let limit = limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    Ok(match () {
        () if delivered >= limit || (once && once_delivered > 0) => Claimed::UsedUp,
        () if delivered + open >= limit || (once && once_open > 0) => Claimed::InFlight,
        () => Claimed::Granted,
    })
}

/// Reads, and writes nothing: whoever only asks uses nothing up.
fn left(sql: &SqlStorage, left: &Left) -> Result<Claimed> {
    match rows::first(sql, "SELECT 1 FROM sqlite_master WHERE name = 'claim'")? {
        Some(_) => tally(sql, Date::now().as_millis() / 1_000, false, Some(left.limit)),
        None if left.limit == 0 => Ok(Claimed::UsedUp),
        None => Ok(Claimed::Granted),
    }
}

fn conclude(storage: &Storage, conclude: &Conclude) -> Result<()> {
    transaction(storage, |sql| {
        create(sql)?;
        let statement = match conclude.delivered {
            true => "UPDATE claim SET delivered = 1 WHERE id = ?",
            false => "DELETE FROM claim WHERE id = ? AND delivered = 0",
        };
        sql.exec(statement, vec![conclude.id.clone().into()])?;
        Ok(())
    })
}

/// Puts the end off until a day after `until`; never brings it forward.
pub(super) fn keep(storage: &Storage, sql: &SqlStorage, until: u64) -> Result<()> {
    let end = until.saturating_add(KEEP_S);
    let value = || rows::int(i64::try_from(end).unwrap_or(i64::MAX));
    let statement = "INSERT INTO keep VALUES(1, ?) ON CONFLICT(id) DO UPDATE SET until = excluded.until WHERE until < excluded.until";
    let before = rows::first(sql, "SELECT until FROM keep")?;
    sql.exec(statement, vec![value()?])?;
    if before.is_none_or(|before| u64::try_from(before.int(0)).unwrap_or(0) < end) {
        forget_at(storage, end)?;
    }
    Ok(())
}

pub(super) fn create(sql: &SqlStorage) -> Result<()> {
    SCHEMA.iter().try_for_each(|table| sql.exec(table, None).map(|_| ()))
}

fn settlement(sql: &SqlStorage) -> Result<Option<Settlement>> {
    let row = rows::first(sql, "SELECT amount_msat, preimage, settled_at FROM settlement")?;
    Ok(row.map(|row| Settlement { amount_msat: row.int(0), preimage: row.text(1), settled_at: row.int(2) }))
}
