use super::*;
use crate::invariant::Invariant;
use crate::testing::{ALICE, BOB, NOW, book_with, hash, id, preimage};

const fn order_of(amount: u64, fee_limit: u64) -> NewPayout {
    NewPayout { id: id(1), payment_hash: PaymentHash([0; 32]), amount: Msat(amount), fee_limit: Msat(fee_limit) }
}

fn new() -> NewPayout {
    NewPayout { payment_hash: hash(1), ..order_of(80, 5) }
}

/// Alice had 100; 80 are on their way to somebody, 5 may go to routing.
fn sent() -> (Book, Payout) {
    let created = create(&book_with(100), None, &new(), Payee::Elsewhere, NOW).unwrap().change().unwrap();
    let change = send(&created.book, &created.row, NOW).unwrap().change().unwrap();
    let pay = Pay { payout: id(1), payment_hash: hash(1), amount: Msat(80), fee_limit: Msat(5) };
    assert_eq!(change.effect, Some(Effect::Pay(pay)));
    (change.book, change.row)
}

const fn success(fee: u64) -> NodeAnswer {
    NodeAnswer::Succeeded { preimage: preimage(1), fee: Msat(fee) }
}

fn over(outcome: Outcome<Payout>) -> crate::Change<Payout> {
    match outcome {
        Outcome::Over(Step::Write(change)) => change,
        other => panic!("{other:?}"),
    }
}

/// T94: amount and fee limit are reserved, the fee that was is paid, the rest comes back.
#[test]
fn routing_costs_what_it_cost() {
    let (book, row) = sent();
    assert_eq!((book.balances.user, book.balances.payout), (15, 85));
    let after = over(answer(&book, &row, &success(2), NOW).unwrap()).book.balances;
    assert_eq!((after.user, after.payout, after.fees, after.node), (18, 0, 0, -18));
}

/// T94: a node that was told and took more all the same takes it from the operator.
#[test]
fn a_fee_above_the_limit_is_not_the_users() {
    let (book, row) = sent();
    let after = over(answer(&book, &row, &success(9), NOW).unwrap()).book.balances;
    assert_eq!((after.user, after.payout, after.fees, after.node), (15, 0, -4, -11));
}

#[test]
fn a_failure_gives_everything_back() {
    let (book, row) = sent();
    let after = over(answer(&book, &row, &NodeAnswer::Failed, NOW).unwrap()).book.balances;
    assert_eq!((after.user, after.payout, after.node), (100, 0, -100));
}

/// T93: nothing but a definite answer ends it.
#[test]
fn what_is_unknown_stays_reserved() {
    let (book, row) = sent();
    assert_eq!(answer(&book, &row, &NodeAnswer::Unknown, NOW), Ok(Outcome::Open));
    let wrong = NodeAnswer::Succeeded { preimage: preimage(2), fee: Msat(0) };
    assert_eq!(answer(&book, &row, &wrong, NOW), Err(Refusal::WrongPreimage));
    let days = NOW.plus(86_400 * 30);
    let (again, effect) = look_up(&book, &row, days).unwrap();
    assert_eq!(effect, Effect::LookUp { payout: id(1), payment_hash: hash(1) }, "asked, never sent anew");
    assert_eq!(again.state, PayoutState::Sent);
    assert_eq!(cancel(&book, &row, days), Err(Refusal::Ended));
}

/// F17, T90: who never heard of it is believed only if they were there.
#[test]
fn a_node_that_forgot_everything_does_not_make_us_pay_twice() {
    let (book, row) = sent();
    let not_found = |store_since| answer(&book, &row, &NodeAnswer::NotFound { store_since }, NOW);
    let Outcome::Lost(Effect::Pay(pay)) = not_found(UnixTime(NOW.0 - 1)).unwrap() else { panic!() };
    assert_eq!(pay.payout, id(1), "under the same id");
    let alert = Outcome::Forgotten(Effect::Alert { subject: id(1) });
    assert_eq!(not_found(NOW), Ok(alert.clone()));
    assert_eq!(not_found(NOW.plus(60)), Ok(alert));
}

