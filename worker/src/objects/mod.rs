//! State, in Durable Objects: one per payment hash, per client, per service; never one for all but the
//! in-memory `MintBudget`. This module is how the rest of the worker talks to them.

mod allowance;
mod mint_budget;
mod payment;
mod totals;
mod transaction;

pub use allowance::{Take, Taken};
pub use mint_budget::{Lease, Leased};
pub use payment::{Claim, Claimed, Conclude, Ended, Settle, Settled, Settlement};
pub use totals::Counts;

use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::{Env, Headers, Method, Request, RequestInit, Response, Result};

/// The bindings of `wrangler.toml`.
pub mod binding {
    /// One per payment hash.
    pub const PAYMENTS: &str = "PAYMENTS";
    /// One for all and one per client; in memory.
    pub const MINT_BUDGET: &str = "MINT_BUDGET";
    /// One per client and service.
    pub const ALLOWANCES: &str = "ALLOWANCES";
    /// One per service.
    pub const TOTALS: &str = "TOTALS";
}

/// Asks the object of this name; JSON both ways.
pub async fn ask<A: DeserializeOwned>(
    env: &Env,
    binding: &str,
    name: &str,
    operation: &str,
    question: &impl Serialize,
) -> Result<A> {
    let stub = env.durable_object(binding)?.get_by_name(name)?;
    let headers = Headers::new();
    headers.set("content-type", "application/json")?;
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_headers(headers).with_body(Some(serde_json::to_string(question)?.into()));
    let mut response =
        stub.fetch_with_request(Request::new_with_init(&format!("http://object/{operation}"), &init)?).await?;
    if response.status_code() != 200 {
        return Err(format!("{binding} {operation}: status {}", response.status_code()).into());
    }
    Ok(serde_json::from_str(&response.text().await?)?)
}

/// The operation and question of a request that [`ask`] made.
async fn question(request: &mut Request) -> Result<(String, String)> {
    let operation = request.path().trim_start_matches('/').to_owned();
    Ok((operation, request.text().await?))
}

/// The reply to [`ask`].
fn answer(value: &impl Serialize) -> Result<Response> {
    Response::ok(serde_json::to_string(value)?)
}
