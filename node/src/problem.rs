//! What a refused relay call is told: one of a few fixed codes, and nothing from inside (T60).

use l402::relay::RelayFault;

/// Why a call gets no answer. The status code and the words are decided here alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Nobody we know said this, or not lately. One answer for all such messages (T25).
    NotSigned,
    /// Longer than 64 KB.
    TooLong,
    /// Not the JSON of its type.
    Unreadable,
    /// No such call.
    UnknownType,
    /// Meant for the worker.
    WrongAudience,
    /// The id was used for another body within the last day.
    IdReused,
    /// The id of a payment names another one.
    PaymentReused,
    /// Nobody switched payouts on.
    PayoutsOff,
    /// Not 1 msat to 10 BTC.
    Amount,
    /// Longer than an invoice can hold.
    Description,
    /// Not a minute to a week.
    Expiry,
    /// Service or purpose too long.
    Label,
    /// The payee that is asked for is another node.
    Payee,
    /// The node made another invoice than it was asked for.
    Mismatch,
    /// The store or the system failed; a retry may help.
    Unavailable,
}

impl Problem {
    /// The HTTP status.
    pub(crate) const fn status(self) -> u16 {
        self.parts().0
    }

    /// The body, the same bytes every time.
    pub(crate) fn body(self) -> Vec<u8> {
        let (status, code, title) = self.parts();
        format!(r#"{{"type":"about:blank","title":"{title}","status":{status},"code":"{code}"}}"#).into_bytes()
    }

    const fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::NotSigned => (401, "not_signed", "the message bears no fresh signature by a shared secret"),
            Self::TooLong => (413, "too_long", "a relay message has at most 65536 bytes"),
            Self::Unreadable => (400, "unreadable", "the message is not the JSON that its type asks for"),
            Self::UnknownType => (400, "unknown_type", "no call has this type"),
            Self::WrongAudience => (400, "wrong_audience", "the message is meant for another audience"),
            Self::IdReused => (409, "id_reused", "this webhook-id was used for another message"),
            Self::PaymentReused => (409, "payment_id_reused", "this payment_id was used for another payment"),
            Self::PayoutsOff => (403, "payouts_off", "this node makes no payouts"),
            Self::Amount => (422, "amount", "the amount must be from 1 to 1000000000000 msat"),
            Self::Description => (422, "description", "the description must have at most 639 bytes"),
            Self::Expiry => (422, "expiry", "the expiry must be from 60 to 604800 seconds"),
            Self::Label => (422, "label", "service and purpose must have at most 128 bytes each"),
            Self::Payee => (422, "payee", "this node is not the payee that is asked for"),
            Self::Mismatch => (502, "mismatch", "the node made another invoice than it was asked for"),
            Self::Unavailable => (503, "unavailable", "the node cannot answer now; try again"),
        }
    }
}

impl From<RelayFault> for Problem {
    fn from(fault: RelayFault) -> Self {
        match fault {
            RelayFault::BodyTooLong => Self::TooLong,
            RelayFault::UnreadableBody | RelayFault::WrongPreimage => Self::Unreadable,
            RelayFault::WrongAudience => Self::WrongAudience,
            RelayFault::UnknownType => Self::UnknownType,
            RelayFault::UnreadableId
            | RelayFault::UnreadableTimestamp
            | RelayFault::Stale
            | RelayFault::UnreadableSignature
            | RelayFault::WrongSignature => Self::NotSigned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_these_very_bytes() {
        assert_eq!(
            String::from_utf8(Problem::IdReused.body()).unwrap(),
            r#"{"type":"about:blank","title":"this webhook-id was used for another message","status":409,"code":"id_reused"}"#
        );
    }
}
