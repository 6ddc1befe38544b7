use super::*;
use crate::effect::Effect;
use crate::sale;
use crate::testing::{ALICE, NOW, hash, id, preimage};
use crate::topup::Settlement;

/// A purchase of 21 sats failed, and the payer holds a link for an hour.
fn promised() -> (Book, Refund, Sale) {
    let paid = Settlement { payment_hash: hash(1), paid: Msat(21_000), node_fee: Msat(0) };
    let sold = sale::record(&Book::open(ALICE), None, &paid, NOW).unwrap().change().unwrap();
    let step = promise(&sold.book, None, &sold.row, id(1), Msat(21_000), (3_600, NOW));
    let change = step.unwrap().change().unwrap();
    (change.book, change.row.0, change.row.1)
}

fn withdrawal(n: u8) -> Withdrawal {
    Withdrawal { payment_hash: hash(n), amount: Msat(21_000), fee_limit: Msat(1_000) }
}

/// The wallet gave invoice 2, and the node was asked to pay it.
fn claiming() -> (Book, Refund, Payout) {
    let (book, row, _) = promised();
    let claimed = claim(&book, &row, None, &withdrawal(2), NOW).unwrap().change().unwrap();
    let (row, payout) = claimed.row;
    let sent = payout::send(&claimed.book, &payout, NOW).unwrap().change().unwrap();
    assert!(matches!(sent.effect, Some(Effect::Pay(pay)) if pay.amount == Msat(21_000)));
    (sent.book, row, sent.row)
}

/// Systems B: the first two failures in 15 minutes in full, later ones less 2 sats.
#[test]
fn the_third_failure_in_a_quarter_of_an_hour_costs_two_sats() {
    let price = Msat(21_000);
    let (first, seen) = Failures::default().and_now(price, NOW);
    let (second, seen) = seen.and_now(price, NOW.plus(10));
    assert_eq!((first, second), (price, price));
    assert_eq!(seen.and_now(price, NOW.plus(899)).0, Msat(19_000));
    assert_eq!(seen.and_now(price, NOW.plus(900)).0, price, "the first is 15 minutes ago");
    assert_eq!(seen.and_now(Msat(1_500), NOW.plus(20)).0, Msat(0), "never less than nothing");
    assert_eq!(
        seen.and_now(price, UnixTime(NOW.0 - 50)).0,
        Msat(19_000),
        "T87: a clock set back earns nobody a refund"
    );
}

/// T100.
#[test]
fn no_more_goes_back_than_was_paid_and_not_used() {
    let (book, _, sale) = promised();
    assert_eq!(sale.refundable(), Msat(0));
    let more = promise(&book, None, &sale, id(2), Msat(1), (60, NOW));
    assert_eq!(more, Err(Refusal::RefundOpen));
    let closed = Sale { open_refund: None, ..sale };
    assert_eq!(promise(&book, None, &closed, id(2), Msat(1), (60, NOW)), Err(Refusal::NothingToRefund));
    assert_eq!(sale.consume(Msat(1)), Err(Refusal::InsufficientFunds { available: Msat(0) }), "nor used");
    let unsold = Sale { refunded: Msat(0), open_refund: None, ..sale };
    let used = unsold.consume(Msat(20_999)).unwrap();
    assert_eq!(promise(&book, None, &used, id(2), Msat(2), (60, NOW)), Err(Refusal::NothingToRefund));
    assert_eq!(promise(&book, None, &used, id(2), Msat(0), (60, NOW)), Err(Refusal::NothingToRefund));
}

#[test]
fn the_same_promise_again_is_the_same() {
    let (book, row, sale) = promised();
    assert_eq!(promise(&book, Some(&row), &sale, id(1), Msat(21_000), (60, NOW)), Ok(Step::Already));
    assert_eq!(promise(&book, Some(&row), &sale, id(1), Msat(20_000), (60, NOW)), Err(Refusal::KeyReused));
}

