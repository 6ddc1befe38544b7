//! Streams of events in a session: paid by the event out of a deposit, which is filled up on the way (T80, F13).

mod common;

use std::time::Duration;

use common::bank::ok;
use common::deposits::{Bearer, DEPOSIT, UNIT, desk, desk_before, left};
use common::server::{self, Server};
use common::stream::{EVENTS, begin, chunk, end, read_until, send_get};
use common::{API, eventually, get_with};
use serde_json::{Value, json};

/// The events of an answer: their names, and their data.
fn events(text: &str) -> Vec<(String, String)> {
    let field = |event: &str, name: &str| {
        event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim().to_owned()
    };
    text.split("\n\n").filter(|event| !event.is_empty()).map(|e| (field(e, "event:"), field(e, "data:"))).collect()
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
    let answer = get_with(&stack, "/api/stream", &bearer.bearer());
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
    let mut client = send_get(&stack, API, &bearer.open());
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
