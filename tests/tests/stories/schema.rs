//! `policy.schema.json` is for editors; the reader in `l402` decides. They must know the same keys.

use l402::Policy;
use satstile_tests::binaries::root;
use serde_json::{Value, json};

fn schema() -> Value {
    let text = std::fs::read_to_string(root().join("policy.schema.json")).expect("policy.schema.json is there");
    serde_json::from_str(&text).expect("it is JSON")
}

fn demo() -> Value {
    json!({
        "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
        "services": {"api": {"price_msat": 10_000, "valid_s": 600, "routes": [{"path": "/api/*"}]}},
    })
}

/// The reason why a policy with this member, of a kind that no key takes, is refused.
fn reason(place: &str, key: &str) -> String {
    let mut policy = demo();
    policy.pointer_mut(place).expect("the demo has this place")[key] = json!([[[]]]);
    Policy::from_json(&policy.to_string()).expect_err("a list of lists of lists is no value").reason
}

/// T127, C10: what the schema offers, the reader knows; and a key that neither knows is refused by both.
#[test]
fn the_schema_and_the_reader_know_the_same_keys() {
    let schema = schema();
    for (place, definition) in [
        ("", "/properties"),
        ("/services/api", "/$defs/service/properties"),
        ("/services/api/routes/0", "/$defs/route/properties"),
    ] {
        let keys = schema.pointer(definition).and_then(Value::as_object).expect("the schema has this definition");
        let unknown = reason(place, "prise");
        assert!(unknown.starts_with("is not known; known are "), "{unknown}");
        let known = unknown
            .trim_start_matches("is not known; known are ")
            .split(", ")
            .collect::<std::collections::BTreeSet<_>>();
        assert_eq!(known, keys.keys().map(String::as_str).collect(), "{place}");
    }
}
