//! Payments out of the node: paid once, believed when definite, refused when in doubt.

use std::time::{Duration, Instant};

use bitcoin::secp256k1::SecretKey;
use l402::relay::{
    InvoiceLookup, PaymentId, PaymentLookup, PaymentSend, PaymentState, PaymentStatus, RelayCall, RelaySecrets,
};
use l402::{PaymentHash, UnixTime};
use lightning_invoice::{Currency, SiPrefix};
use serde_json::Value;

use crate::payer::{Does, Payer};
use crate::world::*;

fn order(id: u8, (bolt11, payment_hash): (String, PaymentHash)) -> PaymentSend {
    PaymentSend { payment_id: PaymentId([id; 32]), bolt11, payment_hash, amount_msat: 21_000, fee_limit_msat: 1_500 }
}

fn body(order: &PaymentSend) -> Vec<u8> {
    RelayCall::PaymentSend(order.clone()).to_body()
}

fn fresh() -> String {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    hex::encode(bytes)
}

async fn said(world: &World, hash: PaymentHash, body: &[u8]) -> PaymentStatus {
    let answer = ask_with(&payout_secrets(), world.relay(), &fresh(), body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    PaymentStatus::parse(&answer.body, hash).unwrap()
}

async fn send(world: &World, order: &PaymentSend) -> PaymentStatus {
    said(world, order.payment_hash, &body(order)).await
}

async fn lookup(world: &World, order: &PaymentSend) -> PaymentStatus {
    let PaymentSend { payment_id, payment_hash, .. } = *order;
    said(world, payment_hash, &RelayCall::PaymentLookup(PaymentLookup { payment_id, payment_hash }).to_body()).await
}

/// Asks until there is an end.
async fn ended(world: &World, order: &PaymentSend) -> PaymentStatus {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let status = lookup(world, order).await;
        if status.status != PaymentState::Unknown {
            return status;
        }
        assert!(Instant::now() < deadline, "it does not end");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[track_caller]
fn has_paid(status: &PaymentStatus) {
    assert_eq!((status.status, status.fee_msat), (PaymentState::Succeeded, Some(1_001)));
}

#[track_caller]
fn has_failed(status: &PaymentStatus, why: &str) {
    assert_eq!((status.status, status.reason.as_deref()), (PaymentState::Failed, Some(why)));
}

async fn cast(does: Does) -> (Payer, World) {
    let payer = Payer::start(does).await;
    let world = World::paying("", payer.pays()).await;
    (payer, world)
}

/// B11: an invoice whose only way is by blinded paths is paid by a node that can, and refused for good by one that cannot.
/// One bit of its signature turned, it is refused by both.
#[tokio::test]
async fn an_invoice_with_blinded_paths_is_paid_by_a_node_that_can_b11() {
    let (payer, world) = cast(Does::Pays).await;
    let ordered = order(1, payer.blinded_invoice(21_000));
    has_paid(&send(&world, &ordered).await);
    assert_eq!(payer.orders().len(), 1);

    let (bolt11, hash) = payer.blinded_invoice(22_000);
    has_failed(&send(&world, &order(2, (bolt11, hash))).await, "the invoice is for another amount");
    assert_eq!(payer.orders().len(), 1);

    let other = World::paying("", Pays::By("type=clnrest;server=http://127.0.0.1:1;rune=cafe".to_owned())).await;
    let why = "the invoice has blinded paths only, which this node cannot pay";
    has_failed(&send(&other, &order(3, payer.blinded_invoice(21_000))).await, why);
}

#[tokio::test]
async fn fifty_orders_of_one_id_pay_once_within_the_fee_limit() {
    // T93, T94
    let (payer, world) = cast(Does::Pays).await;
    let order = order(1, payer.invoice(21_000));
    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let (relay, body, hash) = (world.relay(), body(&order), order.payment_hash);
        crowd.spawn(async move {
            let answer = ask_with(&payout_secrets(), relay, &fresh(), &body).await;
            PaymentStatus::parse(&answer.body, hash).unwrap()
        });
    }
    crowd.join_all().await.iter().for_each(has_paid);
    let orders = payer.orders();
    assert_eq!(orders.len(), 1, "one order reached the node");
    assert_eq!((&orders[0]["fee_limit_msat"], &orders[0]["payment_request"]), (&"1500".into(), &order.bolt11.into()));
}

#[tokio::test]
async fn a_payment_is_answered_from_the_books_after_a_restart() {
    let (payer, world) = cast(Does::Pays).await;
    let order = order(1, payer.invoice(21_000));
    let first = send(&world, &order).await;
    has_paid(&first);
    payer.is_away(true);
    let world = world.restart().await;
    assert_eq!((send(&world, &order).await, lookup(&world, &order).await), (first.clone(), first));
    assert_eq!(payer.orders().len(), 1);
}

#[tokio::test]
async fn what_is_not_known_stays_open_until_the_node_is_definite() {
    // T93, F16: held, and so silent; late success.
    let (payer, world) = cast(Does::Holds).await;
    let order = order(1, payer.invoice(21_000));
    let begun = Instant::now();
    assert_eq!(send(&world, &order).await.status, PaymentState::Unknown);
    let took = begun.elapsed();
    assert!(took > Duration::from_secs(3) && took < Duration::from_secs(5), "{took:?}");
    assert_eq!(lookup(&world, &order).await.status, PaymentState::Unknown);
    assert_eq!(send(&world, &order).await.status, PaymentState::Unknown);
    let world = world.restart().await;
    assert_eq!(lookup(&world, &order).await.status, PaymentState::Unknown);
    payer.end(order.payment_hash, true);
    has_paid(&ended(&world, &order).await);
    assert_eq!(payer.orders().len(), 1, "it was never sent again");
}

#[tokio::test]
async fn a_payment_that_fails_late_has_failed_and_its_invoice_may_be_paid_under_another_id() {
    let (payer, world) = cast(Does::Holds).await;
    let order_1 = order(1, payer.invoice(21_000));
    assert_eq!(send(&world, &order_1).await.status, PaymentState::Unknown);
    let order_2 = PaymentSend { payment_id: PaymentId([2; 32]), ..order_1.clone() };
    has_failed(&send(&world, &order_2).await, "the invoice is being paid under another id, or was");
    assert_eq!(payer.orders().len(), 1);

    payer.end(order_1.payment_hash, false);
    has_failed(&ended(&world, &order_1).await, "no route");
    payer.does(Does::Pays);
    has_failed(&send(&world, &order_1).await, "no route");
    has_failed(&send(&world, &order_2).await, "the invoice is being paid under another id, or was");
    assert_eq!(payer.orders().len(), 1, "an id that failed is never sent again");
    let order_3 = PaymentSend { payment_id: PaymentId([3; 32]), ..order_1 };
    has_paid(&send(&world, &order_3).await);
}

#[tokio::test]
async fn a_broken_answer_is_no_failure() {
    // T93: it has paid, and nobody heard it say so.
    let (payer, world) = cast(Does::PaysAndBreaksOff).await;
    let order = order(1, payer.invoice(21_000));
    assert_ne!(send(&world, &order).await.status, PaymentState::Failed);
    has_paid(&ended(&world, &order).await);
    assert_eq!(payer.orders().len(), 1);
}

#[tokio::test]
async fn an_order_that_may_have_been_lost_stays_open_t93() {
    let (payer, world) = cast(Does::BadGateway).await;
    let order = order(1, payer.invoice(21_000));
    assert_eq!(send(&world, &order).await.status, PaymentState::Unknown);
    payer.does(Does::Pays);
    assert_eq!(send(&world, &order).await.status, PaymentState::Unknown, "the node has never heard of it");
    let world = world.restart().await;
    assert_eq!(send(&world, &order).await.status, PaymentState::Unknown);
    assert_eq!(payer.orders().len(), 1, "what may be under way is never sent again");
    // Then it turns out to have been paid.
    payer.end(order.payment_hash, true);
    has_paid(&ended(&world, &order).await);
}

#[tokio::test]
async fn a_definite_no_is_a_failure_and_stays_one() {
    let (payer, world) = cast(Does::NoRoute).await;
    let (one, two) = (order(1, payer.invoice(21_000)), order(2, payer.invoice(21_000)));
    has_failed(&send(&world, &one).await, "no route");
    payer.does(Does::Denies);
    has_failed(&send(&world, &two).await, "the node's back end refused the order");
    payer.does(Does::Pays);
    has_failed(&send(&world, &one).await, "no route");
    has_failed(&lookup(&world, &two).await, "the node's back end refused the order");
    assert_eq!(payer.orders().len(), 2);
}

#[tokio::test]
async fn a_node_that_is_away_is_asked_to_pay_once_it_is_back() {
    let (payer, world) = cast(Does::Pays).await;
    payer.is_away(true);
    let order = order(1, payer.invoice(21_000));
    assert_eq!(send(&world, &order).await.status, PaymentState::Unknown);
    assert!(payer.orders().is_empty(), "who does not answer is not asked to pay (T90)");
    payer.is_away(false);
    has_paid(&ended(&world, &order).await);
    assert_eq!(payer.orders().len(), 1);
}

#[tokio::test]
async fn another_payment_under_the_same_id_is_a_conflict() {
    let (payer, world) = cast(Does::Pays).await;
    let first = order(1, payer.invoice(21_000));
    has_paid(&send(&world, &first).await);
    for other in [
        PaymentSend { fee_limit_msat: 1_501, ..first.clone() },
        PaymentSend { amount_msat: 22_000, ..first.clone() },
        order(1, payer.invoice(21_000)),
    ] {
        let answer = ask_with(&payout_secrets(), world.relay(), &fresh(), &body(&other)).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (409, Some("payment_id_reused")));
    }
    let elsewhere = PaymentLookup { payment_id: first.payment_id, payment_hash: PaymentHash([9; 32]) };
    let elsewhere = RelayCall::PaymentLookup(elsewhere).to_body();
    assert_eq!(ask_with(&payout_secrets(), world.relay(), &fresh(), &elsewhere).await.status, 409);
    assert_eq!(payer.orders().len(), 1);
}

