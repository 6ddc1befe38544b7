//! What is remembered about one payment hash: that it was settled, and what of it was delivered (C4, C7).
//!
//! Nothing is written for an invoice that was only made: the first row comes with a settlement or a
//! claim, and an alarm removes everything a day after the grant has ended.

use core::cell::Cell;

use serde::{Deserialize, Serialize};
use worker::{Date, DurableObject, Env, Request, Response, Result, SqlStorage, SqlStorageValue, State, durable_object};

use super::transaction::transaction;
use super::{answer, question};

/// How often the node may be asked about one hash, in milliseconds (C5).
const LOOK_EVERY_MS: u64 = 2_000;
/// How long the rows outlive the grant, in seconds.
const KEEP_S: u64 = 86_400;

/// A settlement, as it is kept and as it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// What was paid.
    pub amount_msat: i64,
    /// The proof, hex; empty when the node did not tell it.
    pub preimage: String,
    /// When, Unix seconds.
    pub settled_at: i64,
}

/// `settle`: the node says that it was paid.
#[derive(Debug, Serialize, Deserialize)]
pub struct Settle {
    /// What it says.
    pub settlement: Settlement,
    /// When the last grant bought with it ends, Unix seconds.
    pub until: u64,
}

/// The reply to `settle`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settled {
    /// Written now.
    New,
    /// Known already, the same.
    Known,
    /// Known already, with another amount.
    Contradiction,
}

/// The reply to `look`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ended {
    /// The settlement, if there is one.
    pub settlement: Option<Settlement>,
    /// Whether the caller may ask the node now; nobody else will for two seconds.
    pub may_look: bool,
}

/// `claim`: one delivery is about to happen.
#[derive(Debug, Serialize, Deserialize)]
pub struct Claim {
    /// Names the attempt.
    pub id: String,
    /// A Payment credential, which delivers once whatever the grant says.
    pub once: bool,
    /// How many deliveries the grant covers; `None` for any number.
    pub limit: Option<u64>,
    /// How long the attempt may take before it counts as failed, in seconds.
    pub lease_s: u64,
    /// When the grant ends, Unix seconds.
    pub until: u64,
}

/// The reply to `claim`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Claimed {
    /// Deliver.
    Granted,
    /// All that is left is being delivered at this moment.
    InFlight,
    /// All of it was delivered.
    UsedUp,
}

/// `conclude`: the attempt has ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Conclude {
    /// Names the attempt.
    pub id: String,
    /// Whether the client got an answer.
    pub delivered: bool,
}

/// One per payment hash.
#[durable_object(alarm)]
pub struct Payment {
    state: State,
    looked_ms: Cell<u64>,
}

const SCHEMA: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS settlement(id INTEGER PRIMARY KEY CHECK(id = 1), amount_msat INTEGER NOT NULL CHECK(amount_msat > 0), \
     preimage TEXT NOT NULL, settled_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS claim(id TEXT PRIMARY KEY, once INTEGER NOT NULL, delivered INTEGER NOT NULL, ends_at INTEGER NOT NULL) STRICT",
];

#[derive(Deserialize)]
struct Count {
    n: i64,
}

#[derive(Deserialize)]
struct Tally {
    delivered: i64,
    open: i64,
    once_delivered: i64,
    once_open: i64,
}

