//! What a shell does after a change is written: the outbox's messages.
//!
//! Every one of them can be lost or sent twice. What must happen is in a row (a payout, an outbound transfer) and an
//! alarm sends it again; what came twice is recognised by its id (rule 14 of the spine).

use l402::{Msat, PaymentHash};

use crate::id::{BookId, Id};

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Ask the node to pay this payout's invoice, under this id.
    Pay(Pay),
    /// Ask the node what became of a payout. Never send without this after a restart (T90).
    LookUp {
        /// The payout.
        payout: Id,
        /// Its invoice.
        payment_hash: PaymentHash,
    },
    /// Carry money to another book, until it answers.
    Credit(Credit),
    /// Tell whoever waits for it that this happened. May be lost: waiting parties also ask.
    Push {
        /// The payment hash, hold or task.
        subject: Id,
    },
    /// A person must look: the node's memory is younger than this payout (F17).
    Alert {
        /// What to look at.
        subject: Id,
    },
}

/// An order to the node. The id is its idempotency key: the same id is never paid twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pay {
    /// The payout, and the `webhook-id` of the message.
    pub payout: Id,
    /// The invoice's hash; the shell keeps the invoice beside the payout's row.
    pub payment_hash: PaymentHash,
    /// What the recipient gets.
    pub amount: Msat,
    /// The most that routing may cost. A back end that cannot be told is not used for payouts (T94).
    pub fee_limit: Msat,
}

/// Money on its way from one book to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Credit {
    /// Names the transfer in both books.
    pub transfer: Id,
    /// Who sends.
    pub from: BookId,
    /// Who receives.
    pub to: BookId,
    /// How much.
    pub amount: Msat,
    /// What for.
    pub reason: Reason,
}

/// Why money goes from one book to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The owner sends it. Declined where there is no such account.
    Transfer,
    /// Revenue for a provider or the operator.
    Share,
    /// A task was confirmed; its escrow.
    Task(Id),
    /// The owner pays an invoice that the receiver's top-up asked for. Can be declined: the
    /// invoice may have been paid over Lightning meanwhile (T95).
    OwnInvoice(PaymentHash),
}
