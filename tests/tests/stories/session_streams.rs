//! Streams of events in a session: paid by the event out of a deposit, which is filled up on the way (T80, F13).

use std::time::Duration;

use satstile_tests::raw::Response;
use satstile_tests::{Stack, http};
use serde_json::{Value, json};

use crate::common::bank::ok;
use crate::common::deposits::{Bearer, DEPOSIT, UNIT, desk, desk_before, left};
use crate::common::server::{self, Server};
use crate::common::stream::{EVENTS, begin, chunk, end, read_until, send_get};
use crate::common::{API, eventually, get_with};

/// The events of an answer: their names, and their data.
fn events(text: &str) -> Vec<(String, String)> {
    let field = |event: &str, name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    };
    text.split("\n\n").filter(|event| !event.is_empty()).map(|e| (field(e, "event:"), field(e, "data:"))).collect()
}

/// Asks as a client that wants to be told of its session.
fn told(stack: &Stack, path: &str, authorization: &str) -> Response {
    http::get(&stack.url(path), &[("authorization", authorization), ("accept-payment", "lightning/session")])
}

fn data(event: &(String, String)) -> Value {
    serde_json::from_str(&event.1).unwrap_or_else(|_| panic!("{event:?}"))
}

/// T80: each event with data is a unit, comments and the last word are none; the bytes are the origin's.
#[test]
fn a_stream_is_paid_by_the_event_and_ends_with_a_receipt() {
    let origin = Server::start(|heard, stream| {
        if heard.target == "/api/echo" {
            return server::reply(stream, 200, &[], b"");
        }
        begin(stream, &[EVENTS])?;
        for piece in
            ["data: one\n", "\n: a comment\n\nda", "ta: two\ndata: lines\r\n\r\nevent: x\ndata: 3\n\n", "id: 4\n\n"]
        {
            chunk(stream, piece)?;
        }
        chunk(stream, "data: [DONE]\n\n")?;
        end(stream)
    });
    let stack = desk_before(&origin);
    let bearer = Bearer::with_session(&stack, API, "back");
    let before = left(&stack, bearer.id());
    let answer = told(&stack, "/api/stream", &bearer.bearer());
    assert_eq!(answer.status, 200);
    let text = answer.text();
    let goods = "data: one\n\n: a comment\n\ndata: two\ndata: lines\r\n\r\nevent: x\ndata: 3\n\nid: 4\n\n";
    assert!(text.starts_with(goods) && text.ends_with("data: [DONE]\n\n"), "{text:?}");
    let told = events(text.strip_prefix(goods).unwrap());
    let [receipt, done] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((receipt.0.as_str(), done.1.as_str()), ("payment-receipt", "[DONE]"));
    let receipt = data(receipt);
    assert_eq!(
        (&receipt["units"], &receipt["spent"], &receipt["reference"]),
        (&json!(3), &json!(30), &json!(bearer.id()))
    );
    assert_eq!(before - left(&stack, bearer.id()), 3 * UNIT);
}

