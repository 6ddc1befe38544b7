//! Stories on a real Lightning network: btcd, two lnd nodes, and LNbits on one of them. They take the network of this
//! process; `cargo xtask test lightning` builds what it is made of.

use satstile_tests::{Devnet, Lnbits};
use serde_json::json;
use sha2::{Digest, Sha256};

#[track_caller]
fn hash(preimage: &str) -> String {
    hex::encode(Sha256::digest(hex::decode(preimage).expect("a preimage in hex")))
}

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
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert_eq!(state(), "ACCEPTED");
        devnet.settle_hold(&preimage);
        assert_eq!(payment.join().expect("bob pays"), preimage);
    });
    assert_eq!(state(), "SETTLED");
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_macaroon_for_invoices_does_not_spend() {
    let devnet = Devnet::shared();
    let connection = devnet.alice().connection();
    assert!(connection.starts_with(&format!("type=lnd-rest;server={};macaroon=", devnet.alice().url())));
    assert_eq!(devnet.alice().thumbprint().len(), 64);
    assert!(!connection.contains(&devnet.alice().macaroon()));
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn what_lnbits_asks_bob_pays_and_lnbits_says_so() {
    let devnet = Devnet::shared();
    let lnbits = match Lnbits::start(devnet) {
        Ok(lnbits) => lnbits,
        Err(why) => return eprintln!("SKIPPED: {why}"),
    };
    let shop = lnbits.new_wallet();
    let order = json!({ "out": false, "amount": 21, "memo": "shop", "unit": "sat", "expiry": 600 });
    let made = lnbits.post("/api/v1/payments", &shop.inkey, &order);
    assert_eq!(made.status, 201, "{}", made.text());
    let (bolt11, payment_hash) = (made.json()["bolt11"].clone(), made.json()["payment_hash"].clone());
    let path = format!("/api/v1/payments/{}", payment_hash.as_str().expect("a payment hash"));
    assert_eq!(lnbits.get(&path, &shop.inkey).json()["paid"], false);

    let preimage = devnet.pay(bolt11.as_str().expect("an invoice"));
    assert_eq!(hash(&preimage), payment_hash.as_str().unwrap_or_default());
    let paid = lnbits.get(&path, &shop.inkey).json();
    assert_eq!((&paid["paid"], &paid["preimage"]), (&json!(true), &json!(preimage)));
}
