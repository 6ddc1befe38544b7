use super::*;
use crate::testing::{ALICE, BOB, NOW, book_with, id};

const BUYER: Who = Who::Account(ALICE);
const CONTRACTOR: Who = Who::Account(BOB);

/// 100 of Alice's 150 are locked for Bob, of which 7 would be the platform's, until a minute from now.
fn new() -> NewEscrow {
    NewEscrow {
        id: id(1),
        contractor: BOB,
        amount: Msat(100),
        fee: Msat(7),
        deadline: NOW.plus(60),
        at_deadline: AtDeadline::Return,
    }
}

fn locked() -> (Book, Escrow) {
    let change = lock(&book_with(150), None, &new(), NOW).unwrap().change().unwrap();
    assert_eq!((change.book.balances.user, change.book.balances.escrow), (50, 100));
    (change.book, change.row)
}

fn done(book: &Book, row: &Escrow, what: Act, who: Who) -> Change<(Escrow, Option<Outbound>)> {
    act(book, row, what, who, row.version, NOW).unwrap().change().unwrap()
}

#[track_caller]
fn check(change: &Change<(Escrow, Option<Outbound>)>, released: i64, fee: i64, returned: i64) {
    let balances = change.book.balances;
    assert_eq!((balances.in_transit, balances.fees, balances.user - 50), (released, fee, returned));
    assert_eq!(balances.escrow, 0);
    let sent = change.row.1.map_or(0, |row| row.credit.amount.0);
    assert_eq!(i64::try_from(sent).unwrap(), released, "what left is what the contractor's book is told");
}

#[test]
fn a_confirmed_task_is_paid_and_the_platform_keeps_its_part() {
    let (book, row) = locked();
    let change = done(&book, &row, Act::Confirm, BUYER);
    check(&change, 93, 7, 0);
    let credit = change.row.1.unwrap().credit;
    assert_eq!((credit.to, credit.reason), (BOB, Reason::Task(id(1))));
    assert_eq!(change.effect, Some(Effect::Credit(credit)));
}

#[test]
fn a_task_given_up_costs_the_buyer_nothing() {
    let (book, row) = locked();
    let change = done(&book, &row, Act::GiveUp, CONTRACTOR);
    check(&change, 0, 0, 100);
    assert_eq!(change.effect, None);
}

/// T103: for every ruling the parts sum to the whole, and the platform takes no more than its share.
#[test]
fn a_dispute_is_divided_without_a_remainder() {
    let (book, row) = locked();
    let disputed = done(&book, &row, Act::Dispute, CONTRACTOR);
    let (row, _) = disputed.row;
    for to_contractor in 0..=100 {
        let rule = Act::Rule { to_contractor: Msat(to_contractor) };
        let ruled = done(&disputed.book, &row, rule, Who::Operator);
        let EscrowState::Ended { released, fee, returned } = ruled.row.0.state else { panic!() };
        assert_eq!(released.0 + fee.0 + returned.0, 100);
        assert!(fee.0 * 100 <= 7 * to_contractor && returned.0 == 100 - to_contractor);
    }
    let too_much = act(&disputed.book, &row, Act::Rule { to_contractor: Msat(101) }, Who::Operator, 2, NOW);
    assert_eq!(too_much, Err(Refusal::TooLarge));
}

/// T76, T103: the largest escrow there is, where a product of two amounts needs 80 bits.
#[test]
fn ten_bitcoin_are_divided_as_exactly_as_a_hundred_msat() {
    let most = NewEscrow { amount: Msat::MAX, fee: Msat(Msat::MAX.0 / 2), ..new() };
    let change = lock(&book_with(Msat::MAX.0), None, &most, NOW).unwrap().change().unwrap();
    let ended = done(&change.book, &change.row, Act::Confirm, BUYER);
    let half = i64::try_from(Msat::MAX.0 / 2).unwrap();
    assert_eq!((ended.book.balances.fees, ended.book.balances.in_transit), (half, half));
}

/// T101: every act by everybody who may not.
#[test]
fn nobody_decides_in_anothers_place() {
    let (book, row) = locked();
    let strangers = Who::Account(BookId([9; 32]));
    let rule = Act::Rule { to_contractor: Msat(1) };
    for (what, who) in [
        (Act::Confirm, CONTRACTOR),
        (Act::Confirm, Who::Operator),
        (Act::Confirm, Who::Alarm),
        (Act::GiveUp, BUYER),
        (Act::Dispute, strangers),
        (Act::Dispute, Who::Operator),
        (Act::Deadline, BUYER),
        (Act::Deadline, CONTRACTOR),
        (rule, BUYER),
        (rule, CONTRACTOR),
        (rule, Who::Alarm),
    ] {
        assert_eq!(act(&book, &row, what, who, 1, NOW), Err(Refusal::NotAParty), "{what:?} by {who:?}");
    }
}

