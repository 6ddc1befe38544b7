//! Core Lightning over its own REST plugin, clnrest (`plugins/rest-plugin`, `doc/schemas/*.json` of v24.11 and later).
//!
//! `type=clnrest;server=https://127.0.0.1:3010;rune=…;certthumbprint=<sha-256>`, and with `private-route-hints=true` for
//! a node that has private channels only. The plugin is off until `clnrest-port` is set.
//!
//! Least privilege: `lightning-cli createrune restrictions='[["method=invoice","method=listinvoices",
//! "method=waitanyinvoice"],["rate=120"]]'`; and `"method=delinvoice"` among them, where invoices are withdrawn.
//!
//! Habits: every call is a `POST`, and its success is 201; an error of the node is 500 with a `code`; a label that was
//! used before is error 900. Amounts are plain numbers since v23.11; `"1000msat"` of older ones is read, too; and those break
//! over a description that ends like an amount, so none does. A preimage
//! is shown once an invoice is paid, not before. An invoice is withdrawn by `delinvoice`, which takes the status that it is
//! believed to have, and refuses if it has another one by then; what is deleted is not found afterwards.

use std::borrow::Cow;

use l402::PaymentHash;
use serde_json::Value;

use crate::call::{Backend, Invoice, Order, Preimages, Push, Status, Step, Watched};
use crate::connection::{Access, ConnectionFault, Parameters};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json::{self, Field};

/// Its `type`.
pub const KIND: &str = "clnrest";

/// How long the node keeps [`Cln::wait_any`] waiting, in seconds; who sends it has to wait a little longer.
pub const WAIT_S: u64 = 60;

/// `waitanyinvoice` heard of no payment in time (`doc/schemas/waitanyinvoice.json`).
const TIMEOUT: u64 = 904;

/// A Core Lightning node.
#[derive(Clone, Debug)]
pub struct Cln {
    access: Access,
    private_route_hints: bool,
}

/// A payment out of [`Cln::wait_any`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Which invoice.
    pub payment_hash: PaymentHash,
    /// Where to go on.
    pub pay_index: u64,
}

impl Cln {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let access = parameters.access(None, "rune")?;
        let private_route_hints = parameters.flag("private-route-hints")?;
        let place = access.server.place.clone();
        Ok((Self { access, private_route_hints }, place))
    }

    /// Waits for the first payment after `lastpay_index`, at most [`WAIT_S`]; 0 stands before the first of all.
    #[must_use]
    pub fn wait_any(&self, lastpay_index: u64) -> HttpRequest {
        let fields = [("lastpay_index", Field::Number(lastpay_index)), ("timeout", Field::Number(WAIT_S))];
        self.call("waitanyinvoice", &fields)
    }

    /// The reply to [`Cln::wait_any`]: `Ok(None)` when nobody paid in time.
    ///
    /// # Errors
    /// The [`BackendFault`] that the reply is.
    pub fn parse_wait(reply: &HttpReply) -> Result<Option<Settlement>, BackendFault> {
        let timeout = |error: &Value| json::number(error, "/code") == Some(TIMEOUT);
        if reply.status == 500 && json::parse(reply).as_ref().is_ok_and(timeout) {
            return Ok(None);
        }
        let reply = success(reply)?;
        if json::required(&reply, "/status")? != "paid" {
            return Err(BackendFault::Unreadable);
        }
        let payment_hash = json::hash(&reply, "/payment_hash").ok_or(BackendFault::Unreadable)?;
        let pay_index = json::number(&reply, "/pay_index").ok_or(BackendFault::Unreadable)?;
        Ok(Some(Settlement { payment_hash, pay_index }))
    }

    fn list(&self, watched: &Watched<'_>) -> HttpRequest {
        let hash = watched.payment_hash.to_string();
        self.call("listinvoices", &[("payment_hash", Field::Text(&hash))])
    }

    fn call(&self, method: &str, parameters: &[(&'static str, Field<'_>)]) -> HttpRequest {
        let url = self.access.server.at(&format!("/v1/{method}"));
        HttpRequest::post_json(url, &json::object(parameters)).with("rune", self.access.credential.expose())
    }
}

impl Backend for Cln {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn preimages(&self) -> Preimages {
        Preimages::Told
    }

