//! What leaves a book: over Lightning, to another book here, and back to who paid for nothing.

use crate::objects::Keyed;
use crate::objects::words::{in_one_line, words};

/// `pay-out`: the owner pays an invoice.
#[derive(Debug)]
pub struct PayOut {
    /// The digest of the token that asks, hex.
    pub by: String,
    /// Names the payout, hex.
    pub id: String,
    /// The invoice's hash, hex.
    pub hash: String,
    /// What it asks.
    pub amount_msat: u64,
    /// The most that routing may cost.
    pub fee_limit_msat: u64,
    /// The invoice.
    pub bolt11: String,
    /// The `Idempotency-Key`, and the order that it names.
    pub keyed: Option<Keyed>,
}
words!(PayOut { by, id, hash, amount_msat, fee_limit_msat, bolt11, keyed });

/// `pay-answer`: what the node says about a payout.
#[derive(Debug)]
pub struct PayAnswer {
    /// Names the payout, hex.
    pub id: String,
    /// `succeeded`, `failed`, `unknown` or `not_found`.
    pub state: String,
    /// Hex; with `succeeded`.
    pub preimage: Option<String>,
    /// What routing cost; with `succeeded`.
    pub fee_msat: Option<u64>,
    /// When the node's payment store began, Unix seconds.
    pub store_since: u64,
}
words!(PayAnswer { id, state, preimage, fee_msat, store_since });

/// `payout`: how does it stand?
#[derive(Debug)]
pub struct SeePayout {
    /// The digest of the token that asks, hex.
    pub by: String,
    /// Names the payout, hex.
    pub id: String,
    /// The `Idempotency-Key` under which it is ordered now, and the order.
    pub keyed: Option<Keyed>,
}
words!(SeePayout { by, id, keyed });

/// An order to the node, or a question about one.
#[derive(Debug)]
pub struct Order {
    /// Names the payout, hex.
    pub id: String,
    /// The invoice's hash, hex.
    pub hash: String,
    /// What it asks.
    pub amount_msat: u64,
    /// The most that routing may cost.
    pub fee_limit_msat: u64,
    /// The invoice.
    pub bolt11: String,
    /// Whether to send it; or only to ask.
    pub is_send: bool,
}
words!(Order { id, hash, amount_msat, fee_limit_msat, bolt11, is_send });

/// How a payout stands.
#[derive(Debug)]
pub struct PayoutSeen {
    /// `pending`, `succeeded` or `failed`.
    pub state: String,
    /// What the recipient gets.
    pub amount_msat: u64,
    /// The invoice's hash, hex.
    pub hash: String,
    /// The most that routing may cost.
    pub fee_limit_msat: u64,
    /// What routing did cost.
    pub fee_msat: Option<u64>,
    /// The recipient's proof, hex.
    pub preimage: Option<String>,
    /// What is left to be spent in this book.
    pub available_msat: u64,
    /// What the node is to be told now, if anything.
    pub order: Option<Order>,
    /// Whether it goes to another balance here, with nothing paid over Lightning.
    pub stays_here: bool,
    /// Whether it is a refund's, whose routing counts against the day.
    pub is_refund: bool,
}
words!(PayoutSeen {
    state,
    amount_msat,
    hash,
    fee_limit_msat,
    fee_msat,
    preimage,
    available_msat,
    order,
    stays_here,
    is_refund
});

/// `send`: the owner gives to another account.
#[derive(Debug)]
pub struct Send {
    /// The digest of the token that asks, hex.
    pub by: String,
    /// Names the transfer, hex.
    pub id: String,
    /// The account that gets it, hex.
    pub to: String,
    /// How much.
    pub amount_msat: u64,
    /// The hash of that account's top-up that is paid by it, hex; for a gift none.
    pub invoice: Option<String>,
    /// The `Idempotency-Key`, and the order that it names.
    pub keyed: Option<Keyed>,
}
words!(Send { by, id, to, amount_msat, invoice, keyed });

/// `receive`: money from another book; and what an alarm wants to be carried there.
#[derive(Clone, Debug)]
pub struct CreditOrder {
    /// Names the transfer, hex.
    pub id: String,
    /// The sender's book, hex.
    pub from: String,
    /// The account that gets it, hex.
    pub to: String,
    /// How much.
    pub amount_msat: u64,
    /// See [`Send::invoice`].
    pub invoice: Option<String>,
    /// The node's definite word that nobody can pay that invoice any more. Who carries it asks each time.
    pub is_canceled: bool,
}
words!(CreditOrder { id, from, to, amount_msat, invoice, is_canceled });

/// The reply to `receive`, and with `ack` the way back.
#[derive(Debug)]
pub struct Acked {
    /// Names the transfer, hex.
    pub id: String,
    /// The receiver's book, hex.
    pub by: String,
    /// Whether it has the money, and not the sender.
    pub accepted: bool,
}
words!(Acked { id, by, accepted });

/// How a transfer stands.
#[derive(Debug)]
pub struct TransferSeen {
    /// `pending`, `delivered` or `bounced`.
    pub state: String,
    /// What is left to be spent in the sender's book.
    pub available_msat: u64,
    /// What is to be carried to the receiver's book, while it is pending.
    pub order: Option<CreditOrder>,
}
words!(TransferSeen { state, available_msat, order });

/// `promise`: give a purchase back.
#[derive(Debug)]
pub struct Promise {
    /// The purchase's payment hash, hex.
    pub hash: String,
    /// What was paid.
    pub paid_msat: u64,
    /// What the node kept of it for itself.
    pub node_fee_msat: u64,
    /// Names the refund, hex: the digest of its link's secret.
    pub id: String,
    /// How much of it.
    pub amount_msat: u64,
    /// Seconds until it lapses.
    pub ttl_s: u32,
}
words!(Promise { hash, paid_msat, node_fee_msat, id, amount_msat, ttl_s });

/// `refund`: how does it stand?
#[derive(Debug)]
pub struct SeeRefund {
    /// Names the refund, hex.
    pub id: String,
}
words!(SeeRefund { id });

/// The reply to `promise` and `refund`.
#[derive(Debug)]
pub struct RefundSeen {
    /// What the link pays.
    pub amount_msat: u64,
    /// `pending`, `claimed` or `expired`.
    pub status: String,
    /// Whether an invoice is taken now.
    pub is_open: bool,
    /// When it lapses, Unix seconds.
    pub expires_at: u64,
    /// Names the payout that takes it, if one does now, hex.
    pub payout: String,
}
words!(RefundSeen { amount_msat, status, is_open, expires_at, payout });

/// `collect`: a wallet brings the invoice that takes a refund.
#[derive(Debug)]
pub struct Collect {
    /// Names the refund, hex.
    pub id: String,
    /// The invoice's hash, hex.
    pub hash: String,
    /// What it asks.
    pub amount_msat: u64,
    /// The most that routing may cost.
    pub fee_limit_msat: u64,
    /// The invoice.
    pub bolt11: String,
}
words!(Collect { id, hash, amount_msat, fee_limit_msat, bolt11 });

in_one_line!(Order, CreditOrder);
