//! Every way this crate says no. Nothing was written, and nothing must be.
//!
//! Which status code it becomes is for the shell; the sentence is for the person who must fix the request.

use core::fmt;

use l402::Msat;

use crate::invariant::Invariant;

/// Why a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// An amount of 0 where something must move (T78).
    ZeroAmount,
    /// More than 10 BTC in one operation, or a sum that is no exact number (T76).
    TooLarge,
    /// The balance does not cover it.
    InsufficientFunds {
        /// What can be spent now.
        available: Msat,
    },
    /// So much of the balance was claimed without its secret that the rest does not cover it (T63): 403.
    SpendOnly {
        /// What can leave.
        free: Msat,
    },
    /// The account would own more than 100 BTC (T76). Nothing is lost: the credit can be tried again.
    AccountFull,

    /// No top-up or sale was recorded for this hash: 404 (C17).
    UnknownPayment,
    /// The payment belongs to another account, for ever: 403 (T83).
    OtherAccount,
    /// This payment was claimed before (systems C: a preimage claims once).
    AlreadyClaimed,
    /// The node does not say yet that the invoice is settled.
    NotSettled,
    /// The preimage does not hash to the payment hash.
    WrongPreimage,
    /// The claim's secret is missing or another one (C17).
    WrongClaimSecret,
    /// Less was paid than asked, so it is not settled (T66).
    Underpaid,

    /// A cap of the token, or of an ancestor of it, does not cover the amount.
    CapReached {
        /// The caveat, counted from the root token, 0 first.
        link: usize,
    },
    /// A token, or an ancestor of it, has no use left.
    UsesReached {
        /// The caveat, counted from the root token, 0 first.
        link: usize,
    },
    /// The caps given are not the whole chain from the root to the token, in order, that the use began with.
    BrokenChain,

    /// What was to change ended before, in another way.
    Ended,
    /// Its time has passed.
    Expired,
    /// Its time has not come.
    NotYet,
    /// Another message changed it first: read again, decide again (T101).
    Stale,
    /// Who asks has no say in it.
    NotAParty,
    /// Uses are still under way.
    Busy,

    /// The withdraw link was used with another invoice (T91).
    LinkUsed,
    /// Nothing of this purchase is left to refund (T100).
    NothingToRefund,
    /// One refund of this purchase is open already (T100).
    RefundOpen,

    /// The key was used for something else: 422 (T73).
    KeyReused,
    /// The first request with this key is not done: 409 (T73).
    InProgress,

    /// The invoice is our own: settle it between books instead (T95).
    OwnInvoice,
    /// The invoice is this very account's: paying oneself is no payment (T95).
    SelfPayment,
    /// Another payout for this invoice is open or done.
    InvoiceInUse,
    /// The row does not belong to this command or this book.
    WrongRow,

    /// An invariant did not hold, and nobody has looked since: nothing new moves (T75).
    Frozen(Invariant),
    /// An invariant does not hold: freeze the book ([`crate::Book::freeze`]) and call a person (T75).
    Breach(Invariant),
}

impl Refusal {
    /// Whether the same command may pass later without any change to it: 409 or 503, not a plain no.
    #[must_use]
    pub const fn is_temporary(self) -> bool {
        matches!(
            self,
            Self::AccountFull
                | Self::NotSettled
                | Self::NotYet
                | Self::Stale
                | Self::Busy
                | Self::InProgress
                | Self::Frozen(_)
        )
    }
}

impl From<Invariant> for Refusal {
    fn from(broken: Invariant) -> Self {
        Self::Breach(broken)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ZeroAmount => "the amount must be more than 0",
            Self::TooLarge => "the amount is more than 10 BTC",
            Self::InsufficientFunds { available } => {
                return write!(f, "the balance does not cover it: {available} left");
            }
            Self::SpendOnly { free } => {
                return write!(
                    f,
                    "this balance was claimed without the claim_secret of its top-up and can only be spent here; {free} of it \
                     can leave. A claim with the claim_secret lifts this"
                );
            }
            Self::AccountFull => "an account holds at most 100 BTC",
            Self::UnknownPayment => "no payment of this kind is known",
            Self::OtherAccount => "the payment belongs to another account",
            Self::AlreadyClaimed => "the payment was claimed before",
            Self::NotSettled => "the payment has not arrived yet",
            Self::WrongPreimage => "the preimage does not hash to the payment hash",
            Self::WrongClaimSecret => "the claim secret is missing or wrong",
            Self::Underpaid => "less was paid than the invoice asks",
            Self::CapReached { link } => return write!(f, "the spending cap in caveat {link} does not cover it"),
            Self::UsesReached { link } => return write!(f, "the uses in caveat {link} are used up"),
            Self::BrokenChain => "the caps are not those of the token from its root on",
            Self::Ended => "it has ended already, in another way",
            Self::Expired => "its time has passed",
            Self::NotYet => "its time has not come",
            Self::Stale => "something else changed it first; read it again",
            Self::NotAParty => "only a party to it may do this",
            Self::Busy => "uses are still under way",
            Self::LinkUsed => "the link was used with another invoice",
            Self::NothingToRefund => "nothing is left to refund",
            Self::RefundOpen => "a refund of this purchase is open already",
            Self::KeyReused => "the idempotency key was used for another request",
            Self::InProgress => "the first request with this key is still under way",
            Self::OwnInvoice => "the invoice is our own and is settled between accounts",
            Self::SelfPayment => "the invoice is this account's own",
            Self::InvoiceInUse => "another payout of this invoice is open or done",
            Self::WrongRow => "the record belongs to something else",
            Self::Frozen(broken) => {
                return write!(f, "the account is frozen until somebody has looked at it ({broken})");
            }
            Self::Breach(broken) => return write!(f, "the books are wrong ({broken})"),
        })
    }
}

impl core::error::Error for Refusal {}
