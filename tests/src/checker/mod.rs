//! Proof that no sat is lost: a bank's checker for prepaid balances, payouts, refunds and counted grants.
//!
//! Clients buy, spend, fill, claim, rotate, give to each other, pay out and take back at the same time, and log what they
//! heard. In the middle of each round the worker is killed with SIGKILL; in some rounds the node webhook is, too;
//! settlement pushes are lost, doubled and left unanswered. Then everything is brought to rest, and the log is held against
//! the books ([`compare`]), and both against the wallet outside ([`conserve`]).
//!
//! ```text
//! dice ─▶ clients ─▶ worker ─▶ meter (counts what it serves)
//!           │          ▲ ✝
//!           ▼          │
//!          log       courier ◀─ node ✝         log, meter, books, wallet ─▶ compare
//! ```

mod bank;
mod books;
mod client;
mod compare;
mod conserve;
mod courier;
mod dice;
mod log;
mod meter;
mod moves;
mod orders;
mod pace;
mod purchases;
mod returns;
mod round;
mod wire;

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bank::Bank;
use compare::Findings;
use dice::Dice;
use log::Log;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Plans workload, faults and moments.
    pub seed: u64,
    /// How many kills.
    pub rounds: u64,
    /// Clients at the same time.
    pub clients: u64,
    /// Operations of each client in each round; one is 1 to 7 requests.
    pub operations: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 0, rounds: 20, clients: 6, operations: 40 }
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Rounds that were finished.
    pub rounds: u64,
    /// Requests that clients sent.
    pub operations: u64,
    /// Of those, answered to the last byte.
    pub acknowledged: u64,
    /// Balances, and purchases by the piece.
    pub accounts: usize,
    /// Purchases of counted and single deliveries.
    pub grants: usize,
    /// Transfers between balances that were delivered, and that came back.
    pub transfers: [usize; 2],
    /// Payouts that succeeded, and that failed.
    pub payouts: [usize; 2],
    /// Purchases that were given back.
    pub refunds: usize,
    /// Requests that were sent again under their `Idempotency-Key`, and those of them whose answer was lost before.
    pub retries: [u64; 2],
    /// How often the worker was killed.
    pub kills: usize,
    /// How often the node webhook was killed.
    pub node_kills: u64,
    /// Settlement pushes that were lost, doubled, and left unanswered.
    pub pushes: [u64; 3],
    /// From the start of the process to its first answer, one for each kill.
    pub restarts: Vec<Duration>,
    /// What the last comparison found. It covers all rounds.
    pub findings: Findings,
    /// From the first start to the last comparison.
    pub took: Duration,
}

impl Summary {
    /// Whether every acknowledged effect is there, once, and the books add up.
    pub fn is_clean(&self) -> bool {
        self.findings.is_clean()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut restarts = self.restarts.clone();
        restarts.sort_unstable();
        let median = restarts.get(restarts.len() / 2).map_or(0, Duration::as_millis);
        let worst = restarts.last().map_or(0, Duration::as_millis);
        let ([lost, doubled, unanswered], found) = (self.pushes, &self.findings);
        write!(
            f,
            "{} rounds, {} operations, {} acknowledged, {} lost, {} doubled, {} otherwise wrong; {} accounts, {} grants, \
             {} transfers and {} that came back, {} payouts and {} that failed, {} refunds; {} requests again under their \
             key, {} of them after a lost answer; {} kills of the worker (back after {median} ms, at worst {worst} ms), {} of the node; pushes: {lost} lost, \
             {doubled} doubled, {unanswered} unanswered; {} holds swept, {} of them for an answer just before a kill; {} s",
            self.rounds,
            self.operations,
            self.acknowledged,
            found.lost.len(),
            found.doubled.len(),
            found.wrong.len(),
            self.accounts,
            self.grants,
            self.transfers[0],
            self.transfers[1],
            self.payouts[0],
            self.payouts[1],
            self.refunds,
            self.retries[0],
            self.retries[1],
            self.kills,
            self.node_kills,
            found.swept,
            found.explained,
            self.took.as_secs(),
        )
    }
}

/// Runs all rounds, and stops at the first that does not add up. `told` hears a line for each.
pub fn run(settings: Settings, told: &mut dyn FnMut(&str)) -> Summary {
    let (start, log) = (Instant::now(), Log::default());
    let mut bank = Bank::open(Dice::of(settings.seed, &[u64::MAX]));
    let mut summary = Summary::default();
    let mut known = Vec::new();
    for number in 1..=settings.rounds {
        let done = round::run(&mut bank, &log, &settings, number, &mut known);
        summary.restarts.push(done.restart);
        summary.node_kills += u64::from(done.killed_node);
        summary.findings = done.findings;
        summary.rounds = number;
        let sent = log.sent.load(Ordering::SeqCst);
        let (swept, explained) = (summary.findings.swept, summary.findings.explained);
        told(&format!(
            "[{number}/{}] {sent} operations so far, back after {} ms, {swept} holds swept, {explained} explained by a kill{}",
            settings.rounds,
            done.restart.as_millis(),
            if done.killed_node { ", node killed" } else { "" },
        ));
        if !summary.is_clean() {
            break;
        }
    }
    if summary.is_clean() {
        summary.findings.add(round::last_grants(&bank, &log));
    }
    let carried = &bank.courier.carried;
    summary.pushes = [&carried.lost, &carried.doubled, &carried.unanswered].map(|count| count.load(Ordering::SeqCst));
    summary.operations = log.sent.load(Ordering::SeqCst);
    summary.acknowledged = log.acknowledged.load(Ordering::SeqCst);
    summary.accounts = log.accounts().len();
    summary.transfers = ["delivered", "bounced"]
        .map(|end| log::lock(&log.transfers).iter().filter(|one| one.answers.ended(end)).count());
    summary.payouts =
        ["succeeded", "failed"].map(|end| log::lock(&log.payouts).iter().filter(|one| one.answers.ended(end)).count());
    summary.refunds = log::lock(&log.grants).iter().filter(|grant| grant.refund.is_claimed).count();
    summary.retries = [0, 1].map(|n| log.retries[n].load(Ordering::SeqCst));
    summary.grants = log::lock(&log.grants).len();
    summary.kills = log::lock(&log.kills).len();
    summary.took = start.elapsed();
    summary
}
