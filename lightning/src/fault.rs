//! Why a back end was of no use.

use core::fmt;

use l402::bolt11::Bolt11Fault;

/// What was wrong with a reply, in words for the operator's log; nothing in it comes from the back end (T60, T120).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendFault {
    /// It does not know our credential, or the credential may not do this: 401 or 403, or the back end's own word.
    Unauthorized,
    /// It has no time now: 429 or 5xx without a reason of its own.
    Busy(u16),
    /// It refused the order: another status, or its own word for "no".
    Refused(u16),
    /// Not the JSON that this call is answered with.
    Unreadable,
    /// The BOLT 11 in the reply cannot be read.
    Invoice(Bolt11Fault),
    /// The payment hash beside the invoice is not the one in it.
    WrongPaymentHash,
    /// The reply is about another invoice than was asked for.
    WrongInvoice,
    /// Another amount than was ordered.
    WrongAmount,
    /// It calls the invoice settled, and its preimage does not hash to the payment hash.
    WrongPreimage,
    /// It calls the invoice settled, for less than was asked (T66).
    Underpaid,
    /// This back end takes whole satoshi only.
    SubSatoshi,
    /// Out of what the service says it takes.
    OutOfRange,
    /// An address in the reply is not of the host that was configured (T97).
    ForeignHost,
    /// Its service answers without `verify` (LUD-21), so nobody could tell whether an invoice was paid.
    NoVerify,
    /// Its service demands to know who pays (LUD-18).
    PayerData,
    /// It has no such call, or none of which the end can be told: nothing was asked.
    NotOffered,
    /// It cannot be reached at all. Said by the shell that sends.
    Unreachable,
}

impl BackendFault {
    /// Whether the back end is merely away: another one, or the same one later, may do.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unreachable)
    }

    /// A word for counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Busy(_) => "busy",
            Self::Refused(_) => "refused",
            Self::Unreadable => "unreadable",
            Self::Invoice(_) | Self::WrongPaymentHash | Self::WrongInvoice | Self::WrongAmount => "wrong_invoice",
            Self::WrongPreimage => "wrong_preimage",
            Self::Underpaid => "underpaid",
            Self::SubSatoshi | Self::OutOfRange => "amount",
            Self::ForeignHost => "foreign_host",
            Self::NoVerify => "no_verify",
            Self::PayerData => "payer_data",
            Self::NotOffered => "not_offered",
            Self::Unreachable => "unreachable",
        }
    }
}

impl fmt::Display for BackendFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorized => f.write_str("it refuses the credential; check it, and what it may do"),
            Self::Busy(status) => write!(f, "it answers {status}: busy, or broken"),
            Self::Refused(status @ 300..=399) => write!(
                f,
                "it answers with a redirect ({status}), and none is followed: configure the address that it leads to"
            ),
            Self::Refused(404) => f.write_str("nothing of the kind is at its address (404): is `server=` right?"),
            Self::Refused(status) => write!(f, "it refuses the call ({status})"),
            Self::Unreadable => f.write_str("its reply is not what this call is answered with; which version is it?"),
            Self::Invoice(fault) => write!(f, "its invoice cannot be used: {fault}"),
            Self::WrongPaymentHash => f.write_str("the payment hash beside its invoice is not the one in it"),
            Self::WrongInvoice => f.write_str("it told of another invoice"),
            Self::WrongAmount => f.write_str("its invoice is for another amount"),
            Self::WrongPreimage => f.write_str("it says settled, with a preimage that does not fit the payment hash"),
            Self::Underpaid => f.write_str("it says settled, for less than was asked"),
            Self::SubSatoshi => f.write_str("it takes whole satoshi only"),
            Self::OutOfRange => f.write_str("it does not take this amount"),
            Self::ForeignHost => f.write_str("it names an address on another host; that is not followed"),
            Self::NoVerify => {
                f.write_str("its service has no `verify` (LUD-21), so a payment cannot be seen; use another address")
            }
            Self::PayerData => {
                f.write_str("its service demands to know who pays (payer data, LUD-18); use another address")
            }
            Self::NotOffered => f.write_str("it has no such call"),
            Self::Unreachable => f.write_str("it cannot be reached"),
        }
    }
}

impl core::error::Error for BackendFault {}
