//! What a balance pays for: held before, settled after, swept when nobody says how it ended (T79 – T81).

use l402::{Msat, UnixTime};
use satstile_ledger::hold::{self, Ending, NewHold};
use satstile_ledger::{Id, Refusal};

use crate::books::{Open, Stop};
use crate::command::{Cost, End, Hold, Progress};
use crate::reply::Reply;
use crate::token;

/// Reserves the ceiling. The same hold again is the same answer.
pub(crate) fn hold(open: &mut Open<'_>, asked: &Hold, now: UnixTime) -> Result<Reply, Stop> {
    token::find(open, asked.token)?;
    let before = open.row::<hold::Hold>(asked.id)?;
    let step = hold::place(&open.book, before.as_ref(), &new(asked), &mut [], now)?;
    open.write(step)?;
    Ok(open.left())
}

/// Whether such a hold could be placed now: who asks with HEAD uses nothing up.
pub(crate) fn covers(open: &mut Open<'_>, asked: &Hold, now: UnixTime) -> Result<Reply, Stop> {
    token::find(open, asked.token)?;
    let _not_written = hold::place(&open.book, None, &new(asked), &mut [], now)?;
    Ok(open.left())
}

/// Records what was seen of the cost. The hold outlives the longest answer as it is, and is not prolonged.
pub(crate) fn progress(open: &mut Open<'_>, asked: &Progress, now: UnixTime) -> Result<Reply, Stop> {
    let row = open.row::<hold::Hold>(asked.id)?.ok_or(Refusal::WrongRow)?;
    let seen = hold::Progress::Seen(Msat(asked.seen.0.min(row.ceiling.0)));
    match hold::progress(&open.book, &row, seen, 0, now) {
        Ok(row) => open.put(&row)?,
        // It came late: the ending has more to say.
        Err(Refusal::Ended) => {}
        Err(refusal) => return Err(refusal.into()),
    }
    Ok(open.left())
}

/// Ends a use. Where it had ended before, its first ending counts if the client had some of it.
pub(crate) fn end(open: &mut Open<'_>, asked: &End, now: UnixTime) -> Result<Reply, Stop> {
    let mut row = open.row::<hold::Hold>(asked.id)?.ok_or(Refusal::WrongRow)?;
    if asked.has_begun {
        match hold::progress(&open.book, &row, hold::Progress::Begun, 1, now) {
            Ok(begun) => row = begun,
            Err(Refusal::Ended) => return Ok(open.left()),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    let ending = match asked.cost {
        Cost::Known(cost) => Ending::Used(cost),
        Cost::Unknown => Ending::Broken,
    };
    let step = hold::end(&open.book, &row, ending, &mut [], now)?;
    open.write(step)?;
    Ok(open.left())
}

/// Ends a hold that nobody ended, when its time has passed (T79).
pub(crate) fn sweep(open: &mut Open<'_>, id: Id, now: UnixTime) -> Result<(), Stop> {
    let Some(row) = open.row::<hold::Hold>(id)? else { return Ok(()) };
    match hold::sweep(&open.book, &row, &mut [], now) {
        Ok(step) => open.write(step)?,
        // Not its time yet by the book's clock.
        Err(Refusal::NotYet) => {}
        Err(refusal) => open.answer_breach(&refusal, now)?,
    }
    Ok(())
}

const fn new(asked: &Hold) -> NewHold {
    NewHold { id: asked.id, ceiling: asked.ceiling, estimate: asked.estimate, ttl_s: asked.ttl_s }
}

#[cfg(test)]
#[path = "usage_tests.rs"]
mod tests;
