//! Asks a back end what became of an invoice, and writes down what it hears. Every settlement of a real node comes
//! through here, whoever gave the hint: a stream, a timer or the worker (T54, T67).

use std::sync::Arc;

use l402::{Msat, PaymentHash};
use satstile_lightning::{BackendFault, Status, Watched};
use tokio::sync::Notify;

use crate::clock;
use crate::metrics::Metrics;
use crate::remote::Remote;
use crate::store::Store;
use crate::store::invoices::{self, Invoice, Settled};

/// What a look needs.
#[derive(Clone)]
pub(crate) struct Looks {
    pub(crate) store: Arc<Store>,
    pub(crate) metrics: Arc<Metrics>,
    /// Rung after a settlement, for the push.
    pub(crate) bell: Arc<Notify>,
}

/// Why it is not known what became of an invoice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// The back end's fault.
    Backend(BackendFault),
    /// Our own database's.
    Store,
}

impl Unknown {
    /// Whether asking again may help. If not, a stream that waited for it would wait for ever.
    pub(crate) const fn may_pass(self) -> bool {
        match self {
            Self::Backend(fault) => fault.is_transient() || matches!(fault, BackendFault::Unauthorized),
            Self::Store => true,
        }
    }
}

impl Looks {
    /// What the back end says of this invoice now.
    pub(crate) async fn look(&self, remote: &Remote, invoice: &Invoice) -> Result<Status, Unknown> {
        let said = remote.status(&watched(invoice), &self.metrics).await;
        self.hear(remote, invoice.payment_hash, said).await
    }

    /// Has the back end withdraw this invoice; what it says then.
    pub(crate) async fn cancel(&self, remote: &Remote, invoice: &Invoice) -> Result<Status, Unknown> {
        let said = remote.cancel(&watched(invoice), &self.metrics).await;
        self.hear(remote, invoice.payment_hash, said).await
    }

    async fn hear(
        &self,
        remote: &Remote,
        hash: PaymentHash,
        said: Result<Status, BackendFault>,
    ) -> Result<Status, Unknown> {
        let status = said.map_err(|fault| {
            match fault {
                BackendFault::WrongPreimage | BackendFault::Underpaid | BackendFault::WrongInvoice => {
                    tracing::error!(backend = remote.name, hash = %hash.short(), %fault, "a settlement is not believed");
                }
                fault => tracing::warn!(backend = remote.name, hash = %hash.short(), %fault, "no word of an invoice"),
            }
            Unknown::Backend(fault)
        })?;
        if let Status::Settled { amount, node_fee, preimage, at } = &status {
            let at = at.unwrap_or_else(clock::now);
            let settled = Settled { hash, received: *amount, node_fee: *node_fee, preimage: preimage.clone(), at };
            let write = self.store.write(move |books| invoices::settle(books, &settled, clock::now_ms()));
            let is_news = write.await.ok_or(Unknown::Store)?;
            if is_news {
                tracing::info!(backend = remote.name, hash = %hash.short(), amount_msat = amount.0, "invoice paid");
                if *node_fee > Msat(0) {
                    tracing::warn!(
                        backend = remote.name, hash = %hash.short(), node_fee_msat = node_fee.0,
                        "the node kept a part of this payment, most likely for a channel: your cost, not the buyer's"
                    );
                }
                self.metrics.settled(&remote.name, amount.0, node_fee.0);
                self.bell.notify_one();
            }
        }
        Ok(status)
    }

    /// The same for a hash that a back end named: nothing is asked about what was not made here. Whether it was news, and
    /// true.
    pub(crate) async fn look_at_hash(&self, remote: &Remote, hash: PaymentHash) -> Result<bool, Unknown> {
        match self.store.read(|books| invoices::find(books, hash)).ok_or(Unknown::Store)? {
            Some(invoice) if invoice.settled_at.is_none() && invoice.backend == remote.name => {
                self.look(remote, &invoice).await.map(|status| matches!(status, Status::Settled { .. }))
            }
            _ => Ok(false),
        }
    }
}

const fn watched(invoice: &Invoice) -> Watched<'_> {
    Watched { payment_hash: invoice.payment_hash, amount: invoice.amount, reference: invoice.reference.as_str() }
}
