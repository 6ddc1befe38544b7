//! What clients do: each act has its own ids from the start, so that repeating it is the same act.

use std::collections::BTreeMap;

use l402::{Msat, PaymentHash};
use satstile_ledger::escrow::{self, AtDeadline, NewEscrow, Who};
use satstile_ledger::hold::{self, Ending, NewHold, Progress};
use satstile_ledger::payout::{self, NewPayout, Payee};
use satstile_ledger::refund::{self, Withdrawal};
use satstile_ledger::session::{self, Closer};
use satstile_ledger::topup::{self, Secretless, Settlement, Terms, secret_digest};
use satstile_ledger::{BookId, Cap, Id, Kind, caps, sale, spend, transfer};

use super::chance::Chance;
use super::world::World;
use super::{hash, id, is_live, preimage};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    TopUp { n: u64, msat: u64 },
    ClaimTopUp { invoice: PaymentHash, has_secret: bool },
    Debit { n: u64, msat: u64, leaf: Option<Id> },
    Serve { id: Id, delivers: bool },
    Place { n: u64, ceiling: u64, leaf: Option<Id> },
    Progress { id: Id, seen: Option<u64> },
    End { id: Id, cost: Option<u64> },
    Send { n: u64, to: BookId, msat: u64, shares: bool },
    PayOwn { n: u64, to: BookId, invoice: PaymentHash, msat: u64 },
    PayOut { n: u64, msat: u64, fee: u64 },
    Sell { n: u64, msat: u64 },
    Promise { sale: PaymentHash, n: u64 },
    Claim { refund: Id, n: u64 },
    Lock { n: u64, to: BookId, msat: u64, fee: u64, releases: bool },
    Decide { id: Id, what: escrow::Act, who: Who },
    OpenSession { n: u64, returns: u64 },
    CloseSession { id: PaymentHash },
}

impl Act {
    /// What a client of this book might do next, sensible or not.
    pub fn draw(world: &mut World, at: usize) -> Option<Self> {
        let n = world.fresh();
        let chance = &mut world.chance;
        let msat = 1 + chance.below(40_000);
        let small = chance.below(4_000);
        let earlier = 1 + chance.below(n);
        let other = chance.index(world.stores.len());
        let to = world.stores[other].book.id;
        let store = &world.stores[at];
        Some(match chance.below(24) {
            0..=3 => Self::TopUp { n, msat },
            4..=5 => Self::Debit { n, msat: small, leaf: leaf(chance.below(4)) },
            6..=7 => Self::Serve { id: any(&store.uses, chance)?, delivers: chance.percent(70) },
            8..=9 => Self::Place { n, ceiling: small + 1, leaf: leaf(chance.below(4)) },
            10 => Self::Progress { id: any(&store.holds, chance)?, seen: chance.percent(50).then_some(small) },
            11 => Self::End { id: any(&store.holds, chance)?, cost: chance.percent(60).then_some(small) },
            12 => Self::Send { n, to, msat, shares: chance.percent(40) },
            13 => {
                let invoice = any(&world.stores[other].topups, chance)?;
                Self::PayOwn { n, to, invoice, msat: world.stores[other].topups[&invoice].asked.0 }
            }
            14 => Self::PayOut { n, msat, fee: chance.below(900) },
            15 => Self::Sell { n, msat },
            16 => Self::Promise { sale: any(&store.sales, chance)?, n },
            17 => Self::Claim { refund: any(&store.refunds, chance)?, n },
            18 => Self::Lock { n, to, msat, fee: chance.below(900), releases: chance.percent(50) },
            19..=20 => {
                let what = [escrow::Act::Confirm, escrow::Act::GiveUp, escrow::Act::Dispute][chance.index(3)];
                let id = any(&store.escrows, chance)?;
                let who = if chance.percent(50) { store.book.id } else { store.escrows[&id].contractor };
                Self::Decide { id, what, who: Who::Account(who) }
            }
            // Nobody claims a session's deposit.
            21..=22 if at + 1 == world.stores.len() => return None,
            21..=22 => Self::ClaimTopUp { invoice: any(&store.topups, chance)?, has_secret: chance.percent(30) },
            // The last book is a session's own.
            _ if at + 1 < world.stores.len() => return None,
            _ => match store.sessions.values().last() {
                Some(row) if row.state == session::SessionState::Open => Self::CloseSession { id: row.id },
                _ => Self::OpenSession { n: earlier, returns: n },
            },
        })
    }

