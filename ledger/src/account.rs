//! The eight accounts of a book, and their balances.

use crate::amount::{BALANCE_MAX, available, signed};
use crate::invariant::Invariant;
use crate::posting::{Posting, Postings};
use crate::refusal::Refusal;

use l402::Msat;

/// A class of accounts. Each [`Book`](crate::Book) has one account of each, and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// What the owner of the book can spend. Never below 0.
    User,
    /// Reserved for uses that are under way. Never below 0.
    Hold,
    /// Locked until a task is confirmed or called off. Never below 0.
    Escrow,
    /// What the operator earned here; with a minus sign, what the operator spent.
    Fees,
    /// The counterweight: minus what came in over Lightning through this book, plus what went out. Moves only when
    /// the node moved money.
    Node,
    /// What this book sent to others, minus what it received. Over all books: what is on its way (I11).
    InTransit,
    /// Promised to payers as LNURL-withdraw links. Never below 0.
    Refund,
    /// Reserved for payouts the node has not answered definitely. Never below 0.
    Payout,
}

impl Class {
    /// All of them, in the order of the canonical encoding.
    pub const ALL: [Self; 8] =
        [Self::User, Self::Hold, Self::Escrow, Self::Fees, Self::Node, Self::InTransit, Self::Refund, Self::Payout];

    /// Whether a minus sign has a meaning here (I4: never for what belongs to a user).
    #[must_use]
    pub const fn may_be_negative(self) -> bool {
        matches!(self, Self::Fees | Self::Node | Self::InTransit)
    }
}

/// The balances of a book in msat: eight columns of one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Balances {
    /// See [`Class::User`].
    pub user: i64,
    /// See [`Class::Hold`].
    pub hold: i64,
    /// See [`Class::Escrow`].
    pub escrow: i64,
    /// See [`Class::Fees`].
    pub fees: i64,
    /// See [`Class::Node`].
    pub node: i64,
    /// See [`Class::InTransit`].
    pub in_transit: i64,
    /// See [`Class::Refund`].
    pub refund: i64,
    /// See [`Class::Payout`].
    pub payout: i64,
}

impl Balances {
    /// One of the eight.
    #[must_use]
    pub const fn of(&self, class: Class) -> i64 {
        match class {
            Class::User => self.user,
            Class::Hold => self.hold,
            Class::Escrow => self.escrow,
            Class::Fees => self.fees,
            Class::Node => self.node,
            Class::InTransit => self.in_transit,
            Class::Refund => self.refund,
            Class::Payout => self.payout,
        }
    }

    const fn of_mut(&mut self, class: Class) -> &mut i64 {
        match class {
            Class::User => &mut self.user,
            Class::Hold => &mut self.hold,
            Class::Escrow => &mut self.escrow,
            Class::Fees => &mut self.fees,
            Class::Node => &mut self.node,
            Class::InTransit => &mut self.in_transit,
            Class::Refund => &mut self.refund,
            Class::Payout => &mut self.payout,
        }
    }

    /// What the owner can spend now.
    #[must_use]
    pub fn available(&self) -> Msat {
        available(self.user)
    }

    /// What belongs to the owner, spendable or reserved; [`crate::ACCOUNT_MAX`] limits it.
    #[must_use]
    pub fn owned(&self) -> Msat {
        [self.user, self.hold, self.escrow, self.payout]
            .into_iter()
            .fold(Msat(0), |sum, part| Msat(sum.0.saturating_add(available(part).0)))
    }

    /// **I2** and **I4**: the eight sum to 0, none that must not be negative is, and all are exact numbers.
    ///
    /// # Errors
    /// The invariant that does not hold.
    pub fn sound(&self) -> Result<(), Invariant> {
        let mut sum = 0_i128;
        for class in Class::ALL {
            let balance = self.of(class);
            if balance.checked_abs().is_none_or(|size| size > BALANCE_MAX) {
                return Err(Invariant::I2);
            }
            if balance < 0 && !class.may_be_negative() {
                return Err(Invariant::I4);
            }
            sum += i128::from(balance);
        }
        if sum == 0 { Ok(()) } else { Err(Invariant::I2) }
    }

    /// The balances after `postings`, which may be unsound: that is for the caller to ask.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] where a sum is no number any more.
    pub fn after(mut self, postings: &Postings) -> Result<Self, Refusal> {
        for Posting { of, amount } in postings.iter() {
            let amount = signed(amount)?;
            for (class, change) in [(of.from(), -amount), (of.to(), amount)] {
                let balance = self.of_mut(class);
                *balance = balance.checked_add(change).ok_or(Refusal::TooLarge)?;
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::posting::Move;

    #[test]
    fn what_one_account_loses_the_other_gets() {
        let after = Balances::default().after(&Postings::of([(Move::Deposit, Msat(5))])).unwrap();
        assert_eq!(after, Balances { user: 5, node: -5, ..Balances::default() });
        assert_eq!(after.sound(), Ok(()));
    }

    /// I2: a balance that came from nowhere. I4: one that is owed to a user and negative.
    #[test]
    fn money_from_nowhere_and_debts_of_users_are_unsound() {
        assert_eq!(Balances { user: 1, ..Balances::default() }.sound(), Err(Invariant::I2));
        for class in Class::ALL {
            let mut books = Balances::default();
            *books.of_mut(class) = -7;
            *books.of_mut(if class == Class::Node { Class::Fees } else { Class::Node }) = 7;
            let expected = if class.may_be_negative() { Ok(()) } else { Err(Invariant::I4) };
            assert_eq!(books.sound(), expected, "{class:?}");
        }
    }

    /// M15, T76: past 2^53 a Durable Object would keep another number.
    #[test]
    fn a_balance_that_a_javascript_number_cannot_keep_is_unsound() {
        let of = |user| Balances { user, node: -user, ..Balances::default() };
        assert_eq!(of(BALANCE_MAX).sound(), Ok(()));
        assert_eq!(of(BALANCE_MAX + 1).sound(), Err(Invariant::I2));
        assert_eq!(Balances { node: i64::MIN, ..Balances::default() }.sound(), Err(Invariant::I2));
    }
}
