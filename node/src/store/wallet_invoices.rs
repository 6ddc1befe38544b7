//! Invoices that the dev wallet made with its own key. The dev node pays them, at most once, and what then becomes of the
//! payment is written in the invoice's description: so every end that a real payment can have can be seen on one machine.
//! One that names no amount is paid with what the order says.

use l402::{Msat, PaymentHash, Preimage, UnixTime};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// How long a payment is under way whose invoice is described as `late` or `late fail`, in seconds.
pub(crate) const LATE_S: u64 = 3;

/// An invoice of the wallet.
#[derive(Clone)]
pub(crate) struct WalletInvoice {
    pub(crate) payment_hash: PaymentHash,
    pub(crate) bolt11: String,
    pub(crate) preimage: Preimage,
    /// `None`: whatever is paid.
    pub(crate) amount: Option<Msat>,
    pub(crate) description: String,
    pub(crate) external_id: Option<String>,
    pub(crate) created_at: UnixTime,
    pub(crate) expires_at: UnixTime,
    /// When the dev node was asked to pay it.
    pub(crate) tried_at: Option<UnixTime>,
    /// For how much.
    pub(crate) tried: Option<Msat>,
    pub(crate) paid_at: Option<UnixTime>,
}

/// How a payment of the dev node stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// It was never tried.
    Untried,
    /// It is under way.
    Open,
    /// It arrived.
    Paid(Preimage),
    /// It will not.
    Failed,
}

impl WalletInvoice {
    const COLUMNS: &str = "payment_hash, bolt11, preimage, amount_msat, description, external_id, created_at, \
        expires_at, tried_at, tried_msat, paid_at";

    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            payment_hash: PaymentHash(row.get(0)?),
            bolt11: row.get(1)?,
            preimage: Preimage::new(row.get(2)?),
            amount: row.get::<_, Option<u64>>(3)?.map(Msat),
            description: row.get(4)?,
            external_id: row.get(5)?,
            created_at: UnixTime(row.get(6)?),
            expires_at: UnixTime(row.get(7)?),
            tried_at: row.get::<_, Option<u64>>(8)?.map(UnixTime),
            tried: row.get::<_, Option<u64>>(9)?.map(Msat),
            paid_at: row.get::<_, Option<u64>>(10)?.map(UnixTime),
        })
    }

    /// What came in, to the millisatoshi.
    pub(crate) fn received(&self) -> Msat {
        self.paid_at.and(self.tried).unwrap_or(Msat(0))
    }

    /// What becomes of a payment that was tried at `tried_at`.
    fn stand(&self, tried_at: UnixTime, now: UnixTime) -> Stand {
        let is_over = now >= tried_at.plus(LATE_S);
        match self.description.as_str() {
            "fail" => Stand::Failed,
            "hang" => Stand::Open,
            "late" | "late fail" if !is_over => Stand::Open,
            "late fail" => Stand::Failed,
            _ => Stand::Paid(self.preimage.clone()),
        }
    }
}

/// Keeps a new invoice.
pub(crate) fn insert(books: &Connection, invoice: &WalletInvoice) -> rusqlite::Result<()> {
    books.execute(
        "INSERT INTO wallet_invoices (payment_hash, bolt11, preimage, amount_msat, description, external_id,
            created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            invoice.payment_hash.0,
            invoice.bolt11,
            invoice.preimage.expose(),
            invoice.amount.map(|amount| amount.0),
            invoice.description,
            invoice.external_id,
            invoice.created_at.0,
            invoice.expires_at.0,
        ],
    )?;
    Ok(())
}

/// Finds one by its hash.
pub(crate) fn find(connection: &Connection, hash: PaymentHash) -> rusqlite::Result<Option<WalletInvoice>> {
    let sql = format!("SELECT {} FROM wallet_invoices WHERE payment_hash = ?1", WalletInvoice::COLUMNS);
    connection.prepare_cached(&sql)?.query_row([hash.0], WalletInvoice::from_row).optional()
}

/// The dev node pays so much. An invoice that was tried before is not tried again; of one that is not the wallet's, asks for
/// another amount, or whose end has come, nothing is tried.
pub(crate) fn pay(
    books: &Connection,
    hash: PaymentHash,
    bolt11: &str,
    amount: Msat,
    now: UnixTime,
) -> rusqlite::Result<Stand> {
    let is_meant =
        |invoice: &WalletInvoice| invoice.bolt11 == bolt11 && invoice.amount.is_none_or(|named| named == amount);
    let Some(invoice) = find(books, hash)?.filter(is_meant) else {
        return Ok(Stand::Failed);
    };
    if invoice.tried_at.is_none() {
        if now >= invoice.expires_at {
            return Ok(Stand::Failed);
        }
        let sql = "UPDATE wallet_invoices SET tried_at = ?2, tried_msat = ?3 WHERE payment_hash = ?1";
        books.execute(sql, params![hash.0, now.0, amount.0])?;
    }
    look(books, hash, now)
}

/// How the dev node's payment of this hash stands. Notes that it arrived, once it has.
pub(crate) fn look(books: &Connection, hash: PaymentHash, now: UnixTime) -> rusqlite::Result<Stand> {
    let Some((invoice, tried_at)) = find(books, hash)?.and_then(|invoice| Some((invoice.clone(), invoice.tried_at?)))
    else {
        return Ok(Stand::Untried);
    };
    let stand = invoice.stand(tried_at, now);
    if matches!(stand, Stand::Paid(_)) {
        let sql = "UPDATE wallet_invoices SET paid_at = ?2 WHERE payment_hash = ?1 AND paid_at IS NULL";
        books.execute(sql, params![hash.0, now.0])?;
    }
    Ok(stand)
}
