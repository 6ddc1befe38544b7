//! Balances on a real network, from the first sat to the last: bob fills one and takes money back, carol is paid out of it
//! through bob, and the books have what lnd says. Worker, node webhook and nodes are those of a deployment.

use std::time::Duration;

use bitcoin::hashes::{Hash, sha256};
use bitcoin::secp256k1::{Secp256k1, SecretKey};
use lightning_invoice::{Currency, InvoiceBuilder, PaymentSecret};
use satstile_lightning::lnurl::{Loopback, bech32};
use satstile_tests::{Devnet, Lnd, Stack, StackOptions, http};
use serde_json::{Value, json};

use crate::common::bank::{CLAIM, TOPUP, account_of, balance, kinds, ok, post, sheet, sound, text};
use crate::common::{API, get_with, now, plenty, seen};
use crate::{hash, in_time, paid_by_bob};

const WITHDRAW: &str = "/api/v1/withdraw";

/// Alice makes the invoices and pays, each with a macaroon for nothing else (T61).
fn bank(devnet: &Devnet) -> Stack {
    let policy = json!({"payouts": {}, "refunds": {}, "services": {"api": {"uses": 1, "refund": true}}});
    let (backends, payout_backend) = (devnet.alice().connection(), devnet.alice().paying_connection());
    Stack::start(StackOptions { payouts: true, backends, payout_backend, ..plenty(policy) })
}

/// An invoice, and its payment hash in hex.
#[track_caller]
fn invoice(of: &Lnd, sats: u64) -> (String, String) {
    let made = of.call("POST", "/v1/invoices", Some(&json!({ "value": sats.to_string() })));
    let bolt11 = text(&made, "payment_request");
    let hash = l402::bolt11::Invoice::parse(&bolt11).expect("an invoice").payment_hash.to_string();
    (bolt11, hash)
}

/// What its maker says of an invoice.
#[track_caller]
fn state(of: &Lnd, hash: &str) -> Value {
    of.call("GET", &format!("/v1/invoice/{hash}"), None)["state"].clone()
}

/// All that alice has paid under a hash.
#[track_caller]
fn paid_by_alice(devnet: &Devnet, hash: &str) -> Vec<Value> {
    let payments = devnet.alice().call("GET", "/v1/payments?include_incomplete=true&max_payments=1000", None);
    let payments = payments["payments"].as_array().cloned().unwrap_or_default();
    payments.into_iter().filter(|payment| payment["payment_hash"] == hash).collect()
}

/// The token of a new balance that bob has filled.
#[track_caller]
fn filled_by_bob(devnet: &Devnet, stack: &Stack, sats: u64) -> String {
    let order = ok(post(stack, TOPUP, None, &json!({ "amount_sats": sats })));
    let preimage = devnet.pay(&text(&order, "invoice"));
    assert_eq!(state(devnet.alice(), &text(&order, "payment_hash")), "SETTLED");
    let claim = json!({"preimage": preimage, "claim_secret": order["claim_secret"]});
    text(&ok(post(stack, CLAIM, None, &claim)), "token")
}

/// What became of a payout, once that is definite.
#[track_caller]
fn end(stack: &Stack, token: &str, order: Value) -> Value {
    let first = ok(post(stack, WITHDRAW, Some(token), &order));
    let url = stack.url(&format!("{WITHDRAW}/{}", text(&first, "payout_id")));
    // Up to 20 s: lnd may look for a way longer than the answer can wait, and then the alarm of the books asks.
    in_time("a definite end", || {
        Some(ok(http::get(&url, &[("x-token", token)]))).filter(|told| told["status"] != "pending")
    })
}

/// T66, T94, I3, I6: a balance that bob filled pays carol. The books have lnd's own fee, its preimage, and the rest.
#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn a_balance_that_bob_filled_pays_carol_for_what_the_way_really_costs() {
    let devnet = Devnet::shared();
    let (stack, carol) = (bank(devnet), devnet.carol());
    let way = format!("/v1/graph/routes/{}/40", carol.public_key());
    in_time("a way from alice to carol", || devnet.alice().try_call("GET", &way, None).ok());
    let token = filled_by_bob(devnet, &stack, 200);
    assert_eq!(balance(&stack, &token), (200_000, 0));

    let (bolt11, payment_hash) = invoice(carol, 40);
    let paid = end(&stack, &token, json!({ "invoice": bolt11 }));
    assert_eq!((&paid["status"], state(carol, &payment_hash)), (&json!("succeeded"), json!("SETTLED")), "{paid}");
    assert_eq!(hash(&text(&paid, "preimage")), payment_hash);
    let records = paid_by_alice(devnet, &payment_hash);
    let [record] = records.as_slice() else { panic!("paid once: {records:?}") };
    let fee: u64 = text(record, "fee_msat").parse().expect("a number");
    assert!(fee > 0, "bob passes nothing on for nothing: {record}");
    assert_eq!((paid["fee_msat"].as_u64(), balance(&stack, &token)), (Some(fee), (160_000 - fee, 0)));

    let books = sound(&stack, &account_of(&token))["balances_msat"].clone();
    let left = i64::try_from(160_000 - fee).expect("less than there is");
    assert_eq!((&books["user"], &books["payout"], &books["node"]), (&json!(left), &json!(0), &json!(-left)), "{books}");
    // The same invoice again is nobody's to pay.
    assert_eq!(post(&stack, WITHDRAW, Some(&token), &json!({ "invoice": bolt11 })).status, 409);
    assert_eq!((paid_by_alice(devnet, &payment_hash).len(), balance(&stack, &token).0), (1, 160_000 - fee));
}

