//! The HTTP Payment scheme: one delivery for one payment, whatever happens on the way (C4, C16, D6, D8, `wire.md` 4).

mod common;

use std::time::Duration;

use common::fake_node::{Draft, FakeNode};
use common::{Offer, Purchase, Turn, ask, buy, eventually, get, get_with, invoices, now, plenty, seen, shared, sister};
use ed25519_dalek::{Signature, VerifyingKey};
use l402::encoding::{base64url, to_base64url};
use l402::receipt::{PaymentReceipt, UnverifiedReceipt};
use l402::relay::RelayCall;
use satstile_tests::raw::{Connection, Response};
use satstile_tests::{Secrets, Stack, http};
use serde_json::{Value, json};

const API: &str = "/api/echo";

/// Answers 409 as long as an earlier delivery is not written down; what it says then.
fn after_the_409s(stack: &Stack, path: &str, authorization: &str) -> Response {
    eventually("an end to the 409s", || Some(get_with(stack, path, authorization)).filter(|r| r.status != 409))
}

#[track_caller]
fn problem(response: &Response) -> String {
    let kind = response.json()["type"].as_str().unwrap_or_default().to_owned();
    kind.rsplit('/').next().unwrap_or_default().to_owned()
}

/// C4: delivered once, and never again; the same purchase then still has its time grant as L402.
#[test]
fn a_payment_delivers_once_and_its_token_for_the_time_it_bought() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let first = get_with(&stack, API, &ticket.payment());
    assert_eq!(first.status, 200, "{}", first.text());
    let second = after_the_409s(&stack, API, &ticket.payment());
    assert_eq!(problem(&second), "invalid-challenge");
    assert_ne!(Offer::read(second).payment_hash, ticket.offer.payment_hash);
    assert_eq!(seen(&stack), [API]);

    for _ in 0..2 {
        assert_eq!(get_with(&stack, API, &ticket.l402()).status, 200);
    }
    Offer::read(get_with(&stack, API, &ticket.payment()));
    assert_eq!(seen(&stack), [API; 3]);
    let seen = stack.origin.seen();
    assert!(seen.iter().all(|seen| seen.header("authorization").is_none()), "{seen:?}");
}

/// D6 the other way round: a token that was used does not use up the one Payment delivery of its grant.
#[test]
fn a_time_grant_leaves_the_one_payment_delivery_alone() {
    let stack = shared();
    let ticket = buy(&stack, API);
    assert_eq!(get_with(&stack, API, &ticket.l402()).status, 200);
    assert_eq!(get_with(&stack, API, &ticket.payment()).status, 200);
    Offer::read(after_the_409s(&stack, API, &ticket.payment()));
    assert_eq!(seen(&stack), [API; 2]);
}

