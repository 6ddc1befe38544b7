use l402::{Msat, PaymentHash, Preimage};
use satstile_ledger::Kind;

use super::*;
use crate::apply;
use crate::books::Books;
use crate::command::{Command, NodeSaid, PayAnswer};
use crate::memory::Memory;
use crate::reply::{PayOrder, PayoutSeen, Proof, Refusal, Stands};
use crate::testing::{NOW, run};

const ID: Id = Id([0x40; 32]);
const SOLD: PaymentHash = PaymentHash([0x51; 32]);

fn preimage(n: u8) -> Preimage {
    Preimage::new([n; 32])
}

/// A purchase of 100 msat that failed for good; all of it goes back within a day.
fn promised() -> Promise {
    Promise { payment_hash: SOLD, paid: Msat(100), node_fee: Msat(0), id: ID, amount: Msat(100), ttl_s: 86_400 }
}

/// The wallet's invoice.
fn brought(n: u8) -> Collect {
    let (payment_hash, bolt11) = (preimage(n).payment_hash(), "lnbcrt1".into());
    Collect { id: ID, payment_hash, amount: Msat(100), fee_limit: Msat(3), bolt11 }
}

fn no(refusal: impl Into<Refusal>) -> Reply {
    Reply::Refused(refusal.into())
}

