//! One payout between a book and a node that answers late, twice, or has lost its memory (F16, F17, T90, T93).

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};

use l402::{Msat, UnixTime};
use satstile_ledger::payout::{self, NewPayout, NodeAnswer, Outcome, Payee, Payout, PayoutState};
use satstile_ledger::topup::{self, Settlement};
use satstile_ledger::{Book, Effect, Step};
use stateright::{Checker, Model, Property};

use crate::support::{ALICE, NOW, hash, id, preimage};

const HAD: i64 = 100;
const AMOUNT: u64 = 60;
const LIMIT: u64 = 5;
const FEE: u64 = 2;

/// What the node remembers of the order, and what the network beyond it did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Memory {
    Nothing,
    InFlight,
    Succeeded,
    Failed,
}

#[derive(Clone, Debug, PartialEq)]
struct World {
    book: Book,
    payout: Payout,
    /// Messages to the node: an order, a question.
    order: bool,
    question: bool,
    /// Answers under way.
    answers: BTreeSet<Answer>,
    memory: Memory,
    /// Payments on the network that began and did not end; and that arrived.
    hanging: u8,
    arrived: u8,
    forgot: bool,
    /// Somebody was told that the node forgot.
    alarmed: bool,
    /// The books contradicted the node.
    contradicted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Answer {
    Succeeded,
    Failed,
    Unknown,
    NotFoundByOld,
    NotFoundByNew,
}

impl Eq for World {}

/// By its text, which shows every field and, of a preimage, the hash.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        format!("{self:?}").hash(state);
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Event {
    /// The book writes down that it asks; the order leaves, or the process dies first.
    Send {
        dies: bool,
    },
    Cancel,
    LookUp,
    NodeTakesOrder,
    NodeTakesQuestion,
    /// What hangs on the network ends.
    Arrives,
    FailsForGood,
    /// The node's store is lost; what hangs on the network hangs on. Old orders are stale by then (C7: 300 s).
    NodeForgets,
    Hears(Answer),
}

/// Whether the node may lose its memory.
struct Protocol {
    may_forget: bool,
}

impl World {
    fn answer(&self) -> Answer {
        match (&self.memory, self.forgot) {
            (Memory::Nothing, false) => Answer::NotFoundByOld,
            (Memory::Nothing, true) => Answer::NotFoundByNew,
            (Memory::InFlight, _) => Answer::Unknown,
            (Memory::Succeeded, _) => Answer::Succeeded,
            (Memory::Failed, _) => Answer::Failed,
        }
    }

    fn write(&mut self, step: Step<Payout>) -> Option<Effect> {
        let change = step.change()?;
        (self.book, self.payout) = (change.book, change.row);
        change.effect
    }