/// `wire.md` 4.5, C16: two receipts on a paid 2xx, one of them signed; neither tells how to get in.
#[test]
fn a_delivery_comes_with_a_receipt_that_anybody_can_check() {
    let stack = shared();
    let (before, ticket) = (now(), buy(&stack, API));
    let paid = get_with(&stack, API, &ticket.payment());
    assert_eq!(paid.status, 200);
    assert_eq!(paid.all("cache-control"), ["private, no-store"]);
    let exposed = paid.header("access-control-expose-headers").unwrap_or_default();
    assert!(exposed.contains("Payment-Receipt") && exposed.contains("Satstile-Receipt"), "{exposed}");

    let header = paid.header("payment-receipt").unwrap();
    let receipt: Value = serde_json::from_slice(&base64url(header).unwrap()).unwrap();
    assert_eq!((&receipt["status"], &receipt["method"]), (&json!("success"), &json!("lightning")));
    assert_eq!(receipt["reference"], ticket.offer.payment_hash);
    assert_eq!(receipt["challengeId"], ticket.offer.param("Payment", "id"));
    assert!(l402::UnixTime::from_rfc3339(receipt["timestamp"].as_str().unwrap()).unwrap() >= before);
    assert_eq!(PaymentReceipt::parse(header).unwrap().reference(), ticket.offer.payment_hash);

    let signed = paid.header("satstile-receipt").unwrap();
    let unverified = UnverifiedReceipt::parse(signed).unwrap();
    let keys = get(&stack, "/.well-known/satstile/keys.json");
    assert_eq!((keys.status, keys.header("access-control-allow-origin")), (200, Some("*")));
    let keys = keys.json();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == unverified.key_id).unwrap();
    assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
    let key: [u8; 32] = base64url(key["x"].as_str().unwrap()).unwrap().try_into().unwrap();
    let signature = Signature::from_bytes(&unverified.signature);
    let key = VerifyingKey::from_bytes(&key).unwrap();
    key.verify_strict(unverified.signing_input.as_bytes(), &signature).unwrap();
    assert!(key.verify_strict(&unverified.signing_input.as_bytes()[1..], &signature).is_err());
    let said = unverified.unverified_receipt;
    assert_eq!((said.service.as_str(), said.amount.0, said.issuer), ("api", 10_000, stack.url("")));
    assert_eq!(said.payment_hash.to_string(), ticket.offer.payment_hash);
    assert_eq!(said.challenge_id, Some(ticket.offer.param("Payment", "id")));

    for header in [header, signed] {
        let text: String =
            header.split('.').map(|part| String::from_utf8_lossy(&base64url(part).unwrap()).into_owned()).collect();
        assert!(!text.contains(&ticket.preimage) && !text.contains(&ticket.offer.macaroon), "{text}");
    }
}

