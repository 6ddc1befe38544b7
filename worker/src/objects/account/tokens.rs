//! Who may do what with an account: its tokens, kept as their digests (T82).

use l402::UnixTime;
use worker::{Result, SqlStorage, SqlStorageValue};

use super::words::Change;
use super::{Answer, No, id, in_book};
use crate::objects::books::{Books, as_i64, blob};
use crate::objects::rows;

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Scope {
    /// Everything with its account.
    Whole = 1,
    /// Only spend.
    Spend = 2,
}

/// The most tokens an account may have at a time.
const TOKENS_MAX: i64 = 100;
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS token(digest BLOB PRIMARY KEY, scope INTEGER NOT NULL, made_at INTEGER NOT NULL, \
    ends BLOB) STRICT";

/// Another token of this account, which can only spend.
pub(super) fn add(sql: &SqlStorage, change: Change, now: UnixTime) -> Result<Answer<()>> {
    in_book(sql, now, |books, now| {
        if let Err(no) = may_withdraw(sql, &change.by)? {
            return Ok(Err(no));
        }
        if let Err(no) = is_not_bound(books) {
            return Ok(Err(no));
        }
        if count(sql)? >= TOKENS_MAX {
            let reason = format!("an account has at most {TOKENS_MAX} tokens; revoke one first");
            return Ok(Err(No { status: 409, reason }));
        }
        insert(sql, &change.about, Scope::Spend, now).map(Ok)
    })
}

/// A new token in the place of the old, with all that it could do. The old one ends when the new one is used first: the
/// answer that has it may be lost, and nobody is to be left without a token.
pub(super) fn rotate(sql: &SqlStorage, change: Change, now: UnixTime) -> Result<Answer<()>> {
    in_book(sql, now, |books, now| {
        let Some(scope) = find(sql, &change.by)? else { return Ok(Err(unknown())) };
        if let Err(no) = is_not_bound(books) {
            return Ok(Err(no));
        }
        // Of several that were asked for, the newest counts.
        sql.exec("DELETE FROM token WHERE ends = ?", vec![digest(&change.by)?])?;
        let values =
            vec![digest(&change.about)?, rows::int(scope as i64)?, rows::int(as_i64(now.0))?, digest(&change.by)?];
        sql.exec("INSERT OR IGNORE INTO token VALUES(?, ?, ?, ?)", values)?;
        Ok(Ok(()))
    })
}

/// A token may end itself; the whole one may end any other, and the last whole one stays.
pub(super) fn revoke(sql: &SqlStorage, change: Change, now: UnixTime) -> Result<Answer<()>> {
    in_book(sql, now, |_, _| {
        let Some(own) = find(sql, &change.by)? else { return Ok(Err(unknown())) };
        if own == Scope::Spend && change.by != change.about {
            return Ok(Err(can_only_spend()));
        }
        let about = || digest(&change.about);
        const OTHERS: &str = "SELECT COUNT(*) FROM token WHERE scope = 1 AND digest <> ?";
        if rows::first_of(sql, OTHERS, vec![about()?])?.is_none_or(|others| others.int(0) == 0) {
            let reason = "it is the last token that can do everything with this balance; rotate it instead".to_owned();
            return Ok(Err(No { status: 409, reason }));
        }
        sql.exec("DELETE FROM token WHERE digest = ?", vec![about()?])?;
        Ok(Ok(()))
    })
}

/// What a token of this account may do; `None` for one that is not known here. Its first use ends the one before it.
pub(super) fn find(sql: &SqlStorage, digest_hex: &str) -> Result<Option<Scope>> {
    let row = rows::first_of(sql, "SELECT scope, ends FROM token WHERE digest = ?", vec![digest(digest_hex)?])?;
    if let Some(row) = &row
        && !row.bytes(1).is_empty()
    {
        sql.exec("DELETE FROM token WHERE digest = ?", vec![blob(row.bytes(1))])?;
        sql.exec("UPDATE token SET ends = NULL WHERE digest = ?", vec![digest(digest_hex)?])?;
    }
    Ok(row.map(|row| if row.int(0) == Scope::Whole as i64 { Scope::Whole } else { Scope::Spend }))
}

/// The one that can do everything, handed out with the account.
pub(super) fn hand_out(sql: &SqlStorage, digest_hex: &str, now: UnixTime) -> Result<()> {
    insert(sql, digest_hex, Scope::Whole, now)
}

/// Whether this token may take money out (T82).
pub(super) fn may_withdraw(sql: &SqlStorage, digest_hex: &str) -> Result<Answer<()>> {
    Ok(match find(sql, digest_hex)? {
        Some(Scope::Whole) => Ok(()),
        Some(Scope::Spend) => Err(can_only_spend()),
        None => Err(unknown()),
    })
}

/// While some of the balance can only be spent, its token is made into no other one (T63): what is bound would look as if it
/// were somebody else's.
fn is_not_bound(books: &Books<'_>) -> Answer<()> {
    match books.book.limit.filter(|limit| limit.left.0 > 0) {
        Some(_) => Err(No {
            status: 403,
            reason:
                "this balance was claimed without the claim_secret of its top-up: its token is made into no other one. \
                     Claim it with the claim_secret first"
                    .to_owned(),
        }),
        None => Ok(()),
    }
}

/// Ends all of them.
pub(super) fn end_all(sql: &SqlStorage) -> Result<()> {
    sql.exec("DELETE FROM token", None).map(|_| ())
}

/// How many the account has.
pub(super) fn count(sql: &SqlStorage) -> Result<i64> {
    let count = rows::first(sql, "SELECT COUNT(*) FROM token")?;
    count.map(|count| count.int(0)).ok_or_else(|| "a count without a number".into())
}

pub(super) fn create(sql: &SqlStorage) -> Result<()> {
    sql.exec(SCHEMA, None).map(|_| ())
}

/// The answer to a token that is none.
pub(super) fn unknown() -> No {
    No { status: 401, reason: "the token is not known here, or was revoked".to_owned() }
}

fn can_only_spend() -> No {
    No { status: 403, reason: "this token can only spend".to_owned() }
}

fn insert(sql: &SqlStorage, digest_hex: &str, scope: Scope, now: UnixTime) -> Result<()> {
    let values = vec![digest(digest_hex)?, rows::int(scope as i64)?, rows::int(as_i64(now.0))?];
    sql.exec("INSERT OR IGNORE INTO token VALUES(?, ?, ?, NULL)", values).map(|_| ())
}

fn digest(hex: &str) -> Result<SqlStorageValue> {
    id(hex).map(|id| blob(&id.0))
}
