//! `PAYOUT_SECRETS`, `PAYOUT_BACKEND` and the limits: whether this node pays, who does it, and how much at most.

use std::fmt;

use l402::Msat;
use l402::relay::RelaySecrets;
use l402::secret::SecretFault;
use satstile_lightning::nwc::NwcConnection;
use satstile_lightning::wallet::{KINDS_FOR_PAYOUTS, WalletConnection};
use serde_json::{Value, json};

use crate::dev;

/// Keys of a connection string whose values are secrets.
const CREDENTIALS: [&str; 4] = ["macaroon", "rune", "password", "api-key"];

/// Payouts, switched on.
#[derive(Debug)]
pub(crate) struct PayoutSettings {
    /// Shared with the worker, and with no invoice call.
    pub(crate) secrets: RelaySecrets,
    pub(crate) pays: Pays,
    /// The most for one payment.
    pub(crate) max: Msat,
    /// The most in any 24 hours.
    pub(crate) daily: Msat,
}

/// Who pays.
#[derive(Debug)]
pub(crate) enum Pays {
    /// The embedded dev node.
    Dev,
    /// A node of the operator's.
    Wallet(WalletConnection),
}

/// What the environment and the command line say of payouts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    pub(crate) secrets: Option<&'a str>,
    pub(crate) backend: Option<&'a str>,
    pub(crate) max_sats: u64,
    pub(crate) daily_sats: u64,
    /// The invoices are made by the embedded dev node.
    pub(crate) is_dev: bool,
    /// The back ends that make them otherwise, as they are written down.
    pub(crate) backends: &'a str,
}

/// Why payouts cannot be switched on like this.
#[derive(Debug, PartialEq, Eq)]
pub enum PayoutFault {
    /// `PAYOUT_SECRETS` is set to something unusable.
    Secrets(SecretFault),
    /// It shares a secret with `RELAY_SECRETS`.
    SameSecret,
    /// One of the two is set, and the other is not.
    Half,
    /// `PAYOUT_BACKEND` cannot be used.
    Backend(String),
    /// It takes no fee limit (T94).
    NoFeeLimit(String),
    /// Its credential makes invoices, too (T61).
    SameCredential,
    /// The limits make no sense.
    Limits,
}

impl fmt::Display for PayoutFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secrets(fault) => write!(f, "a secret in PAYOUT_SECRETS (whsec_<base64>, one or two) {fault}"),
            Self::SameSecret => f.write_str("PAYOUT_SECRETS must not hold a secret of RELAY_SECRETS; make another one"),
            Self::Half => f.write_str("payouts need both PAYOUT_SECRETS and PAYOUT_BACKEND; set both, or neither"),
            Self::Backend(why) => write!(f, "PAYOUT_BACKEND cannot be used: {why}"),
            Self::NoFeeLimit(kind) => write!(
                f,
                "PAYOUT_BACKEND cannot be used: `{kind}` takes no limit on what routing may cost, so it makes no \
                 payouts; {} do",
                KINDS_FOR_PAYOUTS.join(" and ")
            ),
            Self::SameCredential => f.write_str(
                "PAYOUT_BACKEND has the credential that makes invoices; give it one of its own that can pay",
            ),
            Self::Limits => f.write_str(
                "the limits for payouts must be from 1 to 10000000000 sats, and a day's at least that of one payout",
            ),
        }
    }
}

impl PayoutSettings {
    /// Makes sense of what is given; `None` when payouts are off.
    pub(crate) fn new(given: &Given<'_>, relay: &RelaySecrets) -> Result<Option<Self>, PayoutFault> {
        let set = |text: Option<&'_ str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let (secrets, backend) = match (set(given.secrets), set(given.backend)) {
            (None, None) => return Ok(None),
            (Some(secrets), None) if given.is_dev => (secrets, format!("type={}", dev::BACKEND)),
            (Some(secrets), Some(backend)) => (secrets, backend),
            _ => return Err(PayoutFault::Half),
        };
        let secrets = RelaySecrets::parse(&secrets).map_err(PayoutFault::Secrets)?;
        if secrets.shares_one_with(relay) {
            return Err(PayoutFault::SameSecret);
        }
        let (max, daily) = (msat(given.max_sats)?, msat(given.daily_sats)?);
        if daily < max {
            return Err(PayoutFault::Limits);
        }
        let pays = if given.is_dev && backend == format!("type={}", dev::BACKEND) {
            Pays::Dev
        } else {
            Pays::Wallet(wallet(&backend, given.backends)?)
        };
        Ok(Some(Self { secrets, pays, max, daily }))
    }

    /// What is shown of it; no secret.
    pub(crate) fn summary(&self) -> Value {
        let backend = match &self.pays {
            Pays::Dev => json!({ "type": dev::BACKEND }),
            Pays::Wallet(wallet) => json!({
                "type": wallet.wallet.kind(),
                "at": wallet.place,
                "certificate": if wallet.pin.is_some() { "pinned" } else { "by an authority" },
            }),
        };
        json!({
            "secrets": "set",
            "backend": backend,
            "max_sats": self.max.0 / 1_000,
            "daily_sats": self.daily.0 / 1_000,
        })
    }
}

fn msat(sats: u64) -> Result<Msat, PayoutFault> {
    let amount = sats.checked_mul(1_000).map(Msat);
    amount.filter(|amount| (1..=10 * Msat::MAX.0).contains(&amount.0)).ok_or(PayoutFault::Limits)
}

fn wallet(line: &str, backends: &str) -> Result<WalletConnection, PayoutFault> {
    if NwcConnection::is_meant_by(line) {
        return Err(PayoutFault::NoFeeLimit("nwc".to_owned()));
    }
    let fault = |error: anyhow::Error| PayoutFault::Backend(format!("{error:#}"));
    let text = satstile_egress::expanded(line).map_err(fault)?;
    let connection = WalletConnection::parse(&text).map_err(|error| fault(error.into()))?;
    if !connection.wallet.limits_fees() {
        return Err(PayoutFault::NoFeeLimit(connection.wallet.kind().to_owned()));
    }
    let makes = backends.lines().filter_map(|line| satstile_egress::expanded(line).ok());
    let makes: Vec<String> = makes.flat_map(|text| credentials(&text)).collect();
    if credentials(&text).iter().any(|credential| makes.contains(credential)) {
        return Err(PayoutFault::SameCredential);
    }
    Ok(connection)
}

/// The secrets of a connection string.
fn credentials(text: &str) -> Vec<String> {
    let pairs = text.split(';').filter_map(|pair| pair.split_once('='));
    let secret = |name: &str| CREDENTIALS.contains(&name.trim().to_ascii_lowercase().as_str());
    pairs.filter(|(name, _)| secret(name)).map(|(_, value)| value.trim().to_ascii_lowercase()).collect()
}
