//! What a balance pays for: held before, settled after, swept when nobody says how it ended (T79 – T81).

use l402::{Msat, UnixTime};
use satstile_ledger::hold::{self, Ending, Hold, NewHold};
use satstile_ledger::{Id, Refusal};
use worker::{Result, SqlStorage};

use super::words::{End, Left, Reserve, Seen};
use super::{Answer, id, in_book, left, no, refused, tokens};
use crate::objects::books::Books;

pub(super) fn reserve(sql: &SqlStorage, asked: Reserve, now: UnixTime) -> Result<Answer<Left>> {
    let new = NewHold {
        id: id(&asked.id)?,
        ceiling: Msat(asked.ceiling_msat),
        estimate: Msat(asked.estimate_msat),
        ttl_s: asked.ttl_s,
    };
    in_book(sql, now, |books, now| {
        if tokens::find(sql, &asked.token)?.is_none() {
            return Ok(Err(tokens::unknown()));
        }
        let before = books.row::<Hold>(new.id)?;
        match hold::place(&books.book, before.as_ref(), &new, &mut [], now) {
            Ok(step) => books.write(step).map(|()| Ok(left(books))),
            Err(refusal) => refused(books, refusal, now),
        }
    })
}

/// Whether a hold like this could be placed now. Nothing is written: who asks with HEAD uses nothing up.
pub(super) fn covers(sql: &SqlStorage, asked: Reserve, now: UnixTime) -> Result<Answer<Left>> {
    let new = NewHold {
        id: id(&asked.id)?,
        ceiling: Msat(asked.ceiling_msat),
        estimate: Msat(asked.estimate_msat),
        ttl_s: asked.ttl_s,
    };
    in_book(sql, now, |books, now| {
        if tokens::find(sql, &asked.token)?.is_none() {
            return Ok(Err(tokens::unknown()));
        }
        match hold::place(&books.book, None, &new, &mut [], now) {
            Ok(_) => Ok(Ok(left(books))),
            Err(refusal) => refused(books, refusal, now),
        }
    })
}

/// Notes what was seen of the cost. The hold outlives the longest answer as it is, and is not prolonged.
pub(super) fn progress(sql: &SqlStorage, asked: Seen, now: UnixTime) -> Result<Answer<Left>> {
    let id = id(&asked.id)?;
    in_book(sql, now, |books, now| {
        let Some(row) = books.row::<Hold>(id)? else { return Ok(Err(no(Refusal::WrongRow))) };
        let seen = hold::Progress::Seen(Msat(asked.seen_msat).min(row.ceiling));
        match hold::progress(&books.book, &row, seen, 0, now) {
            Ok(row) => books.put(&row).map(|()| Ok(left(books))),
            // It came late: the ending has more to say.
            Err(Refusal::Ended) => Ok(Ok(left(books))),
            Err(refusal) => refused(books, refusal, now),
        }
    })
}

pub(super) fn end(sql: &SqlStorage, asked: End, now: UnixTime) -> Result<Answer<Left>> {
    let id = id(&asked.id)?;
    in_book(sql, now, |books, now| {
        let Some(mut row) = books.row::<Hold>(id)? else { return Ok(Err(no(Refusal::WrongRow))) };
        if asked.has_begun {
            match hold::progress(&books.book, &row, hold::Progress::Begun, 1, now) {
                Ok(begun) => row = begun,
                // It had ended before, and its first ending counts.
                Err(Refusal::Ended) => return Ok(Ok(left(books))),
                Err(refusal) => return refused(books, refusal, now),
            }
        }
        let ending = asked.cost_msat.map_or(Ending::Broken, |cost| Ending::Used(Msat(cost)));
        match hold::end(&books.book, &row, ending, &mut [], now) {
            Ok(step) => books.write(step).map(|()| Ok(left(books))),
            Err(refusal) => refused(books, refusal, now),
        }
    })
}

/// Ends a hold that nobody ended, when its time has passed (T79).
pub(super) fn sweep(books: &mut Books<'_>, id: Id, now: UnixTime) -> Result<()> {
    let Some(row) = books.row::<Hold>(id)? else { return Ok(()) };
    match hold::sweep(&books.book, &row, &mut [], now) {
        Ok(step) => books.write(step),
        // Not its time yet by the book's clock.
        Err(Refusal::NotYet) => Ok(()),
        Err(refusal) => books.answer_breach(&refusal, now),
    }
}
