//! A browser without JavaScript: a page with a QR code, two cookies, and no second invoice (C6, T109 to T111, T114).
//! No real browser here: what it would send is written out.

use std::sync::PoisonError;

use l402::Keys;
use l402::cookie::Waiting;
use l402::identifier::Identifier;
use l402::keys::Purpose;
use l402::relay::InvoiceCreate;
use l402::token::Token;
use satstile_tests::raw::Response;
use satstile_tests::{Stack, http};
use serde_json::json;

use crate::common::fake_node::{Draft, honest_stack, push};
use crate::common::{Offer, buy, eventually, get_with, invoices, now, only_seen, plenty, seen, shared};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
const PAGE: &str = "/articles/1?from=start";

/// A navigation with these cookies.
fn visit(stack: &Stack, path: &str, cookies: &str) -> Response {
    let mut headers = vec![("accept", BROWSER)];
    if !cookies.is_empty() {
        headers.push(("cookie", cookies));
    }
    http::get(&stack.url(path), &headers)
}

/// `name=value` of a cookie that was set, and its attributes.
#[track_caller]
fn cookie(response: &Response, name: &str) -> (String, Vec<String>) {
    let all = response.all("set-cookie");
    let line =
        all.iter().find(|line| line.starts_with(&format!("{name}="))).unwrap_or_else(|| panic!("no {name} in {all:?}"));
    let mut parts = line.split("; ").map(str::to_owned);
    (parts.next().unwrap_or_default(), parts.collect())
}

fn invoice(page: &Response) -> String {
    let text = page.text();
    text.split("href=\"lightning:").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
}

fn keys(stack: &Stack) -> Keys {
    Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap()
}

/// Row D13: who reads without JavaScript reads the page in a language of theirs, whatever its weight and its region; who
/// reads none of the twelve reads English, and a program's answer is in no language but its own.
#[test]
fn the_page_without_javascript_is_in_the_reader_s_language_d13() {
    let stack = shared();
    let visit = |languages: &str| http::get(&stack.url(PAGE), &[("accept", BROWSER), ("accept-language", languages)]);
    for (languages, code, dir, wallet) in [
        ("de-AT,de;q=0.9,en;q=0.8", "de", "ltr", "In einer Wallet öffnen"),
        ("sv, ar;q=0.4, en;q=0.3", "ar", "rtl", "افتح في محفظة"),
        ("en;q=0.1,zh-Hant-TW;q=0.2", "zh", "ltr", "在钱包中打开"),
        ("sv,de;q=0", "en", "ltr", "Open in a wallet"),
        ("\"><script>", "en", "ltr", "Open in a wallet"),
    ] {
        let page = visit(languages);
        let text = page.text();
        assert!(text.contains(&format!("<html lang=\"{code}\" dir=\"{dir}\">")), "{languages}: {text}");
        assert!(text.contains(&format!(">{wallet}</a>")), "{languages}: {text}");
        assert_eq!(page.header("content-language"), Some(code), "{languages}");
        assert_eq!(page.all("vary"), ["Accept, Authorization, Accept-Payment, Cookie, Accept-Language"]);
        assert!(text.contains(">21 sats</div>") && invoice(&page).starts_with("lnbcrt210n1"), "{text}");
    }
    let program = http::get(&stack.url(PAGE), &[("accept", "application/json"), ("accept-language", "de")]);
    assert_eq!((program.status, program.header("content-language")), (402, None));
    assert_eq!(program.all("vary"), ["Accept, Authorization, Accept-Payment, Cookie"]);
}