/// Signed by `secrets`, and refused as nobody's.
async fn is_nobody(world: &World, secrets: &RelaySecrets, body: &[u8]) {
    let (id, at) = (fresh(), now());
    let answer = send_signed(world.relay(), &id, &at.0.to_string(), &secrets.sign(&id, at, body), body).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("not_signed")));
    assert_eq!(answer.header("webhook-signature"), None);
}

#[tokio::test]
async fn each_secret_is_good_for_its_own_calls_only() {
    // T61
    let (payer, world) = cast(Does::Pays).await;
    let order = order(1, payer.invoice(21_000));
    let PaymentSend { payment_id, payment_hash, .. } = order;
    let look = RelayCall::PaymentLookup(PaymentLookup { payment_id, payment_hash }).to_body();
    for body in [body(&order), look.clone()] {
        is_nobody(&world, &secrets(), &body).await;
    }
    for body in [create_body(), RelayCall::InvoiceLookup(InvoiceLookup { payment_hash }).to_body()] {
        is_nobody(&world, &payout_secrets(), &body).await;
    }
    let stranger = RelaySecrets::parse("whsec_PtAkdiNT1jSB82Xpf/lva+4kNYl7IoQBWXIx//9iBm8=").unwrap();
    is_nobody(&world, &stranger, &body(&order)).await;
    assert!(payer.orders().is_empty());
    has_paid(&send(&world, &order).await);

    // Off, it takes neither, and says so to whom it knows.
    let off = World::new("").await;
    is_nobody(&off, &payout_secrets(), &body(&order)).await;
    let answer = off.ask("req_1", &look).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("payouts_off")));
}

