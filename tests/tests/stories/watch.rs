//! A socket on which a widget hears that its invoice was settled: a hint for who holds the token as it was minted,
//! and no trace of it (C5, T33, T62, T64).

use std::time::Duration;

use l402::identifier::Identifier;
use l402::token::Token;
use l402::{Keys, PaymentHash};
use satstile_tests::raw::{Connection, Response};
use satstile_tests::{Stack, http};
use serde_json::json;

use crate::common::fake_node::{honest_stack, push};
use crate::common::{ask, attenuate, buy, seen, shared};

const WATCH: &str = "/.well-known/satstile/watch";

/// One end of a socket. Only what these stories need of RFC 6455: short frames, whole messages.
struct Socket {
    connection: Connection,
    unread: Vec<u8>,
}

/// What the other end said.
#[derive(Debug, PartialEq)]
enum Said {
    Text(String),
    Closed(u16),
}

impl Socket {
    /// Asks for an upgrade with these subprotocols; the answer, and the socket when it is 101.
    fn ask(stack: &Stack, target: &str, protocols: &str) -> (Response, Self) {
        let mut connection = Connection::open(stack.workerd.address()).unwrap();
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://blog.test\r\nSec-WebSocket-Protocol: {protocols}\r\n\r\n",
            stack.workerd.address()
        );
        connection.send(request.as_bytes()).unwrap();
        let response = connection.head(true).unwrap();
        (response, Self { connection, unread: Vec::new() })
    }

    #[track_caller]
    fn open(stack: &Stack, macaroon: &str) -> Self {
        let (response, socket) = Self::ask(stack, WATCH, &offered(macaroon));
        assert_eq!(response.status, 101);
        assert_eq!(response.all("sec-websocket-protocol"), ["satstile.v1"]);
        socket
    }

    /// A frame of a client, masked with zeros.
    fn send(&mut self, opcode: u8, payload: &[u8]) {
        let length = u8::try_from(payload.len()).unwrap();
        let frame = [&[0x80 | opcode, 0x80 | length, 0, 0, 0, 0], payload].concat();
        self.connection.send(&frame).unwrap();
    }

    fn read(&mut self, n: usize) -> Vec<u8> {
        while self.unread.len() < n {
            let part = self.connection.part().expect("nothing was said in time");
            self.unread.extend(part.expect("the connection ended without a word"));
        }
        self.unread.drain(..n).collect()
    }

    /// Waits for the next message.
    fn hear(&mut self) -> Said {
        let head = self.read(2);
        let payload = self.read(usize::from(head[1] & 0x7f));
        match head[0] & 0x0f {
            1 => Said::Text(String::from_utf8(payload).unwrap()),
            8 => Said::Closed(payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code))),
            other => panic!("opcode {other}"),
        }
    }

    /// Whether nothing is said for a while.
    fn is_silent(&mut self) -> bool {
        self.connection.extend(Duration::from_millis(400));
        let silent = self.connection.part().is_err();
        self.connection.extend(Duration::from_secs(10));
        silent
    }

    #[track_caller]
    fn hears_the_settlement(&mut self) {
        assert_eq!((self.hear(), self.hear()), (Said::Text("settled".to_owned()), Said::Closed(1_000)));
    }
}

/// The two subprotocols of a client: ours, and the token in the alphabet that a header allows.
fn offered(macaroon: &str) -> String {
    format!("satstile.v1, {}", macaroon.replace('+', "-").replace('/', "_").replace('=', ""))
}

/// Everybody who waits for this payment is told, nobody else is, and nobody is told more than the one word.
#[test]
fn who_waits_is_told_when_the_invoice_is_settled() {
    let stack = shared();
    let (offer, other) = (ask(&stack, "/articles/1"), ask(&stack, "/articles/1"));
    let mut waiting = [Socket::open(&stack, &offer.macaroon), Socket::open(&stack, &offer.macaroon)];
    let mut elsewhere = Socket::open(&stack, &other.macaroon);
    assert!(waiting[0].is_silent());
    let ticket = offer.pay(stack.node());
    waiting.iter_mut().for_each(Socket::hears_the_settlement);
    assert!(elsewhere.is_silent());
    // Too late is not too late: who comes after the settlement is told at once, and again.
    for _ in 0..10 {
        Socket::open(&stack, &ticket.offer.macaroon).hears_the_settlement();
    }
    assert_eq!(seen(&stack), [""; 0]);
}

/// A settlement is told once, however often the node says it.
#[test]
fn a_second_push_tells_nobody_again() {
    let (stack, node, made) = honest_stack(json!({}));
    let offer = ask(&stack, "/articles/1");
    let made = made.lock().unwrap()[0].clone();
    let (request_id, _) = node.last_create();
    let mut socket = Socket::open(&stack, &offer.macaroon);
    for _ in 0..2 {
        assert_eq!(push(&stack, made.settlement(&request_id)).status, 200);
    }
    socket.hears_the_settlement();
    assert_eq!(node.calls().len(), 1, "a watch asked the node");
}

/// A socket outlives the sleep of its object: workerd lets an object go after ten idle seconds.
#[test]
fn a_sleeping_socket_is_woken_by_the_settlement() {
    let stack = shared();
    let offer = ask(&stack, "/articles/1");
    let mut socket = Socket::open(&stack, &offer.macaroon);
    std::thread::sleep(Duration::from_secs(12));
    socket.connection.extend(Duration::from_secs(10));
    socket.send(1, b"ping");
    assert_eq!(socket.hear(), Said::Text("pong".to_owned()));
    offer.pay(stack.node());
    socket.hears_the_settlement();
}

