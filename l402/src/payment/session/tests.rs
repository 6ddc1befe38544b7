use super::*;
use crate::encoding::to_base64url;
use crate::payment::purchase::Purchase;
use crate::payment::{Asked, Offer, PaymentChallenge, PaymentCredential};
use serde_json::json;

/// An invoice without an amount: the first example of BOLT 11, good for an hour from this second on.
const DONATION: &str = "lnbc1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdpl2pkx2ctnv5sxxmmwwd5kgetjypeh2ursdae8g6twvus8g6rfwvs8qun0dfjkxaq9qrsgq357wnc5r2ueh7ck6q93dj32dlqnls087fxdwk8qakdyafkq3yap9us6v52vjjsrvywa6rt52cm9r9zqt8r2t7mlcwspyetp5h2tztugp9lfyql";
const MADE_AT: UnixTime = UnixTime(1_496_314_658);
/// The same invoice for 2,500 µBTC, of the same examples.
const COFFEE: &str = "lnbc2500u1pvjluezsp5zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zyg3zygspp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypqdq5xysxxatsyp3k7enxv4jsxqzpu9qrsgquk0rl77nj30yxdy8j9vdx85fkpmdla2087ne0xh8nhedh8w27kyke0lp53ut353s06fv3qfegext0eh0ymjpf39tuven09sam30g4vgpfna3rh";
const REALM: &str = "api.example.com";

fn secret() -> Secret {
    Secret::new((0..32u8).map(|i| i.wrapping_mul(37)).collect()).unwrap()
}

fn proof(byte: u8) -> Preimage {
    Preimage::from_hex(&hex::encode([byte; 32])).unwrap()
}

fn request() -> SessionRequest {
    SessionRequest {
        amount_sats: 2,
        unit_type: "request".to_owned(),
        description: None,
        deposit_invoice: "lnbc400n1p".to_owned(),
        payment_hash: proof(1).payment_hash(),
        deposit_sats: 40,
        idle_timeout_s: 300,
    }
}

/// A credential for a challenge that ends at [`MADE_AT`] and 600 seconds, with this payload.
fn credential(change: impl FnOnce(&mut Value)) -> UnverifiedSession {
    let request = request();
    let offer = Offer {
        realm: REALM,
        asked: Asked::Session(&request),
        service: "api",
        price: Msat(2_000),
        expires: MADE_AT.plus(600),
        digest: None,
        description: None,
    };
    let issued = PaymentChallenge::issue(&secret(), &offer).unwrap();
    let mut credential = json!({
        "challenge": {
            "id": issued.id, "realm": issued.realm, "method": "lightning", "intent": issued.intent,
            "request": issued.request, "expires": issued.expires, "opaque": issued.opaque,
        },
        "payload": {},
    });
    change(&mut credential);
    let header = format!("Payment {}", to_base64url(credential.to_string().as_bytes()));
    match PaymentCredential::parse(&header) {
        Ok(PaymentCredential::Session(session)) => session,
        other => panic!("{other:?}"),
    }
}

fn verify(payload: Value, after_s: u64) -> Result<VerifiedSession, ChargeFault> {
    let now = (Network::Mainnet, MADE_AT.plus(after_s));
    credential(|c| c["payload"] = payload).verify(&[secret()], REALM, now)
}

fn preimage(byte: u8) -> String {
    proof(byte).expose_hex()
}

fn named() -> String {
    proof(1).payment_hash().to_string()
}

#[test]
fn a_request_is_canonical_json_and_reads_back() {
    let request = SessionRequest { description: Some("a stream".to_owned()), ..request() };
    let purchase = Purchase { service: "api".to_owned(), token_id: None, price: Msat(2_000), digest: None };
    let encoded = request.encode(&purchase).unwrap();
    let json = String::from_utf8(crate::encoding::base64url(&encoded).unwrap()).unwrap();
    let expected = format!(
        r#"{{"amount":"2","currency":"sat","depositAmount":"40","depositInvoice":"lnbc400n1p","description":"a stream","idleTimeout":"300","methodDetails":{{"satstile":{{"price_msat":2000,"service":"api"}}}},"paymentHash":"{}","unitType":"request"}}"#,
        named()
    );
    assert_eq!(json, expected);
    assert_eq!(SessionRequest::of(&json::parse_base64url(&encoded).unwrap()), Ok(request.clone()));
    assert!(SessionRequest { deposit_sats: 1, ..request.clone() }.encode(&purchase).is_err(), "less than a unit");
    assert!(SessionRequest { amount_sats: 0, ..request }.encode(&purchase).is_err());
}

#[test]
fn a_paid_deposit_opens_a_session_and_its_preimage_bears_it() {
    let opened = verify(json!({"action": "open", "preimage": preimage(1), "returnInvoice": DONATION}), 0).unwrap();
    assert_eq!((opened.service.as_str(), opened.unit), ("api", Msat(2_000)));
    let SessionAction::Open { deposit, return_invoice } = &opened.action else { panic!() };
    assert_eq!((deposit.amount, deposit.idle_timeout_s, return_invoice.bolt11.as_str()), (Msat(40_000), 300, DONATION));
    assert_eq!(opened.action.session(), proof(1).payment_hash());
    let borne = verify(json!({"action": "bearer", "sessionId": named(), "preimage": preimage(1)}), 0).unwrap();
    assert_eq!(borne.action, SessionAction::Bearer(proof(1).payment_hash()));
    let closed = verify(json!({"action": "close", "sessionId": named(), "preimage": preimage(1)}), 0).unwrap();
    assert!(matches!(closed.action, SessionAction::Close { return_invoice: None, .. }));
    let other = proof(9).payment_hash();
    let topped =
        verify(json!({"action": "topUp", "sessionId": other.to_string(), "topUpPreimage": preimage(1)}), 0).unwrap();
    assert!(matches!(topped.action, SessionAction::TopUp { session, ref deposit }
        if session == other && deposit.payment_hash == proof(1).payment_hash()));
}

