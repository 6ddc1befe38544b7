//! The end of an invoice, in real time: what comes after it, and what was on its way before (T65). These stories take the
//! shortest life that the edge shows to anybody, a minute (C8), while the others run.

use std::time::Duration;

use l402::UnixTime;
use satstile_tests::{Devnet, Stack};
use serde_json::Value;

use crate::common::{API, Offer, Purchase, ask, get_with, is_charged, now, opens};
use crate::proxy::{Holder, Proxy, made_by_alice};
use crate::{in_time, on, status, total};

/// A minute, and the time that an order takes on a busy machine.
const LIFE_S: u64 = 65;

fn sleep_until(then: UnixTime) {
    std::thread::sleep(Duration::from_secs(then.0.saturating_sub(now().0)));
}

/// As the status says it, checked against the invoice's own.
#[track_caller]
fn end(stack: &Stack, offer: &Offer) -> UnixTime {
    let said = status(stack, offer)["invoice_expires_at"].as_str().and_then(UnixTime::from_rfc3339);
    let end = l402::bolt11::Invoice::parse(&offer.invoice).expect("an invoice").expires_at();
    assert_eq!(said, Some(end));
    assert!(now().until(end) <= LIFE_S, "it lives longer than the story");
    end
}

#[track_caller]
fn opens_not(word: &Value) {
    assert_eq!((word.get("preimage"), word.get("access_expires_at")), (None, None), "{word}");
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn an_invoice_that_has_ended_cannot_be_paid_and_opens_nothing() {
    let devnet = Devnet::shared();
    let proxy = Proxy::start_making(devnet, |mut order| {
        order["expiry"] = LIFE_S.to_string().into();
        Some(made_by_alice(devnet, &order))
    });
    let stack = Stack::start(on(&proxy.connection()));
    let (paid, unpaid) = (ask(&stack, API), ask(&stack, API));
    // The nearest yes: the same payer, before the end.
    let preimage = devnet.try_pay_regardless(&paid.invoice).expect("alice takes it in time");
    let purchase = Purchase { offer: paid, preimage };
    opens(&stack, &purchase.l402());
    assert_eq!(status(&stack, &unpaid)["status"], "pending");

    sleep_until(end(&stack, &unpaid).plus(1));
    let refused = devnet.try_pay(&unpaid.invoice).unwrap_err();
    assert!(refused.starts_with("invoice expired"), "{refused}");
    in_time("alice to withdraw it", || (devnet.state(&unpaid.payment_hash) == "CANCELED").then_some(()));
    // Whoever pays all the same has the money back at once: a definite no, and no payment in flight.
    let refused = devnet.try_pay_regardless(&unpaid.invoice).unwrap_err();
    assert_eq!(refused, "FAILED FAILURE_REASON_INCORRECT_PAYMENT_DETAILS");
    let word = status(&stack, &unpaid);
    assert_eq!(word["status"], "expired");
    opens_not(&word);
    let next = is_charged(&stack, &format!("L402 {}:{}", unpaid.macaroon, "00".repeat(32)));
    assert_ne!(next.payment_hash, unpaid.payment_hash);
    // What was paid in time is a grant, and outlives its invoice.
    opens(&stack, &purchase.l402());
    assert_eq!(total(&stack, "api", "settled", 1)["settled_msat"], 10_000);
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn money_that_was_on_its_way_at_the_end_is_honoured_when_it_is_taken_later() {
    // T65: a payment that is held over the end is neither lost nor believed too early.
    let devnet = Devnet::shared();
    let holder = Holder::start(devnet, Some(LIFE_S));
    let stack = Stack::start(on(&holder.proxy.connection()));
    let offer = ask(&stack, API);
    let end = end(&stack, &offer);
    sleep_until(UnixTime(end.0 - 5));
    std::thread::scope(|scope| {
        let payment = scope.spawn(|| devnet.pay(&offer.invoice));
        in_time("bob's payment", || (devnet.state(&offer.payment_hash) == "ACCEPTED").then_some(()));
        assert_eq!(status(&stack, &offer)["status"], "pending");

        sleep_until(end.plus(2));
        let word = status(&stack, &offer);
        assert_eq!((&word["status"], devnet.state(&offer.payment_hash).as_str()), (&"expired".into(), "ACCEPTED"));
        opens_not(&word);
        let preimage = holder.settle(&offer.payment_hash);
        assert_eq!(payment.join().expect("bob pays"), preimage);
        assert!(now() > end);
    });
    let word =
        in_time("the money that came late", || Some(status(&stack, &offer)).filter(|word| word["status"] == "settled"));
    let preimage = word["preimage"].as_str().expect("a preimage").to_owned();
    let purchase = Purchase { offer, preimage };
    opens(&stack, &purchase.l402());
    assert_eq!(total(&stack, "api", "settled", 1)["settled_msat"], 10_000);
    // Not for another service, though.
    assert_eq!(get_with(&stack, "/articles/1", &purchase.l402()).status, 402);
}
