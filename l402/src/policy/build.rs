//! From what an operator wrote to a [`Policy`]: every check that can be made before the first request.

use serde_json::Value;

use super::table::Table;
use super::{
    Budgets, ClientIp, FreeAllowance, Mode, Payouts, Policy, PolicyFault, Prepaid, Refunds, Service, Sessions, Timeouts,
};
use crate::amount::Msat;
use crate::bolt11::Network;
use crate::json;
use crate::path::{canonical_host, is_loopback};
use crate::route::{Access, Methods, Route, RouteTable};

const POLICY: [&str; 19] = [
    "version",
    "mode",
    "deployment",
    "hosts",
    "public_url",
    "origin",
    "origin_exact",
    "network",
    "invoice_expiry_s",
    "client_ip",
    "budgets",
    "timeouts",
    "free",
    "services",
    "prepaid",
    "payouts",
    "refunds",
    "sessions",
    "lnurl_deny",
];
const BUDGETS: [&str; 9] = [
    "per_client_per_min",
    "per_origin_per_min",
    "global_per_min",
    "in_flight",
    "tries_per_client_per_min",
    "tries_per_min",
    "status_per_client_per_min",
    "status_per_min",
    "lookups_per_s",
];
const TIMEOUTS: [&str; 3] = ["first_byte_s", "idle_s", "total_s"];
const ROUTE: [&str; 3] = ["path", "methods", "allow"];
const ALLOWANCE: [&str; 2] = ["count", "window_s"];
const SERVICE: [&str; 18] = [
    "price_msat",
    "price_sats",
    "valid_s",
    "uses",
    "bind_route",
    "ranges",
    "cookies",
    "routes",
    "free_allowance",
    "payment_first",
    "description",
    "allow_attested",
    "payee",
    "pool",
    "ceiling_msat",
    "refund",
    "session",
    "units",
];

impl Policy {
    /// Reads the JSON form, as Workers hand `[vars.POLICY]` over.
    ///
    /// ```
    /// let policy = l402::Policy::from_json(r#"{
    ///   "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
    ///   "services": {"api": {"price_msat": 10000, "valid_s": 600, "routes": [{"path": "/api/*", "methods": ["any"]}]}}
    /// }"#).unwrap();
    /// assert_eq!(policy.services[0].price.to_string(), "10 sats");
    /// ```
    ///
    /// # Errors
    /// [`PolicyFault`] names the first key that cannot stand.
    pub fn from_json(text: &str) -> Result<Self, PolicyFault> {
        let value = json::parse(text.as_bytes()).map_err(|e| PolicyFault::at("POLICY", e.to_string()))?;
        Self::from_value(&value)
    }

