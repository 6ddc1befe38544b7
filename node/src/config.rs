//! The command line, and what it says once it is known to make sense (T127).

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use axum::http::{HeaderValue, Uri};
use bitcoin::secp256k1::PublicKey;
use clap::Parser;
use l402::relay::RelaySecrets;
use l402::secret::SecretFault;

use crate::loopback::is_loopback;

/// The node webhook of Satstile, with its embedded dev node and dev wallet.
///
/// The secrets shared with the worker come from the environment only: RELAY_SECRETS="whsec_…[,whsec_…]".
#[derive(Debug, Parser)]
#[command(name = "satstile-node", version)]
pub struct Cli {
    /// Where the worker's signed calls arrive; port 0 takes any
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8788")]
    listen: SocketAddr,
    /// Where the dev wallet answers; port 0 takes any
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9740")]
    wallet_listen: SocketAddr,
    /// Folder for the node's key, its database and the wallet's password
    #[arg(long, value_name = "DIR", env = "SATSTILE_STATE", default_value = ".satstile")]
    state: PathBuf,
    /// The worker that is told of settlements; without it they are found by look-up only
    #[arg(long, value_name = "URL", env = "WORKER_URL")]
    worker_url: Option<String>,
    /// The Lightning network
    #[arg(long, default_value = "regtest")]
    network: String,
    /// The node that makes the invoices
    #[arg(long, default_value = "dev")]
    backend: String,
    /// Refuse to start, or to answer, with invoices of any other node key
    #[arg(long, value_name = "HEX")]
    payee: Option<String>,
    /// Let pages of this origin on this machine pay with the dev wallet, without its password (WebLN); repeatable
    #[arg(long, value_name = "URL")]
    webln_origin: Vec<String>,
}

/// A configuration that can be run.
#[derive(Debug)]
pub struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) wallet_listen: SocketAddr,
    pub(crate) state: PathBuf,
    pub(crate) settlements_url: Option<Uri>,
    pub(crate) payee: Option<PublicKey>,
    pub(crate) secrets: RelaySecrets,
    /// As browsers write them in `Origin`.
    pub(crate) webln_origins: Vec<HeaderValue>,
}

/// Why a command line cannot be run.
#[derive(Debug, PartialEq, Eq)]
pub enum ConfigFault {
    /// The dev node is not for real money.
    Network(String),
    /// There is no such back end.
    Backend(String),
    /// The worker's address cannot be used.
    WorkerUrl(&'static str),
    /// The pinned key is no key.
    Payee,
    /// Pages of that origin cannot be let in.
    WeblnOrigin(&'static str),
    /// `RELAY_SECRETS` is not set.
    NoSecrets,
    /// `RELAY_SECRETS` is set to something unusable.
    Secrets(SecretFault),
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => {
                write!(f, "the dev node signs regtest invoices only and refuses the network `{network}`")
            }
            Self::Backend(backend) => write!(f, "there is no back end `{backend}`; this version has `dev`"),
            Self::WorkerUrl(why) => write!(f, "the worker URL cannot be used: {why}"),
            Self::Payee => f.write_str("the payee must be a node key: 66 hex digits that begin with 02 or 03"),
            Self::WeblnOrigin(why) => write!(f, "the WebLN origin cannot be used: {why}"),
            Self::NoSecrets => {
                f.write_str("RELAY_SECRETS is not set; it must be whsec_ and the base64 of 32 random bytes")
            }
            Self::Secrets(fault) => write!(f, "a secret in RELAY_SECRETS (whsec_<base64>, one or two) {fault}"),
        }
    }
}

impl std::error::Error for ConfigFault {}

