//! What a balance pays for an answer whose cost the origin knows only on the way: the table in `docs/policy.md`, row by
//! row, each with its nearest "no" (T79 – T81, F11 – F14).

use std::time::{Duration, Instant};

use satstile_tests::raw::Connection;
use satstile_tests::{Stack, http};
use serde_json::{Value, json};

use crate::common::bank::{account_of, balance, funded, settled_balance, sheet, sound};
use crate::common::server::{Heard, Server};
use crate::common::stream::{EVENTS, begin, chunk, end, read_until};
use crate::common::{API, buy, plenty};

/// The price of one use of `api`, in msat: what is charged when nobody says anything.
const PRICE: u64 = 10_000;
/// The most that one use costs in these stories.
const CEILING: u64 = 40_000;
/// What each story fills in, in sats.
const FILLED: u64 = 1_000;

/// What this balance has paid in all, once every use of it has ended.
#[track_caller]
fn charged(stack: &Stack, token: &str) -> u64 {
    FILLED * 1_000 - settled_balance(stack, token)
}

/// In front of an origin, with metered uses of `api`.
fn metered(origin: &Server, mut policy: Value) -> Stack {
    policy["origin"] = origin.url().into();
    policy["services"] = json!({"api": {"ceiling_msat": CEILING}});
    Stack::start(plenty(policy))
}

fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

const HEAD_SAYS: (&str, &str) = ("Satstile-Cost-Msat", "5000");

/// The words of a target after `/api/`: what the origin of a story is to do.
fn wants(heard: &Heard, word: &str) -> bool {
    heard.target.trim_start_matches("/api/").split('-').any(|wanted| wanted == word)
}

/// The fields of an answer to `…-head` and `…-plain`: whether the head says a cost, and whether this is no stream of events.
fn fields(heard: &Heard) -> Vec<(&'static str, &'static str)> {
    let kind = if wants(heard, "plain") { ("Content-Type", "text/plain") } else { EVENTS };
    if wants(heard, "head") { vec![kind, HEAD_SAYS] } else { vec![kind] }
}

/// A use that is sent, so that its client can leave when it likes.
fn call(stack: &Stack, method: &str, path: &str, token: &str) -> Connection {
    let mut client = Connection::open(stack.workerd.address()).unwrap();
    let body = if method == "POST" { "Content-Length: 2\r\n\r\n{}" } else { "\r\n" };
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{body}");
    client.send(head.as_bytes()).unwrap();
    client
}

