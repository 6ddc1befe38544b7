//! Money that goes out: balances that pay invoices and Lightning addresses, and purchases that are given back (T90 – T100).

mod common;

use std::time::Duration;

use common::bank::{TOPUP, account_of, balance, funded, ok, post, post_once, sound, text};
use common::server::{self, Server};
use common::{API, Offer, at_once, buy, eventually, get_with, plenty, seen, within};
use l402::encoding::to_base64;
use satstile_lightning::lnurl::{Loopback, bech32};
use satstile_tests::raw::Response;
use satstile_tests::{Node, Stack, StackOptions, http};
use serde_json::{Value, json};

const WITHDRAW: &str = "/api/v1/withdraw";

/// A deployment that sells balances and pays out; `api` is sold by the piece, and given back when the origin fails.
fn bank() -> Stack {
    open(json!({"payouts": {}, "refunds": {}, "services": {"api": {"uses": 1, "refund": true}}}))
}

fn open(policy: Value) -> Stack {
    Stack::start(StackOptions { payouts: true, ..plenty(policy) })
}

/// The wallet of somebody outside, as phoenixd speaks.
fn wallet(node: &Node, method: &str, path: &str, form: &str) -> Response {
    let password = to_base64(format!(":{}", node.wallet_password()).as_bytes());
    let fields = [
        ("authorization", format!("Basic {password}")),
        ("content-type", "application/x-www-form-urlencoded".to_owned()),
    ];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    http::send(method, &format!("http://{}{path}", node.wallet_address()), &fields, form.as_bytes())
}

/// An invoice of that wallet; its description says how paying it goes.
#[track_caller]
fn invoice(node: &Node, sats: u64, description: &str) -> (String, String) {
    let made = ok(wallet(node, "POST", "/createinvoice", &format!("amountSat={sats}&description={description}")));
    (made["serialized"].as_str().unwrap().to_owned(), made["paymentHash"].as_str().unwrap().to_owned())
}

#[track_caller]
fn is_paid(node: &Node, hash: &str) -> bool {
    ok(wallet(node, "GET", &format!("/payments/incoming/{hash}"), ""))["isPaid"] == true
}

/// T94: amount and fee limit are reserved, the recipient has the amount, and what routing did not cost comes back.
#[test]
fn a_balance_pays_an_invoice_and_the_books_have_the_proof() {
    let stack = bank();
    let token = funded(&stack, 100);
    let (bolt11, hash) = invoice(stack.node(), 40, "lunch");
    let paid = ok(post(&stack, WITHDRAW, Some(&token), &json!({"invoice": bolt11, "amount_sats": 40})));
    assert_eq!((&paid["status"], &paid["amount_sats"]), (&json!("succeeded"), &json!(40)), "{paid}");
    assert!(is_paid(stack.node(), &hash));
    let preimage = l402::Preimage::from_hex(paid["preimage"].as_str().unwrap()).unwrap();
    assert_eq!(preimage.payment_hash().to_string(), hash);
    let fee = paid["fee_msat"].as_u64().unwrap();
    assert_eq!(balance(&stack, &token), (60_000 - fee, 0));
    let id = paid["payout_id"].as_str().unwrap();
    let again = ok(http::get(&stack.url(&format!("{WITHDRAW}/{id}")), &[("x-token", &token)]));
    assert_eq!((&again["status"], &again["preimage"]), (&paid["status"], &paid["preimage"]));
    assert_eq!(sound(&stack, &account_of(&token))["balances_msat"]["payout"], 0);
}

