//! `satstile policy check`: the check of the edge, before anything is deployed.

use std::path::{Path, PathBuf};

use l402::policy::{Mode, PolicyFault, Service};
use l402::route::{Access, Route};
use l402::{Msat, Policy};
use serde_json::{Value, json};

use crate::fault::{Exit, Fault};
use crate::say::{Say, Tone, printable};

/// More is rarely meant: 100,000 sats.
const PRICE_USUAL_MAX: Msat = Msat(100_000_000);
/// Cloudflare's limit for one variable.
const VARIABLE_BYTES_MAX: usize = 5_120;
const SECRETS: [&str; 9] = [
    "MASTER_KEYS",
    "CHALLENGE_SECRET",
    "RELAY_SECRETS",
    "PAYOUT_SECRETS",
    "RECEIPT_KEY",
    "AUDIT_KEY",
    "ORIGIN_SECRET",
    "BACKEND",
    "BACKENDS",
];

/// Checks a policy as the edge will, and shows what it sells
///
/// Reads [vars.POLICY] of a wrangler.toml, and those of its environments; or a policy.toml, or the same as JSON. What
/// stands here stands at the edge: both use the same code. Names all faults that can be told from each other. Ends with 1
/// when the edge would shut.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  satstile policy check
  satstile policy check policy.toml
  satstile policy import aperture.yaml | satstile policy check -")]
pub struct Args {
    /// The file; - for stdin
    #[arg(default_value = "wrangler.toml")]
    file: PathBuf,
}

/// A policy, and where it stood.
struct Found {
    place: String,
    value: Value,
}

/// Runs the command.
pub fn run(args: &Args, say: &Say) -> Result<Exit, Fault> {
    let text = super::read(&args.file)?;
    let name = args.file.display().to_string();
    let file = parsed(&name, &text)?;
    let mut found = policies(&file);
    let mut remarks = remarks(&file);
    beside(&args.file, &mut found, &mut remarks)?;
    if found.is_empty() {
        return Err(Fault::not_good(format!("there is no policy in {name}")).next(
            "A wrangler.toml has it under [vars.POLICY], a policy.toml at the top. docs/policy.md has an example.",
        ));
    }
    let mut good = remarks.iter().all(|(grave, _)| !grave);
    let mut documents = Vec::new();
    for Found { place, value } in &found {
        let policy = Policy::from_value(value);
        if place.starts_with("vars") || place.starts_with("env") {
            let bytes = value.to_string().len();
            if bytes > VARIABLE_BYTES_MAX {
                good = false;
                remarks.push((
                    true,
                    format!("{place} has {bytes} bytes, and Cloudflare allows 5 KB: move it to a policy.toml beside this file"),
                ));
            }
        }
        good &= policy.is_ok();
        match (&policy, say.json) {
            (Ok(policy), true) => documents.push(document(place, policy)),
            (Err(fault), true) => {
                let all = super::faults::all(value);
                let all: Vec<Value> = all.iter().map(|f| json!({"key": f.key, "reason": f.reason})).collect();
                documents.push(
                    json!({"place": place, "ok": false, "key": fault.key, "reason": fault.reason, "faults": all}),
                );
            }
            (Ok(policy), false) => show(place, policy, value, say),
            (Err(_), false) => complain(place, &super::faults::all(value), say),
        }
        remarks.extend(policy.iter().flat_map(|policy| advice(place, policy, value)));
    }
    if say.json {
        let remarks: Vec<Value> = remarks.iter().map(|(grave, text)| json!({"grave": grave, "says": text})).collect();
        say.document(&json!({"ok": good, "policies": documents, "remarks": remarks}));
    } else {
        for (grave, text) in &remarks {
            let mark = if *grave { say.paint(Tone::Bad, "FAIL") } else { say.paint(Tone::Odd, "warn") };
            say.out(&format!("{mark}  {text}"));
        }
    }
    Ok(if good { Exit::Ok } else { Exit::NotGood })
}

/// Every policy of a file: its own, those of its environments, or the file itself.
fn policies(file: &Value) -> Vec<Found> {
    let own = file.pointer("/vars/POLICY").map(|value| ("vars.POLICY".to_owned(), value));
    let environments = file.get("env").and_then(Value::as_object).into_iter().flatten();
    let theirs = environments.filter_map(|(name, environment)| {
        Some((format!("env.{name}.vars.POLICY"), environment.pointer("/vars/POLICY")?))
    });
    let whole = (file.get("version").is_some() || file.get("services").is_some()).then(|| (String::new(), file));
    let all = own.into_iter().chain(theirs).chain(whole);
    all.map(|(place, value)| Found { place, value: value.clone() }).collect()
}

/// TOML; or JSON, as a configuration of workerd has it. No TOML begins with a brace.
fn parsed(name: &str, text: &str) -> Result<Value, Fault> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| Fault::not_good(format!("{name} is not JSON: {error}")));
    }
    let file: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Fault::not_good(format!("{name} is not TOML: {}", error.message())).next(error.to_string())
    })?;
    serde_json::to_value(&file).map_err(|error| Fault::not_good(format!("{name}: {error}")))
}

