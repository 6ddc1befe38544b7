//! A script that paid hands its credential to the browser, so that pictures, downloads and pages open by their plain
//! address: `POST`, `GET` and `DELETE` of `pass` (C6, T113, T114).

use l402::Keys;
use l402::identifier::Identifier;
use l402::token::Token;
use l402::{PaymentHash, Preimage};
use satstile_tests::raw::Response;
use satstile_tests::{Secrets, Stack, http};
use serde_json::json;

use crate::common::{Purchase, attenuate, buy, get, invoices, now, only_seen, plenty, seen, shared};

const PASS: &str = "/.well-known/satstile/pass";

fn set(stack: &Stack, authorization: &str, more: &[(&str, &str)]) -> Response {
    http::post(&stack.url(PASS), &[&[("authorization", authorization)], more].concat(), b"")
}

/// `GET` or `DELETE`, for a path as `encodeURIComponent` writes it.
fn about(stack: &Stack, method: &str, encoded: &str, headers: &[(&str, &str)]) -> Response {
    http::send(method, &stack.url(&format!("{PASS}?for={encoded}")), headers, b"")
}

/// `name=value` of each cookie that was set, and its life.
fn cookies(response: &Response) -> Vec<(String, u64)> {
    let life = |line: &str| line.split("Max-Age=").nth(1)?.split(';').next()?.parse().ok();
    let all = response.all("set-cookie").into_iter();
    all.map(|line| (line.split(';').next().unwrap_or_default().to_owned(), life(line).unwrap_or_default())).collect()
}

fn keys(stack: &Stack) -> Keys {
    Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap()
}

/// No field of these answers tells another site anything.
#[track_caller]
fn is_private(response: &Response) {
    let cors = response.headers.iter().find(|(name, _)| name.to_ascii_lowercase().starts_with("access-control-"));
    assert_eq!(cors, None);
    assert_eq!(response.all("cache-control"), ["no-store"]);
}

/// The whole way: a script pays, the browser holds the pass, a plain GET is let in, and it is forgotten again.
#[test]
fn what_a_script_paid_for_opens_by_its_plain_address() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    let before = invoices(&stack);
    let held = set(&stack, &ticket.l402(), &[("origin", &stack.url(""))]);
    assert_eq!((held.status, held.body.len()), (204, 0));
    is_private(&held);
    let cookies = cookies(&held);
    let [(pass, life), (wait, 0)] = &cookies[..] else { panic!("{cookies:?}") };
    assert!((3_600..=4_200).contains(life), "{life}");
    assert_eq!(wait, "__Host-satstile-wait-articles=");
    assert!(pass.starts_with("__Host-satstile-pass-articles=") && pass.ends_with(&format!(":{}", ticket.preimage)));
    for line in held.all("set-cookie") {
        assert!(line.contains("; Path=/; Max-Age=") && line.ends_with("; Secure; HttpOnly; SameSite=Lax"), "{line}");
    }
    let cookie = [("cookie", pass.as_str())];
    for path in
        ["%2Farticles%2F1", "%2Farticles%2F2%3Fpage%3D2%26x%3D%2527", "%2F", "/articles/1", "%2Ffree%2Fcaf%25C3%25A9"]
    {
        let open = about(&stack, "GET", path, &cookie);
        assert_eq!(
            (open.status, open.text().as_str(), open.header("set-cookie")),
            (200, r#"{"open":true}"#, None),
            "{path}"
        );
        is_private(&open);
    }
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(http::get(&stack.url("/articles/1"), &cookie).status, 200);
    assert_eq!(only_seen(&stack).header("cookie"), None);

    let gone = about(&stack, "DELETE", "%2Farticles%2F1", &cookie);
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    is_private(&gone);
    let cleared = ["__Host-satstile-pass-articles=", "__Host-satstile-wait-articles="].map(|c| (c.to_owned(), 0));
    assert_eq!(self::cookies(&gone), cleared);
    assert_eq!(invoices(&stack), before);
}

