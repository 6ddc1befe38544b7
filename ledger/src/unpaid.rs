//! Top-ups that nobody paid: looked after until the node is definite, then forgotten.
//!
//! ```text
//! watch ──▶ look: the node is asked, with growing pauses ──▶ credited: nothing is left to be done
//!                                                       └──▶ forget: the top-up's row is gone; the hash is let go
//! ```
//!
//! An invoice costs its asker nothing, so what it left behind must not stay for ever; and a payment that the node has not
//! told yet must not be lost. So nothing is forgotten by the clock: it takes the node's definite word (F17, T66), and a row
//! that was credited stays for ever (T83).
//!
//! A forgotten hash still names its account elsewhere. The watch outlives the row until that has ended, so that a crash
//! in between leaves nothing behind, and the hash is never free while a row here could be credited.

use l402::{PaymentHash, UnixTime};

use crate::book::Book;
use crate::refusal::Refusal;
use crate::topup::{TopUp, own};

/// Seconds after the end of an invoice until the node is asked what became of it. No node takes a payment for an invoice
/// that is over; one that it took before is settled or failed within minutes, and the rest is for clocks that differ and
/// books that lag. Not a day: an asker leaves as much on the disk as budgets allow in that time, and the node's word,
/// not this pause, is what a payment hangs on.
pub const GRACE_S: u64 = 3_600;

/// The longest pause between two looks, in seconds: thirty days.
pub const PAUSE_MAX_S: u64 = 30 * 86_400;

/// Seconds between two tries to let a hash go. Nobody outside is asked for it.
pub const LET_GO_S: u64 = 30;

/// A top-up that is not credited yet, and when to look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Unpaid {
    /// The invoice.
    pub payment_hash: PaymentHash,
    /// When it is over: its time and expiry (BOLT 11).
    pub ends_at: UnixTime,
    /// When to look at it.
    pub next_at: UnixTime,
}

/// What an alarm finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Ask the node. The row is written first: who is killed while asking asks again.
    Look(Unpaid),
    /// The top-up is forgotten: end what names its account elsewhere, and then this row.
    LetGo(Unpaid),
    /// It was credited: this row ends.
    Over,
}

/// The row beside a new top-up, whose invoice is over at `ends_at`.
#[must_use]
pub const fn watch(payment_hash: PaymentHash, ends_at: UnixTime) -> Unpaid {
    Unpaid { payment_hash, ends_at, next_at: ends_at.plus(GRACE_S) }
}

/// What is due, if something is. `topup` is the row under the same hash.
///
/// Each pause is as long as the invoice has been over, from [`GRACE_S`] to [`PAUSE_MAX_S`]: from the sixth look on it
/// is more than a day.
#[must_use]
pub fn due(book: &Book, row: &Unpaid, topup: Option<&TopUp>, clock: UnixTime) -> Option<Due> {
    let now = book.now(clock);
    if now < row.next_at {
        return None;
    }
    let after = |pause_s| Unpaid { next_at: now.plus(pause_s), ..*row };
    Some(match topup {
        None => Due::LetGo(after(LET_GO_S)),
        Some(topup) if topup.credited.is_some() => Due::Over,
        Some(_) => Due::Look(after(now.0.saturating_sub(row.ends_at.0).clamp(GRACE_S, PAUSE_MAX_S))),
    })
}

/// The node says definitely that the invoice was not paid and cannot be: the top-up's row may go, and this one is due at
/// once.
///
/// # Errors
/// [`Refusal::UnknownPayment`] where there is no row any more; [`Refusal::OtherAccount`]; [`Refusal::WrongRow`];
/// [`Refusal::AlreadyClaimed`] when it was credited in between, and then it stays for ever; [`Refusal::NotYet`] before
/// its time; [`Refusal::Frozen`], since a book that a person must look at stays as it is.
pub fn forget(book: &Book, row: &Unpaid, topup: Option<&TopUp>, clock: UnixTime) -> Result<Unpaid, Refusal> {
    let topup = topup.ok_or(Refusal::UnknownPayment)?;
    own(book, topup)?;
    if topup.payment_hash != row.payment_hash {
        return Err(Refusal::WrongRow);
    }
    if topup.credited.is_some() {
        return Err(Refusal::AlreadyClaimed);
    }
    let now = book.now(clock);
    if now < row.ends_at.plus(GRACE_S) {
        return Err(Refusal::NotYet);
    }
    book.moving()?;
    Ok(Unpaid { next_at: now, ..*row })
}

