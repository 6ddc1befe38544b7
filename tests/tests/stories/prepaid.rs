//! Prepaid balances through workerd: fill, claim, spend, refill, and who does not get what (systems C, C17, T71 – T83).

use std::io::Write;

use satstile_tests::{Stack, StackOptions, http};
use serde_json::{Value, json};

use crate::common::bank::{
    BALANCE, CLAIM, TOPUP, account_of, audit, balance, funded, kinds, ok, post, settled_balance, sheet, sound, text,
    top_up, use_it,
};
use crate::common::server::{self, Server};
use crate::common::{API, Offer, at_once, buy, eventually, invoices, plenty, seen};

/// A deployment that sells balances; `api` costs 10 sats.
fn bank() -> Stack {
    Stack::start(plenty(json!({})))
}

/// Systems C, the whole of it: topup, pay, claim, spend as `Bearer` and as `X-Token`, refill with the same token.
#[test]
fn a_balance_is_filled_claimed_spent_and_filled_again_under_one_token() {
    let stack = bank();
    let paid = top_up(&stack, 120, None);
    assert_eq!((&paid.order["amount_sats"], paid.order["expires_at"].is_string()), (&json!(120), true));
    let claimed = ok(post(&stack, CLAIM, None, &json!({"preimage": paid.preimage})));
    let token = text(&claimed, "token");
    assert!(token.starts_with("abl_") && claimed["balance_sats"] == 120, "{claimed}");

    let before = invoices(&stack);
    let answer = use_it(&stack, API, &token);
    assert_eq!((answer.status, answer.header("satstile-balance-msat")), (200, Some("110000")));
    let also = http::get(&stack.url(API), &[("x-token", &token)]);
    assert_eq!(also.status, 200);
    assert_eq!(settled_balance(&stack, &token), 100_000);
    assert_eq!(invoices(&stack), before, "no use of a balance asks the node for anything");
    let [first, second] = &stack.origin.seen()[..] else { panic!("two requests") };
    assert!(first.header("authorization").is_none() && second.header("x-token").is_none(), "T36");

    let refill = top_up(&stack, 30, Some(&token));
    let refilled = ok(post(&stack, CLAIM, None, &json!({"preimage": refill.preimage, "token": token})));
    assert_eq!((text(&refilled, "token"), &refilled["balance_sats"]), (token.clone(), &json!(130)));
    let sheet = sheet(&stack, &token);
    assert_eq!(kinds(&sheet)[..], ["top_up", "hold_ended", "hold_placed", "hold_ended", "hold_placed", "top_up"]);
    assert_eq!(
        (&sheet["history"][0]["amount_msat"], &sheet["history"][0]["balance_msat"]),
        (&json!(30_000), &json!(130_000))
    );
}

/// T83, C17: a preimage claims once, in one account, and only a top-up's.
#[test]
fn a_preimage_is_claimed_once_and_no_purchase_is_money() {
    let stack = bank();
    let paid = top_up(&stack, 50, None);
    let claim = |body: Value| post(&stack, CLAIM, None, &body);
    let token = text(&ok(claim(json!({"preimage": paid.preimage}))), "token");

    assert_eq!(
        claim(json!({"preimage": paid.preimage})).status,
        409,
        "a second claimant has seen the preimage somewhere"
    );
    let stranger = funded(&stack, 5);
    assert_eq!(claim(json!({"preimage": paid.preimage, "token": stranger})).status, 403);
    let again = ok(claim(json!({"preimage": paid.preimage, "token": token})));
    assert_eq!(
        (text(&again, "token"), &again["balance_sats"]),
        (token.clone(), &json!(50)),
        "the same account: no change"
    );

    let bought = buy(&stack, "/articles/1");
    assert_eq!(claim(json!({"preimage": bought.preimage})).status, 404);
    assert_eq!(claim(json!({"preimage": "00".repeat(32)})).status, 404);
    assert_eq!(claim(json!({"preimage": "00"})).status, 400);
    assert_eq!(settled_balance(&stack, &token), 50_000);
    assert_eq!(settled_balance(&stack, &stranger), 5_000);
}

