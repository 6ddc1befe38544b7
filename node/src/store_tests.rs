//! What the store remembers, what it forgets, and what it never does twice.

use l402::relay::{InvoiceState, InvoiceStatus};
use l402::{Msat, PaymentHash, Preimage, UnixTime};

use super::invoices::{Invoice, Payment};
use super::replies::{Reply, Seen};
use super::*;

const NOW: UnixTime = UnixTime(1_795_000_000);
const NOW_MS: u64 = NOW.0 * 1_000;

/// A file, because two of these tests open it twice.
struct Books {
    dir: tempfile::TempDir,
    store: Store,
}

fn books() -> Books {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("node.sqlite")).unwrap();
    Books { dir, store }
}

fn invoice(seed: u8) -> Invoice {
    let preimage = Preimage::new([seed; 32]);
    Invoice {
        payment_hash: preimage.payment_hash(),
        request_id: format!("req_{seed}"),
        backend: "dev".into(),
        reference: String::new(),
        bolt11: format!("lnbcrt{seed}"),
        preimage: Some(preimage),
        amount: Msat(21_000),
        service: "articles".into(),
        purpose: "l402".into(),
        created_at: NOW,
        expires_at: NOW.plus(600),
        settled_at: None,
        cancel_asked_at: None,
        canceled_at: None,
        node_fee: Msat(0),
    }
}

impl Books {
    /// As [`Store::write`], for those who wait.
    fn transaction<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> rusqlite::Result<T> {
        let (tell, told) = mpsc::channel();
        self.store.send(work, move |result| tell.send(result).unwrap());
        told.recv().unwrap()
    }

    fn with(self, invoice: &Invoice) -> Self {
        let invoice = invoice.clone();
        self.transaction(move |tx| invoices::insert(tx, &invoice, None)).unwrap();
        self
    }

    fn pay(&self, hash: PaymentHash, now: UnixTime) -> Payment {
        self.transaction(move |tx| invoices::pay(tx, hash, now, now.0 * 1_000)).unwrap()
    }

    fn status(&self, hash: PaymentHash, now: UnixTime) -> InvoiceStatus {
        self.store.read(|books| invoices::find(books, hash)).unwrap().unwrap().status(now)
    }

    fn due(&self) -> Option<settlements::Due> {
        self.store.read(settlements::next).unwrap()
    }
}

#[test]
fn a_payment_hash_names_one_invoice_for_ever() {
    // T21: the second is refused, and whatever else was in its transaction did not happen.
    let books = books().with(&invoice(1));
    let reply = Reply { status: 200, body: b"{}".to_vec() };
    let again = books.transaction(move |tx| {
        replies::keep(tx, "req_other", &[7; 32], &reply, NOW)?;
        invoices::insert(tx, &Invoice { request_id: "req_other".into(), ..invoice(1) }, None)
    });
    assert!(again.is_err());
    let seen = books.transaction(move |tx| replies::seen(tx, "req_other", &[7; 32], NOW)).unwrap();
    assert_eq!(seen, Seen::Never);
}

#[test]
fn a_preimage_is_told_once_the_invoice_is_settled_and_not_before() {
    let books = books().with(&invoice(1));
    let hash = invoice(1).payment_hash;
    let unpaid = |status| InvoiceStatus {
        status,
        amount_msat: Some(21_000),
        preimage: None,
        settled_at: None,
        received_msat: None,
    };
    assert_eq!(books.status(hash, NOW.plus(599)), unpaid(InvoiceState::Pending));
    assert_eq!(books.status(hash, NOW.plus(600)), unpaid(InvoiceState::Expired));

    assert_eq!(books.pay(hash, NOW.plus(599)), Payment::Settled(invoice(1).preimage.unwrap()));
    let settled = InvoiceStatus {
        status: InvoiceState::Settled,
        amount_msat: Some(21_000),
        preimage: invoice(1).preimage,
        settled_at: Some(NOW.plus(599)),
        received_msat: None,
    };
    assert_eq!(books.status(hash, NOW.plus(599)), settled);
    assert_eq!(books.status(hash, NOW.plus(9_999)), settled, "what is paid does not expire");
}

#[test]
fn an_invoice_is_paid_once_and_pushed_once() {
    // T67
    let books = books().with(&invoice(1));
    let hash = invoice(1).payment_hash;
    assert!(books.due().is_none());
    assert!(matches!(books.pay(hash, NOW), Payment::Settled(_)));
    assert_eq!(books.pay(hash, NOW.plus(1)), Payment::AlreadyPaid);

    let due = books.due().unwrap();
    assert_eq!((due.settled.payment_hash, due.settled.settled_at, due.attempts), (hash, NOW, 0));
    assert_eq!(due.settled.request_id, "req_1");
    books.transaction(move |tx| settlements::pushed(tx, hash, NOW)).unwrap();
    assert!(books.due().is_none());
    assert_eq!(books.pay(hash, NOW.plus(2)), Payment::AlreadyPaid);
    assert!(books.due().is_none());
}

