//! The calls that a back end answers, and the types that carry what was learnt.

use core::fmt;

use l402::bolt11;
use l402::secret::fingerprint;
use l402::{Msat, PaymentHash, Preimage, UnixTime};

use crate::backend::{cln, lnd, phoenixd};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};

/// A back end: how to ask it for an invoice, and how to learn what became of one. Some can withdraw one, too.
///
/// The calls are pure: `replies` are all replies heard so far in this call, the first one first. With none, they give
/// the first request.
pub trait Backend: fmt::Debug {
    /// Its `type` in connection strings.
    fn kind(&self) -> &'static str;

    /// Whether it tells the preimage of a settled invoice.
    fn preimages(&self) -> Preimages;

    /// Makes an invoice.
    ///
    /// # Errors
    /// The [`BackendFault`] that ends the call.
    fn create(&self, order: &Order<'_>, replies: &[HttpReply]) -> Result<Step<Invoice>, BackendFault>;

    /// What became of an invoice.
    ///
    /// # Errors
    /// The [`BackendFault`] that ends the call; never "not paid", which is a [`Status`].
    fn status(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault>;

    /// Withdraws an invoice, so that nobody can pay it any more, and says what became of it: [`Status::Canceled`], or
    /// [`Status::Settled`] where a payment was first (T95). The same call again says the same, but for
    /// [`Status::NotFound`] where a back end forgets what it has withdrawn: who asked before knows why.
    ///
    /// # Errors
    /// The [`BackendFault`] that ends the call. After [`BackendFault::NotOffered`], [`BackendFault::Unauthorized`] and
    /// [`BackendFault::Refused`] the invoice is as it was; after any other, it may be withdrawn.
    fn cancel(&self, _: &Watched<'_>, _: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        Err(BackendFault::NotOffered)
    }

    /// How it tells of payments by itself, if it does. What it tells is a hint: [`Backend::status`] decides (T54).
    fn push(&self) -> Option<Push<'_>> {
        None
    }
}

/// A back end that tells of payments by itself; each in its own way.
#[derive(Clone, Copy, Debug)]
pub enum Push<'a> {
    /// A stream of lines: [`lnd::Lnd::subscribe`].
    Lnd(&'a lnd::Lnd),
    /// A reply that waits for the next payment: [`cln::Cln::wait_any`].
    Cln(&'a cln::Cln),
    /// A WebSocket: [`phoenixd::Phoenixd::websocket`].
    Phoenixd(&'a phoenixd::Phoenixd),
}

/// What a call needs next, or gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// Send this, and call again with its reply added.
    Ask(HttpRequest),
    /// The result.
    Done(T),
}

/// Whether a back end tells the preimage of an invoice that was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preimages {
    /// Always.
    Told,
    /// Some of its kind do.
    Sometimes,
    /// Never: who pays knows it, and nobody else learns it from here.
    Withheld,
}

/// An invoice to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order<'a> {
    /// Exact.
    pub amount: Msat,
    /// Shown by the payer's wallet; at most 639 bytes.
    pub description: &'a str,
    /// Life from now, in seconds.
    pub expiry_s: u64,
    /// Names the order: unique, `[A-Za-z0-9_.-]`, at most 256 characters. Where a back end takes a label, this is it.
    pub label: &'a str,
}

impl Order<'_> {
    /// The amount for a back end that takes whole satoshi only.
    pub(crate) fn sats(&self) -> Result<u64, BackendFault> {
        if self.amount.0.is_multiple_of(1_000) { Ok(self.amount.0 / 1_000) } else { Err(BackendFault::SubSatoshi) }
    }

    /// Its life in whole minutes, rounded down, but one at least.
    pub(crate) fn expiry_minutes(&self) -> u64 {
        (self.expiry_s / 60).max(1)
    }

    /// The beginning of the description, for a back end that refuses long ones.
    pub(crate) fn description(&self, chars_max: usize) -> String {
        self.description.chars().take(chars_max).collect()
    }
}

/// An invoice that a back end made. Readable, of the amount ordered and of the hash it names; its signature is not
/// looked at here.
#[derive(Clone, PartialEq, Eq)]
pub struct Invoice {
    /// To be paid; lower case.
    pub bolt11: String,
    /// Read from `bolt11`.
    pub payment_hash: PaymentHash,
    /// What the back end knows it by, when that is not the payment hash: an id of its own, or an address. Empty otherwise.
    pub reference: String,
}

impl Invoice {
    /// Reads the BOLT 11 of a reply: it must be for the amount ordered, and of the hash named beside it, if one is.
    pub(crate) fn read(
        unverified_bolt11: &str,
        named: Option<PaymentHash>,
        order: &Order<'_>,
        reference: String,
    ) -> Result<Self, BackendFault> {
        let read = bolt11::Invoice::parse(unverified_bolt11).map_err(BackendFault::Invoice)?;
        if named.is_some_and(|named| named != read.payment_hash) {
            return Err(BackendFault::WrongPaymentHash);
        }
        if read.amount != Some(order.amount) {
            return Err(BackendFault::WrongAmount);
        }
        Ok(Self { bolt11: unverified_bolt11.to_ascii_lowercase(), payment_hash: read.payment_hash, reference })
    }
}

/// Shows fingerprints: an invoice is a thing to pay with (T120).
impl fmt::Debug for Invoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invoice")
            .field("bolt11", &fingerprint(self.bolt11.as_bytes()))
            .field("payment_hash", &self.payment_hash)
            .field("reference", &fingerprint(self.reference.as_bytes()))
            .finish()
    }
}

/// An invoice whose fate is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched<'a> {
    /// Names it.
    pub payment_hash: PaymentHash,
    /// What was asked.
    pub amount: Msat,
    /// [`Invoice::reference`].
    pub reference: &'a str,
}

/// What became of an invoice, by the back end's state field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It can still be paid; also while a payment is held and not settled (T20).
    Pending,
    /// It was paid in full.
    Settled {
        /// What the payer paid; at least what was asked.
        amount: Msat,
        /// What the node kept of it for itself, as the price of a channel: the merchant's cost, and not the payer's (T66).
        node_fee: Msat,
        /// The proof, checked against the payment hash, where the back end tells it.
        preimage: Option<Preimage>,
        /// When, where the back end tells it.
        at: Option<UnixTime>,
    },
    /// It was not paid in time.
    Expired,
    /// It was withdrawn.
    Canceled,
    /// The back end does not know it.
    NotFound,
}

impl Status {
    /// Settled, if amount and preimage bear it out. `received` is what the back end says arrived; one that does not
    /// say so settles nothing but whole invoices, so what was asked stands in.
    pub(crate) fn settled(
        watched: &Watched<'_>,
        received: Option<Msat>,
        preimage: Option<Preimage>,
        at: Option<UnixTime>,
    ) -> Result<Self, BackendFault> {
        let amount = received.unwrap_or(watched.amount);
        if amount < watched.amount {
            return Err(BackendFault::Underpaid);
        }
        if preimage.as_ref().is_some_and(|preimage| preimage.payment_hash() != watched.payment_hash) {
            return Err(BackendFault::WrongPreimage);
        }
        Ok(Self::Settled { amount, node_fee: Msat(0), preimage, at })
    }

    /// The same, with what is left at the node of it.
    pub(crate) fn of_which(mut self, left: Msat) -> Self {
        if let Self::Settled { amount, node_fee, .. } = &mut self {
            *node_fee = Msat(amount.0.saturating_sub(left.0));
        }
        self
    }
}
