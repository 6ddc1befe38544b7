//! Requests with the token of a prepaid balance, and the routes of its module: what is decided before any book is opened.

use l402::balance::{AccountId, BalanceToken};
use l402::encoding::to_base64;
use l402::policy::PrepaidRoute;
use l402::problem::Refusal;
use l402::{Decision, Denial, Keys, Malformed, Policy, Request, UnixTime, decide};
use serde_json::{Value, json};

const NOW: UnixTime = UnixTime(1_900_000_000);
const TOKEN: BalanceToken = BalanceToken::new(AccountId([7; 16]), [8; 32]);

fn written(change: impl FnOnce(&mut Value)) -> Value {
    let mut policy = json!({
        "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
        "prepaid": {"path": "/api/v1", "token_prefix": "abl_"},
        "services": {
            "api": {"price_msat": 10_000, "valid_s": 600, "routes": [{"path": "/api/*", "methods": ["any"]}]},
            "metered": {"price_msat": 10_000, "ceiling_msat": 90_500, "valid_s": 600, "routes": [{"path": "/metered/*"}]},
        },
    });
    change(&mut policy);
    policy
}

fn policy() -> Policy {
    Policy::from_value(&written(|_| {})).unwrap()
}

fn random(seed: u8) -> String {
    to_base64(&(0..32u8).map(|i| i.wrapping_mul(37) ^ seed.wrapping_mul(59)).collect::<Vec<_>>())
}

fn keys() -> Keys {
    Keys::parse(&format!("1:{}", random(1)), &random(2)).unwrap()
}

fn token() -> String {
    TOKEN.to_text(&keys(), "abl_")
}

fn ask<'p>(policy: &'p Policy, method: &str, path: &str, headers: &str) -> Decision<'p> {
    let url = format!("http://localhost:8787{path}");
    let headers = format!("host:localhost:8787\n{headers}");
    decide(policy, &keys(), &Request { method, url: &url, headers: &headers, has_body: false }, NOW)
}

#[test]
fn a_token_of_a_balance_reserves_the_price_or_the_ceiling() {
    let policy = policy();
    for header in [format!("authorization:Bearer {}", token()), format!("x-token:{}", token())] {
        for (path, ceiling) in [("/api/1", 10_000), ("/metered/1", 90_500)] {
            let Decision::Spend(spend) = ask(&policy, "GET", path, &header) else { panic!("{header} {path}") };
            assert_eq!((&spend.token, spend.ceiling.0), (&TOKEN, ceiling));
            let dropped = &spend.otherwise.pass.drop;
            assert!(dropped.iter().any(|name| header.starts_with(name.as_str())), "T36: {dropped:?}");
        }
    }
}

/// T17, T19, T129: no books are opened for what was not made here, and two tokens are none.
#[test]
fn junk_is_refused_and_two_tokens_are_no_token() {
    let policy = policy();
    let refused = ask(&policy, "GET", "/api/1", "authorization:Bearer abl_junk");
    assert!(matches!(refused, Decision::Refuse(Refusal::Forgery { service: "api" }, Some(Denial::BadSignature))));
    let both = format!("authorization:Bearer {}\nx-token:abl_other", token());
    let twice = ask(&policy, "GET", "/api/1", &both);
    assert!(matches!(twice, Decision::Refuse(Refusal::Malformed(Malformed::TwoCredentials), None)));
    // A foreign bearer means nothing here, as ever.
    assert!(matches!(ask(&policy, "GET", "/api/1", "authorization:Bearer sk-1"), Decision::Charge(_)));
}

/// C14: in a dry run nobody pays, with whatever.
#[test]
fn a_dry_run_takes_nothing_from_a_balance() {
    let policy = Policy::from_value(&written(|p| p["mode"] = "dry-run".into())).unwrap();
    let free = ask(&policy, "GET", "/api/1", &format!("x-token:{}", token()));
    assert!(matches!(free, Decision::Charge(quote) if quote.reason.is_none()));
}