/// The whole visit: page, payment by phone, page again, opened.
#[test]
fn a_person_with_a_phone_reads_the_article() {
    let stack = shared();
    let before = invoices(&stack);
    let page = visit(&stack, PAGE, "");
    assert_eq!((page.status, page.header("content-type")), (402, Some("text/html; charset=utf-8")));
    assert_eq!(page.all("cache-control"), ["no-store"]);
    assert_eq!(page.all("vary"), ["Accept, Authorization, Accept-Payment, Cookie, Accept-Language"]);
    let (wait, attributes) = cookie(&page, "__Host-satstile-wait-articles");
    assert_eq!(attributes, ["Path=/", "Max-Age=1200", "Secure", "HttpOnly", "SameSite=Lax"]);
    assert_eq!(page.all("set-cookie").len(), 1);
    assert!(wait.len() < 4_096, "no browser keeps a cookie of {} bytes", wait.len());

    // Unpaid, the page refreshes: the same challenge, and no new cookie for it.
    for _ in 0..3 {
        let again = visit(&stack, PAGE, &wait);
        assert_eq!((again.status, again.header("set-cookie")), (402, None));
        assert_eq!(invoice(&again), invoice(&page));
        assert_eq!(again.header("www-authenticate"), page.header("www-authenticate"));
    }
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack) - before, 1);

    let preimage = stack.node().pay(&invoice(&page));
    let opened = eventually("the page to open", || Some(visit(&stack, PAGE, &wait)).filter(|r| r.status != 402));
    assert_eq!((opened.status, opened.header("location")), (303, Some(PAGE)));
    assert_eq!(opened.all("cache-control"), ["no-store"]);
    let (pass, mut attributes) = cookie(&opened, "__Host-satstile-pass-articles");
    let life = attributes.remove(1).strip_prefix("Max-Age=").and_then(|s| s.parse::<u64>().ok()).unwrap();
    assert!((3_600..=4_200).contains(&life), "{life}");
    assert_eq!(attributes, ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]);
    assert!(pass.ends_with(&format!(":{preimage}")), "{pass}");
    let (cleared, attributes) = cookie(&opened, "__Host-satstile-wait-articles");
    assert_eq!(
        (cleared.as_str(), attributes.contains(&"Max-Age=0".to_owned())),
        ("__Host-satstile-wait-articles=", true)
    );
    assert_eq!(seen(&stack), [""; 0]);

    let article = visit(&stack, PAGE, &format!("theme=dark; {pass}"));
    assert_eq!(article.status, 200);
    let seen = only_seen(&stack);
    assert_eq!((seen.target.as_str(), seen.header("cookie")), (PAGE, Some("theme=dark")));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(article.all("cache-control"), ["private, no-store"]);
    assert_eq!(article.header("set-cookie"), None);
    assert_eq!(invoices(&stack) - before, 1);
}

/// C6: cookies are for reading. What changes something wants a header, and an `Authorization` of any kind wins.
#[test]
fn a_pass_reads_and_does_not_write() {
    let stack = shared();
    let ticket = buy(&stack, "/api/echo");
    let pass = format!(
        "__Host-satstile-pass-api={}:{}",
        ticket.offer.macaroon.replace('+', "-").replace('/', "_"),
        ticket.preimage
    );
    let send = |method: &str, headers: &[(&str, &str)], body: &[u8]| {
        stack.origin.clear();
        let headers = [&[("cookie", pass.as_str())], headers].concat();
        (http::send(method, &stack.url("/api/echo"), &headers, body), seen(&stack).len())
    };
    assert_eq!(send("GET", &[], b"").0.status, 200);
    assert_eq!(send("HEAD", &[], b"").0.status, 200);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let (response, reached) = send(method, &[("origin", "https://evil.test")], b"x=1");
        assert_eq!((response.status, reached), (402, 0), "{method}");
    }
    for (authorization, status) in [("Bearer x", 402), ("L402 junk", 400), ("Basic dTpw", 402)] {
        let (response, reached) = send("GET", &[("authorization", authorization)], b"");
        assert_eq!((response.status, reached), (status, 0), "{authorization}");
    }
}

