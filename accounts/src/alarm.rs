//! What an alarm brings on. Of the rows that this crate writes only holds have a time.

use l402::UnixTime;
use satstile_ledger::stored::Table;

use crate::books::{Open, Stop};
use crate::reply::Reply;
use crate::usage;

/// How many due rows one alarm looks at.
pub(crate) const BATCH: u32 = 50;

pub(crate) fn ring(open: &mut Open<'_>, now: UnixTime) -> Result<Reply, Stop> {
    for (table, id) in open.books.due(now, BATCH)? {
        if table == Table::Holds {
            usage::sweep(open, id, now)?;
        }
    }
    Ok(Reply::Done)
}
