//! "Continue on another device": whoever paid makes a link that opens it once, somewhere else (T52, T62, T64, T121).

mod common;

use common::{Purchase, attenuate, buy, now, only_seen, plenty, seen, shared};
use l402::UnixTime;
use l402::encoding::{base64url, to_base64};
use satstile_tests::raw::Response;
use satstile_tests::{Stack, http};
use serde_json::json;

const HANDOVER: &str = "/.well-known/satstile/handover";
const OPEN: &str = "/.well-known/satstile/open/";
const PAGE: &str = "/articles/1?from=phone";

fn hand(stack: &Stack, authorization: &str, path: &str) -> Response {
    http::post(
        &stack.url(HANDOVER),
        &[("authorization", authorization), ("content-type", "text/plain")],
        path.as_bytes(),
    )
}

/// The link's own path.
#[track_caller]
fn link(stack: &Stack, ticket: &Purchase, path: &str) -> String {
    let made = hand(stack, &ticket.l402(), path);
    assert_eq!(made.status, 200, "{}", made.text());
    made.json()["url"].as_str().and_then(|url| url.strip_prefix(&stack.url(""))).unwrap().to_owned()
}

/// As a button sends it: a form without fields.
fn press(stack: &Stack, link: &str, more: &[(&str, &str)]) -> Response {
    let form = [("content-type", "application/x-www-form-urlencoded"), ("content-length", "0")];
    http::post(&stack.url(link), &[&form, more].concat(), b"")
}

fn pass(opened: &Response) -> String {
    opened.all("set-cookie")[0].split(';').next().unwrap_or_default().to_owned()
}

#[track_caller]
fn is_ended(answer: &Response) {
    assert_eq!((answer.status, answer.header("set-cookie"), answer.header("location")), (404, None, None));
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(answer.text().contains("Make a new link on the device that paid."), "{}", answer.text());
}

/// The whole way: paid here, a link, a look at it that changes nothing, one press there, and it is used up.
#[test]
fn what_was_paid_for_on_a_laptop_opens_on_a_phone_once() {
    let stack = shared();
    let ticket = buy(&stack, PAGE);
    let made = hand(&stack, &ticket.l402(), PAGE);
    assert_eq!((made.status, made.header("content-type")), (200, Some("application/json")), "{}", made.text());
    assert_eq!(made.all("access-control-allow-origin"), ["*"]);
    assert_eq!(made.all("cache-control"), ["no-store"]);
    let told = made.json();
    assert_eq!(told.as_object().unwrap().keys().collect::<Vec<_>>(), ["expires_at", "url"]);
    let ends_in = UnixTime::from_rfc3339(told["expires_at"].as_str().unwrap()).unwrap().0 - now().0;
    assert!((298..=300).contains(&ends_in), "{ends_in}");
    let url = told["url"].as_str().unwrap();
    let (hash, code) = url.strip_prefix(&stack.url(OPEN)).unwrap().split_once('.').unwrap();
    assert_eq!((hash, base64url(code).map(|code| code.len())), (ticket.offer.payment_hash.as_str(), Some(16)));

    let link = url.strip_prefix(&stack.url("")).unwrap();
    for _ in 0..3 {
        assert_eq!(http::get(&stack.url(link), &[("user-agent", "a messenger")]).status, 200);
        assert_eq!(http::send("HEAD", &stack.url(link), &[], b"").status, 200);
    }
    assert_eq!(seen(&stack), [""; 0]);
    let opened = press(&stack, link, &[("origin", "https://blog.test")]);
    assert_eq!((opened.status, opened.header("location")), (303, Some(PAGE)));
    assert_eq!(opened.all("cache-control"), ["no-store"]);
    assert_eq!(
        (opened.header("access-control-allow-origin"), opened.header("referrer-policy")),
        (None, Some("no-referrer"))
    );
    assert_eq!(opened.all("set-cookie").len(), 2);
    let article = http::get(&stack.url(PAGE), &[("cookie", &pass(&opened))]);
    assert_eq!(article.status, 200);
    assert_eq!(only_seen(&stack).target, PAGE);

    for _ in 0..2 {
        is_ended(&press(&stack, link, &[]));
    }
    // Nothing of it is in any log (T120).
    let log = stack.log().join("\n");
    for secret in [code, &ticket.preimage, &ticket.offer.macaroon] {
        assert!(!log.contains(secret), "{secret}");
    }
}

