//! One reading of a request, or none: whatever the spelling, the gate never decides on one path while the origin gets
//! another (T26 to T29, M1 to M3, C11). Every spelling is tried on a free and on a sold prefix, without a token and with
//! a paid one (C12), on a raw socket.

use satstile_tests::raw::{self, Response};
use satstile_tests::{Stack, http};
use serde_json::json;

use crate::common::{API, Turn, ask, buy, get, invoices, plenty, seen, shared};

/// Spellings that every server reads in the same way.
#[rustfmt::skip] // a matrix is read in rows
const CLEAN: &[&str] = &[
    "/1", "/", "/a/", "/deep/er/still", "/a.b", "/..a", "/a..", "/...", "/.a/b", "/a~b_c-d", "/a@b:c,d=e+f!$&*()'",
    "/a|b", "/a[0]", "/a%20b", "/caf%C3%A9", "/caf%c3%a9", "/%E2%82%AC", "/a%40b", "/a%3Fb", "/a%23b",
    "/a%22%3C%3E", "/x?", "/x?a=b&a=c&&=", "/x?a?b/../c//d/./e", "/x?%2e%2e/%2f%00%zz",
    "/x?a=%27%22&b=http://elsewhere.test/../", "/x?token=1&macaroons=2&pre=3", "/x?;a|b",
];

/// Spellings that two servers may read in two ways.
#[rustfmt::skip] // a matrix is read in rows
const AMBIGUOUS: &[&str] = &[
    "/./1", "/../1", "/a/..", "/a/.", "/a/../1", "/a/./1", "/.", "/..", "/%2e/1", "/%2E%2E/1", "/.%2e/1", "/%2e./1",
    "/a/%2e%2e", "//1", "//", "/a//b", "/a/b//", "/a%2fb", "/a%2Fb", "/%2f1", "/a%5cb", "/a%5Cb", "/a\\b", "/..\\1",
    "/%00", "/a%00.html", "/a;b", "/;/1", "/..;/1", "/a;jsessionid=1", "/a%3bb", "/a%3Bb", "/a%252fb",
    "/%252e%252e/1", "/a%25", "/a%2500", "/a%", "/a%2", "/a%zz", "/a%u002f", "/a% 2f", "/%61rticle", "/%41",
    "/a%2db", "/%7ea", "/a%0ab", "/a%0d%0aX:%20y", "/a%09", "/a%1f", "/a%7f", "/a b", "/a\tb", "/a\u{1}b",
    "/a\u{7f}b", "/café", "/ａ", "/a\"b", "/a<b", "/a>b", "/a^b", "/a`b", "/a{b", "/a}b", "/x?a b", "/x?a\"b",
    "/x?a<b>", "/x?a'b", "/x?é", "/x?a\u{1}b",
];

/// Ways from one route to another, past the segment that decides.
#[rustfmt::skip] // a matrix is read in rows
const ESCAPES: &[&str] = &[
    "/free/../articles/1", "/free/%2e%2e/articles/1", "/free/%2E./articles/1", "/free/..%2farticles/1",
    "/free/..%5carticles/1", "/free/..%252farticles/1", "/free/..;/articles/1", "/free/.;/../articles/1",
    "/free;/../articles/1", "/free/..\\articles/1", "/free\\..\\articles\\1", "/free%2f..%2farticles%2f1",
    "/free/x/../../articles/1", "/free//../articles/1", "/free/./../articles/1", "/articles/../free/1",
    "/articles/..;/free/1", "/.well-known/satstile/../../articles/1",
    "/.well-known/satstile/health/../../../articles/1", "/.well-known/../articles/1", "//articles/1",
    "///articles/1", "/./articles/1", "/%2farticles/1", "/;/articles/1", "//free/../articles/1",
    "//elsewhere.test/articles/1", "/\\elsewhere.test/free/1", "\\\\elsewhere.test\\free\\1", "/%61rticles/1",
    "/art%69cles/1", "/free%20/1",
];

/// Neighbours of a route that are not the route (T29).
#[rustfmt::skip] // a matrix is read in rows
const NEIGHBOURS: &[&str] = &[
    "/articles", "/articles?x", "/articlesx/1", "/article/1", "/ARTICLES/1", "/Articles/1", "/articles*",
    "/articles.", "/free", "/free?/../articles/1", "/FREE/1", "/freely/1", "/xarticles/1", "/x/articles/1",
    "/.well-known/satstile", "/.well-known/x",
];

