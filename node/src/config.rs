//! The command line, and what it says once it is known to make sense (T127).

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use axum::http::{HeaderValue, Uri};
use bitcoin::secp256k1::PublicKey;
use clap::Parser;
use l402::bolt11::Network;
use l402::relay::RelaySecrets;
use l402::secret::SecretFault;
use serde_json::{Value, json};

use crate::configured::Configured;
use crate::loopback::is_loopback;
use crate::payout::{Given, PayoutFault, PayoutSettings};

/// The node webhook of Satstile: makes invoices for the worker on the operator's own Lightning node.
///
/// Without back ends it runs its embedded dev node and dev wallet. Secrets come from the environment or from files,
/// never from the command line: RELAY_SECRETS="whsec_…[,whsec_…]" is shared with the worker, BACKENDS (or --backends
/// FILE) holds a connection string a line, the preferred one first.
///
/// Payouts are off unless PAYOUT_SECRETS (like RELAY_SECRETS, and another one) and PAYOUT_BACKEND (a connection string with
/// a credential that can pay) are set.
#[derive(Debug, Parser)]
#[command(name = "satstile-node", version)]
pub struct Cli {
    /// Where the worker's signed calls arrive; port 0 takes any
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8788")]
    listen: SocketAddr,
    /// Where Prometheus may ask (GET /metrics); nowhere unless given
    #[arg(long, value_name = "ADDR")]
    metrics_listen: Option<SocketAddr>,
    /// A file of back ends, `type=lnd-rest;server=https://…;macaroon=…` or `nostr+walletconnect://…` a line; instead of
    /// BACKENDS
    #[arg(long, value_name = "FILE")]
    backends: Option<PathBuf>,
    /// Where the dev wallet answers; port 0 takes any
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9740")]
    wallet_listen: SocketAddr,
    /// Folder for the node's key, its database and the wallet's password
    #[arg(long, value_name = "DIR", env = "SATSTILE_STATE", default_value = ".satstile")]
    state: PathBuf,
    /// The worker that is told of settlements; without it they are found by look-up only
    #[arg(long, value_name = "URL", env = "WORKER_URL")]
    worker_url: Option<String>,
    /// The Lightning network: mainnet, testnet, signet or regtest
    #[arg(long, default_value = "regtest")]
    network: String,
    /// Refuse to start, or to answer, with invoices of any other node key
    #[arg(long, value_name = "HEX")]
    payee: Option<String>,
    /// Let pages of this origin on this machine pay with the dev wallet, without its password (WebLN); repeatable
    #[arg(long, value_name = "URL")]
    webln_origin: Vec<String>,
    /// The most that one payout may be for, in satoshi
    #[arg(long, value_name = "SATS", env = "PAYOUT_MAX_SATS", default_value_t = 100_000)]
    payout_max_sats: u64,
    /// The most that all payouts of any 24 hours may come to, in satoshi, routing included
    #[arg(long, value_name = "SATS", env = "PAYOUT_DAILY_SATS", default_value_t = 1_000_000)]
    payout_daily_sats: u64,
    /// Say what would be run, without secrets, and end
    #[arg(long)]
    pub print_config: bool,
}

/// Who makes the invoices.
#[derive(Debug)]
pub(crate) enum Backends {
    /// The embedded dev node.
    Dev,
    /// The operator's, the preferred one first; at least one.
    Remote(Vec<Configured>),
}

/// What the environment holds: secrets, which are on no command line.
#[derive(Clone, Copy, Default)]
pub struct Environment<'a> {
    /// `RELAY_SECRETS`, shared with the worker.
    pub relay_secrets: Option<&'a str>,
    /// `BACKENDS`, a connection string a line.
    pub backends: Option<&'a str>,
    /// `PAYOUT_SECRETS`, shared with the worker, too.
    pub payout_secrets: Option<&'a str>,
    /// `PAYOUT_BACKEND`, a connection string.
    pub payout_backend: Option<&'a str>,
}

/// A configuration that can be run.
#[derive(Debug)]
pub struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) backends: Backends,
    pub(crate) network: Network,
    pub(crate) wallet_listen: SocketAddr,
    pub(crate) state: PathBuf,
    pub(crate) settlements_url: Option<Uri>,
    pub(crate) payee: Option<PublicKey>,
    pub(crate) secrets: RelaySecrets,
    /// As browsers write them in `Origin`.
    pub(crate) webln_origins: Vec<HeaderValue>,
    /// Off when there are none.
    pub(crate) payouts: Option<PayoutSettings>,
}

