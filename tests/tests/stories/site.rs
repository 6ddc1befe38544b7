//! A site with a life of its own behind the edge: its logins, cookies, videos and sockets go on to work on what is free (C2, D1,
//! D2), it learns who asks and what was paid (D3), can shut out everybody but the edge (D4), and its visitors read pages in the
//! place of JSON (D5 to D8).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use l402::encoding::to_base64;
use satstile_tests::raw::{Connection, Response};
use satstile_tests::{Secrets, Stack, StackOptions, http};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::common::server::{self, Heard, Server};
use crate::common::{API, ask, buy, eventually, get, get_with, is_charged, plenty, shared};

const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

/// A shop that wants a login: cookies, a token against forgeries, a redirect to an address of its own, and a 401 with a challenge.
fn shop(heard: &Heard, stream: &mut TcpStream) -> std::io::Result<()> {
    let cookie = |name: &str| {
        let all = heard.header("cookie").unwrap_or_default().split("; ").filter_map(|pair| pair.split_once('='));
        all.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    };
    let form = String::from_utf8_lossy(&heard.body).into_owned();
    let field =
        |name: &str| form.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v);
    let host = heard.header("x-forwarded-host").or(heard.header("host")).unwrap_or_default();
    match (heard.method.as_str(), heard.target.as_str()) {
        ("GET", "/free/login") => {
            let set = [
                ("Set-Cookie", "csrf=t0k3n; Path=/; SameSite=Strict"),
                ("Set-Cookie", "seen=Mon, 30 Nov 2026; Path=/free"),
            ];
            server::reply(stream, 200, &set, b"<input name=csrf value=t0k3n>")
        }
        ("POST", "/free/login") => {
            let is_own =
                heard.header("origin") == Some(&format!("http://{host}")) && field("csrf") == cookie("csrf").as_deref();
            if !is_own || field("password") != Some("right") {
                return server::reply(stream, 403, &[], b"no");
            }
            let to = format!("http://{}/free/account?from=login", heard.header("host").unwrap_or_default());
            let set = [
                ("Location", to.as_str()),
                ("Set-Cookie", "session=s1; Path=/; HttpOnly; SameSite=Lax"),
                ("Set-Cookie", "csrf=; Path=/; Max-Age=0"),
            ];
            server::reply(stream, 303, &set, b"")
        }
        ("GET", "/free/account?from=login" | "/free/account") if cookie("session").as_deref() == Some("s1") => {
            server::reply(stream, 200, &[], b"hello, buyer")
        }
        ("GET", "/free/basic") if heard.header("authorization") == Some("Basic dTpw") => {
            server::reply(stream, 200, &[], b"in")
        }
        ("GET", _) => server::reply(stream, 401, &[("WWW-Authenticate", "Basic realm=\"Payment area\"")], b"log in"),
        _ => server::reply(stream, 405, &[], b""),
    }
}

/// What a browser does with `Set-Cookie`, as far as the shop needs it.
fn keep(jar: &mut Vec<(String, String)>, response: &Response) {
    for line in response.all("set-cookie") {
        let (name, value) = line.split(';').next().unwrap_or_default().split_once('=').expect("a cookie is name=value");
        jar.retain(|(known, _)| known != name);
        if !line.contains("Max-Age=0") {
            jar.push((name.to_owned(), value.to_owned()));
        }
    }
}

