//! The client against servers that say exactly one thing.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use super::*;
use crate::loopback;

/// Asks a server that answers `reply` and closes; gives the answer and the bytes that the server read.
fn ask(request: &'static str, reply: &'static [u8]) -> (io::Result<Response>, String) {
    let listener = TcpListener::bind(loopback(0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut seen = String::new();
        while !seen.ends_with("\r\n\r\n") {
            reader.read_line(&mut seen).unwrap();
        }
        stream.write_all(reply).unwrap();
        seen
    });
    let response = try_request(address, request.as_bytes());
    (response, server.join().unwrap())
}

#[test]
fn the_request_goes_out_as_it_was_written() {
    let odd = "GET /a/../%2e\\b|ü HTTP/1.1\r\nhOsT: x\r\nX: 1\r\nX: 2\r\n\r\n";
    let (response, seen) = ask(odd, b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(response.unwrap().status, 204);
    assert_eq!(seen, odd);
}

#[test]
fn headers_keep_order_spelling_and_number() {
    let (response, _) = ask(
        "GET / HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nset-cookie: a\r\nB: \xff\r\nSet-Cookie: b\r\ncontent-length: 2\r\n\r\nhi",
    );
    let response = response.unwrap();
    assert_eq!(response.headers[1], ("B".to_owned(), "ÿ".to_owned()));
    assert_eq!(response.all("SET-COOKIE"), ["a", "b"]);
    assert_eq!((response.text().as_str(), response.complete), ("hi", true));
}

#[test]
fn chunks_are_put_together_after_an_interim_response() {
    let (response, _) = ask(
        "GET / HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nt: 1\r\n\r\n",
    );
    assert_eq!(response.unwrap().text(), "abcd");
}

#[test]
fn a_body_that_stops_short_is_not_complete() {
    let (response, _) = ask("GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc");
    let response = response.unwrap();
    assert_eq!((response.text().as_str(), response.complete), ("abc", false));
}

#[test]
fn the_answer_to_a_head_has_no_body() {
    let (response, _) = ask("HEAD / HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n");
    assert!(response.unwrap().complete);
}

#[test]
fn what_is_not_http_is_an_error() {
    let (response, _) = ask("GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-hello\r\n\r\n");
    assert_eq!(response.unwrap_err().to_string(), "not HTTP/1.1: status line \"SSH-2.0-hello\"");
}