/// T74: the answer of a claim may be lost. Who ordered the top-up has its secret and gets the same token; nobody else does.
#[test]
fn a_lost_answer_is_asked_for_again_with_the_claim_secret_and_not_without() {
    let stack = bank();
    let paid = top_up(&stack, 50, None);
    let secret = text(&paid.order, "claim_secret");
    let claim =
        |secret: Option<&str>| post(&stack, CLAIM, None, &json!({"preimage": paid.preimage, "claim_secret": secret}));
    let claim_with = |secret: &str| claim(Some(secret));
    let other = text(&top_up(&stack, 5, None).order, "claim_secret");
    assert_eq!(claim_with(&other).status, 403, "the secret of another top-up");
    let first = ok(claim_with(&secret));
    let second = ok(claim_with(&secret));
    assert_eq!((text(&first, "token"), &first["balance_sats"]), (text(&second, "token"), &second["balance_sats"]));
    let without = post(&stack, CLAIM, None, &json!({"preimage": paid.preimage}));
    assert_eq!((without.status, claim_with(&other).status), (409, 403));
}

/// T82: what was rotated away does not come back by the claim that made it.
#[test]
fn a_repeated_claim_revives_no_token_that_was_rotated() {
    let stack = bank();
    let paid = top_up(&stack, 50, None);
    let claim = json!({"preimage": paid.preimage, "claim_secret": paid.order["claim_secret"]});
    let old = text(&ok(post(&stack, CLAIM, None, &claim)), "token");
    let new = text(&ok(post(&stack, "/api/v1/token/rotate", Some(&old), &json!({}))), "token");
    assert_eq!(use_it(&stack, API, &new).status, 200);
    assert_eq!(post(&stack, CLAIM, None, &claim).status, 409);
    assert_eq!((use_it(&stack, API, &old).status, settled_balance(&stack, &new)), (401, 40_000));
}

/// T82: who can only spend may fill a balance, and gets nothing for it: no token, with or without the claim secret.
#[test]
fn a_refill_hands_out_no_token() {
    for claim_secret in [false, true] {
        let stack = Stack::start(plenty(json!({"prepaid": {"claim_secret": claim_secret}})));
        let owner = {
            let paid = top_up(&stack, 100, None);
            let claim = json!({"preimage": paid.preimage, "claim_secret": paid.order["claim_secret"]});
            text(&ok(post(&stack, CLAIM, None, &claim)), "token")
        };
        let narrow = text(&ok(post(&stack, "/api/v1/token", Some(&owner), &json!({}))), "token");
        let refill = top_up(&stack, 1, Some(&narrow));
        for secret in [Value::Null, refill.order["claim_secret"].clone()] {
            let stolen = post(&stack, CLAIM, None, &json!({"preimage": refill.preimage, "claim_secret": secret}));
            assert!(matches!(stolen.status, 403 | 409), "{}", stolen.text());
        }
        let secret = &refill.order["claim_secret"];
        let claim = json!({"preimage": refill.preimage, "claim_secret": secret, "token": narrow});
        assert_eq!(text(&ok(post(&stack, CLAIM, None, &claim)), "token"), narrow);
        assert_eq!(
            (settled_balance(&stack, &owner), sheet(&stack, &narrow)["scope"].clone()),
            (101_000, json!("spend"))
        );
    }
}

/// T80: a client that breaks its own upload off has had what it had; it looks like a failure of the origin, and is none.
#[test]
fn an_upload_that_is_broken_off_after_the_first_byte_is_no_way_to_get_goods_for_nothing() {
    // An origin that answers before it has read the body, and goes on slowly.
    let origin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", origin.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = origin.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            std::io::Read::read_exact(&mut stream, &mut byte).unwrap();
            head.push(byte[0]);
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n");
        for _ in 0..80 {
            if stream.write_all(b"5\r\ngoods\r\n").is_err() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(25));
        }
    });
    let stack = Stack::start(plenty(json!({"origin": url})));
    let token = funded(&stack, 50);
    let mut client = std::net::TcpStream::connect(stack.workerd.address()).unwrap();
    let request = format!(
        "POST /api/goods HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n",
        stack.workerd.address()
    );
    client.write_all(request.as_bytes()).unwrap();
    let mut seen = [0; 512];
    client.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    while !String::from_utf8_lossy(&seen).contains("goods") {
        assert!(std::io::Read::read(&mut client, &mut seen).unwrap() > 0, "the answer");
    }
    client.write_all(b"no chunk\r\n").unwrap();
    drop(client);
    assert_eq!(settled_balance(&stack, &token), 40_000);
}