/// A wrangler.toml without a policy has it in a policy.toml beside it; one of the two, not both.
fn beside(file: &Path, found: &mut Vec<Found>, remarks: &mut Vec<(bool, String)>) -> Result<(), Fault> {
    if file.file_name().is_none_or(|name| name != "wrangler.toml") {
        return Ok(());
    }
    let other = file.with_file_name("policy.toml");
    if !other.is_file() {
        return Ok(());
    }
    if !found.is_empty() {
        remarks.push((
            true,
            "there is a [vars.POLICY] and a policy.toml beside it; only one of the two may be".to_owned(),
        ));
    }
    let table: toml::Table = super::read(&other)?
        .parse()
        .map_err(|error: toml::de::Error| Fault::not_good(format!("policy.toml is not TOML: {}", error.message())))?;
    let value = serde_json::to_value(&table).map_err(|error| Fault::not_good(format!("policy.toml: {error}")))?;
    found.push(Found { place: "policy.toml".to_owned(), value });
    Ok(())
}

/// What is wrong around the policy. `true` is grave.
fn remarks(file: &Value) -> Vec<(bool, String)> {
    let vars = file.get("vars").and_then(Value::as_object);
    let named = SECRETS.iter().filter(|name| vars.is_some_and(|vars| vars.contains_key(**name)));
    named
        .map(|name| (true, format!("{name} stands in [vars], where everybody reads it: wrangler secret put {name}")))
        .collect()
}

/// What stands, and is yet worth a second look.
fn advice(place: &str, policy: &Policy, value: &Value) -> Vec<(bool, String)> {
    let mut said = Vec::new();
    let mut say = |text: String| said.push((false, if place.is_empty() { text } else { format!("{place}: {text}") }));
    if policy.mode == Mode::DryRun {
        say("mode is dry-run: everything is forwarded and nothing is charged".to_owned());
    }
    if policy.services.is_empty() {
        say("nothing is sold".to_owned());
    }
    for service in &policy.services {
        let (id, written) = (&service.id, written_price(service, value));
        if written < Msat(1_000) {
            say(format!(
                "services.{id}: price_msat = {} is {written}, and buyers pay {}; for {} sats write price_sats = {}",
                written.0, service.price, written.0, written.0
            ));
        } else if written > PRICE_USUAL_MAX {
            say(format!("services.{id}: the price is {written}; is that meant? 1 sat is 1000 msat"));
        }
        if service.price < Msat(10_000) && service.uses.is_none() && service.valid_s > 7 * 86_400 {
            let (id, price, days) = (&service.id, service.price, service.valid_s / 86_400);
            say(format!("services.{id}: {price} for {days} days and any number of answers; is that meant?"));
        }
    }
    let everything = policy.routes.iter().find(|route| route.pattern == "/*" && route.access == Access::Free);
    if everything.is_some() {
        say("`/*` is free: what no service names, a new page included, costs nothing".to_owned());
    }
    said
}

fn complain(place: &str, faults: &[PolicyFault], say: &Say) {
    let place = if place.is_empty() || place == "policy.toml" { String::new() } else { format!("{place}.") };
    for fault in faults {
        let key = format!("{place}{}", fault.key);
        say.out(&format!("{}  {}: {}", say.paint(Tone::Bad, "FAIL"), say.paint(Tone::Head, &key), fault.reason));
    }
    say.out("      every paid route answers 503 until it is right; docs/policy.md lists the keys");
}

