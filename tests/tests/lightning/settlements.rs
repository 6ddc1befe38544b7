//! How a payment becomes known, whatever is away meanwhile (C7, T54, T67).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use satstile_tests::raw::{self, Response};
use satstile_tests::{Devnet, Node, Origin, Secrets, Stack, Workerd, WorkerdOptions, free_port, http, loopback};
use serde_json::json;

use crate::common::server::{self, Heard, Server};
use crate::common::{API, AUDIT, Offer, Purchase, ask, plenty};
use crate::{in_time, on_alice, paid_by_bob, total, word};

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_payment_reaches_a_reader_who_never_sees_the_preimage() {
    let devnet = Devnet::shared();
    let stack = Stack::start(on_alice(devnet));
    let offer = ask(&stack, API);
    let preimage = devnet.pay(&offer.invoice);
    assert_eq!(word(&stack, &offer)["preimage"], preimage);
    // Pushed by the node webhook, and counted once (T67).
    assert_eq!(total(&stack, "api", "settled", 1)["settled_msat"], 10_000);
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn what_was_paid_while_the_node_webhook_was_away_is_told_after_its_return() {
    let devnet = Devnet::shared();
    let mut stack = Stack::start(on_alice(devnet));
    // One before, so that the stream has a mark to go on from (F17).
    paid_by_bob(devnet, ask(&stack, API));
    total(&stack, "api", "settled", 1);
    let offer = ask(&stack, API);
    stack.node_mut().kill();
    devnet.pay(&offer.invoice);
    stack.node_mut().restart();
    total(&stack, "api", "settled", 2);
    assert_eq!(word(&stack, &offer)["status"], "settled");
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_settlement_that_the_worker_missed_is_pushed_until_it_hears() {
    // T54, T67: lost and late, and one effect.
    let devnet = Devnet::shared();
    let mut stack = Stack::start(on_alice(devnet));
    let offer = ask(&stack, API);
    stack.workerd.kill();
    devnet.pay(&offer.invoice);
    std::thread::sleep(Duration::from_secs(1));
    stack.workerd.crash_restart();
    assert_eq!(total(&stack, "api", "settled", 1)["settled_msat"], 10_000);
    assert_eq!(word(&stack, &offer)["status"], "settled");
}

/// A way between node webhook and worker on which messages can be kept back, and sent again.
struct Way {
    server: Server,
    /// What is kept back names this payment hash.
    keeps: Arc<Mutex<Option<String>>>,
}

impl Way {
    fn to(worker: std::net::SocketAddr) -> Self {
        let keeps: Arc<Mutex<Option<String>>> = Arc::default();
        let kept = Arc::clone(&keeps);
        let server = Server::start(move |heard, stream| {
            let kept = kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if kept.is_some_and(|hash| names(heard, &hash)) {
                return server::reply(stream, 503, &[], b"");
            }
            let answer = send(worker, heard);
            server::reply(stream, answer.status, &[], &answer.body)
        });
        Self { server, keeps }
    }

    fn keep_back(&self, payment_hash: Option<&str>) {
        *self.keeps.lock().unwrap_or_else(PoisonError::into_inner) = payment_hash.map(str::to_owned);
    }

    /// The last message about this payment, as it was signed.
    #[track_caller]
    fn message(&self, payment_hash: &str) -> Heard {
        let heard = self.server.heard();
        heard.into_iter().rev().find(|heard| names(heard, payment_hash)).expect("a message about this payment")
    }

    fn count(&self, payment_hash: &str) -> usize {
        self.server.heard().iter().filter(|heard| names(heard, payment_hash)).count()
    }
}

fn names(heard: &Heard, payment_hash: &str) -> bool {
    String::from_utf8_lossy(&heard.body).contains(payment_hash)
}

/// The same message once more: same id, time and signature.
#[track_caller]
fn send(worker: std::net::SocketAddr, heard: &Heard) -> Response {
    let mut head = format!("{} {} HTTP/1.1\r\n", heard.method, heard.target);
    for (name, value) in &heard.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    raw::request(worker, &[head.as_bytes(), b"\r\n", &heard.body].concat())
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_settlement_that_is_told_often_and_out_of_order_counts_once() {
    // T54, T67: three payments, the first told last, and each of them four times.
    let devnet = Devnet::shared();
    let (secrets, origin, port) = (Secrets::random(), Origin::start(), free_port());
    let way = Way::to(loopback(port));
    let node = Node::start_on(&devnet.alice().connection(), &way.server.url(), &secrets.relay_secrets);
    let policy = plenty(json!({ "origin": origin.url() })).policy;
    let vars = json!({ "NODE_URL": node.url() });
    let options = WorkerdOptions { policy, vars, secrets: secrets.clone(), port, ..WorkerdOptions::default() };
    let worker = Workerd::start(options);
    let url = |path: &str| format!("http://{}{path}", worker.address());
    let totals = || {
        let answer = http::get(&url(AUDIT), &[("authorization", &format!("Bearer {}", secrets.audit_key))]);
        answer.json()["services"]["api"].clone()
    };
    let settled = |n: i64| in_time("the totals", || Some(totals()).filter(|totals| totals["settled"] == n));
    let told = |offer: &Offer| {
        let authorization = format!("L402 {}", offer.macaroon);
        in_time("a poll", || {
            let reply = http::post(&url("/.well-known/satstile/status"), &[("authorization", &authorization)], b"");
            (reply.status == 200).then(|| reply.json())
        })
    };

    let offers: Vec<Offer> = (0..3).map(|_| Offer::read(http::get(&url(API), &[]))).collect();
    let [first, second, third] = offers.as_slice() else { panic!("three offers") };
    way.keep_back(Some(&first.payment_hash));
    let preimages: Vec<String> = offers.iter().map(|offer| devnet.pay(&offer.invoice)).collect();
    assert_eq!(settled(2)["settled_msat"], 20_000);
    assert!(way.count(&first.payment_hash) > 0, "it was kept back");
    let old = way.message(&first.payment_hash);
    way.keep_back(None);
    assert_eq!(settled(3)["settled_msat"], 30_000);

    let receipts: Vec<_> = offers.iter().map(|offer| told(offer)["receipt"].clone()).collect();
    assert!(receipts.iter().all(serde_json::Value::is_string), "{receipts:?}");
    let messages = [third, first, second].map(|offer| way.message(&offer.payment_hash));
    for _ in 0..3 {
        for message in messages.iter().chain([&old]) {
            let answer = send(worker.address(), message);
            assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("known")), "{}", answer.text());
        }
    }
    // Counts are written behind the answer; a purchase after them all says that they are.
    let last = Offer::read(http::get(&url(API), &[]));
    let preimage = devnet.pay(&last.invoice);
    assert_eq!(settled(4)["settled_msat"], 40_000);
    assert_eq!(receipts, offers.iter().map(|offer| told(offer)["receipt"].clone()).collect::<Vec<_>>());
    // The node is not told to push what was delivered, and each token opens with its own preimage alone.
    assert_eq!(way.count(&last.payment_hash), 1);
    for (offer, preimage) in offers.into_iter().chain([last]).zip(preimages.into_iter().chain([preimage])) {
        let purchase = Purchase { offer, preimage };
        assert_eq!(http::get(&url(API), &[("authorization", &purchase.l402())]).status, 200);
    }
    assert_eq!(origin.seen().len(), 4);
}
