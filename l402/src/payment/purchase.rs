//! What a challenge sells, written where every client brings it back: `request.methodDetails.satstile`.
//!
//! A client echoes `id`, `realm`, `method`, `intent`, `request` and `expires`, and some echo nothing else. So all that is
//! needed to verify a credential stands in these six. `opaque` and `digest` say the same once more, for readers of the
//! draft; whoever echoes them must echo what `request` says.

use serde::Serialize;
use serde_json::Value;

use super::ChargeFault;
use crate::amount::Msat;
use crate::json::{self, optional, text};
use crate::preimage::PaymentHash;

/// The name in `methodDetails`.
pub(super) const MEMBER: &str = "satstile";

/// What is sold, at which price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Purchase {
    pub(super) service: String,
    /// The id of the L402 token for the same purchase; a session has none.
    pub(super) token_id: Option<[u8; 32]>,
    /// The price at sale, of one use; it counts, whatever the price is today.
    pub(super) price: Msat,
    /// The digest of the body that was asked about.
    pub(super) digest: Option<String>,
}

/// Fields in the order of their JSON names: see [`json::to_base64url`].
#[derive(Serialize)]
pub(super) struct Wire<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
    price_msat: u64,
    service: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// `opaque`, fields in the order of their JSON names.
#[derive(Serialize)]
struct Opaque<'a> {
    service: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl Purchase {
    /// As it stands in a request.
    pub(super) fn wire(&self) -> Wire<'_> {
        Wire {
            digest: self.digest.as_deref(),
            price_msat: self.price.0,
            service: &self.service,
            token: self.token_id.map(hex::encode),
        }
    }

    /// The same as `opaque`, base64url.
    pub(super) fn opaque(&self) -> Result<String, ChargeFault> {
        let opaque = Opaque { service: &self.service, token: self.token_id.map(hex::encode) };
        json::to_base64url(&opaque).ok_or(ChargeFault::Unwritable("service"))
    }

    /// Reads it out of a request that we bound.
    pub(super) fn of(request: &Value) -> Result<Self, ChargeFault> {
        const NO: ChargeFault = ChargeFault::Malformed("request.methodDetails.satstile");
        let member = request.get("methodDetails").and_then(|details| details.get(MEMBER)).ok_or(NO)?;
        Ok(Self {
            service: text(member, "service").ok_or(NO)?,
            token_id: token_id(member).ok_or(NO)?,
            price: Msat(member.get("price_msat").and_then(Value::as_u64).ok_or(NO)?),
            digest: optional(member, "digest", text).ok_or(NO)?,
        })
    }

    /// Reads the older form, which is good until it expires: `opaque` and `digest` were under the id themselves, and the
    /// price at sale is what the request asks for.
    pub(super) fn of_older(request: &Value, opaque: &str, digest: Option<&str>) -> Result<Self, ChargeFault> {
        const NO: ChargeFault = ChargeFault::Malformed("opaque");
        let opaque = json::parse_base64url(opaque).ok_or(NO)?;
        let amount = text(request, "amount").and_then(|amount| amount.parse().ok()).and_then(Msat::from_sats);
        Ok(Self {
            service: text(&opaque, "service").ok_or(NO)?,
            token_id: token_id(&opaque).ok_or(NO)?,
            price: amount.ok_or(ChargeFault::Malformed("request.amount"))?,
            digest: digest.map(str::to_owned),
        })
    }
}

/// The token id under `token`, which may be missing and must be readable.
fn token_id(object: &Value) -> Option<Option<[u8; 32]>> {
    let read = optional(object, "token", text)?;
    read.map(|hex| PaymentHash::from_hex(&hex).map(|id| id.0)).map_or(Some(None), |id| id.map(Some))
}
