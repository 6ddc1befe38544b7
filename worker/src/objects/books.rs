//! A book in SQLite: one row of balances, a journal that is only added to, and the rows that commands read and write.
//!
//! Everything here runs inside one [`transaction`](super::transaction::transaction) without an `await`: what a command of
//! `satstile_ledger` returns is written whole or not at all (T72). The constraints say once more what the commands have
//! checked, so that a wrong line of SQL cannot spend what is not there.

use l402::{Msat, UnixTime};
use satstile_ledger::stored::{self, Rows, Stored, Table};
use satstile_ledger::{Balances, Book, BookId, Change, Entry, Id, Invariant, Limit, Refusal, Step};
use worker::{Result, SqlStorage, SqlStorageValue, Storage};

use super::rows::{self, Row};

/// The form of the tables. A build that finds a higher one leaves them alone (T86).
const VERSION: i64 = LIMITED;
/// The form of a book with a part that can only be spent: a build that does not know of it must not pay it out. Such a book
/// has one more table; without the part it has the first form again.
const LIMITED: i64 = 2;
const LIMIT: &str = "CREATE TABLE IF NOT EXISTS spend_only(one INTEGER PRIMARY KEY CHECK(one = 1), of_msat INTEGER NOT NULL, \
    left_msat INTEGER NOT NULL CHECK(left_msat BETWEEN 0 AND of_msat), escrows INTEGER NOT NULL, since INTEGER NOT NULL) STRICT";

const SCHEMA: [&str; 6] = [
    "CREATE TABLE IF NOT EXISTS version(one INTEGER PRIMARY KEY CHECK(one = 1), version INTEGER NOT NULL) STRICT",
    "INSERT OR IGNORE INTO version VALUES(1, 1)",
    "CREATE TABLE IF NOT EXISTS book(one INTEGER PRIMARY KEY CHECK(one = 1), id BLOB NOT NULL, seq INTEGER NOT NULL, \
     head BLOB NOT NULL, at INTEGER NOT NULL, frozen INTEGER NOT NULL, user INTEGER NOT NULL CHECK(user >= 0), \
     hold INTEGER NOT NULL CHECK(hold >= 0), escrow INTEGER NOT NULL CHECK(escrow >= 0), fees INTEGER NOT NULL, \
     node INTEGER NOT NULL, in_transit INTEGER NOT NULL, refund INTEGER NOT NULL CHECK(refund >= 0), \
     payout INTEGER NOT NULL CHECK(payout >= 0), \
     CHECK(user + hold + escrow + fees + node + in_transit + refund + payout = 0)) STRICT",
    "CREATE TABLE IF NOT EXISTS journal(seq INTEGER PRIMARY KEY, entry BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS record(kind INTEGER NOT NULL, id BLOB NOT NULL, due INTEGER, body BLOB NOT NULL, \
     note TEXT NOT NULL DEFAULT '', PRIMARY KEY(kind, id)) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS record_due ON record(due) WHERE due IS NOT NULL",
];

const BOOK: &str = "SELECT id, seq, head, at, frozen, user, hold, escrow, fees, node, in_transit, refund, payout, version FROM book, version";

/// The book of this object, read once in a transaction and written with each change.
pub struct Books<'s> {
    /// For more tables beside the book's.
    pub sql: &'s SqlStorage,
    /// As it stands.
    pub book: Book,
}

impl<'s> Books<'s> {
    /// The book that is here; `None` in an object that has none. Writes nothing.
    pub fn find(sql: &'s SqlStorage) -> Result<Option<Self>> {
        if !rows::is_there(sql, "book")? {
            return Ok(None);
        }
        let Some(row) = rows::first(sql, BOOK)? else { return Ok(None) };
        let mut book = read_book(&row).ok_or("a book that cannot be read")?;
        if row.int(13) == LIMITED {
            book.limit = Some(read_limit(sql)?);
        }
        Ok(Some(Self { sql, book }))
    }

    /// The same, or a new and empty one.
    pub fn find_or_open(sql: &'s SqlStorage, id: BookId) -> Result<Self> {
        if let Some(found) = Self::find(sql)? {
            return if found.book.id == id { Ok(found) } else { Err("the book of another account".into()) };
        }
        SCHEMA.iter().try_for_each(|table| sql.exec(table, None).map(|_| ()))?;
        let books = Self { sql, book: Book::open(id) };
        books.write_book()?;
        Ok(books)
    }

    /// The row under an id.
    pub fn row<R: Stored>(&self, key: Id) -> Result<Option<R>> {
        self.noted(key).map(|found| found.map(|(row, _)| row))
    }