/// T93: only a definite no gives the money back; silence reserves it, and the alarm of the books asks on.
#[test]
fn a_definite_failure_gives_the_money_back_and_an_unknown_one_keeps_it() {
    let stack = bank();
    let token = funded(&stack, 100);
    let (fails, hash) = invoice(stack.node(), 40, "fail");
    assert_eq!(ok(post(&stack, WITHDRAW, Some(&token), &json!({"invoice": fails})))["status"], "failed");
    assert_eq!((balance(&stack, &token), is_paid(stack.node(), &hash)), ((100_000, 0), false));

    let (hangs, _) = invoice(stack.node(), 30, "hang");
    let pending = ok(post(&stack, WITHDRAW, Some(&token), &json!({"invoice": hangs})));
    assert_eq!((&pending["status"], balance(&stack, &token)), (&json!("pending"), (60_000, 40_000)), "{pending}");

    let (late, hash) = invoice(stack.node(), 20, "late");
    let pending = ok(post(&stack, WITHDRAW, Some(&token), &json!({"invoice": late})));
    let url = stack.url(&format!("{WITHDRAW}/{}", pending["payout_id"].as_str().unwrap()));
    let settled = || {
        let seen = ok(http::get(&url, &[("x-token", &token)]));
        (seen["status"] == "succeeded").then_some(())
    };
    within(ALARM, "the alarm to hear of the late success", settled);
    assert!(is_paid(stack.node(), &hash));
    assert_eq!(balance(&stack, &token).1, 40_000, "the other one is still nobody's to spend");
    sound(&stack, &account_of(&token));
}

/// Alarms have their own pace.
const ALARM: Duration = Duration::from_secs(30);

/// T71, T73: the same order ten times at once pays once; ten different ones pay what the balance covers.
#[test]
fn ten_orders_at_once_never_pay_more_than_the_balance_and_one_key_pays_once() {
    let stack = bank();
    let token = funded(&stack, 100);
    let (bolt11, _) = invoice(stack.node(), 40, "once");
    let order = json!({"invoice": bolt11});
    let answers = at_once(10, |_| post_once(&stack, WITHDRAW, Some(&token), Some("order-1"), &order).status);
    assert!(answers.iter().all(|status| matches!(status, 200 | 409)), "{answers:?}");
    let first = ok(post_once(&stack, WITHDRAW, Some(&token), Some("order-1"), &order));
    assert_eq!((&first["status"], balance(&stack, &token)), (&json!("succeeded"), (60_000, 0)));
    let other = invoice(stack.node(), 40, "other").0;
    assert_eq!(post_once(&stack, WITHDRAW, Some(&token), Some("order-1"), &json!({"invoice": other})).status, 422);
    assert_eq!(post(&stack, WITHDRAW, Some(&token), &order).status, 409, "the invoice is paid");

    let invoices: Vec<_> = (0..10).map(|n| invoice(stack.node(), 20, &format!("n{n}"))).collect();
    let answers = at_once(10, |n| post(&stack, WITHDRAW, Some(&token), &json!({"invoice": invoices[n].0})).status);
    let paid = invoices.iter().filter(|(_, hash)| is_paid(stack.node(), hash)).count();
    let count = |status: u16| answers.iter().filter(|s| **s == status).count();
    // Each reserves 20 sats and 10 for routing, and gives the 10 back.
    assert!((2..=3).contains(&paid) && count(200) == paid && count(402) == 10 - paid, "{paid} {answers:?}");
    assert_eq!(balance(&stack, &token), (60_000 - 20_000 * paid as u64, 0));
    sound(&stack, &account_of(&token));
}