/// T62, T64: whoever saw the QR code, a delegate, a forger: the same 404 as from `status`, and no socket.
#[test]
fn nobody_watches_without_the_token_as_it_was_minted() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    let (macaroon, hash) = (&ticket.offer.macaroon, &ticket.offer.payment_hash);
    let keys = Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap();
    let mint = |until: u64| {
        let hash = PaymentHash::from_hex(hash).unwrap();
        let until = format!("articles_valid_until={until}");
        let caveats =
            ["services=articles:0", &until, "satstile_aud=demo", "satstile_methods=GET,HEAD"].map(str::to_owned);
        Token::mint(&keys, Identifier::new(hash, keys.minting_id(), [1; 31]), &caveats).unwrap().to_wire()
    };
    let nothing = http::post(&stack.url("/.well-known/satstile/status"), &[], b"");
    let now = crate::common::now().0;
    for protocols in [
        offered(&attenuate(macaroon, &["satstile_methods=GET"])),
        offered(&attenuate(macaroon, &["foreign=1"])),
        format!("satstile.v1, {hash}"),
        format!("satstile.v2, {}", &offered(macaroon)[13..]),
        offered(macaroon)[13..].to_owned(),
        "satstile.v1".to_owned(),
        format!("{}:{}", offered(macaroon), ticket.preimage),
        // Ten minutes after the invoice's end nobody is told any more.
        offered(&mint(now + 3_600 - 601)),
    ] {
        let (refused, _) = Socket::ask(&stack, WATCH, &protocols);
        assert_eq!(refused.status, 404, "{protocols}");
        assert_eq!(refused.header("sec-websocket-protocol"), None);
    }
    Socket::open(&stack, &mint(now + 3_600 - 590)).hears_the_settlement();
    // Without an upgrade there is nothing to see, and no other door takes one (T33, T121).
    let plain = http::get(&stack.url(WATCH), &[("sec-websocket-protocol", &offered(macaroon))]);
    assert_eq!((plain.status, plain.text()), (404, nothing.text()));
    for target in ["/articles/1", "/free/1", "/.well-known/satstile/status", "/.well-known/satstile/watch/"] {
        assert_eq!(Socket::ask(&stack, target, &offered(macaroon)).0.status, 400, "{target}");
    }
    assert_eq!(Socket::ask(&stack, &format!("{WATCH}?macaroon=x"), "satstile.v1").0.status, 400);
}

/// Eight may wait for one payment. Whoever leaves makes room.
#[test]
fn eight_sockets_a_payment_and_no_more() {
    let stack = shared();
    let (offer, other) = (ask(&stack, "/articles/1"), ask(&stack, "/articles/1"));
    let mut waiting: Vec<Socket> = (0..8).map(|_| Socket::open(&stack, &offer.macaroon)).collect();
    let (refused, _) = Socket::ask(&stack, WATCH, &offered(&offer.macaroon));
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("5")));
    Socket::open(&stack, &other.macaroon);

    let mut leaving = waiting.pop().unwrap();
    leaving.send(8, &1_000_u16.to_be_bytes());
    assert_eq!(leaving.hear(), Said::Closed(1_000));
    waiting.push(Socket::open(&stack, &offer.macaroon));
    // Nothing is said to us here; who does leaves too.
    waiting[0].send(1, b"hello");
    assert_eq!(waiting[0].hear(), Said::Closed(1_008));
    waiting[0] = Socket::open(&stack, &offer.macaroon);
    offer.pay(stack.node());
    waiting.iter_mut().for_each(Socket::hears_the_settlement);
}

/// A socket ends ten minutes after its invoice: whoever comes then makes it leave, and finds room.
#[test]
fn a_late_socket_leaves_when_the_next_one_comes() {
    let stack = shared();
    let offer = ask(&stack, "/articles/1");
    let keys = Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap();
    // Of the same payment, but as if its invoice had ended 598 seconds ago.
    let until = format!("articles_valid_until={}", crate::common::now().0 + 3_600 - 598);
    let caveats = ["services=articles:0", &until, "satstile_aud=demo", "satstile_methods=GET,HEAD"].map(str::to_owned);
    let hash = PaymentHash::from_hex(&offer.payment_hash).unwrap();
    let late = Token::mint(&keys, Identifier::new(hash, keys.minting_id(), [1; 31]), &caveats).unwrap().to_wire();
    let mut late: Vec<_> = (0..8).map(|_| Socket::open(&stack, &late)).collect();
    std::thread::sleep(Duration::from_millis(2_100));
    let mut waiting = Socket::open(&stack, &offer.macaroon);
    for socket in &mut late {
        assert_eq!(socket.hear(), Said::Closed(1_000));
    }
    offer.pay(stack.node());
    waiting.hears_the_settlement();
}

/// Who watches leaves nothing more than who polls: no row, and no word of the token in a log (T120).
#[test]
fn a_watch_leaves_no_trace() {
    let stack = Stack::start(crate::common::plenty(json!({})));
    let offers: Vec<_> = (0..20).map(|_| ask(&stack, "/articles/1")).collect();
    for offer in &offers {
        let authorization = format!("L402 {}", offer.macaroon);
        let poll = http::post(&stack.url("/.well-known/satstile/status"), &[("authorization", &authorization)], b"");
        assert_eq!(poll.status, 200);
    }
    std::thread::sleep(Duration::from_secs(2)); // the operator's totals are written once a second
    let before = stack.workerd.storage_bytes();
    let sockets: Vec<_> = offers.iter().map(|offer| Socket::open(&stack, &offer.macaroon)).collect();
    assert_eq!(stack.workerd.storage_bytes(), before);
    drop(sockets);
    let log = stack.log().join("\n");
    assert!(!offers.iter().any(|offer| log.contains(&offer.macaroon) || log.contains(&offered(&offer.macaroon))));
}
