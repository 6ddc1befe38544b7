//! One task between a buyer's book and a contractor's: everybody may do everything at any time, and processes die (T84, T101,
//! T102).

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use l402::{Msat, UnixTime};
use satstile_ledger::escrow::{self, Act, AtDeadline, Escrow, EscrowState, NewEscrow, Who};
use satstile_ledger::inbox::{self, Inbound};
use satstile_ledger::topup::{self, Settlement};
use satstile_ledger::transfer::{self, Ack, Outbound, OutboundState};
use satstile_ledger::{Book, Credit, Effect};
use stateright::{Checker, Model, Property};

use crate::support::{ALICE, BOB, NOW, hash, id};

const PRICE: u64 = 100;
const FEE: u64 = 7;
const DEADLINE: UnixTime = UnixTime(NOW.0 + 60);

#[derive(Clone, Debug, PartialEq, Eq)]
struct World {
    buyer: Book,
    contractor: Book,
    escrow: Escrow,
    outbox: Option<Outbound>,
    inbox: Option<Inbound>,
    /// Messages that were ever sent.
    credits: Vec<Credit>,
    acks: BTreeSet<bool>,
    is_late: bool,
    contradicted: bool,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        format!("{self:?}").hash(state);
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Event {
    /// Somebody acts on what they saw; the message leaves, or the process dies first.
    Acts {
        what: Act,
        who: Who,
        version: u32,
        dies: bool,
    },
    TimePasses,
    Resends,
    ContractorHears {
        dies: bool,
    },
    BuyerHears(bool),
}

struct Task {
    at_deadline: AtDeadline,
}

impl World {
    fn clock(&self) -> UnixTime {
        if self.is_late { DEADLINE } else { NOW }
    }

    fn acts(&mut self, what: Act, who: Who, version: u32, dies: bool) {
        let Ok(step) = escrow::act(&self.buyer, &self.escrow, what, who, version, self.clock()) else { return };
        let Some(change) = step.change() else { return };
        self.buyer = change.book;
        self.escrow = change.row.0;
        self.outbox = change.row.1.or(self.outbox);
        if let (Some(Effect::Credit(credit)), false) = (change.effect, dies) {
            self.credits = vec![credit];
        }
    }

    fn contractor_hears(&mut self, dies: bool) {
        let Some(credit) = self.credits.first() else { return };
        match inbox::receive(&self.contractor, self.inbox.as_ref(), credit, None, self.clock()) {
            Ok(step) => {
                if let Some(change) = step.change() {
                    self.contractor = change.book;
                    self.inbox = Some(change.row.0);
                }
                if let (Some(row), false) = (self.inbox, dies) {
                    self.acks.insert(row.ack().accepted);
                }
            }
            Err(_) => self.contradicted = true,
        }
    }

    fn buyer_hears(&mut self, accepted: bool) {
        let Some(row) = self.outbox else { return };
        let ack = Ack { transfer: row.credit.transfer, by: BOB, accepted };
        match transfer::acknowledge(&self.buyer, &row, &ack, self.clock()) {
            Ok(step) => {
                if let Some(change) = step.change() {
                    (self.buyer, self.outbox) = (change.book, Some(change.row));
                }
            }
            Err(_) => self.contradicted = true,
        }
    }
}

impl Model for Task {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        let empty = Book::open(ALICE);
        let row = topup::open(&empty, None, hash(9), Msat(PRICE), topup::Terms::FREE).unwrap();
        let paid = Settlement { payment_hash: hash(9), paid: Msat(PRICE), node_fee: Msat(0) };
        let book = topup::credit(&empty, Some(&row), &paid, NOW).unwrap().change().unwrap().book;
        let new = NewEscrow {
            id: id("task", 1),
            contractor: BOB,
            amount: Msat(PRICE),
            fee: Msat(FEE),
            deadline: DEADLINE,
            at_deadline: self.at_deadline,
        };
        let locked = escrow::lock(&book, None, &new, NOW).unwrap().change().unwrap();
        vec![World {
            buyer: locked.book,
            contractor: Book::open(BOB),
            escrow: locked.row,
            outbox: None,
            inbox: None,
            credits: Vec::new(),
            acks: BTreeSet::new(),
            is_late: false,
            contradicted: false,
        }]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        let acts = [
            (Act::Confirm, Who::Account(ALICE)),
            (Act::Confirm, Who::Account(BOB)),
            (Act::GiveUp, Who::Account(BOB)),
            (Act::Dispute, Who::Account(ALICE)),
            (Act::Dispute, Who::Account(BOB)),
            (Act::Deadline, Who::Alarm),
            (Act::Rule { to_contractor: Msat(50) }, Who::Operator),
            (Act::Rule { to_contractor: Msat(0) }, Who::Operator),
        ];
        for (what, who) in acts {
            for version in 1..=3 {
                events.extend([true, false].map(|dies| Event::Acts { what, who, version, dies }));
            }
        }
        events.extend([Event::TimePasses, Event::Resends]);
        if !world.credits.is_empty() {
            events.extend([true, false].map(|dies| Event::ContractorHears { dies }));
        }
        events.extend(world.acks.iter().map(|accepted| Event::BuyerHears(*accepted)));
    }

