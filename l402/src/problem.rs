//! Every "no" as an HTTP answer: RFC 9457 problem details with the Payment scheme's types.
//!
//! This module alone knows status codes. Bodies of one class of refusal are the same bytes, so that
//! an answer tells a guesser nothing (T25); the reason goes to the log.

use serde_json::{Map, Value, json};

use crate::fault::{Denial, Malformed};
use crate::route::Methods;

/// A finished answer without a body stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// Header fields, lower-case names.
    pub headers: Vec<(&'static str, String)>,
    /// Body; empty for HEAD.
    pub body: String,
}

/// What a client is told besides a challenge or the goods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal<'a> {
    /// The request cannot be read.
    Malformed(Malformed),
    /// The credential is a forgery for this service (C1: 401, no invoice).
    Forgery {
        /// Named in the `realm`.
        service: &'a str,
    },
    /// No route matches.
    NoRoute,
    /// The route does not take this method.
    Method(Methods),
    /// HEAD without payment: the one 402 without a challenge.
    UnpaidHead,
    /// A browser asks ahead of its visitor for what would cost something.
    Ahead,
    /// This payment is being delivered by another request at this moment.
    InFlight,
    /// The client asked for too many invoices; seconds to wait.
    TooManyInvoices(u64),
    /// No invoice can be had now: the deployment as a whole is out of them, or its node does not answer; seconds to wait.
    CannotSell(u64),
    /// Something of ours does not answer now; seconds to wait.
    Unavailable(u64),
    /// Configuration is missing or wrong; the operator's log says what.
    NotReady,
    /// The node webhook answered with something that is no invoice for this price.
    BadInvoice,
    /// The origin did not answer, or with something that may not go out.
    OriginFailed(Stake),
    /// The origin did not answer in time.
    OriginTimeout(Stake),
    /// The origin asks for a payment itself, or for a login where we are the door (T37).
    OriginChallenges(Stake),
    /// Nothing here: the one answer of every look-up that finds nothing (T64).
    NotFound,
    /// The body is over the limit.
    BodyTooLarge,
    /// The body did not arrive in time (T45).
    BodyLate,
    /// Somebody's signed message or operator's key is not right.
    Unauthorized,
    /// The same thing was said before with other words.
    Conflict,
    /// Another request was sent under this `Idempotency-Key` (T73).
    KeyReused,
    /// A page of another site asked for what only ours may do (T114).
    OtherSite,
    /// The same was asked for too often; seconds to wait.
    TooOften(u64),
}

/// What a request that came to nothing had at stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stake {
    /// Somebody paid for it.
    Payment,
    /// Nobody did: a free route, an allowance, a dry run.
    Nothing,
}

impl Stake {
    const fn sentence(self) -> &'static str {
        match self {
            Self::Payment => "The payment was not used up. Send the same request again.",
            Self::Nothing => "Nothing was charged. Try again later.",
        }
    }
}

/// The member `code` of a problem that a program can act on without reading sentences: nothing can be sold now.
pub const CANNOT_BE_SOLD: &str = "cannot_be_sold";

