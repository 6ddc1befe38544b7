//! LNbits, whose node is alice, as the back end.

use satstile_tests::{Devnet, Lnbits, Stack, http};
use serde_json::json;

use crate::common::{API, Purchase, ask, opens};
use crate::{hash, on, word};

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
    let stack = Stack::start(on(&backends));
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
