//! Who gets in with what: every form of a good credential, and beside each the nearest bad one (T1 to T19, T129, C1, C2).

mod common;

use common::{Offer, Purchase, Turn, attenuate, buy, get, get_with, invoices, now, seen, shared, sister};
use l402::encoding::{base64_any, to_base64, to_base64url};
use l402::identifier::Identifier;
use l402::token::Token;
use l402::{Keys, PaymentHash};
use satstile_tests::raw::{Connection, Response};
use satstile_tests::{Secrets, http, raw};

const API: &str = "/api/echo";

/// Opens, and reaches the origin once.
#[track_caller]
fn opens(stack: &Turn, authorization: &str) {
    stack.origin.clear();
    let response = get_with(stack, API, authorization);
    assert_eq!(response.status, 200, "{authorization}: {}", response.text());
    assert_eq!(seen(stack), [API]);
}

/// Is sold another token, and reaches nobody.
#[track_caller]
fn is_charged(stack: &Turn, authorization: &str) -> Offer {
    stack.origin.clear();
    let offer = Offer::read(get_with(stack, API, authorization));
    assert_eq!(seen(stack), [""; 0], "{authorization}");
    offer
}

/// Status and everything that a guesser could compare, the date apart.
fn shape(response: &Response) -> (u16, Vec<(String, String)>, String) {
    let headers = response.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date")).cloned().collect();
    (response.status, headers, response.text())
}

/// All of one class of refusal: the same bytes, no invoice, nothing behind the door.
#[track_caller]
fn are_refused_alike(stack: &Turn, status: u16, credentials: &[String]) -> Response {
    let before = invoices(stack);
    stack.origin.clear();
    let answers: Vec<Response> = credentials.iter().map(|credential| get_with(stack, API, credential)).collect();
    for (credential, answer) in credentials.iter().zip(&answers) {
        assert_eq!(answer.status, status, "{credential}: {}", answer.text());
    }
    for (credential, answer) in credentials.iter().zip(&answers) {
        assert_eq!(shape(answer), shape(&answers[0]), "{credential}");
    }
    assert_eq!(seen(stack), [""; 0]);
    assert_eq!(invoices(stack), before);
    answers[0].clone()
}

fn bytes_of(ticket: &Purchase) -> Vec<u8> {
    base64_any(&ticket.offer.macaroon).unwrap()
}

fn l402(macaroon: &[u8], preimage: &str) -> String {
    format!("L402 {}:{preimage}", to_base64(macaroon))
}

/// `wire.md` 1.3, T5: the scheme in any case and under its old name, both base64 alphabets, hex in any case.
#[test]
fn every_honest_spelling_of_a_credential_opens() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let (macaroon, preimage) = (&ticket.offer.macaroon, &ticket.preimage);
    for scheme in ["L402", "l402", "LSAT", "lsat", "LsAt"] {
        opens(&stack, &format!("{scheme} {macaroon}:{preimage}"));
    }
    opens(&stack, &format!("L402   {macaroon}:{preimage}  "));
    opens(&stack, &format!("L402 {macaroon}:{}", preimage.to_ascii_uppercase()));
    opens(&stack, &format!("L402 {}:{preimage}", macaroon.trim_end_matches('=')));
    opens(&stack, &format!("L402 {}:{preimage}", to_base64url(&bytes_of(&ticket))));
    // Several macaroons of one purchase: all must hold, and all do.
    opens(&stack, &format!("L402 {macaroon},{macaroon}:{preimage}"));
    opens(&stack, &format!("L402 {}, {macaroon}:{preimage}", attenuate(macaroon, &["foreign=1"])));
}

