//! How much is given away, and to whom: invoices within budgets, requests within an allowance, everything in a dry run,
//! and the operator's own totals (C13, C14, T47, T58, T108, T119, T129).

mod common;

use common::{Offer, ask, buy, eventually, get, get_with, invoices, plenty, seen, shared};
use satstile_tests::raw::Response;
use satstile_tests::{Secrets, Stack, StackOptions, http};
use serde_json::{Value, json};

const PAGE: &str = "/articles/1";
const AUDIT: &str = "/.well-known/satstile/audit";

fn with_budgets(budgets: &Value, client_ip: &Value) -> Stack {
    Stack::start(StackOptions::policy(json!({"budgets": budgets, "client_ip": client_ip})))
}

/// A visitor that says it comes from there, in this header.
fn from(stack: &Stack, header: &str, address: &str) -> Response {
    http::get(&stack.url(PAGE), &[(header, address)])
}

#[track_caller]
fn retry_after(response: &Response) -> u64 {
    response
        .header("retry-after")
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or_else(|| panic!("{:?}", response.headers))
}

fn audit(stack: &Stack) -> Value {
    let answer = get_with(stack, AUDIT, &format!("Bearer {}", stack.secrets.audit_key));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// The totals of a service once `field` has come to `n`.
#[track_caller]
fn total(stack: &Stack, service: &str, field: &str, n: i64) -> Value {
    eventually("the totals", || Some(audit(stack)["services"][service].clone()).filter(|totals| totals[field] == n))
}

/// T58, C13: a client that asks for too much is told when to come back; who has paid is not asked.
#[test]
fn a_client_that_asks_for_too_many_invoices_is_told_to_wait() {
    let stack = with_budgets(&json!({"per_client_per_min": 3}), &json!("peer"));
    let ticket = buy(&stack, PAGE);
    let before = invoices(&stack);
    ask(&stack, PAGE);
    ask(&stack, "/dear/1");
    for path in [PAGE, "/dear/1", "/api/echo"] {
        let refused = get(&stack, path);
        assert_eq!((refused.status, refused.header("www-authenticate")), (429, None));
        assert!((1..=20).contains(&retry_after(&refused)), "one comes every 20 s");
        assert_eq!(refused.all("cache-control"), ["no-store"]);
    }
    assert_eq!(invoices(&stack) - before, 2);
    assert_eq!(seen(&stack), [""; 0]);

    // The budget is for invoices and nothing else.
    assert_eq!(get_with(&stack, PAGE, &ticket.l402()).status, 200);
    assert_eq!(get(&stack, "/free/1").status, 200);
    assert_eq!(get_with(&stack, PAGE, "L402 junk:00").status, 400);
    assert_eq!(http::send("HEAD", &stack.url(PAGE), &[], b"").status, 402);
    // A good token for another door would be sold one: under the same budget (C1).
    assert_eq!(get_with(&stack, "/dear/1", &ticket.l402()).status, 429);
}

/// T129: junk takes nothing from anybody's budget, nor does a request that is refused for its shape.
#[test]
fn junk_takes_nothing_from_the_budget() {
    let stack = with_budgets(&json!({"per_client_per_min": 1, "global_per_min": 1}), &json!("peer"));
    for _ in 0..5 {
        assert_eq!(get_with(&stack, PAGE, "L402 junk:00").status, 400);
        assert_eq!(get(&stack, "/articles/../1").status, 400);
        assert_eq!(http::send("HEAD", &stack.url(PAGE), &[], b"").status, 402);
    }
    let offer = ask(&stack, PAGE);
    let mut forged = offer.macaroon.clone().into_bytes();
    forged[100] = if forged[100] == b'A' { b'B' } else { b'A' };
    let forged = format!("L402 {}:{}", String::from_utf8(forged).unwrap(), "00".repeat(32));
    assert_eq!(get_with(&stack, PAGE, &forged).status, 401, "not 429: nothing was asked for");
    assert_eq!(get(&stack, PAGE).status, 429);
}

/// T58, C13: there is a budget for all together, whoever they are.
#[test]
fn the_budget_for_all_is_a_503() {
    let stack = with_budgets(&json!({"per_client_per_min": 100, "global_per_min": 4}), &json!("cloudflare"));
    for n in 0..4 {
        Offer::read(from(&stack, "cf-connecting-ip", &format!("192.0.2.{n}")));
    }
    for n in 4..8 {
        let refused = from(&stack, "cf-connecting-ip", &format!("192.0.2.{n}"));
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert!((1..=15).contains(&retry_after(&refused)));
    }
    assert_eq!(invoices(&stack), 4);
}

/// C13, T47: behind Cloudflare a client is its address, an IPv6 one its /64.
#[test]
fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
    let stack = with_budgets(&json!({"per_client_per_min": 1}), &json!("cloudflare"));
    let status = |address: &str| from(&stack, "cf-connecting-ip", address).status;
    assert_eq!(status("192.0.2.1"), 402);
    assert_eq!(status("192.0.2.1"), 429);
    assert_eq!(status("192.0.2.2"), 402);
    assert_eq!(status("2001:db8:1:2::1"), 402);
    assert_eq!(status("2001:db8:1:2:ffff:ffff:ffff:ffff"), 429, "the same /64");
    assert_eq!(status("2001:0db8:0001:0002::1"), 429, "the same in other words");
    assert_eq!(status("2001:db8:1:3::1"), 402, "another /64");
    assert_eq!(status("::ffff:192.0.2.1"), 429, "an IPv4 address in IPv6's clothes");
    // What is no address shares one budget, and does not make a client of each spelling.
    assert_eq!(status("nonsense"), 402);
    assert_eq!(status("192.0.2.3, 192.0.2.4"), 429);
}