    /// The row under an id, and what was noted beside it.
    pub fn noted<R: Stored>(&self, key: Id) -> Result<Option<(R, String)>> {
        let values = vec![rows::int(R::TABLE as i64)?, blob(&key.0)];
        let Some(row) = rows::first_of(self.sql, "SELECT body, note FROM record WHERE kind = ? AND id = ?", values)?
        else {
            return Ok(None);
        };
        let found = stored::from_bytes(row.bytes(0)).ok_or("a row that cannot be read")?;
        Ok(Some((found, row.text(1))))
    }

    /// All rows of a kind, for the audit.
    pub fn all<R: Stored>(&self) -> Result<Vec<R>> {
        let rows = rows::all_of(self.sql, "SELECT body FROM record WHERE kind = ?", vec![rows::int(R::TABLE as i64)?])?;
        let read = |row: &Row| stored::from_bytes(row.bytes(0)).ok_or_else(|| "a row that cannot be read".into());
        rows.iter().map(read).collect()
    }

    /// At most `limit` rows that an alarm must look at by now, the oldest first: their kind's code and their id.
    pub fn due(&self, now: UnixTime, limit: u32) -> Result<Vec<(i64, Id)>> {
        let values = vec![rows::int(as_i64(now.0))?, rows::int(i64::from(limit))?];
        let rows = rows::all_of(self.sql, "SELECT kind, id FROM record WHERE due <= ? ORDER BY due LIMIT ?", values)?;
        Ok(rows.iter().filter_map(|row| Some((row.int(0), Id(row.bytes(1).try_into().ok()?)))).collect())
    }

    /// Puts rows down without moving money.
    pub fn put(&self, new: &impl Rows) -> Result<()> {
        self.put_noted(new, "")
    }

    /// The same, with a note beside each row; an empty one leaves what was noted.
    pub fn put_noted(&self, new: &impl Rows, note: &str) -> Result<()> {
        const PUT: &str = "INSERT INTO record VALUES(?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET due = excluded.due, \
            body = excluded.body, note = CASE WHEN excluded.note <> '' THEN excluded.note ELSE note END";
        let mut outcome = Ok(());
        new.each(&mut |table: Table, key, due, body| {
            if outcome.is_err() {
                return;
            }
            let due = due.map_or(Ok(SqlStorageValue::Null), |due| rows::int(as_i64(due.0)));
            outcome = due.and_then(|due| {
                let values =
                    vec![rows::int(table as i64)?, blob(&key.0), due, SqlStorageValue::Blob(body), note.into()];
                self.sql.exec(PUT, values).map(|_| ())
            });
        });
        outcome
    }

    /// Ends a row. Nothing else of the book changes, so only what moved no money may end.
    pub fn end<R: Stored>(&self, key: Id) -> Result<()> {
        let values = vec![rows::int(R::TABLE as i64)?, blob(&key.0)];
        self.sql.exec("DELETE FROM record WHERE kind = ? AND id = ?", values).map(|_| ())
    }

    /// Whether this row is all that there is: no history, and no other row.
    pub fn has_only<R: Stored>(&self, key: Id) -> Result<bool> {
        let is_new = self.book == Book::open(self.book.id);
        let count = rows::first(self.sql, "SELECT COUNT(*) FROM record")?.map_or(0, |row| row.int(0));
        Ok(is_new && count == 1 && self.noted::<R>(key)?.is_some())
    }

    /// Writes what a command returned: the book, the line of the journal, the rows. Nothing when it had been written before.
    pub fn write<R: Rows>(&mut self, step: Step<R>) -> Result<()> {
        self.write_noted(step, "")
    }

    /// The same, with a note beside each row.
    pub fn write_noted<R: Rows>(&mut self, step: Step<R>, note: &str) -> Result<()> {
        let Step::Write(Change { book, entry, row, .. }) = step else { return Ok(()) };
        self.append(book, &entry)?;
        self.put_noted(&row, note)
    }

    /// Stops everything that would begin anew, when a command found the books wrong (T75). What it refused is refused.
    pub fn answer_breach(&mut self, refusal: &Refusal, now: UnixTime) -> Result<()> {
        let Refusal::Breach(broken) = refusal else { return Ok(()) };
        self.freeze(*broken, now)
    }

    /// The same, when an audit found it.
    pub fn freeze(&mut self, broken: Invariant, now: UnixTime) -> Result<()> {
        match self.book.freeze(broken, now) {
            (book, Some(entry)) => self.append(book, &entry),
            (book, None) => {
                self.book = book;
                self.write_book()
            }
        }
    }

