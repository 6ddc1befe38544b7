//! Strike (API v1): a custodian; its invoices in bitcoin.
//!
//! `type=strike;api-key=…`; `server` may be left out.
//!
//! Least privilege: a key with `partner.invoice.create`, `partner.invoice.read` and `partner.invoice.quote.generate`.
//!
//! Habits: an invoice is a claim, and its *quote* is the BOLT 11, so making one takes two calls; 250 a minute each. How
//! long a quote lives is Strike's affair (an hour in bitcoin, half a minute in other money, which is why only bitcoin is
//! asked for). Amounts are decimal texts of eight places. No preimage is told.

use crate::call::{Backend, Invoice, Order, Preimages, Status, Step, Watched};
use crate::connection::{Access, ConnectionFault, Parameters};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json::{self, Field};

/// Its `type`.
pub const KIND: &str = "strike";

/// A longer description is refused.
const DESCRIPTION_CHARS_MAX: usize = 200;

/// Satoshi in a bitcoin.
const BITCOIN: u64 = 100_000_000;

/// An account at Strike.
#[derive(Clone, Debug)]
pub struct Strike {
    access: Access,
}

impl Strike {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let access = parameters.access(Some("https://api.strike.me/v1"), "api-key")?;
        let place = access.server.place.clone();
        Ok((Self { access }, place))
    }

    fn signed(&self, request: HttpRequest) -> HttpRequest {
        request.with("authorization", format!("Bearer {}", self.access.credential.expose()))
    }
}

impl Backend for Strike {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn preimages(&self) -> Preimages {
        Preimages::Withheld
    }

    fn create(&self, order: &Order<'_>, replies: &[HttpReply]) -> Result<Step<Invoice>, BackendFault> {
        let [invoice, quote @ ..] = replies else {
            let sats = order.sats()?;
            let decimal = format!("{}.{:08}", sats / BITCOIN, sats % BITCOIN);
            let amount = [("currency", Field::Text("BTC")), ("amount", Field::Text(&decimal))];
            let description = order.description(DESCRIPTION_CHARS_MAX);
            let body = [("description", Field::Text(&description)), ("amount", Field::Object(&amount))];
            return Ok(Step::Ask(
                self.signed(HttpRequest::post_json(self.access.server.at("/invoices"), &json::object(&body))),
            ));
        };
        let id = json::id(&json::of_success(invoice)?, "/invoiceId")?;
        let [quote, ..] = quote else {
            let url = self.access.server.at(&format!("/invoices/{id}/quote"));
            return Ok(Step::Ask(self.signed(HttpRequest::post_json(url, &json::object(&[])))));
        };
        let quote = json::of_success(quote)?;
        Invoice::read(json::required(&quote, "/lnInvoice")?, None, order, id).map(Step::Done)
    }

    fn status(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        let [reply, ..] = replies else {
            let url = self.access.server.at(&format!("/invoices/{}", json::in_path(watched.reference)?));
            return Ok(Step::Ask(self.signed(HttpRequest::get(url))));
        };
        if json::is_unknown(reply, "/data/code") {
            return Ok(Step::Done(Status::NotFound));
        }
        let reply = json::of_success(reply)?;
        if json::required(&reply, "/invoiceId")? != watched.reference {
            return Err(BackendFault::WrongInvoice);
        }
        let status = match json::required(&reply, "/state")? {
            "UNPAID" | "PENDING" => Status::Pending,
            "CANCELLED" => Status::Canceled,
            "PAID" => Status::settled(watched, None, None, None)?,
            _ => return Err(BackendFault::Unreadable),
        };
        Ok(Step::Done(status))
    }
}