/// One stream: what the head says, the pieces in which it arrives, and what it costs.
type Told = (Option<&'static str>, &'static [&'static str], u64);

/// T80: the client had all of it. The last word of the stream counts, in whole comment lines and nowhere else.
#[test]
fn a_whole_stream_costs_what_it_said_last() {
    const STREAMS: &[Told] = &[
        (None, &[": satstile-cost-msat=100\n", "data: a\n\n", ": satstile-cost-msat=2500\n\n"], 2_500),
        // Who speaks in the stream is believed there, and not in the head.
        (Some("9000"), &["data: a\n\n: satstile-cost-msat=2501\n\n"], 2_501),
        (Some("9000"), &["data: a\n\n"], 9_000),
        (None, &["data: a\n\n"], PRICE),
        // 0 is 0, and not "nothing was said".
        (Some("9000"), &["data: a\n\n: satstile-cost-msat=0\n\n"], 0),
        // Each of the three ends of a line.
        (None, &["data: a\r\n\r\n: satstile-cost-msat=2502\r\n\r\n"], 2_502),
        (None, &["data: a\r\r: satstile-cost-msat=2503\r"], 2_503),
        // Cut anywhere, even in the number and between CR and LF.
        (None, &["data: a\n\n: satst", "ile-cost-msat=2504\n"], 2_504),
        (None, &["data: a\n\n:", " satstile-cost-msat", "=", "2", "505", "\r", "\n"], 2_505),
        (None, &[": satstile-cost-msat=2506\r", "\n: satstile-cost-msat=", "2507\r\n\r\n"], 2_507),
        // It counts from the beginning, so it never goes back.
        (None, &[": satstile-cost-msat=2508\n\n", ": satstile-cost-msat=7\n\n"], 2_508),
        // Up to the ceiling, however large.
        (None, &[": satstile-cost-msat=40000\n\n"], CEILING),
        (None, &[": satstile-cost-msat=40001\n\n"], CEILING),
        (None, &[": satstile-cost-msat=99999999999999999999999999999999\n\n"], CEILING),
        // A line that does not end says nothing.
        (None, &[": satstile-cost-msat=2509\n\n", ": satstile-cost-msat=25090"], 2_509),
        (None, &["data: a\n\n: satstile-cost-msat=2510"], PRICE),
        // What a writer put into the goods is goods.
        (None, &["data: : satstile-cost-msat=1\n\n"], PRICE),
        (None, &["data: a: satstile-cost-msat=1\ndata: \u{2028}: satstile-cost-msat=1\n\n"], PRICE),
        (None, &["data: ", ": satstile-cost-msat=1\n\n"], PRICE),
        (None, &[" : satstile-cost-msat=1\n", "satstile-cost-msat=1\n", "satstile-cost-msat: 1\n\n"], PRICE),
        // What is no such number is not said.
        (None, &[": satstile-cost-msat=\n: satstile-cost-msat=-5\n: satstile-cost-msat=+5\n\n"], PRICE),
        (None, &[": satstile-cost-msat=1.5\n: satstile-cost-msat=1e3\n: satstile-cost-msat=0x10\n\n"], PRICE),
        (None, &[": satstile-cost-msat= 5\n: satstile-cost-msat=5 \n: satstile-cost-msat=5;\n\n"], PRICE),
        (
            None,
            &[": satstile-cost-msat:5\n: Satstile-Cost-Msat=5\n: satstile-cost-msats=5\n: satstile-cost=5\n"],
            PRICE,
        ),
        (Some("+9000"), &["data: a\n\n"], PRICE),
        (Some("99999999999999999999999999999999"), &["data: a\n\n"], CEILING),
        // And it does not hide what is said properly.
        (None, &[": satstile-cost-msat=5x\n: satstile-cost-msat=2511\n: satstile-cost-msat=9z\n\n"], 2_511),
    ];
    let origin = Server::start(|heard, stream| {
        let (head, pieces, _) = STREAMS[heard.target.trim_start_matches("/api/").parse::<usize>().unwrap()];
        let fields: Vec<_> =
            [Some(EVENTS), head.map(|cost| ("Satstile-Cost-Msat", cost))].into_iter().flatten().collect();
        begin(stream, &fields)?;
        for piece in pieces {
            chunk(stream, piece)?;
            pause(20);
        }
        end(stream)
    });
    let stack = metered(&origin, json!({}));
    let token = funded(&stack, FILLED);
    let mut before = 0;
    for (number, (head, pieces, costs)) in STREAMS.iter().enumerate() {
        let answer = http::get(&stack.url(&format!("/api/{number}")), &[("authorization", &format!("Bearer {token}"))]);
        assert_eq!((answer.status, answer.text()), (200, pieces.concat()), "every byte is handed on as it is");
        let now = charged(&stack, &token);
        assert_eq!(now - before, *costs, "head {head:?}, stream {pieces:?}");
        before = now;
    }
    sound(&stack, &account_of(&token));
}

/// How a client leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Leaves {
    /// Not at all.
    Never,
    /// It closes a connection that it has read to the last byte: the edge learns of it when it sends something there.
    Quietly,
    /// It closes a connection with something unread in it, which is told at once.
    Abruptly,
}

/// T80, F13: the client left after the first byte. It pays for what had been sent, not for what came after it; else what the
/// head said, else the price. Who stays pays for all of it.
#[test]
fn a_client_that_leaves_in_the_middle_pays_for_what_had_been_sent() {
    let origin = Server::start(|heard, stream| {
        let is_mute = wants(heard, "mute");
        begin(stream, &fields(heard))?;
        chunk(stream, if is_mute { "data: a\n\n" } else { "data: a\n\n: satstile-cost-msat=700\n\n" })?;
        chunk(stream, "data: enough\n\n")?;
        pause(100);
        chunk(stream, "data: more\n\n")?;
        pause(300);
        if wants(heard, "quiet") {
            chunk(stream, "data: into the void\n\n")?;
            pause(100);
        }
        chunk(stream, if is_mute { "data: b\n\n" } else { "data: b\n\n: satstile-cost-msat=30000\n\n" })?;
        pause(100);
        end(stream)
    });
    let stack = metered(&origin, json!({}));
    let ways = [Leaves::Never, Leaves::Quietly, Leaves::Abruptly];
    for (method, path, costs_who_leaves, costs_who_stays) in [
        ("GET", "/api/stream", 700, 30_000),
        ("GET", "/api/head", 700, 30_000),
        ("GET", "/api/mute-head", 5_000, 5_000),
        ("GET", "/api/mute", PRICE, PRICE),
        ("POST", "/api/stream", 700, 30_000),
        ("POST", "/api/mute-head", 5_000, 5_000),
    ] {
        for leaves in ways {
            let token = funded(&stack, FILLED);
            let path = if leaves == Leaves::Quietly { format!("{path}-quiet") } else { path.to_owned() };
            let mut client = call(&stack, method, &path, &token);
            assert_eq!(client.head(true).unwrap().status, 200);
            match leaves {
                Leaves::Never => while client.part().unwrap().is_some() {},
                Leaves::Quietly => read_until(&mut client, &mut String::new(), "more"),
                Leaves::Abruptly => {
                    read_until(&mut client, &mut String::new(), "enough");
                    pause(250);
                }
            }
            drop(client);
            let costs = if leaves == Leaves::Never { costs_who_stays } else { costs_who_leaves };
            assert_eq!(charged(&stack, &token), costs, "{method} {path} {leaves:?}");
        }
    }
}

/// T79, T80, F13: the client left before the first byte of the stream, or before its head: nothing. An order that
/// was answered by anything else was carried out, and is paid for.
#[test]
fn a_client_that_leaves_before_the_first_byte_of_a_stream_pays_nothing() {
    let origin = Server::start(|heard, stream| {
        if wants(heard, "slow") {
            pause(500);
        }
        begin(stream, &fields(heard))?;
        pause(500);
        for _ in 0..5 {
            chunk(stream, ": satstile-cost-msat=700\n\ndata: a\n\n")?;
            pause(100);
        }
        end(stream)
    });
    let stack = metered(&origin, json!({"timeouts": {"idle_s": 1}}));
    for (method, path, costs) in [
        ("GET", "/api/stream", 0),
        ("GET", "/api/head", 0),
        ("GET", "/api/plain-head", 0),
        ("GET", "/api/slow-head", 0),
        ("POST", "/api/stream", 0),
        ("POST", "/api/head", 0),
        ("POST", "/api/slow-head", 0),
        ("POST", "/api/slow-plain-head", 5_000),
        ("POST", "/api/plain-head", 5_000),
        ("POST", "/api/plain", PRICE),
    ] {
        let token = funded(&stack, FILLED);
        let client = call(&stack, method, path, &token);
        pause(250);
        assert_eq!(balance(&stack, &token).1, CEILING, "the use is under way");
        drop(client); // with the head of the answer in it, unread, where that has come
        assert_eq!(charged(&stack, &token), costs, "{method} {path}");
    }
}

/// T81, F11: the origin died in the middle. What it had told until then is paid for, and what its head had promised is not.
/// Of a request with a body nobody knows who broke it off, so that one ends as if the client had left.
#[test]
fn an_origin_that_dies_in_a_stream_is_paid_for_what_it_had_told() {
    let origin = Server::start(|heard, stream| {
        begin(stream, &fields(heard))?;
        if !wants(heard, "empty") {
            chunk(stream, "data: a\n\n")?;
        }
        if wants(heard, "told") {
            chunk(stream, ": satstile-cost-msat=700\n\n")?;
            chunk(stream, ": satstile-cost-msat=800")?; // never a whole line
        }
        pause(200);
        Ok(()) // without the last chunk
    });
    let stack = metered(&origin, json!({}));
    for (method, path, costs) in [
        ("GET", "/api/told", 700),
        ("GET", "/api/told-head", 700),
        ("GET", "/api/mute", 0),
        ("GET", "/api/mute-head", 0),
        ("GET", "/api/told-plain", 0),
        ("GET", "/api/empty-head", 0),
        ("POST", "/api/told-head", 700),
        ("POST", "/api/mute-head", 5_000),
        ("POST", "/api/mute", PRICE),
        ("POST", "/api/empty-head", 0),
    ] {
        let token = funded(&stack, FILLED);
        let answer = call(&stack, method, path, &token).response(true).unwrap();
        assert!(answer.status == 502 || !answer.complete, "{path} looks whole: {}", answer.text());
        assert_eq!(charged(&stack, &token), costs, "{method} {path}");
    }
}

/// T80, F12: our own limits. After some of it: what was said, else the head, else the price; before any of it: nothing.
#[test]
fn a_stream_that_we_end_is_paid_for_as_far_as_it_went() {
    let origin = Server::start(|heard, stream| {
        begin(stream, &fields(heard))?;
        if wants(heard, "empty") {
            pause(6_000);
        }
        for n in 1..=600 {
            if wants(heard, "told") {
                chunk(stream, &format!(": satstile-cost-msat={}\n\n", 100 * n))?;
            }
            chunk(stream, "data: a\n\n")?;
            if wants(heard, "idle") {
                pause(6_000);
            }
            pause(250);
        }
        end(stream)
    });
    let stack = &metered(&origin, json!({"timeouts": {"first_byte_s": 1, "idle_s": 1, "total_s": 2}}));
    std::thread::scope(|scope| {
        for (path, costs) in [
            ("/api/told-idle-head", 100..=100),
            ("/api/idle-head", 5_000..=5_000),
            ("/api/idle", PRICE..=PRICE),
            // Two seconds, by four events in each.
            ("/api/told-head", 500..=1_000),
            ("/api/mute-head", 5_000..=5_000),
            ("/api/mute", PRICE..=PRICE),
            ("/api/empty-head", 0..=0),
        ] {
            scope.spawn(move || {
                let token = funded(stack, FILLED);
                let answer = call(stack, "GET", path, &token).response(true).unwrap();
                assert!(answer.status >= 500 || !answer.complete, "{path} looks whole: {}", answer.text());
                let paid = charged(stack, &token);
                assert!(costs.contains(&paid), "{path}: {paid} msat");
            });
        }
    });
}

/// T74, T79, T80, F14: the worker died. What a long stream had told is written down every five seconds, and is charged when
/// the hold's time is over; what nobody had told is not. No other row moved, and the books are sound.
#[test]
fn f14_killed_in_a_stream_charges_what_was_written_down_of_it() {
    let origin = Server::start(|heard, stream| {
        begin(stream, &fields(heard))?;
        for n in 1..=600 {
            if wants(heard, "told") {
                chunk(stream, &format!(": satstile-cost-msat={}\n\n", 100 * n))?;
            }
            chunk(stream, "data: a\n\n")?;
            pause(250);
        }
        end(stream)
    });
    let mut stack = metered(&origin, json!({"timeouts": {"first_byte_s": 1, "idle_s": 1, "total_s": 8}}));
    let ttl = Duration::from_millis(16_500); // the limits, the pause twice, and half of that again
    let started = Instant::now();
    let tokens = ["/api/told-head", "/api/mute-head"].map(|path| {
        let token = funded(&stack, FILLED);
        let mut client = call(&stack, "GET", path, &token);
        assert_eq!(client.head(true).unwrap().status, 200);
        (token, client)
    });
    // The last four events or so were told and not written down: of a crash the operator bears them.
    std::thread::sleep(Duration::from_millis(6_300));
    for (token, _) in &tokens {
        assert_eq!(balance(&stack, token), (FILLED * 1_000 - CEILING, CEILING), "no money moves on the way");
    }
    stack.workerd.crash_restart();
    let paid = tokens.map(|(token, _client)| {
        while balance(&stack, &token).1 > 0 {
            assert!(started.elapsed() < ttl + Duration::from_secs(8), "not swept: {}", sheet(&stack, &token));
            pause(100);
        }
        sound(&stack, &account_of(&token));
        charged(&stack, &token)
    });
    assert!(started.elapsed() > ttl - Duration::from_secs(2), "ended while it may still have been used");
    assert!((1_900..=2_300).contains(&paid[0]), "{paid:?}");
    assert_eq!(paid[1], 0, "the head was only a promise");
}

/// T80: only a stream of events is read, only as it is, and only where a balance pays.
#[test]
fn what_is_no_stream_of_events_or_is_paid_otherwise_is_not_read() {
    const SAID: &str = "data: a\n\n: satstile-cost-msat=700\n\n";
    let origin = Server::start(|heard, stream| {
        let types =
            ["text/event-stream;charset=utf-8", "TEXT/Event-Stream ; x=y", "text/plain", "application/x-ndjson"];
        let types = [&types[..], &["text/event-streams", "text/html; a=text/event-stream"]].concat();
        let encodings = ["identity", "x-unknown", "gzip, identity"];
        let (kind, number) = heard.target.trim_start_matches("/api/").split_once('-').unwrap_or(("type", "0"));
        let number: usize = number.parse().unwrap();
        match kind {
            "type" => begin(stream, &[("Content-Type", types[number])])?,
            "encoding" => begin(stream, &[EVENTS, ("Content-Encoding", encodings[number])])?,
            _ => begin(stream, &[])?,
        }
        chunk(stream, SAID)?;
        end(stream)
    });
    let stack = metered(&origin, json!({}));
    for (path, costs) in [
        ("/api/type-0", 700),
        ("/api/type-1", 700),
        ("/api/type-2", PRICE),
        ("/api/type-3", PRICE),
        ("/api/type-4", PRICE),
        ("/api/type-5", PRICE),
        ("/api/none-0", PRICE),
        ("/api/encoding-0", 700),
        ("/api/encoding-1", PRICE),
        ("/api/encoding-2", PRICE),
    ] {
        let token = funded(&stack, FILLED);
        let answer = call(&stack, "GET", path, &token).response(true).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, SAID), "{path}");
        assert_eq!(answer.header("content-encoding").is_some(), path.contains("encoding") && costs == PRICE, "{path}");
        assert_eq!(charged(&stack, &token), costs, "{path}");
    }
    // Who pays for the request by itself has paid: the balance beside it is not touched, and neither is the stream.
    let (token, ticket) = (funded(&stack, FILLED), buy(&stack, API));
    for credential in [ticket.l402(), ticket.payment()] {
        let fields = [("authorization", credential.as_str()), ("x-token", token.as_str())];
        let answer = http::get(&stack.url("/api/type-0"), &fields);
        assert_eq!((answer.status, answer.text().as_str()), (200, SAID));
        assert!(answer.header("satstile-balance-msat").is_none());
        assert_eq!((charged(&stack, &token), balance(&stack, &token).1), (0, 0));
    }
}

