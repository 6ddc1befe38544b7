//! A node on a bad day: away, slow, or lying (F1 to F7, T21, T55, T58 to T60, T69). Nothing is forwarded unpaid, nobody is
//! shown an invoice that was not checked, and who has paid still gets in.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use l402::relay::{InvoiceCreate, RelayCall, RelaySecrets};
use l402::{PaymentHash, UnixTime};
use lightning_invoice::Currency;
use satstile_tests::raw::Response;
use satstile_tests::{Secrets, Stack, StackOptions, http};
use serde_json::{Value, json};

use crate::common::fake_node::{Call, Draft, FakeNode, Line, Made};
use crate::common::{Offer, ask, buy, get, get_with, now, plenty, seen, server, timed};

const PAGE: &str = "/articles/1";

/// A stack whose node answers each `invoice.create` so.
fn node_that(
    policy: Value,
    act: impl Fn(&InvoiceCreate, &Call, &mut Line<'_>) -> std::io::Result<()> + Send + Sync + 'static,
) -> (Stack, FakeNode) {
    FakeNode::stack(plenty(policy), move |call, line| match &call.call {
        RelayCall::InvoiceCreate(order) => act(order, call, line),
        _ => line.unsigned(404, b""),
    })
}

/// A refusal without a challenge, by which nothing was charged and nothing forwarded.
#[track_caller]
fn is_refused(stack: &Stack, response: &Response, status: u16) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(response.header("www-authenticate"), None);
    assert_eq!(response.header("retry-after").is_some(), matches!(status, 502 | 503), "{:?}", response.headers);
    assert_eq!(response.all("cache-control"), ["no-store"]);
    assert!(!response.text().contains("lnbc"), "{}", response.text());
    assert_eq!(seen(stack), [""; 0]);
}

/// F1: nobody listens at `NODE_URL`.
#[test]
fn a_node_that_is_away_is_a_quick_503() {
    let stack = Stack::start(StackOptions { node: false, ..plenty(json!({})) });
    let (response, took) = timed(|| get(&stack, PAGE));
    is_refused(&stack, &response, 503);
    assert!(took < Duration::from_secs(1), "{took:?}");
    // T60: not a word about the inside.
    assert!(!response.text().contains("127.0.0.1") && !response.text().contains("NODE_URL"), "{}", response.text());
    assert_eq!(get(&stack, "/free/1").status, 200);
    assert_eq!(get(&stack, "/.well-known/satstile/health").status, 200);
}

/// F2, F6, T69: the deadline of five seconds covers the whole answer; meanwhile everybody else is served.
#[test]
fn a_slow_node_is_a_503_at_the_deadline() {
    let (stack, node) = node_that(json!({}), |order, call, line| match call.number {
        1 => line.honest(order).map(|_| ()),
        2 => {
            std::thread::sleep(Duration::from_secs(8));
            line.honest(order).map(|_| ())
        }
        _ => line.drip(Duration::from_millis(100)),
    });
    ask(&stack, PAGE);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| timed(|| get(&stack, PAGE)));
        crate::common::eventually("the slow call", || (node.calls().len() == 2).then_some(()));
        let drip = scope.spawn(|| timed(|| get(&stack, PAGE)));
        let (free, took) = timed(|| get(&stack, "/free/1"));
        assert_eq!(free.status, 200);
        assert!(took < Duration::from_secs(1), "{took:?}");
        stack.origin.clear();
        for (response, took) in [slow.join().unwrap(), drip.join().unwrap()] {
            is_refused(&stack, &response, 503);
            assert!(took > Duration::from_millis(4_500) && took < Duration::from_secs(7), "{took:?}");
        }
    });
}