    fn next_state(&self, before: &World, event: Event) -> Option<World> {
        let mut world = before.clone();
        match event {
            Event::Acts { what, who, version, dies } => world.acts(what, who, version, dies),
            Event::TimePasses => world.is_late = true,
            Event::Resends => {
                let row = world.outbox.filter(|row| row.state == OutboundState::Sent)?;
                if let Some((_, Effect::Credit(credit))) = transfer::resend(&world.buyer, &row, UnixTime(u64::MAX / 2))
                {
                    world.credits = vec![credit];
                }
            }
            Event::ContractorHears { dies } => world.contractor_hears(dies),
            Event::BuyerHears(accepted) => world.buyer_hears(accepted),
        }
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no msat is made or lost", |_, world: &World| {
                let (a, b) = (world.buyer.balances, world.contractor.balances);
                let held = a.user + a.escrow + a.fees + a.in_transit + b.user + b.in_transit;
                held == 100 && a.sound().is_ok() && b.sound().is_ok() && a.in_transit + b.in_transit >= 0
            }),
            Property::always("the contractor has what was released, once, or it is on its way", |_, world: &World| {
                let released = match world.escrow.state {
                    EscrowState::Ended { released, .. } => i64::try_from(released.0).unwrap(),
                    _ => 0,
                };
                let arrived = world.contractor.balances.user;
                arrived == released || arrived == 0
            }),
            Property::always("what is delivered has arrived", |_, world: &World| {
                let delivered = world.outbox.is_some_and(|row| row.state == OutboundState::Delivered);
                !delivered || world.inbox.is_some_and(|row| row.accepted)
            }),
            Property::always("nothing contradicts anything", |_, world: &World| !world.contradicted),
            Property::always("an open task is locked in full", |_, world: &World| {
                matches!(world.escrow.state, EscrowState::Ended { .. }) == (world.buyer.balances.escrow == 0)
            }),
            Property::sometimes("released, delivered and acknowledged", |_, world: &World| {
                world.contractor.balances.user == 93
                    && world.outbox.is_some_and(|row| row.state == OutboundState::Delivered)
            }),
            Property::sometimes("returned", |_, world: &World| world.buyer.balances.user == 100),
            Property::sometimes("divided", |_, world: &World| {
                (world.contractor.balances.user, world.buyer.balances.fees, world.buyer.balances.user) == (47, 3, 50)
            }),
            Property::sometimes("received, and the buyer's book does not know yet", |_, world: &World| {
                world.inbox.is_some() && world.outbox.is_some_and(|row| row.state == OutboundState::Sent)
            }),
        ]
    }
}

#[test]
fn a_task_is_paid_once_or_returned_in_every_order() {
    for at_deadline in [AtDeadline::Return, AtDeadline::Release] {
        let checker = Task { at_deadline }.checker().spawn_bfs().join();
        checker.assert_properties();
        assert!(checker.unique_state_count() > 30);
    }
}
