//! The audit: the twelve invariants over a snapshot, computed from rows alone (T75).
//!
//! Nothing here trusts the commands: sums are taken again, states counted again, histories walked again. A breach is to
//! be answered with [`Book::freeze`](crate::Book::freeze).

mod books;
mod protocols;

use alloc::collections::BTreeMap;

use l402::{Msat, PaymentHash, UnixTime};

use crate::book::Book;
use crate::entry::Entry;
use crate::escrow::Escrow;
use crate::hold::Hold;
use crate::id::{BookId, Id};
use crate::inbox::Inbound;
use crate::invariant::Invariant;
use crate::payout::Payout;
use crate::refund::Refund;
use crate::sale::Sale;
use crate::spend::Use;
use crate::topup::TopUp;
use crate::transfer::Outbound;

pub use books::{i1, i2, i3, i4, i9, i12};
pub use protocols::{i5, i6, i7, i8, i10, i11};

/// Counts by what they are counted of: a kind's code, 0 where there is one kind only, and an id. One type for all of them,
/// since each other kind of tree is ten kilobytes of wasm.
type Tally = BTreeMap<(u8, Id), u64>;

/// Everything stored in one book.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The book's own row.
    pub book: &'a Book,
    /// The whole journal, in order.
    pub entries: &'a [Entry],
    /// All holds.
    pub holds: &'a [Hold],
    /// All uses.
    pub uses: &'a [Use],
    /// All top-ups.
    pub topups: &'a [TopUp],
    /// All sales.
    pub sales: &'a [Sale],
    /// All refunds.
    pub refunds: &'a [Refund],
    /// All payouts.
    pub payouts: &'a [Payout],
    /// All escrows.
    pub escrows: &'a [Escrow],
    /// The outbox.
    pub outbox: &'a [Outbound],
    /// The inbox.
    pub inbox: &'a [Inbound],
    /// Every idempotency key that was answered, and the digest of its request.
    pub keys: &'a [(Id, [u8; 32])],
}

/// Several books at one moment, and what the world outside says about it.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    /// The books.
    pub books: &'a [Rows<'a>],
    /// When.
    pub now: UnixTime,
    /// Invoices of ours that the node calls settled, and what arrived of each after the node's own fee; `None` when it
    /// was not asked.
    pub settled: Option<&'a [(PaymentHash, Msat)]>,
    /// Payments under our ids that the node calls succeeded: the payout's id and what left, routing included; `None` when
    /// it was not asked.
    pub paid: Option<&'a [(Id, Msat)]>,
    /// Paid requests that the origin counted; `None` when it was not asked.
    pub served: Option<u64>,
    /// Whether every message has arrived and every alarm has run.
    pub is_quiet: bool,
}

/// Which invariant does not hold, and in which book, if it is one book's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub invariant: Invariant,
    /// Where; `None` when it is between books, or between the books and the world.
    pub book: Option<BookId>,
}

/// All twelve; the first breach. An auditor who wants every one calls them by name.
///
/// # Errors
/// The first [`Breach`].
pub fn audit(snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    Invariant::ALL.into_iter().try_for_each(|invariant| holds(invariant, snapshot))
}

/// One of the twelve.
///
/// # Errors
/// Its [`Breach`].
pub fn holds(invariant: Invariant, snapshot: &Snapshot<'_>) -> Result<(), Breach> {
    match invariant {
        Invariant::I1 => i1(snapshot),
        Invariant::I2 => i2(snapshot),
        Invariant::I3 => i3(snapshot),
        Invariant::I4 => i4(snapshot),
        Invariant::I5 => i5(snapshot),
        Invariant::I6 => i6(snapshot),
        Invariant::I7 => i7(snapshot),
        Invariant::I8 => i8(snapshot),
        Invariant::I9 => i9(snapshot),
        Invariant::I10 => i10(snapshot),
        Invariant::I11 => i11(snapshot),
        Invariant::I12 => i12(snapshot),
    }
}

/// `holds`, or the breach of `invariant` in `book`.
fn check(holds: bool, invariant: Invariant, book: Option<&Rows<'_>>) -> Result<(), Breach> {
    if holds { Ok(()) } else { Err(Breach { invariant, book: book.map(|rows| rows.book.id) }) }
}

fn sum(amounts: impl Iterator<Item = Msat>) -> i128 {
    amounts.map(|amount| i128::from(amount.0)).sum()
}

fn entries<'a>(snapshot: &Snapshot<'a>) -> impl Iterator<Item = &'a Entry> + Clone {
    snapshot.books.iter().flat_map(|rows| rows.entries.iter())
}