/// T91: the race of two wallets for one link.
#[test]
fn a_link_pays_one_invoice() {
    let (book, row, payout) = claiming();
    assert_eq!((book.balances.refund, book.balances.payout, book.balances.fees), (0, 22_000, -1_000));
    assert_eq!(claim(&book, &row, None, &withdrawal(3), NOW), Err(Refusal::LinkUsed));
    assert_eq!(claim(&book, &row, Some(&payout), &withdrawal(2), NOW), Ok(Step::Already), "the wallet retries");
    let success = NodeAnswer::Succeeded { preimage: preimage(2), fee: Msat(300) };
    let Outcome::Over(Step::Write(paid)) = answer(&book, &row, &payout, &success, NOW).unwrap() else { panic!() };
    let (row, payout) = paid.row;
    assert_eq!(row.state, RefundState::Claimed);
    let left = paid.book.balances;
    assert_eq!((left.fees, left.payout, left.node), (-300, 0, 300), "the operator bore the routing");
    assert_eq!(claim(&paid.book, &row, None, &withdrawal(3), NOW), Err(Refusal::LinkUsed));
    let again = answer(&paid.book, &row, &payout, &success, NOW);
    assert_eq!(again, Ok(Outcome::Over(Step::Already)));
}

/// T92: an unknown payment keeps the link shut; a failed one opens it, and the next claim has another id.
#[test]
fn a_link_opens_again_only_when_paying_it_failed_for_good() {
    let (book, row, payout) = claiming();
    assert_eq!(answer(&book, &row, &payout, &NodeAnswer::Unknown, NOW), Ok(Outcome::Open));
    assert_eq!(claim(&book, &row, None, &withdrawal(3), NOW), Err(Refusal::LinkUsed));
    let Outcome::Over(Step::Write(failed)) = answer(&book, &row, &payout, &NodeAnswer::Failed, NOW).unwrap() else {
        panic!()
    };
    assert_eq!((failed.book.balances.refund, failed.book.balances.fees), (21_000, 0));
    let again = claim(&failed.book, &failed.row.0, None, &withdrawal(3), NOW).unwrap().change().unwrap();
    assert_ne!(again.row.1.id, payout.id, "the node's memory of the first says nothing about the second");
    let stale = answer(&again.book, &again.row.0, &failed.row.1, &NodeAnswer::Failed, NOW);
    assert_eq!(stale, Ok(Outcome::Over(Step::Already)), "and an old answer changes nothing");
}

#[test]
fn a_claim_is_for_the_exact_amount_and_a_free_invoice() {
    let (book, row, _) = promised();
    let other = Withdrawal { amount: Msat(20_999), ..withdrawal(2) };
    assert_eq!(claim(&book, &row, None, &other, NOW), Err(Refusal::WrongRow));
    let (_, _, payout) = claiming();
    assert_eq!(claim(&book, &row, Some(&payout), &withdrawal(2), NOW), Err(Refusal::InvoiceInUse));
}

/// The edge of time, and a claim that is under way across it.
#[test]
fn a_promise_lapses_in_its_last_second_and_not_while_it_is_claimed() {
    let (book, row, sale) = promised();
    let end = NOW.plus(3_600);
    let last = NOW.plus(3_599);
    assert_eq!(lapse(&book, &row, &sale, last), Err(Refusal::NotYet));
    assert!(claim(&book, &row, None, &withdrawal(2), last).is_ok());
    assert_eq!(claim(&book, &row, None, &withdrawal(2), end), Err(Refusal::Expired));
    let lapsed = lapse(&book, &row, &sale, end).unwrap().change().unwrap();
    assert_eq!((lapsed.book.balances.refund, lapsed.book.balances.fees), (0, 21_000));
    let (row, sale) = lapsed.row;
    assert_eq!(lapse(&lapsed.book, &row, &sale, end), Ok(Step::Already));
    assert_eq!(claim(&lapsed.book, &row, None, &withdrawal(2), NOW), Err(Refusal::Expired));
    assert_eq!(sale.refundable(), Msat(0), "a link is offered once for the same money");
    let (book, row, _) = claiming();
    assert_eq!(lapse(&book, &row, &sale, end.plus(9_999)), Err(Refusal::Busy));
}

#[test]
fn a_refunds_payout_is_answered_with_its_refund() {
    let (book, row, payout) = claiming();
    assert_eq!(payout::answer(&book, &payout, &NodeAnswer::Failed, NOW), Err(Refusal::WrongRow));
    let other = Refund { id: id(9), ..row };
    assert_eq!(answer(&book, &other, &payout, &NodeAnswer::Failed, NOW), Err(Refusal::WrongRow));
}
