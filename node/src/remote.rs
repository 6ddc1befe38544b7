//! A real node, or a service with one: asked over the network, believed after checks, left alone for a while when it
//! fails.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use satstile_egress::Client;
use satstile_lightning::{
    Backend, BackendFault, Connection, HttpReply, Invoice, Order, Preimages, Push, Status, Step, Watched,
};

use crate::clock;
use crate::metrics::Metrics;

/// For one request to a node. The worker waits 5 seconds for everything.
const DEADLINE: Duration = Duration::from_secs(4);
/// How long a back end that is away is passed over, as long as another one is not.
const REST_MS: u64 = 15_000;
/// No call needs more requests than this.
const STEPS_MAX: usize = 4;

/// A back end and the way to it.
pub(crate) struct Remote {
    /// `lnd-rest https://127.0.0.1:8080`: names it in the books, in logs and in metrics.
    pub(crate) name: String,
    pub(crate) client: Client,
    backend: Box<dyn Backend + Send + Sync>,
    resting_until_ms: AtomicU64,
}

impl Remote {
    /// The way to a configured back end; `nth` tells apart two of a kind at one place.
    pub(crate) fn new(connection: Connection, nth: usize) -> std::io::Result<Self> {
        let Connection { backend, pin, place } = connection;
        let number = if nth == 0 { String::new() } else { format!(" #{}", nth + 1) };
        let name = format!("{} {place}{number}", backend.kind());
        let client = Client::new(pin, DEADLINE)?;
        Ok(Self { name, client, backend, resting_until_ms: AtomicU64::new(0) })
    }

    /// Whether this is of the same kind and at the same place as what a connection names.
    pub(crate) fn is_like(&self, connection: &Connection) -> bool {
        let name = format!("{} {}", connection.backend.kind(), connection.place);
        self.name == name || self.name.starts_with(&format!("{name} #"))
    }

    /// Whether it tells preimages.
    pub(crate) fn preimages(&self) -> Preimages {
        self.backend.preimages()
    }

    /// How it tells of settlements by itself.
    pub(crate) fn push(&self) -> Option<Push<'_>> {
        self.backend.push()
    }

    /// Makes an invoice.
    pub(crate) async fn create(&self, order: &Order<'_>, metrics: &Metrics) -> Result<Invoice, BackendFault> {
        self.call("create", metrics, |replies| self.backend.create(order, replies)).await
    }

    /// What became of an invoice.
    pub(crate) async fn status(&self, watched: &Watched<'_>, metrics: &Metrics) -> Result<Status, BackendFault> {
        self.call("status", metrics, |replies| self.backend.status(watched, replies)).await
    }

    /// Whether it failed a moment ago.
    pub(crate) fn is_resting(&self) -> bool {
        clock::now_ms() < self.resting_until_ms.load(Ordering::Relaxed)
    }

    async fn call<T>(
        &self,
        what: &'static str,
        metrics: &Metrics,
        next: impl Fn(&[HttpReply]) -> Result<Step<T>, BackendFault>,
    ) -> Result<T, BackendFault> {
        let begun = Instant::now();
        let outcome = self.steps(next).await;
        metrics.called(&self.name, what, begun.elapsed(), outcome.as_ref().err());
        match &outcome {
            Err(fault) if fault.is_transient() || *fault == BackendFault::Unauthorized => {
                self.resting_until_ms.store(clock::now_ms() + REST_MS, Ordering::Relaxed);
            }
            _ => self.resting_until_ms.store(0, Ordering::Relaxed),
        }
        outcome
    }

    async fn steps<T>(&self, next: impl Fn(&[HttpReply]) -> Result<Step<T>, BackendFault>) -> Result<T, BackendFault> {
        let mut replies = Vec::new();
        while replies.len() < STEPS_MAX {
            match next(&replies)? {
                Step::Done(done) => return Ok(done),
                Step::Ask(request) => replies.push(self.client.send(&request).await?),
            }
        }
        Err(BackendFault::Unreadable)
    }
}