#[track_caller]
fn refund(reply: Reply) -> RefundSeen {
    match reply {
        Reply::Refund(seen) => seen,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn payout(reply: Reply) -> PayoutSeen {
    match reply {
        Reply::Payout(seen) => seen,
        other => panic!("{other:?}"),
    }
}

fn said(order: &PayOrder, said: NodeSaid) -> Command {
    Command::PayAnswer(PayAnswer { id: order.id, said })
}

fn kinds(books: &Memory) -> Vec<Kind> {
    books.journal(1, 99).unwrap().iter().map(|entry| entry.kind).collect()
}

/// T91: promised, claimed by one invoice, paid with its proof; then the link is used up for every other one.
#[test]
fn a_promise_is_paid_to_one_invoice() {
    let mut books = Memory::default();
    assert_eq!(run(&mut books, &Command::SeeRefund(SeeRefund { id: ID })), no(Ledger::UnknownPayment));
    assert_eq!(books, Memory::default(), "a guess leaves no trace");
    let open = refund(run(&mut books, &Command::Promise(promised())));
    assert_eq!((open.amount, open.stands, open.expires_at), (Msat(100), RefundStands::Open, NOW.plus(86_400)));

    let sent = payout(run(&mut books, &Command::Collect(brought(1))));
    let order = sent.order.unwrap();
    assert!(sent.is_refund && order.is_send && order.id == open.payout);
    assert_eq!((order.amount, order.fee_limit, order.bolt11.as_str()), (Msat(100), Msat(3), "lnbcrt1"));
    let claiming = refund(run(&mut books, &Command::SeeRefund(SeeRefund { id: ID })));
    assert_eq!(claiming.stands, RefundStands::Claiming);
    // The same invoice again is the same claim; another one comes too late.
    assert_eq!(payout(run(&mut books, &Command::Collect(brought(1)))).order, Some(order.clone()));
    assert_eq!(run(&mut books, &Command::Collect(brought(2))), no(Ledger::LinkUsed));

    let paid = NodeSaid::Succeeded { preimage: preimage(1), fee: Msat(2) };
    let over = payout(run(&mut books, &said(&order, paid)));
    assert_eq!(over.stands, Stands::Succeeded { fee: Msat(2), preimage: Some(Proof(preimage(1))) });
    assert_eq!(refund(run(&mut books, &Command::SeeRefund(SeeRefund { id: ID }))).stands, RefundStands::Claimed);
    assert_eq!(run(&mut books, &Command::Collect(brought(2))), no(Ledger::LinkUsed));
    let balances = books.book().unwrap().unwrap().balances;
    assert_eq!(
        (balances.node, balances.fees, balances.refund),
        (2, -2, 0),
        "it came in and went out, and routing was ours"
    );
}

/// T93: only a definite no opens the link again, under another payout.
#[test]
fn a_link_is_good_again_only_after_a_definite_no() {
    let mut books = Memory::default();
    run(&mut books, &Command::Promise(promised()));
    let first = payout(run(&mut books, &Command::Collect(brought(1)))).order.unwrap();
    run(&mut books, &said(&first, NodeSaid::Unknown));
    assert_eq!(run(&mut books, &Command::Collect(brought(2))), no(Ledger::LinkUsed));
    run(&mut books, &said(&first, NodeSaid::Failed));
    assert_eq!(refund(run(&mut books, &Command::SeeRefund(SeeRefund { id: ID }))).stands, RefundStands::Open);
    let second = payout(run(&mut books, &Command::Collect(brought(2)))).order.unwrap();
    assert_ne!(second.id, first.id);
    // The node's word about the first one comes late, and moves nothing.
    let before = books.clone();
    run(&mut books, &said(&first, NodeSaid::Failed));
    assert_eq!(books, before);
}

/// T100: a purchase goes back once, whatever is promised again, and never more than was paid.
#[test]
fn a_purchase_goes_back_once() {
    let mut books = Memory::default();
    let first = run(&mut books, &Command::Promise(promised()));
    let once = books.clone();
    for again in [promised(), Promise { amount: Msat(50), ttl_s: 5, ..promised() }] {
        assert_eq!(run(&mut books, &Command::Promise(again)), first, "what was promised stands");
        assert_eq!(books, once);
    }
    let second = Promise { id: Id([0x41; 32]), ..promised() };
    assert_eq!(run(&mut books, &Command::Promise(second)), no(Ledger::RefundOpen));
    let mut other = Memory::default();
    let too_much = Promise { amount: Msat(101), ..promised() };
    assert_eq!(run(&mut other, &Command::Promise(too_much)), no(Ledger::NothingToRefund));
    for amount in [99, 101] {
        let wrong = Collect { amount: Msat(amount), ..brought(1) };
        assert_eq!(run(&mut books, &Command::Collect(wrong)), no(Ledger::WrongRow));
    }
    assert_eq!(kinds(&books), [Kind::Sold, Kind::RefundPromised]);
}

/// T92: what nobody takes in time is revenue again, by the alarm, once; and then nobody takes it.
#[test]
fn a_promise_that_nobody_takes_lapses() {
    let mut books = Memory::default();
    run(&mut books, &Command::Promise(promised()));
    let at = |books: &mut Memory, command: &Command, s: u64| apply(books, command, NOW.plus(s)).unwrap();
    assert_eq!(at(&mut books, &Command::Alarm, 86_399), Reply::Done);
    assert_eq!(kinds(&books).len(), 2, "it is not its time");
    assert_eq!(at(&mut books, &Command::Alarm, 86_401), Reply::Done);
    assert_eq!(refund(at(&mut books, &Command::SeeRefund(SeeRefund { id: ID }), 86_401)).stands, RefundStands::Lapsed);
    assert!(matches!(
        at(&mut books, &Command::Collect(brought(1)), 86_401),
        Reply::Refused(Refusal::Expired | Refusal::Ended)
    ));
    let after = books.clone();
    at(&mut books, &Command::Alarm, 99_999);
    assert_eq!(books, after);
}

/// T66: what the node kept of the purchase is the operator's loss, and the buyer has all of it back.
#[test]
fn what_the_node_kept_is_not_the_buyers() {
    let mut books = Memory::default();
    let cut = Promise { node_fee: Msat(16), ..promised() };
    assert_eq!(refund(run(&mut books, &Command::Promise(cut))).amount, Msat(100));
    let balances = books.book().unwrap().unwrap().balances;
    assert_eq!((balances.refund, balances.fees, balances.node), (100, -16, -84));
}
