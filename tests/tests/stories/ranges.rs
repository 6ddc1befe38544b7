//! Parts of an answer, for readers who paid for a time: a video that is skipped through, a download that goes on (T32).

use satstile_tests::{Stack, http};
use serde_json::json;

use crate::common::server::{self, Heard, Server};
use crate::common::{buy, plenty};

const WHOLE: &[u8] = b"0123456789";

/// An origin that knows ranges, and a stack in front of it.
fn stack() -> (Stack, Server) {
    let origin = Server::start(|heard: &Heard, stream| {
        let part = [("content-range", "bytes 2-4/10"), ("accept-ranges", "bytes")];
        match heard.header("range") {
            Some("bytes=2-4") => server::reply(stream, 206, &part, &WHOLE[2..5]),
            Some(_) => server::reply(stream, 416, &[("content-range", "bytes */10")], b""),
            None => server::reply(stream, 200, &[("accept-ranges", "bytes")], WHOLE),
        }
    });
    let services = json!({"articles": {"ranges": true}, "api": {"ranges": true}, "dear": {"uses": 3, "ranges": false}});
    (Stack::start(plenty(json!({"origin": origin.url(), "services": services}))), origin)
}

/// What the origin was asked for the last time.
fn asked(origin: &Server) -> (Option<String>, Option<String>) {
    let heard = origin.heard();
    let field = |name: &str| heard.last().and_then(|heard| heard.header(name)).map(str::to_owned);
    (field("range"), field("if-range"))
}

#[test]
fn a_part_is_served_where_the_policy_says_so() {
    let (stack, origin) = stack();
    let ticket = buy(&stack, "/articles/film");
    let get = |range: &str| {
        let headers =
            [("authorization", ticket.l402()), ("range", range.to_owned()), ("if-range", "\"v1\"".to_owned())];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        http::get(&stack.url("/articles/film"), &headers)
    };
    let part = get("bytes=2-4");
    assert_eq!((part.status, part.body.as_slice()), (206, &WHOLE[2..5]));
    assert_eq!(
        (part.header("content-range"), part.header("cache-control")),
        (Some("bytes 2-4/10"), Some("private, no-store"))
    );
    assert_eq!(asked(&origin), (Some("bytes=2-4".to_owned()), Some("\"v1\"".to_owned())));
    let beyond = get("bytes=90-99");
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */10")));
    // A browser that passes by its cookie is the same reader.
    let cookie = format!(
        "__Host-satstile-pass-articles={}:{}",
        ticket.offer.macaroon.replace('+', "-").replace('/', "_"),
        ticket.preimage
    );
    let watched = http::get(&stack.url("/articles/film"), &[("cookie", &cookie), ("range", "bytes=2-4")]);
    assert_eq!(watched.status, 206);
}

/// The nearest "no": not paid, counted, changing something, or not opted in.
#[test]
fn everybody_else_gets_the_whole_or_nothing() {
    let (stack, origin) = stack();
    let unpaid = http::get(&stack.url("/articles/film"), &[("range", "bytes=2-4")]);
    assert_eq!((unpaid.status, origin.heard().len()), (402, 0));
    let (counted, api, plain) = (buy(&stack, "/dear/film"), buy(&stack, "/api/film"), buy(&stack, "/stream/film"));
    for (method, path, authorization) in [
        ("GET", "/dear/film", counted.l402()),
        ("GET", "/articles/film", buy(&stack, "/articles/film").attenuated(&["satstile_uses=9"])),
        ("GET", "/articles/film", buy(&stack, "/articles/film").payment()),
        ("POST", "/api/film", api.l402()),
        ("GET", "/stream/film", plain.l402()),
    ] {
        let headers = [("authorization", authorization.as_str()), ("range", "bytes=2-4"), ("if-range", "\"v1\"")];
        let whole = http::send(method, &stack.url(path), &headers, b"");
        assert_eq!((whole.status, whole.body.as_slice()), (200, WHOLE), "{method} {path}");
        assert_eq!(asked(&origin), (None, None), "{method} {path}");
    }
}

/// D1: what is free is free in parts as well: a video is skipped through, a download goes on.
#[test]
fn a_part_of_what_is_free_is_free_d1() {
    let (stack, origin) = stack();
    let get = |range: &str| http::get(&stack.url("/free/film"), &[("range", range), ("if-range", "\"v1\"")]);
    let part = get("bytes=2-4");
    assert_eq!((part.status, part.body.as_slice()), (206, &WHOLE[2..5]));
    assert_eq!((part.header("content-range"), part.header("accept-ranges")), (Some("bytes 2-4/10"), Some("bytes")));
    assert_eq!(asked(&origin), (Some("bytes=2-4".to_owned()), Some("\"v1\"".to_owned())));
    let beyond = get("bytes=90-99");
    assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */10")));
    // Whoever names a field in `Connection` means this hop alone.
    let hop = http::get(
        &stack.url("/free/film"),
        &[("connection", "close, x-private"), ("x-private", "1"), ("range", "bytes=2-4")],
    );
    assert_eq!(hop.status, 206);
    assert!(origin.heard().last().unwrap().header("x-private").is_none());
}

/// T32, T48: a slice at the price of a whole answer is nobody's wish; the policy says so at start, with the key.
#[test]
fn ranges_do_not_go_with_a_count() {
    let stack = Stack::start(plenty(json!({"services": {"dear": {"uses": 3, "ranges": true}}})));
    assert_eq!(crate::common::get(&stack, "/dear/1").status, 503);
    let is_told = || stack.workerd.log().iter().any(|line| line.contains("services.dear.ranges"));
    crate::common::eventually("the reason in the log", || is_told().then_some(()));
}
