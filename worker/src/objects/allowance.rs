//! What one client may still have of one service before paying (C14): a count in a window of time.

use worker::{Date, Result, Storage};

use super::transaction::transaction;
use super::words::{Words, words};
use super::{forget_at, rows};

/// Takes one request's worth, or gives it back.
#[derive(Debug)]
pub struct Take {
    /// The allowance.
    pub count: u32,
    /// Its window, in seconds.
    pub window_s: u32,
}

/// Whether there was one.
#[derive(Debug)]
pub struct Taken {
    /// How many are left after this one; `None` when there was none to take.
    pub remaining: Option<u32>,
}

words!(Take { count, window_s });
words!(Taken { remaining });

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS allowance(id INTEGER PRIMARY KEY CHECK(id = 1), \
    started_ms INTEGER NOT NULL, used INTEGER NOT NULL CHECK(used >= 0)) STRICT";

/// `take` or `give-back`.
pub fn ask(storage: &Storage, operation: &str, question: &str) -> Result<String> {
    let take = Take::hear(question)?;
    let now_ms = i64::try_from(Date::now().as_millis()).unwrap_or(i64::MAX);
    let window_ms = i64::from(take.window_s) * 1_000;
    let remaining = transaction(storage, |sql| {
        sql.exec(SCHEMA, None)?;
        let (started_ms, used) = match rows::first(sql, "SELECT started_ms, used FROM allowance")? {
            Some(row) if now_ms - row.int(0) < window_ms => (row.int(0), row.int(1)),
            _ => (now_ms, 0),
        };
        let used = match operation {
            "take" if used >= i64::from(take.count) => return Ok(None),
            "take" => used + 1,
            "give-back" => (used - 1).max(0),
            _ => return Err("no such operation".into()),
        };
        let values = vec![rows::int(started_ms)?, rows::int(used)?];
        sql.exec("INSERT OR REPLACE INTO allowance VALUES(1, ?, ?)", values)?;
        Ok(u32::try_from(i64::from(take.count) - used).ok())
    })?;
    // A client that never comes back leaves nothing behind.
    forget_at(storage, Date::now().as_millis() / 1_000 + u64::from(take.window_s) + 60)?;
    Ok(Taken { remaining }.say())
}
