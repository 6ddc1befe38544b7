//! One request, one decision: who passes, who pays, who is refused, and that each "yes" has its nearest "no".

use l402::caps::{Cap, Limit};
use l402::caveat;
use l402::decide::{Proof, Quote};
use l402::encoding::to_base64;
use l402::identifier::Identifier;
use l402::problem::Refusal;
use l402::response::ResponseRules;
use l402::token::{Token, UnverifiedToken};
use l402::{Decision, Denial, Keys, Malformed, Policy, Preimage, Request, UnixTime, decide};

const NOW: UnixTime = UnixTime(1_900_000_000);

fn policy() -> Policy {
    Policy::from_json(
        r#"{"version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
            "free": [{"path": "/"}, {"path": "/free/*", "methods": ["any"]}],
            "services": {
              "articles": {"price_msat": 21000, "valid_s": 3600, "routes": [{"path": "/articles/*"}]},
              "api": {"price_msat": 10000, "valid_s": 600, "uses": 3, "routes": [{"path": "/api/*", "methods": ["any"]}]},
              "dear": {"price_msat": 50000, "valid_s": 600, "bind_route": true,
                       "routes": [{"path": "/dear/*"}, {"path": "/dear/other/*"}]}}}"#,
    )
    .unwrap()
}

fn random(seed: u8) -> String {
    to_base64(&(0..32u8).map(|i| i.wrapping_mul(37) ^ seed.wrapping_mul(59)).collect::<Vec<_>>())
}

fn keys() -> Keys {
    Keys::parse(&format!("1:{}", random(1)), &random(2)).unwrap()
}

/// A token as the worker mints it, bought for `service` on its first route.
fn bought(keys: &Keys, service: &str, preimage: &Preimage) -> String {
    let policy = policy();
    let service = policy.service_named(service).unwrap();
    let route = policy.routes.iter().find(|r| r.pattern == format!("/{}/*", service.id)).unwrap();
    let caveats = caveat::minted(&policy, service, route, NOW.plus(service.valid_s));
    let id = Identifier::new(preimage.payment_hash(), keys.minting_id(), [7; 31]);
    Token::mint(keys, id, &caveats).unwrap().to_wire()
}

fn paid(service: &str) -> String {
    let preimage = Preimage::new([0x11; 32]);
    format!("authorization:L402 {}:{}", bought(&keys(), service, &preimage), preimage.expose_hex())
}

