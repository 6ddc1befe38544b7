//! Limits of amounts, and arithmetic that cannot wrap (T76, T78).

use l402::Msat;

use crate::refusal::Refusal;

/// The most one account may own: 100 BTC (T76).
pub const ACCOUNT_MAX: Msat = Msat(10_000_000_000_000);

/// The largest balance, of either sign, that a JavaScript number and so a Durable Object keeps exactly (M15).
pub const BALANCE_MAX: i64 = (1 << 53) - 1;

/// An amount one operation may move: 1 msat to [`Msat::MAX`].
pub(crate) const fn operation(amount: Msat) -> Result<Msat, Refusal> {
    match amount.0 {
        0 => Err(Refusal::ZeroAmount),
        1..=1_000_000_000_000 => Ok(amount),
        _ => Err(Refusal::TooLarge),
    }
}

/// The same, or nothing at all: what a use may cost.
pub(crate) const fn charge(amount: Msat) -> Result<Msat, Refusal> {
    if amount.0 == 0 { Ok(amount) } else { operation(amount) }
}

/// As a signed number, which is what balances are.
pub(crate) fn signed(amount: Msat) -> Result<i64, Refusal> {
    i64::try_from(amount.0).map_err(|_| Refusal::TooLarge)
}

/// The sum, where it is a number.
pub(crate) fn plus(a: Msat, b: Msat) -> Result<Msat, Refusal> {
    a.0.checked_add(b.0).map(Msat).ok_or(Refusal::TooLarge)
}

/// What is left of `a`; nothing when `b` is more.
pub(crate) const fn less(a: Msat, b: Msat) -> Msat {
    Msat(a.0.saturating_sub(b.0))
}

/// What can be taken out of a balance: nothing from a negative one.
pub(crate) fn available(balance: i64) -> Msat {
    Msat(u64::try_from(balance).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T76, T78.
    #[test]
    fn an_operation_moves_from_one_msat_to_ten_bitcoin() {
        assert_eq!(operation(Msat(0)), Err(Refusal::ZeroAmount));
        assert_eq!(operation(Msat(1)), Ok(Msat(1)));
        assert_eq!(operation(Msat::MAX), Ok(Msat::MAX));
        assert_eq!(operation(Msat(Msat::MAX.0 + 1)), Err(Refusal::TooLarge));
        assert_eq!(charge(Msat(0)), Ok(Msat(0)));
        assert_eq!(charge(Msat(u64::MAX)), Err(Refusal::TooLarge));
        assert_eq!(signed(Msat(u64::MAX)), Err(Refusal::TooLarge));
        assert_eq!(plus(Msat(u64::MAX), Msat(1)), Err(Refusal::TooLarge));
        assert_eq!(available(-5), Msat(0));
    }
}
