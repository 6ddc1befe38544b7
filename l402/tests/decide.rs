//! One request, one decision: who passes, who pays, who is refused, and that each "yes" has its nearest "no".

use l402::caps::{Cap, Limit};
use l402::caveat;
use l402::decide::{Proof, Quote};
use l402::encoding::to_base64;
use l402::headers::ResponseRules;
use l402::identifier::Identifier;
use l402::problem::Refusal;
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
                assert_eq!(chain.caveats.len(), 5);
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
    refused("GET", "/free/x", "upgrade:websocket", 400);
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
    assert!(!sliced(&policy, "GET", "/free/x", ""));
    // A count needs a claim, and a claim is for the whole.
    assert!(!sliced(&policy, "GET", "/api/echo", &paid("api")));
}