/// T19, M4: aperture's client sends LSAT and L402 in two lines; the same pair is one credential, two pairs are none.
#[test]
fn the_duplicated_pair_is_one_credential_and_a_differing_pair_is_none() {
    let stack = shared();
    let (ticket, other) = (buy(&stack, API), buy(&stack, API));
    let lines = |first: &str, second: &str| {
        stack.origin.clear();
        let head = format!("GET {API} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        let text = format!("{head}Authorization: {first}\r\nAuthorization: {second}\r\n\r\n");
        raw::request(stack.workerd.address(), text.as_bytes()).status
    };
    let before = invoices(&stack);
    let lsat = |ticket: &Purchase| ticket.l402().replacen("L402", "LSAT", 1);
    assert_eq!(lines(&lsat(&ticket), &ticket.l402()), 200);
    assert_eq!(lines(&ticket.l402(), &ticket.l402()), 200);
    assert_eq!(seen(&stack), [API]);
    for (first, second) in [
        (lsat(&ticket), other.l402()),
        (ticket.l402(), other.l402()),
        (ticket.l402(), ticket.attenuated(&["foreign=1"])),
        (ticket.l402(), "L402 junk:00".to_owned()),
        (ticket.l402(), ticket.payment()),
        (ticket.payment(), ticket.l402()),
        (ticket.payment(), other.payment()),
        (ticket.payment(), ticket.payment()),
        (ticket.l402(), "Bearer sk-123".to_owned()),
        ("Basic dTpw".to_owned(), ticket.l402()),
    ] {
        assert_eq!(lines(&first, &second), 400, "{first}\n{second}");
        assert_eq!(seen(&stack), [""; 0]);
    }
    assert_eq!(invoices(&stack), before);
}

/// C1, T1, T19: a scheme that means nothing here is no credential, however it is dressed.
#[test]
fn a_foreign_scheme_is_no_payment() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let (macaroon, preimage) = (&ticket.offer.macaroon, &ticket.preimage);
    for authorization in [
        "Bearer sk-123".to_owned(),
        "Basic dXNlcjpwYXNz".to_owned(),
        // T17: a token of ours under a name that is not its own.
        format!("Bearer {macaroon}:{preimage}"),
        format!("Bearer {macaroon}"),
        format!("Basic {}", to_base64(format!("{macaroon}:{preimage}").as_bytes())),
        format!("L402x {macaroon}:{preimage}"),
        format!("{macaroon}:{preimage}"),
        "Bearer eyJhbGciOiJub25lIn0.eyJwYWlkIjp0cnVlfQ.".to_owned(),
    ] {
        is_charged(&stack, &authorization);
    }
    // T19: aperture's other carriers are not half supported.
    let hex = hex(&bytes_of(&ticket));
    stack.origin.clear();
    let headers = [("macaroon", hex.as_str()), ("grpc-metadata-macaroon", &hex), ("preimage", preimage)];
    Offer::read(http::get(&stack.url(API), &headers));
    // T23: a content type changes nothing.
    Offer::read(http::post(&stack.url(API), &[("content-type", "application/grpc")], b"\0\0\0\0\0"));
    assert_eq!(seen(&stack), [""; 0]);
}

/// T3, T129: each byte of the token changed by one bit. Nothing but the location, which no signature covers, may still open.
#[test]
fn a_token_with_one_bit_flipped_is_worth_nothing() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let bytes = bytes_of(&ticket);
    let location = 3..3 + "satstile".len();
    assert_eq!(&bytes[location.clone()], b"satstile");
    let before = invoices(&stack);
    stack.origin.clear();
    for at in (0..bytes.len()).filter(|at| !location.contains(at)) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        let response = get_with(&stack, API, &l402(&changed, &ticket.preimage));
        assert!(matches!(response.status, 400 | 401), "byte {at}: {}", response.status);
        assert_eq!(response.header("www-authenticate").is_some(), response.status == 401, "byte {at}");
    }
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack), before);
}

