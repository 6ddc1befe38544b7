//! The clients' log against the books: nothing acknowledged is missing, nothing is there twice, nothing was invented, and
//! the sums are right to the msat. No I/O.
//!
//! | the client heard | the books must have |
//! | --- | --- |
//! | a whole 200 | its charge, once; or none, if the worker died within moments and its hold was swept |
//! | half an answer, or none | its charge once or not at all |
//! | any other status, or a failure of the origin | no charge |

use std::collections::HashMap;
use std::time::Instant;

use serde_json::{Value, json};

use super::books::{Books, Line};
use super::conserve;
use super::log::{Grant, TopUp, Use};
use super::meter::Act;
use super::orders::{Payout, Transfer};
use super::wire::Heard;

/// What the world outside the books knows.
pub struct World<'a> {
    /// How often the origin saw a request.
    pub seen: &'a dyn Fn(&str) -> u32,
    /// Whether the worker died within moments of this.
    pub died: &'a dyn Fn(Instant) -> bool,
    /// How long a hold lives that nobody ends, in seconds.
    pub hold_ttl_s: u64,
}

/// All that clients logged about one account.
#[derive(Clone, Debug, Default)]
pub struct Logged<'a> {
    /// What it paid for.
    pub uses: Vec<&'a Use>,
    /// What filled it.
    pub topups: Vec<&'a TopUp>,
    /// What it gave to others.
    pub gives: Vec<&'a Transfer>,
    /// What others gave to it.
    pub gets: Vec<&'a Transfer>,
    /// What it paid out.
    pub payouts: Vec<&'a Payout>,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Acknowledged, and not in the books.
    pub lost: Vec<String>,
    /// There twice, or delivered more often than paid for.
    pub doubled: Vec<String>,
    /// Everything else that is not as it must be.
    pub wrong: Vec<String>,
    /// Holds that nobody ended, ended by their time.
    pub swept: usize,
    /// Answers that were whole and not charged, because the worker died; each has a swept hold.
    pub explained: usize,
}

impl Findings {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.lines().next().is_none()
    }

    /// What is wrong, a line each.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        let named = |word: &'static str, lines: &'_ [String]| {
            lines.iter().map(|line| format!("{word}: {line}")).collect::<Vec<_>>()
        };
        [named("lost", &self.lost), named("doubled", &self.doubled), named("wrong", &self.wrong)].into_iter().flatten()
    }

    /// Both together.
    pub fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.doubled.extend(other.doubled);
        self.wrong.extend(other.wrong);
        self.swept += other.swept;
        self.explained += other.explained;
    }

    /// Notes what does not hold.
    pub fn must(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.wrong.push(what());
        }
    }
}

/// One account at rest: its books, and all that its clients logged.
pub fn account(id: &str, books: &Books, logged: &Logged<'_>, world: &World<'_>) -> Findings {
    let mut found = Findings::default();
    let Logged { uses, topups, gives, gets, payouts } = logged;
    chain(id, &books.lines, &mut found);
    let credited = credits(id, &books.lines, topups, &mut found);
    let charged = charges(id, &books.lines, uses, world, &mut found);
    let given = conserve::transfers(id, &books.lines, gives, gets, &mut found);
    let paid_out = conserve::payouts(id, &books.lines, payouts, &mut found);
    let balance = i128::from(books.balance_msat);
    found.must(balance == credited - charged - given - paid_out, || {
        format!(
            "{id}: balance {balance} msat, and {credited} came in and {charged} went out, {given} to others and \
             {paid_out} over Lightning"
        )
    });
    found.must(books.reserved_msat == 0, || format!("{id}: {} msat reserved at rest", books.reserved_msat));
    let expected = [
        ("user", balance),
        ("hold", 0),
        ("escrow", 0),
        ("fees", charged),
        ("node", paid_out - credited),
        ("in_transit", given),
        ("refund", 0),
        ("payout", 0),
    ];
    audit(id, books, &expected, &mut found);
    found
}

/// I9: no gap, and each line goes on from the balance of the one before.
fn chain(id: &str, lines: &[Line], found: &mut Findings) {
    let (mut seq, mut balance) = (0, 0);
    for line in lines {
        found.must(line.seq == seq + 1, || format!("{id}: line {} follows line {seq}", line.seq));
        found.must(line.balance_msat == balance + line.amount_msat, || {
            format!("{id}: line {} makes {} of {balance} with {}", line.seq, line.balance_msat, line.amount_msat)
        });
        (seq, balance) = (line.seq, line.balance_msat);
    }
}

