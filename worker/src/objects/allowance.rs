//! What one client may still have of one service before paying (C14): a count in a window of time.

use serde::{Deserialize, Serialize};
use worker::{Date, DurableObject, Env, Request, Response, Result, SqlStorageValue, State, durable_object};

use super::transaction::transaction;
use super::{answer, question};

/// Takes one request's worth, or gives it back.
#[derive(Debug, Serialize, Deserialize)]
pub struct Take {
    /// The allowance.
    pub count: u32,
    /// Its window, in seconds.
    pub window_s: u32,
}

/// Whether there was one.
#[derive(Debug, Serialize, Deserialize)]
pub struct Taken {
    /// How many are left after this one; `None` when there was none to take.
    pub remaining: Option<u32>,
}

#[derive(Deserialize)]
struct Row {
    started_ms: i64,
    used: i64,
}

/// One per client and service.
#[durable_object(alarm)]
pub struct Allowance {
    state: State,
}

impl DurableObject for Allowance {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let (operation, text) = question(&mut request).await?;
        let take: Take = serde_json::from_str(&text)?;
        let now_ms = i64::try_from(Date::now().as_millis()).unwrap_or(i64::MAX);
        let window_ms = i64::from(take.window_s) * 1_000;
        let remaining = transaction(&self.state.storage(), |sql| {
            sql.exec("CREATE TABLE IF NOT EXISTS allowance(id INTEGER PRIMARY KEY CHECK(id = 1), started_ms INTEGER NOT NULL, used INTEGER NOT NULL CHECK(used >= 0)) STRICT", None)?;
            let rows: Vec<Row> = sql.exec("SELECT started_ms, used FROM allowance", None)?.to_array()?;
            let (started_ms, used) = match rows.first() {
                Some(row) if now_ms - row.started_ms < window_ms => (row.started_ms, row.used),
                _ => (now_ms, 0),
            };
            let used = match operation.as_str() {
                "take" if used >= i64::from(take.count) => return Ok(None),
                "take" => used + 1,
                _ => (used - 1).max(0),
            };
            let values = vec![SqlStorageValue::try_from_i64(started_ms)?, SqlStorageValue::try_from_i64(used)?];
            sql.exec("INSERT OR REPLACE INTO allowance VALUES(1, ?, ?)", values)?;
            Ok(u32::try_from(i64::from(take.count) - used).ok())
        })?;
        // A client that never comes back leaves nothing behind.
        self.state.storage().set_alarm(core::time::Duration::from_secs(u64::from(take.window_s) + 60)).await?;
        answer(&Taken { remaining })
    }

    async fn alarm(&self) -> Result<Response> {
        self.state.storage().delete_all().await?;
        Response::empty()
    }
}
