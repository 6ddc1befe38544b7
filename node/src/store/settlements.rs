//! Settlements that the worker has yet to hear of. A row is written with the settlement itself, and stays until the
//! worker has said 2xx, through any number of restarts.

use l402::relay::InvoiceSettled;
use l402::{PaymentHash, UnixTime};
use rusqlite::{Connection, OptionalExtension, params};

use super::invoices::Invoice;

/// A settlement whose turn it is, or will be.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) settled: InvoiceSettled,
    /// How often it was tried in vain.
    pub(crate) attempts: u32,
    /// When it may be tried.
    pub(crate) at_ms: u64,
}

/// Notes that the worker must hear of a settlement, at once.
pub(super) fn insert(books: &Connection, hash: PaymentHash, now_ms: u64) -> rusqlite::Result<()> {
    books
        .execute("INSERT INTO settlements (payment_hash, next_attempt_ms) VALUES (?1, ?2)", params![hash.0, now_ms])?;
    Ok(())
}

/// The settlement that was due first, if any is left to push.
pub(crate) fn next(connection: &Connection) -> rusqlite::Result<Option<Due>> {
    let sql = format!(
        "SELECT {}, attempts, next_attempt_ms FROM settlements JOIN invoices USING (payment_hash)
         WHERE next_attempt_ms IS NOT NULL AND settled_at IS NOT NULL ORDER BY next_attempt_ms LIMIT 1",
        Invoice::COLUMNS
    );
    let due = connection.prepare_cached(&sql)?.query_row([], |row| {
        let invoice = Invoice::from_row(row)?;
        let settled = InvoiceSettled {
            payment_hash: invoice.payment_hash,
            amount_msat: invoice.amount.0,
            preimage: invoice.preimage,
            settled_at: UnixTime(row.get("settled_at")?),
            request_id: invoice.request_id,
            received_msat: super::invoices::received(invoice.amount, invoice.node_fee),
        };
        Ok(Due { settled, attempts: row.get("attempts")?, at_ms: row.get("next_attempt_ms")? })
    });
    due.optional()
}

/// The worker has heard of it.
pub(crate) fn pushed(connection: &Connection, hash: PaymentHash, now: UnixTime) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE settlements SET attempts = attempts + 1, next_attempt_ms = NULL, pushed_at = ?2
         WHERE payment_hash = ?1",
        params![hash.0, now.0],
    )?;
    Ok(())
}

/// It will be tried again.
pub(crate) fn postpone(connection: &Connection, hash: PaymentHash, at_ms: u64) -> rusqlite::Result<()> {
    connection.execute(
        "UPDATE settlements SET attempts = attempts + 1, next_attempt_ms = ?2 WHERE payment_hash = ?1",
        params![hash.0, at_ms],
    )?;
    Ok(())
}
