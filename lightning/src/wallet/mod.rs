//! Wallets: what pays an invoice, for the command line and for payouts. A module for each kind says how it is called,
//! which credential does, and which of its habits have to be known.
//!
//! **Unknown is never failed** (T93). A payment that was sent may still arrive however long its answer takes, so only
//! the wallet's own word moves it out of "unknown": [`Outcome::Failed`] where it says that it gave up, and
//! [`Outcome::Paid`] with a preimage that hashes to the payment hash. Whoever sends treats a reply that never came, in
//! whole or in part, as [`Outcome::Unknown`] too; and nobody pays the same thing again on "unknown".

use core::fmt;

use l402::bolt11::Invoice;
use l402::{Msat, PaymentHash, Preimage};

use crate::call::Step;
use crate::connection::{ConnectionFault, Parameters, certificate_pin};
use crate::fault::BackendFault;
use crate::http::HttpReply;

pub mod cln;
pub mod lnbits;
pub mod lnd;
pub mod phoenixd;

/// What `type=` may be.
pub const KINDS: &[&str] = &[lnd::KIND, cln::KIND, phoenixd::KIND, lnbits::KIND];

/// Those of them that keep to a fee limit and can be asked by payment hash: what payouts need (T94).
pub const KINDS_FOR_PAYOUTS: &[&str] = &[lnd::KIND, cln::KIND];

/// How long a wallet may look for a way, in seconds. Whoever sends waits a little longer.
pub const PAYMENT_S: u64 = 60;

/// A wallet: how to have it pay, and how to learn what became of a payment. As with [`crate::Backend`], both calls are
/// pure and `replies` are all replies so far.
pub trait Wallet: fmt::Debug {
    /// Its `type` in connection strings.
    fn kind(&self) -> &'static str;

    /// Whether it keeps to [`Payment::max_fee`]; some fix their fees themselves and take no limit (T94).
    fn limits_fees(&self) -> bool;

    /// Whether [`Wallet::look`] may call a payment failed while another attempt at it is about to begin. That word is
    /// final only once [`PAYMENT_S`] have passed since it was sent, or once [`Wallet::pay`] has said the same (T93).
    fn may_try_again(&self) -> bool {
        false
    }

    /// Whether it pays invoices whose only way is by blinded paths (bLIP 39).
    fn pays_blinded_paths(&self) -> bool {
        false
    }

    /// Pays. Each first request of this call may move money: it is sent once.
    ///
    /// # Errors
    /// A [`BackendFault`] says that nothing was paid ([`BackendFault::Unauthorized`], [`BackendFault::Refused`]), with
    /// one exception: [`BackendFault::WrongPreimage`], where it says "paid" and cannot prove it.
    fn pay(&self, payment: &Payment<'_>, replies: &[HttpReply]) -> Result<Step<Outcome>, BackendFault>;

    /// What became of a payment that was sent earlier. Moves nothing.
    ///
    /// # Errors
    /// The [`BackendFault`] that ends the call; the payment is then as unknown as before.
    fn look(&self, payment_hash: PaymentHash, replies: &[HttpReply]) -> Result<Step<Outcome>, BackendFault>;
}

/// What is to be paid. Read and checked by the caller: amount, network, expiry.
#[derive(Clone, Copy)]
pub struct Payment<'a> {
    /// The invoice. One that names no amount is for [`KINDS_FOR_PAYOUTS`]: no other wallet here is told what to pay on it.
    pub bolt11: &'a str,
    /// Read from it.
    pub payment_hash: PaymentHash,
    /// Read from it, or what is to be paid where it names none.
    pub amount: Msat,
    /// The most that the way there may cost on top.
    pub max_fee: Msat,
}

impl Payment<'_> {
    /// The amount, if the invoice names none: then a wallet must be told, and at any other time it must not.
    pub(crate) fn amount_to_tell(&self) -> Option<Msat> {
        names_no_amount(self.bolt11).then_some(self.amount)
    }
}

/// Whether an invoice leaves its amount to whoever pays it. No for what cannot be read, for an amount past what BOLT 11
/// readers can count (T57), and for a zero, which BOLT 11 forbids: nodes pay neither that nor another amount instead of it.
#[must_use]
pub fn names_no_amount(unverified_bolt11: &str) -> bool {
    Invoice::parse(unverified_bolt11).is_ok_and(|invoice| invoice.amount.is_none())
}

/// What became of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Paid {
        /// The proof, checked.
        preimage: Preimage,
        /// What the way cost, where the wallet tells it.
        fee: Option<Msat>,
    },
    /// It did not, and never will: the wallet's own word. With its reason, made printable.
    Failed(String),
    /// It may be under way.
    Unknown,
    /// The wallet's own books never heard of it. Said by [`Wallet::look`] alone, and no end by itself: a request may
    /// still be on its way, and books can be lost (T93, F17).
    NotFound,
}

impl Outcome {
    /// Paid, if the preimage proves it.
    pub(crate) fn paid(hash: PaymentHash, preimage: Option<Preimage>, fee: Option<Msat>) -> Result<Self, BackendFault> {
        match preimage {
            Some(preimage) if preimage.payment_hash() == hash => Ok(Self::Paid { preimage, fee }),
            _ => Err(BackendFault::WrongPreimage),
        }
    }

