//! An invoice of ours, paid by another balance here: settled between the books, once, and over Lightning never after (T95).

use std::time::Duration;

use satstile_lightning::lnurl::{Loopback, bech32};
use satstile_tests::raw::{self, Response};
use satstile_tests::{Stack, StackOptions, http};
use serde_json::{Value, json};

use crate::common::bank::{ALARM, CLAIM, Owner, TOPUP, freeze, ok, post, post_once, text, total};
use crate::common::{API, at_once, buy, get_with, plenty, within};

const WITHDRAW: &str = "/api/v1/withdraw";

/// A deployment that sells balances, which can give to each other and pay out.
fn bank() -> Stack {
    open(json!({"prepaid": {"transfers": true}, "payouts": {}}))
}

fn open(policy: Value) -> Stack {
    Stack::start(StackOptions { payouts: true, ..plenty(policy) })
}

/// A "no", and what it says.
#[track_caller]
fn no(response: Response, words: &str) {
    assert_eq!(response.status, 409, "{}", response.text());
    let said = response.json()["error"].as_str().unwrap_or_default().to_owned();
    assert!(said.contains(words), "{said}");
}

impl Owner {
    /// The invoice of a refill.
    #[track_caller]
    fn refill(&self, stack: &Stack, sats: u64) -> String {
        text(&ok(post(stack, TOPUP, Some(&self.token), &json!({"amount_sats": sats}))), "invoice")
    }

    fn pays(&self, stack: &Stack, invoice: &str, key: Option<&str>) -> Response {
        post_once(stack, WITHDRAW, Some(&self.token), key, &json!({"invoice": invoice}))
    }
}

/// Whether anybody can pay an invoice over Lightning now; if so, it is paid.
#[track_caller]
fn lightning_pays(stack: &Stack, invoice: &str) -> bool {
    let reply = stack.node().try_pay(invoice).json();
    match reply["reason"].as_str() {
        Some(why) => {
            assert_eq!(why, "this invoice was withdrawn by who made it");
            false
        }
        None => reply["paymentPreimage"].is_string(),
    }
}

/// T95, T73: in one answer, without a fee and without a reserve for one; the same order again is the same payment.
#[test]
fn an_invoice_of_ours_is_settled_between_the_balances_once() {
    let stack = bank();
    let (alice, bob) = (Owner::with(&stack, 100), Owner::with(&stack, 5));
    let (invoice, other) = (bob.refill(&stack, 100), bob.refill(&stack, 7));
    // All that she has: nothing is held back for routing.
    let paid = ok(alice.pays(&stack, &invoice, Some("rent")));
    let said = |name: &str| paid[name].clone();
    assert_eq!((said("status"), said("amount_sats"), said("balance_msat")), (json!("succeeded"), json!(100), json!(0)));
    assert_eq!((said("fee_msat"), said("fee_limit_msat"), said("preimage")), (json!(0), json!(0), Value::Null));
    assert_eq!((alice.msat(&stack), bob.msat(&stack)), ((0, 0), (105_000, 0)));
    assert!(!lightning_pays(&stack, &invoice), "nobody pays it a second time");

    assert_eq!(ok(alice.pays(&stack, &invoice, Some("rent"))), paid, "the same key, the same answer");
    assert_eq!(alice.pays(&stack, &other, Some("rent")).status, 422, "T73: another invoice under its key");
    let id = said("payout_id");
    let url = stack.url(&format!("{WITHDRAW}/{}", id.as_str().unwrap()));
    assert_eq!(ok(http::get(&url, &[("x-token", &alice.token)])), paid);
    assert_eq!(http::get(&url, &[("x-token", &bob.token)]).status, 404, "it is hers");
    no(alice.pays(&stack, &invoice, None), "paid already");
    assert_eq!((alice.count(&stack, "sent"), bob.count(&stack, "received")), (1, 1));
    assert_eq!(total(&stack, &[&alice, &bob]), (105_000, 0));
    // The other one was only looked at.
    assert!(lightning_pays(&stack, &other));
    within(ALARM, "its credit", || (bob.sats(&stack) == 112).then_some(()));
}