/// A visit: every status, body, cookie and redirect of it.
fn visit(base: &str) -> Vec<String> {
    let mut jar = Vec::new();
    let mut story = Vec::new();
    let mut go = |method: &str, path: &str, more: &[(&str, &str)], body: &str| {
        let cookies: Vec<String> =
            jar.iter().map(|(name, value): &(String, String)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut fields = more.to_vec();
        if !cookies.is_empty() {
            fields.push(("cookie", &cookies));
        }
        let response = http::send(method, &format!("{base}{path}"), &fields, body.as_bytes());
        keep(&mut jar, &response);
        let location = response.header("location").unwrap_or_default().replace(base, "");
        let (set, login) = (response.all("set-cookie"), response.all("www-authenticate"));
        story.push(format!("{method} {path}: {} {location} {set:?} {login:?} {}", response.status, response.text()));
    };
    let form = ("content-type", "application/x-www-form-urlencoded");
    go("GET", "/free/account", &[], "");
    go("GET", "/free/login", &[], "");
    go("POST", "/free/login", &[form, ("origin", "http://evil.test")], "csrf=t0k3n&password=right");
    go("POST", "/free/login", &[form, ("origin", base)], "csrf=other&password=right");
    go("POST", "/free/login", &[form, ("origin", base)], "csrf=t0k3n&password=right");
    go("GET", "/free/account?from=login", &[], "");
    go("GET", "/free/basic", &[], "");
    go("GET", "/free/basic", &[("authorization", "Basic dTpw")], "");
    story
}

/// C2, T37: a shop with a login works behind a free route as it works without the edge, word for word.
#[test]
fn a_shop_with_a_login_works_unchanged_c2() {
    let origin = Server::start(shop);
    let stack = Stack::start(plenty(json!({"origin": origin.url()})));
    let bare = visit(&origin.url());
    assert!(bare[4].contains("303 /free/account?from=login") && bare[5].contains("hello, buyer"), "{bare:#?}");
    assert!(bare[0].contains("401") && bare[7].contains("200"), "{bare:#?}");
    assert_eq!(visit(&stack.url("")), bare);
}

/// C2, C6: cookies of the origin pass line by line, on what is sold as well; never under a name of ours; and not at all where the
/// policy says no.
#[test]
fn an_origin_sets_its_cookies_and_none_of_ours_c2() {
    let origin = Server::start(|_, stream| {
        let set = [
            ("Set-Cookie", "a=1; Expires=Mon, 30 Nov 2026 10:00:00 GMT; Path=/"),
            ("Set-Cookie", "__Host-satstile-pass-api=stolen; Path=/; Secure"),
            ("Set-Cookie", " __host-SATSTILE-wait-api=x; Path=/; Secure"),
            ("Set-Cookie", "=__Host-satstile-pass-api=x; Path=/; Secure"),
            ("Set-Cookie", "__Host-shop=2; Path=/; Secure"),
            ("Set-Cookie", "satstile=mine"),
        ];
        server::reply(stream, 200, &set, b"body")
    });
    let services = json!({"articles": {"cookies": false}});
    let stack = Stack::start(plenty(json!({"origin": origin.url(), "services": services})));
    let theirs =
        ["a=1; Expires=Mon, 30 Nov 2026 10:00:00 GMT; Path=/", "__Host-shop=2; Path=/; Secure", "satstile=mine"];
    let ticket = buy(&stack, API);
    for response in
        [get(&stack, "/free/1"), get_with(&stack, API, &ticket.l402()), get_with(&stack, API, &ticket.payment())]
    {
        assert_eq!((response.status, response.all("set-cookie")), (200, theirs.to_vec()));
    }
    let without = get_with(&stack, "/articles/1", &buy(&stack, "/articles/1").l402());
    assert_eq!((without.status, without.header("set-cookie")), (200, None));
}

/// C2, T37: what asks for money is a bad gateway on a free route, too, and a login where we are the door.
#[test]
fn an_origin_does_not_send_bills_c2() {
    let origin = Server::start(|heard, stream| {
        let (status, challenge) = match heard.target.rsplit('/').next() {
            Some("l402") => (401, "L402 macaroon=\"a\", invoice=\"lnbc1\""),
            Some("beside") => (401, "Basic realm=\"x\", lsat macaroon=\"a\", invoice=\"lnbc1\""),
            Some("payment") => (401, "Payment id=\"a\""),
            Some("402") => (402, "Basic realm=\"x\""),
            Some("200") => (200, "L402 macaroon=\"a\", invoice=\"lnbc1\""),
            _ => (401, "Bearer realm=\"x\", Digest realm=\"y\", nonce=\"z\""),
        };
        server::reply(stream, status, &[("WWW-Authenticate", challenge)], b"pay the origin")
    });
    let stack = Stack::start(plenty(json!({"origin": origin.url()})));
    for name in ["l402", "beside", "payment", "402"] {
        let refused = get(&stack, &format!("/free/{name}"));
        assert_eq!((refused.status, refused.header("www-authenticate")), (502, None), "{name}");
        assert!(
            !refused.text().contains("pay the origin") && !refused.text().contains("not used up"),
            "{}",
            refused.text()
        );
    }
    let open = get(&stack, "/free/200");
    assert_eq!((open.status, open.header("www-authenticate")), (200, None));
    let login = get(&stack, "/free/login");
    assert_eq!((login.status, login.text().as_str()), (401, "pay the origin"));
    assert_eq!(login.header("www-authenticate"), Some("Bearer realm=\"x\", Digest realm=\"y\", nonce=\"z\""));
    let paid = get_with(&stack, API, &buy(&stack, API).l402());
    assert_eq!((paid.status, paid.header("www-authenticate")), (502, None));
}

/// An origin that answers a WebSocket's beginning and then says what it hears; everything else it answers 200.
fn echo(heard: &Heard, stream: &mut TcpStream) -> std::io::Result<()> {
    let Some(key) = heard.header("sec-websocket-key").filter(|_| heard.header("upgrade").is_some()) else {
        return server::reply(stream, 200, &[], b"no socket");
    };
    if heard.target.ends_with("/no") {
        return server::reply(stream, 403, &[], b"not this one");
    }
    let accept = to_base64(&Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
    let protocol = heard.header("sec-websocket-protocol").unwrap_or_default();
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\
         Sec-WebSocket-Protocol: {protocol}\r\nSet-Cookie: a=1\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    loop {
        let mut head = [0; 2];
        stream.read_exact(&mut head)?;
        let length = usize::from(head[1] & 0x7f);
        let mut rest = vec![0; length + 4];
        stream.read_exact(&mut rest)?;
        let (mask, payload) = rest.split_at(4);
        let payload: Vec<u8> = payload.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]).collect();
        stream.write_all(&[&[head[0], head[1] & 0x7f], &payload[..]].concat())?;
        if head[0] & 15 == 8 {
            return Ok(());
        }
    }
}