/// Header lines that name no host with a port.
#[rustfmt::skip] // a matrix is read in rows
const UNREADABLE_HOSTS: &[&str] = &[
    "Host: localhost/free/1?", "Host: localhost/articles/1?", "Host: localhost/free/", "Host: localhost?",
    "Host: localhost#", "Host: localhost\\", "Host: localhost\\free", "Host: user@localhost",
    "Host: localhost@elsewhere.test", "Host: localhost:", "Host: localhost:0", "Host: localhost:99999",
    "Host: localhost:+80", "Host: localhost:80:80", "Host: localhost:8o", "Host: local host",
    "Host: localhost, localhost", "Host: localhost,elsewhere.test", "Host: [::1", "Host: [zz]", "Host: ::1",
    "Host: loc%61lhost", "Host: localhöst", "Host:", "Host: localhost\r\nHost: localhost",
    "Host: localhost\r\nHost: elsewhere.test", "X-No-Host: 1",
];

/// Hosts that are not ours.
#[rustfmt::skip] // a matrix is read in rows
const UNKNOWN_HOSTS: &[&str] = &[
    "Host: elsewhere.test", "Host: localhost.elsewhere.test", "Host: elsewhere.test:8787",
    "Host: 127.0.0.1.elsewhere.test", "Host: 127.1", "Host: 0x7f000001", "Host: 2130706433", "Host: 0.0.0.0",
    "Host: [::]", "Host: [::ffff:10.0.0.1]", "Host: notlocalhost",
];

/// Sends a target as it is written, on a socket of its own.
fn send(stack: &Turn, target: &str, authorization: &str) -> Response {
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{authorization}Connection: close\r\n\r\n");
    raw::request(stack.workerd.address(), head.as_bytes())
}

/// What reached the origin of it.
fn sent(stack: &Turn, target: &str, authorization: &str) -> (u16, Vec<String>) {
    stack.origin.clear();
    let status = send(stack, target, authorization).status;
    (status, seen(stack))
}

#[track_caller]
fn refused(stack: &Turn, target: &str, authorization: &str, allowed: &[u16]) {
    let (status, seen) = sent(stack, target, authorization);
    assert!(allowed.contains(&status), "{target:?} is answered {status} {authorization}");
    assert!(seen.is_empty(), "{target:?} reached the origin as {seen:?}");
}

/// A line for each credential that the matrix is tried with: none, and one that paid for the articles.
fn with_and_without(stack: &Turn) -> [String; 2] {
    [String::new(), format!("Authorization: {}\r\n", buy(stack, "/articles/1").l402())]
}

/// C11: what was matched is what is forwarded, byte for byte.
#[test]
fn a_plain_spelling_is_forwarded_as_it_came() {
    let stack = shared();
    let [none, paid] = with_and_without(&stack);
    let before = invoices(&stack);
    for suffix in CLEAN {
        for authorization in [&none, &paid] {
            let target = format!("/free{suffix}");
            let (status, seen) = sent(&stack, &target, authorization);
            assert_eq!(seen, [target.as_str()], "answered {status}");
        }
        let target = format!("/articles{suffix}");
        let (status, seen) = sent(&stack, &target, &paid);
        assert_eq!(seen, [target.as_str()], "answered {status}");
    }
    assert_eq!(invoices(&stack), before);

    for suffix in CLEAN {
        let target = format!("/articles{suffix}");
        assert_eq!(sent(&stack, &target, &none), (402, vec![]), "{target}");
    }
    assert_eq!(invoices(&stack) - before, CLEAN.len());
}