/// T64: the page tells nothing about the code, and works without a script, in no frame and with no style of others.
#[test]
fn the_page_is_the_same_for_any_code() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    let good = link(&stack, &ticket, "/articles/1");
    let (hash, unknown) = ("00".repeat(32), "A".repeat(22));
    let page = http::get(&stack.url(&good), &[]);
    for link in [format!("{OPEN}{}.{unknown}", ticket.offer.payment_hash), format!("{OPEN}{hash}.{unknown}")] {
        let other = http::get(&stack.url(&link), &[]);
        assert_eq!((other.status, other.text()), (200, page.text()), "{link}");
        is_ended(&press(&stack, &link, &[]));
    }
    for link in
        ["", "x", "x.y", &hash, &format!("{hash}."), &format!("{hash}.{unknown}A"), &format!("{hash}.{unknown}/a")]
    {
        is_ended(&http::get(&stack.url(&format!("{OPEN}{link}")), &[]));
        is_ended(&press(&stack, &format!("{OPEN}{link}"), &[]));
    }
    let html = page.text();
    assert!(html.contains("<form method=\"post\"><button>Continue reading here</button></form>"), "{html}");
    for part in ["<script", " src=", "http://", "https://", " style=", " action=", &good, "url("] {
        assert!(!html.contains(part), "{part} in {html}");
    }
    let style = html.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
    let hash = {
        use bitcoin::hashes::{Hash, sha256};
        to_base64(&sha256::Hash::hash(style.as_bytes()).to_byte_array())
    };
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    assert_eq!(page.all("content-security-policy"), [policy]);
    assert_eq!((page.header("x-frame-options"), page.header("cache-control")), (Some("DENY"), Some("no-store")));
    assert_eq!(
        (page.header("referrer-policy"), page.header("access-control-allow-origin")),
        (Some("no-referrer"), None)
    );
    let put = http::send("PUT", &stack.url(&good), &[], b"");
    assert_eq!((put.status, put.header("allow")), (405, Some("GET, HEAD, POST")));
    assert_eq!(press(&stack, &good, &[]).status, 303);
}

/// T52, T62: only a paid token as it was minted makes links, and only to what it opens.
#[test]
fn a_link_leads_to_what_was_paid_for_and_nowhere_else() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    let nothing = hand(&stack, "", "/articles/1");
    for authorization in [
        format!("L402 {}", ticket.offer.macaroon),
        format!("L402 {}:{}", ticket.offer.macaroon, "00".repeat(32)),
        ticket.attenuated(&["foreign=1"]),
        format!("L402 {}:{}", attenuate(&ticket.offer.macaroon, &["satstile_methods=GET"]), ticket.preimage),
        format!("Bearer {}", ticket.preimage),
        ticket.payment(),
    ] {
        let refused = hand(&stack, &authorization, "/articles/1");
        assert_eq!((refused.status, refused.text()), (404, nothing.text()), "{authorization}");
    }
    for path in [
        "",
        "articles/1",
        "//evil.test/articles/1",
        "https://evil.test/articles/1",
        "/\\evil.test",
        "/articles/../dear/1",
        "/articles/1\r\nset-cookie: a=b",
        "/articles/1\n",
        "/articles/é",
        "/articles/1?macaroon=x",
        "/articles/1#top",
        "/dear/1",
        "/free/1",
        "/nowhere",
        "/.well-known/satstile/health",
        "\u{0}",
    ] {
        let refused = hand(&stack, &ticket.l402(), path);
        assert_eq!((refused.status, refused.text()), (404, nothing.text()), "{path:?}");
    }
    let long = format!("/articles/{}", "a".repeat(2_048 - "/articles/".len()));
    assert_eq!(hand(&stack, &ticket.l402(), &format!("{long}a")).status, 413);
    assert_eq!(hand(&stack, &ticket.l402(), &long).status, 200);
    // A page of another site may ask, as with `status`.
    let asks = [("origin", "https://blog.test"), ("access-control-request-method", "POST")];
    let allowed = http::send("OPTIONS", &stack.url(HANDOVER), &asks, b"");
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (204, Some("*")));
    assert_eq!(http::get(&stack.url(HANDOVER), &[]).status, 405);
}