/// T129, C1: junk never costs an invoice, a thousand times over.
#[test]
fn a_thousand_junk_credentials_cost_no_invoice() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let good = bytes_of(&ticket);
    let before = invoices(&stack);
    stack.origin.clear();
    let mut line = Connection::open(stack.workerd.address()).unwrap();
    let mut seen_statuses = [0, 0];
    for n in 0..1_000_u32 {
        let mixed = n.wrapping_mul(2_654_435_761);
        let noise: Vec<u8> = (0..n % 200).map(|i| mixed.rotate_left(i % 31).to_le_bytes()[1]).collect();
        let mut changed = good.clone();
        let end = changed.len();
        changed[end - 32..].copy_from_slice(&l402::preimage::Preimage::new([n.to_le_bytes()[0]; 32]).payment_hash().0);
        let authorization = match n % 5 {
            0 => l402(&noise, &ticket.preimage),
            1 => l402(&changed, &ticket.preimage),
            2 => format!("LSAT {}", to_base64(&noise)),
            3 => format!("Payment {}", to_base64url(&noise)),
            _ => ticket.payment_with(|c| c["challenge"]["id"] = to_base64url(&changed[end - 32..]).into()),
        };
        let head = format!("GET {API} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {authorization}\r\n\r\n");
        line.send(head.as_bytes()).unwrap();
        let status = line.response(true).unwrap().status;
        assert!(matches!(status, 400 | 401), "{authorization}: {status}");
        seen_statuses[usize::from(status - 400)] += 1;
        if n % 250 == 0 {
            line.extend(satstile_tests::TIME_LIMIT);
        }
    }
    assert_eq!(seen_statuses, [600, 400]);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack), before);
}