/// T71, T95: ordered twice within 100 ms, and by ten at once under one key.
#[test]
fn whoever_orders_twice_pays_once() {
    let stack = bank();
    let (alice, bob) = (Owner::with(&stack, 100), Owner::with(&stack, 5));
    let invoice = bob.refill(&stack, 40);
    let answers = at_once(2, |n| {
        std::thread::sleep(Duration::from_millis(100 * n as u64));
        alice.pays(&stack, &invoice, None).status
    });
    assert!(answers == [200, 409] || answers == [409, 200], "{answers:?}");
    assert_eq!((alice.msat(&stack), bob.msat(&stack)), ((60_000, 0), (45_000, 0)));

    let invoice = bob.refill(&stack, 30);
    let answers = at_once(10, |_| ok(alice.pays(&stack, &invoice, Some("rent"))));
    assert!(answers.iter().all(|answer| answer["payout_id"] == answers[0]["payout_id"]));
    assert_eq!(ok(alice.pays(&stack, &invoice, Some("rent")))["status"], "succeeded");
    assert_eq!((alice.msat(&stack), bob.msat(&stack)), ((30_000, 0), (75_000, 0)));
    assert_eq!(total(&stack, &[&alice, &bob]), (105_000, 0));
}

/// T95: of ten balances that pay one invoice at the same moment one does, and the others have their money back.
#[test]
fn of_many_who_pay_one_invoice_exactly_one_does() {
    let stack = bank();
    let bob = Owner::with(&stack, 5);
    let payers: Vec<_> = (0..10).map(|_| Owner::with(&stack, 50)).collect();
    let invoice = bob.refill(&stack, 40);
    let answers = at_once(10, |n| payers[n].pays(&stack, &invoice, None).status);
    let count = |status: u16| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(200), count(409)), (1, 9), "{answers:?}");
    for (payer, status) in payers.iter().zip(&answers) {
        assert_eq!(payer.msat(&stack), (if *status == 200 { 10_000 } else { 50_000 }, 0));
    }
    assert_eq!((bob.sats(&stack), bob.count(&stack, "received")), (45, 1));
    let all: Vec<&Owner> = payers.iter().chain([&bob]).collect();
    assert_eq!(total(&stack, &all), (505_000, 0));
}

/// T65, T95: somebody paid over Lightning first, and the worker has not heard of it yet.
#[test]
fn what_was_paid_over_lightning_first_is_not_paid_again() {
    let mut stack = bank();
    let (alice, bob) = (Owner::with(&stack, 100), Owner::with(&stack, 5));
    let invoice = bob.refill(&stack, 40);
    stack.workerd.kill();
    assert!(lightning_pays(&stack, &invoice));
    // The node webhook has tried to tell it four times by then, and next tries in three seconds.
    std::thread::sleep(Duration::from_millis(3_300));
    stack.workerd.start_again();
    no(alice.pays(&stack, &invoice, Some("rent")), "the amount is back");
    assert_eq!(alice.msat(&stack), (100_000, 0));
    assert_eq!((alice.count(&stack, "sent"), alice.count(&stack, "bounced")), (1, 1), "it was on its way");
    within(ALARM, "the credit of what was paid", || (bob.sats(&stack) == 45).then_some(()));
    no(alice.pays(&stack, &invoice, Some("rent")), "the amount is back");
    no(alice.pays(&stack, &invoice, Some("again")), "paid already");
    assert_eq!((bob.count(&stack, "received"), bob.count(&stack, "top_up")), (0, 2));
    assert_eq!(total(&stack, &[&alice, &bob]), (145_000, 0));
}

/// T78, T82, T95: who may not, what not, and how much not; nothing of it moves anything or withdraws an invoice.
#[test]
fn what_is_not_settled_here_is_said_and_moves_nothing() {
    let stack = bank();
    let (alice, bob) = (Owner::with(&stack, 100), Owner::with(&stack, 5));
    let own = alice.refill(&stack, 10);
    no(alice.pays(&stack, &own, None), "this very balance");
    let first = ok(post(&stack, TOPUP, None, &json!({"amount_sats": 10})));
    no(alice.pays(&stack, first["invoice"].as_str().unwrap(), None), "opens a new balance");
    let (dear, cheap) = (bob.refill(&stack, 101), bob.refill(&stack, 10));
    assert_eq!(alice.pays(&stack, &dear, None).status, 402, "more than there is");
    let narrow = ok(post(&stack, "/api/v1/token", Some(&alice.token), &json!({})))["token"].clone();
    assert_eq!(post(&stack, WITHDRAW, narrow.as_str(), &json!({"invoice": cheap})).status, 403, "T82");
    assert_eq!(post(&stack, WITHDRAW, None, &json!({"invoice": cheap})).status, 401);
    let other_amount = json!({"invoice": cheap, "amount_sats": 9});
    assert_eq!(post(&stack, WITHDRAW, Some(&alice.token), &other_amount).status, 400);
    assert_eq!((alice.msat(&stack), bob.sats(&stack), alice.count(&stack, "sent")), ((100_000, 0), 5, 0));

    for invoice in [&own, &dear, &cheap] {
        assert!(lightning_pays(&stack, invoice), "it was never withdrawn");
    }
    // The first top-up is paid and claimed as ever.
    let preimage = stack.node().pay(first["invoice"].as_str().unwrap());
    let claimed = ok(post(&stack, CLAIM, None, &json!({"preimage": preimage})));
    assert_eq!(claimed["balance_sats"], 10);
    within(ALARM, "all credits", || (alice.sats(&stack) == 110 && bob.sats(&stack) == 116).then_some(()));
}

