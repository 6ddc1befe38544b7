//! How many invoices may be asked for, and who it is that asks (C13, T35, T47, T58, T129).

use satstile_tests::raw::Response;
use satstile_tests::{CF_HEADER, Stack, StackOptions, http};
use serde_json::{Value, json};

use crate::common::{Offer, ask, buy, get, get_with, invoices, seen};

const PAGE: &str = "/articles/1";

/// A visitor that says it comes from there, in this header.
fn from(stack: &Stack, header: &str, address: &str) -> Response {
    http::get(&stack.url(PAGE), &[(header, address), (CF_HEADER, "{}")])
}

/// Behind Cloudflare.
fn on_the_platform(policy: Value) -> Stack {
    Stack::start(StackOptions { platform: true, ..StackOptions::policy(policy) })
}

fn with_budgets(budgets: &Value, client_ip: &Value) -> Stack {
    Stack::start(StackOptions::policy(json!({"budgets": budgets, "client_ip": client_ip})))
}

#[track_caller]
fn retry_after(response: &Response) -> u64 {
    response
        .header("retry-after")
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or_else(|| panic!("{:?}", response.headers))
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

/// T119: a page of another site asks through its visitors, and all of them share its budget. Our own pages, programs, and
/// other sites are asked for nothing by that.
#[test]
fn the_visitors_of_another_site_share_one_budget() {
    let stack = with_budgets(&json!({"per_client_per_min": 1_000, "per_origin_per_min": 2}), &json!("peer"));
    let own = stack.url("");
    for _ in 0..2 {
        assert_eq!(from(&stack, "origin", "https://blog.test").status, 402);
    }
    let before = invoices(&stack);
    let refused = from(&stack, "origin", "https://blog.test");
    assert_eq!((refused.status, refused.header("www-authenticate")), (429, None));
    assert!((1..=30).contains(&retry_after(&refused)), "one comes every 30 s");
    assert_eq!(invoices(&stack), before);
    for origin in [own.as_str(), "https://other.test", own.as_str(), own.as_str()] {
        assert_eq!(from(&stack, "origin", origin).status, 402, "{origin}");
    }
    assert_eq!(get(&stack, PAGE).status, 402);
}

/// T119: our own pages are no other site, on whichever of our hosts they are.
#[test]
fn our_own_hosts_are_no_other_site() {
    let budgets = json!({"per_client_per_min": 1_000, "per_origin_per_min": 1});
    let hosts = json!(["example.com", "www.example.com"]);
    let stack = Stack::start(StackOptions::policy(json!({
        "budgets": budgets, "client_ip": "peer", "hosts": hosts, "public_url": "https://example.com"})));
    let ask = |origin: &str| {
        let headers = [("host", "www.example.com"), ("origin", origin)];
        http::get(&stack.url(PAGE), &headers).status
    };
    for _ in 0..3 {
        assert_eq!((ask("https://www.example.com"), ask("https://example.com")), (402, 402));
    }
    assert_eq!((ask("https://blog.example.com"), ask("https://blog.example.com")), (402, 429));
}

/// T119: a picture that another site embeds names no origin. All of these share one budget, and nobody else is in it.
#[test]
fn what_other_sites_embed_shares_one_budget() {
    let stack = with_budgets(&json!({"per_client_per_min": 1_000, "per_origin_per_min": 2}), &json!("peer"));
    let ask = |site: &str, mode: &str| {
        let headers = [("sec-fetch-site", site), ("sec-fetch-mode", mode)];
        http::get(&stack.url(PAGE), &headers)
    };
    for _ in 0..2 {
        assert_eq!(ask("cross-site", "no-cors").status, 402);
    }
    let before = invoices(&stack);
    let refused = ask("cross-site", "no-cors");
    assert_eq!((refused.status, refused.header("www-authenticate")), (429, None));
    assert!((1..=30).contains(&retry_after(&refused)), "one comes every 30 s");
    assert_eq!(ask("cross-site", "websocket").status, 429);
    assert_eq!(invoices(&stack), before);
    for (site, mode) in
        [("cross-site", "navigate"), ("same-origin", "no-cors"), ("same-site", "no-cors"), ("none", "navigate")]
    {
        assert_eq!(ask(site, mode).status, 402, "{site} {mode}");
    }
    assert_eq!(from(&stack, "sec-fetch-site", "cross-site").status, 402);
    assert_eq!(from(&stack, "origin", "https://blog.test").status, 402);
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
    let budgets = json!({"per_client_per_min": 100, "global_per_min": 4});
    let stack = on_the_platform(json!({"budgets": budgets, "client_ip": "cloudflare"}));
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
    let stack = on_the_platform(json!({"budgets": {"per_client_per_min": 1}, "client_ip": "cloudflare"}));
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

/// A16, T47: a policy without `client_ip` (beyond regtest) goes by the connection on plain workerd, where a new
/// CF-Connecting-IP a request would be a new client, and by that header behind Cloudflare.
#[test]
fn without_client_ip_the_runtime_says_who_asks_a16() {
    // Beyond regtest no node of this machine is asked, and nothing is sold here: what counts is the budget, asked before.
    let policy = json!({
        "network": "signet", "hosts": ["example.com"], "public_url": "https://example.com", "origin": "https://127.0.0.1:1",
        "client_ip": null, "budgets": {"per_client_per_min": 1}});
    let from = |stack: &Stack, address: &str| {
        let headers = [("host", "example.com"), ("cf-connecting-ip", address), (CF_HEADER, "{}")];
        http::get(&stack.url(PAGE), &headers).status
    };
    let vars = json!({"NODE_URL": "https://127.0.0.1:1"});
    let start = |platform| {
        let vars = vars.clone();
        Stack::start(StackOptions { platform, vars, node: false, ..StackOptions::policy(policy.clone()) })
    };
    let plain = start(false);
    assert_eq!(from(&plain, "192.0.2.1"), 503, "nobody makes the invoice");
    assert_eq!(from(&plain, "192.0.2.2"), 429, "a forged address is no new client");

    let hosted = start(true);
    assert_eq!(from(&hosted, "192.0.2.1"), 503);
    assert_eq!(from(&hosted, "192.0.2.1"), 429);
    assert_eq!(from(&hosted, "192.0.2.2"), 503, "another client");
}

/// A16, T47: what cannot be true here is refused on the first request, before anything is sold by it; what is free is
/// served.
#[test]
fn cloudflare_is_refused_where_plain_workerd_takes_the_connections_a16() {
    let stack = Stack::start(StackOptions::policy(json!({"client_ip": "cloudflare"})));
    let refused = from(&stack, "cf-connecting-ip", "192.0.2.1");
    assert_eq!((refused.status, refused.header("www-authenticate")), (503, None), "{}", refused.text());
    assert_eq!(get(&stack, "/.well-known/satstile/health").status, 503);
    assert_eq!(get(&stack, "/free/1").status, 200);
    assert_eq!(seen(&stack), ["/free/1"]);
    let log = stack.workerd.log();
    let said: Vec<_> = log.iter().filter(|line| line.contains("not-ready")).collect();
    assert_eq!(said.len(), 1, "{log:?}");
    assert!(said[0].contains("client_ip") && said[0].contains("trusted_proxy"), "{said:?}");
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
