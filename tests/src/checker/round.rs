//! One round: work, kill, raise, bring to rest, compare.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Settings;
use super::bank::{self, Bank, Edge, REFUNDED, hold_ttl_s};
use super::books::{self, Books, Line};
use super::client::Client;
use super::compare::{self, Findings, Logged, World};
use super::conserve;
use super::dice::Dice;
use super::log::{Account, Grant, Log, TopUp, lock};
use super::meter::Act;
use super::orders::{Payout, Transfer};
use super::pace::in_time;
use super::purchases::{How, present};
use super::wire::Heard;
use super::{moves, returns};

/// Everything is at rest by then: the life of a hold, an alarm that is late, and a push that is said again after a while.
const REST: Duration = Duration::from_secs(45);
/// A payout whose first answers were lost is asked about after 1, 2, 4 … seconds, and never sooner than an alarm rings again:
/// where five questions in a row came to nothing, the sixth comes a minute and a half after the order (T93).
const RETURNED: Duration = Duration::from_secs(100);
/// An attempt at a counted delivery, whose worker died, counts as failed after so long (D8): 60 s and the timeouts.
const LEASE: Duration = Duration::from_secs(75);
/// A run that makes no more progress than this is over, whatever the clients planned.
const STUCK: Duration = Duration::from_secs(60);

/// How a round ended.
pub struct Done {
    /// From the worker's start to its first answer.
    pub restart: Duration,
    /// Whether the node webhook died, too.
    pub killed_node: bool,
    /// Over everything so far.
    pub findings: Findings,
}

/// One round. `known` are the journals as far as they were read, by account.
pub fn run(bank: &mut Bank, log: &Log, settings: &Settings, number: u64, known: &mut Vec<Vec<Line>>) -> Done {
    let (edge, mut dice) = (bank.edge(), Dice::of(settings.seed, &[number]));
    let (progress, planned) = (AtomicU64::new(0), settings.clients * settings.operations);
    let moment = planned * dice.between(20, 85) / 100;
    let (mut restart, killed_node) = (Duration::ZERO, dice.percent(40));
    bank.courier.is_reliable.store(false, Ordering::SeqCst);
    let Bank { workerd, node, paying, .. } = &mut *bank;
    let paying = &*paying;
    std::thread::scope(|scope| {
        for client in 0..settings.clients {
            let dice = Dice::of(settings.seed, &[number, client + 1]);
            let name = format!("{number}-{client}");
            let (edge, progress, operations) = (&edge, &progress, settings.operations);
            scope.spawn(move || Client { edge, log, paying, dice, name, done: 0 }.work(operations, progress));
        }
        let start = Instant::now();
        while progress.load(Ordering::SeqCst) < moment && start.elapsed() < STUCK {
            std::thread::sleep(Duration::from_millis(1));
        }
        if killed_node {
            // Right after a payment that was answered: its push may not have been sent.
            let _nobody_pays = paying.write().unwrap_or_else(PoisonError::into_inner);
            node.kill();
        }
        std::thread::sleep(Duration::from_micros(dice.between(0, 20_000)));
        workerd.kill();
        lock(&log.kills).push(Instant::now());
        std::thread::sleep(Duration::from_millis(dice.between(0, 150)));
        restart = bank::raise(workerd);
        if killed_node {
            std::thread::sleep(Duration::from_millis(dice.between(0, 300)));
            node.restart();
        }
    });
    bank.courier.is_reliable.store(true, Ordering::SeqCst);
    let mut findings = rest(&edge, log, number);
    findings.add(look(bank, log, known));
    Done { restart, killed_node, findings }
}

