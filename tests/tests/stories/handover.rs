//! "Continue on another device": whoever paid makes a link that opens it once, somewhere else (T52, T62, T64, T121).

use l402::UnixTime;
use l402::encoding::{base64url, to_base64};
use satstile_tests::raw::Response;
use satstile_tests::{Stack, http};
use serde_json::json;

use crate::common::{Purchase, attenuate, buy, now, only_seen, plenty, seen, shared};

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
    let parts: Vec<&str> = url.strip_prefix(&stack.url(OPEN)).unwrap().split('.').collect();
    let &[hash, code, seal] = &parts[..] else { panic!("{parts:?}") };
    assert_eq!(hash, ticket.offer.payment_hash);
    assert_eq!([code, seal].map(|part| base64url(part).map(|bytes| bytes.len())), [Some(16), Some(32)]);

    let link = url.strip_prefix(&stack.url("")).unwrap();
    for _ in 0..3 {
        assert_eq!(http::get(&stack.url(link), &[("user-agent", "a messenger")]).status, 200);
        assert_eq!(http::send("HEAD", &stack.url(link), &[], b"").status, 200);
    }
    assert_eq!(seen(&stack), [""; 0]);
    let opened = press(&stack, link, &[("origin", &stack.url("")), ("sec-fetch-site", "same-origin")]);
    assert_eq!((opened.status, opened.header("location")), (303, Some(PAGE)));
    assert_eq!(opened.all("cache-control"), ["no-store"]);
    assert_eq!(
        (opened.header("access-control-allow-origin"), opened.header("referrer-policy")),
        (None, Some("no-referrer"))
    );
    // What this browser is waiting for beside it is its own affair.
    let [cookie] = opened.all("set-cookie")[..] else { panic!("{:?}", opened.all("set-cookie")) };
    assert!(cookie.starts_with("__Host-satstile-pass-articles="), "{cookie}");
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
    let (hash, unknown, seal) = ("00".repeat(32), "A".repeat(22), "A".repeat(43));
    let page = http::get(&stack.url(&good), &[]);
    for link in [
        format!("{OPEN}{}.{unknown}.{seal}", ticket.offer.payment_hash),
        format!("{OPEN}{hash}.{unknown}.{seal}"),
        format!("{}.{seal}", good.rsplit_once('.').unwrap().0),
    ] {
        let other = http::get(&stack.url(&link), &[]);
        assert_eq!((other.status, other.text()), (200, page.text()), "{link}");
        is_ended(&press(&stack, &link, &[]));
    }
    for link in [
        "",
        "x",
        "x.y",
        "x.y.z",
        "...",
        &hash,
        &format!("{hash}."),
        &format!("{hash}.{unknown}"),
        &format!("{hash}.{unknown}."),
        &format!("{hash}.{unknown}A.{seal}"),
        &format!("{hash}.{unknown}.{seal}A"),
        &format!("{hash}.{unknown}.{seal}/a"),
        &format!("{hash}.{unknown}.{seal}.{seal}"),
    ] {
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
        (page.all("referrer-policy"), page.header("access-control-allow-origin")),
        (vec!["strict-origin"], None),
        "with `no-referrer` its own form would come from `null`"
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

/// T64: what is no link of ours asks no object, costs no storage, and takes nothing from a good link.
#[test]
fn whoever_guesses_asks_nobody() {
    let stack = Stack::start(plenty(json!({})));
    let (ticket, other) = (buy(&stack, "/articles/1"), buy(&stack, "/articles/1"));
    let (good, others) = (link(&stack, &ticket, "/articles/1"), link(&stack, &other, "/articles/1"));
    std::thread::sleep(std::time::Duration::from_millis(1_200)); // the counters' own write
    let before = stack.workerd.storage_bytes();
    let (named, seal) = good.rsplit_once('.').unwrap();
    let (others_named, others_seal) = others.rsplit_once('.').unwrap();
    for n in 0..30 {
        is_ended(&press(&stack, &format!("{OPEN}{n:0>64}.{n:0>21}A.{seal}"), &[]));
        is_ended(&press(&stack, &format!("{OPEN}{}.{n:0>21}A.{seal}", ticket.offer.payment_hash), &[]));
    }
    is_ended(&press(&stack, &format!("{named}.{others_seal}"), &[]));
    is_ended(&press(&stack, &format!("{others_named}.{seal}"), &[]));
    let strangers = {
        use l402::keys::{Keys, Purpose};
        let secrets = satstile_tests::Secrets::random();
        Keys::parse(&secrets.master_keys, &secrets.challenge_secret).unwrap().seal(Purpose::Handover, named)
    };
    is_ended(&press(&stack, &format!("{named}.{strangers}"), &[]));
    assert_eq!(stack.workerd.storage_bytes(), before);
    assert_eq!((press(&stack, &good, &[]).status, press(&stack, &others, &[]).status), (303, 303));
}

/// T114: no other site presses the button for its visitor: what it sends is a look. The press that follows is ours.
#[test]
fn another_site_puts_no_pass_into_a_browser() {
    let stack = shared();
    let ticket = buy(&stack, PAGE);
    let good = link(&stack, &ticket, PAGE);
    let own = stack.url("");
    let foreign: [&[(&str, &str)]; 7] = [
        &[("origin", "https://blog.test"), ("sec-fetch-site", "cross-site")],
        &[("origin", "https://blog.test")],
        &[("origin", "null")],
        &[("origin", "null"), ("sec-fetch-site", "same-origin")],
        &[("origin", &own), ("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "anything else")],
    ];
    for headers in foreign {
        let look = press(&stack, &good, headers);
        assert_eq!((look.status, look.header("set-cookie")), (200, None), "{headers:?}");
        assert!(look.text().contains("<button>Open the article</button>"), "{headers:?}");
    }
    let opened = press(&stack, &good, &[("origin", &own), ("sec-fetch-site", "same-origin")]);
    assert_eq!((opened.status, opened.header("location")), (303, Some(PAGE)));
    let typed = link(&stack, &ticket, PAGE);
    assert_eq!(press(&stack, &typed, &[("sec-fetch-site", "none")]).status, 303);
}

/// D10, T109: who paid on another site reads where, in the language of the component there, else in the browser's.
#[test]
fn who_paid_on_another_site_reads_so_in_their_language_d10() {
    let stack = shared();
    let ticket = buy(&stack, PAGE);
    let good = link(&stack, &ticket, PAGE);
    let comes = |origin: &str, accepts: &str, query: &str| {
        let headers = [("origin", origin), ("sec-fetch-site", "cross-site"), ("accept-language", accepts)];
        let look = press(&stack, &format!("{good}{query}"), &headers);
        assert_eq!((look.status, look.header("set-cookie")), (200, None), "{origin} {accepts} {query}");
        look.text()
    };
    let blog = "https://blog.test";
    for (accepts, query, html, title) in [
        ("", "", "<html lang=\"en\" dir=\"ltr\">", "You paid on blog.test"),
        ("fr", "?lang=de", "<html lang=\"de\" dir=\"ltr\">", "Sie haben auf blog.test bezahlt"),
        ("fr", "?lang=en", "<html lang=\"en\" dir=\"ltr\">", "You paid on blog.test"),
        ("en;q=0.5, PT-br;q=0.9, de;q=0", "", "<html lang=\"pt\" dir=\"ltr\">", "Você pagou em blog.test"),
        ("ar", "?lang=%22%3E%3Cscript%3E", "<html lang=\"ar\" dir=\"rtl\">", "لقد دفعت على blog.test"),
        ("xx, *", "?lang=xx", "<html lang=\"en\" dir=\"ltr\">", "You paid on blog.test"),
    ] {
        let text = comes(blog, accepts, query);
        assert!(text.contains(html) && text.contains(&format!("<h1>{title}</h1>")), "{accepts} {query} {text}");
    }
    // The host is the form's own site, and nothing that is no host.
    assert!(comes("https://blog.test:8443", "", "").contains("<h1>You paid on blog.test:8443</h1>"));
    let own = stack.url("").replace("http://", "");
    for origin in ["null", "https://<script>", "https://a b", "blog.test", "https://blog.test/<b>"] {
        let text = comes(origin, "", "");
        assert!(text.contains(&format!("<h1>You paid on {own}</h1>")), "{origin} {text}");
        assert!(!text.contains("<script") && !text.contains("<b>"), "{origin} {text}");
    }
    // Another device paid nothing here: it has its own words, and the press goes on in every language.
    let phone = http::get(&stack.url(&format!("{good}?lang=de")), &[("accept-language", "de")]);
    assert!(phone.text().contains("<h1>Paid on another device</h1>"), "{}", phone.text());
    assert_eq!(press(&stack, &format!("{good}?lang=de"), &[]).status, 303);
    is_ended(&press(&stack, &format!("{good}?lang=de"), &[("origin", &stack.url(""))]));
}

/// T114: whoever reads already keeps the pass that is theirs, and the link stays good for somebody else.
#[test]
fn a_link_replaces_no_pass_that_opens() {
    let stack = Stack::start(plenty(json!({"services": {"dear": {"uses": 1, "ranges": false}}})));
    let (mine, theirs) = (buy(&stack, "/articles/1"), buy(&stack, "/articles/1"));
    let held = pass(&press(&stack, &link(&stack, &mine, "/articles/1"), &[]));
    let good = link(&stack, &theirs, "/articles/2");
    for _ in 0..2 {
        let reads_on = press(&stack, &good, &[("cookie", &held)]);
        assert_eq!((reads_on.status, reads_on.header("location")), (303, Some("/articles/2")));
        assert_eq!(reads_on.header("set-cookie"), None);
    }
    let junk = "__Host-satstile-pass-articles=junk";
    let opened = press(&stack, &good, &[("cookie", junk)]);
    assert_eq!(opened.status, 303);
    assert!(pass(&opened).ends_with(&theirs.preimage));
    is_ended(&press(&stack, &good, &[("cookie", &held)]));

    // A counted pass that is used up opens nothing, and is replaced.
    let (mine, theirs) = (buy(&stack, "/dear/echo"), buy(&stack, "/dear/echo"));
    let held = pass(&press(&stack, &link(&stack, &mine, "/dear/echo"), &[]));
    let good = link(&stack, &theirs, "/dear/echo");
    assert_eq!(press(&stack, &good, &[("cookie", &held)]).header("set-cookie"), None);
    assert_eq!(http::get(&stack.url("/dear/echo"), &[("cookie", &held)]).status, 200);
    let opened = press(&stack, &good, &[("cookie", &held)]);
    assert!(pass(&opened).ends_with(&theirs.preimage), "{opened:?}");
}

/// C15: of the hosts that are ours, a link is on the one that was asked: a pass opens no other.
#[test]
fn a_link_is_on_the_host_that_was_asked() {
    let hosts = json!({"hosts": ["example.com", "www.example.com"], "public_url": "https://example.com"});
    let stack = Stack::start(plenty(hosts));
    let ticket = buy(&stack, "/articles/1");
    let asked = |host: &str| {
        let headers = [("host", host), ("authorization", &ticket.l402()), ("content-type", "text/plain")];
        let made = http::post(&stack.url(HANDOVER), &headers, b"/articles/1");
        made.json()["url"].as_str().and_then(|url| url.split_once("/.well-known/")).unwrap().0.to_owned()
    };
    assert_eq!(asked("www.example.com"), "https://www.example.com");
    assert_eq!(asked("example.com"), "https://example.com");
    let here = stack.workerd.address().to_string();
    assert_eq!(asked(&here), stack.url(""), "this machine has no proxy that ends TLS");
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
