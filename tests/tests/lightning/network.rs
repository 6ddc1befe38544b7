//! The network itself: what the other stories take for granted.

use std::time::Duration;

use l402::encoding;
use satstile_tests::{Devnet, Stack};
use serde_json::json;

use crate::common::{API, ask, opens};
use crate::{hash, on, paid_by_bob};

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn what_alice_asks_bob_pays_once() {
    let devnet = Devnet::shared();
    let invoice = devnet.invoice(21_000, "a first \"invoice\"");
    let state = || devnet.alice().call("GET", &format!("/v1/invoice/{}", invoice.payment_hash), None)["state"].clone();
    assert_eq!(state(), "OPEN");

    let preimage = devnet.pay(&invoice.bolt11);
    assert_eq!(hash(&preimage), invoice.payment_hash);
    assert_eq!(state(), "SETTLED");
    assert_eq!(devnet.try_pay(&invoice.bolt11).unwrap_err(), "invoice is already paid");
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_held_payment_is_settled_by_its_preimage_only() {
    let devnet = Devnet::shared();
    let preimage = hex::encode([7; 32]);
    let invoice = devnet.hold_invoice(5_000, &hash(&preimage));
    let path = format!("/v1/invoice/{}", invoice.payment_hash);
    let state = || devnet.alice().call("GET", &path, None)["state"].as_str().unwrap_or_default().to_owned();
    std::thread::scope(|scope| {
        let payment = scope.spawn(|| devnet.pay(&invoice.bolt11));
        while state() == "OPEN" {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(state(), "ACCEPTED");
        devnet.settle_hold(&preimage);
        assert_eq!(payment.join().expect("bob pays"), preimage);
    });
    assert_eq!(state(), "SETTLED");
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn the_macaroon_that_an_edge_sells_with_does_not_spend() {
    // T61: with what the node webhook holds, whoever steals it makes invoices, and nothing else.
    let devnet = Devnet::shared();
    let alice = devnet.alice();
    let connection = alice.connection();
    assert!(connection.starts_with(&format!("type=lnd-rest;server={};macaroon=", alice.url())));
    assert_eq!(alice.thumbprint().len(), 64);
    assert!(!connection.contains(&alice.macaroon()));
    let stack = Stack::start(on(&connection));
    opens(&stack, &paid_by_bob(devnet, ask(&stack, API)).l402());

    let macaroon = connection.split(';').find_map(|part| part.strip_prefix("macaroon=")).expect("a macaroon");
    // Bob asks for a little of what he has paid, so that there is something to spend, and a way.
    let order = json!({ "value_msat": "1000", "memo": "bait" });
    let bait = devnet.bob().call("POST", "/v1/invoices", Some(&order));
    let state = || {
        let r_hash = encoding::base64_any(bait["r_hash"].as_str().unwrap_or_default()).expect("a hash");
        devnet.bob().call("GET", &format!("/v1/invoice/{}", hex::encode(r_hash)), None)["state"].clone()
    };
    let send = json!({
        "payment_request": bait["payment_request"], "timeout_seconds": 30, "fee_limit_sat": "100",
        "no_inflight_updates": true,
    });
    let more = json!({ "permissions": [{ "entity": "offchain", "action": "write" }] });
    for (method, path, body) in [
        ("POST", "/v2/router/send", Some(&send)),
        ("POST", "/v1/transactions", Some(&json!({ "addr": "", "amount": "1000" }))),
        ("POST", "/v1/macaroon", Some(&more)),
        ("GET", "/v1/balance/channels", None),
        ("GET", "/v1/channels", None),
    ] {
        let refused = alice.try_call_with(macaroon, method, path, body);
        assert_eq!(refused, Err("permission denied".to_owned()), "{method} {path}");
    }
    assert_eq!(state(), "OPEN");
    // The nearest yes: the owner's macaroon, and the same call.
    alice.call("POST", "/v2/router/send", Some(&send));
    assert_eq!(state(), "SETTLED");
}