/// Brings everything to rest: lost answers are asked for again, pushes arrive, holds end.
fn rest(edge: &Edge, log: &Log, number: u64) -> Findings {
    let mut found = Findings::default();
    let deadline = Instant::now() + REST;
    let paying = std::sync::RwLock::new(());
    let name = format!("{number}-rest");
    let mut client = Client { edge, log, paying: &paying, dice: Dice::of(number, &[]), name, done: 0 };
    for account in log.accounts() {
        found.add(hold_a_token(&mut client, &account, deadline));
    }
    let open = |topup: &TopUp| topup.preimage.is_some() && !topup.is_claimed && topup.account.is_none();
    let places = |pick: &dyn Fn(&TopUp) -> bool| -> Vec<usize> {
        lock(&log.topups).iter().enumerate().filter(|(_, topup)| pick(topup)).map(|(place, _)| place).collect()
    };
    for place in places(&open) {
        if !in_time(deadline, || client.claim(place).ok()) {
            found.lost.push(format!("the claim of top-up {place}, which was paid, is never answered"));
        }
    }
    found.add(moves::finish(edge, log, deadline));
    for account in log.accounts() {
        let is_at_rest = || {
            let (_, reserved_msat) = books::sheet(edge, &account.token()).ok()?;
            (reserved_msat == 0).then_some(())
        };
        if !in_time(deadline, is_at_rest) {
            found.wrong.push(format!("{}: not at rest after {} s", account.id, REST.as_secs()));
        }
    }
    for grant in lock(&log.grants).iter_mut().filter(|grant| !grant.is_over) {
        for _ in 0..=grant.uses {
            let (next, _) = present(edge, log, grant, grant.tries.len(), How::of(Act::Serve));
            let heard = next.heard;
            grant.tries.push(next);
            grant.is_over = heard == Heard::Whole(402);
            if heard != Heard::Whole(200) {
                break;
            }
        }
    }
    found.add(returns::finish(edge, log, Instant::now() + RETURNED));
    found
}

/// Every balance has a token that works, and none works that a rotation has ended.
fn hold_a_token(client: &mut Client<'_>, account: &Account, deadline: Instant) -> Findings {
    let mut found = Findings::default();
    let edge = client.edge;
    let works = || match books::sheet(edge, &account.token()) {
        Ok(_) => Some(true),
        Err(Heard::Whole(401)) => Some(false),
        Err(_) => None,
    };
    let mut answer = None;
    in_time(deadline, || {
        answer = works();
        answer
    });
    // Where the answer of a rotation was lost, the old token is good: it ends with the first use of the new one.
    if answer == Some(false) {
        found.lost.push(format!("{}: no token opens it any more", account.id));
    }
    let token = account.token();
    lock(&account.ended).retain(|ended| *ended != token);
    let ended = lock(&account.ended).last().cloned();
    if ended.is_some_and(|ended| books::sheet(edge, &ended).is_ok()) {
        found.lost.push(format!("{}: a token works that an acknowledged rotation ended", account.id));
    }
    found
}

/// Everything that clients logged, as it is at rest.
struct Record {
    uses: Vec<super::log::Use>,
    topups: Vec<TopUp>,
    transfers: Vec<Transfer>,
    payouts: Vec<Payout>,
    grants: Vec<Grant>,
}

impl Record {
    fn of(log: &Log) -> Self {
        Self {
            uses: lock(&log.uses).clone(),
            topups: lock(&log.topups).clone(),
            transfers: lock(&log.transfers).clone(),
            payouts: lock(&log.payouts).clone(),
            grants: lock(&log.grants).clone(),
        }
    }

    /// By account.
    fn sorted(&self) -> HashMap<usize, Logged<'_>> {
        let mut by: HashMap<usize, Logged<'_>> = HashMap::new();
        self.uses.iter().for_each(|used| by.entry(used.account).or_default().uses.push(used));
        for topup in &self.topups {
            topup.account.iter().for_each(|number| by.entry(*number).or_default().topups.push(topup));
        }
        for transfer in &self.transfers {
            by.entry(transfer.from).or_default().gives.push(transfer);
            transfer.to.iter().for_each(|number| by.entry(*number).or_default().gets.push(transfer));
        }
        self.payouts.iter().for_each(|payout| by.entry(payout.account).or_default().payouts.push(payout));
        by
    }

    /// What the wallet has paid into balances.
    fn came_in(&self) -> i128 {
        self.topups.iter().filter(|topup| topup.preimage.is_some()).map(|topup| i128::from(topup.msat)).sum()
    }
}

