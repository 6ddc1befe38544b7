//! Several books, a node and a network that loses, doubles and reorders; processes that die before or after they wrote.
//!
//! Everything follows from one seed. A client repeats each of its commands until it was acknowledged, with the same ids;
//! what was acknowledged must be in the books afterwards, once.

use std::collections::{BTreeMap, BTreeSet};

use l402::{Msat, PaymentHash, UnixTime};
use satstile_ledger::payout::NodeAnswer;
use satstile_ledger::topup::Settlement;
use satstile_ledger::transfer::Ack;
use satstile_ledger::{BookId, Credit, Effect, Id, Kind, Pay, Refusal, Step};

use super::act::Act;
use super::chance::Chance;
use super::node::Node;
use super::store::{Outside, Put, Store, audited};
use super::{NOW, id, preimage};

/// What is under way on the network.
#[derive(Clone, Debug)]
pub enum Message {
    /// A client's command to its own book.
    Command(usize, Act),
    /// From book to book.
    Credit(Credit),
    /// Back.
    Ack(Ack, BookId),
    /// To the node.
    Pay(BookId, Pay),
    LookUp(BookId, Id),
    /// From the node.
    Answer(BookId, Id, NodeAnswer),
    Settled(usize, Settlement),
}

pub struct World {
    pub seed: u64,
    pub chance: Chance,
    pub stores: Vec<Store>,
    pub node: Node,
    pub now: UnixTime,
    pub network: Vec<Message>,
    /// Commands without an acknowledgement.
    pub waiting: BTreeMap<u64, (usize, Act)>,
    /// What clients were told had happened: the kind of entry and its subject.
    pub acknowledged: BTreeSet<(usize, u8, Id)>,
    pub served: u64,
    pub next: u64,
    /// Which refusals came up, and which kinds of entry: a run that never refuses tests little.
    pub refused: BTreeSet<String>,
    pub crashes: u64,
    pub calm: bool,
}

impl World {
    pub fn new(seed: u64, books: u64) -> Self {
        let stores = (0..books).map(|n| Store::new(BookId(id("book", n).0))).collect();
        Self {
            seed,
            chance: Chance::new(seed),
            stores,
            node: Node::new(),
            now: NOW,
            network: Vec::new(),
            waiting: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            served: 0,
            next: 0,
            refused: BTreeSet::new(),
            crashes: 0,
            calm: false,
        }
    }

    pub fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub fn index_of(&self, book: BookId) -> usize {
        self.stores.iter().position(|store| store.book.id == book).unwrap()
    }

    /// Writes a decision, unless the process dies first; tells nobody, if it dies right after. Gives whether the caller
    /// lives to answer.
    pub fn commit<R: Put>(
        &mut self,
        at: usize,
        decision: Result<Step<R>, Refusal>,
        also: impl FnOnce(&mut Store),
    ) -> Option<bool> {
        let step = match decision {
            Ok(step) => step,
            Err(Refusal::Breach(broken)) => panic!("seed {}: {broken}", self.seed),
            Err(refusal) => {
                self.refuse(refusal);
                return Some(false);
            }
        };
        if !self.calm && self.chance.percent(4) {
            self.crashes += 1;
            return None;
        }
        let is_new = matches!(step, Step::Write(_));
        let effect = self.stores[at].write(step);
        if is_new {
            also(&mut self.stores[at]);
        }
        if !self.calm && self.chance.percent(4) {
            self.crashes += 1;
            return None;
        }
        if let Some(effect) = effect {
            self.emit(at, effect);
        }
        Some(true)
    }

    pub fn refuse(&mut self, refusal: Refusal) {
        self.refused.insert(format!("{refusal:?}").split([' ', '(']).next().unwrap().to_owned());
    }

    pub fn preimage_of(&self, invoice: PaymentHash) -> l402::Preimage {
        (1..=self.next).map(preimage).find(|preimage| preimage.payment_hash() == invoice).expect("one of ours")
    }

    pub fn emit(&mut self, at: usize, effect: Effect) {
        let book = self.stores[at].book.id;
        match effect {
            Effect::Pay(pay) => self.network.push(Message::Pay(book, pay)),
            Effect::LookUp { payout, .. } => self.network.push(Message::LookUp(book, payout)),
            Effect::Credit(credit) => self.network.push(Message::Credit(credit)),
            Effect::Push { .. } => {}
            Effect::Alert { subject } => panic!("seed {}: nobody lost the node's memory of {subject:?}", self.seed),
        }
    }

    /// One thing happens.
    pub fn step(&mut self) {
        match self.chance.below(100) {
            0..=29 => self.new_command(),
            30..=79 => self.deliver_one(),
            80..=86 => self.node.resolve_one(&mut self.chance),
            87..=95 => {
                let at = self.chance.index(self.stores.len());
                self.alarm(at);
            }
            96 => self.somebody_pays(),
            97 => self.now = self.now.plus(self.chance.below(400)),
            98 => self.now = UnixTime(self.now.0 - self.chance.below(3_600)),
            _ => self.remind(),
        }
    }

