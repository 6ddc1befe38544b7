//! What can happen to a sat: the closed list of moves between two accounts.
//!
//! A posting is one line that takes from one account and gives to another, so it cannot be unbalanced (I1). Which two
//! accounts these are follows from the [`Move`]; a posting between any other two cannot be written down.

use l402::Msat;

use crate::account::Class;

/// The most postings an entry has.
pub const POSTINGS_MAX: usize = 4;

macro_rules! moves {
    ($($(#[$doc:meta])* $name:ident = $code:literal: $from:ident => $to:ident),* $(,)?) => {
        /// One thing that can happen to a sat. The number is its code in storage and in the hash chain, for ever.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Move {
            $($(#[$doc])* $name = $code),*
        }

        impl Move {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The account that has less afterwards.
            #[must_use]
            pub const fn from(self) -> Class {
                match self { $(Self::$name => Class::$from),* }
            }

            /// The account that has more afterwards.
            #[must_use]
            pub const fn to(self) -> Class {
                match self { $(Self::$name => Class::$to),* }
            }

            /// The move with this code; `None` for a number that is none.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }
    };
}

moves! {
    /// A top-up's invoice was paid.
    Deposit = 1: Node => User,
    /// The invoice of a purchase was paid; nobody's balance, revenue at once.
    Sale = 2: Node => Fees,
    /// The node kept part of what it received, or took more for routing than it was allowed (T66).
    NodeFee = 3: Fees => Node,
    /// A use whose price was known was charged.
    Charge = 4: User => Fees,
    /// The origin failed before delivering: the charge goes back.
    GiveBack = 5: Fees => User,
    /// A ceiling was reserved for a use under way.
    Reserve = 6: User => Hold,
    /// What the use really cost.
    Settle = 7: Hold => Fees,
    /// The rest of the ceiling, or all of it.
    Void = 8: Hold => User,
    /// A price was locked for a task.
    Lock = 9: User => Escrow,
    /// The task was called off, wholly or in part.
    Return = 10: Escrow => User,
    /// The task was confirmed; on its way to the contractor's book.
    Release = 11: Escrow => InTransit,
    /// The platform's part of a release.
    PlatformFee = 12: Escrow => Fees,
    /// On its way to another book.
    Send = 13: User => InTransit,
    /// Revenue on its way to another book: a provider's, the operator's.
    Share = 14: Fees => InTransit,
    /// Arrived from another book.
    Receive = 15: InTransit => User,
    /// The other book refused it for good: back to where it came from.
    Bounce = 16: InTransit => User,
    /// Reserved for a payout: its amount, and its routing fee when the owner bears it.
    PayOut = 17: User => Payout,
    /// Reserved for the routing fee of a payout when the operator bears it.
    PayRouting = 18: Fees => Payout,
    /// The node paid: amount and routing fee have left.
    Paid = 19: Payout => Node,
    /// The unused part of the owner's reserve, or all of it after a failure.
    PayBack = 20: Payout => User,
    /// The unused part of the operator's reserve.
    RoutingBack = 21: Payout => Fees,
    /// A refund was promised to a payer.
    Promise = 22: Fees => Refund,
    /// The payer's wallet claims it.
    Claim = 23: Refund => Payout,
    /// Paying the claim failed for good: the promise stands again.
    Reopen = 24: Payout => Refund,
    /// The promise was not claimed in time.
    Lapse = 25: Refund => Fees,
}

/// One move of one amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Posting {
    /// Which move.
    pub of: Move,
    /// How much; more than 0 in anything this crate wrote (I1).
    pub amount: Msat,
}

/// The postings of one entry, in order; at most [`POSTINGS_MAX`], no heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Postings([Option<Posting>; POSTINGS_MAX]);

impl Postings {
    /// None: something happened that moved no money.
    pub const NONE: Self = Self([None; POSTINGS_MAX]);

    /// These moves; one of amount 0 is no move and is left out (I1).
    pub(crate) fn of<const N: usize>(moves: [(Move, Msat); N]) -> Self {
        const { assert!(N <= POSTINGS_MAX, "an entry has at most four postings") };
        let mut postings = Self::NONE;
        let real = moves.into_iter().filter(|(_, amount)| amount.0 > 0);
        for (slot, (of, amount)) in postings.0.iter_mut().zip(real) {
            *slot = Some(Posting { of, amount });
        }
        postings
    }

    /// As a shell reads them back from its rows; `None` when there are more than an entry can have.
    ///
    /// An amount of 0 is kept: what is stored is what is examined.
    #[must_use]
    pub fn read(rows: &[Posting]) -> Option<Self> {
        let mut postings = Self::NONE;
        for (slot, row) in postings.0.iter_mut().zip(rows) {
            *slot = Some(*row);
        }
        (rows.len() <= POSTINGS_MAX).then_some(postings)
    }

    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = Posting> + '_ {
        self.0.iter().copied().flatten()
    }

    /// The sum of one move.
    #[must_use]
    pub fn total(&self, of: Move) -> Msat {
        Msat(
            self.iter().filter(|posting| posting.of == of).fold(0, |sum, posting| sum.saturating_add(posting.amount.0)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        for code in 0..=u8::MAX {
            if let Some(of) = Move::from_code(code) {
                assert_eq!(of as u8, code);
                assert_ne!(of.from(), of.to(), "{of:?}");
            }
        }
        assert_eq!(Move::ALL.len(), 25);
        assert_eq!(Move::from_code(0), None);
    }

    /// Money enters and leaves through the node account alone.
    #[test]
    fn only_lightning_moves_the_node_account() {
        let touching: Vec<_> =
            Move::ALL.iter().filter(|of| of.from() == Class::Node || of.to() == Class::Node).copied().collect();
        assert_eq!(touching, [Move::Deposit, Move::Sale, Move::NodeFee, Move::Paid]);
    }

    #[test]
    fn nothing_is_no_posting_and_five_are_too_many() {
        assert_eq!(Postings::of([(Move::Settle, Msat(0)), (Move::Void, Msat(3))]).iter().count(), 1);
        let one = Posting { of: Move::Void, amount: Msat(1) };
        assert!(Postings::read(&[one; 4]).is_some());
        assert_eq!(Postings::read(&[one; 5]), None);
    }
}
