//! What must not be forgotten: invoices, answers that were given, settlements that the worker has yet to hear of.
//!
//! One SQLite file, one connection behind a lock, every change in one `BEGIN IMMEDIATE` transaction. Calls take a few
//! milliseconds and block: come here from `spawn_blocking`.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

pub(crate) mod invoices;
pub(crate) mod replies;
pub(crate) mod settlements;

/// Amounts are capped in the table too (T76), and a payment hash names one invoice for ever (T21).
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS invoices (
        payment_hash BLOB PRIMARY KEY CHECK (length(payment_hash) = 32),
        request_id   TEXT NOT NULL,
        bolt11       TEXT NOT NULL,
        preimage     BLOB NOT NULL CHECK (length(preimage) = 32),
        amount_msat  INTEGER NOT NULL CHECK (amount_msat BETWEEN 1 AND 1000000000000),
        service      TEXT NOT NULL,
        purpose      TEXT NOT NULL,
        created_at   INTEGER NOT NULL,
        expires_at   INTEGER NOT NULL CHECK (expires_at > created_at),
        settled_at   INTEGER CHECK (settled_at < expires_at)
    ) STRICT;

    CREATE TABLE IF NOT EXISTS replies (
        request_id TEXT PRIMARY KEY,
        asked      BLOB NOT NULL CHECK (length(asked) = 32),
        status     INTEGER NOT NULL,
        body       BLOB NOT NULL,
        given_at   INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS replies_by_age ON replies (given_at);

    CREATE TABLE IF NOT EXISTS settlements (
        payment_hash    BLOB PRIMARY KEY REFERENCES invoices (payment_hash),
        attempts        INTEGER NOT NULL DEFAULT 0,
        next_attempt_ms INTEGER,
        pushed_at       INTEGER,
        CHECK ((next_attempt_ms IS NULL) = (pushed_at IS NOT NULL))
    ) STRICT;
    CREATE INDEX IF NOT EXISTS settlements_by_turn ON settlements (next_attempt_ms);
";

/// The database.
pub(crate) struct Store(Mutex<Connection>);

impl Store {
    /// Opens the file, and makes the tables at the first start.
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // A settlement that was acknowledged survives a power cut (T74).
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Runs `work` in one transaction: all of it is kept, or none.
    pub(crate) fn transaction<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = work(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// Runs `work` that only looks.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        work(&self.lock())
    }

    /// A panic elsewhere has rolled its transaction back, so the connection is still good.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
