//! What does not open: junk, a wrong preimage, a token in the query, HEAD. Each "no" should cost the seller nothing.

use super::probe::{Answers, Seen};
use super::report::Report;

/// Grades them.
pub fn grade(report: &mut Report, answers: &Answers) {
    report.section("Access");
    match &answers.junk {
        None => report.warn("access.junk", "a credential that is none got no answer", "Answer 400 or 401."),
        Some(seen) if opened(seen) => {
            report.fail(
                "access.junk",
                "a credential that is none opens it",
                "Check the token's signature: this is free to all.",
            );
        }
        Some(seen) if seen.status >= 500 => {
            report.fail("access.junk", format!("a credential that is none gets {}", seen.status), "Answer 400 or 401.");
        }
        Some(seen) if seen.offer().is_some() => report.warn(
            "access.junk",
            format!("a credential that is none gets {} and a fresh invoice", seen.status),
            "Answer 400 or 401 without one: each line of junk makes your node work and remember.",
        ),
        Some(seen) if matches!(seen.status, 400 | 401) => {
            report.good("access.junk", format!("a credential that is none gets {} and costs no invoice", seen.status));
        }
        Some(seen) => report.info("access.junk", format!("a credential that is none gets {}", seen.status)),
    }
    match &answers.wrong_preimage {
        None => report.warn("access.preimage", "a wrong preimage got no answer", "Answer 402 or 401."),
        Some(seen) if opened(seen) => report.fail(
            "access.preimage",
            "an unpaid token with a wrong preimage opens it",
            "Check sha256(preimage) against the payment hash in the token: this is free to all.",
        ),
        Some(seen) if matches!(seen.status, 400..=403) => {
            report.good("access.preimage", format!("an unpaid token with a wrong preimage gets {}", seen.status));
        }
        Some(seen) => report.warn(
            "access.preimage",
            format!("an unpaid token with a wrong preimage gets {}", seen.status),
            "Answer 402 with a challenge, so that clients drop the token, or 401.",
        ),
    }
    match &answers.in_query {
        None => {}
        Some(seen) if opened(seen) => report.fail(
            "access.query",
            "an unpaid token in the query opens it",
            "Read credentials from Authorization alone: a query ends up in logs, histories and Referer.",
        ),
        Some(_) => report.good("access.query", "a token in the query opens nothing"),
    }
    match &answers.head {
        None => report.warn("access.head", "HEAD got no answer", "Answer 402, or 405."),
        Some(seen) if opened(seen) => report.warn(
            "access.head",
            format!("HEAD gets {} without a payment", seen.status),
            "Answer 402: length, type and date of what is sold are a part of it.",
        ),
        Some(seen) if seen.offer().is_some() => report.warn(
            "access.head",
            "HEAD makes an invoice",
            "Answer 402 without a challenge: link checkers ask with HEAD, and nodes keep every invoice.",
        ),
        Some(seen) => report.good("access.head", format!("HEAD gets {} and makes no invoice", seen.status)),
    }
}

fn opened(seen: &Seen) -> bool {
    (200..300).contains(&seen.status)
}