/// Asks for an upgrade; the answer, and the connection.
fn upgrade(stack: &Stack, path: &str, fields: &str) -> (Response, Connection) {
    let mut connection = Connection::open(stack.workerd.address()).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: https://dev.test\r\n{fields}\r\n",
        stack.workerd.address()
    );
    connection.send(request.as_bytes()).unwrap();
    (connection.head(true).unwrap(), connection)
}

/// D2, T33: a WebSocket on a free route reaches the origin with its `Origin` and subprotocol, and outlives the timer for a first
/// byte. Nothing else is an upgrade, and nothing that is sold is a socket.
#[test]
fn a_web_socket_on_a_free_route_reaches_the_origin_d2() {
    let origin = Server::start(echo);
    let policy = json!({"origin": origin.url(), "timeouts": {"first_byte_s": 1, "idle_s": 1}});
    let stack = Stack::start(plenty(policy));
    let socket = "Upgrade: websocket\r\nSec-WebSocket-Protocol: vite-hmr\r\n";
    let (opened, mut connection) = upgrade(&stack, "/free/hot?token=1", socket);
    assert_eq!(opened.status, 101, "{opened:?}");
    assert_eq!((opened.all("sec-websocket-protocol"), opened.header("set-cookie")), (vec!["vite-hmr"], Some("a=1")));
    let heard = origin.heard().pop().unwrap();
    assert_eq!((heard.target.as_str(), heard.header("origin")), ("/free/hot?token=1", Some("https://dev.test")));
    assert_eq!(
        (heard.header("sec-websocket-protocol"), heard.header("x-forwarded-for")),
        (Some("vite-hmr"), Some("127.0.0.1"))
    );
    let mut said = Vec::new();
    for text in ["hot", "update"] {
        std::thread::sleep(Duration::from_millis(1_500));
        let length = u8::try_from(text.len()).unwrap();
        connection.send(&[&[0x81, 0x80 | length, 1, 2, 3, 4], &masked(text.as_bytes())[..]].concat()).unwrap();
        while said.len() < text.len() + 2 {
            said.extend(connection.part().unwrap().expect("the socket was closed"));
        }
        assert_eq!(said, [&[0x81, length], text.as_bytes()].concat());
        said.clear();
    }
    // The origin's own "no" is its own.
    let (refused, _) = upgrade(&stack, "/free/no", socket);
    assert_eq!((refused.status, origin.heard().len()), (403, 2));
    // The nearest "no": sold, paid or not; another method. None of them reaches the origin.
    let ticket = buy(&stack, API);
    for (path, fields) in [
        (API, socket.to_owned()),
        (API, format!("{socket}Authorization: {}\r\n", ticket.l402())),
        ("/.well-known/satstile/health", socket.to_owned()),
    ] {
        let (refused, mut connection) = upgrade(&stack, path, &fields);
        let body = connection.part().unwrap().unwrap_or_default();
        let body = String::from_utf8_lossy(&body);
        assert_eq!(refused.status, 400, "{path}");
        assert!(body.contains("Upgrade: websocket") && body.contains("free route"), "{body}");
    }
    assert_eq!(origin.heard().len(), 2);
}

