//! A node's side that does not answer is left alone for a while (T59).

use core::cell::Cell;

use worker::Date;

/// Failures in a row after which it is left alone.
const FAILURES_MAX: u32 = 5;
/// For how long, in milliseconds; then one request tries again.
const OPEN_MS: u64 = 5_000;

thread_local! {
    static FAILURES: Cell<u32> = const { Cell::new(0) };
    static TRY_AGAIN_MS: Cell<u64> = const { Cell::new(0) };
}

/// Whether nobody is to ask now. When its time is over, the one who looks may ask; the others wait on.
pub fn is_open() -> bool {
    if FAILURES.get() < FAILURES_MAX {
        return false;
    }
    let now_ms = Date::now().as_millis();
    if now_ms < TRY_AGAIN_MS.get() {
        return true;
    }
    TRY_AGAIN_MS.set(now_ms + OPEN_MS);
    false
}

/// It answered.
pub fn note_answer() {
    FAILURES.set(0);
}

/// It did not, or said "not now".
pub fn note_silence() {
    FAILURES.set(FAILURES.get().saturating_add(1));
    TRY_AGAIN_MS.set(Date::now().as_millis() + OPEN_MS);
}