    /// Checks a policy that a shell has parsed from whatever form it was written in.
    ///
    /// # Errors
    /// [`PolicyFault`] names the first key that cannot stand.
    pub fn from_value(value: &Value) -> Result<Self, PolicyFault> {
        let file = Table::new(String::new(), value, &POLICY)?;
        if file.number("version", 1, 1)?.is_none() {
            return file.fault("version", "is missing; this is version 1");
        }
        let mode = match file.text("mode")? {
            None | Some("live") => Mode::Live,
            Some("dry-run") => Mode::DryRun,
            Some(_) => return file.fault("mode", "\"live\" or \"dry-run\""),
        };
        let deployment = file.required_text("deployment")?;
        check_name("deployment", deployment)?;
        let Some(network) = Network::from_name(file.required_text("network")?) else {
            return file.fault("network", "one of mainnet, testnet, signet, regtest");
        };
        let hosts = hosts(&file, network)?;
        let origin = base_url("origin", file.required_text("origin")?, network)?;
        let public_url = file.text("public_url")?.map(|url| base_url("public_url", url, network)).transpose()?;
        if public_url.is_none() && network != Network::Regtest {
            return file.fault("public_url", "required beyond regtest: https and the host that clients use");
        }
        check_not_ourselves(&origin, public_url.as_deref(), &hosts)?;

        let mut routes = Vec::new();
        for route in file.tables("free", &ROUTE)? {
            routes.push(build_route(&route, Access::Free)?);
        }
        let mut services = Vec::new();
        let sold = file.table("services", &[])?;
        for (id, service) in sold.iter().flat_map(Table::members) {
            let table = Table::new(format!("services.{id}"), service, &SERVICE)?;
            services.push(build_service(id, &table, services.len(), &mut routes)?);
        }
        if services.is_empty() && routes.is_empty() {
            return file.fault("services", "nothing is sold and nothing is free; add a service");
        }
        let (prepaid, payouts) = (Prepaid::of(&file)?, Payouts::of(&file)?);
        let refunds = Refunds::of(&file, payouts)?;
        if let Some(service) = services.iter().find(|service| service.refund && refunds.is_none()) {
            let key = format!("services.{}.refund", service.id);
            return Err(PolicyFault::at(key, "needs a table `refunds`"));
        }
        let sessions = Sessions::of(&file, payouts, &services)?;
        let routes = RouteTable::of(routes, file.flag("origin_exact")?)?;
        let timeouts = timeouts(&file)?;
        // What is reserved for an answer is reserved for a day at most: a longer answer would be free (T79).
        if (prepaid.is_some() || sessions.is_some()) && timeouts.longest_s() > 86_000 {
            let reason = "with `prepaid` or `sessions`, an answer may take 86,000 seconds in all";
            return file.fault("timeouts.total_s", reason);
        }
        // A prefix may stand above the module, which is named by its path; the very same path cannot have two owners (C11).
        let is_claimed = |route: &&Route| prepaid.as_ref().is_some_and(|own| own.route(&route.pattern).is_some());
        if let Some(route) = routes.iter().find(is_claimed) {
            return file.fault("prepaid.path", format!("`{}` is in the policy and in the module", route.pattern));
        }
        Ok(Self {
            mode,
            deployment: deployment.to_owned(),
            hosts,
            public_url,
            origin,
            network,
            invoice_expiry_s: file.number("invoice_expiry_s", 120, 86_400)?.unwrap_or(600),
            client_ip: client_ip(&file, network)?,
            budgets: budgets(&file)?,
            timeouts,
            routes,
            services,
            prepaid,
            payouts,
            refunds,
            sessions,
            lnurl_deny: lnurl_deny(&file)?,
        })
    }
}

fn hosts(file: &Table<'_>, network: Network) -> Result<Vec<String>, PolicyFault> {
    let mut hosts = Vec::new();
    for host in file.texts("hosts")? {
        match canonical_host(host) {
            Some(host) if network == Network::Mainnet && is_loopback(&host) => {
                return file.fault("hosts", format!("`{host}`: mainnet does not go with a loopback host"));
            }
            Some(host) => hosts.push(host),
            None => return file.fault("hosts", format!("`{host}` is not a host with an optional port")),
        }
    }
    if hosts.is_empty() && network != Network::Regtest {
        return file.fault("hosts", "name the hosts that clients use; only regtest may leave this out");
    }
    Ok(hosts)
}

/// Names, in lower case: LNURL goes to no address of theirs, wherever they lead (T97).
fn lnurl_deny(file: &Table<'_>) -> Result<Vec<String>, PolicyFault> {
    let mut names = Vec::new();
    for name in file.texts("lnurl_deny")? {
        let bare = name.strip_suffix('.').unwrap_or(name);
        match canonical_host(bare) {
            Some(name) if name.bytes().all(|byte| byte != b':') => names.push(name),
            _ => {
                return file
                    .fault("lnurl_deny", format!("`{name}` is not a host without a port, like intern.example.com"));
            }
        }
    }
    Ok(names)
}

fn budgets(file: &Table<'_>) -> Result<Budgets, PolicyFault> {
    let given = file.table("budgets", &BUDGETS)?;
    let count = |name, default| given.as_ref().map_or(Ok(default), |table| table.count(name, default));
    Ok(Budgets {
        per_client_per_min: count("per_client_per_min", 30)?,
        global_per_min: count("global_per_min", 3_000)?,
        per_origin_per_min: count("per_origin_per_min", 600)?,
        in_flight: count("in_flight", 64)?,
        tries_per_client_per_min: count("tries_per_client_per_min", 300)?,
        tries_per_min: count("tries_per_min", 6_000)?,
        status_per_client_per_min: count("status_per_client_per_min", 6_000)?,
        status_per_min: count("status_per_min", 60_000)?,
        lookups_per_s: count("lookups_per_s", 20)?,
    })
}

