//! What a token's holders put limits on: its counting caveats, as the chain that state is kept by.
//!
//! `satstile_uses=` and `satstile_budget_msat=` may stand in a token many times: the seller's own, then one for every
//! hand that it went through. All of them hold, and each counts what its own token and all of that token's children
//! took. So a limit is named by the caveats from the root to it; how much was taken of it, state knows.

use crate::amount::Msat;
use crate::fault::Denial;
use crate::time::UnixTime;

/// The most limits one token may carry.
pub const CAPS_MAX: usize = 16;

/// What one counting caveat permits, to its token and all that come from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `satstile_uses`: so many deliveries.
    Uses(u64),
    /// `satstile_budget_msat`: deliveries for so much, each at the price of its service.
    Budget(Msat),
}

/// One counting caveat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cap {
    /// Its place among the caveats of its token, 0 first.
    pub place: usize,
    /// What it permits.
    pub limit: Limit,
}

/// All caveats of one token, and which of them count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The bytes of every caveat, in order: a limit is named by all of them up to its own.
    pub caveats: Vec<Vec<u8>>,
    /// The counting ones, in order; 1 to [`CAPS_MAX`].
    pub caps: Vec<Cap>,
}

impl Limit {
    /// Reads a caveat; `None` for one that counts nothing. A number is strict decimals, as a time is (T14).
    ///
    /// # Errors
    /// [`Denial::UnknownCaveat`] for a counting caveat without a number.
    pub fn read(caveat: &[u8]) -> Result<Option<Self>, Denial> {
        let value = |name: &str| caveat.strip_prefix(name.as_bytes())?.strip_prefix(b"=");
        let number = |value: &[u8]| {
            let text = core::str::from_utf8(value).ok();
            text.and_then(UnixTime::from_decimal).map(|number| number.0).ok_or(Denial::UnknownCaveat)
        };
        if let Some(uses) = value("satstile_uses") {
            return number(uses).map(|uses| Some(Self::Uses(uses)));
        }
        value("satstile_budget_msat").map(|budget| number(budget).map(|msat| Self::Budget(Msat(msat)))).transpose()
    }
}

impl Chain {
    /// Reads a token's caveats; `None` for a token that counts nothing, which no state is kept of.
    ///
    /// # Errors
    /// [`Denial::TooManyCaps`] past [`CAPS_MAX`]; [`Denial::UnknownCaveat`] for a limit that cannot be read.
    pub fn of<'c>(caveats: impl Iterator<Item = &'c [u8]>) -> Result<Option<Self>, Denial> {
        let mut chain = Self { caveats: Vec::new(), caps: Vec::new() };
        for (place, caveat) in caveats.enumerate() {
            if let Some(limit) = Limit::read(caveat)? {
                chain.caps.push(Cap { place, limit });
            }
            chain.caveats.push(caveat.to_vec());
        }
        match chain.caps.len() {
            0 => Ok(None),
            1..=CAPS_MAX => Ok(Some(chain)),
            _ => Err(Denial::TooManyCaps),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(caveats: &[&str]) -> Result<Option<Chain>, Denial> {
        Chain::of(caveats.iter().map(|caveat| caveat.as_bytes()))
    }

    #[test]
    fn every_limit_of_a_token_is_in_its_chain_and_not_the_smallest_alone() {
        let caveats =
            ["services=api:0", "satstile_uses=10", "agent=a", "satstile_budget_msat=50000", "satstile_uses=7"];
        let chain = of(&caveats).unwrap().unwrap();
        let cap = |place, limit| Cap { place, limit };
        let limits = [cap(1, Limit::Uses(10)), cap(3, Limit::Budget(Msat(50_000))), cap(4, Limit::Uses(7))];
        assert_eq!(chain.caps, limits);
        // What caps nothing is kept all the same: two children may differ in it alone.
        assert_eq!(chain.caveats, caveats.map(|caveat| caveat.as_bytes().to_vec()));
    }

    #[test]
    fn a_token_that_counts_nothing_has_no_chain() {
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(
            of(&["services=api:0", "satstile_methods=GET", "my_satstile_uses=1", "uses=3", "free words"]),
            Ok(None)
        );
    }

    #[test]
    fn a_limit_that_cannot_be_read_is_refused_t9() {
        for caveat in [
            "satstile_uses=",
            "satstile_uses=-1",
            "satstile_uses=07",
            "satstile_budget_msat=1.5",
            "satstile_budget_msat=\u{661}",
        ] {
            assert_eq!(of(&[caveat]), Err(Denial::UnknownCaveat), "{caveat}");
        }
    }

    #[test]
    fn sixteen_limits_are_taken_and_a_seventeenth_is_not() {
        assert_eq!(of(&["satstile_uses=9"; CAPS_MAX]).unwrap().unwrap().caps.len(), CAPS_MAX);
        assert_eq!(of(&["satstile_uses=9"; CAPS_MAX + 1]), Err(Denial::TooManyCaps));
    }
}
