use l402::{Msat, Preimage};

use super::*;
use crate::apply;
use crate::books::Books;
use crate::command::{Command, NodeSaid, PayAnswer, ReturnInvoice, Routing};
use crate::memory::Memory;
use crate::reply::{LookUp, PayOrder, Refusal as No};
use crate::testing::{NOW, run};

const UNIT: u64 = 1_000;
const IDLE_S: u32 = 300;

fn preimage(n: u8) -> Preimage {
    Preimage::new([n; 32])
}

fn hash(n: u8) -> PaymentHash {
    preimage(n).payment_hash()
}

fn back(n: u8) -> ReturnInvoice {
    ReturnInvoice { payment_hash: hash(n), bolt11: "lnbcrt1back".into() }
}

const fn came(paid: u64) -> Option<Came> {
    Some(Came { paid: Msat(paid), node_fee: Msat(0) })
}

/// A deposit of 20 units.
fn opening(came: Option<Came>) -> OpenSession {
    let (payment_hash, asked) = (hash(1), Msat(20 * UNIT));
    OpenSession { payment_hash, preimage: preimage(1), asked, came, back: back(9), idle_s: IDLE_S }
}

fn meter(end: Option<(u8, u64)>, begin: Option<(u8, u64)>) -> Meter {
    Meter {
        session: hash(1),
        by: None,
        end: end.map(|(n, _)| UseId(Id([n; 32]))),
        used: end.map_or(0, |(_, used)| used),
        begin: begin.map(|(n, _)| UseId(Id([n; 32]))),
        want: begin.map_or(0, |(_, want)| want),
        unit: Msat(UNIT),
        ttl_s: 60,
    }
}

fn closing() -> CloseSession {
    let routing = Routing { ppm: 10_000, min: Msat(100) };
    CloseSession { session: hash(1), by: None, is_alarm: false, routing, again: None }
}

fn opened() -> Memory {
    let mut books = Memory::default();
    assert_eq!(run(&mut books, &Command::OpenSession(opening(came(20 * UNIT)))), Reply::Done);
    books
}

fn no(refusal: impl Into<No>) -> Reply {
    Reply::Refused(refusal.into())
}

fn metered(units: u64, spent: u64, available: u64) -> Reply {
    Reply::Metered(Metered { units, spent: Msat(spent * UNIT), available: Msat(available * UNIT) })
}

#[track_caller]
fn seen(reply: Reply) -> SessionSeen {
    match reply {
        Reply::Session(seen) => seen,
        other => panic!("{other:?}"),
    }
}

fn said(order: &PayOrder, said: NodeSaid) -> Command {
    Command::PayAnswer(PayAnswer { id: order.id, said })
}

/// C7, T83: the node's word about the payment and the preimage open a session; nothing less does, and nothing less leaves a
/// trace.
#[test]
fn a_session_opens_with_a_deposit_that_was_paid_and_its_proof() {
    let mut books = Memory::default();
    assert_eq!(run(&mut books, &Command::OpenSession(opening(None))), no(Ledger::NotSettled));
    let other_proof = OpenSession { preimage: preimage(2), ..opening(came(20 * UNIT)) };
    assert_eq!(run(&mut books, &Command::OpenSession(other_proof)), no(Ledger::WrongPreimage));
    assert_eq!(run(&mut books, &Command::OpenSession(opening(came(20 * UNIT - 1)))), no(Ledger::Underpaid));
    assert_eq!(books, Memory::default(), "nothing was credited to nobody");

    assert_eq!(run(&mut books, &Command::OpenSession(opening(came(20 * UNIT)))), Reply::Done);
    let once = books.clone();
    for again in [opening(None), opening(came(20 * UNIT)), opening(came(99 * UNIT))] {
        assert_eq!(run(&mut books, &Command::OpenSession(again)), Reply::Done);
        assert_eq!(books, once);
    }
    assert_eq!(run(&mut books, &Command::Meter(meter(None, None))), metered(0, 0, 20));
}

