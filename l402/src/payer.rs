//! The payer's side as a chain of types: a 402 is read, its invoice paid, the request sent again.
//!
//! ```text
//! Payer ──402──▶ Asked ──preimage──▶ Paid ──status──▶ Delivered
//!                                     ▲  └─ 5xx, 429 ──┘ again, without paying      └──▶ Rejected ── pay_again ──▶ Payer
//! ```
//!
//! Decides what to pay and what to send; fetching and paying are left to whoever holds a network and a wallet. Each step
//! consumes the one before, so there is no way to pay twice for one resource without [`Rejected::pay_again`], and none
//! to send a preimage that does not belong to the invoice (T115). Payment challenges (MPP) beside L402 are skipped.

use core::fmt;

use crate::amount::Msat;
use crate::auth_param::{self, Challenge};
use crate::bolt11::{Invoice, Network};
use crate::encoding;
use crate::preimage::{PaymentHash, Preimage};
use crate::time::UnixTime;

/// What may be paid without asking anybody again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most that one invoice may ask.
    pub amount_max: Msat,
    /// The only network that is paid on.
    pub network: Network,
}

/// Nothing asked, nothing paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payer {
    limits: Limits,
}

/// What to do after the first response.
#[derive(Debug)]
pub enum Step {
    /// No 402: whatever the response is, it is not about payment.
    Pass,
    /// Show it, pay it, then call [`Asked::paid`].
    Pay(Asked),
}

/// An invoice within the limits, and the token it unlocks.
pub struct Asked {
    limits: Limits,
    scheme: &'static str,
    token: String,
    invoice: String,
    amount: Msat,
    payment_hash: PaymentHash,
    description: Option<String>,
    expires_at: UnixTime,
}

/// A credential whose proof is right.
pub struct Paid {
    limits: Limits,
    scheme: &'static str,
    token: String,
    preimage: Preimage,
}

/// What came of the request with the credential.
#[derive(Debug)]
pub enum Outcome {
    /// Delivered; the credential stays good for as long as the server's grant.
    Delivered(Paid),
    /// The server could not deliver now. Send the same credential again, later, and pay nothing.
    Again(Paid),
    /// The server does not take the credential.
    Rejected(Rejected),
}

/// A payment that opened nothing. Tell the person who paid.
pub struct Rejected {
    paid: Paid,
    /// The response's status.
    pub status: u16,
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
}

/// sha256(preimage) is not the invoice's payment hash. Nothing is lost: the invoice can still be paid.
#[derive(Debug)]
pub struct WrongPreimage {
    /// Where the payer was before.
    pub asked: Asked,
}

impl Payer {
    /// Begins, for one resource.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits }
    }

    /// Reads a response: its status and its `WWW-Authenticate` values, one by one or joined by commas.
    ///
    /// # Errors
    /// A [`PayerFault`] when the 402 cannot or must not be paid. The payer is spent; make another to try again.
    ///
    /// ```
    /// use l402::payer::{Limits, Outcome, Payer, Step};
    /// use l402::{Msat, Preimage, UnixTime, bolt11::Network};
    /// # const INVOICE: &str = concat!("lnbcrt210n1pcnlvcqdqsg9hzqctjw35kxmr9pp5qt2yngclhvn8ere496vk3fu78e0ujhqmh649qt7kg48tmedyhmwqsp5xven",
    /// #   "xvenxvenxvenxvenxvenxvenxvenxvenxvenxvenxvenxves9qrsgqxqzjccqpjd63cp42ezmq6whnaergrh6zt40grmwd6dyq97ktptfp6v652vmnnrm6khyw7qw3",
    /// #   "39gapxnekjnmprmtsgmugm4x9zs2v9s7k576y2ggpglgsq9");
    /// # let (header, now) = (format!(r#"L402 macaroon="AgE=", invoice="{INVOICE}""#), UnixTime(1_900_000_000));
    /// # let preimage = Preimage::new([0x11; 32]);
    /// let limits = Limits { amount_max: Msat(100_000), network: Network::Regtest };
    /// let Step::Pay(asked) = Payer::new(limits).response(402, &[&header], now)? else { panic!("free") };
    /// println!("{} for {}", asked.amount(), asked.invoice());
    /// // … a wallet pays …
    /// let paid = asked.paid(preimage).expect("the wallet tells the truth");
    /// // … the request goes out again, with `Authorization: …` …
    /// assert!(paid.authorization().starts_with("L402 "));
    /// assert!(matches!(paid.response(200), Outcome::Delivered(_)));
    /// # Ok::<(), l402::payer::PayerFault>(())
    /// ```
    pub fn response(self, status: u16, www_authenticate: &[&str], now: UnixTime) -> Result<Step, PayerFault> {
        if status != 402 {
            return Ok(Step::Pass);
        }
        let (scheme, challenge) = choose(www_authenticate)?;
        let token = token(&challenge)?;
        let text = challenge.param("invoice").ok_or(PayerFault::NoChallenge)?;
        let invoice = Invoice::parse(text).map_err(PayerFault::BadInvoice)?;
        if invoice.network != self.limits.network {
            return Err(PayerFault::WrongNetwork(invoice.network));
        }
        let amount = invoice.amount.ok_or(PayerFault::NoAmount)?;
        if amount > self.limits.amount_max {
            return Err(PayerFault::TooDear(amount));
        }
        let expires_at = invoice.expires_at();
        if now >= expires_at {
            return Err(PayerFault::Expired);
        }
        Ok(Step::Pay(Asked {
            limits: self.limits,
            scheme,
            token: token.to_owned(),
            invoice: text.to_owned(),
            amount,
            payment_hash: invoice.payment_hash,
            description: invoice.description,
            expires_at,
        }))
    }
}

