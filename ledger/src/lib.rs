//! Everything that counts or holds money, sans-IO: state in, decision out.
//!
//! # What can happen to a sat
//!
//! A [`Book`] is one owner's accounts: eight balances that sum to 0. Money moves along these arrows and no others; each is
//! a [`Move`], and a posting that is none of them cannot be written down.
//!
//! ```text
//! NODE ──Deposit──▶ USER ───Charge────▶ FEES ◀──Sale── NODE
//!                   USER ◀──GiveBack─── FEES ──NodeFee▶ NODE
//!
//!                   USER ───Reserve───▶ HOLD ──Settle─▶ FEES             a use under way
//!                   USER ◀──Void─────── HOLD
//!
//!                   USER ───Lock──────▶ ESCROW ─PlatformFee▶ FEES        a task
//!                   USER ◀──Return───── ESCROW ─Release─▶ IN TRANSIT
//!
//!                   USER ───Send──────▶ IN TRANSIT ◀─Share── FEES        another book
//!                   USER ◀──Receive──── IN TRANSIT
//!                   USER ◀──Bounce───── IN TRANSIT
//!
//!                   USER ───PayOut────▶ PAYOUT ──Paid────▶ NODE          out over Lightning
//!                   USER ◀──PayBack──── PAYOUT
//!                   FEES ───PayRouting▶ PAYOUT ──RoutingBack▶ FEES
//!
//!                   FEES ───Promise───▶ REFUND ──Claim───▶ PAYOUT        back to a payer
//!                   FEES ◀──Lapse────── REFUND ◀─Reopen─── PAYOUT
//! ```
//!
//! | a sat … | moves | by | ends when |
//! | --- | --- | --- | --- |
//! | comes in | node → user (a top-up), node → fees (a purchase) | [`topup`], [`sale`] | at once; its payment hash credits once, for ever |
//! | is spent | user → fees | [`spend`] | delivered; or given back, when the origin failed first |
//! | is reserved for a use | user → hold → fees and user | [`hold`] | the use ends: what it cost is charged, the rest is free |
//! | is locked for a task | user → escrow → in transit, fees, user | [`escrow`] | confirmed, given up, ruled, or the deadline |
//! | goes to another book | user → in transit → the other's user | [`transfer`], [`inbox`] | that book has answered |
//! | is earned for somebody | fees → in transit → the other's user | [`transfer::share`] | that book has answered |
//! | goes back to a payer | fees → refund → payout → node | [`refund`] | a wallet has it, or the link lapsed |
//! | pays an invoice that fills another book | user → in transit → the other's user | [`transfer`], [`inbox`] | the node has withdrawn the invoice and that book has answered; it bounces when the invoice was paid or cannot be withdrawn |
//! | leaves | user → payout → node | [`payout`] | the node says definitely yes or no |
//! | was a session's | deposit, uses, then user → payout | [`session`] | paid back; or stays in the book until its bearer names an invoice that can be paid |
//! | costs routing | payout → node, and fees → node above the limit | [`payout`] | |
//!
//! Money enters and leaves through the node account alone, and only when the node moved it. What is in transit is nobody's
//! to spend; over all books it is what is on its way.
//!
//! # The shape
//!
//! A Durable Object is one owner's store: SQLite, one transaction at a time, no `await` inside. So there is no ledger
//! object here that loads and saves itself. A command is a function; the shell reads the few rows it names, calls it, and
//! writes what it returns:
//!
//! ```text
//! fn(&Book, the rows it is about, what is asked, the time) -> Result<Step<rows afterwards>, Refusal>
//!
//! transactionSync {  read book, row  ─▶  command  ─▶  Write(Change { book, entry, row, effect }): write all
//!                                              ├───▶  Already: write nothing, answer from what is stored
//!                                              └───▶  Err(Refusal): write nothing, say no            }
//! afterwards: act on the effect; it may be lost, an alarm finds the row that still asks for it
//! ```
//!
//! Why so: a debit on an account with a million past uses reads two rows and writes three; nothing is serialised as a
//! whole; no trait stands between the rule and its test; a crash can only be before or after the transaction; and a test
//! drives the same functions as the edge. Commands allocate nothing (the audit does), and there is no clock, chance,
//! float, panic or I/O in here.
//!
//! Every command takes the row that stands under its id already, so a retry is [`Step::Already`] and another use of the
//! same id is refused. Facts (the node paid, the other book has it, a use ended) are recorded whatever happened; orders are
//! refused in a frozen book (T75).
//!
//! # Where things are
//!
//! | question | module |
//! | --- | --- |
//! | which accounts and moves are there? | [`account`], [`posting`] |
//! | what does a shell write? | [`book`], [`entry`], [`effect`] |
//! | in how many ways does it say no? | [`refusal`] |
//! | does a token's parent's cap hold? | [`caps`] |
//! | was this request here before? | [`key`] |
//! | when is a top-up forgotten that nobody paid? | [`unpaid`] |
//! | what of a balance can only be spent here? | [`limit`] |
//! | is the history what it was? | [`journal`] |
//! | do the books add up? | [`audit`], [`invariant`] |
//! | how does a row look on disk? | [`stored`] |
//!
//! # A use, reserved and settled
//!
//! ```
//! use l402::{Msat, PaymentHash, UnixTime};
//! use satstile_ledger::{Book, BookId, Id, hold, journal, topup};
//!
//! let now = UnixTime(1_900_000_000);
//! let book = Book::open(BookId([1; 32]));
//!
//! // A top-up of 100 sats was paid.
//! let row = topup::open(&book, None, PaymentHash([2; 32]), Msat(100_000), topup::Terms::FREE)?;
//! let settled = topup::Settlement { payment_hash: row.payment_hash, paid: Msat(100_000), node_fee: Msat(0) };
//! let paid = topup::credit(&book, Some(&row), &settled, now)?.change().expect("credited for the first time");
//!
//! // A completion may cost 30 sats; it cost 12.
//! let new = hold::NewHold { id: Id([3; 32]), ceiling: Msat(30_000), estimate: Msat(20_000), ttl_s: 60 };
//! let held = hold::place(&paid.book, None, &new, &mut [], now)?.change().expect("placed for the first time");
//! let ending = hold::Ending::Used(Msat(12_000));
//! let done = hold::end(&held.book, &held.row, ending, &mut [], now)?.change().expect("ended for the first time");
//!
//! assert_eq!(done.book.balances.available(), Msat(88_000));
//! assert_eq!(journal::verify(&done.book, &[paid.entry, held.entry, done.entry]), Ok(()));
//! # Ok::<(), satstile_ledger::Refusal>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(not(test), no_std)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]
#![warn(missing_docs, clippy::float_arithmetic)]

extern crate alloc;

pub mod account;
mod amount;
pub mod audit;
pub mod book;
pub mod caps;
pub mod effect;
pub mod entry;
pub mod escrow;
pub mod hold;
mod id;
pub mod inbox;
pub mod invariant;
pub mod journal;
pub mod key;
pub mod limit;
pub mod payout;
pub mod posting;
pub mod refund;
pub mod refusal;
pub mod sale;
pub mod session;
pub mod spend;
pub mod stored;
#[cfg(test)]
mod testing;
pub mod topup;
pub mod transfer;
pub mod unpaid;

pub use account::{Balances, Class};
pub use amount::{ACCOUNT_MAX, BALANCE_MAX};
pub use book::{Book, Change, Step};
pub use caps::Cap;
pub use effect::{Credit, Effect, Pay, Reason};
pub use entry::{Entry, Kind};
pub use id::{BookId, Id};
pub use invariant::Invariant;
pub use limit::Limit;
pub use posting::{Move, Posting, Postings};
pub use refusal::Refusal;
