//! A node's side that does not answer is left alone for a while (T59). Making and looking up are told apart: buyers who ask
//! after their payment do not shut the shop, nor the other way round.

use core::cell::Cell;

use worker::Date;

/// Failures in a row after which it is left alone.
const FAILURES_MAX: u32 = 5;
/// For how long, in milliseconds; then one request tries again.
const OPEN_MS: u64 = 5_000;

/// What is asked of the node's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Make an invoice.
    Make,
    /// Say what became of one.
    LookUp,
    /// Pay somebody else's, or say what became of that; withdraw one.
    Pay,
}

#[derive(Default)]
struct Breaker {
    failures: Cell<u32>,
    try_again_ms: Cell<u64>,
}

thread_local! {
    static MAKE: Breaker = Breaker::default();
    static LOOK_UP: Breaker = Breaker::default();
    static PAY: Breaker = Breaker::default();
}

impl Errand {
    fn with<T>(self, f: impl FnOnce(&Breaker) -> T) -> T {
        match self {
            Self::Make => MAKE.with(f),
            Self::LookUp => LOOK_UP.with(f),
            Self::Pay => PAY.with(f),
        }
    }

    /// Whether nobody is to ask now. When its time is over, the one who looks may ask; the others wait on.
    pub fn must_wait(self) -> bool {
        self.with(|breaker| {
            if breaker.failures.get() < FAILURES_MAX {
                return false;
            }
            let now_ms = Date::now().as_millis();
            if now_ms < breaker.try_again_ms.get() {
                return true;
            }
            breaker.try_again_ms.set(now_ms + OPEN_MS);
            false
        })
    }

    /// It answered.
    pub fn note_answer(self) {
        self.with(|breaker| breaker.failures.set(0));
    }

    /// It did not, or said "not now".
    pub fn note_silence(self) {
        self.with(|breaker| {
            breaker.failures.set(breaker.failures.get().saturating_add(1));
            breaker.try_again_ms.set(Date::now().as_millis() + OPEN_MS);
        });
    }
}