/// Holds the whole log against the books, and both against the wallet.
fn look(bank: &Bank, log: &Log, known: &mut Vec<Vec<Line>>) -> Findings {
    let (edge, mut found) = (bank.edge(), Findings::default());
    audit_refunds(&edge, log);
    let record = Record::of(log);
    let mut logged = record.sorted();
    let seen = |tag: &str| bank.meter.seen(tag);
    let died = |at: Instant| log.died_after(at);
    let world = World { seen: &seen, died: &died, hold_ttl_s: hold_ttl_s() };
    let mut at_rest: Vec<Books> = Vec::new();
    for account in log.accounts() {
        let logged = logged.remove(&account.number).unwrap_or_default();
        known.resize(known.len().max(account.number + 1), Vec::new());
        let before = std::mem::take(&mut known[account.number]);
        // A paid refill that nobody claimed comes by a push, which the node says again until it was heard.
        let due = logged.topups.iter().filter(|topup| topup.preimage.is_some()).count();
        let (mut read, mut last) = (None, Heard::Nothing);
        in_time(Instant::now() + REST, || match books::read(&edge, &account.id, &account.token(), before.clone()) {
            Ok(books) => {
                let credited = books.lines.iter().filter(|line| line.kind == "top_up").count();
                read = Some(books);
                (credited >= due).then_some(())
            }
            Err(heard) => {
                last = heard;
                None
            }
        });
        match read {
            Some(books) => {
                found.add(compare::account(&account.id, &books, &logged, &world));
                known[account.number].clone_from(&books.lines);
                at_rest.push(books);
            }
            None => found.lost.push(format!("{}: its books cannot be read: {last:?}", account.id)),
        }
    }
    record.grants.iter().for_each(|grant| found.add(compare::grant(grant, &world)));
    let received = |hash: &str| {
        let mut received = false;
        in_time(Instant::now() + REST, || edge.has_received(hash).map(|is_paid| received = is_paid));
        received
    };
    let went_out = conserve::bills(&record.payouts, &record.grants, &received, &mut found);
    conserve::all(&at_rest.iter().collect::<Vec<_>>(), record.came_in(), went_out, &mut found);
    // I8: the origin served nobody who had nothing to show.
    let tries = record.grants.iter().flat_map(|grant| grant.tries.iter().map(|tried| tried.tag.as_str()));
    let paying: HashSet<&str> = record.uses.iter().map(|used| used.tag.as_str()).chain(tries).collect();
    for tag in bank.meter.tags().iter().filter(|tag| !paying.contains(tag.as_str())) {
        found.wrong.push(format!("the origin served {tag}, for which nobody showed anything"));
    }
    found
}

/// What the operator is told of the purchases that were given back.
fn audit_refunds(edge: &Edge, log: &Log) {
    for grant in lock(&log.grants).iter_mut().filter(|grant| !grant.refund.promises.is_empty()) {
        grant.refund.audit = None;
        in_time(Instant::now() + REST, || {
            grant.refund.audit = edge.audit(&grant.hash).ok();
            grant.refund.audit.as_ref().map(|_| ())
        });
    }
}

/// At the end: what a dead worker was delivering can be had again once its lease is over, and no more than that.
pub fn last_grants(bank: &Bank, log: &Log) -> Findings {
    let (edge, mut found, deadline) = (bank.edge(), Findings::default(), Instant::now() + LEASE);
    let (seen, died) = (|tag: &str| bank.meter.seen(tag), |at: Instant| log.died_after(at));
    let world = World { seen: &seen, died: &died, hold_ttl_s: hold_ttl_s() };
    for grant in lock(&log.grants).iter_mut().filter(|grant| !grant.is_over) {
        let over = in_time(deadline, || {
            let (next, _) = present(&edge, log, grant, grant.tries.len(), How::of(Act::Serve));
            grant.is_over = next.heard == Heard::Whole(402);
            let waits = next.heard == Heard::Whole(409);
            grant.tries.push(next);
            if waits {
                std::thread::sleep(Duration::from_secs(1));
            }
            grant.is_over.then_some(())
        });
        if !over {
            found.lost.push(format!("grant {} is neither delivered nor used up", grant.name));
        }
        found.add(compare::grant(grant, &world));
    }
    // What was delivered now has no refund, and what has one was not delivered.
    found.add(returns::finish(&edge, log, Instant::now() + RETURNED));
    audit_refunds(&edge, log);
    lock(&log.grants)
        .iter()
        .filter(|grant| grant.path == REFUNDED)
        .for_each(|grant| found.add(compare::grant(grant, &world)));
    found
}