/// C11, T26: every byte and every triplet, in path and query: the same at the origin, or refused. Nothing in between,
/// such as a spelling that the platform's own URL parser rewrites on the way out.
#[test]
fn every_byte_is_forwarded_as_it_is_or_refused() {
    let stack = shared();
    let [_, paid] = with_and_without(&stack);
    let plain = (0x21..0x7f_u8).filter(|byte| *byte != b'#').map(|byte| char::from(byte).to_string());
    let triplets = (0..=0xff_u8).map(|byte| format!("%{byte:02X}"));
    let spellings: Vec<String> = plain.chain(triplets).collect();
    for spelling in &spellings {
        for target in [format!("/articles/a{spelling}b"), format!("/articles/a?b{spelling}c")] {
            let (status, seen) = sent(&stack, &target, &paid);
            let forwarded = status == 404 && seen == [target.as_str()];
            assert!(forwarded || (status == 400 && seen.is_empty()), "{target}: {status} {seen:?}");
        }
    }
}

/// T26: nothing is repaired. Refused on free and sold prefixes alike, paid or not, before an invoice.
#[test]
fn a_spelling_with_two_readings_is_refused_everywhere() {
    let stack = shared();
    let credentials = with_and_without(&stack);
    let before = invoices(&stack);
    for prefix in ["/free", "/articles"] {
        for suffix in AMBIGUOUS {
            for authorization in &credentials {
                refused(&stack, &format!("{prefix}{suffix}"), authorization, &[400]);
            }
        }
    }
    assert_eq!(invoices(&stack), before);
}

/// T26, "dot segments in any encoding": an overlong UTF-8 dot or slash is one to some origins.
#[test]
fn an_overlong_dot_or_slash_is_refused() {
    let stack = shared();
    let credentials = with_and_without(&stack);
    for suffix in ["/%c0%ae%c0%ae/articles/1", "/%C0%AE./1", "/a%c0%afb", "/%e0%80%ae%e0%80%ae/1"] {
        for prefix in ["/free", "/articles"] {
            for authorization in &credentials {
                refused(&stack, &format!("{prefix}{suffix}"), authorization, &[400]);
            }
        }
    }
}

/// T26, T27, T29: no way leads from one route into another, nor to another host; a token does not help.
#[test]
fn no_spelling_leads_from_one_route_into_another() {
    let stack = shared();
    let credentials = with_and_without(&stack);
    let before = invoices(&stack);
    for authorization in &credentials {
        ESCAPES.iter().for_each(|target| refused(&stack, target, authorization, &[400, 404]));
        NEIGHBOURS.iter().for_each(|target| refused(&stack, target, authorization, &[404]));
    }
    assert_eq!(invoices(&stack), before);
}

/// C11, T29: the most specific pattern wins, whichever way round; and a path has one route in all its honest spellings.
#[test]
fn the_most_specific_route_decides() {
    let stack = Stack::start(plenty(json!({
    "origin_exact": true,
    "free": [{"path": "/"}, {"path": "/*"}, {"path": "/articles/preview"}, {"path": "/articles/open/*"}],
    "services": {
        "dear": {"routes": [{"path": "/dear/*"}, {"path": "/articles/open/gold"}, {"path": "/caf%C3%A9/*"}]},
    }})));
    for free in [
        "/",
        "/anything",
        "/articles",
        "/articles/preview",
        "/articles/preview?x",
        "/articles/open/1",
        "/articles/open/gold/1",
        "/dear",
        "/articlesx/1",
        "/caf%C3%A9",
        "/cafe/1",
    ] {
        stack.origin.clear();
        let response = get(&stack, free);
        assert!(response.status != 402 && seen(&stack) == [free], "{free}: {}", response.status);
    }
    stack.origin.clear();
    for (sold, sats) in [
        ("/articles/", 21),
        ("/articles/1", 21),
        ("/articles/preview/", 21),
        ("/articles/preview/1", 21),
        ("/articles/previews", 21),
        ("/articles/open", 21),
        ("/articles/open/gold", 50),
        ("/articles/open/gold?x", 50),
        ("/caf%C3%A9/1", 50),
        ("/caf%c3%a9/1", 50),
    ] {
        assert_eq!(ask(&stack, sold).response.json()["amount_sats"], sats, "{sold}");
    }
    assert_eq!(seen(&stack), [""; 0]);
}