/// Off unless the policy has both tables: then an invoice of ours is refused as before, and stays payable.
#[test]
fn without_transfers_or_payouts_nothing_changes() {
    let gives = |transfers: bool| json!({"transfers": transfers});
    let off = json!({"prepaid": gives(false), "payouts": {}});
    for (policy, status) in [(off, 409), (json!({"prepaid": gives(true)}), 404)] {
        let stack = open(policy);
        let (alice, bob) = (Owner::with(&stack, 100), Owner::with(&stack, 5));
        let invoice = bob.refill(&stack, 40);
        assert_eq!(alice.pays(&stack, &invoice, None).status, status);
        assert_eq!((alice.msat(&stack), alice.count(&stack, "sent")), ((100_000, 0), 0));
        assert!(lightning_pays(&stack, &invoice));
    }
}

/// A refund is Lightning's alone: a link (LUD-03) takes no invoice of ours, and is as good as before.
#[test]
fn a_refund_pays_no_invoice_of_ours() {
    let refunded = json!({"uses": 1, "refund": true});
    let stack =
        open(json!({"prepaid": {"transfers": true}, "payouts": {}, "refunds": {}, "services": {"api": refunded}}));
    let bob = Owner::with(&stack, 5);
    let invoice = bob.refill(&stack, 10);
    let failed = get_with(&stack, "/api/fault/status/503", &buy(&stack, API).l402()).json();
    let refund = &failed["refund"];
    let link = bech32::decode(refund["lnurl_withdraw"].as_str().unwrap(), Loopback::Allowed).unwrap();
    let offer = ok(http::get(link.as_str(), &[]));
    let (callback, k1) = (offer["callback"].as_str().unwrap(), offer["k1"].as_str().unwrap());
    let answer = ok(http::get(&format!("{callback}?k1={k1}&pr={invoice}"), &[]));
    assert_eq!(answer["status"], "ERROR", "{answer}");
    assert_eq!(ok(http::get(refund["status_url"].as_str().unwrap(), &[]))["status"], "pending");
    assert_eq!(bob.sats(&stack), 5);
    assert!(lightning_pays(&stack, &invoice), "it was not withdrawn");
}

/// F14, T84, T95: killed after the invoice was withdrawn and before the receiver has the money. Nobody can pay it over
/// Lightning; the alarm withdraws it again, which changes nothing, and carries the money over, once.
#[test]
fn a_payment_cut_between_the_books_arrives_by_the_alarm() {
    let mut stack = bank();
    let (alice, bob) = (Owner::with(&stack, 100), Owner::with(&stack, 7));
    let invoice = bob.refill(&stack, 60);
    stack.workerd.kill();
    freeze(&stack, 7_000);
    stack.workerd.start_again();
    let pending = ok(alice.pays(&stack, &invoice, Some("rent")));
    assert_eq!((&pending["status"], &pending["balance_sats"]), (&json!("pending"), &json!(40)));
    stack.workerd.crash_restart();
    assert_eq!(ok(alice.pays(&stack, &invoice, Some("rent")))["status"], "pending");
    assert!(!lightning_pays(&stack, &invoice));
    assert_eq!(total(&stack, &[&alice]), (40_000, 60_000));

    bob.thaw(&stack);
    within(ALARM, "the alarm to carry it over", || (bob.sats(&stack) == 67).then_some(()));
    within(ALARM, "the answer to be written down", || (alice.count(&stack, "delivered") == 1).then_some(()));
    let done = ok(alice.pays(&stack, &invoice, Some("rent")));
    assert_eq!((&done["status"], &done["payout_id"]), (&json!("succeeded"), &pending["payout_id"]));
    assert_eq!((bob.count(&stack, "received"), total(&stack, &[&alice, &bob])), (1, (107_000, 0)));
}