#[cfg(test)]
mod tests {
    use l402::Msat;

    use super::*;
    use crate::Invariant;
    use crate::testing::{ALICE, BOB, NOW, hash};
    use crate::topup::{self, Claimed};

    const GRACE: UnixTime = NOW.plus(GRACE_S);

    fn ordered() -> (Book, Unpaid, TopUp) {
        let book = Book::open(ALICE);
        let topup = topup::open(&book, None, hash(1), Msat(100), topup::Terms::FREE).unwrap();
        (book, watch(hash(1), NOW), topup)
    }

    /// Not before the grace, then after one hour, two, four, until a month; and never for nothing after the credit.
    #[test]
    fn the_node_is_asked_with_growing_pauses_for_as_long_as_nothing_is_known() {
        let (book, mut row, topup) = ordered();
        assert_eq!(due(&book, &row, Some(&topup), UnixTime(GRACE.0 - 1)), None);
        let mut pauses = Vec::new();
        for _ in 0..13 {
            let now = row.next_at;
            let Some(Due::Look(again)) = due(&book, &row, Some(&topup), now) else { panic!("a look is due") };
            assert_eq!(due(&book, &again, Some(&topup), now), None, "asked once");
            pauses.push((again.next_at.0 - now.0) / 3_600);
            row = again;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 720, 720, 720]);
        let credited = TopUp { credited: Some(Msat(100)), ..topup };
        assert_eq!(due(&book, &row, Some(&credited), row.next_at), Some(Due::Over));
    }

    /// T83: what was credited, claimed on top of it or not, is there for ever; what another account has is not ours to
    /// forget.
    #[test]
    fn only_a_row_of_ours_that_was_never_credited_is_forgotten() {
        let (book, row, topup) = ordered();
        assert_eq!(forget(&book, &row, Some(&topup), GRACE), Ok(Unpaid { next_at: GRACE, ..row }));
        // A refill is claimed from its beginning; it is the credit that counts.
        assert!(forget(&book, &row, Some(&TopUp { claimed: Claimed::Fully, ..topup }), GRACE).is_ok());
        for claimed in [Claimed::No, Claimed::Fully] {
            let credited = TopUp { credited: Some(Msat(100)), claimed, ..topup };
            assert_eq!(forget(&book, &row, Some(&credited), GRACE), Err(Refusal::AlreadyClaimed));
        }
        assert_eq!(forget(&Book::open(BOB), &row, Some(&topup), GRACE), Err(Refusal::OtherAccount));
        assert_eq!(forget(&book, &watch(hash(2), NOW), Some(&topup), GRACE), Err(Refusal::WrongRow));
        assert_eq!(forget(&book, &row, Some(&topup), UnixTime(GRACE.0 - 1)), Err(Refusal::NotYet));
        assert_eq!(forget(&book, &row, None, GRACE), Err(Refusal::UnknownPayment));
        let (frozen, _) = book.freeze(Invariant::I2, NOW);
        assert_eq!(forget(&frozen, &row, Some(&topup), GRACE), Err(Refusal::Frozen(Invariant::I2)));
    }

    /// F14: forgotten, and killed before the hash was let go: it is still due, again and again.
    #[test]
    fn a_forgotten_hash_is_let_go_until_it_is() {
        let (book, row, topup) = ordered();
        let mut row = forget(&book, &row, Some(&topup), GRACE).unwrap();
        for _ in 0..3 {
            let now = row.next_at;
            let Some(Due::LetGo(again)) = due(&book, &row, None, now) else { panic!("it is due") };
            assert_eq!(again.next_at, now.plus(LET_GO_S));
            row = again;
        }
    }
}