fn masked(text: &[u8]) -> Vec<u8> {
    text.iter().enumerate().map(|(i, byte)| byte ^ [1, 2, 3, 4][i % 4]).collect()
}

/// D3, T35: the origin learns who asks as budgets see it, and what was paid; a client can say none of it.
#[test]
fn the_origin_learns_who_asks_and_what_was_paid_d3() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let hash = ticket.offer.payment_hash.clone();
    let spoofed = [
        ("x-forwarded-for", "10.9.9.9"),
        ("cf-connecting-ip", "10.9.9.9"),
        ("satstile-service", "dear"),
        ("satstile-payment-hash", "00"),
        ("satstile-origin-secret", "00"),
    ];
    for (path, credential, paid) in [
        ("/free/echo", String::new(), None),
        (API, ticket.l402(), Some(&hash)),
        (API, ticket.attenuated(&["satstile_uses=1"]), Some(&hash)),
        (API, ticket.payment(), Some(&hash)),
    ] {
        stack.origin.clear();
        let fields = [&spoofed[..], &[("authorization", credential.as_str())]].concat();
        assert_eq!(http::get(&stack.url(path), &fields).status, 200, "{path}");
        let seen = crate::common::only_seen(&stack);
        let all = |name: &str| {
            let all = seen.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            all.map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        assert_eq!(all("x-forwarded-for"), ["127.0.0.1"], "{path}");
        assert_eq!(all("satstile-payment-hash"), paid.cloned().into_iter().collect::<Vec<_>>(), "{path}");
        assert_eq!(all("satstile-service"), paid.map(|_| "api".to_owned()).into_iter().collect::<Vec<_>>(), "{path}");
        assert!(all("satstile-origin-secret").is_empty() && all("cf-connecting-ip").is_empty(), "{path}");
    }
}

/// D3, C13: behind a proxy that the policy names, it is the address that the proxy saw; of anybody else the proxy's field is a claim.
#[test]
fn behind_a_trusted_proxy_its_client_is_named_d3() {
    let proxy =
        |address: &str| json!({"client_ip": {"trusted_proxy": address, "header": "x-real-ip"}, "mode": "dry-run"});
    for (policy, expected) in [(proxy("127.0.0.1"), "203.0.113.9"), (proxy("127.0.0.2"), "127.0.0.1")] {
        let stack = Stack::start(plenty(policy));
        let fields = [("x-real-ip", "10.9.9.9, 203.0.113.9"), ("x-forwarded-for", "10.9.9.9")];
        // A dry run as well: and nobody has paid for it.
        for path in ["/free/1", API] {
            stack.origin.clear();
            assert_eq!(http::get(&stack.url(path), &fields).status, 200);
            let seen = crate::common::only_seen(&stack);
            assert_eq!((seen.header("x-forwarded-for"), seen.header("x-real-ip")), (Some(expected), None));
            assert_eq!(seen.header("satstile-service"), None);
        }
    }
}

