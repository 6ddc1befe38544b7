//! The one clock of this program; everything below it takes the time as an argument.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use l402::UnixTime;

/// Now.
pub fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixTime(since.as_secs())
}
