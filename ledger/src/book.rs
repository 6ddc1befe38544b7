//! A book: the accounts of one owner, as the one row that every command reads and writes.
//!
//! A Durable Object holds exactly one. [`Book::write`] is the only place where money moves: it applies postings,
//! refuses what would leave the books unsound, and chains the entry.

use l402::{Msat, UnixTime};

use crate::account::Balances;
use crate::amount::{ACCOUNT_MAX, plus};
use crate::effect::Effect;
use crate::entry::{Entry, GENESIS, Kind};
use crate::id::{BookId, Id};
use crate::invariant::Invariant;
use crate::limit::Limit;
use crate::posting::Postings;
use crate::refusal::Refusal;

/// The books of one account: balances, and where its journal ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Book {
    /// Whose.
    pub id: BookId,
    /// The eight balances.
    pub balances: Balances,
    /// The sequence number of the last entry; 0 before the first.
    pub seq: u64,
    /// The hash of the last entry, or [`GENESIS`].
    pub head: [u8; 32],
    /// The time of the last entry.
    pub at: UnixTime,
    /// The invariant that did not hold, until somebody has looked (T75).
    pub frozen: Option<Invariant>,
    /// The part of the balance that can only be spent here, if a claim without its secret set one (I12).
    pub limit: Option<Limit>,
}

/// What a shell writes, all of it in one transaction or none of it: overwrite the book, append the entry, put the row.
/// Then it acts on the effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a change that is not written did not happen"]
pub struct Change<R> {
    /// The book afterwards.
    pub book: Book,
    /// The line for the journal.
    pub entry: Entry,
    /// What the command was about, afterwards: one row, or a tuple of them.
    pub row: R,
    /// What to do once the transaction is through. It can be repeated: rows say what is still to be done.
    pub effect: Option<Effect>,
}

/// A command was accepted: there is something to write, or it had been written before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a step that is not written did not happen"]
#[expect(clippy::large_enum_variant, reason = "a box would be the only allocation of a command")]
pub enum Step<R> {
    /// Write this.
    Write(Change<R>),
    /// The same command was carried out before. Write nothing; answer from what is stored (I10).
    Already,
}

impl<R> Step<R> {
    /// The change, if there is one.
    #[must_use]
    pub fn change(self) -> Option<Change<R>> {
        match self {
            Self::Write(change) => Some(change),
            Self::Already => None,
        }
    }
}

impl Book {
    /// An empty book.
    #[must_use]
    pub const fn open(id: BookId) -> Self {
        let balances = Balances { user: 0, hold: 0, escrow: 0, fees: 0, node: 0, in_transit: 0, refund: 0, payout: 0 };
        Self { id, balances, seq: 0, head: GENESIS, at: UnixTime(0), frozen: None, limit: None }
    }

    /// The time for this book: the clock's, or that of the last entry when the clock went backwards (T87, F18).
    #[must_use]
    pub fn now(&self, clock: UnixTime) -> UnixTime {
        clock.max(self.at)
    }

    /// Whether anything new may move.
    pub(crate) fn moving(&self) -> Result<(), Refusal> {
        self.frozen.map_or(Ok(()), |broken| Err(Refusal::Frozen(broken)))
    }

    /// Whether the owner can part with this much.
    pub(crate) fn covers(&self, amount: Msat) -> Result<(), Refusal> {
        let available = self.balances.available();
        if amount <= available { Ok(()) } else { Err(Refusal::InsufficientFunds { available }) }
    }

    /// Whether the owner can part with this much, and let it leave: not with what can only be spent here.
    pub(crate) fn parts_with(&self, amount: Msat) -> Result<(), Refusal> {
        self.covers(amount)?;
        let free = self.limit.map_or(amount, |limit| limit.free(&self.balances));
        if amount <= free { Ok(()) } else { Err(Refusal::SpendOnly { free }) }
    }

    /// Whether the account may own this much more.
    pub(crate) fn has_room(&self, amount: Msat) -> Result<(), Refusal> {
        if plus(self.balances.owned(), amount)? <= ACCOUNT_MAX { Ok(()) } else { Err(Refusal::AccountFull) }
    }

    /// Moves money: the book afterwards and its entry, or nothing.
    ///
    /// Refuses when the books were unsound before or would be afterwards (I2, I4, I12), whoever asked for what: a rule that
    /// is wrong somewhere else ends here.
    pub(crate) fn write(
        &self,
        clock: UnixTime,
        kind: Kind,
        subject: Id,
        postings: Postings,
    ) -> Result<(Self, Entry), Refusal> {
        self.balances.sound()?;
        let after = self.balances.after(&postings)?;
        after.sound()?;
        let limit = within(self.limit.map(|limit| limit.after(&postings)), &after)?;
        let seq = self.seq.checked_add(1).ok_or(Refusal::TooLarge)?;
        let at = self.now(clock);
        let entry = Entry { book: self.id, seq, previous: self.head, at, kind, subject, postings, after };
        Ok((Self { balances: after, seq, head: entry.hash(), at, limit, ..*self }, entry))
    }