#[tokio::test]
async fn what_differs_from_its_invoice_or_is_over_a_limit_is_never_sent() {
    // T56, T94, T96: refused for ever, though the limit may rise and the time go back.
    let payer = Payer::start(Does::Pays).await;
    let world = World::paying("--payout-max-sats 21 --payout-daily-sats 100", payer.pays()).await;
    let stranger = SecretKey::from_slice(&[0x42; 32]).unwrap();
    let good = order(0, payer.invoice(21_000));
    let last = good.bolt11.chars().last().unwrap();
    let forged = format!("{}{}", &good.bolt11[..good.bolt11.len() - 1], if last == 'q' { 'p' } else { 'q' });
    let over = order(5, payer.invoice(21_001));
    let refused = [
        (PaymentSend { amount_msat: 21_001, ..order(1, payer.invoice(21_000)) }, "the invoice is for another amount"),
        (
            PaymentSend { payment_hash: PaymentHash([9; 32]), ..order(2, payer.invoice(21_000)) },
            "the invoice has another payment hash",
        ),
        (order(3, payer.invoice_by(stranger, Currency::Bitcoin, 21_000, 600)), "the invoice is of another network"),
        (order(4, payer.invoice_by(stranger, Currency::Regtest, 21_000, 0)), "the invoice has expired"),
        (PaymentSend { amount_msat: 21_001, ..over }, "the amount is over the node's limit for one payout"),
        (
            PaymentSend { fee_limit_msat: 21_001, ..order(6, payer.invoice(21_000)) },
            "the fee limit is over the node's limit for one payout",
        ),
        (order(7, (forged, good.payment_hash)), "the invoice cannot be read, or its signature is wrong"),
        (order(8, ("lnbcrt1".to_owned(), good.payment_hash)), "the invoice cannot be read, or its signature is wrong"),
    ];
    for (order, why) in &refused {
        has_failed(&send(&world, order).await, why);
        has_failed(&lookup(&world, order).await, why);
    }
    for (amount_msat, fee_limit_msat) in [(0, 0), (1_000_000_000_001, 0), (21_000, u64::MAX)] {
        let absurd = PaymentSend { amount_msat, fee_limit_msat, ..good.clone() };
        let answer = ask_with(&payout_secrets(), world.relay(), &fresh(), &body(&absurd)).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (422, Some("amount")));
    }
    assert!(payer.orders().is_empty());
    // The nearest yes: to the msat at the limit.
    has_paid(&send(&world, &good).await);
}