/// C16: an old receipt can be checked after a new key took over.
#[test]
fn a_rotated_receipt_key_stays_published() {
    let stack = shared();
    let key_ids = |url: &str| -> Vec<String> {
        let keys = http::get(&format!("{url}/.well-known/satstile/keys.json"), &[]).json();
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let old = key_ids(&stack.url(""));
    assert_eq!(old.len(), 1);
    let newer = Secrets::random().receipt_key;
    let rotated = Secrets { receipt_key: format!("{newer},{}", stack.secrets.receipt_key), ..stack.secrets.clone() };
    let worker = sister(&stack, rotated, json!({"public_url": stack.url("")}));
    let url = format!("http://{}", worker.address());
    let both = key_ids(&url);
    assert_eq!((both.len(), &both[1]), (2, &old[0]));
    assert_ne!(both[0], old[0]);

    // F20: so is a challenge that was issued before its secret was replaced, and one of nobody's is not.
    let ticket = buy(&stack, API);
    let ask = |secrets: Secrets| {
        let worker = sister(&stack, secrets, json!({"public_url": stack.url("")}));
        http::get(&format!("http://{}{API}", worker.address()), &[("authorization", &ticket.payment())])
    };
    let newer = Secrets::random().challenge_secret;
    let replaced = Secrets { challenge_secret: newer.clone(), ..stack.secrets.clone() };
    assert_eq!(ask(replaced).status, 401);
    let rotating = format!("{newer},{}", stack.secrets.challenge_secret);
    let delivered = ask(Secrets { challenge_secret: rotating, ..stack.secrets.clone() });
    assert_eq!(delivered.status, 200);
    let receipt = UnverifiedReceipt::parse(delivered.header("satstile-receipt").unwrap()).unwrap();
    assert_eq!(receipt.key_id, old[0]);
}

/// `wire.md` 4.5: what was not delivered is not receipted.
#[test]
fn there_is_no_receipt_without_a_delivery() {
    let stack = shared();
    let ticket = buy(&stack, API);
    for (path, status) in [("/api/fault/status/503", 503), ("/api/fault/hang-up", 502)] {
        let failed = after_the_409s(&stack, path, &ticket.payment());
        assert_eq!(failed.status, status);
        assert_eq!((failed.header("payment-receipt"), failed.header("satstile-receipt")), (None, None), "{path}");
    }
    let not_found = after_the_409s(&stack, "/api/nothing", &ticket.payment());
    assert_eq!((not_found.status, not_found.header("payment-receipt")), (404, None));
    let unpaid = get(&stack, API);
    assert_eq!((unpaid.status, unpaid.header("payment-receipt")), (402, None));
}

/// C1: a wrong preimage is sold a new challenge, and takes nothing from the right one.
#[test]
fn a_wrong_preimage_proves_nothing_and_spoils_nothing() {
    let stack = shared();
    let (ticket, other) = (buy(&stack, API), buy(&stack, API));
    for wrong in
        [json!(other.preimage), json!("00".repeat(32)), json!(ticket.offer.payment_hash), json!(""), json!(null)]
    {
        let refused = get_with(&stack, API, &ticket.payment_with(|c| c["payload"]["preimage"] = wrong.clone()));
        assert_eq!((refused.status, problem(&refused).as_str()), (402, "verification-failed"), "{wrong}");
        Offer::read(refused);
    }
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(get_with(&stack, API, &ticket.payment()).status, 200);
}

/// C1, C4, T25: the id binds everything that matters; what was changed is a forgery, and costs no invoice.
#[test]
fn a_changed_challenge_is_a_forgery() {
    let stack = shared();
    let (ticket, other) = (buy(&stack, API), buy(&stack, "/dear/echo"));
    let before = invoices(&stack);
    let decoded = |name: &str| -> Value {
        serde_json::from_slice(&base64url(&ticket.offer.param("Payment", name)).unwrap()).unwrap()
    };
    let encoded = |value: &Value| to_base64url(value.to_string().as_bytes());
    let (mut cheaper, mut elsewhere) = (decoded("request"), decoded("opaque"));
    cheaper["amount"] = "1".into();
    elsewhere["service"] = "dear".into();
    let later = l402::UnixTime(now().0 + 86_400).to_string();
    let changes: [(&str, Value); 11] = [
        ("id", "".into()),
        ("id", other.offer.param("Payment", "id").into()),
        ("realm", "elsewhere.test".into()),
        ("method", "tempo".into()),
        ("intent", "session".into()),
        ("request", encoded(&cheaper).into()),
        ("request", other.offer.param("Payment", "request").into()),
        ("expires", later.into()),
        ("expires", Value::Null),
        ("opaque", encoded(&elsewhere).into()),
        ("digest", "sha-256=:AA==:".into()),
    ];
    let mut bodies = Vec::new();
    for (name, value) in changes {
        let changed = ticket.payment_with(|c| c["challenge"][name] = value.clone());
        let refused = get_with(&stack, API, &changed);
        assert_eq!(refused.status, 401, "{name} = {value}");
        assert_eq!(refused.header("www-authenticate"), Some("L402 realm=\"api\""));
        bodies.push(refused.text());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    // The slots of the id are joined by bars: none may be moved from one to the next.
    let (method, intent) = ("lightning|charge", "");
    let moved = ticket.payment_with(|c| {
        c["challenge"]["method"] = method.into();
        c["challenge"]["intent"] = intent.into();
    });
    assert!(matches!(get_with(&stack, API, &moved).status, 400 | 401));
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack), before);
    assert_eq!(get_with(&stack, API, &ticket.payment()).status, 200);
}

/// C4: the description is for people and bound to nothing; what a client does not know it need not send.
#[test]
fn what_the_id_does_not_bind_does_not_matter() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let credential = ticket.payment_with(|c| {
        c["challenge"]["description"] = "anything".into();
        c["source"] = "did:key:z6Mk".into();
    });
    assert_eq!(get_with(&stack, API, &credential).status, 200);
}

/// C4: service and amount are checked against the route, and the credential is still good where it belongs.
#[test]
fn a_payment_for_one_service_opens_no_other() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let refused = get_with(&stack, "/dear/echo", &ticket.payment());
    assert_eq!(problem(&refused), "invalid-challenge");
    assert_eq!(Offer::read(refused).response.json()["amount_sats"], 50);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(get_with(&stack, API, &ticket.payment()).status, 200);
}