/// T28, M3: `Host` is a name with a port, one of ours; it carries neither path nor query into the decision.
#[test]
fn a_host_cannot_smuggle_a_path() {
    let stack = shared();
    let [none, paid] = with_and_without(&stack);
    let before = invoices(&stack);
    for (host, status) in UNREADABLE_HOSTS.iter().map(|h| (h, 400)).chain(UNKNOWN_HOSTS.iter().map(|h| (h, 421))) {
        for target in ["/free/1", "/articles/1", "/", "/.well-known/satstile/health"] {
            for authorization in [&none, &paid] {
                stack.origin.clear();
                let head = format!("GET {target} HTTP/1.1\r\n{host}\r\n{authorization}Connection: close\r\n\r\n");
                let response = raw::request(stack.workerd.address(), head.as_bytes());
                assert_eq!(response.status, status, "{host:?} {target}");
                assert_eq!(seen(&stack), [""; 0], "{host:?} {target}");
            }
        }
    }
    assert_eq!(invoices(&stack), before);
}

/// C15: on regtest every name of this machine counts as listed, whatever its port and case.
#[test]
fn a_loopback_name_is_ours_on_regtest() {
    let stack = shared();
    for host in ["localhost", "LocalHost:1", "127.0.0.1:8787", "127.9.9.9", "[::1]", "[::1]:8787", "shop.localhost:80"]
    {
        stack.origin.clear();
        let head = format!("GET /free/1 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(raw::request(stack.workerd.address(), head.as_bytes()).status, 200, "{host}");
        let seen = crate::common::only_seen(&stack);
        // C11: the origin is asked under its own name.
        assert_eq!(seen.header("host"), Some(stack.origin.address().to_string().as_str()), "{host}");
    }
}

/// RFC 9112 §3.2.2: a target in absolute form is the path in it and nothing more. The runtime hides the host in it from
/// us, so all we can promise is that gate and origin agree about the path.
#[test]
fn a_target_in_absolute_form_is_its_path() {
    let stack = shared();
    let [none, paid] = with_and_without(&stack);
    for (target, path) in [
        ("http://localhost/free/1?x=1", "/free/1?x=1"),
        ("http://localhost:8787/free/1", "/free/1"),
        ("http://elsewhere.test/free/1", "/free/1"),
    ] {
        let (status, seen) = sent(&stack, target, &none);
        assert!(
            (status == 200 && seen == [path]) || (matches!(status, 400 | 421) && seen.is_empty()),
            "{target}: {status} {seen:?}"
        );
    }
    for target in [
        "http://localhost/articles/1",
        "http://free.test/articles/1",
        "http://localhost/articles/1?http://localhost/free/1",
    ] {
        let (status, reached) = sent(&stack, target, &none);
        assert!(matches!(status, 402 | 400 | 421) && reached.is_empty(), "{target}: {status} {reached:?}");
    }
    let before = invoices(&stack);
    let path = "/articles/1";
    let (status, reached) = sent(&stack, &format!("http://localhost{path}"), &paid);
    assert!((status == 200 && reached == [path]) || (status == 400 && reached.is_empty()), "{status} {reached:?}");
    for target in [
        "http://localhost/free/../articles/1",
        "http://localhost//articles/1",
        "http://localhost/free/%2e%2e/articles/1",
        "http://free.test@localhost/free/..;/articles/1",
        "articles/1",
        "*",
    ] {
        for authorization in [&none, &paid] {
            refused(&stack, target, authorization, &[400, 404, 421, 500]);
        }
    }
    assert_eq!(invoices(&stack), before);
}

/// The runtime cuts a fragment off before the worker sees it; what is priced is then what is forwarded.
#[test]
fn a_fragment_changes_neither_price_nor_path() {
    let stack = shared();
    let [none, paid] = with_and_without(&stack);
    for (target, path) in [("/free/1#/../../articles/1", "/free/1"), ("/free/1?a#b", "/free/1?a")] {
        let (status, seen) = sent(&stack, target, &none);
        assert!((status == 200 && seen == [path]) || (status == 400 && seen.is_empty()), "{target}: {status} {seen:?}");
    }
    let (status, reached) = sent(&stack, "/articles/1#/../../free/1", &none);
    assert!(matches!(status, 402 | 400) && reached.is_empty(), "{status} {reached:?}");
    let (status, reached) = sent(&stack, "/articles/1#x", &paid);
    assert!(
        (status == 200 && reached == ["/articles/1"]) || (status == 400 && reached.is_empty()),
        "{status} {reached:?}"
    );
}

/// T44: 8 KiB of URL are read, a byte more is not, on free and sold routes.
#[test]
fn a_url_over_8_kib_is_refused_before_anything_else() {
    let stack = shared();
    let [none, paid] = with_and_without(&stack);
    let target = |prefix: &str, length: usize| format!("{prefix}{}", "a".repeat(length - prefix.len()));
    let longest = target("/free/1?", 8192);
    assert_eq!(sent(&stack, &longest, &none), (200, vec![longest.clone()]));
    let longest = target("/articles/1?", 8192);
    assert_eq!(sent(&stack, &longest, &paid), (200, vec![longest.clone()]));
    let before = invoices(&stack);
    for prefix in ["/free/1?", "/articles/1?", "/articles/"] {
        for authorization in [&none, &paid] {
            refused(&stack, &target(prefix, 8193), authorization, &[414]);
            refused(&stack, &target(prefix, 30_000), authorization, &[414]);
        }
    }
    assert_eq!(invoices(&stack), before);
}

/// Row A11 (T121): a credential in a query reaches neither origin nor log, on a free route either; a name alone is none.
#[test]
fn a_credential_in_a_query_reaches_nobody_a11() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let credential = ticket.l402().trim_start_matches("L402 ").to_owned();
    let encoded: String = credential.bytes().map(|byte| format!("%{byte:02X}")).collect();
    for path in ["/free/echo", API] {
        for secret in [&ticket.offer.macaroon, &credential, &encoded] {
            let answer = get(&stack, &format!("{path}?a=1&token={secret}"));
            assert_eq!(answer.status, 400, "{path} {secret}");
            assert!(answer.text().contains("Authorization header"), "{}", answer.text());
        }
    }
    assert_eq!(seen(&stack), [""; 0]);
    assert!(!stack.log().iter().any(|line| line.contains(&ticket.offer.macaroon[40..80])));
    assert_eq!(get(&stack, "/free/echo?token=abc&access_token=1").status, 200);
    assert_eq!(seen(&stack), ["/free/echo?token=abc&access_token=1"]);
}

