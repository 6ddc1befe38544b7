//! The cast of the unit tests.

use l402::{Msat, PaymentHash, Preimage, UnixTime};

use crate::book::Book;
use crate::entry::Kind;
use crate::id::{BookId, Id};
use crate::posting::{Move, Postings};

pub const NOW: UnixTime = UnixTime(1_900_000_000);
pub const ALICE: BookId = BookId([0xa1; 32]);
pub const BOB: BookId = BookId([0xb0; 32]);

pub const fn id(n: u8) -> Id {
    Id([n; 32])
}

pub const fn preimage(n: u8) -> Preimage {
    Preimage::new([n; 32])
}

pub fn hash(n: u8) -> PaymentHash {
    preimage(n).payment_hash()
}

/// Alice's book with a balance.
pub fn book_with(msat: u64) -> Book {
    let deposit = Postings::of([(Move::Deposit, Msat(msat))]);
    Book::open(ALICE).write(NOW, Kind::TopUp, id(0xee), deposit).unwrap().0
}

/// Alice's book where the operator earned something.
pub fn book_with_fees(msat: u64) -> Book {
    let sale = Postings::of([(Move::Sale, Msat(msat))]);
    Book::open(ALICE).write(NOW, Kind::Sold, id(0xee), sale).unwrap().0
}
