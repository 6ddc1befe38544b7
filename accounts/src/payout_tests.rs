use l402::{Msat, Preimage};

use super::*;
use crate::apply;
use crate::books::Books;
use crate::command::{Command, Keyed};
use crate::memory::Memory;
use crate::reply::Refusal as No;
use crate::testing::{NOW, SPEND, WHOLE, alice_with, left, run};

const ID: Id = Id([0x70; 32]);

fn preimage(n: u8) -> Preimage {
    Preimage::new([n; 32])
}

/// Alice pays an invoice of 60 msat, and routing may cost 6.
fn asked(n: u8) -> PayOut {
    PayOut {
        by: WHOLE,
        id: Id([0x70 + n - 1; 32]),
        payment_hash: preimage(n).payment_hash(),
        amount: Msat(60),
        fee_limit: Msat(6),
        bolt11: "lnbcrt600n1".into(),
        keyed: None,
    }
}

fn said(said: NodeSaid) -> Command {
    Command::PayAnswer(PayAnswer { id: ID, said })
}

fn paid(n: u8, fee: u64) -> NodeSaid {
    NodeSaid::Succeeded { preimage: preimage(n), fee: Msat(fee) }
}

fn no(refusal: impl Into<No>) -> Reply {
    Reply::Refused(refusal.into())
}

#[track_caller]
fn payout(reply: Reply) -> PayoutSeen {
    match reply {
        Reply::Payout(seen) => seen,
        other => panic!("{other:?}"),
    }
}

fn order(is_send: bool) -> PayOrder {
    let PayOut { id, payment_hash, amount, fee_limit, bolt11, .. } = asked(1);
    PayOrder { id, payment_hash, amount, fee_limit, bolt11, is_send }
}

fn available(books: &Memory) -> u64 {
    books.book().unwrap().unwrap().balances.available().0
}

/// T90, T94: reserved with its routing and written down as sent before the node hears of it; what routing did not cost is back.
#[test]
fn a_payout_is_reserved_sent_and_over_with_the_proof() {
    let mut books = alice_with(100);
    let sent = payout(run(&mut books, &Command::PayOut(asked(1))));
    assert_eq!((sent.stands, sent.available, sent.order), (Stands::Pending, Msat(34), Some(order(true))));

    let over = payout(run(&mut books, &said(paid(1, 2))));
    assert_eq!(over.stands, Stands::Succeeded { fee: Msat(2), preimage: Some(Proof(preimage(1))) });
    assert_eq!((over.available, over.order), (Msat(38), None));
    let after = books.clone();
    // A second answer, of any kind, changes nothing.
    for again in [paid(1, 2), NodeSaid::Unknown] {
        run(&mut books, &said(again));
        assert_eq!(books, after);
    }
}

/// T93: silence, an unknown answer and another invoice's proof leave the money reserved; the node's definite no gives it back.
#[test]
fn only_a_definite_answer_ends_a_payout() {
    let mut books = alice_with(100);
    run(&mut books, &Command::PayOut(asked(1)));
    for vague in [NodeSaid::Unknown, NodeSaid::NotFound { store_since: UnixTime(NOW.0 + 1) }] {
        let stands = payout(run(&mut books, &said(vague.clone())));
        assert_eq!((stands.stands, stands.available, stands.order), (Stands::Pending, Msat(34), None));
        assert_eq!(
            stands.is_forgotten,
            vague != NodeSaid::Unknown,
            "a store that is younger is for a person to look at"
        );
    }
    run(&mut books, &said(paid(2, 2)));
    assert_eq!(available(&books), 34, "the proof of another invoice is none");

    let failed = payout(run(&mut books, &said(NodeSaid::Failed)));
    assert_eq!((failed.stands, failed.available), (Stands::Failed, Msat(100)));
}

/// F17: a node whose memory is older than the payout and never heard of it is told again, under the same id.
#[test]
fn an_order_that_was_lost_is_sent_again() {
    let mut books = alice_with(100);
    run(&mut books, &Command::PayOut(asked(1)));
    let lost = payout(run(&mut books, &said(NodeSaid::NotFound { store_since: UnixTime(1) })));
    assert_eq!((lost.stands, lost.order, lost.is_forgotten), (Stands::Pending, Some(order(true)), false));
    assert_eq!(lost.available, Msat(34), "it is reserved once");
}

/// T85: the alarm asks about what has no answer, with growing pauses, and sends nothing twice.
#[test]
fn a_payout_without_an_answer_is_asked_about() {
    let mut books = alice_with(100);
    run(&mut books, &Command::PayOut(asked(1)));
    let at = |books: &mut Memory, s: u64| apply(books, &Command::Alarm, NOW.plus(s)).unwrap();
    assert_eq!(at(&mut books, 0), Reply::Done);
    let question = Reply::Errands(vec![Errand::Pay(order(false))]);
    assert_eq!(at(&mut books, 2), question);
    assert_eq!(at(&mut books, 2), Reply::Done, "it was written down before it was told");
    assert_eq!(at(&mut books, 60), question);
    apply(&mut books, &said(NodeSaid::Failed), NOW.plus(60)).unwrap();
    assert_eq!(at(&mut books, 9_999), Reply::Done);
}

