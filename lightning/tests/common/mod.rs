//! The cast of the tests: one back end of each kind, and the replies under `golden/`.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::path::Path;

use l402::{Msat, PaymentHash};
use satstile_lightning::{BackendFault, Connection, HttpReply, HttpRequest, Invoice, Order, Status, Step, Watched};

/// A connection string of each kind, and what is secret in it.
pub const CONNECTIONS: &[(&str, &str, &str)] = &[
    ("lnd-rest", "type=lnd-rest;server=https://node.test:8080;macaroon=0201036c6e64", "0201036c6e64"),
    ("clnrest", "type=clnrest;server=https://node.test:3010;rune=rune-of-ours==", "rune-of-ours=="),
    ("phoenixd", "type=phoenixd;password=word-of-ours", "word-of-ours"),
    ("lnbits", "type=lnbits;server=https://lnbits.test/;api-key=inkey-of-ours", "inkey-of-ours"),
    (
        "btcpay",
        "type=btcpay;server=https://pay.test;store-id=9CiNzKoANXxmk5ayZngSXrHTiVvvgCrwrpFQd4m2K776;api-key=key-of-ours",
        "key-of-ours",
    ),
    ("lnaddress", "type=lnaddress;address=alice@shop.test", "no secret"),
    ("blink", "type=blink;api-key=blink_ours;wallet-id=6f2c1c2b-0a7e-4a3d-9a67-b4b8c4a8b6a5", "blink_ours"),
    ("strike", "type=strike;api-key=key-of-ours", "key-of-ours"),
    ("opennode", "type=opennode;api-key=key-of-ours", "key-of-ours"),
    ("zbd", "type=zbd;api-key=key-of-ours", "key-of-ours"),
];

pub const ORDER: Order<'_> = Order { amount: Msat(21_000), description: "An article", expiry_s: 600, label: "order-1" };

#[track_caller]
pub fn connection(kind: &str) -> Connection {
    let (_, text, _) = CONNECTIONS.iter().find(|(known, ..)| *known == kind).unwrap();
    Connection::parse(text).unwrap()
}

/// The body of a golden file.
#[track_caller]
pub fn body(kind: &str, name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(kind);
    ["json", "txt"]
        .iter()
        .find_map(|ending| std::fs::read_to_string(folder.join(format!("{name}.{ending}"))).ok())
        .unwrap_or_else(|| panic!("golden/{kind}/{name}"))
}

/// The status that it came with.
pub fn status_code(kind: &str, name: &str) -> u16 {
    match (kind, name) {
        ("lnd-rest" | "clnrest", "error") | ("clnrest", "wait-timeout") => 500,
        ("clnrest", "unauthorized") | ("strike" | "zbd", "error") => 401,
        ("clnrest", _) | ("lnbits", "created") | ("strike", "created" | "quote") => 201,
        ("lnaddress" | "blink", _) => 200,
        ("phoenixd", "error") => 400,
        ("btcpay" | "opennode", "error") => 403,
        (_, "unknown") | ("lnbits", "error") => 404,
        _ => 200,
    }
}

#[track_caller]
pub fn reply(kind: &str, name: &str) -> HttpReply {
    HttpReply::new(status_code(kind, name), body(kind, name))
}

/// The replies that lead to an invoice, in order.
pub fn making(kind: &str) -> Vec<HttpReply> {
    let names: &[&str] = match kind {
        "lnaddress" => &["lnurlp", "created"],
        "strike" => &["created", "quote"],
        _ => &["created"],
    };
    names.iter().map(|name| reply(kind, name)).collect()
}

#[track_caller]
pub fn asked<T: std::fmt::Debug>(step: Result<Step<T>, BackendFault>) -> HttpRequest {
    match step {
        Ok(Step::Ask(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn done<T>(step: Result<Step<T>, BackendFault>) -> Result<T, BackendFault> {
    match step? {
        Step::Done(value) => Ok(value),
        Step::Ask(request) => panic!("asks for {request:?}"),
    }
}

pub fn create(kind: &str, replies: &[HttpReply]) -> Result<Invoice, BackendFault> {
    done(connection(kind).backend.create(&ORDER, replies))
}

/// The invoice of the golden files.
#[track_caller]
pub fn invoice(kind: &str) -> Invoice {
    create(kind, &making(kind)).unwrap()
}

/// What became of that invoice, by this reply.
#[track_caller]
pub fn status_by(kind: &str, reply: HttpReply) -> Result<Status, BackendFault> {
    status_of(kind, invoice(kind).payment_hash, ORDER.amount, reply)
}

/// What became of it, by a golden file.
#[track_caller]
pub fn status(kind: &str, name: &str) -> Result<Status, BackendFault> {
    status_by(kind, reply(kind, name))
}

#[track_caller]
pub fn status_of(kind: &str, hash: PaymentHash, amount: Msat, reply: HttpReply) -> Result<Status, BackendFault> {
    let reference = invoice(kind).reference;
    let watched = Watched { payment_hash: hash, amount, reference: &reference };
    done(connection(kind).backend.status(&watched, &[reply]))
}
