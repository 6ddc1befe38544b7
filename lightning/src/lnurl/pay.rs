//! Paying somebody by LNURL (LUD-06, LUD-16, LUD-12): two questions to their service, and an invoice to pay.
//!
//! The service may be anybody's, so nothing that it says moves money: the amount is ours, and an invoice for one
//! millisatoshi more or less is not paid (T96). Its `successAction` is not looked at, and neither is `routes`.

use core::fmt;

use l402::bolt11::{self, Bolt11Fault};
use l402::secret::fingerprint;
use l402::{Msat, PaymentHash, UnixTime};

use super::fault::LnurlFault;
use super::guard::{Admitted, Guard};
use super::{Terms, reply};
use crate::http::{HttpReply, HttpRequest, percent_encoded};
use crate::json;

/// The longest comment that is sent, in characters, even where more is allowed: it travels in a URL.
pub const COMMENT_CHARS_MAX: usize = 200;

/// What a service takes. It fits together; nothing else is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayRequest {
    unverified_callback: String,
    min: Msat,
    max: Msat,
    metadata: String,
    comment_chars_max: usize,
}

/// An invoice that is to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    url: Admitted,
    amount: Msat,
    metadata: String,
}

/// An invoice that may be paid: of exactly the amount ordered, and by our [`Terms`]. Its signature is not looked at; who
/// pays it does.
#[derive(Clone, PartialEq, Eq)]
pub struct Payable {
    /// Lower case.
    pub bolt11: String,
    /// Read from it. One of our own, or one that was paid before, must not be paid: the books know (T91, T95).
    pub payment_hash: PaymentHash,
    /// As ordered.
    pub amount: Msat,
    /// The first moment at which it can no longer be paid.
    pub expires_at: UnixTime,
}

/// The request that is answered with a [`PayRequest`].
#[must_use]
pub fn request(service: &Admitted) -> HttpRequest {
    HttpRequest::get(service.as_str().to_owned())
}

impl PayRequest {
    /// Reads the first answer (LUD-06, step 3).
    ///
    /// # Errors
    /// [`LnurlFault::Refused`], [`LnurlFault::WrongTag`], [`LnurlFault::Range`], [`LnurlFault::PayerData`], or
    /// [`LnurlFault::Unreadable`].
    pub fn read(unverified: &HttpReply) -> Result<Self, LnurlFault> {
        let value = reply::tagged(unverified, "payRequest")?;
        let limit = |pointer| json::msat(&value, pointer).ok_or(LnurlFault::Unreadable);
        let (min, max) = (limit("/minSendable")?, limit("/maxSendable")?);
        if min > max || max == Msat(0) {
            return Err(LnurlFault::Range);
        }
        // LUD-18: one field that must be told is enough.
        let demands =
            |field: &serde_json::Value| field.get("mandatory").and_then(serde_json::Value::as_bool) == Some(true);
        let payer_data = value.get("payerData").and_then(serde_json::Value::as_object);
        if payer_data.is_some_and(|fields| fields.values().any(demands)) {
            return Err(LnurlFault::PayerData);
        }
        // LUD-12. Without it, and where it cannot be read, none.
        let comment_chars_max = json::number(&value, "/commentAllowed").unwrap_or(0);
        Ok(Self {
            unverified_callback: reply::text(&value, "/callback")?.to_owned(),
            min,
            max,
            metadata: reply::text(&value, "/metadata")?.to_owned(),
            comment_chars_max: usize::try_from(comment_chars_max).unwrap_or(usize::MAX).min(COMMENT_CHARS_MAX),
        })
    }

    /// Orders an invoice of exactly this amount. A comment is cut to what the service allows; where it allows none, it
    /// stays with us.
    ///
    /// # Errors
    /// [`LnurlFault::OutOfRange`], and [`LnurlFault::Url`] when the callback may not be fetched (T97).
    pub fn order(self, amount: Msat, comment: &str, guard: &Guard<'_>) -> Result<Order, LnurlFault> {
        let amount = self.takes(amount)?;
        let callback = guard.read(&self.unverified_callback)?;
        let comment: String = comment.chars().take(self.comment_chars_max).collect();
        let (digits, comment) = (amount.0.to_string(), percent_encoded(&comment));
        let parameters = [("amount", digits.as_str()), ("comment", comment.as_str())];
        let parameters = if comment.is_empty() { parameters.split_at(1).0 } else { &parameters };
        // The same host and path, so what was said of it holds; but a URL has its greatest length.
        let url = guard.read(&callback.url().with_parameters(parameters))?;
        Ok(Order { url, amount, metadata: self.metadata })
    }

    /// The amount, if the service takes it.
    pub(crate) fn takes(&self, amount: Msat) -> Result<Msat, LnurlFault> {
        if (self.min..=self.max).contains(&amount) { Ok(amount) } else { Err(LnurlFault::OutOfRange) }
    }

    pub(crate) fn unverified_callback(&self) -> &str {
        &self.unverified_callback
    }

    pub(crate) fn metadata(&self) -> &str {
        &self.metadata
    }
}

impl Order {
    /// The second question (LUD-06, step 5).
    #[must_use]
    pub fn request(&self) -> HttpRequest {
        HttpRequest::get(self.url.as_str().to_owned())
    }

    /// Where it goes.
    #[must_use]
    pub const fn url(&self) -> &Admitted {
        &self.url
    }

    /// Reads the second answer.
    ///
    /// # Errors
    /// [`LnurlFault::Refused`], [`LnurlFault::Unreadable`], [`LnurlFault::WrongDescription`], or [`LnurlFault::Invoice`]
    /// with the first difference (T96).
    pub fn read(self, unverified: &HttpReply, terms: &Terms) -> Result<Payable, LnurlFault> {
        let answer = Answer::read(unverified, &self.metadata)?;
        terms.check(&answer.invoice, self.amount)?;
        Ok(Payable {
            bolt11: answer.bolt11.to_ascii_lowercase(),
            payment_hash: answer.invoice.payment_hash,
            amount: self.amount,
            expires_at: answer.invoice.expires_at(),
        })
    }
}

/// Shows fingerprints: an invoice is a thing to pay with (T120).
impl fmt::Debug for Payable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payable")
            .field("bolt11", &fingerprint(self.bolt11.as_bytes()))
            .field("payment_hash", &self.payment_hash)
            .field("amount", &self.amount)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// The second answer, as far as it can be judged without knowing what was ordered.
pub(crate) struct Answer {
    pub(crate) bolt11: String,
    pub(crate) invoice: bolt11::Invoice,
    /// LUD-21: where to ask after the invoice.
    pub(crate) unverified_verify: Option<String>,
}

impl Answer {
    /// Its invoice is for the metadata that the service showed, or for nothing in particular: those without an `h` are
    /// about as common as those with (LUD-06, step 6).
    pub(crate) fn read(unverified: &HttpReply, metadata: &str) -> Result<Self, LnurlFault> {
        let value = reply::read(unverified)?;
        let bolt11 = reply::text(&value, "/pr")?.to_owned();
        let invoice = bolt11::Invoice::parse(&bolt11).map_err(|fault: Bolt11Fault| LnurlFault::Invoice(fault))?;
        if !invoice.may_be_for(metadata) {
            return Err(LnurlFault::WrongDescription);
        }
        Ok(Self { bolt11, invoice, unverified_verify: json::text(&value, "/verify").map(str::to_owned) })
    }
}
