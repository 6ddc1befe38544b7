//! Requests that are too large, or not of the shape that one request has (T31, T33, T41, T44, T121).

use std::time::{Duration, Instant};

use l402::encoding::to_base64url;
use satstile_tests::{http, raw};

use crate::common::{API, ask, buy, get, get_with, invoices, seen, shared};

/// T44: sizes are looked at before anything is decoded.
#[test]
fn headers_beyond_the_limits_are_refused_with_431() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let send = |headers: &[(String, String)]| {
        stack.origin.clear();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        http::get(&stack.url(API), &headers).status
    };
    let authorization = |value: String| ("authorization".to_owned(), value);
    let before = invoices(&stack);
    assert_eq!(send(&[authorization(format!("L402 {}", "a".repeat(8192 - 5)))]), 400);
    assert_eq!(send(&[authorization(format!("L402 {}", "a".repeat(8193 - 5)))]), 431);
    assert_eq!(send(&[authorization(format!("Bearer {}", "a".repeat(60_000)))]), 431);

    // `Host`, `Connection` and `Authorization` are three of the hundred.
    let many = |n: usize| {
        let mut headers: Vec<_> = (0..n - 3).map(|i| (format!("x-{i}"), "1".to_owned())).collect();
        headers.push(authorization(ticket.l402()));
        headers
    };
    assert_eq!(send(&many(100)), 200);
    assert_eq!(send(&many(101)), 431);
    assert_eq!(send(&many(1_500)), 431);
    let long = vec![authorization(ticket.l402()), ("x-long".to_owned(), "x".repeat(66_000))];
    assert_eq!(send(&long), 431);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack), before);
}

/// A15, T45: a body that the edge reads itself is all there within ten seconds; the origin never hears of it.
#[test]
fn a_body_that_drips_is_told_so_after_ten_seconds_a15() {
    let stack = shared();
    let edge = stack.workerd.address();
    let drip = move |path: &str| {
        let mut line = raw::Connection::open(edge).unwrap();
        line.extend(Duration::from_secs(25));
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n{{");
        line.send(head.as_bytes()).unwrap();
        let start = Instant::now();
        (line.response(true), start.elapsed())
    };
    std::thread::scope(|scope| {
        let paths = ["/api/v1/topup", "/api/v1/topup/claim", "/.well-known/satstile/settlements"];
        let waits: Vec<_> = paths.into_iter().map(|path| (path, scope.spawn(move || drip(path)))).collect();
        for (path, wait) in waits {
            let (answer, took) = wait.join().unwrap();
            let answer = answer.unwrap_or_else(|e| panic!("{path}: {e}"));
            assert_eq!(answer.status, 408, "{path}: {}", answer.text());
            assert!(answer.text().contains("10 seconds"), "{path}: {}", answer.text());
            assert!((9..15).contains(&took.as_secs()), "{path}: {took:?}");
        }
    });
    assert_eq!(seen(&stack), [""; 0]);
}

/// T121: a query string is kept by logs, histories and referrers.
#[test]
fn a_credential_in_the_query_is_refused_even_if_it_is_good() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let before = invoices(&stack);
    stack.origin.clear();
    let (macaroon, preimage) = (to_base64url(&ticket.bytes()), &ticket.preimage);
    for query in [
        format!("macaroon={macaroon}&preimage={preimage}"),
        format!("L402={macaroon}:{preimage}"),
        format!("x=1&LSAT={macaroon}:{preimage}"),
        format!("authorization=L402%20{macaroon}:{preimage}"),
        format!("p%72eimage={preimage}"),
        "preimage".to_owned(),
    ] {
        for authorization in ["Bearer none", &ticket.l402()] {
            let response = get_with(&stack, &format!("{API}?{query}"), authorization);
            assert_eq!(response.status, 400, "{query}");
            assert!(!response.text().contains(preimage.as_str()) && !response.text().contains(&macaroon));
        }
    }
    assert_eq!(get(&stack, &format!("/free/1?preimage={preimage}")).status, 400);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack), before);
}

/// T41, M7: a message with two lengths is refused, or read in one way by everybody; never a second request in its body.
#[test]
fn a_second_request_cannot_hide_in_a_body() {
    let stack = shared();
    let credential = format!("Authorization: {}\r\n", buy(&stack, "/api/echo").l402());
    let hidden = "GET /articles/1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let length = hidden.len() + 5;
    for lengths in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        "Content-Length: 5\r\nContent-Length: 6\r\n".to_owned(),
        "Content-Length: +5\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Transfer-Encoding: identity, chunked\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
    ] {
        stack.origin.clear();
        let head = format!("POST /api/echo HTTP/1.1\r\nHost: localhost\r\n{credential}{lengths}\r\n");
        // What no server answers at all is refused as well.
        let answered = raw::try_request(stack.workerd.address(), format!("{head}0\r\n\r\n{hidden}").as_bytes());
        let status = answered.map_or(0, |response| response.status);
        let targets = seen(&stack);
        assert!(targets.iter().all(|target| target == "/api/echo") && targets.len() <= 1, "{lengths:?}: {targets:?}");
        let refused = status == 0 || status >= 400;
        assert!(refused == targets.is_empty(), "{lengths:?}: {status} {targets:?}");
    }
    // Free stays free after all that, and sold stays sold.
    assert_eq!(get(&stack, "/free/1").status, 200);
    ask(&stack, "/articles/1");
}

/// T31: a GET with a body is refused before anything is counted, with a token too.
#[test]
fn a_get_with_a_body_is_refused_even_when_it_is_paid() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    for authorization in ["Bearer none", &ticket.l402()] {
        let response = http::send("GET", &stack.url("/articles/1"), &[("authorization", authorization)], b"body");
        assert_eq!(response.status, 400, "{}", response.text());
    }
    assert_eq!(seen(&stack), [""; 0]);
}

/// T31 means a body, not the announcement of none, which some clients send with every request.
#[test]
fn a_get_that_announces_no_body_is_an_ordinary_get() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    let headers = [("authorization", ticket.l402()), ("content-length", "0".to_owned())];
    let headers = [(headers[0].0, headers[0].1.as_str()), (headers[1].0, headers[1].1.as_str())];
    let response = http::get(&stack.url("/articles/1"), &headers);
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(seen(&stack), ["/articles/1"]);
}

/// T33: an upgrade would take the connection past the meter.
#[test]
fn a_websocket_is_not_sold() {
    let stack = shared();
    let ticket = buy(&stack, "/stream/1");
    let request = format!(
        "GET /stream/1 HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: {}\r\n\r\n",
        ticket.l402()
    );
    assert_eq!(raw::request(stack.workerd.address(), request.as_bytes()).status, 400);
    assert_eq!(seen(&stack), [""; 0]);
}
