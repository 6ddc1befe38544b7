//! Payments out of the node: written down before anybody is asked to pay, ended by a definite answer alone (T93).
//!
//! ```text
//! accept ──▶ created ──sent──▶ sent ──succeed──▶ succeeded (with the preimage)
//!    │          └──────fail──────┴──fail──────▶ failed     (and so is what was refused from the start)
//!    └ the same id again: the row as it stands. Another id for a hash that did not fail: failed, and never sent.
//! ```

use l402::relay::{PaymentId, PaymentSend};
use l402::{Msat, PaymentHash, Preimage, UnixTime};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::invoices;

const DAY_S: u64 = 86_400;

/// A payment as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Payment {
    pub(crate) id: PaymentId,
    pub(crate) payment_hash: PaymentHash,
    pub(crate) bolt11: String,
    pub(crate) amount: Msat,
    /// The most that routing may cost.
    pub(crate) fee_limit: Msat,
    pub(crate) state: State,
}

/// How a payment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No back end was asked to pay.
    Created,
    /// One may have been, from this moment on.
    Sent(UnixTime),
    /// Paid. Final.
    Succeeded {
        preimage: Preimage,
        /// What routing cost.
        fee: Msat,
    },
    /// Not paid, and never will be under this id. Final.
    Failed { reason: String },
}

/// What came of an order.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// It is in the books, now or since long ago.
    Row { payment: Payment, is_new: bool },
    /// Its id names another payment.
    OtherContent,
}

impl Payment {
    const COLUMNS: &str =
        "id, payment_hash, bolt11, amount_msat, fee_limit_msat, state, sent_at, preimage, fee_msat, reason";

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let state = match row.get::<_, String>(5)?.as_str() {
            "created" => State::Created,
            "sent" => State::Sent(UnixTime(row.get(6)?)),
            "succeeded" => State::Succeeded { preimage: Preimage::new(row.get(7)?), fee: Msat(row.get(8)?) },
            // The table has no fifth word.
            _ => State::Failed { reason: row.get(9)? },
        };
        Ok(Self {
            id: PaymentId(row.get(0)?),
            payment_hash: PaymentHash(row.get(1)?),
            bolt11: row.get(2)?,
            amount: Msat(row.get(3)?),
            fee_limit: Msat(row.get(4)?),
            state,
        })
    }

    /// Whether its end is not known.
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Created | State::Sent(_))
    }

    fn is(&self, order: &PaymentSend) -> bool {
        self.payment_hash == order.payment_hash
            && self.bolt11 == order.bolt11
            && (self.amount.0, self.fee_limit.0) == (order.amount_msat, order.fee_limit_msat)
    }
}

/// Takes an order, in one transaction with all that could forbid it. `refusal` is what was found out about it before; one
/// that is refused is kept as failed, so that its id is answered alike for ever. `daily` is for any 24 hours.
pub(crate) fn accept(
    books: &Connection,
    order: &PaymentSend,
    refusal: Option<&'static str>,
    daily: Msat,
    now: UnixTime,
) -> rusqlite::Result<Accepted> {
    if let Some(payment) = find(books, order.payment_id)? {
        let known = payment.is(order);
        return Ok(if known { Accepted::Row { payment, is_new: false } } else { Accepted::OtherContent });
    }
    let refusal = match refusal {
        None if invoices::find(books, order.payment_hash)?.is_some() => Some("the invoice is this node's own"),
        None if is_taken(books, order.payment_hash)? => Some("the invoice is being paid under another id, or was"),
        None if spent(books, now)?.saturating_add(order.amount_msat).saturating_add(order.fee_limit_msat) > daily.0 => {
            Some("the node's daily limit for payouts is used up")
        }
        refusal => refusal,
    };
    let state = if refusal.is_none() { "created" } else { "failed" };
    books.execute(
        "INSERT INTO payments (id, payment_hash, bolt11, amount_msat, fee_limit_msat, state, reason, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            order.payment_id.0,
            order.payment_hash.0,
            order.bolt11,
            order.amount_msat,
            order.fee_limit_msat,
            state,
            refusal,
            now.0
        ],
    )?;
    let payment = find(books, order.payment_id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    Ok(Accepted::Row { payment, is_new: true })
}