#[tokio::test]
async fn an_invoice_that_names_no_amount_is_paid_once_with_exactly_what_is_ordered() {
    // T56, T93
    let (payer, world) = cast(Does::Pays).await;
    let open = PaymentSend { amount_msat: 12_345, ..order(1, payer.open_invoice()) };
    let named = order(2, payer.invoice(21_000));
    has_paid(&send(&world, &open).await);
    has_paid(&send(&world, &named).await);
    let orders = payer.orders();
    assert_eq!((&orders[0]["amt_msat"], &orders[0]["payment_request"]), (&"12345".into(), &open.bolt11.clone().into()));
    assert_eq!(orders[1].get("amt_msat"), None, "an invoice that names its amount is told no other");

    // Its id is for that amount, and its hash for that id.
    let more = PaymentSend { amount_msat: 12_346, ..open.clone() };
    let answer = ask_with(&payout_secrets(), world.relay(), &fresh(), &body(&more)).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (409, Some("payment_id_reused")));
    let again = PaymentSend { payment_id: PaymentId([3; 32]), amount_msat: 1, ..open.clone() };
    has_failed(&send(&world, &again).await, "the invoice is being paid under another id, or was");
    let world = world.restart().await;
    has_paid(&send(&world, &open).await);
    assert_eq!(payer.orders().len(), 2);
}

