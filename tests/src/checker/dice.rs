//! Chance from a seed: the same seed plans the same workload, the same faults and the same moments. Threads and sockets
//! still interleave as they like.

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice for one part of a run; other parts do not change what they show.
    pub fn of(seed: u64, parts: &[u64]) -> Self {
        let mut dice = Self(seed);
        for part in parts {
            dice = Self(dice.throw() ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        }
        dice
    }

    /// The next 64 bits.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.throw() % (high - low + 1)
    }

    /// Whether something happens that happens so often in a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.throw() % 100 < percent
    }

    /// A place in a list of so many.
    pub fn place(&mut self, count: usize) -> usize {
        usize::try_from(self.throw() % (count.max(1) as u64)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_throws_the_same_and_another_part_throws_something_else() {
        let thrown =
            |parts: &[u64]| (0..20).map(move |_| ()).scan(Dice::of(7, parts), |d, ()| Some(d.throw())).collect();
        let (first, again, other): (Vec<_>, Vec<_>, Vec<_>) = (thrown(&[1, 2]), thrown(&[1, 2]), thrown(&[2, 1]));
        assert_eq!(first, again);
        assert_ne!(first, other);
    }

    #[test]
    fn a_throw_stays_within_its_bounds_and_reaches_both() {
        let mut dice = Dice::of(1, &[]);
        let thrown: Vec<u64> = (0..200).map(|_| dice.between(3, 5)).collect();
        assert_eq!((thrown.iter().min(), thrown.iter().max()), (Some(&3), Some(&5)));
        assert!(!dice.percent(0) && dice.percent(100));
    }
}
