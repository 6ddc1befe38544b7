//! From what a client claims to what we know: the only way to a [`VerifiedCharge`].

use super::{CHARGE, ChargeFault, ChargeRequest, UnverifiedCharge};
use crate::amount::Msat;
use crate::bolt11::Invoice;
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
    /// The price at sale: it counts, whatever the price is today.
    pub price: Msat,
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
        // (1) Echo: we issued this, for this host, unchanged, and it is of the kind that this is.
        let (purchase, request) = self.echo.check(secrets, realm, CHARGE)?;
        let request = ChargeRequest::of(&request)?;
        let token_id = purchase.token_id.ok_or(ChargeFault::Malformed("token"))?;
        let invoice = Invoice::parse(&request.invoice).map_err(|_| ChargeFault::Malformed("request.invoice"))?;
        // (2) Time: neither the challenge nor its invoice has run out.
        let expires_at = self.echo.expires()?.min(invoice.expires_at());
        if now >= expires_at {
            return Err(ChargeFault::Expired);
        }
        // (3) Proof: the invoice it names was paid, and it is the invoice that the request describes.
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
        if purchase.price.sats_up() != request.amount_sats {
            return Err(ChargeFault::Malformed("request.methodDetails.satstile.price_msat"));
        }
        Ok(VerifiedCharge {
            challenge_id: self.echo.id,
            service: purchase.service,
            price: purchase.price,
            token_id,
            payment_hash: invoice.payment_hash,
            amount_sats: request.amount_sats,
            invoice,
            expires_at,
            digest: purchase.digest,
        })
    }
}
