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
        bolt11: format!("lnbcrt{seed}"),
        preimage,
        amount: Msat(21_000),
        service: "articles".into(),
        purpose: "l402".into(),
        created_at: NOW,
        expires_at: NOW.plus(600),
        settled_at: None,
    }
}

impl Books {
    fn with(self, invoice: &Invoice) -> Self {
        self.store.transaction(|tx| invoices::insert(tx, invoice)).unwrap();
        self
    }

    fn pay(&self, hash: PaymentHash, now: UnixTime) -> Payment {
        self.store.transaction(|tx| invoices::pay(tx, hash, now, now.0 * 1_000)).unwrap()
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
    let again = books.store.transaction(|tx| {
        replies::keep(tx, "req_other", &[7; 32], &reply, NOW)?;
        invoices::insert(tx, &Invoice { request_id: "req_other".into(), ..invoice(1) })
    });
    assert!(again.is_err());
    let seen = books.store.transaction(|tx| replies::seen(tx, "req_other", &[7; 32], NOW)).unwrap();
    assert_eq!(seen, Seen::Never);
}

#[test]
fn a_preimage_is_told_once_the_invoice_is_settled_and_not_before() {
    let books = books().with(&invoice(1));
    let hash = invoice(1).payment_hash;
    let unpaid = |status| InvoiceStatus { status, amount_msat: Some(21_000), preimage: None, settled_at: None };
    assert_eq!(books.status(hash, NOW.plus(599)), unpaid(InvoiceState::Pending));
    assert_eq!(books.status(hash, NOW.plus(600)), unpaid(InvoiceState::Expired));

    assert_eq!(books.pay(hash, NOW.plus(599)), Payment::Settled(invoice(1).preimage));
    let settled = InvoiceStatus {
        status: InvoiceState::Settled,
        amount_msat: Some(21_000),
        preimage: Some(invoice(1).preimage),
        settled_at: Some(NOW.plus(599)),
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
    books.store.transaction(|tx| settlements::pushed(tx, hash, NOW)).unwrap();
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
fn an_answer_is_kept_for_a_day() {
    let books = books();
    let reply = Reply { status: 200, body: b"{\"a\":1}".to_vec() };
    books.store.transaction(|tx| replies::keep(tx, "req_1", &[7; 32], &reply, NOW)).unwrap();
    let seen = |asked: [u8; 32], now| books.store.transaction(|tx| replies::seen(tx, "req_1", &asked, now)).unwrap();
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
    books.store.transaction(|tx| settlements::postpone(tx, one, NOW_MS + 5_000)).unwrap();
    assert_eq!(books.due().unwrap().settled.payment_hash, two);
    books.store.transaction(|tx| settlements::pushed(tx, two, NOW)).unwrap();

    let Books { dir, store } = books;
    drop(store);
    let again = Store::open(&dir.path().join("node.sqlite")).unwrap();
    let due = again.read(settlements::next).unwrap().unwrap();
    assert_eq!((due.settled.payment_hash, due.attempts, due.at_ms), (one, 1, NOW_MS + 5_000));
    assert_eq!(due.settled.preimage, Some(invoice(1).preimage));
}
