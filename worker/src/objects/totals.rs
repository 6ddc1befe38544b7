//! What one service has seen, for the operator: counters, not books (C14, T128).

use worker::{Result, Storage};

use super::rows;
use super::words::{Words, words};

use super::transaction::transaction;

/// Counts of one service; also what one isolate adds to them at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// What the node kept of [`settled_msat`](Self::settled_msat), for a channel for one (T66).
    pub node_fee_msat: i64,
}

words!(Counts { challenges, settled, settled_msat, allowed, would_charge, would_charge_msat, node_fee_msat });

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS totals(id INTEGER PRIMARY KEY CHECK(id = 1), challenges INTEGER NOT NULL, \
    settled INTEGER NOT NULL, settled_msat INTEGER NOT NULL, allowed INTEGER NOT NULL, would_charge INTEGER NOT NULL, \
    would_charge_msat INTEGER NOT NULL) STRICT";
const ADD: &str = "INSERT INTO totals VALUES(1, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET \
    challenges = challenges + excluded.challenges, settled = settled + excluded.settled, \
    settled_msat = settled_msat + excluded.settled_msat, allowed = allowed + excluded.allowed, \
    would_charge = would_charge + excluded.would_charge, would_charge_msat = would_charge_msat + excluded.would_charge_msat";

/// A table of its own: the one above stands in storages that were made before.
const SCHEMA_COSTS: &str =
    "CREATE TABLE IF NOT EXISTS costs(id INTEGER PRIMARY KEY CHECK(id = 1), node_fee_msat INTEGER NOT NULL) STRICT";
const ADD_COSTS: &str = "INSERT INTO costs VALUES(1, ?) ON CONFLICT(id) DO UPDATE SET \
    node_fee_msat = node_fee_msat + excluded.node_fee_msat";

const READ: &str = "SELECT challenges, settled, settled_msat, allowed, would_charge, would_charge_msat, \
    coalesce((SELECT node_fee_msat FROM costs), 0) FROM totals";

/// `add` or `read`.
pub fn ask(storage: &Storage, operation: &str, question: &str) -> Result<String> {
    let counts = transaction(storage, |sql| {
        sql.exec(SCHEMA, None)?;
        sql.exec(SCHEMA_COSTS, None)?;
        let added = match operation {
            "add" => Some(Counts::hear(question)?),
            "read" => <()>::hear(question).map(|()| None)?,
            _ => return Err("no such operation".into()),
        };
        if let Some(c) = added {
            let values = [c.challenges, c.settled, c.settled_msat, c.allowed, c.would_charge, c.would_charge_msat];
            let values = values.into_iter().map(rows::int).collect::<Result<Vec<_>>>()?;
            sql.exec(ADD, values)?;
            if c.node_fee_msat != 0 {
                sql.exec(ADD_COSTS, vec![rows::int(c.node_fee_msat)?])?;
            }
        }
        Ok(rows::first(sql, READ)?.map(|row| Counts {
            challenges: row.int(0),
            settled: row.int(1),
            settled_msat: row.int(2),
            allowed: row.int(3),
            would_charge: row.int(4),
            would_charge_msat: row.int(5),
            node_fee_msat: row.int(6),
        }))
    })?;
    Ok(counts.unwrap_or_default().say())
}
