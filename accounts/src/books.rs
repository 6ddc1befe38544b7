//! The storage that a shell gives, and the book that a command has open.

use alloc::string::String;
use alloc::vec::Vec;

use l402::{PaymentHash, UnixTime};
use satstile_ledger::stored::{self, Rows, Stored, Table};
use satstile_ledger::{self as ledger, Book, BookId, Change, Entry, Id, Step};

use crate::command::TokenDigest;
use crate::reply::{Left, Refusal, Reply};

/// The storage failed, or holds what this build cannot read. The shell rolls the transaction back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault(pub &'static str);

/// What a token may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everything with its account.
    Whole,
    /// Only spend.
    Spend,
}

/// A token, as its account keeps it (T82).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    /// What is kept of the token itself.
    pub digest: TokenDigest,
    /// What it may do.
    pub scope: Scope,
    /// When it was made.
    pub made_at: UnixTime,
    /// The token that ends when this one is used first.
    pub ends: Option<TokenDigest>,
}

/// A token that was handed out, for who has the secret that it was handed out for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Which token it is.
    pub digest: TokenDigest,
    /// What only the secret opens.
    pub token: Vec<u8>,
}

/// The tables of one account, inside one transaction.
#[allow(clippy::missing_errors_doc, reason = "each fails with the storage, and for no other reason")]
pub trait Books {
    /// The book's own row; `None` where nobody opened an account.
    fn book(&self) -> Result<Option<Book>, Fault>;
    /// Overwrites it, with its limit or without.
    fn put_book(&mut self, book: &Book) -> Result<(), Fault>;
    /// Adds a line to the journal.
    fn append(&mut self, entry: &Entry) -> Result<(), Fault>;
    /// The journal from this number on, at most `limit` lines.
    fn journal(&self, from: u64, limit: u32) -> Result<Vec<Entry>, Fault>;
    /// The bytes of a row.
    fn row(&self, table: Table, id: Id) -> Result<Option<Vec<u8>>, Fault>;
    /// Ends a row and its note, if it is there.
    fn end(&mut self, table: Table, id: Id) -> Result<(), Fault>;
    /// What stands beside a row, for the shell's own use; empty where nothing does.
    fn note(&self, table: Table, id: Id) -> Result<String, Fault>;
    /// Puts it there, beside a row that is there.
    fn put_note(&mut self, table: Table, id: Id, note: &str) -> Result<(), Fault>;
    /// Puts a row, with the time at which an alarm must look at it.
    fn put(&mut self, table: Table, id: Id, due: Option<UnixTime>, body: Vec<u8>) -> Result<(), Fault>;
    /// The bytes of all rows of a table.
    fn rows(&self, table: Table) -> Result<Vec<Vec<u8>>, Fault>;
    /// The order that a client's key names; `None` for a key that was not used.
    fn order(&self, key: Id) -> Result<Option<Id>, Fault>;
    /// Binds a key to an order, for good.
    fn bind(&mut self, key: Id, order: Id) -> Result<(), Fault>;
    /// At most `limit` rows that are due by now, the oldest first.
    fn due(&self, now: UnixTime, limit: u32) -> Result<Vec<(Table, Id)>, Fault>;
    /// A token by its digest.
    fn token(&self, digest: TokenDigest) -> Result<Option<Token>, Fault>;
    /// All tokens of the account.
    fn tokens(&self) -> Result<Vec<Token>, Fault>;
    /// Puts a token down.
    fn put_token(&mut self, token: &Token) -> Result<(), Fault>;
    /// Ends a token, if it is there.
    fn end_token(&mut self, digest: TokenDigest) -> Result<(), Fault>;
    /// The token that was sealed for who has the secret of this top-up.
    fn sealed(&self, payment_hash: PaymentHash) -> Result<Option<Sealed>, Fault>;
    /// Keeps it, in the place of one before it.
    fn seal(&mut self, payment_hash: PaymentHash, sealed: &Sealed) -> Result<(), Fault>;
}

