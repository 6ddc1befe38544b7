//! Deliveries of one payment: claimed before they begin, concluded when they end, given back when nobody concludes them.
//!
//! A delivery takes one use and its price from every cap of its token, its own and those it inherited, or from none
//! ([`satstile_ledger::caps`]). An open claim counts until its lease ends; then whoever claims next gives it back first.

use l402::Msat;
use satstile_ledger::{Cap, Refusal, caps};
use worker::{Date, Result, SqlStorage, Storage};

use super::claim_words::{Claim, Claimed, Conclude, Concluded, Count, text};
use super::kept::keep;
use super::replay::{self, Turn};
use super::rows;
use super::schema::{self, create};
use super::transaction::transaction;

/// What `claim.once` says of a use that its holders count, and the seller did not: 0 and 1 are what was sold.
const UNSOLD: i64 = 2;
/// The most limits of one payment that are counted: one row for each, of a quarter of a kilobyte.
const CAPS_MAX: i64 = 10_000;

impl Count {
    /// Whether the seller sold what is counted. A holder may count as well, for as much as they like, and pays nothing for
    /// what that leaves here (T89).
    const fn is_sold(&self) -> bool {
        self.once || self.limit.is_some()
    }

    const fn kind(&self) -> i64 {
        match (self.once, self.limit) {
            (true, _) => 1,
            (false, Some(_)) => 0,
            (false, None) => UNSOLD,
        }
    }
}

/// `claim`.
pub fn claim(storage: &Storage, claim: &Claim) -> Result<Claimed> {
    transaction(storage, |sql| {
        let now = now();
        create(sql)?;
        sweep(sql, now)?;
        // (1) The same request again, whatever is left of the payment.
        let row = match claim.keyed.as_ref().map(|keyed| replay::begin(sql, keyed, now, claim.lease_s)).transpose()? {
            None => None,
            Some(Turn::Work(row)) => Some(row),
            Some(Turn::Said(claimed)) => return Ok(claimed),
        };
        // (2) From every cap, or from none.
        let after = match take(sql, &claim.count)? {
            Ok(after) => after,
            Err(refused) => return Ok(refused),
        };
        if is_full(sql, &after)? {
            return Ok(Claimed::Full);
        }
        // (3) Written down.
        let ends_at = now.saturating_add(i64::try_from(claim.lease_s).unwrap_or(i64::MAX));
        let values = vec![claim.id.clone().into(), rows::int(claim.count.kind())?, rows::int(ends_at)?];
        sql.exec("INSERT INTO claim VALUES(?, ?, 0, ?)", values)?;
        after.iter().try_for_each(|cap| write(sql, cap, claim))?;
        let keeps = row.map(|row| replay::write(sql, &row, &claim.id)).transpose()?.unwrap_or(false);
        let keeps = keeps && claim.count.is_sold();
        keep(storage, sql, claim.until)?;
        Ok(Claimed::Granted { keeps })
    })
}

/// `left`: the same, and nothing of it is written. Whoever only asks uses nothing up.
pub fn left(storage: &Storage, claim: &Claim) -> Result<Claimed> {
    let mut outcome = None;
    let undone = transaction(storage, |sql| -> Result<()> {
        create(sql)?;
        sweep(sql, now())?;
        outcome = Some(take(sql, &claim.count)?.map_or_else(|refused| refused, |_| Claimed::Granted { keeps: false }));
        Err("only asked".into())
    });
    match (outcome, undone) {
        (Some(outcome), _) => Ok(outcome),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err("a question without an answer".into()),
    }
}

/// `conclude`. What was taken stays taken with a delivery, and goes back without one.
pub fn conclude(storage: &Storage, conclude: &Conclude) -> Result<Concluded> {
    transaction(storage, |sql| {
        create(sql)?;
        end(sql, conclude)
    })
}

