//! `Idempotency-Key`: a counted request that is sent again is answered again, without a second use (T73, T74, I10;
//! draft-ietf-httpapi-idempotency-key-header).

use std::io::Write;
use std::time::Duration;

use satstile_tests::raw::{Connection, Response};
use satstile_tests::{Stack, http};
use serde_json::json;

use crate::common::server::{self, Server};
use crate::common::{
    API, Offer, Purchase, after_the_409s, at_once, buy, eventually, get_with, invoices, plenty, seen, shared,
};

const KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";

/// A deployment that sells `api` by the piece: a hundred at a time, of which a holder may hand out fewer.
fn by_the_piece() -> Stack {
    Stack::start(plenty(json!({"services": {"api": {"uses": 100}}})))
}

fn send(stack: &Stack, method: &str, path: &str, authorization: &str, key: &str, body: &[u8]) -> Response {
    http::send(method, &stack.url(path), &[("authorization", authorization), ("idempotency-key", key)], body)
}

#[track_caller]
fn post(stack: &Stack, authorization: &str, key: &str, body: &str) -> Response {
    eventually("an end to the 409s", || {
        Some(send(stack, "POST", API, authorization, key, body.as_bytes())).filter(|response| response.status != 409)
    })
}

/// The header fields, without those that the runtime makes anew for each answer.
fn fields(response: &Response) -> Vec<(String, String)> {
    let runtimes = ["date", "connection", "transfer-encoding", "content-length", "idempotent-replayed"];
    let mut fields: Vec<_> =
        response.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    fields.retain(|(name, _)| !runtimes.contains(&name.as_str()));
    fields.sort();
    fields
}

#[track_caller]
fn is_replayed(first: &Response, again: &Response) {
    assert_eq!((again.status, &again.body), (first.status, &first.body), "{}", again.text());
    assert_eq!((first.header("idempotent-replayed"), again.header("idempotent-replayed")), (None, Some("true")));
    assert_eq!(fields(first), fields(again));
}

fn two_uses(ticket: &Purchase) -> String {
    ticket.attenuated(&["satstile_uses=2"])
}

/// T73: same key and same request, same status and body; one use, and the origin hears it once.
#[test]
fn the_same_request_under_the_same_key_is_answered_the_same_and_costs_nothing() {
    let stack = by_the_piece();
    let authorization = two_uses(&buy(&stack, API));
    let before = invoices(&stack);
    let first = post(&stack, &authorization, KEY, "an order");
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.header("satstile-replay"), None);
    for spelling in [KEY, &format!("\"{KEY}\"")] {
        is_replayed(&first, &post(&stack, &authorization, spelling, "an order"));
    }
    assert!(first.header("access-control-expose-headers").unwrap_or_default().contains("Idempotent-Replayed"));
    assert_eq!(seen(&stack), [API]);
    // One use is left, for another key; and what was answered is answered still when nothing is left.
    assert_eq!(post(&stack, &authorization, "another", "an order").status, 200);
    assert_eq!(invoices(&stack), before);
    Offer::read(post(&stack, &authorization, "third", "an order"));
    is_replayed(&first, &post(&stack, &authorization, KEY, "an order"));
    assert_eq!(seen(&stack), [API; 2]);
}

/// T73: a key names one request: method, target and body.
#[test]
fn another_request_under_the_same_key_is_refused_with_422() {
    let stack = by_the_piece();
    let authorization = two_uses(&buy(&stack, API));
    assert_eq!(post(&stack, &authorization, KEY, "an order").status, 200);
    for (method, path, body) in [
        ("POST", API, "an ordeR"),
        ("POST", API, ""),
        ("PUT", API, "an order"),
        ("POST", "/api/echo?n=2", "an order"),
        ("GET", API, ""),
    ] {
        let refused = send(&stack, method, path, &authorization, KEY, body.as_bytes());
        assert_eq!((refused.status, refused.header("www-authenticate")), (422, None), "{method} {path} {body}");
        assert_eq!(refused.all("cache-control"), ["no-store"]);
        assert!(!refused.text().contains("an order"));
    }
    assert_eq!(seen(&stack), [API]);
    assert_eq!(get_with(&stack, API, &authorization).status, 200, "and none of them took the second use");
}