#[test]
fn without_the_module_a_token_of_a_balance_is_somebody_elses() {
    let policy = Policy::from_value(&written(|p| _ = p.as_object_mut().unwrap().remove("prepaid"))).unwrap();
    assert!(matches!(ask(&policy, "GET", "/api/1", &format!("x-token:{}", token())), Decision::Charge(_)));
    assert!(matches!(ask(&policy, "POST", "/api/v1/topup", ""), Decision::Charge(_)));
}

/// C11: the module's own paths come before the policy's, whatever prefix stands above them.
#[test]
fn the_modules_routes_are_found_by_path_and_method() {
    let policy = policy();
    let id = "ab".repeat(32);
    let routes = [
        ("POST", "/api/v1/topup".to_owned(), PrepaidRoute::TopUp),
        ("POST", "/api/v1/topup/claim".to_owned(), PrepaidRoute::Claim),
        ("GET", "/api/v1/balance?limit=5".to_owned(), PrepaidRoute::Balance),
        ("POST", "/api/v1/token/rotate".to_owned(), PrepaidRoute::Rotate),
        ("GET", format!("/api/v1/withdraw/{id}"), PrepaidRoute::Payout),
    ];
    for (method, path, route) in routes {
        let found = ask(&policy, method, &path, "");
        assert!(matches!(found, Decision::Prepaid(asked) if asked.route == route && asked.token.is_none()), "{path}");
    }
    for path in ["/api/v1/topup/", "/api/v1/topups", "/api/v1", "/api/v1/withdraw/ab", "/api/v2/topup"] {
        assert!(matches!(ask(&policy, "POST", path, ""), Decision::Charge(_)), "{path}");
    }
    let spelt = ask(&policy, "POST", "/api/v1/%74opup", "");
    assert!(!matches!(spelt, Decision::Spend(_) | Decision::Free(_)), "T26: {spelt:?}");
    assert!(matches!(ask(&policy, "GET", "/api/v1/topup", ""), Decision::Refuse(Refusal::Method(_), None)));
    let preflight = "origin:https://shop.example\naccess-control-request-method:POST";
    assert!(matches!(ask(&policy, "OPTIONS", "/api/v1/topup", preflight), Decision::Preflight(_)));
    let bearer = format!("authorization:Bearer {}", token());
    let Decision::Prepaid(asked) = ask(&policy, "GET", "/api/v1/balance", &bearer) else { panic!("a balance") };
    assert_eq!(asked.token, Some(TOKEN));
    let forged = ask(&policy, "GET", "/api/v1/balance", "x-token:abl_junk");
    assert!(matches!(forged, Decision::Refuse(Refusal::Unauthorized, Some(_))));
}

/// T127: what cannot stand is refused at start, with the key.
#[test]
fn a_policy_of_balances_that_contradicts_itself_is_refused() {
    let fault = |change: &dyn Fn(&mut Value)| Policy::from_value(&written(change)).unwrap_err().key;
    for path in ["", "api", "/api/", "/a/../b", "/api/*", "/a?b", "//a"] {
        assert_eq!(fault(&|p| p["prepaid"]["path"] = path.into()), "prepaid.path", "{path}");
    }
    for prefix in ["", "_", "a_", "abl", "ABL_", "a b_", "abcdefghijklm_"] {
        assert_eq!(fault(&|p| p["prepaid"]["token_prefix"] = prefix.into()), "prepaid.token_prefix", "{prefix}");
    }
    assert_eq!(fault(&|p| p["prepaid"]["topup_min_msat"] = 2_000_000_000_u64.into()), "prepaid.topup_min_msat");
    assert_eq!(fault(&|p| p["prepaid"]["topup_max_msat"] = 999.into()), "prepaid.topup_max_msat");
    let claimed_twice = |p: &mut Value| p["free"] = json!([{"path": "/api/v1/topup", "methods": ["POST"]}]);
    assert_eq!(fault(&claimed_twice), "prepaid.path");
}
