//! What moved on, held against the books and the wallet outside: transfers arrive once, payouts and refunds are paid once,
//! and over all balances nothing is made and nothing lost. No I/O.
//!
//! | the client heard | the books must have |
//! | --- | --- |
//! | delivered | out of one balance once, into the other once |
//! | bounced | out and back |
//! | succeeded | amount and fee are gone, once, and the wallet has the amount |
//! | failed | all of it is back, and the wallet has nothing |
//! | no | nothing |

use std::collections::HashMap;

use sha2::{Digest, Sha256};

use super::books::{Books, Line};
use super::compare::Findings;
use super::log::Grant;
use super::orders::{Answers, Payout, Transfer};

/// What the third failure of a payer in a quarter of an hour costs, and each one after it.
const LATER_DEDUCTION_MSAT: u64 = 2_000;

/// The lines of these kinds, by what they happened to.
struct Subjects<'a>(HashMap<&'a str, Vec<&'a Line>>);

impl<'a> Subjects<'a> {
    fn of(lines: &'a [Line], kinds: &[&str]) -> Self {
        let mut found: HashMap<&str, Vec<&Line>> = HashMap::new();
        for line in lines.iter().filter(|line| kinds.contains(&line.kind.as_str())) {
            found.entry(&line.subject).or_default().push(line);
        }
        Self(found)
    }

    fn take(&mut self, id: &str) -> Story<'a> {
        Story(self.0.remove(id).unwrap_or_default())
    }

    /// What nobody's log explains.
    fn rest(self, id: &str, found: &mut Findings) {
        for line in self.0.into_values().flatten() {
            found
                .wrong
                .push(format!("{id}: line {} is {} of {}, which nobody ordered", line.seq, line.kind, line.subject));
        }
    }
}

/// The lines about one order.
struct Story<'a>(Vec<&'a Line>);

impl Story<'_> {
    fn count(&self, kind: &str) -> usize {
        self.0.iter().filter(|line| line.kind == kind).count()
    }

    fn sum(&self) -> i128 {
        sum(self.0.iter().copied())
    }

    /// Whether each of these kinds is there so often.
    fn is(&self, counts: &[(&str, usize)]) -> bool {
        counts.iter().all(|(kind, n)| self.count(kind) == *n)
    }
}

fn sum<'a>(lines: impl IntoIterator<Item = &'a Line>) -> i128 {
    lines.into_iter().map(|line| i128::from(line.amount_msat)).sum()
}

fn of_kinds<'a>(lines: &'a [Line], kinds: &'a [&str]) -> impl Iterator<Item = &'a Line> {
    lines.iter().filter(|line| kinds.contains(&line.kind.as_str()))
}

const OUT: [&str; 3] = ["sent", "delivered", "bounced"];
const IN: [&str; 2] = ["received", "declined"];
const PAID_OUT: [&str; 4] = ["payout_created", "payout_sent", "payout_succeeded", "payout_failed"];

/// Whether this module has to explain a line.
pub fn is_ours(kind: &str) -> bool {
    [OUT.as_slice(), IN.as_slice(), PAID_OUT.as_slice()].iter().any(|kinds| kinds.contains(&kind))
}

/// One name, one end, and no other "no" than that there is too little.
fn answers(told: &str, answers: &Answers, found: &mut Findings) {
    if answers.ids.len() > 1 {
        found.doubled.push(format!("{told}: one key, and {:?}", answers.ids));
    }
    found.must(answers.ends.len() <= 1, || format!("{told}: ended as {:?}", answers.ends));
    found.must(matches!(answers.refused, None | Some(402)), || format!("{told}: refused with {:?}", answers.refused));
}