/// D4: the origin knows the edge by a secret, on whatever is forwarded; no answer lets it out.
#[test]
fn the_origin_knows_the_edge_by_a_secret_d4() {
    let (new, old) = (Secrets::random().audit_key, Secrets::random().audit_key);
    let (tells, tells_old) = (new.clone(), old.clone());
    let origin = Server::start(move |heard, stream| {
        if heard.header("satstile-origin-secret") != Some(&tells) {
            return server::reply(stream, 403, &[], b"not from the edge");
        }
        let url = format!("/x?s={}", tells.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"));
        match heard.target.rsplit('/').next() {
            Some("field") => server::reply(stream, 200, &[("Satstile-Origin-Secret", "something")], b"ok"),
            Some("tells") => server::reply(stream, 200, &[("X-Debug", &format!("sent {tells}"))], b"told"),
            Some("old") => server::reply(stream, 200, &[("X-Debug", &tells_old)], b"told"),
            Some("url") => server::reply(stream, 302, &[("Location", &url)], b""),
            _ => server::reply(stream, 200, &[], b"ok"),
        }
    });
    let mut options = plenty(json!({"origin": origin.url()}));
    options.vars = json!({"ORIGIN_SECRET": format!("{new},{old}")});
    let stack = Stack::start(options);
    let ticket = buy(&stack, API);
    let paid = [("authorization", ticket.l402())];
    let paid = paid.each_ref().map(|(name, value)| (*name, value.as_str()));
    for (method, path, fields) in [
        ("GET", "/free/1", &[][..]),
        ("HEAD", "/free/1", &[]),
        ("POST", "/free/1", &[("satstile-origin-secret", "guess")]),
        ("GET", API, &paid),
        ("HEAD", API, &paid),
        ("GET", "/free/field", &[]),
    ] {
        let response = http::send(method, &stack.url(path), fields, b"");
        assert_eq!((response.status, response.header("satstile-origin-secret")), (200, None), "{method} {path}");
    }
    for path in ["/free/tells", "/free/old", "/free/url", "/api/tells"] {
        let refused = get_with(&stack, path, &ticket.l402());
        assert_eq!(refused.status, 502, "{path}");
        let all = format!("{:?} {}", refused.headers, refused.text());
        assert!(!all.contains(&new) && !all.contains(&old), "{path}: {all}");
    }
    let log = eventually("a line about it", || {
        let log = stack.log().join("\n");
        log.contains("\"reason\":\"secret\"").then_some(log)
    });
    assert!(!log.contains(&new) && !log.contains(&old));
    let (opened, _) = upgrade(&stack, "/free/1", "Upgrade: websocket\r\n");
    assert_eq!(
        (opened.status, origin.heard().last().unwrap().header("satstile-origin-secret")),
        (200, Some(new.as_str()))
    );
}

/// D4, T16: a secret that is none shuts everything, what is free as well: the origin would refuse it.
#[test]
fn a_bad_origin_secret_forwards_nothing_d4() {
    for bad in ["", "short", "CHANGE_ME", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=,x"] {
        let mut options = plenty(json!({}));
        options.vars = json!({"ORIGIN_SECRET": bad});
        let stack = Stack::start(options);
        assert_eq!([get(&stack, "/free/1").status, get(&stack, API).status], [503, 503], "{bad}");
        assert_eq!(crate::common::seen(&stack), [""; 0]);
        assert!(stack.log().iter().any(|line| line.contains("not-ready") && line.contains("ORIGIN_SECRET")), "{bad}");
    }
}

/// C1: a browser asks whether its page may send the fields that its library adds.
#[test]
fn a_preflight_allows_what_it_asks_for_c1() {
    let stack = shared();
    let asked = "x-stainless-os,x-token,x-api-key,anthropic-version,traceparent,baggage,sentry-trace,(bad),b d";
    for path in [API, "/free/1", "/api/v1/topup", "/.well-known/satstile/status"] {
        let fields = [
            ("origin", "https://app.test"),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", asked),
        ];
        let granted = http::send("OPTIONS", &stack.url(path), &fields, b"");
        assert_eq!((granted.status, granted.all("access-control-allow-origin")), (204, vec!["*"]), "{path}");
        let allowed = granted.header("access-control-allow-headers").unwrap_or_default();
        let allowed: Vec<_> = allowed.split(", ").map(str::to_ascii_lowercase).collect();
        for name in
            asked.split(',').take(7).chain(["authorization", "content-type", "accept-payment", "idempotency-key"])
        {
            assert!(allowed.iter().any(|allowed| allowed == name), "{path}: {name}");
        }
        assert_eq!(allowed.len(), 11, "{path}: {allowed:?}");
    }
    assert_eq!(crate::common::seen(&stack), [""; 0]);
}

/// D5: a person reads what happened and what to do; a program reads the same problem as ever.
#[test]
fn a_browser_gets_a_page_and_a_program_a_problem_d5() {
    let mut stack = Stack::start(plenty(json!({})));
    stack.origin.kill();
    stack.node_mut().stop();
    for (method, path, more, status, says) in [
        ("GET", "/nowhere".to_owned(), vec![], 404, "Check the address"),
        ("GET", "/articles/%2e%2e/x".to_owned(), vec![], 400, "more than one reading"),
        ("DELETE", "/articles/1".to_owned(), vec![], 405, "GET, HEAD"),
        ("GET", "/articles/1".to_owned(), vec![("host", "evil.test")], 421, "not served here"),
        ("GET", "/free/1".to_owned(), vec![], 502, "Nothing was charged."),
        ("GET", "/articles/1".to_owned(), vec![], 503, "Cannot be sold just now. Nothing was charged."),
    ] {
        let page = http::send(method, &stack.url(&path), &[&[HTML][..], &more].concat(), b"");
        let html = page.text();
        assert_eq!((page.status, page.header("content-type")), (status, Some("text/html; charset=utf-8")), "{path}");
        assert!(html.starts_with("<!doctype html>") && html.contains("part=\"card\"") && html.contains(says), "{html}");
        let policy = page.header("content-security-policy").unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !html.contains("<script"), "{policy}");
        assert_eq!((page.all("cache-control"), page.header("x-frame-options")), (vec!["no-store"], Some("DENY")));
        assert!(!html.contains("evil.test") && !html.contains("nowhere"), "{html}");
        for accept in ["*/*", "application/json", "image/avif,image/webp,*/*;q=0.8"] {
            let problem = http::send(method, &stack.url(&path), &[&[("accept", accept)][..], &more].concat(), b"");
            assert_eq!((problem.status, problem.header("content-type")), (status, Some("application/problem+json")));
            assert_eq!(problem.json()["status"], status, "{path}");
            for name in ["retry-after", "allow"] {
                assert_eq!(problem.header(name), page.header(name), "{path}");
            }
        }
    }
    let head = http::send("HEAD", &stack.url("/nowhere"), &[HTML], b"");
    assert_eq!((head.status, head.body.len()), (404, 0));
}

