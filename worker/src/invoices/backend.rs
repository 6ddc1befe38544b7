//! The node's side as everybody here knows it: which of the two it is, how long a call may take, and how it fails.

use l402::problem::Refusal;
use l402::relay::RelaySecrets;
use satstile_lightning::Connection;

/// For one call with all of its requests, reply bodies included, in milliseconds.
pub const DEADLINE_MS: u64 = 5_000;

/// Seconds after which a client may ask again when the node's side is silent.
const RETRY_S: u64 = 5;

/// The node's side.
pub enum Node {
    /// Beside the operator's node.
    Webhook(Webhook),
    /// Without anything in between.
    Direct(Connection),
}

/// The node's side failed us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeFault {
    /// No answer, or one that says "not now": 503.
    Silent,
    /// An answer that cannot be used: 502.
    Wrong,
}

impl NodeFault {
    /// What a client hears of it.
    pub const fn refusal(self) -> Refusal<'static> {
        match self {
            Self::Silent => Refusal::CannotSell(RETRY_S),
            Self::Wrong => Refusal::BadInvoice,
        }
    }
}

/// The node webhook.
pub struct Webhook {
    /// Where it is, without a trailing slash.
    pub url: String,
    /// For both directions.
    pub secrets: RelaySecrets,
}