#[tokio::test]
async fn an_invoice_that_names_no_amount_opens_no_limit() {
    // T56, T57, T94, T96
    let payer = Payer::start(Does::Pays).await;
    let world = World::paying("--payout-max-sats 21 --payout-daily-sats 45", payer.pays()).await;
    let stranger = SecretKey::from_slice(&[0x42; 32]).unwrap();
    let over = |currency, amount, expiry_s| payer.invoice_over(stranger, currency, amount, expiry_s);
    let (another, no_limit) =
        ("the invoice is for another amount", "the amount is over the node's limit for one payout");
    let refused = [
        (PaymentSend { amount_msat: 21_001, ..order(1, payer.open_invoice()) }, no_limit),
        (
            PaymentSend { payment_hash: PaymentHash([9; 32]), ..order(2, payer.open_invoice()) },
            "the invoice has another payment hash",
        ),
        (order(3, over(Currency::Bitcoin, None, 600)), "the invoice is of another network"),
        (order(4, over(Currency::Regtest, None, 0)), "the invoice has expired"),
        // A zero is an amount, and so is one past what the reader can count: a node would not take another for it.
        (order(5, over(Currency::Regtest, Some((0, Some(SiPrefix::Milli))), 600)), another),
        (order(6, over(Currency::Regtest, Some((18_446_745, None)), 600)), another),
        (order(7, payer.invoice(20_999)), another),
    ];
    for (order, why) in &refused {
        has_failed(&send(&world, order).await, why);
    }
    let open = order(8, payer.open_invoice());
    for amount_msat in [0, 1_000_000_000_001] {
        let absurd = PaymentSend { amount_msat, ..open.clone() };
        let answer = ask_with(&payout_secrets(), world.relay(), &fresh(), &body(&absurd)).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (422, Some("amount")));
    }
    assert!(payer.orders().is_empty());
    // The nearest yes: at the limit, twice; and of what the day has left, a third does not get enough.
    has_paid(&send(&world, &open).await);
    has_paid(&send(&world, &order(9, payer.open_invoice())).await);
    has_failed(&send(&world, &order(10, payer.open_invoice())).await, "the node's daily limit for payouts is used up");
    assert_eq!(payer.orders().len(), 2);
}

#[tokio::test]
async fn a_day_has_a_limit_with_routing_and_what_failed_does_not_count() {
    let payer = Payer::start(Does::NoRoute).await;
    let world = World::paying("--payout-max-sats 30 --payout-daily-sats 45", payer.pays()).await;
    has_failed(&send(&world, &order(1, payer.invoice(21_000))).await, "no route");
    payer.does(Does::Pays);
    // 21 + 1.5 reserved; 21 + 1.001 spent. Twice that leaves less than a third one needs.
    has_paid(&send(&world, &order(2, payer.invoice(21_000))).await);
    has_paid(&send(&world, &order(3, payer.invoice(21_000))).await);
    let third = order(4, payer.invoice(21_000));
    has_failed(&send(&world, &third).await, "the node's daily limit for payouts is used up");
    assert_eq!(payer.orders().len(), 3);
}

#[tokio::test]
async fn a_node_does_not_pay_itself() {
    // T95: an invoice that was made here, and one that only bears our signature.
    let world = World::paying("", Pays::Itself).await;
    let created = world.create("req_1").await;
    let own = order(1, (created.bolt11.clone(), created.payment_hash));
    has_failed(&send(&world, &own).await, "the invoice is this node's own");
    let key = std::fs::read_to_string(world.dir.path().join("node.key")).unwrap();
    let key = SecretKey::from_slice(&hex::decode(key.trim()).unwrap()).unwrap();
    let payer = Payer::start(Does::Pays).await;
    let signed = order(2, payer.invoice_by(key, Currency::Regtest, 21_000, 600));
    has_failed(&send(&world, &signed).await, "the invoice is this node's own");
    // It was not paid on the way.
    assert!(world.pay(&created.bolt11).await.json().get("paymentPreimage").is_some());
}