/// B5: what stands in `Content-Encoding` and is no coding says nothing about the bytes. The stream is metered, and the field,
/// which not every client can make sense of, is taken out. One real coding among them, or one that nobody knows, and the
/// stream goes on as it is, for the price.
#[test]
fn a_content_encoding_that_is_no_coding_is_taken_out_and_the_stream_is_metered_b5() {
    const SAID: &str = "data: a\n\n: satstile-cost-msat=700\n\n";
    const NONE: [&str; 5] = ["none", "", "identity, identity", " None ,, UTF-8", "identity"];
    const CODED: [&str; 4] = ["gzip", "none, br", "identity, gzip", "x-unknown"];
    let origin = Server::start(|heard, stream| {
        let number: usize = heard.target.trim_start_matches("/api/").parse().unwrap();
        begin(stream, &[EVENTS, ("Content-Encoding", [&NONE[..], &CODED].concat()[number])])?;
        chunk(stream, SAID)?;
        end(stream)
    });
    let stack = metered(&origin, json!({}));
    for (number, value) in NONE.iter().chain(&CODED).enumerate() {
        let token = funded(&stack, FILLED);
        let answer = call(&stack, "GET", &format!("/api/{number}"), &token).response(true).unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, SAID), "{value:?}");
        let (field, costs) = if number < NONE.len() { (None, 700) } else { (Some(*value), PRICE) };
        assert_eq!(answer.header("content-encoding"), field, "{value:?}");
        assert_eq!(charged(&stack, &token), costs, "{value:?}");
    }
}

