//! From a price to an invoice that may be shown: ask the node's side, then believe none of it (T21, T55, T56).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};

use l402::bolt11::{Expected, Invoice};
use l402::encoding::to_base64url;
use l402::keys::{Keys, Purpose};
use l402::{Msat, PaymentHash};

use crate::config::gate::Gate;
use crate::invoices::backend::NodeFault;
use crate::invoices::node;
use crate::invoices::order::{Made, Wanted};
use crate::platform::{crypto, http, log};

/// How many payment hashes an isolate remembers.
const RING: usize = 10_000;

thread_local! {
    static SEEN: RefCell<Seen> = RefCell::default();
    static LAST_FAILED: Cell<bool> = const { Cell::new(false) };
}

/// The payment hashes of the last invoices: in their order, and to look one up.
#[derive(Default)]
struct Seen {
    order: VecDeque<[u8; 32]>,
    known: BTreeSet<[u8; 32]>,
}

/// Whether an invoice can be had, as far as this isolate knows: the last one that it asked for could be made.
pub fn can_sell() -> bool {
    !LAST_FAILED.get()
}

/// An invoice for exactly what is wanted, fresh, on this network.
pub async fn create(gate: &Gate, wanted: &Wanted<'_>) -> Result<Made, NodeFault> {
    let made = order(gate, wanted).await;
    LAST_FAILED.set(made.is_err());
    made
}

async fn order(gate: &Gate, wanted: &Wanted<'_>) -> Result<Made, NodeFault> {
    let id = request_id(&gate.keys, wanted).map_err(|_| NodeFault::Silent)?;
    let unverified = node::create(gate, wanted, &id).await?;
    let invoice = Invoice::parse(&unverified.bolt11).map_err(|fault| wrong(&fault.to_string()))?;
    let expected = Expected {
        network: gate.policy.network,
        amount: wanted.amount,
        payment_hash: unverified.payment_hash,
        min_expiry_s: 60,
        max_expiry_s: gate.policy.invoice_expiry_s,
        now: http::now(),
    };
    invoice.check(&expected).map_err(|fault| wrong(&fault.to_string()))?;
    if !SEEN.with_borrow_mut(|seen| seen.is_new(&invoice.payment_hash)) {
        return Err(wrong("gave an invoice that it gave before: one payment would open two doors"));
    }
    // Upper and lower case are one invoice; headers and QR codes take the one spelling.
    Ok(Made { bolt11: unverified.bolt11.to_ascii_lowercase(), invoice, reference: unverified.reference })
}

fn wrong(reason: &str) -> NodeFault {
    log::warn("invoice", reason);
    NodeFault::Wrong
}

impl Seen {
    /// Remembers a hash; false when it was there already (T21).
    fn is_new(&mut self, hash: &PaymentHash) -> bool {
        if !self.known.insert(hash.0) {
            return false;
        }
        if self.order.len() >= RING
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(hash.0);
        true
    }
}

/// `<name>.<msat>.<random>.<seal>`: the settlement brings it back, and the seal says without any
/// memory that this edge asked for this amount (C7).
fn request_id(keys: &Keys, wanted: &Wanted<'_>) -> worker::Result<String> {
    let text = format!("{}.{}.{}", wanted.name, wanted.amount.0, to_base64url(&crypto::random::<16>()?));
    let seal = keys.seal(Purpose::RelayRequest, &text);
    Ok(format!("{text}.{seal}"))
}

/// The service and amount of a request id that we sealed.
pub fn open_request_id(keys: &Keys, id: &str) -> Option<(String, Msat)> {
    let (text, seal) = id.rsplit_once('.')?;
    let mut parts = text.split('.');
    let (service, msat) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
    keys.is_sealed(Purpose::RelayRequest, text, seal).then_some((service, Msat(msat)))
}