#[test]
fn an_expired_invoice_cannot_be_paid() {
    let books = books().with(&invoice(1));
    let hash = invoice(1).payment_hash;
    assert_eq!(books.pay(hash, NOW.plus(600)), Payment::Expired);
    assert_eq!(books.status(hash, NOW.plus(600)).status, InvoiceState::Expired);
    assert!(books.due().is_none());
    assert_eq!(books.pay(PaymentHash([9; 32]), NOW), Payment::Unknown);
}

#[test]
fn an_invoice_that_was_withdrawn_is_paid_by_nobody_and_one_that_was_paid_is_not_withdrawn() {
    // T95
    let books = books().with(&invoice(1)).with(&invoice(2));
    let (one, two) = (invoice(1).payment_hash, invoice(2).payment_hash);
    let cancel = |hash| books.transaction(move |tx| invoices::cancel(tx, hash, NOW.plus(1))).unwrap();
    assert!(cancel(one) && cancel(one), "the same answer again");
    assert_eq!(books.pay(one, NOW.plus(2)), Payment::Canceled);
    assert_eq!(books.status(one, NOW.plus(9_999)).status, InvoiceState::Canceled);
    assert!(books.due().is_none(), "nobody hears of a settlement");

    assert!(matches!(books.pay(two, NOW), Payment::Settled(_)));
    assert!(!cancel(two));
    assert_eq!(books.status(two, NOW.plus(2)).status, InvoiceState::Settled);
    assert!(!cancel(PaymentHash([9; 32])));
}

#[test]
fn a_database_of_the_version_before_keeps_its_invoices() {
    let Books { dir, store } = books().with(&invoice(1));
    drop(store);
    let path = dir.path().join("node.sqlite");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "ALTER TABLE invoices DROP COLUMN cancel_asked_at; ALTER TABLE invoices DROP COLUMN canceled_at;
         ALTER TABLE invoices DROP COLUMN node_fee_msat;
         PRAGMA user_version = 4;",
    )
    .unwrap();
    drop(old);
    for _ in 0..2 {
        let store = Store::open(&path).unwrap();
        let found = store.read(|books| invoices::find(books, invoice(1).payment_hash)).unwrap().unwrap();
        assert_eq!((found.state(NOW), found.cancel_asked_at), (InvoiceState::Pending, None));
    }
}

#[test]
fn an_answer_is_kept_for_a_day() {
    let books = books();
    let reply = Reply { status: 200, body: b"{\"a\":1}".to_vec() };
    let kept = reply.clone();
    books.transaction(move |tx| replies::keep(tx, "req_1", &[7; 32], &kept, NOW)).unwrap();
    let seen = |asked: [u8; 32], now| books.transaction(move |tx| replies::seen(tx, "req_1", &asked, now)).unwrap();
    assert_eq!(seen([7; 32], NOW.plus(86_400)), Seen::Answered(reply));
    assert_eq!(seen([8; 32], NOW.plus(86_400)), Seen::ForAnother);
    assert_eq!(seen([7; 32], NOW.plus(86_401)), Seen::Never);
}

#[test]
fn settlements_wait_their_turn_and_survive_a_restart() {
    let books = books().with(&invoice(1)).with(&invoice(2));
    let (one, two) = (invoice(1).payment_hash, invoice(2).payment_hash);
    books.pay(one, NOW);
    books.pay(two, NOW.plus(1));
    books.transaction(move |tx| settlements::postpone(tx, one, NOW_MS + 5_000)).unwrap();
    assert_eq!(books.due().unwrap().settled.payment_hash, two);
    books.transaction(move |tx| settlements::pushed(tx, two, NOW)).unwrap();

    let Books { dir, store } = books;
    drop(store);
    let again = Store::open(&dir.path().join("node.sqlite")).unwrap();
    let due = again.read(settlements::next).unwrap().unwrap();
    assert_eq!((due.settled.payment_hash, due.attempts, due.at_ms), (one, 1, NOW_MS + 5_000));
    assert_eq!(due.settled.preimage, invoice(1).preimage);
}

