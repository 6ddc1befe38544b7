//! BTCPay Server, Greenfield API (`swagger.template.lightning.store.json`, 1.4 and later): the Lightning node of a store.
//!
//! `type=btcpay;server=https://btcpay.example;store-id=…;api-key=…`, and with `private-route-hints=true` for a node that
//! has private channels only.
//!
//! Least privilege: an API key for this one store, with `btcpay.store.cancreatelightninginvoice` and
//! `btcpay.store.canviewlightninginvoice`.
//!
//! Habits: the calls go past BTCPay's own invoices, to the node itself, because those have the preimage and no detour.
//! Amounts are texts in millisatoshi; the invoice is under `BOLT11`, in capitals. An invoice goes by an id, which is the
//! payment hash with some nodes and a random name with others. The preimage is told once it is paid, where
//! the node tells it to BTCPay; without, the payment counts all the same.

use crate::call::{Backend, Invoice, Order, Preimages, Status, Step, Watched};
use crate::connection::{Access, ConnectionFault, Credential, Parameters, Server};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json::{self, Field};

/// Its `type`.
pub const KIND: &str = "btcpay";

/// The Lightning node of a store.
#[derive(Clone, Debug)]
pub struct BtcPay {
    /// Of its invoices.
    url: String,
    api_key: Credential,
    private_route_hints: bool,
}

impl BtcPay {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let Access { server: Server { url, place }, credential: api_key } = parameters.access(None, "api-key")?;
        let private_route_hints = parameters.flag("private-route-hints")?;
        let store = parameters.required("store-id")?;
        let store =
            json::in_path(&store).map_err(|_| ConnectionFault::Value("store-id", "is not the id of a store"))?;
        let url = format!("{url}/api/v1/stores/{store}/lightning/BTC/invoices");
        Ok((Self { url, api_key, private_route_hints }, place))
    }

    fn signed(&self, request: HttpRequest) -> HttpRequest {
        request.with("authorization", format!("token {}", self.api_key.expose()))
    }
}

impl Backend for BtcPay {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn preimages(&self) -> Preimages {
        Preimages::Told
    }

    fn create(&self, order: &Order<'_>, replies: &[HttpReply]) -> Result<Step<Invoice>, BackendFault> {
        let [reply, ..] = replies else {
            let body = json::object(&[
                ("amount", Field::Digits(order.amount.0)),
                ("description", Field::Text(order.description)),
                ("expiry", Field::Number(order.expiry_s)),
                ("privateRouteHints", Field::Flag(self.private_route_hints)),
            ]);
            return Ok(Step::Ask(self.signed(HttpRequest::post_json(self.url.clone(), &body))));
        };
        let reply = json::of_success(reply)?;
        let bolt11 = json::required(&reply, "/BOLT11")?;
        Invoice::read(bolt11, json::hash(&reply, "/paymentHash"), order, json::id(&reply, "/id")?).map(Step::Done)
    }

    fn status(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        let [reply, ..] = replies else {
            let url = format!("{}/{}", self.url, json::in_path(watched.reference)?);
            return Ok(Step::Ask(self.signed(HttpRequest::get(url))));
        };
        if json::is_unknown(reply, "/code") {
            return Ok(Step::Done(Status::NotFound));
        }
        let reply = json::of_success(reply)?;
        let another = json::hash(&reply, "/paymentHash").is_some_and(|hash| hash != watched.payment_hash);
        if another || json::required(&reply, "/id")? != watched.reference {
            return Err(BackendFault::WrongInvoice);
        }
        let status = match json::required(&reply, "/status")? {
            "Unpaid" => Status::Pending,
            "Expired" => Status::Expired,
            "Paid" => {
                let received = json::msat(&reply, "/amountReceived").ok_or(BackendFault::Unreadable)?;
                let preimage = json::told(&reply, "/preimage", watched.payment_hash);
                Status::settled(watched, Some(received), preimage, json::time(&reply, "/paidAt"))?
            }
            _ => return Err(BackendFault::Unreadable),
        };
        Ok(Step::Done(status))
    }
}