/// C17: unless the policy says otherwise, a claim brings the secret.
#[test]
fn where_the_policy_says_so_a_preimage_alone_claims_nothing() {
    let stack = Stack::start(plenty(json!({"prepaid": {"claim_secret": true}})));
    let paid = top_up(&stack, 50, None);
    assert_eq!(paid.order["claim_secret_required"], true);
    assert_eq!(post(&stack, CLAIM, None, &json!({"preimage": paid.preimage})).status, 403);
    let secret = text(&paid.order, "claim_secret");
    let claimed = ok(post(&stack, CLAIM, None, &json!({"preimage": paid.preimage, "claim_secret": secret})));
    assert_eq!(claimed["balance_sats"], 50);
}

/// An unpaid top-up fills nothing; its settlement credits even if nobody ever claims (T65, T67).
#[test]
fn what_is_not_paid_is_not_there_and_what_is_paid_is_credited_once() {
    let stack = bank();
    let token = funded(&stack, 10);
    let order = ok(post(&stack, TOPUP, Some(&token), &json!({"amount_sats": 40})));
    assert_eq!(settled_balance(&stack, &token), 10_000);
    let preimage = stack.node().pay(&text(&order, "invoice"));
    let filled = || (settled_balance(&stack, &token) == 50_000).then_some(());
    eventually("the push of the node to credit the balance", filled);
    let claimed = ok(post(&stack, CLAIM, Some(&token), &json!({"preimage": preimage})));
    assert_eq!(claimed["balance_sats"], 50, "the claim credits nothing a second time");
    assert_eq!(kinds(&sheet(&stack, &token)), ["top_up", "top_up"]);
}

/// T71: 10 N debits at once on a balance of N give exactly N.
#[test]
fn ten_times_as_many_uses_as_the_balance_covers_give_exactly_that_many() {
    let stack = bank();
    let token = funded(&stack, 80);
    let client = |_| (0..8).map(|_| use_it(&stack, API, &token).status).collect::<Vec<_>>();
    let statuses = at_once(10, client).concat();
    let count = |status: u16| statuses.iter().filter(|s| **s == status).count();
    assert_eq!((count(200), count(402)), (8, 72), "{statuses:?}");
    assert_eq!(settled_balance(&stack, &token), 0);
    assert_eq!(seen(&stack).len(), 8, "nothing was forwarded that was not paid");
}

/// A balance that does not cover the request gets what everybody gets: an invoice for this one request.
#[test]
fn an_empty_balance_is_offered_an_invoice_and_forwards_nothing() {
    let stack = bank();
    let token = funded(&stack, 9);
    let offer = Offer::read(use_it(&stack, API, &token));
    let ticket = offer.pay(stack.node());
    assert!(seen(&stack).is_empty());
    let paid = http::get(&stack.url(API), &[("authorization", &ticket.l402()), ("x-token", &token)]);
    assert_eq!(paid.status, 200, "beside a payment the token says only who pays");
    assert_eq!(settled_balance(&stack, &token), 9_000);
}

/// F9 – F11, T81: what the origin did not deliver is not charged, however it failed.
#[test]
fn an_origin_that_fails_gives_the_money_back() {
    let stack = bank();
    let token = funded(&stack, 10);
    let faults = ["status/503", "status/500", "hang-up", "garbage", "challenge", "cut?after=0", "cut-chunked?after=3"];
    for fault in faults {
        use_it(&stack, &format!("/api/fault/{fault}"), &token);
        assert_eq!(settled_balance(&stack, &token), 10_000, "{fault}");
    }
    assert_eq!(use_it(&stack, API, &token).status, 200);
    assert_eq!(settled_balance(&stack, &token), 0);
}