/// An invoice of somebody whom nobody has a channel with.
fn of_a_stranger(age: Duration) -> String {
    let secp = Secp256k1::new();
    let key = SecretKey::from_slice(&random()).expect("nearly every number is a key");
    let invoice = InvoiceBuilder::new(Currency::Regtest)
        .description("nobody knows the way".to_owned())
        .payment_hash(sha256::Hash::from_byte_array(random()))
        .payment_secret(PaymentSecret(random()))
        .duration_since_epoch(Duration::from_secs(now().0) - age)
        .expiry_time(Duration::from_secs(600))
        .min_final_cltv_expiry_delta(40)
        .amount_milli_satoshis(40_000)
        .basic_mpp()
        .build_signed(|message| secp.sign_ecdsa_recoverable(message, &key))
        .expect("an invoice");
    invoice.to_string()
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// T93: no way, and a payee who says no, are definite: the money is back, routing included. What has expired is not tried.
#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn an_invoice_that_cannot_be_paid_gives_the_money_back() {
    let devnet = Devnet::shared();
    let stack = bank(devnet);
    let token = filled_by_bob(devnet, &stack, 100);
    let failed = end(&stack, &token, json!({ "invoice": of_a_stranger(Duration::ZERO) }));
    assert_eq!((&failed["status"], &failed["preimage"]), (&json!("failed"), &Value::Null), "{failed}");
    assert_eq!(balance(&stack, &token), (100_000, 0));

    let (bolt11, payment_hash) = invoice(devnet.bob(), 40);
    let cancel = json!({ "payment_hash": l402::encoding::to_base64(&hex::decode(&payment_hash).expect("hex")) });
    devnet.bob().call("POST", "/v2/invoices/cancel", Some(&cancel));
    assert_eq!(end(&stack, &token, json!({ "invoice": bolt11 }))["status"], "failed");
    assert_eq!((balance(&stack, &token), state(devnet.bob(), &payment_hash)), ((100_000, 0), json!("CANCELED")));
    let told = sheet(&stack, &token);
    let once = ["payout_failed", "payout_sent", "payout_created"];
    assert_eq!(kinds(&told), [once.as_slice(), &once, &["top_up"]].concat());

    let expired = post(&stack, WITHDRAW, Some(&token), &json!({ "invoice": of_a_stranger(Duration::from_secs(601)) }));
    assert_eq!((expired.status, balance(&stack, &token)), (400, (100_000, 0)), "{}", expired.text());
    assert_eq!(kinds(&sheet(&stack, &token)).len(), 7, "and nothing was written down");
    sound(&stack, &account_of(&token));
}

/// T91, T100, LUD-03: what bob bought and did not get, alice pays back to the invoice that he brings; once.
#[test]
#[ignore = "needs btcd and lnd: cargo xtask test lightning"]
fn bob_takes_back_what_he_paid_for_a_failure() {
    let devnet = Devnet::shared();
    let stack = bank(devnet);
    let ticket = paid_by_bob(devnet, crate::common::ask(&stack, API));
    let failed = get_with(&stack, "/api/fault/status/503", &ticket.l402());
    assert_eq!(failed.status, 502, "{}", failed.text());
    let refund = failed.json()["refund"].clone();
    let link = bech32::decode(&text(&refund, "lnurl_withdraw"), Loopback::Allowed).expect("a link");
    let offer = ok(http::get(link.as_str(), &[]));
    assert_eq!((&offer["minWithdrawable"], &offer["maxWithdrawable"]), (&json!(10_000), &json!(10_000)));
    let claim = |bolt11: &str| {
        let (callback, k1) = (text(&offer, "callback"), text(&offer, "k1"));
        ok(http::get(&format!("{callback}?k1={k1}&pr={bolt11}"), &[]))["status"].clone()
    };

    let (bolt11, payment_hash) = invoice(devnet.bob(), 10);
    assert_eq!(claim(&bolt11), "OK");
    let status = || ok(http::get(&text(&refund, "status_url"), &[]))["status"].clone();
    in_time("the refund to be paid", || (status() == "claimed").then_some(()));
    assert_eq!(state(devnet.bob(), &payment_hash), "SETTLED");
    let (other, not_paid) = invoice(devnet.bob(), 10);
    assert_eq!((claim(&other), claim(&bolt11)), (json!("ERROR"), json!("OK")), "the same claim is the same claim");
    assert_eq!((state(devnet.bob(), &not_paid), paid_by_alice(devnet, &not_paid).len()), (json!("OPEN"), 0));
    assert_eq!(paid_by_alice(devnet, &payment_hash).len(), 1);
    let books = sound(&stack, &ticket.offer.payment_hash)["balances_msat"].clone();
    assert_eq!((&books["fees"], &books["node"], &books["refund"]), (&json!(0), &json!(0), &json!(0)), "{books}");
    assert_eq!(seen(&stack), ["/api/fault/status/503"], "the origin was asked once");
}