fn timeouts(file: &Table<'_>) -> Result<Timeouts, PolicyFault> {
    let given = file.table("timeouts", &TIMEOUTS)?;
    let count = |name, default| given.as_ref().map_or(Ok(default), |table| table.count(name, default));
    Ok(Timeouts {
        first_byte_s: count("first_byte_s", 30)?,
        idle_s: count("idle_s", 60)?,
        total_s: count("total_s", 3_600)?,
    })
}

fn build_route(table: &Table<'_>, access: Access) -> Result<Route, PolicyFault> {
    let mut route = Route::parse(table.path(), table.required_text("path")?, &table.texts("methods")?, access)?;
    for word in table.texts("allow")? {
        match word {
            "double_slash" => route.allow.double_slash = true,
            "encoded_slash" => route.allow.encoded_slash = true,
            _ => return table.fault("allow", "any of \"double_slash\" and \"encoded_slash\""),
        }
    }
    Ok(route)
}

fn build_service(id: &str, table: &Table<'_>, index: usize, routes: &mut Vec<Route>) -> Result<Service, PolicyFault> {
    check_name(table.path(), id)?;
    let payee = table.text("payee")?.map(str::to_ascii_lowercase);
    let is_key = |p: &String| p.len() == 66 && hex::decode(p).is_ok() && matches!(p.get(..2), Some("02" | "03"));
    if payee.as_ref().is_some_and(|p| !is_key(p)) {
        return table.fault("payee", "a compressed public key: 66 hex digits starting with 02 or 03");
    }
    let description = table.text("description")?;
    if description.is_some_and(|d| d.is_empty() || d.len() > 200 || d.chars().any(char::is_control)) {
        return table.fault("description", "1 to 200 bytes without control characters");
    }
    let mut methods = Methods::NONE;
    let sold_at = table.tables("routes", &ROUTE)?;
    if sold_at.is_empty() {
        return table.fault("routes", "a service needs at least one route");
    }
    for route in &sold_at {
        let route = build_route(route, Access::Service(index))?;
        methods = methods.union(route.methods);
        routes.push(route);
    }
    let required = |name: &str, min, max| match table.number(name, min, max)? {
        Some(number) => Ok(number),
        None => table.fault(name, "is missing"),
    };
    let prices = (table.number("price_msat", 1, Msat::MAX.0)?, table.number("price_sats", 1, Msat::MAX.0 / 1_000)?);
    let price = match prices {
        (Some(msat), None) => msat,
        (None, Some(sats)) => sats * 1_000,
        (None, None) => return table.fault("price_msat", "is missing; name it, or `price_sats`"),
        (Some(_), Some(_)) => return table.fault("price_sats", "stands beside `price_msat`; name one of the two"),
    };
    let (uses, ranges) = (table.number("uses", 1, 1_000_000_000)?, table.flag("ranges")?);
    if ranges && uses.is_some() {
        return table.fault("ranges", "does not go with `uses`: each slice would be counted as a whole answer");
    }
    let free_allowance = match table.table("free_allowance", &ALLOWANCE)? {
        Some(free) => Some(FreeAllowance { count: free.count("count", 1)?, window_s: free.count("window_s", 86_400)? }),
        None => None,
    };
    let (pool, refund) = (table.number("pool", 1, 200)?, table.flag("refund")?);
    if refund && uses != Some(1) {
        return table.fault("refund", "goes with `uses = 1`: what was used of a longer grant nobody knows");
    }
    Ok(Service {
        id: id.to_owned(),
        // Wallets and the Payment scheme count in sats: what is asked for is whole, and never less (T56).
        price: Msat(price.div_ceil(1_000) * 1_000),
        valid_s: required("valid_s", 1, 315_360_000)?,
        uses,
        bind_route: table.flag("bind_route")?,
        ranges,
        cookies: table.flag_or("cookies", true)?,
        methods,
        free_allowance,
        payment_first: table.flag("payment_first")?,
        allow_attested: table.flag("allow_attested")?,
        description: description.map(str::to_owned),
        payee,
        pool,
        ceiling: table.number("ceiling_msat", 1, Msat::MAX.0)?.map(Msat),
        refund,
        session: table.flag("session")?,
        units: super::sessions::units(table)?,
    })
}

