//! The first answer, when it is no challenge: what its status means, and what to ask about instead.

use super::probe::Seen;
use super::report::Report;
use crate::say::printable;

/// Says why there is nothing to grade. Statuses as in RFC 9110, 15.
pub fn explain(report: &mut Report, seen: &Seen) {
    let status = seen.status;
    let field = |name: &str| seen.header(name).map(|text| printable(&text)).filter(|text| !text.is_empty());
    let (says, todo) = match status {
        200..=299 => (
            format!("the answer is {status}: it is handed out without a payment"),
            "If this should be sold, it is free or unguarded. Else give doctor a URL that is sold.",
        ),
        304 => (
            "the answer is 304, to a question that named no version of it".to_owned(),
            "Something before the seller answers out of a cache; ask about a URL that is sold, past that cache.",
        ),
        300..=399 => (
            match field("location") {
                Some(to) => format!("the answer is {status}, a redirect to {to}"),
                None => format!("the answer is {status}, a redirect that does not say where to"),
            },
            "Ask doctor about the final URL; payers do not follow redirects with money in hand.",
        ),
        401 | 403 => (
            format!("the answer is {status}, without an offer: something else than a payment opens it"),
            "An account, a key, or a list of addresses stands before it. Give doctor a URL that a payment opens.",
        ),
        404 | 410 => (
            format!("the answer is {status}: nothing is there, neither sold nor free"),
            "Is the path right? A turnstile sells what its policy names, and answers 404 to the rest.",
        ),
        405 => (
            match field("allow") {
                Some(allow) => format!("the answer is 405: it is there, and takes {allow}"),
                None => "the answer is 405: it is there, and does not take GET".to_owned(),
            },
            "Doctor asks by GET alone. Give it a URL of the same seller that is sold by GET.",
        ),
        421 => (
            "the answer is 421: the server does not answer to this host".to_owned(),
            "Ask by the name that the seller uses; a policy of Satstile lists its names in `hosts`.",
        ),
        429 | 503 => (
            match field("retry-after") {
                Some(after) => format!("the answer is {status}: no invoice to be had now (Retry-After: {after})"),
                None => format!("the answer is {status}: no invoice to be had now"),
            },
            "Try again later; if it stays so, look at the node behind it.",
        ),
        500..=599 => (
            format!("the answer is {status}: the server failed before it could name a price"),
            "Look into its log, and into that of whatever stands before it. Whether this is sold cannot be told.",
        ),
        400..=499 => (
            format!("the answer is {status}: the server does not take this request"),
            "Doctor asks by GET, without a body. Give it a URL that is sold as it stands.",
        ),
        _ => (format!("the answer is {status}, not 402"), "Give doctor a URL that is sold: one that answers 402."),
    };
    report.fail("challenge.status", says, todo);
}
