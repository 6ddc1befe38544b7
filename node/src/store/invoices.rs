//! Invoices: made, paid at most once, expired, or withdrawn.

use l402::relay::{InvoiceState, InvoiceStatus};
use l402::{Msat, PaymentHash, Preimage, UnixTime};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::settlements;

/// An invoice as it is kept.
#[derive(Clone)]
pub(crate) struct Invoice {
    pub(crate) payment_hash: PaymentHash,
    pub(crate) request_id: String,
    /// Which back end made it, and what that one knows it by.
    pub(crate) backend: String,
    pub(crate) reference: String,
    pub(crate) bolt11: String,
    /// The dev node's from the start; of a real node only what it told with the settlement.
    pub(crate) preimage: Option<Preimage>,
    pub(crate) amount: Msat,
    pub(crate) service: String,
    pub(crate) purpose: String,
    pub(crate) created_at: UnixTime,
    pub(crate) expires_at: UnixTime,
    pub(crate) settled_at: Option<UnixTime>,
    /// What the node kept for itself when it was paid.
    pub(crate) node_fee: Msat,
    /// Since when its back end may have withdrawn it.
    pub(crate) cancel_asked_at: Option<UnixTime>,
    /// Since when nobody can pay it any more.
    pub(crate) canceled_at: Option<UnixTime>,
}

/// What became of an attempt to pay.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Payment {
    /// It is paid now, and the worker will hear of it.
    Settled(Preimage),
    /// It was paid before; nothing was paid again.
    AlreadyPaid,
    /// Its time is over; nothing was paid.
    Expired,
    /// It was withdrawn; nothing was paid.
    Canceled,
    /// No such invoice; nothing was paid.
    Unknown,
}

impl Invoice {
    /// The node's word on it. From its `expires_at` on an invoice cannot be paid.
    pub(crate) fn state(&self, now: UnixTime) -> InvoiceState {
        match self.settled_at {
            Some(_) => InvoiceState::Settled,
            None if self.canceled_at.is_some() => InvoiceState::Canceled,
            None if now >= self.expires_at => InvoiceState::Expired,
            None => InvoiceState::Pending,
        }
    }

    /// What a look-up is told: the preimage only once the invoice is settled.
    pub(crate) fn status(self, now: UnixTime) -> InvoiceStatus {
        let status = self.state(now);
        InvoiceStatus {
            status,
            amount_msat: Some(self.amount.0),
            preimage: self.preimage.filter(|_| status == InvoiceState::Settled),
            settled_at: self.settled_at,
            received_msat: received(self.amount, self.node_fee),
        }
    }

    pub(super) const COLUMNS: &str = "invoices.payment_hash, request_id, backend, reference, bolt11, preimage, \
        amount_msat, service, purpose, created_at, expires_at, settled_at, \
        cancel_asked_at, canceled_at, node_fee_msat";

    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            payment_hash: PaymentHash(row.get(0)?),
            request_id: row.get(1)?,
            backend: row.get(2)?,
            reference: row.get(3)?,
            bolt11: row.get(4)?,
            preimage: row.get::<_, Option<[u8; 32]>>(5)?.map(Preimage::new),
            amount: Msat(row.get(6)?),
            service: row.get(7)?,
            purpose: row.get(8)?,
            created_at: UnixTime(row.get(9)?),
            expires_at: UnixTime(row.get(10)?),
            settled_at: row.get::<_, Option<u64>>(11)?.map(UnixTime),
            cancel_asked_at: row.get::<_, Option<u64>>(12)?.map(UnixTime),
            canceled_at: row.get::<_, Option<u64>>(13)?.map(UnixTime),
            node_fee: Msat(row.get(14)?),
        })
    }
}

/// What the worker is told that is left of an invoice's amount: nothing where all of it is.
pub(crate) fn received(amount: Msat, node_fee: Msat) -> Option<u64> {
    (node_fee > Msat(0)).then(|| amount.0.saturating_sub(node_fee.0))
}

/// Keeps a new invoice; a payment hash that is there already is an error, and rolls all back (T21). `next_look_ms` is
/// when its back end is to be asked about it, if it does not tell by itself.
pub(crate) fn insert(books: &Connection, invoice: &Invoice, next_look_ms: Option<u64>) -> rusqlite::Result<()> {
    books
        .prepare_cached(
            "INSERT INTO invoices (payment_hash, request_id, backend, reference, bolt11, preimage, amount_msat,
                service, purpose, created_at, expires_at, next_look_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            invoice.payment_hash.0,
            invoice.request_id,
            invoice.backend,
            invoice.reference,
            invoice.bolt11,
            invoice.preimage.as_ref().map(Preimage::expose),
            invoice.amount.0,
            invoice.service,
            invoice.purpose,
            invoice.created_at.0,
            invoice.expires_at.0,
            next_look_ms,
        ])?;
    Ok(())
}

