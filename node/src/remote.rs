//! A real node, a service with one, or a wallet: asked over the network, believed after checks, left alone for a while
//! when it fails.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use satstile_lightning::{BackendFault, Invoice, Order, Preimages, Status, Watched};

use crate::clock;
use crate::configured::Configured;
use crate::metrics::Metrics;
use crate::way::{Tells, Way};

/// How long a back end that is away is passed over, as long as another one is not.
const REST_MS: u64 = 15_000;

/// A back end and the way to it.
pub(crate) struct Remote {
    /// `lnd-rest https://127.0.0.1:8080`: names it in the books, in logs and in metrics.
    pub(crate) name: String,
    preimages: Preimages,
    way: Way,
    resting_until_ms: AtomicU64,
    is_heard: AtomicBool,
}

impl Remote {
    /// The way to a configured back end; `nth` tells apart two of a kind at one place.
    pub(crate) fn new(configured: Configured, nth: usize) -> io::Result<Self> {
        let number = if nth == 0 { String::new() } else { format!(" #{}", nth + 1) };
        Ok(Self {
            name: configured.name() + &number,
            preimages: configured.preimages(),
            way: Way::to(configured)?,
            resting_until_ms: AtomicU64::new(0),
            is_heard: AtomicBool::new(false),
        })
    }

    /// Whether this is of the same kind and at the same place as what was configured.
    pub(crate) fn is_like(&self, configured: &Configured) -> bool {
        let name = configured.name();
        self.name == name || self.name.starts_with(&format!("{name} #"))
    }

    /// Whether it tells preimages.
    pub(crate) const fn preimages(&self) -> Preimages {
        self.preimages
    }

    /// How it tells of settlements by itself.
    pub(crate) fn tells(&self) -> Option<Tells<'_>> {
        self.way.tells()
    }

    /// Whether settlements are told, so that it need not be asked much.
    pub(crate) fn is_heard(&self) -> bool {
        match self.tells() {
            // Both tell later what they told nobody, and nobody knows whether a silent stream is open.
            Some(Tells::Lnd(..) | Tells::Cln(..)) => true,
            Some(Tells::Phoenixd(..) | Tells::Nwc(_)) => self.is_heard.load(Ordering::Relaxed),
            None => false,
        }
    }

    /// Notes whether a web socket tells of settlements now; whether one did before.
    pub(crate) fn set_heard(&self, is_heard: bool) -> bool {
        self.is_heard.swap(is_heard, Ordering::Relaxed)
    }

    /// Makes an invoice.
    pub(crate) async fn create(&self, order: &Order<'_>, metrics: &Metrics) -> Result<Invoice, BackendFault> {
        self.call("create", metrics, self.way.create(order)).await
    }

    /// What became of an invoice.
    pub(crate) async fn status(&self, watched: &Watched<'_>, metrics: &Metrics) -> Result<Status, BackendFault> {
        self.call("status", metrics, self.way.status(watched)).await
    }

    /// Withdraws an invoice, and says what became of it. A credential that may not do this can make invoices all the same:
    /// whatever comes of it, nobody is passed over.
    pub(crate) async fn cancel(&self, watched: &Watched<'_>, metrics: &Metrics) -> Result<Status, BackendFault> {
        let begun = Instant::now();
        let outcome = self.way.cancel(watched).await;
        metrics.called(&self.name, "cancel", begun.elapsed(), outcome.as_ref().err());
        outcome
    }

    /// Whether it failed a moment ago.
    pub(crate) fn is_resting(&self) -> bool {
        clock::now_ms() < self.resting_until_ms.load(Ordering::Relaxed)
    }

    async fn call<T>(
        &self,
        what: &'static str,
        metrics: &Metrics,
        call: impl Future<Output = Result<T, BackendFault>>,
    ) -> Result<T, BackendFault> {
        let begun = Instant::now();
        let outcome = call.await;
        metrics.called(&self.name, what, begun.elapsed(), outcome.as_ref().err());
        match &outcome {
            Err(fault) if fault.is_transient() || *fault == BackendFault::Unauthorized => {
                self.resting_until_ms.store(clock::now_ms() + REST_MS, Ordering::Relaxed);
            }
            _ => self.resting_until_ms.store(0, Ordering::Relaxed),
        }
        outcome
    }
}