    fn new_command(&mut self) {
        let at = self.chance.index(self.stores.len());
        if let Some(act) = Act::draw(self, at) {
            let n = self.fresh();
            self.waiting.insert(n, (at, act.clone()));
            self.network.push(Message::Command(at, act));
        }
    }

    /// An invoice that a client asked for is paid; exactly, too much, and with a cut for the node's liquidity.
    fn somebody_pays(&mut self) {
        let all = self.stores.iter().flat_map(|store| store.topups.values());
        let open: Vec<_> = all.filter(|row| !self.node.settled.contains_key(&row.payment_hash)).copied().collect();
        if open.is_empty() {
            return;
        }
        let row = open[self.chance.index(open.len())];
        let paid = Msat(row.asked.0 + [0, 0, 1_500][self.chance.index(3)]);
        let kept = Msat([0, 0, paid.0 / 10][self.chance.index(3)]);
        self.node.be_paid(row.payment_hash, paid, kept);
    }

    /// Clients repeat what was not acknowledged; the node repeats its notices.
    fn remind(&mut self) {
        let waiting: Vec<_> = self.waiting.values().cloned().collect();
        self.network.extend(waiting.into_iter().map(|(at, act)| Message::Command(at, act)));
        self.notices();
    }

    fn notices(&mut self) {
        let settled: Vec<(PaymentHash, (Msat, Msat))> = self.node.settled.iter().map(|(h, s)| (*h, *s)).collect();
        for (payment_hash, (paid, node_fee)) in settled {
            let Some(at) = self.stores.iter().position(|s| s.topups.contains_key(&payment_hash)) else { continue };
            self.network.push(Message::Settled(at, Settlement { payment_hash, paid, node_fee }));
        }
    }

    /// Any message, not the oldest; sometimes lost, sometimes twice.
    fn deliver_one(&mut self) {
        if self.network.is_empty() {
            return;
        }
        let n = self.chance.index(self.network.len());
        let message = self.network.swap_remove(n);
        if !self.calm && self.chance.percent(8) {
            return;
        }
        if !self.calm && self.chance.percent(8) {
            self.network.push(message.clone());
        }
        self.deliver(message);
    }

    fn deliver(&mut self, message: Message) {
        match message {
            Message::Command(at, act) => {
                if act.run(self, at).is_some() {
                    self.waiting.retain(|_, (book, waiting)| (*book, &*waiting) != (at, &act));
                }
            }
            Message::Pay(book, pay) => {
                let answer = self.node.pay(pay);
                self.network.push(Message::Answer(book, pay.payout, answer));
            }
            Message::LookUp(book, payout) => {
                let answer = self.node.look_up(payout);
                self.network.push(Message::Answer(book, payout, answer));
            }
            Message::Credit(credit) => self.receive(&credit),
            Message::Ack(ack, to) => self.acknowledge(&ack, to),
            Message::Answer(book, payout, answer) => self.answer(book, payout, &answer),
            Message::Settled(at, settlement) => self.settle(at, &settlement),
        }
    }

    /// Lets everything end: no more crashes or losses, alarms until nothing is open, every payment resolved.
    pub fn settle_down(&mut self) {
        self.calm = true;
        for _ in 0..400 {
            self.remind();
            while !self.network.is_empty() {
                self.deliver_one();
            }
            (0..20).for_each(|_| self.node.resolve_one(&mut self.chance));
            (0..self.stores.len()).for_each(|at| self.alarm(at));
            self.now = self.now.plus(1_000);
            if self.is_quiet() {
                return;
            }
        }
        panic!("seed {}: it never became quiet", self.seed);
    }

    fn is_quiet(&self) -> bool {
        let open = |store: &Store| {
            store.outbox.values().any(|row| row.state == satstile_ledger::transfer::OutboundState::Sent)
                || store.book.balances.hold != 0
                || store.book.balances.escrow != 0
                || store.book.balances.payout != 0
                || store.book.balances.refund != 0
        };
        self.network.is_empty() && self.waiting.is_empty() && self.node.is_quiet() && !self.stores.iter().any(open)
    }

    /// The audit, at any moment.
    pub fn audit(&self) {
        let outside = Outside {
            settled: Some(self.node.arrived()),
            paid: Some(self.node.left()),
            served: Some(self.served),
            is_quiet: self.calm && self.is_quiet(),
        };
        if let Err(breach) = audited(&self.stores, self.now, &outside) {
            panic!("seed {}: {breach:?}", self.seed);
        }
        // The clients' own log: acknowledged means durable, and once (T74).
        for (at, kind, subject) in &self.acknowledged {
            let entries = self.stores[*at].entries.iter();
            let found = entries.filter(|entry| (entry.kind as u8, entry.subject) == (*kind, *subject)).count();
            let kind = Kind::from_code(*kind);
            assert_eq!(found, 1, "seed {}: {kind:?} of {subject:?} was acknowledged", self.seed);
        }
    }
}
