//! What a client may have before paying, counted down and given back when nothing came of it (C14, T47).

use satstile_tests::raw::Response;
use satstile_tests::{CF_HEADER, Stack, StackOptions, http};
use serde_json::json;

use crate::common::{ask, at_once, buy, eventually, get, get_with, invoices, plenty, seen, total};

const PAGE: &str = "/articles/1";

/// A visitor that says it comes from there, in this header.
fn from(stack: &Stack, header: &str, address: &str) -> Response {
    http::get(&stack.url(PAGE), &[(header, address), (CF_HEADER, "{}")])
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
    let statuses = at_once(10, |_| get(&stack, PAGE).status);
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
    let mut stack = Stack::start(StackOptions { platform: true, ..plenty(policy) });
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