impl DurableObject for Payment {
    fn new(state: State, _env: Env) -> Self {
        Self { state, looked_ms: Cell::new(0) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let (operation, text) = question(&mut request).await?;
        match operation.as_str() {
            "look" => answer(&self.look()?),
            "settle" => {
                let settle: Settle = serde_json::from_str(&text)?;
                let outcome = self.settle(&settle)?;
                self.keep_until(settle.until).await?;
                answer(&outcome)
            }
            "claim" => {
                let claim: Claim = serde_json::from_str(&text)?;
                let outcome = self.claim(&claim)?;
                self.keep_until(claim.until).await?;
                answer(&outcome)
            }
            "conclude" => answer(&self.conclude(&serde_json::from_str(&text)?)?),
            _ => Response::error("no such operation", 404),
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.state.storage().delete_all().await?;
        Response::empty()
    }
}

impl Payment {
    /// Reads, and writes nothing: a poll leaves no trace.
    fn look(&self) -> Result<Ended> {
        let sql = self.state.storage().sql();
        let tables: Vec<Count> =
            sql.exec("SELECT COUNT(*) AS n FROM sqlite_master WHERE name = 'settlement'", None)?.to_array()?;
        let settlement = match tables.first() {
            Some(Count { n: 1 }) => settlement(&sql)?,
            _ => None,
        };
        let now_ms = Date::now().as_millis();
        let may_look = settlement.is_none() && now_ms.saturating_sub(self.looked_ms.get()) >= LOOK_EVERY_MS;
        if may_look {
            self.looked_ms.set(now_ms);
        }
        Ok(Ended { settlement, may_look })
    }

    fn settle(&self, settle: &Settle) -> Result<Settled> {
        transaction(&self.state.storage(), |sql| {
            create(sql)?;
            if let Some(known) = settlement(sql)? {
                let same = known.amount_msat == settle.settlement.amount_msat;
                return Ok(if same { Settled::Known } else { Settled::Contradiction });
            }
            let new = &settle.settlement;
            let values = vec![
                SqlStorageValue::try_from_i64(new.amount_msat)?,
                new.preimage.clone().into(),
                SqlStorageValue::try_from_i64(new.settled_at)?,
            ];
            sql.exec("INSERT INTO settlement VALUES(1, ?, ?, ?)", values)?;
            Ok(Settled::New)
        })
    }

    fn claim(&self, claim: &Claim) -> Result<Claimed> {
        let now = Date::now().as_millis() / 1_000;
        transaction(&self.state.storage(), |sql| {
            create(sql)?;
            let ends_at = i64::try_from(now.saturating_add(claim.lease_s)).unwrap_or(i64::MAX);
            // An attempt whose worker died counts as failed: the payer may try again (D8).
            sql.exec(
                "DELETE FROM claim WHERE delivered = 0 AND ends_at <= ?",
                vec![SqlStorageValue::try_from_i64(now as i64)?],
            )?;
            let tally: Vec<Tally> = sql
                .exec(
                    "SELECT COALESCE(SUM(delivered), 0) AS delivered, COALESCE(SUM(1 - delivered), 0) AS open, \
                     COALESCE(SUM(once * delivered), 0) AS once_delivered, COALESCE(SUM(once * (1 - delivered)), 0) AS once_open FROM claim",
                    None,
                )?
                .to_array()?;
            let Some(tally) = tally.first() else { return Err("a sum without a row".into()) };
            let limit = claim.limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
            if tally.delivered >= limit || (claim.once && tally.once_delivered > 0) {
                return Ok(Claimed::UsedUp);
            }
            if tally.delivered + tally.open >= limit || (claim.once && tally.once_open > 0) {
                return Ok(Claimed::InFlight);
            }
            let values = vec![
                claim.id.clone().into(),
                SqlStorageValue::try_from_i64(i64::from(claim.once))?,
                SqlStorageValue::try_from_i64(ends_at)?,
            ];
            sql.exec("INSERT INTO claim VALUES(?, ?, 0, ?)", values)?;
            Ok(Claimed::Granted)
        })
    }

    fn conclude(&self, conclude: &Conclude) -> Result<()> {
        transaction(&self.state.storage(), |sql| {
            create(sql)?;
            let statement = match conclude.delivered {
                true => "UPDATE claim SET delivered = 1 WHERE id = ?",
                false => "DELETE FROM claim WHERE id = ? AND delivered = 0",
            };
            sql.exec(statement, vec![conclude.id.clone().into()])?;
            Ok(())
        })
    }

    async fn keep_until(&self, until: u64) -> Result<()> {
        let storage = self.state.storage();
        let wanted_ms = i64::try_from(until.saturating_add(KEEP_S).saturating_mul(1_000)).unwrap_or(i64::MAX);
        if storage.get_alarm().await?.is_none_or(|set| set < wanted_ms) {
            let from_now_ms = u64::try_from(wanted_ms).unwrap_or(0).saturating_sub(Date::now().as_millis());
            storage.set_alarm(core::time::Duration::from_millis(from_now_ms)).await?;
        }
        Ok(())
    }
}

fn create(sql: &SqlStorage) -> Result<()> {
    SCHEMA.iter().try_for_each(|table| sql.exec(table, None).map(|_| ()))
}

fn settlement(sql: &SqlStorage) -> Result<Option<Settlement>> {
    let rows: Vec<Settlement> =
        sql.exec("SELECT amount_msat, preimage, settled_at FROM settlement", None)?.to_array()?;
    Ok(rows.into_iter().next())
}