/// T82, T95, T96: who may not withdraw, and what is not paid.
#[test]
fn a_token_that_can_only_spend_and_invoices_that_cannot_be_paid_move_nothing() {
    let stack = bank();
    let token = funded(&stack, 100);
    let narrow = text(&ok(post(&stack, "/api/v1/token", Some(&token), &json!({}))), "token");
    let good = invoice(stack.node(), 10, "good").0;
    assert_eq!(post(&stack, WITHDRAW, Some(&narrow), &json!({"invoice": good})).status, 403);
    let ours = ok(post(&stack, TOPUP, None, &json!({"amount_sats": 10})))["invoice"].clone();
    assert_eq!(post(&stack, WITHDRAW, Some(&token), &json!({"invoice": ours})).status, 409, "T95");
    let sold = Offer::read(http::get(&stack.url("/articles/1"), &[])).invoice;
    assert_eq!(
        ok(post(&stack, WITHDRAW, Some(&token), &json!({"invoice": sold})))["status"],
        "failed",
        "T95: our node's own"
    );
    let bodies = [
        json!({}),
        json!({"invoice": "lnbcrt1junk"}),
        json!({"invoice": good, "amount_sats": 9}),
        json!({"invoice": good, "address": "a@b.example"}),
        json!({"address": "alice@wallet.example"}),
        json!({"address": "alice@127.0.0.1.nip.io/..", "amount_sats": 5}),
    ];
    for body in bodies {
        assert_eq!(post(&stack, WITHDRAW, Some(&token), &body).status, 400, "{body}");
    }
    let dear = invoice(stack.node(), 95, "dear").0;
    assert_eq!(post(&stack, WITHDRAW, Some(&token), &json!({"invoice": dear})).status, 402, "not with its routing");
    assert_eq!(balance(&stack, &token), (100_000, 0));
}

/// T96, T98: a Lightning address, whose service answers truly; and one that asks for more than was ordered.
#[test]
fn a_lightning_address_is_paid_exactly_what_was_ordered_or_nothing() {
    let stack = bank();
    let token = funded(&stack, 100);
    let (good, hash) = invoice(stack.node(), 25, "address");
    let (greedy, other) = invoice(stack.node(), 26, "greedy");
    let mut service = Server::bind();
    let url = service.url();
    service.serve(move |heard, stream| {
        let answer = match heard.target.split(['?', '/']).collect::<Vec<_>>()[..] {
            [_, ".well-known", "lnurlp", user] => json!({
                "tag": "payRequest", "callback": format!("{url}/pay/{user}"), "minSendable": 1_000, "maxSendable": 1_000_000,
                "metadata": "[[\"text/plain\",\"a\"]]",
            }),
            [_, "pay", "greedy", ..] => json!({"pr": greedy, "routes": []}),
            _ => json!({"pr": good, "routes": []}),
        };
        server::reply(stream, 200, &[("content-type", "application/json")], answer.to_string().as_bytes())
    });
    let host = service.url().trim_start_matches("http://").to_owned();
    let pay = |user: &str| {
        post(&stack, WITHDRAW, Some(&token), &json!({"address": format!("{user}@{host}"), "amount_sats": 25}))
    };
    assert_eq!(pay("greedy").status, 400);
    assert!(!is_paid(stack.node(), &other));
    assert_eq!(ok(pay("alice"))["status"], "succeeded");
    assert!(is_paid(stack.node(), &hash));
    assert_eq!(balance(&stack, &token), (75_000, 0));
}

/// What a wallet does with a link (LUD-03): read it, then bring an invoice to its callback.
fn scan(stack: &Stack, refund: &Value) -> Value {
    let link = bech32::decode(refund["lnurl_withdraw"].as_str().unwrap(), Loopback::Allowed).unwrap();
    assert!(link.as_str().starts_with(&stack.url("/.well-known/satstile/refund/")), "{}", link.as_str());
    ok(http::get(link.as_str(), &[]))
}

fn claim(offer: &Value, bolt11: &str) -> Value {
    let (callback, k1) = (offer["callback"].as_str().unwrap(), offer["k1"].as_str().unwrap());
    ok(http::get(&format!("{callback}?k1={k1}&pr={bolt11}"), &[]))
}

fn status(refund: &Value) -> Value {
    ok(http::get(refund["status_url"].as_str().unwrap(), &[]))["status"].clone()
}