#[test]
fn a_request_that_is_still_under_way_is_waited_for_and_not_repeated() {
    let stack = by_the_piece();
    let authorization = buy(&stack, API).attenuated(&["satstile_uses=5"]);
    let slow = "/api/fault/slow?ms=1200";
    std::thread::scope(|scope| {
        let first = scope.spawn(|| send(&stack, "POST", slow, &authorization, KEY, b""));
        eventually("the first", || (!seen(&stack).is_empty()).then_some(()));
        let second = send(&stack, "POST", slow, &authorization, KEY, b"");
        assert_eq!((second.status, second.header("retry-after")), (409, Some("1")), "{}", second.text());
        // Another request under that key is told so at once; one under another key is not held up.
        assert_eq!(send(&stack, "POST", API, &authorization, KEY, b"").status, 422);
        assert_eq!(send(&stack, "POST", API, &authorization, "another", b"").status, 200);
        let first = first.join().unwrap();
        assert_eq!(first.status, 200);
        is_replayed(&first, &send(&stack, "POST", slow, &authorization, KEY, b""));
    });
    assert_eq!(seen(&stack), [slow, API]);
}

#[test]
fn what_is_no_key_is_refused_before_anything_is_taken() {
    let stack = by_the_piece();
    let authorization = buy(&stack, API).attenuated(&["satstile_uses=1"]);
    let long = "k".repeat(256);
    for key in ["\"\"", "two words", "a, b", "\"open", "back\\slash", &long] {
        let refused = send(&stack, "POST", API, &authorization, key, b"");
        assert_eq!((refused.status, refused.header("www-authenticate")), (400, None), "{key}");
    }
    let two = [("authorization", authorization.as_str()), ("idempotency-key", "a"), ("idempotency-key", "b")];
    assert_eq!(http::post(&stack.url(API), &two, b"x").status, 400);
    let large = send(&stack, "POST", API, &authorization, KEY, &vec![b'x'; 64 * 1024 + 1]);
    assert_eq!(large.status, 413);
    assert_eq!(seen(&stack), [""; 0]);
    let fits = send(&stack, "POST", API, &authorization, &long[1..], &vec![b'x'; 64 * 1024]);
    assert_eq!(fits.status, 200, "{}", fits.text());
}

/// Bound to the credential's bytes: parent, child and the other scheme have the same payment, and none of them reads what
/// another was answered.
#[test]
fn nobody_else_with_the_same_payment_reads_an_answer() {
    let stack = by_the_piece();
    let ticket = buy(&stack, API);
    let of = |more: &[&str]| ticket.attenuated(&[&["satstile_uses=9"], more].concat());
    let path = "/api/echo?whose=a";
    let first = send(&stack, "POST", path, &of(&["agent=a"]), KEY, b"secret of a");
    assert_eq!(first.status, 200);
    for other in [of(&[]), of(&["agent=b"]), of(&["agent=a", "agent=b"]), ticket.payment()] {
        stack.origin.clear();
        let answer = eventually("an answer", || {
            Some(send(&stack, "POST", path, &other, KEY, b"their own")).filter(|answer| answer.status != 409)
        });
        assert_eq!((answer.status, answer.header("idempotent-replayed")), (200, None), "{}", answer.text());
        assert_eq!(seen(&stack), [path], "they got an answer of their own");
    }
    is_replayed(&first, &send(&stack, "POST", path, &of(&["agent=a"]), KEY, b"secret of a"));
    // Whoever has no valid credential gets nothing by a key.
    let stranger = send(&stack, "POST", path, "Bearer none", KEY, b"secret of a");
    assert_eq!(stranger.status, 402);
}

/// C4: a Payment credential delivers once; under a key its answer is not lost with the connection.
#[test]
fn a_payment_credential_is_answered_again_and_delivers_once() {
    let stack = by_the_piece();
    let payment = buy(&stack, API).payment();
    let first = post(&stack, &payment, KEY, "an order");
    assert!(first.status == 200 && first.header("payment-receipt").is_some(), "{}", first.text());
    is_replayed(&first, &post(&stack, &payment, KEY, "an order"));
    Offer::read(post(&stack, &payment, "another", "an order"));
    assert_eq!(seen(&stack), [API]);
}

/// T81: an origin that failed has answered nothing, so the key is good for another try.
#[test]
fn an_answer_of_a_broken_origin_is_not_kept() {
    let stack = by_the_piece();
    let authorization = buy(&stack, API).attenuated(&["satstile_uses=1"]);
    for path in
        ["/api/fault/status/503", "/api/fault/hang-up", "/api/fault/cut?after=3", "/api/fault/cut-chunked?after=3"]
    {
        for _ in 0..2 {
            let failed = eventually("an end to the 409s", || {
                Some(send(&stack, "POST", path, &authorization, KEY, b"")).filter(|failed| failed.status != 409)
            });
            assert!(failed.status >= 500, "{path}: {} {}", failed.status, failed.text());
            assert_eq!(failed.header("idempotent-replayed"), None, "{path}");
        }
    }
    let first = post(&stack, &authorization, KEY, "");
    assert_eq!(first.status, 200);
    is_replayed(&first, &post(&stack, &authorization, KEY, ""));
    // A final no is an answer.
    let other = buy(&stack, API).attenuated(&["satstile_uses=1"]);
    let no = send(&stack, "GET", "/api/nothing", &other, KEY, b"");
    assert_eq!(no.status, 404);
    is_replayed(&no, &send(&stack, "GET", "/api/nothing", &other, KEY, b""));
}

