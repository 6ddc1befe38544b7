//! Codes that open a grant somewhere else, once each, for five minutes. They stand beside their payment, and end
//! with its rows.

use worker::{Date, Result, Storage};

use super::payment::{create, keep};
use super::rows;
use super::transaction::transaction;
use super::words::words;

/// How long a code is good, in seconds.
const LIFE_S: i64 = 300;
/// How many may be good at the same time.
const LIVE_MAX: i64 = 5;
/// How many may be made in an hour.
const HOURLY_MAX: i64 = 20;
const HOUR_S: i64 = 3_600;
/// After so many wrong codes the good ones are closed: somebody is guessing (T64).
const WRONG_MAX: i64 = 20;

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

/// `open`: use a code up.
#[derive(Debug)]
pub struct Open {
    /// SHA-256 of the code, hex.
    pub code: String,
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
words!(Open { code });
words!(Opened { credential, path });

/// A code without a credential was used up, or closed; it still counts for its hour.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS handover(code TEXT PRIMARY KEY, credential TEXT NOT NULL, path TEXT NOT NULL, \
    made_at INTEGER NOT NULL, wrong INTEGER NOT NULL) STRICT";
const TALLY: &str = "SELECT COUNT(*), COALESCE(SUM(credential <> ''), 0), COALESCE(MIN(made_at), 0), \
    COALESCE(MIN(CASE WHEN credential <> '' THEN made_at END), 0) FROM handover";

/// Keeps a code, unless there are too many.
pub fn hand(storage: &Storage, hand: Hand) -> Result<Handed> {
    let now = now();
    transaction(storage, |sql| {
        create(sql)?;
        sql.exec(SCHEMA, None)?;
        sql.exec("DELETE FROM handover WHERE made_at <= ?", vec![rows::int(now - HOUR_S)?])?;
        sql.exec("UPDATE handover SET credential = '' WHERE made_at <= ?", vec![rows::int(now - LIFE_S)?])?;
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
        sql.exec("INSERT INTO handover VALUES(?, ?, ?, ?, 0)", values)?;
        keep(storage, sql, hand.until)?;
        Ok(Handed { ends_at: (now + LIFE_S).unsigned_abs(), retry_after_s: 0 })
    })
}

/// Uses a code up. What was never handed over has no rows, and gets none by guessing.
pub fn open(storage: &Storage, open: &Open) -> Result<Opened> {
    let now = now();
    transaction(storage, |sql| {
        if rows::first(sql, "SELECT 1 FROM sqlite_master WHERE name = 'handover'")?.is_none() {
            return Ok(Opened::default());
        }
        sql.exec("UPDATE handover SET credential = '' WHERE made_at <= ?", vec![rows::int(now - LIFE_S)?])?;
        let code = || vec![open.code.clone().into()];
        let found = "SELECT credential, path FROM handover WHERE code = ? AND credential <> ''";
        if let Some(row) = rows::first_of(sql, found, code())? {
            sql.exec("UPDATE handover SET credential = '' WHERE code = ?", code())?;
            return Ok(Opened { credential: row.text(0), path: row.text(1) });
        }
        sql.exec("UPDATE handover SET wrong = wrong + 1 WHERE credential <> ''", None)?;
        sql.exec("UPDATE handover SET credential = '' WHERE wrong >= ?", vec![rows::int(WRONG_MAX)?])?;
        Ok(Opened::default())
    })
}

fn now() -> i64 {
    i64::try_from(Date::now().as_millis() / 1_000).unwrap_or(i64::MAX)
}
