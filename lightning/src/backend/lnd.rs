//! LND over REST (`lnrpc/lightning.proto`, `invoices.proto`), also the hosted ones with a certificate of an authority.
//!
//! `type=lnd-rest;server=https://127.0.0.1:8080;macaroon=<hex>;certthumbprint=<sha-256>`, and with
//! `private-route-hints=true` for a node that has private channels only.
//!
//! Least privilege: `lncli bakemacaroon uri:/lnrpc.Lightning/AddInvoice uri:/lnrpc.Lightning/LookupInvoice
//! uri:/lnrpc.Lightning/SubscribeInvoices`; and `uri:/invoicesrpc.Invoices/CancelInvoice`, where invoices are withdrawn.
//!
//! Habits: 64-bit numbers are strings; `r_preimage` is there from the start, so `state` alone decides; `ACCEPTED` is a
//! held payment, which may still fail. `CancelInvoice` gives back what is held, says yes to an invoice that it canceled
//! before, and no to one that is settled; with `gc-canceled-invoices-on-the-fly` LND forgets what it canceled.

use l402::{PaymentHash, Preimage, encoding};
use serde_json::Value;

use crate::call::{Backend, Invoice, Order, Preimages, Push, Status, Step, Watched};
use crate::connection::{Access, ConnectionFault, Parameters};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json::{self, Field};

/// Its `type`.
pub const KIND: &str = "lnd-rest";

/// An LND node.
#[derive(Clone, Debug)]
pub struct Lnd {
    access: Access,
    private_route_hints: bool,
}

/// A settlement out of the stream of [`Lnd::subscribe`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// Which invoice.
    pub payment_hash: PaymentHash,
    /// Where to go on after a restart.
    pub settle_index: u64,
}

impl Lnd {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let access = parameters.access(None, "macaroon")?;
        let private_route_hints = parameters.flag("private-route-hints")?;
        let place = access.server.place.clone();
        Ok((Self { access, private_route_hints }, place))
    }

    /// The stream of settlements after `settle_index`, a JSON object a line; with 0, those from now on.
    #[must_use]
    pub fn subscribe(&self, settle_index: u64) -> HttpRequest {
        self.signed(HttpRequest::get(
            self.access.server.at(&format!("/v1/invoices/subscribe?settle_index={settle_index}")),
        ))
    }

    /// One line of that stream: `Ok(None)` for news of an invoice that is not settled.
    ///
    /// # Errors
    /// [`BackendFault::Unreadable`], and for an error that LND sends as a line [`BackendFault::Refused`].
    pub fn parse_line(line: &[u8]) -> Result<Option<Settlement>, BackendFault> {
        let line = json::parse(&HttpReply::new(200, line))?;
        if line.get("error").is_some() {
            return Err(BackendFault::Refused(500));
        }
        if json::required(&line, "/result/state")? != "SETTLED" {
            return Ok(None);
        }
        let payment_hash = json::base64_32(&line, "/result/r_hash").map(PaymentHash);
        let settle_index = json::number(&line, "/result/settle_index");
        let (Some(payment_hash), Some(settle_index)) = (payment_hash, settle_index) else {
            return Err(BackendFault::Unreadable);
        };
        Ok(Some(Settlement { payment_hash, settle_index }))
    }

    fn look_up(&self, watched: &Watched<'_>) -> HttpRequest {
        let path = format!("/v1/invoice/{}", watched.payment_hash);
        self.signed(HttpRequest::get(self.access.server.at(&path)))
    }

    fn signed(&self, request: HttpRequest) -> HttpRequest {
        request.with("grpc-metadata-macaroon", self.access.credential.expose())
    }
}

impl Backend for Lnd {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn preimages(&self) -> Preimages {
        Preimages::Told
    }

    fn create(&self, order: &Order<'_>, replies: &[HttpReply]) -> Result<Step<Invoice>, BackendFault> {
        let [reply, ..] = replies else {
            let body = json::object(&[
                ("value_msat", Field::Digits(order.amount.0)),
                ("memo", Field::Text(order.description)),
                ("expiry", Field::Digits(order.expiry_s)),
                ("private", Field::Flag(self.private_route_hints)),
            ]);
            return Ok(Step::Ask(self.signed(HttpRequest::post_json(self.access.server.at("/v1/invoices"), &body))));
        };
        let reply = success(reply)?;
        let named = json::base64_32(&reply, "/r_hash").map(PaymentHash).ok_or(BackendFault::Unreadable)?;
        let bolt11 = json::required(&reply, "/payment_request")?;
        Invoice::read(bolt11, Some(named), order, String::new()).map(Step::Done)
    }