/// C1, T25: whatever cannot be read is the same 400, so that an answer tells nothing about the parser.
#[test]
fn unreadable_credentials_are_refused_alike() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let (macaroon, preimage, bytes) = (&ticket.offer.macaroon, &ticket.preimage, bytes_of(&ticket));
    let with_id = |id: &[u8]| [&[2, 1, 0, 2, u8::try_from(id.len()).unwrap()], id, &[0, 0, 6, 32], &[7; 32]].concat();
    let credentials = [
        "L402".to_owned(),
        "L402 :".to_owned(),
        format!("L402 {macaroon}"),
        format!("L402 :{preimage}"),
        format!("L402 {macaroon}:"),
        format!("L402 {macaroon}:{}", &preimage[1..]),
        format!("L402 {macaroon}:{preimage}0"),
        format!("L402 {macaroon}:0x{}", &preimage[2..]),
        format!("L402 {macaroon}:{}g", &preimage[1..]),
        format!("L402 {macaroon} {preimage}"),
        format!("L402 {macaroon},{macaroon},{macaroon},{macaroon},{macaroon}:{preimage}"),
        format!("L402 {macaroon},:{preimage}"),
        format!("L402 macaroon=\"{macaroon}\", preimage=\"{preimage}\""),
        // T5: one token, one encoding.
        l402(&[&bytes[..], &[0]].concat(), preimage),
        l402(&[&bytes[..], &bytes[..]].concat(), preimage),
        l402(&bytes[..bytes.len() - 1], preimage),
        l402(&bytes[1..], preimage),
        format!("L402 {}:{preimage}", hex(&bytes)),
        format!("L402 {}:{preimage}", to_base64(macaroon.as_bytes())),
        format!("L402 {}*:{preimage}", &macaroon[1..]),
        l402(br#"{"v":2,"i":"x","c":[],"s64":"AA"}"#, preimage),
        l402(b"0017location satstile\n0010identifier x\n", preimage),
        // T4: 66 bytes of version 0, no more and no less.
        l402(&with_id(&[0; 65]), preimage),
        l402(&with_id(&[0; 67]), preimage),
        l402(&with_id(&[&[0, 1][..], &[0; 64]].concat()), preimage),
        l402(&with_id(b""), preimage),
        "Payment".to_owned(),
        "Payment !".to_owned(),
        "Payment e30".to_owned(),
        "Payment {".to_owned(),
        "Payment {}".to_owned(),
        format!("Payment {}", to_base64url(br#"{"challenge":{},"payload":{}}"#)),
        format!("Payment {}=x", to_base64url(b"{}")),
    ];
    let answer = are_refused_alike(&stack, 400, &credentials);
    assert_eq!(answer.header("www-authenticate"), None);
}

/// C1, T25, T129: a forgery is a 401 without an invoice, and all forgeries look alike.
#[test]
fn forgeries_are_refused_alike() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let bytes = bytes_of(&ticket);
    let at = bytes.windows(2).position(|w| w == [0, 0]).unwrap(); // the version, where the identifier begins
    let changed = |at: usize| {
        let mut changed = bytes.clone();
        changed[at] ^= 0x55;
        l402(&changed, &ticket.preimage)
    };
    let strangers = Keys::parse(&Secrets::random().master_keys, &Secrets::random().challenge_secret).unwrap();
    let hash = PaymentHash::from_hex(&ticket.offer.payment_hash).unwrap();
    let minted = |key: u8| Token::mint(&strangers, Identifier::new(hash, key, [3; 31]), &[]).unwrap().to_wire();
    let end = bytes.len() - 35; // the end of the caveats, before `00 06 20 signature`
    let third_party = [&bytes[..end], b"\x01\x04them\x02\x04them\x04\x04vvvv\x00", &bytes[end..]].concat();
    let dropped_caveat = {
        let last = bytes[..end].windows(3).rposition(|w| w[0] == 0 && w[1] == 2).unwrap() + 1;
        [&bytes[..last], &bytes[end..]].concat()
    };
    let answer = are_refused_alike(
        &stack,
        401,
        &[
            changed(at + 34),          // the key id
            changed(at + 2),           // the payment hash
            changed(at + 60),          // the token id
            changed(bytes.len() - 1),  // the signature
            changed(bytes.len() - 40), // a caveat
            l402(&dropped_caveat, &ticket.preimage),
            l402(&third_party, &ticket.preimage),
            format!("L402 {}:{}", minted(1), ticket.preimage),
            format!("L402 {},{}:{}", ticket.offer.macaroon, minted(1), ticket.preimage),
            // MAC before preimage: a wrong preimage does not change the answer.
            format!("L402 {}:{}", minted(1), "00".repeat(32)),
            ticket.payment_with(|c| c["challenge"]["id"] = "AAAA".into()),
            ticket.payment_with(|c| c["challenge"]["realm"] = "elsewhere.test".into()),
        ],
    );
    assert_eq!(answer.header("www-authenticate"), Some("L402 realm=\"api\""));
}

/// T2, C1: the preimage must be the one of this token's invoice.
#[test]
fn the_preimage_of_another_invoice_pays_for_nothing() {
    let stack = shared();
    let (ticket, other) = (buy(&stack, API), buy(&stack, API));
    let (macaroon, elsewhere) = (&ticket.offer.macaroon, buy(&stack, "/articles/1"));
    for preimage in [&other.preimage, &elsewhere.preimage, &"00".repeat(32), &ticket.offer.payment_hash] {
        let offer = is_charged(&stack, &format!("L402 {macaroon}:{preimage}"));
        assert_eq!(offer.response.json()["type"], "https://paymentauth.org/problems/verification-failed");
        assert_ne!(offer.payment_hash, ticket.offer.payment_hash);
    }
    // Two purchases do not make one credential, in either order, with either preimage.
    for preimage in [&ticket.preimage, &other.preimage] {
        is_charged(&stack, &format!("L402 {macaroon},{}:{preimage}", other.offer.macaroon));
    }
}

/// T8, T12, T14: what we signed ourselves is still no pass if it says too little, or is for another time or place.
#[test]
fn a_token_of_ours_opens_only_with_all_four_caveats_and_in_its_time() {
    let stack = shared();
    let keys = Keys::parse(&stack.secrets.master_keys, &stack.secrets.challenge_secret).unwrap();
    let preimage = l402::Preimage::new([42; 32]);
    let signed = |caveats: &[String]| {
        let identifier = Identifier::new(preimage.payment_hash(), keys.minting_id(), [9; 31]);
        format!("L402 {}:{}", Token::mint(&keys, identifier, caveats).unwrap().to_wire(), preimage.expose_hex())
    };
    let until = now().0 + 600;
    let all = ["services=api:0", &format!("api_valid_until={until}"), "satstile_aud=demo", "satstile_methods=GET,HEAD"];
    let all = all.map(str::to_owned);
    opens(&stack, &signed(&all));

    is_charged(&stack, &signed(&[]));
    for without in 0..all.len() {
        let fewer: Vec<String> =
            all.iter().enumerate().filter(|(n, _)| *n != without).map(|(_, c)| c.clone()).collect();
        is_charged(&stack, &signed(&fewer));
    }
    let instead = |at: usize, caveat: String| {
        let mut other = all.clone();
        other[at] = caveat;
        signed(&other)
    };
    for (at, caveat) in [
        (0, "services=dear:0".to_owned()),
        (0, "services=api".to_owned()),
        (1, format!("dear_valid_until={until}")),
        (1, format!("api_valid_until=+{until}")),
        (1, format!("api_valid_until= {until}")),
        (1, format!("api_valid_until=0{until}")),
        (1, format!("api_valid_until={until}.0")),
        (1, "api_valid_until=-1".to_owned()),
        (1, "api_valid_until=1e12".to_owned()),
        (1, "api_valid_until=99999999999999999999".to_owned()),
        (2, "satstile_aud=demo2".to_owned()),
        (3, "satstile_methods=POST".to_owned()),
    ] {
        is_charged(&stack, &instead(at, caveat));
    }
    let expired = is_charged(&stack, &instead(1, format!("api_valid_until={}", now().0)));
    assert_eq!(expired.response.json()["type"], "https://paymentauth.org/problems/payment-expired");
}

/// T9, T10, C2: what a holder adds may only narrow; a stranger's words are skipped, unknown ones in our name are not.
#[test]
fn attenuation_narrows_and_never_widens() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let soon = format!("api_valid_until={}", now().0 + 60);
    let route = format!("satstile_route={}", hex(&sha256(b"/api/*")[..8]));
    for caveats in [
        &["foreign=1"][..],
        &["no equals sign"],
        &["ExpiresAt=1", "articles_valid_until=1"],
        &[&format!("preimage={}", ticket.preimage)], // what lnget adds (D4)
        &["services=api:0"],
        &[&soon],
        &["satstile_aud=demo"],
        &["satstile_methods=GET"],
        &["satstile_methods=GET,HEAD,POST", "satstile_methods=GET,HEAD"],
        &[&route],
    ] {
        opens(&stack, &ticket.attenuated(caveats));
    }
    let (past, later) = (format!("api_valid_until={}", now().0 - 1), format!("api_valid_until={}", now().0 + 86_400));
    let in_ms = format!("api_valid_until={}000", now().0);
    for caveats in [
        &["satstile_unknown=1"][..],
        &["satstile=1"],
        &["satstile_"],
        &["satstile_uses"],
        &["services=dear:0"],
        &["services=api:0,dear:0"],
        &["services=api:1"],
        &["services="],
        &[&past],
        &[&later],
        &[&in_ms],
        &[&soon, &format!("api_valid_until={}", now().0 + 120)],
        &["api_valid_until=0"],
        &["api_valid_until=soon"],
        &["satstile_aud=other"],
        &["satstile_aud="],
        &["satstile_methods=POST"],
        &["satstile_methods="],
        &["satstile_methods=get"],
        &["satstile_methods=any"],
        &["satstile_methods=GET,HEAD", "satstile_methods=GET,HEAD,POST"],
        &["satstile_route=0000000000000000"],
        &["satstile_uses=0"],
        &["satstile_uses=-1"],
        &["satstile_uses=1e3"],
        &["satstile_uses=1", "satstile_uses=2"],
        &["satstile_budget_msat=0"],
        &["satstile_budget_msat=9999"],
        &["satstile_digest=sha-256:AAAA"],
        &["satstile_digest=md5:AAAAAAAAAAAAAAAAAAAAAA=="],
    ] {
        is_charged(&stack, &ticket.attenuated(caveats));
    }
}