impl Asked {
    /// The BOLT 11 text, for a wallet or a QR code.
    #[must_use]
    pub fn invoice(&self) -> &str {
        &self.invoice
    }

    /// What the invoice itself asks, whatever the page around it says.
    #[must_use]
    pub const fn amount(&self) -> Msat {
        self.amount
    }

    /// What the payment will be known by.
    #[must_use]
    pub const fn payment_hash(&self) -> PaymentHash {
        self.payment_hash
    }

    /// What the seller wrote into the invoice. Text from outside.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// From when on no wallet will pay it.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// The token alone, to ask the seller's status URL whether somebody else's phone has paid (C5).
    #[must_use]
    pub fn status_authorization(&self) -> String {
        format!("{} {}", self.scheme, self.token)
    }

    /// Takes the proof of payment.
    ///
    /// # Errors
    /// [`WrongPreimage`], with the way back to this step.
    #[expect(clippy::result_large_err, reason = "the way back to this step is the point of the error")]
    pub fn paid(self, preimage: Preimage) -> Result<Paid, WrongPreimage> {
        if preimage.payment_hash() != self.payment_hash {
            return Err(WrongPreimage { asked: self });
        }
        Ok(Paid { limits: self.limits, scheme: self.scheme, token: self.token, preimage })
    }
}

impl Paid {
    /// The value of `Authorization` for this request and every further one within the grant.
    #[must_use]
    pub fn authorization(&self) -> String {
        format!("{} {}:{}", self.scheme, self.token, self.preimage.expose_hex())
    }

    /// Reads the status of the response to a request with the credential.
    ///
    /// A 402 never leads to a second payment by itself. Any other answer that is not about later, a 404 or a 403
    /// included, counts as delivered: the credential was taken, and the origin said what it had to say.
    #[must_use]
    pub fn response(self, status: u16) -> Outcome {
        match status {
            401 | 402 => Outcome::Rejected(Rejected { paid: self, status }),
            408 | 425 | 429 | 500.. => Outcome::Again(self),
            _ => Outcome::Delivered(self),
        }
    }
}

impl Rejected {
    /// The credential that was rejected, to complain with.
    #[must_use]
    pub const fn paid(&self) -> &Paid {
        &self.paid
    }

    /// Begins anew for the same resource. The one door to a second payment: call it only when a person said so, or when
    /// the grant was used up as agreed.
    #[must_use]
    pub fn pay_again(self) -> Payer {
        Payer { limits: self.paid.limits }
    }
}

/// The first usable challenge: L402 if there is one, else LSAT. The credential mirrors the scheme's name.
fn choose(www_authenticate: &[&str]) -> Result<(&'static str, Challenge), PayerFault> {
    let lists: Vec<_> = www_authenticate.iter().filter_map(|value| auth_param::parse(value).ok()).collect();
    if lists.is_empty() && !www_authenticate.is_empty() {
        return Err(PayerFault::Unreadable);
    }
    let mut usable: Vec<_> = lists.into_iter().flatten().filter(is_usable).collect();
    ["L402", "LSAT"]
        .into_iter()
        .find_map(|scheme| Some((scheme, usable.iter().position(|challenge| challenge.is(scheme))?)))
        .map(|(scheme, at)| (scheme, usable.swap_remove(at)))
        .ok_or(PayerFault::NoChallenge)
}

fn is_usable(challenge: &Challenge) -> bool {
    let has = |name| challenge.param(name).is_some();
    challenge.param("version").is_none_or(|version| version == "0")
        && has("invoice")
        && (has("token") || has("macaroon"))
}

/// `token` is the new name and `macaroon` the old one of the same value (`wire.md` 1.2).
fn token(challenge: &Challenge) -> Result<&str, PayerFault> {
    let (new, old) = (challenge.param("token"), challenge.param("macaroon"));
    let token = new.or(old).filter(|token| old.unwrap_or(token) == *token).ok_or(PayerFault::BadToken)?;
    // It goes back into a header as it came, so it must be base64 and nothing else.
    encoding::base64_any(token).filter(|bytes| !bytes.is_empty()).map(|_| token).ok_or(PayerFault::BadToken)
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
        }
    }
}

impl std::error::Error for PayerFault {}

impl fmt::Display for WrongPreimage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the preimage does not hash to the invoice's payment hash")
    }
}

impl std::error::Error for WrongPreimage {}

/// Without the token.
impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asked({} by {})", self.amount, self.payment_hash().short())
    }
}

/// Without the credential.
impl fmt::Debug for Paid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Paid({})", self.preimage.payment_hash().short())
    }
}

impl fmt::Debug for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rejected({:?}, {})", self.paid, self.status)
    }
}