/// T83, I5: each payment is there once, and nothing else is. Gives what came in.
fn credits(id: &str, lines: &[Line], topups: &[&TopUp], found: &mut Findings) -> i128 {
    let mut by_hash: HashMap<&str, Vec<&Line>> = HashMap::new();
    for line in lines.iter().filter(|line| line.kind == "top_up") {
        by_hash.entry(&line.subject).or_default().push(line);
    }
    let mut sum = 0;
    for topup in topups {
        let credited = by_hash.remove(topup.hash.as_str()).unwrap_or_default();
        sum += credited.iter().map(|line| i128::from(line.amount_msat)).sum::<i128>();
        match (topup.preimage.is_some(), credited.as_slice()) {
            (true, []) => found.lost.push(format!("{id}: {} msat were paid by {}", topup.msat, topup.hash)),
            (true, [line]) => found.must(u64::try_from(line.amount_msat) == Ok(topup.msat), || {
                format!("{id}: {} asked {} msat, line {} has {}", topup.hash, topup.msat, line.seq, line.amount_msat)
            }),
            (true, more) => found.doubled.push(format!("{id}: {} is credited {} times", topup.hash, more.len())),
            (false, []) => {}
            (false, _) => found.wrong.push(format!("{id}: {} is credited, and nobody paid it", topup.hash)),
        }
    }
    for (hash, credited) in by_hash {
        sum += credited.iter().map(|line| i128::from(line.amount_msat)).sum::<i128>();
        found.wrong.push(format!("{id}: {hash} is credited, and nobody ordered it"));
    }
    sum
}

/// T74, T79, I8: each charge has its use, each whole answer its charge. Gives what went out.
fn charges(id: &str, lines: &[Line], uses: &[&Use], world: &World<'_>, found: &mut Findings) -> i128 {
    let (mut placed, mut by_cost, mut sum, mut holds) = (HashMap::new(), HashMap::<u64, u32>::new(), 0, 0);
    for line in lines {
        match line.kind.as_str() {
            "hold_placed" => {
                holds += 1;
                placed.insert(line.subject.as_str(), line);
            }
            "hold_ended" => match placed.remove(line.subject.as_str()) {
                None => found.doubled.push(format!("{id}: line {} ends a hold that is not open", line.seq)),
                Some(begun) => {
                    let charge = -begun.amount_msat - line.amount_msat;
                    sum += i128::from(charge);
                    match u64::try_from(charge) {
                        Ok(0) if line.at_s.saturating_sub(begun.at_s) >= world.hold_ttl_s => found.swept += 1,
                        Ok(0) => {}
                        Ok(charge) => *by_cost.entry(charge).or_default() += 1,
                        Err(_) => found.wrong.push(format!("{id}: line {} gives more back than was held", line.seq)),
                    }
                }
            },
            "top_up" => {}
            other if conserve::is_ours(other) => {}
            odd => found.wrong.push(format!("{id}: line {} is a {odd}", line.seq)),
        }
    }
    for line in placed.values() {
        found.wrong.push(format!("{id}: the hold of line {} is open at rest", line.seq));
    }
    let mut may_hold = 0;
    for used in uses {
        let (charged, seen) = (by_cost.remove(&used.cost_msat).unwrap_or(0), (world.seen)(&used.tag));
        let refused = matches!(used.heard, Heard::Whole(401 | 402));
        may_hold += usize::from(!refused);
        let told = || format!("{id}: use {} for {} msat, heard {:?}", used.tag, used.cost_msat, used.heard);
        // Where the origin closes a kept connection without a word, the runtime asks again on another one, as HTTP lets it
        // (RFC 9110, 9.2.2). Nothing is charged for it, as the line below on failures says.
        if charged > 1 || (seen > 1 && used.act != Act::HangUp) {
            found.doubled.push(format!("{}, charged {charged} times, at the origin {seen} times", told()));
        }
        found.must(charged == 0 || seen > 0, || format!("{}, is charged, and the origin never saw it", told()));
        match used.heard {
            Heard::Whole(200) => {
                found.must(seen > 0 && used.act.delivers(), || format!("{}, and the origin did not serve it", told()));
                if charged == 0 && (world.died)(used.at) {
                    found.explained += 1;
                } else if charged == 0 {
                    found.lost.push(format!("{}, and is not charged", told()));
                }
            }
            Heard::Whole(_) => found.must(charged == 0, || format!("{}, and is charged", told())),
            Heard::Cut(_) | Heard::Nothing => {
                found.must(charged == 0 || used.act.delivers(), || format!("{}, and the origin failed", told()));
            }
        }
        found.must(!refused || seen == 0, || format!("{}, and reached the origin", told()));
    }
    for (cost, times) in by_cost {
        found.wrong.push(format!("{id}: {cost} msat are charged {times} times, and no use cost that"));
    }
    if found.explained > found.swept {
        let (explained, swept) = (found.explained, found.swept);
        found.lost.push(format!("{id}: {explained} answers are not charged, and only {swept} holds were swept"));
    }
    found.must(holds <= may_hold, || format!("{id}: {holds} holds for {may_hold} uses"));
    sum
}