/// D6: who brings a token that does not do is told which way it does not; a first visit is told nothing of the kind.
#[test]
fn a_402_says_what_is_wrong_with_what_was_brought_d6() {
    let stack = shared();
    let (ticket, other) = (buy(&stack, API), buy(&stack, "/articles/1"));
    let told = |authorization: &str| {
        let body = is_charged(&stack, authorization).response.json();
        (body["title"].as_str().unwrap().to_owned(), body["detail"].as_str().unwrap().to_owned())
    };
    let first = ask(&stack, API).response.json();
    assert_eq!(first["title"], "Payment required");
    let mut all = vec![(first["title"].as_str().unwrap().to_owned(), first["detail"].as_str().unwrap().to_owned())];
    let mistyped = told(&format!("L402 {}:{}", ticket.offer.macaroon, other.preimage));
    assert!(
        mistyped.1.starts_with("The preimage does not belong to this macaroon. Do not pay again"),
        "{}",
        mistyped.1
    );
    assert!(!mistyped.1.contains("Pay the invoice"), "{}", mistyped.1);
    // The same for every wrong preimage (T25).
    assert_eq!(told(&format!("L402 {}:{}", ticket.offer.macaroon, "00".repeat(32))), mistyped);
    all.push(mistyped);
    for (authorization, says) in [
        (other.l402(), "another service"),
        (ticket.attenuated(&["api_valid_until=1"]), "expired"),
        (ticket.attenuated(&["satstile_methods=POST"]), "other methods"),
        (ticket.attenuated(&["satstile_uses=0"]), "satstile_uses=0"),
        (ticket.attenuated(&["satstile_budget_msat=1"]), "satstile_budget_msat=1"),
        (ticket.attenuated(&["satstile_unknown=1"]), "not known"),
    ] {
        let told = told(&authorization);
        assert!(told.1.contains(says) && told.1.contains("Pay the invoice"), "{told:?}");
        all.push(told);
    }
    let mut details: Vec<_> = all.iter().map(|(_, detail)| detail.clone()).collect();
    details.sort_unstable();
    details.dedup();
    assert_eq!(details.len(), all.len(), "{all:#?}");
    assert!(all[1..].iter().all(|(title, _)| *title != all[0].0), "{all:#?}");
    // A person reads it on the page as well; a cookie that is not ours is a first visit.
    let cookie = |pass: &str| {
        let cookie = format!("__Host-satstile-pass-api={pass}");
        http::get(&stack.url(API), &[HTML, ("cookie", &cookie)]).text()
    };
    let url_safe = ticket.offer.macaroon.replace('+', "-").replace('/', "_");
    assert!(cookie(&format!("{url_safe}:{}", other.preimage)).contains("Do not pay again"));
    assert!(!cookie("junk").contains("Do not pay again"));
}

