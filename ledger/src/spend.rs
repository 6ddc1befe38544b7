//! Uses whose price is known beforehand: charged at once, given back when the origin failed before delivering.
//!
//! Also counted uses that cost nothing here: a charge of 0 takes a use from the token's caps and leaves its line in the
//! journal, which is what I8 counts.

use l402::{Msat, UnixTime};

use crate::amount;
use crate::book::{Book, Step};
use crate::caps::{self, Cap};
use crate::entry::Kind;
use crate::id::Id;
use crate::posting::{Move, Postings};
use crate::refusal::Refusal;

/// One use of the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Use {
    /// Derived from the request's idempotency key.
    pub id: Id,
    /// What it was charged.
    pub amount: Msat,
    /// How much of that could only be spent here; given back, it is so again.
    pub limited: Msat,
    /// The last cap of the token that paid, if it has caps.
    pub leaf: Option<Id>,
    /// How it stands.
    pub state: UseState,
}

/// How a use stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UseState {
    /// Charged; the origin was not heard yet.
    Taken,
    /// Delivered. It stays charged.
    Delivered,
    /// The origin failed before delivering. It stays given back.
    GivenBack,
}

/// Charges `amount`, 0 to what is available. `existing` is the row under this id, `caps` those of the token.
///
/// # Errors
/// [`Refusal::InsufficientFunds`], [`Refusal::CapReached`] and its kin, [`Refusal::TooLarge`]; [`Refusal::KeyReused`]
/// when the id stands for another use; [`Refusal::Frozen`]. `caps` are then unchanged.
pub fn debit(
    book: &Book,
    existing: Option<&Use>,
    id: Id,
    amount: Msat,
    caps: &mut [Cap],
    clock: UnixTime,
) -> Result<Step<Use>, Refusal> {
    let amount = amount::charge(amount)?;
    let limited = book.limit.map_or(Msat(0), |limit| limit.left.min(amount));
    let row = Use { id, amount, limited, leaf: caps::leaf(caps)?, state: UseState::Taken };
    if let Some(before) = existing {
        let same = (before.id, before.amount, before.leaf) == (row.id, row.amount, row.leaf);
        return if same { Ok(Step::Already) } else { Err(Refusal::KeyReused) };
    }
    book.moving()?;
    book.covers(amount)?;
    let step = book.step(clock, Kind::Used, id, Postings::of([(Move::Charge, amount)]), row, None)?;
    caps::take(caps, amount)?;
    Ok(step)
}

/// The origin delivered: from now on nothing is given back (T100). Only the row is written.
///
/// # Errors
/// [`Refusal::Ended`] when it was given back before.
pub fn delivered(used: &Use) -> Result<Use, Refusal> {
    match used.state {
        UseState::GivenBack => Err(Refusal::Ended),
        UseState::Taken | UseState::Delivered => Ok(Use { state: UseState::Delivered, ..*used }),
    }
}

/// The origin failed before delivering: charge and use go back, once (T81). Not refused in a frozen book.
///
/// # Errors
/// [`Refusal::Ended`] when it was delivered; [`Refusal::BrokenChain`] when `caps` are not those it took from.
pub fn give_back(book: &Book, used: &Use, caps: &mut [Cap], clock: UnixTime) -> Result<Step<Use>, Refusal> {
    match used.state {
        UseState::GivenBack => return Ok(Step::Already),
        UseState::Delivered => return Err(Refusal::Ended),
        UseState::Taken => {}
    }
    let row = Use { state: UseState::GivenBack, ..*used };
    let postings = Postings::of([(Move::GiveBack, used.amount)]);
    let mut step = book.step(clock, Kind::GivenBack, used.id, postings, row, None)?;
    if let Step::Write(change) = &mut step
        && let Some(limit) = &mut change.book.limit
    {
        limit.left = Msat(limit.left.0.saturating_add(used.limited.0)).min(limit.of);
    }
    caps::give(caps, used.leaf, used.amount, 1)?;
    Ok(step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, book_with, id};

    fn take(book: &Book, amount: u64) -> Result<Step<Use>, Refusal> {
        debit(book, None, id(1), Msat(amount), &mut [], NOW)
    }

    /// T71, T76, T78: 0 ≤ amount ≤ available, and nothing else.
    #[test]
    fn a_debit_takes_what_is_there_and_not_one_msat_more() {
        let book = book_with(10);
        let after = take(&book, 10).unwrap().change().unwrap().book.balances;
        assert_eq!((after.user, after.fees), (0, 10));
        assert_eq!(take(&book, 11), Err(Refusal::InsufficientFunds { available: Msat(10) }));
        assert_eq!(take(&book, u64::MAX), Err(Refusal::TooLarge));
        let free = take(&book, 0).unwrap().change().unwrap();
        assert_eq!((free.entry.postings, free.book.balances), (Postings::NONE, book.balances));
    }

    /// T73.
    #[test]
    fn the_same_use_is_charged_once_and_another_is_not_the_same() {
        let change = take(&book_with(10), 4).unwrap().change().unwrap();
        let again = |amount, caps: &mut [Cap]| debit(&change.book, Some(&change.row), id(1), Msat(amount), caps, NOW);
        assert_eq!(again(4, &mut []), Ok(Step::Already));
        assert_eq!(again(5, &mut []), Err(Refusal::KeyReused));
        let mut others = [Cap::new(id(9), None, None, None)];
        assert_eq!(again(4, &mut others), Err(Refusal::KeyReused));
        assert_eq!(others[0].used, 0);
    }

    /// T81, T100.
    #[test]
    fn a_use_comes_back_once_and_only_before_it_was_delivered() {
        let mut caps = [Cap::new(id(9), None, Some(Msat(9)), Some(1))];
        let taken = debit(&book_with(10), None, id(1), Msat(9), &mut caps, NOW).unwrap().change().unwrap();
        let mut after = caps;
        let back = give_back(&taken.book, &taken.row, &mut after, NOW).unwrap().change().unwrap();
        assert_eq!((back.book.balances.user, back.book.balances.fees), (10, 0));
        assert_eq!((after[0].spent, after[0].used), (Msat(0), 0));
        assert_eq!(give_back(&back.book, &back.row, &mut after, NOW), Ok(Step::Already));
        assert_eq!(delivered(&back.row), Err(Refusal::Ended));
        let kept = delivered(&taken.row).unwrap();
        assert_eq!(give_back(&taken.book, &kept, &mut caps, NOW), Err(Refusal::Ended));
        assert_eq!((caps[0].spent, caps[0].used), (Msat(9), 1));
    }

    /// T75.
    #[test]
    fn a_frozen_book_charges_nobody_and_still_gives_back() {
        let taken = take(&book_with(10), 4).unwrap().change().unwrap();
        let (frozen, _) = taken.book.freeze(crate::Invariant::I6, NOW);
        let refused = debit(&frozen, None, id(2), Msat(1), &mut [], NOW);
        assert_eq!(refused, Err(Refusal::Frozen(crate::Invariant::I6)));
        assert!(matches!(give_back(&frozen, &taken.row, &mut [], NOW), Ok(Step::Write(_))));
    }
}
