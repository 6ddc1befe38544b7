//! Answers that were given: the same `webhook-id` with the same body gets the same bytes again for a day (C7).

use l402::UnixTime;
use rusqlite::{Connection, OptionalExtension, params};

/// How long an answer is kept.
const KEPT_S: u64 = 86_400;

/// An answer to a relay call, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Whether an id was answered before.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Never, or more than a day ago.
    Never,
    /// To this very message.
    Answered(Reply),
    /// To another message.
    ForAnother,
}

/// Looks for the answer to an id; `asked` is the digest of the message's body.
pub(crate) fn seen(books: &Connection, id: &str, asked: &[u8; 32], now: UnixTime) -> rusqlite::Result<Seen> {
    let row = books
        .prepare_cached("SELECT asked, status, body FROM replies WHERE request_id = ?1 AND given_at >= ?2")?
        .query_row(params![id, now.0.saturating_sub(KEPT_S)], |row| {
            let reply = Reply { status: row.get(1)?, body: row.get(2)? };
            Ok((row.get::<_, [u8; 32]>(0)?, reply))
        })
        .optional()?;
    Ok(match row {
        None => Seen::Never,
        Some((before, reply)) if before == *asked => Seen::Answered(reply),
        Some(_) => Seen::ForAnother,
    })
}

/// Keeps an answer, in the transaction of the work that it tells of. Forgets what is too old.
pub(crate) fn keep(
    books: &Connection,
    id: &str,
    asked: &[u8; 32],
    reply: &Reply,
    now: UnixTime,
) -> rusqlite::Result<()> {
    books.prepare_cached("DELETE FROM replies WHERE given_at < ?1")?.execute([now.0.saturating_sub(KEPT_S)])?;
    books
        .prepare_cached("INSERT INTO replies (request_id, asked, status, body, given_at) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![id, asked, reply.status, reply.body, now.0])?;
    Ok(())
}