impl Refusal<'_> {
    /// The HTTP status code of each kind.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Malformed(Malformed::TargetTooLong) => 414,
            Self::Malformed(Malformed::TooManyHeaders | Malformed::AuthorizationTooLong) => 431,
            Self::Malformed(Malformed::UnknownHost) => 421,
            Self::Malformed(Malformed::Loop) => 508,
            Self::Malformed(_) => 400,
            Self::Forgery { .. } | Self::Unauthorized => 401,
            Self::UnpaidHead => 402,
            Self::OtherSite => 403,
            Self::NoRoute | Self::NotFound => 404,
            Self::Method(_) => 405,
            Self::BodyLate => 408,
            Self::InFlight | Self::Conflict => 409,
            Self::BodyTooLarge => 413,
            Self::KeyReused => 422,
            Self::TooManyInvoices(_) | Self::TooOften(_) => 429,
            Self::BadInvoice | Self::OriginFailed(_) | Self::OriginChallenges(_) => 502,
            Self::CannotSell(_) | Self::Unavailable(_) | Self::NotReady | Self::Ahead => 503,
            Self::OriginTimeout(_) => 504,
        }
    }

    /// What happened, in a few words.
    #[must_use]
    pub fn title(&self) -> &'static str {
        match self {
            Self::Malformed(Malformed::UnknownHost) => "This host is not served here",
            Self::Malformed(_) => "The request cannot be read",
            Self::Forgery { .. } => "The credential is not valid",
            Self::Unauthorized => "Not authorized",
            Self::UnpaidHead => "Payment required",
            Self::Ahead => "Not ahead of time",
            Self::NoRoute | Self::NotFound => "Not found",
            Self::Method(_) => "Method not allowed",
            Self::InFlight => "This payment is being redeemed",
            Self::Conflict => "Contradicts what was said before",
            Self::KeyReused => "The idempotency key was used before",
            Self::BodyTooLarge => "The body is too large",
            Self::BodyLate => "The body came too slowly",
            Self::OtherSite => "Not from another site",
            Self::TooManyInvoices(_) => "Too many invoices",
            Self::TooOften(_) => "Too many requests",
            Self::BadInvoice | Self::CannotSell(_) => "Cannot be sold just now",
            Self::Unavailable(_) | Self::NotReady => "Not available now",
            Self::OriginFailed(_) | Self::OriginChallenges(_) => "The origin failed",
            Self::OriginTimeout(_) => "The origin took too long",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            // One body for all of them (T25); the log says which (C1).
            Self::Malformed(Malformed::Credential(_)) => {
                "The Authorization header cannot be read. Its form is `L402 <macaroon>:<preimage>`, the preimage in 64 hex digits, or `Payment <base64url>`."
            }
            Self::Malformed(why) => return format!("{why}."),
            Self::Forgery { .. } => "It was not made here, or was changed. Ask again without it to get an invoice.",
            Self::Unauthorized => "The signature or key is missing, stale or wrong.",
            Self::UnpaidHead => "Send GET to receive an invoice.",
            Self::Ahead => {
                "This costs something, so it is neither sold nor used up by a prefetch. Ask when it is wanted, without \
                 Sec-Purpose."
            }
            Self::NoRoute => "Nothing is served under this path.",
            Self::NotFound => "There is nothing here for this request.",
            Self::Method(allowed) => return format!("This route takes {}.", allowed.to_string().replace(',', ", ")),
            Self::InFlight => "Another request with the same payment is being delivered. Wait for it, then try again.",
            Self::Conflict => "The same id was used with another content.",
            Self::KeyReused => "Another request was sent under this Idempotency-Key. A new request takes a new key.",
            Self::BodyTooLarge => "Send a smaller body.",
            Self::BodyLate => "Nothing was done. Send the request again, with its whole body within 10 seconds.",
            Self::TooManyInvoices(_) => "Pay one of the invoices you have, or wait and try again.",
            Self::OtherSite => "Only a page of this site may do this.",
            Self::TooOften(_) => "Wait for as long as Retry-After says.",
            Self::BadInvoice | Self::CannotSell(_) => {
                "Cannot be sold just now. Nothing was charged. Paid tokens keep working; try again later."
            }
            Self::Unavailable(_) => "Nothing was charged. Paid tokens keep working. Try again later.",
            Self::NotReady => "The operator must finish the configuration; the log names the key.",
            Self::OriginFailed(stake) | Self::OriginTimeout(stake) => stake.sentence(),
            Self::OriginChallenges(Stake::Payment) => {
                "The origin asks for a login or a payment of its own. The payment was not used up."
            }
            Self::OriginChallenges(Stake::Nothing) => {
                "The origin asks for a payment of its own, which does not go out. Nothing was charged."
            }
        }
        .to_owned()
    }

    /// The whole answer. A HEAD request gets it without its body.
    #[must_use]
    pub fn answer(&self, is_head: bool) -> Answer {
        let mut body = problem("about:blank", self.title(), self.status(), &self.detail());
        if matches!(self, Self::CannotSell(_) | Self::BadInvoice) {
            body.insert("code".to_owned(), CANNOT_BE_SOLD.into());
        }
        let mut headers = common_headers();
        match self {
            Self::Forgery { service } => headers.push(("www-authenticate", format!("L402 realm=\"{service}\""))),
            Self::Method(allowed) => headers.push(("allow", allowed.to_string().replace(',', ", "))),
            Self::TooManyInvoices(seconds)
            | Self::TooOften(seconds)
            | Self::CannotSell(seconds)
            | Self::Unavailable(seconds) => headers.push(("retry-after", seconds.to_string())),
            Self::BadInvoice => headers.push(("retry-after", "30".to_owned())),
            Self::NotReady => headers.push(("retry-after", "60".to_owned())),
            Self::InFlight => headers.push(("retry-after", "1".to_owned())),
            _ => {}
        }
        let body = if is_head { String::new() } else { Value::Object(body).to_string() };
        Answer { status: self.status(), headers, body }
    }
}

