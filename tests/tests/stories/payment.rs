//! The HTTP Payment scheme: what is accepted as proof, what a delivery is receipted with (C4, C16, `wire.md` 4). How many
//! deliveries a payment buys is told in `delivery`.

use std::time::Duration;

use ed25519_dalek::{Signature, VerifyingKey};
use l402::encoding::{base64url, to_base64url};
use l402::receipt::{PaymentReceipt, UnverifiedReceipt};
use l402::relay::RelayCall;
use satstile_tests::raw::Response;
use satstile_tests::{Secrets, Stack, http};
use serde_json::{Value, json};

use crate::common::fake_node::{Draft, FakeNode};
use crate::common::{
    API, Offer, Purchase, after_the_409s, ask, buy, eventually, get, get_with, invoices, now, plenty, seen, shared,
    sister,
};

#[track_caller]
fn problem(response: &Response) -> String {
    let kind = response.json()["type"].as_str().unwrap_or_default().to_owned();
    kind.rsplit('/').next().unwrap_or_default().to_owned()
}

/// C4: delivered once, and never again; the same purchase then still has its time grant as L402.
#[test]
fn a_payment_delivers_once_and_its_token_for_the_time_it_bought() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let first = get_with(&stack, API, &ticket.payment());
    assert_eq!(first.status, 200, "{}", first.text());
    let second = after_the_409s(&stack, API, &ticket.payment());
    assert_eq!(problem(&second), "invalid-challenge");
    assert_ne!(Offer::read(second).payment_hash, ticket.offer.payment_hash);
    assert_eq!(seen(&stack), [API]);

    for _ in 0..2 {
        assert_eq!(get_with(&stack, API, &ticket.l402()).status, 200);
    }
    Offer::read(get_with(&stack, API, &ticket.payment()));
    assert_eq!(seen(&stack), [API; 3]);
    let seen = stack.origin.seen();
    assert!(seen.iter().all(|seen| seen.header("authorization").is_none()), "{seen:?}");
}

/// D6 the other way round: a token that was used does not use up the one Payment delivery of its grant.
#[test]
fn a_time_grant_leaves_the_one_payment_delivery_alone() {
    let stack = shared();
    let ticket = buy(&stack, API);
    assert_eq!(get_with(&stack, API, &ticket.l402()).status, 200);
    assert_eq!(get_with(&stack, API, &ticket.payment()).status, 200);
    Offer::read(after_the_409s(&stack, API, &ticket.payment()));
    assert_eq!(seen(&stack), [API; 2]);
}

/// `wire.md` 4.5, C16: two receipts on a paid 2xx, one of them signed; neither tells how to get in.
#[test]
fn a_delivery_comes_with_a_receipt_that_anybody_can_check() {
    let stack = shared();
    let (before, ticket) = (now(), buy(&stack, API));
    let paid = get_with(&stack, API, &ticket.payment());
    assert_eq!(paid.status, 200);
    assert_eq!(paid.all("cache-control"), ["private, no-store"]);
    let exposed = paid.header("access-control-expose-headers").unwrap_or_default();
    assert!(exposed.contains("Payment-Receipt") && exposed.contains("Satstile-Receipt"), "{exposed}");

    let header = paid.header("payment-receipt").unwrap();
    let receipt: Value = serde_json::from_slice(&base64url(header).unwrap()).unwrap();
    assert_eq!((&receipt["status"], &receipt["method"]), (&json!("success"), &json!("lightning")));
    assert_eq!(receipt["reference"], ticket.offer.payment_hash);
    assert_eq!(receipt["challengeId"], ticket.offer.param("Payment", "id"));
    assert!(l402::UnixTime::from_rfc3339(receipt["timestamp"].as_str().unwrap()).unwrap() >= before);
    assert_eq!(PaymentReceipt::parse(header).unwrap().reference(), ticket.offer.payment_hash);

    let signed = paid.header("satstile-receipt").unwrap();
    let unverified = UnverifiedReceipt::parse(signed).unwrap();
    let keys = get(&stack, "/.well-known/satstile/keys.json");
    assert_eq!((keys.status, keys.header("access-control-allow-origin")), (200, Some("*")));
    let keys = keys.json();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == unverified.key_id).unwrap();
    assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
    let key: [u8; 32] = base64url(key["x"].as_str().unwrap()).unwrap().try_into().unwrap();
    let signature = Signature::from_bytes(&unverified.signature);
    let key = VerifyingKey::from_bytes(&key).unwrap();
    key.verify_strict(unverified.signing_input.as_bytes(), &signature).unwrap();
    assert!(key.verify_strict(&unverified.signing_input.as_bytes()[1..], &signature).is_err());
    let said = unverified.unverified_receipt;
    assert_eq!((said.service.as_str(), said.amount.0, said.issuer), ("api", 10_000, stack.url("")));
    assert_eq!(said.payment_hash.to_string(), ticket.offer.payment_hash);
    assert_eq!(said.challenge_id, Some(ticket.offer.param("Payment", "id")));

    for header in [header, signed] {
        let text: String =
            header.split('.').map(|part| String::from_utf8_lossy(&base64url(part).unwrap()).into_owned()).collect();
        assert!(!text.contains(&ticket.preimage) && !text.contains(&ticket.offer.macaroon), "{text}");
    }
}

