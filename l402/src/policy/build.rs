//! From what an operator wrote to a [`Policy`]: every check that can be made before the first request.

use core::fmt;

use super::schema::{ClientIpFile, PolicyFile, ServiceFile};
use super::{Budgets, ClientIp, FreeAllowance, Policy, Service, Timeouts};
use crate::amount::Msat;
use crate::bolt11::Network;
use crate::path::{canonical_host, is_loopback};
use crate::route::{Access, Methods, Route, RouteTable};

/// What is wrong with a policy: the key, and a sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    /// Where, as the operator wrote it: `services.api.price_msat`.
    pub key: String,
    /// What, and what would be right.
    pub reason: String,
}

impl PolicyFault {
    pub(crate) fn at(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "policy: {}: {}", self.key, self.reason)
    }
}

impl std::error::Error for PolicyFault {}

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
        let file: PolicyFile = serde_json::from_str(text).map_err(|e| PolicyFault::at("POLICY", e.to_string()))?;
        Self::from_file(file)
    }

    /// Checks a policy that a shell has read from whatever form it was written in.
    ///
    /// # Errors
    /// [`PolicyFault`] names the first key that cannot stand.
    pub fn from_file(file: PolicyFile) -> Result<Self, PolicyFault> {
        if file.version != 1 {
            return Err(PolicyFault::at("version", "only version 1 is known"));
        }
        check_name("deployment", &file.deployment)?;
        let network = match file.network.as_str() {
            "mainnet" => Network::Mainnet,
            "testnet" => Network::Testnet,
            "signet" => Network::Signet,
            "regtest" => Network::Regtest,
            _ => return Err(PolicyFault::at("network", "one of mainnet, testnet, signet, regtest")),
        };
        let mut hosts = Vec::new();
        for host in &file.hosts {
            hosts
                .push(canonical_host(host).ok_or_else(|| {
                    PolicyFault::at("hosts", format!("`{host}` is not a host with an optional port"))
                })?);
        }
        if hosts.is_empty() && network != Network::Regtest {
            return Err(PolicyFault::at("hosts", "name the hosts that clients use; only regtest may leave this out"));
        }
        let origin = base_url("origin", &file.origin, network)?;
        let public_url = file.public_url.as_deref().map(|url| base_url("public_url", url, network)).transpose()?;
        if public_url.is_none() && network != Network::Regtest {
            return Err(PolicyFault::at("public_url", "required beyond regtest: https and the host that clients use"));
        }
        check_not_ourselves(&origin, public_url.as_deref(), &hosts)?;

        let mut routes = Vec::new();
        for (i, route) in file.free.iter().enumerate() {
            routes.push(Route::parse(&format!("free[{i}]"), &route.path, &route.methods, Access::Free)?);
        }
        let mut services = Vec::new();
        for (id, service) in &file.services {
            services.push(build_service(id, service, services.len(), &mut routes)?);
        }
        if services.is_empty() && routes.is_empty() {
            return Err(PolicyFault::at("services", "nothing is sold and nothing is free; add a service"));
        }
        Ok(Self {
            mode: file.mode,
            deployment: file.deployment,
            hosts,
            public_url,
            origin,
            network,
            invoice_expiry_s: within("invoice_expiry_s", file.invoice_expiry_s.unwrap_or(600), 120, 86_400)?,
            client_ip: client_ip(file.client_ip.as_ref(), network)?,
            budgets: Budgets {
                per_client_per_min: positive("budgets.per_client_per_min", file.budgets.per_client_per_min, 30)?,
                global_per_min: positive("budgets.global_per_min", file.budgets.global_per_min, 3_000)?,
                in_flight: positive("budgets.in_flight", file.budgets.in_flight, 64)?,
            },
            timeouts: Timeouts {
                first_byte_s: positive("timeouts.first_byte_s", file.timeouts.first_byte_s, 30)?,
                idle_s: positive("timeouts.idle_s", file.timeouts.idle_s, 60)?,
                total_s: positive("timeouts.total_s", file.timeouts.total_s, 3_600)?,
            },
            routes: RouteTable::new(routes)?,
            services,
        })
    }
}