#[tokio::test]
async fn a_store_that_was_lost_says_that_it_is_younger_and_does_not_pay_twice() {
    // F17, T90
    let (payer, world) = cast(Does::Pays).await;
    let order = order(1, payer.invoice(21_000));
    let nobodys = PaymentSend { payment_id: PaymentId([9; 32]), ..order.clone() };
    let before = lookup(&world, &nobodys).await;
    assert_eq!(before.status, PaymentState::NotFound);
    assert!(before.store_since <= now() && before.store_since >= UnixTime(now().0 - 60));
    has_paid(&send(&world, &order).await);

    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let world = world.restart_wiped().await;
    let after = lookup(&world, &order).await;
    assert_eq!(after.status, PaymentState::NotFound);
    assert!(after.store_since > before.store_since, "{after:?} {before:?}");
    // The node's books know better, and are asked first.
    has_paid(&send(&world, &order).await);
    assert_eq!(payer.orders().len(), 1);
    let again = world.restart().await;
    assert_eq!(lookup(&again, &order).await.store_since, after.store_since, "a restart is no loss");
}

#[tokio::test]
async fn a_back_end_that_lost_its_books_ends_nothing() {
    // F17, on the other side.
    let (payer, world) = cast(Does::Holds).await;
    let order = order(1, payer.invoice(21_000));
    assert_eq!(send(&world, &order).await.status, PaymentState::Unknown);
    payer.forget();
    let world = world.restart().await;
    assert_eq!(lookup(&world, &order).await.status, PaymentState::Unknown);
    payer.does(Does::Pays);
    assert_eq!(send(&world, &order).await.status, PaymentState::Unknown);
    assert_eq!(payer.orders().len(), 1);
}

/// A payout of the dev node to the dev wallet.
async fn to_wallet(world: &World, id: u8, description: &str) -> PaymentSend {
    let bolt11 = world.wallet_invoice(21, description).await;
    let payment_hash = l402::bolt11::Invoice::parse(&bolt11).unwrap().payment_hash;
    order(id, (bolt11, payment_hash))
}

#[tokio::test]
async fn the_dev_node_pays_the_dev_wallet_once() {
    let world = World::paying("", Pays::Itself).await;
    let order = to_wallet(&world, 1, "my sats").await;
    let unpaid = world.received(order.payment_hash).await;
    assert_eq!((&unpaid["isPaid"], &unpaid["receivedSat"]), (&false.into(), &0.into()));
    let paid = send(&world, &order).await;
    assert_eq!((paid.status, paid.fee_msat), (PaymentState::Succeeded, Some(0)));
    let received = world.received(order.payment_hash).await;
    assert_eq!((&received["isPaid"], &received["receivedSat"]), (&true.into(), &21.into()));
    assert_eq!(send(&world, &order).await, paid);
    let again = PaymentSend { payment_id: PaymentId([2; 32]), ..order.clone() };
    has_failed(&send(&world, &again).await, "the invoice is being paid under another id, or was");
    // The wallet is a stranger to the dev node, and does not pay itself.
    assert_eq!(world.pay(&order.bolt11).await.json().get("paymentPreimage"), None);
    // What nobody knows a way to is not paid.
    let payer = Payer::start(Does::Pays).await;
    has_failed(&send(&world, &crate::payments::order(3, payer.invoice(21_000))).await, "no route");
}

/// F14: killed between the two writes. The dev node's books are the webhook's, so it is known that nothing was paid.
#[tokio::test]
async fn an_order_that_the_dev_node_never_got_is_given_to_it_after_a_restart_and_once() {
    let world = World::paying("", Pays::Itself).await;
    let (paid, failed) = (to_wallet(&world, 1, "my sats").await, to_wallet(&world, 2, "fail").await);
    send(&world, &paid).await;
    send(&world, &failed).await;
    let world = world.restart_before_the_order().await;
    assert_eq!(ended(&world, &paid).await.status, PaymentState::Succeeded);
    assert_eq!(ended(&world, &failed).await.status, PaymentState::Failed);
    let received = world.received(paid.payment_hash).await;
    assert_eq!((&received["isPaid"], &received["receivedSat"]), (&true.into(), &21.into()));
    // Once: whoever wants it again hears the same.
    let world = world.restart().await;
    assert_eq!(send(&world, &paid).await.status, PaymentState::Succeeded);
    assert_eq!(world.received(paid.payment_hash).await, received);
}