/// T80: the origin says what a use cost, up to the ceiling; 0 means 0, and no word means the price.
#[test]
fn a_metered_use_costs_what_the_origin_says_and_never_more_than_was_held() {
    let origin = Server::start(|heard, stream| {
        let cost = heard.target.rsplit('/').next().unwrap_or_default().to_owned();
        let fields = [("Satstile-Cost-Msat", cost.as_str())];
        server::reply(stream, 200, if cost == "silent" { &[] } else { &fields }, b"answer")
    });
    let policy = json!({"origin": origin.url(), "services": {"api": {"ceiling_msat": 40_000}}});
    let stack = Stack::start(plenty(policy));
    let token = funded(&stack, 200);
    let mut left = 200_000;
    for (says, costs) in
        [("1234", 1_234), ("0", 0), ("silent", 10_000), ("junk", 10_000), ("-5", 10_000), ("90000", 40_000)]
    {
        assert_eq!(use_it(&stack, &format!("/api/{says}"), &token).status, 200);
        left -= costs;
        assert_eq!(settled_balance(&stack, &token), left, "{says}");
    }
    assert_eq!(use_it(&stack, "/api/0", &token).status, 200);
    let poor = funded(&stack, 39);
    Offer::read(use_it(&stack, "/api/0", &poor));
}

/// T82: stored hashed, rotated, revoked, and tokens that can only spend.
#[test]
fn a_token_is_rotated_narrowed_and_revoked() {
    let stack = bank();
    let old = funded(&stack, 100);
    let token = text(&ok(post(&stack, "/api/v1/token/rotate", Some(&old), &json!({}))), "token");
    // The answer might have been lost: the old one ends with the first use of the new one, and not before.
    assert_eq!(sheet(&stack, &old)["scope"], "all");
    assert_eq!((use_it(&stack, API, &token).status, use_it(&stack, API, &old).status), (200, 401));

    let narrow = text(&ok(post(&stack, "/api/v1/token", Some(&token), &json!({}))), "token");
    assert_eq!(use_it(&stack, API, &narrow).status, 200);
    assert_eq!(sheet(&stack, &narrow)["scope"], "spend");
    assert_eq!(post(&stack, "/api/v1/token", Some(&narrow), &json!({})).status, 403, "it makes no others");
    let revoke =
        |by: &str, about: &str| post(&stack, "/api/v1/token/revoke", Some(by), &json!({"token": about})).status;
    assert_eq!(revoke(&narrow, &token), 403, "nor does it end others");
    assert_eq!(revoke(&token, &token), 409, "the last whole token stays, or nobody has the money");
    assert_eq!(revoke(&token, &narrow), 200);
    assert_eq!(use_it(&stack, API, &narrow).status, 401);
    assert_eq!(settled_balance(&stack, &token), 80_000);
    assert_eq!(
        post(&stack, TOPUP, Some(&narrow), &json!({"amount_sats": 5})).status,
        401,
        "a revoked token fills nothing"
    );
}

/// T17, T19, T129: junk opens no books, asks for no invoice, and two tokens are no token.
#[test]
fn junk_and_two_credentials_open_nothing() {
    let stack = bank();
    let (token, other) = (funded(&stack, 50), funded(&stack, 50));
    let before = invoices(&stack);
    let mut changed = token.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'B' } else { 'A' });
    for junk in [changed.as_str(), "abl_", "abl_junk"] {
        let refused = use_it(&stack, API, junk);
        assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("L402 realm=\"api\"")), "{junk}");
    }
    let both = [("authorization", format!("Bearer {token}")), ("x-token", other.clone())];
    let both: Vec<_> = both.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(http::get(&stack.url(API), &both).status, 400);
    assert_eq!(invoices(&stack), before);
    assert_eq!((settled_balance(&stack, &token), settled_balance(&stack, &other)), (50_000, 50_000));
    assert!(seen(&stack).is_empty());
}

