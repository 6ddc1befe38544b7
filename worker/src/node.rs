//! Who makes the invoices and knows which of them were paid: the node webhook, or a back end with a public https API
//! that is called straight from here. Exactly one of the two is configured.
//!
//! | | `NODE_URL` and `RELAY_SECRETS` | `BACKEND` |
//! | --- | --- | --- |
//! | who holds the back end's credential | the webhook | this worker |
//! | how a payment becomes known | pushed, or asked for | asked for |
//! | who checks an invoice's signature | the webhook | nobody: a policy with `payee` is refused (C8) |

use l402::bolt11::Network;
use l402::encoding::to_base64url;
use l402::path::{canonical_host, is_loopback};
use l402::problem::Refusal;
use l402::relay::{InvoiceCreate, InvoiceCreated, InvoiceLookup, InvoiceState, InvoiceStatus, RelayCall, RelaySecrets};
use l402::{PaymentHash, Policy, reference};
use satstile_lightning::{Connection, Order, Status, Watched};

use crate::breaker::Errand;
use crate::gate::{Gate, noted};
use crate::invoice::Wanted;
use crate::relay::Webhook;
use crate::{crypto, direct, http, log, relay};

/// For one call with all of its requests, reply bodies included, in milliseconds.
pub const DEADLINE_MS: u64 = 5_000;

/// Seconds after which a client may ask again when the node's side is silent.
const RETRY_S: u64 = 5;

/// The node's side.
pub enum Node {
    /// Beside the operator's node.
    Webhook(Webhook),
    /// Without anything in between.
    Direct(Connection),
}

/// The node's side failed us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeFault {
    /// No answer, or one that says "not now": 503.
    Silent,
    /// An answer that cannot be used: 502.
    Wrong,
}

impl NodeFault {
    /// What a client hears of it.
    pub const fn refusal(self) -> Refusal<'static> {
        match self {
            Self::Silent => Refusal::Unavailable(RETRY_S),
            Self::Wrong => Refusal::BadInvoice,
        }
    }
}

/// What was made, as the node's side tells it.
pub struct Unverified {
    /// Not looked at.
    pub bolt11: String,
    /// What it is said to commit to.
    pub payment_hash: PaymentHash,
    /// What a look-up wants besides; empty for nothing.
    pub reference: String,
}

/// Asks for an invoice. `id` names the order.
pub async fn create(gate: &Gate, wanted: &Wanted<'_>, id: &str) -> Result<Unverified, NodeFault> {
    let (description, expiry_s) = (&wanted.description, gate.policy.invoice_expiry_s);
    let connection = match &gate.node {
        Node::Webhook(webhook) => return ordered(webhook, wanted, id, expiry_s).await,
        Node::Direct(connection) => connection,
    };
    let order = Order { amount: wanted.amount, description, expiry_s, label: id };
    let made = direct::run(connection, Errand::Make, |replies| connection.backend.create(&order, replies)).await?;
    if made.reference.len() > reference::BYTES_MAX {
        log::warn("node", "its name for an invoice is too long to be kept in a token");
        return Err(NodeFault::Wrong);
    }
    Ok(Unverified { bolt11: made.bolt11, payment_hash: made.payment_hash, reference: made.reference })
}

async fn ordered(webhook: &Webhook, wanted: &Wanted<'_>, id: &str, expiry_s: u64) -> Result<Unverified, NodeFault> {
    let create = RelayCall::InvoiceCreate(InvoiceCreate {
        amount_msat: wanted.amount.0,
        description: wanted.description.clone(),
        expiry_s,
        service: wanted.name.to_owned(),
        purpose: wanted.purpose.to_owned(),
        payee: wanted.payee.map(str::to_owned),
    });
    let reply = relay::call(webhook, id, &create).await?;
    let made = InvoiceCreated::parse(&reply).map_err(|fault| {
        log::warn("invoice", &fault.to_string());
        NodeFault::Wrong
    })?;
    Ok(Unverified { bolt11: made.bolt11, payment_hash: made.payment_hash, reference: String::new() })
}

