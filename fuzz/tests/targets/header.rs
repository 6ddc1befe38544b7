//! `Authorization`, `WWW-Authenticate`, `Accept-Payment`, `Cookie`: whatever a stranger writes into a header.

use bolero::check;
use l402::auth_param::{self, Content};
use l402::bolt11::Network;
use l402::cookie::Cookies;
use l402::credential::{Credential, is_ours, poll_token};
use l402::payer::{Limits, Outcome, Payer, Step};
use l402::payment::{PaymentCredential, prefers_payment};
use l402::receipt::{PaymentReceipt, UnverifiedReceipt};
use l402::{Msat, Preimage, Secret, UnixTime};
use satstile_fuzz::{INVOICE, Input, PREIMAGE, TOKEN};

/// From aperture's vectors: a charge's credential.
const CHARGE: &str = concat!(
    "Payment eyJjaGFsbGVuZ2UiOnsiaWQiOiJrTTl4UHFXdlQybkpySHNZNGFEZkViIiwicmVhbG0iOiJhcGkuZXhhbXBsZS5jb20iLCJtZXRob2",
    "QiOiJsaWdodG5pbmciLCJpbnRlbnQiOiJjaGFyZ2UiLCJyZXF1ZXN0IjoiZXlKaGJXOTFiblFpT2lJeE1EQWlmUSIsImV4cGlyZXMiOiIyMDI2",
    "LTAzLTE1VDEyOjA1OjAwWiJ9LCJwYXlsb2FkIjp7InByZWltYWdlIjoiYTNmMWUyZDRiNWM2YTdlOCJ9fQ"
);

fn authorizations() -> Vec<String> {
    vec![
        format!("L402 {TOKEN}:{PREIMAGE}"),
        format!("LSAT {TOKEN}:{PREIMAGE}, L402 {TOKEN}:{PREIMAGE}"),
        format!("L402 {TOKEN},{TOKEN}:{PREIMAGE}"),
        format!("L402 {TOKEN}"),
        CHARGE.to_owned(),
        format!(r#"Payment {{"challenge":{{"id":"x","macaroon":"{TOKEN}"}},"payload":{{"preimage":"{PREIMAGE}"}}}}"#),
        "Bearer sk-123".to_owned(),
    ]
}

#[test]
fn authorization() {
    let samples = authorizations();
    let samples: Vec<&str> = samples.iter().map(String::as_str).collect();
    let secret = Secret::new((0..32_u8).map(|i| i.wrapping_mul(37)).collect()).unwrap();
    check!().with_type::<Input>().for_each(|input| {
        let value = input.text_near(&samples);
        let read = Credential::parse(&value);
        if matches!(read, Ok(Some(_))) {
            assert!(is_ours(&value), "a credential that would reach the origin");
        }
        if let Ok(Some(Credential::Payment(charge))) = read {
            let _ =
                charge.verify(std::slice::from_ref(&secret), "api.example.com", UnixTime(input.chance)).unwrap_err();
        }
        if PaymentCredential::parse(&value).is_ok() {
            assert!(PaymentCredential::recognises(&value));
        }
        if let Some(token) = poll_token(&value) {
            assert!(poll_token(&format!("L402 {}", token.to_wire())).is_some());
        }
    });
}

fn challenges() -> Vec<String> {
    let l402 = format!(r#"L402 macaroon="{TOKEN}", invoice="{INVOICE}", version="0", token="{TOKEN}""#);
    let payment =
        r#"Payment id="a, \"b\"", realm="r", method="lightning", intent="charge", request="e30", expires="x""#;
    vec![
        format!("{l402}, {payment}"),
        format!(r#"{payment}, LSAT macaroon="{TOKEN}", invoice="{INVOICE}""#),
        "Negotiate bm9uY2U=, Basic realm = x ,, Digest a=1,b=\"\\\\\", Bearer".to_owned(),
        l402,
    ]
}

#[test]
fn www_authenticate() {
    let samples = challenges();
    let samples: Vec<&str> = samples.iter().map(String::as_str).collect();
    check!().with_type::<Input>().for_each(|input| {
        let value = input.text_near(&samples);
        let Ok(challenges) = auth_param::parse(&value) else { return };
        for challenge in challenges {
            let Content::Params(params) = &challenge.content else { continue };
            let params: Vec<(&str, &str)> =
                params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            // What has a place in a header of ours is read back as it was.
            if let Some(written) = auth_param::write(&challenge.scheme, &params) {
                assert_eq!(auth_param::parse(&written).as_deref(), Ok(&[challenge.clone()][..]), "{written}");
            }
        }
    });
}

#[test]
fn a_payer_pays_only_within_its_limits() {
    let samples = challenges();
    let samples: Vec<&str> = samples.iter().map(String::as_str).collect();
    check!().with_type::<Input>().for_each(|input| {
        let value = input.text_near(&samples);
        let limits = Limits { amount_max: Msat(21_000), network: Network::Regtest };
        let read = Payer::new(limits).response(402, &[&value], UnixTime(1_900_000_000));
        let Ok(Step::Pay(asked)) = read else { return };
        assert!(asked.amount() <= limits.amount_max);
        if let Ok(paid) = asked.paid(Preimage::from_hex(PREIMAGE).unwrap()) {
            assert!(auth_param::quoted(&paid.authorization()).is_some(), "has a place in a header");
            let status = u16::try_from(input.chance % 1_000).unwrap();
            let _: Outcome = paid.response(status);
        }
    });
}

#[test]
fn smaller_headers() {
    let samples = [
        "tempo/*;q=0.5, lightning/charge;q=0.123, */session;q=0",
        "__Host-satstile-wait-articles=a.b.c; theme=dark; __Host-satstile-pass-articles=a:b",
        "eyJhbGciOiJFZERTQSIsImtpZCI6ImsiLCJ0eXAiOiJzYXRzdGlsZS1yZWNlaXB0K2p3dCJ9.e30.AAAA",
        "eyJzdGF0dXMiOiJzdWNjZXNzIiwibWV0aG9kIjoibGlnaHRuaW5nIiwidGltZXN0YW1wIjoieCIsInJlZmVyZW5jZSI6InkifQ",
    ];
    check!().with_type::<Input>().for_each(|input| {
        let value = input.text_near(&samples);
        let _ = prefers_payment(Some(&value));
        let _ = UnverifiedReceipt::parse(&value);
        if let Ok(receipt) = PaymentReceipt::parse(&value) {
            assert_eq!(PaymentReceipt::parse(&receipt.to_header()), Ok(receipt));
        }
        if let Some(rest) = Cookies::read(&value, "articles").rest {
            let is_ours = |pair: &str| pair.trim().starts_with("__Host-satstile-");
            assert!(!rest.split(';').any(is_ours), "a pass for the origin: {rest}");
        }
    });
}
