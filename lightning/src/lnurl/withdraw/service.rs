//! The side that gives: what a link answers, and the claim that comes back.
//!
//! Everything is answered with 200 and JSON, a refusal too, and with `Access-Control-Allow-Origin: *`: wallets in
//! browsers exist. That a link pays once is not decided here: a shell claims `k1` in its books before it pays, and
//! answers a repeated claim from there (T91); it opens the link again only when the payment has definitely failed (T92).

use core::fmt;

use l402::bolt11::{self, Bolt11Fault, INVOICE_CHARS_MAX};
use l402::secret::fingerprint;
use l402::{Msat, PaymentHash, UnixTime};
use sha2::{Digest, Sha256};

use crate::json::{self, Field};
use crate::lnurl::{Terms, Url};

/// The longest query that is read, in bytes: the longest invoice, `k1`, and some room for what wallets add.
pub const QUERY_BYTES_MAX: usize = INVOICE_CHARS_MAX + 1_024;

/// The answer to a claim that is accepted. The payment may still be on its way (LUD-03, step 7).
pub const ACCEPTED: &str = r#"{"status":"OK"}"#;

/// What opens a link: 32 random bytes, in hex on the wire. Whoever has them has the money. `Debug` shows a fingerprint.
#[derive(Clone)]
pub struct K1([u8; 32]);

impl K1 {
    /// Wraps bytes that a shell drew, or derived from a key.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads exactly 64 hex digits of either case.
    #[must_use]
    pub fn from_hex(unverified_text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(unverified_text, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// 64 hex digits, in lower case. Only for the wire.
    #[must_use]
    pub fn expose(&self) -> String {
        hex::encode(self.0)
    }

    /// SHA-256 of the bytes: what books keep and look links up by. A copy of them opens no link, and the time that a
    /// look-up takes tells nothing about a `k1` (T16).
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl fmt::Debug for K1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "K1({})", fingerprint(&self.0))
    }
}

/// What a link offers.
#[derive(Clone, Debug)]
pub struct Link<'a> {
    /// Where the claim goes.
    pub callback: &'a Url,
    /// Opens it.
    pub k1: &'a K1,
    /// A wallet puts this into its invoice; at most 639 bytes.
    pub description: &'a str,
    /// The least that may be taken.
    pub min: Msat,
    /// The most; a refund has both alike (T91).
    pub max: Msat,
}

impl Link<'_> {
    /// The answer of the link (LUD-03, step 3).
    #[must_use]
    pub fn to_json(&self) -> String {
        // In alphabetical order, so that the bytes are the same whichever map serde_json was built with.
        json::object(&[
            ("callback", Field::Text(self.callback.as_str())),
            ("defaultDescription", Field::Text(self.description)),
            ("k1", Field::Text(&self.k1.expose())),
            ("maxWithdrawable", Field::Number(self.max.0)),
            ("minWithdrawable", Field::Number(self.min.0)),
            ("tag", Field::Text("withdrawRequest")),
        ])
        .to_string()
    }
}

/// A claim as it came: there is a `k1`, and something that might be an invoice.
#[derive(Clone)]
pub struct UnverifiedClaim {
    /// Perhaps one of ours.
    pub unverified_k1: K1,
    unverified_bolt11: String,
}

/// A claim whose invoice fits the link. Whether the link is still open, the books know.
#[derive(Clone)]
pub struct Claim {
    /// Opens the link.
    pub k1: K1,
    /// To be paid; lower case.
    pub bolt11: String,
    /// Read from it. A second claim with the same one is the same claim; one of our own is not paid outside (T95).
    pub payment_hash: PaymentHash,
    /// What it asks for, within the link's limits.
    pub amount: Msat,
    /// The first moment at which it can no longer be paid.
    pub expires_at: UnixTime,
}

