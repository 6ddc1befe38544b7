//! Books in memory: what tests drive, and the model that a shell's tables are held against.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use l402::{PaymentHash, UnixTime};
use satstile_ledger::stored::Table;
use satstile_ledger::{Book, Entry, Id};

use crate::books::{Books, Fault, Sealed, Token};
use crate::command::TokenDigest;

/// One account's tables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    book: Option<Book>,
    journal: Vec<Entry>,
    rows: BTreeMap<(Table, Id), (Option<UnixTime>, Vec<u8>)>,
    notes: BTreeMap<(Table, Id), String>,
    tokens: BTreeMap<TokenDigest, Token>,
    sealed: BTreeMap<Id, Sealed>,
    orders: BTreeMap<Id, Id>,
}

impl Books for Memory {
    fn book(&self) -> Result<Option<Book>, Fault> {
        Ok(self.book)
    }

    fn put_book(&mut self, book: &Book) -> Result<(), Fault> {
        self.book = Some(*book);
        Ok(())
    }

    fn append(&mut self, entry: &Entry) -> Result<(), Fault> {
        if self.journal.last().is_some_and(|last| last.seq >= entry.seq) {
            return Err(Fault("a line of the journal that is there already"));
        }
        self.journal.push(*entry);
        Ok(())
    }

    fn journal(&self, from: u64, limit: u32) -> Result<Vec<Entry>, Fault> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(self.journal.iter().filter(|entry| entry.seq >= from).take(limit).copied().collect())
    }

    fn row(&self, table: Table, id: Id) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.rows.get(&(table, id)).map(|(_, body)| body.clone()))
    }

    fn end(&mut self, table: Table, id: Id) -> Result<(), Fault> {
        self.rows.remove(&(table, id));
        self.notes.remove(&(table, id));
        Ok(())
    }

    fn note(&self, table: Table, id: Id) -> Result<String, Fault> {
        Ok(self.notes.get(&(table, id)).cloned().unwrap_or_default())
    }

    fn put_note(&mut self, table: Table, id: Id, note: &str) -> Result<(), Fault> {
        if !self.rows.contains_key(&(table, id)) {
            return Err(Fault("a note beside no row"));
        }
        self.notes.insert((table, id), note.to_owned());
        Ok(())
    }

    fn put(&mut self, table: Table, id: Id, due: Option<UnixTime>, body: Vec<u8>) -> Result<(), Fault> {
        self.rows.insert((table, id), (due, body));
        Ok(())
    }

    fn rows(&self, table: Table) -> Result<Vec<Vec<u8>>, Fault> {
        Ok(self.rows.iter().filter(|((of, _), _)| *of == table).map(|(_, (_, body))| body.clone()).collect())
    }

    fn order(&self, key: Id) -> Result<Option<Id>, Fault> {
        Ok(self.orders.get(&key).copied())
    }

    fn bind(&mut self, key: Id, order: Id) -> Result<(), Fault> {
        self.orders.entry(key).or_insert(order);
        Ok(())
    }

    fn due(&self, now: UnixTime, limit: u32) -> Result<Vec<(Table, Id)>, Fault> {
        let due = self.rows.iter().filter_map(|(key, (due, _))| Some(((*due)?, *key)));
        let mut due: Vec<_> = due.filter(|(at, _)| *at <= now).collect();
        due.sort_unstable_by_key(|(at, _)| *at);
        due.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(due.into_iter().map(|(_, key)| key).collect())
    }

    fn token(&self, digest: TokenDigest) -> Result<Option<Token>, Fault> {
        Ok(self.tokens.get(&digest).copied())
    }

    fn tokens(&self) -> Result<Vec<Token>, Fault> {
        Ok(self.tokens.values().copied().collect())
    }

    fn put_token(&mut self, token: &Token) -> Result<(), Fault> {
        self.tokens.insert(token.digest, *token);
        Ok(())
    }

    fn end_token(&mut self, digest: TokenDigest) -> Result<(), Fault> {
        self.tokens.remove(&digest);
        Ok(())
    }

    fn sealed(&self, payment_hash: PaymentHash) -> Result<Option<Sealed>, Fault> {
        Ok(self.sealed.get(&payment_hash.into()).cloned())
    }

    fn seal(&mut self, payment_hash: PaymentHash, sealed: &Sealed) -> Result<(), Fault> {
        self.sealed.insert(payment_hash.into(), sealed.clone());
        Ok(())
    }
}
