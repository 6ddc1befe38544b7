//! One line of the journal: what happened, which money moved, and the hash that chains it to the line before.
//!
//! # The canonical encoding
//!
//! The hash of an entry is SHA-256 over these bytes, integers big-endian, nothing between them:
//!
//! | bytes | what |
//! | --- | --- |
//! | 24 | `satstile-ledger-entry-v1` |
//! | 32 | the book |
//! | 8 | the sequence number: 1 for the first entry, then one more each |
//! | 32 | the hash of the entry before; 32 zero bytes before the first |
//! | 8 | the time, in Unix seconds |
//! | 1 | the [`Kind`] |
//! | 32 | the subject: what it happened to |
//! | 1 | how many postings |
//! | 9 each | the [`Move`](crate::Move), one byte, and the amount in msat, eight |
//! | 8 × 8 | the balances afterwards, in the order of [`Class::ALL`], two's complement |

use l402::UnixTime;
use sha2::{Digest, Sha256};

use crate::account::{Balances, Class};
use crate::id::{BookId, Id};
use crate::posting::Postings;

/// The hash before the first entry.
pub const GENESIS: [u8; 32] = [0; 32];

const DOMAIN: &[u8; 24] = b"satstile-ledger-entry-v1";

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal),* $(,)?) => {
        /// What happened. The number is its code in storage and in the hash chain, for ever.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Kind {
            $($(#[$doc])* $name = $code),*
        }

        impl Kind {
            /// The kind with this code; `None` for a number that is none.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }

            /// Its name, as it stands in this list.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

kinds! {
    /// A top-up was credited; the subject is its payment hash.
    TopUp = 1,
    /// A purchase was paid; the subject is its payment hash.
    Sold = 2,
    /// A use was charged.
    Used = 3,
    /// A use's charge was given back.
    GivenBack = 4,
    /// A ceiling was reserved.
    HoldPlaced = 5,
    /// A hold was settled or voided.
    HoldEnded = 6,
    /// Money left for another book.
    Sent = 7,
    /// Money came from another book.
    Received = 8,
    /// Money from another book was refused for good; nothing moved.
    Declined = 9,
    /// The other book has it; nothing moved.
    Delivered = 10,
    /// The other book refused it: it is back.
    Bounced = 11,
    /// A payout was reserved.
    PayoutCreated = 12,
    /// The node is about to be asked to pay; nothing moved.
    PayoutSent = 13,
    /// The node paid.
    PayoutSucceeded = 14,
    /// The node did not pay and never will.
    PayoutFailed = 15,
    /// A refund was promised.
    RefundPromised = 16,
    /// A wallet claims a refund.
    RefundClaimed = 17,
    /// A refund was not claimed in time.
    RefundLapsed = 18,
    /// A price was locked for a task.
    EscrowLocked = 19,
    /// A task was disputed; nothing moved.
    EscrowDisputed = 20,
    /// A task ended: released, returned or divided.
    EscrowEnded = 21,
    /// A session was closed.
    SessionClosed = 22,
    /// An invariant did not hold; nothing moved.
    Frozen = 23,
    /// Somebody has looked; nothing moved.
    Thawed = 24,
}

/// One line of the journal. Written once, never changed (T88).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose books.
    pub book: BookId,
    /// 1 for the first, then one more each, without a gap (I9).
    pub seq: u64,
    /// The hash of the entry before, or [`GENESIS`].
    pub previous: [u8; 32],
    /// When. Never before the entry before: see [`Book::now`](crate::Book::now).
    pub at: UnixTime,
    /// What happened.
    pub kind: Kind,
    /// What it happened to.
    pub subject: Id,
    /// Which money moved.
    pub postings: Postings,
    /// The balances afterwards.
    pub after: Balances,
}

impl Entry {
    /// SHA-256 of the canonical encoding; the next entry cites it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(self.book.0);
        hash.update(self.seq.to_be_bytes());
        hash.update(self.previous);
        hash.update(self.at.0.to_be_bytes());
        hash.update([self.kind as u8]);
        hash.update(self.subject.0);
        let count = self.postings.iter().fold(0_u8, |count, _| count.saturating_add(1));
        hash.update([count]);
        for posting in self.postings.iter() {
            hash.update([posting.of as u8]);
            hash.update(posting.amount.0.to_be_bytes());
        }
        for class in Class::ALL {
            hash.update(self.after.of(class).to_be_bytes());
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posting::Move;
    use l402::Msat;

    /// The encoding of the table above, by hand, and its hash: what is on disk stays readable.
    #[test]
    fn the_encoding_is_pinned_to_the_byte() {
        let entry = Entry {
            book: BookId([1; 32]),
            seq: 2,
            previous: [3; 32],
            at: UnixTime(1_900_000_000),
            kind: Kind::HoldEnded,
            subject: Id([4; 32]),
            postings: Postings::of([(Move::Settle, Msat(5)), (Move::Void, Msat(6))]),
            after: Balances { user: 6, fees: 5, node: -11, ..Balances::default() },
        };
        let mut bytes = b"satstile-ledger-entry-v1".to_vec();
        bytes.extend([1; 32]);
        bytes.extend([0, 0, 0, 0, 0, 0, 0, 2]);
        bytes.extend([3; 32]);
        bytes.extend([0, 0, 0, 0, 0x71, 0x3f, 0xb3, 0x00]);
        bytes.push(6);
        bytes.extend([4; 32]);
        bytes.push(2);
        bytes.extend([7, 0, 0, 0, 0, 0, 0, 0, 5]);
        bytes.extend([8, 0, 0, 0, 0, 0, 0, 0, 6]);
        for balance in [6_u8, 0, 0, 5] {
            bytes.extend([0, 0, 0, 0, 0, 0, 0, balance]);
        }
        bytes.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xf5]);
        bytes.extend([0; 24]);
        assert_eq!(bytes.len(), 24 + 32 + 8 + 32 + 8 + 1 + 32 + 1 + 18 + 64);
        assert_eq!(entry.hash(), <[u8; 32]>::from(Sha256::digest(&bytes)));
    }

    #[test]
    fn no_field_of_an_entry_can_change_without_its_hash() {
        let entry = Entry {
            book: BookId([1; 32]),
            seq: 1,
            previous: GENESIS,
            at: UnixTime(9),
            kind: Kind::Used,
            subject: Id([2; 32]),
            postings: Postings::of([(Move::Charge, Msat(5))]),
            after: Balances::default(),
        };
        let changed = [
            Entry { book: BookId([9; 32]), ..entry },
            Entry { seq: 2, ..entry },
            Entry { previous: [1; 32], ..entry },
            Entry { at: UnixTime(10), ..entry },
            Entry { kind: Kind::GivenBack, ..entry },
            Entry { subject: Id([3; 32]), ..entry },
            Entry { postings: Postings::of([(Move::Charge, Msat(6))]), ..entry },
            Entry { postings: Postings::of([(Move::Settle, Msat(5))]), ..entry },
            Entry { postings: Postings::NONE, ..entry },
            Entry { after: Balances { payout: 1, ..Balances::default() }, ..entry },
        ];
        for other in changed {
            assert_ne!(other.hash(), entry.hash(), "{other:?}");
        }
    }

    #[test]
    fn codes_of_kinds_read_back() {
        let known: Vec<_> = (0..=u8::MAX).filter_map(Kind::from_code).map(|kind| kind as u8).collect();
        assert_eq!(known, (1..=24).collect::<Vec<u8>>());
    }
}