impl Config {
    /// Makes sense of a command line and of `RELAY_SECRETS`.
    ///
    /// # Errors
    /// The [`ConfigFault`] that says what to change.
    pub fn new(cli: Cli, relay_secrets: Option<&str>) -> Result<Self, ConfigFault> {
        if cli.network != "regtest" {
            return Err(ConfigFault::Network(cli.network));
        }
        if cli.backend != "dev" {
            return Err(ConfigFault::Backend(cli.backend));
        }
        let settlements_url = cli.worker_url.as_deref().map(settlements_url).transpose()?;
        let payee = cli.payee.map(|hex| hex.parse().map_err(|_| ConfigFault::Payee)).transpose()?;
        let webln_origins = cli.webln_origin.iter().map(|url| webln_origin(url)).collect::<Result<_, _>>()?;
        let secrets = relay_secrets.ok_or(ConfigFault::NoSecrets)?;
        let secrets = RelaySecrets::parse(secrets).map_err(ConfigFault::Secrets)?;
        Ok(Self {
            listen: cli.listen,
            wallet_listen: cli.wallet_listen,
            state: cli.state,
            settlements_url,
            payee,
            secrets,
            webln_origins,
        })
    }
}

/// Where settlements are pushed. Plain http never leaves the machine (T68, C15).
fn settlements_url(worker_url: &str) -> Result<Uri, ConfigFault> {
    let url: Uri = worker_url.parse().map_err(|_| ConfigFault::WorkerUrl("it is not a URL"))?;
    let host = url.host().ok_or(ConfigFault::WorkerUrl("it names no host"))?;
    match url.scheme_str() {
        Some("https") => {}
        Some("http") if is_loopback(host) => {}
        Some("http") => return Err(ConfigFault::WorkerUrl("http is for loopback only; use https")),
        _ => return Err(ConfigFault::WorkerUrl("it must begin with https:// or, for loopback, http://")),
    }
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(ConfigFault::WorkerUrl("it must hold no password"));
    }
    if url.query().is_some() {
        return Err(ConfigFault::WorkerUrl("it must have no query"));
    }
    let target = format!("{}/.well-known/satstile/settlements", worker_url.trim_end_matches('/'));
    target.parse().map_err(|_| ConfigFault::WorkerUrl("it is too long"))
}

