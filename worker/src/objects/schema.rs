//! The tables of a payment's object, and how those of an earlier version become these (T86).
//!
//! Version 1 had no row that says so. Its tables are unchanged, so that the version before still reads and writes them;
//! what is new stands beside them.

use worker::{Result, SqlStorage};

use super::rows;

const VERSION: i64 = 2;

const TABLES: [&str; 8] = [
    "CREATE TABLE IF NOT EXISTS settlement(id INTEGER PRIMARY KEY CHECK(id = 1), amount_msat INTEGER NOT NULL CHECK(amount_msat > 0), \
     preimage TEXT NOT NULL, settled_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS claim(id TEXT PRIMARY KEY, once INTEGER NOT NULL, delivered INTEGER NOT NULL, ends_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS keep(id INTEGER PRIMARY KEY CHECK(id = 1), until INTEGER NOT NULL) STRICT",
    // The few claims that are open or deliver once, among many that were delivered.
    "CREATE INDEX IF NOT EXISTS claim_open ON claim(ends_at) WHERE delivered = 0",
    "CREATE INDEX IF NOT EXISTS claim_once ON claim(once) WHERE once = 1",
    // One limit of a token, named by all caveats up to its own; and what is taken of it, not given back.
    "CREATE TABLE IF NOT EXISTS cap(id TEXT PRIMARY KEY, parent TEXT NOT NULL, budget INTEGER, uses INTEGER, \
     spent INTEGER NOT NULL CHECK(spent BETWEEN 0 AND 9007199254740991), used INTEGER NOT NULL CHECK(used >= 0)) STRICT",
    // What the open claims took, to be given back.
    "CREATE TABLE IF NOT EXISTS taken(claim TEXT NOT NULL, cap TEXT NOT NULL, amount INTEGER NOT NULL, PRIMARY KEY(claim, cap)) STRICT, WITHOUT ROWID",
    // Requests with an Idempotency-Key; `answer` is empty while one is under way.
    "CREATE TABLE IF NOT EXISTS replay(id TEXT PRIMARY KEY, request TEXT NOT NULL, claim TEXT NOT NULL, at INTEGER NOT NULL, \
     until INTEGER NOT NULL, answer TEXT NOT NULL) STRICT",
];

/// `before` is how many deliveries of any token version 1 had counted, without saying through which caps.
const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema(id INTEGER PRIMARY KEY CHECK(id = 1), version INTEGER NOT NULL, before INTEGER NOT NULL) STRICT";

/// Makes what is missing, from any earlier version on. Inside the transaction of whoever writes first.
pub fn create(sql: &SqlStorage) -> Result<()> {
    let found = match rows::is_there(sql, "schema")? {
        true => rows::first(sql, "SELECT version FROM schema")?.map_or(0, |row| row.int(0)),
        false => 0,
    };
    if found >= VERSION {
        return Ok(());
    }
    TABLES.iter().try_for_each(|table| sql.exec(table, None).map(|_| ()))?;
    sql.exec(VERSIONS, None)?;
    let before = "INSERT INTO schema SELECT 1, ?, COUNT(*) FROM claim WHERE once = 0";
    sql.exec(before, vec![rows::int(VERSION)?])?;
    Ok(())
}

/// How many deliveries count against every cap, since nobody knows whose they were.
pub fn counted_before(sql: &SqlStorage) -> Result<i64> {
    Ok(rows::first(sql, "SELECT before FROM schema")?.map_or(0, |row| row.int(0)))
}
