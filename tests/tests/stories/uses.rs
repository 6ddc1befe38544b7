//! Grants that count: exact under concurrency, over a crash, and over an update of the worker (T18, T71, T72, T74, T79, T86).

use std::time::{Duration, Instant};

use satstile_tests::{Stack, http};
use serde_json::json;

use crate::common::{
    API, Offer, Purchase, after_the_409s, at_once, buy, eventually, get_with, is_charged, plenty, seen, shared, within,
};

/// The problem's sentence of a 402.
#[track_caller]
fn detail(offer: &Offer) -> String {
    offer.response.json()["detail"].as_str().unwrap_or_default().to_owned()
}

/// How many of so many requests at once were delivered; the others were charged or told to wait.
#[track_caller]
fn delivered_at_once(stack: &Stack, path: &str, authorization: &str, n: usize) -> usize {
    let statuses = at_once(n, |_| get_with(stack, path, authorization).status);
    assert!(statuses.iter().all(|status| [200, 402, 409].contains(status)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 200).count()
}

/// T18: a hundred at once, one delivery, whether the seller or a holder made it a token of one use.
#[test]
fn of_a_hundred_presentations_of_a_single_use_token_exactly_one_delivers() {
    let minted = Stack::start(plenty(json!({"services": {"dear": {"uses": 1, "ranges": false}}})));
    let by_seller = buy(&minted, "/dear/echo").l402();
    let by_holder = buy(&minted, API).attenuated(&["satstile_uses=1"]);
    for (path, authorization) in [("/dear/echo", by_seller), (API, by_holder)] {
        minted.origin.clear();
        assert_eq!(delivered_at_once(&minted, path, &authorization, 100), 1);
        assert_eq!(seen(&minted), [path]);
        let offer = Offer::read(after_the_409s(&minted, path, &authorization));
        assert!(detail(&offer).contains("`satstile_uses=1`, is used up"), "{}", detail(&offer));
        assert_eq!(seen(&minted), [path], "nothing more reached the origin");
    }
}

/// A budget is counted at the price of a use: 50 sats at 21 sats a use are two uses, and 8 sats that buy nothing.
#[test]
fn a_budget_of_50_sats_gives_two_uses_of_21_sats() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    let authorization = ticket.attenuated(&["satstile_budget_msat=50000"]);
    for _ in 0..2 {
        assert_eq!(after_the_409s(&stack, "/articles/1", &authorization).status, 200);
    }
    let offer = Offer::read(after_the_409s(&stack, "/articles/1", &authorization));
    let says = detail(&offer);
    assert!(says.contains("caveat 6, `satstile_budget_msat=50000`, does not cover another use"), "{says}");
    // A refusal names the limit, and neither the token nor what proves it was paid.
    let macaroon = ticket.offer.macaroon.trim_end_matches('=');
    assert!(!offer.response.text().contains(&ticket.preimage) && !says.contains(&macaroon[macaroon.len() - 40..]));
    assert_eq!(seen(&stack), ["/articles/1"; 2]);
    // Less than one price buys nothing at all; the price itself buys one.
    let short = buy(&stack, "/articles/1");
    stack.origin.clear();
    Offer::read(get_with(&stack, "/articles/1", &short.attenuated(&["satstile_budget_msat=20999"])));
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(get_with(&stack, "/articles/1", &short.attenuated(&["satstile_budget_msat=21000"])).status, 200);
    // Whoever has the token without the limit is not held by it.
    assert_eq!(get_with(&stack, "/articles/1", &ticket.l402()).status, 200);
}

/// T8, T9: limits beyond what is counted are refused, and cost nothing else.
#[test]
fn a_token_with_more_than_sixteen_limits_is_refused() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let limits: Vec<String> = (0..17).map(|n| format!("satstile_uses={}", 40 - n)).collect();
    let limits: Vec<&str> = limits.iter().map(String::as_str).collect();
    is_charged(&stack, &ticket.attenuated(&limits));
    stack.origin.clear();
    assert_eq!(get_with(&stack, API, &ticket.attenuated(&limits[..16])).status, 200);
}