fn build_service(id: &str, file: &ServiceFile, index: usize, routes: &mut Vec<Route>) -> Result<Service, PolicyFault> {
    let key = |name: &str| format!("services.{id}.{name}");
    check_name(&format!("services.{id}"), id)?;
    if file.routes.is_empty() {
        return Err(PolicyFault::at(key("routes"), "a service needs at least one route"));
    }
    if file.allow_attested {
        return Err(PolicyFault::at(
            key("allow_attested"),
            "no node back end of this version settles without a preimage; leave it out",
        ));
    }
    let payee = file.payee.as_ref().map(|payee| payee.to_ascii_lowercase());
    if payee
        .as_ref()
        .is_some_and(|p| p.len() != 66 || hex::decode(p).is_err() || !matches!(p.get(..2), Some("02" | "03")))
    {
        return Err(PolicyFault::at(key("payee"), "a compressed public key: 66 hex digits starting with 02 or 03"));
    }
    if file.description.as_ref().is_some_and(|d| d.is_empty() || d.len() > 200 || d.chars().any(char::is_control)) {
        return Err(PolicyFault::at(key("description"), "1 to 200 bytes without control characters"));
    }
    let mut methods = Methods::NONE;
    for (i, route) in file.routes.iter().enumerate() {
        let route = Route::parse(&key(&format!("routes[{i}]")), &route.path, &route.methods, Access::Service(index))?;
        methods = methods.union(route.methods);
        routes.push(route);
    }
    Ok(Service {
        id: id.to_owned(),
        price: Msat(within(&key("price_msat"), file.price_msat, 1, Msat::MAX.0)?),
        valid_s: within(&key("valid_s"), file.valid_s, 1, 315_360_000)?,
        uses: file.uses.map(|uses| within(&key("uses"), uses, 1, 1_000_000_000)).transpose()?,
        bind_route: file.bind_route,
        methods,
        free_allowance: match file.free_allowance {
            None => None,
            Some(a) => Some(FreeAllowance {
                count: positive(&key("free_allowance.count"), Some(a.count), 1)?,
                window_s: positive(&key("free_allowance.window_s"), Some(a.window_s), 1)?,
            }),
        },
        payment_first: file.payment_first,
        description: file.description.clone(),
        payee,
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

fn client_ip(file: Option<&ClientIpFile>, network: Network) -> Result<ClientIp, PolicyFault> {
    let bad = |reason: &str| PolicyFault::at("client_ip", reason);
    match file {
        None if network == Network::Regtest => Ok(ClientIp::Peer),
        None => Ok(ClientIp::Cloudflare),
        Some(ClientIpFile::Named(name)) => match name.as_str() {
            "cloudflare" => Ok(ClientIp::Cloudflare),
            "peer" => Ok(ClientIp::Peer),
            _ => Err(bad("`cloudflare`, `peer` or { trusted_proxy, header }")),
        },
        Some(ClientIpFile::Proxy(proxy)) => {
            let header = proxy.header.to_ascii_lowercase();
            if header.is_empty() || !header.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                return Err(bad("header: a header name"));
            }
            let proxy = proxy.trusted_proxy.parse().map_err(|_| bad("trusted_proxy: an IP address"))?;
            Ok(ClientIp::TrustedProxy { proxy, header })
        }
    }
}

fn within(key: &str, value: u64, min: u64, max: u64) -> Result<u64, PolicyFault> {
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(PolicyFault::at(key, format!("{min} to {max}, not {value}")))
    }
}

fn positive(key: &str, value: Option<u32>, default: u32) -> Result<u32, PolicyFault> {
    match value.unwrap_or(default) {
        0 => Err(PolicyFault::at(key, "at least 1")),
        n => Ok(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> serde_json::Value {
        serde_json::json!({
            "version": 1, "deployment": "demo", "origin": "http://127.0.0.1:8789", "network": "regtest",
            "free": [{"path": "/"}],
            "services": {"api": {"price_msat": 10_000, "valid_s": 600, "routes": [{"path": "/api/*", "methods": ["any"]}]}},
        })
    }

    #[track_caller]
    fn refused(change: impl FnOnce(&mut serde_json::Value), key: &str) {
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
        refused(|p| p["services"]["api"]["price_msat"] = serde_json::json!(-1), "POLICY");
        refused(|p| p["services"]["api"]["price_msat"] = serde_json::json!(1.5), "POLICY");
        refused(|p| p["services"]["api"]["price_msat"] = serde_json::json!(null), "POLICY");
        refused(
            |p| p["services"]["api"]["price_msat"] = serde_json::json!(1_000_000_000_001_u64),
            "services.api.price_msat",
        );
    }

    #[test]
    fn an_unknown_key_is_refused_wherever_it_stands_t127() {
        refused(|p| p["prise"] = 1.into(), "POLICY");
        refused(|p| p["services"]["api"]["valid"] = 1.into(), "POLICY");
        refused(|p| p["free"][0]["method"] = "GET".into(), "POLICY");
        refused(|p| p["budgets"] = serde_json::json!({"per_minute": 1}), "POLICY");
    }

    #[test]
    fn plain_http_is_for_loopback_on_regtest_only_t38() {
        refused(|p| p["origin"] = "http://example.com".into(), "origin");
        refused(|p| p["network"] = "mainnet".into(), "hosts");
        let mainnet = |p: &mut serde_json::Value| {
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