/// What is too long to be kept says so with its first answer, and comes whole; then a repetition is a new request.
#[test]
fn an_answer_that_is_too_long_is_not_kept_and_says_so() {
    const LIMIT: usize = 64 * 1024;
    let origin = Server::start(|heard, stream| {
        let (kind, length) = heard.target.trim_start_matches("/api/").split_once('/').unwrap_or(("", "0"));
        let body = vec![b'x'; length.parse().unwrap_or(0)];
        match kind {
            "length" => server::reply(stream, 200, &[], &body),
            "events" => server::reply(stream, 200, &[("Content-Type", "text/event-stream")], &body),
            _ => {
                stream.write_all(b"HTTP/1.1 200 OK\r\nIdempotent-Replayed: true\r\nSatstile-Replay: kept\r\nTransfer-Encoding: chunked\r\n\r\n")?;
                for piece in body.chunks(10_000) {
                    stream.write_all(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat())?;
                }
                stream.write_all(b"0\r\n\r\n")
            }
        }
    });
    let stack = Stack::start(plenty(json!({"origin": origin.url(), "services": {"api": {"uses": 100}}})));
    for (kind, length, is_kept) in [
        ("length", 0, true),
        ("length", LIMIT, true),
        ("length", LIMIT + 1, false),
        ("chunked", LIMIT, true),
        ("chunked", LIMIT + 1, false),
        ("chunked", LIMIT * 5, false),
        ("events", 100, false),
    ] {
        let path = format!("/api/{kind}/{length}");
        let authorization = two_uses(&buy(&stack, API));
        let before = origin.heard().len();
        let first = send(&stack, "POST", &path, &authorization, KEY, b"");
        assert_eq!((first.status, first.body.len(), first.complete), (200, length, true), "{path}");
        assert_eq!(first.header("satstile-replay"), (!is_kept).then_some("not-kept"), "{path}");
        let again = eventually("an end to the 409s", || {
            Some(send(&stack, "POST", &path, &authorization, KEY, b"")).filter(|again| again.status != 409)
        });
        assert_eq!((again.status, again.body.len()), (200, length), "{path}");
        // An origin does not speak in our name.
        assert_eq!(again.header("idempotent-replayed"), is_kept.then_some("true"), "{path}");
        assert_eq!(origin.heard().len() - before, if is_kept { 1 } else { 2 }, "{path}");
        let third = get_with(&stack, "/api/length/1", &authorization).status;
        assert!(if is_kept { third == 200 } else { [402, 409].contains(&third) }, "{path}: {third}");
    }
}

/// T74: the answer is written down before it is told. Neither a client that hung up nor a power cut loses it.
#[test]
fn a_client_that_never_heard_the_answer_can_ask_for_it_again() {
    let mut stack = by_the_piece();
    let authorization = buy(&stack, API).attenuated(&["satstile_uses=1"]);
    let slow = "/api/fault/slow?ms=700";
    let mut connection = Connection::open(stack.workerd.address()).unwrap();
    let head = format!(
        "POST {slow} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\nIdempotency-Key: {KEY}\r\nContent-Length: 0\r\n\r\n"
    );
    connection.send(head.as_bytes()).unwrap();
    eventually("the origin to be asked", || (!seen(&stack).is_empty()).then_some(()));
    drop(connection);
    std::thread::sleep(Duration::from_millis(100));
    let again = eventually("the answer", || {
        Some(send(&stack, "POST", slow, &authorization, KEY, b"")).filter(|again| again.status != 409)
    });
    assert_eq!((again.status, again.text().as_str()), (200, "late\n"));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    stack.workerd.crash_restart();
    let after = send(&stack, "POST", slow, &authorization, KEY, b"");
    assert_eq!((after.status, after.body), (200, again.body));
    assert_eq!(seen(&stack), [slow], "the origin heard it once");
    Offer::read(after_the_409s(&stack, API, &authorization));
}

