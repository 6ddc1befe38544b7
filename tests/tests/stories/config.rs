//! A deployment that is not right says so in its log, sells nothing and gives away nothing that is sold (T16, T48, T49,
//! T127, C10, C15).

use l402::encoding::to_base64;
use satstile_tests::raw::Response;
use satstile_tests::{Origin, Secrets, Stack, Workerd, WorkerdOptions, http};
use serde_json::{Value, json};

use crate::common::{buy, eventually, get, get_with, plenty, seen, shared};

/// A worker with an origin that keeps count, and nobody who makes invoices.
struct Misfit {
    worker: Workerd,
    origin: Origin,
}

impl Misfit {
    fn start(change: impl FnOnce(&mut WorkerdOptions)) -> Self {
        let origin = Origin::start();
        let mut options = WorkerdOptions { policy: json!({"origin": origin.url()}), ..WorkerdOptions::default() };
        change(&mut options);
        Self { worker: Workerd::start(options), origin }
    }

    fn get(&self, path: &str) -> Response {
        http::get(&format!("http://{}{path}", self.worker.address()), &[])
    }

    /// The line that names the fault.
    #[track_caller]
    fn says(&self, what: &str) -> String {
        eventually(&format!("a line about {what}"), || {
            self.worker.log().into_iter().find(|line| line.contains("not-ready") && line.contains(what))
        })
    }

    /// Sold routes are shut, health says why, and nobody got anything.
    #[track_caller]
    fn sells_nothing(&self, what: &str) {
        for path in ["/articles/1", "/api/echo", "/dear/1", "/stream/1"] {
            let refused = self.get(path);
            assert_eq!(refused.status, 503, "{what}: {path}");
            assert!(refused.header("retry-after").is_some(), "{what}: {path}");
            assert_eq!(
                (refused.header("www-authenticate"), refused.all("cache-control")),
                (None, vec!["no-store"]),
                "{what}"
            );
        }
        let sold = self.origin.seen().into_iter().map(|seen| seen.target).filter(|target| !target.starts_with("/free"));
        assert_eq!(sold.collect::<Vec<_>>(), [""; 0], "{what}");
    }
}

/// Patches of the policy, and the key that the log must name.
fn bad_policies() -> Vec<(&'static str, Value)> {
    let service = |change: Value| json!({"services": {"articles": change}});
    vec![
        ("prise", json!({"prise": 1})),
        ("valid_for", service(json!({"valid_for": 1}))),
        ("method", json!({"free": [{"path": "/", "method": "GET"}]})),
        ("per_minute", json!({"budgets": {"per_minute": 1}})),
        ("services.articles.price_msat", service(json!({"price_msat": 0}))),
        ("price_msat", service(json!({"price_msat": -1}))),
        ("price_msat", service(json!({"price_msat": 1.5}))),
        ("price_msat", service(json!({"price_msat": "21000"}))),
        ("services.articles.valid_s", service(json!({"valid_s": 0}))),
        ("services.articles.uses", service(json!({"uses": 0}))),
        ("services.articles.routes", service(json!({"routes": []}))),
        ("services.articles.routes[0]", service(json!({"routes": [{"path": "/articles*"}]}))),
        ("services.articles.routes[0]", service(json!({"routes": [{"path": "/a/../b"}]}))),
        ("services.articles.routes[0]", service(json!({"routes": [{"path": "/.well-known/satstile/x"}]}))),
        ("services.", service(json!({"routes": [{"path": "/dear/*"}]}))),
        ("services.articles.free_allowance.count", service(json!({"free_allowance": {"count": 0, "window_s": 60}}))),
        ("services.articles.payee", service(json!({"payee": "02ab"}))),
        ("services.articles.allow_attested", service(json!({"allow_attested": "yes"}))),
        ("version", json!({"version": 2})),
        ("mode", json!({"mode": "dry"})),
        ("deployment", json!({"deployment": "a:b,c=d"})),
        ("network", json!({"network": "mainnett"})),
        ("invoice_expiry_s", json!({"invoice_expiry_s": 30})),
        ("budgets.global_per_min", json!({"budgets": {"global_per_min": 0}})),
        ("client_ip", json!({"client_ip": "header"})),
        ("hosts", json!({"hosts": ["example.com/x"]})),
        ("origin", json!({"origin": "http://example.com"})),
        ("origin", json!({"origin": "http://127.0.0.1:8789/path"})),
        ("public_url", json!({"public_url": "http://example.com"})),
    ]
}