/// A grant for a time is checked by arithmetic alone, and leaves nothing behind.
#[test]
fn a_token_that_counts_nothing_touches_no_object() {
    let stack = shared();
    let ticket = buy(&stack, API);
    // Its settlement is pushed; nothing of what follows is.
    eventually("the settlement", || (stack.workerd.storage_bytes() > 0).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    let before = stack.workerd.storage_bytes();
    for _ in 0..20 {
        let answer = http::get(&stack.url(API), &[("authorization", &ticket.l402()), ("idempotency-key", "the-same")]);
        assert_eq!((answer.status, answer.header("idempotent-replayed")), (200, None));
    }
    assert_eq!(stack.workerd.storage_bytes(), before);
    assert_eq!(seen(&stack).len(), 20, "and every one of them was asked of the origin");
}

/// T74, T79: power fails in the middle of a delivery. What was acknowledged stays counted, what was never taken can be
/// taken at once, and what was open comes back when its lease ends: neither before nor never.
#[test]
fn a_use_that_was_open_in_a_crash_comes_back_when_its_lease_ends() {
    // The lease is that of the longest response, and a minute: 2 + 2 + 1 + 1 + 60 s.
    let timeouts = json!({"first_byte_s": 2, "total_s": 2, "idle_s": 1});
    let mut stack = Stack::start(plenty(json!({"timeouts": timeouts})));
    let ticket = buy(&stack, API);
    let authorization = ticket.attenuated(&["satstile_uses=3", "satstile_uses=2"]);
    let parent = ticket.attenuated(&["satstile_uses=3"]);
    assert_eq!(get_with(&stack, API, &authorization).status, 200);
    let began = Instant::now();
    {
        let mut open = satstile_tests::raw::Connection::open(stack.workerd.address()).unwrap();
        let head = format!(
            "GET /api/fault/slow?ms=1500 HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\r\n"
        );
        open.send(head.as_bytes()).unwrap();
        eventually("the origin to be asked", || (seen(&stack).len() == 2).then_some(()));
        stack.workerd.kill();
    }
    stack.workerd.start_again();
    let waiting = get_with(&stack, API, &authorization);
    assert_eq!((waiting.status, waiting.header("retry-after")), (409, Some("1")), "{}", waiting.text());
    assert_eq!(get_with(&stack, API, &parent).status, 200, "the parent has one left that nobody had taken");
    let limit = Duration::from_secs(80).saturating_sub(began.elapsed());
    let ended = || Some(get_with(&stack, API, &authorization)).filter(|answer| answer.status != 409);
    assert_eq!(within(limit, "the end of the lease", ended).status, 200, "and this one came back");
    assert!(began.elapsed() > Duration::from_secs(60), "not before its lease ended: {:?}", began.elapsed());
    for authorization in [&authorization, &parent] {
        Offer::read(after_the_409s(&stack, API, authorization));
    }
    assert_eq!(seen(&stack).iter().filter(|target| *target == API).count(), 3);
}

/// T86: a storage that the version before wrote is read on. Whose uses it had counted it did not say, so they count for
/// everybody's limit, as they did then.
#[test]
fn what_the_version_before_counted_is_still_counted() {
    let mut stack = Stack::start(plenty(json!({"services": {"dear": {"uses": 3, "ranges": false}}})));
    let ticket = buy(&stack, "/dear/echo");
    let ask = |stack: &Stack, ticket: &Purchase, more: &[&str]| {
        after_the_409s(stack, "/dear/echo", &ticket.attenuated(more)).status
    };
    assert_eq!(ask(&stack, &ticket, &[]), 200);
    let single = ["satstile_uses=1"];
    assert_eq!(ask(&stack, &ticket, &single), 200);
    stack.workerd.kill();
    assert_eq!(back_to_version_1(&stack), 1, "one payment has claims");
    stack.workerd.start_again();
    assert_eq!(ask(&stack, &ticket, &single), 402, "it was delivered before the update");
    assert_eq!(ask(&stack, &ticket, &["satstile_uses=2"]), 402, "two were");
    assert_eq!(ask(&stack, &ticket, &[]), 200);
    assert_eq!(ask(&stack, &ticket, &[]), 402);
    assert_eq!(seen(&stack), ["/dear/echo"; 3]);
}

/// Takes away what version 2 added. The tables that remain are those of version 1, to the letter.
fn back_to_version_1(stack: &Stack) -> usize {
    let is_payment = |path: &&std::path::PathBuf| {
        let database = rusqlite::Connection::open(path).unwrap();
        let has = |table: &str| {
            let found = "SELECT COUNT(*) FROM sqlite_master WHERE name = ?";
            database.query_row(found, [table], |row| row.get::<_, i64>(0)).unwrap() > 0
        };
        if !has("cap") {
            return false;
        }
        let drop = "DROP INDEX claim_open; DROP INDEX claim_once; DROP TABLE cap; DROP TABLE taken; DROP TABLE replay; DROP TABLE schema;";
        database.execute_batch(drop).unwrap();
        database.query_row("SELECT COUNT(*) FROM claim", [], |row| row.get::<_, i64>(0)).unwrap() > 0
    };
    stack.workerd.databases().iter().filter(is_payment).count()
}

/// Row B4: a HEAD asks whether a GET could be had, and takes nothing of it, with either credential.
#[test]
fn a_head_takes_no_use_b4() {
    let stack = Stack::start(plenty(json!({"services": {"dear": {"uses": 1, "ranges": false}}})));
    let head = |path: &str, authorization: &str| {
        http::send("HEAD", &stack.url(path), &[("authorization", authorization)], b"").status
    };
    let counted = buy(&stack, "/dear/echo");
    let narrowed = buy(&stack, API);
    let once = buy(&stack, API);
    for (path, authorization) in [
        ("/dear/echo", counted.l402()),
        ("/dear/echo", buy(&stack, "/dear/echo").payment()),
        (API, narrowed.attenuated(&["satstile_uses=1"])),
        (API, once.payment()),
    ] {
        stack.origin.clear();
        assert_eq!((head(path, &authorization), head(path, &authorization)), (200, 200), "{path}");
        assert_eq!(get_with(&stack, path, &authorization).status, 200, "{path}");
        assert_eq!(seen(&stack).len(), 3);
        eventually("the end of the delivery", || (head(path, &authorization) == 402).then_some(()));
        assert_eq!(get_with(&stack, path, &authorization).status, 402, "{path}");
        assert_eq!(seen(&stack).len(), 3, "{path}: nothing more reached the origin");
    }
}

/// Row C7: what a browser fetches ahead makes no invoice and uses nothing up.
#[test]
fn a_prefetch_makes_no_invoice_and_spends_no_pass_c7() {
    let stack = Stack::start(plenty(json!({"services": {"dear": {"uses": 1, "ranges": false}}})));
    let ticket = buy(&stack, "/dear/echo");
    let pass = format!("__Host-satstile-pass-dear={}", ticket.l402().trim_start_matches("L402 "));
    let before = crate::common::invoices(&stack);
    for ahead in [("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("x-moz", "prefetch")] {
        let unpaid = http::get(&stack.url("/articles/1"), &[ahead]);
        assert_eq!((unpaid.status, unpaid.header("www-authenticate")), (503, None));
        assert_eq!(http::get(&stack.url("/dear/echo"), &[ahead, ("cookie", &pass)]).status, 503);
        assert_eq!(http::get(&stack.url("/free/1"), &[ahead]).status, 200);
    }
    assert_eq!(crate::common::invoices(&stack), before);
    assert_eq!(http::get(&stack.url("/dear/echo"), &[("cookie", &pass)]).status, 200);
    assert_eq!(seen(&stack), ["/free/1", "/free/1", "/free/1", "/dear/echo"]);
}