/// C6: a cookie of another service, changed, or of another kind, is a visitor without a ticket.
#[test]
fn a_cookie_that_is_not_ours_or_not_for_here_opens_nothing() {
    let stack = shared();
    let page = visit(&stack, PAGE, "");
    let (wait, _) = cookie(&page, "__Host-satstile-wait-articles");
    let value = wait.split_once('=').unwrap().1;
    stack.node().pay(&invoice(&page));
    let opened = eventually("the page to open", || Some(visit(&stack, PAGE, &wait)).filter(|r| r.status == 303));
    let (pass, _) = cookie(&opened, "__Host-satstile-pass-articles");
    let pass_value = pass.split_once('=').unwrap().1;
    let flipped = |text: &str, at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
        String::from_utf8(bytes).unwrap()
    };
    for (path, cookies) in [
        ("/dear/1", format!("__Host-satstile-pass-dear={pass_value}")),
        ("/dear/1", format!("__Host-satstile-wait-dear={value}")),
        ("/dear/1", format!("{pass}; {wait}")),
        (PAGE, format!("__Host-satstile-wait-articles={pass_value}")),
        (PAGE, format!("__Host-satstile-pass-articles={value}")),
        (PAGE, format!("satstile-pass-articles={pass_value}")),
        (PAGE, format!("__Host-satstile-wait-articles={}", flipped(value, 60))),
        (PAGE, format!("__Host-satstile-wait-articles={}", flipped(value, value.len() - 50))),
        (PAGE, format!("__Host-satstile-wait-articles={}", flipped(value, value.len() - 2))),
        (PAGE, format!("__Host-satstile-pass-articles={}", flipped(pass_value, 60))),
        (PAGE, format!("__Host-satstile-pass-articles={}", flipped(pass_value, pass_value.len() - 1))),
        (PAGE, "__Host-satstile-wait-articles=; __Host-satstile-pass-articles=".to_owned()),
        (PAGE, "__Host-satstile-wait-articles=..; __Host-satstile-pass-articles=:".to_owned()),
    ] {
        let response = visit(&stack, path, &cookies);
        assert_eq!(response.status, 402, "{cookies}");
        assert_ne!(invoice(&response), invoice(&page), "{cookies}");
    }
    // Nor is the value of a cookie a credential by another name (T17).
    assert_eq!(get_with(&stack, PAGE, &format!("L402 {value}")).status, 400);
    assert_eq!(seen(&stack), [""; 0]);
}

/// C6: two services, two waits; each remembers its own invoice.
#[test]
fn each_service_waits_for_its_own_invoice() {
    let stack = shared();
    let (article, dear) = (visit(&stack, PAGE, ""), visit(&stack, "/dear/1", ""));
    let both = format!(
        "{}; {}",
        cookie(&article, "__Host-satstile-wait-articles").0,
        cookie(&dear, "__Host-satstile-wait-dear").0
    );
    assert_eq!(invoice(&visit(&stack, PAGE, &both)), invoice(&article));
    assert_eq!(invoice(&visit(&stack, "/dear/1", &both)), invoice(&dear));
    assert_ne!(invoice(&article), invoice(&dear));
    // A program with the cookie mints nothing either, and is told the same in its own words.
    let before = invoices(&stack);
    let told = Offer::read(http::get(&stack.url(PAGE), &[("cookie", &both), ("accept", "application/json")]));
    assert_eq!(told.invoice, invoice(&article));
    assert_eq!(http::send("HEAD", &stack.url(PAGE), &[("cookie", &both)], b"").status, 402);
    assert_eq!(invoices(&stack), before);
}

/// C6 without memory: the cookie alone is enough, after a power cut and while the node is away.
#[test]
fn a_wait_outlives_a_crash_and_an_absent_node() {
    let mut stack = Stack::start(plenty(json!({})));
    let page = visit(&stack, PAGE, "");
    let (wait, _) = cookie(&page, "__Host-satstile-wait-articles");
    stack.workerd.crash_restart();
    stack.node_mut().stop();
    let again = visit(&stack, PAGE, &wait);
    assert_eq!((again.status, invoice(&again)), (402, invoice(&page)));
    assert_eq!(visit(&stack, PAGE, "").status, 503);

    stack.node_mut().restart();
    stack.node().pay(&invoice(&page));
    let opened = eventually("the page to open", || Some(visit(&stack, PAGE, &wait)).filter(|r| r.status == 303));
    let (pass, _) = cookie(&opened, "__Host-satstile-pass-articles");
    assert_eq!(visit(&stack, PAGE, &pass).status, 200);
}