/// F3, T59: a failure that may pass is tried once more, under the same id; then it is a 503.
#[test]
fn a_node_that_stumbles_is_asked_once_more_with_the_same_id() {
    for status in [500, 502, 503, 429] {
        let (stack, node) = node_that(json!({}), move |order, call, line| match call.number {
            1 => line.signed(status, b"{}"),
            _ => line.honest(order).map(|_| ()),
        });
        ask(&stack, PAGE);
        let calls = node.calls();
        assert_eq!(calls.len(), 2, "{status}");
        assert_eq!(calls[0].id, calls[1].id, "{status}");
        assert_eq!(calls[0].call, calls[1].call, "{status}");
    }
    let (stack, node) = node_that(json!({}), |_, call, line| match call.number {
        1 | 2 => line.unsigned(500, b"oops: stack trace at node.internal"),
        _ => Ok(()), // hangs up
    });
    for calls in [2, 4] {
        let response = get(&stack, PAGE);
        is_refused(&stack, &response, 503);
        assert!(!response.text().contains("oops"), "{}", response.text());
        assert_eq!(node.calls().len(), calls);
    }
    let ids: Vec<String> = node.calls().into_iter().map(|call| call.id).collect();
    assert!(ids[0] == ids[1] && ids[2] == ids[3] && ids[0] != ids[2], "{ids:?}");
}