/// Five good links at a time and twenty an hour for one payment; another payment has its own.
#[test]
fn links_are_counted_for_each_payment() {
    let stack = shared();
    let (ticket, other) = (buy(&stack, "/articles/1"), buy(&stack, "/articles/1"));
    let mut links: Vec<String> = (0..5).map(|_| link(&stack, &ticket, "/articles/1")).collect();
    let sixth = hand(&stack, &ticket.l402(), "/articles/1");
    let wait = |refused: &Response| refused.header("retry-after").and_then(|s| s.parse::<u64>().ok()).unwrap_or(0);
    assert_eq!(sixth.status, 429);
    assert!((290..=300).contains(&wait(&sixth)), "{}", wait(&sixth));
    assert_eq!(hand(&stack, &other.l402(), "/articles/1").status, 200);
    // A used one makes room, until twenty were made.
    for _ in 5..20 {
        assert_eq!(press(&stack, &links.pop().unwrap(), &[]).status, 303);
        links.push(link(&stack, &ticket, "/articles/1"));
    }
    assert_eq!(press(&stack, &links.pop().unwrap(), &[]).status, 303);
    let late = hand(&stack, &ticket.l402(), "/articles/1");
    assert_eq!(late.status, 429);
    assert!((3_580..=3_600).contains(&wait(&late)), "{}", wait(&late));
    for link in links {
        assert_eq!(press(&stack, &link, &[]).status, 303);
    }
}

/// T64: who guesses closes the door for everybody, and leaves nothing behind where there is none.
#[test]
fn twenty_wrong_codes_close_the_good_ones() {
    let stack = shared();
    let (ticket, other) = (buy(&stack, "/articles/1"), buy(&stack, "/articles/1"));
    let (good, safe) = (link(&stack, &ticket, "/articles/1"), link(&stack, &other, "/articles/1"));
    let guess = |n: usize| is_ended(&press(&stack, &format!("{OPEN}{}.{n:0>21}A", ticket.offer.payment_hash), &[]));
    (0..19).for_each(guess);
    let second = link(&stack, &ticket, "/articles/1");
    guess(19);
    is_ended(&press(&stack, &good, &[]));
    assert_eq!(press(&stack, &safe, &[]).status, 303);
    // The one that was made since has its own count, and the guess and the closed link are in it.
    (20..37).for_each(guess);
    assert_eq!(press(&stack, &second, &[]).status, 303);
}

/// A crash takes no link away, and gives no used one back. A change of policy since is looked at.
#[test]
fn a_link_survives_a_crash_and_ends_with_its_grant() {
    let mut stack = Stack::start(plenty(json!({})));
    let ticket = buy(&stack, "/articles/1");
    let (first, second) = (link(&stack, &ticket, "/articles/1"), link(&stack, &ticket, "/articles/2"));
    assert_eq!(press(&stack, &first, &[]).status, 303);
    stack.workerd.crash_restart();
    is_ended(&press(&stack, &first, &[]));
    let opened = press(&stack, &second, &[]);
    assert_eq!((opened.status, opened.header("location")), (303, Some("/articles/2")));

    let third = link(&stack, &ticket, "/articles/1");
    stack.workerd.restart_with(&json!({"deployment": "other"}));
    is_ended(&press(&stack, &third, &[]));
}
