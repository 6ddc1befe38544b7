//! Every switch of the policy that a site in trouble is told to set, as `satstile policy check` reads it: a good value, the
//! nearest bad one with the full path of its key, and the two other places where an operator looks for it.

use serde_json::{Value, json};

use crate::world::Program;

const POLICY_MD: &str = include_str!("../../../docs/policy.md");
const EDGE_MD: &str = include_str!("../../../docs/what-the-edge-changes.md");
const README_MD: &str = include_str!("../../../README.md");
const SCHEMA: &str = include_str!("../../../policy.schema.json");

/// One switch: what stands in a policy that has it, and which value of it is wrong.
struct Switch {
    /// Rows and rules that it answers.
    rule: &'static str,
    /// The key that a complaint names.
    key: &'static str,
    /// What goes over the least policy that there is.
    good: Value,
    /// The same, once for each way to get it wrong, and a word of the reason.
    bad: Vec<(Value, &'static str)>,
}

fn switch(rule: &'static str, key: &'static str, good: Value, bad: Vec<(Value, &'static str)>) -> Switch {
    Switch { rule, key, good, bad }
}

fn api(change: Value) -> Value {
    json!({"services": {"api": change}})
}

fn switches() -> Vec<Switch> {
    let allow = |value: Value| api(json!({"routes": [{"path": "/api/*", "allow": value}]}));
    let headers = |value: Value| json!({"prepaid": {"path": "/v1", "token_headers": value}});
    let units =
        |value: Value| json!({"payouts": {}, "sessions": {}, "services": {"api": {"session": true, "units": value}}});
    let secretless = |value: Value| json!({"prepaid": {"path": "/v1", "claim_secret": false, "secretless": value}});
    let loss = |value: Value| json!({"payouts": {}, "refunds": {"loss_max_sats_day": value}});
    let lookups = |value: Value| json!({"budgets": {"lookups_per_s": value}});
    let sats = |value: Value| api(json!({"price_msat": null, "price_sats": value}));
    vec![
        switch(
            "C6",
            "services.api.routes[0].allow",
            allow(json!(["double_slash", "encoded_slash"])),
            vec![(allow(json!(["slash"])), "double_slash"), (allow(json!("double_slash")), "list")],
        ),
        switch(
            "A14",
            "prepaid.token_headers",
            headers(json!(["x-my-key"])),
            vec![(headers(json!(["cookie"])), ""), (headers(json!(["a b"])), ""), (headers(json!("x-a")), "list")],
        ),
        switch(
            "B10",
            "services.api.units",
            units(json!(["content_block_delta"])),
            vec![
                (units(json!([])), ""),
                (units(json!(["a b"])), ""),
                (api(json!({"units": ["a"]})), "goes with `session = true`"),
            ],
        ),
        switch(
            "C2",
            "services.api.cookies",
            api(json!({"cookies": false})),
            vec![(api(json!({"cookies": "no"})), "true or false"), (api(json!({"cookies": 0})), "true or false")],
        ),
        switch(
            "A12",
            "origin_exact",
            json!({"origin_exact": true, "free": [{"path": "/*"}]}),
            vec![(json!({"origin_exact": "yes"}), "true or false")],
        ),
        switch(
            "A1",
            "lnurl_deny",
            json!({"lnurl_deny": ["intern.example.com"]}),
            vec![(json!({"lnurl_deny": ["https://a.example"]}), "host"), (json!({"lnurl_deny": "a.example"}), "list")],
        ),
        switch(
            "A2",
            "prepaid.secretless",
            secretless(json!("escrow")),
            vec![
                (secretless(json!("free")), "\"spend\" or \"escrow\""),
                (json!({"prepaid": {"path": "/v1", "secretless": "spend"}}), "claim_secret = false"),
            ],
        ),
        switch(
            "A5",
            "budgets.lookups_per_s",
            lookups(json!(1)),
            vec![(lookups(json!(0)), ""), (lookups(json!("20")), "number"), (lookups(json!(1.5)), "number")],
        ),
        switch(
            "A10",
            "refunds.loss_max_sats_day",
            loss(json!(0)),
            vec![(loss(json!(-1)), "number"), (loss(json!(100_000_001)), "")],
        ),
        switch(
            "D12",
            "services.api.price_sats",
            sats(json!(21)),
            vec![
                (sats(json!(0)), ""),
                (sats(json!(0.021)), "number"),
                (api(json!({"price_sats": 21})), "stands beside `price_msat`"),
            ],
        ),
    ]
}

/// One policy over another: tables are merged, `null` takes a key away.
fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (into, change) => *into = change.clone(),
    }
}

fn policy(change: &Value) -> String {
    let mut policy = json!({
        "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
        "services": {"api": {"price_msat": 21_000, "valid_s": 600, "routes": [{"path": "/api/*"}]}},
    });
    merge(&mut policy, change);
    policy.to_string()
}

/// A1, A2, A5, A10, A12, A14, B10, C2, C6, D12: one mistake is one complaint, under the full path of its key.
#[test]
fn each_switch_is_taken_or_refused_under_its_own_name() {
    let program = Program::new();
    let check = |change: &Value| program.run(&["policy", "check", &program.write("policy.json", &policy(change))]);
    for Switch { rule, key, good, bad } in switches() {
        let taken = check(&good);
        assert!(taken.code == 0 && !taken.out.contains("FAIL"), "{rule}: {key}: {taken:?}");
        for (wrong, reason) in bad {
            let refused = check(&wrong);
            let complaint = refused.out.lines().find(|line| line.contains(&format!("FAIL  {key}")));
            assert_eq!(refused.code, 1, "{rule}: {key}: {wrong}: {refused:?}");
            assert!(
                complaint.is_some_and(|line| line.contains(reason)),
                "{rule}: {key}: {wrong}: {reason}: {refused:?}"
            );
            assert_eq!(refused.out.matches("FAIL").count(), 1, "{rule}: {key}: {wrong}: {refused:?}");
        }
    }
}

