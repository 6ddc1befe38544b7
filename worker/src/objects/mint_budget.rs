//! How many invoices may still be asked for: a bucket in memory, one for all and one per client (C13, T58).
//!
//! The one object that all isolates share. It keeps nothing: losing its memory gives at most one more
//! minute's budget away, and a write for each 402 would make the limit the bottleneck.

use core::cell::Cell;

use worker::{Date, Result};

use super::words::{Words, words};

/// Asks for invoices.
#[derive(Debug)]
pub struct Lease {
    /// The limit of this bucket.
    pub per_minute: u32,
    /// How many are wanted.
    pub want: u32,
}

/// What is given.
#[derive(Debug)]
pub struct Leased {
    /// At most as many as wanted; 0 when the bucket is empty.
    pub granted: u32,
    /// When the next one will be there, in seconds.
    pub retry_after_s: u64,
}

words!(Lease { per_minute, want });
words!(Leased { granted, retry_after_s });

/// A token bucket: holds a minute's worth, refills evenly.
#[derive(Default)]
pub struct Bucket {
    level: Cell<Option<f64>>,
    at_ms: Cell<u64>,
}

/// Takes from the bucket.
pub fn ask(bucket: &Bucket, question: &str) -> Result<String> {
    let lease = Lease::hear(question)?;
    let now_ms = Date::now().as_millis();
    let full = f64::from(lease.per_minute);
    let per_ms = full / 60_000.0;
    let elapsed_ms = now_ms.saturating_sub(bucket.at_ms.replace(now_ms)) as f64;
    let level = bucket.level.get().map_or(full, |level| (level + elapsed_ms * per_ms).min(full));
    let granted = level.floor().min(f64::from(lease.want)).max(0.0);
    bucket.level.set(Some(level - granted));
    let retry_after_s = if granted > 0.0 { 0 } else { ((1.0 - level) / per_ms / 1_000.0).ceil() as u64 };
    Ok(Leased { granted: granted as u32, retry_after_s }.say())
}
