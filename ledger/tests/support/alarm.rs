//! What arrives at a book from the network, and what its alarm does. A shell has the same few lines around SQL.

use l402::Msat;
use satstile_ledger::inbox::{self, Cancelled};
use satstile_ledger::payout::{self, Funds, NodeAnswer, Outcome, PayoutState};
use satstile_ledger::refund::{self, RefundState};
use satstile_ledger::session::{self, Closer};
use satstile_ledger::topup::{self, Settlement};
use satstile_ledger::transfer::{self, Ack};
use satstile_ledger::{BookId, Credit, Id, Kind, Reason, escrow, hold};

use super::is_live;
use super::store::Store;
use super::world::{Message, World};

impl World {
    pub fn receive(&mut self, credit: &Credit) {
        let at = self.index_of(credit.to);
        // The node first: only an invoice that nobody can pay any more is settled between books.
        let definitely = matches!(credit.reason, Reason::OwnInvoice(hash) if self.node.cancel(hash));
        let store = &self.stores[at];
        let existing = store.inbox.get(&credit.transfer);
        let invoice = match credit.reason {
            Reason::OwnInvoice(hash) => store.topups.get(&hash).map(|row| Cancelled { row, definitely }),
            _ => None,
        };
        let decision = inbox::receive(&store.book, existing, credit, invoice, self.now);
        if self.commit(at, decision, |_| {}) == Some(true) {
            let ack = self.stores[at].inbox[&credit.transfer].ack();
            self.network.push(Message::Ack(ack, credit.from));
        }
    }

    pub fn acknowledge(&mut self, ack: &Ack, to: BookId) {
        let at = self.index_of(to);
        let store = &self.stores[at];
        let decision = transfer::acknowledge(&store.book, &store.outbox[&ack.transfer], ack, self.now);
        self.commit(at, decision, |_| {});
    }

    pub fn answer(&mut self, book: BookId, id: Id, answer: &NodeAnswer) {
        let at = self.index_of(book);
        let store = &self.stores[at];
        let row = &store.payouts[&id];
        if let Funds::Refund(of) = row.funds {
            let outcome = refund::answer(&store.book, &store.refunds[&of], row, answer, self.now);
            self.conclude(at, outcome);
        } else {
            let outcome = payout::answer(&store.book, row, answer, self.now);
            self.conclude(at, outcome);
        }
    }

    fn conclude<R: super::store::Put>(&mut self, at: usize, outcome: Result<Outcome<R>, satstile_ledger::Refusal>) {
        match outcome {
            Ok(Outcome::Over(step)) => drop(self.commit(at, Ok(step), |_| {})),
            Ok(Outcome::Open) => {}
            Ok(Outcome::Lost(effect) | Outcome::Forgotten(effect)) => self.emit(at, effect),
            Err(refusal) => drop(self.commit::<R>(at, Err(refusal), |_| {})),
        }
    }

    pub fn settle(&mut self, at: usize, settlement: &Settlement) {
        let store = &self.stores[at];
        let row = store.topups.get(&settlement.payment_hash);
        let decision = topup::credit(&store.book, row, settlement, self.now);
        if self.commit(at, decision, |_| {}) == Some(true) {
            let id = Id::from(settlement.payment_hash);
            // A bystander's notice counts as an acknowledgement, unless the invoice was settled between books.
            if self.stores[at].entries.iter().any(|e| (e.kind, e.subject) == (Kind::TopUp, id)) {
                self.acknowledged.insert((at, Kind::TopUp as u8, id));
            }
        }
    }

    /// A bounded batch; each item on its own, so that one that fails stops no other (T85).
    pub fn alarm(&mut self, at: usize) {
        let (now, store) = (self.now, self.stores[at].clone());
        let book = |world: &Self| world.stores[at].book;
        for row in store.holds.values() {
            let mut caps = self.stores[at].chain(row.leaf);
            let decision = hold::sweep(&book(self), row, &mut caps, now);
            self.commit(at, decision, |store| store.put_all(caps));
        }
        for row in store.outbox.values() {
            if let Some((row, effect)) = transfer::resend(&book(self), row, now) {
                self.stores[at].put_all([row]);
                self.emit(at, effect);
            }
        }
        for row in store.payouts.values() {
            if row.state == PayoutState::Created {
                let decision = payout::send(&book(self), row, now);
                self.commit(at, decision, |_| {});
            } else if let Some((row, effect)) = payout::look_up(&book(self), row, now) {
                self.stores[at].put_all([row]);
                self.emit(at, effect);
            }
        }
        for row in store.escrows.values() {
            let act = match row.state {
                escrow::EscrowState::Disputed if self.calm => {
                    (escrow::Act::Rule { to_contractor: Msat(row.amount.0 / 3) }, escrow::Who::Operator)
                }
                _ => (escrow::Act::Deadline, escrow::Who::Alarm),
            };
            let decision = escrow::act(&book(self), row, act.0, act.1, row.version, now);
            self.commit(at, decision, |_| {});
        }
        for row in store.refunds.values().filter(|row| row.state == RefundState::Pending) {
            let decision = refund::lapse(&book(self), row, &self.stores[at].sales[&row.sale], now);
            self.commit(at, decision, |_| {});
        }
        self.close_idle(at, &store);
    }

    fn close_idle(&mut self, at: usize, store: &Store) {
        for row in store.sessions.values() {
            let now = &self.stores[at];
            let in_use = now.payouts.values().find(|p| p.payment_hash == row.return_invoice && is_live(p));
            let decision = session::close(&now.book, row, in_use, Msat(500), Closer::Alarm, self.now);
            self.commit(at, decision, |_| {});
        }
    }
}