/// D7, F1: a node that is away is not the buyer's haste, and health says what cannot be done.
#[test]
fn what_cannot_be_sold_says_so_d7() {
    let mut stack = Stack::start(plenty(json!({})));
    let health = |stack: &Stack| get(stack, "/.well-known/satstile/health");
    assert_eq!(health(&stack).json(), json!({"status": "ok"}));
    let ticket = buy(&stack, API);
    stack.node_mut().stop();
    let refused = get(&stack, API);
    assert_eq!((refused.status, refused.json()["code"].as_str()), (503, Some("cannot_be_sold")));
    assert!(refused.json()["detail"].as_str().unwrap().starts_with("Cannot be sold just now. Nothing was charged."));
    assert!(refused.header("retry-after").is_some_and(|s| s.parse::<u64>().is_ok()));
    let told = health(&stack);
    assert_eq!(
        (told.status, &told.json()["selling"], &told.json()["status"]),
        (200, &json!(false), &json!("degraded"))
    );
    for inside in [stack.node().url(), stack.origin.url()] {
        assert!(!told.text().contains(&inside), "{}", told.text());
    }
    // What was paid goes on to open its door.
    assert_eq!(get_with(&stack, API, &ticket.l402()).status, 200);
}

/// D8: a free route speaks of no payment, and the log says which address failed and how, without the visitor's query.
#[test]
fn an_origin_that_fails_is_named_in_the_log_d8() {
    let mut stack = Stack::start(plenty(json!({"mode": "live"})));
    let ticket = buy(&stack, API);
    let origin = stack.origin.url();
    stack.origin.kill();
    let free = get(&stack, "/free/page?name=visitor").json();
    assert_eq!(free["detail"], "Nothing was charged. Try again later.");
    let paid = get_with(&stack, API, &ticket.l402()).json();
    assert_eq!(paid["detail"], "The payment was not used up. Send the same request again.");
    let line = eventually("a line about the origin", || {
        let lines: Vec<Value> = stack.log().iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
        lines.into_iter().find(|line| line["event"] == "origin")
    });
    assert_eq!((&line["reason"], &line["address"]), (&json!("failed"), &json!(format!("{origin}/free/page"))));
    assert!(line["error"].as_str().is_some_and(|error| !error.is_empty()), "{line}");
    assert!(!stack.log().join("\n").contains("visitor"));
}

/// D5: pages stand quickly, also where the origin is late.
#[test]
fn a_late_origin_is_a_page_d5() {
    let origin = Server::start(|_, _| {
        std::thread::sleep(Duration::from_secs(5));
        Ok(())
    });
    let policy = json!({"origin": origin.url(), "timeouts": {"first_byte_s": 1}});
    let stack = Stack::start(StackOptions::policy(policy));
    let start = Instant::now();
    let page = http::get(&stack.url("/free/1"), &[HTML]);
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(page.status, 504, "{}", page.text());
    assert!(page.text().contains("Try again") && page.text().contains("Nothing was charged."), "{}", page.text());
}
