//! Codes that open a grant somewhere else, once each, for five minutes. They stand beside their payment, and end
//! with its rows.

use worker::{Date, Result, SqlStorage, Storage};

use super::kept::keep;
use super::rows;
use super::schema::create;
use super::transaction::transaction;
use super::words::words;

/// How long a code is good, in seconds.
const LIFE_S: i64 = 300;
/// How many may be good at the same time.
const LIVE_MAX: i64 = 5;
/// How many may be made in an hour.
const HOURLY_MAX: i64 = 20;
const HOUR_S: i64 = 3_600;

/// `hand`: keep a code.
#[derive(Debug)]
pub struct Hand {
    /// SHA-256 of the code, hex.
    pub code: String,
    /// `token:preimage`
    pub credential: String,
    /// What it opens.
    pub path: String,
    /// When the grant ends, Unix seconds.
    pub until: u64,
}

/// The reply to `hand`.
#[derive(Debug)]
pub struct Handed {
    /// When the code ends, Unix seconds.
    pub ends_at: u64,
    /// 0, or how long to wait since there are too many.
    pub retry_after_s: u64,
}

/// `open`: use a code up. Only codes that we sealed are asked about, so nobody can guess here (T64).
#[derive(Debug)]
pub struct Open {
    /// SHA-256 of the code, hex.
    pub code: String,
    /// Only tell what it opens, and leave it good.
    pub keep: bool,
}

/// The reply to `open`; both are empty when there is no such code.
#[derive(Debug, Default)]
pub struct Opened {
    /// `token:preimage`
    pub credential: String,
    /// What it opens.
    pub path: String,
}

words!(Hand { code, credential, path, until });
words!(Handed { ends_at, retry_after_s });
words!(Open { code, keep });
words!(Opened { credential, path });

/// A code that was used up, or has ended, keeps its time alone: it still counts for its hour.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS link(code TEXT PRIMARY KEY, credential TEXT NOT NULL, path TEXT NOT NULL, \
    made_at INTEGER NOT NULL) STRICT";
const EMPTY: &str = "UPDATE link SET credential = '', path = '' WHERE ";
const TALLY: &str = "SELECT COUNT(*), COALESCE(SUM(credential <> ''), 0), COALESCE(MIN(made_at), 0), \
    COALESCE(MIN(CASE WHEN credential <> '' THEN made_at END), 0) FROM link";

/// Keeps a code, unless there are too many.
pub fn hand(storage: &Storage, hand: Hand) -> Result<Handed> {
    let now = now();
    transaction(storage, |sql| {
        create(sql)?;
        sql.exec(SCHEMA, None)?;
        sql.exec("DELETE FROM link WHERE made_at <= ?", vec![rows::int(now - HOUR_S)?])?;
        end_old(sql, now)?;
        let Some(tally) = rows::first(sql, TALLY)? else { return Err("a count without a row".into()) };
        let [made, live, first_made, first_live] = [0, 1, 2, 3].map(|place| tally.int(place));
        let free_at = match () {
            () if made >= HOURLY_MAX => first_made + HOUR_S,
            () if live >= LIVE_MAX => first_live + LIFE_S,
            () => now,
        };
        if free_at > now {
            return Ok(Handed { ends_at: 0, retry_after_s: free_at.abs_diff(now) });
        }
        let values = vec![hand.code.into(), hand.credential.into(), hand.path.into(), rows::int(now)?];
        sql.exec("INSERT INTO link VALUES(?, ?, ?, ?)", values)?;
        keep(storage, sql, hand.until)?;
        Ok(Handed { ends_at: (now + LIFE_S).unsigned_abs(), retry_after_s: 0 })
    })
}

/// Uses a code up, or only tells what it opens.
pub fn open(storage: &Storage, open: &Open) -> Result<Opened> {
    transaction(storage, |sql| {
        if !rows::is_there(sql, "link")? {
            return Ok(Opened::default());
        }
        end_old(sql, now())?;
        let code = || vec![open.code.clone().into()];
        let found = "SELECT credential, path FROM link WHERE code = ? AND credential <> ''";
        let Some(row) = rows::first_of(sql, found, code())? else { return Ok(Opened::default()) };
        if !open.keep {
            sql.exec(&format!("{EMPTY} code = ?"), code())?;
        }
        Ok(Opened { credential: row.text(0), path: row.text(1) })
    })
}

/// Whoever reads the storage finds no credential in it that a link does not need any more.
fn end_old(sql: &SqlStorage, now: i64) -> Result<()> {
    sql.exec(&format!("{EMPTY} credential <> '' AND made_at <= ?"), vec![rows::int(now - LIFE_S)?])?;
    Ok(())
}

fn now() -> i64 {
    i64::try_from(Date::now().as_millis() / 1_000).unwrap_or(i64::MAX)
}
