//! phoenixd, ACINQ's node without an operator (`Api.kt`, `JsonSerializers.kt`; old versions say nothing of
//! `isExpired`).
//!
//! `type=phoenixd;server=http://127.0.0.1:9740;password=…`; `server` may be left out.
//!
//! Least privilege: the password `http-password-limited-access` of `phoenix.conf`, which makes and lists, and cannot pay.
//!
//! Habits: orders are forms, and in whole satoshi; `preimage` is there from the start, so `isPaid` alone decides; times
//! are in milliseconds. The first payments open a channel, and its price is taken out of them: `receivedSat` is what is
//! left, `fees` what was taken. A buyer who paid in full is served all the same, so both together are what was paid; the
//! difference is the merchant's cost, and told as such (T66).

use l402::{Msat, PaymentHash, UnixTime, encoding};
use serde_json::Value;

use crate::call::{Backend, Invoice, Order, Preimages, Push, Status, Step, Watched};
use crate::connection::{Access, ConnectionFault, Parameters};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json;

/// Its `type`.
pub const KIND: &str = "phoenixd";

/// A longer description is refused.
const DESCRIPTION_CHARS_MAX: usize = 128;

/// A phoenixd.
#[derive(Clone, Debug)]
pub struct Phoenixd {
    access: Access,
}

impl Phoenixd {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let access = parameters.access(Some("http://127.0.0.1:9740"), "password")?;
        let place = access.server.place.clone();
        Ok((Self { access }, place))
    }

    /// The WebSocket of its events, as the `GET` that is upgraded: `ws://…` or `wss://…`, with the header field it needs.
    #[must_use]
    pub fn websocket(&self) -> HttpRequest {
        let rest = self.access.server.url.strip_prefix("http").unwrap_or_default();
        self.signed(HttpRequest::get(format!("ws{rest}/websocket")))
    }

    /// One event of the WebSocket: which invoice was paid, if that is what it tells. A hint, of an amount unknown.
    #[must_use]
    pub fn parse_event(unverified_event: &[u8]) -> Option<PaymentHash> {
        let event = json::parse(&HttpReply::new(200, unverified_event)).ok()?;
        if json::text(&event, "/type")? == "payment_received" { json::hash(&event, "/paymentHash") } else { None }
    }

    fn signed(&self, request: HttpRequest) -> HttpRequest {
        let pair = encoding::to_base64(format!(":{}", self.access.credential.expose()).as_bytes());
        request.with("authorization", format!("Basic {pair}"))
    }
}

impl Backend for Phoenixd {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn preimages(&self) -> Preimages {
        Preimages::Told
    }

    fn create(&self, order: &Order<'_>, replies: &[HttpReply]) -> Result<Step<Invoice>, BackendFault> {
        let [reply, ..] = replies else {
            let fields = [
                ("amountSat", order.sats()?.to_string()),
                ("description", order.description(DESCRIPTION_CHARS_MAX)),
                ("expirySeconds", order.expiry_s.to_string()),
                ("externalId", order.label.to_owned()),
            ];
            let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
            return Ok(Step::Ask(
                self.signed(HttpRequest::post_form(self.access.server.at("/createinvoice"), &fields)),
            ));
        };
        let reply = json::of_success(reply)?;
        let named = json::hash(&reply, "/paymentHash").ok_or(BackendFault::Unreadable)?;
        let bolt11 = json::required(&reply, "/serialized")?;
        Invoice::read(bolt11, Some(named), order, String::new()).map(Step::Done)
    }

    fn status(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        let [reply, ..] = replies else {
            let path = format!("/payments/incoming/{}", watched.payment_hash);
            return Ok(Step::Ask(self.signed(HttpRequest::get(self.access.server.at(&path)))));
        };
        // It says so in plain text.
        if reply.status == 404 && reply.unverified_body.trim_ascii() == b"Not found" {
            return Ok(Step::Done(Status::NotFound));
        }
        let reply = json::of_success(reply)?;
        if json::hash(&reply, "/paymentHash") != Some(watched.payment_hash) {
            return Err(BackendFault::WrongInvoice);
        }
        let status = match (json::flag(&reply, "/isPaid"), json::flag(&reply, "/isExpired")) {
            (Some(true), _) => {
                let preimage = json::preimage(&reply, "/preimage").ok_or(BackendFault::WrongPreimage)?;
                let received = arrived(&reply).ok_or(BackendFault::Unreadable)?;
                let at = json::number(&reply, "/completedAt").map(|ms| UnixTime(ms / 1_000));
                // What was kept counts where the whole was paid; a satoshi that was rounded off is no fee.
                let left = json::sat(&reply, "/receivedSat").ok_or(BackendFault::Unreadable)?;
                Status::settled(watched, Some(received), Some(preimage), at)?.of_which(left)
            }
            (Some(false), Some(true)) => Status::Expired,
            (Some(false), _) => Status::Pending,
            (None, _) => return Err(BackendFault::Unreadable),
        };
        Ok(Step::Done(status))
    }

    fn push(&self) -> Option<Push<'_>> {
        Some(Push::Phoenixd(self))
    }
}

/// What was left and what was taken. `receivedSat` was rounded down after the fee, so the sum is rounded up to the whole
/// satoshi again in which the invoice was made.
fn arrived(reply: &Value) -> Option<Msat> {
    let left = json::sat(reply, "/receivedSat")?;
    let taken = json::msat(reply, "/fees").unwrap_or(Msat(0));
    left.0.checked_add(taken.0)?.checked_next_multiple_of(1_000).map(Msat)
}
