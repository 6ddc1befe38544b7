//! Who makes the invoices: the embedded dev node, or the operator's back ends, the first one that can.

use std::sync::Arc;

use bitcoin::secp256k1::PublicKey;
use l402::bolt11::Network;
use l402::relay::InvoiceCreate;
use l402::{Msat, UnixTime};
use satstile_lightning::{BackendFault, Order};

use crate::dev::{Chance, DevNode};
use crate::invoice::{self, Expected};
use crate::metrics::Metrics;
use crate::order::{self, Made};
use crate::problem::Problem;
use crate::remote::Remote;
use crate::store::{Store, invoices};

/// What is asked for invoices.
pub(crate) enum Maker {
    /// Signs them here.
    Dev(DevNode),
    /// Asks for them.
    Remotes(FailOver),
}

/// Back ends in the operator's order.
pub(crate) struct FailOver {
    pub(crate) remotes: Vec<Arc<Remote>>,
    pub(crate) network: Network,
    pub(crate) pinned: Option<PublicKey>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) store: Arc<Store>,
}

impl Maker {
    /// Makes an invoice, exactly as ordered and checked (T55). `id` names the order at the back end.
    pub(crate) async fn make(&self, id: &str, ordered: &InvoiceCreate, now: UnixTime) -> Result<Made, Problem> {
        match self {
            Self::Dev(node) => node.make(ordered, &Chance::draw()?, now),
            Self::Remotes(remotes) => remotes.make(id, ordered).await,
        }
    }

    /// The back end of this name, if it is still configured.
    pub(crate) fn remote(&self, name: &str) -> Option<&Arc<Remote>> {
        self.remotes().iter().find(|remote| remote.name == name)
    }

    /// All of them; none when invoices are made here.
    pub(crate) fn remotes(&self) -> &[Arc<Remote>] {
        match self {
            Self::Dev(_) => &[],
            Self::Remotes(fail_over) => &fail_over.remotes,
        }
    }
}

impl FailOver {
    async fn make(&self, id: &str, ordered: &InvoiceCreate) -> Result<Made, Problem> {
        order::check(ordered)?;
        let payees = order::payees(ordered, self.pinned)?;
        let order = Order {
            amount: Msat(ordered.amount_msat),
            description: &ordered.description,
            expiry_s: ordered.expiry_s,
            label: id,
        };
        // Those that failed a moment ago come last, not never.
        let (resting, ready): (Vec<_>, Vec<_>) = self.remotes.iter().partition(|remote| remote.is_resting());
        let mut problem = Problem::Unavailable;
        for remote in ready.into_iter().chain(resting) {
            match self.ask(remote, &order, &payees).await {
                Ok(made) => return Ok(made),
                Err(next) => problem = worse(problem, next),
            }
        }
        Err(problem)
    }

    async fn ask(&self, remote: &Remote, order: &Order<'_>, payees: &[PublicKey]) -> Result<Made, Problem> {
        let made = remote.create(order, &self.metrics).await.map_err(|fault| {
            tracing::warn!(backend = remote.name, %fault, "no invoice from this back end");
            problem_of(fault)
        })?;
        // A payment hash that is kept would be refused by the store as well (T21), but here another back end may have a
        // fresh invoice.
        let known = self.store.read(|books| invoices::find(books, made.payment_hash)).ok_or(Problem::Unavailable)?;
        let expected = Expected {
            network: self.network,
            payment_hash: made.payment_hash,
            amount_msat: Some(order.amount.0),
            expiry_max_s: order.expiry_s,
            payees,
        };
        let checked = if known.is_none() { invoice::check(&made.bolt11, &expected) } else { Err("given before") };
        let expires_at = checked.map_err(|what| {
            tracing::error!(backend = remote.name, what, "this back end made another invoice than it was asked for");
            self.metrics.lied(&remote.name);
            Problem::Mismatch
        })?;
        Ok(Made {
            bolt11: made.bolt11,
            payment_hash: made.payment_hash,
            preimage: None,
            expires_at,
            backend: remote.name.clone(),
            reference: made.reference,
        })
    }
}

/// What the worker is told of a back end's fault.
const fn problem_of(fault: BackendFault) -> Problem {
    match fault {
        BackendFault::SubSatoshi | BackendFault::OutOfRange => Problem::Amount,
        BackendFault::Invoice(_)
        | BackendFault::WrongPaymentHash
        | BackendFault::WrongInvoice
        | BackendFault::WrongAmount => Problem::Mismatch,
        _ => Problem::Unavailable,
    }
}

/// Of several back ends' problems, the one that the operator must hear of: a lie before a "no" before an absence.
fn worse(one: Problem, other: Problem) -> Problem {
    let weight = |problem| match problem {
        Problem::Mismatch => 2,
        Problem::Unavailable => 0,
        _ => 1,
    };
    if weight(other) > weight(one) { other } else { one }
}