#[test]
fn a_settlement_that_comes_late_or_twice_is_one_settlement() {
    // T65, T67
    let books = books().with(&Invoice { preimage: None, backend: "lnd-rest".into(), ..invoice(1) });
    let hash = invoice(1).payment_hash;
    let paid = invoices::Settled {
        hash,
        received: Msat(21_007),
        node_fee: Msat(4_000),
        preimage: invoice(1).preimage,
        at: NOW.plus(700),
    };
    let settle = |paid: invoices::Settled| books.transaction(move |tx| invoices::settle(tx, &paid, NOW_MS)).unwrap();
    assert!(settle(paid.clone()));
    assert!(!settle(invoices::Settled { at: NOW.plus(900), ..paid.clone() }));
    let status = books.status(hash, NOW.plus(9_999));
    assert_eq!((status.status, status.amount_msat), (InvoiceState::Settled, Some(21_000)));
    assert_eq!((status.preimage, status.settled_at), (invoice(1).preimage, Some(NOW.plus(700))));
    books.transaction(move |tx| settlements::pushed(tx, hash, NOW)).unwrap();
    assert!(books.due().is_none());
    // Somebody else's invoice at the same node is none of ours.
    assert!(!settle(invoices::Settled { hash: PaymentHash([9; 32]), ..paid }));
}

#[test]
fn a_mark_moves_on_and_never_back() {
    let books = books();
    assert_eq!(books.store.read(|books| marks::get(books, "lnd-rest")).unwrap(), 0);
    for mark in [7, 9, 8] {
        books.transaction(move |tx| marks::set(tx, "lnd-rest", mark)).unwrap();
    }
    assert_eq!(books.store.read(|books| marks::get(books, "lnd-rest")).unwrap(), 9);
    assert_eq!(books.store.read(|books| marks::get(books, "clnrest")).unwrap(), 0);
}

#[test]
fn invoices_are_looked_at_in_turn_until_they_are_paid_or_given_up() {
    let books = books();
    for (seed, at) in [(1, 3_000), (2, 1_000), (3, 9_000)] {
        let invoice = Invoice { preimage: None, backend: "strike".into(), ..invoice(seed) };
        books.transaction(move |tx| invoices::insert(tx, &invoice, Some(at))).unwrap();
    }
    let due = |backend, now_ms| {
        let due = books.store.read(|books| invoices::to_look_at(books, backend, now_ms, 10)).unwrap();
        due.into_iter().map(|(invoice, looks)| (invoice.request_id, looks)).collect::<Vec<_>>()
    };
    assert_eq!(due("strike", 5_000), [("req_2".to_owned(), 0), ("req_1".to_owned(), 0)]);
    assert_eq!(due("lnd-rest", 5_000), []);
    let look = |seed: u8, at| books.transaction(move |tx| invoices::look_again(tx, invoice(seed).payment_hash, at));
    look(2, Some(4_000)).unwrap();
    look(1, None).unwrap();
    assert_eq!(due("strike", 5_000), [("req_2".to_owned(), 1)]);
}

#[test]
fn a_database_of_the_first_version_is_carried_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.sqlite");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(
        "CREATE TABLE invoices (payment_hash BLOB PRIMARY KEY, request_id TEXT NOT NULL, bolt11 TEXT NOT NULL,
            preimage BLOB NOT NULL, amount_msat INTEGER NOT NULL, service TEXT NOT NULL, purpose TEXT NOT NULL,
            created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, settled_at INTEGER) STRICT;
         CREATE TABLE settlements (payment_hash BLOB PRIMARY KEY REFERENCES invoices (payment_hash),
            attempts INTEGER NOT NULL DEFAULT 0, next_attempt_ms INTEGER, pushed_at INTEGER) STRICT;
         CREATE INDEX settlements_by_turn ON settlements (next_attempt_ms);",
    )
    .unwrap();
    for (seed, settled_at) in [(1, Some(NOW.0)), (2, None)] {
        let Invoice { payment_hash, preimage, .. } = invoice(seed);
        let preimage = *preimage.unwrap().expose();
        let row = rusqlite::params![payment_hash.0, preimage, NOW.0, NOW.0 + 600, settled_at];
        old.execute("INSERT INTO invoices VALUES (?1, 'req', 'lnbcrt', ?2, 21000, 's', 'p', ?3, ?4, ?5)", row).unwrap();
    }
    let due = rusqlite::params![invoice(1).payment_hash.0, NOW_MS];
    old.execute("INSERT INTO settlements VALUES (?1, 3, ?2, NULL)", due).unwrap();
    drop(old);

    for _ in 0..2 {
        let store = Store::open(&path).unwrap();
        let due = store.read(settlements::next).unwrap().unwrap();
        assert_eq!((due.settled.payment_hash, due.attempts), (invoice(1).payment_hash, 3));
        let two = store.read(|books| invoices::find(books, invoice(2).payment_hash)).unwrap().unwrap();
        assert_eq!((two.state(NOW), two.backend.as_str()), (InvoiceState::Pending, "dev"));
    }
    let newer = Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", VERSION + 1).unwrap();
    assert!(Store::open(&path).is_err());
}