#[test]
fn without_the_proof_there_is_nothing() {
    for payload in [
        json!({"action": "open", "preimage": preimage(2), "returnInvoice": DONATION}),
        json!({"action": "open", "returnInvoice": DONATION}),
        json!({"action": "bearer", "sessionId": named(), "preimage": preimage(2)}),
        json!({"action": "close", "sessionId": named()}),
        // The proof of the session is none for another deposit.
        json!({"action": "topUp", "sessionId": named(), "topUpPreimage": preimage(2)}),
        json!({"action": "topUp", "sessionId": named(), "preimage": preimage(1)}),
    ] {
        assert_eq!(verify(payload.clone(), 0), Err(ChargeFault::InvalidPreimage), "{payload}");
    }
    for payload in [json!({"action": "bearer", "preimage": preimage(1)}), json!({"action": "close", "sessionId": "ab"})]
    {
        assert_eq!(verify(payload, 0), Err(ChargeFault::Malformed("payload.sessionId")));
    }
    for payload in [json!({"action": "voucher", "preimage": preimage(1)}), json!({"preimage": preimage(1)}), json!({})]
    {
        assert_eq!(verify(payload, 0), Err(ChargeFault::Unsupported));
    }
}

/// T25: whoever changed the challenge learns nothing about the rest.
#[test]
fn a_challenge_of_others_is_unknown_whatever_comes_with_it() {
    let now = (Network::Mainnet, MADE_AT);
    let paid = json!({"action": "bearer", "sessionId": named(), "preimage": preimage(1)});
    let changed = credential(|c| {
        c["payload"] = paid.clone();
        c["challenge"]["expires"] = "2038-01-01T00:00:00Z".into();
    });
    assert_eq!(changed.verify(&[secret()], REALM, now), Err(ChargeFault::UnknownChallenge));
    let elsewhere = credential(|c| c["payload"] = paid.clone());
    assert_eq!(elsewhere.verify(&[secret()], "api.example.net", now), Err(ChargeFault::UnknownChallenge));
    assert_eq!(credential(|c| c["payload"] = paid).verify(&[], REALM, now), Err(ChargeFault::UnknownChallenge));
}

/// A deposit has its time, and what it has opened does not end with it.
#[test]
fn only_a_deposit_is_bound_to_the_time_of_its_challenge() {
    let open = json!({"action": "open", "preimage": preimage(1), "returnInvoice": DONATION});
    assert!(verify(open.clone(), 599).is_ok());
    assert_eq!(verify(open, 600), Err(ChargeFault::Expired));
    let top_up = json!({"action": "topUp", "sessionId": named(), "topUpPreimage": preimage(1)});
    assert_eq!(verify(top_up, 600), Err(ChargeFault::Expired));
    for action in ["bearer", "close"] {
        assert!(verify(json!({"action": action, "sessionId": named(), "preimage": preimage(1)}), 90_000).is_ok());
    }
}

#[test]
fn a_return_invoice_names_no_amount_is_of_this_network_and_outlives_the_session() {
    let open = |invoice: &str| json!({"action": "open", "preimage": preimage(1), "returnInvoice": invoice});
    for wrong in [COFFEE, "lnbc1junk", ""] {
        assert_eq!(verify(open(wrong), 0), Err(ChargeFault::InvalidReturnInvoice), "{wrong}");
    }
    let without = json!({"action": "open", "preimage": preimage(1)});
    assert_eq!(verify(without, 0), Err(ChargeFault::InvalidReturnInvoice));
    let regtest = credential(|c| c["payload"] = open(DONATION));
    let read = regtest.verify(&[secret()], REALM, (Network::Regtest, MADE_AT));
    assert_eq!(read, Err(ChargeFault::InvalidReturnInvoice));
    // An hour of life, less the idle time and a minute; the challenge would be over by then.
    let close = |after_s| {
        let payload =
            json!({"action": "close", "sessionId": named(), "preimage": preimage(1), "returnInvoice": DONATION});
        verify(payload, after_s).map(|_| ())
    };
    assert_eq!((close(3_540), close(3_541)), (Ok(()), Err(ChargeFault::InvalidReturnInvoice)));
    assert!(verify(open(&DONATION.to_ascii_uppercase()), 0).is_ok());
}

/// Who has forwarded the deposit has its preimage, too, and can ask for a challenge like anybody.
#[test]
fn only_who_has_the_deposits_challenge_names_another_return_invoice() {
    let other = proof(2).payment_hash().to_string();
    let mut payload = json!({"action": "close", "sessionId": other, "preimage": preimage(2)});
    assert!(verify(payload.clone(), 0).is_ok());
    payload["returnInvoice"] = DONATION.into();
    assert_eq!(verify(payload, 0), Err(ChargeFault::InvalidReturnInvoice));
}

/// T120.
#[test]
fn a_session_does_not_print_its_preimage() {
    let session = credential(|c| c["payload"] = json!({"action": "bearer", "preimage": preimage(0xab)}));
    assert!(!format!("{session:?}").contains("abab"));
    let verified = verify(json!({"action": "open", "preimage": preimage(1), "returnInvoice": DONATION}), 0);
    assert!(!format!("{verified:?}").contains("0101"));
}
