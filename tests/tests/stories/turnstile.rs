//! The door itself: ask, pay, pass. What a 402 says, to the byte, and what costs no invoice.

use std::time::Duration;

use l402::bolt11::{Invoice, Network};
use l402::token::UnverifiedToken;
use l402::{Keys, UnixTime};
use satstile_tests::{Stack, http, raw};
use serde_json::json;

use crate::common::{Offer, ask, at_once, buy, get, get_with, invoices, only_seen, plenty, seen, shared};

/// The whole promise: 402, one payment, the article; and again, without paying again (C1, D6).
#[test]
fn a_payment_opens_the_door_for_the_time_of_its_grant() {
    let stack = shared();
    let before = invoices(&stack);
    let offer = ask(&stack, "/articles/1");
    assert_eq!(seen(&stack), [""; 0]);

    let ticket = offer.pay(stack.node());
    for _ in 0..3 {
        let paid = get_with(&stack, "/articles/1", &ticket.l402());
        assert_eq!(paid.status, 200, "{}", paid.text());
        assert!(paid.text().starts_with("# A payment that travels"), "{}", paid.text());
    }
    assert_eq!(seen(&stack), ["/articles/1"; 3]);
    assert_eq!(invoices(&stack) - before, 1);
}

/// A token is for a service: the next article of it is open, the next service is not (T12, D3).
#[test]
fn a_token_opens_its_service_and_no_other() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    assert_eq!(get_with(&stack, "/articles/2", &ticket.l402()).status, 200);
    stack.origin.clear();
    let other = get_with(&stack, "/dear/echo", &ticket.l402());
    assert_eq!(Offer::read(other).response.json()["amount_sats"], 50);
    assert_eq!(seen(&stack), [""; 0]);
}

