//! How long the object of a payment is kept: a day longer than anything that was bought with it.

use worker::{Result, SqlStorage, Storage};

use super::{forget_at, rows};

/// How long the rows outlive the grant, in seconds.
pub const KEEP_S: u64 = 86_400;

/// Puts the end off until a day after `until`; never brings it forward.
pub(super) fn keep(storage: &Storage, sql: &SqlStorage, until: u64) -> Result<()> {
    let end = until.saturating_add(KEEP_S);
    let value = || rows::int(i64::try_from(end).unwrap_or(i64::MAX));
    let statement = "INSERT INTO keep VALUES(1, ?) ON CONFLICT(id) DO UPDATE SET until = excluded.until WHERE until < excluded.until";
    let before = rows::first(sql, "SELECT until FROM keep")?;
    sql.exec(statement, vec![value()?])?;
    if before.is_none_or(|before| u64::try_from(before.int(0)).unwrap_or(0) < end) {
        forget_at(storage, end)?;
    }
    Ok(())
}