/// T82: who can only spend takes nothing out, and does not see what was taken.
#[test]
fn only_the_whole_token_takes_money_out() {
    let mut books = alice_with(100);
    let by = |by| PayOut { by, ..asked(1) };
    assert_eq!(run(&mut books, &Command::PayOut(by(SPEND))), no(No::CanOnlySpend));
    assert_eq!(run(&mut books, &Command::PayOut(by(crate::TokenDigest([9; 32])))), no(No::UnknownToken));
    assert_eq!(available(&books), 100);
    run(&mut books, &Command::PayOut(asked(1)));
    let see = |by| Command::SeePayout(SeePayout { by, id: ID, keyed: None });
    assert_eq!(run(&mut books, &see(SPEND)), no(No::CanOnlySpend));
    assert_eq!(payout(run(&mut books, &see(WHOLE))).stands, Stands::Pending);
    let other = Command::SeePayout(SeePayout { by: WHOLE, id: Id([9; 32]), keyed: None });
    assert_eq!(run(&mut books, &other), no(Ledger::WrongRow));
}

/// T94: the reserve is the amount and its routing; what the balance does not cover is not begun.
#[test]
fn what_the_balance_does_not_cover_is_refused_whole() {
    let mut books = alice_with(65);
    let before = books.clone();
    assert_eq!(run(&mut books, &Command::PayOut(asked(1))), no(Ledger::InsufficientFunds { available: Msat(65) }));
    assert_eq!(books, before);
}

/// T73, row A7: a key names one whole order. The same again finds itself, whatever invoice an address gave it this time.
#[test]
fn a_key_names_one_order() {
    let mut books = alice_with(200);
    let keyed = Some(Keyed { key: Id([1; 32]), order: Id([2; 32]) });
    let first = PayOut { keyed, ..asked(1) };
    run(&mut books, &Command::PayOut(first.clone()));
    let once = books.clone();
    let another_invoice =
        PayOut { payment_hash: preimage(2).payment_hash(), bolt11: "lnbcrt2".into(), ..first.clone() };
    let found = payout(run(&mut books, &Command::PayOut(another_invoice)));
    assert_eq!((found.payment_hash, found.order), (preimage(1).payment_hash(), Some(order(true))));
    let other = Some(Keyed { key: Id([1; 32]), order: Id([3; 32]) });
    assert_eq!(run(&mut books, &Command::PayOut(PayOut { keyed: other, ..asked(2) })), no(Ledger::KeyReused));
    assert_eq!(books, once);

    // An order that was refused binds nothing.
    let too_much =
        PayOut { amount: Msat(9_999), keyed: Some(Keyed { key: Id([4; 32]), order: Id([5; 32]) }), ..asked(2) };
    assert!(matches!(run(&mut books, &Command::PayOut(too_much)), Reply::Refused(No::InsufficientFunds { .. })));
    let good = PayOut { keyed: Some(Keyed { key: Id([4; 32]), order: Id([6; 32]) }), ..asked(2) };
    assert_eq!(payout(run(&mut books, &Command::PayOut(good))).stands, Stands::Pending);
}

/// T90: an invoice is paid once at a time; after a definite no it may be tried again under another id.
#[test]
fn an_invoice_is_in_one_payout_at_a_time() {
    let mut books = alice_with(200);
    run(&mut books, &Command::PayOut(asked(1)));
    let again = PayOut { id: Id([0x7f; 32]), ..asked(1) };
    assert_eq!(run(&mut books, &Command::PayOut(again.clone())), no(Ledger::InvoiceInUse));
    assert_eq!(run(&mut books, &Command::PayOut(PayOut { amount: Msat(61), ..asked(1) })), no(Ledger::KeyReused));
    run(&mut books, &said(NodeSaid::Failed));
    assert_eq!(payout(run(&mut books, &Command::PayOut(again))).stands, Stands::Pending);
}

/// Where nobody opened an account, nobody has a token of it.
#[test]
fn without_an_account_nothing_leaves() {
    let mut books = Memory::default();
    assert_eq!(run(&mut books, &Command::PayOut(asked(1))), no(No::UnknownToken));
    assert_eq!(run(&mut books, &said(paid(1, 0))), no(No::UnknownToken));
    assert_eq!(books, Memory::default());
    let mut books = alice_with(100);
    assert_eq!(run(&mut books, &said(paid(1, 0))), no(Ledger::WrongRow), "an answer about nothing");
    assert_eq!(run(&mut books, &Command::Covers(crate::testing::hold(1, 100))), left(100));
}
