//! The one clock of this shell. Everything that decides is handed the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use l402::UnixTime;

/// Now, in seconds, as invoices and signatures count.
pub(crate) fn now() -> UnixTime {
    UnixTime(since_epoch().as_secs())
}

/// Now, in milliseconds, as retries count.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

/// A clock before 1970 counts as 1970: every signature is then stale, and nothing is believed.
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
