//! What of a balance can only be spent here: the part that a first top-up brought which was claimed by its preimage alone
//! (T63, T83, C17).
//!
//! Everybody who forwarded a payment knows its preimage, and the last of them knows it first. So who claims with the
//! preimage alone may be a thief, and gets no more than what the seller sells: until a claim with the `claim_secret` lifts
//! the limit, this part is not paid out, transferred or shared, and locked in escrow only where the policy said so.
//!
//! ```text
//! claimed alone ──▶ left = what was credited ──▶ each charge takes from it first ──▶ nothing left: no limit binds
//!                                         └────▶ claimed with the secret: no limit
//! ```
//!
//! A hold takes nothing from it: it counts as reserved from this part first, and what it charges in the end is taken. So a
//! void restores the part without a word. The rest of the balance, refills above all, is free from the start.

use l402::Msat;

use crate::account::Balances;
use crate::amount::available;
use crate::posting::{Move, Postings};

/// The part of a balance that can only be spent here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit {
    /// How much it was when the claim set it.
    pub of: Msat,
    /// How much of it was not charged yet, reserved or not (I12).
    pub left: Msat,
    /// Whether it may be locked in escrow; what is released is then taken from it, and free where it arrives.
    pub escrows: bool,
    /// The number of the journal's last line when it was set: only what comes later takes from it.
    pub since: u64,
}

impl Limit {
    /// What of these balances the limit can stand in.
    pub(crate) fn room(&self, balances: &Balances) -> Msat {
        let escrow = if self.escrows { balances.escrow } else { 0 };
        [balances.user, balances.hold, escrow]
            .into_iter()
            .fold(Msat(0), |sum, part| Msat(sum.0.saturating_add(available(part).0)))
    }

    /// What of the owner's balance it binds now: what no hold and no escrow has reserved of it.
    fn binds(&self, balances: &Balances) -> Msat {
        let reserved = self.room(balances).0.saturating_sub(balances.available().0);
        Msat(self.left.0.saturating_sub(reserved))
    }

    /// What the owner can pay out, give away or lock.
    #[must_use]
    pub fn free(&self, balances: &Balances) -> Msat {
        Msat(balances.available().0.saturating_sub(self.binds(balances).0))
    }

    /// After these postings: what was charged is taken first from this part.
    pub(crate) fn after(&self, postings: &Postings) -> Self {
        let taken = postings.iter().filter(|posting| self.is_taken_by(posting.of));
        let taken = taken.fold(0_u64, |sum, posting| sum.saturating_add(posting.amount.0));
        Self { left: Msat(self.left.0.saturating_sub(taken)), ..*self }
    }