    /// Carries it out; `None` when the process died and the client heard nothing.
    pub fn run(&self, world: &mut World, at: usize) -> Option<()> {
        let now = world.now;
        let done = |world: &mut World, kind: Kind, subject: Id, wrote: Option<bool>| {
            if wrote? {
                world.acknowledged.insert((at, kind as u8, subject));
            }
            Some(())
        };
        let store = world.stores[at].clone();
        let book = &store.book;
        match *self {
            Self::TopUp { n, msat } => {
                // What the policy of the day says; the same again for the same order.
                let secretless = [Secretless::Nothing, Secretless::Spend, Secretless::Escrow][(n % 3) as usize];
                let is_deposit = at + 1 == world.stores.len();
                let terms = if is_deposit { Terms::FREE } else { Terms::with(secret_digest(&SECRET), secretless) };
                let row = topup::open(book, store.topups.get(&hash(n)), hash(n), Msat(msat), terms);
                world.stores[at].put_all(row);
                Some(())
            }
            Self::ClaimTopUp { invoice, has_secret } => {
                let preimage = world.preimage_of(invoice);
                let claim = topup::Claim { preimage, secret: has_secret.then_some(SECRET), bearer: None };
                match topup::claim(book, store.topups.get(&invoice), &claim) {
                    Ok(accepted) => {
                        world.stores[at].book = accepted.book;
                        world.stores[at].put_all([accepted.row]);
                    }
                    Err(refusal) => world.refuse(refusal),
                }
                Some(())
            }
            Self::Debit { n, msat, leaf } => {
                let id = id("use", n);
                let mut chain = chain(&store, leaf);
                let decision = spend::debit(book, store.uses.get(&id), id, Msat(msat), &mut chain, now);
                let wrote = world.commit(at, decision, |store| store.put_all(chain));
                done(world, Kind::Used, id, wrote)
            }
            Self::Serve { id, delivers } => {
                let Some(row) = store.uses.get(&id) else { return Some(()) };
                if delivers {
                    if let Ok(after) = spend::delivered(row) {
                        world.served += u64::from(after != *row);
                        world.stores[at].put_all([after]);
                    }
                    return Some(());
                }
                let mut chain = store.chain(row.leaf);
                let decision = spend::give_back(book, row, &mut chain, now);
                let wrote = world.commit(at, decision, |store| store.put_all(chain));
                done(world, Kind::GivenBack, row.id, wrote)
            }
            Self::Place { n, ceiling, leaf } => {
                let (id, estimate) = (id("hold", n), Msat(ceiling / 2));
                let mut chain = chain(&store, leaf);
                let new = NewHold { id, ceiling: Msat(ceiling), estimate, ttl_s: 120 };
                let decision = hold::place(book, store.holds.get(&id), &new, &mut chain, now);
                let wrote = world.commit(at, decision, |store| store.put_all(chain));
                done(world, Kind::HoldPlaced, id, wrote)
            }
            Self::Progress { id, seen } => {
                let Some(row) = store.holds.get(&id) else { return Some(()) };
                let seen = seen.map_or(Progress::Begun, |msat| Progress::Seen(Msat(msat)));
                if let Ok(after) = hold::progress(book, row, seen, 60, now) {
                    world.served += u64::from(row.progress == Progress::Nothing);
                    world.stores[at].put_all([after]);
                }
                Some(())
            }
            Self::End { id, cost } => {
                let Some(row) = store.holds.get(&id) else { return Some(()) };
                let mut chain = store.chain(row.leaf);
                let ending = cost.map_or(Ending::Broken, |msat| Ending::Used(Msat(msat)));
                let decision = hold::end(book, row, ending, &mut chain, now);
                let before = world.stores[at].entries.len();
                let wrote = world.commit(at, decision, |store| store.put_all(chain));
                let ended = world.stores[at].entries.len() > before;
                world.served += u64::from(ended && cost.is_some() && row.progress == Progress::Nothing);
                done(world, Kind::HoldEnded, row.id, wrote)
            }
            Self::Send { n, to, msat, shares } => {
                let id = id("transfer", n);
                let send = if shares { transfer::share } else { transfer::send };
                let wrote = world.commit(at, send(book, store.outbox.get(&id), id, to, Msat(msat), now), |_| {});
                done(world, Kind::Sent, id, wrote)
            }
            Self::PayOwn { n, to, invoice, msat } => {
                let id = id("transfer", n);
                let existing = store.outbox.get(&id);
                let decision = transfer::pay_own_invoice(book, existing, id, (to, invoice), Msat(msat), now);
                let wrote = world.commit(at, decision, |_| {});
                done(world, Kind::Sent, id, wrote)
            }
            Self::PayOut { n, msat, fee } => {
                world.node.foreign.insert(hash(n), n);
                let new =
                    NewPayout { id: id("payout", n), payment_hash: hash(n), amount: Msat(msat), fee_limit: Msat(fee) };
                let decision = payout::create(book, store.payouts.get(&new.id), &new, Payee::Elsewhere, now);
                let wrote = world.commit(at, decision, |_| {});
                done(world, Kind::PayoutCreated, new.id, wrote)
            }
            Self::Sell { n, msat } => {
                let settlement = Settlement { payment_hash: hash(n), paid: Msat(msat), node_fee: Msat(0) };
                world.node.be_paid(hash(n), Msat(msat), Msat(0));
                let decision = sale::record(book, store.sales.get(&hash(n)), &settlement, now);
                let wrote = world.commit(at, decision, |_| {});
                done(world, Kind::Sold, hash(n).into(), wrote)
            }
            Self::Promise { sale, n } => {
                let id = id("refund", n);
                let sale = &store.sales[&sale];
                let (amount, failures) = store.failures.and_now(sale.refundable(), book.now(now));
                let existing = store.refunds.get(&id);
                let amount = existing.map_or(amount, |row| row.amount);
                let decision = refund::promise(book, existing, sale, id, amount, (600, now));
                let wrote = world.commit(at, decision, |store| store.failures = failures);
                done(world, Kind::RefundPromised, id, wrote)
            }
            Self::Claim { refund, n } => {
                world.node.foreign.insert(hash(n), n);
                let row = &store.refunds[&refund];
                let in_use = store.payouts.values().find(|p| p.payment_hash == hash(n) && is_live(p));
                let withdrawal = Withdrawal { payment_hash: hash(n), amount: row.amount, fee_limit: Msat(300) };
                let wrote = world.commit(at, refund::claim(book, row, in_use, &withdrawal, now), |_| {});
                wrote.map(drop)
            }
            Self::Lock { n, to, msat, fee, releases } => {
                let at_deadline = if releases { AtDeadline::Release } else { AtDeadline::Return };
                let new = NewEscrow {
                    id: id("task", n),
                    contractor: to,
                    amount: Msat(msat),
                    fee: Msat(fee),
                    deadline: world.now.plus(900),
                    at_deadline,
                };
                let existing = store.escrows.get(&new.id);
                let deadline = existing.map_or(new.deadline, |row| row.deadline);
                let new = NewEscrow { deadline, ..new };
                let wrote = world.commit(at, escrow::lock(book, existing, &new, now), |_| {});
                done(world, Kind::EscrowLocked, new.id, wrote)
            }
            Self::Decide { id, what, who } => {
                let Some(row) = store.escrows.get(&id) else { return Some(()) };
                let decision = escrow::act(book, row, what, who, row.version, now);
                let wrote = world.commit(at, decision, |_| {});
                let kind = if what == escrow::Act::Dispute { Kind::EscrowDisputed } else { Kind::EscrowEnded };
                done(world, kind, row.id, wrote)
            }
            Self::OpenSession { n, returns } => {
                let Some(deposit) = store.topups.get(&hash(n)) else { return Some(()) };
                world.node.foreign.insert(hash(returns), returns);
                let existing = store.sessions.get(&hash(n));
                let terms = (hash(returns), 300);
                if let Ok(rows) = session::open(book, existing, deposit, &preimage(n), terms, now) {
                    world.stores[at].put_all([rows]);
                }
                Some(())
            }
            Self::CloseSession { id } => {
                let row = &store.sessions[&id];
                let in_use = store.payouts.values().find(|p| p.payment_hash == row.return_invoice && is_live(p));
                let decision = session::close(book, row, in_use, Msat(500), Closer::Bearer, now);
                let wrote = world.commit(at, decision, |_| {});
                done(world, Kind::SessionClosed, id.into(), wrote)
            }
        }
    }
}

