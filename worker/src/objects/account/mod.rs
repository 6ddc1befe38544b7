//! The object of one account, or of one purchase that is refunded: its book, and every operation on it.
//!
//! Each operation is one transaction around one command of `satstile_ledger`. What the command refuses is answered with
//! the status code that the refusal means, and nothing was written.
//!
//! | | |
//! | --- | --- |
//! | [`topups`] | what fills a balance, and who has its token |
//! | [`uses`] | what a balance pays for |
//! | [`tokens`] | who may do what |
//! | [`orders`] | what a client's key names |
//! | [`payouts`] | what leaves over Lightning |
//! | [`transfers`] | what goes to another balance here, and what comes from one |
//! | [`deposits`] | one that nobody has used yet |
//! | [`sessions`] | a deposit that is used up by the unit |
//! | [`refunds`] | a purchase that came to nothing |
//! | [`listings`] | in sixteen objects beside them: which hashes there are |

mod deposits;
pub mod listings;
pub mod orders;
mod payouts;
mod refunds;
pub mod sessions;
mod tokens;
mod topups;
mod transfers;
mod uses;
mod words;

use core::cell::Cell;

use l402::{PaymentHash, UnixTime};
use satstile_ledger::hold::Hold;
use satstile_ledger::payout::Payout;
use satstile_ledger::refund::Refund;
use satstile_ledger::session::Session;
use satstile_ledger::stored::Stored;
use satstile_ledger::transfer::Outbound;
use satstile_ledger::unpaid::Unpaid;
use satstile_ledger::{Id, Refusal};
use worker::{Date, Result, SqlStorage, Storage};

use super::books::{self, Books};
use super::sheet;
use super::transaction::transaction;
use super::words::{Word, Words};
pub use words::*;

/// How many due rows one alarm looks at.
const BATCH: u32 = 50;

/// Seconds between two alarms at least.
const PAUSE_S: u64 = 5;

/// One operation.
pub fn ask(
    storage: &Storage,
    (wakes_at_s, looks): (&Cell<u64>, &listings::Looks),
    operation: &str,
    question: &str,
) -> Result<String> {
    let now = UnixTime(Date::now().as_millis() / 1_000);
    let run = Run { storage, wakes_at_s, question, now };
    match operation {
        "list" => run.list(listings::list),
        "listed" => run.list(listings::see),
        "list-credited" => run.list(listings::credited),
        "unlist" => run.list(listings::unlist),
        "note-settled" => run.list(listings::settled),
        "watched" => {
            Ok(if listings::is_settled(&storage.sql(), &hash(question)?)? { "settled" } else { "" }.to_owned())
        }
        "look" => Ok(listings::look(&storage.sql(), looks, &Words::hear(question)?)?.say()),
        "open" => run.act(topups::open),
        "topup" => run.act(topups::see),
        "credit" => run.act(topups::credit),
        "claim" => run.act(topups::claim),
        "forget" => run.act(topups::forget),
        "let-go" => {
            if topups::is_last(&storage.sql(), question)? {
                // The platform's alarm goes with the rest, and whoever opens the account anew sets its own.
                wakes_at_s.set(0);
                super::forget_all(storage)?;
                return Ok(Answer::Ok(()).say());
            }
            run.act(topups::let_go)
        }
        "deposit-wait" => run.act(deposits::wait),
        "deposit-gone" => {
            if deposits::is_all(&storage.sql(), question)? {
                wakes_at_s.set(0);
                super::forget_all(storage)?;
                return Ok(Answer::Ok(()).say());
            }
            run.act(deposits::gone)
        }
        "hold" => run.act(uses::reserve),
        "covers" => run.act(uses::covers),
        "progress" => run.act(uses::progress),
        "end" => run.act(uses::end),
        "token" => run.act(tokens::add),
        "rotate" => run.act(tokens::rotate),
        "revoke" => run.act(tokens::revoke),
        "pay-out" => run.act(payouts::pay_out),
        "pay-answer" => run.act(payouts::answer),
        "payout" => run.act(payouts::see),
        "send" => run.act(transfers::send),
        "receive" => run.act(transfers::receive),
        "ack" => run.act(transfers::acknowledge),
        "promise" => run.act(refunds::promise),
        "refund" => run.act(refunds::see),
        "collect" => run.act(refunds::collect),
        "session-open" => run.act(sessions::open),
        "session-top-up" => run.act(sessions::top_up),
        "session-lacks" => run.act(sessions::lacks),
        "session-has" => run.act(sessions::has),
        "session-meter" => run.act(sessions::meter),
        "session-close" => run.act(sessions::close),
        "session-put-off" => run.act(sessions::put_off),
        "sheet" => run.act(see_sheet),
        "audit" => run.act(|sql, (), now| in_book(sql, now, sheet::audit)),
        "thaw" => run.act(|sql, (), now| in_book(sql, now, |books, now| Ok(books.thaw(now)?.map_err(no)))),
        "alarm" => {
            wakes_at_s.set(0);
            let mut orders = String::new();
            let look = |sql: &SqlStorage, (), now| {
                orders = alarm(sql, now)?;
                Ok(Ok(()))
            };
            match super::rows::is_there(&storage.sql(), "listing")? {
                true => run.list(look)?,
                false => run.act(look)?,
            };
            Ok(orders)
        }
        _ => Err("no such operation".into()),
    }
}

