use l402::{Msat, PaymentHash};
use proptest::collection::vec;
use proptest::prelude::*;
use satstile_ledger::BookId;

use super::*;
use crate::apply;
use crate::books::Books;
use crate::command::{Command, Keyed, OpenTopUp, Secretless};
use crate::memory::Memory;
use crate::reply::Refusal as No;
use crate::testing::{NOW, SPEND, WHOLE, alice_with, run};

const ALICE: BookId = BookId([0xa1; 32]);
const BOB: BookId = BookId([0xb0; 32]);
const ID: Id = Id([0x50; 32]);
const INVOICE: PaymentHash = PaymentHash([0x77; 32]);

fn gift(amount: u64) -> Send {
    Send { by: WHOLE, id: ID, to: BOB, account: "bob".into(), amount: Msat(amount), invoice: None, keyed: None }
}

fn message(amount: u64) -> Receive {
    Receive { id: ID, from: ALICE, to: BOB, amount: Msat(amount), invoice: None, is_canceled: false }
}

/// Bob's account, with an invoice of 60 msat that he ordered as a refill, unpaid.
fn bob() -> Memory {
    let mut books = Memory::default();
    let refill = OpenTopUp {
        book: BOB,
        account: "bob".into(),
        payment_hash: INVOICE,
        asked: Msat(60),
        secret: None,
        secretless: Secretless::Everything,
        reference: String::new(),
        ends_at: NOW.plus(600),
        is_refill: true,
    };
    assert_eq!(run(&mut books, &Command::OpenTopUp(refill)), Reply::Done);
    books
}

fn no(refusal: impl Into<No>) -> Reply {
    Reply::Refused(refusal.into())
}