    fn status(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        let [reply, ..] = replies else { return Ok(Step::Ask(self.look_up(watched))) };
        status_of(watched, reply).map(Step::Done)
    }

    fn cancel(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        match replies {
            [] => {
                let hash = encoding::to_base64(&watched.payment_hash.0);
                let body = json::object(&[("payment_hash", Field::Text(&hash))]);
                let url = self.access.server.at("/v2/invoices/cancel");
                Ok(Step::Ask(self.signed(HttpRequest::post_json(url, &body))))
            }
            // Whatever it answers, the state decides: a "no" is also what one hears of a settled invoice.
            [_] => Ok(Step::Ask(self.look_up(watched))),
            [canceled, state, ..] => match (status_of(watched, state), success(canceled)) {
                (Ok(Status::NotFound), Ok(_)) => Ok(Step::Done(Status::Canceled)),
                // An LND without this part answers 501.
                (Ok(Status::Pending), Err(BackendFault::Busy(501))) => Err(BackendFault::NotOffered),
                (Ok(Status::Pending), Err(fault)) => Err(fault),
                (Ok(status), _) => Ok(Step::Done(status)),
                // A macaroon that may not withdraw has withdrawn nothing, whatever else is wrong.
                (Err(_), Err(fault @ BackendFault::Unauthorized)) => Err(fault),
                // Refused is the question, and not what was asked before.
                (Err(BackendFault::Unauthorized | BackendFault::Refused(_)), _) => Err(BackendFault::Unreadable),
                (Err(fault), _) => Err(fault),
            },
        }
    }

    fn push(&self) -> Option<Push<'_>> {
        Some(Push::Lnd(self))
    }
}

fn status_of(watched: &Watched<'_>, reply: &HttpReply) -> Result<Status, BackendFault> {
    if is_unknown(reply) {
        return Ok(Status::NotFound);
    }
    let reply = success(reply)?;
    if json::base64_32(&reply, "/r_hash") != Some(watched.payment_hash.0) {
        return Err(BackendFault::WrongInvoice);
    }
    let status = match json::required(&reply, "/state")? {
        "OPEN" | "ACCEPTED" => Status::Pending,
        // LND cancels what was not paid in time, too.
        "CANCELED" => Status::Canceled,
        "SETTLED" => {
            let preimage = json::base64_32(&reply, "/r_preimage").map(Preimage::new);
            let preimage = preimage.ok_or(BackendFault::WrongPreimage)?;
            let received = json::msat(&reply, "/amt_paid_msat").ok_or(BackendFault::Unreadable)?;
            Status::settled(watched, Some(received), Some(preimage), json::time(&reply, "/settle_date"))?
        }
        _ => return Err(BackendFault::Unreadable),
    };
    Ok(status)
}

/// LND knows no such invoice: 404 with gRPC's code 5, and not for a path that it does not have; or 500, from a node that
/// has never made one.
fn is_unknown(reply: &HttpReply) -> bool {
    let Ok(error) = json::parse(reply) else { return false };
    let says = |words: &str| json::text(&error, "/message").is_some_and(|message| message.contains(words));
    match reply.status {
        404 => json::number(&error, "/code") == Some(5) && !says("Not Found"),
        400..=599 => says("there are no existing invoices") || says("unable to locate invoice"),
        _ => false,
    }
}

/// LND answers most of what goes wrong with 500 and a gRPC code: a macaroon that may not do this comes as 2 (unknown)
/// with "permission denied" in its message, and one that is not valid the same way.
fn success(reply: &HttpReply) -> Result<Value, BackendFault> {
    if reply.status != 200 {
        let denied = json::parse(reply).ok().is_some_and(|error| {
            let message = json::text(&error, "/message").unwrap_or_default();
            ["permission denied", "cannot get macaroon", "verification failed", "macaroon"]
                .iter()
                .any(|word| message.contains(word))
        });
        return Err(if denied { BackendFault::Unauthorized } else { json::of_status(reply.status) });
    }
    json::parse(reply)
}
