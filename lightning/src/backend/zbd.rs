//! ZBD (API v0): a custodian; a *charge* with a Lightning invoice in it.
//!
//! `type=zbd;api-key=…`; `server` may be left out.
//!
//! Least privilege: the key of a project that holds nothing; ZBD has one kind of key, and it can pay out.
//!
//! Habits: amounts are texts in millisatoshi. The preimage of a charge that is `completed` is told by some accounts, in
//! `invoice.preimage`. Who calls us back does not sign, so we ask (T54).

use serde_json::Value;

use crate::call::{Backend, Invoice, Order, Preimages, Status, Step, Watched};
use crate::connection::{Access, ConnectionFault, Parameters};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json::{self, Field};

/// Its `type`.
pub const KIND: &str = "zbd";

/// A project at ZBD.
#[derive(Clone, Debug)]
pub struct Zbd {
    access: Access,
}

impl Zbd {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let access = parameters.access(Some("https://api.zebedee.io"), "api-key")?;
        let place = access.server.place.clone();
        Ok((Self { access }, place))
    }

    fn signed(&self, request: HttpRequest) -> HttpRequest {
        request.with("apikey", self.access.credential.expose())
    }
}

impl Backend for Zbd {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn preimages(&self) -> Preimages {
        Preimages::Sometimes
    }

    fn create(&self, order: &Order<'_>, replies: &[HttpReply]) -> Result<Step<Invoice>, BackendFault> {
        let [reply, ..] = replies else {
            let body = json::object(&[
                ("amount", Field::Digits(order.amount.0)),
                ("description", Field::Text(order.description)),
                ("expiresIn", Field::Number(order.expiry_s)),
                ("internalId", Field::Text(order.label)),
            ]);
            return Ok(Step::Ask(self.signed(HttpRequest::post_json(self.access.server.at("/v0/charges"), &body))));
        };
        let reply = success(reply)?;
        let bolt11 = json::required(&reply, "/data/invoice/request")?;
        Invoice::read(bolt11, None, order, json::id(&reply, "/data/id")?).map(Step::Done)
    }

    fn status(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        let [reply, ..] = replies else {
            let url = self.access.server.at(&format!("/v0/charges/{}", json::in_path(watched.reference)?));
            return Ok(Step::Ask(self.signed(HttpRequest::get(url))));
        };
        if json::is_unknown(reply, "/message") {
            return Ok(Step::Done(Status::NotFound));
        }
        let reply = success(reply)?;
        if json::required(&reply, "/data/id")? != watched.reference {
            return Err(BackendFault::WrongInvoice);
        }
        let status = match json::required(&reply, "/data/status")? {
            "pending" => Status::Pending,
            "expired" => Status::Expired,
            "error" => Status::Canceled,
            "completed" => {
                let received = json::msat(&reply, "/data/amount").ok_or(BackendFault::Unreadable)?;
                Status::settled(
                    watched,
                    Some(received),
                    json::told(&reply, "/data/invoice/preimage", watched.payment_hash),
                    None,
                )?
            }
            _ => return Err(BackendFault::Unreadable),
        };
        Ok(Step::Done(status))
    }
}

/// A "no" comes with a status of its own mostly; `success` says it once more.
fn success(reply: &HttpReply) -> Result<Value, BackendFault> {
    let status = reply.status;
    let reply = json::of_success(reply)?;
    if json::flag(&reply, "/success") == Some(false) { Err(BackendFault::Refused(status)) } else { Ok(reply) }
}