/// One operation that was asked for.
struct Run<'a> {
    storage: &'a Storage,
    /// When the alarm rings, as far as this instance of the object has set it; 0 when it has not.
    wakes_at_s: &'a Cell<u64>,
    question: &'a str,
    now: UnixTime,
}

impl Run<'_> {
    /// One transaction in a book, and the alarm for what it left to be done.
    fn act<Q: Words, T: Words>(
        &self,
        mut operation: impl FnMut(&SqlStorage, Q, UnixTime) -> Result<Answer<T>>,
    ) -> Result<String> {
        self.run(&mut |sql| Ok(operation(sql, Q::hear(self.question)?, self.now)?.say()), books::next_due)
    }

    /// One transaction in an index, and the alarm for it.
    fn list<Q: Words, T: Words>(
        &self,
        mut operation: impl FnMut(&SqlStorage, Q, UnixTime) -> Result<Answer<T>>,
    ) -> Result<String> {
        self.run(&mut |sql| Ok(operation(sql, Q::hear(self.question)?, self.now)?.say()), listings::next_due)
    }

    /// What all operations share, so that the wasm has it once: from here on, question and answer are text.
    fn run(
        &self,
        operation: &mut dyn FnMut(&SqlStorage) -> Result<String>,
        next_due: fn(&SqlStorage) -> Result<Option<u64>>,
    ) -> Result<String> {
        let mut wakes_at_s = None;
        let answer = transaction(self.storage, |sql| {
            let answer = operation(sql)?;
            if let Some(due) = next_due(sql)? {
                // Also where nothing new is due: an alarm that was lost is found by the next who comes (T85). A row that
                // could not be brought on is looked at again, and not at once.
                let at_s = due.max(self.now.0 + PAUSE_S);
                if !self.is_woken_by(at_s) {
                    books::wake_at(self.storage, at_s)?;
                    wakes_at_s = Some(at_s);
                }
            }
            Ok(answer)
        })?;
        if let Some(at_s) = wakes_at_s {
            self.wakes_at_s.set(at_s);
        }
        Ok(answer)
    }

    /// Whether the alarm rings by then as it is. Set anew by each who comes, it would never ring in a busy account. One
    /// that is long past has been lost.
    fn is_woken_by(&self, at_s: u64) -> bool {
        let set = self.wakes_at_s.get();
        set != 0 && set <= at_s && self.now.0 < set + 2 * PAUSE_S
    }
}