/// The same, inside a transaction.
pub(super) fn end(sql: &SqlStorage, conclude: &Conclude) -> Result<Concluded> {
    let id = || vec![conclude.id.clone().into()];
    if conclude.delivered {
        sql.exec("UPDATE claim SET delivered = 1 WHERE id = ?", id())?;
        sql.exec("DELETE FROM taken WHERE claim = ?", id())?;
        // What only its holders count is in their caps, and no Payment credential shares it: one row less a delivery.
        sql.exec("DELETE FROM claim WHERE id = ? AND once = ?", vec![conclude.id.clone().into(), rows::int(UNSOLD)?])?;
    } else {
        give_back(sql, &conclude.id)?;
    }
    let keeps = replay::end(sql, &conclude.id, conclude.answer.as_deref().filter(|_| conclude.delivered))?;
    Ok(Concluded { keeps })
}

/// Whether this attempt is open, or was delivered; `None` for one that came to nothing, or never was.
pub(super) fn is_delivered(sql: &SqlStorage, claim: &str) -> Result<Option<bool>> {
    let row = rows::first_of(sql, "SELECT delivered FROM claim WHERE id = ?", vec![claim.into()])?;
    Ok(row.map(|row| row.int(0) == 1))
}

/// An attempt whose worker died counts as failed: the payer may try again (D8, T79).
fn sweep(sql: &SqlStorage, now: i64) -> Result<()> {
    let ended = "SELECT id FROM claim WHERE delivered = 0 AND ends_at <= ? LIMIT 1";
    while let Some(row) = rows::first_of(sql, ended, vec![rows::int(now)?])? {
        give_back(sql, &row.text(0))?;
    }
    Ok(())
}

/// To every cap that it took from, once: a second time there is nothing in `taken`.
fn give_back(sql: &SqlStorage, claim: &str) -> Result<()> {
    let claim = || vec![claim.into()];
    let back = "UPDATE cap SET used = used - 1, spent = spent - taken.amount FROM taken WHERE taken.claim = ? AND cap.id = taken.cap";
    sql.exec(back, claim())?;
    sql.exec("DELETE FROM taken WHERE claim = ?", claim())?;
    sql.exec("DELETE FROM claim WHERE id = ? AND delivered = 0", claim())?;
    Ok(())
}

/// The caps after one more delivery, or why there is none. Writes nothing.
fn take(sql: &SqlStorage, count: &Count) -> Result<core::result::Result<Vec<Cap>, Claimed>> {
    if count.once {
        return Ok(take_once(sql, count.limit)?.map_or(Ok(Vec::new()), Err));
    }
    // What a Payment credential had of a grant of uses, the minted cap does not know.
    let (delivered, open) = match count.limit {
        Some(_) => once(sql)?,
        None => (0, 0),
    };
    let taken = |with_open: bool| -> Result<core::result::Result<Vec<Cap>, u32>> {
        let shared = if with_open { delivered + open } else { delivered };
        let (mut after, mut link) = (Vec::new(), 0);
        for chain in count.caps.chains() {
            let mut caps =
                chain.iter().map(|cap| read(sql, cap, count.amount, with_open)).collect::<Result<Vec<_>>>()?;
            if let Some(root) = caps.first_mut() {
                root.used = root.used.saturating_add(shared);
            }
            match caps::take(&mut caps, Msat(count.amount)) {
                Ok(()) => {}
                Err(Refusal::CapReached { link: at } | Refusal::UsesReached { link: at }) => {
                    return Ok(Err(link + u32::try_from(at).unwrap_or(0)));
                }
                Err(broken) => return Err(broken.to_string().into()),
            }
            if let Some(root) = caps.first_mut() {
                root.used = root.used.saturating_sub(shared);
            }
            link += u32::try_from(chain.len()).unwrap_or(0);
            after.extend(caps);
        }
        Ok(Ok(after))
    };
    Ok(match taken(true)? {
        Ok(after) => Ok(after),
        // What is open now may yet come back.
        Err(_) => Err(taken(false)?.map_or_else(|link| Claimed::UsedUp(Some(link)), |_| Claimed::InFlight)),
    })
}

