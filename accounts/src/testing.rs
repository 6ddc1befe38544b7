//! The cast of the unit tests: Alice's account, filled by a top-up that the node settled.

use l402::{Msat, PaymentHash, UnixTime};
use satstile_ledger::topup::{self, Settlement, Terms};
use satstile_ledger::{Book, BookId, Id};

use crate::books::{Books, Scope, Token};
use crate::command::{Command, Hold, TokenChange, TokenDigest};
use crate::memory::Memory;
use crate::reply::{Left, Reply};

pub const NOW: UnixTime = UnixTime(1_900_000_000);
pub const WHOLE: TokenDigest = TokenDigest([1; 32]);
pub const SPEND: TokenDigest = TokenDigest([2; 32]);

/// Alice's books with so much to spend, and two tokens: one for everything, one to spend.
pub fn alice_with(msat: u64) -> Memory {
    let mut books = Memory::default();
    let book = Book::open(BookId([0xa1; 32]));
    let hash = PaymentHash([0xee; 32]);
    let row = topup::open(&book, None, hash, Msat(msat), Terms::FREE).unwrap();
    let settled = Settlement { payment_hash: hash, paid: Msat(msat), node_fee: Msat(0) };
    let paid = topup::credit(&book, Some(&row), &settled, NOW).unwrap().change().unwrap();
    books.put_book(&paid.book).unwrap();
    books.append(&paid.entry).unwrap();
    for (digest, scope) in [(WHOLE, Scope::Whole), (SPEND, Scope::Spend)] {
        books.put_token(&Token { digest, scope, made_at: NOW, ends: None }).unwrap();
    }
    books
}

pub fn run(books: &mut Memory, command: &Command) -> Reply {
    crate::apply(books, command, NOW).unwrap()
}

pub const fn hold(n: u8, ceiling: u64) -> Hold {
    Hold { token: SPEND, id: Id([n; 32]), ceiling: Msat(ceiling), estimate: Msat(ceiling / 2), ttl_s: 60 }
}

pub const fn change(by: TokenDigest, about: TokenDigest) -> TokenChange {
    TokenChange { by, about }
}

pub const fn left(msat: u64) -> Reply {
    Reply::Left(Left { available: Msat(msat) })
}
