//! Blink (`galoy`, GraphQL): a custodian's Bitcoin wallet.
//!
//! `type=blink;api-key=blink_…;wallet-id=…`; `server` may be left out, and `currency` can only be `BTC`.
//!
//! Least privilege: a key with the scopes READ and RECEIVE.
//!
//! Habits: an order is in whole satoshi and whole minutes; a fault comes with status 200, as `errors` at the top or
//! beside the invoice. Who receives is never told a preimage, so who pays has to bring it, or what we saw has to do.

use serde_json::Value;

use crate::call::{Backend, Invoice, Order, Preimages, Status, Step, Watched};
use crate::connection::{Access, ConnectionFault, Parameters};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json::{self, Field};

/// Its `type`.
pub const KIND: &str = "blink";

const CREATE: &str = "mutation($input:LnInvoiceCreateInput!){lnInvoiceCreate(input:$input){invoice{paymentRequest paymentHash satoshis}errors{message}}}";

const STATUS: &str =
    "query($input:LnInvoicePaymentStatusByHashInput!){lnInvoicePaymentStatusByHash(input:$input){status paymentHash}}";

/// A wallet at Blink.
#[derive(Clone, Debug)]
pub struct Blink {
    access: Access,
    wallet_id: String,
}

impl Blink {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let access = parameters.access(Some("https://api.blink.sv/graphql"), "api-key")?;
        let wallet_id = parameters.required("wallet-id")?;
        if parameters.optional("currency").is_some_and(|currency| currency != "BTC") {
            return Err(ConnectionFault::Value("currency", "must be BTC; dollar wallets are not supported"));
        }
        let place = access.server.place.clone();
        Ok((Self { access, wallet_id }, place))
    }

    fn ask(&self, query: &str, input: &[(&'static str, Field<'_>)]) -> HttpRequest {
        let variables = [("input", Field::Object(input))];
        let body = json::object(&[("query", Field::Text(query)), ("variables", Field::Object(&variables))]);
        HttpRequest::post_json(self.access.server.url.clone(), &body).with("x-api-key", self.access.credential.expose())
    }
}

impl Backend for Blink {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn preimages(&self) -> Preimages {
        Preimages::Withheld
    }

    fn create(&self, order: &Order<'_>, replies: &[HttpReply]) -> Result<Step<Invoice>, BackendFault> {
        let [reply, ..] = replies else {
            let input = [
                ("walletId", Field::Text(&self.wallet_id)),
                ("amount", Field::Number(order.sats()?)),
                ("memo", Field::Text(order.description)),
                ("expiresIn", Field::Number(order.expiry_minutes())),
            ];
            return Ok(Step::Ask(self.ask(CREATE, &input)));
        };
        let reply = json::of_success(reply)?;
        let said_no =
            |pointer| reply.pointer(pointer).and_then(Value::as_array).is_some_and(|faults| !faults.is_empty());
        if said_no("/errors") || said_no("/data/lnInvoiceCreate/errors") {
            return Err(fault(&reply));
        }
        let named = json::hash(&reply, "/data/lnInvoiceCreate/invoice/paymentHash").ok_or(BackendFault::Unreadable)?;
        let bolt11 = json::required(&reply, "/data/lnInvoiceCreate/invoice/paymentRequest")?;
        Invoice::read(bolt11, Some(named), order, String::new()).map(Step::Done)
    }

    fn status(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        let [reply, ..] = replies else {
            let hash = watched.payment_hash.to_string();
            return Ok(Step::Ask(self.ask(STATUS, &[("paymentHash", Field::Text(&hash))])));
        };
        let reply = json::of_success(reply)?;
        if json::text(&reply, "/errors/0/extensions/code") == Some("NOT_FOUND") {
            return Ok(Step::Done(Status::NotFound));
        }
        if reply.pointer("/errors/0").is_some() {
            return Err(fault(&reply));
        }
        if json::hash(&reply, "/data/lnInvoicePaymentStatusByHash/paymentHash") != Some(watched.payment_hash) {
            return Err(BackendFault::WrongInvoice);
        }
        let status = match json::required(&reply, "/data/lnInvoicePaymentStatusByHash/status")? {
            "PENDING" => Status::Pending,
            "EXPIRED" => Status::Expired,
            "PAID" => Status::settled(watched, None, None, None)?,
            _ => return Err(BackendFault::Unreadable),
        };
        Ok(Step::Done(status))
    }
}

/// What `errors` mean: about the key, or about the order.
fn fault(reply: &Value) -> BackendFault {
    match json::text(reply, "/errors/0/extensions/code") {
        Some("NOT_AUTHENTICATED" | "NOT_AUTHORIZED") => BackendFault::Unauthorized,
        _ => BackendFault::Refused(200),
    }
}
