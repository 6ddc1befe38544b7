//! "Has my invoice been paid?" Only who holds the token, just as it was minted, is told (C5, T62, T64).

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use l402::identifier::Identifier;
use l402::relay::RelayCall;
use l402::token::Token;
use l402::{Keys, PaymentHash, UnixTime};
use satstile_tests::raw::Response;
use satstile_tests::{Secrets, Stack, StackOptions, http};
use serde_json::{Value, json};

use crate::common::fake_node::{Draft, FakeNode, Made};
use crate::common::{Offer, ask, attenuate, buy, eventually, get_with, invoices, now, plenty, seen, shared};

const STATUS: &str = "/.well-known/satstile/status";

fn poll(stack: &Stack, authorization: &str) -> Response {
    http::post(&stack.url(STATUS), &[("authorization", authorization)], b"")
}

/// The answer once the limit of one a second is past.
#[track_caller]
fn told(stack: &Stack, macaroon: &str) -> Value {
    let mut answer = poll(stack, &format!("L402 {macaroon}"));
    if answer.status == 429 {
        std::thread::sleep(Duration::from_secs(1));
        answer = poll(stack, &format!("L402 {macaroon}"));
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn names(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}

/// C5: pending tells two things, settled the rest; the preimage opens the door.
#[test]
fn a_poll_turns_from_pending_to_settled_and_then_tells_the_preimage() {
    let stack = shared();
    let offer = ask(&stack, "/articles/1");
    let pending = told(&stack, &offer.macaroon);
    assert_eq!(names(&pending), ["invoice_expires_at", "status"]);
    assert_eq!(
        (&pending["status"], &pending["invoice_expires_at"]),
        (&json!("pending"), &offer.response.json()["expires_at"])
    );

    let ticket = offer.pay(stack.node());
    let settled = eventually("the settlement", || {
        Some(told(&stack, &ticket.offer.macaroon)).filter(|t| t["status"] == "settled")
    });
    assert_eq!(settled["preimage"], ticket.preimage);
    let invoice_expires = UnixTime::from_rfc3339(settled["invoice_expires_at"].as_str().unwrap()).unwrap();
    let access_expires = UnixTime::from_rfc3339(settled["access_expires_at"].as_str().unwrap()).unwrap();
    assert_eq!(access_expires.0 - invoice_expires.0, 3_600);
    let known = ["access_expires_at", "invoice_expires_at", "preimage", "receipt", "status", "token"];
    assert!(names(&settled).iter().all(|name| known.contains(name)), "{settled}");

    let credential = format!("L402 {}:{}", ticket.offer.macaroon, settled["preimage"].as_str().unwrap());
    assert_eq!(get_with(&stack, "/articles/1", &credential).status, 200);
    assert_eq!(seen(&stack), ["/articles/1"]);
}

/// C5: polling makes nothing and reaches nobody behind the door.
#[test]
fn a_poll_costs_no_invoice() {
    let stack = shared();
    let offer = ask(&stack, "/articles/1");
    let before = invoices(&stack);
    told(&stack, &offer.macaroon);
    poll(&stack, "L402 junk");
    assert_eq!(invoices(&stack), before);
    assert_eq!(seen(&stack), [""; 0]);
}

/// C5, T62, T64: a delegate, a router on the way, whoever saw the QR code: all are told the same nothing.
#[test]
fn everybody_else_is_told_the_same_nothing() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    let (macaroon, preimage, hash) = (&ticket.offer.macaroon, &ticket.preimage, &ticket.offer.payment_hash);
    let hash_bytes = PaymentHash::from_hex(hash).unwrap();
    let strangers = Keys::parse(&Secrets::random().master_keys, &Secrets::random().challenge_secret).unwrap();
    let forged = Token::mint(&strangers, Identifier::new(hash_bytes, 1, [1; 31]), &[]).unwrap().to_wire();
    // Ours, for this very invoice, and yet not what was minted.
    let keys = Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap();
    let bare = Token::mint(&keys, Identifier::new(hash_bytes, keys.minting_id(), [1; 31]), &[]).unwrap().to_wire();
    let attempts: Vec<(String, String)> = [
        String::new(),
        hash.clone(),
        format!("L402 {hash}"),
        format!("L402 {preimage}"),
        format!("Bearer {macaroon}"),
        format!("Bearer {hash}"),
        format!("L402 {macaroon}:{preimage}"),
        format!("L402 {macaroon}:"),
        ticket.payment(),
        format!("L402 {}", attenuate(macaroon, &["satstile_methods=GET"])),
        format!("L402 {}", attenuate(macaroon, &["foreign=1"])),
        format!("L402 {}", attenuate(macaroon, &["no equals sign"])),
        format!("L402 {}", attenuate(macaroon, &[""])),
        format!("L402 {forged}"),
        format!("L402 {bare}"),
        format!("L402 {macaroon}, L402 {macaroon}"),
        format!("L402 {macaroon},{macaroon}"),
        "L402 ".to_owned(),
        "Payment e30".to_owned(),
    ]
    .into_iter()
    .map(|authorization| (authorization, String::new()))
    .chain([(String::new(), json!({"payment_hash": hash, "macaroon": macaroon}).to_string())])
    .collect();
    let mut answers = Vec::new();
    for (authorization, body) in &attempts {
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let answer = http::post(&stack.url(STATUS), &headers[usize::from(authorization.is_empty())..], body.as_bytes());
        assert_eq!(answer.status, 404, "{authorization} {body}: {}", answer.text());
        assert!(!answer.text().contains(preimage.as_str()));
        answers.push((answer.headers.clone(), answer.text()));
    }
    for (n, answer) in answers.iter().enumerate() {
        let (headers, first) = (&answer.0, &answers[0].0);
        let without_date = |h: &[(String, String)]| h.iter().filter(|(n, _)| n != "Date").cloned().collect::<Vec<_>>();
        assert_eq!(without_date(headers), without_date(first), "{:?}", attempts[n]);
        assert_eq!(answer.1, answers[0].1, "{:?}", attempts[n]);
    }
}

/// C5: about one a second for each token, and one token's haste is not another's.
#[test]
fn a_hasty_poll_is_told_to_slow_down() {
    let stack = shared();
    let (one, other) = (ask(&stack, "/articles/1"), ask(&stack, "/articles/1"));
    assert_eq!(poll(&stack, &format!("L402 {}", one.macaroon)).status, 200);
    let hasty = poll(&stack, &format!("L402 {}", one.macaroon));
    assert_eq!((hasty.status, hasty.header("retry-after")), (429, Some("1")));
    assert_eq!(poll(&stack, &format!("L402 {}", other.macaroon)).status, 200);
}

/// C5: "about one a second" is what everybody gets, also a client that asks three times as often: being told to slow
/// down must not push the next answer further away.
#[test]
fn a_client_that_keeps_asking_is_answered_once_a_second() {
    let stack = shared();
    let offer = ask(&stack, "/articles/1");
    let mut answered = 0;
    for _ in 0..10 {
        answered += u32::from(poll(&stack, &format!("L402 {}", offer.macaroon)).status == 200);
        std::thread::sleep(Duration::from_millis(300));
    }
    assert!((2..=4).contains(&answered), "{answered} answers in three seconds");
}

/// C5, T46: a page on another site may ask, without cookies.
#[test]
fn a_script_of_another_site_may_poll() {
    let stack = shared();
    let offer = ask(&stack, "/articles/1");
    let preflight = [
        ("origin", "https://blog.test"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let allowed = http::send("OPTIONS", &stack.url(STATUS), &preflight, b"");
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (204, Some("*")));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("Authorization"));
    assert!(allowed.header("access-control-allow-methods").unwrap().contains("POST"));
    let answer = poll(&stack, &format!("L402 {}", offer.macaroon));
    assert_eq!(answer.all("access-control-allow-origin"), ["*"]);
    assert_eq!((answer.header("set-cookie"), answer.header("access-control-allow-credentials")), (None, None));
    assert_eq!(answer.all("cache-control"), ["no-store"]);
    for method in ["GET", "PUT", "DELETE"] {
        let refused = http::send(method, &stack.url(STATUS), &[], b"");
        assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")), "{method}");
    }
}

/// C5: after its time an unpaid invoice is expired. The token is minted here, for an invoice that ended a second ago.
#[test]
fn an_unpaid_invoice_is_expired_after_its_time() {
    let stack = shared();
    let keys = Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap();
    let until = format!("articles_valid_until={}", now().0 - 1 + 3_600);
    let caveats = ["services=articles:0", &until, "satstile_aud=demo", "satstile_methods=GET,HEAD"].map(str::to_owned);
    let identifier = Identifier::new(PaymentHash([7; 32]), keys.minting_id(), [7; 31]);
    let token = Token::mint(&keys, identifier, &caveats).unwrap().to_wire();
    let expired = told(&stack, &token);
    assert_eq!((names(&expired), &expired["status"]), (vec!["invoice_expires_at", "status"], &json!("expired")));
}

/// A node that answers look-ups as the story wants.
fn looking_up(answer: impl Fn(&Made) -> Vec<u8> + Send + Sync + 'static) -> (Stack, FakeNode, Offer) {
    let made = Arc::new(Mutex::new(None::<Made>));
    let (stack, node) = FakeNode::stack(plenty(json!({})), move |call, line| match &call.call {
        RelayCall::InvoiceCreate(order) => {
            let new = Draft::of(order).sign();
            *made.lock().unwrap() = Some(new.clone());
            line.signed(200, &new.reply())
        }
        _ => line.signed(200, &answer(made.lock().unwrap().as_ref().unwrap())),
    });
    let offer = ask(&stack, "/articles/1");
    (stack, node, offer)
}

/// Design, T20, T66: the node's state is the proof, then the hash, then the amount. Anything less is "not yet".
#[test]
fn a_preimage_alone_proves_nothing() {
    let said = |made: &Made, status: &str, amount: Value, preimage: String| {
        json!({"status": status, "amount_msat": amount, "preimage": preimage, "settled_at": now().0, "payment_hash": made.payment_hash.to_string()})
            .to_string()
            .into_bytes()
    };
    type Answer = Box<dyn Fn(&Made) -> Vec<u8> + Send + Sync>;
    let answers: Vec<(&str, Answer)> = vec![
        (
            "a pending invoice with its preimage",
            Box::new(move |m| said(m, "pending", json!(21_000), m.preimage.expose_hex())),
        ),
        (
            "an expired invoice with its preimage",
            Box::new(move |m| said(m, "expired", json!(21_000), m.preimage.expose_hex())),
        ),
        ("another preimage", Box::new(move |m| said(m, "settled", json!(21_000), "00".repeat(32)))),
        ("less than was asked for", Box::new(move |m| said(m, "settled", json!(20_999), m.preimage.expose_hex()))),
        ("no amount", Box::new(move |m| said(m, "settled", Value::Null, m.preimage.expose_hex()))),
        (
            "an amount that is no integer",
            Box::new(move |m| said(m, "settled", json!(21_000.5), m.preimage.expose_hex())),
        ),
        ("garbage", Box::new(|_| b"<html>".to_vec())),
    ];
    let mut wrong = Vec::new();
    for (what, answer) in answers {
        let (stack, node, offer) = looking_up(answer);
        let told = told(&stack, &offer.macaroon);
        assert_eq!(node.calls().len(), 2, "{what}: the node was not asked");
        if told["status"] != "pending" || told["preimage"] != Value::Null {
            wrong.push(format!("{what} counts as {told}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// C5: the node is asked at most every two seconds for one hash, however often a client asks.
#[test]
fn the_node_is_asked_at_most_every_two_seconds() {
    let paid = Arc::new(AtomicU8::new(0));
    let is_paid = Arc::clone(&paid);
    let (stack, node, offer) = looking_up(move |made| match is_paid.load(Ordering::SeqCst) {
        0 => made.pending(),
        _ => made.settled(),
    });
    let lookups = || node.calls().iter().filter(|call| matches!(call.call, RelayCall::InvoiceLookup(_))).count();
    assert_eq!(told(&stack, &offer.macaroon)["status"], "pending");
    paid.store(1, Ordering::SeqCst);
    std::thread::sleep(Duration::from_millis(950));
    assert_eq!(told(&stack, &offer.macaroon)["status"], "pending");
    assert_eq!(lookups(), 1);
    std::thread::sleep(Duration::from_millis(1_200));
    assert_eq!(told(&stack, &offer.macaroon)["status"], "settled");
    assert_eq!(lookups(), 2);
    // What is known is not asked again.
    std::thread::sleep(Duration::from_millis(950));
    assert_eq!(told(&stack, &offer.macaroon)["status"], "settled");
    assert_eq!(lookups(), 2);
}

/// A5, T58: a client that polls sixty unpaid tokens costs the node two look-ups a second.
#[test]
fn sixty_unpaid_tokens_of_one_client_cost_two_lookups_a_second_a5() {
    let policy = json!({"budgets": {"per_client_per_min": 1_000, "in_flight": 100}});
    let options = StackOptions::policy(policy);
    let made = Arc::new(Mutex::new(None::<Made>));
    let (stack, node) = FakeNode::stack(options, move |call, line| match &call.call {
        RelayCall::InvoiceCreate(order) => {
            let new = Draft::of(order).sign();
            *made.lock().unwrap() = Some(new.clone());
            line.signed(200, &new.reply())
        }
        _ => line.signed(200, &made.lock().unwrap().as_ref().unwrap().pending()),
    });
    let offers: Vec<Offer> = (0..60).map(|_| ask(&stack, "/articles/1")).collect();
    let lookups = || node.calls().iter().filter(|call| matches!(call.call, RelayCall::InvoiceLookup(_))).count();
    let start = Instant::now();
    for offer in offers.iter().cycle().take(180) {
        assert!(matches!(poll(&stack, &format!("L402 {}", offer.macaroon)).status, 200 | 429));
    }
    let most = 2 * (usize::try_from(start.elapsed().as_secs()).unwrap() + 1);
    assert!((1..=most).contains(&lookups()), "{} look-ups in {:?}", lookups(), start.elapsed());
}

/// A3, T64: polls have a budget, of a client and of all.
#[test]
fn polls_beyond_the_budget_are_told_when_to_come_back_a3() {
    let stack = Stack::start(StackOptions::policy(json!({"budgets": {"status_per_client_per_min": 2}})));
    let offers: Vec<Offer> = (0..3).map(|_| ask(&stack, "/articles/1")).collect();
    let answers: Vec<Response> = offers.iter().map(|o| poll(&stack, &format!("L402 {}", o.macaroon))).collect();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 429]);
    assert!(answers[2].header("retry-after").is_some());
    // What is no token of ours is nobody's poll.
    assert_eq!(poll(&stack, "L402 junk").status, 404);
}

/// C5, T59: a node that is away means "not yet", not an error, to somebody who only waits.
#[test]
fn a_poll_while_the_node_is_away_is_pending() {
    let mut stack = Stack::start(plenty(json!({})));
    let offer = ask(&stack, "/articles/1");
    stack.node_mut().stop();
    assert_eq!(told(&stack, &offer.macaroon)["status"], "pending");
}