    /// Whether such a move uses it up.
    pub(crate) const fn is_taken_by(&self, of: Move) -> bool {
        match of {
            Move::Charge | Move::Settle => true,
            Move::Release | Move::PlatformFee => self.escrows,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Balances;
    use crate::amount::signed;
    use crate::book::Book;
    use crate::escrow::{self, Act, AtDeadline, NewEscrow, Who};
    use crate::hold::{self, Ending, NewHold};
    use crate::id::Id;
    use crate::invariant::Invariant;
    use crate::payout::{self, NewPayout, Payee};
    use crate::refusal::Refusal;
    use crate::testing::{ALICE, BOB, NOW, hash, id};
    use crate::{spend, transfer};

    /// Alice's book: so much that can only be spent, and so much that is free.
    fn book(limited: u64, free: u64, escrows: bool) -> Book {
        let limit = Limit { of: Msat(limited), left: Msat(limited), escrows, since: 1 };
        Book { limit: Some(limit), ..crate::testing::book_with(limited + free) }
    }

    fn left(book: &Book) -> u64 {
        book.limit.map_or(0, |limit| limit.left.0)
    }

    fn send(book: &Book, amount: u64) -> Result<(), Refusal> {
        transfer::send(book, None, id(1), BOB, Msat(amount), NOW).map(drop)
    }

    fn pay_out(book: &Book, amount: u64, fee_limit: u64) -> Result<(), Refusal> {
        let new = NewPayout { id: id(2), payment_hash: hash(2), amount: Msat(amount), fee_limit: Msat(fee_limit) };
        payout::create(book, None, &new, Payee::Elsewhere, NOW).map(drop)
    }

    fn lock(book: &Book, amount: u64) -> Result<Book, Refusal> {
        let new = NewEscrow {
            id: id(3),
            contractor: BOB,
            amount: Msat(amount),
            fee: Msat(0),
            deadline: NOW.plus(60),
            at_deadline: AtDeadline::Return,
        };
        escrow::lock(book, None, &new, NOW).map(|step| step.change().unwrap().book)
    }

    /// A2, T63: by each door that leads out, one msat beyond what is free.
    #[test]
    fn what_can_only_be_spent_leaves_by_no_door_a2() {
        let mixed = book(70, 30, false);
        let no = Err(Refusal::SpendOnly { free: Msat(30) });
        assert_eq!((send(&mixed, 30), send(&mixed, 31)), (Ok(()), no));
        assert_eq!((pay_out(&mixed, 25, 5), pay_out(&mixed, 25, 6)), (Ok(()), no));
        assert_eq!((lock(&mixed, 30).map(drop), lock(&mixed, 31).map(drop)), (Ok(()), no));
        let own = transfer::pay_own_invoice(&mixed, None, id(4), (BOB, hash(1)), Msat(31), NOW);
        assert_eq!(own.map(drop), no);
        // More than there is at all is what it always was.
        assert_eq!(send(&mixed, 101), Err(Refusal::InsufficientFunds { available: Msat(100) }));
    }

    /// A2: spending takes it first, and then nothing is bound.
    #[test]
    fn it_is_spent_first_and_then_the_rest_is_free_a2() {
        let spent = spend::debit(&book(70, 30, false), None, id(5), Msat(70), &mut [], NOW).unwrap().change().unwrap();
        assert_eq!((left(&spent.book), send(&spent.book, 30)), (0, Ok(())));
        let part = spend::debit(&book(70, 30, false), None, id(5), Msat(69), &mut [], NOW).unwrap().change().unwrap();
        assert_eq!((left(&part.book), send(&part.book, 31)), (1, Err(Refusal::SpendOnly { free: Msat(30) })));
        // What comes back is bound again, and what was free comes back free.
        let back = spend::give_back(&part.book, &part.row, &mut [], NOW).unwrap().change().unwrap();
        assert_eq!((left(&back.book), send(&back.book, 31)), (70, Err(Refusal::SpendOnly { free: Msat(30) })));
        let more = spend::debit(&spent.book, None, id(6), Msat(30), &mut [], NOW).unwrap().change().unwrap();
        let back = spend::give_back(&more.book, &more.row, &mut [], NOW).unwrap().change().unwrap();
        assert_eq!((left(&back.book), send(&back.book, 30)), (0, Ok(())));
    }

    /// A2: a hold reserves it first; what it charged is gone, what it did not is bound again.
    #[test]
    fn a_hold_reserves_it_first_and_a_void_restores_it_a2() {
        let new = NewHold { id: id(7), ceiling: Msat(80), estimate: Msat(0), ttl_s: 60 };
        let held = hold::place(&book(70, 30, false), None, &new, &mut [], NOW).unwrap().change().unwrap();
        assert_eq!((left(&held.book), send(&held.book, 20)), (70, Ok(())));
        let end = |ending| hold::end(&held.book, &held.row, ending, &mut [], NOW).unwrap().change().unwrap().book;
        let voided = end(Ending::Broken);
        assert_eq!((left(&voided), send(&voided, 31)), (70, Err(Refusal::SpendOnly { free: Msat(30) })));
        let used = end(Ending::Used(Msat(10)));
        assert_eq!((left(&used), send(&used, 31)), (60, Err(Refusal::SpendOnly { free: Msat(30) })));
        // The free part was sent while the hold was open: what comes back is bound, and covered.
        let sent = transfer::send(&held.book, None, id(8), BOB, Msat(20), NOW).unwrap().change().unwrap().book;
        let voided = hold::end(&sent, &held.row, Ending::Broken, &mut [], NOW).unwrap().change().unwrap().book;
        assert_eq!((left(&voided), voided.balances.user), (70, 80));
        assert_eq!(send(&voided, 11), Err(Refusal::SpendOnly { free: Msat(10) }));
    }

    /// A2, `secretless = "escrow"`: it may be locked; what is released is used up, what is returned is bound again.
    #[test]
    fn where_the_policy_says_so_it_is_locked_in_escrow_a2() {
        assert_eq!(lock(&book(70, 0, false), 70).map(drop), Err(Refusal::SpendOnly { free: Msat(0) }));
        let locked = lock(&book(70, 30, true), 60).unwrap();
        assert_eq!((left(&locked), send(&locked, 31)), (70, Err(Refusal::SpendOnly { free: Msat(30) })));
        let row = escrow::Escrow {
            id: id(3),
            contractor: BOB,
            amount: Msat(60),
            fee: Msat(0),
            deadline: NOW.plus(60),
            at_deadline: AtDeadline::Return,
            state: escrow::EscrowState::Locked,
            version: 1,
        };
        let end = |act, who| escrow::act(&locked, &row, act, Who::Account(who), 1, NOW).unwrap().change().unwrap().book;
        assert_eq!(left(&end(Act::Confirm, ALICE)), 10);
        let returned = end(Act::GiveUp, BOB);
        assert_eq!((left(&returned), send(&returned, 31)), (70, Err(Refusal::SpendOnly { free: Msat(30) })));
    }

    /// I12 at the last door: a part that is more than the whole takes no entry.
    #[test]
    fn a_part_that_is_more_than_the_whole_is_a_breach_a2() {
        let mut wrong = book(70, 0, false);
        wrong.balances = Balances { user: signed(Msat(69)).unwrap(), node: -69, ..Balances::default() };
        let refused = wrong.write(NOW, crate::Kind::Used, Id([0; 32]), Postings::NONE);
        assert_eq!(refused, Err(Refusal::Breach(Invariant::I12)));
    }
}
