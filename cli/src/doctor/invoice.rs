//! The invoice and the token: do they belong together, and does the rest of the answer agree?

use l402::bolt11::{self, Network};
use l402::payer::{Offer, UnverifiedTerms};
use serde_json::Value;

use super::probe::Answers;
use super::report::Report;
use crate::http::Url;
use crate::say::{distance, moment, printable};
use crate::token::view::View;

/// A buyer needs time to pay.
const LEFT_MIN_S: u64 = 60;

/// Grades them.
pub fn grade(report: &mut Report, url: &Url, answers: &Answers, offer: &Offer) {
    invoice(report, url, answers, offer);
    token(report, answers, offer);
}

fn invoice(report: &mut Report, url: &Url, answers: &Answers, offer: &Offer) {
    let (seen, invoice) = (&answers.first, &offer.invoice);
    report.section("Invoice");
    if invoice.network != Network::Mainnet && !url.is_loopback() {
        report.warn(
            "invoice.network",
            format!("it is for {}: no real money", invoice.network),
            "Fine for a test; a seller's invoices begin with lnbc.",
        );
    } else {
        report.good("invoice.network", format!("{} on {}", offer.amount, invoice.network));
    }
    let left = seen.at.until(offer.expires_at());
    let ends = distance(seen.at, offer.expires_at());
    if left < LEFT_MIN_S {
        report.fail(
            "invoice.expiry",
            format!("it ends {ends}"),
            "Leave at least a minute, better ten, for a person to pay.",
        );
    } else {
        report.good("invoice.expiry", format!("it can be paid for a while: it ends {ends}"));
    }
    if invoice.timestamp > seen.at.plus(bolt11::CLOCK_SKEW_S) {
        report.warn("invoice.clock", "it was made in the future", "Set the clock of the Lightning node.");
    }
    if invoice.has_payment_secret {
        report.good("invoice.secret", "it has a payment secret");
    } else {
        report.fail(
            "invoice.secret",
            "it has no payment secret",
            "Update the node: wallets refuse to pay without one.",
        );
    }
    match &answers.second {
        None => {
            report.warn("invoice.fresh", "a second request was not answered", "Look whether a rate limit is very low.")
        }
        Some(second) => match second.offer() {
            Some(other) if other.payment_hash() == offer.payment_hash() => report.fail(
                "invoice.fresh",
                "two requests got the same payment hash",
                "Make an invoice for each challenge: whoever pays one opens the other.",
            ),
            Some(_) => report.good("invoice.fresh", "each request gets an invoice of its own"),
            None => report.warn(
                "invoice.fresh",
                format!("a second request got no invoice ({})", second.status),
                "If that is a limit for one client, it is a very low one.",
            ),
        },
    }
    body(report, answers, offer);
}

/// What the body says, where it says anything.
fn body(report: &mut Report, answers: &Answers, offer: &Offer) {
    let Ok(body) = serde_json::from_slice::<Value>(&answers.first.body) else {
        return report.info("invoice.body", "the body is no JSON; programs read the header alone");
    };
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| body.get(name).and_then(Value::as_u64);
    let terms = UnverifiedTerms {
        amount_msat: number("amount_msat"),
        payment_hash: text("payment_hash"),
        invoice: text("invoice"),
        macaroon: text("macaroon"),
        expires_at: None,
        network: None,
    };
    let sats = number("amount_sats").or_else(|| number("price_sats")).or_else(|| number("price"));
    let sats_agree = sats.is_none_or(|sats| sats == offer.amount.sats_up());
    match offer.check(&terms) {
        Ok(()) if sats_agree => report.good("invoice.body", "the JSON body says the same as the invoice"),
        Ok(()) => report.fail("invoice.body", "the body names another price than the invoice", "Name the invoice's."),
        Err(fault) => report.fail("invoice.body", fault.to_string(), "Body and header are one offer: make them agree."),
    }
    let fields = ["type", "title", "status", "detail"];
    let is_problem = answers.first.header("content-type").is_some_and(|kind| kind.contains("application/problem+json"));
    if is_problem && fields.iter().all(|field| body.get(field).is_some()) {
        report.info("invoice.problem", "the body is problem details (RFC 9457) with type, title, status, detail");
    }
}

fn token(report: &mut Report, answers: &Answers, offer: &Offer) {
    report.section("Token");
    let view = match View::parse(&offer.token) {
        Ok(view) => view,
        Err(fault) => {
            let todo = "Sell macaroons of version 2: lnget and aperture's clients read nothing else.";
            return report.fail("token.macaroon", fault.what, todo);
        }
    };
    match view.parsed {
        None => report.warn(
            "token.identifier",
            format!("its identifier has {} bytes, not the 66 of L402 version 0", view.identifier.len()),
            "lnget refuses it: version (2 bytes of 0), payment hash (32), token id (32).",
        ),
        Some(id) if id.payment_hash == offer.payment_hash() => {
            report.good("token.identifier", "its identifier is version 0 and commits to the invoice's payment hash");
        }
        Some(_) => report.fail(
            "token.identifier",
            "it commits to another payment hash than the invoice's",
            "The preimage of the invoice must open this token: bind it to the same hash.",
        ),
    }
    if let (Some(_), Some(objection)) = (&view.parsed, &view.objection) {
        report.warn("token.form", objection.clone(), "Write it in the one canonical form, without anything after it.");
    }
    if view.third_party > 0 {
        report.warn("token.third", "it has third-party caveats", "No L402 client gets discharges: leave them out.");
    }
    match (view.service(), view.valid_until()) {
        (_, Some(until)) if until <= answers.first.at => {
            report.fail(
                "token.expiry",
                "it has ended before it was sold",
                "Count its life from the end of the invoice on.",
            );
        }
        (Some(service), Some(until)) => {
            let service = printable(service);
            report.good("token.expiry", format!("it opens {service} and ends {}", moment(answers.first.at, until)));
        }
        (Some(service), None) => {
            let service = printable(service);
            report.info("token.expiry", format!("it opens {service} and names no end that is read here"));
        }
        (None, _) => report.info("token.expiry", format!("it has {} caveats and names no service", view.caveats.len())),
    }
}