/// Names go into caveats, cookies and headers, so nothing but letters, digits and dashes (T6).
fn check_name(key: &str, name: &str) -> Result<(), PolicyFault> {
    let fine = (1..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !fine || name.starts_with("satstile") {
        return Err(PolicyFault::at(
            key,
            "a name of 1 to 32 lower-case letters, digits and dashes, starting with a letter, not with `satstile`",
        ));
    }
    Ok(())
}

/// `scheme://host[:port]` and nothing after it; plain http only for loopback on regtest (T38, C15).
fn base_url(key: &str, url: &str, network: Network) -> Result<String, PolicyFault> {
    let url = url.strip_suffix('/').unwrap_or(url);
    let (scheme, host) = url.split_once("://").ok_or_else(|| PolicyFault::at(key, "a URL like https://example.com"))?;
    let host = canonical_host(host)
        .ok_or_else(|| PolicyFault::at(key, "scheme, host and port only, without user, path or query"))?;
    match scheme {
        "https" if network != Network::Mainnet || !is_loopback(&host) => {}
        "https" => return Err(PolicyFault::at(key, "mainnet does not go with a loopback host")),
        "http" if network == Network::Regtest && is_loopback(&host) => {}
        "http" => return Err(PolicyFault::at(key, "https, please: plain http is for loopback on regtest")),
        _ => return Err(PolicyFault::at(key, "only http and https")),
    }
    // A URL parser drops the scheme's own port, and what is forwarded must be what was matched.
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    Ok(format!("{scheme}://{}", host.strip_suffix(default_port).unwrap_or(&host)))
}

/// An origin that is this deployment would be asked for ever (T50).
fn check_not_ourselves(origin: &str, public_url: Option<&str>, hosts: &[String]) -> Result<(), PolicyFault> {
    let host = origin.split_once("://").map_or(origin, |(_, host)| host);
    if public_url == Some(origin) || hosts.iter().any(|ours| ours == host) {
        return Err(PolicyFault::at("origin", "points back at this deployment"));
    }
    Ok(())
}

fn client_ip(file: &Table<'_>, network: Network) -> Result<ClientIp, PolicyFault> {
    if let Ok(Some(proxy)) = file.table("client_ip", &["trusted_proxy", "header"]) {
        let header = proxy.required_text("header")?.to_ascii_lowercase();
        if header.is_empty() || !header.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return proxy.fault("header", "a header name");
        }
        return match proxy.required_text("trusted_proxy")?.parse() {
            Ok(proxy) => Ok(ClientIp::TrustedProxy { proxy, header }),
            Err(_) => proxy.fault("trusted_proxy", "an IP address"),
        };
    }
    match file.text("client_ip") {
        Ok(None) if network == Network::Regtest => Ok(ClientIp::Peer),
        Ok(None) => Ok(ClientIp::ByRuntime),
        Ok(Some("cloudflare")) => Ok(ClientIp::Cloudflare),
        Ok(Some("peer")) => Ok(ClientIp::Peer),
        _ => file.fault("client_ip", "`cloudflare`, `peer` or { trusted_proxy, header }"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> Value {
        serde_json::json!({
            "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
            "free": [{"path": "/"}],
            "services": {"api": {"price_msat": 10_000, "valid_s": 600, "routes": [{"path": "/api/*", "methods": ["any"]}]}},
        })
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut Value), key: &str) {
        let mut policy = demo();
        change(&mut policy);
        let fault = Policy::from_json(&policy.to_string()).unwrap_err();
        assert_eq!(fault.key, key, "{fault}");
    }

    #[test]
    fn the_demo_policy_stands() {
        let policy = Policy::from_json(&demo().to_string()).unwrap();
        assert_eq!(policy.services[0].methods.to_string(), "GET,HEAD,POST,PUT,PATCH,DELETE");
        assert_eq!((policy.invoice_expiry_s, policy.client_ip.clone()), (600, ClientIp::Peer));
        assert!(policy.serves("localhost:8787") && !policy.serves("example.com"));
    }

    #[test]
    fn a_price_of_nothing_is_not_a_price_t48() {
        refused(|p| p["services"]["api"]["price_msat"] = 0.into(), "services.api.price_msat");
        refused(|p| p["services"]["api"]["price_msat"] = serde_json::json!(-1), "services.api.price_msat");
        refused(|p| p["services"]["api"]["price_msat"] = serde_json::json!(1.5), "services.api.price_msat");
        refused(|p| p["services"]["api"]["price_msat"] = serde_json::json!(null), "services.api.price_msat");
        refused(
            |p| p["services"]["api"]["price_msat"] = serde_json::json!(1_000_000_000_001_u64),
            "services.api.price_msat",
        );
    }

    #[test]
    fn a_price_is_named_once_in_sats_or_in_msat_d12() {
        let mut policy = demo();
        let service = policy["services"]["api"].as_object_mut().unwrap();
        service.remove("price_msat");
        service.insert("price_sats".to_owned(), 21.into());
        assert_eq!(Policy::from_json(&policy.to_string()).unwrap().services[0].price, Msat(21_000));
        refused(|p| p["services"]["api"]["price_sats"] = 21.into(), "services.api.price_sats");
        for wrong in [
            serde_json::json!(0),
            serde_json::json!(-1),
            serde_json::json!(0.5),
            serde_json::json!("21"),
            serde_json::json!(1_000_000_001),
        ] {
            policy["services"]["api"]["price_sats"] = wrong;
            assert_eq!(Policy::from_json(&policy.to_string()).unwrap_err().key, "services.api.price_sats");
        }
        refused(
            |p| {
                p["services"]["api"].as_object_mut().unwrap().remove("price_msat");
            },
            "services.api.price_msat",
        );
    }

    #[test]
    fn slices_are_not_sold_by_the_piece_t32() {
        refused(
            |p| {
                p["services"]["api"]["ranges"] = true.into();
                p["services"]["api"]["uses"] = 3.into();
            },
            "services.api.ranges",
        );
        refused(|p| p["services"]["api"]["ranges"] = 1.into(), "services.api.ranges");
        let mut policy = demo();
        assert!(!Policy::from_json(&policy.to_string()).unwrap().services[0].ranges);
        policy["services"]["api"]["ranges"] = true.into();
        assert!(Policy::from_json(&policy.to_string()).unwrap().services[0].ranges);
    }

    #[test]
    fn the_origin_sets_cookies_unless_the_operator_says_no_c2() {
        let mut policy = demo();
        let rules =
            |policy: &Value| Policy::from_json(&policy.to_string()).unwrap().services[0].response_rules().number;
        assert_eq!(rules(&policy), 1);
        policy["services"]["api"]["cookies"] = true.into();
        assert_eq!(rules(&policy), 1);
        policy["services"]["api"]["cookies"] = false.into();
        assert_eq!(rules(&policy), 2);
        for no_flag in [serde_json::json!("false"), serde_json::json!(0), serde_json::json!(null)] {
            refused(|p| p["services"]["api"]["cookies"] = no_flag, "services.api.cookies");
        }
    }

    #[test]
    fn a_pool_is_off_unless_it_is_asked_for_and_bounded_t21() {
        let mut policy = demo();
        assert_eq!(Policy::from_json(&policy.to_string()).unwrap().services[0].pool, None);
        policy["services"]["api"]["pool"] = 200.into();
        assert_eq!(Policy::from_json(&policy.to_string()).unwrap().services[0].pool, Some(200));
        for size in [serde_json::json!(0), serde_json::json!(201), serde_json::json!(-1), serde_json::json!("9")] {
            refused(|p| p["services"]["api"]["pool"] = size, "services.api.pool");
        }
    }

    /// A1, T97.
    #[test]
    fn names_that_lnurl_must_not_reach_are_hosts_without_a_port_a1() {
        let with = |names: Value| {
            let mut policy = demo();
            policy["lnurl_deny"] = names;
            Policy::from_json(&policy.to_string()).map(|policy| policy.lnurl_deny).map_err(|fault| fault.key)
        };
        assert_eq!(Policy::from_json(&demo().to_string()).unwrap().lnurl_deny, [""; 0]);
        let names = serde_json::json!(["Intern.Example.com", "db.example.com."]);
        assert_eq!(with(names).unwrap(), ["intern.example.com", "db.example.com"]);
        for odd in ["https://a.example", "a.example:8080", "a.example/x", "", "*.example.com", "a..b"] {
            assert_eq!(with(serde_json::json!([odd])), Err("lnurl_deny".to_owned()), "{odd}");
        }
        assert_eq!(with(serde_json::json!("a.example")), Err("lnurl_deny".to_owned()));
    }

    #[test]
    fn the_nodes_word_is_taken_only_where_the_operator_says_so() {
        let mut policy = demo();
        assert!(!Policy::from_json(&policy.to_string()).unwrap().services[0].allow_attested);
        policy["services"]["api"]["allow_attested"] = true.into();
        assert!(Policy::from_json(&policy.to_string()).unwrap().services[0].allow_attested);
        refused(|p| p["services"]["api"]["allow_attested"] = 1.into(), "services.api.allow_attested");
    }

    #[test]
    fn an_unknown_key_is_refused_wherever_it_stands_t127() {
        refused(|p| p["prise"] = 1.into(), "prise");
        refused(|p| p["services"]["api"]["valid"] = 1.into(), "services.api.valid");
        refused(|p| p["free"][0]["method"] = "GET".into(), "free[0].method");
        refused(|p| p["budgets"] = serde_json::json!({"per_minute": 1}), "budgets.per_minute");
    }

    #[test]
    fn a_key_that_stands_twice_has_no_meaning_t127() {
        let twice = demo().to_string().replace("\"price_msat\":10000", "\"price_msat\":10000,\"price_msat\":1");
        assert_eq!(Policy::from_json(&twice).unwrap_err().key, "POLICY");
        assert!(Policy::from_json(&twice.replace(",\"price_msat\":1,", ",")).is_ok());
    }

    #[test]
    fn plain_http_is_for_loopback_on_regtest_only_t38() {
        refused(|p| p["origin"] = "http://example.com".into(), "origin");
        refused(|p| p["network"] = "mainnet".into(), "hosts");
        let mainnet = |p: &mut Value| {
            p["network"] = "mainnet".into();
            p["hosts"] = serde_json::json!(["example.com"]);
            p["origin"] = "https://origin.example.com".into();
        };
        refused(mainnet, "public_url");
        refused(
            |p| {
                mainnet(p);
                p["public_url"] = "http://example.com".into()
            },
            "public_url",
        );
        refused(
            |p| {
                mainnet(p);
                p["public_url"] = "https://example.com".into();
                p["origin"] = "https://127.0.0.1".into()
            },
            "origin",
        );
        refused(
            |p| {
                mainnet(p);
                p["public_url"] = "https://example.com".into();
                p["origin"] = "https://example.com".into()
            },
            "origin",
        );
    }

    #[test]
    fn an_origin_is_a_place_and_not_a_page_t27() {
        for origin in [
            "https://a.example/path",
            "https://u@a.example",
            "https://a.example?x",
            "ftp://a.example",
            "a.example",
            "https://",
        ] {
            refused(|p| p["origin"] = origin.into(), "origin");
        }
    }

    #[test]
    fn names_cannot_carry_caveats_t6() {
        for name in ["", "A", "a:b", "a=b", "a,b", "a b", "-a", "satstile-x", "a_b", &"a".repeat(33)] {
            refused(|p| p["deployment"] = name.into(), "deployment");
        }
    }

    #[test]
    fn two_equal_patterns_are_refused_t29() {
        refused(|p| p["free"] = serde_json::json!([{"path": "/api/*"}]), "services.api.routes[0]");
    }
}
