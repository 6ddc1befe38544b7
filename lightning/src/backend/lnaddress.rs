//! A Lightning address (LUD-16, LUD-06) whose service lets anybody ask after an invoice (LUD-21, `verify`).
//!
//! `type=lnaddress;address=me@shop.example`, and with `verify-host=…` for a service that answers under another name.
//! `server=http://127.0.0.1:…` stands in for the service, in tests on this machine.
//!
//! Least privilege: there is no credential at all. The service holds the money and is believed when it says "settled".
//!
//! Habits: making an invoice takes two calls, and its life is the service's affair. What the service names is followed
//! on its own host and below, by https, and nowhere else: a reply must not send us into somebody's network (T68). Many
//! services have no `verify`; those end as [`BackendFault::NoVerify`]. Some tell `settled` and no preimage. The `verify`
//! address shows the preimage to whoever knows it, so it stays with us (T63).

use l402::bolt11;
use l402::host::is_loopback;
use serde_json::Value;

use crate::call::{Backend, Invoice, Order, Preimages, Status, Step, Watched};
use crate::connection::{ConnectionFault, Parameters, Server};
use crate::fault::BackendFault;
use crate::http::{HttpReply, HttpRequest};
use crate::json;
use crate::lnurl::guard::is_at_or_below;
use crate::lnurl::pay::{Answer, PayRequest};
use crate::lnurl::url::is_name;
use crate::lnurl::{Address, LnurlFault, Loopback, Url, UrlFault, reply};

/// Its `type`.
pub const KIND: &str = "lnaddress";

/// The longest address that is followed, or kept as a reference.
const URL_CHARS_MAX: usize = 400;

/// A Lightning address.
#[derive(Clone, Debug)]
pub struct LnAddress {
    server: Server,
    address: Address,
    verify_host: Option<String>,
}

impl LnAddress {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let address = Address::parse(&parameters.required("address")?, Loopback::Refused)
            .map_err(|_| ConnectionFault::Value("address", "must be an address like me@shop.example, in lower case"))?;
        let verify_host = parameters.optional("verify-host");
        if verify_host.as_deref().is_some_and(|host| !is_name(host)) {
            return Err(ConnectionFault::Value("verify-host", "must be a host like pay.example, in lower case"));
        }
        let service = format!("https://{}", address.host());
        let server = parameters.server(Some(&service))?;
        let stand_in = server.place.split_once("://").is_some_and(|(_, authority)| is_loopback(authority));
        if server.url != service && !stand_in {
            return Err(ConnectionFault::Value("server", "is for tests on this machine; leave it out"));
        }
        let place = server.place.clone();
        Ok((Self { server, address, verify_host }, place))
    }

    /// An address that the service named, if it is one of its own. Narrower than [`Guard`](crate::lnurl::Guard), which
    /// would follow it to any public host.
    fn own(&self, unverified_url: &str) -> Result<Url, BackendFault> {
        if unverified_url.len() > URL_CHARS_MAX {
            return Err(BackendFault::Unreadable);
        }
        let stand_in = if self.server.place.starts_with("http://") { Loopback::Allowed } else { Loopback::Refused };
        let url = Url::parse(unverified_url, stand_in).map_err(|fault| match fault {
            UrlFault::TooLong | UrlFault::Characters | UrlFault::Fragment => BackendFault::Unreadable,
            _ => BackendFault::ForeignHost,
        })?;
        let below = |place: &str| unverified_url.strip_prefix(place).is_some_and(|rest| rest.starts_with(['/', '?']));
        let is_ours = url.is_https()
            && is_name(url.host())
            && matches!(url.port(), None | Some(443))
            && (is_at_or_below(url.host(), self.address.host()) || Some(url.host()) == self.verify_host.as_deref());
        if is_ours || below(&self.server.place) { Ok(url) } else { Err(BackendFault::ForeignHost) }
    }
}

impl Backend for LnAddress {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn preimages(&self) -> Preimages {
        Preimages::Sometimes
    }

    fn create(&self, order: &Order<'_>, replies: &[HttpReply]) -> Result<Step<Invoice>, BackendFault> {
        let [service, reply @ ..] = replies else {
            return Ok(Step::Ask(HttpRequest::get(self.server.at(&self.address.path()))));
        };
        let service = PayRequest::read(service)?;
        let amount = service.takes(order.amount)?;
        let [reply, ..] = reply else {
            let callback = self.own(service.unverified_callback())?;
            return Ok(Step::Ask(HttpRequest::get(callback.with_parameters(&[("amount", &amount.0.to_string())]))));
        };
        let answer = Answer::read(reply, service.metadata())?;
        let verify = self.own(&answer.unverified_verify.ok_or(BackendFault::NoVerify)?)?;
        Invoice::read(&answer.bolt11, None, order, verify.as_str().to_owned()).map(Step::Done)
    }

    fn status(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        let [reply, ..] = replies else {
            return Ok(Step::Ask(HttpRequest::get(self.own(watched.reference)?.as_str().to_owned())));
        };
        let is_unknown = |error: &Value| {
            json::text(error, "/status") == Some("ERROR")
                && json::text(error, "/reason").is_some_and(|reason| reason.eq_ignore_ascii_case("not found"))
        };
        if json::parse(reply).as_ref().is_ok_and(is_unknown) {
            return Ok(Step::Done(Status::NotFound));
        }
        let reply = reply::read(reply)?;
        if let Some(bolt11) = json::text(&reply, "/pr") {
            let told = bolt11::Invoice::parse(bolt11).map_err(BackendFault::Invoice)?;
            if told.payment_hash != watched.payment_hash {
                return Err(BackendFault::WrongInvoice);
            }
        }
        let status = match json::flag(&reply, "/settled").ok_or(BackendFault::Unreadable)? {
            true => Status::settled(watched, None, json::told(&reply, "/preimage", watched.payment_hash), None)?,
            false => Status::Pending,
        };
        Ok(Step::Done(status))
    }
}

/// What LNURL calls a fault, as a fault of a back end: without the service's own words.
impl From<LnurlFault> for BackendFault {
    fn from(fault: LnurlFault) -> Self {
        match fault {
            LnurlFault::Refused(status @ 200..=299, _) => Self::Refused(status),
            LnurlFault::Refused(status, _) => json::of_status(status),
            LnurlFault::Range | LnurlFault::OutOfRange => Self::OutOfRange,
            LnurlFault::Invoice(fault) => Self::Invoice(fault),
            LnurlFault::WrongDescription => Self::WrongInvoice,
            LnurlFault::PayerData => Self::PayerData,
            _ => Self::Unreadable,
        }
    }
}