/// C6: after its invoice a browser gets a new one, and a payment that was under way is watched for ten minutes more.
#[test]
fn a_payment_in_the_last_second_still_opens_the_page() {
    let (stack, node, made) = honest_stack(json!({}));
    let keys = keys(&stack);
    // What a browser holds that came `ago` seconds back, for an invoice of ten minutes.
    let held = |ago: u64| {
        let order = InvoiceCreate {
            amount_msat: 21_000,
            description: "articles".to_owned(),
            expiry_s: 600,
            service: "articles".to_owned(),
            purpose: "l402".to_owned(),
            payee: None,
        };
        let invoice = Draft { at: l402::UnixTime(now().0 - ago), ..Draft::of(&order) }.sign();
        let identifier = Identifier::new(invoice.payment_hash, keys.minting_id(), [5; 31]);
        let until = format!("articles_valid_until={}", now().0 - ago + 600 + 3_600);
        let caveats =
            ["services=articles:0", &until, "satstile_aud=demo", "satstile_methods=GET,HEAD"].map(str::to_owned);
        let token = Token::mint(&keys, identifier, &caveats).unwrap().to_wire();
        let waiting = Waiting { token, bolt11: invoice.bolt11.clone(), previous: None };
        let wait = waiting.set_cookie(&keys, "articles", 1_200);
        (invoice, wait.split(';').next().unwrap_or_default().to_owned())
    };
    let (late, wait) = held(700);
    let page = visit(&stack, PAGE, &wait);
    assert_eq!(page.status, 402);
    let newest = made.lock().unwrap_or_else(PoisonError::into_inner).last().unwrap().bolt11.clone();
    assert_eq!(invoice(&page), newest);
    let (wait, _) = cookie(&page, "__Host-satstile-wait-articles");
    assert!(wait.len() < 4_096, "{}", wait.len());
    assert_eq!(invoice(&visit(&stack, PAGE, &wait)), newest);

    let text = "articles.21000.cmFuZG9t";
    let request_id = format!("{text}.{}", keys.seal(Purpose::RelayRequest, text));
    assert_eq!(push(&stack, late.settlement(&request_id)).status, 200);
    let opened = visit(&stack, PAGE, &wait);
    assert_eq!(opened.status, 303);
    let (pass, _) = cookie(&opened, "__Host-satstile-pass-articles");
    assert!(pass.ends_with(&late.preimage.expose_hex()));
    assert_eq!(visit(&stack, PAGE, &pass).status, 200);

    // Ten minutes after its end nobody looks any more.
    let creates =
        || node.calls().iter().filter(|call| matches!(call.call, l402::relay::RelayCall::InvoiceCreate(_))).count();
    let before = creates();
    let (_, wait) = held(1_300);
    let (fresh, _) = cookie(&visit(&stack, PAGE, &wait), "__Host-satstile-wait-articles");
    assert_eq!((fresh.matches('.').count(), creates() - before), (2, 1), "{fresh}");
}

/// The component, which the page brings for who runs scripts; the page is complete without it.
const COMPONENT: &str = "<script type=\"module\" src=\"/.well-known/satstile/widget.js\"></script>";

/// What is said to the component, which reads the challenge there instead of asking for another one.
fn without_data(html: &str) -> String {
    let (before, rest) = html.split_once(" data-challenge=\"").expect("the challenge");
    let (_, rest) = rest.split_once("\" data-terms=\"").expect("the terms");
    let (_, after) = rest.split_once("\">").expect("the end of the element");
    [before, after].concat()
}