#[track_caller]
fn ask<T>(method: &str, target: &str, headers: &str, now: UnixTime, look: impl FnOnce(Decision<'_>) -> T) -> T {
    let url = format!("http://localhost:8787{target}");
    let request = Request { method, url: &url, headers, has_body: false };
    look(decide(&policy(), &keys(), &request, now))
}

#[track_caller]
fn charged(method: &str, target: &str, headers: &str, reason: Option<Denial>) {
    ask(method, target, headers, NOW, |decision| match decision {
        Decision::Charge(Quote { reason: given, .. }) => assert_eq!(given, reason),
        other => panic!("{other:?}"),
    });
}

#[track_caller]
fn refused(method: &str, target: &str, headers: &str, status: u16) {
    ask(method, target, headers, NOW, |decision| match decision {
        Decision::Refuse(refusal, _) => assert_eq!(refusal.status(), status, "{refusal:?}"),
        other => panic!("{other:?}"),
    });
}

#[test]
fn a_free_path_is_forwarded_byte_for_byte() {
    ask("GET", "/free/x?y=%27", "", NOW, |decision| match decision {
        Decision::Free(pass) => {
            assert_eq!(pass.url, "http://127.0.0.1:8789/free/x?y=%27");
            assert_eq!(*pass.rules, ResponseRules::FREE);
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn a_path_that_no_route_names_is_404_and_not_free() {
    refused("GET", "/free", "", 404);
    refused("GET", "/elsewhere", "", 404);
    refused("GET", "/Articles/1", "", 404);
}

#[test]
fn nobody_passes_without_paying_t1() {
    charged("GET", "/articles/1", "", None);
    charged("GET", "/articles/1", "authorization:Bearer sk-123", None);
    charged("HEAD", "/articles/1", "", None);
    refused("GET", "/articles/1", "authorization:L402 junk", 400);
}

#[test]
fn a_paid_token_opens_its_service_and_is_not_shown_to_the_origin_t36() {
    ask("GET", "/articles/1", &paid("articles"), NOW, |decision| match decision {
        Decision::Paid(pass) => {
            assert_eq!(pass.drop, ["authorization"]);
            assert_eq!(*pass.rules, ResponseRules::PAID);
        }
        other => panic!("{other:?}"),
    });
    charged("GET", "/dear/1", &paid("articles"), Some(Denial::OtherService));
}

#[test]
fn a_get_token_opens_head_and_no_other_method_t11() {
    ask("HEAD", "/articles/1", &paid("articles"), NOW, |d| assert!(matches!(d, Decision::Paid(_)), "{d:?}"));
    refused("POST", "/articles/1", &paid("articles"), 405);
}

#[test]
fn a_second_too_late_is_too_late_t14() {
    let at = |now| ask("GET", "/articles/1", &paid("articles"), UnixTime(now), |d| matches!(d, Decision::Paid(_)));
    assert!(at(NOW.0 + 3_599));
    assert!(!at(NOW.0 + 3_600));
}

#[test]
fn the_preimage_of_another_invoice_does_not_pay_t2() {
    let token = bought(&keys(), "articles", &Preimage::new([0x11; 32]));
    let other = Preimage::new([0x22; 32]).expose_hex();
    charged("GET", "/articles/1", &format!("authorization:L402 {token}:{other}"), Some(Denial::WrongPreimage));
}

#[test]
fn a_forged_token_costs_no_invoice_t129() {
    let strangers = Keys::parse(&format!("1:{}", random(9)), &random(2)).unwrap();
    let preimage = Preimage::new([0x11; 32]);
    let forged = format!("authorization:L402 {}:{}", bought(&strangers, "articles", &preimage), preimage.expose_hex());
    ask("GET", "/articles/1", &forged, NOW, |decision| match decision {
        Decision::Refuse(Refusal::Forgery { service }, Some(Denial::BadSignature)) => assert_eq!(service, "articles"),
        other => panic!("{other:?}"),
    });
}

#[test]
fn a_token_that_was_narrowed_stays_narrow_and_one_that_was_widened_is_refused_t10() {
    let preimage = Preimage::new([0x11; 32]);
    let with = |caveat: &str| {
        let token = UnverifiedToken::parse(&bought(&keys(), "articles", &preimage)).unwrap().attenuate(caveat).unwrap();
        format!("authorization:L402 {}:{}", token.to_wire(), preimage.expose_hex())
    };
    charged("GET", "/articles/1", &with("articles_valid_until=1900000000"), Some(Denial::Expired));
    charged("GET", "/articles/1", &with("articles_valid_until=1900009999"), Some(Denial::WidenedCaveat));
    charged("GET", "/articles/1", &with("satstile_aud=other"), Some(Denial::OtherDeployment));
    ask("GET", "/articles/1", &with("preimage=00"), NOW, |d| assert!(matches!(d, Decision::Paid(_)), "lnget: {d:?}"));
}

#[test]
fn a_grant_with_a_count_goes_through_state() {
    ask("GET", "/api/echo", &paid("api"), NOW, |decision| match decision {
        Decision::Claim(claim) => match claim.proof {
            Proof::L402(paid) => {
                let counted = paid.counted.unwrap();
                let [chain] = &counted.chains[..] else { panic!("{counted:?}") };
                assert_eq!(chain.caps, [Cap { place: 4, limit: Limit::Uses(3) }]);
                assert_eq!(chain.caveats.len(), 6);
            }
            other @ Proof::Payment(_) => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
}

#[test]
fn a_token_bound_to_a_route_opens_no_other_of_its_service() {
    ask("GET", "/dear/1", &paid("dear"), NOW, |d| assert!(matches!(d, Decision::Paid(_)), "{d:?}"));
    charged("GET", "/dear/other/1", &paid("dear"), Some(Denial::OtherRoute));
}

/// The Payment challenge and the cookies of such a service name the route, or one purchase would open two.
#[test]
fn what_a_purchase_opens_is_the_service_or_the_route_that_it_is_bound_to() {
    let policy = policy();
    let scope = |service: &str, pattern: &str| {
        let route = policy.routes.iter().find(|r| r.pattern == pattern).unwrap();
        policy.service_named(service).unwrap().scope(route)
    };
    assert_eq!(scope("articles", "/articles/*"), "articles");
    assert_ne!(scope("dear", "/dear/*"), scope("dear", "/dear/other/*"));
    assert!(scope("dear", "/dear/*").starts_with("dear."));
}

/// A header of commas is looked at once from end to end, not once for each comma (T44).
#[test]
fn a_header_of_commas_is_no_credential() {
    charged("GET", "/articles/1", &format!("authorization:{}a a", ",".repeat(8_000)), None);
}

#[test]
fn a_host_that_is_not_ours_gets_nothing_t28() {
    let at = |url: &str, headers: &str| {
        let request = Request { method: "GET", url, headers, has_body: false };
        match decide(&policy(), &keys(), &request, NOW) {
            Decision::Refuse(Refusal::Malformed(why), _) => why,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(at("http://example.com/free/x", ""), Malformed::UnknownHost);
    assert_eq!(at("http://localhost:8787/pay?/free/x", "host:localhost:8787/pay?"), Malformed::UnreadableHost);
    assert_eq!(at("http://a@b/free/x", ""), Malformed::UnreadableHost);
    assert_eq!(at("http://localhost/free/x", "host:localhost.evil.test"), Malformed::UnreadableHost);
}

#[test]
fn what_no_route_takes_is_refused_before_any_credential_is_looked_at() {
    refused("TRACE", "/articles/1", "", 405);
    refused("get", "/articles/1", "", 405);
    refused("OPTIONS", "/articles/1", "", 405);
    refused("GET", "/free/x", "upgrade:h2c", 400);
    refused("GET", "/free/x", "upgrade:websocket, h2c", 400);
    refused("POST", "/free/x", "upgrade:websocket", 400);
    refused("GET", "/articles/1", "upgrade:websocket", 400);
    refused("GET", "/articles/1", &format!("upgrade:websocket\n{}", paid("articles")), 400);
    refused("GET", "/.well-known/satstile/status", "upgrade:websocket", 400);
    refused("GET", "/.well-known/satstile/watch/", "upgrade:websocket", 400);
    refused("POST", "/.well-known/satstile/watch", "upgrade:websocket", 400);
    refused("GET", "/free/x", "via:1.1 other, 1.1 satstile-demo", 508);
    let request = Request { method: "GET", url: "http://localhost/free/x", headers: "", has_body: true };
    assert!(matches!(
        decide(&policy(), &keys(), &request, NOW),
        Decision::Refuse(Refusal::Malformed(Malformed::BodyOnGet), _)
    ));
}

#[test]
fn a_real_preflight_is_answered_and_mints_nothing_t30() {
    ask("OPTIONS", "/articles/1", "origin:https://a.test\naccess-control-request-method:GET", NOW, |decision| {
        assert!(matches!(decision, Decision::Preflight(methods) if methods.to_string() == "GET,HEAD"));
    });
}

#[test]
fn a_pass_cookie_opens_get_and_never_post_c6() {
    let preimage = Preimage::new([0x11; 32]);
    let token = bought(&keys(), "api", &preimage).replace('+', "-").replace('/', "_").replace('=', "");
    let cookie = format!("cookie:theme=dark; __Host-satstile-pass-api={token}:{}", preimage.expose_hex());
    ask("GET", "/api/echo", &cookie, NOW, |decision| match decision {
        Decision::Claim(claim) => assert!(claim.otherwise.pass.set.contains(&("cookie", "theme=dark".to_owned()))),
        other => panic!("{other:?}"),
    });
    charged("POST", "/api/echo", &cookie, None);
    charged("GET", "/api/echo", &format!("{cookie}\nauthorization:Bearer x"), None);
    charged("GET", "/api/echo", "cookie:__Host-satstile-pass-api=junk", None);
}

#[test]
fn html_is_for_those_who_prefer_it() {
    let html = |accept: &str| {
        ask("GET", "/articles/1", &format!("accept:{accept}"), NOW, |decision| match decision {
            Decision::Charge(quote) => quote.wants_html,
            other => panic!("{other:?}"),
        })
    };
    assert!(html("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
    assert!(!html("*/*"));
    assert!(!html("application/json, text/html;q=0.5"));
    assert!(!html("text/html;q=0"));
}

/// D10: by weight, then by place, and only what is known.
#[test]
fn a_language_is_the_one_that_is_preferred_and_known_d10() {
    let known = |code: &str| ["en", "de", "pt"].into_iter().find(|known| known.eq_ignore_ascii_case(code));
    let wants = |field: &str| decide::wants_language(Some(field), known);
    assert_eq!(wants("de-AT,de;q=0.9,en;q=0.8"), Some("de"));
    assert_eq!(wants("fr, en;q=0.5, PT-BR ; q=0.75"), Some("pt"));
    assert_eq!(wants("pt, de"), Some("pt"));
    for nothing in ["", "*", "fr", "de;q=0", "de;q=2", "deutsch", ",;=,"] {
        assert_eq!(wants(nothing), None, "{nothing}");
    }
    assert_eq!(decide::wants_language(None, known), None);
}

#[test]
fn our_own_surface_comes_before_every_route() {
    ask("POST", "/.well-known/satstile/status", "", NOW, |decision| match decision {
        Decision::Own(name, place) => {
            assert_eq!((name.as_str(), place.public_url.as_str()), ("status", "http://localhost:8787"));
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn one_door_of_our_own_takes_an_upgrade_t33() {
    ask("GET", "/.well-known/satstile/watch", "upgrade:websocket", NOW, |decision| {
        assert!(matches!(decision, Decision::Own(name, _) if name == "watch"));
    });
}

#[test]
fn a_slice_is_for_who_has_paid_for_a_time_where_the_policy_says_so_t32() {
    let mut policy = policy();
    let sliced = |policy: &Policy, method: &str, target: &str, headers: &str| {
        let url = format!("http://localhost:8787{target}");
        let headers = format!("{headers}\nrange:bytes=0-9\nif-range:x");
        let request = Request { method, url: &url, headers: &headers, has_body: false };
        let dropped = match decide(policy, &keys(), &request, NOW) {
            Decision::Free(pass) | Decision::Paid(pass) => pass.drop,
            Decision::Claim(claim) => claim.otherwise.pass.drop,
            Decision::Charge(quote) => quote.pass.drop,
            other => panic!("{other:?}"),
        };
        let stays = |name: &str| dropped.iter().any(|dropped| dropped == name);
        assert_eq!(stays("range"), stays("if-range"));
        !stays("range")
    };
    assert!(!sliced(&policy, "GET", "/articles/1", &paid("articles")));
    policy.services.iter_mut().for_each(|service| service.ranges = true);
    assert!(sliced(&policy, "GET", "/articles/1", &paid("articles")));
    assert!(sliced(&policy, "HEAD", "/articles/1", &paid("articles")));
    assert!(!sliced(&policy, "GET", "/articles/1", ""));
    // What is free has no price that a slice could undercut (D1).
    assert!(sliced(&policy, "GET", "/free/x", ""));
    // A count needs a claim, and a claim is for the whole.
    assert!(!sliced(&policy, "GET", "/api/echo", &paid("api")));
}

/// D2, T33: a WebSocket to a free route goes on with its `Upgrade`; everything else about the hop stays here.
#[test]
fn a_web_socket_begins_on_a_free_route_d2() {
    let fields =
        "upgrade:WebSocket\nconnection:Upgrade\norigin:http://a\nsec-websocket-protocol:vite-hmr\nrange:bytes=0-1";
    ask("GET", "/free/x", fields, NOW, |decision| match decision {
        Decision::Free(pass) => assert_eq!(pass.drop, ["connection", "range"]),
        other => panic!("{other:?}"),
    });
}

/// D3: the origin is told who asks, by the runtime's word and not the client's, and what was paid; nobody else can say so.
#[test]
fn the_origin_is_told_who_asks_and_what_was_paid_d3() {
    let spoofed = "x-forwarded-for:10.9.9.9\nsatstile-service:dear\nsatstile-payment-hash:00\nsatstile-origin-secret:x";
    let fields = |more: &str| format!("{spoofed}\n:=192.0.2.7:4711\n{more}");
    let hash = Preimage::new([0x11; 32]).payment_hash().to_string();
    let told = |pass: &decide::Pass, name: &str| {
        assert!(!pass.drop.iter().any(String::is_empty));
        for spoofed in ["x-forwarded-for", "satstile-service", "satstile-payment-hash", "satstile-origin-secret"] {
            assert!(pass.drop.iter().any(|dropped| dropped == spoofed), "{spoofed}");
        }
        let mut all = pass.set.iter().filter(|(set, _)| *set == name).map(|(_, value)| value.clone());
        let first = all.next();
        assert_eq!(all.next(), None, "{name} twice");
        first
    };
    ask("GET", "/articles/1", &fields(&paid("articles")), NOW, |decision| match decision {
        Decision::Paid(pass) => {
            assert_eq!(told(&pass, "x-forwarded-for").as_deref(), Some("192.0.2.7"));
            assert_eq!(told(&pass, "satstile-service").as_deref(), Some("articles"));
            assert_eq!(told(&pass, "satstile-payment-hash"), Some(hash.clone()));
        }
        other => panic!("{other:?}"),
    });
    ask("GET", "/free/x", &fields(""), NOW, |decision| match decision {
        Decision::Free(pass) => {
            assert_eq!(told(&pass, "x-forwarded-for").as_deref(), Some("192.0.2.7"));
            assert_eq!((told(&pass, "satstile-service"), told(&pass, "satstile-payment-hash")), (None, None));
        }
        other => panic!("{other:?}"),
    });
    // What is let through unpaid after all is not called paid.
    ask("GET", "/articles/1", &fields(""), NOW, |decision| match decision {
        Decision::Charge(quote) => assert_eq!(told(&quote.pass, "satstile-service"), None),
        other => panic!("{other:?}"),
    });
    // Nobody says who it is: then nobody is named.
    ask("GET", "/free/x", spoofed, NOW, |decision| match decision {
        Decision::Free(pass) => assert_eq!(told(&pass, "x-forwarded-for"), None),
        other => panic!("{other:?}"),
    });
}

/// A policy like [`policy`], changed.
fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Result<Policy, String> {
    let mut policy = serde_json::json!({
        "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
        "free": [{"path": "/"}, {"path": "/free/*", "methods": ["any"]}],
        "services": {
            "articles": {"price_msat": 21000, "valid_s": 3600, "routes": [{"path": "/articles/*"}, {"path": "/report"}]},
            "api": {"price_msat": 10000, "valid_s": 600, "uses": 3, "routes": [{"path": "/api/*", "methods": ["any"]}]},
            "dear": {"price_msat": 50000, "valid_s": 600, "bind_route": true, "routes": [{"path": "/dear/*"}]},
        },
    });
    change(&mut policy);
    Policy::from_value(&policy).map_err(|fault| fault.to_string())
}

fn at(policy: &Policy, url: &str, headers: &str) -> String {
    match decide(policy, &keys(), &Request { method: "GET", url, headers, has_body: false }, NOW) {
        Decision::Free(pass) => format!("free {}", pass.url.trim_start_matches("http://127.0.0.1:8789")),
        Decision::Paid(pass) => format!("paid {}", pass.url.trim_start_matches("http://127.0.0.1:8789")),
        Decision::Charge(quote) => format!("charge {}", quote.service.id),
        Decision::Claim(claim) => format!("claim {}", claim.service.id),
        Decision::Refuse(refusal, _) => refusal.status().to_string(),
        other => format!("{other:?}"),
    }
}

/// Row B3 (T13): the grant holds until it ends, whatever the price is by then; for its own service alone.
#[test]
fn a_change_of_price_takes_nothing_from_who_has_paid_b3() {
    for price in [1_000, 21_000, 90_000] {
        let policy = changed(|p| p["services"]["articles"]["price_msat"] = price.into()).unwrap();
        assert_eq!(at(&policy, "http://localhost/articles/1", &paid("articles")), "paid /articles/1");
        assert_eq!(at(&policy, "http://localhost/dear/1", &paid("articles")), "charge dear");
        assert_eq!(at(&policy, "http://localhost/dear/1", &paid("dear")), "paid /dear/1");
    }
    // What a use takes of a budget is what it was sold for, and a holder's word for that is none.
    let policy = changed(|p| p["services"]["api"]["price_msat"] = 90_000.into()).unwrap();
    let preimage = Preimage::new([0x11; 32]);
    let with = |caveats: &[&str]| {
        let token = UnverifiedToken::parse(&bought(&keys(), "api", &preimage)).unwrap();
        let token = caveats.iter().try_fold(token, |token, caveat| token.attenuate(caveat)).unwrap();
        format!("authorization:L402 {}:{}", token.to_wire(), preimage.expose_hex())
    };
    let request = |headers: &str| match decide(
        &policy,
        &keys(),
        &Request { method: "GET", url: "http://localhost/api/echo", headers, has_body: false },
        NOW,
    ) {
        Decision::Claim(claim) => match claim.proof {
            Proof::L402(paid) => Ok(paid.terms.price.unwrap().0),
            other => panic!("{other:?}"),
        },
        Decision::Charge(quote) => Err(quote.reason.unwrap()),
        other => panic!("{other:?}"),
    };
    assert_eq!(request(&with(&["satstile_budget_msat=30000"])), Ok(10_000));
    assert_eq!(request(&with(&["satstile_budget_msat=30000", "satstile_price_msat=1"])), Err(Denial::WidenedCaveat));
}

/// Row A11 (T121): a credential in a query is refused everywhere, free routes too, and a name alone nowhere.
#[test]
fn a_credential_in_a_query_is_refused_everywhere_a11() {
    let policy = policy();
    let credential = paid("articles").trim_start_matches("authorization:L402 ").to_owned();
    let (token, _) = credential.split_once(':').unwrap();
    for path in ["/free/x", "/articles/1", "/api/echo", "/nowhere"] {
        for secret in [token, credential.as_str(), &token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")] {
            let url = format!("http://localhost{path}?a=1&access_token={secret}");
            assert_eq!(at(&policy, &url, ""), "400", "{url}");
        }
    }
    assert_eq!(
        at(&policy, "http://localhost/free/x?token=abc&access_token=", ""),
        "free /free/x?token=abc&access_token="
    );
}

/// Row A18 (T30, T11): `_method` passes where both methods may be had, by this token as well.
#[test]
fn a_method_in_the_query_needs_what_the_method_itself_needs_a18() {
    let policy = policy();
    for (path, outcome) in [
        ("/articles/1?_method=DELETE", "400"),
        ("/articles/1?a=1&%5Fmethod=%70ut", "400"),
        ("/articles/1?_method=PURGE", "400"),
        ("/?_method=POST", "400"),
        ("/articles/1?_method=HEAD", "charge articles"),
        ("/articles/1?_method=", "charge articles"),
        ("/articles/1?method=DELETE", "charge articles"),
        ("/free/x?_method=DELETE", "free /free/x?_method=DELETE"),
        ("/api/echo?_method=delete", "charge api"),
    ] {
        assert_eq!(at(&policy, &format!("http://localhost{path}"), ""), outcome, "{path}");
    }
    let preimage = Preimage::new([0x11; 32]);
    let token = UnverifiedToken::parse(&bought(&keys(), "api", &preimage)).unwrap();
    let reading = token.attenuate("satstile_methods=GET,HEAD").unwrap().to_wire();
    let header = format!("authorization:L402 {reading}:{}", preimage.expose_hex());
    assert_eq!(at(&policy, "http://localhost/api/echo", &header), "claim api");
    assert_eq!(at(&policy, "http://localhost/api/echo?_method=DELETE", &header), "charge api");
}

/// Row C5 (T28): the dot that ends a name, and the port that a scheme has anyway.
#[test]
fn a_host_with_a_closing_dot_or_its_schemes_own_port_is_the_same_host_c5() {
    let policy = changed(|p| {
        p["hosts"] = serde_json::json!(["example.com"]);
        p["public_url"] = "https://example.com".into();
        p["network"] = "signet".into();
        p["origin"] = "https://origin.example".into();
    })
    .unwrap();
    let free = "free https://origin.example/";
    for (url, host) in [
        ("https://example.com/", "example.com"),
        ("https://example.com./", "example.com."),
        ("https://example.com/", "EXAMPLE.com:443"),
        ("https://example.com:443/", "example.com:443"),
        ("https://example.com/", "example.com.:443"),
        ("http://example.com/", "example.com:80"),
        // A proxy in front ends TLS.
        ("http://example.com:443/", "example.com:443"),
    ] {
        assert_eq!(at(&policy, url, &format!("host:{host}")), free, "{url} {host}");
    }
    for (url, host, outcome) in [
        ("https://example.com/", "example.com:80", "400"),
        ("https://example.com:8443/", "example.com:8443", "421"),
        ("https://example.com../", "example.com..", "400"),
        ("https://example.com/", "example.org.", "400"),
        ("https://example.org./", "example.org.", "421"),
    ] {
        assert_eq!(at(&policy, url, &format!("host:{host}")), outcome, "{url} {host}");
    }
}

/// Row C6 (T26): permitted on a route, forwarded as it is, and never a way into another route.
#[test]
fn a_route_can_permit_a_double_or_an_encoded_slash_c6() {
    let policy = changed(|p| {
        p["services"]["articles"]["routes"] = serde_json::json!([
            {"path": "/view/*", "allow": ["double_slash"]},
            {"path": "/npm/*", "allow": ["encoded_slash"]},
            {"path": "/both/*", "allow": ["double_slash", "encoded_slash"]},
            {"path": "/articles/*"}
        ]);
        p["services"]["dear"]["routes"] = serde_json::json!([{"path": "/both/dear/*"}, {"path": "/npm/@gold/*"}]);
        p["free"] = serde_json::json!([{"path": "/both/open/*", "allow": ["double_slash"]}]);
    })
    .unwrap();
    for path in ["/view/https://blog.example/a", "/npm/@scope%2fname", "/both/a//b%2Fc?x=//y"] {
        let url = format!("http://localhost{path}");
        assert_eq!(at(&policy, &url, ""), "charge articles", "{path}");
        assert_eq!(at(&policy, &url, &paid("articles")), format!("paid {path}"));
    }
    assert_eq!(at(&policy, "http://localhost/both/open/a//b", ""), "free /both/open/a//b");
    for path in [
        "/articles/https://blog.example/a",
        "/npm/a//b",
        "/view/a%2fb",
        // What another reading would make of it is another route, or none, or ours.
        "/both//dear/1",
        "/both/dear%2f1",
        "/both/open//../dear/1",
        "/both/open/..%2fdear/1",
        "/npm/@gold%2f1",
        "//view/a",
        "/view//../articles/1",
        "/both%2fa",
        "/both/open%2f1",
        "//.well-known/satstile/status",
        "/.well-known%2fsatstile/status",
    ] {
        let outcome = at(&policy, &format!("http://localhost{path}"), &paid("articles"));
        assert!(matches!(outcome.as_str(), "400" | "404"), "{path}: {outcome}");
    }
    let says = Malformed::AmbiguousTarget("").to_string();
    let url = "http://localhost/articles/a//b";
    match decide(&policy, &keys(), &Request { method: "GET", url, headers: "", has_body: false }, NOW) {
        Decision::Refuse(Refusal::Malformed(why), _) => {
            assert!(
                why.to_string().starts_with(&says) && why.to_string().contains("allow = [\"double_slash\"]"),
                "{why}"
            );
        }
        other => panic!("{other:?}"),
    }
}

/// Row C7: what a browser fetches ahead sells nothing and uses nothing up; what was paid for a time is there.
#[test]
fn a_prefetch_is_sold_nothing_and_uses_nothing_up_c7() {
    let policy = policy();
    for ahead in [
        "sec-purpose:prefetch",
        "sec-purpose:prefetch;prerender",
        "sec-purpose:prefetch;anonymous-client-ip",
        "sec-purpose:prerender",
        "purpose:prefetch",
        "x-purpose:preview",
        "x-moz:prefetch",
    ] {
        let with = |more: String| format!("{ahead}\n{more}");
        assert_eq!(at(&policy, "http://localhost/articles/1", ahead), "503", "{ahead}");
        assert_eq!(at(&policy, "http://localhost/api/echo", &with(paid("api"))), "503", "{ahead}");
        assert_eq!(at(&policy, "http://localhost/articles/1", &with(paid("articles"))), "paid /articles/1");
        assert_eq!(at(&policy, "http://localhost/free/x", ahead), "free /free/x");
    }
    for other in ["sec-purpose:", "purpose:navigation", "x-moz:x", "sec-fetch-mode:navigate"] {
        assert_eq!(at(&policy, "http://localhost/articles/1", other), "charge articles", "{other}");
    }
}

/// Row A12 (T29): the switch, and where it is missing.
#[test]
fn a_policy_that_frees_another_spelling_of_what_is_sold_needs_an_exact_origin_a12() {
    let with = |free: &str, exact: Option<bool>| {
        changed(|p| {
            p["free"] = serde_json::json!([{"path": free}]);
            if let Some(exact) = exact {
                p["origin_exact"] = exact.into();
            }
        })
    };
    for free in ["/*", "/Report", "/report/", "/Articles/*"] {
        for exact in [None, Some(false)] {
            let fault = with(free, exact).unwrap_err();
            assert!(fault.contains("origin_exact") || fault.contains("already at"), "{free}: {fault}");
        }
        assert!(with(free, Some(true)).is_ok(), "{free}");
    }
    let folding = with("/about", None).unwrap();
    assert_eq!(at(&folding, "http://localhost/report/", ""), "charge articles");
    assert_eq!(at(&folding, "http://localhost/report/", &paid("articles")), "paid /report/");
    let exact = with("/*", Some(true)).unwrap();
    assert_eq!(at(&exact, "http://localhost/report/", ""), "free /report/");
    assert_eq!(at(&exact, "http://localhost/report", ""), "charge articles");
}