#[track_caller]
fn seen(reply: Reply) -> TransferSeen {
    match reply {
        Reply::Transfer(seen) => seen,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn answer(reply: Reply) -> Acked {
    match reply {
        Reply::Acked(acked) => acked,
        other => panic!("{other:?}"),
    }
}

fn available(books: &Memory) -> u64 {
    books.book().unwrap().map_or(0, |book| book.balances.available().0)
}

/// T84: taken out and written down, carried, taken in once, and told; nothing is doubled or lost on the way.
#[test]
fn a_gift_leaves_one_book_and_arrives_in_the_other_once() {
    let (mut alice, mut bob) = (alice_with(100), bob());
    let sent = seen(run(&mut alice, &Command::Send(gift(60))));
    assert_eq!((sent.stands, sent.available), (Stands::Pending, Msat(40)));
    let order = sent.order.unwrap();
    assert_eq!((order.receive, order.account.as_str(), order.sends), (message(60), "bob", 1));

    let first = answer(run(&mut bob, &Command::Receive(order.receive)));
    assert_eq!(first, Acked { id: ID, by: BOB, accepted: true });
    assert_eq!(available(&bob), 60);
    assert_eq!(answer(run(&mut bob, &Command::Receive(order.receive))), first, "carried twice, taken once");
    assert_eq!(available(&bob), 60);

    let over = seen(run(&mut alice, &Command::Acknowledge(first)));
    assert_eq!((over.stands, over.order), (Stands::Succeeded { fee: Msat(0), preimage: None }, None));
    assert_eq!(available(&alice), 40);
    // It may not be turned round afterwards.
    run(&mut alice, &Command::Acknowledge(Acked { accepted: false, ..first }));
    assert_eq!(available(&alice), 40);
}

/// T84: a gift opens no account; it comes back, and nobody's object stays empty.
#[test]
fn what_is_sent_to_nobody_comes_back() {
    let mut alice = alice_with(100);
    let order = seen(run(&mut alice, &Command::Send(gift(60)))).order.unwrap();
    let mut nobody = Memory::default();
    let declined = answer(run(&mut nobody, &Command::Receive(order.receive)));
    assert!(!declined.accepted);
    assert_eq!(nobody, Memory::default());
    let back = seen(run(&mut alice, &Command::Acknowledge(declined)));
    assert_eq!((back.stands, back.available), (Stands::Failed, Msat(100)));
}

/// T85: an answer that was lost is asked for again, less and less often.
#[test]
fn a_gift_without_an_answer_is_carried_again() {
    let mut alice = alice_with(100);
    run(&mut alice, &Command::Send(gift(60)));
    let at = |alice: &mut Memory, s: u64| apply(alice, &Command::Alarm, NOW.plus(s)).unwrap();
    assert_eq!(at(&mut alice, 0), Reply::Done);
    for (s, sends) in [(1, 2), (4, 3), (60, 4)] {
        let Reply::Errands(errands) = at(&mut alice, s) else { panic!("nothing to carry after {s} s") };
        let [Errand::Carry(order)] = errands.as_slice() else { panic!("{errands:?}") };
        assert_eq!((order.receive, order.sends), (message(60), sends));
    }
    let over = Acked { id: ID, by: BOB, accepted: true };
    apply(&mut alice, &Command::Acknowledge(over), NOW.plus(60)).unwrap();
    assert_eq!(at(&mut alice, 9_999), Reply::Done);
}

/// T82, T73: only the whole token gives; a key names one whole order, in whichever of the two ways it leaves.
#[test]
fn only_the_whole_token_gives_and_a_key_names_one_order() {
    let mut alice = alice_with(100);
    assert_eq!(run(&mut alice, &Command::Send(Send { by: SPEND, ..gift(60) })), no(No::CanOnlySpend));
    assert_eq!(run(&mut alice, &Command::Send(Send { to: ALICE, ..gift(60) })), no(Ledger::SelfPayment));
    let keyed = Some(Keyed { key: Id([1; 32]), order: Id([2; 32]) });
    run(&mut alice, &Command::Send(Send { keyed, ..gift(60) }));
    let once = alice.clone();
    assert_eq!(seen(run(&mut alice, &Command::Send(Send { keyed, ..gift(60) }))).stands, Stands::Pending);
    let other = Some(Keyed { key: Id([1; 32]), order: Id([3; 32]) });
    assert_eq!(
        run(&mut alice, &Command::Send(Send { keyed: other, id: Id([9; 32]), ..gift(1) })),
        no(Ledger::KeyReused)
    );
    let invoice = crate::command::PayOut {
        by: WHOLE,
        id: ID,
        payment_hash: INVOICE,
        amount: Msat(10),
        fee_limit: Msat(0),
        bolt11: "lnbcrt1".into(),
        keyed: None,
    };
    assert_eq!(run(&mut alice, &Command::PayOut(invoice)), no(Ledger::KeyReused));
    assert_eq!(alice, once);
}

/// T95: an invoice of ours is paid without Lightning, once the node says that nobody can pay it any more.
#[test]
fn an_invoice_of_ours_is_paid_here_only_when_nobody_else_can() {
    let pay = |amount| Send { invoice: Some(Hash(INVOICE)), ..gift(amount) };
    for (is_canceled, arrives) in [(true, 60), (false, 0)] {
        let (mut alice, mut bob) = (alice_with(100), bob());
        let order = seen(run(&mut alice, &Command::Send(pay(60)))).order.unwrap();
        let receive = Receive { is_canceled, ..order.receive };
        assert_eq!(receive.invoice, Some(Hash(INVOICE)));
        let acked = answer(run(&mut bob, &Command::Receive(receive)));
        assert_eq!((acked.accepted, available(&bob)), (is_canceled, arrives));
        run(&mut alice, &Command::Acknowledge(acked));
        assert_eq!(available(&alice), 100 - arrives, "what was declined is back");
        // Its owner asks about it as about any payout.
        let see = Command::SeePayout(crate::command::SeePayout { by: WHOLE, id: ID, keyed: None });
        let Reply::Payout(payout) = run(&mut alice, &see) else { panic!("it was ordered as a payout") };
        assert!(payout.stays_here && payout.payment_hash == INVOICE && payout.order.is_none());
    }
}

proptest! {
    /// I2, I11: whatever is carried, lost, doubled and answered in which order, no sat is made and none is lost.
    #[test]
    fn money_between_two_books_is_neither_made_nor_lost(steps in vec((0_u8..4, 1_u8..4, 1_u64..60), 1..40)) {
        let (mut alice, mut bob) = (alice_with(100), bob());
        let mut answers: Vec<Acked> = Vec::new();
        let mut messages: Vec<Receive> = Vec::new();
        let mut now = NOW;
        for (what, which, amount) in steps {
            let id = Id([which; 32]);
            match what {
                0 => {
                    let send = Command::Send(Send { id, ..gift(amount) });
                    if let Reply::Transfer(seen) = apply(&mut alice, &send, now).unwrap() {
                        messages.extend(seen.order.map(|order| order.receive));
                    }
                }
                1 => {
                    for message in &messages {
                        if let Reply::Acked(acked) = apply(&mut bob, &Command::Receive(*message), now).unwrap() {
                            answers.push(acked);
                        }
                    }
                }
                2 => {
                    if let Some(answer) = answers.get(usize::from(which) % answers.len().max(1)) {
                        apply(&mut alice, &Command::Acknowledge(*answer), now).unwrap();
                    }
                }
                _ => {
                    now = now.plus(amount);
                    if let Reply::Errands(errands) = apply(&mut alice, &Command::Alarm, now).unwrap() {
                        for errand in errands {
                            if let Errand::Carry(order) = errand {
                                messages.push(order.receive);
                            }
                        }
                    }
                }
            }
            let of = |books: &Memory| books.book().unwrap().unwrap().balances;
            let (a, b) = (of(&alice), of(&bob));
            prop_assert_eq!(a.user + a.in_transit + a.node + a.fees, 0, "a book sums to 0 (I2)");
            prop_assert!(a.user >= 0 && a.user + b.user <= 100, "no sat is made: {a:?} {b:?}");
        }
        // Everything arrives in the end.
        for message in messages {
            if let Reply::Acked(acked) = apply(&mut bob, &Command::Receive(message), now).unwrap() {
                apply(&mut alice, &Command::Acknowledge(acked), now).unwrap();
            }
        }
        prop_assert_eq!(available(&alice) + available(&bob), 100);
    }
}