/// T101: approve ∥ give up ∥ dispute ∥ expire; the first wins, whoever comes second changes nothing.
#[test]
fn the_first_ending_is_the_only_one() {
    let (book, row) = locked();
    let ended = done(&book, &row, Act::Confirm, BUYER);
    let (end, _) = ended.row;
    let again = |what, who| act(&ended.book, &end, what, who, 1, NOW.plus(60));
    assert_eq!(again(Act::Confirm, BUYER), Ok(Step::Already));
    assert_eq!(again(Act::GiveUp, CONTRACTOR), Err(Refusal::Ended));
    assert_eq!(again(Act::Dispute, CONTRACTOR), Err(Refusal::Ended));
    assert_eq!(again(Act::Deadline, Who::Alarm), Err(Refusal::Ended));
    assert_eq!(again(Act::Rule { to_contractor: Msat(0) }, Who::Operator), Err(Refusal::Ended));
    assert_eq!(act(&book, &row, Act::Confirm, BUYER, 0, NOW), Err(Refusal::Stale));
}

/// T102: one second apart.
#[test]
fn at_the_deadline_the_buyers_word_holds_and_nobody_elses() {
    let (book, row) = locked();
    let at = |what, who, seconds| act(&book, &row, what, who, 1, NOW.plus(seconds));
    assert!(at(Act::Confirm, BUYER, 59).is_ok());
    assert_eq!(at(Act::Deadline, Who::Alarm, 59), Err(Refusal::NotYet));
    for (what, who) in [(Act::Confirm, BUYER), (Act::GiveUp, CONTRACTOR), (Act::Dispute, BUYER)] {
        assert_eq!(at(what, who, 60), Err(Refusal::Expired));
    }
    check(&at(Act::Deadline, Who::Alarm, 60).unwrap().change().unwrap(), 0, 0, 100);
    let generous = Escrow { at_deadline: AtDeadline::Release, ..row };
    let released = act(&book, &generous, Act::Deadline, Who::Alarm, 1, NOW.plus(3_600)).unwrap();
    check(&released.change().unwrap(), 93, 7, 0);
}

#[test]
fn a_dispute_stops_the_clock_and_everybody_but_the_operator() {
    let (book, row) = locked();
    assert_eq!(
        act(&book, &row, Act::Rule { to_contractor: Msat(1) }, Who::Operator, 1, NOW),
        Err(Refusal::NotYet),
        "nobody asked the operator"
    );
    let disputed = done(&book, &row, Act::Dispute, BUYER);
    let (row, _) = disputed.row;
    let late = |what, who| act(&disputed.book, &row, what, who, 2, NOW.plus(9_999));
    assert_eq!(late(Act::Deadline, Who::Alarm), Err(Refusal::Busy));
    assert_eq!(late(Act::Confirm, BUYER), Err(Refusal::Busy));
    assert_eq!(late(Act::Dispute, CONTRACTOR), Ok(Step::Already));
    assert!(late(Act::Rule { to_contractor: Msat(0) }, Who::Operator).is_ok());
}

/// T78, T71, T73.
#[test]
fn a_price_is_locked_once_and_only_if_it_is_there() {
    let book = book_with(150);
    let refused = |new: NewEscrow| lock(&book, None, &new, NOW).unwrap_err();
    assert_eq!(refused(NewEscrow { amount: Msat(0), ..new() }), Refusal::ZeroAmount);
    assert_eq!(refused(NewEscrow { amount: Msat(151), ..new() }), Refusal::InsufficientFunds { available: Msat(150) });
    assert_eq!(refused(NewEscrow { fee: Msat(100), ..new() }), Refusal::TooLarge);
    assert_eq!(refused(NewEscrow { contractor: ALICE, ..new() }), Refusal::SelfPayment);
    assert_eq!(refused(NewEscrow { deadline: NOW, ..new() }), Refusal::Expired);
    let (book, row) = locked();
    assert_eq!(lock(&book, Some(&row), &new(), NOW), Ok(Step::Already));
    assert_eq!(lock(&book, Some(&row), &NewEscrow { fee: Msat(8), ..new() }, NOW), Err(Refusal::KeyReused));
}

/// T75.
#[test]
fn a_frozen_book_releases_nothing() {
    let (book, row) = locked();
    let (frozen, _) = book.freeze(crate::Invariant::I3, NOW);
    let refused = Err(Refusal::Frozen(crate::Invariant::I3));
    assert_eq!(act(&frozen, &row, Act::Confirm, BUYER, 1, NOW), refused);
}