/// Why a command line cannot be run.
#[derive(Debug, PartialEq, Eq)]
pub enum ConfigFault {
    /// There is no such network.
    Network(String),
    /// The dev node is not for real money.
    DevNetwork(Network),
    /// Both the environment and a file name back ends.
    TwoLists,
    /// The file of back ends cannot be read.
    BackendsFile(String),
    /// A line of the back ends cannot be used.
    Backend(usize, String),
    /// The dev node's key is made at its first start; WebLN is for its wallet.
    WeblnWithoutDev,
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
    /// Payouts cannot be switched on like this.
    Payouts(PayoutFault),
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => {
                write!(f, "there is no network `{network}`; there are mainnet, testnet, signet and regtest")
            }
            Self::DevNetwork(network) => write!(
                f,
                "the dev node signs regtest invoices only and refuses the network `{network}`; name your own node in \
                 BACKENDS or --backends"
            ),
            Self::TwoLists => f.write_str("back ends are in BACKENDS and in --backends; keep one of them"),
            Self::BackendsFile(why) => write!(f, "the file of --backends cannot be used: {why}"),
            Self::Backend(line, why) => write!(f, "back end {line} cannot be used: {why}"),
            Self::WeblnWithoutDev => f.write_str("--webln-origin is for the dev wallet, and back ends are configured"),
            Self::WorkerUrl(why) => write!(f, "the worker URL cannot be used: {why}"),
            Self::Payee => f.write_str("the payee must be a node key: 66 hex digits that begin with 02 or 03"),
            Self::WeblnOrigin(why) => write!(f, "the WebLN origin cannot be used: {why}"),
            Self::NoSecrets => {
                f.write_str("RELAY_SECRETS is not set; it must be whsec_ and the base64 of 32 random bytes")
            }
            Self::Payouts(fault) => fault.fmt(f),
            Self::Secrets(fault) => write!(f, "a secret in RELAY_SECRETS (whsec_<base64>, one or two) {fault}"),
        }
    }
}

impl std::error::Error for ConfigFault {}

impl Config {
    /// Makes sense of a command line, and of the environment's secrets.
    ///
    /// # Errors
    /// The [`ConfigFault`] that says what to change.
    pub fn new(cli: Cli, environment: &Environment<'_>) -> Result<Self, ConfigFault> {
        let network = Network::from_name(&cli.network).ok_or(ConfigFault::Network(cli.network))?;
        let text = match (environment.backends.filter(|text| !text.trim().is_empty()), &cli.backends) {
            (None, None) if network != Network::Regtest => return Err(ConfigFault::DevNetwork(network)),
            (None, None) => None,
            (Some(text), None) => Some(text.to_owned()),
            (None, Some(path)) => Some(private_text(path)?),
            (Some(_), Some(_)) => return Err(ConfigFault::TwoLists),
        };
        let backends = match &text {
            None => Backends::Dev,
            Some(text) => Backends::Remote(configured(text)?),
        };
        if !cli.webln_origin.is_empty() && matches!(backends, Backends::Remote(_)) {
            return Err(ConfigFault::WeblnWithoutDev);
        }
        let settlements_url = cli.worker_url.as_deref().map(settlements_url).transpose()?;
        let payee = cli.payee.map(|hex| hex.parse().map_err(|_| ConfigFault::Payee)).transpose()?;
        let webln_origins = cli.webln_origin.iter().map(|url| webln_origin(url)).collect::<Result<_, _>>()?;
        let secrets = environment.relay_secrets.ok_or(ConfigFault::NoSecrets)?;
        let secrets = RelaySecrets::parse(secrets).map_err(ConfigFault::Secrets)?;
        let payouts = Given {
            secrets: environment.payout_secrets,
            backend: environment.payout_backend,
            max_sats: cli.payout_max_sats,
            daily_sats: cli.payout_daily_sats,
            is_dev: text.is_none(),
            backends: text.as_deref().unwrap_or_default(),
        };
        let payouts = PayoutSettings::new(&payouts, &secrets).map_err(ConfigFault::Payouts)?;
        Ok(Self {
            listen: cli.listen,
            metrics_listen: cli.metrics_listen,
            backends,
            network,
            wallet_listen: cli.wallet_listen,
            state: cli.state,
            settlements_url,
            payee,
            secrets,
            webln_origins,
            payouts,
        })
    }

    /// What would be run, for a person to check; no secret is in it.
    #[must_use]
    pub fn summary(&self) -> Value {
        let backends: Vec<Value> = match &self.backends {
            Backends::Dev => vec![json!({"type": "dev", "wallet_listen": self.wallet_listen})],
            Backends::Remote(configured) => configured.iter().map(Configured::summary).collect(),
        };
        json!({
            "listen": self.listen,
            "metrics_listen": self.metrics_listen,
            "network": self.network,
            "backends": backends,
            "payee": self.payee.map(|key| key.to_string()),
            "settlements_url": self.settlements_url.as_ref().map(ToString::to_string),
            "state": self.state,
            "relay_secrets": "set",
            "payouts": self.payouts.as_ref().map_or_else(|| json!("off"), PayoutSettings::summary),
            "webln_origins": self.webln_origins.iter().filter_map(|o| o.to_str().ok()).collect::<Vec<_>>(),
        })
    }
}

/// A connection string a line; empty lines and those that begin with `#` are for people.
fn configured(text: &str) -> Result<Vec<Configured>, ConfigFault> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = |(i, line)| Configured::read(line).map_err(|e| ConfigFault::Backend(i + 1, format!("{e:#}")));
    let configured: Vec<Configured> = lines.enumerate().map(read).collect::<Result<_, _>>()?;
    if configured.is_empty() {
        return Err(ConfigFault::BackendsFile("it names no back end".to_owned()));
    }
    Ok(configured)
}