/// F1, F16, T95: the node is away, so nobody knows whether the invoice is withdrawn, and nobody guesses. Both are killed;
/// the books ask again until it says.
#[test]
fn a_node_that_is_away_keeps_the_money_on_its_way() {
    let mut stack = bank();
    let (alice, bob, carol) = (Owner::with(&stack, 100), Owner::with(&stack, 5), Owner::with(&stack, 50));
    let (invoice, paid) = (bob.refill(&stack, 60), bob.refill(&stack, 30));
    assert_eq!(bob.sats(&stack), 5);
    stack.node_mut().kill();
    for (payer, invoice) in [(&alice, &invoice), (&carol, &paid)] {
        assert_eq!(ok(payer.pays(&stack, invoice, Some("rent")))["status"], "pending");
    }
    stack.workerd.crash_restart();
    assert_eq!((alice.sats(&stack), bob.sats(&stack), carol.sats(&stack)), (40, 5, 20));
    assert_eq!(total(&stack, &[&alice, &bob, &carol]), (65_000, 90_000));
    stack.workerd.kill();
    stack.node_mut().restart();
    // And one of the two is paid over Lightning before the books can ask.
    assert!(lightning_pays(&stack, &paid));
    stack.workerd.start_again();
    within(ALARM, "the end of both", || (total(&stack, &[&alice, &bob, &carol]) == (185_000, 0)).then_some(()));
    assert_eq!((alice.sats(&stack), bob.sats(&stack), carol.sats(&stack)), (40, 95, 50));
    assert_eq!(ok(alice.pays(&stack, &invoice, Some("rent")))["status"], "succeeded");
    no(carol.pays(&stack, &paid, Some("rent")), "the amount is back");
    assert!(!lightning_pays(&stack, &invoice));
    assert_eq!((bob.count(&stack, "received"), bob.count(&stack, "top_up")), (1, 2));
}

/// F14, T84, T95: SIGKILL while two pay each other's invoices. Whatever was cut, nothing is lost and nothing made, and what
/// was acknowledged is in the books once.
#[test]
fn a_killed_worker_neither_makes_nor_loses_a_sat() {
    let mut stack = bank();
    let (alice, bob) = (Owner::with(&stack, 500), Owner::with(&stack, 500));
    let address = stack.workerd.address();
    let mut acknowledged = 0;
    for round in 0..3_u64 {
        let invoices: Vec<_> = (0..20)
            .map(|n| if n % 2 == 0 { (&alice, bob.refill(&stack, 1)) } else { (&bob, alice.refill(&stack, 1)) })
            .collect();
        let invoices = &invoices;
        acknowledged += std::thread::scope(|scope| {
            let clients = (0..4_usize).map(|client| {
                scope.spawn(move || {
                    let own = invoices.iter().skip(client).step_by(4);
                    // What is killed under a client has no answer.
                    own.take_while(|(payer, invoice)| {
                        let body = json!({"invoice": invoice}).to_string();
                        let (token, length) = (&payer.token, body.len());
                        let head = format!("POST {WITHDRAW} HTTP/1.1\r\nhost: {address}\r\nconnection: close");
                        let head = format!("{head}\r\nauthorization: Bearer {token}\r\ncontent-length: {length}");
                        let request = format!("{head}\r\n\r\n{body}");
                        raw::try_request(address, request.as_bytes()).is_ok_and(|answer| answer.status == 200)
                    })
                    .count()
                })
            });
            let clients: Vec<_> = clients.collect();
            std::thread::sleep(Duration::from_millis(40 + 60 * round));
            stack.workerd.kill();
            clients.into_iter().map(|client| client.join().unwrap()).sum::<usize>()
        });
        stack.workerd.start_again();
        let (owned, on_its_way) = total(&stack, &[&alice, &bob]);
        assert_eq!(owned + on_its_way, 1_000_000, "round {round}");
    }
    within(ALARM, "the alarms to carry over what was cut", || {
        (total(&stack, &[&alice, &bob]) == (1_000_000, 0)).then_some(())
    });
    let sent = alice.count(&stack, "sent") + bob.count(&stack, "sent");
    assert!(acknowledged > 0 && sent >= acknowledged, "{acknowledged} of {sent}");
    assert_eq!(alice.count(&stack, "sent"), bob.count(&stack, "received"));
    assert_eq!(bob.count(&stack, "sent"), alice.count(&stack, "received"));
}
