//! The session intent: a deposit is paid once, and used up by the unit (draft-lightning-session-00; `wire.md` 4.8).
//!
//! ```text
//! open { preimage, returnInvoice }   the deposit's invoice was paid; its hash names the session, its preimage bears it
//! bearer { sessionId, preimage }     one request of it
//! topUp { sessionId, topUpPreimage } another deposit, of another challenge
//! close { sessionId, preimage }      what is left goes to the return invoice
//! ```
//!
//! Stateless, like a charge: the id proves what was issued, the preimage that it was paid. How a session stands, what is
//! left in it and whether a deposit was used before, the books know.

use serde::Serialize;
use serde_json::Value;

use super::echo::Echo;
use super::purchase::{self, Purchase};
use super::{ChargeFault, SESSION};
use crate::amount::Msat;
use crate::bolt11::{Invoice, Network};
use crate::json::{self, optional, text};
use crate::preimage::{PaymentHash, Preimage};
use crate::secret::Secret;
use crate::time::UnixTime;

/// A return invoice must be payable for so long after the session's idle time at least, in seconds.
const RETURN_MARGIN_S: u64 = 60;

/// What is asked for: so much a unit, and a deposit for some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    /// What a unit costs, in satoshi.
    pub amount_sats: u64,
    /// What is counted, for people: `request`.
    pub unit_type: String,
    /// What the payer reads.
    pub description: Option<String>,
    /// The BOLT 11 invoice of the deposit.
    pub deposit_invoice: String,
    /// Its payment hash.
    pub payment_hash: PaymentHash,
    /// What it asks, in satoshi.
    pub deposit_sats: u64,
    /// Seconds without a use after which the session is closed.
    pub idle_timeout_s: u32,
}

/// Fields in the order of their JSON names: see [`json::to_base64url`].
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    amount: String,
    currency: &'static str,
    deposit_amount: String,
    deposit_invoice: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    idle_timeout: String,
    method_details: Details<'a>,
    payment_hash: String,
    unit_type: &'a str,
}

#[derive(Serialize)]
struct Details<'a> {
    satstile: purchase::Wire<'a>,
}

impl SessionRequest {
    /// Canonical JSON (RFC 8785) in base64url without padding.
    ///
    /// # Errors
    /// [`ChargeFault::Unwritable`] for an amount of 0, or a deposit of less than one unit.
    pub(super) fn encode(&self, purchase: &Purchase) -> Result<String, ChargeFault> {
        if self.amount_sats == 0 || self.deposit_sats < self.amount_sats {
            return Err(ChargeFault::Unwritable("amount"));
        }
        let wire = Wire {
            amount: self.amount_sats.to_string(),
            currency: "sat",
            deposit_amount: self.deposit_sats.to_string(),
            deposit_invoice: &self.deposit_invoice,
            description: self.description.as_deref(),
            idle_timeout: self.idle_timeout_s.to_string(),
            method_details: Details { satstile: purchase.wire() },
            payment_hash: self.payment_hash.to_string(),
            unit_type: &self.unit_type,
        };
        json::to_base64url(&wire).ok_or(ChargeFault::Unwritable("request"))
    }

    /// Reads what [`SessionRequest::encode`] wrote.
    ///
    /// # Errors
    /// [`ChargeFault::Malformed`].
    pub(super) fn of(request: &Value) -> Result<Self, ChargeFault> {
        const NO: ChargeFault = ChargeFault::Malformed("request");
        let required = |name| text(request, name).ok_or(NO);
        let number = |name| required(name)?.parse::<u64>().map_err(|_| NO);
        if required("currency")? != "sat" {
            return Err(ChargeFault::Malformed("request.currency"));
        }
        Ok(Self {
            amount_sats: number("amount")?,
            unit_type: required("unitType")?,
            description: optional(request, "description", text).ok_or(NO)?,
            deposit_invoice: required("depositInvoice")?,
            payment_hash: PaymentHash::from_hex(&required("paymentHash")?).ok_or(NO)?,
            deposit_sats: number("depositAmount")?,
            idle_timeout_s: number("idleTimeout")?.try_into().map_err(|_| NO)?,
        })
    }
}

