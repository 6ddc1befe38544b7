//! OpenNode: a custodian; a *charge* with a Lightning invoice in it.
//!
//! `type=opennode;api-key=…`; `server` may be left out.
//!
//! Least privilege: a key of the kind "Invoices".
//!
//! Habits: the key stands in `Authorization` bare; amounts are in whole satoshi, lives in whole minutes. A charge can be
//! paid on chain as well: `processing` is such a payment without a block yet, `underpaid` waits for the rest, `refunded`
//! went back. No preimage is told.

use crate::call::{Backend, Invoice, Order, Preimages, Status, Step, Watched};
use crate::connection::{Access, ConnectionFault, Parameters};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json::{self, Field};

/// Its `type`.
pub const KIND: &str = "opennode";

/// An account at OpenNode.
#[derive(Clone, Debug)]
pub struct OpenNode {
    access: Access,
}

impl OpenNode {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let access = parameters.access(Some("https://api.opennode.com"), "api-key")?;
        let place = access.server.place.clone();
        Ok((Self { access }, place))
    }

    fn signed(&self, request: HttpRequest) -> HttpRequest {
        request.with("authorization", self.access.credential.expose())
    }
}

impl Backend for OpenNode {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn preimages(&self) -> Preimages {
        Preimages::Withheld
    }

    fn create(&self, order: &Order<'_>, replies: &[HttpReply]) -> Result<Step<Invoice>, BackendFault> {
        let [reply, ..] = replies else {
            let body = json::object(&[
                ("amount", Field::Number(order.sats()?)),
                ("description", Field::Text(order.description)),
                ("order_id", Field::Text(order.label)),
                ("ttl", Field::Number(order.expiry_minutes())),
            ]);
            return Ok(Step::Ask(self.signed(HttpRequest::post_json(self.access.server.at("/v1/charges"), &body))));
        };
        let reply = json::of_success(reply)?;
        let bolt11 = json::required(&reply, "/data/lightning_invoice/payreq")?;
        Invoice::read(bolt11, None, order, json::id(&reply, "/data/id")?).map(Step::Done)
    }

    fn status(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        let [reply, ..] = replies else {
            let url = self.access.server.at(&format!("/v1/charge/{}", json::in_path(watched.reference)?));
            return Ok(Step::Ask(self.signed(HttpRequest::get(url))));
        };
        if json::is_unknown(reply, "/message") {
            return Ok(Step::Done(Status::NotFound));
        }
        let reply = json::of_success(reply)?;
        if json::required(&reply, "/data/id")? != watched.reference {
            return Err(BackendFault::WrongInvoice);
        }
        let status = match json::required(&reply, "/data/status")? {
            "unpaid" | "processing" | "underpaid" => Status::Pending,
            "expired" => Status::Expired,
            "refunded" => Status::Canceled,
            "paid" => Status::settled(watched, None, None, json::time(&reply, "/data/lightning_invoice/settled_at"))?,
            _ => return Err(BackendFault::Unreadable),
        };
        Ok(Step::Done(status))
    }
}
