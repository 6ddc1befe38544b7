//! What a token permits: its four caveats, what a holder may add, and the keys and places it is good for (C2, T8 to T15).

use l402::Keys;
use l402::encoding::{base64_any, to_base64};
use l402::identifier::Identifier;
use l402::token::Token;
use satstile_tests::{Secrets, Stack, Workerd, http};
use serde_json::{Value, json};

use crate::common::{
    API, Offer, buy, eventually, get_with, hex, invoices, is_charged, l402, now, opens, plenty, seen, shared, sister,
};

/// T8, T12, T14: what we signed ourselves is still no pass if it says too little, or is for another time or place.
#[test]
fn a_token_of_ours_opens_only_with_all_four_caveats_and_in_its_time() {
    let stack = shared();
    let keys = Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap();
    let preimage = l402::Preimage::new([42; 32]);
    let signed = |caveats: &[String]| {
        let identifier = Identifier::new(preimage.payment_hash(), keys.minting_id(), [9; 31]);
        format!("L402 {}:{}", Token::mint(&keys, identifier, caveats).unwrap().to_wire(), preimage.expose_hex())
    };
    let until = now().0 + 600;
    let all = ["services=api:0", &format!("api_valid_until={until}"), "satstile_aud=demo", "satstile_methods=GET,HEAD"];
    let all = all.map(str::to_owned);
    opens(&stack, &signed(&all));

    is_charged(&stack, &signed(&[]));
    for without in 0..all.len() {
        let fewer: Vec<String> =
            all.iter().enumerate().filter(|(n, _)| *n != without).map(|(_, c)| c.clone()).collect();
        is_charged(&stack, &signed(&fewer));
    }
    let instead = |at: usize, caveat: String| {
        let mut other = all.clone();
        other[at] = caveat;
        signed(&other)
    };
    for (at, caveat) in [
        (0, "services=dear:0".to_owned()),
        (0, "services=api".to_owned()),
        (1, format!("dear_valid_until={until}")),
        (1, format!("api_valid_until=+{until}")),
        (1, format!("api_valid_until= {until}")),
        (1, format!("api_valid_until=0{until}")),
        (1, format!("api_valid_until={until}.0")),
        (1, "api_valid_until=-1".to_owned()),
        (1, "api_valid_until=1e12".to_owned()),
        (1, "api_valid_until=99999999999999999999".to_owned()),
        (2, "satstile_aud=demo2".to_owned()),
        (3, "satstile_methods=POST".to_owned()),
    ] {
        is_charged(&stack, &instead(at, caveat));
    }
    let expired = is_charged(&stack, &instead(1, format!("api_valid_until={}", now().0)));
    assert_eq!(expired.response.json()["type"], "https://paymentauth.org/problems/payment-expired");
}

/// T9, T10, C2: what a holder adds may only narrow; a stranger's words are skipped, unknown ones in our name are not.
#[test]
fn attenuation_narrows_and_never_widens() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let soon = format!("api_valid_until={}", now().0 + 60);
    let route = format!("satstile_route={}", hex(&sha256(b"/api/*")[..8]));
    for caveats in [
        &["foreign=1"][..],
        &["no equals sign"],
        &["ExpiresAt=1", "articles_valid_until=1"],
        &[&format!("preimage={}", ticket.preimage)], // what lnget adds (D4)
        &["services=api:0"],
        &[&soon],
        &["satstile_aud=demo"],
        &["satstile_methods=GET"],
        &["satstile_methods=GET,HEAD,POST", "satstile_methods=GET,HEAD"],
        &[&route],
    ] {
        opens(&stack, &ticket.attenuated(caveats));
    }
    let (past, later) = (format!("api_valid_until={}", now().0 - 1), format!("api_valid_until={}", now().0 + 86_400));
    let in_ms = format!("api_valid_until={}000", now().0);
    for caveats in [
        &["satstile_unknown=1"][..],
        &["satstile=1"],
        &["satstile_"],
        &["satstile_uses"],
        &["services=dear:0"],
        &["services=api:0,dear:0"],
        &["services=api:1"],
        &["services="],
        &[&past],
        &[&later],
        &[&in_ms],
        &[&soon, &format!("api_valid_until={}", now().0 + 120)],
        &["api_valid_until=0"],
        &["api_valid_until=soon"],
        &["satstile_aud=other"],
        &["satstile_aud="],
        &["satstile_methods=POST"],
        &["satstile_methods="],
        &["satstile_methods=get"],
        &["satstile_methods=any"],
        &["satstile_methods=GET,HEAD", "satstile_methods=GET,HEAD,POST"],
        &["satstile_route=0000000000000000"],
        &["satstile_uses=0"],
        &["satstile_uses=-1"],
        &["satstile_uses=1e3"],
        &["satstile_uses=1", "satstile_uses=2"],
        &["satstile_budget_msat=0"],
        &["satstile_budget_msat=9999"],
        &["satstile_digest=sha-256:AAAA"],
        &["satstile_digest=md5:AAAAAAAAAAAAAAAAAAAAAA=="],
    ] {
        is_charged(&stack, &ticket.attenuated(caveats));
    }
}