/// Systems B, T91, T100: the origin fails, the payer has a link, a wallet takes it once, and the goods are gone.
#[test]
fn a_purchase_that_failed_for_good_is_given_back_once() {
    let stack = bank();
    let ticket = buy(&stack, API);
    let failed = get_with(&stack, "/api/fault/status/503", &ticket.l402());
    assert_eq!(failed.status, 502, "{}", failed.text());
    let body = failed.json();
    let refund = &body["refund"];
    assert_eq!(
        (&body["error_code"], &refund["refund_amount"], &refund["status"]),
        (&json!("SERVICE_ERROR"), &json!(10), &json!("pending"))
    );
    // The same credential buys nothing any more, and tells the same link again.
    Offer::read(get_with(&stack, API, &ticket.l402()));
    let again = http::post(&stack.url("/.well-known/satstile/refund"), &[("authorization", &ticket.l402())], b"");
    assert_eq!(ok(again)["lnurl_withdraw"], refund["lnurl_withdraw"]);

    let offer = scan(&stack, refund);
    assert_eq!(
        (&offer["tag"], &offer["minWithdrawable"], &offer["maxWithdrawable"]),
        (&json!("withdrawRequest"), &json!(10_000), &json!(10_000))
    );
    assert_eq!(claim(&offer, &invoice(stack.node(), 11, "greedy").0)["status"], "ERROR");
    let invoices: Vec<_> = (0..100).map(|n| invoice(stack.node(), 10, &format!("c{n}"))).collect();
    let answers = at_once(100, |n| claim(&offer, &invoices[n].0)["status"].clone());
    assert_eq!(answers.iter().filter(|answer| *answer == "OK").count(), 1, "T91: a hundred callbacks");
    let paid = || invoices.iter().filter(|(_, hash)| is_paid(stack.node(), hash)).count();
    assert_eq!(paid(), 1);
    assert_eq!(status(refund), "claimed");
    let (winner, _) = invoices.iter().find(|(_, hash)| is_paid(stack.node(), hash)).unwrap();
    assert_eq!(
        (claim(&offer, winner)["status"].clone(), paid()),
        (json!("OK"), 1),
        "the same claim again is answered, not paid"
    );
    assert_eq!(seen(&stack), ["/api/fault/status/503"], "the origin was asked once");
    sound(&stack, &ticket.offer.payment_hash);
}

/// T92: a payment that failed definitely opens the link again, one that may still go through does not.
#[test]
fn a_link_is_good_again_only_when_its_payment_has_definitely_failed() {
    let stack = bank();
    let ticket = buy(&stack, API);
    let refund = get_with(&stack, "/api/fault/hang-up", &ticket.l402()).json()["refund"].clone();
    let offer = scan(&stack, &refund);
    assert_eq!(claim(&offer, &invoice(stack.node(), 10, "fail").0)["status"], "OK");
    assert_eq!(status(&refund), "pending");
    assert_eq!(claim(&offer, &invoice(stack.node(), 10, "hang").0)["status"], "OK");
    let (bolt11, hash) = invoice(stack.node(), 10, "another");
    assert_eq!(claim(&offer, &bolt11)["status"], "ERROR");
    assert_eq!((status(&refund), is_paid(stack.node(), &hash)), (json!("pending"), false));
    sound(&stack, &ticket.offer.payment_hash);
}

/// Systems B: the first two failures of a payer in 15 minutes are given back in full, later ones less 2 sats.
#[test]
fn the_third_failure_in_a_quarter_of_an_hour_costs_two_sats() {
    let stack = bank();
    let back: Vec<Value> = (0..4)
        .map(|_| {
            get_with(&stack, "/api/fault/status/500", &buy(&stack, API).l402()).json()["refund"]["refund_amount"]
                .clone()
        })
        .collect();
    assert_eq!(back, [json!(10), json!(10), json!(8), json!(8)]);
}

