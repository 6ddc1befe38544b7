//! What the stories share: stacks that are lent out in turns ([`shared`]), an offer and its purchase, a log to wait for,
//! balances ([`bank`]), [`deposits`] and their sessions, somebody's [`wallet`], servers of a story's own ([`server`],
//! [`fake_node`]), answers in pieces ([`stream`]), and what happens in a [`browser`].

#![allow(dead_code, unused_imports)] // each program takes what it needs

pub mod bank;
pub mod browser;
pub mod deposits;
pub mod fake_node;
pub mod server;
pub mod shared;
pub mod stream;
pub mod wallet;

use std::time::{Duration, Instant};

use l402::relay::{InvoiceCreate, RelayCall, RelaySecrets, WEBHOOK_ID, WEBHOOK_SIGNATURE, WEBHOOK_TIMESTAMP};
use l402::token::UnverifiedToken;
use l402::{UnixTime, auth_param, encoding};
use satstile_tests::raw::Response;
use satstile_tests::{Node, Secrets, Seen, Stack, StackOptions, Workerd, WorkerdOptions, http};
use serde_json::{Value, json};
pub use shared::{Turn, shared};

/// A sold route that takes every method and tells what it was sent.
pub const API: &str = "/api/echo";
/// The operator's totals.
pub const AUDIT: &str = "/.well-known/satstile/audit";

/// The first line about a worker that broke. The runtime also calls it uncaught when a body ends in the middle and
/// the client must be told so; that is meant.
pub fn first_break(log: &[String]) -> Option<String> {
    let is_meant = |line: &str| ["connection lost", "disconnected", "too long"].iter().any(|part| line.contains(part));
    let is_break = |line: &str| line.contains("uncaught") || line.contains("panic") || line.contains("runtimeerror");
    let mut lines = log.iter().map(|line| line.to_ascii_lowercase());
    lines.find(|line| is_break(line) && !is_meant(line))
}

/// A policy laid over the demo's, with budgets that no story reaches.
pub fn plenty(mut policy: Value) -> StackOptions {
    let budgets = json!({
        "per_client_per_min": 1_000_000, "global_per_min": 1_000_000, "in_flight": 1_000,
        "tries_per_client_per_min": 1_000_000, "tries_per_min": 1_000_000,
        "status_per_client_per_min": 1_000_000, "status_per_min": 1_000_000,
    });
    policy["budgets"] = budgets;
    StackOptions::policy(policy)
}

/// A 402 with its challenge.
#[derive(Debug)]
pub struct Offer {
    pub response: Response,
    pub macaroon: String,
    pub invoice: String,
    pub payment_hash: String,
}

impl Offer {
    /// Reads the 402 that a program gets.
    #[track_caller]
    pub fn read(response: Response) -> Self {
        assert_eq!(response.status, 402, "{}", response.text());
        let body = response.json();
        let text = |key: &str| match body[key].as_str() {
            Some(text) => text.to_owned(),
            None => panic!("no `{key}` in this 402: {body}"),
        };
        Self { macaroon: text("macaroon"), invoice: text("invoice"), payment_hash: text("payment_hash"), response }
    }

    /// A parameter of one of the two challenges.
    #[track_caller]
    pub fn param(&self, scheme: &str, name: &str) -> String {
        let header = self.response.header("www-authenticate").unwrap_or_default();
        let all = auth_param::parse(header).unwrap_or_else(|e| panic!("{e:?} in {header}"));
        let value = all.iter().find(|c| c.is(scheme)).and_then(|c| c.param(name));
        value.unwrap_or_else(|| panic!("no {name} of {scheme} in {header}")).to_owned()
    }

    /// Pays it with the dev wallet.
    #[track_caller]
    pub fn pay(self, node: &Node) -> Purchase {
        let preimage = node.pay(&self.invoice);
        Purchase { offer: self, preimage }
    }
}

/// A paid offer.
#[derive(Debug)]
pub struct Purchase {
    pub offer: Offer,
    pub preimage: String,
}

