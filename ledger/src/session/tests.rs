use super::*;
use crate::payout::{NodeAnswer, Outcome};
use crate::spend;
use crate::testing::{ALICE, BOB, NOW, hash, id, preimage};
use crate::topup::Settlement;

/// A deposit of 20 units of 250 msat, credited and open.
fn opened() -> (Book, Session, TopUp) {
    let empty = Book::open(ALICE);
    let deposit = topup::open(&empty, None, hash(1), Msat(250 * DEPOSIT_UNITS), topup::Terms::FREE).unwrap();
    let before = open(&empty, None, &deposit, &preimage(1), (hash(2), IDLE_S), NOW);
    assert_eq!(before, Err(Refusal::NotSettled));
    let paid = Settlement { payment_hash: hash(1), paid: Msat(5_000), node_fee: Msat(0) };
    let change = topup::credit(&empty, Some(&deposit), &paid, NOW).unwrap().change().unwrap();
    let (session, deposit) = open(&change.book, None, &change.row, &preimage(1), (hash(2), IDLE_S), NOW).unwrap();
    (change.book, session, deposit)
}

fn used(book: &Book, units: u64) -> Book {
    spend::debit(book, None, id(7), Msat(250 * units), &mut [], NOW).unwrap().change().unwrap().book
}

/// T83: opened again, credited once; and a payment that filled something else opens nothing.
#[test]
fn a_replayed_open_is_the_same_session() {
    let (book, session, deposit) = opened();
    let again = open(&book, Some(&session), &deposit, &preimage(1), (hash(9), 1), NOW.plus(9));
    assert_eq!(again, Ok((session, deposit)), "nor does it change the return invoice");
    let stranger = open(&book, Some(&session), &deposit, &preimage(2), (hash(9), 1), NOW);
    assert_eq!(stranger, Err(Refusal::WrongPreimage));
    let second = open(&book, None, &deposit, &preimage(1), (hash(9), 1), NOW);
    assert_eq!(second, Err(Refusal::AlreadyClaimed));
    let elsewhere = open(&Book::open(BOB), None, &deposit, &preimage(1), (hash(9), 1), NOW);
    assert_eq!(elsewhere, Err(Refusal::OtherAccount));
}

#[test]
fn what_is_left_goes_back_in_whole_satoshi() {
    let (book, session, _) = opened();
    let closed = close(&used(&book, 5), &session, None, Msat(100), Closer::Bearer, NOW).unwrap().change().unwrap();
    let (session, payout) = closed.row;
    let payout = payout.unwrap();
    assert_eq!(session.state, SessionState::Closed { refund_sats: 3, payout: Some(payout.id) });
    let balances = closed.book.balances;
    assert_eq!((balances.user, balances.payout), (0, 3_100), "the operator bears the routing");
    assert_eq!(balances.fees, 1_250 + 750 - 100, "five units, the dust, less the reserve");
    assert_eq!(refund_status(&session, Some(&payout)), Some(RefundStatus::Pending));
    let sent = payout::send(&closed.book, &payout, NOW).unwrap().change().unwrap();
    let success = NodeAnswer::Succeeded { preimage: preimage(2), fee: Msat(40) };
    let Outcome::Over(Step::Write(paid)) = payout::answer(&sent.book, &sent.row, &success, NOW).unwrap() else {
        panic!()
    };
    assert_eq!(refund_status(&session, Some(&paid.row)), Some(RefundStatus::Succeeded));
    assert_eq!((paid.book.balances.user, paid.book.balances.fees), (0, 2_000 - 40));
    assert_eq!(close(&paid.book, &session, None, Msat(9), Closer::Bearer, NOW), Ok(Step::Already));
}

#[test]
fn a_refund_that_cannot_be_paid_stays_in_the_sessions_book() {
    let (book, session, failed) = failed();
    assert_eq!((book.balances.user, book.balances.fees), (5_000, 0));
    assert_eq!(refund_status(&session, Some(&failed)), Some(RefundStatus::Failed));
}

/// A session that nothing was used of, closed, and its refund failed.
fn failed() -> (Book, Session, Payout) {
    let (book, session, _) = opened();
    let closed = close(&book, &session, None, Msat(100), Closer::Bearer, NOW).unwrap().change().unwrap();
    let sent = payout::send(&closed.book, &closed.row.1.unwrap(), NOW).unwrap().change().unwrap();
    let Outcome::Over(Step::Write(failed)) = payout::answer(&sent.book, &sent.row, &NodeAnswer::Failed, NOW).unwrap()
    else {
        panic!()
    };
    (failed.book, closed.row.0, failed.row)
}

/// T94: who names the invoice names the route, and does not get the service back on it.
#[test]
fn routing_costs_a_tenth_of_what_the_session_has_earned_at_most() {
    let (book, session, _) = opened();
    let limit = |book: &Book| {
        let closed = close(book, &session, None, Msat(1_000), Closer::Bearer, NOW).unwrap().change().unwrap();
        (closed.row.1.unwrap().fee_limit, closed.book.balances.fees)
    };
    assert_eq!(limit(&book), (Msat(0), 0));
    assert_eq!(limit(&used(&book, 8)), (Msat(200), 1_800));
    let closed = close(&used(&book, 8), &session, None, Msat(199), Closer::Bearer, NOW).unwrap().change().unwrap();
    assert_eq!(closed.row.1.unwrap().fee_limit, Msat(199), "and never more than was permitted");
}

/// What the node says of a payout that it was told to send.
fn told(book: &Book, row: &Payout, answer: &NodeAnswer) -> (Book, Payout) {
    let sent = payout::send(book, row, NOW).unwrap().change().unwrap();
    let Outcome::Over(Step::Write(over)) = payout::answer(&sent.book, &sent.row, answer, NOW).unwrap() else {
        panic!()
    };
    (over.book, over.row)
}