/// What a client says about a session.
#[derive(Clone, PartialEq, Eq)]
pub struct UnverifiedSession {
    pub(super) echo: Echo,
    action: String,
    session: Option<String>,
    preimage: Option<String>,
    return_invoice: Option<String>,
}

/// Without preimages (T120).
impl core::fmt::Debug for UnverifiedSession {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("UnverifiedSession").field("action", &self.action).finish_non_exhaustive()
    }
}

/// A challenge of ours, and the proof that goes with what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSession {
    /// The challenge's id, for the receipt.
    pub challenge_id: String,
    /// What the challenge was for.
    pub service: String,
    /// The deposit that it asked for. Who shows the challenge of a deposit that was paid is who paid it: a preimage is known
    /// to all who forwarded the payment, and the challenge to none of them.
    pub deposit: PaymentHash,
    /// What a unit costs by it.
    pub unit: Msat,
    /// When the challenge ends, and with it the price that it names.
    pub expires_at: UnixTime,
    /// What is wanted.
    pub action: SessionAction,
}

/// What a bearer wants of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionAction {
    /// To open one, and to use it for this request.
    Open {
        /// Names the session.
        deposit: Deposit,
        /// Where what is left goes.
        return_invoice: ReturnInvoice,
    },
    /// To use it for this request.
    Bearer(PaymentHash),
    /// To add a deposit.
    TopUp {
        /// To which session.
        session: PaymentHash,
        /// The deposit.
        deposit: Deposit,
    },
    /// To have back what is left.
    Close {
        /// Of which session.
        session: PaymentHash,
        /// Another invoice, for a refund that could not be sent to the first. An extension of ours, believed only with the
        /// challenge of the session's own deposit.
        return_invoice: Option<ReturnInvoice>,
    },
}

impl SessionAction {
    /// The session that it is about.
    #[must_use]
    pub const fn session(&self) -> PaymentHash {
        match self {
            Self::Open { deposit, .. } => deposit.payment_hash,
            Self::Bearer(session) | Self::TopUp { session, .. } | Self::Close { session, .. } => *session,
        }
    }
}

/// A deposit whose preimage is known; that the money is here is for the node to say (C7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deposit {
    /// The invoice's.
    pub payment_hash: PaymentHash,
    /// What the invoice asks.
    pub amount: Msat,
    /// The proof.
    pub preimage: Preimage,
    /// The idle time that was promised with it, in seconds.
    pub idle_timeout_s: u32,
}

/// An invoice without an amount, of the right network, that can be paid for long enough. Its signature is the payer's to
/// check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnInvoice {
    /// Its text, in lower case.
    pub bolt11: String,
    /// Its payment hash.
    pub payment_hash: PaymentHash,
}

impl UnverifiedSession {
    pub(super) fn of(echo: Echo, payload: &Value) -> Option<Self> {
        let action = text(payload, "action").unwrap_or_default();
        let preimage = if action == "topUp" { "topUpPreimage" } else { "preimage" };
        Some(Self {
            echo,
            session: optional(payload, "sessionId", text)?,
            preimage: optional(payload, preimage, text)?,
            return_invoice: optional(payload, "returnInvoice", text)?,
            action,
        })
    }

