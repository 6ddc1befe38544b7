//! A Payment charge from challenge to verified credential, and everything one step away from it.
#![cfg(feature = "mint")]

use l402::bolt11::Network;
use l402::encoding::{base64url, to_base64url};
use l402::payment::{
    Asked, ChargeFault, ChargeRequest, Offer, PaymentChallenge, PaymentCredential, Slots, challenge_id,
};
use l402::{Msat, PaymentHash, Preimage, Secret, UnixTime};
use serde_json::{Value, json};

mod support;

const NOW: UnixTime = UnixTime(1_900_000_000);
const REALM: &str = "api.example.com";
const PREIMAGE: Preimage = Preimage::new([0x11; 32]);

fn secret(seed: u8) -> Secret {
    Secret::new((0..32u8).map(|i| i.wrapping_mul(37).wrapping_add(seed)).collect()).unwrap()
}

fn request() -> ChargeRequest {
    ChargeRequest {
        amount_sats: 21,
        description: Some("An article".to_owned()),
        invoice: support::invoice(Msat(21_000), &PREIMAGE, NOW),
        payment_hash: PREIMAGE.payment_hash(),
        network: Network::Regtest,
    }
}

fn offer(request: &ChargeRequest) -> Offer<'_> {
    Offer {
        realm: REALM,
        asked: Asked::Charge(request, &[0x22; 32]),
        service: "articles",
        price: Msat(21_000),
        expires: NOW.plus(540),
        digest: None,
        description: Some("An article"),
    }
}

fn issue(request: &ChargeRequest) -> PaymentChallenge {
    PaymentChallenge::issue(&secret(0), &offer(request)).unwrap()
}

/// What an honest client sends back.
fn credential(challenge: &PaymentChallenge) -> Value {
    json!({
        "challenge": {
            "id": challenge.id, "realm": challenge.realm, "method": "lightning", "intent": "charge",
            "request": challenge.request, "expires": challenge.expires, "opaque": challenge.opaque,
            "description": "An article",
        },
        "payload": { "preimage": PREIMAGE.expose_hex() },
    })
}

fn verify_at(credential: &Value, secrets: &[Secret], realm: &str, now: UnixTime) -> Result<String, ChargeFault> {
    let header = format!("Payment {}", to_base64url(credential.to_string().as_bytes()));
    match PaymentCredential::parse(&header)? {
        PaymentCredential::Charge(charge) => charge.verify(secrets, realm, now).map(|verified| verified.service),
        other => panic!("not a charge: {other:?}"),
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Value), ending: Result<&str, ChargeFault>) {
    let mut credential = credential(&issue(&request()));
    change(&mut credential);
    assert_eq!(verify_at(&credential, &[secret(0)], REALM, NOW).as_deref(), ending.as_ref().map(|service| *service));
}

/// Binds a changed challenge anew, as only a holder of the secret could.
fn rebind(credential: &mut Value) {
    let challenge = &mut credential["challenge"];
    let slot = |name: &str| challenge[name].as_str().unwrap_or_default().to_owned();
    let values = ["realm", "method", "intent", "request", "expires", "digest", "opaque"].map(slot);
    let [realm, method, intent, request, expires, digest, opaque] = values.each_ref().map(String::as_str);
    let id = challenge_id(secret(0).expose(), &Slots { realm, method, intent, request, expires, digest, opaque });
    challenge["id"] = id.into();
}

#[test]
fn a_paid_charge_verifies() {
    let challenge = issue(&request());
    let header = format!("Payment {}", to_base64url(credential(&challenge).to_string().as_bytes()));
    let Ok(PaymentCredential::Charge(charge)) = PaymentCredential::parse(&header) else { panic!() };
    let verified = charge.verify(&[secret(0)], REALM, NOW).unwrap();
    assert_eq!(verified.challenge_id, challenge.id);
    assert_eq!(verified.service, "articles");
    assert_eq!(verified.token_id, [0x22; 32]);
    assert_eq!(verified.payment_hash, PREIMAGE.payment_hash());
    assert_eq!(verified.amount_sats, 21);
    assert_eq!(verified.expires_at, NOW.plus(540));
    assert_eq!(verified.invoice.amount, Some(Msat(21_000)));
    assert_eq!(verified.digest, None);
    assert_eq!(verified.price, Msat(21_000));
}

