//! The network itself: what the other stories take for granted.

use std::time::Duration;

use satstile_tests::Devnet;

use crate::hash;

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
fn a_macaroon_for_invoices_does_not_spend() {
    let devnet = Devnet::shared();
    let connection = devnet.alice().connection();
    assert!(connection.starts_with(&format!("type=lnd-rest;server={};macaroon=", devnet.alice().url())));
    assert_eq!(devnet.alice().thumbprint().len(), 64);
    assert!(!connection.contains(&devnet.alice().macaroon()));
}
