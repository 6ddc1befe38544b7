//! How long somebody waits before they ask again.

use std::time::{Duration, Instant};

/// Nobody hammers at a door that is shut.
pub const SHUT: Duration = Duration::from_millis(20);

/// Asks until there is an answer, or no more time.
pub fn in_time<T>(deadline: Instant, mut ask: impl FnMut() -> Option<T>) -> bool {
    loop {
        if ask().is_some() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