/// C13, T35: elsewhere a client's own words about where it comes from count for nothing.
#[test]
fn a_client_cannot_name_itself() {
    for client_ip in [json!("peer"), json!({"trusted_proxy": "203.0.113.7", "header": "x-client"})] {
        let stack = with_budgets(&json!({"per_client_per_min": 1}), &client_ip);
        ask(&stack, PAGE);
        for header in ["cf-connecting-ip", "x-forwarded-for", "x-real-ip", "x-client", "forwarded", "true-client-ip"] {
            assert_eq!(from(&stack, header, "192.0.2.9").status, 429, "{header}");
        }
    }
}

/// C13: a proxy of the operator's own may say it; of a list it wrote the last entry, the others are the client's.
#[test]
fn a_trusted_proxy_names_its_clients() {
    let proxy = json!({"trusted_proxy": "127.0.0.1", "header": "X-Client"});
    let stack = with_budgets(&json!({"per_client_per_min": 1}), &proxy);
    let status = |list: &str| from(&stack, "x-client", list).status;
    assert_eq!(status("192.0.2.1"), 402);
    assert_eq!(status("192.0.2.1"), 429);
    assert_eq!(status("198.51.100.1, 192.0.2.1"), 429, "a made-up first entry");
    assert_eq!(status("192.0.2.2"), 402);
}

/// C14: so many for nothing, said in a header, and then the price; a token is not asked about it.
#[test]
fn the_free_allowance_is_counted_down_and_then_charged() {
    let stack =
        Stack::start(plenty(json!({"services": {"articles": {"free_allowance": {"count": 2, "window_s": 600}}}})));
    for left in ["1", "0"] {
        let free = get(&stack, PAGE);
        assert_eq!((free.status, free.header("satstile-free-remaining")), (200, Some(left)));
        assert_eq!(free.all("cache-control"), ["private, no-store"]);
    }
    assert_eq!(invoices(&stack), 0);
    assert_eq!(seen(&stack), [PAGE; 2]);
    let ticket = ask(&stack, PAGE).pay(stack.node());
    assert_eq!(ticket.offer.response.header("satstile-free-remaining"), None);
    let paid = get_with(&stack, PAGE, &ticket.l402());
    assert_eq!((paid.status, paid.header("satstile-free-remaining")), (200, None));
    // It is for this service; the next one has none.
    ask(&stack, "/dear/1");
    total(&stack, "articles", "allowed", 2);
}

