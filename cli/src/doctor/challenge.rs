//! The challenge: is it there, can it be read, and by whom?

use l402::auth_param::{self, Challenge};
use l402::payer::{Offer, PayerFault};

use super::clients::Form;
use super::probe::Answers;
use super::report::Report;

/// Grades it. `None` when there is nothing to pay, so that nothing more can be said.
pub fn grade(report: &mut Report, answers: &Answers) -> Option<Offer> {
    let seen = &answers.first;
    report.section("Challenge");
    match seen.status {
        402 => report.good("challenge.status", "an unpaid request gets 402 Payment Required"),
        401 if seen.offer().is_some() => report.fail(
            "challenge.status",
            "the challenge comes with 401",
            "Answer 402: clients drop a dead token and pay anew on 402 only.",
        ),
        _ => {
            super::status::explain(report, seen);
            return None;
        }
    }
    let loose = seen.loose();
    let in_body = loose.as_ref().is_some_and(|loose| loose.is_in_body);
    let todo = "Send `WWW-Authenticate: L402 macaroon=\"…\", invoice=\"…\"` with the 402.";
    if in_body {
        report.fail("challenge.present", "the challenge stands in the JSON body, and not in WWW-Authenticate", todo);
    } else if seen.challenges.is_empty() {
        report.fail("challenge.present", "there is no WWW-Authenticate field", todo);
        return None;
    }
    let mut all: Vec<Challenge> = Vec::new();
    for line in &seen.challenges {
        match auth_param::parse(line) {
            Ok(challenges) => all.extend(challenges),
            Err(fault) => {
                let says = if loose.is_some() {
                    format!("WWW-Authenticate breaks the grammar, and can mean one thing only: {fault}")
                } else {
                    format!("WWW-Authenticate cannot be read: {fault}")
                };
                let todo = "Quote every value, put a comma between parameters, name none twice (RFC 9110, 11.6.1).";
                report.fail("challenge.grammar", says, todo);
            }
        }
    }
    let lines = seen.lines();
    let strict = Offer::read(&lines);
    // Only where the grammar does not say what is offered does it matter what is meant.
    let loose = loose.filter(|_| strict.is_err());
    if let Some(loose) = &loose {
        all.clone_from(&loose.challenges);
    }
    if let Some(form) = Form::of(&all, &lines, loose.as_ref()) {
        order(report, form, &all);
    }
    payment(report, &all);
    let read = match &loose {
        Some(loose) => Offer::read(&[&loose.challenge]),
        None => strict,
    };
    match read {
        Ok(offer) => {
            report.good("challenge.offer", format!("it offers a token and an invoice of {}", offer.amount));
            Some(offer)
        }
        Err(fault) => {
            report.fail("challenge.offer", fault.to_string(), advice(fault));
            None
        }
    }
}

const fn advice(fault: PayerFault) -> &'static str {
    match fault {
        PayerFault::NoChallenge => "Offer `L402` with `macaroon` and `invoice`; this speaks to no L402 client.",
        PayerFault::BadToken => "`macaroon` is base64, and `token`, if it is there too, the same text.",
        PayerFault::NoAmount => {
            "Put the price into the invoice: with an amountless one clients pay nothing, or too much."
        }
        _ => "Send the invoice exactly as the node made it.",
    }
}

fn order(report: &mut Report, form: Form, all: &[Challenge]) {
    let (read_by, unread_by) = form.clients();
    if unread_by.is_empty() {
        let says = format!("the form is one that all {} measured clients read", Form::measured());
        report.good("challenge.order", says);
    } else {
        report.warn(
            "challenge.order",
            format!("read by {}; not read by {}", read_by.join(", "), unread_by.join(", ")),
            "What all read: `L402` as the first word, then `macaroon=\"…\", invoice=\"…\"`, then anything else.",
        );
    }
    let position = |scheme: &str| all.iter().position(|challenge| challenge.is(scheme));
    match (position("L402"), position("LSAT")) {
        (Some(new), Some(old)) if old < new => report
            .info("challenge.lsat", "the old name LSAT stands before L402; some clients will answer with the old one"),
        (Some(_), Some(_)) => report.info("challenge.lsat", "LSAT, the old name, is offered beside L402"),
        (None, Some(_)) => report.warn(
            "challenge.lsat",
            "only LSAT is offered, the old name",
            "Offer `L402` too; newer clients look for nothing else.",
        ),
        _ => {}
    }
}

fn payment(report: &mut Report, all: &[Challenge]) {
    let lightning = |challenge: &&Challenge| challenge.is("Payment") && challenge.param("method") == Some("lightning");
    match all.iter().find(lightning) {
        Some(challenge) if challenge.param("expires").is_none() => report.warn(
            "challenge.payment",
            "a `Payment` challenge without `expires` is there",
            "Name `expires`: mppx takes a challenge without it for invalid.",
        ),
        Some(_) => report.info("challenge.payment", "a `Payment` (MPP) challenge is offered, too"),
        None => {
            report.info("challenge.payment", "no `Payment` (MPP) challenge; clients of that scheme cannot pay here")
        }
    }
}
