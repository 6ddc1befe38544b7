//! What must hold at any moment, by the names that `security.md` gives.

use core::fmt;

/// One of the twelve. [`crate::audit`] evaluates them over a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Invariant {
    /// Every posting takes as much as it gives, and more than nothing.
    I1 = 1,
    /// The balances of a book sum to 0.
    I2,
    /// What is held is what came in, less what went out and what routing cost.
    I3,
    /// No account of a user is below 0, nor ever was.
    I4,
    /// Each credit cites one settled payment hash, and each hash credits once.
    I5,
    /// Each payout is in one state, and a succeeded one has the preimage of its hash.
    I6,
    /// No reservation outlives its time without an owner.
    I7,
    /// What the origin served is what was consumed.
    I8,
    /// The hash chain verifies and has no gap.
    I9,
    /// One effect for each idempotency key, one body for each key.
    I10,
    /// What was sent was received, once the messages have arrived.
    I11,
    /// What can only be spent is part of what the owner has, and as much of it was charged as is missing (T63).
    I12,
}

impl Invariant {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::I1,
        Self::I2,
        Self::I3,
        Self::I4,
        Self::I5,
        Self::I6,
        Self::I7,
        Self::I8,
        Self::I9,
        Self::I10,
        Self::I11,
        Self::I12,
    ];

    /// The one with this number; `None` for a number that is none.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|invariant| *invariant as u8 == code)
    }
}

/// `I4: no account of a user is below 0`.
impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I1 => "I1: every posting balances and moves more than nothing",
            Self::I2 => "I2: the balances of a book sum to 0",
            Self::I3 => "I3: what is held is what came in less what went out",
            Self::I4 => "I4: no account of a user is below 0",
            Self::I5 => "I5: each payment hash credits once",
            Self::I6 => "I6: each payout is in one state, and success has a preimage",
            Self::I7 => "I7: no reservation outlives its time",
            Self::I8 => "I8: what was served is what was consumed",
            Self::I9 => "I9: the hash chain verifies and has no gap",
            Self::I10 => "I10: one effect for each key",
            Self::I11 => "I11: what was sent was received",
            Self::I12 => "I12: what can only be spent is part of the balance",
        })
    }
}
