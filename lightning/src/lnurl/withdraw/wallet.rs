//! The side that takes: reads what a link offers, and shows it our invoice.

use core::fmt;

use l402::Msat;
use l402::bolt11::{self, Bolt11Fault};
use l402::secret::fingerprint;

use crate::http::{HttpReply, HttpRequest, percent_encoded};
use crate::json;
use crate::lnurl::fault::printable;
use crate::lnurl::{Admitted, Guard, LnurlFault, reply};

/// The longest `k1` that is sent back, in bytes. Services have all sorts.
const K1_BYTES_MAX: usize = 512;

/// What a link offers.
#[derive(Clone, PartialEq, Eq)]
pub struct WithdrawRequest {
    callback: Admitted,
    unverified_k1: String,
    /// What the service would like the invoice to say; at most 200 printable characters.
    pub description: String,
    /// The least it pays.
    pub min: Msat,
    /// The most it pays; more than 0.
    pub max: Msat,
}

impl WithdrawRequest {
    /// Reads what a link answers (LUD-03, step 3).
    ///
    /// # Errors
    /// [`LnurlFault::Refused`], [`LnurlFault::WrongTag`], [`LnurlFault::Empty`] when there is nothing to collect,
    /// [`LnurlFault::Range`], [`LnurlFault::Url`] when the callback may not be fetched (T97), [`LnurlFault::Unreadable`].
    pub fn read(unverified: &HttpReply, guard: &Guard<'_>) -> Result<Self, LnurlFault> {
        let value = reply::tagged(unverified, "withdrawRequest")?;
        let max = json::msat(&value, "/maxWithdrawable").ok_or(LnurlFault::Unreadable)?;
        if max == Msat(0) {
            return Err(LnurlFault::Empty);
        }
        // Some services leave it out.
        let min = match value.get("minWithdrawable") {
            None => Msat(1),
            Some(_) => json::msat(&value, "/minWithdrawable").ok_or(LnurlFault::Unreadable)?,
        };
        if min > max {
            return Err(LnurlFault::Range);
        }
        let k1 = reply::text(&value, "/k1")?;
        if !(1..=K1_BYTES_MAX).contains(&k1.len()) {
            return Err(LnurlFault::Unreadable);
        }
        Ok(Self {
            callback: guard.read(reply::text(&value, "/callback")?)?,
            unverified_k1: k1.to_owned(),
            description: printable(json::text(&value, "/defaultDescription").unwrap_or_default(), 200),
            min,
            max,
        })
    }

    /// The claim, for an invoice of ours (LUD-03, step 5).
    ///
    /// # Errors
    /// [`LnurlFault::Invoice`] for what is no invoice or names no amount, [`LnurlFault::OutOfRange`].
    pub fn claim(&self, bolt11: &str) -> Result<HttpRequest, LnurlFault> {
        let amount = bolt11::Invoice::parse(bolt11)?.amount.ok_or(Bolt11Fault::WrongAmount(None))?;
        if !(self.min..=self.max).contains(&amount) {
            return Err(LnurlFault::OutOfRange);
        }
        let parameters = [("k1", &*percent_encoded(&self.unverified_k1)), ("pr", bolt11)];
        Ok(HttpRequest::get(self.callback.url().with_parameters(&parameters)))
    }

    /// Reads the answer to the claim. Accepted is not paid: that is seen at our own node.
    ///
    /// # Errors
    /// [`LnurlFault::Refused`]; [`LnurlFault::Unreadable`] for anything but a clear "OK", after which it may be paid all
    /// the same.
    pub fn accepted(unverified: &HttpReply) -> Result<(), LnurlFault> {
        let value = reply::read(unverified)?;
        let is_ok = reply::text(&value, "/status")?.eq_ignore_ascii_case("OK");
        if is_ok { Ok(()) } else { Err(LnurlFault::Unreadable) }
    }
}

/// Shows the limits and a fingerprint: whoever has `k1` has the money (T120).
impl fmt::Debug for WithdrawRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithdrawRequest")
            .field("callback", &self.callback)
            .field("k1", &fingerprint(self.unverified_k1.as_bytes()))
            .field("min", &self.min)
            .field("max", &self.max)
            .finish()
    }
}