impl UnverifiedClaim {
    /// Reads the query of a callback, without its `?`. `k1` and `pr` stand in it once each; both are letters and digits,
    /// so neither is percent-encoded. What else stands there (LUD-15, cache busters) is somebody else's.
    ///
    /// # Errors
    /// [`Refusal::Query`].
    pub fn read(unverified_query: &str) -> Result<Self, Refusal> {
        if unverified_query.len() > QUERY_BYTES_MAX {
            return Err(Refusal::Query);
        }
        let once = |wanted: &str| {
            let mut values = unverified_query
                .split('&')
                .filter_map(|pair| pair.strip_prefix(wanted)?.strip_prefix('=').or((pair == wanted).then_some("")));
            // Two servers would take two different ones.
            match (values.next(), values.next()) {
                (Some(value), None) => Ok(value),
                _ => Err(Refusal::Query),
            }
        };
        Ok(Self {
            unverified_k1: K1::from_hex(once("k1")?).ok_or(Refusal::Query)?,
            unverified_bolt11: Some(once("pr")?).filter(|pr| !pr.is_empty()).ok_or(Refusal::Query)?.to_owned(),
        })
    }

    /// Checks its invoice against the link that `k1` was found to open.
    ///
    /// # Errors
    /// The [`Refusal`] that says what to do about the invoice.
    pub fn check(self, min: Msat, max: Msat, terms: &Terms) -> Result<Claim, Refusal> {
        let invoice = bolt11::Invoice::parse(&self.unverified_bolt11).map_err(|_| Refusal::Invoice)?;
        // A link without an amount in its invoice would be paid what somebody wishes.
        let amount = invoice.amount.filter(|amount| (min..=max).contains(amount) && *amount > Msat(0));
        let amount = amount.ok_or(Refusal::Amount)?;
        terms.check(&invoice, amount).map_err(|fault| match fault {
            Bolt11Fault::WrongNetwork(_) => Refusal::Network,
            Bolt11Fault::ExpiresTooSoon => Refusal::Expiry,
            _ => Refusal::Invoice,
        })?;
        Ok(Claim {
            k1: self.unverified_k1,
            bolt11: self.unverified_bolt11.to_ascii_lowercase(),
            payment_hash: invoice.payment_hash,
            amount,
            expires_at: invoice.expires_at(),
        })
    }
}

impl fmt::Debug for UnverifiedClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnverifiedClaim({:?}, {})", self.unverified_k1, fingerprint(self.unverified_bolt11.as_bytes()))
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("k1", &self.k1)
            .field("bolt11", &fingerprint(self.bolt11.as_bytes()))
            .field("payment_hash", &self.payment_hash)
            .field("amount", &self.amount)
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// Why a claim is not paid. Each is a sentence that is always the same: it repeats nothing, and tells a guesser of `k1`
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// `k1` or `pr` is missing, stands twice or cannot be read.
    Query,
    /// There is no such link, it was used with another invoice, or it has expired: one answer for the three.
    Link,
    /// Not an invoice that can be paid.
    Invoice,
    /// Another amount than the link has, or none.
    Amount,
    /// Of another network.
    Network,
    /// Expired, or about to.
    Expiry,
    /// Nothing can be paid out at the moment; the link stays good.
    Unavailable,
    /// What the operator spends on refunds in a day is spent; the link stays good.
    Tomorrow,
}

impl Refusal {
    /// For the wallet, which shows it to its owner.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Query => "k1 and pr are needed, once each",
            Self::Link => "this link is unknown, used or expired",
            Self::Invoice => "this invoice cannot be paid",
            Self::Amount => "the invoice is not for the amount of this link",
            Self::Network => "the invoice is for another network",
            Self::Expiry => "the invoice expires too soon",
            Self::Unavailable => "payments are unavailable, try again later",
            Self::Tomorrow => {
                "no more refunds are paid out today: the link stays good, use it again after midnight UTC"
            }
        }
    }

    /// The answer to the claim (LUD-03, step 6).
    #[must_use]
    pub fn to_json(self) -> String {
        format!(r#"{{"status":"ERROR","reason":"{}"}}"#, self.reason())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl core::error::Error for Refusal {}
