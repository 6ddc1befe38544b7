//! From what a client claims to what we know: the only way to a [`VerifiedCharge`].

use subtle::ConstantTimeEq;

use super::challenge::Opaque;
use super::{ChargeFault, ChargeRequest, INTENT, METHOD, Slots, UnverifiedCharge, challenge_id};
use crate::bolt11::Invoice;
use crate::json;
use crate::preimage::{PaymentHash, Preimage};
use crate::secret::Secret;
use crate::time::UnixTime;

/// A challenge that we issued, not expired, whose invoice was paid. Says nothing yet about the route, and nothing about
/// whether it was delivered before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedCharge {
    /// The challenge's id, for the receipt.
    pub challenge_id: String,
    /// The service that was bought.
    pub service: String,
    /// The id of the L402 token for the same purchase.
    pub token_id: [u8; 32],
    /// The invoice's payment hash: the key of everything that is remembered about this purchase.
    pub payment_hash: PaymentHash,
    /// What was paid, in whole satoshi.
    pub amount_sats: u64,
    /// The invoice, as we forwarded it.
    pub invoice: Invoice,
    /// The earlier of the challenge's and the invoice's expiry.
    pub expires_at: UnixTime,
    /// The digest of the body that was asked about; must be that of this request's body.
    pub digest: Option<String>,
}

impl UnverifiedCharge {
    /// Checks the echo, the times and the proof, in this order: a forgery learns nothing about the rest.
    ///
    /// `secrets` are the challenge secrets, the current one first, then those whose challenges have not all expired.
    ///
    /// # Errors
    /// [`ChargeFault::UnknownChallenge`] when no secret made this id for this realm, [`ChargeFault::Unsupported`],
    /// [`ChargeFault::Expired`], [`ChargeFault::InvalidPreimage`]; [`ChargeFault::Malformed`] when what is under
    /// our own HMAC contradicts itself.
    pub fn verify(self, secrets: &[Secret], realm: &str, now: UnixTime) -> Result<VerifiedCharge, ChargeFault> {
        // (1) Echo: we issued this, for this host, unchanged.
        if !secrets.iter().any(|secret| self.is_issued_under(secret)) || self.realm != realm {
            return Err(ChargeFault::UnknownChallenge);
        }
        // (2) Kind: it is one that we sell.
        if self.method != METHOD || self.intent != INTENT {
            return Err(ChargeFault::Unsupported);
        }
        let request = ChargeRequest::decode(&self.request)?;
        let opaque = self.opaque.as_deref().and_then(json::parse_base64url).and_then(|opaque| Opaque::of(&opaque));
        let opaque = opaque.ok_or(ChargeFault::Malformed("opaque"))?;
        let token_id = PaymentHash::from_hex(&opaque.token).ok_or(ChargeFault::Malformed("opaque.token"))?.0;
        let invoice = Invoice::parse(&request.invoice).map_err(|_| ChargeFault::Malformed("request.invoice"))?;
        // (3) Time: neither the challenge nor its invoice has run out.
        let expires = self.expires.as_deref().and_then(UnixTime::from_rfc3339);
        let expires_at = expires.ok_or(ChargeFault::Malformed("expires"))?.min(invoice.expires_at());
        if now >= expires_at {
            return Err(ChargeFault::Expired);
        }
        // (4) Proof: the invoice it names was paid, and it is the invoice that the request describes.
        let preimage = self.preimage.as_deref().and_then(Preimage::from_hex).ok_or(ChargeFault::InvalidPreimage)?;
        if preimage.payment_hash() != invoice.payment_hash {
            return Err(ChargeFault::InvalidPreimage);
        }
        if request.payment_hash != invoice.payment_hash {
            return Err(ChargeFault::Malformed("request.methodDetails.paymentHash"));
        }
        if request.network != invoice.network {
            return Err(ChargeFault::Malformed("request.methodDetails.network"));
        }
        if invoice.amount.map(|amount| amount.sats_up()) != Some(request.amount_sats) {
            return Err(ChargeFault::Malformed("request.amount"));
        }
        Ok(VerifiedCharge {
            challenge_id: self.id,
            service: opaque.service,
            token_id,
            payment_hash: invoice.payment_hash,
            amount_sats: request.amount_sats,
            invoice,
            expires_at,
            digest: self.digest,
        })
    }

    fn is_issued_under(&self, secret: &Secret) -> bool {
        let slots = Slots {
            realm: &self.realm,
            method: &self.method,
            intent: &self.intent,
            request: &self.request,
            expires: self.expires.as_deref().unwrap_or_default(),
            digest: self.digest.as_deref().unwrap_or_default(),
            opaque: self.opaque.as_deref().unwrap_or_default(),
        };
        challenge_id(secret.expose(), &slots).as_bytes().ct_eq(self.id.as_bytes()).into()
    }
}