/// Whether one of these limits would be one row too many.
fn is_full(sql: &SqlStorage, after: &[Cap]) -> Result<bool> {
    // What was used before has its row.
    for cap in after.iter().filter(|cap| cap.used <= 1) {
        let is_new = rows::first_of(sql, "SELECT 1 FROM cap WHERE id = ?", vec![text(Some(cap.id)).into()])?.is_none();
        if is_new {
            let count = rows::first(sql, "SELECT COUNT(*) FROM cap")?.map_or(0, |row| row.int(0));
            return Ok(count >= CAPS_MAX);
        }
    }
    Ok(false)
}

/// A Payment credential delivers once, and never more than the grant has uses.
fn take_once(sql: &SqlStorage, limit: Option<u64>) -> Result<Option<Claimed>> {
    let tally = "SELECT COALESCE(SUM(delivered), 0), COUNT(*) FROM claim";
    let Some(tally) = rows::first(sql, tally)? else { return Err("a sum without a row".into()) };
    let limit = limit.map_or(i64::MAX, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    let (delivered, open) = once(sql)?;
    Ok(match () {
        () if tally.int(0) >= limit || delivered > 0 => Some(Claimed::UsedUp(None)),
        () if tally.int(1) >= limit || open > 0 => Some(Claimed::InFlight),
        () => None,
    })
}

/// Deliveries by Payment credentials: those that happened, and those that are happening.
fn once(sql: &SqlStorage) -> Result<(u32, u32)> {
    let tally = rows::first(sql, "SELECT COALESCE(SUM(delivered), 0), COUNT(*) FROM claim WHERE once = 1")?;
    let Some(tally) = tally else { return Err("a sum without a row".into()) };
    let count = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
    Ok((count(tally.int(0)), count(tally.int(1) - tally.int(0))))
}

/// A cap as it stands, with what open claims took or without.
fn read(sql: &SqlStorage, cap: &Cap, amount: u64, with_open: bool) -> Result<Cap> {
    let id = || vec![text(Some(cap.id)).into()];
    let row = rows::first_of(sql, "SELECT spent, used FROM cap WHERE id = ?", id())?;
    let (mut spent, mut used) = match row {
        Some(row) => (row.int(0), row.int(1)),
        None => {
            let before = schema::counted_before(sql)?;
            (before.saturating_mul(i64::try_from(amount).unwrap_or(i64::MAX)), before)
        }
    };
    if !with_open {
        let open = "SELECT COALESCE(SUM(amount), 0), COUNT(*) FROM taken WHERE cap = ?";
        let Some(open) = rows::first_of(sql, open, id())? else { return Err("a sum without a row".into()) };
        (spent, used) = (spent - open.int(0), used - open.int(1));
    }
    let spent = Msat(u64::try_from(spent).unwrap_or(u64::MAX));
    Ok(Cap { spent, used: u32::try_from(used).unwrap_or(u32::MAX), ..*cap })
}

/// A cap that two macaroons of one credential share is written twice, the same.
fn write(sql: &SqlStorage, cap: &Cap, claim: &Claim) -> Result<()> {
    let int = |n: u64| rows::int(i64::try_from(n).unwrap_or(i64::MAX));
    let maybe = |n: Option<u64>| n.map_or(Ok(worker::SqlStorageValue::Null), int);
    let statement = "INSERT INTO cap VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET spent = excluded.spent, used = excluded.used";
    let (id, parent) = (text(Some(cap.id)), text(cap.parent));
    let (budget, uses) = (maybe(cap.budget.map(|budget| budget.0))?, maybe(cap.uses.map(u64::from))?);
    sql.exec(
        statement,
        vec![id.clone().into(), parent.into(), budget, uses, int(cap.spent.0)?, int(u64::from(cap.used))?],
    )?;
    sql.exec(
        "INSERT OR IGNORE INTO taken VALUES(?, ?, ?)",
        vec![claim.id.clone().into(), id.into(), int(claim.count.amount)?],
    )?;
    Ok(())
}

fn now() -> i64 {
    i64::try_from(Date::now().as_millis() / 1_000).unwrap_or(i64::MAX)
}
