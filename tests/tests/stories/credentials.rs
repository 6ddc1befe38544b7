//! Who gets in with what: every form of a good credential, and beside each the nearest bad one (T1 to T5, T17, T19,
//! T23, T25, T129, C1). What the caveats in a token say is told in `caveats`.

use l402::encoding::{to_base64, to_base64url};
use l402::identifier::Identifier;
use l402::token::Token;
use l402::{Keys, PaymentHash};
use satstile_tests::raw::{Connection, Response};
use satstile_tests::{Secrets, http, raw};

use crate::common::{
    API, Offer, Purchase, Turn, attenuate, buy, get_with, hex, invoices, is_charged, l402, opens, seen, shared,
};

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
    opens(&stack, &format!("L402 {}:{preimage}", to_base64url(&ticket.bytes())));
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
    let hex = hex(&ticket.bytes());
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
    let bytes = ticket.bytes();
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
    let good = ticket.bytes();
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
    let (macaroon, preimage, bytes) = (&ticket.offer.macaroon, &ticket.preimage, ticket.bytes());
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
        format!("L402 {}:{preimage}", to_base64(macaroon.as_bytes())),
        format!("L402 {}*:{preimage}", &macaroon[1..]),
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
    // C9: what a macaroon's library writes in another form is a class of its own.
    let other_forms = [
        format!("L402 {}:{preimage}", hex(&bytes)),
        l402(br#"{"v":2,"i":"x","c":[],"s64":"AA"}"#, preimage),
        l402(b"0017location satstile\n0010identifier x\n", preimage),
    ];
    let answer = are_refused_alike(&stack, 400, &other_forms);
    assert!(answer.text().contains("re-serialise it as version 2"), "{}", answer.text());
}

/// C1, T25, T129: a forgery is a 401 without an invoice, and all forgeries look alike.
#[test]
fn forgeries_are_refused_alike() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let bytes = ticket.bytes();
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

/// Row B2: pyl402 writes the scheme before a value that has it already.
#[test]
fn a_doubled_scheme_opens_b2() {
    let stack = shared();
    let ticket = buy(&stack, API);
    for twice in ["L402 L402", "LSAT L402"] {
        opens(&stack, &ticket.l402().replace("L402", twice));
    }
}

/// Row C9 (T5): who re-serialised a token is told what to do, and blanks where lines of base64 were folded are none.
#[test]
fn another_serialisation_is_answered_with_advice_c9() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let json = r#"{"v":2,"l":"satstile","i64":"AAAC","s64":"AAAA"}"#;
    for other in [json.to_owned(), to_base64(json.as_bytes()), "MDAxNmxvY2F0aW9uIHNhdHN0aWxlCg==".to_owned()] {
        let refused = get_with(&stack, API, &format!("L402 {other}:{}", ticket.preimage));
        assert_eq!(refused.status, 400, "{other}");
        assert!(refused.text().contains("re-serialise it as version 2"), "{}", refused.text());
    }
    let (first, second) = ticket.offer.macaroon.split_at(76);
    opens(&stack, &format!("L402 {first} {second}:{}", ticket.preimage));
}