/// An origin whose pages may pay without the password: a page of this machine (T114), and nothing that a browser
/// would never send, because it would never match.
fn webln_origin(url: &str) -> Result<HeaderValue, ConfigFault> {
    let lower = url.to_ascii_lowercase();
    let uri: Uri = lower.parse().map_err(|_| ConfigFault::WeblnOrigin("it is not a URL"))?;
    let default_port = match uri.scheme_str() {
        Some("http") => 80,
        Some("https") => 443,
        _ => return Err(ConfigFault::WeblnOrigin("it must begin with http:// or https://")),
    };
    let authority = uri.authority().ok_or(ConfigFault::WeblnOrigin("it names no host"))?;
    if authority.as_str().contains('@') {
        return Err(ConfigFault::WeblnOrigin("it must hold no password"));
    }
    if !is_loopback(authority.host()) {
        return Err(ConfigFault::WeblnOrigin("only pages of this machine may pay: localhost, 127.0.0.1 or [::1]"));
    }
    if uri.path() != "/" || uri.query().is_some() || lower.contains('#') {
        return Err(ConfigFault::WeblnOrigin("it must end after the port"));
    }
    let port = authority.port_u16().filter(|port| *port != default_port);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let origin = format!("{}://{}{port}", uri.scheme_str().unwrap_or_default(), authority.host());
    HeaderValue::try_from(origin).map_err(|_| ConfigFault::WeblnOrigin("it is not a URL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: &str = "whsec_3q2+7wF0cmFuc2llbnQga2V5IG51bWJlciBvbmUhMDE=";

    fn config(arguments: &str) -> Result<Config, ConfigFault> {
        let cli = Cli::parse_from(["satstile-node"].into_iter().chain(arguments.split_whitespace()));
        Config::new(cli, Some(SECRETS))
    }

    #[track_caller]
    fn check(arguments: &str, expected: &str) {
        assert_eq!(config(arguments).unwrap_err().to_string(), expected);
    }

    #[test]
    fn any_network_but_regtest_is_refused() {
        assert!(config("--network regtest").is_ok());
        for network in ["mainnet", "bitcoin", "signet", "testnet", "REGTEST"] {
            let expected = format!("the dev node signs regtest invoices only and refuses the network `{network}`");
            check(&format!("--network {network}"), &expected);
        }
        check("--backend lnd", "there is no back end `lnd`; this version has `dev`");
    }

    #[test]
    fn settlements_leave_the_machine_by_https_only() {
        for (url, target) in [
            ("http://127.0.0.1:8787", "http://127.0.0.1:8787/.well-known/satstile/settlements"),
            ("http://[::1]:8787/", "http://[::1]:8787/.well-known/satstile/settlements"),
            ("https://shop.test", "https://shop.test/.well-known/satstile/settlements"),
        ] {
            let config = config(&format!("--worker-url {url}")).unwrap();
            assert_eq!(config.settlements_url.unwrap().to_string(), target);
        }
        for (url, why) in [
            ("http://shop.test", "http is for loopback only; use https"),
            ("http://localhost.shop.test", "http is for loopback only; use https"),
            ("ftp://shop.test", "it must begin with https:// or, for loopback, http://"),
            ("/shop", "it names no host"),
            ("https://user:word@shop.test", "it must hold no password"),
            ("https://shop.test/?x=1", "it must have no query"),
        ] {
            check(&format!("--worker-url {url}"), &format!("the worker URL cannot be used: {why}"));
        }
    }

    #[test]
    fn a_pinned_payee_must_be_a_key() {
        check("--payee 0211", "the payee must be a node key: 66 hex digits that begin with 02 or 03");
    }

    #[test]
    fn only_pages_of_this_machine_may_pay_by_webln() {
        assert!(config("").unwrap().webln_origins.is_empty());
        for (url, origin) in [
            ("http://localhost:8787", "http://localhost:8787"),
            ("HTTP://LocalHost:8787/", "http://localhost:8787"),
            ("http://127.0.0.1:80", "http://127.0.0.1"),
            ("https://[::1]:443", "https://[::1]"),
        ] {
            let config = config(&format!("--webln-origin {url} --webln-origin http://127.0.0.1:1")).unwrap();
            assert_eq!(config.webln_origins, [origin, "http://127.0.0.1:1"]);
        }
        for (url, why) in [
            ("http://shop.test:8787", "only pages of this machine may pay: localhost, 127.0.0.1 or [::1]"),
            ("http://localhost.shop.test", "only pages of this machine may pay: localhost, 127.0.0.1 or [::1]"),
            ("http://0.0.0.0:8787", "only pages of this machine may pay: localhost, 127.0.0.1 or [::1]"),
            ("localhost:8787", "it must begin with http:// or https://"),
            ("file://localhost", "it must begin with http:// or https://"),
            ("null", "it must begin with http:// or https://"),
            ("http://", "it is not a URL"),
            ("*", "it must begin with http:// or https://"),
            ("http://user@localhost:8787", "it must hold no password"),
            ("http://localhost:8787/free", "it must end after the port"),
            ("http://localhost:8787?x", "it must end after the port"),
            ("http://localhost:8787#x", "it must end after the port"),
        ] {
            let arguments = format!("--webln-origin http://localhost:8787 --webln-origin {url}");
            check(&arguments, &format!("the WebLN origin cannot be used: {why}"));
        }
    }

    #[test]
    fn there_are_no_default_secrets() {
        let without = |text| Config::new(Cli::parse_from(["satstile-node"]), text).unwrap_err();
        assert_eq!(without(None), ConfigFault::NoSecrets);
        assert_eq!(without(Some("whsec_c2hvcnQ=")), ConfigFault::Secrets(SecretFault::Short));
    }
}
