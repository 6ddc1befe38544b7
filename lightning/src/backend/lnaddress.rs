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

/// Its `type`.
pub const KIND: &str = "lnaddress";

/// The longest address that is followed, or kept as a reference.
const URL_CHARS_MAX: usize = 400;

/// A Lightning address.
#[derive(Clone, Debug)]
pub struct LnAddress {
    server: Server,
    user: String,
    host: String,
    verify_host: Option<String>,
}

impl LnAddress {
    pub(crate) fn of(parameters: &mut Parameters) -> Result<(Self, String), ConnectionFault> {
        let address = parameters.required("address")?;
        let (user, host) = address
            .split_once('@')
            .filter(|(user, host)| is_user(user) && is_host(host))
            .ok_or(ConnectionFault::Value("address", "must be an address like me@shop.example, in lower case"))?;
        let verify_host = parameters.optional("verify-host");
        if verify_host.as_deref().is_some_and(|host| !is_host(host)) {
            return Err(ConnectionFault::Value("verify-host", "must be a host like pay.example, in lower case"));
        }
        let service = format!("https://{host}");
        let server = parameters.server(Some(&service))?;
        let stand_in = server.place.split_once("://").is_some_and(|(_, authority)| is_loopback(authority));
        if server.url != service && !stand_in {
            return Err(ConnectionFault::Value("server", "is for tests on this machine; leave it out"));
        }
        let place = server.place.clone();
        Ok((Self { server, user: user.to_owned(), host: host.to_owned(), verify_host }, place))
    }

    /// An address that the service named, if it is one of its own.
    fn own<'u>(&self, unverified_url: &'u str) -> Result<&'u str, BackendFault> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'#' | b'\\');
        if unverified_url.len() > URL_CHARS_MAX || !unverified_url.bytes().all(plain) {
            return Err(BackendFault::Unreadable);
        }
        let below = |place: &str| unverified_url.strip_prefix(place).is_some_and(|rest| rest.starts_with(['/', '?']));
        let rest = unverified_url.strip_prefix("https://").unwrap_or_default();
        let host = rest.split(['/', '?']).next().unwrap_or_default().to_ascii_lowercase();
        let is_ours = host == self.host
            || host.strip_suffix(&self.host).is_some_and(|name| name.ends_with('.'))
            || Some(&host) == self.verify_host.as_ref();
        if (is_host(&host) && is_ours) || below(&self.server.place) {
            Ok(unverified_url)
        } else {
            Err(BackendFault::ForeignHost)
        }
    }
}

/// T98: `[a-z0-9._+-]{1,64}`, and no `.` first, because the name becomes a part of a path.
fn is_user(user: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._+-".contains(&byte);
    (1..=64).contains(&user.len()) && !user.starts_with('.') && user.bytes().all(plain)
}

/// A name in lower case, without a port; no number, which would be an address.
fn is_host(host: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label =
        |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(plain);
    let top = host.rsplit_once('.').map(|(_, top)| top);
    host.len() <= 253
        && host.split('.').all(label)
        && top.is_some_and(|top| top.starts_with(|first: char| first.is_ascii_lowercase()))
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
            let path = format!("/.well-known/lnurlp/{}", self.user);
            return Ok(Step::Ask(HttpRequest::get(self.server.at(&path))));
        };
        let service = success(service)?;
        if json::required(&service, "/tag")? != "payRequest" {
            return Err(BackendFault::Unreadable);
        }
        let limit = |pointer| json::number(&service, pointer).ok_or(BackendFault::Unreadable);
        if !(limit("/minSendable")?..=limit("/maxSendable")?).contains(&order.amount.0) {
            return Err(BackendFault::OutOfRange);
        }
        let metadata = json::required(&service, "/metadata")?;
        let [reply, ..] = reply else {
            let callback = self.own(json::required(&service, "/callback")?)?;
            let separator = if callback.contains('?') { '&' } else { '?' };
            return Ok(Step::Ask(HttpRequest::get(format!("{callback}{separator}amount={}", order.amount.0))));
        };
        let reply = success(reply)?;
        let bolt11 = json::required(&reply, "/pr")?;
        // LUD-06, step 6; invoices without an `h` are about as common as those with.
        if !bolt11::Invoice::parse(bolt11).map_err(BackendFault::Invoice)?.may_be_for(metadata) {
            return Err(BackendFault::WrongInvoice);
        }
        let verify = self.own(json::text(&reply, "/verify").ok_or(BackendFault::NoVerify)?)?;
        Invoice::read(bolt11, None, order, verify.to_owned()).map(Step::Done)
    }

    fn status(&self, watched: &Watched<'_>, replies: &[HttpReply]) -> Result<Step<Status>, BackendFault> {
        let [reply, ..] = replies else {
            return Ok(Step::Ask(HttpRequest::get(self.own(watched.reference)?.to_owned())));
        };
        let is_unknown = |error: &Value| {
            json::text(error, "/status") == Some("ERROR")
                && json::text(error, "/reason").is_some_and(|reason| reason.eq_ignore_ascii_case("not found"))
        };
        if reply.status == 404 || json::parse(reply).as_ref().is_ok_and(is_unknown) {
            return Ok(Step::Done(Status::NotFound));
        }
        let reply = success(reply)?;
        if let Some(bolt11) = json::text(&reply, "/pr") {
            let told = bolt11::Invoice::parse(bolt11).map_err(BackendFault::Invoice)?;
            if told.payment_hash != watched.payment_hash {
                return Err(BackendFault::WrongInvoice);
            }
        }
        let status = match json::flag(&reply, "/settled").ok_or(BackendFault::Unreadable)? {
            true => Status::settled(watched, None, json::told(&reply, "/preimage")?, None)?,
            false => Status::Pending,
        };
        Ok(Step::Done(status))
    }
}

/// A "no" of an LNURL service is `{"status":"ERROR"}`, with 200 or any other status.
fn success(reply: &HttpReply) -> Result<Value, BackendFault> {
    let status = reply.status;
    let reply = json::of_success(reply)?;
    if json::text(&reply, "/status") == Some("ERROR") { Err(BackendFault::Refused(status)) } else { Ok(reply) }
}
