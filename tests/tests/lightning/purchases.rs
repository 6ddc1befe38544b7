//! Who pays gets in, and nobody else.

use std::collections::HashSet;

use satstile_tests::{Devnet, Stack};

use crate::common::{API, Purchase, ask, get_with, is_charged, opens};
use crate::{on_alice, paid_by_bob, total};

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn what_bob_paid_opens_and_what_he_did_not_pay_stays_shut() {
    let devnet = Devnet::shared();
    let stack = Stack::start(on_alice(devnet));
    let unpaid = ask(&stack, API);
    let purchase = paid_by_bob(devnet, ask(&stack, API));
    opens(&stack, &purchase.l402());
    // T2: the preimage of one purchase, with the token of another.
    is_charged(&stack, &format!("L402 {}:{}", unpaid.macaroon, purchase.preimage));
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn an_invoice_that_was_withdrawn_cannot_be_paid_and_opens_nothing() {
    let devnet = Devnet::shared();
    let stack = Stack::start(on_alice(devnet));
    let offer = ask(&stack, API);
    devnet.cancel(&offer.payment_hash);
    assert!(devnet.try_pay(&offer.invoice).is_err());
    is_charged(&stack, &format!("L402 {}:{}", offer.macaroon, "00".repeat(32)));
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_hundred_buyers_at_once_each_get_what_they_paid_for() {
    let devnet = Devnet::shared();
    let stack = Stack::start(on_alice(devnet));
    let purchases: Vec<Purchase> = std::thread::scope(|scope| {
        let buyers: Vec<_> = (0..100).map(|_| scope.spawn(|| paid_by_bob(devnet, ask(&stack, API)))).collect();
        buyers.into_iter().map(|buyer| buyer.join().expect("a buyer buys")).collect()
    });
    let hashes: HashSet<&str> = purchases.iter().map(|purchase| purchase.offer.payment_hash.as_str()).collect();
    assert_eq!(hashes.len(), 100, "T21: no two of them paid one invoice");
    for purchase in &purchases {
        assert_eq!(get_with(&stack, API, &purchase.l402()).status, 200);
    }
    total(&stack, "api", "settled", 100);
}