#[test]
fn the_dev_wallets_invoices_of_the_third_version_are_carried_over_with_what_they_received() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.sqlite");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(SCHEMA).unwrap();
    old.execute_batch(
        "CREATE TABLE wallet_invoices (payment_hash BLOB PRIMARY KEY, bolt11 TEXT NOT NULL, preimage BLOB NOT NULL,
            amount_msat INTEGER NOT NULL CHECK (amount_msat BETWEEN 1 AND 1000000000000), description TEXT NOT NULL,
            external_id TEXT, created_at INTEGER NOT NULL, expires_at INTEGER NOT NULL, tried_at INTEGER,
            paid_at INTEGER) STRICT;
         PRAGMA user_version = 3;",
    )
    .unwrap();
    for (seed, tried_at) in [(1, Some(NOW.0)), (2, None)] {
        let Invoice { payment_hash, bolt11, preimage, .. } = invoice(seed);
        let preimage = *preimage.unwrap().expose();
        let row = rusqlite::params![payment_hash.0, bolt11, preimage, NOW.0, NOW.0 + 600, tried_at];
        let sql = "INSERT INTO wallet_invoices VALUES (?1, ?2, ?3, 21000, 'my sats', NULL, ?4, ?5, ?6, ?6)";
        old.execute(sql, row).unwrap();
    }
    drop(old);

    for _ in 0..2 {
        let store = Store::open(&path).unwrap();
        let find =
            |seed| store.read(|books| wallet_invoices::find(books, invoice(seed).payment_hash)).unwrap().unwrap();
        let (paid, unpaid) = (find(1), find(2));
        assert_eq!((paid.amount, paid.received(), paid.paid_at), (Some(Msat(21_000)), Msat(21_000), Some(NOW)));
        assert_eq!((unpaid.amount, unpaid.received(), unpaid.tried_at), (Some(Msat(21_000)), Msat(0), None));
    }
}

#[test]
fn the_dev_node_pays_what_is_ordered_and_never_another_amount_than_is_named() {
    let books = books();
    let kept = |seed, amount| wallet_invoices::WalletInvoice {
        payment_hash: invoice(seed).payment_hash,
        bolt11: invoice(seed).bolt11,
        preimage: invoice(seed).preimage.unwrap(),
        amount,
        description: "my sats".into(),
        external_id: None,
        created_at: NOW,
        expires_at: NOW.plus(600),
        tried_at: None,
        tried: None,
        paid_at: None,
    };
    for invoice in [kept(1, None), kept(2, Some(Msat(21_000)))] {
        books.transaction(move |tx| wallet_invoices::insert(tx, &invoice)).unwrap();
    }
    let pay = |seed, msat| {
        let Invoice { payment_hash, bolt11, .. } = invoice(seed);
        books.transaction(move |tx| wallet_invoices::pay(tx, payment_hash, &bolt11, Msat(msat), NOW)).unwrap()
    };
    let received = |seed| {
        let found = books.store.read(|books| wallet_invoices::find(books, invoice(seed).payment_hash));
        found.unwrap().unwrap().received()
    };
    let paid = |seed| wallet_invoices::Stand::Paid(invoice(seed).preimage.unwrap());
    assert_eq!((pay(1, 12_345), received(1)), (paid(1), Msat(12_345)));
    assert_eq!((pay(1, 99_999), received(1)), (paid(1), Msat(12_345)), "it is paid once");
    assert_eq!((pay(2, 20_999), received(2)), (wallet_invoices::Stand::Failed, Msat(0)));
    assert_eq!((pay(2, 21_000), received(2)), (paid(2), Msat(21_000)));
}

#[test]
fn of_jobs_in_one_commit_the_one_that_fails_takes_nobody_along() {
    let books = books();
    let (tell, told) = mpsc::channel();
    let (held, hold) = mpsc::channel::<()>();
    // The first one holds the writer up until the others have queued behind it.
    let wait = move |_: &Connection| {
        hold.recv().unwrap();
        Ok(())
    };
    books.store.send(wait, |_| ());
    for seed in [1, 2, 1, 3] {
        let (tell, invoice) = (tell.clone(), invoice(seed));
        let insert = move |tx: &Connection| invoices::insert(tx, &invoice, None);
        books.store.send(insert, move |result| tell.send(result.is_ok()).unwrap());
    }
    held.send(()).unwrap();
    let outcomes: Vec<bool> = told.iter().take(4).collect();
    assert_eq!(outcomes, [true, true, false, true], "T21: the second invoice of one hash is refused");
    for seed in [1, 2, 3] {
        assert_eq!(books.status(invoice(seed).payment_hash, NOW).status, InvoiceState::Pending);
    }
}
