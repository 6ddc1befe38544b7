//! Payments out of the node, for the worker's payouts and refunds: off unless the operator switched them on, signed by a
//! secret of their own, made with a credential of their own (T61).
//!
//! An order is written down before anybody is asked, and paid once under its id. The back end is asked about the hash
//! before it is asked to pay (T90), and only its definite word ends a payment (T93). A call waits some seconds for that
//! word, and then says `unknown`; the errand goes on behind it, and after a restart as well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bitcoin::secp256k1::PublicKey;
use l402::bolt11::Network;
use l402::relay::{PaymentId, PaymentLookup, PaymentSend, PaymentState, PaymentStatus};
use l402::{Msat, UnixTime};
use tokio::sync::{Notify, Semaphore, watch};

use crate::metrics::Metrics;
use crate::problem::Problem;
use crate::store::Store;
use crate::store::payments::{self, Accepted, Payment, State};

mod errand;
mod order;
mod payer;
mod settings;

pub(crate) use payer::{DevPayer, Payer};
pub use settings::PayoutFault;
pub(crate) use settings::{Given, PayoutSettings, Pays};

/// How long a call may wait for the end of a payment. The worker waits 5 seconds for everything.
const SEND_WAITS: Duration = Duration::from_secs(4);
/// The same for a question; one that was not answered by then is asked again later.
const LOOKUP_WAITS: Duration = Duration::from_secs(2);
/// So many payments may wait for their first answer at once; more of them wait in line.
const AT_ONCE: usize = 64;

/// What is needed to pay.
pub(crate) struct Payouts {
    pub(crate) store: Arc<Store>,
    pub(crate) metrics: Arc<Metrics>,
    payer: Payer,
    network: Network,
    /// Keys whose invoices are our own (T95), besides those that the store tells.
    own: Vec<PublicKey>,
    max: Msat,
    daily: Msat,
    places: Semaphore,
    errands: Mutex<HashMap<PaymentId, Errand>>,
    stop: watch::Receiver<bool>,
}

/// Somebody works on a payment.
#[derive(Clone)]
struct Errand {
    /// How many steps were taken; closed when it is over.
    steps: watch::Receiver<u64>,
    /// Ends the pause between two steps.
    poke: Arc<Notify>,
}

/// The terms of the operator, besides who pays.
pub(crate) struct Terms {
    pub(crate) network: Network,
    pub(crate) own: Vec<PublicKey>,
    /// The most that one payment may be for.
    pub(crate) max: Msat,
    /// The most in any 24 hours, routing included.
    pub(crate) daily: Msat,
}