/// Balance and history.
fn see_sheet(sql: &SqlStorage, asked: SeeSheet, now: UnixTime) -> Result<Answer<Sheet>> {
    in_book(sql, now, |books, _| {
        let Some(scope) = tokens::find(sql, &asked.by)? else { return Ok(Err(tokens::unknown())) };
        let history = books.journal(asked.before.min(books.book.seq), asked.limit, true)?;
        let can_withdraw = scope == tokens::Scope::Whole;
        Ok(Ok(Sheet { json: sheet::of(&asked.account, &books.book, &history, can_withdraw) }))
    })
}

/// Looks at what is due: holds that nobody ended (T79), promises that nobody claimed, payouts and transfers without an
/// answer, sessions that nobody uses, top-ups that nobody paid. What is to be asked of the node (`pay …`, `look …`, `deposit …`), carried
/// to other books (`credit …`), closed on terms that are not here (`close …`) and ended elsewhere (`let-go …`), one line
/// each. The next alarm is set with the transaction.
fn alarm(sql: &SqlStorage, now: UnixTime) -> Result<String> {
    let mut orders = Vec::new();
    listings::follow(sql, now, BATCH, &mut orders)?;
    let Some(mut books) = Books::find(sql)? else { return Ok(orders.join("\n")) };
    let books = &mut books;
    for (kind, id) in books.due(now, BATCH)? {
        if kind == Hold::TABLE as i64 {
            uses::sweep(books, id, now)?;
        } else if kind == Refund::TABLE as i64 {
            refunds::lapse(books, id, now)?;
        } else if kind == Payout::TABLE as i64 {
            orders.extend(payouts::follow(books, id, now)?.map(|order| format!("pay {}", Word::say(&order))));
        } else if kind == Session::TABLE as i64 {
            orders.extend(sessions::follow(books, id, now)?.map(|session| format!("close {session}")));
        } else if kind == Outbound::TABLE as i64 {
            orders.extend(transfers::follow(books, id, now)?.map(|order| format!("credit {}", Word::say(&order))));
        } else if kind == Unpaid::TABLE as i64 {
            orders.extend(topups::follow(books, id, now)?);
        }
    }
    Ok(orders.join("\n"))
}

/// An operation on the book that is here; there is none in an object that nobody opened.
fn in_book<T>(
    sql: &SqlStorage,
    now: UnixTime,
    operation: impl FnOnce(&mut Books<'_>, UnixTime) -> Result<Answer<T>>,
) -> Result<Answer<T>> {
    match Books::find(sql)? {
        Some(mut books) => operation(&mut books, now),
        None => Ok(Err(tokens::unknown())),
    }
}

fn left(books: &Books<'_>) -> Left {
    Left { available_msat: books.book.balances.available().0 }
}

/// What a command refused; a breach freezes the book on the way.
fn refused<T>(books: &mut Books<'_>, refusal: Refusal, now: UnixTime) -> Result<Answer<T>> {
    books.answer_breach(&refusal, now)?;
    Ok(Err(no(refusal)))
}

/// The status code of each refusal.
fn no(refusal: Refusal) -> No {
    let status = match refusal {
        Refusal::ZeroAmount | Refusal::TooLarge => 400,
        Refusal::InsufficientFunds { .. } | Refusal::NotSettled | Refusal::Underpaid => 402,
        Refusal::CapReached { .. } | Refusal::UsesReached { .. } => 402,
        Refusal::OtherAccount | Refusal::WrongClaimSecret | Refusal::NotAParty | Refusal::SpendOnly { .. } => 403,
        Refusal::UnknownPayment | Refusal::WrongPreimage => 404,
        Refusal::KeyReused => 422,
        Refusal::Frozen(_) | Refusal::Breach(_) => 503,
        _ => 409,
    };
    No { status, reason: refusal.to_string() }
}

fn hash(hex: &str) -> Result<PaymentHash> {
    PaymentHash::from_hex(hex).ok_or_else(|| "no payment hash".into())
}

fn id(hex: &str) -> Result<Id> {
    hash(hex).map(|bytes| Id(bytes.0))
}