/// A hundred of one request at once are one request.
#[test]
fn of_a_hundred_repetitions_at_once_one_reaches_the_origin() {
    let stack = by_the_piece();
    let authorization = buy(&stack, API).attenuated(&["satstile_uses=50"]);
    let statuses = at_once(100, |_| send(&stack, "POST", API, &authorization, KEY, b"an order").status);
    assert!(statuses.contains(&200) && statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");
    assert_eq!(seen(&stack), [API]);
}

/// A4, T89: of what a holder counts on a grant for a time nothing is kept: each answer says so, each request is a new one
/// that counts, and the payment takes no more storage for it. Only two of one request at once are told apart.
#[test]
fn a_count_that_nobody_sold_keeps_no_answers_a4() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let authorization = ticket.attenuated(&["satstile_uses=1000000"]);
    let path = format!("{API}?{}", "x".repeat(400));
    let ask = |key: &str| {
        let answer = eventually("an end to the 409s", || {
            Some(send(&stack, "POST", &path, &authorization, key, b"an order")).filter(|answer| answer.status != 409)
        });
        let told = (answer.header("satstile-replay"), answer.header("idempotent-replayed"));
        assert_eq!((answer.status, told), (200, (Some("not-kept"), None)), "{}", answer.text());
    };
    ask(KEY);
    ask(KEY);
    assert_eq!(seen(&stack).len(), 2, "both of them were asked of the origin");
    for n in 0..20 {
        ask(&format!("warm {n}").replace(' ', "-"));
    }
    let before = stack.workerd.storage_bytes();
    for n in 0..200 {
        ask(&format!("key-{n}"));
    }
    let grown = stack.workerd.storage_bytes().saturating_sub(before);
    // SQLite's own log of what was written; not two hundred answers, nor two hundred rows.
    assert!(kept_rows(&stack).iter().all(|rows| *rows == (0, 0)), "{:?}", kept_rows(&stack));
    assert!(claims(&stack) <= 1, "{} claims", claims(&stack));
    println!("storage grew by {grown} bytes");
    let two = buy(&stack, API).attenuated(&["satstile_uses=2"]);
    for status in [200, 200, 402] {
        assert_eq!(post(&stack, &two, KEY, "an order").status, status, "each one is a use");
    }
}

/// A4, T89: what is kept of one payment that was sold by the piece is a mebibyte at most. What does not fit any more is
/// delivered, and says so; what was kept before is still answered, and another payment has room of its own.
#[test]
fn the_answers_of_one_payment_are_a_mebibyte_at_most_a4() {
    const BODY: usize = 60_000;
    let origin = Server::start(|_, stream| server::reply(stream, 200, &[], &vec![b'x'; BODY]));
    let stack = Stack::start(plenty(json!({"origin": origin.url(), "services": {"api": {"uses": 100}}})));
    let ticket = buy(&stack, API).l402();
    let first = post(&stack, &ticket, "0", "");
    let kept: Vec<bool> = (1..30)
        .map(|n| {
            let answer = post(&stack, &ticket, &n.to_string(), "");
            assert_eq!((answer.status, answer.body.len()), (200, BODY));
            answer.header("satstile-replay").is_none()
        })
        .collect();
    let fit = kept.iter().take_while(|kept| **kept).count();
    assert!((10..20).contains(&fit) && kept[fit..].iter().all(|kept| !kept), "{kept:?}");
    assert!(kept_rows(&stack).iter().all(|(_, bytes)| *bytes <= 1_048_576), "{:?}", kept_rows(&stack));
    is_replayed(&first, &post(&stack, &ticket, "0", ""));
    let before = origin.heard().len();
    assert_eq!(post(&stack, &ticket, "29", "").header("idempotent-replayed"), None);
    assert_eq!(origin.heard().len(), before + 1, "what was not kept is a new request");
    let other = buy(&stack, API).l402();
    let first = post(&stack, &other, "0", "");
    assert_eq!(first.header("satstile-replay"), None);
    is_replayed(&first, &post(&stack, &other, "0", ""));
}

/// How many answers of each payment are kept, and their bytes.
fn kept_rows(stack: &Stack) -> Vec<(i64, i64)> {
    let query = "SELECT COUNT(*), COALESCE(SUM(LENGTH(answer)), 0) FROM replay";
    let count = |path: std::path::PathBuf| {
        let database = rusqlite::Connection::open(path).unwrap();
        database.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))).ok()
    };
    stack.workerd.databases().into_iter().filter_map(count).collect()
}

/// How many deliveries are remembered one by one.
fn claims(stack: &Stack) -> i64 {
    let count = |path: std::path::PathBuf| {
        let database = rusqlite::Connection::open(path).unwrap();
        database.query_row("SELECT COUNT(*) FROM claim", [], |row| row.get::<_, i64>(0)).unwrap_or(0)
    };
    stack.workerd.databases().into_iter().map(count).sum()
}