    /// The same, with a row and an effect around it.
    pub(crate) fn step<R>(
        &self,
        clock: UnixTime,
        kind: Kind,
        subject: Id,
        postings: Postings,
        row: R,
        effect: Option<Effect>,
    ) -> Result<Step<R>, Refusal> {
        let (book, entry) = self.write(clock, kind, subject, postings)?;
        Ok(Step::Write(Change { book, entry, row, effect }))
    }

    /// Stops everything that would begin anew in this book: an invariant does not hold (T75).
    ///
    /// What was begun can still end: what the node says is a fact, and facts are recorded. A book whose balances are
    /// themselves unsound takes no entry at all; the frozen book is then returned alone.
    pub fn freeze(&self, broken: Invariant, clock: UnixTime) -> (Self, Option<Entry>) {
        if self.frozen.is_some() {
            return (*self, None);
        }
        let subject = Id::derive("frozen", &[&[broken as u8]]);
        match self.write(clock, Kind::Frozen, subject, Postings::NONE) {
            Ok((book, entry)) => (Self { frozen: Some(broken), ..book }, Some(entry)),
            Err(_) => (Self { frozen: Some(broken), ..*self }, None),
        }
    }

    /// Goes on: somebody has looked. For the operator only.
    ///
    /// # Errors
    /// [`Refusal::Breach`] while the balances are unsound; [`Refusal::Ended`] when the book is not frozen.
    pub fn thaw(&self, clock: UnixTime) -> Result<(Self, Entry), Refusal> {
        let broken = self.frozen.ok_or(Refusal::Ended)?;
        let subject = Id::derive("frozen", &[&[broken as u8]]);
        let (book, entry) = self.write(clock, Kind::Thawed, subject, Postings::NONE)?;
        Ok((Self { frozen: None, ..book }, entry))
    }
}

/// **I12**: what can only be spent is part of what the owner has.
fn within(limit: Option<Limit>, balances: &Balances) -> Result<Option<Limit>, Refusal> {
    match limit {
        Some(limit) if limit.left > limit.room(balances) => Err(Refusal::Breach(Invariant::I12)),
        limit => Ok(limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posting::Move;

    fn book() -> Book {
        Book::open(BookId([1; 32]))
    }

    /// I4 at the last door: no command asks for this, and if one did, it would end here.
    #[test]
    fn a_move_that_overdraws_a_user_is_written_nowhere() {
        let overdraw = book().write(UnixTime(1), Kind::Used, Id([0; 32]), Postings::of([(Move::Charge, Msat(1))]));
        assert_eq!(overdraw, Err(Refusal::Breach(Invariant::I4)));
    }

    /// I2: books that are wrong take no further entry.
    #[test]
    fn an_unsound_book_takes_no_entry_and_can_be_frozen() {
        let mut wrong = book();
        wrong.balances.user = 1;
        let deposit = Postings::of([(Move::Deposit, Msat(1))]);
        assert_eq!(wrong.write(UnixTime(1), Kind::TopUp, Id([0; 32]), deposit), Err(Refusal::Breach(Invariant::I2)));
        let (frozen, entry) = wrong.freeze(Invariant::I2, UnixTime(1));
        assert_eq!((frozen.frozen, entry), (Some(Invariant::I2), None));
        assert_eq!(frozen.thaw(UnixTime(2)), Err(Refusal::Breach(Invariant::I2)), "looking is not enough");
    }

    #[test]
    fn freezing_is_in_the_journal_once_and_so_is_thawing() {
        let (frozen, entry) = book().freeze(Invariant::I6, UnixTime(1));
        assert_eq!(entry.map(|entry| entry.kind), Some(Kind::Frozen));
        assert_eq!(frozen.moving(), Err(Refusal::Frozen(Invariant::I6)));
        assert_eq!(frozen.freeze(Invariant::I9, UnixTime(2)), (frozen, None), "the first reason stays");
        let (thawed, entry) = frozen.thaw(UnixTime(3)).unwrap();
        assert_eq!((thawed.moving(), entry.seq), (Ok(()), 2));
        assert_eq!(thawed.thaw(UnixTime(4)), Err(Refusal::Ended));
    }

    /// T87, F18.
    #[test]
    fn a_clock_that_goes_backwards_does_not_take_the_journal_along() {
        let (later, _) = book().write(UnixTime(5_000), Kind::Used, Id([0; 32]), Postings::NONE).unwrap();
        let (_, entry) = later.write(UnixTime(1_400), Kind::Used, Id([1; 32]), Postings::NONE).unwrap();
        assert_eq!(entry.at, UnixTime(5_000));
    }
}