/// T11: the method is part of what is bought.
#[test]
fn a_token_for_reading_does_not_write() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let reader = ticket.attenuated(&["satstile_methods=GET,HEAD"]);
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        stack.origin.clear();
        let headers = [("authorization", reader.as_str()), ("x-http-method-override", "GET")];
        Offer::read(http::send(method, &stack.url(API), &headers, b"x"));
        assert_eq!(seen(&stack), [""; 0], "{method}");
        let whole = http::send(method, &stack.url(API), &[("authorization", &ticket.l402())], b"x");
        assert_eq!(whole.status, 200, "{method}");
    }
    // The override never reaches an origin that would believe it (T30).
    stack.origin.clear();
    let headers =
        [("authorization", reader.as_str()), ("x-http-method-override", "DELETE"), ("x-method-override", "PUT")];
    assert_eq!(http::get(&stack.url(API), &headers).status, 200);
    let seen = common::only_seen(&stack);
    assert_eq!((seen.header("x-http-method-override"), seen.header("x-method-override")), (None, None));
}

/// C2, T13: a delegate may be bound to one body, one use, one price; the parent's own rights stay as they are.
#[test]
fn a_delegate_spends_what_it_was_given_and_no_more() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let post = |authorization: &str, body: &[u8]| {
        http::post(&stack.url(API), &[("authorization", authorization)], body).status
    };

    let digest = to_base64(&sha256(b"only this"));
    let bound = ticket.attenuated(&[&format!("satstile_digest=sha-256:{digest}")]);
    stack.origin.clear();
    assert_eq!(post(&bound, b"only that"), 402);
    assert_eq!(post(&bound, b"only this "), 402);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(post(&bound, b"only this"), 200);
    assert_eq!(common::only_seen(&stack).body, b"only this");

    let twice = ticket.attenuated(&["satstile_uses=2"]);
    let cheap = ticket.attenuated(&["satstile_budget_msat=29999"]); // two of 10,000, and not quite a third
    let twice: Vec<u16> = (0..4).map(|_| settled(|| post(&twice, b"x"))).collect();
    assert_eq!(twice, [200, 200, 402, 402]);
    // Both count on the same purchase: the two above have spent 20,000 of it.
    assert_eq!(settled(|| post(&cheap, b"x")), 402);
    assert_eq!(post(&ticket.l402(), b"x"), 200);
}