/// T127, T48: an unknown key, a price of nothing, a route that contradicts another: nothing is guessed.
#[test]
fn a_bad_policy_shuts_what_is_sold_and_the_log_names_the_key() {
    for (key, patch) in bad_policies() {
        let misfit = Misfit::start(|options| satstile_tests::merge(&mut options.policy, &patch));
        misfit.sells_nothing(key);
        misfit.says(key);
        assert_eq!(misfit.get("/free/1").status, 503, "{key}: what cannot be read says nothing about what is free");
    }
}

/// C10: a worker that lacks a secret sells nothing, and the log names both places where it has to stand on this machine, and
/// what to do where it is deployed.
#[test]
fn a_missing_secret_is_asked_for_in_both_places_c10() {
    let misfit = Misfit::start(|options| options.policy["payouts"] = json!({}));
    misfit.sells_nothing("payouts");
    let said = misfit.says("PAYOUT_SECRETS is missing");
    for place in [".dev.vars", "[secrets] required in wrangler.toml", "wrangler secret put PAYOUT_SECRETS"] {
        assert!(said.contains(place), "{place} is not named: {said}");
    }
    // Without the table nobody needs it, and nobody is told of it.
    let misfit = Misfit::start(|options| options.policy["prise"] = json!(1));
    misfit.sells_nothing("prise");
    misfit.says("prise");
    assert!(!misfit.worker.log().iter().any(|line| line.contains("PAYOUT_SECRETS")));
}

/// C15, T38: money and plain http do not go together, nor money and this machine.
#[test]
fn mainnet_wants_https_everywhere_and_hosts_of_its_own() {
    let mainnet = json!({
        "network": "mainnet", "hosts": ["shop.example"], "public_url": "https://shop.example", "origin": "https://origin.example"});
    for (what, change) in [
        ("public_url", json!({"public_url": "http://shop.example"})),
        ("public_url", json!({"public_url": null})),
        ("public_url", json!({"public_url": "https://localhost"})),
        ("hosts", json!({"hosts": []})),
        ("hosts", json!({"hosts": ["localhost"]})),
        ("origin", json!({"origin": "http://127.0.0.1:8789"})),
        ("origin", json!({"origin": "https://127.0.0.1"})),
        ("origin", json!({"origin": "https://shop.example"})),
        ("NODE_URL", json!({})), // the demo's is http on this machine
    ] {
        let misfit = Misfit::start(|options| {
            satstile_tests::merge(&mut options.policy, &mainnet);
            satstile_tests::merge(&mut options.policy, &change);
        });
        // With a public host that is none of mainnet's, or with one: 503 or 421, and never a challenge.
        let refused = misfit.get("/articles/1");
        assert!(matches!(refused.status, 503 | 421), "{what} {change}: {}", refused.status);
        misfit.says(what);
        assert_eq!(misfit.origin.seen().len(), 0);
    }
}

/// C10: exactly one of the two places holds the policy.
#[test]
fn a_policy_in_both_places_or_in_none_is_refused() {
    let origin = Origin::start();
    let whole = json!({
        "version": 1, "deployment": "file", "origin": origin.url(), "network": "regtest", "free": [{"path": "/free/*"}],
        "services": {"articles": {"price_msat": 1000, "valid_s": 60, "routes": [{"path": "/articles/*"}]}}});
    let none = Misfit::start(|options| options.policy = Value::Null);
    none.sells_nothing("none");
    none.says("policy: none");
    let both = Misfit::start(|options| options.policy_file = Some(whole.to_string()));
    both.sells_nothing("both");
    both.says("both");

    let file = Misfit::start(|options| {
        options.policy = Value::Null;
        options.policy_file = Some(whole.to_string());
    });
    assert_eq!(file.get("/free/1").status, 200);
    assert_eq!(file.get("/dear/1").status, 404);
    assert_eq!(file.get("/articles/1").status, 503, "there is no node, so there is no invoice");
    assert_eq!(file.get("/.well-known/satstile/health").status, 200);
    assert_eq!(origin.seen().len(), 1);
    let broken = Misfit::start(|options| {
        options.policy = Value::Null;
        options.policy_file = Some(whole.to_string().replace("price_msat", "prize_msat"));
    });
    broken.sells_nothing("file");
    broken.says("prize_msat");
}

