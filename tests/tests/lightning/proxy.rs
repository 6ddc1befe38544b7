//! Between the node webhook and alice: passes everything on, but for what a story changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use l402::encoding::to_base64;
use satstile_tests::Devnet;
use satstile_tests::lnd::INVOICES_ONLY;
use serde_json::{Value, json};

use crate::common::server::{self, Heard, Server};
use crate::hash;

/// Where alice makes invoices.
const MAKE: (&str, &str) = ("POST", "/v1/invoices");

/// It listens on plain http, which a connection string takes on this machine only.
pub struct Proxy {
    server: Server,
    macaroon: String,
}

impl Proxy {
    /// `change` may answer in alice's place; `None` passes the request on.
    pub fn start(devnet: &'static Devnet, change: impl Fn(&Heard) -> Option<Value> + Send + Sync + 'static) -> Self {
        let alice = devnet.alice();
        let server = Server::start(move |heard, stream| match change(heard) {
            Some(reply) => {
                let headers = [("content-type", "application/json")];
                server::reply(stream, 200, &headers, reply.to_string().as_bytes())
            }
            None => {
                let macaroon = heard.header("grpc-metadata-macaroon").unwrap_or_default();
                let body = String::from_utf8_lossy(&heard.body);
                let body = (!body.is_empty()).then_some(&*body);
                alice.pass_on(macaroon, &heard.method, &heard.target, body, stream)
            }
        });
        Self { server, macaroon: alice.bake(INVOICES_ONLY) }
    }

    /// `make` gets each order for an invoice, and answers it.
    pub fn start_making(
        devnet: &'static Devnet,
        make: impl Fn(Value) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        Self::start(devnet, move |heard| is_order(heard).then(|| make(order(heard))).flatten())
    }

    /// For satstile-node, with a macaroon for invoices only.
    pub fn connection(&self) -> String {
        format!("type=lnd-rest;server={};macaroon={}", self.server.url(), self.macaroon)
    }

    /// How many invoices were ordered here.
    pub fn orders(&self) -> usize {
        self.server.heard().iter().filter(|heard| is_order(heard)).count()
    }
}

fn is_order(heard: &Heard) -> bool {
    (heard.method.as_str(), heard.target.as_str()) == MAKE
}

/// Panics, and so hangs up, on what is no order.
fn order(heard: &Heard) -> Value {
    serde_json::from_slice(&heard.body).expect("an order is JSON")
}

/// Alice makes what is ordered.
#[track_caller]
pub fn made_by_alice(devnet: &Devnet, order: &Value) -> Value {
    devnet.alice().call(MAKE.0, MAKE.1, Some(order))
}

/// A node that holds what is paid to it, and settles when the story says so.
pub struct Holder {
    pub proxy: Proxy,
    devnet: &'static Devnet,
    /// By payment hash, both in hex.
    preimages: Arc<Mutex<HashMap<String, String>>>,
}

impl Holder {
    /// Its invoices live as long as they are ordered to, or so many seconds.
    pub fn start(devnet: &'static Devnet, life_s: Option<u64>) -> Self {
        let preimages = Arc::new(Mutex::new(HashMap::new()));
        let kept = Arc::clone(&preimages);
        let proxy = Proxy::start_making(devnet, move |mut order| {
            if let Some(life_s) = life_s {
                order["expiry"] = life_s.to_string().into();
            }
            // Not every field of one order is there in the other.
            let order = json!({ "value_msat": order["value_msat"], "memo": order["memo"], "expiry": order["expiry"] });
            let mut preimage = [0; 32];
            getrandom::fill(&mut preimage).expect("the system has randomness");
            let preimage = hex::encode(preimage);
            let held = devnet.hold(&order, &hash(&preimage));
            kept.lock().unwrap_or_else(PoisonError::into_inner).insert(held.payment_hash.clone(), preimage);
            let r_hash = to_base64(&hex::decode(&held.payment_hash).expect("a hash in hex"));
            Some(json!({ "r_hash": r_hash, "payment_request": held.bolt11, "add_index": "1" }))
        });
        Self { proxy, devnet, preimages }
    }

    /// Takes a payment, and gives its preimage.
    #[track_caller]
    pub fn settle(&self, payment_hash: &str) -> String {
        let preimage = self.preimages.lock().unwrap_or_else(PoisonError::into_inner).get(payment_hash).cloned();
        let preimage = preimage.expect("an invoice that was made here");
        self.devnet.settle_hold(&preimage);
        preimage
    }
}