/// The page is complete without a script: a picture for the phone, a link for the wallet here, the text for any other.
#[test]
fn the_page_needs_no_script_and_nobody_else() {
    let stack = shared();
    let page = visit(&stack, PAGE, "");
    let (html, bolt11) = (page.text(), invoice(&page));
    assert!(bolt11.starts_with("lnbcrt210n1"), "{bolt11}");
    assert!(page.header("www-authenticate").unwrap().contains(&format!("invoice=\"{bolt11}\"")));
    // The refresh is for who runs no scripts: it would tear the component away from others.
    let refresh = "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>";
    for part in ["<!doctype html>", "<html lang=\"en\" dir=\"ltr\">", "<svg ", "21 sats", refresh, "noindex"] {
        assert!(html.contains(part), "no {part} in {html}");
    }
    assert!(html.contains(&format!(">{bolt11}</textarea>")), "{html}");
    assert_eq!((html.matches("<script").count(), html.matches(COMPONENT).count()), (1, 1), "{html}");
    let html = without_data(&html).replace(COMPONENT, "");
    for part in [
        "<script",
        " src=\"http",
        "http://",
        "https://",
        "javascript:",
        " onclick",
        " onload",
        " style=",
        "@import",
        "url(",
    ] {
        assert!(!html.contains(part), "{part} in {html}");
    }
    // T110, T111: the policy allows this page and nothing more.
    let policy = page.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ] {
        assert!(policy.contains(part), "no {part} in {policy}");
    }
    // No inline script, no `eval`; only wasm may be compiled.
    assert!(policy.contains("script-src 'self' 'wasm-unsafe-eval';"), "{policy}");
    assert!(!policy.replace("'wasm-unsafe-eval'", "").contains("unsafe") && !policy.contains('*'), "{policy}");
    let style = html.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
    let hash = {
        use bitcoin::hashes::{Hash, sha256};
        l402::encoding::to_base64(&sha256::Hash::hash(style.as_bytes()).to_byte_array())
    };
    assert!(policy.contains(&format!("style-src 'sha256-{hash}'")), "{policy}");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
}

/// T109, T22: the operator's words are text, in the page as in the header.
#[test]
fn a_description_with_markup_stays_text() {
    const EVIL: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&lt; \\";
    let stack = Stack::start(plenty(json!({"services": {"articles": {"description": EVIL}}})));
    let page = visit(&stack, PAGE, "");
    assert_eq!(page.status, 402);
    let html = page.text();
    assert!(!html.replace(COMPONENT, "").contains("<script") && !html.contains("<img"), "{html}");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&gt;&lt;img src=x"), "{html}");
    let offer = crate::common::ask(&stack, PAGE);
    assert_eq!(offer.param("Payment", "description"), EVIL);
    assert_eq!(offer.param("L402", "invoice"), offer.invoice);
}

/// Programs get JSON, browsers get the page: by what they take first, and only where reading is meant.
#[test]
fn only_who_prefers_html_gets_html() {
    let stack = shared();
    let kind = |method: &str, accept: &str| {
        let response = http::send(method, &stack.url("/api/echo"), &[("accept", accept)], b"");
        assert_eq!(response.status, 402);
        (response.header("content-type").unwrap_or_default().to_owned(), response.header("set-cookie").is_some())
    };
    let (html, program) = ("text/html; charset=utf-8".to_owned(), ("application/problem+json".to_owned(), false));
    for accept in [BROWSER, "text/html", "application/json;q=0.5, text/html", "text/html, application/json"] {
        assert_eq!(kind("GET", accept), (html.clone(), true), "{accept}");
    }
    for accept in ["*/*", "", "application/json", "application/json, text/html;q=0.9", "text/html;q=0", "text/plain"] {
        assert_eq!(kind("GET", accept), program, "{accept}");
    }
    assert_eq!(kind("POST", BROWSER), program);
}