/// T80: compressed, a stream says nothing that we read. So the origin of a metered service is asked for it as it is, whatever
/// the client would take; everybody else's wish goes on as it came.
#[test]
fn no_client_hides_what_a_stream_costs_by_asking_for_it_compressed() {
    let origin = Server::start(|heard, stream| {
        let compresses = heard.header("accept-encoding").is_some_and(|value| value.contains("gzip"));
        let fields = if compresses { vec![EVENTS, ("Content-Encoding", "gzip")] } else { vec![EVENTS] };
        begin(stream, &fields)?;
        chunk(stream, "data: a\n\n: satstile-cost-msat=30000\n\n")?;
        end(stream)
    });
    let stack = metered(&origin, json!({}));
    let (token, ticket) = (funded(&stack, FILLED), buy(&stack, API));
    let ask = |credential: &str| {
        let fields = [("authorization", credential), ("accept-encoding", "gzip, br")];
        let answer = http::get(&stack.url(API), &fields);
        assert_eq!(answer.status, 200);
        origin.heard().last().unwrap().header("accept-encoding").map(str::to_owned)
    };
    assert_eq!(ask(&format!("Bearer {token}")).as_deref(), Some("identity"));
    assert_eq!(charged(&stack, &token), 30_000);
    assert!(ask(&ticket.l402()).is_some_and(|value| value.contains("gzip")));
    assert_eq!(charged(&stack, &token), 30_000);
}