/// T71: half of what is left at a time, so that two answers do not starve each other; what was used is charged and the rest is
/// free again; a lost answer asked for again reserves nothing more.
#[test]
fn units_are_reserved_ahead_and_only_used_ones_are_charged() {
    let mut books = opened();
    assert_eq!(run(&mut books, &Command::Meter(meter(None, Some((1, 16))))), metered(10, 0, 10));
    assert_eq!(run(&mut books, &Command::Meter(meter(None, Some((1, 16))))), metered(10, 0, 10));
    assert_eq!(run(&mut books, &Command::Meter(meter(None, Some((2, 3))))), metered(3, 0, 7));
    assert_eq!(run(&mut books, &Command::Meter(meter(Some((1, 4)), Some((3, 1))))), metered(1, 4, 12));
    assert_eq!(
        run(&mut books, &Command::Meter(meter(Some((2, 0)), None))),
        metered(0, 4, 15),
        "nothing used, nothing charged"
    );
    assert_eq!(run(&mut books, &Command::Meter(meter(Some((3, 1)), None))), metered(0, 5, 15));
    // An end that is told again changes nothing.
    assert_eq!(run(&mut books, &Command::Meter(meter(Some((3, 1)), None))), metered(0, 5, 15));
    assert_eq!(
        run(&mut books, &Command::Meter(Meter { session: hash(5), ..meter(None, None) })),
        no(Ledger::UnknownPayment)
    );
}

/// T71: where nothing is left nothing is reserved, and that is no error.
#[test]
fn an_empty_session_reserves_nothing() {
    let mut books = opened();
    for n in 1..=5 {
        run(&mut books, &Command::Meter(meter(None, Some((n, 20)))));
    }
    assert_eq!(run(&mut books, &Command::Meter(meter(None, Some((9, 1))))), metered(0, 0, 0));
}

/// T83: what somebody saw of another session's challenge opens nothing here; one of its own deposits does.
#[test]
fn a_challenge_of_another_session_is_not_enough_where_its_own_is_asked_for() {
    let mut books = opened();
    let by = |n| Some(Hash(hash(n)));
    assert_eq!(run(&mut books, &Command::Meter(Meter { by: by(2), ..meter(None, None) })), no(No::NotItsChallenge));
    assert_eq!(
        run(&mut books, &Command::CloseSession(CloseSession { by: by(2), ..closing() })),
        no(No::NotItsChallenge)
    );
    assert_eq!(run(&mut books, &Command::Meter(Meter { by: by(1), ..meter(None, None) })), metered(0, 0, 20));
}

/// T76: another deposit goes in once, by the node's word, and never beyond what could go back.
#[test]
fn another_deposit_goes_in_once_and_within_the_limit() {
    let mut books = opened();
    let more = |came| TopUpSession {
        session: hash(1),
        payment_hash: hash(2),
        asked: Msat(5 * UNIT),
        came,
        limit: Msat(25 * UNIT),
    };
    let tight = TopUpSession { limit: Msat(25 * UNIT - 1), ..more(came(5 * UNIT)) };
    assert_eq!(run(&mut books, &Command::TopUpSession(tight)), no(No::SessionFull));
    assert_eq!(run(&mut books, &Command::TopUpSession(more(None))), no(Ledger::NotSettled));
    for _ in 0..2 {
        assert_eq!(run(&mut books, &Command::TopUpSession(more(came(5 * UNIT)))), Reply::Done);
        assert_eq!(run(&mut books, &Command::Meter(meter(None, None))), metered(0, 0, 25));
    }
    let deposit = |n| SessionDeposit { session: hash(1), payment_hash: hash(n) };
    assert_eq!(run(&mut books, &Command::HasDeposit(deposit(2))), Reply::Done);
    assert_eq!(run(&mut books, &Command::HasDeposit(deposit(3))), no(Ledger::UnknownPayment));
    assert_eq!(
        run(&mut books, &Command::LacksDeposit(deposit(3))),
        no(Ledger::OtherAccount),
        "it is open, and may yet take it"
    );
    run(&mut books, &Command::CloseSession(closing()));
    assert_eq!(run(&mut books, &Command::LacksDeposit(deposit(3))), Reply::Done);
    assert_eq!(run(&mut books, &Command::LacksDeposit(deposit(2))), no(Ledger::OtherAccount));
}

/// T94: what is left goes back in whole satoshi, once, after all uses have ended; the routing is the operator's.
#[test]
fn what_is_left_goes_back_when_nothing_is_under_way() {
    let mut books = opened();
    run(&mut books, &Command::Meter(meter(None, Some((1, 6)))));
    assert_eq!(run(&mut books, &Command::CloseSession(closing())), no(Ledger::Busy));
    run(&mut books, &Command::Meter(meter(Some((1, 6)), None)));
    let closed = seen(run(&mut books, &Command::CloseSession(closing())));
    let order = closed.order.unwrap();
    assert_eq!((closed.refund_sats, closed.stands), (14, BackStands::Pending));
    assert_eq!((order.amount, order.bolt11.as_str(), order.is_send), (Msat(14_000), "lnbcrt1back", true));
    assert_eq!(order.payment_hash, hash(9));
    assert_eq!(run(&mut books, &Command::Meter(meter(None, Some((2, 1))))), no(Ledger::Ended));
    // Asked again: how it stands, and no second order.
    assert_eq!(seen(run(&mut books, &Command::CloseSession(closing()))).order, None);
    run(&mut books, &said(&order, NodeSaid::Succeeded { preimage: preimage(9), fee: Msat(50) }));
    let over = seen(run(&mut books, &Command::CloseSession(closing())));
    assert_eq!((over.refund_sats, over.stands, over.order), (14, BackStands::Succeeded, None));
}

