//! What a 402 offers: an invoice and the token it unlocks, read from `WWW-Authenticate` and held against the rest.

use core::fmt;

use crate::amount::Msat;
use crate::auth_param::{self, Challenge};
use crate::bolt11::{Invoice, Network};
use crate::encoding;
use crate::preimage::{PaymentHash, Preimage};
use crate::prelude::*;
use crate::time::UnixTime;

/// An invoice that can be read and names an amount, and the token that it pays for.
#[derive(Clone, PartialEq, Eq)]
pub struct Offer {
    scheme: &'static str,
    /// The token, base64, as it came.
    pub token: String,
    /// The BOLT 11 text, for a wallet or a QR code.
    pub bolt11: String,
    /// Its fields.
    pub invoice: Invoice,
    /// What the invoice itself asks, whatever the page around it says.
    pub amount: Msat,
    /// `request` of the Payment challenge beside it, if there is one: base64url of JSON, not yet looked into.
    pub unverified_request: Option<String>,
}

/// What the rest of a 402 says of the same purchase: its body, its Payment challenge. All of it is optional, none of
/// it is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnverifiedTerms {
    /// `amount_msat`.
    pub amount_msat: Option<u64>,
    /// `payment_hash`, hex.
    pub payment_hash: Option<String>,
    /// `invoice`.
    pub invoice: Option<String>,
    /// `macaroon`.
    pub macaroon: Option<String>,
    /// `expires_at`, RFC 3339.
    pub expires_at: Option<String>,
    /// `network`, by its name.
    pub network: Option<String>,
}

/// In what an invoice differs from the challenge around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Another price.
    Amount,
    /// Another payment hash.
    PaymentHash,
    /// Another invoice altogether.
    Invoice,
    /// Another token.
    Token,
    /// Another end.
    Expiry,
    /// Another network.
    Network,
}

/// Why a 402 is not paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PayerFault {
    /// No `WWW-Authenticate` value could be read as challenges.
    Unreadable,
    /// There is no L402 challenge (or LSAT, its old name) of version 0 with a token and an invoice.
    NoChallenge,
    /// `token` and `macaroon` differ, or are not base64.
    BadToken,
    /// The invoice cannot be read.
    BadInvoice(crate::bolt11::Bolt11Fault),
    /// The invoice is for another network than the wallet's.
    WrongNetwork(Network),
    /// The invoice leaves the amount to the payer.
    NoAmount,
    /// The invoice asks more than the limit.
    TooDear(Msat),
    /// The invoice has expired: ask again for a new one.
    Expired,
    /// The rest of the 402 says something else than the invoice.
    Mismatch(Mismatch),
}

impl Offer {
    /// Reads `WWW-Authenticate` values, one by one or joined by commas. Says nothing yet about price, network or time.
    ///
    /// # Errors
    /// A [`PayerFault`] when there is nothing that could be paid.
    pub fn read(www_authenticate: &[&str]) -> Result<Self, PayerFault> {
        let lists: Vec<_> = www_authenticate.iter().filter_map(|value| auth_param::parse(value).ok()).collect();
        if lists.is_empty() && !www_authenticate.is_empty() {
            return Err(PayerFault::Unreadable);
        }
        let challenges: Vec<_> = lists.into_iter().flatten().collect();
        let (scheme, challenge) = choose(&challenges).ok_or(PayerFault::NoChallenge)?;
        let token = token(challenge)?;
        let bolt11 = challenge.param("invoice").ok_or(PayerFault::NoChallenge)?;
        let invoice = Invoice::parse(bolt11).map_err(PayerFault::BadInvoice)?;
        let amount = invoice.amount.ok_or(PayerFault::NoAmount)?;
        let is_charge = |c: &&Challenge| {
            c.is("Payment") && c.param("method") == Some("lightning") && c.param("intent") == Some("charge")
        };
        let request = challenges.iter().find(is_charge).and_then(|c| c.param("request"));
        Ok(Self {
            scheme,
            token: token.to_owned(),
            bolt11: bolt11.to_owned(),
            invoice,
            amount,
            unverified_request: request.map(str::to_owned),
        })
    }