/// C14: an allowance is counted before forwarding, so ten at once get what there is and no more.
#[test]
fn an_allowance_cannot_be_raced() {
    let stack =
        Stack::start(plenty(json!({"services": {"articles": {"free_allowance": {"count": 3, "window_s": 600}}}})));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..10).map(|_| scope.spawn(|| get(&stack, PAGE).status)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 3, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 402).count(), 7, "{statuses:?}");
    assert_eq!(seen(&stack).len(), 3);
}

/// C14: what the origin failed to deliver was not used up, whatever way it failed.
#[test]
fn an_allowance_that_met_a_broken_origin_is_given_back() {
    let stack = Stack::start(plenty(json!({"services": {"api": {"free_allowance": {"count": 1, "window_s": 600}}}})));
    for path in ["/api/fault/status/500", "/api/fault/hang-up", "/api/fault/challenge", "/api/fault/cut?after=3"] {
        let failed = eventually("the allowance to come back", || Some(get(&stack, path)).filter(|r| r.status != 402));
        assert!(failed.status >= 500 || !failed.complete, "{path}: {}", failed.status);
    }
    let free = eventually("the allowance to come back", || Some(get(&stack, "/api/echo")).filter(|r| r.status != 402));
    assert_eq!((free.status, free.header("satstile-free-remaining")), (200, Some("0")));
    ask(&stack, "/api/echo");
    ask(&stack, "/api/fault/status/500");
}

/// C14: after its window an allowance is whole again.
#[test]
fn an_allowance_comes_back_with_its_window() {
    let stack =
        Stack::start(plenty(json!({"services": {"articles": {"free_allowance": {"count": 1, "window_s": 1}}}})));
    assert_eq!(get(&stack, PAGE).status, 200);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let again = get(&stack, PAGE);
    assert_eq!((again.status, again.header("satstile-free-remaining")), (200, Some("0")));
}

/// C14, T47: one client's allowance is not another's, and survives a crash of the worker.
#[test]
fn an_allowance_belongs_to_one_client_and_survives_a_crash() {
    let policy =
        json!({"client_ip": "cloudflare", "services": {"articles": {"free_allowance": {"count": 1, "window_s": 600}}}});
    let mut stack = Stack::start(plenty(policy));
    assert_eq!(from(&stack, "cf-connecting-ip", "2001:db8::1").status, 200);
    assert_eq!(from(&stack, "cf-connecting-ip", "2001:db8::2").status, 402);
    stack.workerd.crash_restart();
    assert_eq!(from(&stack, "cf-connecting-ip", "2001:db8::1").status, 402);
    assert_eq!(from(&stack, "cf-connecting-ip", "192.0.2.1").status, 200);
}

/// C1, C14: a forged or unreadable credential is no way to an allowance.
#[test]
fn an_allowance_is_not_for_forgers() {
    let stack =
        Stack::start(plenty(json!({"services": {"articles": {"free_allowance": {"count": 5, "window_s": 600}}}})));
    let ticket = buy(&stack, "/dear/1");
    let mut forged = ticket.offer.macaroon.clone().into_bytes();
    forged[100] = if forged[100] == b'A' { b'B' } else { b'A' };
    let forged = format!("L402 {}:{}", String::from_utf8(forged).unwrap(), ticket.preimage);
    assert_eq!(get_with(&stack, PAGE, &forged).status, 401);
    assert_eq!(get_with(&stack, PAGE, "L402 junk").status, 400);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(get(&stack, PAGE).header("satstile-free-remaining"), Some("4"));
}

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
