//! LNbits (`payment_api.py` of 1.x; its replies were recorded from 1.6.2).
//!
//! `type=lnbits;server=https://lnbits.example;api-key=<32 hex>`.
//!
//! Least privilege: the *invoice/read key* of a wallet, never its admin key.
//!
//! Habits, and two of them are traps:
//!
//! - `details.preimage` is the preimage, told to any holder of the key **before** anybody paid: LNbits draws it by itself
//!   and hands it to the node. The one at the top is null until `paid`, so only that one is read.
//! - Once an invoice is paid, anybody who knows its payment hash gets the preimage **without a key**; and the hash is in
//!   every challenge. Next to an LNbits that the public can reach, a preimage alone must not open anything (T63).
//! - A payment between two wallets of one LNbits, and any payment to a version about 0.12 (lnbits#3070), comes with 64 zeros,
//!   an empty text or a random id for its preimage. It is paid all the same, and has no preimage.
//! - An amount goes in as satoshi and comes back as millisatoshi; half a satoshi would be cut off without a word.
//! - A key that it does not know is 404, "Wallet not found.", when making an invoice; when asking after one it is no
//!   fault at all, and the reply has no `details`.
//! - A funding source that fails is 520.

use crate::call::{Backend, Invoice, Order, Preimages, Status, Step, Watched};
use crate::connection::{Access, ConnectionFault, Parameters};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json::{self, Field};

/// Its `type`.
pub const KIND: &str = "lnbits";

/// A wallet of an LNbits.
#[derive(Clone, Debug)]
pub struct LnBits {
    access: Access,
}

impl LnBits {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let access = parameters.access(None, "api-key")?;
        let place = access.server.place.clone();
        Ok((Self { access }, place))
    }

    fn signed(&self, request: HttpRequest) -> HttpRequest {
        request.with("x-api-key", self.access.credential.expose())
    }
}

impl Backend for LnBits {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn preimages(&self) -> Preimages {
        Preimages::Told
    }

    fn create(&self, order: &Order<'_>, replies: &[HttpReply]) -> Result<Step<Invoice>, BackendFault> {
        let [reply, ..] = replies else {
            let body = json::object(&[
                ("out", Field::Flag(false)),
                ("amount", Field::Number(order.sats()?)),
                ("unit", Field::Text("sat")),
                ("memo", Field::Text(order.description)),
                ("expiry", Field::Number(order.expiry_s)),
                ("extra", Field::Object(&[("label", Field::Text(order.label))])),
            ]);
            return Ok(Step::Ask(
                self.signed(HttpRequest::post_json(self.access.server.at("/api/v1/payments"), &body)),
            ));
        };
        if is_unknown(reply) {
            return Err(BackendFault::Unauthorized);
        }
        let reply = json::of_success(reply)?;
        let named = json::hash(&reply, "/payment_hash").ok_or(BackendFault::Unreadable)?;
        // Before 1.0 it was called `payment_request`.
        let bolt11 = json::text(&reply, "/bolt11").or_else(|| json::text(&reply, "/payment_request"));
        Invoice::read(bolt11.ok_or(BackendFault::Unreadable)?, Some(named), order, String::new()).map(Step::Done)
    }

    fn status(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        let [reply, ..] = replies else {
            let path = format!("/api/v1/payments/{}", watched.payment_hash);
            return Ok(Step::Ask(self.signed(HttpRequest::get(self.access.server.at(&path)))));
        };
        if is_unknown(reply) {
            return Ok(Step::Done(Status::NotFound));
        }
        let reply = json::of_success(reply)?;
        let paid = json::flag(&reply, "/paid").ok_or(BackendFault::Unreadable)?;
        let details = reply.get("details").filter(|details| details.is_object());
        if details.is_some_and(|details| json::hash(details, "/payment_hash") != Some(watched.payment_hash)) {
            return Err(BackendFault::WrongInvoice);
        }
        let status = match (paid, details) {
            (true, Some(details)) => {
                let preimage = json::told(&reply, "/preimage", watched.payment_hash);
                let received = json::msat(details, "/amount").ok_or(BackendFault::Unreadable)?;
                Status::settled(watched, Some(received), preimage, None)?
            }
            (true, None) => return Err(BackendFault::Unauthorized),
            (false, _) if json::text(&reply, "/status") == Some("failed") => Status::Expired,
            (false, _) => Status::Pending,
        };
        Ok(Step::Done(status))
    }
}

/// It does not know what was asked for. "Not Found" is what its web server says of a path that it does not have.
fn is_unknown(reply: &HttpReply) -> bool {
    json::is_unknown(reply, "/detail") && !json::says(reply, "/detail", "Not Found")
}
