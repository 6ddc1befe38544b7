//! Who may do what with an account: its tokens, kept as their digests (T82).

use l402::UnixTime;

use crate::books::{Open, Scope, Stop, Token};
use crate::command::{TokenChange, TokenDigest};
use crate::reply::{Refusal, Reply};

/// The most tokens an account may have at a time.
pub(crate) const TOKENS_MAX: usize = 100;

/// What a token of this account may do. Its first use ends the token before it.
pub(crate) fn find(open: &mut Open<'_>, digest: TokenDigest) -> Result<Scope, Stop> {
    let token = open.books.token(digest)?.ok_or(Refusal::UnknownToken)?;
    if let Some(before) = token.ends {
        open.books.end_token(before)?;
        open.books.put_token(&Token { ends: None, ..token })?;
    }
    Ok(token.scope)
}

/// Another token of this account, which can only spend.
pub(crate) fn add(open: &mut Open<'_>, asked: &TokenChange, now: UnixTime) -> Result<Reply, Stop> {
    may_withdraw(open, asked.by)?;
    is_not_bound(open)?;
    if open.books.tokens()?.len() >= TOKENS_MAX {
        return Err(Refusal::TokensFull.into());
    }
    insert(open, Token { digest: asked.about, scope: Scope::Spend, made_at: now, ends: None })
}

/// A new token in the place of the old, with all that it could do. The old one ends when the new one is used first: the
/// answer that has it may be lost, and nobody is to be left without a token.
pub(crate) fn rotate(open: &mut Open<'_>, asked: &TokenChange, now: UnixTime) -> Result<Reply, Stop> {
    let scope = find(open, asked.by)?;
    is_not_bound(open)?;
    // Of several that were asked for, the newest counts.
    for other in open.books.tokens()? {
        if other.ends == Some(asked.by) {
            open.books.end_token(other.digest)?;
        }
    }
    insert(open, Token { digest: asked.about, scope, made_at: now, ends: Some(asked.by) })
}

/// A token may end itself; the whole one may end any other, and the last whole one stays.
pub(crate) fn revoke(open: &mut Open<'_>, asked: &TokenChange) -> Result<Reply, Stop> {
    if find(open, asked.by)? == Scope::Spend && asked.by != asked.about {
        return Err(Refusal::CanOnlySpend.into());
    }
    let is_another_whole = |token: &Token| token.scope == Scope::Whole && token.digest != asked.about;
    if !open.books.tokens()?.iter().any(is_another_whole) {
        return Err(Refusal::LastToken.into());
    }
    open.books.end_token(asked.about)?;
    Ok(Reply::Done)
}

/// While some of the balance can only be spent, its token is made into no other one (T63): what is bound would look as if
/// it were somebody else's.
fn is_not_bound(open: &Open<'_>) -> Result<(), Stop> {
    match open.book.limit {
        Some(limit) if limit.left.0 > 0 => Err(Refusal::TokenBound.into()),
        _ => Ok(()),
    }
}

/// Whether this token may take money out (T82).
pub(crate) fn may_withdraw(open: &mut Open<'_>, digest: TokenDigest) -> Result<(), Stop> {
    match find(open, digest)? {
        Scope::Whole => Ok(()),
        Scope::Spend => Err(Refusal::CanOnlySpend.into()),
    }
}

/// The one that can do everything, handed out with the account.
pub(crate) fn hand_out(open: &mut Open<'_>, digest: TokenDigest, now: UnixTime) -> Result<(), Stop> {
    insert(open, Token { digest, scope: Scope::Whole, made_at: now, ends: None }).map(|_| ())
}

/// Ends all of them.
pub(crate) fn end_all(open: &mut Open<'_>) -> Result<(), Stop> {
    for token in open.books.tokens()? {
        open.books.end_token(token.digest)?;
    }
    Ok(())
}

/// A digest that is there already stays as it is.
fn insert(open: &mut Open<'_>, token: Token) -> Result<Reply, Stop> {
    if open.books.token(token.digest)?.is_none() {
        open.books.put_token(&token)?;
    }
    Ok(Reply::Done)
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
