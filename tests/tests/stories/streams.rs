//! Nothing is held back on the way through: events and bodies pass as they come, in both directions.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use satstile_tests::raw::Connection;
use satstile_tests::{Stack, http, loopback, raw};
use serde_json::json;

use crate::common::{API, buy, only_seen, plenty, server, shared};

/// Nothing is gathered up on the way: each event is here before the origin sends the next (systems C).
#[test]
fn a_stream_arrives_event_by_event() {
    let stack = shared();
    let ticket = buy(&stack, "/stream/feed");
    for credential in [ticket.l402(), ticket.payment()] {
        let mut connection = Connection::open(stack.workerd.address()).unwrap();
        let request =
            format!("GET /stream/feed?n=6 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {credential}\r\n\r\n");
        connection.send(request.as_bytes()).unwrap();
        let head = connection.head(true).unwrap();
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
        let (mut arrived, mut text) = (Vec::new(), String::new());
        while let Some(part) = connection.part().unwrap() {
            arrived.push(Instant::now());
            text.push_str(&String::from_utf8(part).unwrap());
        }
        assert_eq!(text.matches("data: ").count(), 6, "{text}");
        // 500 ms lie between the first event and the last; a buffer would deliver them at once.
        let spread = arrived[arrived.len() - 1] - arrived[0];
        assert!(arrived.len() >= 5 && spread >= Duration::from_millis(350), "{} parts in {spread:?}", arrived.len());
    }
}

/// Every byte of a body goes on to the origin, announced or in chunks.
#[test]
fn a_request_body_reaches_the_origin_byte_for_byte() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let body: Vec<u8> = (0..700_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for credential in [ticket.l402(), ticket.payment()] {
        stack.origin.clear();
        let authorization = [("authorization", credential.as_str()), ("content-type", "application/octet-stream")];
        let response = http::post(&stack.url(API), &authorization, &body);
        assert_eq!(response.status, 200, "{}", response.text());
        let seen = only_seen(&stack);
        assert_eq!((seen.method.as_str(), seen.header("content-type")), ("POST", Some("application/octet-stream")));
        assert!(seen.body == body, "{} bytes of {} arrived", seen.body.len(), body.len());
    }

    stack.origin.clear();
    let head = format!(
        "PUT /api/echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        ticket.l402()
    );
    let chunked = [head.as_bytes(), b"3\r\nabc\r\n5\r\n\0\r\n\xff\n\r\n0\r\n\r\n"].concat();
    assert_eq!(raw::request(stack.workerd.address(), &chunked).status, 200);
    assert_eq!(only_seen(&stack).body, b"abc\0\r\n\xff\n");
}

/// The first half of a body is at the origin before the second half was sent.
#[test]
fn a_request_body_is_streamed_and_not_stored() {
    let (told, hear) = mpsc::channel();
    let told = std::sync::Mutex::new(told);
    let listener = TcpListener::bind(loopback(0)).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut all, mut bytes) = (Vec::new(), [0; 4096]);
        while !all.ends_with(b"0\r\n\r\n") && !all.ends_with(b"second") {
            let n = stream.read(&mut bytes).unwrap();
            all.extend(&bytes[..n]);
            let _ = told.lock().unwrap().send(String::from_utf8_lossy(&all).into_owned());
        }
        stream.write_all(&server::response(200, &[], b"thanks")).unwrap();
    });
    let stack = Stack::start(plenty(json!({"origin": origin})));
    let ticket = buy(&stack, "/api/upload");

    let mut connection = Connection::open(stack.workerd.address()).unwrap();
    let head = format!("POST /api/upload HTTP/1.1\r\nHost: localhost\r\nAuthorization: {}\r\n", ticket.l402());
    connection.send(format!("{head}Content-Length: 11\r\n\r\nfirst").as_bytes()).unwrap();
    while !hear.recv_timeout(Duration::from_secs(5)).expect("the first half did not arrive").contains("first") {}
    connection.send(b"second").unwrap();
    let response = connection.response(true).unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, "thanks"));
}