/// What every answer of ours carries: never cached, readable by scripts, taken at its word.
#[must_use]
pub fn common_headers() -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/problem+json".to_owned()),
        ("cache-control", "no-store".to_owned()),
        ("access-control-allow-origin", "*".to_owned()),
        ("access-control-expose-headers", crate::response::EXPOSED.to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("referrer-policy", "no-referrer".to_owned()),
    ]
}

/// The members that every problem document has (RFC 9457 §3.1).
#[must_use]
pub fn problem(kind: &str, title: &str, status: u16, detail: &str) -> Map<String, Value> {
    match json!({"type": kind, "title": title, "status": status, "detail": detail}) {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// What a 402 is called: a first visit, or what the credential that came along is worth. A visitor with a cookie that is not ours
/// is a first visit.
#[must_use]
pub const fn payment_title(reason: Option<Denial>) -> &'static str {
    match reason {
        Some(Denial::WrongPreimage) => "The preimage does not belong to this macaroon",
        Some(Denial::Expired) => "The access that was paid for has ended",
        Some(Denial::ChallengeExpired) => "The challenge has expired",
        Some(Denial::OtherService) => "Paid for something else",
        Some(Denial::OtherRoute) => "Paid for another part of this service",
        Some(Denial::OtherMethod) => "Paid for other methods",
        Some(Denial::OtherDeployment) => "Paid elsewhere",
        Some(Denial::OtherBody) => "Paid for another request body",
        Some(Denial::MissingCaveat | Denial::WidenedCaveat | Denial::UnknownCaveat | Denial::TooManyCaps) => {
            "The token does not permit this"
        }
        Some(Denial::KeyRetired) => "The token's key is retired",
        Some(Denial::AttestedOnly) => "The service takes no such token",
        Some(Denial::UsedUp) => "The token is used up",
        Some(Denial::CapReached(_) | Denial::TooManyTokens) => "A limit of the token is reached",
        Some(Denial::UnknownChallenge) => "The challenge is for something else",
        Some(Denial::BalanceTooLow) => "The balance is too low",
        Some(
            Denial::SessionUnknown
            | Denial::SessionClosed
            | Denial::SessionTooLow
            | Denial::SessionFull
            | Denial::SessionUnclear
            | Denial::BadReturnInvoice
            | Denial::OtherDeposit,
        ) => "The session does not pay for this",
        None | Some(Denial::UnknownKey | Denial::BadSignature | Denial::ThirdPartyCaveat) => "Payment required",
    }
}

/// Why the credential that came along did not do, as whole sentences for the person who sent it; `None` on a first visit.
#[must_use]
pub fn payment_reason(reason: Option<Denial>) -> Option<String> {
    let denial = reason.filter(|denial| !denial.is_forgery())?;
    Some(match denial {
        Denial::WrongPreimage => {
            "The preimage does not belong to this macaroon. Do not pay again: look up the preimage of the invoice that came \
             with this macaroon, and send those two together."
                .to_owned()
        }
        // Whose limit it was, an agent cannot find out otherwise: its own, or one of those it has the token from.
        Denial::CapReached(_) => format!("No more is permitted: {denial}."),
        Denial::KeyRetired => {
            "The operator has retired the key that signed the token, and what was signed with it opens nothing more.".to_owned()
        }
        Denial::OtherMethod => "The token was bought for other methods than that of this request.".to_owned(),
        Denial::OtherBody => {
            "The token is bound to another request body. Send the body that it was bought for, byte for byte.".to_owned()
        }
        denial => {
            let text = denial.to_string();
            let mut letters = text.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters).chain(['.']).collect()
        }
    })
}