#[tokio::test]
async fn the_dev_wallet_tells_what_it_received_on_an_invoice_for_any_amount() {
    let world = World::paying("", Pays::Itself).await;
    let bolt11 = world.open_wallet_invoice("what is left").await;
    let read = l402::bolt11::Invoice::parse(&bolt11).unwrap();
    assert_eq!(read.amount, None);
    let open = PaymentSend { amount_msat: 12_345, ..order(1, (bolt11, read.payment_hash)) };
    let unpaid = world.received(read.payment_hash).await;
    assert_eq!(
        (&unpaid["isPaid"], &unpaid["requestedSat"], &unpaid["receivedMsat"]),
        (&false.into(), &Value::Null, &0.into())
    );
    let paid = send(&world, &open).await;
    assert_eq!((paid.status, paid.fee_msat), (PaymentState::Succeeded, Some(0)));
    let more = PaymentSend { payment_id: PaymentId([2; 32]), amount_msat: 99_999, ..open.clone() };
    has_failed(&send(&world, &more).await, "the invoice is being paid under another id, or was");
    let received = world.received(read.payment_hash).await;
    assert_eq!(
        (&received["isPaid"], &received["receivedSat"], &received["receivedMsat"]),
        (&true.into(), &12.into(), &12_345.into())
    );
    // The descriptions choose here as well: nothing is received where nothing is paid.
    let fails = world.open_wallet_invoice("fail").await;
    let fails = order(3, (fails.clone(), l402::bolt11::Invoice::parse(&fails).unwrap().payment_hash));
    has_failed(&send(&world, &fails).await, "no route");
    assert_eq!(world.received(fails.payment_hash).await["receivedMsat"], 0);
}

#[tokio::test]
async fn the_description_of_a_wallets_invoice_chooses_how_its_payment_ends() {
    let world = World::paying("", Pays::Itself).await;
    let (fails, hangs) = (to_wallet(&world, 1, "fail").await, to_wallet(&world, 2, "hang").await);
    let (late, late_fail) = (to_wallet(&world, 3, "late").await, to_wallet(&world, 4, "late fail").await);
    let first = tokio::join!(
        send(&world, &fails),
        send(&world, &hangs),
        async { (lookup(&world, &late).await, send(&world, &late).await) },
        send(&world, &late_fail),
    );
    has_failed(&first.0, "no route");
    assert_eq!(first.1.status, PaymentState::Unknown);
    assert_eq!(first.2.0.status, PaymentState::NotFound);
    let world = world.restart().await;
    assert_eq!(ended(&world, &late).await.status, PaymentState::Succeeded);
    has_failed(&ended(&world, &late_fail).await, "no route");
    assert_eq!(lookup(&world, &hangs).await.status, PaymentState::Unknown);
    for (order, is_paid) in [(fails, false), (hangs, false), (late, true), (late_fail, false)] {
        assert_eq!(world.received(order.payment_hash).await["isPaid"], is_paid, "{:?}", order.payment_id);
    }
}

#[tokio::test]
async fn without_the_password_the_wallet_makes_and_shows_nothing() {
    let world = World::paying("", Pays::Itself).await;
    let order = to_wallet(&world, 1, "my sats").await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let wallet = world.wallet();
    assert_eq!(http(wallet, "POST /createinvoice", form, b"amountSat=21&description=x").await.status, 401);
    let line = format!("GET /payments/incoming/{}", order.payment_hash);
    assert_eq!(http(wallet, &line, "", b"").await.status, 401);
    for odd in [
        "amountSat=0&description=x",
        "amountSat=&description=x",
        "amountSat=21",
        "amountSat=1.5&description=x",
        "amountSat=21&description=x&webhookUrl=y",
    ] {
        assert_eq!(wallet_call(&world, "POST /createinvoice", odd.as_bytes()).await.status, 400, "{odd}");
    }
    for odd in ["00", &"00".repeat(32)] {
        assert_eq!(wallet_call(&world, &format!("GET /payments/incoming/{odd}"), b"").await.status, 404, "{odd}");
    }
}