/// C16: an old receipt can be checked after a new key took over.
#[test]
fn a_rotated_receipt_key_stays_published() {
    let stack = shared();
    let key_ids = |url: &str| -> Vec<String> {
        let keys = http::get(&format!("{url}/.well-known/satstile/keys.json"), &[]).json();
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let old = key_ids(&stack.url(""));
    assert_eq!(old.len(), 1);
    let newer = Secrets::random().receipt_key;
    let rotated = Secrets { receipt_key: format!("{newer},{}", stack.secrets.receipt_key), ..stack.secrets.clone() };
    let worker = sister(&stack, rotated, json!({"public_url": stack.url("")}));
    let url = format!("http://{}", worker.address());
    let both = key_ids(&url);
    assert_eq!((both.len(), &both[1]), (2, &old[0]));
    assert_ne!(both[0], old[0]);

    // F20: so is a challenge that was issued before its secret was replaced, and one of nobody's is not.
    let ticket = buy(&stack, API);
    let ask = |secrets: Secrets| {
        let worker = sister(&stack, secrets, json!({"public_url": stack.url("")}));
        http::get(&format!("http://{}{API}", worker.address()), &[("authorization", &ticket.payment())])
    };
    let newer = Secrets::random().challenge_secret;
    let replaced = Secrets { challenge_secret: newer.clone(), ..stack.secrets.clone() };
    assert_eq!(ask(replaced).status, 401);
    let rotating = format!("{newer},{}", stack.secrets.challenge_secret);
    let delivered = ask(Secrets { challenge_secret: rotating, ..stack.secrets.clone() });
    assert_eq!(delivered.status, 200);
    let receipt = UnverifiedReceipt::parse(delivered.header("satstile-receipt").unwrap()).unwrap();
    assert_eq!(receipt.key_id, old[0]);
}

/// `wire.md` 4.5: what was not delivered is not receipted.
#[test]
fn there_is_no_receipt_without_a_delivery() {
    let stack = shared();
    let ticket = buy(&stack, API);
    for (path, status) in [("/api/fault/status/503", 503), ("/api/fault/hang-up", 502)] {
        let failed = after_the_409s(&stack, path, &ticket.payment());
        assert_eq!(failed.status, status);
        assert_eq!((failed.header("payment-receipt"), failed.header("satstile-receipt")), (None, None), "{path}");
    }
    let not_found = after_the_409s(&stack, "/api/nothing", &ticket.payment());
    assert_eq!((not_found.status, not_found.header("payment-receipt")), (404, None));
    let unpaid = get(&stack, API);
    assert_eq!((unpaid.status, unpaid.header("payment-receipt")), (402, None));
}

/// C1: a wrong preimage is sold a new challenge, and takes nothing from the right one.
#[test]
fn a_wrong_preimage_proves_nothing_and_spoils_nothing() {
    let stack = shared();
    let (ticket, other) = (buy(&stack, API), buy(&stack, API));
    for wrong in
        [json!(other.preimage), json!("00".repeat(32)), json!(ticket.offer.payment_hash), json!(""), json!(null)]
    {
        let refused = get_with(&stack, API, &ticket.payment_with(|c| c["payload"]["preimage"] = wrong.clone()));
        assert_eq!((refused.status, problem(&refused).as_str()), (402, "verification-failed"), "{wrong}");
        Offer::read(refused);
    }
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(get_with(&stack, API, &ticket.payment()).status, 200);
}

/// C1, C4, T25: the id binds everything that matters; what was changed is a forgery, and costs no invoice.
#[test]
fn a_changed_challenge_is_a_forgery() {
    let stack = shared();
    let (ticket, other) = (buy(&stack, API), buy(&stack, "/dear/echo"));
    let before = invoices(&stack);
    let decoded = |name: &str| -> Value {
        serde_json::from_slice(&base64url(&ticket.offer.param("Payment", name)).unwrap()).unwrap()
    };
    let encoded = |value: &Value| to_base64url(value.to_string().as_bytes());
    let (mut cheaper, mut elsewhere) = (decoded("request"), decoded("opaque"));
    cheaper["amount"] = "1".into();
    elsewhere["service"] = "dear".into();
    let later = l402::UnixTime(now().0 + 86_400).to_string();
    let changes: [(&str, Value); 11] = [
        ("id", "".into()),
        ("id", other.offer.param("Payment", "id").into()),
        ("realm", "elsewhere.test".into()),
        ("method", "tempo".into()),
        ("intent", "session".into()),
        ("request", encoded(&cheaper).into()),
        ("request", other.offer.param("Payment", "request").into()),
        ("expires", later.into()),
        ("expires", Value::Null),
        ("opaque", encoded(&elsewhere).into()),
        ("digest", "sha-256=:AA==:".into()),
    ];
    let mut bodies = Vec::new();
    for (name, value) in changes {
        let changed = ticket.payment_with(|c| c["challenge"][name] = value.clone());
        let refused = get_with(&stack, API, &changed);
        assert_eq!(refused.status, 401, "{name} = {value}");
        assert_eq!(refused.header("www-authenticate"), Some("L402 realm=\"api\""));
        bodies.push(refused.text());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    // The slots of the id are joined by bars: none may be moved from one to the next.
    let (method, intent) = ("lightning|charge", "");
    let moved = ticket.payment_with(|c| {
        c["challenge"]["method"] = method.into();
        c["challenge"]["intent"] = intent.into();
    });
    assert!(matches!(get_with(&stack, API, &moved).status, 400 | 401));
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(invoices(&stack), before);
    assert_eq!(get_with(&stack, API, &ticket.payment()).status, 200);
}

/// C4: the description is for people and bound to nothing; what a client does not know it need not send.
#[test]
fn what_the_id_does_not_bind_does_not_matter() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let credential = ticket.payment_with(|c| {
        c["challenge"]["description"] = "anything".into();
        c["source"] = "did:key:z6Mk".into();
    });
    assert_eq!(get_with(&stack, API, &credential).status, 200);
}

/// C4: service and amount are checked against the route, and the credential is still good where it belongs.
#[test]
fn a_payment_for_one_service_opens_no_other() {
    let stack = shared();
    let ticket = buy(&stack, API);
    let refused = get_with(&stack, "/dear/echo", &ticket.payment());
    assert_eq!(problem(&refused), "invalid-challenge");
    assert_eq!(Offer::read(refused).response.json()["amount_sats"], 50);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(get_with(&stack, API, &ticket.payment()).status, 200);
}

/// `systems.md` B, C4: the plain JSON form is an L402 credential in other clothes, commas and all.
#[test]
fn the_plain_json_form_is_worth_what_its_macaroon_is_worth() {
    let stack = shared();
    let (ticket, other) = (buy(&stack, API), buy(&stack, API));
    let plain = |macaroon: &str, preimage: &str| {
        format!(
            "Payment {}",
            json!({"challenge": {"id": "ignored", "macaroon": macaroon}, "payload": {"preimage": preimage}})
        )
    };
    let (macaroon, preimage) = (&ticket.offer.macaroon, &ticket.preimage);
    for _ in 0..2 {
        let opened = get_with(&stack, API, &plain(macaroon, preimage));
        assert_eq!(opened.status, 200, "{}", opened.text());
    }
    let spaced = format!(
        r#"Payment {{ "challenge": {{"macaroon":"{macaroon}", "id": ""}}, "payload": {{"preimage":"{preimage}"}} }}"#
    );
    assert_eq!(get_with(&stack, API, &spaced).status, 200);
    assert_eq!(seen(&stack), [API; 3]);
    assert!(stack.origin.seen().iter().all(|seen| seen.header("authorization").is_none()));

    Offer::read(get_with(&stack, API, &plain(macaroon, &other.preimage)));
    Offer::read(get_with(&stack, "/articles/1", &plain(macaroon, preimage)));
    let before = invoices(&stack);
    let mut forged = macaroon.clone().into_bytes();
    forged[200] = if forged[200] == b'A' { b'B' } else { b'A' };
    assert_eq!(get_with(&stack, API, &plain(&String::from_utf8(forged).unwrap(), preimage)).status, 401);
    for unreadable in [
        plain(macaroon, "1a"),
        plain("!", preimage),
        plain(macaroon, preimage).replace("macaroon", "token"),
        format!("{}, {}", plain(macaroon, preimage), ticket.l402()),
        plain(macaroon, preimage).replace("\"id\":\"ignored\"", "\"macaroon\":\"x\""),
    ] {
        assert_eq!(get_with(&stack, API, &unreadable).status, 400, "{unreadable}");
    }
    assert_eq!(seen(&stack), [API; 3]);
    assert_eq!(invoices(&stack), before);
}

/// C4: a challenge has an end, a minute before its invoice's; the purchase itself lives on as L402.
#[test]
fn an_expired_challenge_is_refused_and_its_token_is_not() {
    // An invoice with 61 s left makes a challenge that is over in a second.
    let (stack, node) = FakeNode::stack(plenty(json!({})), |call, line| match &call.call {
        RelayCall::InvoiceCreate(order) => {
            let draft = Draft { expiry_s: 62, preimage: [u8::try_from(call.number).unwrap(); 32], ..Draft::of(order) };
            line.signed(200, &draft.sign().reply())
        }
        _ => line.unsigned(400, b""),
    });
    let ticket = Purchase { offer: ask(&stack, API), preimage: "01".repeat(32) };
    let expires = l402::UnixTime::from_rfc3339(&ticket.offer.param("Payment", "expires")).unwrap();
    std::thread::sleep(Duration::from_secs(expires.0.saturating_sub(now().0) + 1));
    let late = get_with(&stack, API, &ticket.payment());
    assert_eq!(problem(&late), "payment-expired");
    Offer::read(late);
    assert_eq!(seen(&stack), [""; 0]);
    assert_eq!(get_with(&stack, API, &ticket.l402()).status, 200);
    assert_eq!(node.calls().len(), 2);
}

/// Both forms of the credential in one request are two credentials (C1).
#[test]
fn a_payment_beside_anything_else_is_refused() {
    let stack = shared();
    let ticket = buy(&stack, API);
    for both in [
        format!("{}, {}", ticket.payment(), ticket.l402()),
        format!("{}, {}", ticket.l402(), ticket.payment()),
        format!("{}, Bearer x", ticket.payment()),
    ] {
        assert_eq!(get_with(&stack, API, &both).status, 400, "{both}");
    }
    assert_eq!(seen(&stack), [""; 0]);
}

/// Row B1: Alby's `fetchWithMpp` echoes these six members and nothing else, of a GET and of a POST.
#[test]
fn a_client_that_echoes_six_members_gets_what_it_paid_for_b1() {
    let stack = shared();
    for method in ["GET", "POST"] {
        let ticket = buy(&stack, API);
        let credential = ticket.payment_with(|c| drop(c["challenge"].as_object_mut().unwrap().remove("opaque")));
        let body: &[u8] = if method == "POST" { b"{}" } else { b"" };
        let send = || http::send(method, &stack.url(API), &[("authorization", &credential)], body);
        let delivered = send();
        assert_eq!((delivered.status, delivered.header("payment-receipt").is_some()), (200, true), "{method}");
        eventually("the end of the delivery", || (send().status == 402).then_some(()));
    }
    assert_eq!(seen(&stack), [API; 2], "each delivers once");
}

/// Row B1: what stands in `request`.
#[test]
fn a_challenge_says_in_its_request_what_is_sold_b1() {
    let stack = shared();
    let offer = ask(&stack, API);
    let request: Value = serde_json::from_slice(&base64url(&offer.param("Payment", "request")).unwrap()).unwrap();
    let opaque: Value = serde_json::from_slice(&base64url(&offer.param("Payment", "opaque")).unwrap()).unwrap();
    let sold = &request["methodDetails"]["satstile"];
    assert_eq!((&sold["service"], &sold["price_msat"]), (&json!("api"), &json!(10_000)));
    assert_eq!((&sold["token"], sold.get("digest")), (&opaque["token"], None));
}

/// Row B3 (T13): a change of price, up or down, takes nothing from who has paid, by either scheme; whoever comes later pays
/// what it costs then.
#[test]
fn who_paid_the_price_of_the_sale_gets_the_goods_whatever_it_costs_by_then_b3() {
    let mut stack = Stack::start(plenty(json!({})));
    for price in [25_000, 3_000] {
        stack.workerd.restart_with(&json!({"services": {"api": {"price_msat": 10_000}}}));
        let (by_token, by_payment, unpaid) = (buy(&stack, API), buy(&stack, API), ask(&stack, API));
        stack.workerd.restart_with(&json!({"services": {"api": {"price_msat": price}}}));
        assert_eq!(get_with(&stack, API, &by_token.l402()).status, 200, "{price}");
        assert_eq!(get_with(&stack, API, &by_payment.payment()).status, 200, "{price}");
        // Who pays the old invoice now and has no preimage is told it, too.
        stack.node().pay(&unpaid.invoice);
        let poll = format!("L402 {}", unpaid.macaroon);
        let told = eventually("the settlement", || {
            let answer = http::post(&stack.url("/.well-known/satstile/status"), &[("authorization", &poll)], b"");
            Some(answer).filter(|answer| answer.status == 200 && answer.json()["status"] == "settled")
        });
        assert!(told.json()["preimage"].is_string(), "{price}");
        let offer = ask(&stack, API);
        assert_eq!(offer.response.json()["amount_msat"], price);
        // A cheaper service's purchase opens no dearer one.
        assert_eq!(get_with(&stack, "/dear/echo", &by_token.l402()).status, 402);
    }
}
