//! The operator's side: a dry run that charges nobody, and totals that nobody else reads (C14, T108, T128).

use satstile_tests::{Secrets, Stack, http};
use serde_json::{Value, json};

use crate::common::{AUDIT, ask, audit, buy, eventually, get, get_with, invoices, plenty, seen, shared, total};

const PAGE: &str = "/articles/1";

/// C14: a dry run charges nobody and says what it would have charged, line by line and in total.
#[test]
fn a_dry_run_lets_everybody_through_and_counts() {
    let stack = Stack::start(plenty(json!({"mode": "dry-run"})));
    let sent = [
        http::get(&stack.url(PAGE), &[]),
        http::send("HEAD", &stack.url(PAGE), &[], b""),
        http::get(&stack.url(PAGE), &[("authorization", "Bearer sk-123"), ("accept", "text/html")]),
        http::post(&stack.url("/api/echo"), &[], b"body"),
    ];
    for response in &sent {
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!((response.header("www-authenticate"), response.header("set-cookie")), (None, None));
    }
    assert_eq!(seen(&stack).len(), 4);
    assert_eq!(invoices(&stack), 0);
    // What no live route would take is not let through either.
    assert_eq!(get(&stack, "/nowhere").status, 404);
    assert_eq!(get(&stack, "/articles/../x").status, 400);
    assert_eq!(http::send("DELETE", &stack.url(PAGE), &[], b"").status, 405);
    assert_eq!(get_with(&stack, PAGE, "L402 junk").status, 400);
    assert_eq!(seen(&stack).len(), 4);

    let lines: Vec<Value> = eventually("four lines", || {
        let lines: Vec<_> = stack.workerd.log().iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let lines: Vec<Value> = lines.into_iter().filter(|line: &Value| line["event"] == "would_charge").collect();
        (lines.len() == 4).then_some(lines)
    });
    assert_eq!((&lines[0]["service"], &lines[0]["amount_msat"]), (&json!("articles"), &json!(21_000)));
    assert!(lines.iter().all(|line| line["reason"].as_str().is_some_and(|reason| !reason.is_empty())), "{lines:?}");
    assert_eq!((&lines[3]["service"], &lines[3]["amount_msat"]), (&json!("api"), &json!(10_000)));
    assert_eq!(total(&stack, "articles", "would_charge", 3)["would_charge_msat"], 63_000);
    assert_eq!(total(&stack, "api", "would_charge", 1)["would_charge_msat"], 10_000);
    assert_eq!(audit(&stack)["services"]["articles"]["challenges"], 0);
}

/// C14: "every well-formed request on a matched route is forwarded": a token that would be refused is well-formed, too.
#[test]
fn a_dry_run_lets_a_bad_token_through_and_says_why_it_would_not() {
    let mut stack = Stack::start(plenty(json!({})));
    let (ticket, other) = (buy(&stack, PAGE), buy(&stack, "/dear/1"));
    stack.workerd.restart_with(&json!({"mode": "dry-run"}));
    let mut forged = ticket.offer.macaroon.clone().into_bytes();
    forged[100] = if forged[100] == b'A' { b'B' } else { b'A' };
    let before = invoices(&stack);
    let credentials = [
        ticket.l402(),
        other.l402(),
        format!("L402 {}:{}", ticket.offer.macaroon, other.preimage),
        ticket.attenuated(&["satstile_unknown=1"]),
        ticket.attenuated(&["satstile_uses=0"]),
        other.payment(),
        format!("L402 {}:{}", String::from_utf8(forged).unwrap(), ticket.preimage),
        ticket.payment_with(|c| c["challenge"]["id"] = "AAAA".into()),
    ];
    let mut wrong = Vec::new();
    for (n, credential) in credentials.iter().enumerate() {
        stack.origin.clear();
        let status = get_with(&stack, PAGE, credential).status;
        if status != 200 || seen(&stack).len() != 1 {
            wrong.push(format!("credential {n} is answered {status}"));
        }
    }
    assert_eq!(invoices(&stack), before);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// C14, T127: a bad policy shuts a dry run, too.
#[test]
fn a_dry_run_with_a_bad_policy_forwards_nothing() {
    let stack = Stack::start(plenty(json!({"mode": "dry-run", "prise": 1})));
    assert_eq!(get(&stack, PAGE).status, 503);
    assert_eq!(seen(&stack), [""; 0]);
}

/// T108, T128: the totals are for who holds the key, in the header, and for no web page.
#[test]
fn totals_are_for_the_operator_alone() {
    let stack = shared();
    let (ticket, key) = (buy(&stack, PAGE), stack.secrets.audit_key.clone());
    let stranger = Secrets::random().audit_key;
    let mut bodies = Vec::new();
    for authorization in [
        "",
        "Bearer ",
        "Bearer x",
        &format!("Bearer {stranger}"),
        &format!("Bearer {}", &key[..key.len() - 4]),
        &format!("Bearer {key}{key}"),
        &format!("Basic {key}"),
        &key,
        &format!("L402 {key}"),
        &ticket.l402(),
        &format!("Bearer {}", stack.secrets.challenge_secret),
        &format!("Bearer {}", ticket.offer.macaroon),
    ] {
        let refused = get_with(&stack, AUDIT, authorization);
        assert_eq!(refused.status, 401, "{authorization}");
        bodies.push(refused.text());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(get(&stack, &format!("{AUDIT}?key={stranger}")).status, 401);

    let audit = get_with(&stack, AUDIT, &format!("Bearer {key}"));
    assert_eq!((audit.status, audit.all("cache-control")), (200, vec!["no-store"]));
    let body = audit.json();
    assert_eq!(body["deployment"], "demo");
    let services: Vec<_> = body["services"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(services, ["api", "articles", "dear", "stream"]);
    for told in [&ticket.preimage, &ticket.offer.macaroon, &ticket.offer.invoice, &ticket.offer.payment_hash] {
        assert!(!audit.text().contains(told.as_str()), "{}", audit.text());
    }
    assert_eq!(http::post(&stack.url(AUDIT), &[("authorization", &format!("Bearer {key}"))], b"").status, 405);
}

/// T108: no script of another site may read the totals, with the key or without.
#[test]
fn totals_are_for_no_web_page() {
    let stack = shared();
    let key = format!("Bearer {}", stack.secrets.audit_key);
    let answer = http::get(&stack.url(AUDIT), &[("authorization", &key), ("origin", "https://evil.test")]);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    let preflight = [
        ("origin", "https://evil.test"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let refused = http::send("OPTIONS", &stack.url(AUDIT), &preflight, b"");
    assert!(refused.status >= 400 && refused.header("access-control-allow-headers").is_none(), "{}", refused.status);
}

/// C14: the totals count what happened, once each, and outlive the worker.
#[test]
fn totals_count_challenges_and_settlements() {
    let mut stack = Stack::start(plenty(json!({})));
    ask(&stack, PAGE);
    ask(&stack, PAGE);
    buy(&stack, PAGE);
    total(&stack, "articles", "challenges", 3);
    let totals = total(&stack, "articles", "settled", 1);
    assert_eq!(totals["settled_msat"], 21_000);
    stack.workerd.crash_restart();
    assert_eq!(audit(&stack)["services"]["articles"], totals);
    assert_eq!(audit(&stack)["services"]["dear"]["challenges"], 0);
}