/// A8, T80: a price that the policy fixes is charged, whatever the origin says in its head or its stream, and on whatever
/// way the answer ends; beside it a metered service believes both.
#[test]
fn a_fixed_price_is_no_matter_of_what_the_origin_says_a8() {
    let origin = Server::start(|heard, stream| {
        begin(stream, &fields(heard))?;
        let cost = if wants(heard, "free") { 0 } else { 30_000 };
        chunk(stream, &format!("data: a\n\n: satstile-cost-msat={cost}\n\n"))?;
        if wants(heard, "broken") {
            pause(200);
            return Ok(());
        }
        end(stream)
    });
    let fixed = Stack::start(plenty(json!({"origin": origin.url()})));
    let metered = metered(&origin, json!({}));
    for (path, costs, where_metered) in [
        ("/api/free", PRICE, 0),
        ("/api/free-head", PRICE, 0),
        ("/api/dear", PRICE, 30_000),
        ("/api/dear-head", PRICE, 30_000),
        ("/api/free-plain-head", PRICE, 5_000),
        ("/api/free-plain", PRICE, PRICE),
        // The origin broke off: nothing was delivered, and nothing is charged for what it had said.
        ("/api/dear-broken", 0, 30_000),
    ] {
        for (stack, costs) in [(&fixed, costs), (&metered, where_metered)] {
            let token = funded(stack, FILLED);
            let answer = call(stack, "GET", path, &token).response(true).unwrap();
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(charged(stack, &token), costs, "{path}");
            sound(stack, &account_of(&token));
        }
    }
}
