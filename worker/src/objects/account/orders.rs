//! What an `Idempotency-Key` of an account names: one order, whichever way it moves money (T73).
//!
//! The order is kept as a digest of what it means, beside the account's books. A key is bound in the transaction that
//! writes the order down, so an order that was refused binds nothing.

use worker::{Result, SqlStorage};

use super::{Answer, No};
use crate::objects::books::blob;
use crate::objects::{Keyed, rows};

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS keyed(key BLOB PRIMARY KEY, called BLOB NOT NULL) STRICT, WITHOUT ROWID";

/// Whether a key names this very order already; a no where it names another one. Writes nothing.
pub(super) fn is_known(sql: &SqlStorage, keyed: Option<&Keyed>) -> Result<Answer<bool>> {
    let Some(keyed) = keyed else { return Ok(Ok(false)) };
    if !rows::is_there(sql, "keyed")? {
        return Ok(Ok(false));
    }
    let row = rows::first_of(sql, "SELECT called FROM keyed WHERE key = ?", vec![blob(&keyed.id.0)])?;
    Ok(match row {
        None => Ok(false),
        Some(row) if row.bytes(0) == keyed.request.0.as_slice() => Ok(true),
        Some(_) => Err(No { status: 422, reason: ANOTHER_ORDER.to_owned() }),
    })
}

/// The key's owner is told what to do.
pub const ANOTHER_ORDER: &str = "the Idempotency-Key was used for another order: send this one under a key of its own";

/// Binds a key to the order that was written down with it.
pub(super) fn bind(sql: &SqlStorage, keyed: Option<&Keyed>) -> Result<()> {
    let Some(keyed) = keyed else { return Ok(()) };
    sql.exec(SCHEMA, None)?;
    let values = vec![blob(&keyed.id.0), blob(&keyed.request.0)];
    sql.exec("INSERT OR IGNORE INTO keyed VALUES(?, ?)", values).map(|_| ())
}