    fn create(&self, order: &Order<'_>, replies: &[HttpReply]) -> Result<Step<Invoice>, BackendFault> {
        let [reply, ..] = replies else {
            let description = harmless(order.description);
            let mut parameters = vec![
                ("amount_msat", Field::Number(order.amount.0)),
                ("label", Field::Text(order.label)),
                ("description", Field::Text(&description)),
                ("expiry", Field::Number(order.expiry_s)),
            ];
            // Said only to say yes: `false` would forbid what the node does by itself when all its channels are private.
            if self.private_route_hints {
                parameters.push(("exposeprivatechannels", Field::Flag(true)));
            }
            return Ok(Step::Ask(self.call("invoice", &parameters)));
        };
        let reply = success(reply)?;
        let named = json::hash(&reply, "/payment_hash").ok_or(BackendFault::Unreadable)?;
        let bolt11 = json::required(&reply, "/bolt11")?;
        Invoice::read(bolt11, Some(named), order, String::new()).map(Step::Done)
    }

    fn status(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        let [reply, ..] = replies else { return Ok(Step::Ask(self.list(watched))) };
        listed(watched, reply).map(|(status, _)| Step::Done(status))
    }

    fn cancel(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        let [before, rest @ ..] = replies else { return Ok(Step::Ask(self.list(watched))) };
        let (status, label) = listed(watched, before)?;
        let believed = match status {
            Status::Pending => "unpaid",
            Status::Expired => "expired",
            settled_or_gone => return Ok(Step::Done(settled_or_gone)),
        };
        let label = label.ok_or(BackendFault::Unreadable)?;
        match rest {
            [] => Ok(Step::Ask(
                self.call("delinvoice", &[("label", Field::Text(&label)), ("status", Field::Text(believed))]),
            )),
            [deleted] => match success(deleted) {
                // As it was when it went: nobody had paid it.
                Ok(gone) if json::hash(&gone, "/payment_hash") != Some(watched.payment_hash) => {
                    Err(BackendFault::WrongInvoice)
                }
                Ok(gone) if json::required(&gone, "/status")? != believed => Err(BackendFault::Unreadable),
                Ok(_) => Ok(Step::Done(Status::Canceled)),
                // Gone already, or of another status by now.
                Err(BackendFault::Refused(500)) if has_changed(deleted) => Ok(Step::Ask(self.list(watched))),
                Err(fault) => Err(fault),
            },
            [_, after, ..] => match listed(watched, after)?.0 {
                // It ran out in between: the next call deletes it by that status.
                Status::Pending | Status::Expired => Err(BackendFault::Busy(500)),
                settled_or_gone => Ok(Step::Done(settled_or_gone)),
            },
        }
    }

    fn push(&self) -> Option<Push<'_>> {
        Some(Push::Cln(self))
    }
}

/// A description that Core Lightning up to 23.08 can list again: it takes every text that ends in `msat` for an amount, and
/// stops at one that is none. A full stop changes that, and nothing else.
fn harmless(description: &str) -> Cow<'_, str> {
    if description.trim_end().to_ascii_lowercase().ends_with("msat") {
        Cow::Owned(format!("{}.", description.trim_end()))
    } else {
        Cow::Borrowed(description)
    }
}

/// Whether `delinvoice` says that there is no such invoice, or that its status is another one
/// (`doc/schemas/delinvoice.json`).
fn has_changed(reply: &HttpReply) -> bool {
    json::parse(reply).is_ok_and(|error| matches!(json::number(&error, "/code"), Some(905 | 906)))
}

/// What `listinvoices` says of an invoice, and the label that it has there.
fn listed(watched: &Watched<'_>, reply: &HttpReply) -> Result<(Status, Option<String>), BackendFault> {
    let reply = success(reply)?;
    let invoices = reply.get("invoices").and_then(Value::as_array).ok_or(BackendFault::Unreadable)?;
    let Some(invoice) = invoices.first() else { return Ok((Status::NotFound, None)) };
    if json::hash(invoice, "/payment_hash") != Some(watched.payment_hash) {
        return Err(BackendFault::WrongInvoice);
    }
    let status = match json::required(invoice, "/status")? {
        "unpaid" => Status::Pending,
        "expired" => Status::Expired,
        "paid" => {
            let preimage = json::preimage(invoice, "/payment_preimage").ok_or(BackendFault::WrongPreimage)?;
            let received = json::msat_with_unit(invoice, "/amount_received_msat").ok_or(BackendFault::Unreadable)?;
            Status::settled(watched, Some(received), Some(preimage), json::time(invoice, "/paid_at"))?
        }
        _ => return Err(BackendFault::Unreadable),
    };
    Ok((status, json::text(invoice, "/label").map(str::to_owned)))
}

/// A 500 with a code is the node's "no" to this very call, and no sign that it is busy.
fn success(reply: &HttpReply) -> Result<Value, BackendFault> {
    let refused = |error: &Value| error.get("code").is_some_and(Value::is_number);
    if reply.status == 500 && json::parse(reply).as_ref().is_ok_and(refused) {
        return Err(BackendFault::Refused(reply.status));
    }
    json::of_success(reply)
}
