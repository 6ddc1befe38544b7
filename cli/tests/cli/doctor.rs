//! Grading: a good seller has nothing to do, and each habit shows where it should and nowhere else.

use serde_json::Value;

use crate::http::{Answer, Server};
use crate::world::{Habit, Program, Seller};

/// The lines that are not good: `id level`.
fn complaints(url: &str) -> (i32, Vec<String>) {
    let ending = Program::new().run(&["--json", "doctor", url]);
    let report: Value = serde_json::from_str(&ending.out).unwrap_or_else(|error| panic!("{error}: {ending:?}"));
    let lines = report["lines"].as_array().unwrap().iter();
    let bad = lines.filter(|line| ["warn", "fail"].contains(&line["level"].as_str().unwrap()));
    let shown = bad.map(|line| {
        assert!(line["todo"].is_string(), "{line} says what to do");
        format!("{} {}", line["id"].as_str().unwrap(), line["level"].as_str().unwrap())
    });
    (ending.code, shown.collect())
}

#[track_caller]
fn check(habit: Habit, code: i32, expected: &[&str]) {
    let found = complaints(&Seller::of(habit).url());
    assert_eq!(found, (code, expected.iter().map(|&line| line.to_owned()).collect()), "{habit:?}");
}

#[test]
fn a_good_seller_has_nothing_to_do() {
    check(Habit::Good, 0, &[]);
}

#[test]
fn each_habit_shows_where_it_should() {
    check(Habit::OpensToJunk, 1, &["access.junk fail", "access.preimage fail"]);
    check(Habit::Spends, 1, &["access.junk warn", "access.head warn", "browser.preflight fail"]);
    check(Habit::Repeats, 1, &["invoice.fresh fail"]);
    check(Habit::Cached, 1, &["transport.cache fail"]);
    check(Habit::Unbound, 1, &["token.identifier fail"]);
    check(Habit::OtherPrice, 1, &["invoice.body fail"]);
    check(Habit::Expired, 1, &["invoice.expiry fail"]);
    check(Habit::Amountless, 1, &["challenge.offer fail"]);
    check(Habit::NotSold, 1, &["challenge.status fail"]);
}

/// C8: doctor grades the rest of such an offer, and says which clients cope with its form.
#[test]
fn a_careless_challenge_is_read_and_doctor_says_who_copes_c8() {
    check(Habit::Unquoted, 1, &["challenge.grammar fail", "challenge.order warn"]);
    check(Habit::Blanks, 1, &["challenge.grammar fail", "challenge.order warn"]);
    check(Habit::InBody, 1, &["challenge.present fail", "challenge.order warn"]);
    for (habit, words) in [
        (
            Habit::Unquoted,
            "read by l402-requests (Python), L402sdk, routeweiler, Alby lightning-tools; not read by lnget,",
        ),
        (Habit::Blanks, "read by l402 (npm), pyl402, routeweiler, l402kit, bolthub, Alby lightning-tools; not read by"),
        (Habit::InBody, "read by l402kit; not read by lnget,"),
    ] {
        let ending = Program::new().run(&["doctor", &Seller::of(habit).url()]);
        assert!(ending.out.contains(words), "{habit:?} {ending:?}");
    }
}

#[test]
fn doctor_pays_nothing_and_shows_no_token_that_could_open() {
    let seller = Seller::of(Habit::Good);
    let ending = Program::new().run(&["doctor", &seller.url()]);
    assert!(ending.out.trim_end().ends_with("0 to look at, 0 wrong: nothing to do"), "{ending:?}");
    let preimages: Vec<_> = seller.network.lock().unwrap().values().map(|p| p.expose_hex()).collect();
    assert!(!preimages.is_empty());
    for request in seller.server.heard() {
        assert!(preimages.iter().all(|p| !request.header("authorization").contains(p) && !request.target.contains(p)));
    }
}

#[test]
fn what_answers_with_something_else_is_graded_too() {
    for (answer, expected) in [
        (Answer::new(402, "pay up"), "challenge.present fail"),
        (Answer::new(402, "").with("www-authenticate", "Bearer realm=\"x\""), "challenge.offer fail"),
        (Answer::new(402, "").with("www-authenticate", "L402 a=\"unclosed"), "challenge.grammar fail"),
    ] {
        let server = Server::start(move |_| answer.clone());
        let (code, lines) = complaints(&server.url);
        assert_eq!(code, 1);
        assert!(lines.iter().any(|line| line == expected), "{expected}: {lines:?}");
    }
}

