//! A program that pays by itself, within limits: the chain of types in [`super`].

use core::fmt;

use super::offer::{Offer, PayerFault};
use crate::amount::Msat;
use crate::bolt11::Network;
use crate::preimage::{PaymentHash, Preimage};
use crate::prelude::*;
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
    offer: Box<Offer>,
}

/// A credential whose proof is right.
pub struct Paid {
    limits: Limits,
    offer: Box<Offer>,
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
        let offer = Offer::read(www_authenticate)?;
        if offer.invoice.network != self.limits.network {
            return Err(PayerFault::WrongNetwork(offer.invoice.network));
        }
        if offer.amount > self.limits.amount_max {
            return Err(PayerFault::TooDear(offer.amount));
        }
        if now >= offer.expires_at() {
            return Err(PayerFault::Expired);
        }
        Ok(Step::Pay(Asked { limits: self.limits, offer: Box::new(offer) }))
    }
}

impl Asked {
    /// The BOLT 11 text, for a wallet or a QR code.
    #[must_use]
    pub fn invoice(&self) -> &str {
        &self.offer.bolt11
    }

    /// What the invoice itself asks, whatever the page around it says.
    #[must_use]
    pub const fn amount(&self) -> Msat {
        self.offer.amount
    }

    /// What the payment will be known by.
    #[must_use]
    pub const fn payment_hash(&self) -> PaymentHash {
        self.offer.invoice.payment_hash
    }

    /// What the seller wrote into the invoice. Text from outside.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.offer.invoice.description.as_deref()
    }

    /// From when on no wallet will pay it.
    #[must_use]
    pub const fn expires_at(&self) -> UnixTime {
        self.offer.expires_at()
    }

    /// The token alone, to ask the seller's status URL whether somebody else's phone has paid (C5).
    #[must_use]
    pub fn status_authorization(&self) -> String {
        self.offer.status_authorization()
    }

    /// Takes the proof of payment.
    ///
    /// # Errors
    /// [`WrongPreimage`], with the way back to this step.
    pub fn paid(self, preimage: Preimage) -> Result<Paid, WrongPreimage> {
        if preimage.payment_hash() != self.payment_hash() {
            return Err(WrongPreimage { asked: self });
        }
        Ok(Paid { limits: self.limits, offer: self.offer, preimage })
    }
}

impl Paid {
    /// The value of `Authorization` for this request and every further one within the grant.
    #[must_use]
    pub fn authorization(&self) -> String {
        self.offer.authorization(&self.preimage)
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

impl fmt::Display for WrongPreimage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the preimage does not hash to the invoice's payment hash")
    }
}

impl core::error::Error for WrongPreimage {}

/// Without the token.
impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Asked({:?})", self.offer)
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