    /// Holds the invoice against what else the server said about it.
    ///
    /// # Errors
    /// [`PayerFault::Mismatch`] with the first difference.
    pub fn check(&self, terms: &UnverifiedTerms) -> Result<(), PayerFault> {
        let is = |said: &Option<String>, own: &str| said.as_deref().is_none_or(|said| said.eq_ignore_ascii_case(own));
        let differs = if terms.amount_msat.is_some_and(|said| said != self.amount.0) {
            Mismatch::Amount
        } else if !is(&terms.payment_hash, &self.invoice.payment_hash.to_string()) {
            Mismatch::PaymentHash
        } else if !is(&terms.network, self.invoice.network.as_str()) {
            Mismatch::Network
        } else if !is(&terms.invoice, &self.bolt11) {
            Mismatch::Invoice
        } else if terms.macaroon.as_ref().is_some_and(|said| *said != self.token) {
            Mismatch::Token
        } else if !is(&terms.expires_at, &self.expires_at().to_string()) {
            Mismatch::Expiry
        } else {
            return Ok(());
        };
        Err(PayerFault::Mismatch(differs))
    }

    /// What the payment will be known by.
    #[must_use]
    pub const fn payment_hash(&self) -> PaymentHash {
        self.invoice.payment_hash
    }

    /// From when on no wallet will pay it.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.invoice.expires_at()
    }

    /// The token alone, to ask the seller's status URL whether somebody else's phone has paid (C5).
    #[must_use]
    pub fn status_authorization(&self) -> String {
        format!("{} {}", self.scheme, self.token)
    }

    /// The same with the token that the seller hands out once it attests the payment (C5): this one with a caveat more.
    /// `None` when it is another.
    ///
    /// A macaroon ends with its caveats' end and its signature, 35 bytes; what stands before them stays when a caveat is
    /// added. The texts are compared, since a browser would pay for a decoder: all but the last two of those bytes.
    pub(super) fn attested(&self, token: &str) -> Option<Self> {
        let bytes = self.token.trim_end_matches('=').len() * 3 / 4;
        let kept = self.token.get(..bytes.checked_sub(35)? / 3 * 4)?;
        let is_same = token.starts_with(kept) && token.len() > self.token.len();
        (is_same && encoding::looks_like_base64(token)).then(|| Self { token: token.to_owned(), ..self.clone() })
    }

    /// The value of `Authorization` for the resource. Check the preimage first.
    pub(super) fn authorization(&self, preimage: &Preimage) -> String {
        format!("{} {}:{}", self.scheme, self.token, preimage.expose_hex())
    }
}

/// The first usable challenge: L402 if there is one, else LSAT. The credential mirrors the scheme's name.
fn choose(challenges: &[Challenge]) -> Option<(&'static str, &Challenge)> {
    ["L402", "LSAT"].into_iter().find_map(|scheme| {
        let usable = |challenge: &&Challenge| challenge.is(scheme) && is_usable(challenge);
        Some((scheme, challenges.iter().find(usable)?))
    })
}

pub(super) fn is_usable(challenge: &Challenge) -> bool {
    let has = |name| challenge.param(name).is_some();
    challenge.param("version").is_none_or(|version| version == "0")
        && has("invoice")
        && (has("token") || has("macaroon"))
}

/// `token` is the new name and `macaroon` the old one of the same value (`wire.md` 1.2).
pub(super) fn token(challenge: &Challenge) -> Result<&str, PayerFault> {
    let (new, old) = (challenge.param("token"), challenge.param("macaroon"));
    let token = new.or(old).filter(|token| old.unwrap_or(token) == *token).ok_or(PayerFault::BadToken)?;
    // It goes back into a header as it came, so it must be base64 and nothing else.
    Some(token).filter(|token| encoding::looks_like_base64(token)).ok_or(PayerFault::BadToken)
}

impl fmt::Display for PayerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("the server's challenge cannot be read"),
            Self::NoChallenge => f.write_str("the server offers no L402 challenge"),
            Self::BadToken => f.write_str("the server's token cannot be read"),
            Self::BadInvoice(fault) => write!(f, "the server's {fault}"),
            Self::WrongNetwork(network) => write!(f, "the server's invoice is for {network}"),
            Self::NoAmount => f.write_str("the server's invoice names no amount"),
            Self::TooDear(amount) => write!(f, "the server asks {amount}, more than the limit"),
            Self::Expired => f.write_str("the server's invoice has expired"),
            Self::Mismatch(what) => write!(f, "the server's invoice differs from its challenge in the {what}"),
        }
    }
}

impl core::error::Error for PayerFault {}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amount => "amount",
            Self::PaymentHash => "payment hash",
            Self::Invoice => "invoice",
            Self::Token => "token",
            Self::Expiry => "expiry",
            Self::Network => "network",
        })
    }
}

/// Without the token.
impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.amount, self.payment_hash().short())
    }
}
