//! How many invoices may still be asked for, and what may still be tried: buckets in memory (C13, T58).
//!
//! The one object that all isolates share is named `global`; invoices have another one per client. Tries and look-ups of all
//! clients are counted in `global`: a guess makes no object of its own (A3). Nothing is kept: losing the memory gives at most
//! one more minute's budget away, and a write for each 402 would make the limit the bottleneck.

use core::cell::RefCell;
use std::collections::BTreeMap;

use l402::pace::Pacer;
use worker::{Date, Result};

use super::words::{Words, words};

/// How many buckets one object has. Full ones make room; where none is full, a further client waits.
const BUCKETS_MAX: usize = 10_000;

/// Asks for some of a bucket.
#[derive(Debug)]
pub struct Lease {
    /// Names the bucket in this object.
    pub bucket: String,
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

words!(Lease { bucket, per_minute, want });
words!(Leased { granted, retry_after_s });

/// May the node be asked for this client now? The reply is a [`Leased`] of one or of none.
#[derive(Debug)]
pub struct Turn {
    /// Names the client.
    pub client: String,
    /// The limit of all together.
    pub per_s: u32,
}

words!(Turn { client, per_s });

/// Takes a turn.
pub fn turn(memory: &Buckets, question: &str) -> Result<String> {
    let turn = Turn::hear(question)?;
    let now_ms = Date::now().as_millis();
    let granted = u32::from(memory.pacer.borrow_mut().take(&turn.client, turn.per_s, now_ms));
    Ok(Leased { granted, retry_after_s: 1 }.say())
}

/// What the object has in memory.
#[derive(Default)]
pub struct Buckets {
    levels: RefCell<BTreeMap<String, Bucket>>,
    /// Who had the node asked.
    pacer: RefCell<Pacer>,
}

/// A token bucket: holds a minute's worth, refills evenly.
struct Bucket {
    level: f64,
    full: f64,
    at_ms: u64,
}

impl Bucket {
    fn refill(&mut self, now_ms: u64) {
        let elapsed_ms = now_ms.saturating_sub(self.at_ms) as f64;
        self.level = (self.level + elapsed_ms * self.full / 60_000.0).min(self.full);
        self.at_ms = now_ms;
    }
}

/// Takes from a bucket.
pub fn ask(memory: &Buckets, question: &str) -> Result<String> {
    let Lease { bucket: name, per_minute, want } = Lease::hear(question)?;
    let now_ms = Date::now().as_millis();
    let full = f64::from(per_minute);
    let mut levels = memory.levels.borrow_mut();
    if levels.len() >= BUCKETS_MAX && !levels.contains_key(&name) {
        levels.retain(|_, bucket| {
            bucket.refill(now_ms);
            bucket.level < bucket.full
        });
        if levels.len() >= BUCKETS_MAX {
            return Ok(Leased { granted: 0, retry_after_s: 1 }.say());
        }
    }
    let bucket = levels.entry(name).or_insert(Bucket { level: full, full, at_ms: now_ms });
    bucket.full = full;
    bucket.refill(now_ms);
    let granted = bucket.level.floor().min(f64::from(want)).max(0.0);
    bucket.level -= granted;
    let wait_ms = (1.0 - bucket.level) * 60_000.0 / full;
    let retry_after_s = if granted > 0.0 { 0 } else { (wait_ms / 1_000.0).ceil() as u64 };
    Ok(Leased { granted: granted as u32, retry_after_s }.say())
}
