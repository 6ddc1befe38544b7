//! Who makes the invoices and knows which of them were paid: the node webhook, or a back end with a public https API
//! that is called straight from here. Exactly one of the two is configured.
//!
//! | | `NODE_URL` and `RELAY_SECRETS` | `BACKEND` |
//! | --- | --- | --- |
//! | who holds the back end's credential | the webhook | this worker |
//! | how a payment becomes known | pushed, or asked for | asked for |
//! | who checks an invoice's signature | the webhook | nobody: a policy with `payee` is refused (C8) |

use l402::encoding::to_base64url;
use l402::relay::{InvoiceCreate, InvoiceCreated, InvoiceLookup, InvoiceState, InvoiceStatus, RelayCall};
use l402::{Msat, PaymentHash, reference};
use satstile_lightning::{Order, Status, Watched};

use crate::config::gate::Gate;
use crate::invoices::backend::{Node, NodeFault, Webhook};
use crate::invoices::breaker::Errand;
use crate::invoices::order::Wanted;
use crate::invoices::{direct, relay};
use crate::platform::{crypto, http, log};

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
    let not_paid =
        |status| InvoiceStatus { status, amount_msat: None, preimage: None, settled_at: None, received_msat: None };
    Some(match status {
        Status::Settled { amount, node_fee, preimage, at } => InvoiceStatus {
            status: InvoiceState::Settled,
            amount_msat: Some(amount.0),
            preimage,
            settled_at: Some(at.unwrap_or_else(http::now)),
            received_msat: (node_fee > Msat(0)).then(|| amount.0.saturating_sub(node_fee.0)),
        },
        Status::Pending => not_paid(InvoiceState::Pending),
        Status::Expired => not_paid(InvoiceState::Expired),
        Status::Canceled => not_paid(InvoiceState::Canceled),
        Status::NotFound => not_paid(InvoiceState::NotFound),
    })
}
