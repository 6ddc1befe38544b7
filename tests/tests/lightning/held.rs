//! A payment that is held: the payer's money is locked, and the seller has none of it. Only what is settled counts (T20).

use std::thread::ScopedJoinHandle;

use l402::relay::{InvoiceLookup, InvoiceState, InvoiceStatus, RelayCall};
use l402::{PaymentHash, auth_param};
use satstile_tests::raw::Response;
use satstile_tests::{Devnet, Stack, http};

use crate::common::{API, Offer, Purchase, ask, audit, is_charged, opens, relay, seen};
use crate::proxy::Holder;
use crate::{in_time, on, status, total, word};

const PAGE: &str = "/articles/1";

/// What the node webhook tells the worker of an invoice, each time it is asked.
#[track_caller]
fn lookup(stack: &Stack, payment_hash: &str, id: &str) -> InvoiceStatus {
    let hash = hex::decode(payment_hash).ok().and_then(|bytes| bytes.try_into().ok()).expect("a hash in hex");
    let call = RelayCall::InvoiceLookup(InvoiceLookup { payment_hash: PaymentHash(hash) });
    let reply = relay(&stack.secrets, &format!("{}/relay", stack.node().url()), id, &call.to_body());
    InvoiceStatus::parse(&reply.body).unwrap_or_else(|fault| panic!("{fault}: {}", reply.text()))
}

/// A browser without JavaScript, with what it was given to wait with.
#[track_caller]
fn reload(stack: &Stack, cookie: &str) -> Response {
    http::get(&stack.url(PAGE), &[("accept", "text/html"), ("cookie", cookie)])
}

/// The browser's cookie, and the invoice on its page.
#[track_caller]
fn waiting(response: &Response) -> (String, String) {
    assert_eq!(response.status, 402, "{}", response.text());
    let cookie = response.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a cookie");
    let challenges = auth_param::parse(response.header("www-authenticate").unwrap_or_default()).expect("a challenge");
    let invoice = challenges.iter().find_map(|challenge| challenge.param("invoice")).expect("an invoice");
    (cookie.to_owned(), invoice.to_owned())
}

/// Until bob's money is locked.
#[track_caller]
fn is_held(devnet: &Devnet, payment_hash: &str) {
    in_time("bob's payment", || (devnet.state(payment_hash) == "ACCEPTED").then_some(()));
}

#[track_caller]
fn pays_nothing<T>(payment: ScopedJoinHandle<'_, Result<T, String>>) {
    let refused = payment.join().expect("bob tries").err();
    assert_eq!(refused.as_deref(), Some("FAILED FAILURE_REASON_INCORRECT_PAYMENT_DETAILS"));
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_payment_that_is_held_opens_nothing_and_one_that_is_settled_does() {
    let devnet = Devnet::shared();
    let holder = Holder::start(devnet, None);
    let stack = Stack::start(on(&holder.proxy.connection()));
    let offer = ask(&stack, API);
    std::thread::scope(|scope| {
        let payment = scope.spawn(|| devnet.pay(&offer.invoice));
        is_held(devnet, &offer.payment_hash);
        let told = lookup(&stack, &offer.payment_hash, "while-held");
        assert_eq!((told.status, told.preimage, told.settled_at), (InvoiceState::Pending, None, None));
        let word = status(&stack, &offer);
        assert_eq!((&word["status"], word.get("preimage")), (&"pending".into(), None));
        is_charged(&stack, &format!("L402 {}:{}", offer.macaroon, "00".repeat(32)));
        assert_eq!(audit(&stack)["services"]["api"]["settled"].as_i64().unwrap_or(0), 0);
        assert!(!payment.is_finished(), "bob still waits");

        let preimage = holder.settle(&offer.payment_hash);
        assert_eq!(payment.join().expect("bob pays"), preimage);
    });
    let told = word(&stack, &offer);
    assert_eq!(told["status"], "settled");
    let preimage = told["preimage"].as_str().expect("a preimage").to_owned();
    assert_eq!(lookup(&stack, &offer.payment_hash, "once-settled").status, InvoiceState::Settled);
    total(&stack, "api", "settled", 1);
    opens(&stack, &Purchase { offer, preimage }.l402());
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_payment_that_is_given_back_opens_nothing() {
    let devnet = Devnet::shared();
    let holder = Holder::start(devnet, None);
    let stack = Stack::start(on(&holder.proxy.connection()));
    let offer: Offer = ask(&stack, API);
    std::thread::scope(|scope| {
        let payment = scope.spawn(|| devnet.try_pay(&offer.invoice));
        is_held(devnet, &offer.payment_hash);
        devnet.cancel(&offer.payment_hash);
        pays_nothing(payment);
    });
    let told = lookup(&stack, &offer.payment_hash, "once-given-back");
    assert_eq!((told.status, told.preimage, told.settled_at), (InvoiceState::Canceled, None, None));
    let word = status(&stack, &offer);
    assert_eq!((&word["status"], word.get("preimage")), (&"pending".into(), None));
    is_charged(&stack, &format!("L402 {}:{}", offer.macaroon, "00".repeat(32)));
    assert_eq!(audit(&stack)["services"]["api"]["settled"].as_i64().unwrap_or(0), 0);
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_browser_that_waits_is_let_in_when_the_payment_is_settled_and_not_while_it_is_held() {
    let devnet = Devnet::shared();
    let holder = Holder::start(devnet, None);
    let stack = Stack::start(on(&holder.proxy.connection()));
    let (cookie, invoice) = waiting(&http::get(&stack.url(PAGE), &[("accept", "text/html")]));
    let payment_hash = l402::bolt11::Invoice::parse(&invoice).expect("an invoice").payment_hash.to_string();
    std::thread::scope(|scope| {
        let payment = scope.spawn(|| devnet.pay(&invoice));
        is_held(devnet, &payment_hash);
        assert_eq!(reload(&stack, &cookie).status, 402);
        assert_eq!(holder.proxy.orders(), 1, "the same page, not another invoice");
        holder.settle(&payment_hash);
        payment.join().expect("bob pays");
    });
    let unlocked = in_time("the way in", || Some(reload(&stack, &cookie)).filter(|reply| reply.status != 402));
    assert_eq!((unlocked.status, unlocked.header("location")), (303, Some(PAGE)));
    assert_eq!(seen(&stack), [""; 0]);
}