/// A delivery that has just ended may not be written down yet: 409 says so.
fn settled(mut ask: impl FnMut() -> u16) -> u16 {
    common::eventually("an end to the 409s", || Some(ask()).filter(|status| *status != 409))
}

/// T12, T13: where the policy says so, a token is for the very route it was bought on.
#[test]
fn a_token_bound_to_its_route_stays_there() {
    let routes = serde_json::json!([{"path": "/articles/1"}, {"path": "/articles/*"}]);
    let policy = serde_json::json!({"services": {"articles": {"bind_route": true, "routes": routes}}});
    let stack = satstile_tests::Stack::start(common::plenty(policy));
    let ticket = buy(&stack, "/articles/1");
    assert_eq!(get_with(&stack, "/articles/1?x", &ticket.l402()).status, 200);
    stack.origin.clear();
    let other = Offer::read(get_with(&stack, "/articles/2", &ticket.l402())).pay(stack.node());
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(get_with(&stack, "/articles/2", &other.l402()).status, 200);
    assert_eq!(get_with(&stack, "/articles/3", &other.l402()).status, 200);
    Offer::read(get_with(&stack, "/articles/1", &other.l402()));
}

/// C1, T15: a retired key is a 402 and an unknown one a 401; the new key mints.
#[test]
fn a_retired_key_is_sold_a_new_token_and_an_unknown_key_is_junk() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let old = stack.secrets.master_keys.clone();
    let new = Secrets::random().master_keys.replacen("1:", "2:", 1);
    let with = |masters: String| {
        sister(&stack, Secrets { master_keys: masters, ..stack.secrets.clone() }, serde_json::json!({}))
    };
    let ask = |worker: &satstile_tests::Workerd, authorization: &str| {
        http::get(&format!("http://{}{API}", worker.address()), &[("authorization", authorization)])
    };

    let rotating = with(format!("{new},{old}"));
    assert_eq!(ask(&rotating, &ticket.l402()).status, 200);
    stack.origin.clear();

    let retired = with(format!("{new},{}", old.replacen("1:", "1!:", 1)));
    let offer = Offer::read(ask(&retired, &ticket.l402()));
    assert_eq!(base64_any(&offer.macaroon).unwrap()[3 + 8 + 2 + 34], 2, "the new key mints");
    // Its MAC is still checked first: a forgery under a retired key costs nothing.
    let mut forged = bytes_of(&ticket);
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(ask(&retired, &l402(&forged, &ticket.preimage)).status, 401);

    let before = invoices(&stack);
    let unknown = with(new);
    assert_eq!(ask(&unknown, &ticket.l402()).status, 401);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack), before);
}