/// C6: what opens nothing is told so, in the same bytes, and no path leads anywhere but to a decision.
#[test]
fn a_visitor_without_a_pass_is_told_no_and_nothing_is_made() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    let before = invoices(&stack);
    let pass = cookies(&set(&stack, &ticket.l402(), &[]))[0].0.clone();
    for (path, cookie) in [
        ("%2Farticles%2F1", ""),
        ("%2Farticles%2F1", "__Host-satstile-pass-articles=junk"),
        ("%2Farticles%2F1", "a=b; __Host-satstile-wait-articles=x.y.z"),
        ("%2Fdear%2F1", pass.as_str()),
        ("%2Fnowhere", &pass),
        ("%2F.well-known%2Fsatstile%2Fhealth", &pass),
        ("%2Ffree%2F..%2Farticles%2F1", &pass),
        ("%2F%2Fevil.test%2Farticles%2F1", &pass),
        ("%40evil.test%2Farticles%2F1", &pass),
        (":1%2Farticles%2F1", &pass),
        ("articles%2F1", &pass),
        ("https%3A%2F%2Fevil.test%2F", &pass),
        ("%2Farticles%2F1%3Fmacaroon%3Dx", &pass),
        ("%2Farticles%2F1%23top", &pass),
        // Not as a browser spells it in a request: `%2527` is.
        ("%2Farticles%2F1%3Fx%3D%27", &pass),
        ("%FF", &pass),
        ("", &pass),
    ] {
        let refused = about(&stack, "GET", path, &[("cookie", cookie)]);
        assert_eq!((refused.status, refused.text().as_str()), (200, r#"{"open":false}"#), "{path} {cookie}");
        assert_eq!(refused.header("set-cookie"), None);
        is_private(&refused);
    }
    assert_eq!(http::get(&stack.url(PASS), &[("cookie", &pass)]).text(), r#"{"open":false}"#);
    for path in ["%2F", "%2Ffree%2F1", "%2Fnowhere", "", "articles%2F1"] {
        let kept = about(&stack, "DELETE", path, &[]);
        assert_eq!((kept.status, kept.header("set-cookie")), (404, None), "{path}");
    }
    assert_eq!(invoices(&stack), before);
    assert_eq!(seen(&stack), [""; 0]);
}

/// T62, T64: whatever is wrong with a credential, nothing is set and nothing is told. A delegate's token is no pass.
#[test]
fn only_a_paid_token_as_it_was_minted_becomes_a_cookie() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    let (macaroon, preimage) = (&ticket.offer.macaroon, &ticket.preimage);
    let hash = PaymentHash::from_hex(&ticket.offer.payment_hash).unwrap();
    let mint = |keys: &Keys, deployment: &str, life_s: i64, methods: &str| {
        let until = format!("articles_valid_until={}", now().0.saturating_add_signed(life_s));
        let caveats = [
            "services=articles:0".to_owned(),
            until,
            format!("satstile_aud={deployment}"),
            format!("satstile_methods={methods}"),
        ];
        Token::mint(keys, Identifier::new(hash, keys.minting_id(), [1; 31]), &caveats).unwrap().to_wire()
    };
    let (ours, secrets) = (keys(&stack), Secrets::random());
    let strangers = Keys::parse(&secrets.master_keys, &secrets.challenge_secret).unwrap();
    let other = Preimage::new([9; 32]).expose_hex();
    // The story's own minting is good, so that each "no" below is for its own reason.
    let good = set(&stack, &format!("L402 {}:{preimage}", mint(&ours, "demo", 60, "GET,HEAD")), &[]);
    assert_eq!(good.status, 204);
    assert!((55..=60).contains(&cookies(&good)[0].1), "{good:?}");
    let nothing = set(&stack, "", &[]);
    for authorization in [
        format!("L402 {macaroon}"),
        format!("L402 {macaroon}:"),
        format!("L402 {macaroon}:{other}"),
        format!("Bearer {macaroon}:{preimage}"),
        format!("L402 {}:{preimage}", attenuate(macaroon, &["satstile_methods=GET"])),
        format!("L402 {}:{preimage}", attenuate(macaroon, &["foreign=1"])),
        format!("L402 {macaroon},{macaroon}:{preimage}"),
        format!("L402 {}:{preimage}", mint(&strangers, "demo", 60, "GET,HEAD")),
        format!("L402 {}:{preimage}", mint(&ours, "other", 60, "GET,HEAD")),
        format!("L402 {}:{preimage}", mint(&ours, "demo", -1, "GET,HEAD")),
        format!("L402 {}:{preimage}", mint(&ours, "demo", 60, "POST")),
        ticket.payment(),
        "L402 junk".to_owned(),
    ] {
        let refused = set(&stack, &authorization, &[]);
        assert_eq!((refused.status, refused.text()), (404, nothing.text()), "{authorization}");
        assert_eq!(refused.header("set-cookie"), None);
        is_private(&refused);
    }
    // A cookie alone is no credential here: nothing prolongs itself.
    let pass = cookies(&set(&stack, &ticket.l402(), &[]))[0].0.clone();
    let renewed = http::post(&stack.url(PASS), &[("cookie", &pass)], b"");
    assert_eq!((renewed.status, renewed.text()), (404, nothing.text()));
}

/// T114: another site may neither ask, nor set, nor forget.
#[test]
fn a_page_of_another_site_sets_nothing() {
    let stack = shared();
    let ticket = buy(&stack, "/articles/1");
    let ours = stack.url("");
    for origin in ["https://blog.test", "null", "http://127.0.0.1", &format!("{ours}.evil.test")] {
        let refused = set(&stack, &ticket.l402(), &[("origin", origin)]);
        assert_eq!((refused.status, refused.header("set-cookie")), (403, None), "{origin}");
        is_private(&refused);
        let kept = about(&stack, "DELETE", "%2Farticles%2F1", &[("origin", origin)]);
        assert_eq!((kept.status, kept.header("set-cookie")), (403, None), "{origin}");
        is_private(&kept);
        for method in ["POST", "DELETE", "GET"] {
            let asks = [
                ("origin", origin),
                ("access-control-request-method", method),
                ("access-control-request-headers", "authorization"),
            ];
            let preflight = http::send("OPTIONS", &stack.url(PASS), &asks, b"");
            assert!(preflight.status >= 400, "{}", preflight.status);
            is_private(&preflight);
        }
    }
    assert_eq!(about(&stack, "DELETE", "%2Farticles%2F1", &[("origin", &ours)]).status, 204);
    for method in ["PUT", "PATCH", "OPTIONS"] {
        let refused = http::send(method, &stack.url(PASS), &[("origin", &ours)], b"");
        assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, POST, DELETE")), "{method}");
    }
}

/// T114: each of our hosts is a site of its own, and a page of it is at home there.
#[test]
fn a_page_of_any_of_our_hosts_is_at_home() {
    let hosts = json!({"hosts": ["example.com", "www.example.com"], "public_url": "https://example.com"});
    let stack = Stack::start(plenty(hosts));
    let ticket = buy(&stack, "/articles/1");
    let www = [("host", "www.example.com"), ("origin", "https://www.example.com")];
    assert_eq!(set(&stack, &ticket.l402(), &www).status, 204);
    assert_eq!(about(&stack, "DELETE", "%2Farticles%2F1", &www).status, 204);
    assert_eq!(set(&stack, &ticket.l402(), &[("host", "example.com"), ("origin", "https://example.com")]).status, 204);
    for (host, origin) in [
        ("www.example.com", "http://www.example.com"),
        ("www.example.com", "https://www.example.com.evil.test"),
        ("example.com", "https://www.example.com"),
        ("www.example.com", "https://blog.test"),
        ("www.example.com", "null"),
    ] {
        let refused = set(&stack, &ticket.l402(), &[("host", host), ("origin", origin)]);
        assert_eq!((refused.status, refused.header("set-cookie")), (403, None), "{host} {origin}");
        is_private(&refused);
    }
    assert_eq!(set(&stack, &ticket.l402(), &[("host", "evil.test"), ("origin", "https://evil.test")]).status, 421);
}

/// C6: the cookie's name is what the purchase opens: a service, or with `bind_route` one route of it.
#[test]
fn a_pass_for_a_route_is_named_after_it() {
    let routes = json!([{"path": "/dear/*"}, {"path": "/other/*"}]);
    let stack = Stack::start(plenty(
        json!({"services": {"dear": {"bind_route": true, "routes": routes, "uses": 2, "ranges": false}}}),
    ));
    let ticket: Purchase = buy(&stack, "/dear/echo");
    let cookies = cookies(&set(&stack, &ticket.l402(), &[]));
    let (name, _) = cookies[0].0.split_once('=').unwrap();
    let scope = name.strip_prefix("__Host-satstile-pass-dear.").unwrap_or_else(|| panic!("{name}"));
    assert_eq!((scope.len(), cookies[1].0.as_str()), (16, format!("__Host-satstile-wait-dear.{scope}=").as_str()));
    let held = |path: &str| about(&stack, "GET", path, &[("cookie", &cookies[0].0)]).text();
    assert_eq!((held("%2Fdear%2Fecho"), held("%2Fother%2F1")), (r#"{"open":true}"#.into(), r#"{"open":false}"#.into()));
    let gone = about(&stack, "DELETE", "%2Fother%2F1", &[]);
    assert!(!gone.all("set-cookie")[0].contains(scope), "{gone:?}");
    // Asking counts nothing: both uses are still there. Once they are not, the answer is no.
    for (status, open) in [(200, true), (200, false), (402, false)] {
        let read = crate::common::eventually("the delivery", || {
            Some(http::get(&stack.url("/dear/echo"), &[("cookie", &cookies[0].0)])).filter(|r| r.status != 409)
        });
        assert_eq!(read.status, status);
        crate::common::eventually("the answer", || {
            (held("%2Fdear%2Fecho") == format!("{{\"open\":{open}}}")).then_some(())
        });
    }
    assert_eq!(get(&stack, "/other/1").status, 402);
}