/// Row B1: a client that echoes these six and nothing else, as `fetchWithMpp` does.
#[test]
fn what_every_client_echoes_is_enough_b1() {
    let request = request();
    let digest = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
    let challenge = PaymentChallenge::issue(&secret(0), &Offer { digest: Some(digest), ..offer(&request) }).unwrap();
    let mut credential = credential(&challenge);
    let members = credential["challenge"].as_object_mut().unwrap();
    members.retain(|name, _| ["id", "realm", "method", "intent", "request", "expires"].contains(&name.as_str()));
    let header = format!("Payment {}", to_base64url(credential.to_string().as_bytes()));
    let Ok(PaymentCredential::Charge(charge)) = PaymentCredential::parse(&header) else { panic!() };
    let verified = charge.verify(&[secret(0)], REALM, NOW).unwrap();
    assert_eq!((verified.service.as_str(), verified.token_id), ("articles", [0x22; 32]));
    assert_eq!((verified.price, verified.digest.as_deref()), (Msat(21_000), Some(digest)));
    // The id is over the six alone, as anybody's library computes it.
    let [realm, intent, request, expires] =
        ["realm", "intent", "request", "expires"].map(|name| credential["challenge"][name].as_str().unwrap());
    let slots = Slots { realm, method: "lightning", intent, request, expires, ..Slots::default() };
    assert_eq!(challenge_id(secret(0).expose(), &slots), challenge.id);
    // A digest that is echoed is this one or a forgery.
    for (said, ending) in [(digest, true), ("sha-256=:AA==:", false)] {
        credential["challenge"]["digest"] = said.into();
        assert_eq!(verify_at(&credential, &[secret(0)], REALM, NOW).is_ok(), ending, "{said}");
    }
}

