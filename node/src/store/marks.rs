//! How far each back end's settlements were followed, so that a restart goes on from there.

use rusqlite::{Connection, OptionalExtension, params};

/// LND's settle index or Core Lightning's pay index; 0 before the first.
pub(crate) fn get(connection: &Connection, backend: &str) -> rusqlite::Result<u64> {
    let mark = connection
        .prepare_cached("SELECT mark FROM marks WHERE backend = ?1")?
        .query_row([backend], |row| row.get(0))
        .optional()?;
    Ok(mark.unwrap_or(0))
}

/// Moves it on, never back.
pub(crate) fn set(books: &Connection, backend: &str, mark: u64) -> rusqlite::Result<()> {
    books.execute(
        "INSERT INTO marks (backend, mark) VALUES (?1, ?2)
         ON CONFLICT (backend) DO UPDATE SET mark = max(mark, excluded.mark)",
        params![backend, mark],
    )?;
    Ok(())
}