/// D1 in the joined form that the runtime makes of two values: one line, L402 first, `macaroon` then `invoice` first.
#[test]
fn the_challenge_is_one_line_in_the_order_that_every_client_reads() {
    let stack = shared();
    let offer = ask(&stack, "/articles/1");
    let lines = offer.response.all("www-authenticate");
    assert_eq!(lines.len(), 1, "{lines:?}");

    let param = |name| offer.param("Payment", name);
    let (macaroon, invoice) = (&offer.macaroon, &offer.invoice);
    let description = format!("articles at {}", stack.workerd.address());
    let expected = [
        format!(r#"L402 macaroon="{macaroon}", invoice="{invoice}", version="0", token="{macaroon}""#),
        format!(r#"Payment id="{}", realm="{}""#, param("id"), stack.workerd.address()),
        format!(r#"method="lightning", intent="charge", request="{}""#, param("request")),
        format!(r#"expires="{}", description="{description}", opaque="{}""#, param("expires"), param("opaque")),
    ];
    assert_eq!(lines[0], expected.join(", "));
    assert_eq!(offer.response.json()["challenge_id"], param("id"));
}

/// D2: only a client that names Lightning in `Accept-Payment`, or the operator's own switch, turns the order round.
#[test]
fn payment_stands_first_for_who_asks_for_it() {
    let starts_with = |response: &raw::Response, scheme: &str| {
        let header = response.header("www-authenticate").unwrap_or_default().to_owned();
        assert!(header.starts_with(scheme), "{header}");
        let (l402, payment) = (header.matches("L402 ").count(), header.matches("Payment ").count());
        assert_eq!((l402, payment), (1, 1), "{header}");
    };
    let stack = shared();
    let accepting = |value| http::get(&stack.url("/articles/1"), &[("accept-payment", value)]);
    starts_with(&accepting("lightning/charge"), "Payment id=\"");
    starts_with(&accepting("tempo/*;q=0.9, lightning/charge;q=0.1"), "Payment id=\"");
    starts_with(&accepting("lightning/charge;q=0"), "L402 macaroon=\"");
    starts_with(&accepting("*/*"), "L402 macaroon=\"");

    let first = Stack::start(plenty(json!({"services": {"articles": {"payment_first": true}}})));
    starts_with(&get(&first, "/articles/1"), "Payment id=\"");
    starts_with(&get(&first, "/dear/1"), "L402 macaroon=\"");
}

/// C3, every member of it; and the invoice says the same as the words around it.
#[test]
fn the_body_of_a_402_says_everything_once() {
    let stack = shared();
    let (before, offer, after) = (crate::common::now(), ask(&stack, "/articles/1"), crate::common::now());
    assert_eq!(offer.response.header("content-type"), Some("application/problem+json"));
    let body = offer.response.json();
    let mut names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    let mut expected: Vec<_> = "type title status detail message invoice payment_request payment_hash macaroon \
        amount_sats amount_msat price expires_at service grant status_url challenge_id"
        .split_whitespace()
        .collect();
    expected.sort_unstable();
    assert_eq!(names, expected);

    let invoice = Invoice::parse(&offer.invoice).unwrap();
    assert_eq!((invoice.network, invoice.expiry_s), (Network::Regtest, 600));
    assert_eq!(invoice.amount.unwrap().0, 21_000);
    assert_eq!(body["payment_hash"], invoice.payment_hash.to_string());
    assert_eq!(body["expires_at"], invoice.expires_at().to_string());
    assert!((before..=after).contains(&UnixTime(invoice.expires_at().0 - 600)));
    assert_eq!(body["payment_request"], body["invoice"]);
    assert_eq!(
        (&body["amount_msat"], &body["amount_sats"], &body["price"]),
        (&json!(21_000), &json!(21), &json!("21 sats"))
    );
    assert_eq!((&body["service"], &body["status"]), (&json!("articles"), &json!(402)));
    assert_eq!(body["grant"], json!({"valid_seconds": 3600, "uses": null}));
    assert_eq!(body["type"], "https://paymentauth.org/problems/payment-required");
    assert_eq!(body["status_url"], stack.url("/.well-known/satstile/status"));
}

/// T21: visitors that come at the same moment get an invoice and a token each.
#[test]
fn visitors_at_once_get_an_invoice_each() {
    let stack = shared();
    let before = invoices(&stack);
    let mut hashes = at_once(20, |_| ask(&stack, "/articles/1").payment_hash);
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!((hashes.len(), invoices(&stack) - before), (20, 20));
}

/// C2, to the byte: 66 bytes of identifier, then these caveats in this order. Other people's code reads them.
#[test]
fn a_token_says_what_it_is_for_in_this_order() {
    let stack = Stack::start(plenty(json!({"services": {"dear": {"uses": 3, "bind_route": true, "ranges": false}}})));
    let keys = Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap();
    let caveats = |path: &str| {
        let offer = ask(&stack, path);
        let bytes = l402::encoding::base64_any(&offer.macaroon).unwrap();
        assert_eq!(&bytes[..15], b"\x02\x01\x08satstile\x02\x42\x00\x00");
        let token = UnverifiedToken::parse(&offer.macaroon).unwrap().verify(&keys).unwrap();
        assert_eq!(token.identifier.payment_hash.to_string(), offer.payment_hash);
        let invoice = Invoice::parse(&offer.invoice).unwrap();
        let caveats: Vec<String> = token.caveats().map(|c| String::from_utf8(c.to_vec()).unwrap()).collect();
        (caveats, invoice.expires_at().0)
    };
    let (article, expires) = caveats("/articles/1");
    let until = format!("articles_valid_until={}", expires + 3_600);
    let price = "satstile_price_msat=21000";
    assert_eq!(article, ["services=articles:0", &until, "satstile_aud=demo", "satstile_methods=GET,HEAD", price]);
    let (dear, expires) = caveats("/dear/echo");
    let until = format!("dear_valid_until={}", expires + 600);
    let route = "satstile_route=be9ea95bb659c26f"; // 8 bytes of sha256("/dear/*")
    let (methods, price) = ("satstile_methods=GET,HEAD", "satstile_price_msat=50000");
    assert_eq!(dear, ["services=dear:0", &until, "satstile_aud=demo", methods, route, "satstile_uses=3", price]);
    let (api, _) = caveats("/api/echo");
    assert_eq!(api[3], "satstile_methods=GET,HEAD,POST,PUT,PATCH,DELETE");
}

/// C7: nothing is written for an invoice that was only made: a flood of them fills no disk.
#[test]
fn an_invoice_that_nobody_pays_leaves_no_trace() {
    let stack = Stack::start(plenty(json!({})));
    ask(&stack, "/articles/1");
    std::thread::sleep(Duration::from_millis(1_200)); // the counters' own write
    let before = stack.workerd.storage_bytes();
    for _ in 0..100 {
        ask(&stack, "/articles/1");
    }
    let grown = stack.workerd.storage_bytes() - before;
    assert!(grown < 100 * 1_024, "{grown} bytes for 100 unpaid invoices");
}

/// C15, C4: without a `public_url` the place is the one that was asked for; a challenge for one is none for another.
#[test]
fn a_challenge_names_the_place_that_was_asked_for() {
    let stack = Stack::start(plenty(json!({"public_url": null})));
    let at = |host: &str, authorization: &str| {
        http::get(&stack.url("/api/echo"), &[("host", host), ("authorization", authorization)])
    };
    let offer = Offer::read(at("Shop.localhost:99", "Bearer none"));
    assert_eq!(offer.param("Payment", "realm"), "shop.localhost:99");
    let status_url = "http://shop.localhost:99/.well-known/satstile/status";
    assert_eq!(offer.response.json()["status_url"], status_url);
    let ticket = offer.pay(stack.node());
    assert_eq!(at("localhost", &ticket.payment()).status, 401);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(at("shop.localhost:99", &ticket.payment()).status, 200);
}

/// T40, C3: a challenge belongs to one client.
#[test]
fn a_402_is_kept_by_no_cache_and_says_on_what_it_depends() {
    let stack = shared();
    let offer = ask(&stack, "/articles/1");
    let response = &offer.response;
    assert_eq!(response.all("cache-control"), ["no-store"]);
    assert_eq!(response.all("vary"), ["Accept, Authorization, Accept-Payment, Cookie"]);
    assert_eq!(response.all("access-control-allow-origin"), ["*"]);
    assert_eq!(response.header("set-cookie"), None, "a program gets no cookie");
    let another = ask(&stack, "/articles/1");
    assert_ne!(another.payment_hash, offer.payment_hash);
    assert_ne!(another.macaroon, offer.macaroon);
}

/// `wire.md` 4.4, T56: a price with a fraction of a satoshi is rounded up, and the invoice asks for what the challenge says.
#[test]
fn a_price_of_a_satoshi_and_a_half_is_two_satoshi_on_every_line() {
    let stack = Stack::start(plenty(json!({"services": {"articles": {"price_msat": 1_500}}})));
    let offer = ask(&stack, "/articles/1");
    let body = offer.response.json();
    assert_eq!(body["amount_sats"], 2);
    let request = l402::encoding::base64url(&offer.param("Payment", "request")).unwrap();
    let request: serde_json::Value = serde_json::from_slice(&request).unwrap();
    assert_eq!(request["amount"], "2");
    let invoice = Invoice::parse(&offer.invoice).unwrap();
    assert_eq!(invoice.amount.unwrap().0, 2_000, "the Payment challenge asks for 2 sats, so must its invoice");
}

/// C1: HEAD is the one 402 without a challenge; a GET token opens it, and its answer has no body.
#[test]
fn head_asks_for_nothing_and_rides_on_a_get_token() {
    let stack = shared();
    let before = invoices(&stack);
    let unpaid = http::send("HEAD", &stack.url("/articles/1"), &[], b"");
    assert_eq!((unpaid.status, unpaid.body.len()), (402, 0));
    assert_eq!(unpaid.header("www-authenticate"), None);
    assert_eq!(unpaid.all("cache-control"), ["no-store"]);
    assert_eq!(invoices(&stack), before);

    let ticket = buy(&stack, "/articles/1");
    assert_eq!(seen(&stack), [""; 0]);
    let paid = http::send("HEAD", &stack.url("/articles/1"), &[("authorization", &ticket.l402())], b"");
    assert_eq!((paid.status, paid.body.len()), (200, 0));
    assert_eq!(only_seen(&stack).method, "HEAD");
}

/// T30, T46: a browser's question is answered here, with everything a paying script sends, and mints nothing.
#[test]
fn a_preflight_is_answered_at_the_edge_and_costs_nothing() {
    let stack = shared();
    let before = invoices(&stack);
    let ask = |path: &str, headers: &[(&str, &str)]| http::send("OPTIONS", &stack.url(path), headers, b"");
    let preflight = [("origin", "https://shop.test"), ("access-control-request-method", "POST")];
    let answer = ask("/api/echo", &preflight);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(answer.all("access-control-allow-origin"), ["*"]);
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, HEAD, POST, PUT, PATCH, DELETE"));
    let allowed = answer.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
    for name in ["authorization", "content-type", "idempotency-key", "accept-payment"] {
        assert!(allowed.split(", ").any(|n| n == name), "{name} is not in {allowed}");
    }
    assert_eq!(answer.header("access-control-allow-credentials"), None);

    // What is no preflight is a method that no route takes.
    for headers in [&[][..], &preflight[..1], &preflight[1..]] {
        assert_eq!(ask("/api/echo", headers).status, 405);
    }
    assert_eq!(ask("/nowhere", &preflight).status, 404);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack), before);
}

/// C11, C15, T30: each "no" has its own number, and nobody behind the door hears of it.
#[test]
fn what_is_not_sold_here_is_refused_without_an_invoice() {
    let stack = shared();
    let before = invoices(&stack);
    let status = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let response = http::send(method, &stack.url(path), headers, b"");
        assert_eq!(response.all("cache-control"), ["no-store"], "{method} {path}");
        assert_eq!(response.json()["status"], response.status, "{method} {path}");
        response.status
    };
    assert_eq!(status("GET", "/nowhere", &[]), 404);
    assert_eq!(status("GET", "/articles", &[]), 404, "/articles/* is /articles/ and below");
    assert_eq!(status("GET", "/.well-known/satstile/nothing", &[]), 404);
    assert_eq!(status("GET", "/articles/1", &[("host", "elsewhere.test")]), 421);
    assert_eq!(status("GET", "/articles/1", &[("host", "localhost.elsewhere.test")]), 421);
    assert_eq!(status("GET", "/articles/1?a='b'", &[]), 400);
    assert_eq!(status("GET", "/articles/1?macaroon=x", &[]), 400);
    for method in ["POST", "PUT", "DELETE", "TRACE", "PURGE", "PROPFIND"] {
        assert_eq!(status(method, "/articles/1", &[]), 405, "{method}");
    }
    let refused = http::send("DELETE", &stack.url("/articles/1"), &[], b"");
    assert_eq!(refused.header("allow"), Some("GET, HEAD"));
    // These the runtime refuses by itself.
    for method in ["get", "BREW"] {
        assert!(http::send(method, &stack.url("/articles/1"), &[], b"").status >= 400, "{method}");
    }
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack), before);
}
