//! Which payment a sealed request id has settled: one, and no other (T54).
//!
//! The id says that this edge asked for an invoice of this amount, and it was made before the invoice's hash was known. The
//! first settlement with it binds the two. Sixteen objects share the ids, by the first digit of their digest.

use l402::PaymentHash;
use satstile_ledger::Id;
use worker::{Date, Result, Storage};

use super::rows;
use super::transaction::transaction;
use super::words::{one_word, words};

/// A row outlives every grant that is sold for a year.
const KEEP_S: i64 = 400 * 86_400;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS bound(id TEXT PRIMARY KEY, hash TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID";
const INDEX: &str = "CREATE INDEX IF NOT EXISTS bound_at ON bound(at)";

/// `bind`: a settlement names both.
#[derive(Debug)]
pub struct Bind {
    /// The id's digest, hex.
    pub id: String,
    /// The payment hash, hex.
    pub hash: String,
}

/// The reply to `bind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// To this payment, now or before.
    Here,
    /// To another one.
    Elsewhere,
}

words!(Bind { id, hash });
one_word!(Bound { Here, Elsewhere });

impl Bind {
    /// Of an id whose seal was checked.
    pub fn new(request_id: &str, hash: &PaymentHash) -> Self {
        let id = Id::derive("settled", &[request_id.as_bytes()]);
        Self { id: hex::encode(id.0), hash: hash.to_string() }
    }

    /// The object that knows.
    pub fn object(&self) -> String {
        format!("settled:{}", self.id.get(..1).unwrap_or_default())
    }
}

/// Binds, unless it is bound.
pub fn bind(storage: &Storage, bind: Bind) -> Result<Bound> {
    transaction(storage, |sql| {
        sql.exec(SCHEMA, None)?;
        sql.exec(INDEX, None)?;
        let now = i64::try_from(Date::now().as_millis() / 1_000).unwrap_or(i64::MAX);
        sql.exec("DELETE FROM bound WHERE at < ?", vec![rows::int(now - KEEP_S)?])?;
        let values = vec![bind.id.clone().into(), bind.hash.clone().into(), rows::int(now)?];
        sql.exec("INSERT OR IGNORE INTO bound VALUES(?, ?, ?)", values)?;
        let row = rows::first_of(sql, "SELECT hash FROM bound WHERE id = ?", vec![bind.id.into()])?;
        let is_here = row.is_some_and(|row| row.text(0) == bind.hash);
        Ok(if is_here { Bound::Here } else { Bound::Elsewhere })
    })
}
