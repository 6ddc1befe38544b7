//! A session's deposit that was paid, until somebody opens or fills a session with it; and its book, where nobody does.
//!
//! ```text
//! pushed ──▶ waits in the object of its own hash ──▶ opens a session here: the wait is over
//!                     │                         ├──▶ fills another session: the wait is forgotten
//!                     └── nobody can use it any more: credited here, and the operator is told
//! ```
//!
//! At a 402 nothing is stored; the first row comes with the node's push.

use l402::{Msat, UnixTime};
use satstile_ledger::session::Session;
use satstile_ledger::topup::{self, TopUp};
use satstile_ledger::unpaid::{self, Unpaid};
use satstile_ledger::{Book, BookId};
use worker::{Result, SqlStorage};

use super::words::{SeeTopUp, WaitDeposit};
use super::{Answer, hash, in_book, no};
use crate::objects::books::Books;
use crate::objects::words::Words;

/// What is noted beside the watch of a deposit; a top-up's has its account there.
pub(super) const NOTE: &str = "deposit";

/// Waits, unless it was used or waits already.
pub(super) fn wait(sql: &SqlStorage, asked: WaitDeposit, _: UnixTime) -> Result<Answer<()>> {
    let hash = hash(&asked.hash)?;
    let books = Books::find_or_open(sql, BookId::of_account(&hash.0))?;
    if books.row::<TopUp>(hash.into())?.is_some() {
        return Ok(Ok(()));
    }
    match topup::open(&books.book, None, hash, Msat(asked.asked_msat), topup::Terms::FREE) {
        Ok(row) => {
            books.put(&row)?;
            books.put_noted(&unpaid::watch(hash, UnixTime(asked.ends_at)), NOTE)?;
            Ok(Ok(()))
        }
        Err(refusal) => Ok(Err(no(refusal))),
    }
}

/// Whether this object has nothing but the wait: no session and no history. Then no word of it stays.
pub(super) fn is_all(sql: &SqlStorage, question: &str) -> Result<bool> {
    let hash = hash(&SeeTopUp::hear(question)?.hash)?;
    let Some(books) = Books::find(sql)? else { return Ok(false) };
    let is_new = books.book == Book::open(books.book.id);
    Ok(is_new && books.row::<Session>(hash.into())?.is_none() && books.row::<Unpaid>(hash.into())?.is_some())
}

/// It fills another session: the wait is over, and what was credited stays.
pub(super) fn gone(sql: &SqlStorage, asked: SeeTopUp, now: UnixTime) -> Result<Answer<()>> {
    let hash = hash(&asked.hash)?;
    in_book(sql, now, |books, _| books.end::<Unpaid>(hash.into()).map(Ok))
}