/// Row C6 (T26): forwarded byte for byte where a route permits it, and 400 with the switch's name where none does.
#[test]
fn a_double_or_an_encoded_slash_is_forwarded_as_it_is_c6() {
    let allow = ["double_slash", "encoded_slash"];
    let stack = Stack::start(plenty(json!({
    "free": [{"path": "/free/*", "allow": allow}],
    "services": {"articles": {"routes": [{"path": "/articles/*", "allow": allow}]}}})));
    let ticket = buy(&stack, "/articles/1");
    for path in ["/free/https://blog.example/a", "/free/@scope%2fname", "/free/a//b%2Fc?d=//e"] {
        // The demo has no such page, and says so itself.
        assert!(matches!(get(&stack, path).status, 200 | 404), "{path}");
    }
    crate::common::get_with(&stack, "/articles/https://blog.example/a", &ticket.l402());
    let expected = [
        "/free/https://blog.example/a",
        "/free/@scope%2fname",
        "/free/a//b%2Fc?d=//e",
        "/articles/https://blog.example/a",
    ];
    assert_eq!(seen(&stack), expected);
    assert_eq!(get(&stack, "/articles/https://blog.example/a").status, 402);
    let refused = crate::common::get_with(&stack, "/api/a//b", "Bearer none");
    assert!(refused.status == 400 && refused.text().contains("double_slash"), "{}", refused.text());
    for path in ["//articles/1", "/free%2f1", "/free//..%2farticles/1"] {
        assert!(matches!(get(&stack, path).status, 400 | 404), "{path}");
    }
    assert_eq!(seen(&stack), expected);
}

/// Row C5 (T28): the same host with its closing dot, and with the port that its scheme has anyway.
#[test]
fn a_closing_dot_or_the_schemes_own_port_is_the_same_host_c5() {
    let stack = Stack::start(plenty(json!({"hosts": ["shop.example"]})));
    for (host, status) in [
        ("shop.example", 200),
        ("shop.example.", 200),
        ("SHOP.example:80", 200),
        ("shop.example:8080", 421),
        ("shop.example..", 400),
    ] {
        let answer = http::get(&stack.url("/free/1"), &[("host", host)]);
        assert_eq!(answer.status, status, "{host}: {}", answer.text());
    }
}