    /// Failed, for a reason that is text from outside.
    pub(crate) fn failed(unverified_reason: &str) -> Self {
        let printable = unverified_reason.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
        Self::Failed(printable.take(120).collect())
    }
}

/// A wallet that is called over https, and how its certificate is known.
#[derive(Debug)]
pub struct WalletConnection {
    /// What to ask it.
    pub wallet: Box<dyn Wallet + Send + Sync>,
    /// As in [`crate::Connection::pin`].
    pub pin: Option<[u8; 32]>,
    /// Scheme, host and port. Holds no secret.
    pub place: String,
}

impl WalletConnection {
    /// Reads a connection string; the grammar is that of [`crate::connection`].
    ///
    /// ```
    /// use satstile_lightning::wallet::WalletConnection;
    /// let found = WalletConnection::parse("type=phoenixd;server=http://127.0.0.1:9740;password=hunter2").unwrap();
    /// assert_eq!((found.wallet.kind(), found.place.as_str()), ("phoenixd", "http://127.0.0.1:9740"));
    /// ```
    ///
    /// # Errors
    /// The [`ConnectionFault`] that says which key to change.
    pub fn parse(text: &str) -> Result<Self, ConnectionFault> {
        let mut parameters = Parameters::split(text)?;
        let kind = parameters.required("type")?;
        let pin = parameters.optional("certthumbprint").map(|pin| certificate_pin(&pin)).transpose()?;
        let (wallet, place): (Box<dyn Wallet + Send + Sync>, String) = match kind.as_str() {
            lnd::KIND => boxed(lnd::LndWallet::of(&mut parameters)?),
            cln::KIND => boxed(cln::ClnWallet::of(&mut parameters)?),
            phoenixd::KIND => boxed(phoenixd::PhoenixdWallet::of(&mut parameters)?),
            lnbits::KIND => boxed(lnbits::LnbitsWallet::of(&mut parameters)?),
            other => return Err(ConnectionFault::Type(other.to_owned())),
        };
        parameters.end()?;
        Ok(Self { wallet, pin, place })
    }
}

fn boxed<W: Wallet + Send + Sync + 'static>((wallet, place): (W, String)) -> (Box<dyn Wallet + Send + Sync>, String) {
    (Box::new(wallet), place)
}

/// What a status means before the body is looked at: 401 and 403 refuse the credential and 4xx the order, so nothing
/// was sent; all that is left may have happened after the payment was.
pub(crate) const fn of_status(status: u16) -> Result<Outcome, BackendFault> {
    match status {
        401 | 403 => Err(BackendFault::Unauthorized),
        // The request took too long, or comes too early: neither says what became of it.
        408 | 425 => Ok(Outcome::Unknown),
        400..=499 => Err(BackendFault::Refused(status)),
        _ => Ok(Outcome::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_wallets_do_not_print() {
        for text in [
            "type=lnd-rest;server=https://n.test;macaroon=abcdef012345",
            "type=clnrest;server=https://n.test;rune=abcdef012345",
            "type=phoenixd;server=http://127.0.0.1:9740;password=abcdef012345",
            "type=lnbits;server=https://n.test;api-key=abcdef012345",
        ] {
            let shown = format!("{:?}", WalletConnection::parse(text).unwrap());
            assert!(!shown.contains("abcdef012345"), "{shown}");
        }
    }

    #[test]
    fn payouts_are_for_those_that_keep_to_a_fee_limit_t94() {
        let wallet = |kind: &str| {
            let secret = match kind {
                "lnd-rest" => "macaroon=00",
                "clnrest" => "rune=r",
                "phoenixd" => "password=p",
                _ => "api-key=k",
            };
            WalletConnection::parse(&format!("type={kind};server=https://n.test;{secret}")).unwrap().wallet
        };
        for kind in KINDS {
            assert_eq!(wallet(kind).kind(), *kind);
            assert_eq!(wallet(kind).limits_fees(), KINDS_FOR_PAYOUTS.contains(kind), "{kind}");
        }
    }

    #[test]
    fn a_key_that_is_not_known_is_refused() {
        let fault = |text: &str| WalletConnection::parse(text).unwrap_err().to_string();
        assert_eq!(fault("type=phoenixd;password=x;colour=red"), "this type has no `colour=`");
        assert_eq!(fault("type=phoenixd"), "`password=` is missing");
        assert!(fault("type=piggy-bank").starts_with("there is no type `piggy-bank`"));
    }

    #[test]
    fn only_an_answer_that_came_before_the_payment_is_a_refusal_t93() {
        assert_eq!(of_status(401), Err(BackendFault::Unauthorized));
        assert_eq!(of_status(400), Err(BackendFault::Refused(400)));
        for status in [200, 201, 302, 408, 425, 500, 502, 503, 504, 520] {
            assert_eq!(of_status(status), Ok(Outcome::Unknown), "{status}");
        }
    }

    #[test]
    fn a_reason_from_outside_is_printable_and_short() {
        assert_eq!(Outcome::failed("no\u{1b}[31m route\n"), Outcome::Failed("no[31m route".to_owned()));
        assert_eq!(Outcome::failed(&"x".repeat(500)), Outcome::Failed("x".repeat(120)));
    }
}