    /// Checks the echo, the proof and, for a deposit, its time.
    ///
    /// A challenge is as long good for using and closing a session as it is one of ours: nothing is paid by it.
    ///
    /// # Errors
    /// [`ChargeFault::UnknownChallenge`] when no secret made this id for this realm; [`ChargeFault::Unsupported`] for an
    /// action that is none; [`ChargeFault::Expired`], [`ChargeFault::InvalidPreimage`],
    /// [`ChargeFault::InvalidReturnInvoice`]; [`ChargeFault::Malformed`] for what is missing.
    pub fn verify(
        self,
        secrets: &[Secret],
        realm: &str,
        (network, now): (Network, UnixTime),
    ) -> Result<VerifiedSession, ChargeFault> {
        let (purchase, request) = self.echo.check(secrets, realm, SESSION)?;
        let request = SessionRequest::of(&request)?;
        let action = match self.action.as_str() {
            "open" => {
                let until = now.plus(u64::from(request.idle_timeout_s)).plus(RETURN_MARGIN_S);
                let return_invoice = self.return_invoice.as_deref().ok_or(ChargeFault::InvalidReturnInvoice)?;
                let return_invoice = ReturnInvoice::read(return_invoice, network, until)?;
                SessionAction::Open { deposit: self.deposit(&request, now)?, return_invoice }
            }
            "bearer" => SessionAction::Bearer(self.borne()?),
            "topUp" => SessionAction::TopUp { session: self.named()?, deposit: self.deposit(&request, now)? },
            "close" => {
                let session = self.borne()?;
                let read = |text: &String| match request.payment_hash == session {
                    true => ReturnInvoice::read(text, network, now.plus(RETURN_MARGIN_S)),
                    // All who forwarded the deposit have its preimage, and none of them this very challenge.
                    false => Err(ChargeFault::InvalidReturnInvoice),
                };
                let return_invoice = self.return_invoice.as_ref().map(read).transpose()?;
                SessionAction::Close { session, return_invoice }
            }
            _ => return Err(ChargeFault::Unsupported),
        };
        let unit = Msat::from_sats(request.amount_sats).ok_or(ChargeFault::Malformed("request.amount"))?;
        let (expires_at, deposit) = (self.echo.expires()?, request.payment_hash);
        Ok(VerifiedSession { service: purchase.service, challenge_id: self.echo.id, deposit, unit, expires_at, action })
    }

    /// The deposit of this very challenge, paid.
    fn deposit(&self, request: &SessionRequest, now: UnixTime) -> Result<Deposit, ChargeFault> {
        if now >= self.echo.expires()? {
            return Err(ChargeFault::Expired);
        }
        let preimage = self.proof(request.payment_hash)?;
        let amount = Msat::from_sats(request.deposit_sats).ok_or(ChargeFault::Malformed("request.depositAmount"))?;
        let idle_timeout_s = request.idle_timeout_s;
        Ok(Deposit { payment_hash: request.payment_hash, amount, preimage, idle_timeout_s })
    }

    /// The session that the preimage bears.
    fn borne(&self) -> Result<PaymentHash, ChargeFault> {
        let session = self.named()?;
        self.proof(session).map(|_| session)
    }

    fn named(&self) -> Result<PaymentHash, ChargeFault> {
        let session = self.session.as_deref().and_then(PaymentHash::from_hex);
        session.ok_or(ChargeFault::Malformed("payload.sessionId"))
    }

    fn proof(&self, hash: PaymentHash) -> Result<Preimage, ChargeFault> {
        let preimage = self.preimage.as_deref().and_then(Preimage::from_hex);
        preimage.filter(|preimage| preimage.payment_hash() == hash).ok_or(ChargeFault::InvalidPreimage)
    }
}

impl ReturnInvoice {
    fn read(unverified_text: &str, network: Network, until: UnixTime) -> Result<Self, ChargeFault> {
        let invoice = Invoice::parse(unverified_text).map_err(|_| ChargeFault::InvalidReturnInvoice)?;
        let is_fine = invoice.amount.is_none()
            && invoice.network == network
            && (invoice.has_payment_secret || invoice.has_blinded_paths)
            && invoice.expires_at() >= until;
        if !is_fine {
            return Err(ChargeFault::InvalidReturnInvoice);
        }
        Ok(Self { bolt11: unverified_text.to_ascii_lowercase(), payment_hash: invoice.payment_hash })
    }
}

#[cfg(test)]
mod tests;
