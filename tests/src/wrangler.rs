//! What the harness takes from `wrangler.toml`, so that the stories run what is deployed and not a copy of its
//! settings. Bindings of other kinds (rate limits, assets) do not exist in plain workerd and are left out.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::binaries::root;
use crate::{free_port, loopback};

/// The part of the deployment's configuration that workerd understands.
#[derive(Clone, Debug)]
pub struct Wrangler {
    pub compatibility_date: String,
    pub compatibility_flags: Vec<String>,
    /// `[vars]`, tables included.
    pub vars: BTreeMap<String, Value>,
    /// Binding and class of each Durable Object.
    pub durable_objects: Vec<(String, String)>,
    /// Classes with SQLite storage.
    pub sqlite_classes: Vec<String>,
}

impl Wrangler {
    /// The repository's file for a story: the node webhook and the origin of the demo are replaced by an address where
    /// nobody listens. At their own ports a `cargo xtask dev` on the same machine would answer.
    pub fn for_story() -> Self {
        let mut wrangler = Self::read();
        wrangler.point_at(&format!("http://{}", loopback(free_port())));
        wrangler
    }

    fn point_at(&mut self, url: &str) {
        self.vars.insert("NODE_URL".to_owned(), json!(url));
        merge(self.vars.entry("POLICY".to_owned()).or_insert(json!({})), &json!({ "origin": url }));
    }

    /// Reads the repository's file.
    fn read() -> Self {
        let path = root().join("wrangler.toml");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()));
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let file: Value = toml::from_str(text).unwrap_or_else(|e| panic!("wrangler.toml: {e}"));
        let strings = |v: &Value| -> Vec<String> {
            v.as_array().into_iter().flatten().filter_map(|x| x.as_str().map(str::to_owned)).collect()
        };
        let objects = file["durable_objects"]["bindings"].as_array().cloned().unwrap_or_default();
        let migrations = file["migrations"].as_array().cloned().unwrap_or_default();
        let text_of = |v: &Value| v.as_str().map(str::to_owned).unwrap_or_default();
        Self {
            compatibility_date: text_of(&file["compatibility_date"]),
            compatibility_flags: strings(&file["compatibility_flags"]),
            vars: file["vars"].as_object().cloned().unwrap_or_default().into_iter().collect(),
            durable_objects: objects.iter().map(|o| (text_of(&o["name"]), text_of(&o["class_name"]))).collect(),
            sqlite_classes: migrations.iter().flat_map(|m| strings(&m["new_sqlite_classes"])).collect(),
        }
    }
}

/// Lays `patch` over `base`, key by key; `null` takes a key away (RFC 7396).
pub fn merge(base: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *base = patch.clone();
        return;
    };
    if !base.is_object() {
        *base = Value::Object(serde_json::Map::new());
    }
    let Value::Object(base) = base else { return };
    for (key, value) in patch {
        if value.is_null() {
            base.remove(key);
        } else {
            merge(base.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C13: a story is deaf to the demo that may run beside it.
    #[test]
    fn no_story_knows_an_address_of_the_demo_c13() {
        let mut wrangler = Wrangler::read();
        wrangler.point_at("http://nobody.test");
        let vars = json!(wrangler.vars).to_string();
        let known: Vec<&str> = ["127.0.0.1", "localhost", "[::1]"].into_iter().filter(|h| vars.contains(h)).collect();
        assert_eq!(known, [""; 0], "{vars}");
        assert_eq!(vars.matches("http://nobody.test").count(), 2, "{vars}");
    }

    #[test]
    fn a_deployment_is_read_with_its_policy_as_json() {
        let read = Wrangler::parse(
            r#"
            compatibility_date = "2026-11-01"
            [vars]
            NODE_URL = "http://127.0.0.1:8788"
            [vars.POLICY]
            version = 1
            services.articles = { price_msat = 21000 }
            [[durable_objects.bindings]]
            name = "PAYMENTS"
            class_name = "Payment"
            [[migrations]]
            tag = "v1"
            new_sqlite_classes = ["Payment"]
            "#,
        );
        assert_eq!(read.compatibility_date, "2026-11-01");
        assert_eq!(read.vars["POLICY"], json!({"version": 1, "services": {"articles": {"price_msat": 21000}}}));
        assert_eq!(read.durable_objects, [("PAYMENTS".to_owned(), "Payment".to_owned())]);
        assert_eq!(read.sqlite_classes, ["Payment"]);
    }

    /// T97: on Cloudflare, what is fetched for a stranger comes in through the front door, also on the operator's own zone.
    #[test]
    fn the_deployments_that_we_ship_fetch_from_public_places_only() {
        for path in ["wrangler.toml", "worker/npm/template/wrangler.toml"] {
            let text = std::fs::read_to_string(root().join(path)).expect("it is part of the repository");
            let flags = Wrangler::parse(&text).compatibility_flags;
            assert!(flags.iter().any(|flag| flag == "global_fetch_strictly_public"), "{path}: {flags:?}");
            assert!(!flags.iter().any(|flag| flag == "global_fetch_private_origin"), "{path}: {flags:?}");
        }
    }

    #[test]
    fn a_patch_changes_what_it_names_and_nothing_else() {
        let mut policy = json!({"a": {"x": 1, "y": 2}, "b": [1], "c": 3});
        merge(&mut policy, &json!({"a": {"x": 5}, "b": [2], "c": null}));
        assert_eq!(policy, json!({"a": {"x": 5, "y": 2}, "b": [2]}));
    }
}