    /// Goes on after a person has looked.
    pub fn thaw(&mut self, now: UnixTime) -> Result<core::result::Result<(), Refusal>> {
        match self.book.thaw(now) {
            Ok((book, entry)) => self.append(book, &entry).map(Ok),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    /// The journal from a line on, at most `limit` lines; newest first when `backwards`.
    pub fn journal(&self, from: u64, limit: u32, backwards: bool) -> Result<Vec<Entry>> {
        let query = match backwards {
            true => "SELECT entry FROM journal WHERE seq <= ? ORDER BY seq DESC LIMIT ?",
            false => "SELECT entry FROM journal WHERE seq >= ? ORDER BY seq LIMIT ?",
        };
        let rows = rows::all_of(self.sql, query, vec![rows::int(as_i64(from))?, rows::int(i64::from(limit))?])?;
        let read =
            |row: &Row| stored::entry_from_bytes(row.bytes(0)).ok_or_else(|| "a line that cannot be read".into());
        rows.iter().map(read).collect()
    }

    /// Writes a book down whose limit changed, and nothing else of it.
    pub fn limit(&mut self, book: Book) -> Result<()> {
        if book.limit == self.book.limit {
            return Ok(());
        }
        self.book.limit = book.limit;
        self.write_limit()
    }

    fn write_limit(&self) -> Result<()> {
        let version = if let Some(limit) = self.book.limit {
            self.sql.exec(LIMIT, None)?;
            let mut values = Vec::with_capacity(4);
            for value in [limit.of.0, limit.left.0, u64::from(limit.escrows), limit.since] {
                values.push(rows::int(as_i64(value))?);
            }
            self.sql.exec("INSERT OR REPLACE INTO spend_only VALUES(1, ?, ?, ?, ?)", values)?;
            LIMITED
        } else {
            self.sql.exec("DROP TABLE IF EXISTS spend_only", None)?;
            1
        };
        self.sql.exec("UPDATE version SET version = ?", vec![rows::int(version)?]).map(|_| ())
    }

    fn append(&mut self, book: Book, entry: &Entry) -> Result<()> {
        let body = SqlStorageValue::Blob(stored::entry_to_bytes(entry));
        self.sql.exec("INSERT INTO journal VALUES(?, ?)", vec![rows::int(as_i64(entry.seq))?, body])?;
        let has_limit_changed = book.limit != self.book.limit;
        self.book = book;
        if has_limit_changed {
            self.write_limit()?;
        }
        self.write_book()
    }

    fn write_book(&self) -> Result<()> {
        let Book { id, balances: b, seq, head, at, frozen, .. } = self.book;
        let mut values = vec![blob(&id.0), rows::int(as_i64(seq))?, blob(&head), rows::int(as_i64(at.0))?];
        values.push(rows::int(frozen.map_or(0, |broken| broken as i64))?);
        for balance in [b.user, b.hold, b.escrow, b.fees, b.node, b.in_transit, b.refund, b.payout] {
            values.push(rows::int(balance)?);
        }
        self.sql.exec("INSERT OR REPLACE INTO book VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)?;
        Ok(())
    }
}

/// The time at which the next row is due, if one is. Every operation asks: the first of an index, and not the book.
pub fn next_due(sql: &SqlStorage) -> Result<Option<u64>> {
    if !rows::is_there(sql, "record")? {
        return Ok(None);
    }
    let row = rows::first(sql, "SELECT due FROM record WHERE due IS NOT NULL ORDER BY due LIMIT 1")?;
    Ok(row.map(|row| row.int(0).unsigned_abs()))
}

/// Wakes the object at this time. The platform keeps the write with those of the operation.
pub fn wake_at(storage: &Storage, at_s: u64) -> Result<()> {
    super::forget_at(storage, at_s)
}

fn read_book(row: &Row) -> Option<Book> {
    let number = |place: usize| u64::try_from(row.int(place)).ok();
    if row.int(13) > VERSION {
        return None;
    }
    let frozen = match row.int(4) {
        0 => None,
        code => Some(Invariant::from_code(u8::try_from(code).ok()?)?),
    };
    let [user, hold, escrow, fees, node, in_transit, refund, payout] = [5, 6, 7, 8, 9, 10, 11, 12].map(|n| row.int(n));
    Some(Book {
        id: BookId(row.bytes(0).try_into().ok()?),
        balances: Balances { user, hold, escrow, fees, node, in_transit, refund, payout },
        seq: number(1)?,
        head: row.bytes(2).try_into().ok()?,
        at: UnixTime(number(3)?),
        frozen,
        limit: None,
    })
}

/// What can only be spent of a book that has such a part.
fn read_limit(sql: &SqlStorage) -> Result<Limit> {
    let row = rows::first(sql, "SELECT of_msat, left_msat, escrows, since FROM spend_only")?
        .ok_or("a book without its limit")?;
    let number = |place: usize| u64::try_from(row.int(place)).map_err(|_| "a limit that cannot be read");
    Ok(Limit { of: Msat(number(0)?), left: Msat(number(1)?), escrows: number(2)? == 1, since: number(3)? })
}

pub fn blob(bytes: &[u8]) -> SqlStorageValue {
    SqlStorageValue::Blob(bytes.to_vec())
}

pub fn as_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