/// F16: late and repeated answers.
#[test]
fn the_definite_answer_stays() {
    let (book, row) = sent();
    let paid = over(answer(&book, &row, &success(2), NOW).unwrap());
    for later in [success(2), NodeAnswer::Failed, NodeAnswer::Unknown] {
        assert_eq!(answer(&paid.book, &paid.row, &later, NOW), Ok(Outcome::Over(Step::Already)), "{later:?}");
    }
    let failed = over(answer(&book, &row, &NodeAnswer::Failed, NOW).unwrap());
    assert_eq!(answer(&failed.book, &failed.row, &NodeAnswer::Failed, NOW), Ok(Outcome::Over(Step::Already)));
    let contradiction = answer(&failed.book, &failed.row, &success(2), NOW);
    assert_eq!(contradiction, Err(Refusal::Breach(Invariant::I6)), "freeze, and call a person");
    let rumour = NodeAnswer::Succeeded { preimage: preimage(9), fee: Msat(0) };
    assert_eq!(answer(&failed.book, &failed.row, &rumour, NOW), Err(Refusal::WrongPreimage));
}

/// T78, T71, T95.
#[test]
fn what_cannot_be_paid_out_is_not_reserved() {
    let book = book_with(100);
    let refused = |new: NewPayout, payee| create(&book, None, &new, payee, NOW).unwrap_err();
    assert_eq!(refused(order_of(0, 5), Payee::Elsewhere), Refusal::ZeroAmount);
    assert_eq!(refused(order_of(96, 5), Payee::Elsewhere), Refusal::InsufficientFunds { available: Msat(100) });
    assert_eq!(refused(order_of(80, u64::MAX), Payee::Elsewhere), Refusal::TooLarge);
    assert_eq!(refused(new(), Payee::Ours(BOB)), Refusal::OwnInvoice);
    assert_eq!(refused(new(), Payee::Ours(ALICE)), Refusal::SelfPayment);
    assert!(create(&book, None, &order_of(95, 5), Payee::Elsewhere, NOW).is_ok());
}

/// T73, T90.
#[test]
fn one_invoice_has_one_payout() {
    let (book, row) = sent();
    let again = |new: NewPayout| create(&book, Some(&row), &new, Payee::Elsewhere, NOW);
    assert_eq!(again(new()), Ok(Step::Already));
    assert_eq!(again(NewPayout { amount: Msat(81), ..new() }), Err(Refusal::KeyReused));
    assert_eq!(again(NewPayout { id: id(2), ..new() }), Err(Refusal::InvoiceInUse));
    assert_eq!(send(&book, &row, NOW), Ok(Step::Already), "the order goes out once, then it is asked about");
}

/// T75: in a frozen book nothing leaves, and what has left is recorded.
#[test]
fn a_frozen_book_pays_nothing_out_and_still_listens() {
    let created = create(&book_with(100), None, &new(), Payee::Elsewhere, NOW).unwrap().change().unwrap();
    let (frozen, _) = created.book.freeze(Invariant::I9, NOW);
    let refusal = Err(Refusal::Frozen(Invariant::I9));
    assert_eq!(send(&frozen, &created.row, NOW), refusal);
    let other = NewPayout { id: id(2), ..order_of(1, 0) };
    assert_eq!(create(&frozen, None, &other, Payee::Elsewhere, NOW), refusal);
    let (book, row) = sent();
    let (frozen, _) = book.freeze(Invariant::I9, NOW);
    assert_eq!(over(answer(&frozen, &row, &success(0), NOW).unwrap()).book.balances.node, -20);
}

#[test]
fn only_what_was_not_sent_can_be_called_off() {
    let created = create(&book_with(100), None, &new(), Payee::Elsewhere, NOW).unwrap().change().unwrap();
    assert_eq!(answer(&created.book, &created.row, &NodeAnswer::Failed, NOW), Err(Refusal::Ended));
    let off = cancel(&created.book, &created.row, NOW).unwrap().change().unwrap();
    assert_eq!(off.book.balances.user, 100);
    assert_eq!(cancel(&off.book, &off.row, NOW), Ok(Step::Already));
    assert_eq!(send(&off.book, &off.row, NOW), Err(Refusal::Ended));
}

/// The preimage of a payout is the owner's proof, and no line of a log.
#[test]
fn a_payout_does_not_print_its_preimage() {
    let (book, row) = sent();
    let text = format!("{:?}", over(answer(&book, &row, &success(0), NOW).unwrap()).row);
    assert!(!text.contains(&preimage(1).expose_hex()) && !text.contains("1, 1, 1"), "{text}");
}