impl Payouts {
    /// Takes up what a restart interrupted.
    pub(crate) fn start(
        store: &Arc<Store>,
        metrics: &Arc<Metrics>,
        payer: Payer,
        terms: Terms,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Arc<Self>> {
        let Terms { network, own, max, daily } = terms;
        let payouts = Arc::new(Self {
            store: Arc::clone(store),
            metrics: Arc::clone(metrics),
            payer,
            network,
            own,
            max,
            daily,
            places: Semaphore::new(AT_ONCE),
            errands: Mutex::default(),
            stop,
        });
        let open = store.read(payments::open).ok_or_else(|| anyhow::anyhow!("the payments cannot be read"))?;
        if !open.is_empty() {
            tracing::info!(payments = open.len(), "payments whose end is not known are asked about");
        }
        for id in open {
            payouts.metrics.payment_opened();
            payouts.errand(id);
        }
        Ok(payouts)
    }

    /// Pays, once for ever under this id; the same order again is answered by how it stands.
    pub(crate) async fn send(self: &Arc<Self>, order: PaymentSend, now: UnixTime) -> Result<PaymentStatus, Problem> {
        order::fits(&order)?;
        let own = self.own_keys()?;
        let refusal = order::refusal(&order, &self.terms(&own, now));
        let (id, daily, hash) = (order.payment_id, self.daily, order.payment_hash.short());
        let accepted = self.store.write(move |books| payments::accept(books, &order, refusal, daily, now)).await;
        let (payment, is_new) = match accepted.ok_or(Problem::Unavailable)? {
            Accepted::Row { payment, is_new } => (payment, is_new),
            Accepted::OtherContent => return Err(Problem::PaymentReused),
        };
        match (&payment.state, is_new) {
            (State::Failed { reason }, true) => {
                tracing::warn!(payment = %id.short(), %hash, reason, "a payment was refused");
                self.metrics.payment_refused();
            }
            (_, true) => {
                tracing::info!(payment = %id.short(), %hash, amount_msat = payment.amount.0, "a payment was ordered");
                self.metrics.payment_opened();
            }
            (_, false) => {}
        }
        self.standing(payment, SEND_WAITS).await
    }

    fn terms<'a>(&self, own: &'a [PublicKey], now: UnixTime) -> order::Terms<'a> {
        let pays_blinded_paths = self.payer.pays_blinded_paths();
        order::Terms { network: self.network, own, max: self.max, pays_blinded_paths, now }
    }

    /// What became of a payment. What is open is asked about.
    pub(crate) async fn lookup(self: &Arc<Self>, asked: &PaymentLookup) -> Result<PaymentStatus, Problem> {
        let found = self.store.read(|books| payments::find(books, asked.payment_id)).ok_or(Problem::Unavailable)?;
        match found {
            None => self.status(None),
            Some(payment) if payment.payment_hash != asked.payment_hash => Err(Problem::PaymentReused),
            Some(payment) => self.standing(payment, LOOKUP_WAITS).await,
        }
    }

    /// Waits for the next step of an open payment, or its end, and says how it stands.
    async fn standing(self: &Arc<Self>, payment: Payment, patience: Duration) -> Result<PaymentStatus, Problem> {
        if !payment.is_open() {
            return self.status(Some(payment));
        }
        let Errand { mut steps, poke } = self.errand(payment.id);
        let is_first = *steps.borrow_and_update() == 0;
        poke.notify_one();
        let step = async {
            // The first step of an errand pays; a later one is a question.
            while steps.changed().await.is_ok() && is_first {}
        };
        let _ = tokio::time::timeout(patience, step).await;
        let found = self.store.read(|books| payments::find(books, payment.id)).ok_or(Problem::Unavailable)?;
        self.status(found)
    }

    /// How a payment stands, for the worker.
    fn status(&self, payment: Option<Payment>) -> Result<PaymentStatus, Problem> {
        let store_since = self.store.read(payments::since).ok_or(Problem::Unavailable)?;
        let plain = |status| PaymentStatus { status, preimage: None, fee_msat: None, reason: None, store_since };
        Ok(match payment.map(|payment| payment.state) {
            None => plain(PaymentState::NotFound),
            Some(State::Created | State::Sent(_)) => plain(PaymentState::Unknown),
            Some(State::Failed { reason }) => PaymentStatus { reason: Some(reason), ..plain(PaymentState::Failed) },
            Some(State::Succeeded { preimage, fee }) => {
                PaymentStatus { preimage: Some(preimage), fee_msat: Some(fee.0), ..plain(PaymentState::Succeeded) }
            }
        })
    }

    /// The errand of a payment; there is one at a time for each.
    fn errand(self: &Arc<Self>, id: PaymentId) -> Errand {
        let mut errands = self.errands.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = || {
            let ((told, steps), poke) = (watch::channel(0), Arc::new(Notify::new()));
            tokio::spawn(errand::run(Arc::clone(self), id, told, Arc::clone(&poke)));
            Errand { steps, poke }
        };
        errands.entry(id).or_insert_with(begin).clone()
    }

    /// The keys that sign our own invoices: those that are known, and the one that signed each back end's last.
    fn own_keys(&self) -> Result<Vec<PublicKey>, Problem> {
        let last = self.store.read(payments::last_own_invoices).ok_or(Problem::Unavailable)?;
        let signed = last.iter().filter_map(|bolt11| crate::invoice::read(bolt11));
        Ok(self.own.iter().copied().chain(signed.map(|invoice| invoice.get_payee_pub_key())).collect())
    }
}