/// T11: the method is part of what is bought.
#[test]
fn a_token_for_reading_does_not_write() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let reader = ticket.attenuated(&["satstile_methods=GET,HEAD"]);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        stack.origin.clear();
        let headers = [("authorization", reader.as_str()), ("x-http-method-override", "GET")];
        Offer::read(http::send(method, &stack.url(API), &headers, b"x"));
        assert_eq!(seen(&stack), [""; 0], "{method}");
        let whole = http::send(method, &stack.url(API), &[("authorization", &ticket.l402())], b"x");
        assert_eq!(whole.status, 200, "{method}");
    }
    // The override never reaches an origin that would believe it (T30).
    stack.origin.clear();
    let headers =
        [("authorization", reader.as_str()), ("x-http-method-override", "DELETE"), ("x-method-override", "PUT")];
    assert_eq!(http::get(&stack.url(API), &headers).status, 200);
    let seen = crate::common::only_seen(&stack);
    assert_eq!((seen.header("x-http-method-override"), seen.header("x-method-override")), (None, None));
}

/// C2, T13: a delegate may be bound to one body, one use, one price; the parent's own rights stay as they are.
#[test]
fn a_delegate_spends_what_it_was_given_and_no_more() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let post = |authorization: &str, body: &[u8]| {
        http::post(&stack.url(API), &[("authorization", authorization)], body).status
    };

    let digest = to_base64(&sha256(b"only this"));
    let bound = ticket.attenuated(&[&format!("satstile_digest=sha-256:{digest}")]);
    stack.origin.clear();
    assert_eq!(post(&bound, b"only that"), 402);
    assert_eq!(post(&bound, b"only this "), 402);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(post(&bound, b"only this"), 200);
    assert_eq!(crate::common::only_seen(&stack).body, b"only this");

    let twice = ticket.attenuated(&["satstile_uses=2"]);
    let cheap = ticket.attenuated(&["satstile_budget_msat=29999"]); // two of 10,000, and not quite a third
    let twice: Vec<u16> = (0..4).map(|_| settled(|| post(&twice, b"x"))).collect();
    assert_eq!(twice, [200, 200, 402, 402]);
    // What a sibling spent is not its own: it has two of its own, and no third.
    let cheap: Vec<u16> = (0..4).map(|_| settled(|| post(&cheap, b"x"))).collect();
    assert_eq!(cheap, [200, 200, 402, 402]);
    assert_eq!(post(&ticket.l402(), b"x"), 200);
}

/// A delivery that has just ended may not be written down yet: 409 says so.
fn settled(mut ask: impl FnMut() -> u16) -> u16 {
    eventually("an end to the 409s", || Some(ask()).filter(|status| *status != 409))
}

/// T12, T13: where the policy says so, a token is for the very route it was bought on.
#[test]
fn a_token_bound_to_its_route_stays_there() {
    let routes = json!([{"path": "/articles/1"}, {"path": "/articles/*"}]);
    let policy = json!({"services": {"articles": {"bind_route": true, "routes": routes}}});
    let stack = Stack::start(plenty(policy));
    let ticket = buy(&stack, "/articles/1");
    assert_eq!(get_with(&stack, "/articles/1?x", &ticket.l402()).status, 200);
    stack.origin.clear();
    let other = Offer::read(get_with(&stack, "/articles/2", &ticket.l402())).pay(stack.node());
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(get_with(&stack, "/articles/2", &other.l402()).status, 200);
    assert_eq!(get_with(&stack, "/articles/3", &other.l402()).status, 200);
    Offer::read(get_with(&stack, "/articles/1", &other.l402()));
}

/// C1, T15: a retired key is a 402 and an unknown one a 401; the new key mints.
#[test]
fn a_retired_key_is_sold_a_new_token_and_an_unknown_key_is_junk() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let old = stack.secrets.master_keys.clone();
    let new = Secrets::random().master_keys.replacen("1:", "2:", 1);
    let with = |masters: String| sister(&stack, Secrets { master_keys: masters, ..stack.secrets.clone() }, json!({}));
    let ask = |worker: &Workerd, authorization: &str| {
        http::get(&format!("http://{}{API}", worker.address()), &[("authorization", authorization)])
    };

    let rotating = with(format!("{new},{old}"));
    assert_eq!(ask(&rotating, &ticket.l402()).status, 200);
    stack.origin.clear();

    let retired = with(format!("{new},{}", old.replacen("1:", "1!:", 1)));
    let offer = Offer::read(ask(&retired, &ticket.l402()));
    assert_eq!(base64_any(&offer.macaroon).unwrap()[3 + 8 + 2 + 34], 2, "the new key mints");
    // Its MAC is still checked first: a forgery under a retired key costs nothing.
    let mut forged = ticket.bytes();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(ask(&retired, &l402(&forged, &ticket.preimage)).status, 401);

    let before = invoices(&stack);
    let unknown = with(new);
    assert_eq!(ask(&unknown, &ticket.l402()).status, 401);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack), before);
}

/// T12: the same keys in another deployment, or at another price, are another shop; a price change keeps its word (T13).
#[test]
fn a_token_stays_in_its_deployment_and_keeps_its_price() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let ask = |policy: Value| {
        let other = sister(&stack, stack.secrets.clone(), policy);
        http::get(&format!("http://{}{API}", other.address()), &[("authorization", &ticket.l402())])
    };
    let elsewhere = Offer::read(ask(json!({"deployment": "elsewhere"})));
    assert_eq!(elsewhere.response.json()["type"], "https://paymentauth.org/problems/payment-required");
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(ask(json!({"services": {"api": {"price_msat": 99_000}}})).status, 200);
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use bitcoin::hashes::{Hash, sha256};
    sha256::Hash::hash(bytes).to_byte_array()
}
