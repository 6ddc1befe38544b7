//! The operator's policy as it is written down (C10): `[vars.POLICY]` or `policy.toml`. Plain data,
//! nothing checked but its shape; [`super::Policy`] is what a check makes of it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The whole policy. Amounts in msat, times in seconds. Unknown keys are refused (T127).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// Version of this schema: 1.
    pub version: u64,
    /// `live` or `dry-run`.
    #[serde(default)]
    pub mode: Mode,
    /// Name of this deployment, bound into every token: letters, digits, `-`, at most 32.
    pub deployment: String,
    /// Hosts that are served, with port where it is not the default. May be empty on regtest.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Where clients reach this deployment; required beyond regtest.
    pub public_url: Option<String>,
    /// What is protected: scheme, host and port only.
    pub origin: String,
    /// `mainnet`, `testnet`, `signet` or `regtest`.
    pub network: String,
    /// How long an invoice can be paid, 120 to 86,400. Default 600.
    pub invoice_expiry_s: Option<u64>,
    /// Where a client's address comes from (C13).
    pub client_ip: Option<ClientIpFile>,
    /// How many invoices may be asked for (C13).
    #[serde(default)]
    pub budgets: BudgetsFile,
    /// How long the origin may take (T45).
    #[serde(default)]
    pub timeouts: TimeoutsFile,
    /// What anybody may have.
    #[serde(default)]
    pub free: Vec<RouteFile>,
    /// What is sold, by service id.
    #[serde(default)]
    pub services: BTreeMap<String, ServiceFile>,
}

/// Whether invoices are really asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Charge.
    #[default]
    Live,
    /// Forward everything and log what would have been charged (C14).
    DryRun,
}

/// See [`super::ClientIp`].
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum ClientIpFile {
    /// `"cloudflare"` or `"peer"`.
    Named(String),
    /// A header that a proxy of the operator's sets.
    Proxy(TrustedProxyFile),
}

/// `{ trusted_proxy, header }`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedProxyFile {
    /// Address of the proxy; requests from elsewhere count under their own address.
    pub trusted_proxy: String,
    /// Name of the header it sets.
    pub header: String,
}

/// See [`super::Budgets`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetsFile {
    /// Invoices a minute for one client. Default 30.
    pub per_client_per_min: Option<u32>,
    /// Invoices a minute altogether. Default 3,000.
    pub global_per_min: Option<u32>,
    /// Invoices being asked for at the same time, per isolate. Default 64.
    pub in_flight: Option<u32>,
}

/// See [`super::Timeouts`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeoutsFile {
    /// Until the origin's first byte. Default 30.
    pub first_byte_s: Option<u32>,
    /// Between two pieces of a body. Default 60.
    pub idle_s: Option<u32>,
    /// For one whole response. Default 3,600.
    pub total_s: Option<u32>,
}

/// A path pattern and its methods.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteFile {
    /// `/exact` or `/prefix/*`.
    pub path: String,
    /// Default GET (and with it HEAD). `["any"]` stands for GET HEAD POST PUT PATCH DELETE.
    #[serde(default)]
    pub methods: Vec<String>,
}

/// One thing that is sold.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceFile {
    /// Price of one grant, 1 to 10^12.
    pub price_msat: u64,
    /// How long the grant lasts, from 1 s to 10 years.
    pub valid_s: u64,
    /// How many deliveries the grant covers; without it, any number in its time.
    pub uses: Option<u64>,
    /// Whether a token is good for the bought route only.
    #[serde(default)]
    pub bind_route: bool,
    /// Where it is.
    pub routes: Vec<RouteFile>,
    /// What a client may have before paying.
    pub free_allowance: Option<AllowanceFile>,
    /// Whether the Payment challenge stands before L402 (D2).
    #[serde(default)]
    pub payment_first: bool,
    /// Shown in the wallet; default "<service> at <host>".
    pub description: Option<String>,
    /// Whether a settlement without a preimage may open the door.
    #[serde(default)]
    pub allow_attested: bool,
    /// Public key, in hex, that must have signed the invoices.
    pub payee: Option<String>,
}

/// `{ count, window_s }`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowanceFile {
    /// Requests.
    pub count: u32,
    /// In this many seconds.
    pub window_s: u32,
}
