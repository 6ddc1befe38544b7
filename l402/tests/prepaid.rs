//! Requests with the token of a prepaid balance, and the routes of its module: what is decided before any book is opened.

use l402::balance::{AccountId, BalanceToken};
use l402::encoding::to_base64;
use l402::policy::{PrepaidRoute, Secretless};
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
    assert_eq!(fault(&|p| p["prepaid"]["claim_secret"] = "no".into()), "prepaid.claim_secret");
    assert_eq!(fault(&|p| p["prepaid"]["secretless"] = "spend".into()), "prepaid.secretless", "with claim_secret on");
    assert_eq!(
        fault(&|p| p["prepaid"] = json!({"path": "/p", "claim_secret": false, "secretless": "all"})),
        "prepaid.secretless"
    );
    let claimed_twice = |p: &mut Value| p["free"] = json!([{"path": "/api/v1/topup", "methods": ["POST"]}]);
    assert_eq!(fault(&claimed_twice), "prepaid.path");
}

/// A2, C17, T63: a claim brings its secret unless the policy says otherwise, and then it can be spent and no more.
#[test]
fn a_claim_brings_its_secret_unless_the_policy_says_otherwise_a2() {
    let module = |change: &dyn Fn(&mut Value)| Policy::from_value(&written(change)).unwrap().prepaid.unwrap();
    assert!(module(&|_| {}).claim_secret);
    let off = module(&|p| p["prepaid"]["claim_secret"] = false.into());
    assert_eq!((off.claim_secret, off.secretless), (false, Secretless::Spend));
    let escrow = |p: &mut Value| {
        p["prepaid"]["claim_secret"] = false.into();
        p["prepaid"]["secretless"] = "escrow".into();
    };
    assert_eq!(module(&escrow).secretless, Secretless::Escrow);
}

/// Row A14 (T19, T36): a balance's token where stock SDKs put a key pays, and goes no further, on free routes either.
#[test]
fn a_token_in_an_sdks_field_pays_and_stays_here_a14() {
    let policy = Policy::from_value(&written(|p| p["free"] = json!([{"path": "/free"}]))).unwrap();
    for name in ["x-api-key", "api-key", "x-goog-api-key"] {
        let header = format!("{name}:{}", token());
        let Decision::Spend(spend) = ask(&policy, "GET", "/api/1", &header) else { panic!("{name}") };
        assert!(spend.otherwise.pass.drop.iter().any(|dropped| dropped == name));
        let beside = format!("{header}\nauthorization:Bearer sk-1");
        let Decision::Spend(spend) = ask(&policy, "GET", "/api/1", &beside) else { panic!("{name}") };
        assert_eq!(spend.otherwise.pass.drop, ["host", name], "a foreign credential is not ours to take");
        let two = format!("{header}\nauthorization:Bearer abl_other");
        let refused = ask(&policy, "GET", "/api/1", &two);
        assert!(matches!(refused, Decision::Refuse(Refusal::Malformed(Malformed::TwoCredentials), None)));
        let Decision::Free(pass) = ask(&policy, "GET", "/free", &header) else { panic!("{name}") };
        assert_eq!(pass.drop, ["host", name]);
        let Decision::Free(pass) = ask(&policy, "GET", "/free", &format!("{name}:sk-1")) else { panic!("{name}") };
        assert_eq!(pass.drop, ["host"]);
        assert!(matches!(ask(&policy, "GET", "/api/1", &format!("{name}:sk-1")), Decision::Charge(_)));
    }
    // Wherever else it was put, it is still ours.
    let Decision::Free(pass) = ask(&policy, "GET", "/free", &format!("x-odd:{}", token())) else { panic!() };
    assert_eq!(pass.drop, ["host", "x-odd"]);
    // What the policy does not name is not read.
    let own = Policy::from_value(&written(|p| p["prepaid"]["token_headers"] = json!(["X-Key"]))).unwrap();
    assert!(matches!(ask(&own, "GET", "/api/1", &format!("x-key:{}", token())), Decision::Spend(_)));
    assert!(matches!(ask(&own, "GET", "/api/1", &format!("x-api-key:{}", token())), Decision::Charge(_)));
    for wrong in [json!(["cookie"]), json!(["a b"]), json!("x-api-key"), json!([""])] {
        let fault = Policy::from_value(&written(|p| p["prepaid"]["token_headers"] = wrong)).unwrap_err();
        assert_eq!(fault.key, "prepaid.token_headers");
    }
}

/// Row A11 (T121): what begins as a token does, in a query.
#[test]
fn a_balances_token_in_a_query_is_refused_a11() {
    let policy = Policy::from_value(&written(|p| p["free"] = json!([{"path": "/free"}]))).unwrap();
    for path in ["/free", "/api/1", "/api/v1/balance"] {
        for query in [format!("token={}", token()), "k=%61bl_x".to_owned(), format!("u=Bearer%20{}", token())] {
            let refused = ask(&policy, "GET", &format!("{path}?{query}"), "");
            assert!(
                matches!(refused, Decision::Refuse(Refusal::Malformed(Malformed::CredentialInQuery), None)),
                "{path} {query}"
            );
        }
    }
    assert!(matches!(ask(&policy, "GET", "/free?token=abc", ""), Decision::Free(_)));
}
