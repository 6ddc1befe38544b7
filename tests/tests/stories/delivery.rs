//! What counts as a delivery, and how many a payment buys: raced, broken off, and counted across both schemes (C4, D6, D8,
//! T18, T74, T80).

use std::io::Write;

use satstile_tests::Stack;
use satstile_tests::raw::Connection;
use serde_json::json;

use crate::common::server::{self, Server};
use crate::common::{API, Offer, after_the_409s, at_once, buy, eventually, get_with, invoices, plenty, seen, shared};

/// T18: ten at once, one delivery.
#[test]
fn of_ten_identical_credentials_at_once_exactly_one_delivers() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let statuses = at_once(10, |_| get_with(&stack, "/api/fault/slow?ms=200", &ticket.payment()).status);
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
        let first = scope.spawn(|| get_with(&stack, "/api/fault/slow?ms=1200", &ticket.payment()).status);
        eventually("the first delivery", || (!seen(&stack).is_empty()).then_some(()));
        let second = get_with(&stack, API, &ticket.payment());
        assert_eq!((second.status, second.header("retry-after")), (409, Some("1")));
        assert_eq!(first.join().unwrap(), 200);
    });
    assert_eq!(seen(&stack), ["/api/fault/slow?ms=1200"]);
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

/// D8, F11: an answer that arrives compressed though nobody asked for it is no less broken when it breaks off.
#[test]
fn an_origin_that_compresses_and_dies_does_not_use_the_payment_up() {
    let origin = Server::start(|heard, stream| match heard.target.as_str() {
        "/api/cut" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n";
            stream.write_all(&[head.as_bytes(), &[0x1f, 0x8b, 8]].concat())
        }
        _ => server::reply(stream, 200, &[], b"whole"),
    });
    let stack = Stack::start(plenty(json!({"origin": origin.url()})));
    let ticket = buy(&stack, API);
    let cut = get_with(&stack, "/api/cut", &ticket.payment());
    assert!(!cut.complete || cut.status == 502, "{} {}", cut.status, cut.text());
    let delivered = after_the_409s(&stack, API, &ticket.payment());
    assert_eq!((delivered.status, delivered.text().as_str()), (200, "whole"));
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

/// C4: a grant of uses is counted in one place, whichever scheme redeems it.
#[test]
fn uses_are_counted_across_both_schemes() {
    let stack = Stack::start(plenty(json!({"services": {"dear": {"uses": 3, "ranges": false}}})));
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
    let statuses = at_once(10, |_| get_with(&stack, "/dear/echo", &ticket.l402()).status);
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
