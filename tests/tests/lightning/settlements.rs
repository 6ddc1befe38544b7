//! How a payment becomes known, whatever is away meanwhile (C7, T54, T67).

use std::time::Duration;

use satstile_tests::{Devnet, Stack};

use crate::common::{API, ask};
use crate::{on_alice, paid_by_bob, total, word};

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
