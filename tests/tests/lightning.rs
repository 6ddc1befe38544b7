//! Stories on a real Lightning network: btcd, two lnd nodes, and LNbits on one of them. They take the network of this
//! process; `cargo xtask test lightning` builds what it is made of.

mod common;

use std::collections::HashSet;
use std::process::Command;
use std::time::Duration;

use common::{API, Offer, Purchase, ask, eventually, get, get_with, is_charged, opens, plenty, total};
use satstile_tests::{Devnet, Lnbits, Stack, StackOptions, binaries, free_port, http, loopback};
use serde_json::{Value, json};
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

/// The demo, its invoices made by alice.
fn on_alice(devnet: &Devnet) -> StackOptions {
    StackOptions { backends: devnet.alice().connection(), ..plenty(json!({})) }
}

#[track_caller]
fn paid_by_bob(devnet: &Devnet, offer: Offer) -> Purchase {
    let preimage = devnet.pay(&offer.invoice);
    Purchase { offer, preimage }
}

/// What the status poll says of a purchase, once it says something else than `pending`.
#[track_caller]
fn word(stack: &Stack, offer: &Offer) -> Value {
    let poll = || {
        let url = stack.url("/.well-known/satstile/status");
        let reply = http::post(&url, &[("authorization", &format!("L402 {}", offer.macaroon))], b"");
        (reply.status == 200).then(|| reply.json()).filter(|word| word["status"] != "pending")
    };
    eventually("a word other than pending", poll)
}

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

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn the_second_back_end_stands_in_while_the_first_is_away() {
    let devnet = Devnet::shared();
    let nobody = format!("type=lnd-rest;server=https://{};macaroon=00", loopback(free_port()));
    let backends = format!("{nobody}\n{}", devnet.alice().connection());
    let stack = Stack::start(StackOptions { backends, ..plenty(json!({})) });
    opens(&stack, &paid_by_bob(devnet, ask(&stack, API)).l402());
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_node_with_another_certificate_is_not_asked() {
    let devnet = Devnet::shared();
    let backends = devnet.alice().connection().replace(&devnet.alice().thumbprint(), &devnet.bob().thumbprint());
    let stack = Stack::start(StackOptions { backends, ..plenty(json!({})) });
    assert_eq!(get(&stack, API).status, 503);
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn satstile_pays_through_bobs_lnd_prints_the_article_and_pays_no_more_than_it_may() {
    let devnet = Devnet::shared();
    let stack = Stack::start(on_alice(devnet));
    let bob = devnet.bob();
    let wallet =
        format!("type=lnd-rest;server={};macaroon={};certthumbprint={}", bob.url(), bob.macaroon(), bob.thumbprint());
    let pay = |max_sats: &str| {
        Command::new(binaries::workspace_binary("satstile", "SATSTILE_BIN"))
            .args(["pay", &stack.url("/articles/1"), "--no-cache", "--max-sats", max_sats])
            .env("SATSTILE_WALLET", &wallet)
            .output()
            .expect("satstile runs")
    };
    // T115: an article costs 21 sats.
    assert_eq!(pay("20").status.code(), Some(3));
    assert_eq!(stack.origin.seen().len(), 0);
    let paid = pay("21");
    let said = String::from_utf8_lossy(&paid.stderr).into_owned();
    assert_eq!(paid.status.code(), Some(0), "{said}");
    assert!(String::from_utf8_lossy(&paid.stdout).contains("<h1"), "no article came");
    assert!(!said.contains(&bob.macaroon()), "the wallet's macaroon was printed");
    total(&stack, "articles", "settled", 1);
}

#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn through_lnbits_a_paid_invoice_opens_and_the_preimage_it_shows_before_does_not() {
    let devnet = Devnet::shared();
    let lnbits = match Lnbits::start(devnet) {
        Ok(lnbits) => lnbits,
        Err(why) => return eprintln!("SKIPPED: {why}"),
    };
    let shop = lnbits.new_wallet();
    let backends = format!("type=lnbits;server={};api-key={}", lnbits.url(), shop.inkey);
    let stack = Stack::start(StackOptions { backends, ..plenty(json!({})) });
    let offer = ask(&stack, API);
    // LNbits shows its owner the preimage of an invoice that nobody has paid; the edge goes by the state.
    let shown = lnbits.get(&format!("/api/v1/payments/{}", offer.payment_hash), &shop.inkey).json();
    assert_eq!((&shown["paid"], shown["details"]["preimage"].as_str().map(str::len)), (&json!(false), Some(64)));
    let url = stack.url("/.well-known/satstile/status");
    let reply = http::post(&url, &[("authorization", &format!("L402 {}", offer.macaroon))], b"").json();
    assert_eq!((&reply["status"], reply.get("preimage")), (&json!("pending"), None));
    let preimage = devnet.pay(&offer.invoice);
    assert_eq!(word(&stack, &offer)["preimage"], preimage);
    opens(&stack, &Purchase { offer, preimage }.l402());
}
