//! Money from one balance to another here: two books, an outbox and an inbox, and whoever is killed in between (T84, T85).

use std::time::Duration;

use satstile_tests::raw::{self, Response};
use satstile_tests::{Stack, http};
use serde_json::{Value, json};

use crate::common::bank::{ALARM, BALANCE, Owner, freeze, ok, post, post_once, total};
use crate::common::{at_once, plenty, within};

const TRANSFER: &str = "/api/v1/transfer";

/// A deployment that sells balances, which can give to each other.
fn bank() -> Stack {
    Stack::start(plenty(json!({"prepaid": {"transfers": true}})))
}

impl Owner {
    fn gives(&self, stack: &Stack, to: &str, sats: u64, key: &str) -> Response {
        post_once(stack, TRANSFER, Some(&self.token), Some(key), &json!({"to": to, "amount_sats": sats}))
    }
}

/// T71, T73, T84: twenty times the same request at once is one transfer, and another request under its key is none.
#[test]
fn a_transfer_arrives_once_however_often_it_is_ordered() {
    let stack = bank();
    let (alice, bob) = (Owner::with(&stack, 100), Owner::with(&stack, 5));
    let answers = at_once(20, |_| ok(alice.gives(&stack, &bob.account, 40, "rent")));
    for answer in &answers {
        assert_eq!((&answer["transfer_id"], &answer["amount_sats"]), (&answers[0]["transfer_id"], &json!(40)));
    }
    let last = ok(alice.gives(&stack, &bob.account, 40, "rent"));
    assert_eq!((&last["status"], &last["balance_sats"]), (&json!("delivered"), &json!(60)));
    assert_eq!((alice.sats(&stack), bob.sats(&stack)), (60, 45));
    assert_eq!((alice.count(&stack, "sent"), bob.count(&stack, "received")), (1, 1));

    assert_eq!(alice.gives(&stack, &bob.account, 41, "rent").status, 422, "another amount");
    let carol = Owner::with(&stack, 5);
    assert_eq!(alice.gives(&stack, &carol.account, 40, "rent").status, 422, "another receiver");
    assert_eq!((alice.sats(&stack), bob.sats(&stack), carol.sats(&stack)), (60, 45, 5));
    assert_eq!(total(&stack, &[&alice, &bob, &carol]), (110_000, 0));
}

/// T71: twenty different ones at once give what the balance covers, and there and back is nothing.
#[test]
fn transfers_at_once_never_give_more_than_there_is() {
    let stack = bank();
    let (alice, bob) = (Owner::with(&stack, 100), Owner::with(&stack, 100));
    let answers = at_once(20, |n| alice.gives(&stack, &bob.account, 30, &format!("n{n}")).status);
    let count = |status: u16| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(200), count(402)), (3, 17), "{answers:?}");
    assert_eq!((alice.sats(&stack), bob.sats(&stack)), (10, 190));
    let crossing = at_once(20, |n| {
        let (from, to) = if n % 2 == 0 { (&alice, &bob) } else { (&bob, &alice) };
        ok(from.gives(&stack, &to.account, 1, &format!("x{n}")))["status"].clone()
    });
    assert!(crossing.iter().all(|status| status == "delivered"), "{crossing:?}");
    assert_eq!((alice.sats(&stack), bob.sats(&stack)), (10, 190));
    assert_eq!(total(&stack, &[&alice, &bob]), (200_000, 0));
}

/// A transfer opens no account: what was sent to nobody is back, for good, and nobody is there afterwards.
#[test]
fn a_transfer_to_nobody_comes_back() {
    let stack = bank();
    let alice = Owner::with(&stack, 100);
    let nobody = Owner { token: String::new(), account: "00".repeat(16) };
    for _ in 0..2 {
        let answer = ok(alice.gives(&stack, &nobody.account, 40, "slip"));
        assert_eq!((&answer["status"], &answer["balance_sats"]), (&json!("bounced"), &json!(100)));
    }
    assert_eq!((alice.count(&stack, "sent"), alice.count(&stack, "bounced")), (1, 1));
    assert_eq!(nobody.audit(&stack, "GET").status, 404, "no account was opened");
    assert_eq!(total(&stack, &[&alice]), (100_000, 0));
    let bob = Owner::with(&stack, 1);
    assert_eq!(ok(alice.gives(&stack, &bob.account, 40, "again"))["status"], "delivered");
}