/// I1 to I12, as the operator is told, and the same sums as in the history.
fn audit(id: &str, books: &Books, expected: &[(&str, i128)], found: &mut Findings) {
    let told = &books.audit;
    found.must(is_sound(told), || format!("{id}: {told}"));
    let lines = json!(books.lines.len());
    found.must(told["entries"] == lines && told["audited"] == lines, || {
        format!("{id}: {lines} lines, {} entries, {} audited", told["entries"], told["audited"])
    });
    for (name, msat) in expected {
        let booked = told["balances_msat"][*name].as_i64().map(i128::from);
        found.must(booked == Some(*msat), || format!("{id}: {name} is {booked:?} msat, and should be {msat}"));
    }
}

/// All twelve hold, and the book is not frozen.
pub fn is_sound(audit: &Value) -> bool {
    let invariants = audit["invariants"].as_object();
    let all = invariants.is_some_and(|all| all.len() == 12 && all.values().all(|holds| holds == &Value::Bool(true)));
    audit["holds"] == true && all && audit["frozen"].is_null()
}

/// C4, C7, T73, T100, I8: what was sold by the piece is delivered as often as it was paid for, or given back; under one
/// key it is delivered once, and answered as often as asked.
pub fn grant(grant: &Grant, world: &World<'_>) -> Findings {
    let mut found = Findings::default();
    let (mut whole, mut unsure, mut explained) = (0, 0, 0);
    for tried in &grant.tries {
        let (seen, heard) = ((world.seen)(&tried.tag), tried.heard);
        let told = || format!("delivery {}, heard {heard:?}, at the origin {seen} times", tried.tag);
        // As for a use: who hangs up without a word may be asked again by the runtime.
        if seen > 1 && tried.act != Act::HangUp {
            found.doubled.push(told());
        }
        match heard {
            Heard::Whole(200) => {
                whole += 1;
                explained += usize::from((world.died)(tried.at));
                found.must(seen > 0, told);
            }
            Heard::Whole(401 | 402 | 409) => found.must(seen == 0, told),
            Heard::Whole(_) => {}
            Heard::Cut(_) | Heard::Nothing => unsure += usize::from(seen > 0),
        }
        // 409: the answer was not written down yet, or never, because the worker died.
        if let Some(odd) =
            tried.again.iter().find(|again| matches!(again, Heard::Whole(status) if !matches!(status, 200 | 409 | 503)))
        {
            found.lost.push(format!("{}; and again under its key {odd:?}", told()));
        }
    }
    let back = usize::from(!grant.refund.promises.is_empty());
    let told = || {
        let back = if back > 0 { ", given back" } else { "" };
        format!("grant {} of {}: {whole} delivered, {unsure} perhaps{back}", grant.name, grant.uses)
    };
    if whole + back > grant.uses + explained {
        found.doubled.push(told());
    }
    if grant.is_over && whole + unsure + back < grant.uses {
        found.lost.push(told());
    }
    conserve::refund(grant, &mut found);
    found
}

#[cfg(test)]
#[path = "compare_tests.rs"]
pub(super) mod tests;
