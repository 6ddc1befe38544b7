//! How many invoices may still be asked for: a bucket in memory, one for all and one per client (C13, T58).
//!
//! The one object that all isolates share. It keeps nothing: losing its memory gives at most one more
//! minute's budget away, and a write for each 402 would make the limit the bottleneck.

use core::cell::Cell;

use serde::{Deserialize, Serialize};
use worker::{Date, DurableObject, Env, Request, Response, Result, State, durable_object};

use super::{answer, question};

/// Asks for invoices.
#[derive(Debug, Serialize, Deserialize)]
pub struct Lease {
    /// The limit of this bucket.
    pub per_minute: u32,
    /// How many are wanted.
    pub want: u32,
}

/// What is given.
#[derive(Debug, Serialize, Deserialize)]
pub struct Leased {
    /// At most as many as wanted; 0 when the bucket is empty.
    pub granted: u32,
    /// When the next one will be there, in seconds.
    pub retry_after_s: u64,
}

/// A token bucket: holds a minute's worth, refills evenly.
#[durable_object(fetch)]
pub struct MintBudget {
    level: Cell<Option<f64>>,
    at_ms: Cell<u64>,
}

impl DurableObject for MintBudget {
    fn new(_state: State, _env: Env) -> Self {
        Self { level: Cell::new(None), at_ms: Cell::new(0) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let (_, text) = question(&mut request).await?;
        let lease: Lease = serde_json::from_str(&text)?;
        let now_ms = Date::now().as_millis();
        let per_ms = f64::from(lease.per_minute) / 60_000.0;
        let elapsed_ms = now_ms.saturating_sub(self.at_ms.replace(now_ms)) as f64;
        let full = f64::from(lease.per_minute);
        let level = self.level.get().map_or(full, |level| (level + elapsed_ms * per_ms).min(full));
        let granted = level.floor().min(f64::from(lease.want)).max(0.0);
        self.level.set(Some(level - granted));
        let retry_after_s = if granted > 0.0 { 0 } else { ((1.0 - level) / per_ms / 1_000.0).ceil() as u64 };
        answer(&Leased { granted: granted as u32, retry_after_s })
    }
}