/// T16: a secret that is missing, short or out of a manual is none. What is free needs none and stays open.
#[test]
fn a_secret_that_is_missing_or_guessable_shuts_what_is_sold() {
    const SAMPLE: &str = "Y2hhbmdlbWUtY2hhbmdlbWUtY2hhbmdlbWUtY2hhbmdlbWU="; // changeme-changeme-…
    let zeros = to_base64(&[0; 32]);
    let short = to_base64(&Secrets::random().relay_secrets.as_bytes()[6..37]);
    type Change = Box<dyn Fn(&mut Secrets)>;
    let mut cases: Vec<(&str, String, Change)> = Vec::new();
    for bad in [String::new(), short, "not base64!".to_owned(), zeros, SAMPLE.to_owned()] {
        let of = |prefix: &str| if bad.is_empty() { String::new() } else { format!("{prefix}{bad}") };
        let (master, relay, other) = (of("1:"), of("whsec_"), of(""));
        let (challenge, receipt, audit) = (other.clone(), other.clone(), other);
        cases.push(("MASTER_KEYS", bad.clone(), Box::new(move |s| s.master_keys.clone_from(&master))));
        cases.push(("RELAY_SECRETS", bad.clone(), Box::new(move |s| s.relay_secrets.clone_from(&relay))));
        if cases.len() <= 10 {
            cases.push(("CHALLENGE_SECRET", bad.clone(), Box::new(move |s| s.challenge_secret.clone_from(&challenge))));
            cases.push(("RECEIPT_KEY", bad.clone(), Box::new(move |s| s.receipt_key.clone_from(&receipt))));
            cases.push(("AUDIT_KEY", bad.clone(), Box::new(move |s| s.audit_key.clone_from(&audit))));
        }
    }
    let master =
        |form: &'static str| -> Change { Box::new(move |s| s.master_keys = form.replace("KEY", &s.master_keys[2..])) };
    for form in ["KEY", "1!:KEY", "256:KEY", "1:KEY,1:KEY", "one:KEY"] {
        cases.push(("MASTER_KEYS", form.to_owned(), master(form)));
    }
    for (name, bad, change) in cases {
        let misfit = Misfit::start(|options| change(&mut options.secrets));
        misfit.sells_nothing(name);
        let line = misfit.says(name);
        assert!(bad.len() < 20 || !line.contains(&bad), "the log tells a secret: {line}");
        assert_eq!(misfit.get("/free/1").status, 200, "{name} {bad}");
        let health = misfit.get("/.well-known/satstile/health");
        assert_eq!((health.status, &health.json()["status"]), (503, &json!("not-ready")), "{name} {bad}");
        // Nothing that needs a key works without one.
        assert_eq!(misfit.get("/.well-known/satstile/audit").status, 503);
    }
}

/// T127: what is right is not called wrong. The demo's `NODE_URL` is http on this machine, as regtest allows.
#[test]
fn a_bad_policy_is_blamed_on_the_policy_alone() {
    let misfit = Misfit::start(|options| options.policy["prise"] = 1.into());
    assert_eq!(misfit.get("/articles/1").status, 503);
    misfit.says("prise");
    let log = misfit.worker.log();
    let faults: Vec<_> = log.iter().filter(|line| line.contains("not-ready")).collect();
    assert_eq!(faults.len(), 1, "{faults:#?}");
}

/// T127: `health` says that the deployment is not ready, whatever the reason; with a bad policy, too.
#[test]
fn health_says_not_ready_with_a_bad_policy() {
    let misfit = Misfit::start(|options| options.policy["prise"] = 1.into());
    for method in ["GET", "HEAD"] {
        let health =
            http::send(method, &format!("http://{}/.well-known/satstile/health", misfit.worker.address()), &[], b"");
        assert_eq!(health.status, 503, "{method}");
        assert!(method == "HEAD" || health.json()["status"] == "not-ready", "{}", health.text());
        assert!(method == "GET" || health.body.is_empty());
    }
}

/// A credential, however good, opens nothing at a deployment that is not ready (T49); nor does a new start lose it.
#[test]
fn a_paid_token_waits_for_the_operator() {
    let mut stack = Stack::start(plenty(json!({})));
    let ticket = buy(&stack, "/articles/1");
    stack.workerd.restart_with(&json!({"mode": "life"}));
    assert_eq!(get_with(&stack, "/articles/1", &ticket.l402()).status, 503);
    assert_eq!(seen(&stack), [""; 0]);
    stack.workerd.restart_with(&json!({"mode": "live"}));
    assert_eq!(get_with(&stack, "/articles/1", &ticket.l402()).status, 200);
}

/// T128: health tells nothing but whether.
#[test]
fn health_tells_nothing_else() {
    let stack = shared();
    let health = get(&stack, "/.well-known/satstile/health");
    assert_eq!((health.status, health.json()), (200, json!({"status": "ok"})));
    assert_eq!(health.all("cache-control"), ["no-store"]);
}