/// A file with secrets in it, which others may not read.
fn private_text(path: &Path) -> Result<String, ConfigFault> {
    let fault = |why: String| ConfigFault::BackendsFile(why);
    let mode = fs::metadata(path).map_err(|e| fault(e.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(fault("other users can read it; chmod 600 it".to_owned()));
    }
    fs::read_to_string(path).map_err(|e| fault(e.to_string()))
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
        Config::new(cli, &Environment { relay_secrets: Some(SECRETS), ..Environment::default() })
    }

    #[track_caller]
    fn check(arguments: &str, expected: &str) {
        assert_eq!(config(arguments).unwrap_err().to_string(), expected);
    }

    #[track_caller]
    fn with_backends(arguments: &str, backends: &str) -> Result<Config, ConfigFault> {
        let cli = Cli::parse_from(["satstile-node"].into_iter().chain(arguments.split_whitespace()));
        let backends = Some(backends);
        Config::new(cli, &Environment { relay_secrets: Some(SECRETS), backends, ..Environment::default() })
    }

    const LND: &str = "type=lnd-rest;server=https://node.test:8080;macaroon=abad1dea";

    #[test]
    fn the_dev_node_is_for_regtest_only() {
        assert!(config("--network regtest").is_ok());
        for network in ["mainnet", "signet", "testnet"] {
            let expected = format!(
                "the dev node signs regtest invoices only and refuses the network `{network}`; name your own node in \
                 BACKENDS or --backends"
            );
            check(&format!("--network {network}"), &expected);
            assert!(with_backends(&format!("--network {network}"), LND).is_ok());
        }
        check("--network REGTEST", "there is no network `REGTEST`; there are mainnet, testnet, signet and regtest");
    }

    #[test]
    fn back_ends_are_listed_a_line_each_and_the_odd_one_is_named_by_its_number() {
        let config = with_backends("", &format!("# mine\n{LND}\n\n  {LND}")).unwrap();
        assert_eq!(config.summary()["backends"].as_array().unwrap().len(), 2);
        let fault = with_backends("", &format!("{LND}\ntype=lnd-rest;server=https://n.test")).unwrap_err();
        assert_eq!(fault.to_string(), "back end 2 cannot be used: `macaroon=` is missing");
        assert!(matches!(with_backends("", "  \n ").unwrap().backends, Backends::Dev));
        assert!(with_backends("", "# none").is_err());
        assert!(with_backends("--backends /nowhere", LND).is_err());
    }

    #[test]
    fn a_file_of_back_ends_that_others_can_read_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("backends");
        fs::write(&path, LND).unwrap();
        let argument = format!("--backends {}", path.display());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        check(&argument, "the file of --backends cannot be used: other users can read it; chmod 600 it");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(config(&argument).is_ok());
    }

    #[test]
    fn what_is_printed_of_a_configuration_holds_no_secret() {
        let shown = with_backends("--worker-url https://shop.test", LND).unwrap().summary().to_string();
        assert!(shown.contains("https://node.test:8080") && shown.contains("\"by an authority\""), "{shown}");
        assert!(!shown.contains("abad1dea") && !shown.contains("3q2+7"), "{shown}");
    }

    #[test]
    fn a_wallet_is_a_back_end_as_its_own_text_or_as_a_connection_string() {
        let (wallet, secret) = ("b889ff5b1513b641e2a139f661a661364979c5beee91842f8f0ef42ab558e9d4", "71".repeat(32));
        let uri = format!("nostr+walletconnect://{wallet}?relay=wss://r.test/v1&relay=wss://s.test&secret={secret}");
        let summary = with_backends("", &format!("{LND}\n{uri}\ntype=nwc;uri={uri}")).unwrap().summary();
        let shown = json!({
            "type": "nwc",
            "at": "b889ff5b1513b641 by wss://r.test:443",
            "relays": ["wss://r.test:443", "wss://s.test:443"],
            "preimages": "sometimes told",
        });
        assert_eq!((&summary["backends"][1], &summary["backends"][2]), (&shown, &shown));
        assert!(!summary.to_string().contains(&secret[..8]), "{summary}");

        let fault = |line: &str| with_backends("", &format!("{LND}\n{line}")).unwrap_err().to_string();
        assert_eq!(fault(&uri.replace("&secret=", "&secrets=")), "back end 2 cannot be used: `uri=` has no secret=");
        let clear = fault(&uri.replace("wss://r", "ws://r"));
        assert!(clear.contains("a relay without encryption") && !clear.contains(&secret[..8]), "{clear}");
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
        let without = |relay_secrets| {
            let environment = Environment { relay_secrets, ..Environment::default() };
            Config::new(Cli::parse_from(["satstile-node"]), &environment).unwrap_err()
        };
        assert_eq!(without(None), ConfigFault::NoSecrets);
        assert_eq!(without(Some("whsec_c2hvcnQ=")), ConfigFault::Secrets(SecretFault::Short));
    }
}
