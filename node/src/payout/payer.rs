//! Who pays: a node of the operator's that keeps to a fee limit, or the embedded dev node, which pays the invoices of the
//! dev wallet.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use l402::{Msat, PaymentHash};
use satstile_egress::Client;
use satstile_lightning::wallet::{Outcome, PAYMENT_S, Wallet, WalletConnection};
use satstile_lightning::{BackendFault, HttpReply, Step, wallet};

use crate::clock;
use crate::dev;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::store::payments::Payment;
use crate::store::wallet_invoices::{self, Stand};

/// A little longer than the node may look for a way.
const PAY_DEADLINE: Duration = Duration::from_secs(PAYMENT_S + 15);
/// A node lists each attempt that it made.
const REPLY_BYTES_MAX: usize = 1024 * 1024;
/// No call needs more requests than this.
const STEPS_MAX: usize = 4;

/// What pays.
pub(crate) enum Payer {
    Dev(DevPayer),
    Remote(Box<Remote>),
}

/// A real node, and how it is reached.
pub(crate) struct Remote {
    name: String,
    wallet: Box<dyn Wallet + Send + Sync>,
    client: Client,
    metrics: Arc<Metrics>,
}

/// The dev node's purse: bottomless, and good for invoices of the dev wallet only.
pub(crate) struct DevPayer {
    store: Arc<Store>,
}

impl Payer {
    /// The way to a real node.
    pub(crate) fn remote(connection: WalletConnection, metrics: &Arc<Metrics>) -> io::Result<Self> {
        Ok(Self::Remote(Box::new(Remote {
            name: format!("{} {}", connection.wallet.kind(), connection.place),
            client: Client::new(connection.pin, PAY_DEADLINE)?.with_room_for(REPLY_BYTES_MAX),
            wallet: connection.wallet,
            metrics: Arc::clone(metrics),
        })))
    }

    /// Its kind and place, for logs.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Dev(_) => dev::BACKEND,
            Self::Remote(remote) => &remote.name,
        }
    }

    /// As [`Wallet::may_try_again`].
    pub(super) fn may_try_again(&self) -> bool {
        match self {
            Self::Dev(_) => false,
            Self::Remote(remote) => remote.wallet.may_try_again(),
        }
    }

    /// As [`Wallet::pays_blinded_paths`]. The dev wallet makes no such invoice, so there is none to be paid.
    pub(super) fn pays_blinded_paths(&self) -> bool {
        match self {
            Self::Dev(_) => false,
            Self::Remote(remote) => remote.wallet.pays_blinded_paths(),
        }
    }

    /// Whether what it did is written where the payments are. Then what it has never heard of, nobody told it.
    pub(super) const fn has_our_books(&self) -> bool {
        matches!(self, Self::Dev(_))
    }

    /// Pays. What has no answer, or half of one, is unknown; an error says that nothing was paid, but for
    /// [`BackendFault::WrongPreimage`] and [`BackendFault::WrongInvoice`].
    pub(super) async fn pay(&self, payment: &Payment) -> Result<Outcome, BackendFault> {
        match self {
            Self::Dev(dev) => dev.pay(payment).await,
            Self::Remote(remote) => {
                let asked = wallet::Payment {
                    bolt11: &payment.bolt11,
                    payment_hash: payment.payment_hash,
                    amount: payment.amount,
                    max_fee: payment.fee_limit,
                };
                let unknown =
                    |fault: BackendFault| if fault.is_transient() { Ok(Outcome::Unknown) } else { Err(fault) };
                let next = |replies: &[HttpReply]| remote.wallet.pay(&asked, replies);
                remote.call("pay", &remote.client, next).await.or_else(unknown)
            }
        }
    }

    /// What became of a payment, by the payer's own books; it may wait so long before it answers.
    pub(super) async fn look(&self, hash: PaymentHash, patience: Duration) -> Result<Outcome, BackendFault> {
        match self {
            Self::Dev(dev) => dev.look(hash).await,
            Self::Remote(remote) => {
                let client = remote.client.with_deadline(patience);
                remote.call("payment_status", &client, |replies| remote.wallet.look(hash, replies)).await
            }
        }
    }
}

impl Remote {
    async fn call(
        &self,
        what: &'static str,
        client: &Client,
        next: impl Fn(&[HttpReply]) -> Result<Step<Outcome>, BackendFault>,
    ) -> Result<Outcome, BackendFault> {
        let begun = Instant::now();
        let outcome = steps(client, next).await;
        self.metrics.called(&self.name, what, begun.elapsed(), outcome.as_ref().err());
        outcome
    }
}

/// A reply that is too long came after the request all the same.
async fn steps(
    client: &Client,
    next: impl Fn(&[HttpReply]) -> Result<Step<Outcome>, BackendFault>,
) -> Result<Outcome, BackendFault> {
    let mut replies = Vec::new();
    while replies.len() < STEPS_MAX {
        match next(&replies)? {
            Step::Done(outcome) => return Ok(outcome),
            Step::Ask(request) => replies.push(client.send(&request).await.map_err(|_| BackendFault::Unreachable)?),
        }
    }
    Ok(Outcome::Unknown)
}

impl DevPayer {
    /// For the wallet whose invoices are in `store`.
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self { store: Arc::clone(store) }
    }

    async fn pay(&self, payment: &Payment) -> Result<Outcome, BackendFault> {
        let (hash, bolt11, amount) = (payment.payment_hash, payment.bolt11.to_ascii_lowercase(), payment.amount);
        let pay = self.store.write(move |books| wallet_invoices::pay(books, hash, &bolt11, amount, clock::now()));
        Ok(pay.await.map_or(Outcome::Unknown, outcome))
    }

    async fn look(&self, hash: PaymentHash) -> Result<Outcome, BackendFault> {
        let look = self.store.write(move |books| wallet_invoices::look(books, hash, clock::now()));
        look.await.map(outcome).ok_or(BackendFault::Unreachable)
    }
}

fn outcome(stand: Stand) -> Outcome {
    match stand {
        Stand::Untried => Outcome::NotFound,
        Stand::Open => Outcome::Unknown,
        Stand::Paid(preimage) => Outcome::Paid { preimage, fee: Some(Msat(0)) },
        Stand::Failed => Outcome::Failed("no route".to_owned()),
    }
}
