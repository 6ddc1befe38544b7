//! Stories on a real Lightning network: btcd, two lnd nodes, LNbits and aperture on them. They take the network of this
//! process; `cargo xtask test lightning` builds what it is made of, and runs some of them at once: each has a stack of
//! its own, and nothing of another's invoices.

#[path = "../common/mod.rs"]
mod common;

mod back_ends;
mod bank;
mod cancel;
mod command;
mod doctor;
mod held;
mod late;
mod lies;
mod lnbits;
mod lnget;
mod network;
mod payouts;
mod proxy;
mod purchases;
mod settlements;

use std::time::{Duration, Instant};

use common::{Offer, Purchase, audit, plenty};
use satstile_tests::{Devnet, Stack, StackOptions, http};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The payment hash of a preimage, both in hex.
#[track_caller]
fn hash(preimage: &str) -> String {
    hex::encode(Sha256::digest(hex::decode(preimage).expect("a preimage in hex")))
}

/// The demo, its invoices made by alice.
fn on_alice(devnet: &Devnet) -> StackOptions {
    on(&devnet.alice().connection())
}

/// The demo on these back ends.
fn on(backends: &str) -> StackOptions {
    StackOptions { backends: backends.to_owned(), ..plenty(json!({})) }
}

#[track_caller]
fn paid_by_bob(devnet: &Devnet, offer: Offer) -> Purchase {
    let preimage = devnet.pay(&offer.invoice);
    Purchase { offer, preimage }
}

/// What the status poll says of an offer now.
#[track_caller]
fn status(stack: &Stack, offer: &Offer) -> Value {
    let url = stack.url("/.well-known/satstile/status");
    let poll = || {
        let reply = http::post(&url, &[("authorization", &format!("L402 {}", offer.macaroon))], b"");
        // One poll a second is answered.
        (reply.status != 429).then_some(reply)
    };
    let reply = in_time("a poll that is not too hasty", poll);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// The same, once it says something else than `pending`.
#[track_caller]
fn word(stack: &Stack, offer: &Offer) -> Value {
    in_time("a word other than pending", || Some(status(stack, offer)).filter(|word| word["status"] != "pending"))
}

/// The totals of a service once `field` has come to `n`.
#[track_caller]
fn total(stack: &Stack, service: &str, field: &str, n: i64) -> Value {
    in_time("the totals", || Some(audit(stack)["services"][service].clone()).filter(|totals| totals[field] == n))
}

/// [`common::eventually`], for nodes that share two cores with the other stories.
#[track_caller]
fn in_time<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
