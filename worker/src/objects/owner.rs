//! Which account a payment hash fills, for ever (T83). In the object of that hash, so that no two accounts can have it.

use worker::{Result, Storage};

use super::rows;
use super::transaction::transaction;
use super::words::words;

/// `own`: this account, and no other.
#[derive(Debug)]
pub struct Own {
    /// Hex.
    pub account: String,
    /// The one that stands there now, where it is known to be over and never to have had the payment.
    pub instead_of: Option<String>,
}

/// The reply to `own` and `owner`.
#[derive(Debug)]
pub struct Owner {
    /// Hex; `None` for a hash that fills no account.
    pub account: Option<String>,
}

words!(Own { account, instead_of });
words!(Owner { account });

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS owner(one INTEGER PRIMARY KEY CHECK(one = 1), account TEXT NOT NULL) STRICT";

/// Writes the account down, unless another one stands there; answers with the one that stands.
pub fn own(storage: &Storage, own: Own) -> Result<Owner> {
    transaction(storage, |sql| {
        sql.exec(SCHEMA, None)?;
        if let Some(other) = own.instead_of {
            sql.exec("DELETE FROM owner WHERE account = ?", vec![other.into()])?;
        }
        sql.exec("INSERT OR IGNORE INTO owner VALUES(1, ?)", vec![own.account.into()])?;
        read(sql)
    })
}

/// Reads, and writes nothing: whoever guesses leaves no trace.
pub fn owner(storage: &Storage) -> Result<Owner> {
    let sql = storage.sql();
    if rows::is_there(&sql, "owner")? { read(&sql) } else { Ok(Owner { account: None }) }
}

fn read(sql: &worker::SqlStorage) -> Result<Owner> {
    Ok(Owner { account: rows::first(sql, "SELECT account FROM owner")?.map(|row| row.text(0)) })
}
