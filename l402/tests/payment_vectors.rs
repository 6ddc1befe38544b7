//! Vectors of other people's implementations of the Payment scheme: aperture's file and mpp-tools' samples.
//!
//! The file is not ours and not in the repository. It is read from `SATSTILE_VECTORS`, or from `../shared/vectors`
//! beside the workspace; without it the tests that need it say so and pass.
#![cfg(feature = "verify")]
#![allow(clippy::disallowed_macros)] // a skipped test says so

use std::path::PathBuf;

use l402::auth_param::{self, ChallengeFault};
use l402::encoding::{base64url, to_base64url};
use l402::payment::{PaymentCredential, Slots, challenge_id};
use l402::receipt::PaymentReceipt;
use serde_json::Value;

/// The named list of aperture's file, or `None` after a line that says what was skipped.
fn aperture(list: &str) -> Option<Vec<Value>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors");
    let folder = std::env::var_os("SATSTILE_VECTORS").map_or_else(|| PathBuf::from(beside), PathBuf::from);
    let path = folder.join("mpp-aperture.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED mpp-aperture.json, {list}: not at {}; set SATSTILE_VECTORS to its folder", path.display());
        return None;
    };
    let file: Value = serde_json::from_str(&text).unwrap();
    let vectors = file[list].as_array().unwrap().clone();
    assert!(!vectors.is_empty(), "{list}");
    Some(vectors)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

fn slots(params: &Value) -> Slots<'_> {
    Slots {
        realm: text(params, "realm"),
        method: text(params, "method"),
        intent: text(params, "intent"),
        request: text(params, "request"),
        expires: text(params, "expires"),
        digest: text(params, "digest"),
        opaque: text(params, "opaque"),
    }
}

#[test]
fn ids_match_the_samples_of_mpp_tools() {
    // wire.md §12; the request is {"amount":"1000000"}.
    let secret = b"test-vector-secret-minimum-32-byte-secret";
    let request = to_base64url(br#"{"amount":"1000000"}"#);
    let base =
        Slots { realm: "api.example.com", method: "tempo", intent: "charge", request: &request, ..Slots::default() };
    assert_eq!(challenge_id(secret, &base), "6QDs0BmhrI_v67iWeCMvGqQJEFQ6ErWKlk7zi5xL6t0");
    let expires = Slots { expires: "2025-01-06T12:00:00Z", ..base };
    assert_eq!(challenge_id(secret, &expires), "ZcHgfEi5_Qyda9NQwUzamsCgCcWXw6N6EH2NLyaSTlg");
    let opaque = Slots { opaque: "trace-123", ..base };
    assert_eq!(challenge_id(secret, &opaque), "1XJ-Ti0DACNe3E1zHvwH6OdnKlhUx6xKxDbhJyexng4");
}

#[test]
fn ids_match_aperture() {
    for vector in aperture("challengeIds").into_iter().flatten() {
        let id = challenge_id(b"mpp-test-vector-secret", &slots(&vector["params"]));
        assert_eq!(id, text(&vector["params"], "id"), "{}", vector["name"]);
    }
}

#[test]
fn base64url_matches_aperture() {
    for vector in aperture("base64url").into_iter().flatten() {
        let decoded = base64url(text(&vector, "encoded"));
        if vector["error"] == true {
            assert_eq!(decoded, None, "{}", vector["name"]);
            continue;
        }
        assert_eq!(
            decoded.as_deref().map(hex::encode).as_deref(),
            Some(text(&vector, "decodedHex")),
            "{}",
            vector["name"]
        );
        if vector["canonical"] == true {
            assert_eq!(to_base64url(&decoded.unwrap()), text(&vector, "encoded"), "{}", vector["name"]);
        }
    }
}

#[test]
fn challenge_headers_match_aperture() {
    const ORDER: [&str; 9] =
        ["id", "realm", "method", "intent", "request", "expires", "digest", "description", "opaque"];
    for vector in aperture("challengeHeaders").into_iter().flatten() {
        let header = text(&vector, "header");
        let [challenge] = &auth_param::parse(header).unwrap()[..] else { panic!("{header}") };
        let params: Vec<_> =
            ORDER.into_iter().filter_map(|name| Some((name, vector["params"][name].as_str()?))).collect();
        for (name, _) in &params {
            assert_eq!(challenge.param(name), vector["parsed"][*name].as_str(), "{}", vector["name"]);
        }
        // We write what they write, but never a tab or a character beyond ASCII: headers of `fetch` differ about those.
        let expected = if vector["name"] == "horizontal tab and obs-text" { None } else { Some(header) };
        assert_eq!(auth_param::write("Payment", &params).as_deref(), expected, "{}", vector["name"]);
    }
}

/// The complete Payment challenges of a value, as aperture counts them.
fn offers(header: &str) -> Result<Vec<[String; 5]>, ChallengeFault> {
    let offer = |challenge: &auth_param::Challenge| {
        let names = ["id", "realm", "method", "intent", "request"];
        let values = names.map(|name| challenge.param(name).unwrap_or_default().to_owned());
        (challenge.is("Payment") && !values.contains(&String::new())).then_some(values)
    };
    Ok(auth_param::parse(header)?.iter().filter_map(offer).collect())
}

#[test]
fn lists_of_challenges_match_aperture_except_where_a_parameter_is_repeated() {
    for vector in aperture("challengeLists").into_iter().flatten() {
        let found = offers(text(&vector, "header"));
        if vector["name"] == "repeated parameter takes the first occurrence" {
            assert_eq!(found, Err(ChallengeFault::Repeated)); // D9: mpp-tools demands a parse error
            continue;
        }
        let expected: Vec<[String; 5]> = vector["challenges"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|c| ["id", "realm", "method", "intent", "request"].map(|name| text(c, name).to_owned()))
            .collect();
        assert_eq!(found, Ok(expected), "{}", vector["name"]);
    }
}

#[test]
fn credentials_match_aperture() {
    for vector in aperture("credentials").into_iter().flatten() {
        let read = PaymentCredential::parse(text(&vector, "header"));
        if vector["error"] == true {
            assert!(read.is_err(), "{}", vector["name"]);
        } else {
            let is_session = text(&vector, "credentialJson").contains(r#""intent":"session""#);
            let is_right = match &read {
                Ok(PaymentCredential::Charge(_)) => !is_session,
                Ok(PaymentCredential::Session(_)) => is_session,
                _ => false,
            };
            assert!(is_right, "{}: {read:?}", vector["name"]);
        }
    }
}

#[test]
fn receipts_match_aperture() {
    for vector in aperture("receipts").into_iter().flatten() {
        let header = text(&vector, "header");
        let decoded = base64url(header).unwrap();
        assert_eq!(decoded, text(&vector, "receiptJson").as_bytes(), "{}", vector["name"]);
        if text(&vector, "name").starts_with("charge receipt") || text(&vector, "name").contains("without a challenge")
        {
            assert_eq!(PaymentReceipt::parse(header).unwrap().to_header(), header, "{}", vector["name"]);
        }
    }
}