    fn hear(&mut self, answer: Answer) {
        let told = match answer {
            Answer::Succeeded => NodeAnswer::Succeeded { preimage: preimage(1), fee: Msat(FEE) },
            Answer::Failed => NodeAnswer::Failed,
            Answer::Unknown => NodeAnswer::Unknown,
            Answer::NotFoundByOld => NodeAnswer::NotFound { store_since: UnixTime(NOW.0 - 9_000) },
            Answer::NotFoundByNew => NodeAnswer::NotFound { store_since: NOW.plus(9_000) },
        };
        match payout::answer(&self.book, &self.payout, &told, NOW) {
            Ok(Outcome::Over(step)) => drop(self.write(step)),
            Ok(Outcome::Open) => {}
            Ok(Outcome::Lost(Effect::Pay(_))) => self.order = true,
            Ok(Outcome::Forgotten(_)) => self.alarmed = true,
            Ok(other) => panic!("{other:?}"),
            Err(_) => self.contradicted = true,
        }
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Event;

    fn init_states(&self) -> Vec<World> {
        let empty = Book::open(ALICE);
        let row = topup::open(&empty, None, hash(9), Msat(100), topup::Terms::FREE).unwrap();
        let paid = Settlement { payment_hash: hash(9), paid: Msat(100), node_fee: Msat(0) };
        let book = topup::credit(&empty, Some(&row), &paid, NOW).unwrap().change().unwrap().book;
        let new =
            NewPayout { id: id("payout", 1), payment_hash: hash(1), amount: Msat(AMOUNT), fee_limit: Msat(LIMIT) };
        let created = payout::create(&book, None, &new, Payee::Elsewhere, NOW).unwrap().change().unwrap();
        vec![World {
            book: created.book,
            payout: created.row,
            order: false,
            question: false,
            answers: BTreeSet::new(),
            memory: Memory::Nothing,
            hanging: 0,
            arrived: 0,
            forgot: false,
            alarmed: false,
            contradicted: false,
        }]
    }

    fn actions(&self, world: &World, events: &mut Vec<Event>) {
        events.extend([Event::Send { dies: false }, Event::Send { dies: true }, Event::Cancel, Event::LookUp]);
        if world.order {
            events.push(Event::NodeTakesOrder);
        }
        if world.question {
            events.push(Event::NodeTakesQuestion);
        }
        if world.hanging > 0 {
            events.extend([Event::Arrives, Event::FailsForGood]);
        }
        if self.may_forget && !world.forgot {
            events.push(Event::NodeForgets);
        }
        events.extend(world.answers.iter().map(|answer| Event::Hears(*answer)));
    }

    fn next_state(&self, before: &World, event: Event) -> Option<World> {
        let mut world = before.clone();
        match event {
            Event::Send { dies } => {
                let effect = payout::send(&world.book, &world.payout, NOW).ok().and_then(|step| world.write(step));
                world.order |= !dies && matches!(effect, Some(Effect::Pay(_)));
            }
            Event::Cancel => {
                if let Ok(step) = payout::cancel(&world.book, &world.payout, NOW) {
                    world.write(step);
                }
            }
            Event::LookUp => {
                let later = UnixTime(u64::MAX / 2);
                let (row, _) = payout::look_up(&world.book, &world.payout, later)?;
                // How often it was asked, and when, is of no interest here and would never end.
                world.payout = Payout { asks: world.payout.asks, next_at: world.payout.next_at, ..row };
                world.question = true;
            }
            Event::NodeTakesOrder => {
                if world.memory == Memory::Nothing {
                    world.memory = Memory::InFlight;
                    world.hanging += 1;
                }
                world.answers.insert(world.answer());
            }
            Event::NodeTakesQuestion => {
                world.answers.insert(world.answer());
            }
            Event::Arrives => {
                (world.hanging, world.arrived) = (world.hanging - 1, world.arrived + 1);
                if world.memory == Memory::InFlight {
                    world.memory = Memory::Succeeded;
                }
            }
            Event::FailsForGood => {
                world.hanging -= 1;
                if world.memory == Memory::InFlight {
                    world.memory = Memory::Failed;
                }
            }
            Event::NodeForgets => {
                world.forgot = true;
                world.memory = Memory::Nothing;
                world.order = false;
                world.answers.remove(&Answer::NotFoundByOld);
            }
            Event::Hears(answer) => world.hear(answer),
        }
        (world != *before).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always("the recipient is paid at most once", |_, world: &World| {
                world.arrived + world.hanging <= 1
            }),
            Property::always("what left is missing, and nothing else", |_, world: &World| {
                let balances = world.book.balances;
                match world.payout.state {
                    PayoutState::Succeeded { .. } => balances.user == HAD - (AMOUNT + FEE) as i64 && world.arrived == 1,
                    PayoutState::Failed => balances.user == HAD && world.arrived + world.hanging == 0,
                    _ => balances.user == HAD - (AMOUNT + LIMIT) as i64,
                }
            }),
            Property::always("the books are sound", |_, world: &World| world.book.balances.sound().is_ok()),
            Property::always("an honest node is never contradicted", |_, world: &World| {
                !world.contradicted || world.payout.state == PayoutState::Created
            }),
            Property::sometimes("it succeeds", |_, world: &World| {
                matches!(world.payout.state, PayoutState::Succeeded { .. })
            }),
            Property::sometimes("it fails after it was sent", |_, world: &World| {
                world.payout.state == PayoutState::Failed && world.memory == Memory::Failed
            }),
            Property::sometimes("it is called off", |_, world: &World| {
                world.payout.state == PayoutState::Failed && world.memory == Memory::Nothing
            }),
            Property::sometimes("a lost order is sent again and paid", |_, world: &World| {
                world.answers.contains(&Answer::NotFoundByOld)
                    && matches!(world.payout.state, PayoutState::Succeeded { .. })
            }),
        ];
        if self.may_forget {
            all.push(Property::sometimes("it was paid, forgotten, and stays reserved", |_, world: &World| {
                world.alarmed && world.arrived == 1 && world.payout.state == PayoutState::Sent
            }));
        }
        all
    }
}

#[test]
#[expect(clippy::cast_possible_wrap, reason = "it is 65")]
fn a_payout_is_paid_once_or_not_at_all_in_every_order() {
    assert_eq!(HAD - (AMOUNT + LIMIT) as i64, 35);
    let checker = Protocol { may_forget: false }.checker().spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 25);
}

/// F17: the node's store is wiped at any moment. Nothing is paid twice; what nobody knows waits for a person.
#[test]
fn a_node_that_forgets_makes_nobody_pay_twice() {
    let checker = Protocol { may_forget: true }.checker().spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 80);
}