/// Row B1: the bytes that stand in `request`, pinned.
#[test]
fn a_request_says_what_is_sold_in_these_bytes_b1() {
    let json: Value = serde_json::from_slice(&base64url(&issue(&request()).request).unwrap()).unwrap();
    let sold = format!(r#"{{"price_msat":21000,"service":"articles","token":"{}"}}"#, "22".repeat(32));
    assert_eq!(json["methodDetails"]["satstile"].to_string(), sold);
}

/// Row B1: the form of before is taken until it expires, and only as it was: with its `opaque`.
#[test]
fn a_challenge_of_the_older_form_is_good_until_it_expires_b1() {
    let older = |change: &dyn Fn(&mut Value)| {
        let mut credential = credential(&issue(&request()));
        let mut json: Value = serde_json::from_slice(&base64url(&issue(&request()).request).unwrap()).unwrap();
        json["methodDetails"].as_object_mut().unwrap().remove("satstile");
        credential["challenge"]["request"] = to_base64url(json.to_string().as_bytes()).into();
        rebind(&mut credential);
        change(&mut credential);
        credential
    };
    let verify = |credential: &Value, now| verify_at(credential, &[secret(0)], REALM, now);
    assert_eq!(verify(&older(&|_| ()), NOW).as_deref(), Ok("articles"));
    assert_eq!(verify(&older(&|_| ()), NOW.plus(540)), Err(ChargeFault::Expired));
    let without = older(&|v| drop(v["challenge"].as_object_mut().unwrap().remove("opaque")));
    assert_eq!(verify(&without, NOW), Err(ChargeFault::UnknownChallenge));
    let digested = older(&|v| v["challenge"]["digest"] = "sha-256=:AA==:".into());
    assert_eq!(verify(&digested, NOW), Err(ChargeFault::UnknownChallenge));
}

#[test]
fn every_bound_member_is_bound() {
    for member in ["realm", "method", "intent", "request", "expires", "opaque"] {
        let other = |value: &mut Value| {
            let text = value["challenge"][member].as_str().unwrap().to_owned();
            value["challenge"][member] = format!("{text}A").into();
        };
        check(other, Err(ChargeFault::UnknownChallenge));
        check(
            |v| drop(v["challenge"].as_object_mut().unwrap().insert("digest".into(), "x".into())),
            Err(ChargeFault::UnknownChallenge),
        );
    }
    check(|v| v["challenge"]["id"] = "".into(), Err(ChargeFault::UnknownChallenge));
    check(|v| v["challenge"]["description"] = "other words".into(), Ok("articles"));
    check(|v| v["challenge"]["header"] = "Payment-Authorization".into(), Ok("articles")); // D7: not a slot of ours
}

#[test]
fn an_older_secret_still_verifies_and_a_strange_one_never_does() {
    let credential = credential(&issue(&request()));
    let verify = |secrets: &[Secret]| verify_at(&credential, secrets, REALM, NOW);
    assert!(verify(&[secret(1), secret(0)]).is_ok());
    assert_eq!(verify(&[secret(1), secret(2)]), Err(ChargeFault::UnknownChallenge));
    assert_eq!(verify(&[]), Err(ChargeFault::UnknownChallenge));
}

#[test]
fn a_challenge_of_another_host_is_unknown_here() {
    let credential = credential(&issue(&request()));
    assert_eq!(verify_at(&credential, &[secret(0)], "api.example.net", NOW), Err(ChargeFault::UnknownChallenge));
}

#[test]
fn a_bar_moved_between_slots_gains_nothing() {
    // `a|b` + `c` and `a` + `b|c` hash alike (aperture's vectors); ours never contain one.
    check(
        |v| {
            v["challenge"]["digest"] = format!("|{}", v["challenge"]["opaque"].as_str().unwrap()).into();
            v["challenge"].as_object_mut().unwrap().remove("opaque");
        },
        Err(ChargeFault::UnknownChallenge),
    );
}

#[test]
fn it_ends_with_the_challenge_or_with_the_invoice() {
    let at = |request: &ChargeRequest, expires, now| {
        let challenge = PaymentChallenge::issue(&secret(0), &Offer { expires, ..offer(request) }).unwrap();
        verify_at(&credential(&challenge), &[secret(0)], REALM, now)
    };
    assert!(at(&request(), NOW.plus(540), NOW.plus(539)).is_ok());
    assert_eq!(at(&request(), NOW.plus(540), NOW.plus(540)), Err(ChargeFault::Expired));
    assert!(at(&request(), NOW.plus(9_999), NOW.plus(599)).is_ok());
    assert_eq!(at(&request(), NOW.plus(9_999), NOW.plus(600)), Err(ChargeFault::Expired));
}

#[test]
fn the_preimage_must_be_the_invoices() {
    let mut near = *PREIMAGE.expose();
    near[0] ^= 1;
    check(|v| v["payload"]["preimage"] = hex::encode(near).into(), Err(ChargeFault::InvalidPreimage));
    check(|v| v["payload"]["preimage"] = PREIMAGE.payment_hash().to_string().into(), Err(ChargeFault::InvalidPreimage));
    check(|v| v["payload"]["preimage"] = "11".repeat(31).into(), Err(ChargeFault::InvalidPreimage));
    check(|v| v["payload"] = json!({}), Err(ChargeFault::InvalidPreimage));
    check(|v| v["payload"]["preimage"] = PREIMAGE.expose_hex().to_uppercase().into(), Ok("articles"));
}

#[test]
fn a_forger_learns_nothing_before_the_mac() {
    check(
        |v| {
            v["challenge"]["id"] = "forged".into();
            v["challenge"]["expires"] = "1970-01-01T00:00:00Z".into();
            v["payload"] = json!({});
        },
        Err(ChargeFault::UnknownChallenge),
    );
}

#[test]
fn a_session_of_ours_is_not_sold() {
    for (member, value) in [("intent", "subscription"), ("method", "tempo")] {
        let change = |v: &mut Value| {
            v["challenge"][member] = value.into();
            rebind(v);
        };
        check(change, Err(ChargeFault::Unsupported));
    }
}

#[test]
fn a_request_that_contradicts_its_invoice_is_refused_even_under_our_mac() {
    let verify = |request: ChargeRequest| verify_at(&credential(&issue(&request)), &[secret(0)], REALM, NOW);
    assert_eq!(verify(ChargeRequest { amount_sats: 20, ..request() }), Err(ChargeFault::Malformed("request.amount")));
    let other = ChargeRequest { payment_hash: PaymentHash([9; 32]), ..request() };
    assert_eq!(verify(other), Err(ChargeFault::Malformed("request.methodDetails.paymentHash")));
    let other = ChargeRequest { network: Network::Mainnet, ..request() };
    assert_eq!(verify(other), Err(ChargeFault::Malformed("request.methodDetails.network")));
    let rounded = ChargeRequest { invoice: support::invoice(Msat(20_001), &PREIMAGE, NOW), ..request() };
    assert!(verify(rounded).is_ok());
}

#[test]
fn the_digest_comes_back_to_be_checked() {
    let request = request();
    let digest = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:";
    let challenge = PaymentChallenge::issue(&secret(0), &Offer { digest: Some(digest), ..offer(&request) }).unwrap();
    let mut credential = credential(&challenge);
    credential["challenge"]["digest"] = digest.into();
    let header = format!("Payment {}", to_base64url(credential.to_string().as_bytes()));
    let Ok(PaymentCredential::Charge(charge)) = PaymentCredential::parse(&header) else { panic!() };
    assert_eq!(charge.verify(&[secret(0)], REALM, NOW).unwrap().digest.as_deref(), Some(digest));
}

#[test]
fn the_header_carries_what_the_credential_must_echo() {
    let challenge = issue(&request());
    let header = challenge.to_header().unwrap();
    let [parsed] = &l402::auth_param::parse(&header).unwrap()[..] else { panic!("{header}") };
    assert!(parsed.is("Payment"));
    for (name, value) in [
        ("id", challenge.id.as_str()),
        ("realm", REALM),
        ("method", "lightning"),
        ("intent", "charge"),
        ("request", &challenge.request),
        ("expires", "2030-03-17T17:55:40Z"),
        ("description", "An article"),
        ("opaque", &challenge.opaque),
    ] {
        assert_eq!(parsed.param(name), Some(value), "{name}");
    }
    assert!(base64url(&challenge.request).is_some() && header.len() < 4_096);
}
