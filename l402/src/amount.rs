//! Amounts of bitcoin in millisatoshi, the smallest unit an invoice can name.

use core::fmt;

use crate::prelude::*;

/// Millisatoshi. 1 sat = 1,000 msat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(any(feature = "verify", feature = "relay"), derive(serde::Serialize, serde::Deserialize))]
pub struct Msat(pub u64);

impl Msat {
    /// The most one operation may move: 10 BTC (T76).
    pub const MAX: Self = Self(1_000_000_000_000);

    /// Whole satoshi, rounded up, because a charge never falls short of its price.
    #[must_use]
    pub const fn sats_up(self) -> u64 {
        self.0.div_ceil(1_000)
    }

    /// From whole satoshi; `None` past [`Msat::MAX`].
    #[must_use]
    pub const fn from_sats(sats: u64) -> Option<Self> {
        match sats.checked_mul(1_000) {
            Some(msat) if msat <= Self::MAX.0 => Some(Self(msat)),
            _ => None,
        }
    }
}

/// For people: `21 sats`, `1 sat`, `0.5 sats`.
impl fmt::Display for Msat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sats, rest) = (self.0 / 1_000, self.0 % 1_000);
        if rest == 0 {
            write!(f, "{sats} {}", if sats == 1 { "sat" } else { "sats" })
        } else {
            let fraction = format!("{rest:03}");
            write!(f, "{sats}.{} sats", fraction.trim_end_matches('0'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_in_msat_rounds_up_to_sats() {
        assert_eq!(Msat(1).sats_up(), 1);
        assert_eq!(Msat(21_000).sats_up(), 21);
        assert_eq!(Msat(21_001).sats_up(), 22);
    }

    #[test]
    fn amounts_read_like_prices() {
        assert_eq!(Msat(21_000).to_string(), "21 sats");
        assert_eq!(Msat(1_000).to_string(), "1 sat");
        assert_eq!(Msat(500).to_string(), "0.5 sats");
    }

    #[test]
    fn more_than_ten_bitcoin_is_no_amount() {
        assert_eq!(Msat::from_sats(1_000_000_000), Some(Msat::MAX));
        assert_eq!(Msat::from_sats(1_000_000_001), None);
        assert_eq!(Msat::from_sats(u64::MAX), None);
    }
}