/// Finds an invoice by its hash.
pub(crate) fn find(connection: &Connection, hash: PaymentHash) -> rusqlite::Result<Option<Invoice>> {
    let sql = format!("SELECT {} FROM invoices WHERE payment_hash = ?1", Invoice::COLUMNS);
    connection.prepare_cached(&sql)?.query_row([hash.0], Invoice::from_row).optional()
}

/// The dev wallet pays an invoice of the dev node.
pub(crate) fn pay(books: &Connection, hash: PaymentHash, now: UnixTime, now_ms: u64) -> rusqlite::Result<Payment> {
    let Some(invoice) = find(books, hash)? else {
        return Ok(Payment::Unknown);
    };
    match invoice.state(now) {
        InvoiceState::Settled => return Ok(Payment::AlreadyPaid),
        InvoiceState::Canceled => return Ok(Payment::Canceled),
        InvoiceState::Expired | InvoiceState::NotFound => return Ok(Payment::Expired),
        InvoiceState::Pending => {}
    }
    // Another node's invoice has no preimage here, and is none of the dev wallet's business.
    let Some(preimage) = invoice.preimage else { return Ok(Payment::Unknown) };
    let paid = Settled { hash, received: invoice.amount, node_fee: Msat(0), preimage: Some(preimage.clone()), at: now };
    settle(books, &paid, now_ms)?;
    Ok(Payment::Settled(preimage))
}

/// A settlement, as a node told it and as it was checked.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub(crate) hash: PaymentHash,
    /// What the payer paid.
    pub(crate) received: Msat,
    /// What the node kept of it.
    pub(crate) node_fee: Msat,
    pub(crate) preimage: Option<Preimage>,
    pub(crate) at: UnixTime,
}

/// Writes a settlement down, and notes in the same transaction that the worker must hear of it (T67, T74). Whether it
/// is news: the second time, and for an invoice that was not made here, it is not.
pub(crate) fn settle(books: &Connection, paid: &Settled, now_ms: u64) -> rusqlite::Result<bool> {
    let changed = books
        .prepare_cached(
            "UPDATE invoices SET settled_at = ?2, received_msat = ?3, preimage = ?4, node_fee_msat = ?5, next_look_ms = NULL
             WHERE payment_hash = ?1 AND settled_at IS NULL",
        )?
        .execute(params![
            paid.hash.0,
            paid.at.0,
            paid.received.0,
            paid.preimage.as_ref().map(Preimage::expose),
            paid.node_fee.0,
        ])?;
    if changed == 1 {
        settlements::insert(books, paid.hash, now_ms)?;
    }
    Ok(changed == 1)
}

/// Notes, before a back end is asked to withdraw an invoice, that it may have.
pub(crate) fn cancel_asked(books: &Connection, hash: PaymentHash, now: UnixTime) -> rusqlite::Result<()> {
    books
        .prepare_cached("UPDATE invoices SET cancel_asked_at = ?2 WHERE payment_hash = ?1 AND cancel_asked_at IS NULL")?
        .execute(params![hash.0, now.0])?;
    Ok(())
}

/// Nobody can pay it from now on, unless somebody has: whether it is withdrawn now.
pub(crate) fn cancel(books: &Connection, hash: PaymentHash, now: UnixTime) -> rusqlite::Result<bool> {
    books
        .prepare_cached(
            "UPDATE invoices SET canceled_at = ?2, next_look_ms = NULL
             WHERE payment_hash = ?1 AND settled_at IS NULL AND canceled_at IS NULL",
        )?
        .execute(params![hash.0, now.0])?;
    Ok(find(books, hash)?.is_some_and(|invoice| invoice.state(now) == InvoiceState::Canceled))
}

/// Invoices of a back end whose turn it is to be asked about, the one that waits longest first.
pub(crate) fn to_look_at(
    connection: &Connection,
    backend: &str,
    now_ms: u64,
    limit: u32,
) -> rusqlite::Result<Vec<(Invoice, u32)>> {
    let sql = format!(
        "SELECT {}, looks FROM invoices WHERE next_look_ms <= ?1 AND backend = ?2 ORDER BY next_look_ms LIMIT ?3",
        Invoice::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows =
        statement.query_map(params![now_ms, backend, limit], |row| Ok((Invoice::from_row(row)?, row.get("looks")?)))?;
    rows.collect()
}

/// When to ask about it again; `None` for never.
pub(crate) fn look_again(books: &Connection, hash: PaymentHash, at_ms: Option<u64>) -> rusqlite::Result<()> {
    books
        .prepare_cached("UPDATE invoices SET next_look_ms = ?2, looks = looks + 1 WHERE payment_hash = ?1")?
        .execute(params![hash.0, at_ms])?;
    Ok(())
}

/// Asks about all unpaid invoices of a back end by this time at the latest.
pub(crate) fn look_by(books: &Connection, backend: &str, at_ms: u64) -> rusqlite::Result<()> {
    books
        .prepare_cached("UPDATE invoices SET next_look_ms = ?2 WHERE backend = ?1 AND next_look_ms > ?2")?
        .execute(params![backend, at_ms])?;
    Ok(())
}