/// T78, T82, T95: who may not, to whom not, and how much not; none of it moves anything.
#[test]
fn what_is_no_transfer_moves_nothing() {
    let stack = bank();
    let (alice, bob) = (Owner::with(&stack, 100), Owner::with(&stack, 5));
    let narrow = ok(post(&stack, "/api/v1/token", Some(&alice.token), &json!({})))["token"].clone();
    let to_bob = json!({"to": bob.account, "amount_sats": 10});
    let ask =
        |token: Option<&str>, key: Option<&str>, body: &Value| post_once(&stack, TRANSFER, token, key, body).status;
    assert_eq!(ask(narrow.as_str(), Some("k"), &to_bob), 403, "T82: a token that can only spend");
    assert_eq!(ask(None, Some("k"), &to_bob), 401);
    assert_eq!(ask(Some(&alice.token), None, &to_bob), 400, "T73: no key");
    assert_eq!(alice.gives(&stack, &alice.account, 10, "self").status, 409, "T95: to oneself");
    assert_eq!(alice.gives(&stack, &bob.account, 101, "more").status, 402);
    let bodies = [
        json!({}),
        json!({"to": bob.account}),
        json!({"to": bob.account, "amount_sats": 0}),
        json!({"to": bob.account, "amount_sats": -1}),
        json!({"to": bob.account, "amount_sats": 1.5}),
        json!({"to": bob.account, "amount_sats": u64::MAX}),
        json!({"to": "bob", "amount_sats": 10}),
        json!({"to": "00".repeat(32), "amount_sats": 10}),
        json!({"to": 7, "amount_sats": 10}),
    ];
    for body in &bodies {
        assert_eq!(ask(Some(&alice.token), Some("k"), body), 400, "{body}");
    }
    assert_eq!((alice.sats(&stack), bob.sats(&stack), alice.count(&stack, "sent")), (100, 5, 0));
    assert_eq!(ask(Some(&alice.token), Some("k"), &to_bob), 200, "and the key is as good as new");
}

/// Off by default: without `transfers` there is no such route.
#[test]
fn without_the_policys_word_no_balance_gives_to_another() {
    let stack = Stack::start(plenty(json!({"prepaid": {"transfers": false}})));
    let (alice, bob) = (Owner::with(&stack, 100), Owner::with(&stack, 5));
    assert_eq!(alice.gives(&stack, &bob.account, 10, "k").status, 404);
    assert_eq!((alice.sats(&stack), bob.sats(&stack)), (100, 5));
}

/// F14, T84, T85: killed between the two books. The money is in transit and nobody's; a receiver that gives no answer is
/// asked again, across a restart, until it does.
#[test]
fn a_transfer_without_an_answer_is_in_transit_until_the_alarm_has_one() {
    let mut stack = bank();
    let (alice, bob) = (Owner::with(&stack, 100), Owner::with(&stack, 7));
    stack.workerd.kill();
    freeze(&stack, 7_000);
    stack.workerd.start_again();
    let answer = ok(alice.gives(&stack, &bob.account, 60, "rent"));
    assert_eq!((&answer["status"], &answer["balance_sats"]), (&json!("pending"), &json!(40)));
    stack.workerd.crash_restart();
    assert_eq!(alice.gives(&stack, &bob.account, 41, "more").status, 402, "what is in transit is not spent again");
    assert_eq!((alice.sats(&stack), bob.sats(&stack)), (40, 7));
    assert_eq!(total(&stack, &[&alice]), (40_000, 60_000));

    bob.thaw(&stack);
    // Whoever looks at the sender's book all the time does not keep its alarm from ringing.
    within(ALARM, "the alarm to carry it over", || (alice.sats(&stack) == 40 && bob.sats(&stack) == 67).then_some(()));
    within(ALARM, "the answer to be written down", || (alice.count(&stack, "delivered") == 1).then_some(()));
    let again = ok(alice.gives(&stack, &bob.account, 60, "rent"));
    assert_eq!((&again["status"], &again["balance_sats"]), (&json!("delivered"), &json!(40)));
    assert_eq!((bob.sats(&stack), bob.count(&stack, "received")), (67, 1));
    assert_eq!(total(&stack, &[&alice, &bob]), (107_000, 0));
}