/// T84, I10, I11: what an account gave and got. Gives how much more went than came.
pub fn transfers(id: &str, lines: &[Line], gives: &[&Transfer], gets: &[&Transfer], found: &mut Findings) -> i128 {
    let mut left = Subjects::of(lines, &OUT);
    for order in gives {
        let told = format!("{id}: transfer {} of {} msat", order.key, order.msat);
        answers(&told, &order.answers, found);
        let Some(name) = order.answers.id() else { continue };
        let (story, msat) = (left.take(name), i128::from(order.msat));
        match story.count("sent") {
            0 => found.lost.push(format!("{told} is acknowledged, and is not in the books")),
            1 => {}
            n => found.doubled.push(format!("{told} left {n} times")),
        }
        let (is_there, came_back) = (order.answers.ended("delivered"), order.answers.ended("bounced"));
        let counts = [("delivered", usize::from(is_there)), ("bounced", usize::from(came_back))];
        found.must(story.is(&counts), || format!("{told} ended as {:?}, and the books differ", order.answers.ends));
        let expected = if came_back { 0 } else { -msat };
        found.must(story.sum() == expected, || format!("{told} moved {} msat", story.sum()));
        found.must(is_there == order.to.is_some(), || format!("{told} to {:?} ended otherwise", order.to));
    }
    left.rest(id, found);
    let mut came = Subjects::of(lines, &IN);
    for order in gets {
        let Some(name) = order.answers.id() else { continue };
        let told = format!("{id}: transfer {} of {} msat to it", order.key, order.msat);
        let story = came.take(name);
        match (order.answers.ended("delivered"), story.count("received")) {
            (true, 0) => found.lost.push(format!("{told} was delivered, and never arrived")),
            (true, 1) => {}
            (false, 0) => {}
            (false, _) => found.wrong.push(format!("{told} arrived, and was not delivered")),
            (true, n) => found.doubled.push(format!("{told} arrived {n} times")),
        }
        let expected = if order.answers.ended("delivered") { i128::from(order.msat) } else { 0 };
        found.must(story.sum() == expected, || format!("{told} brought {} msat", story.sum()));
    }
    came.rest(id, found);
    -sum(of_kinds(lines, &OUT)) - sum(of_kinds(lines, &IN))
}

/// T74, T93, I6: what an account paid out. Gives what left, routing included.
pub fn payouts(id: &str, lines: &[Line], orders: &[&Payout], found: &mut Findings) -> i128 {
    let mut paid = Subjects::of(lines, &PAID_OUT);
    for order in orders {
        let told = format!("{id}: payout {} of {} msat", order.key, order.bill.msat);
        answers(&told, &order.answers, found);
        let Some(name) = order.answers.id() else { continue };
        let story = paid.take(name);
        match story.count("payout_created") {
            0 => found.lost.push(format!("{told} is acknowledged, and is not in the books")),
            1 => {}
            n => found.doubled.push(format!("{told} was reserved {n} times")),
        }
        let (is_paid, has_failed) = (order.answers.ended("succeeded"), order.answers.ended("failed"));
        let counts = [("payout_succeeded", usize::from(is_paid)), ("payout_failed", usize::from(has_failed))];
        found.must(story.is(&counts), || format!("{told} ended as {:?}, and the books differ", order.answers.ends));
        let cost = if is_paid { order.bill.msat + order.fee_msat.unwrap_or(0) } else { 0 };
        found.must(story.sum() == -i128::from(cost), || format!("{told} moved {} msat", story.sum()));
        if is_paid {
            let proof = order.preimage.as_deref().and_then(|preimage| hex::decode(preimage).ok());
            let proves = proof.is_some_and(|preimage| hex::encode(Sha256::digest(preimage)) == order.bill.hash);
            found.must(proves, || format!("{told} has no proof"));
        }
        let may_fail = !order.bill.fate.arrives() || order.has_rival;
        found.must(!has_failed || may_fail, || format!("{told} failed, and nothing stood in its way"));
    }
    paid.rest(id, found);
    -sum(of_kinds(lines, &PAID_OUT))
}

