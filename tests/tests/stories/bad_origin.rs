//! An origin on a bad day: away, slow, or dying in the middle (F9 to F12, T45, T60). Nothing broken ever looks whole, and
//! no payment is used up by it.

use std::io::Write;
use std::time::Duration;

use satstile_tests::Stack;
use satstile_tests::raw::{Connection, Response};
use serde_json::json;

use crate::common::server::Server;
use crate::common::{API, Purchase, after_the_409s, ask, buy, get_with, plenty, timed};

const PAGE: &str = "/articles/1";

/// F9: an origin that is away is a 502 that says the payment was not used up, and it was not.
#[test]
fn an_origin_that_is_down_is_a_502() {
    let mut stack = Stack::start(plenty(json!({})));
    let (ticket, once) = (buy(&stack, PAGE), buy(&stack, API));
    stack.origin.kill();
    let once_only = [once.payment(), once.attenuated(&["satstile_uses=1"])];
    for (path, credential) in
        [("/free/1", "Bearer x"), (PAGE, &ticket.l402()), (API, &once_only[0]), (API, &once_only[1])]
    {
        let (response, took) = timed(|| get_with(&stack, path, credential));
        assert_eq!(response.status, 502, "{path}");
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert_eq!((response.all("cache-control"), response.header("payment-receipt")), (vec!["no-store"], None));
        // T60: the inside stays inside.
        assert!(!response.text().contains("127.0.0.1"), "{}", response.text());
    }
    // New visitors are still asked to pay: the origin may be back when they have.
    ask(&stack, PAGE);
}

/// F12, T45: an origin that does not begin to answer in its time is a 504.
#[test]
fn an_origin_that_stalls_is_a_504() {
    let stack = Stack::start(plenty(json!({"timeouts": {"first_byte_s": 1}})));
    let ticket = buy(&stack, API);
    for credential in [ticket.l402(), ticket.payment()] {
        let (response, took) = timed(|| get_with(&stack, "/api/fault/stall", &credential));
        assert_eq!(response.status, 504, "{}", response.text());
        assert!(took > Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
    }
    assert_eq!(after_the_409s(&stack, API, &ticket.payment()).status, 200);
}

/// A body that begins and never ends, announced to be `length` long, or in chunks.
fn stalling(length: Option<usize>) -> Server {
    let head = match length {
        Some(length) => format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nbegin"),
        None => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n".to_owned(),
    };
    Server::start(move |_, stream| {
        stream.write_all(head.as_bytes())?;
        std::thread::sleep(Duration::from_secs(30));
        Ok(())
    })
}

/// F12, T45: a body that stops coming is given up, whatever its announced length and whoever pays; the client sees that it
/// is not whole.
#[test]
fn a_body_that_stops_coming_is_given_up() {
    let given_up = |address, credential: &str| {
        let mut connection = Connection::open(address).unwrap();
        connection.extend(Duration::from_secs(4));
        let head = format!("GET /api/echo HTTP/1.1\r\nHost: localhost\r\nAuthorization: {credential}\r\n\r\n");
        connection.send(head.as_bytes()).unwrap();
        match connection.response(true) {
            Ok(response) if !response.complete && response.text() == "begin" => Ok(()),
            // A short answer comes whole or not at all.
            Ok(response) if response.status == 504 => Ok(()),
            // A short answer may be waited for as a whole, and then refused as a whole.
            Ok(response) if response.status == 504 => Ok(()),
            Ok(response) => Err(format!("{} complete={}", response.status, response.complete)),
            Err(error) => Err(error.to_string()),
        }
    };
    let mut wrong = Vec::new();
    std::thread::scope(|scope| {
        let mut all = Vec::new();
        for (what, length) in [("chunked", None), ("a long body", Some(1_000_000)), ("a short body", Some(1_000))] {
            for (scheme, hold) in [("L402", Purchase::l402 as fn(&Purchase) -> String), ("Payment", Purchase::payment)]
            {
                let one = scope.spawn(move || {
                    let origin = stalling(length);
                    let stack = Stack::start(plenty(json!({"origin": origin.url(), "timeouts": {"idle_s": 1}})));
                    let ticket = buy(&stack, API);
                    given_up(stack.workerd.address(), &hold(&ticket))
                });
                all.push((format!("{what}, {scheme}"), one));
            }
        }
        for (what, one) in all {
            wrong.extend(one.join().unwrap().err().map(|error| format!("{what}: {error}")));
        }
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// T45: no body lasts longer than the limit for the whole of it; one that keeps coming is not idle.
#[test]
fn a_stream_ends_at_the_limit_for_the_whole_and_not_before() {
    let stack = Stack::start(plenty(json!({"timeouts": {"idle_s": 1, "total_s": 2}})));
    let ticket = buy(&stack, "/stream/1");
    let events = |response: &Response| response.text().matches("data: ").count();
    std::thread::scope(|scope| {
        let ask = |path: &'static str, credential: String| {
            let stack = &stack;
            scope.spawn(move || timed(|| get_with(stack, path, &credential)))
        };
        let cut = [ask("/stream/1?n=600", ticket.l402()), ask("/stream/1?n=600", ticket.payment())];
        let (whole, _) = ask("/stream/1?n=15", ticket.l402()).join().unwrap();
        assert_eq!((whole.complete, events(&whole)), (true, 15));
        for (response, took) in cut.map(|one| one.join().unwrap()) {
            assert_eq!((response.status, response.complete), (200, false));
            assert!((12..=28).contains(&events(&response)), "{} events of ten a second", events(&response));
            assert!(took > Duration::from_millis(1_500) && took < Duration::from_secs(4), "{took:?}");
        }
    });
}

/// F9 to F11: what is not HTTP, or ends in the middle, never looks whole.
#[test]
fn a_broken_answer_never_looks_whole() {
    let stack = Stack::start(plenty(json!({})));
    let ticket = buy(&stack, API);
    for (path, statuses) in [
        ("/api/fault/hang-up", &[502][..]),
        ("/api/fault/garbage", &[502]),
        ("/api/fault/cut?after=3", &[200, 502]),
        ("/api/fault/cut?after=999", &[200, 502]),
        ("/api/fault/cut-chunked?after=3", &[200, 502]),
    ] {
        let response = get_with(&stack, path, &ticket.l402());
        assert!(statuses.contains(&response.status), "{path}: {}", response.status);
        assert!(response.status != 200 || !response.complete, "{path} looks whole: {}", response.text());
    }
}