/// The answer waits for another deposit, and goes on where it stopped; the origin is asked once.
#[test]
fn a_stream_that_uses_the_deposit_up_waits_for_the_next() {
    let origin = Server::start(|_, stream| {
        begin(stream, &[EVENTS])?;
        for number in 0..8 {
            chunk(stream, &format!("data: {number}\n\n"))?;
        }
        end(stream)
    });
    let stack = desk(json!({"origin": origin.url(), "sessions": {"deposit_units": 5}}));
    let bearer = Bearer::paying(&stack, API, "back");
    let mut client = send_get(&stack, API, &format!("{}\r\nAccept-Payment: lightning/session", bearer.open()));
    client.extend(Duration::from_secs(30));
    assert_eq!(client.head(true).unwrap().status, 200);
    let mut text = String::new();
    let mut events_until = |needle: &str| {
        read_until(&mut client, &mut text, needle);
        events(&text)
    };
    let so_far = events_until("payment-need-topup");
    assert_eq!(so_far.len(), 6, "five units, and the word that more is needed: {so_far:?}");
    let need = eventually("the whole event", || {
        events_until("balanceRequired\":10}").into_iter().find(|event| event.0 == "payment-need-topup")
    });
    assert_eq!(data(&need), json!({"sessionId": bearer.id(), "balanceSpent": 50, "balanceRequired": 10}));
    assert_eq!(ok(get_with(&stack, API, &bearer.top_up(&stack, API))), json!({"status": "ok"}));
    let all = events_until("payment-receipt");
    let goods: Vec<_> = all.iter().filter(|event| event.0.is_empty()).map(|event| event.1.as_str()).collect();
    assert_eq!(goods, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    assert_eq!(left(&stack, bearer.id()), 2 * UNIT);
    assert_eq!(origin.heard().len(), 1);
}

/// T80, F13: who leaves pays for what it has had.
#[test]
fn a_client_that_leaves_a_stream_pays_for_what_was_sent() {
    let origin = Server::start(|_, stream| {
        begin(stream, &[EVENTS])?;
        for number in 0..1_000 {
            chunk(stream, &format!("data: {number}\n\n"))?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    });
    let stack = desk_before(&origin);
    let bearer = Bearer::paying(&stack, API, "back");
    let mut client = send_get(&stack, API, &bearer.open());
    assert_eq!(client.head(true).unwrap().status, 200);
    read_until(&mut client, &mut String::new(), "data: 2\n");
    drop(client);
    let spent = (DEPOSIT - left(&stack, bearer.id())) / UNIT;
    assert!((3..=8).contains(&spent), "three were read, and some more may have been on their way: {spent}");
    // The session is free again.
    assert_eq!(ok(get_with(&stack, API, &bearer.close()))["refundStatus"], "succeeded");
}

/// T80: a picture in one event is paid for when its first piece goes out, and once.
#[test]
fn a_long_event_counts_with_its_first_piece_and_once() {
    let origin = Server::start(|heard, stream| {
        if heard.target == API {
            return server::reply(stream, 200, &[], b"");
        }
        begin(stream, &[EVENTS])?;
        chunk(stream, "data: ")?;
        for _ in 0..64 {
            chunk(stream, &"x".repeat(65_536))?;
        }
        if heard.target == "/api/left" {
            std::thread::sleep(Duration::from_secs(2));
        }
        chunk(stream, "\n\ndata: two\n")?;
        end(stream)
    });
    let stack = desk_before(&origin);
    let bearer = Bearer::with_session(&stack, API, "back");
    let whole = get_with(&stack, "/api/whole", &bearer.bearer()).text();
    assert!(whole.contains("data: two\n"), "nothing is lost at the end");
    assert_eq!(left(&stack, bearer.id()), DEPOSIT - 3 * UNIT, "two events, and the request before");
    let mut client = send_get(&stack, "/api/left", &bearer.bearer());
    client.extend(Duration::from_secs(30));
    assert_eq!(client.head(true).unwrap().status, 200);
    let mut got = 0;
    while got < 3_700_000 {
        got += client.part().unwrap().unwrap().len();
    }
    drop(client);
    assert_eq!(left(&stack, bearer.id()), DEPOSIT - 4 * UNIT, "who leaves in the middle has had it");
}

/// The stream of one large API, and how many units it is by default and by name.
const MESSAGES: &str = "event: message_start\ndata: {}\n\nevent: content_block_start\ndata: {}\n\nevent: ping\ndata: {}\n\n\
    event: content_block_delta\ndata: {}\n\ndata: {}\nevent:content_block_delta\n\nevent: content_block_stop\ndata: {}\n\n\
    event: message_delta\ndata: {}\n\nevent: message_stop\ndata: {}\n\n";
/// That of another one, and events without a name.
const RESPONSES: &str = "event: response.created\r\ndata: {}\r\n\r\nevent: response.in_progress\ndata: {}\n\n\
    event: response.output_text.delta\ndata: {}\n\nevent: response.completed\ndata: {}\n\nevent: error\ndata: {}\n\n\
    data: {}\n\nevent:\ndata: {}\n\nevent: pings\ndata: {}\n\nevent: content_block_delta\n\ndata: [DONE]\n\n";

/// B10: what only says how a stream goes is no unit; where the policy names the units, those are and no others. Who did not
/// ask to be told of the session gets the origin's bytes and nothing else.
#[test]
fn the_policy_says_which_events_are_units_and_the_client_who_is_told_b10() {
    let origin = Server::start(|heard, stream| {
        let body = match heard.target.as_str() {
            "/api/messages" => MESSAGES,
            "/api/responses" => RESPONSES,
            _ => return server::reply(stream, 200, &[], b""),
        };
        begin(stream, &[EVENTS])?;
        // Cut anywhere.
        for piece in body.as_bytes().chunks(7) {
            chunk(stream, std::str::from_utf8(piece).unwrap())?;
        }
        end(stream)
    });
    for (units, path, body, cost) in [
        (None, "/api/messages", MESSAGES, 4),
        (None, "/api/responses", RESPONSES, 4),
        (Some(json!(["content_block_delta"])), "/api/messages", MESSAGES, 2),
        (Some(json!(["message", "ping"])), "/api/messages", MESSAGES, 1),
        (Some(json!(["message"])), "/api/responses", RESPONSES, 2),
    ] {
        let mut api = json!({});
        if let Some(units) = &units {
            api["units"] = units.clone();
        }
        let stack = desk(json!({"origin": origin.url(), "services": {"api": api}}));
        let bearer = Bearer::with_session(&stack, API, "back");
        let before = left(&stack, bearer.id());
        let plain = get_with(&stack, path, &bearer.bearer());
        assert_eq!((plain.status, plain.text().as_str()), (200, body), "{units:?}");
        assert_eq!(before - left(&stack, bearer.id()), cost * UNIT, "{units:?} {path}");
        let told = told(&stack, path, &bearer.bearer()).text();
        assert!(told.contains("event: payment-receipt\n") && told.contains(&format!("\"units\":{cost}")), "{told}");
        assert_eq!(before - left(&stack, bearer.id()), 2 * cost * UNIT);
        let charge = [("authorization", bearer.bearer()), ("accept-payment", "lightning/charge".to_owned())];
        let charge = charge.each_ref().map(|(name, value)| (*name, value.as_str()));
        assert_eq!(http::get(&stack.url(path), &charge).text(), body, "a charge is no session");
    }
}