/// T18: ten at once, one delivery.
#[test]
fn of_ten_identical_credentials_at_once_exactly_one_delivers() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let statuses = at_once(10, || get_with(&stack, "/api/fault/slow?ms=200", &ticket.payment()).status);
    let count = |status: u16| statuses.iter().filter(|s| **s == status).count();
    assert_eq!((count(200), count(409) + count(402)), (1, 9), "{statuses:?}");
    assert_eq!(seen(&stack).len(), 1);
    Offer::read(after_the_409s(&stack, API, &ticket.payment()));
    assert_eq!(seen(&stack).len(), 1);
}

/// C1: the answer to a second request during a delivery says when to come back, and mints nothing.
#[test]
fn a_second_request_during_a_delivery_is_told_to_wait() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let before = invoices(&stack);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| get_with(&stack, "/api/fault/slow?ms=800", &ticket.payment()).status);
        eventually("the first delivery", || (!seen(&stack).is_empty()).then_some(()));
        let second = get_with(&stack, API, &ticket.payment());
        assert_eq!((second.status, second.header("retry-after")), (409, Some("1")));
        assert_eq!(first.join().unwrap(), 200);
    });
    assert_eq!(seen(&stack), ["/api/fault/slow?ms=800"]);
    assert_eq!(invoices(&stack), before);
}

/// D8, F9 to F11: an origin that fails has delivered nothing, before its first byte or in the middle of the last.
#[test]
fn an_origin_that_fails_does_not_use_the_payment_up() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let before = invoices(&stack);
    let faults = [
        ("/api/fault/status/503", 503),
        ("/api/fault/status/500", 500),
        ("/api/fault/hang-up", 502),
        ("/api/fault/garbage", 502),
        ("/api/fault/challenge", 502),
        ("/api/fault/status/401", 502),
        ("/api/fault/cut?after=0", 200),
        ("/api/fault/cut?after=3", 200),
        ("/api/fault/cut-chunked?after=3", 200),
    ];
    for (path, status) in faults {
        let failed = after_the_409s(&stack, path, &ticket.payment());
        // What is cut at its very beginning may as well be a bad gateway.
        assert!(failed.status == status || (status == 200 && failed.status == 502), "{path}: {}", failed.status);
        assert!(status != 200 || failed.status == 502 || !failed.complete, "{path} looks complete");
    }
    let delivered = after_the_409s(&stack, API, &ticket.payment());
    assert_eq!(delivered.status, 200, "{}", delivered.text());
    assert_eq!(invoices(&stack), before);
    Offer::read(after_the_409s(&stack, API, &ticket.payment()));
}

/// D8: a final answer is a delivery, even one that says no; otherwise a 404 would be free for ever.
#[test]
fn a_final_no_of_the_origin_is_a_delivery() {
    let stack = shared();
    let ticket = buy(&stack, API);
    assert_eq!(get_with(&stack, "/api/nothing", &ticket.payment()).status, 404);
    Offer::read(after_the_409s(&stack, API, &ticket.payment()));
    assert_eq!(seen(&stack), ["/api/nothing"]);
}

/// T80, M14: a client that hung up before the first byte got nothing, and can come back with what it paid.
#[test]
fn a_client_that_hung_up_before_the_first_byte_may_come_back() {
    let stack = shared();
    for hold in [Purchase::payment as fn(&Purchase) -> String, |ticket| ticket.attenuated(&["satstile_uses=1"])] {
        stack.origin.clear();
        let ticket = buy(&stack, API);
        let mut connection = Connection::open(stack.workerd.address()).unwrap();
        let head = format!(
            "GET /api/fault/slow?ms=700 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n\r\n",
            hold(&ticket)
        );
        connection.send(head.as_bytes()).unwrap();
        eventually("the origin to be asked", || (!seen(&stack).is_empty()).then_some(()));
        drop(connection);
        assert_eq!(after_the_409s(&stack, API, &hold(&ticket)).status, 200);
    }
}

