//! What every request about a balance shares: why it is refused, and what is read from its body.

use l402::Msat;
use l402::balance::BalanceToken;
use l402::problem::Refusal;
use satstile_ledger::Id;
use satstile_lightning::lnurl::Terms;
use serde_json::Value;

use crate::config::gate::Gate;
use crate::objects::account::No;
use crate::platform::http;

/// An invoice that is to be paid must be good for so long at least.
pub const EXPIRY_MIN_S: u64 = 60;

/// Why there is no answer.
pub enum Said {
    /// The books say no.
    No(No),
    /// We do.
    Refused(Refusal<'static>),
    /// The platform failed.
    Platform(worker::Error),
}

impl From<worker::Error> for Said {
    fn from(error: worker::Error) -> Self {
        Self::Platform(error)
    }
}

impl From<No> for Said {
    fn from(no: No) -> Self {
        Self::No(no)
    }
}

impl From<Refusal<'static>> for Said {
    fn from(refusal: Refusal<'static>) -> Self {
        Self::Refused(refusal)
    }
}

/// An answer, or why there is none.
pub type Served<T> = core::result::Result<T, Said>;

/// `amount_sats`, a whole number; as a text, too (T76).
pub fn amount(body: &Value) -> Served<Msat> {
    let sats = match body.get("amount_sats") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(value) => value.as_u64(),
        None => None,
    };
    let amount = sats.and_then(Msat::from_sats).filter(|amount| amount.0 > 0);
    amount.ok_or_else(|| bad("amount_sats must be a whole number of at least 1").into())
}

/// The request cannot be read.
pub fn bad(reason: impl Into<String>) -> No {
    No { status: 400, reason: reason.into() }
}

/// The name of a client's key among the orders of its account.
pub fn key_of(by: &BalanceToken, key: &str) -> Id {
    Id::derive("key", &[&by.account.0, key.as_bytes()])
}

/// What an invoice must be to be paid from here. Its signature is checked by the node webhook, before anything is sent.
pub fn terms(gate: &Gate) -> Terms {
    Terms { network: gate.policy.network, min_expiry_s: EXPIRY_MIN_S, now: http::now() }
}
