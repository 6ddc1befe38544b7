//! What one service has seen, for the operator: counters, not books (C14, T128).

use serde::{Deserialize, Serialize};
use worker::{DurableObject, Env, Request, Response, Result, SqlStorageValue, State, durable_object};

use super::transaction::transaction;
use super::{answer, question};

/// Counts of one service; also what one isolate adds to them at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// 402s with an invoice.
    pub challenges: i64,
    /// Invoices that were paid.
    pub settled: i64,
    /// What they brought.
    pub settled_msat: i64,
    /// Requests given away under a free allowance.
    pub allowed: i64,
    /// Requests that a dry run let through.
    pub would_charge: i64,
    /// What they would have brought.
    pub would_charge_msat: i64,
}

/// One per service.
#[durable_object(fetch)]
pub struct Totals {
    state: State,
}

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS totals(id INTEGER PRIMARY KEY CHECK(id = 1), challenges INTEGER NOT NULL, \
    settled INTEGER NOT NULL, settled_msat INTEGER NOT NULL, allowed INTEGER NOT NULL, would_charge INTEGER NOT NULL, \
    would_charge_msat INTEGER NOT NULL) STRICT";
const ADD: &str = "INSERT INTO totals VALUES(1, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET \
    challenges = challenges + excluded.challenges, settled = settled + excluded.settled, \
    settled_msat = settled_msat + excluded.settled_msat, allowed = allowed + excluded.allowed, \
    would_charge = would_charge + excluded.would_charge, would_charge_msat = would_charge_msat + excluded.would_charge_msat";

impl DurableObject for Totals {
    fn new(state: State, _env: Env) -> Self {
        Self { state }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let (operation, text) = question(&mut request).await?;
        let counts = transaction(&self.state.storage(), |sql| {
            sql.exec(SCHEMA, None)?;
            if operation == "add" {
                let c: Counts = serde_json::from_str(&text)?;
                let values = [c.challenges, c.settled, c.settled_msat, c.allowed, c.would_charge, c.would_charge_msat];
                let values = values.into_iter().map(SqlStorageValue::try_from_i64).collect::<Result<Vec<_>>>()?;
                sql.exec(ADD, values)?;
            }
            let rows: Vec<Counts> = sql
                .exec(
                    "SELECT challenges, settled, settled_msat, allowed, would_charge, would_charge_msat FROM totals",
                    None,
                )?
                .to_array()?;
            Ok(rows.first().copied().unwrap_or_default())
        })?;
        answer(&counts)
    }
}