/// What became of an invoice that was made here. `None` means "ask again later".
pub async fn look_up(gate: &Gate, watched: &Watched<'_>) -> Option<InvoiceStatus> {
    let connection = match &gate.node {
        Node::Webhook(webhook) => {
            let id = format!("look.{}", to_base64url(&crypto::random::<16>().ok()?));
            let lookup = RelayCall::InvoiceLookup(InvoiceLookup { payment_hash: watched.payment_hash });
            return InvoiceStatus::parse(&relay::call(webhook, &id, &lookup).await.ok()?).ok();
        }
        Node::Direct(connection) => connection,
    };
    let status =
        direct::run(connection, Errand::LookUp, |replies| connection.backend.status(watched, replies)).await.ok()?;
    let not_paid = |status| InvoiceStatus { status, amount_msat: None, preimage: None, settled_at: None };
    Some(match status {
        Status::Settled { amount, preimage, at } => InvoiceStatus {
            status: InvoiceState::Settled,
            amount_msat: Some(amount.0),
            preimage,
            settled_at: Some(at.unwrap_or_else(http::now)),
        },
        Status::Pending => not_paid(InvoiceState::Pending),
        Status::Expired => not_paid(InvoiceState::Expired),
        Status::Canceled => not_paid(InvoiceState::Canceled),
        Status::NotFound => not_paid(InvoiceState::NotFound),
    })
}

/// Reads who makes the invoices. Without a policy nobody knows the network, and the policy's own fault says enough.
pub fn read(text: &dyn Fn(&str) -> Option<String>, policy: Option<&Policy>, faults: &mut Vec<String>) -> Option<Node> {
    let given = |name: &str| text(name).filter(|value| !value.is_empty());
    let local = policy.is_none_or(|policy| policy.network == Network::Regtest);
    match (given("NODE_URL"), given("BACKEND")) {
        (Some(url), None) => {
            let secrets = text("RELAY_SECRETS")
                .ok_or_else(|| "RELAY_SECRETS is missing; set it with `wrangler secret put RELAY_SECRETS`".to_owned())
                .and_then(|text| RelaySecrets::parse(&text).map_err(|e| format!("RELAY_SECRETS {e}")));
            let url = noted(Some(node_url(&url, local)), faults);
            let secrets = noted(Some(secrets), faults);
            Some(Node::Webhook(Webhook { url: url?, secrets: secrets? }))
        }
        (None, Some(line)) => noted(Some(backend(&line, local, policy)), faults).map(Node::Direct),
        (Some(_), Some(_)) => {
            faults.push("NODE_URL and BACKEND are both set; delete the one that is not used".to_owned());
            None
        }
        (None, None) => {
            faults.push(
                "NODE_URL and BACKEND are both missing; set NODE_URL under [vars] for a node webhook, or a \
                 connection string with `wrangler secret put BACKEND`"
                    .to_owned(),
            );
            None
        }
    }
}

/// The node webhook's address: https, or http to this machine on regtest (C15).
fn node_url(url: &str, may_be_local: bool) -> Result<String, String> {
    let url = url.strip_suffix('/').unwrap_or(url);
    let host = url.split_once("://").map(|(_, host)| host.split('/').next().unwrap_or_default()).unwrap_or_default();
    canonical_host(host).ok_or("NODE_URL is not a URL like https://node.example.com")?;
    match is_private(url, may_be_local) {
        true => Ok(url.to_owned()),
        false => Err("NODE_URL must be https; plain http is for loopback on regtest".to_owned()),
    }
}

/// A connection string that can be used from here, for everything that the policy sells. None of its values is told.
fn backend(line: &str, may_be_local: bool, policy: Option<&Policy>) -> Result<Connection, String> {
    let connection = Connection::parse(line).map_err(|fault| format!("BACKEND: {fault}"))?;
    if connection.pin.is_some() {
        return Err("BACKEND: `certthumbprint=` cannot be kept here, because a Worker's fetch asks the public \
                    authorities and pins no certificate; give the node a name with a certificate of theirs, or run the \
                    node webhook beside it"
            .to_owned());
    }
    if !is_private(&connection.place, may_be_local) {
        return Err("BACKEND: `server=` must be https; plain http is for loopback on regtest".to_owned());
    }
    for service in policy.iter().flat_map(|policy| &policy.services) {
        let id = &service.id;
        if service.payee.is_some() {
            return Err(format!(
                "services.{id}.payee: with BACKEND nobody checks who signed an invoice; leave it out, or use a node webhook"
            ));
        }
    }
    Ok(connection)
}

/// What is sent there is read by nobody on the way.
fn is_private(url: &str, may_be_local: bool) -> bool {
    let host = |rest: &str| canonical_host(rest.split('/').next().unwrap_or_default());
    url.starts_with("https://")
        || url.strip_prefix("http://").and_then(host).is_some_and(|host| may_be_local && is_loopback(&host))
}
