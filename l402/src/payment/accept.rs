//! `Accept-Payment`: does this client name Lightning itself? (`wire.md` 4.7, D2)

use super::{CHARGE, METHOD, SESSION};

/// Whether the header names `lightning/charge` or `lightning/*` with q > 0, so that the Payment challenge goes first.
///
/// A wildcard method does not count: a client that takes anything takes L402 first. The most specific range wins; a
/// header that cannot be read is ignored, as the draft allows.
///
/// ```
/// use l402::payment::prefers_payment;
/// assert!(prefers_payment(Some("tempo/*;q=0.9, lightning/charge;q=0.1")));
/// assert!(!prefers_payment(Some("*/*")));
/// assert!(!prefers_payment(None));
/// ```
#[must_use]
pub fn prefers_payment(unverified_header: Option<&str>) -> bool {
    unverified_header.is_some_and(|header| weight(header, CHARGE).is_some_and(|(_, weight)| weight > 0))
}

/// Whether the header names `lightning/session`, and no other intent of Lightning as much.
///
/// A session is for a client that says it has them: a deposit is more than a price. Where a charge is named with the same
/// weight, a charge is what is asked for.
///
/// ```
/// use l402::payment::prefers_session;
/// assert!(prefers_session(Some("lightning/session, lightning/charge;q=0.5")));
/// assert!(!prefers_session(Some("lightning/session, lightning/charge")));
/// assert!(!prefers_session(Some("lightning/*")));
/// ```
#[must_use]
pub fn prefers_session(unverified_header: Option<&str>) -> bool {
    let Some(header) = unverified_header else { return false };
    let charge = weight(header, CHARGE).map_or(0, |(_, weight)| weight);
    weight(header, SESSION).is_some_and(|(is_exact, weight)| is_exact && weight > charge)
}

/// Whether the header names `lightning/session` or `lightning/*` with q > 0: this client understands what we say of a session
/// in a stream of events.
///
/// ```
/// use l402::payment::takes_session;
/// assert!(takes_session(Some("lightning/session;q=0.1, lightning/charge")));
/// assert!(!takes_session(Some("lightning/charge")));
/// assert!(!takes_session(None));
/// ```
#[must_use]
pub fn takes_session(unverified_header: Option<&str>) -> bool {
    unverified_header.is_some_and(|header| weight(header, SESSION).is_some_and(|(_, weight)| weight > 0))
}

/// The weight of `lightning/<intent>`, and whether it is named itself; `None` where Lightning is not, or nothing can be
/// read.
fn weight(header: &str, intent: &str) -> Option<(bool, u16)> {
    let mut named: Option<(bool, u16)> = None;
    for element in header.split(',').map(trim).filter(|element| !element.is_empty()) {
        let (method, range_intent, weight) = range(element)?;
        let exact = range_intent == intent;
        let more_specific = named.is_none_or(|(was_exact, _)| exact && !was_exact);
        if method == METHOD && (exact || range_intent == "*") && more_specific {
            named = Some((exact, weight));
        }
    }
    named
}

/// `method/intent;q=0.5` as its names and thousandths.
fn range(element: &str) -> Option<(&str, &str, u16)> {
    let mut parts = element.split(';').map(trim);
    let (method, intent) = parts.next()?.split_once('/')?;
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !(method == "*" || is_name(method)) || !(intent == "*" || is_name(intent)) {
        return None;
    }
    let mut weight = 1_000;
    for part in parts {
        let (name, value) = part.split_once('=')?;
        if name.eq_ignore_ascii_case("q") {
            weight = thousandths(value)?;
        }
    }
    Some((method, intent, weight))
}

/// A weight of RFC 9110 §12.4.2: `0` to `1` with at most three decimals.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    if decimals.len() > 3 || !decimals.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{decimals:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1_000),
        _ => None,
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, ending: bool) {
        assert_eq!(prefers_payment(Some(header)), ending, "{header}");
    }

    #[test]
    fn lightning_named_with_a_weight_prefers_payment() {
        check("lightning/charge", true);
        check("lightning/*", true);
        check("lightning/charge ; q=0.001", true);
        check("tempo/charge, lightning/charge;q=0.1, */session;q=0", true);
        check(" , lightning/charge;q=1.000,", true);
    }

    #[test]
    fn anything_else_does_not() {
        check("", false);
        check("*/*", false);
        check("*/charge", false);
        check("tempo/charge", false);
        check("lightning/session", false);
        check("lightning/charge;q=0", false);
        check("lightning/charge;q=0.000", false);
    }

    #[test]
    fn a_session_is_for_those_who_name_it_before_a_charge() {
        for header in ["lightning/session", "lightning/session;q=0.2, lightning/charge;q=0.1", "*/*, lightning/session"]
        {
            assert!(prefers_session(Some(header)), "{header}");
        }
        for header in [
            "lightning/*",
            "*/session",
            "lightning/session;q=0",
            "lightning/session, lightning/charge",
            "lightning/session;q=0.5, lightning/*",
            "lightning/session, ⚡",
            "",
        ] {
            assert!(!prefers_session(Some(header)), "{header}");
        }
        assert!(!prefers_session(None));
    }

    #[test]
    fn the_most_specific_range_wins_wherever_it_stands() {
        check("lightning/*, lightning/charge;q=0", false);
        check("lightning/charge;q=0, lightning/*", false);
        check("lightning/*;q=0, lightning/charge", true);
    }

    #[test]
    fn a_header_that_cannot_be_read_is_ignored() {
        for header in ["lightning", "lightning/", "/charge", "lightning/charge;q=2", "lightning/charge;q=0.0001"] {
            check(header, false);
        }
        check("lightning/charge;q=", false);
        check("lightning/charge;q", false);
        check("lightning/charge, ⚡", false);
    }
}