/// I6, T91, T95: each invoice of the wallet was paid once, or by nobody. Gives what left all balances for them.
pub fn bills(orders: &[Payout], grants: &[Grant], received: &dyn Fn(&str) -> bool, found: &mut Findings) -> i128 {
    let mut payers: HashMap<&str, Vec<&Payout>> = HashMap::new();
    for order in orders {
        payers.entry(&order.bill.hash).or_default().push(order);
    }
    let mut out = 0;
    for (hash, orders) in payers {
        let paid: Vec<_> = orders.iter().filter(|order| order.answers.ended("succeeded")).collect();
        let fees: u64 = paid.iter().filter_map(|order| order.fee_msat).sum();
        let msat = orders.first().map_or(0, |order| order.bill.msat);
        let told = || format!("invoice {hash} of {msat} msat");
        match (received(hash), paid.len()) {
            (true, 1) | (false, 0) => {}
            (true, 0) => found.lost.push(format!("{} was paid, and no balance paid it", told())),
            (false, 1) => found.lost.push(format!("{} is acknowledged as paid, and the wallet has nothing", told())),
            (_, n) => found.doubled.push(format!("{} was paid by {n} balances", told())),
        }
        out += i128::from(if received(hash) { msat } else { 0 }) + i128::from(fees);
    }
    for grant in grants {
        let told = || format!("grant {}: its refund of {} msat", grant.name, grant.refund.promised_msat());
        let paid: Vec<_> = grant.refund.claims.iter().filter(|bill| received(&bill.hash)).collect();
        match (grant.refund.is_claimed, paid.as_slice()) {
            (true, [one]) => {
                found.must(one.msat == grant.refund.promised_msat(), || format!("{} paid {}", told(), one.msat))
            }
            (false, []) => {}
            (true, []) => found.lost.push(format!("{} is called claimed, and no wallet has it", told())),
            (false, [_]) => found.wrong.push(format!("{} was paid, and is not called claimed", told())),
            (_, more) => found.doubled.push(format!("{} was paid {} times", told(), more.len())),
        }
    }
    out
}

/// I3, I11: over all balances at rest nothing is on its way, and what is there is what came in less what went out.
pub fn all(books: &[&Books], came_in: i128, went_out: i128, found: &mut Findings) {
    let total = |class: &str| -> i128 {
        books.iter().filter_map(|books| books.audit["balances_msat"][class].as_i64()).map(i128::from).sum()
    };
    found.must(total("in_transit") == 0, || format!("{} msat are on their way at rest", total("in_transit")));
    let held: i128 = ["user", "hold", "escrow", "fees", "in_transit", "refund", "payout"].map(total).iter().sum();
    found.must(held == came_in - went_out, || {
        format!("all balances hold {held} msat, and {came_in} came in and {went_out} went out")
    });
}

/// T92, T100: what failed for good is given back once, and its book has what is left of it.
pub fn refund(grant: &Grant, found: &mut Findings) {
    let refund = &grant.refund;
    let told = || format!("grant {}: {:?} of {} msat", grant.name, refund.promises, grant.msat);
    if refund.promises.is_empty() {
        if refund.is_owed {
            found.lost.push(format!("{}: failed for good, and nothing is given back", told()));
        }
        return;
    }
    found.must(refund.promises.len() == 1, || format!("{}: the promise changed", told()));
    let promised = refund.promised_msat();
    let is_fair = promised == grant.msat || promised + LATER_DEDUCTION_MSAT == grant.msat;
    found.must(is_fair, || format!("{}: is not what was paid", told()));
    if !refund.is_claimed {
        found.lost.push(format!("{}: its link pays nobody", told()));
    }
    let Some(audit) = &refund.audit else {
        found.lost.push(format!("{}: its book cannot be read", told()));
        return;
    };
    found.must(super::compare::is_sound(audit), || format!("{}: {audit}", told()));
    let kept = i64::try_from(grant.msat.saturating_sub(promised)).unwrap_or(i64::MAX);
    let expected =
        [("fees", kept), ("node", -kept), ("user", 0), ("hold", 0), ("refund", 0), ("payout", 0), ("in_transit", 0)];
    for (name, msat) in expected {
        let booked = audit["balances_msat"][name].as_i64();
        found.must(booked == Some(msat), || format!("{}: {name} is {booked:?} msat, and should be {msat}", told()));
    }
}

#[cfg(test)]
#[path = "conserve_tests.rs"]
mod tests;