/// The key of some row.
fn any<K: Copy + Ord, R>(table: &BTreeMap<K, R>, chance: &mut Chance) -> Option<K> {
    (!table.is_empty()).then(|| chance.index(table.len())).and_then(|n| table.keys().nth(n).copied())
}

/// Of every top-up.
const SECRET: [u8; 32] = [5; 32];

const ROOT: PaymentHash = PaymentHash([0x70; 32]);

/// No caps, or one of two children of a token for 9 sats.
fn leaf(which: u64) -> Option<Id> {
    let root = caps::link(&ROOT, None, b"satstile_budget_msat=9000");
    match which {
        0 => Some(caps::link(&ROOT, Some(root), b"satstile_uses=3")),
        1 => Some(caps::link(&ROOT, Some(root), b"satstile_budget_msat=7000")),
        _ => None,
    }
}

/// The rows of a chain, as they stand or new.
fn chain(store: &super::store::Store, leaf: Option<Id>) -> Vec<Cap> {
    let Some(leaf) = leaf else { return Vec::new() };
    let root = caps::link(&ROOT, None, b"satstile_budget_msat=9000");
    let by_uses = leaf == caps::link(&ROOT, Some(root), b"satstile_uses=3");
    let (budget, uses) = if by_uses { (None, Some(3)) } else { (Some(Msat(7_000)), None) };
    let new = [Cap::new(root, None, Some(Msat(9_000)), None), Cap::new(leaf, Some(root), budget, uses)];
    new.map(|cap| store.caps.get(&cap.id).copied().unwrap_or(cap)).into()
}