/// Why a command goes no further.
pub(crate) enum Stop {
    Ledger(ledger::Refusal),
    Refused(Refusal),
    Fault(Fault),
}

impl From<ledger::Refusal> for Stop {
    fn from(refusal: ledger::Refusal) -> Self {
        Self::Ledger(refusal)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The storage, and the book as it stands in it.
pub(crate) struct Open<'b> {
    pub books: &'b mut dyn Books,
    pub book: Book,
}

impl<'b> Open<'b> {
    pub fn find(books: &'b mut dyn Books) -> Result<Option<Self>, Fault> {
        let Some(book) = books.book()? else { return Ok(None) };
        Ok(Some(Self { books, book }))
    }

    /// The same, with a book that is opened where there is none. It is written with what comes of it.
    pub fn find_or_new(books: &'b mut dyn Books, id: BookId) -> Result<Self, Fault> {
        let book = books.book()?.unwrap_or_else(|| Book::open(id));
        if book.id != id { Err(Fault("the book of another account")) } else { Ok(Self { books, book }) }
    }

    pub fn row<R: Stored>(&self, id: Id) -> Result<Option<R>, Fault> {
        let Some(body) = self.books.row(R::TABLE, id)? else { return Ok(None) };
        stored::from_bytes(&body).map(Some).ok_or(Fault("a row that cannot be read"))
    }

    pub fn put(&mut self, rows: &impl Rows) -> Result<(), Fault> {
        let mut outcome = Ok(());
        rows.each(&mut |table, id, due, body| {
            if outcome.is_ok() {
                outcome = self.books.put(table, id, due, body);
            }
        });
        outcome
    }

    /// All rows of a table.
    pub fn rows<R: Stored>(&self) -> Result<Vec<R>, Fault> {
        let read = |body: &Vec<u8>| stored::from_bytes(body).ok_or(Fault("a row that cannot be read"));
        self.books.rows(R::TABLE)?.iter().map(read).collect()
    }

    /// The same as [`write`](Self::write), with what stands beside the row.
    pub fn write_noted<R: Stored>(&mut self, step: Step<R>, note: &str) -> Result<(), Fault> {
        let Step::Write(Change { book, entry, row, .. }) = step else { return Ok(()) };
        self.append(book, &entry)?;
        self.put_noted(&row, note)
    }

    /// Writes what a command of the ledger returned: all of it, or nothing where it was written before.
    pub fn write<R: Rows>(&mut self, step: Step<R>) -> Result<(), Fault> {
        let Step::Write(Change { book, entry, row, .. }) = step else { return Ok(()) };
        self.append(book, &entry)?;
        self.put(&row)
    }

    /// Stops what would begin anew, when a command found the books wrong (T75).
    pub fn answer_breach(&mut self, refusal: &ledger::Refusal, now: UnixTime) -> Result<(), Fault> {
        let ledger::Refusal::Breach(broken) = refusal else { return Ok(()) };
        match self.book.freeze(*broken, now) {
            (book, Some(entry)) => self.append(book, &entry),
            (book, None) => self.set(book),
        }
    }

    pub fn left(&self) -> Reply {
        Reply::Left(Left { available: self.book.balances.available() })
    }

    /// Puts a row and what stands beside it.
    pub fn put_noted<R: Stored>(&mut self, row: &R, note: &str) -> Result<(), Fault> {
        self.put(row)?;
        self.books.put_note(R::TABLE, row.key(), note)
    }

    pub fn note<R: Stored>(&self, id: Id) -> Result<String, Fault> {
        self.books.note(R::TABLE, id)
    }

    pub fn end<R: Stored>(&mut self, id: Id) -> Result<(), Fault> {
        self.books.end(R::TABLE, id)
    }

    fn append(&mut self, book: Book, entry: &Entry) -> Result<(), Fault> {
        self.books.append(entry)?;
        self.set(book)
    }

    /// Overwrites the book's own row, where a command of the ledger changed it without a line in the journal.
    pub fn set(&mut self, book: Book) -> Result<(), Fault> {
        self.book = book;
        self.books.put_book(&book)
    }
}
