//! What comes back from the origin, on a free route and with a paid token (T34, T37, T39, T40, T43, T46, C12).

use satstile_tests::raw::Response;
use satstile_tests::{Stack, http};
use serde_json::json;

use crate::common::server::{self, Server};
use crate::common::{API, Purchase, after_the_409s, buy, get, get_with, plenty, shared};

/// An origin that answers every request with these header fields, and a paid token for it.
fn answering(
    status: u16,
    headers: impl Fn(&str) -> Vec<(String, String)> + Send + Sync + 'static,
) -> (Stack, Server, Purchase) {
    let mut origin = Server::bind();
    let url = origin.url();
    let stack = Stack::start(plenty(json!({"origin": url})));
    origin.serve(move |heard, stream| {
        let headers = headers(&heard.target);
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        server::reply(stream, status, &headers, b"body")
    });
    let ticket = buy(&stack, API);
    (stack, origin, ticket)
}

fn fields(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// T34, T37: what an origin says to its next hop, or in our name, ends here.
#[test]
fn a_response_loses_what_is_not_for_the_client() {
    let said = fields(&[
        ("Connection", "X-Private-Hop, close"),
        ("X-Private-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authenticate", "Basic realm=\"origin\""),
        ("Proxy-Connection", "close"),
        ("WWW-Authenticate", "L402 macaroon=\"b3JpZ2lu\", invoice=\"lnbcrt1origin\""),
        ("Authentication-Info", "nextnonce=1"),
        ("Server", "origin/1"),
        ("X-Powered-By", "origin"),
        ("Payment-Receipt", "forged"),
        ("Satstile-Receipt", "forged"),
        ("Satstile-Free-Remaining", "999"),
        ("Alt-Svc", "h3=\":443\""),
        ("X-End-To-End", "1"),
        ("Content-Language", "de"),
        ("ETag", "\"v1\""),
    ]);
    let names: Vec<String> = said[..13].iter().map(|(name, _)| name.clone()).collect();
    let (stack, _origin, ticket) = answering(200, move |_| said.clone());
    let free = get(&stack, "/free/1");
    let token = get_with(&stack, API, &ticket.l402());
    let payment = get_with(&stack, API, &ticket.payment());
    for (response, is_receipted) in [(free, false), (token, false), (payment, true)] {
        assert_eq!((response.status, response.text().as_str()), (200, "body"));
        for name in &names {
            let ours = name == "Connection" || (is_receipted && name.ends_with("Receipt"));
            let value = response.header(name).unwrap_or_default();
            assert!(ours || value.is_empty(), "{name}: {value}");
            assert!(!value.contains("forged") && !value.contains("Private"), "{name}: {value}");
        }
        assert_eq!((response.header("x-end-to-end"), response.header("etag")), (Some("1"), Some("\"v1\"")));
        assert_eq!(response.header("content-language"), Some("de"));
    }
}

/// T37: an origin that wants a login or money of its own has failed; its challenge never reaches the payer, whose
/// payment is not used up.
#[test]
fn a_challenge_of_the_origin_is_a_bad_gateway() {
    let stack = shared();
    let ticket = buy(&stack, API);
    for (path, authorization) in [
        ("/api/fault/challenge", ticket.l402()),
        ("/api/fault/status/401", ticket.l402()),
        ("/api/fault/status/402", ticket.attenuated(&["satstile_uses=1"])),
    ] {
        let response = get_with(&stack, path, &authorization);
        assert_eq!((response.status, response.header("www-authenticate")), (502, None), "{path}");
        assert!(!response.text().contains("origin wants money"), "{}", response.text());
        assert_eq!(response.all("cache-control"), ["no-store"]);
    }
    let again = after_the_409s(&stack, API, &ticket.attenuated(&["satstile_uses=1"]));
    assert_eq!(again.status, 200);
}

/// T40: what was paid for is for one client and no cache, whatever the origin thinks; a free answer is the origin's to
/// share.
#[test]
fn a_paid_answer_is_private_and_a_free_one_is_as_the_origin_says() {
    let (stack, _origin, ticket) = answering(200, |_| {
        fields(&[
            ("Cache-Control", "public, max-age=3600"),
            ("Cache-Control", "immutable"),
            ("Vary", "Accept"),
            ("Age", "5"),
        ])
    });
    for credential in [ticket.l402(), ticket.payment()] {
        let paid = get_with(&stack, API, &credential);
        assert_eq!(paid.all("cache-control"), ["private, no-store"]);
        let vary = paid.all("vary").join(", ");
        assert!(vary.contains("Accept,") && vary.contains("Authorization") && vary.contains("Cookie"), "{vary}");
        assert_eq!(paid.header("age"), None);
    }
    let free = get(&stack, "/free/1");
    assert_eq!(free.all("cache-control").join(", "), "public, max-age=3600, immutable");
    assert_eq!(free.all("vary").join(", "), "Accept");
}

/// T40 for the fields that overrule `Cache-Control` at a CDN: RFC 9213's targeted ones and their older cousins.
#[test]
fn no_other_field_makes_a_paid_answer_public() {
    const TARGETED: [&str; 5] =
        ["CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Surrogate-Control", "Edge-Control", "X-Accel-Expires"];
    let (stack, _origin, ticket) = answering(200, |_| {
        fields(&TARGETED.map(|name| (name, if name.starts_with('X') { "3600" } else { "public, max-age=3600" })))
    });
    let paid = get_with(&stack, API, &ticket.l402());
    let told: Vec<_> = TARGETED.iter().filter(|name| paid.header(name).is_some()).collect();
    assert!(told.is_empty(), "{told:?} tell a cache to keep a paid answer");
}

/// T40: errors of a paid route are paid answers too.
#[test]
fn an_error_of_a_paid_route_is_private_too() {
    let stack = shared();
    let ticket = buy(&stack, API);
    for path in ["/api/fault/status/404", "/api/fault/status/500", "/api/fault/redirect?to=/free/1"] {
        assert_eq!(get_with(&stack, path, &ticket.l402()).all("cache-control"), ["private, no-store"], "{path}");
    }
}

/// T39: a redirect goes to the client and is followed by nobody here; the origin's own address stays a secret.
#[test]
fn a_redirect_is_mapped_and_not_followed() {
    let mut origin = Server::bind();
    let (inside, base) = (origin.url(), origin.url());
    let stack = Stack::start(plenty(json!({"origin": inside})));
    origin.serve(move |heard, stream| {
        let to = heard.target.split_once("to=").map_or("", |(_, to)| to).replace("ORIGIN", &base);
        let to = to.replace("HOST", base.trim_start_matches("http://"));
        server::reply(stream, 302, &[("Location", &to)], b"")
    });
    let ticket = buy(&stack, API);
    let mut wrong = Vec::new();
    for (to, expected) in [
        ("ORIGIN/articles/2?x=1", "/articles/2?x=1"),
        ("ORIGIN/", "/"),
        ("/free/1", "/free/1"),
        ("next", "next"),
        ("https://elsewhere.test/x", "https://elsewhere.test/x"),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:1/x"),
        ("ORIGIN0/x", "ORIGIN0/x"),
        ("//elsewhere.test/x", "//elsewhere.test/x"),
        // The same upstream in other words.
        ("ORIGIN", "/"),
        ("ORIGIN?x=1", "/?x=1"),
        ("//HOST/articles/2", "/articles/2"),
        ("HTTP://HOST/articles/2", "/articles/2"),
    ] {
        let before = origin.heard().len();
        let response = get_with(&stack, &format!("/api/go?to={to}"), &ticket.l402());
        assert_eq!(response.status, 302);
        assert_eq!(origin.heard().len() - before, 1, "{to} was followed");
        let location = response.header("location").unwrap_or_default();
        if location != expected.replace("ORIGIN", &origin.url()) {
            wrong.push(format!("{to} became {location}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// T46: a browser finds one `Access-Control-Allow-Origin`, the origin's own if it has one, and may read our fields.
#[test]
fn there_is_one_allowed_origin_and_our_fields_are_exposed() {
    let (stack, _origin, ticket) = answering(200, |target| match target.rsplit('/').next() {
        Some("own") => fields(&[
            ("Access-Control-Allow-Origin", "https://shop.test"),
            ("Access-Control-Expose-Headers", "X-Total"),
        ]),
        Some("twice") => fields(&[("Access-Control-Allow-Origin", "*"), ("Access-Control-Allow-Origin", "*")]),
        _ => Vec::new(),
    });
    let exposed = |response: &Response| {
        let all = response.all("access-control-expose-headers").join(", ");
        all.split(',').map(|name| name.trim().to_ascii_lowercase()).collect::<Vec<_>>()
    };
    for (base, credential) in [("/api", ticket.l402()), ("/free", "Bearer none".to_owned())] {
        let ask = |name: &str| get_with(&stack, &format!("{base}/{name}"), &credential);
        let plain = ask("plain");
        assert_eq!(plain.all("access-control-allow-origin"), ["*"]);
        for name in ["www-authenticate", "payment-receipt", "satstile-receipt", "retry-after"] {
            assert!(exposed(&plain).contains(&name.to_owned()), "{name} is not exposed on {base}");
        }
        let own = ask("own");
        assert_eq!(own.all("access-control-allow-origin"), ["https://shop.test"]);
        assert!(exposed(&own).contains(&"x-total".to_owned()) && exposed(&own).contains(&"payment-receipt".to_owned()));
        assert_eq!(ask("twice").all("access-control-allow-origin"), ["*"]);
    }
}

/// T46: `*` beside credentials is a contradiction that browsers refuse; we do not write it.
#[test]
fn a_wildcard_never_stands_beside_credentials() {
    let (stack, _origin, ticket) = answering(200, |_| fields(&[("Access-Control-Allow-Credentials", "true")]));
    for response in [get(&stack, "/free/1"), get_with(&stack, API, &ticket.l402())] {
        let (origin, credentials) = ("access-control-allow-origin", "access-control-allow-credentials");
        let both = (response.header(origin), response.header(credentials));
        assert!(both.0 != Some("*") || both.1.is_none(), "{both:?}");
    }
}

/// An origin that compresses for who asks for it: `…/small` and `…/large`.
fn compressing() -> (Stack, Server, Purchase, [Vec<u8>; 2]) {
    let noise = |length: u32| (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>();
    let bodies = [gzip(&noise(1_000)), gzip(&noise(200_000))];
    let mut origin = Server::bind();
    let stack = Stack::start(plenty(json!({"origin": origin.url()})));
    let sent = bodies.clone();
    origin.serve(move |heard, stream| {
        let accepts = heard.header("accept-encoding").is_some_and(|value| value.contains("gzip"));
        let body = &sent[usize::from(heard.target.ends_with("large"))];
        match accepts {
            true => server::reply(stream, 200, &[("Content-Encoding", "gzip"), ("Content-Type", "text/plain")], body),
            false => server::reply(stream, 200, &[("Content-Type", "text/plain")], b"not compressed"),
        }
    });
    let ticket = buy(&stack, API);
    (stack, origin, ticket, bodies)
}

/// T43: a compressed answer passes as it is, however long; it is never inflated at the edge. Where a delivery has to be
/// watched, the origin may be asked for a plain one instead.
#[test]
fn a_compressed_answer_passes_undecoded() {
    let (stack, _origin, ticket, [small, large]) = compressing();
    let mut wrong = Vec::new();
    for (path, body, credential) in [
        ("/free/small", &small, "Bearer none".to_owned()),
        ("/free/large", &large, "Bearer none".to_owned()),
        ("/api/small", &small, ticket.l402()),
        ("/api/large", &large, ticket.l402()),
        ("/api/small", &small, ticket.payment()),
    ] {
        let headers = [("authorization", credential.as_str()), ("accept-encoding", "gzip")];
        let response = http::get(&stack.url(path), &headers);
        let scheme = credential.split(' ').next().unwrap_or_default();
        let is_whole = match response.header("content-encoding") {
            Some("gzip") => response.body == *body,
            None => scheme == "Payment" && response.text() == "not compressed",
            Some(_) => false,
        };
        if response.status != 200 || !is_whole {
            let (status, length) = (response.status, response.body.len());
            wrong.push(format!("{path} {scheme}: {status}, {} bytes became {length}", body.len()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// T43: nor does the edge ask for a compression that the client did not ask for.
#[test]
fn who_did_not_ask_for_compression_gets_none() {
    let (stack, _origin, ticket, _) = compressing();
    for (path, credential) in
        [("/free/small", "Bearer none".to_owned()), ("/api/large", ticket.l402()), ("/api/large", ticket.payment())]
    {
        let response = get_with(&stack, path, &credential);
        assert_eq!((response.header("content-encoding"), response.text().as_str()), (None, "not compressed"), "{path}");
    }
}

/// A gzip file of stored blocks, so that its size says whether somebody unpacked and packed it again.
fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = data.chunks(65_535).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap();
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let crc = data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    out.extend((!crc).to_le_bytes());
    out.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    out
}

/// Row A18 (T37): what reaches beyond the page that was asked for ends here; a service worker may have a folder of its own.
#[test]
fn what_reaches_beyond_a_page_ends_here_a18() {
    let (stack, _origin, ticket) = answering(200, |target| {
        let scope = if target.contains("app") { "/app/" } else { "/" };
        fields(&[
            ("Clear-Site-Data", "\"*\""),
            ("Refresh", "0; url=https://evil.example/"),
            ("Service-Worker-Allowed", scope),
        ])
    });
    for (response, scope) in [
        (get(&stack, "/free/1"), None),
        (get_with(&stack, API, &ticket.l402()), None),
        (get(&stack, "/free/app"), Some("/app/")),
    ] {
        assert_eq!(response.status, 200);
        assert_eq!((response.header("clear-site-data"), response.header("refresh")), (None, None));
        assert_eq!(response.header("service-worker-allowed"), scope);
    }
}
