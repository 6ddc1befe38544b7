//! What goes to the origin, on a free route and with a paid token (T30, T32, T34 to T36, T50, C12). What comes back is told in
//! `responses`.

use satstile_tests::http;

use crate::common::{API, Offer, buy, get_with, only_seen, seen, shared};

/// T30, T32, T34 to T36: hop-by-hop fields, claims about the client, method tricks and credentials of ours end here;
/// everything else goes on, and what we say about the client ourselves comes on top.
#[test]
fn the_origin_sees_what_is_its_business() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let kept = [
        ("accept", "application/json"),
        ("accept-language", "de"),
        ("user-agent", "story/1"),
        ("if-none-match", "\"v1\""),
        ("origin", "https://shop.test"),
        ("referer", "https://shop.test/x"),
        ("idempotency-key", "7"),
        ("x-custom", "1"),
        ("cookie", "theme=dark; session=2"),
    ];
    let dropped = [
        ("connection", "close, X-Private, Keep-Alive"),
        ("x-private", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("expect", "nothing"),
        ("proxy-authorization", "Basic dTpw"),
        ("proxy-connection", "keep-alive"),
        ("forwarded", "for=10.0.0.1;host=evil.test"),
        ("x-forwarded-port", "443"),
        ("x-forwarded-prefix", "/admin"),
        ("x-real-ip", "10.0.0.1"),
        ("x-client-ip", "10.0.0.1"),
        ("x-cluster-client-ip", "10.0.0.1"),
        ("true-client-ip", "10.0.0.1"),
        ("cf-connecting-ip", "10.0.0.1"),
        ("cf-ray", "1"),
        ("cf-worker", "evil.test"),
        ("cdn-loop", "evil"),
        ("x-original-url", "/articles/1"),
        ("x-original-host", "evil.test"),
        ("x-rewrite-url", "/articles/1"),
        ("x-host", "evil.test"),
        ("x-http-method-override", "DELETE"),
        ("x-http-method", "DELETE"),
        ("x-method-override", "DELETE"),
        ("macaroon", "00"),
        ("grpc-metadata-macaroon", "00"),
        ("preimage", "00"),
        ("payment-authorization", "e30"),
        ("accept-payment", "lightning/charge"),
        ("x-l402-paid", "1"),
        ("satstile-free-remaining", "1"),
    ];
    let spoofed = [
        ("via", "1.1 elsewhere"),
        ("x-forwarded-host", "evil.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "10.0.0.1"),
    ];
    for (path, authorization) in [(API, Some(ticket.l402())), (API, Some(ticket.payment())), ("/free/echo", None)] {
        stack.origin.clear();
        let mut headers: Vec<(&str, &str)> = [&kept[..], &dropped, &spoofed].concat();
        headers.extend(authorization.as_deref().map(|value| ("authorization", value)));
        let response = http::get(&stack.url(path), &headers);
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        let seen = only_seen(&stack);
        for (name, value) in kept {
            assert_eq!(seen.header(name), Some(value), "{path}");
        }
        // The runtime's own connection to the origin is its own business.
        let sent_on = |name: &&(&str, &str)| name.0 != "connection" && seen.header(name.0).is_some();
        let passed: Vec<_> = dropped.iter().filter(sent_on).collect();
        assert!(passed.is_empty(), "{path}: {passed:?}");
        assert_eq!(seen.header("authorization"), None);
        assert!(seen.header("connection").is_none_or(|value| !value.to_ascii_lowercase().contains("x-private")));
        let address = stack.workerd.address().to_string();
        let ours = [
            ("via", "1.1 satstile-demo"),
            ("x-forwarded-host", address.as_str()),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-for", "127.0.0.1"),
        ];
        for (name, value) in ours {
            let all: Vec<_> =
                seen.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect();
            assert_eq!(all, [value], "{path} {name}");
        }
    }
}

/// T36: whatever names our scheme stays here, readable or not; a foreign credential is the free route's own.
#[test]
fn a_credential_of_ours_never_leaves_and_a_foreign_one_reaches_a_free_route() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let free = |authorization: &str| {
        stack.origin.clear();
        let response = get_with(&stack, "/free/echo", authorization);
        assert_eq!(response.status, 200, "{authorization}: {}", response.text());
        only_seen(&stack).header("authorization").map(str::to_owned)
    };
    for ours in [
        ticket.l402(),
        ticket.l402().replace("L402", "lsat"),
        ticket.payment(),
        "L402".to_owned(),
        "L402 junk".to_owned(),
        "Payment {".to_owned(),
        format!("Bearer sk-1, {}", ticket.l402()),
        format!("{}, Bearer sk-1", ticket.l402()),
    ] {
        assert_eq!(free(&ours), None, "{ours}");
    }
    for foreign in ["Bearer sk-1", "Basic dTpw", "Digest a=\"b\", c=\"d\"", "L402x y"] {
        assert_eq!(free(foreign).as_deref(), Some(foreign));
    }
    // Nor does a foreign one get past a sold route.
    stack.origin.clear();
    Offer::read(get_with(&stack, API, "Bearer sk-1"));
    assert_eq!(seen(&stack), [""; 0]);
}

