//! One Durable Object's storage: rows by key, and writes that happen all or not at all.

use std::collections::BTreeMap;

use l402::{PaymentHash, UnixTime};
use satstile_ledger::audit::{self, Breach, Rows, Snapshot};
use satstile_ledger::escrow::Escrow;
use satstile_ledger::hold::Hold;
use satstile_ledger::inbox::Inbound;
use satstile_ledger::payout::Payout;
use satstile_ledger::refund::{Failures, Refund};
use satstile_ledger::sale::Sale;
use satstile_ledger::session::Session;
use satstile_ledger::spend::Use;
use satstile_ledger::topup::TopUp;
use satstile_ledger::transfer::Outbound;
use satstile_ledger::{Book, BookId, Cap, Change, Effect, Entry, Id, Step};

#[derive(Clone)]
pub struct Store {
    pub book: Book,
    pub entries: Vec<Entry>,
    pub holds: BTreeMap<Id, Hold>,
    pub uses: BTreeMap<Id, Use>,
    pub caps: BTreeMap<Id, Cap>,
    pub topups: BTreeMap<PaymentHash, TopUp>,
    pub sales: BTreeMap<PaymentHash, Sale>,
    pub refunds: BTreeMap<Id, Refund>,
    pub payouts: BTreeMap<Id, Payout>,
    pub escrows: BTreeMap<Id, Escrow>,
    pub sessions: BTreeMap<PaymentHash, Session>,
    pub outbox: BTreeMap<Id, Outbound>,
    pub inbox: BTreeMap<Id, Inbound>,
    pub keys: Vec<(Id, [u8; 32])>,
    pub failures: Failures,
}

/// A row knows its table.
pub trait Put {
    fn put(self, store: &mut Store);
}

macro_rules! rows {
    ($($row:ty, $table:ident, $key:expr;)*) => {
        $(impl Put for $row {
            fn put(self, store: &mut Store) {
                let key: fn(&$row) -> _ = $key;
                store.$table.insert(key(&self), self);
            }
        })*
    };
}

rows! {
    Hold, holds, |row| row.id;
    Use, uses, |row| row.id;
    Cap, caps, |row| row.id;
    TopUp, topups, |row| row.payment_hash;
    Sale, sales, |row| row.payment_hash;
    Refund, refunds, |row| row.id;
    Payout, payouts, |row| row.id;
    Escrow, escrows, |row| row.id;
    Session, sessions, |row| row.id;
    Outbound, outbox, |row| row.credit.transfer;
    Inbound, inbox, |row| row.credit.transfer;
}

impl<A: Put, B: Put> Put for (A, B) {
    fn put(self, store: &mut Store) {
        self.0.put(store);
        self.1.put(store);
    }
}

impl<A: Put> Put for Option<A> {
    fn put(self, store: &mut Store) {
        if let Some(row) = self {
            row.put(store);
        }
    }
}

impl Store {
    pub fn new(id: BookId) -> Self {
        Self {
            book: Book::open(id),
            entries: Vec::new(),
            holds: BTreeMap::new(),
            uses: BTreeMap::new(),
            caps: BTreeMap::new(),
            topups: BTreeMap::new(),
            sales: BTreeMap::new(),
            refunds: BTreeMap::new(),
            payouts: BTreeMap::new(),
            escrows: BTreeMap::new(),
            sessions: BTreeMap::new(),
            outbox: BTreeMap::new(),
            inbox: BTreeMap::new(),
            keys: Vec::new(),
            failures: Failures::default(),
        }
    }

    /// Writes a step as one transaction, as `UPDATE book … WHERE seq = entry.seq - 1` would; gives its effect.
    pub fn write<R: Put>(&mut self, step: Step<R>) -> Option<Effect> {
        let Change { book, entry, row, effect } = step.change()?;
        assert_eq!(entry.seq, self.book.seq + 1, "decided on a book that is not this one any more");
        assert_eq!(entry.previous, self.book.head);
        self.book = book;
        self.entries.push(entry);
        row.put(self);
        effect
    }

    /// The caps of a chain, from the root on.
    pub fn chain(&self, leaf: Option<Id>) -> Vec<Cap> {
        let mut chain = Vec::new();
        let mut at = leaf;
        while let Some(cap) = at.map(|id| self.caps[&id]) {
            chain.insert(0, cap);
            at = cap.parent;
        }
        chain
    }

    pub fn put_all<R: Put>(&mut self, rows: impl IntoIterator<Item = R>) {
        rows.into_iter().for_each(|row| row.put(self));
    }
}

/// What the world outside says, for the audit.
#[derive(Default)]
pub struct Outside {
    pub settled: Option<Vec<(PaymentHash, l402::Msat)>>,
    pub paid: Option<Vec<(Id, l402::Msat)>>,
    pub served: Option<u64>,
    pub is_quiet: bool,
}

/// The tables of one store as lists.
struct Lists {
    holds: Vec<Hold>,
    uses: Vec<Use>,
    topups: Vec<TopUp>,
    sales: Vec<Sale>,
    refunds: Vec<Refund>,
    payouts: Vec<Payout>,
    escrows: Vec<Escrow>,
    outbox: Vec<Outbound>,
    inbox: Vec<Inbound>,
}

impl Lists {
    fn of(store: &Store) -> Self {
        Self {
            holds: store.holds.values().copied().collect(),
            uses: store.uses.values().copied().collect(),
            topups: store.topups.values().copied().collect(),
            sales: store.sales.values().copied().collect(),
            refunds: store.refunds.values().copied().collect(),
            payouts: store.payouts.values().cloned().collect(),
            escrows: store.escrows.values().copied().collect(),
            outbox: store.outbox.values().copied().collect(),
            inbox: store.inbox.values().copied().collect(),
        }
    }
}

/// Evaluates something over a snapshot of these stores.
pub fn examine<T>(stores: &[Store], now: UnixTime, outside: &Outside, look: impl FnOnce(&Snapshot<'_>) -> T) -> T {
    let lists: Vec<Lists> = stores.iter().map(Lists::of).collect();
    let books: Vec<Rows<'_>> = stores
        .iter()
        .zip(&lists)
        .map(|(store, lists)| Rows {
            book: &store.book,
            entries: &store.entries,
            holds: &lists.holds,
            uses: &lists.uses,
            topups: &lists.topups,
            sales: &lists.sales,
            refunds: &lists.refunds,
            payouts: &lists.payouts,
            escrows: &lists.escrows,
            outbox: &lists.outbox,
            inbox: &lists.inbox,
            keys: &store.keys,
        })
        .collect();
    look(&Snapshot {
        books: &books,
        now,
        settled: outside.settled.as_deref(),
        paid: outside.paid.as_deref(),
        served: outside.served,
        is_quiet: outside.is_quiet,
    })
}

/// All twelve invariants.
pub fn audited(stores: &[Store], now: UnixTime, outside: &Outside) -> Result<(), Breach> {
    examine(stores, now, outside, audit::audit)
}
