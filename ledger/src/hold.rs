//! Holds: reserve a ceiling, use, pay for what was used. The rest is free again in the same transaction.
//!
//! Every exit of a use ends here, once: [`end`]; and when no exit was reached, [`sweep`] by an alarm (T79 – T81).

use l402::{Msat, UnixTime};

use crate::amount::{less, operation};
use crate::book::{Book, Step};
use crate::caps::{self, Cap};
use crate::entry::Kind;
use crate::id::Id;
use crate::posting::{Move, Postings};
use crate::refusal::Refusal;

/// The longest life of a hold between two signs of life, in seconds: a day, so that no answer outlives its hold.
pub const HOLD_TTL_MAX_S: u32 = 86_400;

/// Money reserved for one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hold {
    /// The use.
    pub id: Id,
    /// The most it can cost.
    pub ceiling: Msat,
    /// What it costs when it was cut off and nobody saw how far it went; at most the ceiling.
    pub estimate: Msat,
    /// The last cap of the token that pays, if it has caps.
    pub leaf: Option<Id>,
    /// What went to the client so far.
    pub progress: Progress,
    /// When it ends by itself unless there is a sign of life.
    pub expires_at: UnixTime,
    /// How it ended.
    pub state: HoldState,
}

/// What the client has had of a use (T80).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Progress {
    /// Not one byte.
    Nothing,
    /// Something, nobody knows how much it costs.
    Begun,
    /// So much, by the origin's own count.
    Seen(Msat),
}

/// How a hold stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldState {
    /// Under way.
    Open,
    /// Charged with this much, which may be nothing.
    Settled(Msat),
    /// Nothing was delivered, nothing charged, the use given back.
    Voided,
}

/// What to reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewHold {
    /// The use: derived from the request's idempotency key.
    pub id: Id,
    /// The most it can cost: 1 msat to 10 BTC.
    pub ceiling: Msat,
    /// What it costs when cut off unseen; at most the ceiling.
    pub estimate: Msat,
    /// Seconds until it ends by itself: 1 to [`HOLD_TTL_MAX_S`].
    pub ttl_s: u32,
}

/// How a use ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The origin said what it cost, and 0 means 0.
    Used(Msat),
    /// It broke off: charged for what was seen, else the estimate, else nothing when no byte was sent.
    Broken,
}

/// Reserves. `existing` is the row under this id, `caps` the rows of the token's caps from the root on.
///
/// # Errors
/// [`Refusal::InsufficientFunds`], [`Refusal::CapReached`] and its kin, [`Refusal::ZeroAmount`], [`Refusal::TooLarge`];
/// [`Refusal::KeyReused`] when the id stands for another hold; [`Refusal::Frozen`]. `caps` are then unchanged.
pub fn place(
    book: &Book,
    existing: Option<&Hold>,
    new: &NewHold,
    caps: &mut [Cap],
    clock: UnixTime,
) -> Result<Step<Hold>, Refusal> {
    operation(new.ceiling)?;
    if new.estimate > new.ceiling || new.ttl_s == 0 || new.ttl_s > HOLD_TTL_MAX_S {
        return Err(Refusal::TooLarge);
    }
    let leaf = caps::leaf(caps)?;
    if let Some(row) = existing {
        let same = (row.id, row.ceiling, row.estimate, row.leaf) == (new.id, new.ceiling, new.estimate, leaf);
        return if same { Ok(Step::Already) } else { Err(Refusal::KeyReused) };
    }
    book.moving()?;
    book.covers(new.ceiling)?;
    let row = Hold {
        id: new.id,
        ceiling: new.ceiling,
        estimate: new.estimate,
        leaf,
        progress: Progress::Nothing,
        expires_at: book.now(clock).plus(u64::from(new.ttl_s)),
        state: HoldState::Open,
    };
    let postings = Postings::of([(Move::Reserve, new.ceiling)]);
    let step = book.step(clock, Kind::HoldPlaced, new.id, postings, row, None)?;
    caps::take(caps, new.ceiling)?;
    Ok(step)
}

