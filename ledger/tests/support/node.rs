//! A Lightning node and the network behind it: invoices that get paid, payments that hang, answers that contradict nobody.

use std::collections::{BTreeMap, BTreeSet};

use l402::{Msat, PaymentHash, UnixTime};
use satstile_ledger::Id;
use satstile_ledger::effect::Pay;
use satstile_ledger::payout::NodeAnswer;

use super::chance::Chance;
use super::{NOW, preimage};

#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    InFlight,
    Succeeded { fee: Msat },
    Failed,
}

pub struct Node {
    /// Our invoices that were paid: what was paid, and what the node kept.
    pub settled: BTreeMap<PaymentHash, (Msat, Msat)>,
    /// Our invoices that nobody can pay any more.
    pub cancelled: BTreeSet<PaymentHash>,
    /// Payments by the id they were ordered under.
    pub payments: BTreeMap<Id, (Pay, Fate)>,
    /// Preimages of invoices out on the network.
    pub foreign: BTreeMap<PaymentHash, u64>,
    /// When the store began.
    pub store_since: UnixTime,
}

impl Node {
    pub fn new() -> Self {
        let store_since = UnixTime(NOW.0 - 86_400);
        let cancelled = BTreeSet::new();
        Self { settled: BTreeMap::new(), cancelled, payments: BTreeMap::new(), foreign: BTreeMap::new(), store_since }
    }

    /// Somebody out there pays an invoice of ours, if it can be paid.
    pub fn be_paid(&mut self, payment_hash: PaymentHash, paid: Msat, kept: Msat) {
        if !self.cancelled.contains(&payment_hash) {
            self.settled.entry(payment_hash).or_insert((paid, kept));
        }
    }

    /// Whether nobody can pay it any more.
    pub fn cancel(&mut self, payment_hash: PaymentHash) -> bool {
        let is_unpaid = !self.settled.contains_key(&payment_hash);
        if is_unpaid {
            self.cancelled.insert(payment_hash);
        }
        is_unpaid
    }

    /// An order. The same id is one payment, however often it comes.
    pub fn pay(&mut self, pay: Pay) -> NodeAnswer {
        assert!(pay.amount.0 > 0);
        self.payments.entry(pay.payout).or_insert((pay, Fate::InFlight));
        self.look_up(pay.payout)
    }

    pub fn look_up(&self, payout: Id) -> NodeAnswer {
        match self.payments.get(&payout) {
            None => NodeAnswer::NotFound { store_since: self.store_since },
            Some((_, Fate::InFlight)) => NodeAnswer::Unknown,
            Some((_, Fate::Failed)) => NodeAnswer::Failed,
            Some((pay, Fate::Succeeded { fee })) => {
                NodeAnswer::Succeeded { preimage: preimage(self.foreign[&pay.payment_hash]), fee: *fee }
            }
        }
    }

    /// One payment in flight ends: paid for a fee within its limit, rarely above it, or failed.
    pub fn resolve_one(&mut self, chance: &mut Chance) {
        let open: Vec<Id> =
            self.payments.iter().filter(|(_, (_, fate))| *fate == Fate::InFlight).map(|p| *p.0).collect();
        if open.is_empty() {
            return;
        }
        let (pay, fate) = self.payments.get_mut(&open[chance.index(open.len())]).unwrap();
        *fate = if chance.percent(60) {
            let above = if chance.percent(5) { 700 } else { 0 };
            Fate::Succeeded { fee: Msat(chance.below(pay.fee_limit.0 + 1) + above) }
        } else {
            Fate::Failed
        };
    }

    pub fn is_quiet(&self) -> bool {
        self.payments.values().all(|(_, fate)| *fate != Fate::InFlight)
    }

    /// What arrived, for the audit.
    pub fn arrived(&self) -> Vec<(PaymentHash, Msat)> {
        self.settled.iter().map(|(hash, (paid, kept))| (*hash, Msat(paid.0 - kept.0))).collect()
    }

    /// What left, for the audit.
    pub fn left(&self) -> Vec<(Id, Msat)> {
        let paid = self.payments.iter().filter_map(|(id, (pay, fate))| match fate {
            Fate::Succeeded { fee } => Some((*id, Msat(pay.amount.0 + fee.0))),
            Fate::InFlight | Fate::Failed => None,
        });
        paid.collect()
    }
}