/// T12: the same keys in another deployment, or at another price, are another shop; a price change keeps its word (T13).
#[test]
fn a_token_stays_in_its_deployment_and_keeps_its_price() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let ask = |policy: serde_json::Value| {
        let other = sister(&stack, stack.secrets.clone(), policy);
        http::get(&format!("http://{}{API}", other.address()), &[("authorization", &ticket.l402())])
    };
    let elsewhere = Offer::read(ask(serde_json::json!({"deployment": "elsewhere"})));
    assert_eq!(elsewhere.response.json()["type"], "https://paymentauth.org/problems/payment-required");
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(ask(serde_json::json!({"services": {"api": {"price_msat": 99_000}}})).status, 200);
}

/// T121: a query string is kept by logs, histories and referrers.
#[test]
fn a_credential_in_the_query_is_refused_even_if_it_is_good() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let before = invoices(&stack);
    stack.origin.clear();
    let (macaroon, preimage) = (to_base64url(&bytes_of(&ticket)), &ticket.preimage);
    for query in [
        format!("macaroon={macaroon}&preimage={preimage}"),
        format!("L402={macaroon}:{preimage}"),
        format!("x=1&LSAT={macaroon}:{preimage}"),
        format!("authorization=L402%20{macaroon}:{preimage}"),
        format!("p%72eimage={preimage}"),
        "preimage".to_owned(),
    ] {
        for authorization in ["Bearer none", &ticket.l402()] {
            let response = get_with(&stack, &format!("{API}?{query}"), authorization);
            assert_eq!(response.status, 400, "{query}");
            assert!(!response.text().contains(preimage.as_str()) && !response.text().contains(&macaroon));
        }
    }
    assert_eq!(get(&stack, &format!("/free/1?preimage={preimage}")).status, 400);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack), before);
}

/// T44: sizes are looked at before anything is decoded.
#[test]
fn headers_beyond_the_limits_are_refused_with_431() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let send = |headers: &[(String, String)]| {
        stack.origin.clear();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        http::get(&stack.url(API), &headers).status
    };
    let authorization = |value: String| ("authorization".to_owned(), value);
    let before = invoices(&stack);
    assert_eq!(send(&[authorization(format!("L402 {}", "a".repeat(8192 - 5)))]), 400);
    assert_eq!(send(&[authorization(format!("L402 {}", "a".repeat(8193 - 5)))]), 431);
    assert_eq!(send(&[authorization(format!("Bearer {}", "a".repeat(60_000)))]), 431);

    // `Host`, `Connection` and `Authorization` are three of the hundred.
    let many = |n: usize| {
        let mut headers: Vec<_> = (0..n - 3).map(|i| (format!("x-{i}"), "1".to_owned())).collect();
        headers.push(authorization(ticket.l402()));
        headers
    };
    assert_eq!(send(&many(100)), 200);
    assert_eq!(send(&many(101)), 431);
    assert_eq!(send(&many(1_500)), 431);
    let long = vec![authorization(ticket.l402()), ("x-long".to_owned(), "x".repeat(66_000))];
    assert_eq!(send(&long), 431);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack), before);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use bitcoin::hashes::{Hash, sha256};
    sha256::Hash::hash(bytes).to_byte_array()
}