/// A sign of life: more went to the client. No money moves, so only the row is written.
///
/// Progress never goes back: a smaller count than before is not believed.
///
/// # Errors
/// [`Refusal::Ended`] when the hold is not open any more.
pub fn progress(book: &Book, hold: &Hold, seen: Progress, ttl_s: u32, clock: UnixTime) -> Result<Hold, Refusal> {
    if hold.state != HoldState::Open {
        return Err(Refusal::Ended);
    }
    let progress = match (hold.progress, seen) {
        (Progress::Seen(before), Progress::Seen(now)) => Progress::Seen(before.max(now)),
        (Progress::Nothing, _) | (Progress::Begun, Progress::Seen(_)) => seen,
        (before, _) => before,
    };
    let expires_at = hold.expires_at.max(book.now(clock).plus(u64::from(ttl_s.min(HOLD_TTL_MAX_S))));
    Ok(Hold { progress, expires_at, ..*hold })
}

/// Ends a use: the charge goes to the operator, the rest back to the owner, in one entry.
///
/// The charge never exceeds the ceiling, whatever the origin says. The first ending counts; later ones change nothing.
/// It is not refused in a frozen book: what was begun must end.
///
/// # Errors
/// [`Refusal::BrokenChain`] when `caps` are not those the hold took from; [`Refusal::Breach`].
pub fn end(book: &Book, hold: &Hold, ending: Ending, caps: &mut [Cap], clock: UnixTime) -> Result<Step<Hold>, Refusal> {
    if hold.state != HoldState::Open {
        return Ok(Step::Already);
    }
    let cost = match (ending, hold.progress) {
        (Ending::Used(cost), _) | (Ending::Broken, Progress::Seen(cost)) => Some(cost),
        (Ending::Broken, Progress::Begun) => Some(hold.estimate),
        (Ending::Broken, Progress::Nothing) => None,
    };
    let charge = cost.unwrap_or(Msat(0)).min(hold.ceiling);
    let rest = less(hold.ceiling, charge);
    let state = cost.map_or(HoldState::Voided, |_| HoldState::Settled(charge));
    let postings = Postings::of([(Move::Settle, charge), (Move::Void, rest)]);
    let step = book.step(clock, Kind::HoldEnded, hold.id, postings, Hold { state, ..*hold }, None)?;
    caps::give(caps, hold.leaf, rest, u32::from(cost.is_none()))?;
    Ok(step)
}