/// Finds a payment by its id.
pub(crate) fn find(connection: &Connection, id: PaymentId) -> rusqlite::Result<Option<Payment>> {
    let sql = format!("SELECT {} FROM payments WHERE id = ?1", Payment::COLUMNS);
    connection.prepare_cached(&sql)?.query_row([id.0], Payment::from_row).optional()
}

/// Those whose end is not known, the oldest first.
pub(crate) fn open(connection: &Connection) -> rusqlite::Result<Vec<PaymentId>> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM payments WHERE state IN ('created', 'sent') ORDER BY created_at")?;
    let ids = statement.query_map([], |row| row.get(0).map(PaymentId))?;
    ids.collect()
}

/// From now on a back end may have been asked to pay. Whether this is news: who hears `false` asks nobody.
pub(crate) fn sent(books: &Connection, id: PaymentId, now: UnixTime) -> rusqlite::Result<bool> {
    let changed = books.execute(
        "UPDATE payments SET state = 'sent', sent_at = ?2 WHERE id = ?1 AND state = 'created'",
        params![id.0, now.0],
    )?;
    Ok(changed == 1)
}

/// It was paid. Whether this is news.
pub(crate) fn succeed(
    books: &Connection,
    id: PaymentId,
    preimage: &Preimage,
    fee: Msat,
    now: UnixTime,
) -> rusqlite::Result<bool> {
    let changed = books.execute(
        "UPDATE payments SET state = 'succeeded', preimage = ?2, fee_msat = ?3, ended_at = ?4
         WHERE id = ?1 AND state IN ('created', 'sent')",
        params![id.0, preimage.expose(), fee.0, now.0],
    )?;
    Ok(changed == 1)
}

/// It was not, and never will be. Whether this is news.
pub(crate) fn fail(books: &Connection, id: PaymentId, reason: &str, now: UnixTime) -> rusqlite::Result<bool> {
    let changed = books.execute(
        "UPDATE payments SET state = 'failed', reason = ?2, ended_at = ?3
         WHERE id = ?1 AND state IN ('created', 'sent')",
        params![id.0, reason, now.0],
    )?;
    Ok(changed == 1)
}

/// When this table began. Of what is older, its silence says nothing (F17).
pub(crate) fn since(connection: &Connection) -> rusqlite::Result<UnixTime> {
    connection.query_row("SELECT since FROM payments_since", [], |row| row.get(0).map(UnixTime))
}

/// Makes the table begin now, if it has not begun before.
pub(super) fn begin(books: &Connection, now: UnixTime) -> rusqlite::Result<()> {
    books.execute("INSERT OR IGNORE INTO payments_since (one, since) VALUES (1, ?1)", [now.0])?;
    Ok(())
}

/// Whether a payment of this hash succeeded or may yet.
fn is_taken(books: &Connection, hash: PaymentHash) -> rusqlite::Result<bool> {
    books.query_row(
        "SELECT EXISTS (SELECT 1 FROM payments WHERE payment_hash = ?1 AND state <> 'failed')",
        [hash.0],
        |row| row.get(0),
    )
}

/// What was spent, or may have been, within a day; in millisatoshi.
fn spent(books: &Connection, now: UnixTime) -> rusqlite::Result<u64> {
    books.query_row(
        "SELECT coalesce(sum(amount_msat + coalesce(fee_msat, fee_limit_msat)), 0) FROM payments
         WHERE created_at > ?1 AND state <> 'failed'",
        [now.0.saturating_sub(DAY_S)],
        |row| row.get(0),
    )
}

/// The newest invoice of each of our back ends: its signer is a node of ours, and is not to be paid (T95).
pub(crate) fn last_own_invoices(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    // With max() as the only aggregate, SQLite takes the other column from the row that has it. Not all rows are looked
    // at: there may be millions.
    let mut statement = connection.prepare_cached(
        "SELECT bolt11, max(nth) FROM (SELECT backend, bolt11, rowid AS nth FROM invoices ORDER BY rowid DESC LIMIT 64)
         GROUP BY backend",
    )?;
    let last = statement.query_map([], |row| row.get(0))?;
    last.collect()
}