/// C6, T36: our cookies are for us.
#[test]
fn our_cookies_stay_here_and_the_others_go_on() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let ours = "__Host-satstile-pass-api=a:b; __Host-satstile-wait-dear=x";
    for (path, sent, expected) in [
        (API, format!("a=1; {ours}; b=2"), Some("a=1; b=2")),
        (API, ours.to_owned(), None),
        ("/free/echo", format!("{ours}; a=1"), Some("a=1")),
        ("/free/echo", ours.to_owned(), None),
    ] {
        stack.origin.clear();
        let headers = [("cookie", sent.as_str()), ("authorization", &ticket.l402())];
        assert_eq!(http::get(&stack.url(path), &headers).status, 200);
        assert_eq!(only_seen(&stack).header("cookie"), expected, "{path} {sent}");
    }
}

/// Row A13 (T29, T36): the runtime joins two `Cookie` lines by a comma. The visitor who paid is let in, and neither a paid
/// nor a free route shows a cookie of ours to the origin; a comma inside of somebody else's cookie is part of it.
#[test]
fn two_cookie_lines_let_the_payer_in_and_ours_stay_here_a13() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let pass = format!("__Host-satstile-pass-api={}", ticket.l402().trim_start_matches("L402 "));
    let lines: [(&[&str], Option<&str>); 5] = [
        (&["theme=dark; session=2", &pass], Some("theme=dark; session=2")),
        (&[&pass, "theme=dark; session=2"], Some("theme=dark; session=2")),
        (&["a=1", &pass, "b=2"], Some("a=1; b=2")),
        (&["prefs=a,b, c", &pass], Some("prefs=a,b, c")),
        (&[&pass], None),
    ];
    for (sent, expected) in lines {
        let headers: Vec<_> = sent.iter().map(|line| ("cookie", *line)).collect();
        for path in [API, "/free/echo"] {
            stack.origin.clear();
            assert_eq!(http::get(&stack.url(path), &headers).status, 200, "{path} {sent:?}");
            assert_eq!(only_seen(&stack).header("cookie"), expected, "{path} {sent:?}");
        }
    }
    // Without ours nothing is touched, and nobody is let in.
    let foreign = [("cookie", "prefs=a, b=2; c=x,y")];
    stack.origin.clear();
    assert_eq!(http::get(&stack.url("/free/echo"), &foreign).status, 200);
    assert_eq!(only_seen(&stack).header("cookie"), Some("prefs=a, b=2; c=x,y"));
    assert_eq!(http::get(&stack.url(API), &foreign).status, 402);
}

/// T32: a slice of a paid answer is not sold at a slice's price, nor for nothing.
#[test]
fn a_range_is_answered_with_the_whole() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    let whole = get_with(&stack, "/articles/1", &ticket.l402());
    stack.origin.clear();
    let headers = [("authorization", ticket.l402()), ("range", "bytes=0-9".to_owned()), ("if-range", "x".to_owned())];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let sliced = http::get(&stack.url("/articles/1"), &headers);
    assert_eq!((sliced.status, sliced.body == whole.body), (200, true));
    assert_eq!((only_seen(&stack).header("range"), only_seen(&stack).header("if-range")), (None, None));
}

/// T50: an origin that points back at us is asked once, not for ever.
#[test]
fn a_request_that_was_here_before_is_a_loop() {
    let stack = shared();
    let ticket = buy(&stack, API);
    for via in ["1.1 satstile-demo", "1.0 fred, 1.1 SATSTILE-demo", "1.1 satstile-demo, 1.1 p.example"] {
        for (path, credential) in [(API, ticket.l402()), ("/free/1", "Bearer none".to_owned())] {
            let headers = [("via", via), ("authorization", credential.as_str())];
            assert_eq!(http::get(&stack.url(path), &headers).status, 508, "{via}");
        }
    }
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(http::get(&stack.url("/free/1"), &[("via", "1.1 satstile-other")]).status, 200);
}

/// Row A18 (T30, T35): what an origin would believe of a door of its own is not for a client to say.
#[test]
fn what_only_a_trusted_door_may_say_stays_here_a18() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let names = [
        "remote-user",
        "x-remote-user",
        "x-auth-request-email",
        "x-middleware-subrequest",
        "x-azure-clientip",
        "wl-proxy-client-ip",
    ];
    for path in [API, "/free/echo"] {
        stack.origin.clear();
        let credential = ticket.l402();
        let mut headers: Vec<_> = names.iter().map(|name| (*name, "admin")).collect();
        headers.extend([("authorization", credential.as_str()), ("x-fine", "1")]);
        assert_eq!(http::get(&stack.url(path), &headers).status, 200);
        let heard = only_seen(&stack);
        assert!(names.iter().all(|name| heard.header(name).is_none()) && heard.header("x-fine") == Some("1"), "{path}");
    }
    stack.origin.clear();
    let refused = get_with(&stack, "/articles/1?_method=DELETE", &ticket.l402());
    assert!(refused.status == 400 && refused.text().contains("_method"), "{}", refused.text());
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(get_with(&stack, &format!("{API}?_method=DELETE"), &ticket.l402()).status, 200);
}