/// Answers one request with each of these, in order; none may become a challenge.
#[track_caller]
fn none_becomes_a_challenge(lies: Vec<(&'static str, Box<Lie>)>) {
    let names: Vec<_> = lies.iter().map(|(name, _)| *name).collect();
    let (turn, asked) = (Arc::new(AtomicUsize::new(0)), names.len());
    let next = Arc::clone(&turn);
    let (stack, node) = node_that(json!({}), move |order, _, line| (lies[next.load(Ordering::SeqCst)].1)(order, line));
    let mut wrong = Vec::new();
    for (n, name) in names.iter().enumerate() {
        turn.store(n, Ordering::SeqCst);
        let response = get(&stack, PAGE);
        if response.status != 502 {
            wrong.push(format!("{name}: {} {}", response.status, response.text()));
        } else {
            is_refused(&stack, &response, 502);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // What is wrong is not asked for again: it would be wrong again.
    assert_eq!(node.calls().len(), asked);
}

type Lie = dyn Fn(&InvoiceCreate, &mut Line<'_>) -> std::io::Result<()> + Send + Sync;

/// An invoice changed in one point, signed as it should be.
fn draft(change: impl Fn(&mut Draft) + Send + Sync + 'static) -> Box<Lie> {
    Box::new(move |order, line| {
        let mut draft = Draft::of(order);
        change(&mut draft);
        line.signed(200, &draft.sign().reply())
    })
}

/// F4, T55, C8: the edge reads the invoice itself, whoever signed the message around it.
#[test]
fn an_invoice_that_is_not_what_was_asked_for_is_shown_to_nobody() {
    none_becomes_a_challenge(vec![
        ("a msat less", draft(|d| d.amount_msat = Some(20_999))),
        ("a msat more", draft(|d| d.amount_msat = Some(21_001))),
        ("a thousand times as much", draft(|d| d.amount_msat = Some(21_000_000))),
        ("any amount", draft(|d| d.amount_msat = None)),
        ("of mainnet", draft(|d| d.currency = Currency::Bitcoin)),
        ("of testnet", draft(|d| d.currency = Currency::BitcoinTestnet)),
        ("of signet", draft(|d| d.currency = Currency::Signet)),
        ("another hash beside it", draft(|d| d.claimed_hash = Some(PaymentHash([1; 32])))),
        ("no payment secret", draft(|d| d.payment_secret = false)),
        ("expired", draft(|d| d.at = UnixTime(now().0 - 700))),
        ("too little time left", draft(|d| d.expiry_s = 50)),
        ("too much time", draft(|d| d.expiry_s = 86_400)),
        ("from the future", draft(|d| d.at = UnixTime(now().0 + 3_600))),
        (
            "a bit flipped",
            Box::new(|order, line| {
                let mut made = Draft::of(order).sign();
                let last = if made.bolt11.ends_with('q') { "p" } else { "q" };
                made.bolt11.replace_range(made.bolt11.len() - 1.., last);
                line.signed(200, &made.reply())
            }),
        ),
        (
            "mixed case",
            Box::new(|order, line| {
                let mut made = Draft::of(order).sign();
                made.bolt11.replace_range(..2, "LN");
                line.signed(200, &made.reply())
            }),
        ),
        (
            "a header line in it",
            Box::new(|order, line| {
                let mut made = Draft::of(order).sign();
                made.bolt11.push_str("\r\nX-Evil: 1");
                line.signed(200, &made.reply())
            }),
        ),
    ]);
}

/// F5, F7, T53, T69: an answer must be signed, for this question, now, and be what its type says.
#[test]
fn an_answer_that_cannot_be_believed_is_a_502() {
    let reply = |order: &InvoiceCreate| Draft::of(order).sign().reply();
    none_becomes_a_challenge(vec![
        ("unsigned", Box::new(move |order, line| line.unsigned(200, &reply(order)))),
        (
            "signed by a stranger",
            Box::new(move |order, line| {
                let (stranger, at, id) =
                    (RelaySecrets::parse(&Secrets::random().relay_secrets).unwrap(), now(), line.id().to_owned());
                line.with(200, &id, at, &stranger.sign(&id, at, &reply(order)), &reply(order))
            }),
        ),
        (
            "signed, then changed",
            Box::new(move |order, line| {
                let (at, id, body) = (now(), line.id().to_owned(), reply(order));
                let signature = line.secrets().sign(&id, at, &body);
                line.with(200, &id, at, &signature, &[&body[..], b" "].concat())
            }),
        ),
        (
            "for another question",
            Box::new(move |order, line| {
                let (at, body) = (now(), reply(order));
                let signature = line.secrets().sign("another", at, &body);
                line.with(200, "another", at, &signature, &body)
            }),
        ),
        ("ten minutes old", Box::new(move |order, line| line.signed_as(200, &reply(order), UnixTime(now().0 - 600)))),
        ("ten minutes early", Box::new(move |order, line| line.signed_as(200, &reply(order), UnixTime(now().0 + 600)))),
        ("a page", Box::new(|_, line| line.signed(200, b"<!doctype html><title>login</title>"))),
        ("nothing", Box::new(|_, line| line.signed(200, b""))),
        (
            "half of it",
            Box::new(move |order, line| {
                let body = reply(order);
                line.signed(200, &body[..body.len() / 2])
            }),
        ),
        ("no invoice in it", Box::new(|_, line| line.signed(200, b"{}"))),
        ("a refusal", Box::new(|_, line| line.signed(422, b"{}"))),
        ("another body under this id", Box::new(|_, line| line.signed(409, b"{}"))),
        (
            "a redirect",
            Box::new(|_, line| server::reply(line.stream, 307, &[("Location", "http://127.0.0.1:1/relay")], b"")),
        ),
        (
            "too much",
            Box::new(move |order, line| {
                let padded = [&reply(order)[..], " ".repeat(65 * 1024).as_bytes()].concat();
                line.signed(200, &padded)
            }),
        ),
        (
            "without end",
            Box::new(|_, line| {
                line.stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")?;
                loop {
                    line.stream.write_all(&[b' '; 16 * 1024])?; // until the worker has had enough
                }
            }),
        ),
    ]);
}

/// T21: one payment must not open two doors. A retry of the same question may be answered with the same invoice.
#[test]
fn an_invoice_that_was_given_before_is_refused() {
    let kept = Arc::new(Mutex::new(None::<Made>));
    let (stack, node) = node_that(json!({}), move |order, call, line| {
        let made = kept.lock().unwrap().get_or_insert_with(|| Draft::of(order).sign()).clone();
        match call.number {
            1 => line.signed(503, b"{}"), // it was made, and the answer got lost
            _ => line.signed(200, &made.reply()),
        }
    });
    ask(&stack, PAGE);
    for _ in 0..2 {
        is_refused(&stack, &get(&stack, PAGE), 502);
    }
    assert_eq!(node.calls().len(), 4);
}

/// F1, T59: after five failures the node is left alone for five seconds; then one request tries for all.
#[test]
fn a_breaker_opens_after_five_failures_and_closes_after_a_success() {
    let well = Arc::new(AtomicUsize::new(0));
    let is_well = Arc::clone(&well);
    let (stack, node) = node_that(json!({}), move |order, _, line| match is_well.load(Ordering::SeqCst) {
        0 => line.unsigned(500, b""),
        _ => line.honest(order).map(|_| ()),
    });
    for _ in 0..5 {
        is_refused(&stack, &get(&stack, PAGE), 503);
    }
    let opened = Instant::now();
    assert_eq!(node.calls().len(), 10);
    for _ in 0..5 {
        let (response, took) = timed(|| get(&stack, PAGE));
        is_refused(&stack, &response, 503);
        assert!(took < Duration::from_millis(500), "{took:?}");
    }
    assert_eq!(node.calls().len(), 10, "an open breaker asks nobody");

    // Half open: one probe, and it fails.
    std::thread::sleep(Duration::from_millis(5_200).saturating_sub(opened.elapsed()));
    is_refused(&stack, &get(&stack, PAGE), 503);
    let after_probe = node.calls().len();
    assert!((11..=12).contains(&after_probe), "{after_probe}");
    is_refused(&stack, &get(&stack, PAGE), 503);
    assert_eq!(node.calls().len(), after_probe);

    // The node is well again; the next probe closes the breaker for everybody.
    well.store(1, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(5_200));
    ask(&stack, PAGE);
    ask(&stack, PAGE);
    assert_eq!(node.calls().len(), after_probe + 2);
}

/// F1: what was paid before stays open while no invoice can be had.
#[test]
fn a_paid_token_opens_while_the_node_is_down() {
    let mut stack = Stack::start(plenty(json!({})));
    let (ticket, api) = (buy(&stack, PAGE), buy(&stack, "/api/echo"));
    stack.node_mut().kill();
    for _ in 0..8 {
        assert_eq!(get_with(&stack, PAGE, &ticket.l402()).status, 200);
        stack.origin.clear();
        is_refused(&stack, &get(&stack, PAGE), 503);
    }
    assert_eq!(get_with(&stack, "/api/echo", &api.payment()).status, 200);
    stack.origin.clear();
    // A good token for the wrong door would be sold another one; there is none to sell.
    is_refused(&stack, &get_with(&stack, "/dear/1", &ticket.l402()), 503);
    // Nobody with junk learns of it.
    assert_eq!(get_with(&stack, PAGE, "L402 junk:00").status, 400);
}

/// T58: so many calls to the node at a time and no more; the others are told at once.
#[test]
fn calls_to_a_slow_node_are_bounded() {
    let mut options = plenty(json!({}));
    options.policy["budgets"]["in_flight"] = 2.into();
    let (stack, node) = FakeNode::stack(options, |call, line| match &call.call {
        RelayCall::InvoiceCreate(order) => {
            std::thread::sleep(Duration::from_millis(800));
            line.honest(order).map(|_| ())
        }
        _ => line.unsigned(404, b""),
    });
    std::thread::scope(|scope| {
        let two: Vec<_> = (0..2).map(|_| scope.spawn(|| get(&stack, PAGE))).collect();
        crate::common::eventually("two calls", || (node.calls().len() == 2).then_some(()));
        let (third, took) = timed(|| get(&stack, PAGE));
        is_refused(&stack, &third, 503);
        assert!(took < Duration::from_millis(500), "{took:?}");
        two.into_iter().for_each(|one| drop(Offer::read(one.join().unwrap())));
    });
    assert_eq!(node.calls().len(), 2);
    ask(&stack, PAGE);
}

/// C7: what the worker asks is signed, addressed to the node, and says what the invoice is for.
#[test]
fn the_worker_asks_for_exactly_what_it_sells() {
    let (stack, node) =
        node_that(json!({"services": {"articles": {"description": "One article"}}}), |order, _, line| {
            line.honest(order).map(|_| ())
        });
    ask(&stack, PAGE);
    ask(&stack, "/dear/1");
    let calls = node.heard();
    let first: Value = serde_json::from_slice(&calls[0].body).unwrap();
    assert_eq!(
        first,
        json!({"type": "invoice.create", "audience": "node", "data": {
            "amount_msat": 21_000, "description": "One article", "expiry_s": 600, "service": "articles", "purpose": "l402"}})
    );
    let second: Value = serde_json::from_slice(&calls[1].body).unwrap();
    assert_eq!(second["data"]["description"], format!("dear at {}", stack.workerd.address()));
    assert!(calls.iter().all(|call| call.header("authorization").is_none() && call.header("cookie").is_none()));
    assert_ne!(calls[0].header("webhook-id"), calls[1].header("webhook-id"));
    assert_eq!(http::get(&stack.url("/free/1"), &[]).status, 200);
    assert_eq!(node.calls().len(), 2);
}