/// T76, T78: what an amount may be.
#[test]
fn a_topup_takes_whole_sats_within_the_policy_and_nothing_else() {
    let stack = Stack::start(plenty(json!({"prepaid": {"topup_min_msat": 10_000, "topup_max_msat": 1_000_000}})));
    let ask = |amount: Value| post(&stack, TOPUP, None, &json!({"amount_sats": amount})).status;
    assert_eq!((ask(json!(10)), ask(json!("10")), ask(json!(1_000))), (200, 200, 200));
    let refused =
        [json!(9), json!(1_001), json!(0), json!(-1), json!(10.5), json!("1e2"), json!(null), json!(u64::MAX)];
    for amount in refused {
        assert_eq!(ask(amount.clone()), 400, "{amount}");
    }
    let twice = http::post(&stack.url(TOPUP), &[], br#"{"amount_sats":10,"amount_sats":1000}"#);
    assert_eq!(twice.status, 400, "T42");
}

/// F14, T74, T79: killed with uses under way. The books are sound, and no acknowledged use or top-up is missing.
#[test]
fn a_killed_worker_leaves_sound_books_and_every_acknowledged_use_in_them() {
    let mut stack = bank();
    let token = funded(&stack, 500);
    let mut delivered = 0;
    for _ in 0..5 {
        assert_eq!(use_it(&stack, API, &token).status, 200);
        delivered += 1;
    }
    assert_eq!(settled_balance(&stack, &token), 450_000);
    let mut client = std::net::TcpStream::connect(stack.workerd.address()).unwrap();
    let (host, path) = (stack.workerd.address(), "/api/fault/slow?ms=3000");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
    client.write_all(request.as_bytes()).unwrap();
    eventually("the use under way", || (seen(&stack).len() > delivered).then_some(()));
    stack.workerd.crash_restart();
    assert_eq!(balance(&stack, &token), (440_000, 10_000), "the use that nobody ended is still reserved");
    sound(&stack, &account_of(&token));
    assert_eq!(use_it(&stack, API, &token).status, 200, "and business goes on");
}

/// T75, T108: the audit is for the operator alone, and says what it computed.
#[test]
fn the_audit_computes_the_invariants_over_an_account_for_the_operator_alone() {
    let stack = bank();
    let token = funded(&stack, 100);
    use_it(&stack, API, &token);
    settled_balance(&stack, &token);
    let account = account_of(&token);
    let books = audit(&stack, &account);
    assert_eq!(
        (&books["holds"], &books["frozen"], &books["entries"]),
        (&json!(true), &Value::Null, &json!(3)),
        "{books}"
    );
    assert_eq!((&books["balances_msat"]["user"], &books["balances_msat"]["fees"]), (&json!(90_000), &json!(10_000)));
    assert_eq!(books["invariants"].as_object().unwrap().len(), 12);
    let url = stack.url(&format!("{}?account={account}", crate::common::AUDIT));
    assert_eq!(http::get(&url, &[]).status, 401);
    assert_eq!(http::get(&url, &[("authorization", &format!("Bearer {token}"))]).status, 401);
}

/// Systems C: the script of the gateway's pages, with nothing changed but where the host and the wallet are.
#[test]
#[ignore = "needs curl and jq: cargo xtask interop runs it"]
fn the_curl_script_fills_spends_and_fills_again() {
    let stack = bank();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/prepaid/topup.sh");
    let output = std::process::Command::new("bash")
        .arg(script)
        .env("API", stack.url(""))
        .env("WALLET", format!("http://{}", stack.node().wallet_address()))
        .env("PHOENIX_WALLET_PASSWORD", stack.node().wallet_password())
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .expect("bash is there");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    let documents = serde_json::Deserializer::from_str(&told).into_iter().collect::<Result<Vec<Value>, _>>().unwrap();
    let [order, claimed, answer, refilled, sheet] = &documents[..] else { panic!("{told}") };
    assert_eq!((&order["amount_sats"], &claimed["balance_sats"]), (&json!(120), &json!(120)));
    assert_eq!(answer["target"], "/api/v1/openai/v1/chat/completions", "{answer}");
    assert_eq!((&refilled["token"], &sheet["balance_sats"]), (&claimed["token"], &json!(160)));
}

/// Off by default: without the table there is no such route, and the token of a balance means nothing.
#[test]
fn without_the_module_there_are_no_balances() {
    let stack = Stack::start(plenty(json!({"prepaid": null})));
    let before = invoices(&stack);
    Offer::read(post(&stack, TOPUP, None, &json!({"amount_sats": 100})));
    Offer::read(use_it(&stack, API, "abl_junk"));
    assert!(invoices(&stack) > before && seen(&stack).is_empty());
}

/// A2, T63, T83: who forwards the payment of a top-up knows its preimage first. The thief claims first, and can spend; nothing of
/// it leaves, and no other token comes of it. The buyer with the secret wins, and the thief's token is dead.
#[test]
fn who_routed_the_payment_can_spend_at_most_and_the_buyer_wins_a2() {
    let stack = Stack::start(StackOptions { payouts: true, ..plenty(json!({"payouts": {}})) });
    let accomplice = funded(&stack, 1);
    let paid = top_up(&stack, 100, None);
    let stolen = ok(post(&stack, CLAIM, None, &json!({"preimage": paid.preimage})));
    let thief = text(&stolen, "token");
    assert_eq!((&stolen["balance_sats"], &stolen["spend_only_sats"]), (&json!(100), &json!(100)));
    assert_eq!(use_it(&stack, API, &thief).status, 200);
    assert_eq!((settled_balance(&stack, &thief), &sheet(&stack, &thief)["spend_only_msat"]), (90_000, &json!(90_000)));

    let refused = |path: &str, token: &str, sats: u64| {
        let body = match path {
            "/api/v1/transfer" => json!({"to": account_of(&accomplice), "amount_sats": sats}),
            "/api/v1/withdraw" => json!({"invoice": crate::common::wallet::invoice(stack.node(), sats, "out").0}),
            _ => json!({}),
        };
        let answer = crate::common::bank::post_once(&stack, path, Some(token), Some(&format!("{path}{sats}")), &body);
        assert_eq!(answer.status, 403, "{path}: {}", answer.text());
        assert!(answer.text().contains("claim_secret"), "{}", answer.text());
    };
    for path in ["/api/v1/transfer", "/api/v1/withdraw", "/api/v1/token", "/api/v1/token/rotate"] {
        refused(path, &thief, 5);
    }
    // A refill is free, and nothing but the refill.
    top_up(&stack, 20, Some(&thief));
    eventually("the refill", || (settled_balance(&stack, &thief) == 110_000).then_some(()));
    let gift = json!({"to": account_of(&accomplice), "amount_sats": 2});
    let given = crate::common::bank::post_once(&stack, "/api/v1/transfer", Some(&thief), Some("gift"), &gift);
    assert_eq!(ok(given)["status"], "delivered");
    refused("/api/v1/transfer", &thief, 19);

    assert_eq!(post(&stack, CLAIM, None, &json!({"preimage": paid.preimage})).status, 409);
    let claimed = ok(post(&stack, CLAIM, None, &paid.claim()));
    let buyer = text(&claimed, "token");
    assert_eq!((&claimed["spend_only_sats"], buyer == thief), (&json!(0), false));
    assert_eq!(
        text(&ok(post(&stack, CLAIM, None, &paid.claim())), "token"),
        buyer,
        "a repeated claim: the same answer"
    );
    assert_eq!((use_it(&stack, API, &thief).status, settled_balance(&stack, &buyer)), (401, 108_000));
    let all = json!({"to": account_of(&accomplice), "amount_sats": 108});
    let given = crate::common::bank::post_once(&stack, "/api/v1/transfer", Some(&buyer), Some("all"), &all);
    assert_eq!(ok(given)["status"], "delivered");
    assert_eq!(post(&stack, CLAIM, None, &json!({"preimage": paid.preimage})).status, 409);
    sound(&stack, &account_of(&buyer));
}

/// A6, T15, T82: with every secret of the worker, the account and the payment hash in hand: the token cannot be made.
#[test]
fn master_keys_do_not_give_a_balances_token_a6() {
    let stack = bank();
    let paid = top_up(&stack, 100, None);
    let token = text(&ok(post(&stack, CLAIM, None, &paid.claim())), "token");
    let keys = l402::Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap();
    let account = l402::balance::AccountId::from_hex(&account_of(&token)).unwrap();
    let mut about = [0; 48];
    about[..16].copy_from_slice(&account.0);
    let hash = l402::PaymentHash::from_hex(&text(&paid.order, "payment_hash")).unwrap();
    about[16..].copy_from_slice(&hash.0);
    for label in ["token", "claim"] {
        for derived in keys.topup_secrets(label, about) {
            let made = l402::balance::BalanceToken::new(account, derived).to_text(&keys, "abl_");
            assert_eq!(http::get(&stack.url(BALANCE), &[("x-token", &made)]).status, 401, "{label}");
            for secret in
                [l402::encoding::to_base64url(&derived), l402::claim::ClaimSecret::new(derived).to_text(&keys, &hash)]
            {
                let claim = json!({"preimage": paid.preimage, "claim_secret": secret});
                assert_eq!(post(&stack, CLAIM, None, &claim).status, 403, "{label}");
            }
        }
    }
    assert_eq!(settled_balance(&stack, &token), 100_000);
}

/// Row B4: a HEAD that the balance covers is forwarded and costs nothing; one that it does not cover is 402 without an
/// invoice.
#[test]
fn a_head_costs_a_balance_nothing_b4() {
    let stack = bank();
    let token = funded(&stack, 15);
    let bearer = format!("Bearer {token}");
    let head = || http::send("HEAD", &stack.url(API), &[("authorization", &bearer)], b"");
    let before = invoices(&stack);
    for _ in 0..3 {
        let answer = head();
        assert_eq!((answer.status, answer.header("satstile-balance-msat")), (200, Some("15000")));
    }
    assert_eq!((settled_balance(&stack, &token), seen(&stack).len()), (15_000, 3));
    assert_eq!(use_it(&stack, API, &token).status, 200);
    assert_eq!(settled_balance(&stack, &token), 5_000);
    let short = head();
    assert_eq!((short.status, short.header("www-authenticate")), (402, None));
    assert_eq!((invoices(&stack), seen(&stack).len()), (before, 4));
    let revoked = http::send("HEAD", &stack.url(API), &[("authorization", "Bearer abl_junk")], b"");
    assert_eq!(revoked.status, 401);
}

/// Row A14 (T36): where a stock SDK sends its key, a balance pays, and no route shows the token to the origin.
#[test]
fn a_balance_pays_from_where_an_sdk_sends_its_key_a14() {
    let stack = bank();
    let token = funded(&stack, 50);
    for name in ["x-api-key", "api-key", "x-goog-api-key"] {
        for path in [API, "/free/echo"] {
            stack.origin.clear();
            assert_eq!(http::get(&stack.url(path), &[(name, &token)]).status, 200, "{name} {path}");
            let [only] = &stack.origin.seen()[..] else { panic!("{name} {path}") };
            assert_eq!(only.header(name), None, "{name} {path}");
        }
        stack.origin.clear();
        assert_eq!(http::get(&stack.url("/free/echo"), &[(name, "sk-1")]).status, 200);
        assert_eq!(stack.origin.seen()[0].header(name), Some("sk-1"));
        let two = http::get(&stack.url(API), &[(name, &token), ("authorization", "Bearer abl_other")]);
        assert_eq!(two.status, 400, "{name}");
    }
    assert_eq!(settled_balance(&stack, &token), 20_000);
    // Row A11 (T121): and from a query it is neither read nor sent on.
    stack.origin.clear();
    for path in ["/free/echo", API] {
        let query = http::get(&stack.url(&format!("{path}?access_token={token}")), &[]);
        assert_eq!(query.status, 400);
        assert!(query.text().contains("Authorization header, not in the query string"), "{}", query.text());
    }
    assert_eq!(seen(&stack), [""; 0]);
    assert!(!stack.log().iter().any(|line| line.contains(&token[8..])), "no log has it");
}