/// A12: what the switch is for. Without it, the same policy is refused, and the complaint names the switch.
#[test]
fn what_a_switch_permits_is_refused_without_it_and_the_complaint_names_it_a12() {
    let program = Program::new();
    let everything = policy(&json!({"free": [{"path": "/*"}], "services": {"api": {"routes": [{"path": "/api"}]}}}));
    let refused = program.run(&["policy", "check", &program.write("policy.json", &everything)]);
    assert!(refused.code == 1 && refused.out.contains("FAIL  free[0]"), "{refused:?}");
    assert!(refused.out.contains("origin_exact = true"), "{refused:?}");
}

/// D4: the origin's secret is no key of the policy. Among the variables, where everybody reads it, it is refused without
/// being repeated; as a key of the policy it is not known.
#[test]
fn the_origins_secret_has_no_place_in_the_file_d4() {
    const VALUE: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";
    let program = Program::new();
    let check = |text: &str| program.run(&["policy", "check", &program.write("wrangler.toml", text)]);
    let table = "[vars.POLICY]\nversion = 1\ndeployment = \"demo\"\norigin = \"http://127.0.0.1:8789\"\nnetwork = \"regtest\"\n\
        [vars.POLICY.services.api]\nprice_msat = 21000\nvalid_s = 3600\nroutes = [{ path = \"/api/*\" }]\n";
    let named = check(&format!("[secrets]\nrequired = [\"ORIGIN_SECRET\"]\n{table}"));
    assert_eq!(named.code, 0, "{named:?}");
    let shown = check(&format!("[vars]\nORIGIN_SECRET = \"{VALUE}\"\n{table}"));
    assert!(shown.code == 1 && shown.out.contains("FAIL  ORIGIN_SECRET stands in [vars]"), "{shown:?}");
    assert!(!shown.out.contains(VALUE) && !shown.err.contains(VALUE), "{shown:?}");
    let key = check(&table.replace("version = 1\n", &format!("version = 1\nORIGIN_SECRET = \"{VALUE}\"\n")));
    assert!(key.code == 1 && key.out.contains("FAIL  vars.POLICY.ORIGIN_SECRET: is not known"), "{key:?}");
    assert!(!key.out.contains(VALUE), "{key:?}");
}

/// A switch that the reader knows and the page or an editor does not is no switch for an operator.
#[test]
fn each_switch_stands_in_the_page_and_in_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).expect("it is JSON");
    for Switch { key, .. } in switches() {
        let name = key.rsplit('.').next().expect("a key has a name");
        let place = match key.split('.').collect::<Vec<_>>()[..] {
            ["services", "api", "routes[0]", name] => format!("/$defs/route/properties/{name}"),
            ["services", "api", name] => format!("/$defs/service/properties/{name}"),
            [table, name] => format!("/properties/{table}/properties/{name}"),
            _ => format!("/properties/{key}"),
        };
        let offered = schema.pointer(&place).unwrap_or_else(|| panic!("{key} is not in the schema at {place}"));
        assert!(
            offered["description"].as_str().is_some_and(|text| !text.is_empty()) || offered["enum"].is_array(),
            "{key}"
        );
        let explained = POLICY_MD.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{name}")));
        assert!(explained || POLICY_MD.contains(&format!("`{name} = [")), "{key} is not in docs/policy.md");
    }
    assert!(POLICY_MD.lines().any(|line| line.starts_with("| `ORIGIN_SECRET` |")), "it is a secret of the page");
    assert!(!SCHEMA.contains("ORIGIN_SECRET"), "and no key of the policy");
}

/// D14: what the edge does to a site stands on one page, to which the README's second section leads, and the policy with which
/// that page begins is one: for an origin that is exact, and for no other.
#[test]
fn the_page_of_what_changes_begins_with_a_policy_that_stands_d14() {
    let second = README_MD.split("\n## ").nth(1).expect("an introduction, and then sections");
    assert!(second.contains("](docs/what-the-edge-changes.md)"), "{second}");
    for of in
        ["Fields of a request", "Cookies", "Logins", "Parts of an answer", "Upgrades", "(CORS)", "Bodies", "Caching"]
    {
        assert!(EDGE_MD.lines().any(|line| line.starts_with("## ") && line.ends_with(of)), "nothing about {of}");
    }
    let policy = EDGE_MD.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a first policy");
    let whole = policy.replace(
        "# …\n",
        "version = 1\ndeployment = \"demo\"\norigin = \"http://127.0.0.1:8789\"\nnetwork = \"regtest\"\n",
    );
    let program = Program::new();
    let check = |text: &str| program.run(&["policy", "check", &program.write("wrangler.toml", text)]);
    let good = check(&whole);
    assert!(good.code == 0 && good.out.contains("`/*` is free"), "{good:?}");
    let folds = check(&whole.replace("origin_exact = true", "origin_exact = false"));
    assert!(folds.code == 1 && folds.out.contains("FAIL  vars.POLICY.free[0]"), "{folds:?}");
}