/// T93: a refund that has definitely failed goes to another invoice, and to no second one while that is under way.
#[test]
fn a_refund_that_failed_goes_to_another_invoice() {
    let mut books = opened();
    let first = seen(run(&mut books, &Command::CloseSession(closing()))).order.unwrap();
    let to = |n| Command::CloseSession(CloseSession { again: Some(back(n)), ..closing() });
    assert_eq!(seen(run(&mut books, &to(8))).order, None, "the first is under way");
    run(&mut books, &said(&first, NodeSaid::Failed));
    assert_eq!(seen(run(&mut books, &Command::CloseSession(closing()))).stands, BackStands::Failed);
    let second = seen(run(&mut books, &to(8))).order.unwrap();
    assert_eq!((second.payment_hash, second.amount <= Msat(20_000)), (hash(8), true));
    assert_eq!(seen(run(&mut books, &to(7))).order, None, "the second is under way");
}

/// T85: a session that nobody uses is to be closed, one that is used is kept, and one that nobody can close is put off.
#[test]
fn an_idle_session_is_to_be_closed() {
    let mut books = opened();
    let at = |books: &mut Memory, command: &Command, s: u64| apply(books, command, NOW.plus(s)).unwrap();
    let idle_s = u64::from(IDLE_S);
    assert_eq!(at(&mut books, &Command::Alarm, idle_s - 1), Reply::Done);
    let close = Reply::Errands(vec![Errand::Close(Idle { session: hash(1) })]);
    assert_eq!(at(&mut books, &Command::Alarm, idle_s), close);
    assert_eq!(at(&mut books, &Command::Alarm, idle_s + 1), close, "until somebody says that it was done");
    assert_eq!(at(&mut books, &Command::PutOff, idle_s + 1), Reply::Done);
    assert_eq!(at(&mut books, &Command::Alarm, idle_s + 3_600), Reply::Done);
    assert_eq!(at(&mut books, &Command::Alarm, idle_s + 3_601), close);

    let mut books = opened();
    let long = Meter { ttl_s: 3_600, ..meter(None, Some((1, 1))) };
    assert_eq!(at(&mut books, &Command::Meter(long), idle_s - 1), metered(1, 0, 19));
    assert_eq!(at(&mut books, &Command::Alarm, 2 * idle_s), Reply::Done, "a use is under way");
    let alarm = CloseSession { is_alarm: true, ..closing() };
    assert_eq!(at(&mut opened(), &Command::CloseSession(alarm), 1), no(Ledger::NotYet));
}

/// C12, F17: a deposit that was pushed waits for its session; the alarm asks about one that nobody used, and it ends where it
/// fills another.
#[test]
fn a_deposit_waits_until_somebody_uses_it() {
    let waiting = WaitDeposit { payment_hash: hash(1), asked: Msat(20 * UNIT), ends_at: NOW.plus(600) };
    let mut books = Memory::default();
    for _ in 0..2 {
        assert_eq!(run(&mut books, &Command::WaitDeposit(waiting)), Reply::Done);
    }
    assert_eq!(run(&mut books, &Command::Meter(meter(None, None))), no(Ledger::UnknownPayment), "it is no session yet");
    let late = |books: &mut Memory| apply(books, &Command::Alarm, NOW.plus(600 + unpaid::GRACE_S)).unwrap();
    let (payment_hash, asked) = (hash(1), Msat(20 * UNIT));
    let look = LookUp { payment_hash, asked, reference: "".into(), is_deposit: true };
    assert_eq!(late(&mut books.clone()), Reply::Errands(vec![Errand::LookUp(look)]));

    let mut elsewhere = books.clone();
    assert_eq!(run(&mut elsewhere, &Command::DepositGone(NamedTopUp { payment_hash })), Reply::Done);
    assert_eq!(late(&mut elsewhere), Reply::Done);

    assert_eq!(run(&mut books, &Command::OpenSession(opening(came(20 * UNIT)))), Reply::Done);
    assert_eq!(run(&mut books, &Command::Meter(meter(None, None))), metered(0, 0, 20));
    assert!(
        !books.due(UnixTime(u64::MAX), 9).unwrap().iter().any(|(table, _)| *table == Table::Unpaid),
        "the wait is over"
    );
}