/// A session that earned nothing: the bearer bears the route, and what that did not cost goes back with the next invoice.
#[test]
fn what_could_not_be_sent_back_goes_to_another_invoice_for_the_bearers_routing() {
    let (book, session, failed) = failed();
    let back = |row: Option<&Payout>, invoice, in_use, limit| {
        send_back(&book, &session, row, (invoice, in_use), Msat(limit), NOW)
    };
    let again = back(Some(&failed), hash(3), None, 400).unwrap().change().unwrap();
    assert_eq!((again.row.1.amount, again.row.1.fee_limit), (Msat(4_000), Msat(400)));
    assert_eq!((again.book.balances.user, again.book.balances.payout, again.book.balances.fees), (600, 4_400, 0));
    assert_eq!(refund_status(&again.row.0, Some(&again.row.1)), Some(RefundStatus::Pending));
    assert_eq!(refund_status(&again.row.0, Some(&failed)), Some(RefundStatus::Pending), "the old one says nothing");
    let once_more = send_back(&again.book, &again.row.0, Some(&again.row.1), (hash(4), None), Msat(0), NOW);
    assert_eq!(once_more, Err(Refusal::Busy), "one at a time");
    let dear = back(Some(&failed), hash(3), None, 50_000).unwrap().change().unwrap();
    assert_eq!((dear.row.1.amount, dear.row.1.fee_limit), (Msat(4_000), Msat(500)), "a tenth at most");
    let (paid, row) = told(&dear.book, &dear.row.1, &NodeAnswer::Succeeded { preimage: preimage(3), fee: Msat(0) });
    assert_eq!((paid.balances.user, paid.balances.fees), (1_000, 0));
    let rest = send_back(&paid, &dear.row.0, Some(&row), (hash(4), None), Msat(0), NOW).unwrap().change().unwrap();
    assert_eq!((rest.row.1.amount, rest.book.balances.user), (Msat(1_000), 0), "nothing is stuck");
    assert_eq!(back(None, hash(3), None, 0), Err(Refusal::Busy));
    assert_eq!(back(Some(&failed), hash(2), None, 0), Err(Refusal::InvoiceInUse));
    assert_eq!(back(Some(&failed), hash(3), Some(&failed), 0), Err(Refusal::InvoiceInUse));
    let (open_book, open, _) = opened();
    assert_eq!(send_back(&open_book, &open, Some(&failed), (hash(3), None), Msat(0), NOW), Err(Refusal::Busy));
}

/// And of one that earned it: the bearer gets all that is left, as at the close.
#[test]
fn a_second_try_costs_the_bearer_nothing_where_the_session_has_earned_the_routing() {
    let (book, session, _) = opened();
    let closed = close(&used(&book, 8), &session, None, Msat(1_000), Closer::Bearer, NOW).unwrap().change().unwrap();
    let (failed, row) = told(&closed.book, &closed.row.1.unwrap(), &NodeAnswer::Failed);
    let back = |limit| send_back(&failed, &closed.row.0, Some(&row), (hash(3), None), Msat(limit), NOW);
    let again = back(200).unwrap().change().unwrap();
    assert_eq!((again.row.1.amount, again.row.1.fee_limit), (Msat(3_000), Msat(200)));
    assert_eq!((again.book.balances.user, again.book.balances.fees), (0, 1_800));
    let dear = back(2_001).unwrap().change().unwrap();
    assert_eq!((dear.row.1.amount, dear.row.1.fee_limit), (Msat(2_000), Msat(300)));
    let (paid, row) = told(&again.book, &again.row.1, &NodeAnswer::Succeeded { preimage: preimage(3), fee: Msat(5) });
    assert_eq!((paid.balances.user, paid.balances.fees), (0, 1_995));
    let nothing = send_back(&paid, &again.row.0, Some(&row), (hash(4), None), Msat(0), NOW);
    assert_eq!(nothing, Err(Refusal::InsufficientFunds { available: Msat(0) }));
}

/// T79: a long answer is no idleness.
#[test]
fn a_session_in_use_is_kept_by_the_alarm_until_the_use_has_ended() {
    let (book, session, _) = opened();
    let late = NOW.plus(2 * u64::from(IDLE_S));
    assert_eq!(keep(&book, &session, late), None);
    let new = crate::hold::NewHold { id: id(3), ceiling: Msat(1), estimate: Msat(0), ttl_s: 3_600 };
    let held = crate::hold::place(&book, None, &new, &mut [], NOW).unwrap().change().unwrap();
    let kept = keep(&held.book, &session, late).unwrap();
    assert_eq!(kept.idle_at, late.plus(u64::from(IDLE_S)));
    assert_eq!(touch(&held.book, &session, late), Ok(kept));
}

#[test]
fn an_idle_session_is_closed_by_the_alarm_and_a_used_one_is_not() {
    let (book, session, _) = opened();
    let last = NOW.plus(u64::from(IDLE_S) - 1);
    let end = NOW.plus(u64::from(IDLE_S));
    assert_eq!(close(&book, &session, None, Msat(0), Closer::Alarm, last), Err(Refusal::NotYet));
    let touched = touch(&book, &session, last).unwrap();
    assert_eq!(close(&book, &touched, None, Msat(0), Closer::Alarm, end), Err(Refusal::NotYet));
    assert_eq!(touch(&book, &session, end), Err(Refusal::Ended));
    assert!(close(&book, &session, None, Msat(0), Closer::Alarm, end).is_ok());
}