impl Purchase {
    /// The token's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        encoding::base64_any(&self.offer.macaroon).expect("a token is base64")
    }

    /// `L402 <macaroon>:<preimage>`
    pub fn l402(&self) -> String {
        format!("L402 {}:{}", self.offer.macaroon, self.preimage)
    }

    /// The same with caveats that the holder added.
    #[track_caller]
    pub fn attenuated(&self, caveats: &[&str]) -> String {
        format!("L402 {}:{}", attenuate(&self.offer.macaroon, caveats), self.preimage)
    }

    /// `Payment <base64url JSON>`, as a stock client of the scheme sends it.
    #[track_caller]
    pub fn payment(&self) -> String {
        self.payment_with(|_| ())
    }

    /// The same, after somebody changed something in it.
    #[track_caller]
    pub fn payment_with(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut challenge = json!({});
        for name in ["id", "realm", "method", "intent", "request", "expires", "opaque"] {
            challenge[name] = self.offer.param("Payment", name).into();
        }
        let mut credential = json!({"challenge": challenge, "payload": {"preimage": self.preimage}});
        change(&mut credential);
        format!("Payment {}", encoding::to_base64url(credential.to_string().as_bytes()))
    }
}

/// `L402 <macaroon>:<preimage>` of any bytes.
pub fn l402(macaroon: &[u8], preimage: &str) -> String {
    format!("L402 {}:{preimage}", encoding::to_base64(macaroon))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A macaroon with more caveats.
#[track_caller]
pub fn attenuate(macaroon: &str, caveats: &[&str]) -> String {
    let token = UnverifiedToken::parse(macaroon).expect("the token cannot be read");
    let more = caveats.iter().try_fold(token, |token, caveat| token.attenuate(caveat));
    more.expect("the caveat cannot be added").to_wire()
}

/// `GET` with nothing to show.
#[track_caller]
pub fn get(stack: &Stack, path: &str) -> Response {
    http::get(&stack.url(path), &[])
}

/// `GET` with a credential.
#[track_caller]
pub fn get_with(stack: &Stack, path: &str, authorization: &str) -> Response {
    http::get(&stack.url(path), &[("authorization", authorization)])
}

/// Asks for something that is sold.
#[track_caller]
pub fn ask(stack: &Stack, path: &str) -> Offer {
    Offer::read(get(stack, path))
}

/// Asks, and pays.
#[track_caller]
pub fn buy(stack: &Stack, path: &str) -> Purchase {
    ask(stack, path).pay(stack.node())
}

/// The credential opens [`API`], and reaches the origin once.
#[track_caller]
pub fn opens(stack: &Stack, authorization: &str) {
    stack.origin.clear();
    let response = get_with(stack, API, authorization);
    assert_eq!(response.status, 200, "{authorization}: {}", response.text());
    assert_eq!(seen(stack), [API]);
}

/// The credential is sold another token, and reaches nobody.
#[track_caller]
pub fn is_charged(stack: &Stack, authorization: &str) -> Offer {
    stack.origin.clear();
    let offer = Offer::read(get_with(stack, API, authorization));
    assert_eq!(seen(stack), [""; 0], "{authorization}");
    offer
}

/// What a credential is answered once an earlier delivery was written down: until then it is a 409.
#[track_caller]
pub fn after_the_409s(stack: &Stack, path: &str, authorization: &str) -> Response {
    eventually("an end to the 409s", || Some(get_with(stack, path, authorization)).filter(|r| r.status != 409))
}

/// The operator's totals.
#[track_caller]
pub fn audit(stack: &Stack) -> Value {
    let answer = get_with(stack, AUDIT, &format!("Bearer {}", stack.secrets.audit_key));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The totals of a service once `field` has come to `n`.
#[track_caller]
pub fn total(stack: &Stack, service: &str, field: &str, n: i64) -> Value {
    eventually("the totals", || Some(audit(stack)["services"][service].clone()).filter(|totals| totals[field] == n))
}

/// How long something takes.
pub fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (act(), start.elapsed())
}

/// Another worker in front of the same origin and node, with secrets and policy of its own.
pub fn sister(stack: &Stack, secrets: Secrets, mut policy: Value) -> Workerd {
    policy["origin"] = stack.origin.url().into();
    let policy = plenty(policy).policy;
    let vars = json!({"NODE_URL": stack.node().url()});
    Workerd::start(WorkerdOptions { policy, vars, secrets, ..WorkerdOptions::default() })
}

/// Targets that reached the origin, in order.
#[track_caller]
pub fn seen(stack: &Stack) -> Vec<String> {
    stack.origin.seen().into_iter().map(|seen| seen.target).collect()
}

/// The one request that reached the origin.
#[track_caller]
pub fn only_seen(stack: &Stack) -> Seen {
    let mut seen = stack.origin.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    seen.remove(0)
}

/// How many invoices the node has made for the worker so far. An invoice that the story itself orders from the
/// node goes behind them in its log, so that none is still on its way.
#[track_caller]
pub fn invoices(stack: &Stack) -> usize {
    const MADE: &str = "invoice made";
    let fence = format!("fence-{}", encoding::to_base64url(&random()));
    let call = RelayCall::InvoiceCreate(InvoiceCreate {
        amount_msat: 1,
        description: "fence".to_owned(),
        expiry_s: 60,
        service: fence.clone(),
        purpose: "test".to_owned(),
        payee: None,
    });
    let reply = relay(&stack.secrets, &format!("{}/relay", stack.node().url()), &fence, &call.to_body());
    assert_eq!(reply.status, 200, "{}", reply.text());
    eventually("the fence in the node's log", || {
        stack.node().log().iter().any(|line| line.contains(&fence)).then_some(())
    });
    let log = stack.node().log();
    log.iter().filter(|line| line.contains(MADE) && !line.contains("fence-")).count()
}

/// Sends a message as the holder of the relay secrets signs it.
#[track_caller]
pub fn relay(secrets: &Secrets, url: &str, id: &str, body: &[u8]) -> Response {
    let (at, secrets) = (now(), RelaySecrets::parse(&secrets.relay_secrets).expect("unusable relay secrets"));
    let (timestamp, signature) = (at.0.to_string(), secrets.sign(id, at, body));
    let headers = [
        (WEBHOOK_ID, id),
        (WEBHOOK_TIMESTAMP, &timestamp),
        (WEBHOOK_SIGNATURE, &signature),
        ("content-type", "application/json"),
    ];
    http::post(url, &headers, body)
}

/// The clock on the wall.
pub fn now() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixTime(since.expect("the clock is before 1970").as_secs())
}

/// Waits for something that happens soon, but not before the answer.
#[track_caller]
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within(Duration::from_secs(5), what, look)
}

/// Waits for something that has its own pace. The longer it may take, the more seldom is looked.
#[track_caller]
pub fn within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(limit / 500);
    }
}

/// Does so many things at once; what came of each, in the order of their numbers.
#[track_caller]
pub fn at_once<T: Send>(n: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let act = &act;
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..n).map(|i| scope.spawn(move || act(i))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives no randomness");
    bytes
}

/// What the wallet prints.
pub fn lnurl_wallet(lnurl: &str, bolt11: &str) -> Value {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    // Where `cargo xtask interop` set it up; it says so itself when that is elsewhere.
    let built = std::env::var_os("SATSTILE_INTEROP").map_or_else(|| root.join("../target/interop"), Into::into);
    let python = built.join("python/lnurl/bin/python");
    let mut command = std::process::Command::new(python);
    command.arg(root.join("interop/python/lnurl_withdraw.py")).args([lnurl, bolt11]).env("NO_PROXY", "127.0.0.1");
    let output = command.output().expect("cargo xtask interop sets it up");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}