/// T80: a client that left after the first byte has had its delivery; it is neither free nor locked for ever.
#[test]
fn a_client_that_left_in_the_middle_has_had_its_delivery() {
    let stack = shared();
    let ticket = buy(&stack, "/stream/1");
    let mut connection = Connection::open(stack.workerd.address()).unwrap();
    let head =
        format!("GET /stream/1?n=600 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n\r\n", ticket.payment());
    connection.send(head.as_bytes()).unwrap();
    assert_eq!(connection.head(true).unwrap().status, 200);
    connection.part().unwrap().unwrap();
    drop(connection);
    Offer::read(after_the_409s(&stack, "/stream/1?n=1", &ticket.payment()));
    assert_eq!(seen(&stack), ["/stream/1?n=600"]);
    assert_eq!(get_with(&stack, "/stream/1?n=1", &ticket.l402()).status, 200);
}

/// T18, T74: a delivery that was acknowledged is remembered after a power cut.
#[test]
fn a_delivery_survives_a_crash() {
    let mut stack = Stack::start(plenty(json!({})));
    let (ticket, untouched) = (buy(&stack, API), buy(&stack, API));
    assert_eq!(get_with(&stack, API, &ticket.payment()).status, 200);
    Offer::read(after_the_409s(&stack, API, &ticket.payment()));
    stack.workerd.crash_restart();
    Offer::read(get_with(&stack, API, &ticket.payment()));
    assert_eq!(seen(&stack), [API]);
    assert_eq!(get_with(&stack, API, &untouched.payment()).status, 200);
    assert_eq!(get_with(&stack, API, &ticket.l402()).status, 200);
}

/// `systems.md` B, C4: the plain JSON form is an L402 credential in other clothes, commas and all.
#[test]
fn the_plain_json_form_is_worth_what_its_macaroon_is_worth() {
    let stack = shared();
    let (ticket, other) = (buy(&stack, API), buy(&stack, API));
    let plain = |macaroon: &str, preimage: &str| {
        format!(
            "Payment {}",
            json!({"challenge": {"id": "ignored", "macaroon": macaroon}, "payload": {"preimage": preimage}})
        )
    };
    let (macaroon, preimage) = (&ticket.offer.macaroon, &ticket.preimage);
    for _ in 0..2 {
        let opened = get_with(&stack, API, &plain(macaroon, preimage));
        assert_eq!(opened.status, 200, "{}", opened.text());
    }
    let spaced = format!(
        r#"Payment {{ "challenge": {{"macaroon":"{macaroon}", "id": ""}}, "payload": {{"preimage":"{preimage}"}} }}"#
    );
    assert_eq!(get_with(&stack, API, &spaced).status, 200);
    assert_eq!(seen(&stack), [API; 3]);
    assert!(stack.origin.seen().iter().all(|seen| seen.header("authorization").is_none()));

    Offer::read(get_with(&stack, API, &plain(macaroon, &other.preimage)));
    Offer::read(get_with(&stack, "/articles/1", &plain(macaroon, preimage)));
    let before = invoices(&stack);
    let mut forged = macaroon.clone().into_bytes();
    forged[200] = if forged[200] == b'A' { b'B' } else { b'A' };
    assert_eq!(get_with(&stack, API, &plain(&String::from_utf8(forged).unwrap(), preimage)).status, 401);
    for unreadable in [
        plain(macaroon, "1a"),
        plain("!", preimage),
        plain(macaroon, preimage).replace("macaroon", "token"),
        format!("{}, {}", plain(macaroon, preimage), ticket.l402()),
        plain(macaroon, preimage).replace("\"id\":\"ignored\"", "\"macaroon\":\"x\""),
    ] {
        assert_eq!(get_with(&stack, API, &unreadable).status, 400, "{unreadable}");
    }
    assert_eq!(seen(&stack), [API; 3]);
    assert_eq!(invoices(&stack), before);
}

