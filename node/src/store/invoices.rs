//! Invoices: made, paid at most once, or expired.

use l402::relay::{InvoiceState, InvoiceStatus};
use l402::{Msat, PaymentHash, Preimage, UnixTime};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::settlements;

/// An invoice as it is kept.
pub(crate) struct Invoice {
    pub(crate) payment_hash: PaymentHash,
    pub(crate) request_id: String,
    pub(crate) bolt11: String,
    pub(crate) preimage: Preimage,
    pub(crate) amount: Msat,
    pub(crate) service: String,
    pub(crate) purpose: String,
    pub(crate) created_at: UnixTime,
    pub(crate) expires_at: UnixTime,
    pub(crate) settled_at: Option<UnixTime>,
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
    /// No such invoice; nothing was paid.
    Unknown,
}

impl Invoice {
    /// The node's word on it. From its `expires_at` on an invoice cannot be paid.
    pub(crate) fn state(&self, now: UnixTime) -> InvoiceState {
        match self.settled_at {
            Some(_) => InvoiceState::Settled,
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
            preimage: (status == InvoiceState::Settled).then_some(self.preimage),
            settled_at: self.settled_at,
        }
    }

    pub(super) const COLUMNS: &str = "invoices.payment_hash, request_id, bolt11, preimage, amount_msat, service, \
        purpose, created_at, expires_at, settled_at";

    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            payment_hash: PaymentHash(row.get(0)?),
            request_id: row.get(1)?,
            bolt11: row.get(2)?,
            preimage: Preimage::new(row.get(3)?),
            amount: Msat(row.get(4)?),
            service: row.get(5)?,
            purpose: row.get(6)?,
            created_at: UnixTime(row.get(7)?),
            expires_at: UnixTime(row.get(8)?),
            settled_at: row.get::<_, Option<u64>>(9)?.map(UnixTime),
        })
    }
}

/// Keeps a new invoice; a payment hash that is there already is an error, and rolls all back (T21).
pub(crate) fn insert(transaction: &Transaction<'_>, invoice: &Invoice) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO invoices (payment_hash, request_id, bolt11, preimage, amount_msat, service, purpose, created_at,
            expires_at, settled_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            invoice.payment_hash.0,
            invoice.request_id,
            invoice.bolt11,
            invoice.preimage.expose(),
            invoice.amount.0,
            invoice.service,
            invoice.purpose,
            invoice.created_at.0,
            invoice.expires_at.0,
            invoice.settled_at.map(|at| at.0),
        ],
    )?;
    Ok(())
}

/// Finds an invoice by its hash.
pub(crate) fn find(connection: &Connection, hash: PaymentHash) -> rusqlite::Result<Option<Invoice>> {
    let sql = format!("SELECT {} FROM invoices WHERE payment_hash = ?1", Invoice::COLUMNS);
    connection.prepare_cached(&sql)?.query_row([hash.0], Invoice::from_row).optional()
}

/// Pays an invoice, and notes in the same transaction that the worker must hear of it (T67, T74).
pub(crate) fn pay(
    transaction: &Transaction<'_>,
    hash: PaymentHash,
    now: UnixTime,
    now_ms: u64,
) -> rusqlite::Result<Payment> {
    let Some(invoice) = find(transaction, hash)? else {
        return Ok(Payment::Unknown);
    };
    match invoice.state(now) {
        InvoiceState::Settled => return Ok(Payment::AlreadyPaid),
        InvoiceState::Expired | InvoiceState::Canceled | InvoiceState::NotFound => return Ok(Payment::Expired),
        InvoiceState::Pending => {}
    }
    settlements::insert(transaction, hash, now_ms)?; // the unique key first (T72)
    transaction.execute("UPDATE invoices SET settled_at = ?2 WHERE payment_hash = ?1", params![hash.0, now.0])?;
    Ok(Payment::Settled(invoice.preimage))
}