fn show(place: &str, policy: &Policy, value: &Value, say: &Say) {
    let place = if place.is_empty() { String::new() } else { format!("{place}: ") };
    let hosts = if policy.hosts.is_empty() { "any loopback host".to_owned() } else { policy.hosts.join(", ") };
    say.out(&format!(
        "{}  {place}deployment {} on {}, {hosts} → {}",
        say.paint(Tone::Good, "ok  "),
        policy.deployment,
        policy.network,
        policy.origin
    ));
    let rows: Vec<[String; 4]> = policy.routes.iter().map(|route| row(policy, value, route)).collect();
    let head = ["route", "methods", "service", "price"].map(str::to_owned);
    let width = |column: usize| {
        rows.iter().chain([&head]).filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    let line = |[route, methods, service, price]: &[String; 4]| {
        let [a, b, c] = widths;
        format!("      {route:<a$}  {methods:<b$}  {service:<c$}  {price}")
    };
    say.out(&say.paint(Tone::Head, &line(&head)));
    for row in &rows {
        say.out(&line(row));
    }
}

fn row(policy: &Policy, value: &Value, route: &Route) -> [String; 4] {
    let (service, price) = match route.access {
        Access::Free => ("free".to_owned(), "—".to_owned()),
        Access::Service(index) => {
            policy.service(index).map_or_else(Default::default, |s| (s.id.clone(), terms(s, written_price(s, value))))
        }
    };
    let methods = route.methods.to_string();
    let methods = if methods == "GET,HEAD,POST,PUT,PATCH,DELETE" { "any".to_owned() } else { methods };
    [printable(&route.pattern), methods, service, price]
}

/// A price as it was written: the edge rounds up to whole sats.
fn written_price(service: &Service, value: &Value) -> Msat {
    let written = value.pointer(&format!("/services/{}/price_msat", service.id)).and_then(Value::as_u64);
    written.map_or(service.price, Msat)
}

/// `21 sats for 1 hour, 3 answers`.
fn terms(service: &Service, written: Msat) -> String {
    let (count, unit) = match service.valid_s {
        s if s % 86_400 == 0 => (s / 86_400, "day"),
        s if s % 3_600 == 0 => (s / 3_600, "hour"),
        s if s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    let mut text = format!("{written} for {count} {unit}{}", if count == 1 { "" } else { "s" });
    if written < Msat(1_000) {
        text += &format!(", asked as {}", service.price);
    }
    if let Some(uses) = service.uses {
        text += &format!(", {uses} answer{}", if uses == 1 { "" } else { "s" });
    }
    if let Some(free) = service.free_allowance {
        text += &format!(", {} free before", free.count);
    }
    text
}

fn document(place: &str, policy: &Policy) -> Value {
    let routes = policy.routes.iter().map(|route| {
        let service = match route.access {
            Access::Free => None,
            Access::Service(index) => policy.service(index),
        };
        json!({
            "path": route.pattern, "methods": route.methods.to_string(), "id": route.id,
            "service": service.map(|s| &s.id), "price_msat": service.map(|s| s.price.0),
            "valid_s": service.map(|s| s.valid_s), "uses": service.and_then(|s| s.uses),
        })
    });
    json!({
        "place": place, "ok": true, "deployment": policy.deployment, "network": policy.network.as_str(),
        "hosts": policy.hosts, "public_url": policy.public_url, "origin": policy.origin,
        "routes": routes.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let file: toml::Table = text.parse().unwrap();
        policies(&serde_json::to_value(&file).unwrap()).into_iter().map(|found| found.place).collect()
    }

    #[test]
    fn a_policy_is_found_wherever_wrangler_has_it() {
        assert_eq!(found("[vars.POLICY]\nversion = 1"), ["vars.POLICY"]);
        assert_eq!(
            found("[vars.POLICY]\nversion = 1\n[env.live.vars.POLICY]\nversion = 1"),
            ["vars.POLICY", "env.live.vars.POLICY"]
        );
        assert_eq!(found("version = 1"), [""]);
        assert!(found("name = \"satstile\"").is_empty());
    }

    #[test]
    fn a_policy_in_json_is_the_same_policy() {
        let shipped = include_str!("../../../examples/self-hosting/policy.json");
        let file = parsed("policy.json", shipped).unwrap();
        assert_eq!(policies(&file).len(), 1);
        assert!(Policy::from_value(&file).is_ok());
        assert_eq!(parsed("x", "{\"a\": 1}").unwrap(), parsed("x", "a = 1").unwrap());
        assert!(parsed("x", "{\"a\": 1").is_err());
    }

    #[test]
    fn a_price_that_is_hardly_meant_is_shown_as_it_is_written_d12() {
        let said = |price: &str| {
            let text = format!(
                "{{\"version\":1,\"deployment\":\"demo\",\"origin\":\"http://127.0.0.1:8789\",\"network\":\"regtest\",\
                 \"services\":{{\"api\":{{{price},\"valid_s\":600,\"routes\":[{{\"path\":\"/api/*\"}}]}}}}}}"
            );
            let value = parsed("x", &text).unwrap();
            let policy = Policy::from_value(&value).unwrap();
            let shown = terms(&policy.services[0], written_price(&policy.services[0], &value));
            (shown, advice("", &policy, &value).into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n"))
        };
        let (shown, warned) = said("\"price_msat\":21");
        assert_eq!(shown, "0.021 sats for 10 minutes, asked as 1 sat");
        assert!(warned.contains("price_msat = 21 is 0.021 sats") && warned.contains("price_sats = 21"), "{warned}");
        assert!(said("\"price_msat\":21000000000").1.contains("21000000 sats; is that meant?"));
        assert!(said("\"price_sats\":100001").1.contains("is that meant?"));
        for fine in ["\"price_msat\":21000", "\"price_sats\":21", "\"price_sats\":100000", "\"price_msat\":1000"] {
            let (shown, warned) = said(fine);
            assert!(!shown.contains("asked as") && warned.is_empty(), "{fine}: {warned}");
        }
    }

    #[test]
    fn a_secret_among_the_variables_is_grave() {
        for name in SECRETS {
            let file: toml::Table = format!("[vars]\n{name} = \"x\"").parse().unwrap();
            assert_eq!(remarks(&serde_json::to_value(&file).unwrap()).len(), 1, "{name}");
        }
        let file: toml::Table = "[vars]\nMASTER_KEYS = \"1:x\"\nNODE_URL = \"y\"".parse().unwrap();
        let remarks = remarks(&serde_json::to_value(&file).unwrap());
        assert!(matches!(&remarks[..], [(true, text)] if text.starts_with("MASTER_KEYS stands in [vars]")));
        assert!(!remarks[0].1.contains("1:x"));
    }
}