/// C4: a grant of uses is counted in one place, whichever scheme redeems it.
#[test]
fn uses_are_counted_across_both_schemes() {
    let stack = Stack::start(plenty(json!({"services": {"dear": {"uses": 3}}})));
    let ticket = buy(&stack, "/dear/echo");
    assert_eq!(ticket.offer.response.json()["grant"], json!({"valid_seconds": 600, "uses": 3}));
    let ask = |authorization: &str| after_the_409s(&stack, "/dear/echo", authorization).status;
    assert_eq!(ask(&ticket.l402()), 200);
    assert_eq!(ask(&ticket.payment()), 200);
    assert_eq!(ask(&ticket.payment()), 402);
    assert_eq!(ask(&ticket.l402()), 200);
    assert_eq!(ask(&ticket.l402()), 402);
    assert_eq!(ask(&ticket.payment()), 402);
    assert_eq!(seen(&stack), ["/dear/echo"; 3]);

    // An uncounted failure stays uncounted, and nobody takes more at once than there is.
    let ticket = buy(&stack, "/dear/echo");
    stack.origin.clear();
    let statuses = at_once(10, || get_with(&stack, "/dear/echo", &ticket.l402()).status);
    let delivered = statuses.iter().filter(|status| **status == 200).count();
    assert!((1..=3).contains(&delivered) && statuses.iter().all(|s| [200, 402, 409].contains(s)), "{statuses:?}");
    for _ in delivered..3 {
        assert_eq!(ask(&ticket.l402()), 200);
    }
    assert_eq!(ask(&ticket.l402()), 402);
    assert_eq!(seen(&stack).len(), 3);
}

/// C4: uses that met a broken origin are still there.
#[test]
fn a_use_that_met_a_broken_origin_is_given_back() {
    let stack = Stack::start(plenty(json!({"services": {"api": {"uses": 1}}})));
    let ticket = buy(&stack, API);
    for path in ["/api/fault/status/502", "/api/fault/cut?after=3", "/api/fault/hang-up"] {
        let failed = after_the_409s(&stack, path, &ticket.l402());
        assert!(failed.status >= 500 || !failed.complete, "{path}: {}", failed.status);
    }
    assert_eq!(after_the_409s(&stack, API, &ticket.l402()).status, 200);
    Offer::read(after_the_409s(&stack, API, &ticket.l402()));
}

/// C4: a challenge has an end, a minute before its invoice's; the purchase itself lives on as L402.
#[test]
fn an_expired_challenge_is_refused_and_its_token_is_not() {
    // An invoice with 61 s left makes a challenge that is over in a second.
    let (stack, node) = FakeNode::stack(plenty(json!({})), |call, line| match &call.call {
        RelayCall::InvoiceCreate(order) => {
            let draft = Draft { expiry_s: 62, preimage: [u8::try_from(call.number).unwrap(); 32], ..Draft::of(order) };
            line.signed(200, &draft.sign().reply())
        }
        _ => line.unsigned(400, b""),
    });
    let ticket = Purchase { offer: ask(&stack, API), preimage: "01".repeat(32) };
    let expires = l402::UnixTime::from_rfc3339(&ticket.offer.param("Payment", "expires")).unwrap();
    std::thread::sleep(Duration::from_secs(expires.0.saturating_sub(now().0) + 1));
    let late = get_with(&stack, API, &ticket.payment());
    assert_eq!(problem(&late), "payment-expired");
    Offer::read(late);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(get_with(&stack, API, &ticket.l402()).status, 200);
    assert_eq!(node.calls().len(), 2);
}

fn at_once(n: usize, act: impl Fn() -> u16 + Sync) -> Vec<u16> {
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..n).map(|_| scope.spawn(&act)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// Both forms of the credential in one request are two credentials (C1).
#[test]
fn a_payment_beside_anything_else_is_refused() {
    let stack = shared();
    let ticket = buy(&stack, API);
    for both in [
        format!("{}, {}", ticket.payment(), ticket.l402()),
        format!("{}, {}", ticket.l402(), ticket.payment()),
        format!("{}, Bearer x", ticket.payment()),
    ] {
        assert_eq!(refusal(&stack, &both), 400, "{both}");
    }
    assert_eq!(seen(&stack), [""; 0]);
}

fn refusal(stack: &Turn, authorization: &str) -> u16 {
    http::get(&stack.url(API), &[("authorization", authorization)]).status
}
