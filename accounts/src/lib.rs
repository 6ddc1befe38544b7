//! What an account's object is asked and what it answers, sans-IO: [`Command`] in, [`Reply`] out, storage behind
//! [`Books`].
//!
//! One command is one transaction. The shell opens it, calls [`apply`], and commits when it returns `Ok`; a [`Fault`] of
//! the storage rolls it back. Every movement of money is a command of `satstile_ledger`. There is no clock, no randomness
//! and no I/O here: the time is a parameter, and ids and digests come in the command.
//!
//! A refused command leaves the books as they were, with three exceptions that are meant. A broken invariant freezes the
//! book. The first use of a rotated token ends the token before it, even if what it asked is refused: whoever sends the new
//! one has received it. And where a use of a session ends and the next is refused, the end stays: it is a fact.
//!
//! | question | module |
//! | --- | --- |
//! | what can be asked and answered? | [`command`], [`reply`] |
//! | which bytes are that? | [`wire`], and `fields` for a field's value |
//! | what must the shell store? | [`books`]; [`memory`] for tests |
//! | what does a balance pay for? | `usage` |
//! | who may do what? | `token` |
//! | what fills a balance, and who gets it? | `topup` |
//! | what does a deposit pay for, and how does the rest go back? | `session` |
//! | how does a purchase that came to nothing go back? | `refund` |
//! | what leaves it, over Lightning and to another? | `payout`, `transfer`; `order` for what a key names |

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]
#![warn(missing_docs, clippy::float_arithmetic)]

extern crate alloc;

mod alarm;
pub mod books;
pub mod command;
mod fields;
pub mod memory;
mod order;
mod payout;
mod refund;
pub mod reply;
mod session;
#[cfg(test)]
mod testing;
mod token;
mod topup;
mod transfer;
mod usage;
pub mod wire;

use l402::UnixTime;
use satstile_ledger::BookId;

pub use books::{Books, Fault};
use books::{Open, Stop};
pub use command::{Command, TokenDigest};
use command::{OpenSession, WaitDeposit};
pub use reply::{Refusal, Reply};

/// Applies one command in one transaction.
///
/// # Errors
/// [`Fault`] when the storage failed or holds what cannot be read; the shell rolls the transaction back.
pub fn apply(books: &mut dyn Books, command: &Command, now: UnixTime) -> Result<Reply, Fault> {
    // An account is opened with its first order, the book of a purchase with its first refund, and neither by anything else.
    let found = match command {
        Command::Promise(asked) => Some(Open::find_or_new(books, BookId::of_account(&asked.payment_hash.0))?),
        Command::OpenTopUp(asked) => Some(Open::find_or_new(books, asked.book)?),
        Command::OpenSession(OpenSession { payment_hash, came: Some(_), .. })
        | Command::WaitDeposit(WaitDeposit { payment_hash, .. }) => {
            Some(Open::find_or_new(books, BookId::of_account(&payment_hash.0))?)
        }
        _ => Open::find(books)?,
    };
    let Some(mut open) = found else {
        return Ok(match command {
            Command::Alarm => Reply::Done,
            Command::OpenTopUp(_)
            | Command::SeeTopUp(_)
            | Command::Credit(_)
            | Command::Claim(_)
            | Command::Forget(_)
            | Command::LetGo(_)
            | Command::Promise(_)
            | Command::SeeRefund(_)
            | Command::Collect(_)
            | Command::TopUpSession(_)
            | Command::Meter(_)
            | Command::CloseSession(_)
            | Command::HasDeposit(_)
            | Command::LacksDeposit(_)
            | Command::WaitDeposit(_)
            | Command::DepositGone(_)
            | Command::PutOff => Reply::Refused(Refusal::UnknownPayment),
            // No token is known where nobody opened an account.
            Command::Hold(_)
            | Command::Covers(_)
            | Command::Progress(_)
            | Command::End(_)
            | Command::AddToken(_)
            | Command::RotateToken(_)
            | Command::RevokeToken(_)
            | Command::PayOut(_)
            | Command::PayAnswer(_)
            | Command::SeePayout(_)
            | Command::Send(_)
            | Command::Acknowledge(_) => Reply::Refused(Refusal::UnknownToken),
            // Without a word about the payment only a session is found that is there.
            Command::OpenSession(_) => Reply::Refused(Refusal::NotSettled),
            Command::Receive(asked) => transfer::nobody(asked),
        });
    };
    let outcome = match command {
        Command::Hold(asked) => usage::hold(&mut open, asked, now),
        Command::Covers(asked) => usage::covers(&mut open, asked, now),
        Command::Progress(asked) => usage::progress(&mut open, asked, now),
        Command::End(asked) => usage::end(&mut open, asked, now),
        Command::AddToken(asked) => token::add(&mut open, asked, now),
        Command::RotateToken(asked) => token::rotate(&mut open, asked, now),
        Command::RevokeToken(asked) => token::revoke(&mut open, asked),
        Command::Alarm => alarm::ring(&mut open, now),
        Command::OpenTopUp(asked) => topup::open(&mut open, asked),
        Command::SeeTopUp(asked) => topup::see(&open, asked),
        Command::Credit(asked) => topup::credit(&mut open, asked, now),
        Command::Claim(asked) => topup::claim(&mut open, asked, now),
        Command::Forget(asked) => topup::forget(&mut open, asked, now),
        Command::LetGo(asked) => topup::let_go(&mut open, asked),
        Command::PayOut(asked) => payout::pay_out(&mut open, asked, now),
        Command::PayAnswer(said) => payout::answer(&mut open, said, now),
        Command::SeePayout(asked) => payout::see(&mut open, asked),
        Command::Send(asked) => transfer::send(&mut open, asked, now),
        Command::Receive(asked) => transfer::receive(&mut open, asked, now),
        Command::OpenSession(asked) => session::open(&mut open, asked, now),
        Command::TopUpSession(asked) => session::top_up(&mut open, asked, now),
        Command::Meter(asked) => session::meter(&mut open, asked, now),
        Command::CloseSession(asked) => session::close(&mut open, asked, now),
        Command::HasDeposit(asked) => session::has(&open, asked),
        Command::LacksDeposit(asked) => session::lacks(&open, asked),
        Command::WaitDeposit(asked) => session::wait(&mut open, asked),
        Command::DepositGone(asked) => session::gone(&mut open, asked),
        Command::PutOff => session::put_off(&mut open, now),
        Command::Promise(asked) => refund::promise(&mut open, asked, now),
        Command::SeeRefund(asked) => refund::see(&open, asked),
        Command::Collect(asked) => refund::collect(&mut open, asked, now),
        Command::Acknowledge(said) => transfer::acknowledge(&mut open, said, now),
    };
    match outcome {
        Ok(reply) => Ok(reply),
        Err(Stop::Ledger(refusal)) => {
            open.answer_breach(&refusal, now)?;
            Ok(Reply::Refused(refusal.into()))
        }
        Err(Stop::Refused(refusal)) => Ok(Reply::Refused(refusal)),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}