/// T100: what was delivered is not given back, nor is what nobody proves to have bought.
#[test]
fn a_purchase_that_was_delivered_has_no_refund() {
    let stack = bank();
    let ticket = buy(&stack, API);
    assert_eq!(get_with(&stack, API, &ticket.l402()).status, 200);
    let ask = |authorization: &str| {
        http::post(&stack.url("/.well-known/satstile/refund"), &[("authorization", authorization)], b"").status
    };
    eventually("the delivery to be concluded", || (get_with(&stack, API, &ticket.l402()).status == 402).then_some(()));
    assert_eq!(ask(&ticket.l402()), 404);
    assert_eq!(ask(&format!("L402 {}:{}", ticket.offer.macaroon, "00".repeat(32))), 404);

    // Nor is it a delegate's: only the buyer's own token tells of a refund.
    let failed = buy(&stack, API);
    assert_eq!(get_with(&stack, "/api/fault/status/503", &failed.l402()).status, 502);
    let narrow = common::attenuate(&failed.offer.macaroon, &["api_valid_until=1"]);
    assert_eq!(ask(&format!("L402 {narrow}:{}", failed.preimage)), 404);
    assert_eq!(ask(&failed.l402()), 200);
    assert_eq!(
        http::get(
            &stack.url(&format!("/.well-known/satstile/refund/{}.{}", ticket.offer.payment_hash, "00".repeat(32))),
            &[]
        )
        .json()["status"],
        "ERROR"
    );
}

/// F14: killed before the refund was told; who has the token asks again, and there is one promise.
#[test]
fn a_killed_worker_forgets_no_refund() {
    let mut stack = bank();
    let ticket = buy(&stack, API);
    let refund = get_with(&stack, "/api/fault/status/503", &ticket.l402()).json()["refund"].clone();
    stack.workerd.crash_restart();
    let again = ok(http::post(&stack.url("/.well-known/satstile/refund"), &[("authorization", &ticket.l402())], b""));
    assert_eq!((&again["charge_id"], &again["refund_amount"]), (&refund["charge_id"], &json!(10)));
    let offer = scan(&stack, &again);
    assert_eq!(claim(&offer, &invoice(stack.node(), 10, "wallet").0)["status"], "OK");
    assert_eq!(status(&again), "claimed");
}

/// LUD-01, LUD-03: a wallet that others wrote takes a refund of a real purchase, once.
#[test]
#[ignore = "needs the Python package lnurl: cargo xtask interop sets it up"]
fn a_python_wallet_collects_a_refund() {
    let stack = bank();
    let ticket = buy(&stack, API);
    let refund = get_with(&stack, "/api/fault/status/503", &ticket.l402()).json()["refund"].clone();
    let collect = |bolt11: &str| common::lnurl_wallet(refund["lnurl_withdraw"].as_str().unwrap(), bolt11);
    let (bolt11, hash) = invoice(stack.node(), 10, "python");
    let told = collect(&bolt11);
    assert_eq!((&told["accepted"], &told["offered"]["min_msat"]), (&json!(true), &json!(10_000)), "{told}");
    assert!(is_paid(stack.node(), &hash));
    assert_eq!(status(&refund), "claimed");
    let (other, hash) = invoice(stack.node(), 10, "again");
    assert_eq!((&collect(&other)["accepted"], is_paid(stack.node(), &hash)), (&json!(false), false));
}

/// Off by default: no table, no route; and no secret, no business.
#[test]
fn without_the_modules_nothing_goes_out() {
    let stack = open(json!({}));
    let token = funded(&stack, 50);
    let bolt11 = invoice(stack.node(), 10, "no").0;
    assert_eq!(post(&stack, WITHDRAW, Some(&token), &json!({"invoice": bolt11})).status, 404);
    assert_eq!(http::post(&stack.url("/.well-known/satstile/refund"), &[], b"").status, 404);
    assert_eq!(balance(&stack, &token), (50_000, 0));
    let unready = Stack::start(plenty(json!({"payouts": {}})));
    assert_eq!(http::get(&unready.url(API), &[]).status, 503, "PAYOUT_SECRETS is missing");
}