/// The Payment problem type of a 402 (`wire.md` §4.6).
#[must_use]
pub const fn payment_type(reason: Option<Denial>) -> &'static str {
    match reason {
        Some(Denial::Expired | Denial::ChallengeExpired) => "https://paymentauth.org/problems/payment-expired",
        Some(Denial::WrongPreimage) => "https://paymentauth.org/problems/verification-failed",
        Some(Denial::UnknownChallenge | Denial::UsedUp | Denial::CapReached(_)) => {
            "https://paymentauth.org/problems/invalid-challenge"
        }
        _ => "https://paymentauth.org/problems/payment-required",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_problem_document_that_no_cache_keeps_t40() {
        let answer = Refusal::NoRoute.answer(false);
        assert_eq!(answer.status, 404);
        assert!(answer.headers.contains(&("cache-control", "no-store".to_owned())));
        assert_eq!(
            answer.body,
            r#"{"detail":"Nothing is served under this path.","status":404,"title":"Not found","type":"about:blank"}"#
        );
    }

    #[test]
    fn every_forgery_gets_the_same_bytes_t25() {
        let answer = Refusal::Forgery { service: "api" }.answer(false);
        assert_eq!(answer.headers.last(), Some(&("www-authenticate", "L402 realm=\"api\"".to_owned())));
        assert!(!answer.body.contains("key") && !answer.body.contains("signature"), "{}", answer.body);
    }

    /// D7: a program tells "nothing is for sale now" from "too many requests" by one member.
    #[test]
    fn what_cannot_be_sold_says_so_and_when_to_come_back_d7() {
        let answer = Refusal::CannotSell(5).answer(false);
        assert_eq!(answer.status, 503);
        assert!(answer.headers.contains(&("retry-after", "5".to_owned())));
        assert_eq!(
            answer.body,
            r#"{"code":"cannot_be_sold","detail":"Cannot be sold just now. Nothing was charged. Paid tokens keep working; try again later.","status":503,"title":"Cannot be sold just now","type":"about:blank"}"#
        );
        for other in [Refusal::TooManyInvoices(5), Refusal::TooOften(5), Refusal::NotReady, Refusal::Unavailable(5)] {
            assert!(!other.answer(false).body.contains(CANNOT_BE_SOLD), "{other:?}");
        }
    }

    /// D6: who pays twice because a 402 looks like the first one has a right to be told; who brings nothing is told nothing.
    #[test]
    fn each_denial_has_a_title_and_a_sentence_that_a_first_visit_has_not_d6() {
        let cap = crate::caps::Cap { place: 4, limit: crate::caps::Limit::Uses(3) };
        let denials = [
            Denial::WrongPreimage,
            Denial::KeyRetired,
            Denial::Expired,
            Denial::OtherService,
            Denial::OtherRoute,
            Denial::OtherMethod,
            Denial::OtherDeployment,
            Denial::OtherBody,
            Denial::MissingCaveat,
            Denial::WidenedCaveat,
            Denial::UnknownCaveat,
            Denial::AttestedOnly,
            Denial::UsedUp,
            Denial::CapReached(cap),
            Denial::TooManyCaps,
            Denial::UnknownChallenge,
            Denial::ChallengeExpired,
            Denial::BalanceTooLow,
            Denial::SessionUnknown,
            Denial::SessionClosed,
            Denial::SessionTooLow,
            Denial::BadReturnInvoice,
            Denial::OtherDeposit,
            Denial::SessionFull,
            Denial::SessionUnclear,
        ];
        let mut sentences: Vec<String> = denials.iter().filter_map(|denial| payment_reason(Some(*denial))).collect();
        for (denial, sentence) in denials.iter().zip(&sentences) {
            assert_ne!(payment_title(Some(*denial)), payment_title(None), "{denial:?}");
            assert!(sentence.starts_with(|c: char| c.is_ascii_uppercase()) && sentence.ends_with('.'), "{sentence}");
        }
        sentences.sort_unstable();
        sentences.dedup();
        assert_eq!(sentences.len(), denials.len(), "{sentences:#?}");
        for forged in [Denial::UnknownKey, Denial::BadSignature, Denial::ThirdPartyCaveat] {
            assert_eq!((payment_reason(Some(forged)), payment_title(Some(forged))), (None, payment_title(None)));
        }
    }

    /// D8: nobody's payment is at stake where nobody paid.
    #[test]
    fn a_free_route_speaks_of_no_payment_d8() {
        for refusal in [Refusal::OriginFailed, Refusal::OriginTimeout, Refusal::OriginChallenges] {
            let (free, paid) = (refusal(Stake::Nothing).answer(false).body, refusal(Stake::Payment).answer(false).body);
            assert!(free.contains("Nothing was charged.") && !free.contains("not used up"), "{free}");
            assert!(paid.contains("The payment was not used up."), "{paid}");
        }
    }

    #[test]
    fn a_head_request_gets_no_body_and_no_challenge() {
        let answer = Refusal::UnpaidHead.answer(true);
        assert_eq!((answer.status, answer.body.as_str()), (402, ""));
        assert!(!answer.headers.iter().any(|(name, _)| *name == "www-authenticate"));
    }
}
