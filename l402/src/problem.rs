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
    /// This payment is being delivered by another request at this moment.
    InFlight,
    /// The client asked for too many invoices; seconds to wait.
    TooManyInvoices(u64),
    /// The deployment as a whole is out of invoices, or cannot reach its node; seconds to wait.
    Unavailable(u64),
    /// Configuration is missing or wrong; the operator's log says what.
    NotReady,
    /// The node webhook answered with something that is no invoice for this price.
    BadInvoice,
    /// The origin did not answer.
    OriginFailed,
    /// The origin did not answer in time.
    OriginTimeout,
    /// The origin asks for a login or a payment itself (T37).
    OriginChallenges,
    /// Nothing here: the one answer of every look-up that finds nothing (T64).
    NotFound,
    /// The body is over the limit.
    BodyTooLarge,
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
            Self::InFlight | Self::Conflict => 409,
            Self::BodyTooLarge => 413,
            Self::KeyReused => 422,
            Self::TooManyInvoices(_) | Self::TooOften(_) => 429,
            Self::BadInvoice | Self::OriginFailed | Self::OriginChallenges => 502,
            Self::Unavailable(_) | Self::NotReady => 503,
            Self::OriginTimeout => 504,
        }
    }

    fn title(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "The request cannot be read",
            Self::Forgery { .. } => "The credential is not valid",
            Self::Unauthorized => "Not authorized",
            Self::UnpaidHead => "Payment required",
            Self::NoRoute | Self::NotFound => "Not found",
            Self::Method(_) => "Method not allowed",
            Self::InFlight => "This payment is being redeemed",
            Self::Conflict => "Contradicts what was said before",
            Self::KeyReused => "The idempotency key was used before",
            Self::BodyTooLarge => "The body is too large",
            Self::OtherSite => "Not from another site",
            Self::TooManyInvoices(_) => "Too many invoices",
            Self::TooOften(_) => "Too many requests",
            Self::BadInvoice => "The node's answer cannot be used",
            Self::Unavailable(_) | Self::NotReady => "Not available now",
            Self::OriginFailed | Self::OriginChallenges => "The origin failed",
            Self::OriginTimeout => "The origin took too long",
        }
    }

    fn detail(&self) -> String {
        match self {
            // One body for all of them (T25); the log says which (C1).
            Self::Malformed(Malformed::Credential(_)) => {
                "The Authorization header cannot be read. Its form is `L402 <macaroon>:<preimage>`, the preimage in 64 hex digits, or `Payment <base64url>`."
            }
            Self::Malformed(why) => return format!("{why}."),
            Self::Forgery { .. } => "It was not made here, or was changed. Ask again without it to get an invoice.",
            Self::Unauthorized => "The signature or key is missing, stale or wrong.",
            Self::UnpaidHead => "Send GET to receive an invoice.",
            Self::NoRoute => "Nothing is served under this path.",
            Self::NotFound => "There is nothing here for this request.",
            Self::Method(allowed) => return format!("This route takes {}.", allowed.to_string().replace(',', ", ")),
            Self::InFlight => "Another request with the same payment is being delivered. Wait for it, then try again.",
            Self::Conflict => "The same id was used with another content.",
            Self::KeyReused => "Another request was sent under this Idempotency-Key. A new request takes a new key.",
            Self::BodyTooLarge => "Send a smaller body.",
            Self::TooManyInvoices(_) => "Pay one of the invoices you have, or wait and try again.",
            Self::OtherSite => "Only a page of this site may do this.",
            Self::TooOften(_) => "Wait for as long as Retry-After says.",
            Self::BadInvoice => "Nothing was charged. Try again later.",
            Self::Unavailable(_) => "Nothing was charged. Paid tokens keep working. Try again later.",
            Self::NotReady => "The operator must finish the configuration; the log names the key.",
            Self::OriginFailed => "The payment was not used up. Send the same request again.",
            Self::OriginTimeout => "The payment was not used up. Send the same request again.",
            Self::OriginChallenges => {
                "The origin asks for a login or a payment of its own. The payment was not used up."
            }
        }
        .to_owned()
    }

    /// The whole answer. A HEAD request gets it without its body.
    #[must_use]
    pub fn answer(&self, is_head: bool) -> Answer {
        let body = problem("about:blank", self.title(), self.status(), &self.detail());
        let mut headers = common_headers();
        match self {
            Self::Forgery { service } => headers.push(("www-authenticate", format!("L402 realm=\"{service}\""))),
            Self::Method(allowed) => headers.push(("allow", allowed.to_string().replace(',', ", "))),
            Self::TooManyInvoices(seconds) | Self::TooOften(seconds) | Self::Unavailable(seconds) => {
                headers.push(("retry-after", seconds.to_string()))
            }
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
        ("access-control-expose-headers", crate::headers::EXPOSED.to_owned()),
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

    #[test]
    fn a_head_request_gets_no_body_and_no_challenge() {
        let answer = Refusal::UnpaidHead.answer(true);
        assert_eq!((answer.status, answer.body.as_str()), (402, ""));
        assert!(!answer.headers.iter().any(|(name, _)| *name == "www-authenticate"));
    }
}
