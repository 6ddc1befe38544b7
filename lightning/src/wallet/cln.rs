//! Core Lightning as a payer, over clnrest (`doc/schemas/{xpay,listpays}.json` of v24.11 and later).
//!
//! `type=clnrest;server=https://127.0.0.1:3010;rune=…;certthumbprint=<sha-256>`
//!
//! Least privilege: `lightning-cli createrune restrictions='[["method=xpay","method=listpays"]]'`.
//!
//! Habits: every call is a `POST`, and its success is 201; an error of the node is 500 with a `code`. `xpay` needs no
//! description for an invoice that has only the hash of one, as Lightning addresses make them; it takes `amount_msat` for an
//! invoice that names no amount, and demands it then, and for no other. Between two attempts of one payment `listpays` says `failed`; and a payment may have several rows there, an old failed one among them.

use l402::{Msat, PaymentHash};
use serde_json::Value;

use super::{Outcome, PAYMENT_S, Payment, Wallet, of_status};
use crate::call::Step;
use crate::connection::{Access, ConnectionFault, Parameters};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json::{self, Field};

/// Its `type`.
pub const KIND: &str = "clnrest";

/// Errors of `xpay` by which it gave up: refused by the recipient, no way there, out of time, any other end of a payment.
const GAVE_UP: [i64; 4] = [203, 205, 207, 209];

/// A Core Lightning node that pays.
#[derive(Clone, Debug)]
pub struct ClnWallet {
    access: Access,
}

impl ClnWallet {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let access = parameters.access(None, "rune")?;
        let place = access.server.place.clone();
        Ok((Self { access }, place))
    }

    fn call(&self, method: &str, parameters: &[(&'static str, Field<'_>)]) -> HttpRequest {
        let url = self.access.server.at(&format!("/v1/{method}"));
        HttpRequest::post_json(url, &json::object(parameters)).with("rune", self.access.credential.expose())
    }
}

impl Wallet for ClnWallet {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn limits_fees(&self) -> bool {
        true
    }

    fn may_try_again(&self) -> bool {
        true
    }

    fn pay(&self, payment: &Payment<'_>, replies: &[HttpReply]) -> Result<Step<Outcome>, BackendFault> {
        let [reply, ..] = replies else {
            let mut parameters = vec![
                ("invstring", Field::Text(payment.bolt11)),
                ("maxfee", Field::Number(payment.max_fee.0)),
                ("retry_for", Field::Number(PAYMENT_S)),
            ];
            parameters.extend(payment.amount_to_tell().map(|amount| ("amount_msat", Field::Number(amount.0))));
            return Ok(Step::Ask(self.call("xpay", &parameters)));
        };
        let Ok(body) = json::parse(reply) else { return of_status(reply.status).map(Step::Done) };
        if matches!(reply.status, 200..=299) {
            return paid(payment.payment_hash, &body, "/payment_preimage").map(Step::Done);
        }
        match body.get("code").and_then(Value::as_i64) {
            Some(code) if GAVE_UP.contains(&code) => {
                Ok(Step::Done(Outcome::failed(json::text(&body, "/message").unwrap_or("no reason given"))))
            }
            // Paid before (219), and what has no code of its own (-1): a look will tell.
            Some(_) if reply.status == 500 => Ok(Step::Done(Outcome::Unknown)),
            _ => of_status(reply.status).map(Step::Done),
        }
    }

    fn look(&self, payment_hash: PaymentHash, replies: &[HttpReply]) -> Result<Step<Outcome>, BackendFault> {
        let [reply, ..] = replies else {
            let hash = payment_hash.to_string();
            return Ok(Step::Ask(self.call("listpays", &[("payment_hash", Field::Text(&hash))])));
        };
        let reply = json::of_success(reply)?;
        let pays = reply.get("pays").and_then(Value::as_array).ok_or(BackendFault::Unreadable)?;
        outcome(payment_hash, pays).map(Step::Done)
    }
}

/// One row that is complete makes it paid, one that is open keeps it open; failed is what is failed in all rows.
fn outcome(hash: PaymentHash, pays: &[Value]) -> Result<Outcome, BackendFault> {
    let mut all = Outcome::NotFound;
    for pay in pays {
        if json::hash(pay, "/payment_hash") != Some(hash) {
            return Err(BackendFault::WrongInvoice);
        }
        match json::required(pay, "/status")? {
            "complete" => return paid(hash, pay, "/preimage"),
            "failed" if all == Outcome::NotFound => all = Outcome::failed("Core Lightning says failed"),
            "failed" => {}
            "pending" => all = Outcome::Unknown,
            _ => return Err(BackendFault::Unreadable),
        }
    }
    Ok(all)
}

/// What routing cost is what was sent above what arrived.
fn paid(hash: PaymentHash, reply: &Value, preimage: &str) -> Result<Outcome, BackendFault> {
    let (sent, arrived) =
        (json::msat_with_unit(reply, "/amount_sent_msat"), json::msat_with_unit(reply, "/amount_msat"));
    let fee = sent.zip(arrived).and_then(|(sent, arrived)| sent.0.checked_sub(arrived.0)).map(Msat);
    Outcome::paid(hash, json::preimage(reply, preimage), fee)
}