/// One fault, which says what the status means, and nothing about browsers that would buy what is not sold.
#[test]
fn what_is_not_sold_is_called_what_it_is_and_no_preflight_is_asked_for() {
    let moved = |status| Answer::new(status, "").with("location", "/elsewhere");
    for (answer, words) in [
        (Answer::new(200, "goods"), "handed out without a payment"),
        (moved(302), "a redirect to /elsewhere"),
        (moved(308), "a redirect to /elsewhere"),
        (Answer::new(304, ""), "to a question that named no version"),
        (Answer::new(400, ""), "the server does not take this request"),
        (Answer::new(401, "").with("www-authenticate", "Basic realm=\"x\""), "something else than a payment opens it"),
        (Answer::new(403, ""), "something else than a payment opens it"),
        (Answer::new(404, "gone"), "nothing is there, neither sold nor free"),
        (Answer::new(405, "").with("allow", "POST"), "it is there, and takes POST"),
        (Answer::new(421, ""), "does not answer to this host"),
        (Answer::new(429, "").with("retry-after", "7"), "no invoice to be had now (Retry-After: 7)"),
        (Answer::new(500, "oops"), "failed before it could name a price"),
        (Answer::new(502, ""), "failed before it could name a price"),
        (Answer::new(503, ""), "no invoice to be had now"),
    ] {
        let status = answer.status;
        let server = Server::start(move |_| answer.clone());
        let (code, lines) = complaints(&server.url);
        assert_eq!((code, lines), (1, vec!["challenge.status fail".to_owned()]), "{status}");
        let ending = Program::new().run(&["doctor", &server.url]);
        assert!(ending.out.contains(words), "{status}: {ending:?}");
        assert_eq!(ending.out.contains("free or unguarded"), status == 200, "{status}: {ending:?}");
        assert!(!ending.out.contains("preflight"), "{status}: {ending:?}");
        assert_eq!(server.count("OPTIONS", "/"), 0, "{status}");
    }
}

#[test]
fn a_clock_that_is_off_is_seen() {
    let server = Server::start(|_| Answer::new(200, "").with("date", "Sun, 17 Mar 2019 17:46:40 GMT"));
    let (_, lines) = complaints(&server.url);
    assert!(lines.contains(&"transport.clock fail".to_owned()), "{lines:?}");
}

#[test]
fn who_does_not_answer_has_no_report() {
    let ending = Program::new().run(&["doctor", "http://127.0.0.1:1/"]);
    assert_eq!((ending.code, ending.out.as_str()), (6, ""), "{ending:?}");
    assert_eq!(Program::new().run(&["doctor"]).code, 2);
    assert_eq!(Program::new().run(&["doctor", "http://127.0.0.1:1/", "--relay", "http://127.0.0.1:1/"]).code, 2);
}

/// An LNbits, which tells strangers what `leak` says, and takes `inkey` for invoices and `adminkey` for all.
fn lnbits(leak: fn(&str) -> Answer) -> Server {
    use crate::world::Bill;
    use l402::Preimage;
    Server::start(move |request| {
        let preimage = Preimage::new([0x11; 32]);
        let hash = preimage.payment_hash().to_string();
        let key = request.header("x-api-key");
        match (request.method.as_str(), request.target.as_str()) {
            ("POST", "/api/v1/payments") if request.body.contains("\"out\":true") => match key {
                "adminkey" => Answer::new(400, r#"{"detail":"Bolt11 is invalid"}"#),
                _ => Answer::new(403, r#"{"detail":"Invoice (or Admin) key required."}"#),
            },
            ("POST", "/api/v1/payments") => {
                let bolt11 = Bill { msat: Some(1_000), ..Bill::usual() }.write(&preimage);
                Answer::new(201, &format!(r#"{{"payment_hash":"{hash}","bolt11":"{bolt11}","amount":1000}}"#))
            }
            (_, target) if target.ends_with(&hash) && key.is_empty() => leak(&preimage.expose_hex()),
            (_, target) if target.ends_with(&hash) => {
                let details = format!(r#"{{"payment_hash":"{hash}","status":"pending","amount":1000}}"#);
                Answer::new(200, &format!(r#"{{"paid":false,"status":"pending","preimage":null,"details":{details}}}"#))
            }
            _ => Answer::new(404, ""),
        }
    })
}

fn node(server: &Server, key: &str) -> (i32, String) {
    let connection = format!("type=lnbits;server={};api-key={key}", server.url);
    let ending = Program::new().run(&["doctor", "--node", &connection]);
    assert!(!ending.out.contains(key), "{ending:?}");
    (ending.code, ending.out)
}

#[test]
fn an_lnbits_that_tells_strangers_the_preimage_fails() {
    let leaks = lnbits(|preimage| Answer::new(200, &format!(r#"{{"paid":false,"preimage":"{preimage}"}}"#)));
    let (code, out) = node(&leaks, "inkey");
    assert!(code == 1 && out.contains("anybody can read the preimage of an unpaid invoice"), "{out}");
    let tells_state = lnbits(|_| Answer::new(200, r#"{"paid":false,"preimage":null}"#));
    let (code, out) = node(&tells_state, "inkey");
    assert!(code == 0 && out.contains("warn  anybody who knows a payment hash"), "{out}");
    let silent = lnbits(|_| Answer::new(401, ""));
    assert!(node(&silent, "inkey").1.contains("ok    it tells strangers nothing"));
}

#[test]
fn a_credential_that_can_spend_is_pointed_out() {
    let server = lnbits(|_| Answer::new(401, ""));
    assert!(node(&server, "adminkey").1.contains("warn  its credential may do more"));
    assert!(node(&server, "inkey").1.contains("ok    its credential is refused what it does not need"));
}
