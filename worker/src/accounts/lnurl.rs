//! LNURL, asked from here: addresses that somebody else wrote, so by a door of its own (T97).
//!
//! Each step, redirects included, goes through the guard, which knows every address that this deployment is made of. What
//! it lets through leaves by `LNURL_EGRESS` where that is bound: a fetcher that reaches the public network and nothing
//! else. Elsewhere it leaves by the platform's own `fetch` (on Cloudflare `global_fetch_strictly_public`).
//!
//! Whatever goes wrong on the way is told in one sentence: neither a status, nor what answered, nor whether anything did.

use l402::Msat;
use l402::bolt11::Network;
use satstile_lightning::lnurl::address::folded;
use satstile_lightning::lnurl::pay::{PayRequest, Payable};
use satstile_lightning::lnurl::{Address, Admitted, Guard, LnurlFault, Loopback, REDIRECTS_MAX, own_hosts};
use satstile_lightning::{HttpReply, backend};
use worker::Date;

use crate::accounts::api::{self, Served, bad};
use crate::config::gate::{self, Gate, Setup};
use crate::invoices::backend::Node;
use crate::platform::exchange::{self, Outgoing};
use crate::platform::log;

/// For one question to a Lightning address's service, redirects included, in milliseconds (T97).
const LNURL_MS: u64 = 5_000;

/// The one sentence.
const NO_USE: &str = "the Lightning address cannot be paid: its service gave no answer that can be used; check the \
                      address, or send an invoice instead";

/// A Lightning address, as people type it.
pub fn address(gate: &Gate, unverified_address: &str) -> Served<Address> {
    Ok(Address::parse(&folded(unverified_address), loopback(gate)).map_err(|fault| bad(fault.to_string()))?)
}

/// An invoice of a Lightning address for exactly this amount (LUD-16, LUD-06, T96 – T98).
pub async fn invoice_of(gate: &Gate, address: &Address, amount: Msat) -> Served<Payable> {
    asked(gate, address, amount).await.map_err(|fault| bad(told(&fault)).into())
}

async fn asked(gate: &Gate, address: &Address, amount: Msat) -> Result<Payable, LnurlFault> {
    let own = own(gate);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let guard = Guard { own_hosts: &own, loopback: loopback(gate) };
    let request = PayRequest::read(&fetch(&address.url(&guard)?, &guard).await?)?;
    let order = request.order(amount, "", &guard)?;
    let reply = fetch(order.url(), &guard).await?;
    order.read(&reply, &api::terms(gate))
}

/// One question to somebody's service: 64 KB, five seconds, and two redirects, each of them through the guard.
async fn fetch(to: &Admitted, guard: &Guard<'_>) -> Result<HttpReply, LnurlFault> {
    let end_ms = Date::now().as_millis() + LNURL_MS;
    let mut to = to.clone();
    for _ in 0..=REDIRECTS_MAX {
        let outgoing = Outgoing {
            url: to.as_str(),
            fields: &[("accept", "application/json")],
            body: None,
            names: &["location"],
            ms: end_ms.saturating_sub(Date::now().as_millis()),
        };
        let reply = exchange::ask_lnurl(&outgoing).await.map_err(|_| LnurlFault::Unreadable)?;
        match (reply.status, reply.fields.first()) {
            (301 | 302 | 303 | 307 | 308, Some(location)) => to = to.redirected(location, guard)?,
            (status, _) => return Ok(HttpReply { status, unverified_body: reply.body.into_bytes() }),
        }
    }
    Err(LnurlFault::Redirects)
}

/// What the payer is told. The service's own words, where it speaks LNURL; else the one sentence, and the log has more.
fn told(fault: &LnurlFault) -> String {
    match fault {
        LnurlFault::PayerData
        | LnurlFault::Range
        | LnurlFault::OutOfRange
        | LnurlFault::Refused(_, Some(_))
        | LnurlFault::Invoice(_)
        | LnurlFault::WrongDescription => format!("the Lightning address cannot be paid: {fault}"),
        other => {
            log::warn("lnurl", &other.to_string());
            NO_USE.to_owned()
        }
    }
}

/// Whether a back end that goes by LNURL may be asked this. Its own service is the operator's choice, and all else of this
/// deployment is as closed to it as to anybody's.
pub fn admits(kind: &str, url: &str) -> bool {
    if kind != backend::lnaddress::KIND {
        return true;
    }
    let Some(setup) = gate::current() else { return false };
    let Setup::Ready(gate) = &*setup else { return false };
    let own = own(gate);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    Guard { own_hosts: &own, loopback: loopback(gate) }.read(url).is_ok()
}

/// Every address that this deployment is made of, and what its operator denies besides.
fn own(gate: &Gate) -> Vec<String> {
    let node = match &gate.node {
        Node::Webhook(webhook) => Some(webhook.url.as_str()),
        Node::Direct(connection) if connection.backend.kind() == backend::lnaddress::KIND => None,
        Node::Direct(connection) => Some(connection.place.as_str()),
    };
    let denied = gate.policy.lnurl_deny.iter().map(String::as_str);
    own_hosts(gate.policy.own_addresses().chain(node), denied)
}

/// Only regtest, whose services are on the developer's machine, may mean this machine.
fn loopback(gate: &Gate) -> Loopback {
    if gate.policy.network == Network::Regtest { Loopback::Allowed } else { Loopback::Refused }
}