/// Ends a hold that nobody ended, when its time has passed. For the alarm (T79, I7).
///
/// # Errors
/// [`Refusal::NotYet`] while it lives; otherwise as [`end`].
pub fn sweep(book: &Book, hold: &Hold, caps: &mut [Cap], clock: UnixTime) -> Result<Step<Hold>, Refusal> {
    if hold.state == HoldState::Open && book.now(clock) < hold.expires_at {
        return Err(Refusal::NotYet);
    }
    end(book, hold, Ending::Broken, caps, clock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, book_with, id};

    const NEW: NewHold = NewHold { id: Id([1; 32]), ceiling: Msat(100), estimate: Msat(40), ttl_s: 60 };

    fn placed() -> (Book, Hold) {
        let change = place(&book_with(500), None, &NEW, &mut [], NOW).unwrap().change().unwrap();
        (change.book, change.row)
    }

    #[track_caller]
    fn check(progress: Progress, ending: Ending, charged: i64, state: HoldState) {
        let (book, hold) = placed();
        let change = end(&book, &Hold { progress, ..hold }, ending, &mut [], NOW).unwrap().change().unwrap();
        assert_eq!(change.row.state, state);
        assert_eq!((change.book.balances.fees, change.book.balances.user), (charged, 500 - charged));
        assert_eq!(change.book.balances.hold, 0);
    }

    /// T80, T81: the table of endings.
    #[test]
    fn a_use_is_charged_for_what_was_seen_else_estimated_else_nothing() {
        check(Progress::Nothing, Ending::Used(Msat(70)), 70, HoldState::Settled(Msat(70)));
        check(Progress::Begun, Ending::Used(Msat(0)), 0, HoldState::Settled(Msat(0)));
        check(Progress::Seen(Msat(9)), Ending::Used(Msat(70)), 70, HoldState::Settled(Msat(70)));
        check(Progress::Seen(Msat(9)), Ending::Broken, 9, HoldState::Settled(Msat(9)));
        check(Progress::Seen(Msat(0)), Ending::Broken, 0, HoldState::Settled(Msat(0)));
        check(Progress::Begun, Ending::Broken, 40, HoldState::Settled(Msat(40)));
        check(Progress::Nothing, Ending::Broken, 0, HoldState::Voided);
    }

    #[test]
    fn no_use_costs_more_than_was_reserved() {
        check(Progress::Begun, Ending::Used(Msat(101)), 100, HoldState::Settled(Msat(100)));
        check(Progress::Begun, Ending::Used(Msat(u64::MAX)), 100, HoldState::Settled(Msat(100)));
    }

    /// T71: what is reserved cannot be spent a second time.
    #[test]
    fn a_hold_is_refused_one_msat_beyond_the_balance() {
        let of = |ceiling| NewHold { ceiling: Msat(ceiling), estimate: Msat(0), ..NEW };
        assert!(place(&book_with(500), None, &of(500), &mut [], NOW).is_ok());
        let short = place(&book_with(500), None, &of(501), &mut [], NOW);
        assert_eq!(short, Err(Refusal::InsufficientFunds { available: Msat(500) }));
        assert_eq!(place(&book_with(500), None, &of(0), &mut [], NOW), Err(Refusal::ZeroAmount));
    }

    /// T73: the same use again, and another one under its name.
    #[test]
    fn a_retry_reserves_nothing_and_a_name_is_not_used_twice() {
        let (book, hold) = placed();
        assert_eq!(place(&book, Some(&hold), &NEW, &mut [], NOW), Ok(Step::Already));
        let dearer = NewHold { ceiling: Msat(101), ..NEW };
        assert_eq!(place(&book, Some(&hold), &dearer, &mut [], NOW), Err(Refusal::KeyReused));
    }

    #[test]
    fn the_first_ending_counts() {
        let (book, hold) = placed();
        let change = end(&book, &hold, Ending::Used(Msat(1)), &mut [], NOW).unwrap().change().unwrap();
        assert_eq!(end(&change.book, &change.row, Ending::Used(Msat(99)), &mut [], NOW), Ok(Step::Already));
        assert_eq!(progress(&change.book, &change.row, Progress::Begun, 60, NOW), Err(Refusal::Ended));
    }

    /// T79, F15: an alarm one second early, and one hour late.
    #[test]
    fn a_hold_without_an_owner_ends_when_its_time_has_passed() {
        let (book, hold) = placed();
        assert_eq!(sweep(&book, &hold, &mut [], NOW.plus(59)), Err(Refusal::NotYet));
        let change = sweep(&book, &hold, &mut [], NOW.plus(3_600)).unwrap().change().unwrap();
        assert_eq!((change.row.state, change.book.balances.user), (HoldState::Voided, 500));
        assert_eq!(sweep(&change.book, &change.row, &mut [], NOW.plus(3_601)), Ok(Step::Already));
    }

    #[test]
    fn a_sign_of_life_prolongs_and_never_takes_back_what_was_seen() {
        let (book, hold) = placed();
        let seen = progress(&book, &hold, Progress::Seen(Msat(30)), 60, NOW.plus(50)).unwrap();
        assert_eq!(seen.expires_at, NOW.plus(110));
        for (smaller, kept) in [
            (Progress::Seen(Msat(10)), Progress::Seen(Msat(30))),
            (Progress::Begun, Progress::Seen(Msat(30))),
            (Progress::Nothing, Progress::Seen(Msat(30))),
        ] {
            assert_eq!(progress(&book, &seen, smaller, 60, NOW).unwrap().progress, kept);
        }
        assert_eq!(progress(&book, &seen, Progress::Begun, 0, NOW).unwrap().expires_at, NOW.plus(110));
    }

    /// A voided use is one the token has again; a settled one is not, only its unused budget.
    #[test]
    fn caps_take_the_ceiling_and_get_the_rest_back() {
        let new = [Cap::new(id(9), None, Some(Msat(150)), Some(2))];
        let mut caps = new;
        let change = place(&book_with(500), None, &NEW, &mut caps, NOW).unwrap().change().unwrap();
        assert_eq!((caps[0].spent, caps[0].used), (Msat(100), 1));
        let second = NewHold { id: id(2), ..NEW };
        let over = place(&change.book, None, &second, &mut caps, NOW);
        assert_eq!(over, Err(Refusal::CapReached { link: 0 }));
        let mut settled = caps;
        let _ = end(&change.book, &change.row, Ending::Used(Msat(30)), &mut settled, NOW).unwrap();
        assert_eq!((settled[0].spent, settled[0].used), (Msat(30), 1));
        let mut voided = caps;
        let _ = end(&change.book, &change.row, Ending::Broken, &mut voided, NOW).unwrap();
        assert_eq!(voided, new);
        assert_eq!(end(&change.book, &change.row, Ending::Broken, &mut [], NOW), Err(Refusal::BrokenChain));
    }
}