/// F14, T84: SIGKILL while transfers go both ways. Whatever was written when it fell, all of it is there afterwards, and
/// what was acknowledged is not undone.
#[test]
fn a_killed_worker_neither_makes_nor_loses_a_sat() {
    let mut stack = bank();
    let (alice, bob) = (Owner::with(&stack, 500), Owner::with(&stack, 500));
    let address = stack.workerd.address();
    let mut acknowledged = 0;
    for round in 0..3 {
        let (alice, bob) = (&alice, &bob);
        acknowledged += std::thread::scope(|scope| {
            let clients = (0..6).map(|client| {
                scope.spawn(move || {
                    let (from, to) = if client % 3 == 0 { (bob, alice) } else { (alice, bob) };
                    let body = json!({"to": to.account, "amount_sats": 1}).to_string();
                    let (token, length) = (&from.token, body.len());
                    let head = format!("POST {TRANSFER} HTTP/1.1\r\nhost: {address}\r\nconnection: close");
                    let head = format!("{head}\r\nauthorization: Bearer {token}\r\ncontent-length: {length}");
                    // What is killed under a client has no answer.
                    let is_told = |n: &i32| {
                        let request = format!("{head}\r\nidempotency-key: {round}-{client}-{n}\r\n\r\n{body}");
                        raw::try_request(address, request.as_bytes()).is_ok_and(|answer| answer.status == 200)
                    };
                    (0..40).take_while(is_told).count()
                })
            });
            let clients: Vec<_> = clients.collect();
            std::thread::sleep(Duration::from_millis(150 + 170 * round));
            stack.workerd.kill();
            clients.into_iter().map(|client| client.join().unwrap()).sum::<usize>()
        });
        stack.workerd.start_again();
        let (owned, on_its_way) = total(&stack, &[alice, bob]);
        assert_eq!(owned + on_its_way, 1_000_000, "round {round}");
    }
    within(ALARM, "the alarms to carry over what was cut", || {
        (total(&stack, &[&alice, &bob]) == (1_000_000, 0)).then_some(())
    });
    let sent = |owner: &Owner| lines(&stack, owner, "sent");
    assert!(acknowledged > 0 && sent(&alice) + sent(&bob) >= acknowledged, "{acknowledged}");
    assert_eq!(sent(&alice), lines(&stack, &bob, "received"));
    assert_eq!(sent(&bob), lines(&stack, &alice, "received"));
}

/// The whole history's lines of a kind, read page by page.
fn lines(stack: &Stack, owner: &Owner, kind: &str) -> usize {
    let (mut before, mut found) = (u64::MAX, 0);
    loop {
        let url = stack.url(&format!("{BALANCE}?limit=100&before={before}"));
        let page = ok(http::get(&url, &[("x-token", &owner.token)]))["history"].as_array().unwrap().clone();
        found += page.iter().filter(|line| line["kind"] == kind).count();
        match page.last().and_then(|line| line["seq"].as_u64()) {
            Some(seq) if seq > 1 => before = seq - 1,
            _ => return found,
        }
    }
}
