//! What a client's key names: one order, whichever way it moves money (T73).
//!
//! A key is bound in the transaction that writes the order down, so an order that was refused binds nothing.

use satstile_ledger::Refusal as Ledger;

use crate::books::{Open, Stop};
use crate::command::Keyed;

/// Whether the key names this very order already. Writes nothing.
pub(crate) fn is_known(open: &Open<'_>, keyed: Option<Keyed>) -> Result<bool, Stop> {
    let Some(keyed) = keyed else { return Ok(false) };
    match open.books.order(keyed.key)? {
        None => Ok(false),
        Some(order) if order == keyed.order => Ok(true),
        Some(_) => Err(Ledger::KeyReused.into()),
    }
}

/// Binds the key to the order that was written down with it.
pub(crate) fn bind(open: &mut Open<'_>, keyed: Option<Keyed>) -> Result<(), Stop> {
    if let Some(keyed) = keyed {
        open.books.bind(keyed.key, keyed.order)?;
    }
    Ok(())
}
