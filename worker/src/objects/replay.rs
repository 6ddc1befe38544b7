//! Answers that were kept under an `Idempotency-Key`, beside the payment that they were counted on (T73, I10).
//!
//! The rules are [`satstile_ledger::key`]'s. A row is named by the credential's bytes and the key together: who holds
//! another token of the same payment, parent or child, finds nothing under it.

use l402::UnixTime;
use satstile_ledger::Refusal;
use satstile_ledger::key::{self, KEPT_S, Key, KeyState};
use worker::{Result, SqlStorage};

use super::claim_words::{Claimed, Keyed, id};
use super::rows;

/// The most answers of one payment that are kept at a time, and their keys …
const KEPT_MAX: i64 = 1_000;
/// … and the most bytes of them, as they are stored (T89).
const KEPT_BYTES_MAX: i64 = 1_048_576;
/// What a row takes beside its answer, at most.
const ROW_BYTES: i64 = 256;

/// What to do with a request that has a key.
pub enum Turn {
    /// Claim, and write this row with it.
    Work(Key<String>),
    /// This was said of it before, or is to be said now.
    Said(Claimed),
}

/// Whose turn it is. Writes nothing but that what is old is forgotten.
pub fn begin(sql: &SqlStorage, keyed: &Keyed, now: i64, lease_s: u64) -> Result<Turn> {
    let kept_s = i64::try_from(KEPT_S).unwrap_or(i64::MAX);
    sql.exec("DELETE FROM replay WHERE answer <> '' AND at < ?", vec![rows::int(now - kept_s)?])?;
    // Whoever was to answer these has died.
    sql.exec("DELETE FROM replay WHERE answer = '' AND until <= ?", vec![rows::int(now)?])?;
    let row = "SELECT request, at, until, answer FROM replay WHERE id = ?";
    let row = rows::first_of(sql, row, vec![hex::encode(keyed.id.0).into()])?;
    let time = |seconds: i64| UnixTime(seconds.unsigned_abs());
    let existing = row.map(|row| {
        let state = match row.text(3) {
            answer if answer.is_empty() => KeyState::InProgress { until: time(row.int(2)) },
            answer => KeyState::Done(answer),
        };
        let body = id(&row.text(0)).ok_or("a key without its request")?.0;
        Ok::<_, worker::Error>(Key { id: keyed.id, body, at: time(row.int(1)), state })
    });
    let existing = existing.transpose()?;
    let lease_s = u32::try_from(lease_s).unwrap_or(u32::MAX);
    Ok(match key::begin(existing.as_ref(), keyed.id, &keyed.request.0, time(now), lease_s) {
        Ok(key::Turn::Work(row)) => Turn::Work(row),
        Ok(key::Turn::Answered(answer)) => Turn::Said(Claimed::Answered(answer.clone())),
        Err(Refusal::KeyReused) => Turn::Said(Claimed::KeyReused),
        Err(Refusal::InProgress) => Turn::Said(Claimed::InFlight),
        Err(wrong) => return Err(wrong.to_string().into()),
    })
}

/// Writes the row of a claim that was granted. Says whether its answer is to be kept.
pub fn write(sql: &SqlStorage, row: &Key<String>, claim: &str) -> Result<bool> {
    let KeyState::InProgress { until } = row.state else { return Err("answered before it began".into()) };
    let time = |at: UnixTime| rows::int(i64::try_from(at.0).unwrap_or(i64::MAX));
    let values =
        vec![hex::encode(row.id.0).into(), hex::encode(row.body).into(), claim.into(), time(row.at)?, time(until)?];
    sql.exec("INSERT OR REPLACE INTO replay VALUES(?, ?, ?, ?, ?, '')", values)?;
    Ok(rows::first(sql, "SELECT COUNT(*) FROM replay")?.is_some_and(|count| count.int(0) <= KEPT_MAX))
}

/// The claim has ended. Without an answer that could be kept the key is free again: nothing was delivered, or the client
/// is told that it is not kept. Says whether it is.
pub fn end(sql: &SqlStorage, claim: &str, answer: Option<&str>) -> Result<bool> {
    if let Some(answer) = answer
        && bytes(sql)?.saturating_add(ROW_BYTES + i64::try_from(answer.len()).unwrap_or(i64::MAX)) <= KEPT_BYTES_MAX
    {
        sql.exec("UPDATE replay SET answer = ? WHERE claim = ?", vec![answer.into(), claim.into()])?;
        return Ok(true);
    }
    let kept = "SELECT 1 FROM replay WHERE claim = ? AND answer <> ''";
    if answer.is_some() && rows::first_of(sql, kept, vec![claim.into()])?.is_some() {
        return Ok(true);
    }
    // A second end of the same claim takes nothing away that the first one kept.
    sql.exec("DELETE FROM replay WHERE claim = ? AND answer = ''", vec![claim.into()])?;
    Ok(false)
}

/// What the answers of this payment take.
fn bytes(sql: &SqlStorage) -> Result<i64> {
    let row = rows::first(sql, "SELECT COALESCE(SUM(LENGTH(answer)), 0), COUNT(*) FROM replay WHERE answer <> ''")?;
    Ok(row.map_or(0, |row| row.int(0).saturating_add(row.int(1).saturating_mul(ROW_BYTES))))
}
