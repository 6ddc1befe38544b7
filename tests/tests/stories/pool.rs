//! Invoices made ahead (`pool`): a buyer waits for no node, and no invoice is shown to two (T21).

use std::collections::HashSet;
use std::time::Duration;

use satstile_tests::{Stack, StackOptions};
use serde_json::json;

use crate::common::{API, Offer, get, opens, plenty};

/// The edge tells nobody how many it has; by then it has made them.
const FULL: Duration = Duration::from_secs(3);

#[test]
fn a_pool_sells_while_the_node_is_away_and_nothing_twice_t21() {
    let mut stack = Stack::start(plenty(json!({"services": {"api": {"pool": 3}}})));
    let first = Offer::read(get(&stack, API));
    std::thread::sleep(FULL);

    stack.node_mut().stop();
    let ahead: Vec<Offer> = (0..3).map(|_| Offer::read(get(&stack, API))).collect();
    let empty = get(&stack, API);
    assert_eq!((empty.status, empty.header("retry-after")), (503, Some("5")), "three were made, not four");

    let invoices: HashSet<_> = ahead.iter().chain([&first]).map(|offer| &offer.payment_hash).collect();
    let tokens: HashSet<_> = ahead.iter().chain([&first]).map(|offer| &offer.macaroon).collect();
    assert_eq!((invoices.len(), tokens.len()), (4, 4), "every buyer has an invoice and a token of their own");

    stack.node_mut().restart();
    for offer in ahead {
        let purchase = offer.pay(stack.node());
        opens(&stack, &purchase.l402());
    }
}

#[test]
fn what_was_taken_is_made_again_and_the_price_is_the_price() {
    let stack = Stack::start(plenty(json!({"services": {"api": {"pool": 2, "price_msat": 21_000}}})));
    let mut seen = HashSet::new();
    for _ in 0..3 {
        for _ in 0..4 {
            let offer = Offer::read(get(&stack, API));
            assert!(offer.invoice.starts_with("lnbcrt210n1"), "{}", offer.invoice);
            assert!(seen.insert(offer.payment_hash), "an invoice was shown twice");
        }
        std::thread::sleep(FULL);
    }
}

#[test]
fn without_a_pool_nothing_is_made_ahead() {
    let mut stack = Stack::start(plenty(json!({})));
    Offer::read(get(&stack, API));
    std::thread::sleep(FULL);
    stack.node_mut().stop();
    assert_eq!(get(&stack, API).status, 503);
}

#[test]
fn a_pool_is_not_a_way_around_the_budgets_t58() {
    let policy = json!({"budgets": {"per_client_per_min": 4}, "services": {"api": {"pool": 50}}});
    let stack = Stack::start(StackOptions::policy(policy));
    let statuses: Vec<u16> = (0..6).map(|_| get(&stack, API).status).collect();
    assert_eq!(statuses, [402, 402, 402, 402, 429, 429]);
}
