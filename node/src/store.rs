//! What must not be forgotten: invoices, answers that were given, settlements that the worker has yet to hear of, payments
//! out of the node.
//!
//! One SQLite file. One thread writes, all that queued up in one commit; every job of it is all or nothing. Reads go by a
//! connection of their own and take some microseconds.

use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use anyhow::ensure;
use rusqlite::{Connection, TransactionBehavior};

use crate::clock;

pub(crate) mod invoices;
pub(crate) mod marks;
pub(crate) mod payments;
pub(crate) mod replies;
pub(crate) mod settlements;
pub(crate) mod wallet_invoices;

/// Which schema this is; the file carries its number.
const VERSION: i64 = 6;

/// Amounts are capped in the table too (T76), and a payment hash names one invoice for ever (T21). What is paid late is
/// kept as paid: the money is there (T65).
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS invoices (
        payment_hash  BLOB PRIMARY KEY CHECK (length(payment_hash) = 32),
        request_id    TEXT NOT NULL,
        backend       TEXT NOT NULL,
        reference     TEXT NOT NULL,
        bolt11        TEXT NOT NULL,
        preimage      BLOB CHECK (length(preimage) = 32),
        amount_msat   INTEGER NOT NULL CHECK (amount_msat BETWEEN 1 AND 1000000000000),
        service       TEXT NOT NULL,
        purpose       TEXT NOT NULL,
        created_at    INTEGER NOT NULL,
        expires_at    INTEGER NOT NULL CHECK (expires_at > created_at),
        settled_at    INTEGER,
        received_msat INTEGER CHECK (received_msat >= amount_msat),
        next_look_ms  INTEGER,
        looks         INTEGER NOT NULL DEFAULT 0,
        CHECK ((settled_at IS NULL) = (received_msat IS NULL))
    ) STRICT;
    CREATE INDEX IF NOT EXISTS invoices_to_look_at ON invoices (next_look_ms) WHERE next_look_ms IS NOT NULL;

    CREATE TABLE IF NOT EXISTS marks (
        backend TEXT PRIMARY KEY,
        mark    INTEGER NOT NULL
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

/// One invoice is paid under one id, unless that one has failed for good (T93). A success has its proof (I6).
const PAYMENTS: &str = "
    CREATE TABLE IF NOT EXISTS payments (
        id             BLOB PRIMARY KEY CHECK (length(id) = 32),
        payment_hash   BLOB NOT NULL CHECK (length(payment_hash) = 32),
        bolt11         TEXT NOT NULL,
        amount_msat    INTEGER NOT NULL CHECK (amount_msat BETWEEN 1 AND 1000000000000),
        fee_limit_msat INTEGER NOT NULL CHECK (fee_limit_msat BETWEEN 0 AND 1000000000000),
        state          TEXT NOT NULL CHECK (state IN ('created', 'sent', 'succeeded', 'failed')),
        preimage       BLOB CHECK (length(preimage) = 32),
        fee_msat       INTEGER CHECK (fee_msat >= 0),
        reason         TEXT,
        created_at     INTEGER NOT NULL,
        sent_at        INTEGER,
        ended_at       INTEGER,
        CHECK ((state = 'succeeded') = (preimage IS NOT NULL)),
        CHECK ((state = 'succeeded') = (fee_msat IS NOT NULL)),
        CHECK ((state = 'failed') = (reason IS NOT NULL)),
        CHECK (state <> 'sent' OR sent_at IS NOT NULL),
        CHECK (state <> 'created' OR sent_at IS NULL)
    ) STRICT;
    CREATE UNIQUE INDEX IF NOT EXISTS payments_by_hash ON payments (payment_hash) WHERE state <> 'failed';
    CREATE INDEX IF NOT EXISTS payments_open ON payments (created_at) WHERE state IN ('created', 'sent');
    CREATE INDEX IF NOT EXISTS payments_by_age ON payments (created_at);

    CREATE TABLE IF NOT EXISTS payments_since (
        one   INTEGER PRIMARY KEY CHECK (one = 1),
        since INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE IF NOT EXISTS wallet_invoices (
        payment_hash BLOB PRIMARY KEY CHECK (length(payment_hash) = 32),
        bolt11       TEXT NOT NULL,
        preimage     BLOB NOT NULL CHECK (length(preimage) = 32),
        amount_msat  INTEGER CHECK (amount_msat BETWEEN 1 AND 1000000000000),
        description  TEXT NOT NULL,
        external_id  TEXT,
        created_at   INTEGER NOT NULL,
        expires_at   INTEGER NOT NULL CHECK (expires_at > created_at),
        tried_at     INTEGER,
        tried_msat   INTEGER CHECK (tried_msat BETWEEN 1 AND 1000000000000),
        paid_at      INTEGER CHECK (paid_at IS NULL OR tried_at IS NOT NULL),
        CHECK ((tried_at IS NULL) = (tried_msat IS NULL))
    ) STRICT;
";

/// Version 1 knew the dev node only, and had no number.
const FROM_1: &str = "
    ALTER TABLE invoices RENAME TO invoices_1;
    ALTER TABLE settlements RENAME TO settlements_1;
    DROP INDEX IF EXISTS settlements_by_turn;
";
const FROM_1_ROWS: &str = "
    INSERT INTO invoices (payment_hash, request_id, backend, reference, bolt11, preimage, amount_msat, service, purpose,
            created_at, expires_at, settled_at, received_msat)
        SELECT payment_hash, request_id, 'dev', '', bolt11, preimage, amount_msat, service, purpose, created_at,
            expires_at, settled_at, iif(settled_at IS NULL, NULL, amount_msat) FROM invoices_1;
    INSERT INTO settlements SELECT * FROM settlements_1;
    DROP TABLE settlements_1;
    DROP TABLE invoices_1;
";

/// In version 3 all invoices of the dev wallet named their amount.
const FROM_3: &str = "ALTER TABLE wallet_invoices RENAME TO wallet_invoices_3;";
const FROM_3_ROWS: &str = "
    INSERT INTO wallet_invoices (payment_hash, bolt11, preimage, amount_msat, description, external_id, created_at,
            expires_at, tried_at, tried_msat, paid_at)
        SELECT payment_hash, bolt11, preimage, amount_msat, description, external_id, created_at, expires_at, tried_at,
            iif(tried_at IS NULL, NULL, amount_msat), paid_at FROM wallet_invoices_3;
    DROP TABLE wallet_invoices_3;
";

/// New in version 5: since when a back end may have withdrawn an invoice, and since when it is definitely withdrawn (T95).
const CANCELED: &str = "
    ALTER TABLE invoices ADD COLUMN cancel_asked_at INTEGER;
    ALTER TABLE invoices ADD COLUMN canceled_at INTEGER;
";

/// New in version 6: what the node kept for itself of what was paid (T66).
const NODE_FEE: &str = "ALTER TABLE invoices ADD COLUMN node_fee_msat INTEGER NOT NULL DEFAULT 0;";

/// The most that one commit holds.
const BATCH: usize = 64;

/// The database: a thread that writes, and a connection to read by.
pub(crate) struct Store {
    jobs: mpsc::Sender<Job>,
    reader: Mutex<Connection>,
}

/// Work inside the transaction; what it returns is called once it is known whether all was committed.
type Job = Box<dyn FnOnce(&Connection) -> Answer + Send>;
type Answer = Box<dyn FnOnce(bool)>;

impl Store {
    /// Opens the file, and makes the tables at the first start.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let mut writer = connect(path)?;
        migrate(&mut writer)?;
        writer.pragma_update(None, "foreign_keys", true)?;
        let reader = Mutex::new(connect(path)?);
        let (jobs, queue) = mpsc::channel();
        // It ends when the store is dropped, after the last job.
        std::thread::Builder::new().name("store".to_owned()).spawn(move || write_all(writer, &queue))?;
        Ok(Self { jobs, reader })
    }

    /// Runs `work` all or not at all, and returns once it is on the disk. `None` when it failed, which the log tells.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = tokio::sync::oneshot::channel();
        self.send(work, move |result| drop(tell.send(result)));
        told.await.ok().and_then(logged)
    }

    /// Runs `work` that only looks.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        // A panic elsewhere left the connection as it was: it is only ever read by.
        logged(work(&self.reader.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn send<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        tell: impl FnOnce(rusqlite::Result<T>) + Send + 'static,
    ) {
        let job: Job = Box::new(move |books| {
            let result = books.execute_batch("SAVEPOINT job").and_then(|()| work(books));
            let end = if result.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
            let result = books.execute_batch(end).and(result);
            Box::new(move |committed| {
                tell(if committed { result } else { result.and(Err(rusqlite::Error::InvalidQuery)) });
            })
        });
        // The writer is there as long as the store is; were it not, the answer is never told, which is a failure, too.
        let _ = self.jobs.send(job);
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // A settlement that was acknowledged survives a power cut (T74).
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

/// Takes what has queued up while the disk was busy, and commits it at once: a slow disk is waited for once for all.
fn write_all(mut connection: Connection, queue: &mpsc::Receiver<Job>) {
    while let Ok(first) = queue.recv() {
        let jobs = std::iter::once(first).chain(queue.try_iter().take(BATCH - 1));
        let Ok(transaction) = connection.transaction_with_behavior(TransactionBehavior::Immediate) else {
            tracing::error!("the database cannot be written to");
            continue; // dropping the jobs fails them
        };
        let answers: Vec<Answer> = jobs.map(|job| job(&transaction)).collect();
        let committed = transaction.commit();
        if let Err(error) = &committed {
            tracing::error!(%error, "the database failed");
        }
        answers.into_iter().for_each(|answer| answer(committed.is_ok()));
    }
}

fn logged<T>(result: rusqlite::Result<T>) -> Option<T> {
    result.map_err(|error| tracing::error!(%error, "the database failed")).ok()
}

/// Brings the file to this version, whole or not at all. A newer one is left alone: it was written by a newer program.
fn migrate(connection: &mut Connection) -> anyhow::Result<()> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    ensure!(found <= VERSION, "it is of version {found}, and this program knows {VERSION}: it is the older one");
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let numberless = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'invoices'";
    let is_1 = found == 0 && transaction.query_row(numberless, [], |row| row.get::<_, i64>(0))? == 1;
    if is_1 {
        transaction.execute_batch(FROM_1)?;
    }
    transaction.execute_batch(SCHEMA)?;
    if is_1 {
        transaction.execute_batch(FROM_1_ROWS)?;
    }
    if found < 5 {
        transaction.execute_batch(CANCELED)?;
    }
    if found < 6 {
        transaction.execute_batch(NODE_FEE)?;
    }
    // New in version 3; all that is older had no payments.
    if found == 3 {
        transaction.execute_batch(FROM_3)?;
    }
    transaction.execute_batch(PAYMENTS)?;
    if found == 3 {
        transaction.execute_batch(FROM_3_ROWS)?;
    }
    payments::begin(&transaction, clock::now())?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
