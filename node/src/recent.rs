//! Invoices that a back end has just called unpaid: for a moment the answer stands, however many ask (T58).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use l402::PaymentHash;

/// How long an answer stands. What the node's own watch hears is written down, and counts at once.
const STANDS: Duration = Duration::from_millis(1_500);
/// How many are remembered.
const MANY: usize = 4_096;

/// When each invoice was last seen unpaid.
#[derive(Default)]
pub(crate) struct Recent(Mutex<HashMap<PaymentHash, Instant>>);

impl Recent {
    /// Whether this one was seen unpaid a moment ago.
    pub(crate) fn is_unpaid(&self, hash: PaymentHash, now: Instant) -> bool {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&hash).is_some_and(|at| now.saturating_duration_since(*at) < STANDS)
    }

    /// It was, now.
    pub(crate) fn saw_unpaid(&self, hash: PaymentHash, now: Instant) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MANY {
            seen.retain(|_, at| now.saturating_duration_since(*at) < STANDS);
        }
        if seen.len() < MANY {
            seen.insert(hash, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stands_for_a_moment_and_for_its_own_invoice_a5() {
        let (recent, now) = (Recent::default(), Instant::now());
        let (one, other) = (PaymentHash([1; 32]), PaymentHash([2; 32]));
        recent.saw_unpaid(one, now);
        assert!(recent.is_unpaid(one, now + Duration::from_millis(1_499)));
        assert!(!recent.is_unpaid(other, now));
        assert!(!recent.is_unpaid(one, now + STANDS));
    }
}
